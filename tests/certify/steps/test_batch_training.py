"""Training on mini-batches within a region."""

import numpy as np
import pytest

import certify


@pytest.mark.full
def test_runs_within_a_region_keep_the_promise():
    """A field that is monotone within the region and explodes outside, on batches of signs."""
    a, b, radius, steps, runs = 0.5, 1.0, 1.0, 200, 4000
    noise = certify.BoundedNoise(1.0, batch=8)
    proof = certify.batch_training(a, b, noise, steps, start=0.5, radius=radius, probability=0.05)
    assert 0 < proof.leaving <= 0.025 and proof.distance < 0.4 and proof.failure == 0.05
    rng = np.random.default_rng(0)
    x = np.full((runs, 2), 0.5 / np.sqrt(2))
    turn, left = np.sqrt(b**2 - a**2), np.zeros(runs, bool)
    for _ in range(steps):
        force = np.where(left[:, None], -x, a * x + turn * np.stack([-x[:, 1], x[:, 0]], 1))
        angles = np.pi / 2 * rng.integers(0, 4, (runs, 8))
        error = np.stack([np.cos(angles), np.sin(angles)], -1).mean(1)
        x = np.clip(x - proof.step_size * (force + error), -1e6, 1e6)
        left |= np.hypot(*x.T) >= radius
    assert left.mean() <= proof.leaving
    assert np.mean(left | (np.hypot(*x.T) > proof.distance)) <= proof.failure


@pytest.mark.full
def test_larger_batches_end_nearer():
    found = [
        certify.batch_training(
            0.1, 2.0, certify.BoundedNoise(1.0, batch=n), 300, start=0.1, radius=0.8, step_size=0.02
        ).distance
        for n in (8, 128)
    ]
    assert found[1] < 0.7 * found[0]


def test_a_step_size_of_ones_own():
    noise = certify.BoundedNoise(1.0, batch=16)
    proof = certify.batch_training(
        0.1, 2.0, noise, 500, start=0.1, radius=0.8, step_size=0.01, probability=0.1
    )
    assert proof.step_size == 0.01 and proof.steps == 500
    tail = certify.noise_tail(0.1, 2.0, 0.01, noise, 0.1, start=0.1, steps=500, radius=0.8)
    assert tail <= proof.distance**2


def test_what_cannot_be_promised():
    noise = certify.BoundedNoise(1.0)
    with pytest.raises(ValueError, match="the region only"):
        certify.batch_training(0.1, 2.0, noise, 100, start=1.0, radius=0.5)
    with pytest.raises(ValueError, match="larger batches"):
        certify.batch_training(
            0.1, 2.0, noise, 10**6, start=0.1, radius=0.15, probability=1e-6, step_size=0.01
        )


def test_a_radius_beyond_the_basin_of_networks_is_refused():
    class Claimed:
        kind, margin, lipschitz, basin = "neural", 0.5, 1.0, 0.6

    def trained(radius):
        noise = certify.BoundedNoise(0.1, batch=64)
        return certify.batch_training(
            Claimed(), None, noise, 100, start=0.1, radius=radius, step_size=0.1
        )

    assert trained(0.6).radius == 0.6
    with pytest.raises(ValueError, match=r"hold within 0\.6 of the equilibrium"):
        trained(0.61)
