"""The independent checker: verifies a certificate file with exact arithmetic and nothing else.

This folder is the trusted part, the thing to audit. It imports the standard library alone: no JAX,
no NumPy, nothing from the rest of the project.

- `reader`: reads the file strictly;
- `proof`: the argument, step by step, with the theorem of each step;
- `steps`: the theorems on step sizes;
- `performance`: rates of methods with several stages or a memory;
- `metric`: the norm in which it holds;
- `sets`: strategy sets, and equilibria on their boundary;
- `contraction`: the same for files that prove a step of a method to contract;
- `exact`: positive definiteness, decided with integers.

Run it as `python -m certify.checker FILE`.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .contraction import check_contraction
from .proof import (
    Claims,
    Rejected,
    check_cells,
    check_equilibrium,
    check_metric,
    check_small_gain,
)
from .reader import CONTRACTION, Reader, Unusable, read
from .steps import check_steps


class Verdict(NamedTuple):
    """What the checker says of a file.

    Attributes:
        ok: Whether every claim in the file follows from its evidence.
        reasons: The claims that do not, one sentence each; empty when `ok`.
        seconds: How long the check took.
    """

    ok: bool
    reasons: tuple[str, ...]
    seconds: float


def check(path: str | Path, progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Verifies every inequality of a certificate file in exact rational arithmetic.

    Args:
        path: A file written by `Certificate.save`.
        progress: Called with the number of cells done and of all, before each and at the end.

    Returns:
        The verdict; its `reasons` say which claims fail.

    Raises:
        Unusable: If the file is not a certificate that can be read at all.
    """
    return check_data(read(path), progress)


def check_data(data: dict, progress: Callable[[int, int], None] | None = None) -> Verdict:
    """As `check`, for the parsed contents of a file."""
    start, file, reasons = time.perf_counter(), Reader(data), []
    try:
        if data.get("format") == CONTRACTION:
            check_contraction(file)
            return Verdict(True, (), time.perf_counter() - start)
        claims = Claims(file)
        steps = (
            lambda: check_metric(claims),
            lambda: check_cells(file["evidence"], claims, progress),
            lambda: check_small_gain(claims),
            lambda: check_equilibrium(claims),
            lambda: check_steps(claims),
        )
        for step in steps:
            try:
                step()
            except Rejected as rejected:
                reasons.append(str(rejected))
    except Rejected as rejected:
        reasons.append(str(rejected))
    return Verdict(not reasons, tuple(reasons), time.perf_counter() - start)


__all__ = ["Unusable", "Verdict", "check", "check_data"]
