"""Networks in ball arithmetic, and balls as bounds of a file."""

from fractions import Fraction

from certify.checker.network_balls import Ball, BallNetwork, LayerScalars
from certify.file.contents import Contents
from certify.problem.network_contents import FlatWeights, shape_of
from certify.rounding import float_above

# Bounds are stated larger by this share, so that a checker with other roundings confirms them.
ROOM = Fraction(2**40 + 1, 2**40)


def ball_network(contents: Contents, weights: FlatWeights) -> BallNetwork:
    """Returns a network in ball arithmetic."""
    return BallNetwork(shape_of(contents), weights.exact)


def bound_in_file(ball: Ball) -> str:
    """Returns a number of a file that bounds a ball from above, with some room for roundings."""
    mantissa, exponent = ball.upper().man_exp()
    upper = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return (float_above(upper * ROOM) + 0.0).hex()


def scalars_in_file(*parts: LayerScalars) -> Contents:
    """Returns the scalars of a network at the centre, as a file has them.

    Args:
        parts: The scalars of all samples, batch by batch.
    """
    return {
        name: [
            [bound_in_file(x) for row in rows for x in row]
            for rows in zip(*(getattr(part, name) for part in parts), strict=True)
        ]
        for name in LayerScalars._fields
    }
