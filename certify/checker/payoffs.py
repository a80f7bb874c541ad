"""Games of finitely many actions, which a certificate file gives as sums of payoff tables.

Player i plays a probability vector `x_i` over `sizes[i]` actions, and pays

    f_i(x) = - sum over the terms (i, j, k, ...) of  sum_abc... U[a, b, c, ...] x_i[a] x_j[b] ...

A term names different players, the one whom it pays first, and has a table of payoffs with one axis
for each. A game in normal form has one term per player, with all players in it; a polymatrix game
has one per ordered pair that meets. Everything is exact: tables hold integers in a common unit.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import lcm, prod
from operator import sub
from typing import NamedTuple

from .cells import MAX_DIMENSION
from .exact import Work
from .matrices import Matrix
from .reader import Reader

MAX_ENTRIES = 2**20  # payoffs of all terms together
MAX_DIVISOR = 512  # the common multiple of all divisors up to this one has 743 bits

Policies = Sequence[Sequence[int]]


class Term(NamedTuple):
    """One table of payoffs.

    Attributes:
        players: The players whom it is about, the one whom it pays first.
        strides: How far apart neighbours along each axis are in the table.
        payoffs: The flat table, the last axis fastest, in units of the game.
    """

    players: list[int]
    strides: list[int]
    payoffs: list[int]


class Payoffs:
    """The terms of a game.

    Attributes:
        sizes: The number of actions of each player.
        terms: The terms, by the player whom they pay.
        unit: The positive unit of the integers in the tables.
        effort: The work of a product with one of them, relative to short numbers.
    """

    def __init__(self, sizes: Reader, terms: Reader) -> None:
        self.sizes = sizes.integers(len(sizes.items()))
        if not self.sizes or min(self.sizes) < 1 or sum(self.sizes) > MAX_DIMENSION:
            sizes.fail(f"positive numbers of actions, {MAX_DIMENSION} in all at most")
        found, left = [], MAX_ENTRIES
        for term in terms.items():
            players, table = self._term(term, left)
            found.append((players, table))
            left -= len(table)
        self.unit = Fraction(1, lcm(*(x.denominator for _, table in found for x in table)))
        self.terms: list[list[Term]] = [[] for _ in self.sizes]
        longest = 0
        for players, table in found:
            sides = [self.sizes[player] for player in players]
            strides = [prod(sides[k + 1 :]) for k in range(len(sides))]
            whole = [int(x / self.unit) for x in table]
            self.terms[players[0]].append(Term(players, strides, whole))
            longest = max(longest, *map(int.bit_length, whole))
        self.effort = (1 + longest // 1000) ** 2

    def _term(self, file: Reader, left: int) -> tuple[list[int], list[Fraction]]:
        players, divisor, payoffs = file.fields("players", "divisor", "payoffs")
        names = players.integers(len(players.items()))
        count = len(self.sizes)
        if not names or len(set(names)) < len(names) or not all(0 <= k < count for k in names):
            players.fail(f"different players, numbered from 0 to {count - 1}")
        share = divisor.integer_within(1, MAX_DIVISOR)
        entries = prod(self.sizes[player] for player in names)
        if entries > left:
            payoffs.fail(f"at most {MAX_ENTRIES} payoffs in all terms together")
        return names, [x / share for x in payoffs.numbers(entries)]

    def influential(self, i: int, j: int) -> set[int]:
        """Returns the others on whom the coupling of player i to player j depends."""
        about = (term.players for term in self.terms[i] if j in term.players)
        return {player for players in about for player in players} - {i, j}

    def profiles(
        self, players: set[int], pairs: Sequence[tuple[int, int]], work: Work
    ) -> Iterator[dict[int, int]]:
        """Yields every choice of one action for each of these players, paid for in advance.

        The price includes the couplings of the pairs for each choice, and comparing their rows.
        """
        chosen = sorted(players)
        count = self.effort * prod(self.sizes[player] for player in chosen)
        for i, j in pairs:
            n, m = self.sizes[i], self.sizes[j]
            work.pay(4 * count * n * m * (n + m + len(self.terms[i]) + len(self.terms[j])))
        for actions in product(*(range(self.sizes[player]) for player in chosen)):
            yield dict(zip(chosen, actions, strict=True))

    def coupling(self, i: int, j: int, profile: dict[int, int]) -> Matrix:
        """Returns the block `d^2 f_i / d x_i d x_j` where others play pure actions, in units.

        Args:
            i: The player whose gradient it is.
            j: Another player.
            profile: The actions of all `influential` players, and possibly of more.
        """
        block = [[0] * self.sizes[j] for _ in range(self.sizes[i])]
        for players, strides, payoffs in self.terms[i]:
            if j not in players:
                continue
            stride = dict(zip(players, strides, strict=True))
            start = sum(profile[k] * stride[k] for k in players if k not in (i, j))
            for a, row in enumerate(block):
                first = start + a * stride[i]
                stop = first + self.sizes[j] * stride[j]
                row[:] = map(sub, row, payoffs[first : stop : stride[j]])
        return block

    def gradient(self, i: int, x: Policies) -> list[Fraction]:
        """Returns the gradient of `f_i` in `x_i`; policies are unnormalised positive integers."""
        gradient = [Fraction(0)] * self.sizes[i]
        for players, _, payoffs in self.terms[i]:
            values, total = payoffs, 1
            for player in reversed(players[1:]):
                side, own = self.sizes[player], x[player]
                values = [
                    sum(map(int.__mul__, own, values[k : k + side]))
                    for k in range(0, len(values), side)
                ]
                total *= sum(own)
            share = self.unit / total
            gradient = [old - share * new for old, new in zip(gradient, values, strict=True)]
        return gradient


def quadrilateral(matrix: Matrix) -> int:
    """Returns the largest `|M[a, b] - M[c, b] - M[a, d] + M[c, d]|`: four times a norm.

    It is the norm on tangents: vectors d with sum zero and `|d|_1 <= 1` are the convex hull of all
    `(e_a - e_c) / 2`, so

        |d' M e| <= quadrilateral(M) / 4 |d|_1 |e|_1      for d and e with sum zero.
    """
    differences = (list(map(sub, *rows)) for rows in combinations(matrix, 2))
    return max((max(row) - min(row) for row in differences), default=0)
