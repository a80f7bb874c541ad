"""Level 2 of a neural file: its bounds are derived again from the weights and the data in it.

The networks are run at the centre in ball arithmetic (`network_balls`), which gives the norms of
layers and the scalars of all samples; at the point e, which gives the residual; and the function of
outputs is bounded over boxes of outputs by its graph, with derivatives by truncated Taylor
polynomials (`jets`). What the file states has to be at least what is found, in each number. The
weights and the data are those whose SHA-256 the file states.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from flint import arb, arb_mat, ctx  # pyright: ignore[reportMissingTypeStubs]

from .intervals import BallInterval, exact
from .jets import Jet, JetArithmetic
from .network_balls import Ball, BallNetwork, Balls, LayerScalars, NetworkPass, split
from .neural import NetworkShape, NeuralClaims, digest_of
from .neural_outputs import output_graph
from .reader import Reader
from .verdict import require

# Bits of ball arithmetic.
PRECISION = 128


class Situation(NamedTuple):
    """What a module of a value gets for level 2.

    Attributes:
        game: The section of the file.
        evidence: The section `evidence.value`.
        shapes: The networks.
        centre: The networks at the centre of the region.
        point: The networks at e.
        data: All numbers of the data, in their order.
        samples: How many samples there are.
    """

    game: Reader
    evidence: Reader
    shapes: list[NetworkShape]
    centre: list[BallNetwork]
    point: list[BallNetwork]
    data: list[Fraction]
    samples: int


def rederive_neural(file: Reader, claims: NeuralClaims) -> tuple[str, ...]:
    """Derives again what level 1 took as given; rejects the file where it cannot.

    Args:
        file: The certificate, accepted at level 1.
        claims: Its claims.

    Returns:
        What was re-derived, one sentence each.

    Raises:
        Rejected: If a number of the file is less than what follows from weights and data.
    """
    with ctx.workprec(PRECISION):
        return _rederived(file, claims)


def _rederived(file: Reader, claims: NeuralClaims) -> tuple[str, ...]:
    evidence, kind = file["evidence"], file["game"]["value"]["kind"].text()
    stored = Weights(evidence["weights"])
    centre, point = (
        [stored.of(*pair) for pair in zip(digests, claims.shapes, strict=True)]
        for digests in (claims.centre, claims.point)
    )
    at_centre, at_point = (
        [BallNetwork(*pair) for pair in zip(claims.shapes, weights, strict=True)]
        for weights in (centre, point)
    )
    for network, stated in zip(at_centre, claims.networks, strict=True):
        for found, number in zip(network.norms(), stated.norms, strict=True):
            require_bound(found, number, "norms of layers")
    for shape, here, middle, stated in zip(
        claims.shapes, point, centre, claims.distances, strict=True
    ):
        for found, number in zip(layer_distances(shape, here, middle), stated, strict=True):
            require_bound(found, number, "distances of the point from the centre")
    numbers = evidence["data"]
    require(digest_of(numbers.value) == claims.data, "the data are those of the hash (level 2)")
    data = numbers.numbers(len(numbers.value) if isinstance(numbers.value, list) else 0)
    situation = Situation(
        file["game"], evidence["value"], claims.shapes, at_centre, at_point, data, claims.samples
    )
    gradients = VALUES[kind](situation)
    for shape, weights, gradient, stated in zip(
        claims.shapes, point, gradients, claims.residual, strict=True
    ):
        target = None if shape.start is None else stored.of(shape.start, shape)
        require_bound(residual(shape, weights, target, gradient), stated, "residuals")
    if claims.start is not None and claims.training is not None:
        start = [stored.of(*pair) for pair in zip(claims.start, claims.shapes, strict=True)]
        require_bound(distance(start, point), claims.training[0].number(), "distance of the start")
    words = ("that norms and scalars of the networks at the centre are at most what is stated",)
    return (
        *words,
        f"that so are the derivatives of the value on outputs of {claims.samples} samples",
        "that so are the residual and the distances from the centre and from the start",
    )


class Weights:
    """The vectors of weights in a file, by their digests."""

    def __init__(self, file: Reader) -> None:
        self.file = file

    def of(self, digest: str, shape: NetworkShape) -> list[Fraction]:
        """Returns the weights of a network."""
        numbers = self.file[digest]
        found = numbers.numbers(shape.weights)
        require(digest_of(numbers.value) == digest, "weights are those of their hash (level 2)")
        return found


def require_bound(found: Ball, stated: Fraction, what: str) -> None:
    """Requires that a stated number is at least what a ball says."""
    holds = bool(found <= exact(stated))
    require(holds, f"{what} are at most what is stated (level 2)")


def layer_distances(shape: NetworkShape, here: list[Fraction], there: list[Fraction]) -> list[Ball]:
    """Returns the Frobenius norms of the differences of weights, layer by layer."""
    if here == there:
        return [arb(0)] * len(shape.scales)
    pairs = zip(split(shape, here), split(shape, there), strict=True)
    matrices, biases = ([difference(*pair) for pair in zip(*both, strict=True)] for both in pairs)
    return [(m + b).upper().sqrt().upper() for m, b in zip(matrices, biases, strict=True)]


def difference(here: list[Fraction], there: list[Fraction]) -> Ball:
    """Returns the squared distance of two vectors."""
    total = arb(0)
    for a, b in zip(here, there, strict=True):
        gap = exact(a) - exact(b)
        total += gap * gap
    return total


def distance(here: list[list[Fraction]], there: list[list[Fraction]]) -> Ball:
    """Returns the distance of two joint strategies."""
    return sum(map(difference, here, there), arb(0)).upper().sqrt().upper()


def residual(
    shape: NetworkShape,
    weights: list[Fraction],
    target: list[Fraction] | None,
    gradient: list[Ball],
) -> Ball:
    """Returns `|gradient + decay (weights - target)|`."""
    decay, total = exact(shape.decay), arb(0)
    for k, (weight, slope) in enumerate(zip(weights, gradient, strict=True)):
        moved = exact(weight) - (exact(target[k]) if target is not None else 0)
        entry = slope + decay * moved
        total += entry * entry
    return total.upper().sqrt().upper()


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
        self.jets = {order: JetArithmetic(order) for order in (1, 2)}

    def _jet(self, order: int, box: list[BallInterval], datum: list[Fraction]) -> Jet:
        """Returns the jet in the outputs; data are constants."""
        arithmetic = self.jets[order]
        inputs = arithmetic.around(box)
        inputs += [{(): BallInterval.point(x)} for x in datum]
        (jet,), obliged = self.graph.obliged(inputs, arithmetic.operations)
        finite = all(x.is_finite() for each in (jet, *obliged) for x in each.values())
        require(finite, "the function of outputs is defined and smooth (level 2)")
        return jet

    def gradient(self, outputs: list[Ball], datum: list[Fraction]) -> list[Ball]:
        """Returns the gradient in all outputs, at a point."""
        box = [BallInterval(x, x) for x in outputs]
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


class OutputData(NamedTuple):
    """The data of a value of outputs: inputs of both networks, and the numbers of each datum."""

    inputs: list[Balls]
    datum: list[list[Fraction]]


def output_data(data: list[Fraction], samples: int, sizes: list[int], datum: int) -> OutputData:
    """Splits the numbers of data: the inputs of the first network, of the second one, the rest."""
    require(len(data) == samples * (sum(sizes) + datum), "the data have the stated size (level 2)")
    inputs, start = [], 0
    for size in sizes:
        part = data[start : start + samples * size]
        inputs.append(arb_mat(samples, size, [exact(x) for x in part]).transpose())
        start += samples * size
    rest = data[start:]
    return OutputData(inputs, [rest[n * datum : (n + 1) * datum] for n in range(samples)])


def outputs_of(passes: list[NetworkPass], samples: int) -> list[list[Ball]]:
    """Returns the outputs of both networks, for each sample in one list."""
    rows = [row for each in passes for row in each.outputs.tolist()]
    return [[row[n] for row in rows] for n in range(samples)]


def output_gradients(
    networks: list[BallNetwork],
    passes: list[NetworkPass],
    function: OutputFunction,
    data: OutputData,
) -> list[list[Ball]]:
    """Returns the gradients of both players' costs, V and -V, without decay."""
    samples = len(data.datum)
    outputs = outputs_of(passes, samples)
    slopes = [function.gradient(*pair) for pair in zip(outputs, data.datum, strict=True)]
    gradients, start = [], 0
    for sign, network, at in zip((1, -1), networks, passes, strict=True):
        size = network.shape.sizes[-1]
        factor = exact(Fraction(sign, samples))
        entries = [factor * slopes[n][start + i] for i in range(size) for n in range(samples)]
        gradients.append(network.gradient(at, arb_mat(size, samples, entries)))
        start += size
    return gradients


def require_scalars(found: LayerScalars, file: Reader) -> None:
    """Requires that stated scalars of a network are at least what was found."""
    for name, rows in zip(LayerScalars._fields, found, strict=True):
        for row, stated in zip(rows, file[name].items(), strict=True):
            for value, number in zip(row, stated.numbers(len(row)), strict=True):
                require_bound(value, number, f"{name} of networks")


def rederive_outputs(situation: Situation) -> list[list[Ball]]:
    """Derives the evidence of `neural_outputs` again; returns the gradients of V and -V at e."""
    game, evidence, samples = situation.game, situation.evidence, situation.samples
    function = OutputFunction(game["value"], situation.shapes)
    sizes = [shape.sizes[0] for shape in situation.shapes]
    data = output_data(situation.data, samples, sizes, function.datum)
    passes = [net.run(x) for net, x in zip(situation.centre, data.inputs, strict=True)]
    for network, at, file in zip(
        situation.centre, passes, evidence["passes"].items(2), strict=True
    ):
        require_scalars(network.scalars(at), file)
    reach = [row.numbers(samples) for row in evidence["reach"].items(2)]
    stated = {
        name: [row.numbers(samples) for row in evidence["function"][name].items(2)]
        for name in ("slope", "concave", "size")
    }
    mixed = evidence["function"]["mixed"].numbers(samples)
    for n, outputs in enumerate(outputs_of(passes, samples)):
        found = function.over(outputs, [row[n] for row in reach], data.datum[n])
        for name, rows in stated.items():
            for value, row in zip(getattr(found, name), rows, strict=True):
                require_bound(value, row[n], f"bounds {name} of the function of outputs")
        require_bound(found.mixed, mixed[n], "mixed derivatives of the function of outputs")
    at_point = [net.run(x) for net, x in zip(situation.point, data.inputs, strict=True)]
    return output_gradients(situation.point, at_point, function, data)


# For each kind of value: the function that derives its evidence again, and returns the gradients of
# all players' costs at e, without decay.
VALUES: dict[str, Callable[[Situation], list[list[Ball]]]] = {"outputs": rederive_outputs}
