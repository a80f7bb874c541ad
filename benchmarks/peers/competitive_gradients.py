"""The competitive gradient on the estimation of covariances, beside PyTorch."""

import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jaxtyping import Array

import dgames as dg
from benchmarks.peers import torch_competitive
from benchmarks.peers.dynamics import distance
from benchmarks.peers.fields_by_hand import TOLERANCE
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed
from dgames.games import CovarianceEstimation

ALPHA = 0.02
Instance = tuple[CovarianceEstimation, tuple[Array, Array]]


def instance(size: int) -> Instance:
    """The random game of the paper and its start, for d-by-d matrices."""
    game, start = CovarianceEstimation.random(jax.random.key(0), size)
    return game, start


def by_us(instance: Instance) -> Callable[[int], list[Array]]:
    """`dgames.solve`, given a number of steps."""
    game, start = instance
    field = dg.Competitive(game, ALPHA)

    def run(steps: int) -> list[Array]:
        found = dg.solve(field, dg.Simultaneous(ALPHA), start, max_steps=steps, tol=0)
        return jax.tree.leaves(found.strategy)

    return run


def by_torch(instance: Instance) -> Callable[[int], list[np.ndarray]]:
    """A loop in PyTorch, given a number of steps."""
    game, (first, second) = instance
    start = np.asarray(first), np.asarray(second)
    return torch_competitive.runner(np.asarray(game.covariance), start, ALPHA, TOLERANCE)


def rows(quick: bool = False) -> Iterator[Row]:
    """One row per size."""
    for size in (3,) if quick else (20, 40, 60):
        if missing("torch"):
            yield not_run(name(size), "PyTorch, eager", "not installed")
        else:
            yield row(size, *((5, 3) if quick else (100, 7)))


def name(size: int) -> str:
    """What a row is called."""
    return f"covariance, d = {size}: competitive"


def row(size: int, steps: int, turns: int) -> Row:
    """Agreement after some steps, then time per step."""
    ours, theirs = (make(instance(size)) for make in (by_us, by_torch))
    cold = timed(lambda: ours(1))[1], timed(lambda: theirs(1))[1]
    apart = distance(ours(steps), theirs(steps))
    both = (lambda: ours(steps), lambda: theirs(steps))
    seconds = in_turns(both, turns, (steps, steps), time.process_time)
    results = f"after {steps} steps {apart:.0e} apart"
    return Row(name(size), "PyTorch, eager", compared(*seconds), "step", cold, results)
