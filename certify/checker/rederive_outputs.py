"""Level 2 of values that are means of a function of outputs: the evidence of `neural_outputs`.

The networks are run at the centre, for the scalars of all samples and the outputs; and the function
is bounded over boxes of outputs by its graph, with derivatives by truncated Taylor polynomials
(`jets`). Samples are taken in batches, which bounds the memory.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from flint import arb, arb_mat  # pyright: ignore[reportMissingTypeStubs]

from .intervals import BallInterval, exact
from .jets import Jet, JetArithmetic
from .network_balls import Ball, BallNetwork, Balls, NetworkPass
from .neural import NetworkShape
from .neural_outputs import output_graph
from .neural_situation import Situation, require_bound, require_scalars
from .reader import Reader
from .verdict import require

# The most entries of all units for one batch of samples: each takes some 500 bytes.
BATCH = 2**18


class FunctionBounds(NamedTuple):
    """Derivatives of a function of two vectors of outputs over a box; see `neural_outputs`."""

    slope: tuple[Ball, Ball]
    concave: tuple[Ball, Ball]
    size: tuple[Ball, Ball]
    mixed: Ball


class OutputFunction:
    """The function of outputs, by its graph."""

    def __init__(self, value: Reader, shapes: list[NetworkShape]) -> None:
        self.sizes = [shape.sizes[-1] for shape in shapes]
        self.graph, self.datum = output_graph(value, self.sizes)
        self.jets = {order: JetArithmetic(order) for order in (0, 1, 2)}

    def _jet(self, order: int, box: list[BallInterval], datum: list[Fraction]) -> Jet:
        """Returns the jet in the outputs; data are constants."""
        arithmetic = self.jets[order]
        inputs = arithmetic.around(box)
        inputs += [{(): BallInterval.point(x)} for x in datum]
        (jet,), obliged = self.graph.obliged(inputs, arithmetic.operations)
        finite = all(x.is_finite() for each in (jet, *obliged) for x in each.values())
        require(finite, "the function of outputs is defined and smooth (level 2)")
        return jet

    def value(self, outputs: list[Ball], datum: list[Fraction]) -> Ball:
        """Returns the value at a point."""
        jet = self._jet(0, [BallInterval(x, x).sharp() for x in outputs], datum)
        found = jet.get((), BallInterval.point(0))
        return found.low.union(found.high)

    def gradient(self, outputs: list[Ball], datum: list[Fraction]) -> list[Ball]:
        """Returns the gradient in all outputs, at a point."""
        box = [BallInterval(x, x).sharp() for x in outputs]
        jet, zero = self._jet(1, box, datum), BallInterval.point(0)
        found = [jet.get((k,), zero) for k in range(len(outputs))]
        return [x.low.union(x.high) for x in found]

    def over(
        self, outputs: list[Ball], reach: list[Fraction], datum: list[Fraction]
    ) -> FunctionBounds:
        """Bounds first and second derivatives over a box around outputs.

        Args:
            outputs: The outputs of both networks.
            reach: How far those of each network may be from that, in each entry.
            datum: The numbers of the datum.
        """
        radii = [exact(x) for x, size in zip(reach, self.sizes, strict=True) for _ in range(size)]
        box = [
            BallInterval((x - r).lower(), (x + r).upper())
            for x, r in zip(outputs, radii, strict=True)
        ]
        jet, zero = self._jet(2, box, datum), BallInterval.point(0)
        middle = self.sizes[0]
        blocks = (range(middle), range(middle, sum(self.sizes)))

        def second(i: int, j: int) -> BallInterval:
            entry = jet.get((min(i, j), max(i, j)), zero)
            return entry.times(2) if i == j else entry

        slope, concave, size = [], [], []
        for sign, own in zip((-1, 1), blocks, strict=True):
            slope.append(_size(jet.get((k,), zero) for k in own))
            concave.append(
                _largest_eigenvalue([[second(i, j).times(sign) for j in own] for i in own])
            )
            size.append(_row_sum([[second(i, j) for j in own] for i in own]))
        mixed = _size(second(i, j) for i in blocks[0] for j in blocks[1])
        return FunctionBounds(
            (slope[0], slope[1]), (concave[0], concave[1]), (size[0], size[1]), mixed
        )


def _size(entries: Any) -> Ball:
    """Bounds the root of the sum of squares."""
    sizes = [x.magnitude().upper() for x in entries]
    if len(sizes) == 1:
        return sizes[0]
    return sum((x * x for x in sizes), arb(0)).upper().sqrt().upper()


def _row_sum(matrix: list[list[BallInterval]]) -> Ball:
    """Bounds the norm of a symmetric matrix by its row sums."""
    found = arb(0)
    for row in matrix:
        found = found.max(sum((x.magnitude() for x in row), arb(0)))
    return found.upper()


def _largest_eigenvalue(matrix: list[list[BallInterval]]) -> Ball:
    """Bounds the largest eigenvalue, if it is positive, by Gershgorin's discs; else returns 0."""
    found = arb(0)
    for i, row in enumerate(matrix):
        others = sum((x.magnitude() for j, x in enumerate(row) if j != i), arb(0))
        found = found.max(row[i].high + others)
    return found.upper()


class OutputData:
    """The data of a value of outputs.

    Attributes:
        samples: How many samples there are.
        datum: The numbers of each datum.

    Args:
        data: All numbers: the inputs of the first network, of the second one, the data.
        samples: How many samples there are.
        shapes: The networks.
        datum: How many numbers a datum has.
    """

    def __init__(
        self, data: list[Fraction], samples: int, shapes: list[NetworkShape], datum: int
    ) -> None:
        sizes = [shape.sizes[0] for shape in shapes]
        total = samples * (sum(sizes) + datum)
        require(len(data) == total, "the data have the stated size (level 2)")
        self._sizes, self._inputs, start = sizes, [], 0
        for size in sizes:
            self._inputs.append(data[start : start + samples * size])
            start += samples * size
        rest = data[start:]
        self.samples = samples
        self.datum = [rest[n * datum : (n + 1) * datum] for n in range(samples)]
        units = max(sum(shape.sizes) for shape in shapes)
        self._batch = max(1, BATCH // units)

    def runs(self, networks: list[BallNetwork]) -> Iterator[tuple[range, list[NetworkPass]]]:
        """Runs both networks on their inputs, batch by batch."""
        for first in range(0, self.samples, self._batch):
            batch = range(first, min(first + self._batch, self.samples))
            pairs = enumerate(networks)
            yield batch, [network.run(self._columns(k, batch)) for k, network in pairs]

    def _columns(self, network: int, batch: range) -> Balls:
        """Returns the inputs of a network for some samples, which are columns."""
        size = self._sizes[network]
        part = self._inputs[network][batch.start * size : batch.stop * size]
        return arb_mat(len(batch), size, [exact(x) for x in part]).transpose()


def outputs_of(passes: list[NetworkPass]) -> list[list[Ball]]:
    """Returns the outputs of both networks, for each sample in one list."""
    rows = [row for each in passes for row in each.outputs.tolist()]
    return [list(column) for column in zip(*rows, strict=True)]


def output_gradients(
    networks: list[BallNetwork], function: OutputFunction, data: OutputData
) -> list[list[Ball]]:
    """Returns the gradients of both players' costs, V and -V, without decay."""
    gradients = [[arb(0)] * network.shape.weights for network in networks]
    for batch, passes in data.runs(networks):
        outputs = outputs_of(passes)
        slopes = [function.gradient(outputs[n - batch.start], data.datum[n]) for n in batch]
        start = 0
        for k, (sign, network) in enumerate(zip((1, -1), networks, strict=True)):
            size = network.shape.sizes[-1]
            factor = exact(Fraction(sign, data.samples))
            entries = [factor * slope[start + i] for i in range(size) for slope in slopes]
            adjoints = arb_mat(size, len(batch), entries)
            found = network.gradient(passes[k], adjoints)
            gradients[k] = [x + y for x, y in zip(gradients[k], found, strict=True)]
            start += size
    return gradients


def rederive_outputs(situation: Situation) -> list[list[Ball]]:
    """Derives the evidence of `neural_outputs` again; returns the gradients of V and -V at e."""
    evidence, samples = situation.evidence, situation.samples
    function = OutputFunction(situation.game["value"], situation.shapes)
    data = OutputData(situation.data, samples, situation.shapes, function.datum)
    files = evidence["passes"].items(2)
    reach = [row.numbers(samples) for row in evidence["reach"].items(2)]
    stated = {
        name: [row.numbers(samples) for row in evidence["function"][name].items(2)]
        for name in ("slope", "concave", "size")
    }
    mixed = evidence["function"]["mixed"].numbers(samples)
    for batch, passes in data.runs(situation.centre):
        for network, at, file in zip(situation.centre, passes, files, strict=True):
            require_scalars(network.scalars(at), file, batch)
        for n, outputs in zip(batch, outputs_of(passes), strict=True):
            found = function.over(outputs, [row[n] for row in reach], data.datum[n])
            for name, rows in stated.items():
                for value, row in zip(getattr(found, name), rows, strict=True):
                    require_bound(value, row[n], f"bounds {name} of the function of outputs")
            require_bound(found.mixed, mixed[n], "mixed derivatives of the function of outputs")
    return output_gradients(situation.point, function, data)
