"""Lipschitz constants from the sector inequality: multipliers are guessed, and verified."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import numpy as np

from certify.prove.lipschitz import lipsdp, pivots
from certify.prove.lipschitz.ball_products import BallMatrix
from certify.prove.lipschitz.definite_matrix import proved_definite
from certify.prove.lipschitz.layer_norms import spectral_norm
from certify.prove.lipschitz.sector_inequality import Multipliers, sector_matrix
from certify.prove.lipschitz.unit_slopes import UnitSlopes
from certify.rounding import next_above, root_above

# The square of a constant is raised by these shares until the inequality is proved.
_SHARES = (2.0**-38, 2.0**-32, 2.0**-26, 2.0**-20, 2.0**-14, 2.0**-8, 2.0**-3)


def sector_constant(
    matrices: list[BallMatrix],
    slopes: list[UnitSlopes],
    method: Literal["pivots", "lipsdp", "given"],
    given: Multipliers | None = None,
) -> float:
    """Proves a constant in the 2-norm; infinite if no multipliers were found.

    Multipliers may be given, for `g = 1`, and are believed no more than others. Every matrix is
    divided by a power of two near its norm, and the constant multiplied by all of them: units of
    hidden layers do not matter.
    """
    if not slopes:
        return spectral_norm(matrices[0])
    norms = [spectral_norm(matrix) for matrix in matrices]
    if min(norms) == 0.0 or not all(map(math.isfinite, norms)):
        return 0.0 if min(norms) == 0.0 else math.inf
    exponents = [math.frexp(norm)[1] for norm in norms]
    scaled = [
        matrix.scaled(-exponent) for matrix, exponent in zip(matrices, exponents, strict=True)
    ]
    centres = [matrix.centre for matrix in scaled]
    if given is not None:
        # Units of layer k are smaller by the powers of two of the layers before it.
        places = np.cumsum(exponents[:-1]).tolist()
        given = [np.ldexp(part, 2 * place) for part, place in zip(given, places, strict=True)]
    if centres[0].shape[1] > centres[0].shape[0]:
        # The guess depends on `C_1 C_1'` only.
        centres[0] = np.linalg.qr(centres[0].T)[1].T
    for weights in _candidates(centres, slopes, method, given):
        guess = pivots.squared_constant(centres, slopes, weights)
        if not math.isfinite(guess):
            continue
        for share in _SHARES:
            square = guess * (1 + share)
            larger = [guess * (1 + share / 2) * weight for weight in weights]
            if proves(scaled, slopes, larger, square):
                with np.errstate(over="ignore"):
                    root = np.ldexp(root_above(Fraction(square)), sum(exponents))
                return float(next_above(root))
    return math.inf


def proves(
    matrices: list[BallMatrix], slopes: list[UnitSlopes], weights: Multipliers, square: float
) -> bool:
    """Says whether multipliers are proved to have a constant, whatever they are."""
    for slope, weight in zip(slopes, weights, strict=True):
        if not (np.isfinite(weight).all() and (weight >= 0).all()):
            return False
        groups = weight.reshape(-1, slope.tied)
        if (groups != groups[:, :1]).any():
            return False
    return proved_definite(sector_matrix(matrices, slopes, weights, square))


def _candidates(
    centres: pivots.Centres, slopes: list[UnitSlopes], method: str, given: Multipliers | None
) -> Iterator[Multipliers]:
    """Multipliers to verify, the best ones first."""
    if given is not None:
        yield given
    if method == "lipsdp":
        yield lipsdp.best_multipliers(centres, slopes)
    starts = [
        weights
        for diagonal in (True, False)
        if (weights := pivots.by_layers(centres, slopes, diagonal=diagonal))
    ]
    starts.sort(key=lambda weights: pivots.squared_constant(centres, slopes, weights))
    if starts:
        yield pivots.improved(centres, slopes, starts[0])
    yield from starts
