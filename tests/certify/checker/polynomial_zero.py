"""Files about zeros of polynomial systems all of whose zeros are known, made without the prover.

The systems are `H(z) = B p(A z)` with regular matrices A and B and polynomials
`p_k(u) = (1 + u^2)^m prod_j (u - r_kj)` in one variable each: their zeros are `A^-1 r` for all
choices of one root of each polynomial. Bounds are computed here, in fractions.
"""

from fractions import Fraction
from itertools import pairwise, product
from typing import Any, NamedTuple

from certify.checker.graph import game_hash, graph_hash
from certify.checker.reader import FORMAT, VERSION, ZERO

Interval = tuple[Fraction, Fraction]
UNIT = -60


class Polynomials(NamedTuple):
    """The system `H(z) = B p(A z)`; the coefficients of polynomials begin with the constant."""

    a: list[list[int]]
    b: list[list[int]]
    roots: list[list[Fraction]]
    bumps: list[int]

    @property
    def coefficients(self) -> list[list[Fraction]]:
        result = []
        for roots, bumps in zip(self.roots, self.bumps, strict=True):
            p = [Fraction(1)]
            for root in roots:
                p = _times(p, [-root, Fraction(1)])
            for _ in range(bumps):
                p = _times(p, [Fraction(1), Fraction(0), Fraction(1)])
            result.append(p)
        return result

    @property
    def zeros(self) -> list[list[Fraction]]:
        inverse = inverted([[Fraction(x) for x in row] for row in self.a])
        return [
            [sum((x * y for x, y in zip(row, u, strict=True)), Fraction(0)) for row in inverse]
            for u in product(*self.roots)
        ]

    def value(self, z: list[Fraction]) -> list[Fraction]:
        u = [_dot(row, z) for row in self.a]
        p = [_range(c, (x, x))[0] for c, x in zip(self.coefficients, u, strict=True)]
        return [_dot(row, p) for row in self.b]

    def jacobian(self, box: list[Interval]) -> list[list[Interval]]:
        """The range of each entry over a box, perhaps too wide."""
        slopes = []
        for row, c in zip(self.a, self.coefficients, strict=True):
            ends = [sorted((x * low, x * high)) for x, (low, high) in zip(row, box, strict=True)]
            u = _sum([(low, high) for low, high in ends])
            slopes.append(_range([k * x for k, x in enumerate(c)][1:], u))
        n = range(len(self.a))
        return [
            [_sum([_scaled(slopes[k], self.b[i][k] * self.a[k][j]) for k in n]) for j in n]
            for i in n
        ]


def _dot(row: list[int], values: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(row, values, strict=True)), Fraction(0))


def _times(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    result = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, x in enumerate(p):
        for j, y in enumerate(q):
            result[i + j] += x * y
    return result


def _range(coefficients: list[Fraction], u: Interval) -> Interval:
    """Horner's rule for intervals, on eight pieces."""
    low, high = u
    pieces = 8 if low < high else 1
    ends = [low + (high - low) * k / pieces for k in range(pieces + 1)]
    found = []
    for piece in pairwise(ends):
        value: Interval = (Fraction(0), Fraction(0))
        for c in reversed(coefficients):
            products = [x * y for x in value for y in piece]
            value = (min(products) + c, max(products) + c)
        found.append(value)
    return min(a for a, _ in found), max(b for _, b in found)


def _scaled(x: Interval, factor: int) -> Interval:
    low, high = sorted((x[0] * factor, x[1] * factor))
    return low, high


def _sum(terms: list[Interval]) -> Interval:
    return sum((x for x, _ in terms), Fraction(0)), sum((x for _, x in terms), Fraction(0))


def inverted(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """Gauss and Jordan; raises `ZeroDivisionError` for a singular matrix."""
    n = len(matrix)
    rows = [[*row, *(Fraction(i == j) for j in range(n))] for i, row in enumerate(matrix)]
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k]), None)
        if pivot is None:
            raise ZeroDivisionError
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def nodes_of(system: Polynomials) -> tuple[list[list[Any]], list[int]]:
    """The graph of a system: Horner's rule."""
    n, nodes = len(system.a), []

    def add(*node: Any) -> int:
        nodes.append(list(node))
        return n + len(nodes) - 1

    def linear(row: list[int], parts: list[int]) -> int:
        terms = [
            add("mul", add("constant", float(x).hex()), part)
            for x, part in zip(row, parts, strict=True)
        ]
        total = terms[0]
        for term in terms[1:]:
            total = add("add", total, term)
        return total

    values = []
    for row, c in zip(system.a, system.coefficients, strict=True):
        u = linear(row, [*range(n)])
        value = add("constant", float(c[-1]).hex())
        for x in reversed(c[:-1]):
            value = add("add", add("mul", value, u), add("constant", float(x).hex()))
        values.append(value)
    return nodes, [linear(row, values) for row in system.b]


def zero_file(
    system: Polynomials,
    center: list[Fraction],
    box: list[Interval],
    zero: list[Interval],
    inverse: list[list[Fraction]],
    room: int = 1,
) -> dict[str, Any]:
    """A file with correct bounds; whether its claims are true or proved is another question.

    Numbers must be floats; the inverse is rounded. Remainders are multiplied by the room, as the
    bounds that level 2 finds may be wider than those that are found here.
    """
    n = len(center)
    (nodes, outputs), scale = nodes_of(system), Fraction(2) ** -UNIT
    centre, remainder = [], []
    for row in system.jacobian(box):
        for low, high in row:
            least, most = (low * scale).__floor__(), (high * scale).__ceil__()
            middle = (least + most) // 2
            centre.append(middle)
            remainder.append(room * (max(most - middle, middle - least) + 1))
    game: dict[str, Any] = {
        "name": "polynomials",
        "code": "",
        "players": [{"name": "z", "size": n}],
        "system": {"kind": "equations", "conditions": 0, "matrices": []},
        "structure": {"kind": "dict", "items": {"z": {"kind": "array", "shape": [n]}}},
        "graph": {"hash": graph_hash(nodes, outputs), "nodes": nodes, "outputs": outputs},
    }
    game["hash"] = game_hash(game)
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": ZERO,
        "game": game,
        "claims": {"box": _ends(box), "zero": _ends(zero)},
        "evidence": {
            "center": [float(x).hex() for x in center],
            "residual": [_above(abs(x)).hex() for x in system.value(center)],
            "unit": UNIT,
            "jacobian": {"centre": centre, "remainder": remainder},
            "inverse": {
                "unit": UNIT,
                "matrix": [round(x * scale) for row in inverse for x in row],
            },
            "bounds": [],
            "forms": [],
        },
    }


def _ends(box: list[Interval]) -> dict[str, list[str]]:
    return {
        name: [float(pair[side]).hex() for pair in box]
        for side, name in enumerate(("lower", "upper"))
    }


def _above(x: Fraction) -> float:
    """A float that is at least as large, and larger than what ball arithmetic may add."""
    return float(x) * (1 + 2.0**-40) + 2.0**-80
