"""Arguments at which the self-test measures elementary functions.

They lie near the ends of each domain, near the thresholds at which implementations switch formulas,
where errors were found to be largest, and spread in between.
"""

import numpy as np

SIZE = 200

# Two sequences that fill the unit square evenly: one spreads numbers, the other mixes samples.
T = (np.arange(1, SIZE + 1) * 0.6180339887498949) % 1.0
S = (np.arange(1, SIZE + 1) * 0.7548776662466927) % 1.0
SIGN = np.where(np.arange(SIZE) % 2 == 0, 1.0, -1.0)

WIDE = np.exp2(2040.0 * T - 1020.0)
SIGNED_WIDE = SIGN * np.exp2(1020.0 * T)
SMALL = SIGN * np.exp2(-1020.0 * T)
# Floats between -1 and 1 that come close to the ends.
NEAR_ONE = SIGN * (1.0 - np.exp2(-52.0 * T))
# Floats next to multiples of a quarter turn, where a bad reduction would lose every digit.
_QUARTERS = SIGN * np.round(np.exp2(39.0 * T)) * (np.pi / 2)
ANGLES = np.where(S < 0.5, _QUARTERS, np.where(S < 0.8, 50.0 * T - 25.0, SIGN * 2.0 ** (40 * T)))


def mixed(share: float, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns that share of numbers of the first kind, and the others of the second."""
    return np.where(share > S, first, second)


def with_hard(x: np.ndarray, *hard: float) -> tuple[np.ndarray]:
    """Returns a sample that begins with arguments at which the largest errors were seen."""
    x = x.copy()
    x[: len(hard)] = hard
    return (x,)


def with_small(x: np.ndarray, *hard: float) -> tuple[np.ndarray]:
    """Returns a sample as `with_hard` does, with tiny numbers mixed in."""
    return with_hard(np.where(np.roll(S, 7) < 0.2, SMALL, x), *hard)
