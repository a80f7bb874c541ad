"""Minimisation by a quasi-Newton method that knows that functions may be infinite."""

from collections import deque
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " _"]


def descent(
    function: Callable[[Vector], tuple[float, Vector]], start: Vector, rounds: int, memory: int = 20
) -> Vector:
    """Minimises by L-BFGS; a step to where the function is infinite is halved until it is not.

    Args:
        function: Returns its value, infinite outside of its domain, and its gradient.
        start: A point where it is finite.
        rounds: The most steps.
        memory: How many steps make the model of the curvature.

    >>> descent(lambda x: (float(x @ x), 2 * x), np.array([3.0, -4.0]), 5).tolist()
    [0.0, 0.0]
    """
    x, (value, gradient) = start, function(start)
    pairs: deque[tuple[Vector, Vector]] = deque(maxlen=memory)
    fresh, calm = True, 0
    for _ in range(rounds):
        direction = -_inverse(gradient, pairs)
        slope = float(direction @ gradient)
        if not slope < 0:
            break
        step = min(1.0, 1.0 / max(np.abs(direction).max(), 1e-300)) if fresh else 1.0
        for _ in range(30):
            trial = x + step * direction
            found, steeper = function(trial)
            if found <= value + 1e-4 * step * slope:
                break
            step *= 0.5
        else:
            if fresh:
                break
            pairs.clear()
            fresh = True
            continue
        change, turn = trial - x, steeper - gradient
        if change @ turn > 1e-12 * (turn @ turn):
            pairs.append((change, turn))
        calm = calm + 1 if value - found < 1e-7 else 0
        x, value, gradient, fresh = trial, found, steeper, False
        if calm > 5:
            break
    return x


def _inverse(gradient: Vector, pairs: deque[tuple[Vector, Vector]]) -> Vector:
    """The model of the inverse Hessian times a gradient."""
    rest, shares = gradient, []
    for change, turn in reversed(pairs):
        share = (change @ rest) / (change @ turn)
        rest = rest - share * turn
        shares.append(share)
    if pairs:
        change, turn = pairs[-1]
        rest = rest * ((change @ turn) / (turn @ turn))
    for (change, turn), share in zip(pairs, reversed(shares), strict=True):
        rest = rest + change * (share - (turn @ rest) / (change @ turn))
    return rest
