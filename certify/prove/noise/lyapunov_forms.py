"""Proposes the forms by which the mean square is proved to contract, or to grow.

Everything here is floating point: the checker decides.
"""

from fractions import Fraction

import numpy as np

from certify.checker.mean_square import RandomStep
from certify.file.contents import Contents
from certify.problem.lq_numbers import flat_hexes
from certify.prove.noise.second_moments import Moments
from certify.rounding import float_above

# Relative room for rounding.
_ROOM = 2.0**-20


def contracting(
    moments: Moments, step: RandomStep, rate: float, radius: float
) -> tuple[Contents, Contents]:
    """Proposes claims and evidence of stability: P, the noise, and what bounds the limit."""
    n, m = len(step.zero), moments.states
    form = moments.form(rate)
    # The multiple of it that is just above the identity on strategies.
    form = form * (1 + _ROOM) * np.linalg.eigvalsh(np.linalg.inv(form)[:n, :n]).max()
    noise = limit = 0.0
    evidence: Contents = {}
    if not step.multiplicative:
        q, r = moments.of_noise(form)
        decrease = rate * form - moments.applied(form)
        noise = (1 + _ROOM) * (r + q @ np.linalg.solve(decrease, q)) + 2.0**-1000
        distance = np.diag(np.arange(m) < n) * 1.0
        second = moments.resolvent(1.0, (1 + _ROOM) * distance + _ROOM * np.eye(m))
        variance = _rounded(second)
        moment = step.moment(_square(variance))[-1][-1] * Fraction(2) ** variance["unit"]
        limit = float_above(moment / (step.scale * step.tail**2))
        evidence = {"variance": variance}
    claims = _claims(step, True, rate, noise, form)
    return {**claims, "limit": limit.hex()}, evidence


def growing(
    moments: Moments, step: RandomStep, rate: float, radius: float
) -> tuple[Contents, Contents]:
    """Proposes a definite matrix: the Perron matrix, as the limit of resolvents from above."""
    form = moments.form(radius + (radius - rate) * 2.0**-20)
    noise = _taken(moments, step, rate, form)
    return {**_claims(step, False, rate, noise, form), "starts": "all"}, {}


def partly_growing(
    moments: Moments, step: RandomStep, rate: float, radius: float
) -> tuple[Contents, Contents]:
    """Proposes P with `L(P) - rate P = 1`, positive in the direction of the Perron matrix.

    It is so whenever the rate is no eigenvalue: with `P <= 0`, -P would prove stability.
    """
    form = -moments.resolvent(rate, np.eye(moments.states))
    form = form / np.abs(form).max()
    direction = np.linalg.eigh(form)[1][:, -1]
    noise = _taken(moments, step, rate, form)
    start = [round(x * 2**20) for x in direction.tolist()]
    return {**_claims(step, False, rate, noise, form), "starts": "some"}, {"start": start}


def _taken(moments: Moments, step: RandomStep, rate: float, form: np.ndarray) -> float:
    """Returns a noise for which the bordered matrix of growth is positive semidefinite."""
    if step.multiplicative:
        return 0.0
    q, r = moments.of_noise(form)
    increase = moments.applied(form) - rate * form
    wanted = (1 + _ROOM) * float(q @ np.linalg.solve(increase, q))
    return max(0.0, wanted - r + _ROOM * abs(r))


def _claims(
    step: RandomStep, stable: bool, rate: float, noise: float, form: np.ndarray
) -> Contents:
    center = [float(x) for x in step.zero]
    error = max(abs(x - Fraction(c)) for x, c in zip(step.zero, center, strict=True))
    return {
        "stable": stable,
        "equilibrium": {"center": flat_hexes(center), "radius": (float_above(error) + 0.0).hex()},
        "rate": float(rate).hex(),
        "noise": float(noise).hex(),
        "metric": _rounded(form),
    }


def _rounded(form: np.ndarray) -> Contents:
    """Returns a symmetric matrix in integers, with 60 bits for its largest entry."""
    unit = int(np.frexp(np.abs(form).max())[1]) - 60
    half = np.ldexp((form + form.T) / 2, -unit)
    return {"unit": unit, "matrix": [round(x) for x in half.ravel().tolist()]}


def _square(symmetric: Contents) -> list[list[int]]:
    flat = symmetric["matrix"]
    size = round(len(flat) ** 0.5)
    return [flat[k * size : (k + 1) * size] for k in range(size)]
