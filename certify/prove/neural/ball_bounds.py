"""Networks in ball arithmetic, and balls as bounds of a file."""

import math
from fractions import Fraction

from flint import arb  # pyright: ignore[reportMissingTypeStubs]

from certify.checker.network_balls import Ball, BallNetwork, LayerScalars
from certify.file.contents import Contents
from certify.problem.network_contents import FlatWeights, shape_of
from certify.prove.no_proof import NoProof
from certify.rounding import float_above

# Bounds are stated larger by this share, so that a checker with other roundings confirms them.
ROOM = Fraction(2**40 + 1, 2**40)
# Bounds in a file are between these numbers, the least of them is a subnormal one.
_LEAST, _LARGEST = arb(2) ** -1076, arb(2) ** 1022


def ball_network(contents: Contents, weights: FlatWeights) -> BallNetwork:
    """Returns a network in ball arithmetic."""
    return BallNetwork(shape_of(contents), weights.exact)


def bound_in_file(ball: Ball) -> str:
    """Returns a number of a file that bounds a ball from above, with some room for roundings.

    Args:
        ball: A number that is not negative.

    Raises:
        NoProof: If it is too large.

    Example:
        >>> bound_in_file(arb(-(10**9)).exp() * 0), bound_in_file(arb(-(10**9)).exp())
        ('0x0.0p+0', '0x0.0000000000001p-1022')
    """
    upper = ball.upper()
    if not upper <= _LARGEST:
        raise NoProof("a bound on the networks is larger than all floating-point numbers")
    if upper <= _LEAST:  # its exponent may be as long as an exponential makes it
        return (math.ulp(0.0) if upper > 0 else 0.0).hex()
    mantissa, exponent = upper.man_exp()
    return float_above(Fraction(int(mantissa)) * Fraction(2) ** int(exponent) * ROOM).hex()


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
