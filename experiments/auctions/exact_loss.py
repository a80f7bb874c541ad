"""What a bidder gives up in a first-price auction of two, bounded in rational arithmetic.

Values are uniform on [0, 1], bids are piecewise linear in them, ties are split evenly. With `W(b)`
the chance that a bid of b wins, a bidder with the value v earns `(v - b) W(b)`. The best that can
be earned, `B(v) = sup_b (v - b) W(b)`, is a supremum of affine functions of v, so it is convex:
its mean over all values is at most the mean of its chords, and at least that of its values at
middles. `W` is piecewise linear, so `B(v)` and what the strategy itself earns are rational numbers.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple


class Piece(NamedTuple):
    """Bids from `low` to `high`, between which they win with the chance `at + slope (b - low)`."""

    low: Fraction
    high: Fraction
    at: Fraction
    slope: Fraction


def loss_bounds(
    own: Sequence[float], other: Sequence[float], intervals: int = 256
) -> tuple[Fraction, Fraction]:
    """Bounds what `own` gives up against `other`, in the mean over values.

    Args:
        own: The bids at evenly spaced values from 0 to 1; floats are taken as they are.
        other: Those of the other bidder.
        intervals: How many intervals of values the bounds on the best reply have.

    Returns:
        A lower and an upper bound.
    """
    mine, theirs = ([Fraction(bid) for bid in bids] for bids in (own, other))
    pieces, earned = win_pieces(theirs), utility(mine, theirs)
    ends = [best_reply(Fraction(j, intervals), pieces) for j in range(intervals + 1)]
    middles = [best_reply(Fraction(2 * j + 1, 2 * intervals), pieces) for j in range(intervals)]
    above = (sum(ends, Fraction(0)) - (ends[0] + ends[-1]) / 2) / intervals
    below = sum(middles, Fraction(0)) / intervals
    return below - earned, above - earned


def win_pieces(bids: Sequence[Fraction]) -> list[Piece]:
    """The pieces on which the chance to win against a strategy is linear, in increasing order."""
    marks = sorted({Fraction(0), *bids})
    pieces = []
    for low, high in zip(marks, [*marks[1:], marks[-1] + 1], strict=True):
        at, slope, share = Fraction(0), Fraction(0), Fraction(1, len(bids) - 1)
        for first, last in pairwise(bids):
            left, right = min(first, last), max(first, last)
            if right <= low:
                at += share
            elif left <= low:
                at += share * (low - left) / (right - left)
                slope += share / (right - left)
        pieces.append(Piece(low, high, at, slope))
    return pieces


def best_reply(value: Fraction, pieces: Sequence[Piece]) -> Fraction:
    """Returns `sup_b (v - b) W(b)`; at a tie a little more is bid."""
    return max(_best_on(value, piece) for piece in pieces)


def _best_on(value: Fraction, piece: Piece) -> Fraction:
    bid = piece.low
    if piece.slope:
        peak = (value + piece.low - piece.at / piece.slope) / 2
        bid = min(max(peak, piece.low), piece.high)
    return (value - bid) * (piece.at + piece.slope * (bid - piece.low))


def utility(own: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    """Returns what a strategy earns against another, in the mean over values, exactly."""
    pieces, count = win_pieces(other), len(own) - 1
    total = Fraction(0)
    for k, (first, last) in enumerate(pairwise(own)):
        start, width = Fraction(k, count), Fraction(1, count)
        if first == last:
            total += width * (start + width / 2 - first) * _chance(first, other, pieces)
            continue
        low, high = min(first, last), max(first, last)
        for piece in pieces:
            left, right = max(low, piece.low), min(high, piece.high)
            if left < right:
                # The integrand is quadratic in the bid: Simpson's rule is exact.
                ends = [left, (left + right) / 2, right]
                values = [start + width * (b - first) / (last - first) for b in ends]
                wins = [piece.at + piece.slope * (b - piece.low) for b in ends]
                f = [(v - b) * w for v, b, w in zip(values, ends, wins, strict=True)]
                total += width * (right - left) / (high - low) * (f[0] + 4 * f[1] + f[2]) / 6
    return total


def _chance(bid: Fraction, other: Sequence[Fraction], pieces: Sequence[Piece]) -> Fraction:
    """The chance that one bid wins, with half of the ties."""
    piece = next(piece for piece in reversed(pieces) if piece.low <= bid)
    pairs = list(pairwise(other))
    ties = Fraction(sum(first == last == bid for first, last in pairs), len(pairs))
    return piece.at + piece.slope * (bid - piece.low) - ties / 2
