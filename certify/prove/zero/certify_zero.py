"""Proves that a function from R^n to R^n has exactly one zero in a box."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg
from certify.claims.isolated_zero import IsolatedZero
from certify.problem.corners import coordinates, corner
from certify.problem.no_shared import require_no_shared
from certify.problem.region import Box
from certify.prove.arguments import check_search
from certify.prove.no_proof import NoProof
from certify.prove.zero.newton import start
from certify.prove.zero.posed_system import posed
from certify.prove.zero.zero_file import RegionToCover, proved
from certify.search.budget import Budget
from certify.search.search_options import Search
from dgames.strategy import Strategy, ravel

# The most cells of a region, unless the caller says otherwise.
_CELLS = 256


def certify_zero(
    system: Callable[[Any, Any], Any] | dg.Game | dg.AbstractField,
    guess: Strategy,
    *,
    conditions: Callable[[Any, Any], Any] | None = None,
    definite: Callable[[Any, Any], Sequence[Any]] | None = None,
    region: Box | None = None,
    radius: float | None = None,
    args: Any = None,
    search: Search = Search(),
) -> IsolatedZero:
    """Proves that a system of equations has exactly one zero in a box around a guess.

    Newton's method goes from the guess to a point near a zero. Around it, the test of Krawczyk is
    made with bounds on the Jacobian over a whole box:

        K(Z) = z0 - Y H(z0) + (I - Y H'(Z)) (Z - z0)  in the interior of Z

    proves that Z has exactly one zero, and that H' is regular there; no monotonicity is needed.
    The theorem and its proof are in `certify/checker/krawczyk.py`.

    Args:
        system: A function `(z, args)` that returns an array, or a pytree, of as many numbers as z
            has, from smooth primitives; or a game or field, whose field it then is: strategy sets
            play no part.
        guess: Near the zero: an array, or a pytree whose first level are its blocks.
        conditions: A function `(z, args)` of numbers that are to be positive at the zero.
        definite: A function `(z, args)` that returns symmetric matrices that are to be positive
            definite: at the zero, or in all of `region`. Of each, the lower triangle counts.
        region: A box of z that contains the zero, for `definite`.
        radius: The half-width of the box around the zero; by default, the largest one of some that
            are tried for which the test holds.
        args: Passed to all functions; fixed.
        search: How long and how finely the region is cut into cells. By default: up to 256 cells.

    Returns:
        An `IsolatedZero`; its file has been accepted by the independent checker if it is "proved".
        "undecided" says nothing about the system, but why there is no proof.

    Raises:
        ValueError: If functions and guess do not fit together, or the radius is not positive.
        EnclosureError: If a function uses derivative rules of its own.

    Example:
        >>> import certify, jax.numpy as jnp
        >>> circle = lambda z, args: jnp.stack([z[0] ** 2 + z[1] ** 2 - 2.0, z[0] - z[1]])
        >>> found = certify.certify_zero(circle, jnp.array([0.9, 1.2]))
        >>> found.status, found.radius > 0.4
        ('proved', True)
        >>> certify.certify_zero(lambda z, args: z**2, jnp.array([0.0])).status
        'undecided'
    """
    check_radius("certify_zero", radius)
    budget = cell_budget("certify_zero", search)
    if isinstance(system, dg.Game | dg.AbstractField):
        field = dg.as_field(system)
        require_no_shared("certify_zero", field, guess)
        system = field
    if not callable(system):
        raise ValueError("certify_zero: the system is no function (z, args)")
    wrapped = hasattr(guess, "shape")
    example = corner("guess", {"z": guess} if wrapped else guess)
    count = sum(leaf.size for leaf in jax.tree.leaves(example))
    sizes: list[int] = []

    def functions(z: Any, args: Any) -> list[Any]:
        own = z["z"] if wrapped else z
        values = ravel(system(own, args))[0]
        if values.size != count:
            raise ValueError(
                f"certify_zero: the system has {values.size} equations in {count} unknowns"
            )
        parts = [values]
        if conditions is not None:
            parts.append(ravel(conditions(own, args))[0])
        matrices = [] if definite is None else list(definite(own, args))
        sizes[:] = [jnp.shape(matrix)[0] for matrix in matrices]
        parts += [jnp.asarray(matrix)[np.tril_indices(len(matrix))] for matrix in matrices]
        return parts

    shapes = jax.eval_shape(lambda z: functions(z, args), example)
    description = {
        "kind": "equations",
        "conditions": shapes[1].size if conditions is not None else 0,
        "matrices": list(sizes),
    }
    name = getattr(system, "__name__", "")
    try:
        task = posed(
            name if name.isidentifier() else type(system).__name__,
            functions,
            example,
            args,
            description,
            coordinates(example),
        )
        covered = None if region is None else RegionToCover(*region.bounds(), budget)
        return IsolatedZero("proved", contents=proved(task, start(task), radius, covered))
    except NoProof as end:
        return IsolatedZero("undecided", end.reasons)


def check_radius(caller: str, radius: float | None) -> None:
    """Raises a `ValueError` unless a radius is positive and finite, or None."""
    if radius is not None and not (0 < radius < np.inf):
        raise ValueError(f"{caller}: the radius is {radius}; it must be positive and finite.")


def cell_budget(caller: str, search: Search) -> Budget:
    """Returns how many cells and seconds the search for cells may take."""
    check_search(caller, search)
    search.require_unused(caller, "tightness", "checkpoint", "batch_size", "n_jobs", "progress")
    return search.filled(_CELLS, 0.5).budget
