"""Rules of the checker about monotone fields, of which a part can be broken."""

from .source import Rule

RULES = [
    Rule("monotone", "MonotoneClaims.__init__", "min(self.metric.weights) > 0", "True"),
    Rule("monotone", "MonotoneClaims.__init__", "min(self.reach) > 0", "True"),
    Rule("monotone", "MonotoneClaims.__init__", "self.radius >= 0", "True"),
    Rule("monotone", "StatedGame.read_point", "min(self.residual) >= 0", "True"),
    Rule("monotone", "BoxSet.__init__", "all(a <= b for a, b in bounded)", "True"),
    Rule(
        "monotone",
        "MonotoneClaims.contains_sets",
        "room**2 / self.metric.coordinate[k]",
        "room**2 * self.metric.coordinate[k]",
    ),
    Rule(
        "monotone",
        "MonotoneClaims.contains_sets",
        "sum(squares, Fraction(0))",
        "max(squares)",
    ),
    Rule(
        "monotone",
        "MonotoneClaims.diameter_above",
        "weight * 4 * own.radius**2",
        "weight * own.radius**2",
    ),
    Rule(
        "monotone",
        "MonotoneClaims.farthest_above",
        "root_above(offset) + own.radius",
        "root_above(offset)",
    ),
    Rule("monotone", "MonotoneClaims.farthest_above", "min(part)", "max(part)"),
    Rule("monotone", "MonotoneClaims.farthest_above", "max(x - low, high - x)", "high - x"),
    Rule("monotone", "_KrawczykTest.include", "abs(x) + y", "abs(x)"),
    Rule("monotone", "_KrawczykTest.include", "max(old, abs(x) + y)", "abs(x) + y"),
    Rule("monotone", "_KrawczykTest.include", "product(self.size, moving)", "moving"),
    Rule("monotone", "_KrawczykTest.include", "c + r < low or high < c - r", "c < low or high < c"),
    Rule("monotone", "_KrawczykTest.require_zero", "width < reach", "width <= reach"),
    Rule("monotone", "_KrawczykTest.require_zero", "start * Fraction(2) ** self.unit", "0"),
    Rule(
        "monotone",
        "check_solution",
        "claims.region.contains_box([c - r for c, r in ends], [c + r for c, r in ends])",
        "True",
    ),
    Rule("monotone", "check_solution", "own.contains(point)", "True"),
    Rule("monotone", "check_solution", "any(defect.errors) or defect.shift", "any(defect.errors)"),
    Rule("monotone", "check_solution", "distance_above(claims) <= claims.distance", "True"),
    Rule(
        "monotone",
        "distance_above",
        "claims.norm_above(gap) + claims.radius + near",
        "claims.norm_above(gap) + claims.radius",
    ),
    Rule(
        "monotone",
        "distance_above",
        "claims.farthest_above(claims.start) + claims.radius",
        "claims.farthest_above(claims.start)",
    ),
    Rule("monotone", "check_methods", "size > 0", "True"),
    Rule("monotone", "check_methods", "bound <= constant.number()", "True"),
    Rule("monotone", "points_inside", "claims.diameter_above() / 2", "claims.diameter_above() / 4"),
    Rule(
        "monotone",
        "points_inside",
        "known.reach(a) * claims.distance + claims.norm_above(claims.reach)",
        "known.reach(a) * claims.distance",
    ),
    Rule("semidefinite", "exactly_semidefinite", "pivot == 0 and any(row)", "False"),
    Rule("semidefinite", "connected", "any(m[i][j] for m in matrices)", "matrices[0][i][j]"),
    Rule("semidefinite", "_lowered_semidefinite", "-(-loss // t)", "loss // t"),
    Rule(
        "semidefinite",
        "_lowered_semidefinite",
        "centre, *loose = matrices",
        "(centre, _), loose = matrices[:2], matrices[2:]",
    ),
    # The theorems: how far points stray, and constants; what tables have is made once.
    Rule("monotone", "constant_anchored_extragradient", "1 + a", "Fraction(1)"),
    Rule("monotone", "varying_anchored_extragradient", "1 + a", "Fraction(1)"),
    Rule("monotone", "accelerated_optimistic", "1 / (1 - a)", "Fraction(1)"),
    Rule("monotone", "extragradient", "root_above(1 + a**2)", "Fraction(1)"),
    Rule("monotone", "limit_of_varying_steps", "1 - a**2 / (1 - a**2) * ends / 2", "1"),
    Rule(
        "level 2 of ranges",
        "_Derivation._failing",
        "still and whole.magnitude() <= most",
        "still",
    ),
]

TESTS = {
    "monotone": ["checker/test_monotone.py", "checker/test_anchored.py"],
    "semidefinite": ["checker/test_monotone.py"],
    "level 2 of ranges": ["checker/test_monotone.py"],
}
