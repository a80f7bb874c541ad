"""What a tolerance means: in any unit of payoffs, in any floating-point type, and honestly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(4)

SCALES = [1e-12, 1e-9, 1e-4, 1.0, 1e4, 1e9, 1e12]
A = np.array([[3, 3], [2, 5], [0, 6.0]])
B = np.array([[3, 2], [2, 6], [3, 1.0]])


def duopoly(scale=1.0, other=None, sets=None):
    other = scale if other is None else other

    def costs(x, args):
        price = 10.0 - (x["a"] + x["b"])
        return {
            "a": (-x["a"] * price + x["a"] ** 2) * scale,
            "b": (-x["b"] * price + 0.5 * x["b"] ** 2) * other,
        }

    return dg.game(costs, sets)


@pytest.mark.full
@pytest.mark.parametrize("scale", SCALES)
def test_payoffs_in_any_unit(scale):
    """Of Nashpy's issue 64: at the uniform strategy the gap is half a unit of payoff."""
    game = dg.games.MatrixGame(A * scale, B * scale)
    run = dg.solve(game, dg.MirrorProx(0.1 / scale), game.uniform())
    assert run.result == dg.RESULTS.successful and run.steps > 1000
    assert dg.nash_gap(game, run.strategy) < 1e-6 * scale


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("sets", [None, dg.Box(0.0, 2.5)], ids=["free", "box"])
def test_each_player_in_any_unit(scale, sets):
    """One player counts in millions, the other does not."""
    expected = (20 / 11, 30 / 11) if sets is None else (1.875, 2.5)
    for game, steps in (
        (duopoly(scale, 1.0, sets), {"a": 0.1 / scale, "b": 0.1}),
        (duopoly(1.0, scale, sets), {"a": 0.1, "b": 0.1 / scale}),
        (duopoly(scale, None, sets), {"a": 0.1 / scale, "b": 0.1 / scale}),
    ):
        run = dg.solve(game, dg.Simultaneous(steps), {"a": 1.0, "b": 1.0})
        assert run.result == dg.RESULTS.successful and run.steps > 20
        assert np.allclose(list(run.strategy.values()), expected, atol=1e-7)
        assert run.residual <= 1e-8


@pytest.mark.full
def test_ordinary_games_are_measured_as_they_are():
    for scale in (0.2, 1.0, 2.0):
        run = dg.solve(duopoly(scale), dg.Optimistic(0.1 / scale), {"a": 1.0, "b": 1.0}, tol=1e-10)
        assert set(map(float, run.unit.values())) == {1.0}
        expected = dg.residual(duopoly(scale), run.strategy)
        assert run.residual == pytest.approx(float(expected), rel=1e-6)
    tiny = dg.solve(duopoly(1e-6), dg.Simultaneous(1e5), {"a": 1.0, "b": 1.0})
    field = dg.pseudo_gradient(duopoly(1e-6))(tiny.strategy)
    scaled = [float(field[name] / tiny.unit[name]) for name in field]
    assert tiny.residual == pytest.approx(np.linalg.norm(scaled), rel=1e-9)


def test_units_of_stacked_players_and_of_flat_fields():
    scales = jnp.array([1e-9, 1.0, 1e9])
    game = dg.game(lambda x, args: dg.Stacked(scales * (x.blocks - 1.0) ** 2))
    method = dg.Simultaneous(dg.Stacked(0.1 / scales))
    run = dg.solve(game, method, dg.Stacked(jnp.zeros(3)))
    assert run.result == dg.RESULTS.successful and np.allclose(run.strategy.blocks, 1, atol=1e-6)
    # No curvature: the field itself says how large it is.
    linear = dg.game(lambda x, args: (1e-9 * x[0],), dg.Box(0.0, 1.0))
    run = dg.solve(linear, dg.Simultaneous(1e7), (1.0,))
    assert run.steps > 0 and run.strategy[0] == 0.0


@pytest.mark.full
def test_flows_and_root_finders_have_units_too():
    still = dg.flow(duopoly(1e-9), {"a": 1.0, "b": 1.0}, 1.0, stop=True)
    assert not still.converged and still.time == 1.0
    assert dg.flow(duopoly(1e-9), {"a": 1.0, "b": 1.0}, 1e11, stop=True).converged
    import optimistix as optx

    field, start = dg.pseudo_gradient(duopoly(1e-9)), {"a": jnp.array(1.0), "b": jnp.array(1.0)}
    finder = dg.as_root_finder(dg.Simultaneous(1e8))
    found = optx.root_find(field, finder, start, max_steps=1000).value
    assert np.isclose(found["a"], 20 / 11, atol=1e-6)


def test_fields_that_cannot_be_differentiated():
    def rotate(x):
        return np.asarray(x[1]), -np.asarray(x[0])

    def field(x, args):
        return jax.pure_callback(rotate, x, x)

    run = dg.solve(field, dg.Extragradient(0.5), (1.0, 1.0))
    assert run.result == dg.RESULTS.successful


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(jnp.float64, 1e-8), (jnp.float32, 1e-4), (jnp.float16, 1e-2), (jnp.bfloat16, 1e-2)],
)
def test_the_default_tolerance_suits_the_type(dtype, tolerance):
    game = dg.game(
        lambda x, args: {
            "a": -x["a"] * (10 - x["a"] - x["b"]) + x["a"] ** 2,
            "b": -x["b"] * (10 - x["a"] - x["b"]) + x["b"] ** 2 / 2,
        }
    )
    start = {"a": jnp.array(1.0, dtype), "b": jnp.array(1.0, dtype)}
    for method in (dg.Simultaneous(0.1), dg.Optimistic(0.1), dg.Extragradient(0.1)):
        run = dg.solve(game, method, start)
        if dtype in (jnp.float64, jnp.float32):
            assert run.result == dg.RESULTS.successful and run.steps < 200
            assert run.residual <= tolerance
        else:  # which resolve a price of ten to 1/100 and to 1/16
            assert (run.result == dg.RESULTS.successful) == (run.residual <= tolerance)
            assert run.residual < 0.5
    if dtype == jnp.float32:
        for tol in (1e-8, 1e-12):
            run = dg.solve(game, dg.Optimistic(0.1), start, tol=tol, max_steps=1000)
            assert run.result == dg.RESULTS.rounding_reached
        early = dg.solve(game, dg.Optimistic(0.1), start, tol=1e-8, max_steps=10)
        assert early.result == dg.RESULTS.max_steps_reached


def norms(x, args):
    return {
        "a": jnp.linalg.norm(x["a"]) ** 2 + x["a"] @ x["b"],
        "b": x["b"] @ x["b"] - x["a"] @ x["b"],
    }


ZERO = {"a": jnp.zeros(2), "b": jnp.zeros(2)}
UNDEFINED = {
    "norm at zero": (norms, ZERO, "a"),
    "root": (lambda x, args: (x[0] ** 2, jnp.sqrt(x[1])), (1.0, 0.0), "1"),
    "logarithm": (lambda x, args: (x[0] ** 2, x[1] - jnp.log(x[1])), (1.0, 0.0), "1"),
    "division": (lambda x, args: (x[1] / x[0], x[1] ** 2), (0.0, 1.0), "0"),
    "power": (lambda x, args: {"u": x["u"] ** 0.5, "v": x["v"] ** 2}, {"u": 0.0, "v": 1.0}, "u"),
    "selection": (lambda x, args: (jnp.where(x[0] > 0, jnp.sqrt(x[0]), 0.0),), (0.0,), "0"),
    "arccosine": (lambda x, args: (x[0] ** 2, jnp.arccos(x[1])), (0.0, 1.0), "1"),
}


@pytest.mark.parametrize(("costs", "x", "name"), UNDEFINED.values(), ids=UNDEFINED)
def test_a_field_that_is_not_finite_is_its_own_result(costs, x, name):
    game = dg.game(costs)
    run = dg.solve(game, dg.Simultaneous(0.1), x)
    assert run.steps == 0 and run.result == dg.RESULTS.field_not_finite
    with pytest.raises(ValueError, match=f"of player '{name}' is"):
        dg.check_game(game, x)
    with pytest.raises(RuntimeError, match=f"field of player '{name}' is not finite"):
        dg.solve(game, dg.Simultaneous(0.1), x, throw=True)


@pytest.mark.parametrize(
    "method", [dg.Simultaneous(0.3), dg.Extragradient(0.3), dg.Heun(0.3)], ids=dg.method_name
)
def test_also_on_the_way(method):
    """The cost falls to the left, and has no value there."""
    run = dg.solve(dg.game(lambda x, args: (jnp.sqrt(x[0] - 0.5),)), method, (0.6,))
    assert run.result == dg.RESULTS.field_not_finite and run.steps > 0


def test_what_diverges_diverges():
    game = dg.zero_sum(lambda x, args: x[0] * x[1])
    assert dg.solve(game, dg.Simultaneous(1.0), (1.0, 1.0)).result == dg.RESULTS.diverged
    dg.check_game(game, (1.0, 1.0))


def test_batches_have_results_of_their_own():
    game = dg.game(lambda x, args: (jnp.sqrt(x[0]) * args,))
    runs = jax.vmap(lambda x, a: dg.solve(game, dg.Simultaneous(1.0), (x,), a, max_steps=1))(
        jnp.array([0.0, 4.0, 1.0]), jnp.array([1.0, 1.0, 0.0])
    )
    results = (dg.RESULTS.field_not_finite, dg.RESULTS.max_steps_reached, dg.RESULTS.successful)
    for i, result in enumerate(results):
        assert jax.tree.map(lambda leaf, i=i: leaf[i], runs.result) == result
