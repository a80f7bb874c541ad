"""Training on mini-batches within a certified region: a step size, and what it promises."""

import math
from fractions import Fraction
from typing import Any, NamedTuple

from certify.rounding import float_above, root_above
from certify.steps.constants import Constants, constants, not_negative, positive, whole
from certify.steps.noise_model import AbstractNoise
from certify.steps.noise_tail import (
    LEAST_FACTOR,
    Point,
    Walk,
    checked_noise,
    checked_probability,
    searched,
    smallest,
)


class BatchTraining(NamedTuple):
    """What is proved of noisy simultaneous steps within a region.

    With a probability of at least `1 - leaving`, no strategy of the first `steps` steps is farther
    than `radius` from the equilibrium. With a probability of at least `1 - failure`, this is so and
    the last one is within `distance` of it.

    Attributes:
        step_size: The step size.
        steps: The number K of steps.
        radius: The radius within which the constants hold.
        leaving: A bound on the probability of leaving.
        distance: The bound on the distance after the last step.
        failure: A bound on the probability that one of both fails.
    """

    step_size: float
    steps: int
    radius: float
    leaving: float
    distance: float
    failure: float


def batch_training(
    margin: Any,
    lipschitz: Any = None,
    noise: AbstractNoise | None = None,
    steps: int | None = None,
    *,
    start: Any,
    radius: Any,
    probability: Any = 0.01,
    step_size: Any = None,
) -> BatchTraining:
    r"""Proves that training on mini-batches stays in a region and ends near the equilibrium.

    The margin, the Lipschitz constant and the bound on the noise of a batch need to hold only
    within `radius` of the equilibrium, as those of a certificate of a game between networks do.
    Steps are simultaneous, `x+ = x - h F_S(x)`, with a batch S that is drawn independently in each
    step: those of `dgames.Simultaneous` with `dgames.Batches`, or with `Sampled.batches`. The step
    size is about the one for which the last strategy is nearest to the equilibrium. Theorem and
    proof are those of `staying_inside` and `noise_tail`, which fail together with a probability of
    at most the sum of theirs.

    Args:
        margin: The margin `a` on the region, or a certificate with a margin and a Lipschitz
            constant.
        lipschitz: The Lipschitz constant `b` on the region.
        noise: A bound on the noise on the region, such as `BoundedNoise.of_components(bounds,
            batch)` with bounds on the gradients of single data.
        steps: The number K of steps.
        start: A bound on the distance of the start from the equilibrium.
        radius: The region contains all strategies that are within this distance of the equilibrium.
            With a certificate of networks, at most its `basin`.
        probability: How often the promise may fail.
        step_size: A step size, or None for about the best one.

    Returns:
        The step size, the distance and the probabilities.

    Raises:
        ValueError: If a number is out of range; or if no step size keeps the promise: then take
            larger batches, fewer steps, a nearer start or a larger region.

    Example:
        >>> from certify import BoundedNoise
        >>> noise = BoundedNoise(bound=2.0, batch=64)
        >>> proof = batch_training(0.05, 3.0, noise, 20_000, start=0.4, radius=1.0)
        >>> round(proof.step_size, 4), round(proof.distance, 2), proof.failure <= 0.01
        (0.002, 0.2, True)
    """
    who = "batch_training"
    known, noise = constants(who, margin, lipschitz), checked_noise(who, noise)
    k, far = whole(who, "steps", steps), not_negative(who, "start", start)
    within, p = positive(who, "radius", radius), checked_probability(who, probability)
    if getattr(margin, "kind", None) == "neural" and within > Fraction(margin.basin):
        raise ValueError(
            f"{who}: the constants of the certificate hold within {margin.basin:.6g} of the "
            f"equilibrium, its basin; got a radius of {radius}"
        )
    if within <= far:
        raise ValueError(
            f"{who}: the start is up to {start} from the equilibrium, but the region only {radius}."
        )
    if step_size is not None:
        tried = [known.step(who, step_size)]
    else:
        tried = _sizes(known, noise, k, far, within, p)
    for h in tried:
        walk = _walk(known, h, noise, within)
        leaving = walk.leaving(far, k)
        if leaving <= p / 2:
            left = p - leaving
            square = smallest(walk, lambda at, left=left: at.tail(far, k, left))
            return BatchTraining(
                float(h),
                k,
                float_above(within),
                float_above(leaving),
                root_above(square),
                float_above(p),
            )
    raise ValueError(
        f"{who}: no step size is proved to keep {k} steps within {radius} with probability "
        f"{1 - float(p) / 2:.6g}; take larger batches, fewer steps, a nearer start or a larger "
        "region."
    )


def _walk(known: Constants, h: Fraction, noise: AbstractNoise, radius: Fraction) -> Walk:
    return Walk(max(known.factor(h), LEAST_FACTOR), h, noise, radius)


def _sizes(
    known: Constants,
    noise: AbstractNoise,
    steps: int,
    start: Fraction,
    radius: Fraction,
    p: Fraction,
) -> list[Fraction]:
    """Returns step sizes, those with which runs end nearest to the equilibrium first."""
    largest = 2 * known.margin / known.square
    found = []

    def tail(at: Point) -> float:
        return at.tail(start, steps, p / 2)

    def leaving(at: Point) -> float:
        return at.leaving(start, steps)

    for j in range(1, 33):
        h = Fraction(float(largest) * 2.0 ** (-j / 2))
        walk = _walk(known, h, noise, radius)
        near = min((value for value, *_ in searched(walk, tail)), default=math.inf)
        far = min((value for value, *_ in searched(walk, leaving)), default=math.inf)
        if far <= 0.51 * p:
            found.append((near, h))
    return [h for _, h in sorted(found)]
