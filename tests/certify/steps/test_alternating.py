"""Steps of alternating gradient steps: the rate of Gauss and Seidel, simulated, and made false."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.metric.small_gain import small_gain
from certify.steps.alternating import alternating_step, one_round
from certify.steps.simultaneous import small_gain_step
from tests.certify.checker.mutations import mutated, nudged
from tests.certify.steps.test_simultaneous import random_constants


@pytest.mark.parametrize("seed", range(30))
def test_between_the_spectral_radius_and_the_rate_of_simultaneous_steps(seed):
    constants = random_constants(seed)
    mu, _, coupling = constants
    gain = small_gain(mu, coupling)
    together, step = small_gain_step(*constants, gain), alternating_step(*constants, gain)
    assert step["max"] == together["max"]
    assert 0 < step["best"] <= step["max"]
    radius = np.abs(np.linalg.eigvals(one_round(step["best"], *constants))).max()
    assert radius - 1e-12 <= step["rate"] <= together["rate"] + 1e-12
    assert step["rate"] <= radius + (1 - radius) / 60
    assert (step["inner"] <= step["outer"]).all() and step["inner"].max() == 1


def test_two_equal_players_need_half_the_iterations():
    """`mu = ell = 1`: one round multiplies by the product of the couplings."""
    one, coupling = np.ones(2), np.array([[0.0, 0.8], [0.5, 0.0]])
    gain = small_gain(one, coupling)
    step = alternating_step(one, one, coupling, gain)
    assert step["rate"] == pytest.approx(0.4, abs=0.012)
    assert small_gain_step(one, one, coupling, gain)["rate"] == pytest.approx(0.4**0.5, abs=1e-9)


def linear_round(jacobian, h, size):
    """The matrix of one alternating step of a linear field, player by player."""
    matrix = np.eye(len(jacobian))
    for start in range(0, len(jacobian), size):
        move = np.eye(len(jacobian))
        move[start : start + size] -= h * jacobian[start : start + size]
        matrix = move @ matrix
    return matrix


def test_no_simulated_step_violates_the_rate():
    """Symmetric own blocks within the bounds, couplings of the bounding norm, worst directions."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        mu, ell, coupling = random_constants(seed)
        step = alternating_step(mu, ell, coupling, small_gain(mu, coupling))
        n, d = len(mu), 3
        for _ in range(20):
            blocks = rng.normal(size=(n, n, d, d))
            blocks *= (coupling / np.linalg.norm(blocks, ord=2, axis=(-2, -1)))[..., None, None]
            for i in range(n):
                q, _ = np.linalg.qr(rng.normal(size=(d, d)))
                blocks[i, i] = q @ np.diag(rng.uniform(mu[i], ell[i], d)) @ q.T
            jacobian = np.swapaxes(blocks, 1, 2).reshape(n * d, n * d)
            x = rng.normal(size=(200, n, d))
            x /= np.linalg.norm(x, axis=-1, keepdims=True)
            cases = [(step["best"], step["inner"], step["rate"])]
            cases += [(t * step["max"], step["outer"], 1.0) for t in (0.05, 0.3, 0.7, 1.0)]
            for h, scale, bound in cases:
                start = (x * scale[:, None]).reshape(200, -1)
                moved = (start @ linear_round(jacobian, h, d).T).reshape(200, n, d)
                assert (np.linalg.norm(moved, axis=-1) / scale).max() <= bound + 1e-12


def costs(x, args):
    """Three players of unequal units and sizes, not linear, and not symmetric in the players."""
    a, b, c = x["a"], x["b"], x["c"]
    return {
        "a": a**2 + 3.0 * a * jnp.sin(b[0]) - 0.2 * a,
        "b": 2.0 * jnp.sum(b**2) + 0.1 * jnp.sum(b) * a + b[0] * b[1] + 0.4 * b[1] * c,
        "c": 1.5 * c**2 + 0.5 * c * (a + b[1]),
    }


CENTER = {"c": 0.0, "b": jnp.zeros(2), "a": 0.0}
REGIONS = {"box": certify.Box.around(CENTER, 0.5), "ball": certify.Ball(CENTER, 0.5)}


@pytest.fixture(scope="module", params=REGIONS)
def certificate(request):
    found = certify.certify(
        dg.game(costs), REGIONS[request.param], [dg.Simultaneous, dg.Alternating]
    )
    assert found.status == "proved"
    return found


@functools.cache
def stepper():
    field = dg.pseudo_gradient(dg.game(costs))
    step = jax.vmap(lambda h, x: dg.Alternating(h).step(field, x, None)[0], (None, 0))
    return jax.jit(step)


def edge(certificate):
    """Starts on the edge of the basin, in the norm of the certificate, corners among them."""
    step, rng = certificate.step_sizes["alternating"], np.random.default_rng(0)
    center = certificate.equilibrium.center
    starts, count = {}, 200
    for name, scale in step.scale.items():
        shape = np.shape(center[name])
        direction = rng.normal(size=(count, *shape))
        length = np.linalg.norm(direction, axis=1, keepdims=True) if shape else np.abs(direction)
        share = rng.choice([1.0, 1.0, 0.3], count).reshape(count, *(1 for _ in shape))
        offset = step.basin * scale * share * direction / length
        starts[name] = np.asarray(center[name]) + offset
    return starts


def lengths(certificate, x):
    step, center = certificate.step_sizes["alternating"], certificate.equilibrium.center
    sizes = [
        np.linalg.norm(np.asarray(x[name]).reshape(200, -1) - np.ravel(center[name]), axis=1)
        / scale
        for name, scale in step.scale.items()
    ]
    return np.max(sizes, axis=0)


@pytest.mark.full
def test_certified_steps_hold_in_simulation(certificate):
    step, region = certificate.step_sizes["alternating"], certificate.region
    assert step.norm == "max_i |x_i| / scale_i" and step.theorem == "small_gain"
    assert step.rate < certificate.step_sizes["simultaneous"].rate
    assert step.basin > 0.2
    for h in (step.best, step.max, 0.5 * step.max, 0.1 * step.max):
        x = edge(certificate)
        start = before = lengths(certificate, x)
        assert start.max() <= step.basin * (1 + 1e-12)
        for k in range(60):
            inside = jax.vmap(region.contains)(jax.tree.map(jnp.asarray, x))
            assert bool(inside.all())
            x = stepper()(h, x)
            now = lengths(certificate, x)
            if h == step.best and k < 12:
                assert (now <= step.rate * before + 1e-9).all()
            before = now
        assert (before < 0.9 * start).all()


def test_the_order_of_the_players_is_that_of_the_method():
    """Who moves second gains: with the players exchanged the rate would be false."""
    one, coupling = np.ones(2), np.array([[0.0, 0.9], [0.9, 0.0]])
    step = alternating_step(one, one, coupling, small_gain(one, coupling))
    jacobian, v = np.eye(2) + coupling, step["inner"]
    start = np.array(list(itertools.product([-1, 1], repeat=2))) * v
    first = np.abs(start @ linear_round(jacobian, step["best"], 1).T / v).max()
    assert first == pytest.approx(step["rate"], abs=0.01) and first <= step["rate"]
    other = linear_round(jacobian[::-1, ::-1], step["best"], 1)[::-1, ::-1]
    assert np.abs(start @ other.T / v).max() > step["rate"] + 0.05


def place(data):
    steps = data["claims"]["steps"]
    return next(i for i, step in enumerate(steps) if step["method"] == "alternating")


VECTORS = ("inner", "outer")


@pytest.mark.parametrize(
    ("path", "factor", "reason"),
    [
        (("max",), 1 + 1e-3, "largest step contracts"),
        (("max",), 1e3, "largest step contracts"),
        (("best",), 1.05, "rate holds"),
        (("best",), 0.5, "rate holds"),
        (("rate",), 1 - 1e-9, "rate holds"),
        (("rate",), -1.0, "positive"),
        (("rate",), 4.0, "below 1"),
        (("equilibrium_radius",), 0.999, "near the centre"),
        (("basin",), 1 + 1e-6, "basin is inside"),
        (("basin",), -1.0, "positive"),
        *(((name, i), sign, "positive") for name in VECTORS for i in range(3) for sign in (-1, 0)),
    ],
)
def test_false_claims_are_rejected(certificate, path, factor, reason):
    data = certificate.data
    verdict = check_data(mutated(data, ("claims", "steps", place(data), *path), nudged(factor)))
    assert not verdict.ok
    assert any("alternating: " in r and reason in r for r in verdict.reasons), verdict.reasons


def holds(data, slack=1e-9):
    """Whether the vectors prove what the file says, from the definitions, in floating point."""
    entry, gain = data["claims"]["steps"][place(data)], data["claims"]["small_gain"]

    def numbers(texts):
        return np.array([[float.fromhex(x) for x in np.atleast_1d(row)] for row in texts]).squeeze()

    largest, best, rate, near, basin = (
        float.fromhex(entry[name])
        for name in ("max", "best", "rate", "equilibrium_radius", "basin")
    )
    v, u = numbers(entry["inner"]), numbers(entry["outer"])
    mu, ell, coupling = (numbers(gain[name]) for name in ("curvature", "smoothness", "coupling"))
    at_largest = largest * coupling
    at_largest += np.diag(np.maximum(np.abs(1 - largest * mu), np.abs(1 - largest * ell)))
    weights = numbers(data["claims"]["weights"])
    reach, radius = (basin + 2 * near) * u, float.fromhex(data["claims"]["equilibrium"]["radius"])
    center = numbers(data["claims"]["equilibrium"]["center"])
    if data["region"]["kind"] == "box":
        inside = (np.abs(center) + np.repeat(reach, (1, 2, 1)) <= 0.5 * (1 + slack)).all()
    else:
        inside = np.linalg.norm(center) + np.linalg.norm(reach) <= 0.5 * (1 + slack)
    return (
        inside
        and (v <= u * (1 + slack)).all()
        and (at_largest @ u < u * (1 + slack)).all()
        and (one_round(best, mu, ell, coupling) @ v <= rate * v * (1 + slack)).all()
        and (near * v * np.sqrt(weights) >= radius * (1 - slack)).all()
    )


@pytest.mark.parametrize("name", VECTORS)
def test_every_entry_of_the_vectors_counts(certificate, name):
    """An accepted change is one that leaves every claim true."""
    data, rejected = certificate.data, 0
    assert holds(data)
    for i in range(3):
        for factor in (1 + 1e-4, 1 - 1e-4, 1.3, 0.5, 2.0):
            other = mutated(data, ("claims", "steps", place(data), name, i), nudged(factor))
            verdict = check_data(other)
            assert not verdict.ok or holds(other)
            rejected += not verdict.ok
    assert rejected >= 9


def test_false_constants_are_not_hidden_by_the_rule(certificate):
    """The rule rests on the constants of the file, of which each is proved from the cells."""
    data = certificate.data
    for name in ("curvature", "smoothness"):
        factor = 1.2 if name == "curvature" else 0.8
        for i in range(3):
            assert not check_data(
                mutated(data, ("claims", "small_gain", name, i), nudged(factor))
            ).ok
    # Weaker constants that are true, but no longer suffice for the stated step.
    weaker = mutated(data, ("claims", "small_gain", "smoothness", 1), nudged(2.0))
    weaker["claims"]["steps"] = [weaker["claims"]["steps"][place(data)]]
    assert any("alternating" in reason for reason in check_data(weaker).reasons)


def test_vectors_of_another_length_are_unusable(certificate):
    data = certificate.data
    for name in ("inner", "outer"):
        path = ("claims", "steps", place(data), name)
        for change in (lambda x: x[:-1], lambda x: [*x, x[0]], lambda x: [], lambda x: None):
            with pytest.raises(Unusable):
                check_data(mutated(data, path, change))


def test_the_rule_of_another_method_is_not_accepted(certificate):
    data = certificate.data
    path = ("claims", "steps", place(data), "method")
    with pytest.raises(Unusable):
        check_data(mutated(data, path, lambda _: "simultaneous"))
