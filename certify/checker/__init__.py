"""The independent checker: verifies a certificate file with exact arithmetic and nothing else.

This folder is the trusted part, the thing to audit. It imports the standard library alone: no JAX,
no NumPy, nothing from the rest of the project.

- `reader`: reads the file strictly;
- `proof`: the argument, step by step, with the theorem of each step;
- `equilibrium`: that there is one, where, and its basin;
- `steps`: the theorems on step sizes;
- `performance`: rates of methods with several stages or a memory;
- `region`: where it holds;
- `metric`: the norm in which it holds;
- `sets`: strategy sets, and equilibria on their boundary;
- `contraction`: the same for files that prove a step of a method to contract;
- `policies`, `payoffs`, `logarithm`: the same for games on simplices, over all policies;
- `exact`: positive definiteness, decided with integers.

That is level 1: the inequalities, given the bounds on derivatives that the file states. Level 2
re-derives these bounds from the costs, which the file spells out, and needs python-flint:

- `graph`: the costs, as an expression graph of real functions;
- `intervals`, `jets`: their derivatives over boxes, by truncated Taylor polynomials;
- `rederive`: that the bounds follow.

Run it as `python -m certify.checker [--level 2] FILE`.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .contraction import check_contraction
from .equilibrium import check_equilibrium
from .policies import check_policies
from .proof import Claims, check_cells, check_metric, check_small_gain
from .reader import CONTRACTION, CONVERGENCE, POLICIES, Reader, Unusable, read
from .rederive import rederive
from .region import Rejected
from .steps import check_steps


class Verdict(NamedTuple):
    """What the checker says of a file.

    Attributes:
        ok: Whether every claim in the file follows from its evidence.
        reasons: The claims that do not, one sentence each; empty when `ok`.
        seconds: How long the check took.
        rederived: What was re-derived from the costs at level 2, one sentence each; empty at level
            1, where the bounds that the file states are taken as given. Files of games on simplices
            hold the payoffs themselves: everything is derived from them at either level.
    """

    ok: bool
    reasons: tuple[str, ...]
    seconds: float
    rederived: tuple[str, ...] = ()


Progress = Callable[[int, int], None]


def check(path: str | Path, progress: Progress | None = None, *, level: int = 1) -> Verdict:
    """Verifies every inequality of a certificate file in exact rational arithmetic.

    Args:
        path: A file written by `Certificate.save`.
        progress: Called with the number of cells done and of all, before each and at the end.
        level: 1 takes the bounds on derivatives that the file states as given; 2 re-derives them
            from the costs that the file spells out, with python-flint.

    Returns:
        The verdict; its `reasons` say which claims fail.

    Raises:
        Unusable: If the file is not a certificate that can be read at all, or has nothing from
            which level 2 could re-derive anything, or python-flint is not there for it.
        ValueError: If there is no such level.
    """
    return check_data(read(path), progress, level=level)


def check_data(data: dict, progress: Progress | None = None, *, level: int = 1) -> Verdict:
    """As `check`, for the parsed contents of a file."""
    if level not in (1, 2):
        raise ValueError(f"check: the level is {level}; it must be 1 or 2.")
    start, file, reasons = time.perf_counter(), Reader(data), []
    kind = file["kind"].text()
    if kind not in (CONVERGENCE, CONTRACTION, POLICIES):
        file["kind"].fail(f'"{CONVERGENCE}", "{CONTRACTION}" or "{POLICIES}"')
    if kind == CONTRACTION and level == 2:
        raise Unusable("level 2 is for certificates of games, not for those of single steps")
    rederived: tuple[str, ...] = ()
    try:
        if kind == CONTRACTION:
            check_contraction(file)
            return Verdict(True, (), time.perf_counter() - start)
        if kind == POLICIES:
            rederived = check_policies(file)
            return Verdict(True, (), time.perf_counter() - start, rederived)
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
        if level == 2 and not reasons:
            rederived = rederive(file, claims, progress)
    except Rejected as rejected:
        reasons.append(str(rejected))
    return Verdict(not reasons, tuple(reasons), time.perf_counter() - start, rederived)


__all__ = ["Unusable", "Verdict", "check", "check_data"]
