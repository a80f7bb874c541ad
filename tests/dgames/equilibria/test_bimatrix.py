"""All equilibria of bimatrix games: published games, two algorithms, the definition."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import nnls

import dgames as dg
from dgames.games import MatrixGame

F = Fraction

# von Stengel, Handbook of Game Theory 3 (2002), the example of section 2.2: three equilibria.
HANDBOOK = ([[3, 3], [2, 5], [0, 6]], [[3, 2], [2, 6], [3, 1]])


def gains(table, own, other):
    """The payoffs of actions less that of a mixed strategy, by definition, in fractions."""
    rows = [sum(F(u) * p for u, p in zip(row, other, strict=True)) for row in table]
    value = sum(p * u for p, u in zip(own, rows, strict=True))
    return [u - value for u in rows]


def check(game, found):
    """Every equilibrium satisfies the definition; indices and components are consistent."""
    a, b = (np.asarray(table, object) for table in game)
    for e in found:
        assert sum(e.x) == sum(e.y) == 1 and min(*e.x, *e.y) >= 0
        assert max(gains(a.tolist(), e.x, e.y)) == 0
        assert max(gains(b.T.tolist(), e.y, e.x)) == 0
    assert len({(e.x, e.y) for e in found}) == len(found)
    assert sum(component.index for component in found.components) == 1
    numbers = [k for component in found.components for k in component.equilibria]
    assert sorted(numbers) == list(range(len(found)))
    for component in found.components:
        if component.is_point and found[component.equilibria[0]].index is not None:
            assert found[component.equilibria[0]].index == component.index
        pairs = {(found[k].x, found[k].y) for k in component.equilibria}
        products = [set(itertools.product(s.xs, s.ys)) for s in component.subsets]
        assert set().union(*products) == pairs  # each edge is in a clique, each clique complete
        for one, other in itertools.permutations(products, 2):
            assert not one <= other  # maximal
    if not found.degenerate:
        assert found.is_finite and len(found) % 2 == 1
        assert all(abs(e.index) == 1 for e in found)


def draws(count, sizes, seed):
    """Random games: of few integers, with ties, of many, and of floats."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        shape = (2, *rng.integers(sizes[0], sizes[1] + 1, 2))
        if k % 3 == 0:
            yield rng.integers(0, 3, shape).tolist()
        elif k % 3 == 1:
            yield rng.integers(-50, 50, shape).tolist()
        else:
            yield rng.normal(size=shape).tolist()


def test_the_game_of_the_handbook_has_its_three_equilibria():
    found = dg.bimatrix_equilibria(HANDBOOK)
    assert [(e.x, e.y) for e in found] == [
        ((F(0), F(1, 3), F(2, 3)), (F(1, 3), F(2, 3))),
        ((F(4, 5), F(1, 5), F(0)), (F(2, 3), F(1, 3))),
        ((F(1), F(0), F(0)), (F(1), F(0))),
    ]
    assert [e.index for e in found] == [1, -1, 1]
    assert not found.degenerate and found.is_finite
    assert found[1].payoffs == (3, F(14, 5))
    assert found[1].supports == ((0, 1), (0, 1))
    assert [x.tolist() for x in found.strategies()[2]] == [[1, 0, 0], [1, 0]]
    check(HANDBOOK, found)


def test_its_degenerate_variant_has_a_component():
    """Section 2.6 there: the last row of B is (3, 3), and a component is an edge."""
    game = ([[3, 3], [2, 5], [0, 6]], [[3, 3], [2, 6], [3, 1]])
    found = dg.bimatrix_equilibria(game)
    assert found.degenerate and not found.is_finite
    check(game, found)
    (edge,) = [c for c in found.components if not c.is_point]
    (subset,) = edge.subsets
    assert subset.xs == ((1, 0, 0),) and subset.ys == ((F(2, 3), F(1, 3)), (1, 0))
    # At x_1 = 1 the equilibria of indices 1 and -1 of the game above have merged.
    assert [component.index for component in found.components] == [1, 0]
    assert edge is found.components[1]


def test_a_third_is_a_third_only_in_fractions():
    """Three equal payoffs, of which the last is 1/3 and so are the shares that it needs."""
    third = F(1, 3)
    exact = dg.bimatrix_equilibria(([[third, 0], [0, 1]], [[1, 0], [0, 1]]))
    assert exact[1].y == (F(3, 4), F(1, 4))
    floats = dg.bimatrix_equilibria(MatrixGame([[1 / 3, 0.0], [0.0, 1.0]], [[1, 0], [0, 1]]))
    share = F(1 / 3)
    assert floats[1].y == (1 / (1 + share), share / (1 + share)) != exact[1].y


def test_indices_of_games_in_which_everything_or_much_is_an_equilibrium():
    zero = dg.bimatrix_equilibria(([[0, 0, 0]] * 2, [[0, 0, 0]] * 2))
    (component,) = zero.components
    assert component.index == 1 and len(zero) == 6
    assert [(len(s.xs), len(s.ys)) for s in component.subsets] == [(2, 3)]
    # Everything but (1, 1) ties: two edges that share a vertex, and two vertices more.
    game = ([[1, 1], [1, 0]], [[1, 1], [1, 0]])
    found = dg.bimatrix_equilibria(game)
    check(game, found)
    (component,) = found.components
    assert len(found) == 3 and len(component.subsets) == 2
    # A weakly dominated equilibrium of index 0 vanishes when payoffs change.
    game = ([[1, 0], [0, 0]], [[1, 0], [0, 0]])
    found = dg.bimatrix_equilibria(game)
    check(game, found)
    assert [(e.x[0], e.index) for e in found] == [(0, None), (1, 1)]
    assert [component.index for component in found.components] == [0, 1]


def test_an_outside_option_can_have_an_index_of_minus_two():
    """It cuts mixed coordination off, and leaves three strict equilibria of index 1."""
    a = [[3, 0, 0], [0, 3, 0], [0, 0, 3], [2, 2, 2]]
    b = [[3, 0, 0], [0, 3, 0], [0, 0, 3], [0, 0, 0]]
    found = dg.bimatrix_equilibria((a, b))
    check((a, b), found)
    points = [component for component in found.components if component.is_point]
    (out,) = [component for component in found.components if not component.is_point]
    assert [point.index for point in points] == [1, 1, 1] and out.index == -2
    assert all(found[k].x == (0, 0, 0, 1) for k in out.equilibria)
    # Shares of at most 2/3 each: a triangle with its corners cut off.
    (subset,) = out.subsets
    assert sorted(subset.ys) == sorted(set(itertools.permutations((F(2, 3), F(1, 3), F(0)))))


def test_indices_of_components_are_those_of_equilibria_near_them():
    """Any game nearby will do: here one with other small payoffs added than the theorem's."""
    rng = np.random.default_rng(4)
    for _ in range(6):
        game = rng.integers(0, 3, (2, 3, 3))
        found = dg.bimatrix_equilibria(game)
        moved = dg.bimatrix_equilibria(game + 1e-7 * rng.normal(size=game.shape))
        assert not moved.degenerate
        sums = [0] * len(found.components)
        for e in moved.equilibria:
            distances = [nearest(component, e) for component in found.components]
            assert min(distances) < 1e-5
            sums[int(np.argmin(distances))] += e.index or 0
        assert sums == [component.index for component in found.components]


def nearest(component, equilibrium):
    """How far an equilibrium is from a component: from the hulls of its subsets, by least squares.

    The sum of the weights is held to one by a large weight of its own.
    """
    return min(
        max(
            nnls(np.vstack([np.array(hull, float).T, np.full(len(hull), 1e3)]), [*own, 1e3])[1]
            for hull, own in zip((s.xs, s.ys), equilibrium.strategies(), strict=True)
        )
        for s in component.subsets
    )


def test_the_game_of_von_stengel_has_75_equilibria():
    """*New maximal numbers of equilibria in bimatrix games* (1999): of dual cyclic polytopes."""
    a = [
        [9504, -660, 19976, -20526, 1776, -8976],
        [-111771, 31680, -130944, 168124, -8514, 52764],
        [397584, -113850, 451176, -586476, 29216, -178761],
        [171204, -45936, 208626, -263076, 14124, -84436],
        [1303104, -453420, 1227336, -1718376, 72336, -461736],
        [737154, -227040, 774576, -1039236, 48081, -300036],
    ]
    b = [
        [72336, 48081, 29216, 14124, 1776, -8514],
        [-461736, -300036, -178761, -84436, -8976, 52764],
        [1227336, 774576, 451176, 208626, 19976, -130944],
        [-1718376, -1039236, -586476, -263076, -20526, 168124],
        [1303104, 737154, 397584, 171204, 9504, -111771],
        [-453420, -227040, -113850, -45936, -660, 31680],
    ]
    found = dg.bimatrix_equilibria((a, b))
    assert len(found) == 75 and not found.degenerate
    assert sum(e.index or 0 for e in found) == 1


def test_two_algorithms_agree_on_small_games():
    for game in draws(9, (1, 4), 1):
        found = dg.bimatrix_equilibria(game, method="supports")
        check(game, found)


@pytest.mark.full
def test_two_algorithms_agree():
    for game in draws(30, (2, 5), 2):
        found = dg.bimatrix_equilibria(game, method="supports")
        check(game, found)


def test_shapes_and_special_games():
    single = dg.bimatrix_equilibria(([[5]], [[-2]]))
    assert [(e.x, e.y, e.payoffs, e.index) for e in single] == [((1,), (1,), (5, -2), 1)]
    (pennies,) = dg.bimatrix_equilibria(MatrixGame.matching_pennies())
    assert pennies.x == pennies.y == (F(1, 2), F(1, 2)) and pennies.payoffs == (0, 0)
    # A coordination game of n actions has an equilibrium for every set of actions.
    eye = np.eye(4)
    found = dg.bimatrix_equilibria((eye, eye))
    assert len(found) == 15
    assert all(e.index == (-1) ** (len(e.supports[0]) + 1) for e in found)


def test_ties_that_are_never_best_make_no_game_degenerate():
    a, b = [[1, 2, 2], [3, 0, 0]], [[3, 0, 0], [2, 1, 1]]
    assert not dg.bimatrix_equilibria((a, b)).degenerate
    better = [[3, 3, 3], [2, 1, 1]]  # both columns are best responses to the first row
    assert dg.bimatrix_equilibria((a, better)).degenerate


@pytest.mark.parametrize(
    ("game", "words"),
    [
        (([[1, 2]], [[1], [2]]), "one shape"),
        (MatrixGame(*np.zeros((3, 2, 2, 2))), "games of 2 players, got one of 3"),
        (([[np.nan]], [[0]]), "finite numbers"),
        (([[1, 2], [3]], [[1, 2], [3]]), "one shape"),
        (([["1"]], [[0]]), "'1' is a text"),
        (3, "one payoff array per player"),
    ],
)
def test_malformed_games_are_refused(game, words):
    with pytest.raises(Exception, match=rf"{words}|Type-check error") as caught:
        dg.bimatrix_equilibria(game)
    assert isinstance(caught.value, ValueError) or "Type-check" in str(caught.value)


def test_a_budget_is_kept():
    with pytest.raises(ValueError, match="more than 5 vertices"):
        dg.bimatrix_equilibria((np.eye(4), np.eye(4)), budget=5)


def test_lemke_howson_finds_equilibria_from_every_label():
    for game in [HANDBOOK, *draws(6, (2, 6), 3)]:
        found = {(e.x, e.y): e.index for e in dg.bimatrix_equilibria(game)}
        paths = dg.lemke_howson(game, "all")
        assert [path.label for path in paths] == list(range(sum(np.shape(game[0]))))
        for path in paths:
            end = path.equilibrium
            # Paths from (0, 0), whose index is -1, lead to an equilibrium of index 1.
            assert found[end.x, end.y] == end.index in (1, None)
        assert dg.lemke_howson(game, 1) == paths[1]


def test_paths_of_lemke_howson_in_the_handbook():
    """Dropping the first label leads to the pure equilibrium, in two pivots."""
    first, *_ = dg.lemke_howson(HANDBOOK, "all")
    assert first.equilibrium.x == (1, 0, 0) and first.length == 2


def test_lemke_howson_refuses_other_labels_and_long_paths():
    with pytest.raises(Exception, match=r"from 0 to 4|Type-check error"):
        dg.lemke_howson(HANDBOOK, 5)
    with pytest.raises(ValueError, match="more than 1 pivots"):
        dg.lemke_howson(HANDBOOK, 0, budget=1)
