"""All Nash equilibria of games in normal form, against published and exact ones."""

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.games import MatrixGame


def mckelvey_mclennan():
    """The 2 x 2 x 2 example with 9 equilibria, 2 of them totally mixed (Gambit's 2x2x2.nfg)."""
    tables = np.zeros((3, 2, 2, 2))
    tables[:, 0, 0, 0], tables[:, 1, 1, 0] = (9, 8, 12), (9, 8, 2)
    tables[:, 0, 1, 1] = tables[:, 1, 0, 1] = (3, 4, 6)
    return MatrixGame(*map(jnp.asarray, tables))


def mixed(point):
    return tuple(round(float(own[0]), 9) for own in point.center)


@pytest.mark.full
def test_nine_equilibria():
    found = certify.all_equilibria(mckelvey_mclennan())
    assert found.count == 9 and found.check(level=2).ok
    third = round(1 / 3, 9)
    assert {mixed(point) for point in found.points} == {
        *((1, 1, 1), (1, 0, 0), (0, 0, 1), (0, 1, 0)),
        *((0.5, 0.5, 1), (0, 0.25, third), (third, 1, 0.25)),
        *((0.5, 0.4, 0.25), (0.4, 0.5, third)),
    }
    assert sum(not point.fixed for point in found.points) == 2


def test_small_games():
    pennies = certify.all_equilibria(MatrixGame.matching_pennies())
    assert pennies.count == 1 and mixed(pennies.points[0]) == (0.5, 0.5)
    chicken = MatrixGame(jnp.array([[0.0, 7.0], [2.0, 6.0]]), jnp.array([[0.0, 2.0], [7.0, 6.0]]))
    found = certify.all_equilibria(chicken)
    assert {mixed(p) for p in found.points} == {(1, 0), (0, 1), (round(1 / 3, 9),) * 2}
    for point in found.points:
        assert point.nature == "equilibrium"
        assert all((a <= b).all() for a, b in zip(point.lower, point.upper, strict=True))
    dilemma = MatrixGame(jnp.array([[3.0, 0.0], [5.0, 1.0]]), jnp.array([[3.0, 5.0], [0.0, 1.0]]))
    found = certify.all_equilibria(dilemma)
    assert found.count == 1 and found.cells == 1 and found.points[0].fixed == (0, 2)


def test_a_component_is_left_open():
    tied = MatrixGame(jnp.array([[1.0, 1.0], [0.0, 0.0]]), jnp.zeros((2, 2)))
    found = certify.all_equilibria(tied, search=certify.Search(max_cells=20))
    assert found.status == "undecided" and found.partial is not None
    assert not found.partial.is_complete and found.partial.at_least == 0
    assert all(float(cell.lower[0][0]) == 1.0 for cell in found.partial.open_cells)


def is_equilibrium(payoffs, profile):
    for player, table in enumerate(payoffs):
        values = np.moveaxis(table, player, 0)
        for other in reversed([p for k, p in enumerate(profile) if k != player]):
            values = values @ other
        if values.max() > profile[player] @ values + 1e-7:
            return False
    return True


@pytest.mark.full
@pytest.mark.parametrize(("seed", "shape"), [(0, (2, 2, 3)), (3, (2, 2, 2)), (1, (4, 4))])
def test_random_games(seed, shape):
    """All that is found are equilibria, and as many as a fine grid of starts leads to."""
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-20, 20, (len(shape), *shape)).astype(float)
    found = certify.all_equilibria(MatrixGame(*map(jnp.asarray, payoffs)))
    assert found.status == "proved" and found.count % 2 == 1
    for point in found.points:
        assert is_equilibrium(payoffs, [np.asarray(own) for own in point.center])
    pure = [
        profile
        for profile in np.ndindex(*shape)
        if is_equilibrium(payoffs, [np.eye(n)[a] for n, a in zip(shape, profile, strict=True)])
    ]
    played = [tuple(int(np.argmax(own)) for own in p.center) for p in found.points]
    sizes = [sum(shape) - len(point.fixed) for point in found.points]
    assert sorted(pure) == sorted(
        p for p, size in zip(played, sizes, strict=True) if size == len(shape)
    )


def test_other_games_need_a_region():
    with pytest.raises(ValueError, match="region is a box"):
        certify.all_equilibria(dg.game(lambda x, args: (x[0] ** 2,)))
