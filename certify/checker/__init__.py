"""The independent checker: verifies a certificate file with exact arithmetic and nothing else.

This folder is the trusted part, the thing to audit. It imports the standard library alone: no JAX,
no NumPy, nothing from the rest of the project. These modules hold the arguments, each for one kind
of file:

- `proof` is for games, and uses `terms` for files with terms in place of cells, `equilibrium`,
  `shared_rows` and `shared_functions` for constraints of all players together, `kinks` for fields
  with kinks, `steps`, `performance` and `schemes`;
- `contraction` is for single steps of a method;
- `policies` is for games on simplices, over all policies, and uses `payoffs` and `logarithm`;
- `trees` is for extensive-form games of two players, over all play, and uses `tree_game` and
  `tree_couplings`;
- `krawczyk` is for zeros of systems of equations, generalised Nash equilibria among them, and uses
  `systems`;
- `stackelberg` is for a leader and followers, and uses `answer_tube` and `interval_matrices`;
- `monotone` is for merely monotone fields, and uses `anchored`;
- `feedback`, with `stationary` and `scalar_feedback`, is for linear-quadratic games, and uses
  `lq_data`, `fixed_point`, `polynomial_pairs` and `real_roots`;
- `nonconvexity` is for refutations: a player's own cost is not convex;
- `repulsion` is for equilibria that repel a method, and uses `step_matrices`;
- `leaving` is for regions that all runs leave, and uses it too;
- `mean_square` is for methods on affine fields that are drawn at random, and uses `sampled_fields`,
  `affine_methods` and `quadratic_graphs`;
- `neural` is for zero-sum games of networks, and uses `neural_recursion`, `neural_activations` and,
  by what the networks play for, `neural_outputs`.

The claims are read by `claims`, `region`, `metric` and `sets`; `cells` has the cells of a region.
All rest on `reader` (of files), `exact`, `matrices`, `sparse` and `semidefinite` (positive
definiteness) and `verdict`.

These verify level 1: the inequalities, given the bounds on derivatives in the file. Level 2
needs python-flint: `rederive` finds these bounds again from the costs, which the file spells out as
a `graph`, by truncated Taylor polynomials (`jets`, `series`, `intervals`); `rederive_terms` finds
terms of rank one in it (`ridges`, `forms`, `univariate`), `rederive_functions` convex functions;
`rederive_zero` is for zeros, `rederive_stackelberg` for files about a leader,
`rederive_nonconvexity` for refutations, and `rederive_neural`, with `network_balls`, for networks.

Run it as `python -m certify.checker [--level 2] FILE`. The folder is also a distribution of its
own, `certify-checker`, see its README.
"""

import time
from collections.abc import Callable
from pathlib import Path

from .cells import Progress
from .contraction import check_contraction
from .count import check_count
from .feedback import check_feedback
from .krawczyk import check_zero
from .leaving import check_expansion
from .mean_square import check_mean_square
from .monotone import check_monotone
from .neural import check_neural
from .nonconvexity import check_nonconvexity
from .policies import check_policies
from .proof import check_convergence
from .reader import (
    CONTRACTION,
    CONVERGENCE,
    COUNT,
    EXPANSION,
    FEEDBACK,
    FORMAT,
    INSTABILITY,
    MEAN_SQUARE,
    MONOTONE,
    NEURAL,
    POLICIES,
    REFUTATION,
    STACKELBERG,
    TREE,
    ZERO,
    Reader,
    Unusable,
    read,
)
from .repulsion import check_instability
from .stackelberg import check_stackelberg
from .trees import check_tree
from .verdict import Rejected, Verdict

__version__ = "0.1.0"

# For each kind of file, the function that verifies it at a level: it returns what was re-derived
# from the costs, or raises `Rejected` with the claims that fail.
KINDS: dict[str, Callable[[Reader, int, Progress | None], tuple[str, ...]]] = {
    CONVERGENCE: check_convergence,
    CONTRACTION: check_contraction,
    POLICIES: check_policies,
    ZERO: check_zero,
    STACKELBERG: check_stackelberg,
    FEEDBACK: check_feedback,
    MONOTONE: check_monotone,
    COUNT: check_count,
    REFUTATION: check_nonconvexity,
    MEAN_SQUARE: check_mean_square,
    INSTABILITY: check_instability,
    EXPANSION: check_expansion,
    NEURAL: check_neural,
    TREE: check_tree,
}


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
            which level 2 could re-derive anything, or python-flint is not installed for it.
        ValueError: If there is no such level.
    """
    return check_data(read(path), progress, level=level)


def check_data(data: dict, progress: Progress | None = None, *, level: int = 1) -> Verdict:
    """Verifies the parsed contents of a file, as `check` does."""
    if level not in (1, 2):
        raise ValueError(f"check: the level is {level}; it must be 1 or 2.")
    start, file = time.perf_counter(), Reader(data)
    kind = file["kind"]
    if file["format"].text() != FORMAT:
        file["format"].fail(f'"{FORMAT}"')
    if kind.text() not in KINDS:
        kind.fail(" or ".join(f'"{known}"' for known in KINDS))
    reasons: tuple[str, ...] = ()
    rederived: tuple[str, ...] = ()
    try:
        rederived = KINDS[kind.text()](file, level, progress)
    except Rejected as rejected:
        reasons = rejected.args
    return Verdict(not reasons, reasons, time.perf_counter() - start, rederived)


__all__ = ["Unusable", "Verdict", "check", "check_data"]
