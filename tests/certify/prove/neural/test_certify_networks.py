"""Games of networks: what is proved holds, and what is said of it agrees."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.nn import MLP
from dgames.strategy import ravel

KEYS = jax.random.split(jax.random.key(0), 2)
X = jnp.linspace(-1.0, 1.0, 6)[:, None]
DATA = (X, X, jnp.sin(2 * X[:, 0]))


def posed(width=32, decay=(1.0, 1.0), **kwargs):
    """A moment game of two small networks, and its trained strategy."""
    start = tuple(dg.nn.mlp((1, width, 1), key, start="antisymmetric", **kwargs) for key in KEYS)
    game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), start, decay)
    run = dg.solve(game, dg.Extragradient(0.2), start, DATA, tol=1e-12)
    return game, start, run.strategy


@pytest.fixture(scope="module")
def proved():
    game, start, point = posed()
    return game, start, point, certify.certify_networks(game, point, 0.5, args=DATA)


def test_a_trained_point_is_proved(proved, tmp_path):
    game, _, _, found = proved
    assert found.status == "proved" and found.contains_start and found.checkable == 2
    assert 0 < found.margin < 1 < found.lipschitz
    path = found.save(tmp_path / "game.json")
    assert certify.check(path, game=game, args=DATA, level=2).ok
    assert certify.load(path).margin == found.margin  # pyright: ignore[reportAttributeAccessIssue]
    other = dg.ZeroSumNetworks(game.value, game.start, (1.0, 2.0))
    assert "decay" in certify.check(path, game=other, args=DATA).reasons[0]
    moved = (X, X, 2 * DATA[2])
    assert "data" in certify.check(path, game=game, args=moved).reasons[0]


def test_training_takes_at_most_the_proved_number_of_steps(proved):
    """The real run, from the start, with the proved step, against a longer one."""
    game, start, point, found = proved
    steps = found.training.steps
    run = dg.solve(
        game, dg.Extragradient(found.training.step), start, DATA, tol=0.0, max_steps=steps
    )
    assert jnp.linalg.norm(ravel(run.strategy)[0] - ravel(point)[0]) < found.training.accuracy
    assert found.iterations(1e-4) < found.iterations(1e-8) == steps
    assert str(f"{steps:,}") in found.sentence


def test_a_run_takes_its_step_from_the_certificate(proved):
    game, start, point, found = proved
    method = found.safe_method(dg.Extragradient)
    assert method.step_size == found.training.step
    run = dg.solve(game, dg.Extragradient, start, DATA, step_size=found, tol=1e-9)
    assert run.result == dg.RESULTS.successful
    far = jax.tree.map(lambda leaf: leaf + 1.0, point)
    assert bool(found.region.contains(start)) and not bool(found.region.contains(far))
    assert bool(found.in_basin(dg.Extragradient, start))
    one_layer = (MLP((point[0].weights[0] + 0.4, point[0].weights[1]), *_rest(point[0])), point[1])
    assert not bool(found.region.contains(one_layer))
    with pytest.raises(ValueError, match="its data are others"):
        dg.solve(game, dg.Extragradient, start, (X, X, 1 + DATA[2]), step_size=found)
    with pytest.raises(ValueError, match="no step for"):
        found.safe_method(dg.Optimistic)


def _rest(network):
    return network.biases, network.scales, network.activation


def test_the_margin_and_lipschitz_constant_hold_on_pairs_of_points(proved):
    game, _, point, found = proved
    field, (vector, unravel) = dg.pseudo_gradient(game), ravel(point)
    rng, sizes = np.random.default_rng(0), [ravel(block)[0].size for block in point]

    def draw():
        parts = [rng.normal(size=size) for size in sizes]
        parts = [
            r * part / np.linalg.norm(part) for r, part in zip(found.radius, parts, strict=True)
        ]
        return vector + np.concatenate(parts)

    value = jax.jit(lambda v: ravel(field(unravel(v), DATA))[0])
    for _ in range(10):
        x, y = draw(), draw()
        gap, change = x - y, value(x) - value(y)
        assert gap @ change >= found.margin * gap @ gap
        assert jnp.linalg.norm(change) <= found.lipschitz * jnp.linalg.norm(gap)


def test_the_smallest_region_that_contains_the_start():
    game, start, point = posed()
    away = float(jnp.linalg.norm(ravel(start)[0] - ravel(point)[0]))
    for around in ("point", "start"):
        found = certify.certify_networks(game, point, "contains_start", args=DATA, around=around)
        assert found.contains_start and max(found.radius) < 2.3 * away
        assert found.step_sizes["extragradient"].basin >= away


def test_too_large_a_region_is_undecided():
    game, _, point = posed()
    found = certify.certify_networks(game, point, 50.0, args=DATA)
    assert found.status == "undecided" and "no margin is left" in found.reasons[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"radius": -1.0}, "the radius is a positive number"),
        ({"radius": "start"}, "contains_start"),
        ({"around": "middle"}, "around is"),
        ({"accuracy": 0.0}, "the accuracy is"),
        ({"methods": (dg.Alternating,)}, "classes with theorems"),
        ({"args": (X, X)}, "args are the data"),
        ({"args": (X, X, jnp.arange(6))}, "finite real numbers"),
        ({"args": (X, X[:, 0], DATA[2])}, "the data z have the shape"),
        ({"args": (X, X[:4], DATA[2])}, "the same number of samples"),
    ],
)
def test_messages(proved, change, words):
    game, _, point, _ = proved
    given = {"radius": 0.5, "args": DATA, **change}
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=rf"{words}|Type-check error"):
        certify.certify_networks(game, point, given.pop("radius"), **given)


def test_a_start_that_is_a_point_of_symmetry():
    """Outputs of zero, up to roundings, are no trouble for powers in the function of outputs."""
    start = tuple(dg.nn.mlp((1, 4, 1), key, start="antisymmetric") for key in KEYS)
    game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), start, (4.0, 4.0))
    found = certify.certify_networks(game, start, 1.0, args=DATA)
    assert found.status == "proved" and found.equilibrium.radius > 1e-3
    assert found.check(level=2).ok


def test_an_impure_function_is_noticed(proved):
    _, start, point, _ = proved
    calls = []

    def value(f, g, y):
        calls.append(None)
        return len(calls) * dg.neural.moment(f, g, y)

    game = dg.ZeroSumNetworks(dg.OutputValue(value), start, (9.0, 9.0))
    with pytest.raises(certify.MismatchError, match="the function of outputs at sample"):
        certify.certify_networks(game, point, 0.1, args=DATA)


@pytest.mark.full
@pytest.mark.parametrize("method", [dg.Optimistic, dg.Heun, dg.Momentum])
def test_methods_by_performance_estimation(proved, method):
    game, _, point, _ = proved
    found = certify.certify_networks(game, point, 0.5, args=DATA, methods=(method,))
    (step,) = found.step_sizes.values()
    assert found.status == "proved" and 0 < step.best <= step.max
    assert found.check(level=2).ok


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"radius": None}, "the radius is a positive number"),
        ({"accuracy": float("inf")}, "the accuracy is"),
        ({"decay": (1.0,)}, "decay is a number for each player"),
        ({"decay": (1.0, float("nan"))}, "decay is finite"),
        ({"decay": (-1.0, 1.0)}, "not negative"),
    ],
)
def test_messages_on_numbers(proved, change, words):
    game, start, point, _ = proved
    given = {"radius": 0.5, "accuracy": 1e-8, **change}
    decay = given.pop("decay", game.decay)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=rf"{words}|Type-check error"):
        game = dg.ZeroSumNetworks(game.value, start, decay)
        certify.certify_networks(game, point, args=DATA, **given)


@pytest.mark.parametrize(
    "fn",
    [
        lambda f, g, y: dg.neural.moment(f, g, y) + jnp.abs(f[0]),
        lambda f, g, y: dg.neural.moment(f, g, y) + jnp.sqrt(f[0]),
    ],
)
def test_a_kink_that_outputs_reach_is_undecided(proved, fn):
    _, start, point, _ = proved
    game = dg.ZeroSumNetworks(dg.OutputValue(fn), start, (9.0, 9.0))
    found = certify.certify_networks(game, point, 0.5, args=DATA)
    assert found.status == "undecided" and "smooth" in found.reasons[0]


def test_functions_of_outputs_have_the_usual_operations(proved):
    _, start, _, _ = proved
    value = dg.OutputValue(lambda f, g, y: 0.1 * jnp.tanh(f[0]) * jax.nn.sigmoid(g[0] * y))
    game = dg.ZeroSumNetworks(value, start, (9.0, 9.0))
    assert certify.certify_networks(game, start, 1.0, args=DATA).status == "proved"


def test_bounds_below_and_above_all_floats():
    """Derivatives of an activation far out have exponents that no number should be made of."""

    far = MLP((jnp.full((2, 1), 1e150), jnp.ones((1, 2))), (None, None), (1.0, 1.0), "erf")
    start = (far, far)
    game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), start, (9.0, 9.0))
    found = certify.certify_networks(game, start, 1.0, args=(X + 2, X + 2, X[:, 0]))
    assert found.status == "undecided"


def test_games_that_differ_in_what_is_fixed_are_told_apart(proved):
    game, start, _, found = proved
    net = start[0]
    others = [MLP(net.weights, net.biases, net.scales, "tanh")]
    others.append(MLP(net.weights, net.biases, (2.0, 1.0), net.activation))
    for other in others:
        moved = dg.ZeroSumNetworks(game.value, (other, start[1]), game.decay)
        assert "activation" in found.difference(moved, None, DATA)
    value = dg.OutputValue(dg.neural.moment)
    object.__setattr__(value, "fn", lambda f, g, y: 2 * dg.neural.moment(f, g, y))
    assert "function" in found.difference(dg.ZeroSumNetworks(value, start, game.decay), None, DATA)
    object.__setattr__(value, "other", None)
    assert found.difference(dg.ZeroSumNetworks(value, start, game.decay), None, DATA) is not None
    assert found.difference(game, None, DATA) is None  # pyright: ignore[reportArgumentType]


def test_a_start_outside_of_all_basins_is_not_in_the_file(proved):
    game, start, point, _ = proved
    far = tuple(jax.tree.map(lambda leaf: leaf + 1.0, net) for net in start)
    found = certify.certify_networks(game, point, 0.4, args=DATA, start=far)
    assert found.status == "proved" and not found.contains_start
    assert found.check(level=2).ok


def test_cells_are_refused_where_networks_have_too_many_weights(proved):
    game, start, _, _ = proved
    with pytest.raises(ValueError, match=r"certify\.certify_networks"):
        certify.certify(game, certify.Ball(start, 0.1), args=DATA)
