"""Proves that a point is a differential Stackelberg equilibrium of a leader and a follower."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from certify.claims.isolated_zero import IsolatedZero
from certify.problem.corners import coordinates, corner
from certify.prove.no_proof import NoProof
from certify.prove.zero.certify_zero import check_radius
from certify.prove.zero.newton import start
from certify.prove.zero.posed_system import posed
from certify.prove.zero.zero_file import proved


def certify_stackelberg(
    leader_cost: Callable[[Any, Any, Any], Any],
    follower_cost: Callable[[Any, Any, Any], Any],
    guess: tuple[Any, Any],
    *,
    multiplier: Float[Array, " follower"] | None = None,
    radius: float | None = None,
    args: Any = None,
) -> IsolatedZero:
    """Proves that a leader and a follower are at a differential Stackelberg equilibrium.

    The leader moves x first, at the cost f(x, y); the follower, who sees x, answers with y, at the
    cost g(x, y). Both are unconstrained. The zero of

        H(x, y, w) = (f_x + g_xy w,  g_y,  g_yy w + f_y)

    is enclosed by the test of Krawczyk, see `certify_zero`. A certificate with status "proved" says
    that H has exactly one zero in a box; that g_yy is positive definite there, so that near x* the
    follower has one locally optimal answer r(x) near y*; and that the second derivative of
    `f(x, r(x))`, which is the Schur complement of H's Jacobian, is positive definite at x*: the
    leader, too, is at a strict local minimum. The theorem and its proof are in
    `certify/checker/systems.py`. It is local: nothing is said about other answers of the follower.

    Args:
        leader_cost: A function `f(x, y, args)` of smooth primitives.
        follower_cost: A function `g(x, y, args)` of smooth primitives.
        guess: The strategies x and y near the equilibrium, each an array or a pytree of arrays.
        multiplier: A guess of w; by default, from least squares.
        radius: The half-width of the box of (x, y, w); by default, the largest one of some that are
            tried for which the test holds.
        args: Passed to both costs; fixed.

    Returns:
        An `IsolatedZero`; its file has been accepted by the independent checker if it is "proved".
        "undecided" says why there is no proof.

    Raises:
        ValueError: If the arguments do not fit together.
        EnclosureError: If a cost uses derivative rules of its own.

    Example:
        >>> import certify, jax.numpy as jnp
        >>> leader = lambda x, y, args: 0.5 * (x - 1.0) ** 2 + 0.5 * y**2
        >>> follower = lambda x, y, args: jnp.exp(y) + 0.5 * y**2 - x * y
        >>> found = certify.certify_stackelberg(leader, follower, (0.9, 0.1))
        >>> found.status, abs(float(found.zero.lower[0]) - 1.0) < 1e-12
        ('proved', True)
    """
    check_radius("certify_stackelberg", radius)
    if not (isinstance(guess, tuple) and len(guess) == 2):
        raise ValueError("certify_stackelberg: the guess is a pair, of the leader and the follower")
    leader, follower = guess
    example = corner("guess", {"follower": follower, "leader": leader})
    example = (example["leader"], example["follower"])

    def functions(x: Any, args: Any) -> list[Any]:
        leader, follower = x
        return [leader_cost(leader, follower, args), follower_cost(leader, follower, args)]

    try:
        task = posed(
            "leader and follower",
            functions,
            example,
            args,
            {"kind": "stackelberg"},
            coordinates(example),
        )
        known = None if multiplier is None else np.asarray(multiplier, np.float64).ravel()
        contents = proved(task, start(task, known), radius)
        return IsolatedZero("proved", contents=contents)
    except NoProof as end:
        return IsolatedZero("undecided", end.reasons)
