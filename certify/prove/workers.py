"""Measures cells in several processes or machines, through joblib and any of its backends.

A worker gets the game, not its traced code: it traces the costs itself, makes sure that the
trace is the same, tests the arithmetic of its platform as every process does, and compiles once.
"""

import contextlib
import functools
import importlib.util
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

import dgames as dg
from certify.jacobian.enclosure_choice import DefiniteEnclosure
from certify.jacobian.evaluator import Evaluator, block_width, evaluator
from certify.jacobian.family import AffineFamily
from certify.metric.metric import Weighting
from certify.metric.objective import Objective
from certify.problem.field import FlatField, flat_field
from certify.problem.region import Region
from certify.prove.family_measure import FamilyMeasure
from certify.prove.margin_measure import BLOCKS, batches, in_process, measured, rounded_up
from certify.search.measure import Cell, Measured


class Task(NamedTuple):
    """The data of a search that a worker needs.

    Attributes:
        game: The game, pickled with its region and arguments.
        hash: The hash of the costs as this process has traced them.
        weighting: The metric: one weight per coordinate, or a matrix.
        enclosure: How Jacobians are enclosed.
        objective: What is to be large on all cells.
        compile: Whether to compile; if not, cells are measured operation by operation.
    """

    game: bytes
    hash: str
    weighting: Weighting
    enclosure: DefiniteEnclosure
    objective: Objective = "margin"
    compile: bool = True


@contextlib.contextmanager
def crew(
    game: dg.Game | dg.AbstractField,
    region: Region,
    args: Any,
    field: FlatField,
    weighting: Weighting,
    enclosure: DefiniteEnclosure,
    objective: Objective = "margin",
    *,
    batch_size: int | None = None,
    n_jobs: int | None = None,
    compile: bool = True,
) -> Iterator[FamilyMeasure]:
    """Provides a measure of cells with joblib, or in this process if there is one job only.

    Args:
        game: The game.
        region: Where it is played.
        args: Passed to the costs.
        field: The field of the game on the region.
        weighting: The metric: one weight per coordinate, or a matrix.
        enclosure: How Jacobians are enclosed.
        objective: What is to be large on all cells.
        batch_size: Cells at a time, in each process, rounded up to whole blocks.
        n_jobs: The number of jobs as in joblib; when not given, that of an active
            `joblib.parallel_config`, else one.
        compile: Whether to compile; if not, cells are measured operation by operation.

    Raises:
        ValueError: If joblib is needed and missing, or the game cannot be sent to other processes.
    """
    jobs = _jobs(n_jobs)
    if jobs == 1:
        yield in_process(
            field, weighting, enclosure, objective, batch_size=batch_size, compile=compile
        )
        return
    import joblib

    pickled = _pickled(game, region, args)
    task = Task(pickled, field.hash, weighting, enclosure, objective, compile)
    width = block_width(field, enclosure)
    # The type is loose because joblib accepts and returns more than its annotations say.
    parallel: Any = joblib.Parallel
    with parallel(n_jobs=n_jobs, batch_size=1, pre_dispatch="all") as call:

        def run(cells: list[Cell]) -> Iterator[Measured[AffineFamily]]:
            # Each job gets an even share, in whole blocks, so that none waits for another.
            share = rounded_up(-(-len(cells) // jobs), width)
            size = min(share, BLOCKS * width)
            if batch_size is not None:
                size = rounded_up(batch_size, width)
            tasks = [joblib.delayed(remotely)(task, batch) for batch in batches(cells, size)]
            for part in call(tasks):
                yield from part

        yield FamilyMeasure(run)


def remotely(task: Task, cells: list[Cell]) -> list[Measured[AffineFamily]]:
    """Measures a batch of cells in a worker."""
    jax.config.update("jax_enable_x64", True)
    with _ONE_COMPILES:
        program = _compiled(task.game, task.hash, task.enclosure, task.compile)
    return measured(program, cells, task.weighting, task.objective)


# Threads of one worker process, such as those of Dask, wait for each other's compilation.
_ONE_COMPILES = threading.Lock()


@functools.lru_cache(maxsize=8)
def _compiled(
    pickled: bytes, digest: str, enclosure: DefiniteEnclosure, compile: bool
) -> Evaluator:
    """Returns the evaluator of a search, made once per process."""
    import cloudpickle

    field = flat_field(*cloudpickle.loads(pickled))
    if field.hash != digest:
        raise ValueError(
            "certify: in another process the costs are another function; they must depend on "
            "nothing but the game, its arguments and code that all processes have alike."
        )
    return evaluator(field, enclosure, compile=compile)


def _pickled(game: dg.Game | dg.AbstractField, region: Region, args: Any) -> bytes:
    import cloudpickle

    try:
        return cloudpickle.dumps((game, region, args))
    except Exception as error:  # whatever the objects in a game raise when pickled
        raise ValueError(
            f"certify: the game cannot be sent to other processes ({type(error).__name__}: "
            f"{error}); leave out n_jobs, or build it from picklable parts."
        ) from error


def _jobs(n_jobs: int | None) -> int:
    """Returns how many jobs run at a time; asks joblib only if it is imported or jobs are given."""
    if n_jobs == 1 or (n_jobs is None and "joblib" not in sys.modules):
        return 1
    if None in map(importlib.util.find_spec, ("joblib", "cloudpickle")):
        raise ValueError(
            "certify: n_jobs needs joblib and cloudpickle; install the extra 'parallel'."
        )
    import joblib

    effective: Any = joblib.effective_n_jobs
    return effective(n_jobs)
