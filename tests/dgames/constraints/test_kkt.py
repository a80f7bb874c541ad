"""Equilibria of games with shared constraints as KKT points, on problems of the literature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames.games import Oligopoly, PowerAllocation, RiverBasin, generalised

SWITCHED = (2.6 + 74.8**0.5) / 162
A3 = (-0.380462878, -0.1226711108, -0.9932207742, 0.3903438551, 1.1638405634)
A3 = (*A3, 0.0503954462, 0.0175791512)
A7 = [1.0] * 11 + [164 / 89] + [1.0] * 8
CAPPED = {
    75: (
        (10.4038480755, 13.0358833302, 15.4073905313, 17.3815496618, 18.7713284011),
        27.9285649471,
    ),
    100: (
        (14.0500856434, 17.7983852739, 20.9071898907, 23.1114335513, 24.1329056407),
        18.1956716509,
    ),
    150: (
        (23.5886913326, 28.6843231880, 32.0215045136, 33.2872652277, 32.4182157381),
        7.1270684901,
    ),
}
RIVER = (21.1447960154, 16.0278534470, 2.7259627009)


def scalars(count, value=0.0):
    return (value,) * count


def vectors(*sizes, value=0.0):
    return tuple(jnp.full(size, value) for size in sizes)


# Game, start, solution, multipliers of rows or None where they are not unique or not known.
PROBLEMS = {
    "A.13": (RiverBasin(), scalars(3), RIVER, [0.5743599994, 0.0]),
    "A.1": (generalised.privileged_switching(), scalars(10, 0.1), (0.3, *[SWITCHED] * 9), [0.0]),
    "A.3": (generalised.three_quadratic_players(), vectors(3, 2, 2), A3, [0.0] * 4),
    # The Jacobian is indefinite: from most starts the search ends where residuals have a local
    # minimum, and from which ones depends on roundings. Here it starts at the solution.
    "A.7": (
        generalised.four_quadratic_players(),
        tuple(map(jnp.asarray, np.split(np.array(A7), 4))),
        A7,
        None,
    ),
    "A.11": (generalised.two_players_on_a_line(), scalars(2), (0.75, 0.25), [0.5]),
    "A.12": (generalised.duopoly(), scalars(2), (16 / 3, 16 / 3), []),
    "A.14": (generalised.internet_switching(), scalars(10, 0.05), [0.09] * 10, [0.0]),
    "A.17": (
        generalised.two_players_on_two_lines(),
        (jnp.ones(2), 1.0),
        (0.0, 11.0, 8.0),
        [3.0, 1.0],
    ),
    "harker": (generalised.harker(), scalars(2, 1.0), (5.0, 9.0), [0.0]),
    **{
        f"A.16, {cap}": (Oligopoly.murphy_sherali_soyster(cap), scalars(5, 10.0), x, [multiplier])
        for cap, (x, multiplier) in CAPPED.items()
    },
}


@pytest.mark.thin(20)
@pytest.mark.parametrize("name", PROBLEMS)
def test_problems_of_the_literature(name):
    game, start, solution, multipliers = PROBLEMS[name]
    point = dg.solve_kkt(game, start)
    assert np.allclose(dg.ravel(point.strategy)[0], solution, atol=1e-8, rtol=0)
    assert float(point.residual) <= 1e-10
    if multipliers is not None:
        assert np.allclose(point.multipliers, multipliers, atol=1e-8)
        assert float(dg.kkt_residual(game, point.strategy, point.multipliers)) <= 1e-10
    assert float(dg.kkt_residual(game, point.strategy)) <= 1e-10


@pytest.mark.full
def test_a_search_that_ends_elsewhere_says_so(key):
    """Of A.7, which has one equilibrium: it is found, or an error says that nothing was."""
    game = generalised.four_quadratic_players()
    for own in jax.random.split(key, 10):
        start = jax.random.uniform(own, (4, 5), minval=1.0, maxval=5.0)
        try:
            point = dg.solve_kkt(game, tuple(start))
        except RuntimeError as error:
            assert "try another start" in str(error)
        else:
            assert np.allclose(dg.ravel(point.strategy)[0], A7, atol=1e-8, rtol=0)


@pytest.mark.full
def test_degenerate_problems_of_the_literature():
    """Of A.2 and A.8 there are many equilibria, with multipliers of each player's own."""
    game = generalised.mixed_switching()
    start = (0.3, *(0.05,) * 3, 0.5, *(0.05,) * 5)
    point = dg.solve_kkt(game, start, notion="generalised")
    x = np.array(point.strategy)
    assert np.isclose(x.sum(), 0.99) and x[4:6].sum() > 0.6
    assert np.allclose(np.delete(x, [4, 5]), [0.3, *[0.01] * 7])
    known = (0.3, *(0.01,) * 3, 0.5952893703, 0.0247106297, *(0.01,) * 4)
    assert float(dg.kkt_residual(game, known, notion="generalised")) < 1e-10
    game = generalised.three_players_one_free()
    x = dg.solve_kkt(game, (0.5, 0.5, 0.5), notion="generalised").strategy
    t = float(x[0])
    assert 0.5 - 1e-9 <= t <= 2 / 3 + 1e-9
    assert np.allclose(np.array(x), (t, 1 - t, 1.5 * t), atol=1e-9)
    assert float(dg.kkt_residual(game, (0.6, 0.4, 0.9), notion="generalised")) < 1e-12
    assert float(dg.kkt_residual(game, (0.7, 0.3, 1.05), notion="generalised")) > 0.01


def test_power_is_filled_in_like_water():
    game = PowerAllocation.facchinei_kanzow()
    x = game.rounds(vectors(*[8] * 7), 10)
    assert np.isclose(sum(own.sum() for own in x), 29.539767741578, atol=1e-11)
    assert np.allclose(game.excess(x), 0.0, atol=1e-11)
    assert np.allclose(jnp.stack(game.rounds(x, 1)), jnp.stack(x), atol=1e-11)
    spent = [4.784224, 4.623529, 6.555479, 3.686038, 2.381893, 4.14385, 3.364756]
    assert np.allclose([own.sum() for own in x], spent, atol=1e-6)


@pytest.mark.full
def test_power_allocation_from_two_rounds_of_water_filling():
    game = PowerAllocation.facchinei_kanzow()
    point = dg.solve_kkt(game, game.rounds(vectors(*[8] * 7), 2))
    assert np.isclose(sum(own.sum() for own in point.strategy), 29.539767741578, atol=1e-10)
    assert float(point.residual) <= 1e-10


@pytest.mark.full
@pytest.mark.parametrize(
    ("weights", "solution", "multiplier"),
    [
        ((1.0, 1.05, 1.1), (17.4698143451, 16.0168728230, 5.6247302666), 0.6107050447),
        ((3.0, 2.0, 1.0), (25.5792607293, 13.4939221037, 0.0), 1.6078987844),
    ],
)
def test_normalised_equilibria(weights, solution, multiplier):
    point = dg.solve_kkt(RiverBasin(), scalars(3), notion="normalised", weights=weights)
    assert np.allclose(jnp.stack(point.strategy), solution, atol=1e-8)
    assert np.allclose(point.multipliers, [multiplier, 0.0], atol=1e-8)
    assert point.active.tolist() == [True, False]
    # The equilibrium of other weights has other multipliers for each player.
    assert float(dg.kkt_residual(RiverBasin(), point.strategy)) > 1e-3
    assert float(dg.kkt_residual(RiverBasin(), point.strategy, notion="generalised")) < 1e-9


@pytest.mark.full
def test_weakly_active_constraints_are_reported_and_derivatives_need_no_unique_multipliers():
    game = generalised.two_players_on_two_lines()
    point = dg.solve_kkt(game, (jnp.ones(2), 1.0))
    assert point.active.tolist() == [True, True] and not point.weakly_active.any()
    assert point.weakly_active_bounds[0].tolist() == [True, False]

    def equilibrium(cap):  # the same row twice: its multipliers are not unique
        rows = dg.Polyhedron([[1.0, 1.0], [1.0, 1.0]], jnp.stack([cap, cap]))
        game = dg.game(lambda x, _: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2), shared=rows)
        return dg.solve_kkt(game, (0.0, 0.0)).strategy[0]

    value, slope = jax.value_and_grad(equilibrium)(jnp.array(1.0))
    assert np.isclose(value, 0.75) and np.isclose(slope, 0.5)

    def free(shift):  # nothing determines the strategy of the first player
        game = dg.game(lambda x, _: (0.0 * x[0], (x[1] - shift) ** 2))
        return dg.solve_kkt(game, (0.3, 0.0)).strategy[1]

    value, slope = jax.value_and_grad(free)(jnp.array(1.0))
    assert np.isclose(value, 1.0) and np.isnan(slope)


@pytest.mark.full
def test_balls_simplices_equations_and_bounds_of_all_kinds():
    target = {"ball": np.array([3.0, 4.0]), "mix": np.array([0.9, 0.4, -1.0]), "up": 5.0}
    sets = {"ball": dg.Ball(0.0, 1.0), "mix": dg.Simplex(), "up": dg.Box(-jnp.inf, 2.0)}

    def costs(x, _):
        return {name: jnp.sum((x[name] - target[name]) ** 2) for name in x}

    start = {"ball": jnp.zeros(2), "mix": jnp.ones(3) / 3, "up": 0.0}
    point = dg.solve_kkt(dg.game(costs, sets), start)
    assert np.allclose(point.strategy["ball"], [0.6, 0.8], atol=1e-12)
    assert np.allclose(point.strategy["mix"], [0.75, 0.25, 0.0], atol=1e-12)
    assert np.isclose(point.strategy["up"], 2.0)
    assert np.isclose(point.bound_multipliers["up"], -6.0)
    tie = dg.Polyhedron(np.zeros((0, 6)), np.zeros(0), np.array([[0.0, 0, 1, 0, 0, 1]]), [1.0])
    point = dg.solve_kkt(dg.game(costs, sets, tie), start)
    x = point.strategy
    assert np.isclose(x["mix"][0] + x["up"], 1.0) and point.multipliers.shape == (1,)
    # It is the projection of the targets, as the costs are those of a potential.
    found = dg.solve(dg.game(costs, sets | {"ball": None}, tie), dg.Simultaneous(0.4), start)
    assert np.allclose(found.strategy["mix"], x["mix"], atol=1e-8)


@pytest.mark.full
def test_gaps_are_zero_at_all_generalised_equilibria_and_only_there():
    game = RiverBasin()
    for weights in ((1.0, 1.0, 1.0), (3.0, 2.0, 1.0)):
        field = dg.Normalised(game, weights)
        x = dg.solve(field, dg.Simultaneous(6.0), scalars(3), tol=1e-12).strategy
        found = dg.deviations(game, x)
        assert np.allclose(jnp.stack(found.gaps), 0.0, atol=1e-9) and float(found.residual) < 1e-9
    x = (20.0, 15.0, 1.0)
    found = dg.deviations(game, x)
    # The first producer would like to produce more, as far as the first station allows.
    assert np.isclose(found.responses[0], (100.0 - 1.25 * 15.0 - 4.125) / 3.25)
    saved = game.costs(x)[0] - game.costs((found.responses[0], 15.0, 1.0))[0]
    assert np.isclose(found.gaps[0], saved) and float(saved) > 0.01
    with pytest.raises(RuntimeError, match="player '0'"):
        dg.deviations(game, (0.0, 200.0, 0.0))


def test_errors_of_kkt_systems_are_sentences():
    game = generalised.two_players_on_a_line()
    with pytest.raises(ValueError, match="the notion is"):
        dg.solve_kkt(game, (0.0, 0.0), notion="nash")
    with pytest.raises(ValueError, match="weights are given with"):
        dg.solve_kkt(game, (0.0, 0.0), weights=(1.0, 2.0))
    with pytest.raises(ValueError, match="have shape"):
        dg.kkt_residual(game, (0.0, 0.0), jnp.zeros(2))
    with pytest.raises(ValueError, match="positive"):
        dg.kkt_residual(game, (0.0, 0.0), notion="normalised", weights=(1.0, -1.0))
    empty = dg.game(
        lambda x, _: (x[0] ** 2, x[1] ** 2), dg.Box(1.0, 2.0), game.shared_constraints((0.0, 0.0))
    )
    with pytest.raises(RuntimeError, match="feasible_point"):
        dg.solve_kkt(empty, (1.0, 1.0))


@pytest.mark.full
def test_solutions_are_batched_and_compiled():
    def outputs(limit):
        return jnp.stack(dg.solve_kkt(RiverBasin(limit=limit), scalars(3)).strategy)

    limits = jnp.array([[100.0, 100.0], [140.0, 100.0], [60.0, 100.0]])
    found = jax.jit(jax.vmap(outputs))(limits)
    assert np.allclose(found[0], RIVER, atol=1e-8)
    assert np.allclose(found[1], outputs(limits[1]), atol=1e-10)
    load = np.asarray(RiverBasin().load)
    assert np.allclose([load[0] @ found[0], load[1] @ found[1], load[0] @ found[2]], [100, 100, 60])
    slopes = jax.vmap(jax.jacrev(outputs))(limits)
    assert np.allclose([load[0] @ slopes[0][:, 0], load[1] @ slopes[1][:, 1]], 1.0)


@pytest.mark.full
def test_flows_stay_within_shared_constraints():
    game = RiverBasin()
    path = dg.flow(game, (1.0, 1.0, 1.0), 1000.0, stop=True)
    assert np.allclose(jnp.stack(path.strategy), RIVER, atol=1e-3) and bool(path.converged)
    used = np.asarray(game.load) @ np.stack(path.strategies)
    assert float(np.nanmax(np.where(np.isfinite(used), used, -np.inf))) < 100.0 + 1e-6
