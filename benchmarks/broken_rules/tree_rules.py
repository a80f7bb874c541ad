"""Rules of the checker about trees of two players, of which a part can be broken."""

from .source import Rule

RULES = [
    Rule("trees", "check_tree", "0 < alpha <= temperature", "0 < alpha"),
    Rule(
        "trees",
        "check_tree",
        "joint**2 <= 4 * (temperature - alpha) ** 2 * w[0] * w[1]",
        "joint**2 <= 5 * (temperature - alpha) ** 2 * w[0] * w[1]",
    ),
    Rule("trees", "check_tree", "bound**2 * w[1] >= single[0] ** 2 * w[0]", "True"),
    Rule("trees", "check_tree", "bound**2 * w[0] >= single[1] ** 2 * w[1]", "True"),
    Rule("trees", "check_tree", "game.is_zero(both)", "True"),
    Rule("trees", "trees:check_place", "found.residual <= (margin * size) ** 2", "True"),
    Rule("trees", "trees:check_place", "at_center >= sum(found.gains)", "True"),
    Rule("trees", "trees:check_place", "general >= bound", "True"),
    Rule(
        "trees",
        "trees:check_place",
        "at_equilibrium >= min(gains_nearby(found, size, weights, couplings), bound)",
        "True",
    ),
    Rule("trees", "check_value", "lower <= least", "True"),
    Rule("trees", "check_value", "most <= upper", "True"),
    Rule(
        "trees",
        "RegularisedTreeGame.half_range",
        "own[treeplex.parents[treeplex.owners[s]]]",
        "own[0]",
    ),
    Rule(
        "trees",
        "RegularisedTreeGame.half_range",
        "Fraction(own[s], mass) / self.reference[i][s]",
        "Fraction(own[s], mass)",
    ),
    Rule("trees", "Treeplex.flows", "min(q) >= least", "True"),
    Rule("trees", "Treeplex.largest_difference", "max(both[actions])", "0"),
    Rule("trees", "Treeplex.largest_difference", "two_largest(alone[actions])", "0"),
    Rule("trees", "Treeplex.range_of", "max(high.get(s, 0) for s in actions)", "0"),
    Rule("trees", "SequenceGame._require_recall", "own.parents[j] != last", "False"),
    Rule(
        "trees",
        "SequenceGame._require_recall",
        "sorted(edges) == [*range(start, stop)]",
        "True",
    ),
    Rule("trees", "SequenceGame._read_tree", "own != [lasts[k][i] for k in self.places]", "False"),
    Rule("trees", "_by_tree", "max(own[c] for c in children)", "0"),
    Rule("trees", "_by_tree", "_largest_gap(tops, bottoms)", "0"),
    Rule("trees", "_by_tree", "two_largest(across)", "max(across)"),
    Rule("trees", "two_largest", "first + second", "first"),
    Rule(
        "trees",
        "_largest_gap",
        "sorted(range(len(tops)), key=tops.__getitem__)[-2:]",
        "sorted(range(len(tops)), key=tops.__getitem__)[-1:]",
    ),
]

TESTS = {"trees": ["checker/test_trees.py", "prove/trees/test_certified_trees.py"]}
