"""Level 2 of a neural file: its bounds are derived again from the weights and the data in it.

The networks are run at the centre in ball arithmetic (`network_balls`), which gives the norms of
layers and the scalars of all samples, and at the point e, which gives the residual; what belongs to
the value has a module for each kind (`VALUES`). What the file states has to be at least what is
found, in each number. That weights and data are those of their SHA-256 was verified at level 1.
"""

from collections.abc import Callable
from fractions import Fraction

from flint import arb, ctx  # pyright: ignore[reportMissingTypeStubs]

from .intervals import exact
from .network_balls import Ball, BallNetwork, split
from .neural import NetworkShape, NeuralClaims
from .neural_robust import RobustBounds
from .neural_situation import Situation, require_bound
from .reader import Reader
from .rederive_adversarial import rederive_adversarial
from .rederive_outputs import rederive_outputs
from .rederive_perturbed import rederive_perturbed
from .rederive_robust import rederive_robust

# Bits of ball arithmetic.
PRECISION = 128


# For each kind of value: the function that derives its evidence again, and returns the gradients of
# all players' costs at e, without decay.
VALUES: dict[str, Callable[[Situation], list[list[Ball]]]] = {
    "outputs": rederive_outputs,
    "adversarial": rederive_adversarial,
    "robust": rederive_robust,
    "perturbed": rederive_perturbed,
}


def rederive_neural(file: Reader, claims: NeuralClaims) -> tuple[str, ...]:
    """Derives again what level 1 took as given; rejects the file where it cannot.

    Args:
        file: The certificate, accepted at level 1.
        claims: Its claims.

    Returns:
        What was re-derived, one sentence each.

    Raises:
        Rejected: If a number of the file is less than what follows from weights and data.
    """
    with ctx.workprec(PRECISION):
        return _rederived(file, claims)


def _rederived(file: Reader, claims: NeuralClaims) -> tuple[str, ...]:
    evidence, kind = file["evidence"], file["game"]["value"]["kind"].text()
    stored = Weights(evidence["weights"])
    centre, point = (
        [stored.of(digest) for digest in digests] for digests in (claims.centre, claims.point)
    )
    at_centre, at_point = (
        [BallNetwork(*pair) for pair in zip(claims.shapes, weights, strict=False)]
        for weights in (centre, point)
    )
    for network, stated in zip(at_centre, claims.networks, strict=True):
        for found, number in zip(network.norms(), stated.norms, strict=True):
            require_bound(found, number, "norms of layers")
    networks = len(claims.shapes)
    for shape, here, middle, stated in zip(
        claims.shapes, point[:networks], centre[:networks], claims.distances, strict=True
    ):
        for found, number in zip(layer_distances(shape, here, middle), stated, strict=True):
            require_bound(found, number, "distances of the point from the centre")
    data = evidence["data"].numbers(len(evidence["data"].value))
    moves = None
    if claims.moves is not None:
        moves = [each[networks] for each in (centre, point)]
        moves += [] if claims.start is None else [stored.of(claims.start[networks])]
    situation = Situation(
        file["game"],
        evidence["value"],
        claims.shapes,
        at_centre,
        at_point,
        data,
        claims.samples,
        moves,
    )
    gradients = VALUES[kind](situation)
    targets = [None if shape.start is None else stored.of(shape.start) for shape in claims.shapes]
    targets += [None] * (len(point) - networks)
    for decay, weights, target, gradient, stated in zip(
        claims.decays, point, targets, gradients, claims.residual, strict=True
    ):
        require_bound(residual(decay, weights, target, gradient), stated, "residuals")
    if claims.start is not None and claims.training is not None:
        start = [stored.of(digest) for digest in claims.start]
        stated = claims.training[0].number()
        if isinstance(claims.curvature, RobustBounds):
            stated = claims.curvature.away or Fraction(0)  # its claim is about p, too
        require_bound(distance(start, point), stated, "distance of the start")
    words = ("that norms and scalars of the networks at the centre are at most what is stated",)
    return (
        *words,
        f"that so are the derivatives of the value on outputs of {claims.samples} samples",
        "that so are the residual and the distances from the centre and from the start",
    )


class Weights:
    """The vectors of weights in a file, by their digests."""

    def __init__(self, file: Reader) -> None:
        self.file = file

    def of(self, digest: str) -> list[Fraction]:
        """Returns a vector, whose length was verified at level 1."""
        vector = self.file[digest]
        return vector.numbers(len(vector.value))


def layer_distances(shape: NetworkShape, here: list[Fraction], there: list[Fraction]) -> list[Ball]:
    """Returns the Frobenius norms of the differences of weights, layer by layer."""
    if here == there:
        return [arb(0)] * len(shape.scales)
    pairs = zip(split(shape, here), split(shape, there), strict=True)
    matrices, biases = ([difference(*pair) for pair in zip(*both, strict=True)] for both in pairs)
    return [(m + b).upper().sqrt().upper() for m, b in zip(matrices, biases, strict=True)]


def difference(here: list[Fraction], there: list[Fraction]) -> Ball:
    """Returns the squared distance of two vectors."""
    total = arb(0)
    for a, b in zip(here, there, strict=True):
        gap = exact(a) - exact(b)
        total += gap * gap
    return total


def distance(here: list[list[Fraction]], there: list[list[Fraction]]) -> Ball:
    """Returns the distance of two joint strategies."""
    return sum(map(difference, here, there), arb(0)).upper().sqrt().upper()


def residual(
    decay: Fraction,
    weights: list[Fraction],
    target: list[Fraction] | None,
    gradient: list[Ball],
) -> Ball:
    """Returns `|gradient + decay (weights - target)|`."""
    strength, total = exact(decay), arb(0)
    for k, (weight, slope) in enumerate(zip(weights, gradient, strict=True)):
        moved = exact(weight) - (exact(target[k]) if target is not None else 0)
        entry = slope + strength * moved
        total += entry * entry
    return total.upper().sqrt().upper()
