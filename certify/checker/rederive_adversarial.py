"""Level 2 of the value of adversarial networks: its evidence, derived from weights and data.

The data are the numbers of x and then those of the noise z. That the discriminator is constant at
the centre is verified exactly: hidden units with the same weights and the same bias are one unit
whose output weight is the sum of theirs, and all of these sums have to be zero.

The suprema over unit vectors u are norms of matrices: `|((v_r . u)^2)_r|` is `|P vec(u u')|` for
the matrix P with the rows `vec(v_r v_r')`, and `|vec(u u')| = 1`. Half of these rows is enough, in
which entries off the diagonal are multiplied by the root of 2. If inputs are too many for that,
then `|((v_r . u)^2)_r| <= max |v_r| |(v_r . u)_r|`.
"""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from flint import arb, arb_mat  # pyright: ignore[reportMissingTypeStubs]

from .intervals import exact
from .network_balls import Ball, BallNetwork, Balls, LayerScalars, NetworkPass, norm_above, split
from .neural import NetworkShape
from .neural_adversarial import Adversarial, Constant, read_adversarial
from .neural_situation import Situation, require_bound, require_scalars
from .reader import Reader
from .verdict import require

# Up to so many columns of P.
MAX_PRODUCTS = 200
# The most entries of all units for one batch of samples: each takes some 500 bytes.
BATCH = 2**18


class AdversarialData:
    """The data and the noise, in batches, which bounds the memory.

    Args:
        data: All numbers: those of the data, then those of the noise.
        samples: How many data there are.
        value: What the networks play for.
        shapes: The generator and the discriminator.
    """

    def __init__(
        self,
        data: list[Fraction],
        samples: int,
        value: Adversarial,
        shapes: list[NetworkShape],
    ) -> None:
        self.value, self.samples = value, samples
        self._noise, self._inputs = (shape.sizes[0] for shape in shapes)
        count = samples * self._inputs
        total = count + value.noise * self._noise
        require(len(data) == total, "the data have the stated size (level 2)")
        self._x, self._z = data[:count], data[count:]
        self._batch = max(1, BATCH // max(sum(shape.sizes) for shape in shapes))

    def at_data(self, discriminator: BallNetwork) -> Iterator[tuple[range, NetworkPass]]:
        """Runs the discriminator on the data, batch by batch."""
        for batch in self._batches(self.samples):
            yield batch, discriminator.run(_columns(self._x, self._inputs, batch))

    def at_noise(
        self, networks: list[BallNetwork]
    ) -> Iterator[tuple[range, NetworkPass, NetworkPass]]:
        """Runs the generator on the noise, and the discriminator on what is made of it."""
        generator, discriminator = networks
        for batch in self._batches(self.value.noise):
            z = _columns(self._z, self._noise, batch)
            made = generator.run(z)
            samples = made.outputs + z if self.value.residual else made.outputs
            yield batch, made, discriminator.run(samples)

    def _batches(self, count: int) -> Iterator[range]:
        for first in range(0, count, self._batch):
            yield range(first, min(first + self._batch, count))


def _columns(numbers: list[Fraction], size: int, batch: range) -> Balls:
    part = numbers[batch.start * size : batch.stop * size]
    return arb_mat(len(batch), size, [exact(x) for x in part]).transpose()


class AtCentre(NamedTuple):
    """What is given of both networks at the centre, batch by batch.

    Attributes:
        scalars: The scalars of each pass, by its name in the evidence.
        sizes: What the discriminator says of the data and of the samples, in size.
    """

    scalars: dict[str, list[tuple[range, LayerScalars]]]
    sizes: list[list[Ball]]


def at_centre(networks: list[BallNetwork], data: AdversarialData) -> AtCentre:
    """Runs both networks on data and noise, and returns their scalars."""
    generator, discriminator = networks
    found = AtCentre({"generator": [], "data": [], "samples": []}, [[], []])
    for batch, at in data.at_data(discriminator):
        found.scalars["data"].append((batch, discriminator.scalars(at)))
        found.sizes[0].extend(abs(x).upper() for x in at.outputs.entries())
    for batch, made, at in data.at_noise(networks):
        found.scalars["generator"].append((batch, generator.scalars(made)))
        found.scalars["samples"].append((batch, discriminator.scalars(at)))
        found.sizes[1].extend(abs(x).upper() for x in at.outputs.entries())
    return found


def is_constant(network: BallNetwork) -> bool:
    """Says whether a network of one hidden layer is constant, because its units cancel exactly."""
    shape = network.shape
    (hidden, outputs), (biases, _) = split(shape, network.weights)
    inputs, units = shape.sizes[0], shape.sizes[1]
    totals: dict[Any, Fraction] = defaultdict(Fraction)
    for r in range(units):
        bias = biases[r] if biases else Fraction(0)
        totals[(*hidden[r * inputs : (r + 1) * inputs], bias)] += outputs[r]
    return not any(totals.values())


def constant_bounds(network: BallNetwork) -> list[Ball]:
    """Returns the five numbers of `neural_adversarial.Constant`, as balls."""
    hidden, last = network.matrices
    scale = exact(network.shape.scales[1])
    rows, outputs = hidden.tolist(), [x / scale for x in last.entries()]
    units, inputs = len(rows), len(rows[0])
    sizes = [sum((x * x for x in row), arb(0)).upper().sqrt().upper() for row in rows]
    weighted = arb_mat(
        units, inputs, [a * x for a, row in zip(outputs, rows, strict=True) for x in row]
    )
    row, entry = _largest(sizes), _largest([abs(a).upper() for a in outputs])
    second = norm_above(weighted)
    if inputs * (inputs + 1) // 2 > MAX_PRODUCTS:
        fourth = (row * norm_above(hidden)).upper()
        return [fourth, (row * second).upper(), second, row, entry]
    products = [_products(row) for row in rows]
    each = len(products[0])
    plain = arb_mat(units, each, [x for row in products for x in row])
    scaled = arb_mat(
        units, each, [a * x for a, row in zip(outputs, products, strict=True) for x in row]
    )
    return [norm_above(plain), norm_above(scaled), second, row, entry]


def _products(row: list[Ball]) -> list[Ball]:
    root = arb(2).sqrt()
    return [
        x * y if i == j else root * x * y
        for i, x in enumerate(row)
        for j, y in enumerate(row[: i + 1])
    ]


def _largest(sizes: list[Ball]) -> Ball:
    found = arb(0)
    for x in sizes:
        found = found.max(x)
    return found.upper()


def adversarial_gradients(networks: list[BallNetwork], data: AdversarialData) -> list[list[Ball]]:
    """Returns the gradients of both players' costs, V and -V, without decay."""
    generator, discriminator = networks
    first, second = ([arb(0)] * network.shape.weights for network in networks)
    for batch, at in data.at_data(discriminator):
        p = [-x / data.samples for x in _slopes(data.value, at.outputs.entries(), -1)]
        found = discriminator.gradient(at, arb_mat(1, len(batch), p))
        second = [x + y for x, y in zip(second, found, strict=True)]
    for batch, made, at in data.at_noise(networks):
        q = [x / data.value.noise for x in _slopes(data.value, at.outputs.entries(), 1)]
        found = discriminator.gradient(at, arb_mat(1, len(batch), q))
        second = [x + y for x, y in zip(second, found, strict=True)]
        after, _ = discriminator.adjoints(at, arb_mat(1, len(batch), [-x for x in q]))
        found = generator.gradient(made, discriminator.matrices[0].transpose() * after[0])
        first = [x + y for x, y in zip(first, found, strict=True)]
    return [first, second]


def _slopes(value: Adversarial, outputs: list[Ball], sign: int) -> list[Ball]:
    """Returns the sizes of slopes of the loss: the logistic function of an output, or 1."""
    if value.loss == "wasserstein":
        return [arb(1)] * len(outputs)
    return [1 / (1 + (-sign * x).exp()) for x in outputs]


def rederive_adversarial(situation: Situation) -> list[list[Ball]]:
    """Derives the evidence of `neural_adversarial` again; returns the gradients of V and -V."""
    evidence, value = situation.evidence, read_adversarial(situation.game)
    data = AdversarialData(situation.data, situation.samples, value, situation.shapes)
    found = at_centre(situation.centre, data)
    for name, parts in found.scalars.items():
        for batch, scalars in parts:
            require_scalars(scalars, evidence[name], batch)
    for row, stated in zip(found.sizes, evidence["sizes"].items(2), strict=True):
        for size, number in zip(row, stated.numbers(len(row)), strict=True):
            require_bound(size, number, "sizes of the discriminator")
    if evidence["constant"].value is not None:
        require_constant(situation.centre[1], evidence["constant"])
    return adversarial_gradients(situation.point, data)


def require_constant(network: BallNetwork, file: Reader) -> None:
    """Requires that a discriminator is constant, and what is stated of its units."""
    require(
        is_constant(network),
        "the discriminator is constant at the centre, as its units cancel exactly (level 2)",
    )
    for name, found in zip(Constant._fields, constant_bounds(network), strict=True):
        require_bound(found, file[name].number(), f"{name} of the units of the discriminator")
