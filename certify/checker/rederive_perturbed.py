"""Level 2 of files with moved inputs: scalars, losses and the field, derived again.

The network is run at the inputs `x_n + sqrt(N) xi_n`, of which the root is a ball. Losses that are
known have bounds by formulas, those of `rederive_robust`; others have a graph, as in
`rederive_outputs`. The second player's block of the field is, row by row,

    price xi_n - N^(-1/2) (D_x f)' l'(f(x_n + delta_n), y_n),

as `delta_n = sqrt(N) xi_n` and the mean has the factor 1/N.
"""

from collections.abc import Iterator
from fractions import Fraction

from flint import arb, arb_mat  # pyright: ignore[reportMissingTypeStubs]

from .intervals import exact
from .network_balls import Ball, BallNetwork, NetworkPass
from .neural import NetworkShape
from .neural_perturbed import PerturbedValue, read_perturbed
from .neural_situation import Situation, require_bound, require_scalars
from .reader import Reader
from .rederive_adversarial import require_constant
from .rederive_outputs import BATCH, FunctionBounds, OutputData, OutputFunction, outputs_of
from .rederive_robust import labels_of, loss_at, loss_over


class DatumLoss:
    """The loss of a file.

    Args:
        value: What is played for.
        section: The section `game.value` of the file.
        shape: The network.
        datum: The numbers of each datum.
    """

    def __init__(
        self,
        value: PerturbedValue,
        section: Reader,
        shape: NetworkShape,
        datum: list[list[Fraction]],
    ) -> None:
        self.name, self._datum = value.loss, datum
        self._function, self._labels = None, []
        if value.loss == "function":
            graph = {"kind": "outputs", **{k: section.value[k] for k in ("graph", "datum")}}
            self._function = OutputFunction(Reader(graph), [shape])
        else:
            self._labels = labels_of(value.loss, [y for (y,) in datum], shape.sizes[-1])

    def over(self, n: int, outputs: list[Ball], reach: Fraction) -> tuple[Ball, Ball, Ball]:
        """Returns `slope`, `concave` and `size` of sample n, for outputs within reach of some."""
        if self._function is not None:
            found: FunctionBounds = self._function.over(outputs, [reach], self._datum[n])
            return found.slope[0], found.concave[0], found.size[0]
        known = loss_over(self.name, outputs, self._labels[n], reach)
        return known.slope, arb(0), known.size

    def value(self, n: int, outputs: list[Ball]) -> Ball:
        """Returns the loss of sample n."""
        if self._function is not None:
            return self._function.value(outputs, self._datum[n])
        return loss_at(self.name, outputs, self._labels[n]).value

    def gradient(self, n: int, outputs: list[Ball]) -> list[Ball]:
        """Returns the gradient of the loss of sample n in the outputs."""
        if self._function is not None:
            return self._function.gradient(outputs, self._datum[n])
        return loss_at(self.name, outputs, self._labels[n]).gradient


class MovedData(OutputData):
    """The data, whose inputs are moved."""

    def at(
        self, network: BallNetwork, moves: list[Fraction]
    ) -> Iterator[tuple[range, NetworkPass]]:
        """Runs the network on the moved inputs, batch by batch, so that memory is bounded.

        Args:
            network: The network.
            moves: The entries of xi, row by row.
        """
        (size,), (inputs,) = self._sizes, self._inputs
        root = arb(self.samples).sqrt()
        count = max(1, BATCH // sum(network.shape.sizes))
        for first in range(0, self.samples, count):
            batch = range(first, min(first + count, self.samples))
            part = slice(batch.start * size, batch.stop * size)
            entries = [
                exact(x) + root * exact(xi) if xi else exact(x)
                for x, xi in zip(inputs[part], moves[part], strict=True)
            ]
            yield batch, network.run(arb_mat(len(batch), size, entries).transpose())


def perturbed_gradients(
    network: BallNetwork, loss: DatumLoss, data: MovedData, moves: list[Fraction]
) -> list[list[Ball]]:
    """Returns the gradients of both players' costs V and -V, without decay and price."""
    first, second = [arb(0)] * network.shape.weights, []
    count, size = data.samples, network.shape.sizes[-1]
    root = arb(count).sqrt()
    for batch, run in data.at(network, moves):
        slopes = [
            loss.gradient(n, outputs) for n, outputs in zip(batch, outputs_of([run]), strict=True)
        ]
        entries = [slope[i] / count for i in range(size) for slope in slopes]
        adjoints = arb_mat(size, len(batch), entries)
        part = network.gradient(run, adjoints)
        first = [x + y for x, y in zip(first, part, strict=True)]
        after, _ = network.adjoints(run, adjoints)
        pulled = network.matrices[0].transpose() * after[0]
        second += [-root * x for x in pulled.transpose().entries()]
    return [first, second]


def farthest_of(moves: list[Fraction], size: int) -> Ball:
    """Returns the largest length of a row of xi."""
    rows = (moves[k : k + size] for k in range(0, len(moves), size))
    square = max(sum((x * x for x in row), Fraction(0)) for row in rows)
    return exact(square).sqrt().upper()


def length_of(moves: list[Fraction], others: list[Fraction]) -> Ball:
    """Returns the distance of two vectors."""
    square = sum(((a - b) ** 2 for a, b in zip(moves, others, strict=True)), Fraction(0))
    return exact(square).sqrt().upper()


def rederive_perturbed(situation: Situation) -> list[list[Ball]]:
    """Derives the evidence of `neural_perturbed` again; returns the gradients of V and -V at e."""
    evidence, samples = situation.evidence, situation.samples
    value = read_perturbed(situation.game)
    assert situation.moves is not None
    (shape,), (network,), moved = situation.shapes, situation.centre, situation.moves
    centre, point = moved[:2]
    data = MovedData(situation.data, samples, [shape], value.datum)
    loss = DatumLoss(value, situation.game["value"], shape, data.datum)
    reaches = [row.numbers(samples) for row in evidence["reach"].items()]
    stated = [
        [row.numbers(samples) for row in evidence["loss"][name].items()]
        for name in ("slope", "concave", "size")
    ]
    for batch, run in data.at(network, centre):
        require_scalars(network.scalars(run), evidence["passes"], batch)
        for n, outputs in zip(batch, outputs_of([run]), strict=True):
            for i, reach in enumerate(reaches):
                bounds = loss.over(n, outputs, reach[n])
                for found, rows in zip(bounds, stated, strict=True):
                    require_bound(found, rows[i][n], "derivatives of losses")
    if evidence["constant"].value is not None:
        require_constant(network, evidence["constant"])
    moves = evidence["moves"]
    ends = moves["farthest"].numbers(3)
    for vector, number in zip(moved, ends, strict=False):
        require_bound(farthest_of(vector, shape.sizes[0]), number, "the farthest moves")
    away = length_of(centre, point)
    require_bound(away, moves["distance"].number(), "distances of moves from the centre")
    return perturbed_gradients(situation.point[0], loss, data, point)
