"""Proves that an equilibrium repels a method, or the flow."""

import time
from typing import Any

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

import dgames as dg
from certify.checker import Unusable
from certify.checker.exact import Work
from certify.checker.krawczyk import IntervalMatrix
from certify.checker.reader import FORMAT, INSTABILITY, VERSION, Reader
from certify.checker.rederive import PRECISION
from certify.checker.step_matrices import (
    BITS,
    RoundedIntervalMatrix,
    StepMethod,
    step_jacobian,
)
from certify.claims.checked import Checked, NotAccepted
from certify.claims.instability import Instability
from certify.file.provenance import provenance
from certify.problem.corners import corner
from certify.prove.file_parts import hexadecimal
from certify.prove.no_proof import NoProof
from certify.prove.unstable.growing_form import growing_forms, spectral_size
from certify.prove.unstable.posed_field import method_in_file, posed_field, require_free
from certify.prove.zero.certify_zero import check_radius
from certify.prove.zero.evidence_of_zero import Isolation, KrawczykSearch, interval_matrix
from certify.prove.zero.newton import bounds_on, near_zero, start
from certify.prove.zero.posed_system import PosedSystem
from certify.prove.zero.zero_file import corners_in_file, evidence_in_file
from dgames.strategy import Strategy

TRUSTED = (
    "Statement (B) of certify/checker/repulsion.py: that the Jacobian of the field is in the "
    "stated interval matrices on the box and at the zero, and the residual. Level 2 of the checker "
    "re-derives it from the field in this file; else it rests on the same code, which found them: "
    "on python-flint, and the graph in this file being that of their code.",
    "The field means the real-valued function that its code spells out, with constants taken "
    "exactly; flow and steps are those of real arithmetic, without projections, which change "
    "nothing near the equilibrium.",
    "The checker and the Python interpreter that runs it.",
)


def certify_instability(
    game: dg.Game | dg.AbstractField,
    method: dg.AbstractMethod | None,
    guess: Strategy,
    *,
    radius: float | None = None,
    args: Any = None,
) -> Instability:
    """Proves that an equilibrium near a guess repels a method with its step size, or the flow.

    Newton's method goes from the guess to a point near a zero x* of the field, which the test of
    Krawczyk encloses, see `certify_zero`. There the Jacobian A of the method's step, on strategies
    and buffers, is enclosed, and a quadratic form `V(d) = d' P d` is found and proved to grow along
    it, `A' P A > growth P` with `growth > 1`. A certificate with status "proved" says that

    - x* is unstable: there is a ball around it, with buffers at rest, that every run leaves which
      starts in it where V is positive; such starts are as near to x* as one likes, along
      `direction`, with the method's own first state;
    - the spectral radius of A is at least `spectral_radius`, which is above one; for the flow,
      `x' = -F(x)`, an eigenvalue of J has a real part of at most `-growth`.

    Nothing is said of where runs go, or of those that start on the stable manifold of x*. The
    theorem and its proof are in `certify/checker/repulsion.py`.

    Args:
        game: A game or a field, of smooth primitives that can be spelled out as a graph. Strategy
            sets may be there if the equilibrium is inside; shared constraints may not.
        method: A method of dgames with its step size, which `certify.certify` has a theorem for,
            or None for the flow. Steps and momentum may be any; step sizes may differ by player.
        guess: A joint strategy near the equilibrium.
        radius: The half-width of the box in which there is no other zero; by default, the largest
            one of some that are tried for which the test holds.
        args: Passed to the costs, or to the field; fixed.

    Returns:
        An `Instability`; its file has been accepted by the independent checker if it is "proved".
        "undecided" says why there is no proof: often that the method is stable there.

    Raises:
        ValueError: If the arguments do not fit together, the method is not one of these, or the
            equilibrium is not inside the strategy sets.
        EnclosureError: If a function uses derivative rules of its own.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.zero_sum(lambda x, args: -3 * x[0] ** 2 - x[1] ** 2 + 4 * x[0] * x[1])
        >>> found = certify.certify_instability(game, dg.Simultaneous(0.1), (0.1, 0.1))
        >>> found.status, round(found.spectral_radius, 3)
        ('proved', 1.2)
        >>> pull = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> certify.certify_instability(pull, dg.Extragradient(0.5), (0.1, 0.1)).status
        'undecided'
    """
    caller = "certify_instability"
    check_radius(caller, radius)
    example = corner("guess", guess)
    described = method_in_file(caller, method, game, example)
    try:
        task = posed_field(caller, game, example, args)
        return Instability("proved", contents=_proved(task, game, described, radius))
    except NoProof as end:
        return Instability("undecided", end.reasons)
    except Unusable as error:
        return Instability("undecided", (str(error),))


def _proved(
    task: PosedSystem,
    game: dg.Game | dg.AbstractField,
    described: dict[str, Any],
    radius: float | None,
) -> Checked:
    """Returns contents that the checker has accepted.

    Raises:
        NoProof: If there is no proof; it says why.
        MismatchError: If the field is not what was read from its code.
    """
    began = time.perf_counter()
    search = KrawczykSearch(task, near_zero(task, start(task)))
    found = search.isolated(radius)
    lower, upper = found.zero
    width = upper - lower
    require_free("certify_instability", game, lower - width, upper + width, task)
    evidence = evidence_in_file(task, search, found)
    with ctx.workprec(PRECISION):
        jacobian = interval_matrix(bounds_on(task, *found.zero).jacobian(), found.unit)
    method = StepMethod(Reader(described), len(task.field.sizes))
    matrix, first = _floats(method, jacobian, found.unit, list(task.field.sizes))
    reason = _no_growth(matrix, flow=method.is_flow)
    for form in growing_forms(matrix, first, flow=method.is_flow):
        data = {
            "format": FORMAT,
            "version": VERSION,
            "kind": INSTABILITY,
            "game": task.game,
            "claims": {
                "equilibrium": {
                    "box": corners_in_file(found.lower, found.upper),
                    "zero": corners_in_file(*found.zero),
                },
                "method": described,
                "growth": hexadecimal(form.growth),
                "direction": form.direction,
            },
            **({"promoted": list(task.field.promoted)} if task.field.promoted else {}),
            "trusted": [*TRUSTED, *task.field.promoted],
            "provenance": {**provenance(), "seconds": f"{time.perf_counter() - began:.2f}"},
            "evidence": {"equilibrium": evidence, "jacobian": jacobian, "form": form.matrix},
        }
        try:
            contents = Checked(data)
        except NotAccepted as rejection:
            reason = f"no form was proved to grow: {rejection}"
            continue
        _compare(task, found)
        return contents
    raise NoProof(reason)


def _floats(
    method: StepMethod, jacobian: dict[str, list[int]], unit: int, sizes: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the Jacobian of the step and that of the first state, or those of the flow."""
    n = sum(sizes)
    exact = RoundedIntervalMatrix.of(IntervalMatrix(Reader(jacobian), n, n), unit)
    if method.is_flow:
        return -_rounded(exact), np.eye(n)
    both = step_jacobian(method, exact, sizes, Work())
    return _rounded(both.step), _rounded(both.start)


def _rounded(matrix: RoundedIntervalMatrix) -> np.ndarray:
    # Divisions of integers are rounded correctly.
    return np.array([[x / 2**BITS for x in row] for row in matrix.centre])


def _no_growth(matrix: np.ndarray, *, flow: bool) -> str:
    size = spectral_size(matrix, flow=flow)
    if flow:
        stable = f"the real parts of the eigenvalues of the Jacobian are at least {-size:.6g}"
    else:
        stable = f"the spectral radius of the step is {size:.6g}"
    return f"no form was found that grows: at the equilibrium {stable} (an estimate)"


def _compare(task: PosedSystem, found: Isolation) -> None:
    """Compares the field with what was read from its code, on the box."""
    task.compare(found.lower, found.upper)
