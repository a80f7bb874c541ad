"""Steps of simultaneous gradient steps: closed forms, the tight rates, and random constants."""

from fractions import Fraction

import numpy as np
import pytest

from certify.metric.small_gain import small_gain
from certify.steps.simultaneous import lipschitz_step, per_player_steps, small_gain_step

# Tight worst-case factors of the best gradient step on mu-strongly monotone L-Lipschitz operators.
TIGHT = {2: 0.86603, 5: 0.9798, 10: 0.99499, 20: 0.99875, 50: 0.9998, 100: 0.99995}


@pytest.mark.parametrize(("kappa", "rate"), TIGHT.items())
def test_lipschitz_rule_is_the_tight_rate(kappa, rate):
    step = lipschitz_step(1.0 / kappa, 1.0)
    assert step["rate"] == pytest.approx(rate, abs=6e-6)
    assert step["rate"] >= np.sqrt(1 - kappa**-2.0) * (1 - 1e-15)
    assert step["max"] == pytest.approx(2 / kappa, rel=1e-12)
    assert step["max"] < 2 / kappa or step["max"] == np.nextafter(2 / kappa, 0)


def test_equal_constants():
    """F = x: one step of size 1 arrives."""
    step = lipschitz_step(1.0, 1.0)
    assert step["best"] == 1.0
    assert step["rate"] < 1e-7


def random_constants(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    mu = rng.uniform(0.5, 2.0, n)
    ell = mu * rng.uniform(1.0, 10.0, n)
    coupling = rng.uniform(0.0, 1.0, (n, n)) * (rng.random((n, n)) < 0.7)
    np.fill_diagonal(coupling, 0.0)
    coupling *= rng.uniform(0.2, 0.95) / max(
        np.abs(np.linalg.eigvals(coupling / mu[:, None])).max(), 1e-3
    )
    return mu, ell, coupling


def step_matrix(h, mu, ell, coupling):
    n = h * coupling
    return n + np.diag(np.maximum(np.abs(1 - h * mu), np.abs(1 - h * ell)))


@pytest.mark.parametrize("seed", range(50))
def test_small_gain_rule(seed):
    mu, ell, coupling = random_constants(seed)
    gain = small_gain(mu, coupling)
    assert gain.margin > 0
    step = small_gain_step(mu, ell, coupling, gain)
    radius = max(np.abs(np.linalg.eigvals(step_matrix(step["best"], mu, ell, coupling))))
    # The factor in the metric diag(u / v) is the Perron root of N(h), exactly 1 - h margin.
    assert radius - 1e-9 <= step["rate"] <= radius + 1e-7
    assert step["rate"] == pytest.approx(1 - step["best"] * gain.margin, abs=1e-7)
    for h in np.linspace(0, step["max"], 7)[1:]:
        assert max(np.abs(np.linalg.eigvals(step_matrix(h, mu, ell, coupling)))) < 1 + 1e-12


def test_small_gain_steps_are_much_larger_than_lipschitz_steps():
    """Median over random constants: at least 5 times larger, 15 times fewer iterations."""
    sizes, iterations = [], []
    for seed in range(60):
        mu, ell, coupling = random_constants(seed)
        gain = small_gain(mu, coupling)
        root = np.sqrt(gain.weights)
        norm = float(np.linalg.norm((np.diag(ell) + coupling) * (root[:, None] / root), 2))
        plain = lipschitz_step(gain.margin, norm)
        step = small_gain_step(mu, ell, coupling, gain)
        sizes.append(step["max"] / plain["max"])
        iterations.append(np.log(step["rate"]) / np.log(plain["rate"]))
    assert np.median(sizes) >= 5
    assert np.median(iterations) >= 15


def test_no_simulated_step_violates_the_rate():
    """Random symmetric own blocks within the bounds, couplings of the bounding norm."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        mu, ell, coupling = random_constants(seed)
        gain = small_gain(mu, coupling)
        step = small_gain_step(mu, ell, coupling, gain)
        n, d = len(mu), 3
        root = np.repeat(np.sqrt(gain.weights), d)
        for _ in range(50):
            jacobian = np.zeros((n * d, n * d))
            for i in range(n):
                q, _ = np.linalg.qr(rng.normal(size=(d, d)))
                block = q @ np.diag(rng.uniform(mu[i], ell[i], d)) @ q.T
                jacobian[i * d : i * d + d, i * d : i * d + d] = block
                for j in range(n):
                    if i != j:
                        block = rng.normal(size=(d, d))
                        block *= coupling[i, j] / np.linalg.norm(block, 2)
                        jacobian[i * d : i * d + d, j * d : j * d + d] = block
            for h, bound in ((step["best"], step["rate"]), (step["max"], 1.0)):
                moved = (np.eye(n * d) - h * jacobian) * (root[:, None] / root)
                assert np.linalg.norm(moved, 2) <= bound + 1e-12


def test_no_rule_without_a_margin():
    mu, coupling = np.array([1.0, 1.0]), np.array([[0.0, 2.0], [2.0, 0.0]])
    with pytest.raises(ValueError, match="not positive"):
        small_gain_step(mu, 2 * mu, coupling, small_gain(mu, coupling))


@pytest.mark.parametrize("seed", range(20))
def test_steps_per_player(seed):
    """The Perron root of N(h), proved; and no linear game of these constants violates it."""
    mu, ell, coupling = random_constants(seed)
    rng = np.random.default_rng(seed)
    n, d = len(mu), 2
    for steps in (None, rng.uniform(0.2, 1.2, n) * 2 / (mu + ell)):
        found = per_player_steps(mu, ell, coupling, steps)
        h = found.steps
        matrix = h[:, None] * coupling
        matrix += np.diag(np.maximum(np.abs(1 - h * mu), np.abs(1 - h * ell)))
        radius = np.abs(np.linalg.eigvals(matrix)).max()
        assert radius - 1e-12 <= found.rate <= radius + 1e-7
        assert (matrix @ found.right <= found.rate * found.right * (1 + 1e-14)).all()
        assert (found.left @ matrix <= found.rate * found.left * (1 + 1e-14)).all()
        root = np.repeat(np.sqrt(found.left / found.right), d)
        for _ in range(20):
            blocks = rng.normal(size=(n, n, d, d))
            blocks *= (coupling / np.linalg.norm(blocks, ord=2, axis=(-2, -1)))[..., None, None]
            for i in range(n):
                q, _ = np.linalg.qr(rng.normal(size=(d, d)))
                blocks[i, i] = q @ np.diag(rng.uniform(mu[i], ell[i], d)) @ q.T
            jacobian = np.repeat(h, d)[:, None] * np.swapaxes(blocks, 1, 2).reshape(n * d, n * d)
            moved = (np.eye(n * d) - jacobian) * (root[:, None] / root)
            assert np.linalg.norm(moved, 2) <= found.rate + 1e-12


def test_players_of_different_speeds_gain_by_steps_of_their_own():
    mu = np.array([1.0, 100.0])
    coupling = np.array([[0.0, 0.5], [0.5, 0.0]])
    common = small_gain_step(mu, mu, coupling, small_gain(mu, coupling))
    assert per_player_steps(mu, mu, coupling).rate < 0.06 < 0.97 < common["rate"]


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_steps_must_be_positive(bad):
    with pytest.raises(ValueError, match="positive numbers"):
        per_player_steps(np.ones(2), np.ones(2), np.zeros((2, 2)), np.array([1.0, bad]))


def test_largest_steps_contract_in_exact_arithmetic():
    """Also where rounding to nearest would be a little too much."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        low = rng.uniform(1.0, 2.0, 2)
        high = low * rng.uniform(1.0, 3.0, 2)
        coupling = np.array([[0.0, rng.uniform(0.1, 0.9)], [rng.uniform(0.1, 0.9), 0.0]])
        gain = small_gain(low, coupling)
        h = Fraction(small_gain_step(low, high, coupling, gain)["max"])
        ends = zip(low, high, strict=True)
        own = [max(abs(1 - h * Fraction(a)), abs(1 - h * Fraction(b))) for a, b in ends]
        for vector, matrix in ((gain.right, coupling), (gain.left, coupling.T)):
            v = [Fraction(x) for x in vector]
            for i in range(2):
                others = sum(h * Fraction(matrix[i, j]) * v[j] for j in range(2) if j != i)
                assert own[i] * v[i] + others < v[i]
