"""The checker of files about trees: what it proves, and every changed file that it must refuse."""

import copy
import itertools
import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import certify
import dgames as dg
from certify.checker import Unusable, check_data, tree_couplings
from certify.checker.exact import Work
from certify.checker.reader import Reader
from certify.checker.tree_couplings import coupling_bound, pure_strategies
from certify.checker.tree_game import Treeplex
from certify.checker.trees import RegularisedTreeGame
from certify.problem.tree_data import tree_data
from dgames.games import TreeGame, kuhn_poker


@pytest.fixture(scope="module")
def files():
    """Kuhn's poker; the same for players who are not quite opposed; and in sequence form alone."""
    kuhn = kuhn_poker().game()
    skewed = np.asarray(kuhn.payoffs) * np.array([[1.0], [0.875]])
    skewed[1, ::3] += 0.01
    game = TreeGame(skewed, kuhn.sequences, kuhn.treeplexes, kuhn.tree)
    plain = TreeGame(kuhn.payoffs, kuhn.sequences, kuhn.treeplexes)
    return {
        "zero-sum": certify.certify_tree(kuhn, 0.1).data,
        "general": certify.certify_tree(game, 1.0).data,
        "plain": certify.certify_tree(plain, 0.5).data,
    }


@pytest.fixture(params=["zero-sum", "general"])
def data(files, request):
    return copy.deepcopy(files[request.param])


def changed(data, path, change):
    """Applies a change to the entry at a path; a number is meant where the file has its text."""
    data = copy.deepcopy(data)
    *way, last = path
    node = data
    for key in way:
        node = node[key]
    old = node[last]
    number = isinstance(old, str) and old.startswith(("0x", "-0x"))
    node[last] = change(float.fromhex(old)).hex() if number else change(old)
    return data


def up(x):
    return math.nextafter(x, math.inf)


def down(x):
    return math.nextafter(x, -math.inf)


def test_files_are_accepted(files):
    for data in files.values():
        verdict = check_data(data)
        assert verdict.ok and verdict.rederived and check_data(data, level=2).ok
    assert files["zero-sum"]["evidence"]["couplings"][:2] == ["pairs", "pairs"]
    assert files["plain"]["game"]["tree"] is None and "value" not in files["general"]["claims"]


def moved(own):
    """Moves a millionth from one action of the last information set to another."""
    size = own[0] // 10**6
    return [*own[:-2], own[-2] + size, own[-1] - size]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("claims", "lipschitz"), down),
        (("claims", "step", "best"), lambda x: 2.01 * x),
        (("claims", "step", "gain"), up),
        (("claims", "step", "gain"), lambda x: -x),
        (("claims", "step", "max"), up),
        (("claims", "margin"), lambda x: -x),
        (("claims", "margin"), up),
        (("claims", "weights", 0), lambda x: -x),
        (("claims", "weights", 0), lambda x: 8 * x),
        (("claims", "equilibrium", "radius"), lambda x: (1 - 2.0**-20) * x),
        (("claims", "equilibrium", "radius"), lambda x: -x),
        (("claims", "equilibrium", "center", 0), moved),
        (("claims", "equilibrium", "center", 1), moved),
        (("claims", "exploitability", "center"), down),
        (("claims", "exploitability", "equilibrium"), lambda x: x * (1 - 1e-15)),
        (("claims", "exploitability", "general"), down),
        (("game", "temperature"), lambda x: 0.9 * x),
        (("game", "temperature"), lambda x: 0.0),
        (("game", "payoffs", 0, 0), lambda x: x + 1),
        (("game", "payoffs", 1, 3), lambda x: x - 1),
        (("game", "reference", 0), lambda x: [(0.25).hex()] * 12),
        (("game", "reference", 1), lambda x: [(0.0).hex()] * 12),
    ],
)
def test_changed_files_are_rejected(data, path, change):
    verdict = check_data(changed(data, path, change))
    assert not verdict.ok and verdict.reasons


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("claims", "value", "lower"), up),
        (("claims", "value", "upper"), down),
        (("game", "payoffs", 0, 0), lambda x: x + 2.0**-50),
        (("evidence", "couplings", 0), lambda _: "first"),
        (("evidence", "couplings", 1), lambda _: "tree"),
    ],
)
def test_changed_zero_sum_files_are_rejected(files, path, change):
    assert not check_data(changed(files["zero-sum"], path, change)).ok


def test_a_value_is_claimed_of_zero_sum_games_alone(files):
    data = copy.deepcopy(files["general"])
    data["claims"]["value"] = {"lower": (-1e6).hex(), "upper": (1e6).hex()}
    data["evidence"]["strategies"] = data["claims"]["equilibrium"]["center"]
    assert check_data(data).reasons == ("the game is zero-sum in its weights",)


def test_a_bound_by_the_tree_needs_the_tree(files):
    data = changed(files["plain"], ("evidence", "couplings", 0), lambda _: "tree")
    assert check_data(data).reasons == ("the file has the tree that its bounds are about",)


TREE = ("game", "tree")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("game", "treeplexes", 0, "counts", 0), 0, "positive numbers of actions"),
        (("game", "treeplexes", 0, "counts", 0), 2**20, "fewer than"),
        (("game", "treeplexes", 0, "counts", 0), True, "integers"),
        (("game", "treeplexes", 0, "parents", 1), 3, "earlier sequences"),
        (("game", "treeplexes", 0, "parents", 1), -1, "earlier sequences"),
        (("game", "treeplexes", 0, "parents"), [0], "a list of 1 integers"),
        (("game", "treeplexes"), [], "a list of 2"),
        (("game", "leaves", 1, 0), 13, "from 0 to 12"),
        (("game", "leaves", 0, 0), 2, "whose leaves have these sequences"),
        (("game", "payoffs", 0), [], "a list of 30"),
        ((*TREE, "parents", 0), 0, "a root"),
        ((*TREE, "parents", 1), 1, "after their parents"),
        ((*TREE, "movers", 0), 3, "players 0 and 1"),
        ((*TREE, "movers", 0), -1, "nothing follows"),
        ((*TREE, "movers", 3), 1, "-1"),
        ((*TREE, "sequences", 0), 0, "no sequence that leads to the root"),
        ((*TREE, "sequences", 1), 0, "where no player moves"),
        ((*TREE, "sequences", 2), 0, "but the empty ones"),
        ((*TREE, "sequences", 2), 3, "perfect recall"),
        ((*TREE, "sequences", 7), 1, "perfect recall"),  # the action of its neighbour
        ((*TREE, "sequences", 2), 13, "of those who move"),
        ((*TREE, "movers"), [], "a list of"),
        (("game", "extra"), 1, "nothing can verify extra"),
        (("claims", "extra"), 1, "nothing can verify extra"),
        (("evidence", "extra"), 1, "nothing can verify extra"),
        (("evidence", "couplings"), ["tree"], "a list of 3"),
        (("evidence", "couplings", 2), "guess", '"pairs" or "first"'),
        (("claims", "margin"), 0.5, "a finite hexadecimal float"),
        (("claims", "equilibrium", "center", 0, 1), 1, "adds up"),
        (("claims", "equilibrium", "center", 0, 0), 0, "adds up"),
        (("evidence", "strategies", 0, 1), -1, "adds up"),
    ],
)
def test_malformed_files_are_unusable(files, path, value, message):
    node = data = copy.deepcopy(files["zero-sum"])
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(Unusable, match=message):
        check_data(data)


@pytest.mark.parametrize(
    ("path", "least"),
    [(("claims", "equilibrium", "center", 0), 0), (("evidence", "strategies", 1), -1)],
)
def test_strategies_have_no_negative_entries(files, path, least):
    """Nor zeros in the centre, even where everything adds up."""

    def lowered(own):
        return [*own[:-2], own[-2] + own[-1] - least, least]

    with pytest.raises(Unusable, match="adds up"):
        check_data(changed(files["zero-sum"], path, lowered))


@pytest.mark.parametrize("player", [0, 1])
def test_either_player_bounds_the_lipschitz_constant(player):
    """Pennies that one of them counts threefold, in weights of one."""
    scales = [1.0, -1.0]
    scales[player] *= 3
    pennies = np.array([1.0, -1.0, -1.0, 1.0])
    plex = dg.Treeplex([0], [2])
    game = TreeGame(np.outer(scales, pennies), [[1, 1, 2, 2], [1, 2, 1, 2]], (plex, plex))
    data = certify.certify_tree(game, 5.0, weights=(1.0, 1.0)).data
    assert float.fromhex(data["claims"]["lipschitz"]) == 3.0
    assert not check_data(changed(data, ("claims", "lipschitz"), down)).ok


def test_players_who_forget_are_unusable(files):
    """In the tree, the second player forgets its card: two nodes of different past in one set."""
    data = copy.deepcopy(files["zero-sum"])
    tree, plexes = data["game"]["tree"], data["game"]["treeplexes"]
    deep = next(j for j, parent in enumerate(plexes[0]["parents"]) if parent > 0)
    plexes[0]["parents"][deep] += 1
    with pytest.raises(Unusable, match="perfect recall"):
        check_data(data)
    assert tree is data["game"]["tree"]


def chain(length):
    """Information sets of one action each, one after the other."""
    return {"parents": list(range(length)), "counts": [1] * length}


def test_large_files_take_a_bounded_time(files):
    """What would take too long is refused before it is done."""
    data = copy.deepcopy(files["plain"])
    many = 2**19
    data["game"]["treeplexes"] = [{"parents": [0] * many, "counts": [2] * many}, chain(100)]
    data["game"]["leaves"] = [[1], [1]]
    data["game"]["payoffs"] = [[(1.0).hex()], [(-1.0).hex()]]
    data["evidence"]["couplings"] = ["first", "second", "first"]
    with pytest.raises(Unusable, match=r"a list of|fewer than"):
        check_data(data)
    data["game"]["treeplexes"] = [chain(100), {"parents": [0] * 8, "counts": [2] * 8}]
    data["evidence"]["couplings"] = ["pairs"] * 3
    data["game"]["reference"] = [[], []]
    with pytest.raises(Unusable, match=r"adds up|a list of"):  # and not for too many strategies
        check_data(data)
    data["game"]["treeplexes"][0] = chain(2**13)
    assert "pure strategies" in check_data(data).reasons[0]
    data["game"]["treeplexes"][0] = {"parents": [0] * 8, "counts": [2] * 8}
    data["game"]["treeplexes"][1] = {"parents": [0] * 2**14, "counts": [2] * 2**14}
    with pytest.raises(Unusable, match="too much work"):
        check_data(data)


@pytest.mark.parametrize(
    ("parents", "counts"), [([], []), ([0], [3]), ([0, 1, 0, 3], [2, 2, 1, 3])]
)
def test_pure_strategies_are_counted_and_listed(parents, counts):
    treeplex = Treeplex(Reader(parents), Reader(counts))
    listed = list(map(frozenset, pure_strategies(treeplex)))
    assert treeplex.pure() == len(set(listed)) == len(listed)
    for pure in listed:
        q = [int(s in pure) for s in range(treeplex.sequences)]
        assert treeplex.flows(q, 0)
    sizes = [3 + 2 * s for s in range(treeplex.sequences)]
    apart = max(sum(sizes[s] for s in a ^ b) for a in listed for b in listed)
    assert treeplex.largest_difference(sizes) == apart
    values = [(-1) ** s * s for s in range(treeplex.sequences)]
    sums = [sum(values[s] for s in pure) for pure in listed]
    assert (treeplex.least(values), treeplex.most(values)) == (min(sums), max(sums))
    assert treeplex.range_of(dict(enumerate(values))) == max(sums) - min(sums)
    row = {s: x for s, x in enumerate(values) if s % 2}
    sums = [sum(row.get(s, 0) for s in pure) for pure in listed]
    assert treeplex.range_of(row) == max(sums) - min(sums)


def test_the_number_of_pure_strategies_is_rounded_up():
    treeplex = Treeplex(Reader([0] * 200), Reader([3] * 200))
    assert 3**200 < treeplex.pure() < 3**200 * (1 + Fraction(1, 2**110))


@st.composite
def forms(draw):
    """Small games with chance, in which players remember what they did, and not much more.

    They are what `built` makes games of: checks of types draw random numbers, which a strategy must
    not do.
    """
    left = [draw(st.integers(6, 14))]

    def node(pasts, depth):
        left[0] -= 1
        kind = draw(st.integers(0, 3)) if depth < 4 and left[0] > 0 else 3
        if kind == 3:
            return dg.Leaf, tuple(draw(st.integers(-4, 4)) for _ in range(2))
        count = draw(st.integers(1, 3))
        if kind == 2:
            odds = [Fraction(1, 2**k) for k in range(1, count)]
            odds.append(1 - sum(odds, Fraction(0)))
            names = tuple(map(str, range(count)))
            return dg.Chance, names, tuple(odds), [node(pasts, depth + 1) for _ in names]
        name = f"{pasts[kind]}{draw(st.integers(0, 1))}{'.' * count}"
        after = [(*pasts[:kind], f"{name}/{a}", *pasts[kind + 1 :]) for a in range(count)]
        actions = tuple(map(str, range(count)))
        return dg.Decision, kind, name, actions, [node(own, depth + 1) for own in after]

    return node(("", ""), 0)


def built(drawn):
    """The node that was drawn."""
    kind, *parts = drawn
    return kind(*(tuple(map(built, p)) if isinstance(p, list) else p for p in parts))


def paid(node, plans):
    """The expected payoffs of two plans, which say what to do at each information set."""
    if isinstance(node, dg.Leaf):
        return [Fraction(x) for x in node.payoffs]
    if isinstance(node, dg.Decision):
        return paid(node.children[plans[node.player][node.infoset]], plans)
    found = [paid(child, plans) for child in node.children]
    pairs = list(zip(node.probabilities, found, strict=True))
    return [sum((p * each[i] for p, each in pairs), Fraction(0)) for i in range(2)]


def cooperative_range(node, i):
    """The range of what a player can be paid if all know everything, and chance is as it is."""
    return _ends(node, i)[1] - _ends(node, i)[0]


def _ends(node, i):
    if isinstance(node, dg.Leaf):
        return (Fraction(node.payoffs[i]),) * 2
    ends = [_ends(child, i) for child in node.children]
    if isinstance(node, dg.Decision):
        return min(low for low, _ in ends), max(high for _, high in ends)
    return tuple(
        sum((p * own[k] for p, own in zip(node.probabilities, ends, strict=True)), Fraction(0))
        for k in range(2)
    )


@settings(max_examples=40, deadline=None)
@given(forms())
def test_bounds_on_couplings_hold_for_all_pure_strategies(drawn):
    form = dg.ExtensiveForm("random", ("first", "second"), built(drawn))
    plans = []
    for player in range(2):
        sets = form.infosets(player)
        choices = itertools.product(*(range(len(actions)) for _, actions in sets))
        plans.append([dict(zip((n for n, _ in sets), own, strict=True)) for own in choices])
    if len(plans[0]) * len(plans[1]) > 150:
        return
    table = np.array([[paid(form.root, (a, b)) for b in plans[1]] for a in plans[0]], object)
    game = RegularisedTreeGame(Reader(tree_data(form.game(), 1.0), "game")).game
    for i in range(2):
        payoffs = table[..., i]
        offsets = payoffs[:, None] - payoffs[None]
        exact = (offsets.max(-1) - offsets.min(-1)).max()
        spread = 2 * cooperative_range(form.root, i)
        for kind in tree_couplings.KINDS:
            bound = game.unit * coupling_bound(game, game.payoffs[i], kind, Work())
            assert bound >= exact
            assert kind != "pairs" or bound == exact
            # What both take together cancels, so that this is no worse than the plain range.
            assert kind != "tree" or bound <= spread
