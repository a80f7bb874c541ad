"""Bounds on the quotients `(K x)_i / x_i` of a sparse matrix, proved with integers.

Here `K = diag(mu) - L` with `L >= 0`. By Perron-Frobenius the least quotient of a positive vector
is a lower bound on the smallest real eigenvalue of K, and the largest quotient of a non-negative
vector, over its support, is an upper bound (Collatz and Wielandt). Vectors come from floating
point; whether they prove what is claimed is decided here, in int64 arithmetic that cannot overflow.

A float64 is an integer of at most 53 bits times a power of two; a product of two has at most 106
bits and is made of two words. In each row, with a unit `2^k` of the row's own, every product
`L_ij x_j` is rounded to a multiple of the unit *in the direction that makes the claim harder*: up
for lower bounds, down for upper bounds. What remains is a comparison of integers. As the unit is
about `2^-60` of the sum of the row, a proof loses some `2^-60` per entry, and nothing else.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

# The bits of a sum: sums are below 2^60 units up to rounding, which leaves two bits for the
# rounding.
_BITS = 60
# How many entries of the matrix are worked on at a time, for the sake of memory and caches.
_CHUNK = 2**18


def floor_products(
    a: Float[np.ndarray, " m"], b: Float[np.ndarray, " m"], unit: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " m"], Bool[np.ndarray, " m"]]:
    """Returns `floor(a b / 2^unit)`, and where that is valid: elsewhere `|a b| >= 2^(unit + 61)`.

    With `a = A 2^p` and `b = B 2^q`, `|A|, |B| < 2^53`, and halves `A = A1 2^27 + A0`,
    `0 <= A0 < 2^27`, the same for B:

        A B = A1 B1 2^54 + (A1 B0 + A0 B1) 2^27 + A0 B0 = high 2^54 + rest,   0 <= rest < 2^54,

    after two carries. `|A1 B1| <= 2^52`, `|A1 B0 + A0 B1| < 2^54` and `A0 B0 < 2^54`: every
    intermediate number fits into 63 bits. Then `floor(A B / 2^s)` for `s = unit - p - q` is a shift
    of `high` when `s >= 54`, and of both words when `44 <= s < 54`, where the result is below
    `2^62`. Shifts of negative numbers round down, as they must. For `s < 44` there is no result
    unless it is zero; the leading bits of A and B are set: `|a b| >= 2^(104+p+q) >= 2^(unit+61)`.

    Args:
        a: Finite numbers.
        b: Finite numbers.
        unit: Exponents, any integers well inside 32 bits.
    """
    A, p = _integers(a)
    B, q = _integers(b)
    mask = (1 << 27) - 1
    A1, A0, B1, B0 = A >> 27, A & mask, B >> 27, B & mask
    low = A0 * B0
    middle = A1 * B0 + A0 * B1 + (low >> 27)
    high = A1 * B1 + (middle >> 27)
    rest = ((middle & mask) << 27) | (low & mask)
    shift = unit - p - q
    small = np.clip(shift, 44, 54)
    near = (high << (54 - small)) + (rest >> small)  # for 54 no bit of `rest` is left
    result = near >> np.clip(shift - 54, 0, 63)
    return result, (shift >= 44) | (A == 0) | (B == 0)


def _integers(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns integers A and p with `x = A 2^p` exactly; A has exactly 53 bits unless x = 0."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(mantissa, 53).astype(np.int64), exponent.astype(np.int64) - 53


class RowSums:
    """The sums `sum_j L_ij x_j` as integer multiples of units, rounded up or down.

    Args:
        mu: Finite numbers, shape (N,).
        coupling: `L` in CSR form, non-negative and finite, duplicates allowed; fewer than 2^31
            entries.
        vector: `x >= 0`, finite.
        upwards: Whether sums are rounded up, to prove `K x >= a x`, or down, for `K x <= a x`.
    """

    def __init__(self, mu: np.ndarray, coupling: Any, vector: np.ndarray, upwards: bool) -> None:
        self.mu, self.vector, self.upwards = mu, vector, upwards
        with np.errstate(all="ignore"):
            sums = coupling @ vector
        self.finite = bool(np.isfinite(sums).all() and np.isfinite(vector).all())
        if not self.finite:
            return
        # `sums` is off by a factor of at most 1 + 2^-20 and, through underflow, by at most 2^-990:
        # so the true sum is below (1 + 2^-19) 2^60 units, and what is added below by rounding up
        # is less than 2^31 units.
        exponent = np.where(sums > 0, np.frexp(sums)[1], -960).astype(np.int64)
        self.unit = np.maximum(exponent, -960) - _BITS
        with np.errstate(all="ignore"):
            self.quotients = mu - sums / vector  # a guess
        self.sums = np.zeros(len(mu), np.int64)
        starts = coupling.indptr.astype(np.int64)
        first = 0
        while first < len(mu):
            last = int(np.searchsorted(starts, starts[first] + _CHUNK, side="right")) - 1
            last = max(last, first + 1)
            self._add(coupling, starts, first, last)
            first = last

    def _add(self, coupling: Any, starts: np.ndarray, first: int, last: int) -> None:
        entries = slice(int(starts[first]), int(starts[last]))
        counts = np.diff(starts[first : last + 1])
        weights = self.vector[coupling.indices[entries]]
        factors = coupling.data[entries]
        sign = -1 if self.upwards else 1  # ceil(y) = -floor(-y)
        terms, fits = floor_products(
            sign * factors, weights, np.repeat(self.unit[first:last], counts)
        )
        if not fits.all():  # impossible: each product is part of a sum that fits
            self.finite = False
        filled = np.flatnonzero(counts)
        if filled.size:
            begin = (starts[first:last] - starts[first])[filled]
            self.sums[first + filled] = sign * np.add.reduceat(terms, begin)

    def prove(self, bound: float) -> Bool[np.ndarray, " N"]:
        """Returns which rows of the claim are proved for `a = bound`.

        `mu_i - a = d + e` exactly, with `d` the float64 nearest to it (Knuth's two-sum), hence
        `|e| <= 2^-53 |d|`. Where `|d x_i| >= 2^61` units, more than the sum of the row, the sign of
        d decides. Everything else is a comparison of integers.
        """
        if not self.finite:
            return np.zeros(len(self.mu), bool)
        with np.errstate(all="ignore"):
            d = self.mu - bound
            part = self.mu - d
            e = (self.mu - (d + part)) + (part - bound)
        usable = np.isfinite(d) & np.isfinite(e) & np.isfinite(part)
        d, e = np.where(usable, d, 0.0), np.where(usable, e, 0.0)
        sign = 1.0 if self.upwards else -1.0
        main, fits = floor_products(sign * d, self.vector, self.unit)
        small, also = floor_products(sign * e, self.vector, self.unit)
        clear = ~fits & (sign * d > 0)  # (1 - 2^-53) 2^61 > (1 + 2^-19) 2^60 + 2^31
        needed = self.sums if self.upwards else -self.sums
        return usable & (clear | (fits & also & (main + small >= needed)))


def proved_below(mu: np.ndarray, coupling: Any, vector: np.ndarray) -> float:
    """Returns the largest `a`, up to a few roundings, with `K x >= a x` proved; -inf if none is.

    Example:
        >>> import numpy as np, scipy.sparse
        >>> L = scipy.sparse.csr_matrix([[0.0, 0.5], [0.5, 0.0]])
        >>> proved_below(np.array([1.0, 1.0]), L, np.array([1.0, 1.0]))
        0.5
    """
    if not ((vector > 0).all() and np.isfinite(vector).all()):
        return -np.inf
    rows = RowSums(mu, coupling, vector, upwards=True)
    return _search(rows, rows.quotients.min(), np.ones(len(mu), bool)) if rows.finite else -np.inf


def proved_above(mu: np.ndarray, coupling: Any, vector: np.ndarray) -> float:
    """Returns the smallest `b`, up to a few roundings, with `K x <= b x` proved; inf if none is.

    Rows where x is zero hold by themselves: there `(K x)_i = -sum_j L_ij x_j <= 0`.

    Example:
        >>> import numpy as np, scipy.sparse
        >>> L = scipy.sparse.csr_matrix([[0.0, 0.5], [0.5, 0.0]])
        >>> proved_above(np.array([1.0, 1.0]), L, np.array([1.0, 1.0]))
        0.5
    """
    support = vector > 0
    if not (support.any() and (vector >= 0).all() and np.isfinite(vector).all()):
        return np.inf
    rows = RowSums(mu, coupling, vector, upwards=False)
    return _search(rows, rows.quotients[support].max(), support) if rows.finite else np.inf


def _search(rows: RowSums, guess: float, needed: np.ndarray) -> float:
    """Weakens a guess, by more and more roundings of the row that fails, until it is proved."""
    away = -1.0 if rows.upwards else 1.0
    bound, guess = float(guess), float(guess)
    for k in range(60):
        if not np.isfinite(bound):
            break
        failing = np.flatnonzero(needed & ~rows.prove(bound))
        if not failing.size:
            return bound
        mu, quotient = np.abs(rows.mu[failing]), np.abs(rows.quotients[failing])
        size = max(float((mu + quotient).max()), abs(guess), np.finfo(float).tiny)
        bound = guess + away * size * 2.0 ** (k - 54)
        if bound == guess:
            bound = float(np.nextafter(guess, away * np.inf))
    return away * np.inf
