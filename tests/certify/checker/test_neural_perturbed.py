"""Games with moved inputs: bounds against true derivatives, and files that are made false."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.neural_perturbed import mean_above
from certify.prove.neural.networks_proof import NetworksProof
from certify.prove.neural.posed_networks import posed_networks
from dgames.strategy import ravel

KEYS = jax.random.split(jax.random.key(5), 4)
N = 4
X = jax.random.normal(KEYS[0], (N, 2)) / 2
Y = jnp.array([1.0, -1.0, 1.0, -1.0])


def network(width=8, **kwargs):
    kwargs = {"activation": "softplus", "start": "antisymmetric", "first_scale": 0.5} | kwargs
    return dg.nn.mlp((2, width, 1), KEYS[1], **kwargs)


def field_of(game, start, data):
    """The field of vectors, compiled, and the start as a vector."""
    field, (vector, unravel) = dg.pseudo_gradient(game), ravel(start)
    return jax.jit(lambda v: ravel(field(unravel(v), data))[0]), vector, unravel


def extragradient(field, v, h, count):
    for _ in range(count):
        v = v - h * field(v - h * field(v))
    return v


@pytest.mark.parametrize("seed", range(4))
def test_a_mean_over_samples_is_bounded_however_they_are_moved(seed):
    rng = np.random.default_rng(seed)
    count, radius = 5, 0.8
    levels = np.sort(rng.uniform(0.1, 1.0, 6))
    levels *= np.sqrt(count) * radius / levels[-1]
    slopes, powers = rng.uniform(0, 2, count), rng.uniform(0.3, 3, count)

    def phi(t):
        return slopes * t**powers + 0.1

    values = [[Fraction(x) for x in phi(d)] for d in levels]
    exact = [Fraction(d) for d in levels]
    bound = mean_above(values, exact, Fraction(radius))
    seen = 0.0
    for _ in range(300):
        t = np.abs(rng.normal(size=count)) ** rng.choice([0.1, 1.0, 4.0])
        t *= radius * np.sqrt(count) / np.linalg.norm(t)
        seen = max(seen, phi(t).mean())
    assert seen <= bound <= phi(levels[-1]).mean()


@pytest.fixture(scope="module")
def bounded():
    """Bounds on a region around a start that is constant, and one that is not."""
    game = dg.ZeroSumNetworks(dg.Perturbed(dg.neural.logistic, 1.0), (None, None), (1.0, 0.0))
    found = []
    for net in (network(), network(start="gaussian")):
        asked = posed_networks(game, (net, 0.1 * X), None, (0.5, 0.4), "point")
        proof = NetworksProof(game, asked, (X, Y))
        found.append((net, proof.bounds((0.5, 0.4))))
    assert found[0][1].evidence["constant"] and not found[1][1].evidence["constant"]
    return game, found


def test_second_derivatives_are_bounded(bounded):
    """By those at many points of the region, most of which move one input alone."""
    game, found = bounded
    flat, unravel = ravel((found[0][0], X))
    size = flat.size - X.size
    second = jax.jit(jax.vmap(jax.hessian(lambda v: game.value(*unravel(v), (X, Y)))))
    rng = np.random.default_rng(0)
    for net, bounds in found:
        own, whole, coupling = bounds.curvature
        center = ravel((net, 0.1 * X))[0]
        points = []
        for k in range(64):
            theta = rng.normal(size=size)
            moved = np.arange(N) == k % 5 if k % 5 < N else np.ones(N)
            xi = rng.normal(size=X.shape) * moved[:, None]
            parts = 0.5 * theta / np.linalg.norm(theta), 0.4 * xi / np.linalg.norm(xi)
            points.append(center + np.concatenate([part.ravel() for part in parts]))
        every = np.asarray(second(jnp.array(points)))
        first, other = every[:, :size, :size], every[:, size:, size:] + np.eye(X.size)
        ends = np.linalg.eigvalsh(first)
        seen = [-ends.min(), np.abs(ends).max(), np.linalg.eigvalsh(other).max()]
        seen.append(np.linalg.norm(every[:, :size, size:], 2, (1, 2)).max())
        limits = np.array([own[0], whole[0], own[1], coupling], float)
        assert whole[1] == own[1] and (np.array(seen) <= limits).all()
        assert (limits <= [40 * seen[0], 8 * seen[1], 30 * seen[2], 12 * seen[3]]).all()


@pytest.fixture(scope="module")
def proved():
    net = network(16)
    game = dg.ZeroSumNetworks(dg.Perturbed(dg.neural.logistic, 2.0), (net, None), (1.5, 0.0))
    field, start, unravel = field_of(game, (net, 0 * X), (X, Y))
    point = unravel(extragradient(field, start, 0.2, 300))
    asked = {"args": (X, Y), "around": "start"}
    found = certify.certify_networks(game, point, "contains_start", **asked)
    return game, net, point, found, (field, start)


def test_training_from_the_start_is_proved(proved, tmp_path):
    game, net, _, found, _ = proved
    assert found.status == "proved" and found.contains_start and found.checkable == 2
    assert 0.3 < found.margin < 1.5 and len(found.radius) == 2 and found.penalty == 2.0
    path = found.save(tmp_path / "moved.json")
    assert certify.check(path, game=game, args=(X, Y), level=2).ok
    for value, words in (
        (dg.Perturbed(dg.neural.logistic, 2.5), "penalty"),
        (dg.Perturbed(dg.neural.logistic, 2.0, 1.0), "radius"),
        (dg.Perturbed(lambda f, y: (f[0] - y) ** 2, 2.0), "loss"),
        (dg.Robust(dg.neural.logistic, 1.0), "moves the inputs"),
    ):
        other = dg.ZeroSumNetworks(value, (net, None), (1.5, 0.0))
        assert words in certify.check(path, game=other, args=(X, Y)).reasons[0]
    assert "data" in certify.check(path, game=game, args=(2 * X, Y)).reasons[0]
    rows = {line.label: str(line.parts) for line in found.claim_rows()}
    assert "penalty" in rows["data"] and "moves of inputs" in rows["region"]


def test_so_many_steps_are_enough(proved):
    _, _, point, found, (field, start) = proved
    end = extragradient(field, start, found.training.step, found.training.steps)
    assert jnp.linalg.norm(end - ravel(point)[0]) <= found.training.accuracy
    # And the constants hold along the way.
    gap = start - end
    change = field(start) - field(end)
    assert gap @ change >= found.margin * gap @ gap
    assert jnp.linalg.norm(change) <= found.lipschitz * jnp.linalg.norm(gap)


def edited(contents: Any, path, change) -> Any:
    """A copy with one entry changed, by the path of keys."""
    key, *rest = path
    copy: Any = dict(contents) if isinstance(contents, dict) else list(contents)
    copy[key] = edited(copy[key], rest, change) if rest else change(copy[key])
    return copy


def times(factor):
    return lambda text: (float.fromhex(text) * factor).hex()


LESS = times(1 - 2.0**-20)
FALSE_AT_1 = {
    "margin": (("claims", "margin"), times(1 + 2.0**-20), "decay leaves"),
    "lipschitz": (("claims", "lipschitz"), LESS, "Lipschitz"),
    "region": (("claims", "region", "radius", 1), times(2.0), "that of the region"),
    "radius": (("evidence", "value", "moves", "radius"), LESS, "that of the region"),
    "residual": (("evidence", "value", "moves", "residual"), times(2.0**20), "residual"),
    "distance": (("evidence", "value", "moves", "distance"), times(2.0), "inside the region"),
    "levels": (("evidence", "value", "levels"), lambda x: x[:-1], "as far as inputs"),
    "rise": (("evidence", "value", "levels"), lambda x: x[::-1], "rise"),
    "last": (("evidence", "value", "levels", -1), LESS, "as far as inputs"),
    "reach": (("evidence", "value", "reach", -1, 2), LESS, "within reach"),
    "slope": (("evidence", "value", "loss", "slope", 0, 0), times(-1.0), "not negative"),
    "point": (("claims", "equilibrium", "point"), lambda x: x[:1], None),
    "graph": (("game", "value", "datum"), lambda _: 2, "hash"),
}


@pytest.mark.parametrize("name", FALSE_AT_1)
def test_what_does_not_follow_is_rejected(proved, name):
    path, change, words = FALSE_AT_1[name]
    file = edited(proved[3].data, path, change)
    if words is None:
        with pytest.raises(Unusable):
            check_data(file)
        return
    verdict = check_data(file)
    assert not verdict.ok and any(words in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    "path",
    [
        ("constant", "second"),
        ("passes", "inputs", 1, 1),
        ("passes", "adjoints", 0, 3),
        ("loss", "slope", 1, 2),
        ("loss", "size", 0, 1),
        ("moves", "farthest", 1),
        ("moves", "distance"),
        ("moves", "residual"),
    ],
)
def test_numbers_that_are_too_small_are_rejected_at_level_2(proved, path):
    file = edited(proved[3].data, ("evidence", "value", *path), times(0.9))
    verdict = check_data(file, level=2)
    assert not verdict.ok and "level 2" in verdict.reasons[0]


def test_other_moves_are_not_those_of_the_hash(proved):
    contents = proved[3].data
    digest = contents["claims"]["equilibrium"]["point"][1]
    path = ("evidence", "weights", digest, 0)
    assert "hash" in check_data(edited(contents, path, times(2.0))).reasons[0]


@pytest.mark.full
def test_limits_are_kept(proved):
    """Those that hold at the equilibrium: inputs go no farther then, and margins are larger."""
    _, net, point, free, _ = proved
    farthest = float(2 * jnp.sqrt(jnp.sum(point[1] ** 2, 1)).max())  # sqrt(N) is 2
    found = []
    for limit in (1.5 * farthest, 0.9 * farthest):
        value = dg.Perturbed(dg.neural.logistic, 2.0, limit)
        limited = dg.ZeroSumNetworks(value, (net, None), (1.5, 0.0))
        asked = {"args": (X, Y), "around": "start", "methods": (dg.Extragradient, dg.Optimistic)}
        found.append(certify.certify_networks(limited, point, free.radius, **asked))
    found, outside = found
    assert outside.status == "undecided" and "keeps the limit" in outside.reasons[0]
    assert found.margin >= free.margin and "by at most" in str(found.claim_rows())
    assert "optimistic" not in found.step_sizes and found.contains_start
    path = ("evidence", "value", "moves", "farthest")
    for k, words in ((1, "ball keeps the limit"), (2, "start keeps the limit")):
        file = edited(found.data, (*path, k), lambda _: farthest.hex())
        assert words in check_data(file).reasons[0]


@pytest.mark.full
def test_a_loss_may_be_any_function_with_a_graph():
    """Around the point, where the network is not constant; data of two entries."""
    net = network(6, start="gaussian")
    data = (X, (Y, jnp.arange(1.0, N + 1)))
    value = dg.Perturbed(lambda f, y: y[1] * (f[0] - y[0]) ** 2 / 8, 6.0)
    game = dg.ZeroSumNetworks(value, (None, None), (3.0, 0.0))
    field, start, unravel = field_of(game, (net, 0 * X), data)
    point = unravel(extragradient(field, start, 0.1, 300))
    found = certify.certify_networks(game, point, 0.05, args=data)
    assert found.status == "proved" and not found.contains_start
    assert check_data(found.data, level=2).ok
    assert found.data["game"]["value"]["datum"] == 2


def test_what_does_not_fit_is_an_error(proved):
    game, net, point, *_ = proved
    for x, words in (((net, X[:2]), "shape"), ((net, net), "moves inputs"), ((X, net), "MLP")):
        with pytest.raises(ValueError, match=words):
            certify.certify_networks(game, x, 0.1, args=(X, Y))
    for data, words in (((X, 2 * Y), "labels"), ((X,), "args are"), ((X[:, :1], Y), "inputs x")):
        with pytest.raises(ValueError, match=words):
            certify.certify_networks(game, point, 0.1, args=data)
    decaying = dg.ZeroSumNetworks(game.value, (net, None), (1.0, 1.0))
    with pytest.raises(ValueError, match="do not decay"):
        certify.certify_networks(decaying, point, 0.1, args=(X, Y))
    wide = certify.certify_networks(game, point, 30.0, args=(X, Y))
    assert wide.status == "undecided" and "penalty of 2" in wide.reasons[0]


@pytest.mark.full
def test_softmax_and_two_hidden_layers_are_proved():
    """No bound on units is given there: the recursion alone bounds derivatives in the inputs."""
    net = dg.nn.mlp((2, 4, 4, 3), KEYS[2], activation="tanh", start="gaussian")
    data = (X, jnp.array([0.0, 1.0, 2.0, 1.0]))
    value = dg.Perturbed(dg.neural.softmax_cross_entropy, 12.0)
    game = dg.ZeroSumNetworks(value, (None, None), (12.0, 0.0))
    field, start, unravel = field_of(game, (net, 0 * X), data)
    point = unravel(extragradient(field, start, 0.05, 200))
    found = certify.certify_networks(game, point, 0.05, args=data)
    assert found.status == "proved" and check_data(found.data, level=2).ok
    changed = edited(found.data, ("evidence", "value", "constant"), lambda _: CONSTANT)
    with pytest.raises(Unusable, match="one hidden layer"):
        check_data(changed)


CONSTANT = dict.fromkeys(("fourth", "weighted", "second", "row", "entry"), (1.0).hex())


@pytest.mark.full
def test_four_thousand_weights_have_a_margin_from_the_start():
    """All layers of 1,024 units are trained against moves of 64 inputs in the plane."""
    keys = jax.random.split(jax.random.key(0), 3)
    net = dg.nn.mlp(
        (2, 1024, 1), keys[0], activation="softplus", start="antisymmetric", first_scale=0.5
    )
    x = jax.random.normal(keys[1], (64, 2))
    y = jnp.sign(x[:, 0] + 0.3 * x[:, 1])
    value = dg.Perturbed(dg.neural.logistic, 2.0, 0.5)
    game = dg.ZeroSumNetworks(value, (net, None), (0.3, 0.0))
    run = dg.solve(game, dg.Extragradient(0.2), (net, 0 * x), (x, y), tol=1e-12)
    found = certify.certify_networks(
        game, run.strategy, "contains_start", args=(x, y), around="start"
    )
    assert found.weights == 4096 and found.contains_start and found.margin >= 0.15
    assert found.training.steps <= 1000 and check_data(found.data, level=2).ok


def test_levels_that_are_tiny_overflow_nothing():
    """Any multiplier proves something, and files may have any levels."""
    values = [[Fraction(1)] * 2, [Fraction(2)] * 2]
    for least in (Fraction(1, 10**160), Fraction(1, 2**1074)):
        assert mean_above(values, [least, Fraction(1)], Fraction(1)) >= 1
