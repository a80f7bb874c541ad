"""Reads affine fields of which each step of a method sees some at random, from a mean-square file.

There are components s with weights `w_s`, positive integers: component s is drawn with probability
`p_s = w_s / sum w`. Its field is `F_s(x) = J_s x + g_s`: the pseudo-gradient of the costs in the
file with the datum of the component in place of the graph's last inputs, each player's block times
the component's scale for this player. If the file is about a field, the graph has its values
instead. All of it is exact: the costs are polynomials of degree two (`quadratic_graphs`).

A step sees the mean of a batch of b components, drawn anew and independently of former steps, with
replacement or without. Let `X_s` be matrices or vectors with the mean `X`, and `X_B` the mean over
a batch. For every bilinear function, `E <X_B, X_B> = <X, X> + c E <X_s - X, X_s - X>` with

    c = 1 / b  with replacement,      c = (S - b) / (b (S - 1))  without, for S equal weights

(the variance of a mean, and that of a sample of a finite population), so that
`E <X_B, X_B> = (1 - c) <X, X> + c E <X_s, X_s>`.
"""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

from .exact import Work
from .graph import Graph, game_hash, read_graph
from .matrices import Matrix
from .quadratic_graphs import Polynomial, gradient, outputs_of
from .reader import Reader, Unusable
from .verdict import require

# The most coordinates of all players, components, and numbers of one datum.
MAX_COORDINATES, MAX_COMPONENTS, MAX_DATA = 64, 2**12, 2**12
# The largest weight, and the most bits of the common denominator of all fields.
_MAX_WEIGHT, _MAX_COMMON = 2**128, 2**13
# The products that an entry of a Jacobian counts for.
_PRICE = 256


class AffineField(NamedTuple):
    """The field `F(x) = (J x + g) / d`, with integers: `rows` are those of `(J, g)`."""

    rows: Matrix
    denominator: int


class SampledFields:
    """Affine fields with their probabilities.

    Attributes:
        sizes: The coordinates of each player.
        weights: The weights of the components; integers.
        fields: Their fields, with one denominator.
        batch: How many components a step sees.
        spread: The number c at the top of this module.
    """

    def __init__(self, file: Reader, work: Work) -> None:
        game, noise = file["game"], file["noise"]
        further = [key for key in ("zero_sum", "field") if key in game]
        game.fields("name", "code", "players", "structure", "data", "graph", "hash", *further)
        self.sizes = [
            player["size"].integer_within(1, MAX_COORDINATES) for player in game["players"].items()
        ]
        names = {player["name"].text() for player in game["players"].items()}
        if not self.sizes or sum(self.sizes) > MAX_COORDINATES or len(names) < len(self.sizes):
            raise Unusable(
                f"a game has players of different names, of {MAX_COORDINATES} coordinates at most"
            )
        self.of_field = "field" in game
        self.zero_sum = "zero_sum" in game and game["zero_sum"].boolean()
        if self.zero_sum and (self.of_field or len(self.sizes) != 2):
            game["zero_sum"].fail("false, unless there are costs of two players")
        components, batch = noise.fields("components", "batch")
        if not 1 <= len(components.items()) <= MAX_COMPONENTS:
            components.fail(f"from 1 to {MAX_COMPONENTS} components")
        length = game["data"].integer_within(0, MAX_DATA)
        graph = self._graph(game, length)
        self.weights: list[int] = []
        found: list[list[list[Fraction]]] = []
        for component in components.items():
            weight, scales, datum = component.fields("weight", "scales", "datum")
            self.weights.append(weight.integer_within(1, _MAX_WEIGHT))
            work.pay(_PRICE * self.dimension**2)
            known = dict(enumerate(datum.numbers(length), self.dimension))
            found.append(
                self._rows(outputs_of(graph, known, work), scales.numbers(len(self.sizes)))
            )
        common = 1
        for x in (x for rows in found for row in rows for x in row):
            common = lcm(common, x.denominator)
            if common.bit_length() > _MAX_COMMON:
                raise Unusable("the fields have no common denominator of moderate length")
        self.fields = [
            AffineField([[int(x * common) for x in row] for row in rows], common) for rows in found
        ]
        self._read_batch(batch)

    @property
    def dimension(self) -> int:
        """The number of coordinates of all players."""
        return sum(self.sizes)

    @property
    def total(self) -> int:
        """The sum of the weights."""
        return sum(self.weights)

    def per_coordinate(self, numbers: list[Fraction]) -> list[Fraction]:
        """Returns numbers of the players as numbers of the coordinates."""
        return [x for x, size in zip(numbers, self.sizes, strict=True) for _ in range(size)]

    def zero(self, work: Work) -> list[Fraction]:
        """Returns the zero of the mean field.

        Raises:
            Rejected: Unless it has exactly one.
        """
        n, weighted = self.dimension, zip(self.weights, self.fields, strict=True)
        total = [[0] * (n + 1) for _ in range(n)]
        for weight, field in weighted:
            for row, own in zip(total, field.rows, strict=True):
                for k, x in enumerate(own):
                    row[k] += weight * x
        longest = max(max(map(int.bit_length, row)) for row in total)
        work.pay(n**3 * (1 + n * longest // 1000) ** 2)
        return _solution([row[:n] for row in total], [-row[n] for row in total])

    def _graph(self, game: Reader, data: int) -> Graph:
        outputs = self.dimension if self.of_field else 1 if self.zero_sum else len(self.sizes)
        graph = read_graph(game["graph"], self.dimension + data, outputs)
        require(
            game["hash"].text() == game_hash(game.value),
            "the hash is that of the game: its players and its graph",
        )
        return graph

    def _rows(self, outputs: list[Polynomial], scales: list[Fraction]) -> list[list[Fraction]]:
        """Returns the rows of `(J_s, g_s)`."""
        n, places = self.dimension, (i for i, size in enumerate(self.sizes) for _ in range(size))
        slopes = [] if self.of_field else [gradient(cost, n) for cost in outputs]
        rows = []
        for k, player in enumerate(places):
            if self.of_field:
                entry = outputs[k]
            elif self.zero_sum:
                sign = 1 if player == 0 else -1
                entry = {m: sign * x for m, x in slopes[0][k].items()}
            else:
                entry = slopes[player][k]
            if any(len(monomial) > 1 for monomial in entry):
                raise Unusable("the field is not affine")
            row = [entry.get((j,), Fraction(0)) for j in range(n)]
            rows.append([scales[player] * x for x in (*row, entry.get((), Fraction(0)))])
        return rows

    def _read_batch(self, file: Reader) -> None:
        size, replacement = file.fields("size", "replacement")
        count = len(self.weights)
        if replacement.boolean():
            self.batch = size.integer_within(1, 2**31)
            self.spread = Fraction(1, self.batch)
            return
        if len(set(self.weights)) > 1:
            replacement.fail("true, as the components have different weights")
        self.batch = size.integer_within(1, count)
        self.spread = Fraction(count - self.batch, self.batch * max(count - 1, 1))
        if count == 1:
            self.spread = Fraction(1)


def _solution(matrix: Matrix, side: list[int]) -> list[Fraction]:
    """Solves a linear system of integers exactly, by elimination without fractions (Bareiss).

    After step k, all entries are minors of the matrix, so that the divisions leave no rest.
    """
    rows = [[*row, x] for row, x in zip(matrix, side, strict=True)]
    n, former = len(rows), 1
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k]), None)
        require(pivot is not None, "the mean field has exactly one zero")
        assert pivot is not None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        head = rows[k][k]
        for i in range(n):
            if i != k:
                factor = rows[i][k]
                rows[i] = [
                    (head * x - factor * y) // former for x, y in zip(rows[i], rows[k], strict=True)
                ]
        former = head
    return [Fraction(row[n], row[k]) for k, row in enumerate(rows)]
