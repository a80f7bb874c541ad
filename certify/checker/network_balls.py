"""Networks in ball arithmetic: values, adjoints, norms, and gradients in their weights.

Matrices are those of python-flint, whose entries are balls. Columns belong to samples; of adjoints,
o columns belong to each, one for each output.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

from flint import arb, arb_mat  # pyright: ignore[reportMissingTypeStubs]

from .intervals import exact
from .neural import NetworkShape, squarings
from .neural_activations import Activation

# Balls, and matrices of them.
Ball: TypeAlias = Any
Balls: TypeAlias = Any


class Derivatives(NamedTuple):
    """An activation at an entry: the value, and the first two derivatives, divided as in files."""

    value: Ball
    first: Ball
    second: Ball


class LayerScalars(NamedTuple):
    """The scalars of `neural_recursion` for all samples, as balls: lists by layer of lists."""

    inputs: list[list[Ball]]
    slopes: list[list[Ball]]
    adjoints: list[list[Ball]]
    entries: list[list[Ball]]
    curvatures: list[list[Ball]]


class NetworkPass(NamedTuple):
    """What a network does to inputs.

    Attributes:
        inputs: For each layer, what goes into it, (inputs, samples).
        first: For each hidden layer, `s'(a)`, row by row; of groupsort, the share p of each pair.
        second: For each hidden layer, `s''(a)`; of groupsort, `4 p (1 - p)` of each pair.
        outputs: The outputs, (outputs, samples).
    """

    inputs: list[Balls]
    first: list[list[Ball]]
    second: list[list[Ball]]
    outputs: Balls


class BallNetwork:
    """A network with exact weights.

    Args:
        shape: The description of the network.
        weights: All weights: the matrices layer by layer, row by row, then the biases.
    """

    def __init__(self, shape: NetworkShape, weights: Sequence[Fraction]) -> None:
        self.shape, self.weights, self.matrices, self.biases = shape, weights, [], []
        parts, biases = split(shape, weights)
        for k, part in enumerate(parts):
            scale = exact(shape.scales[k])
            entries = [scale * exact(x) for x in part]
            self.matrices.append(arb_mat(shape.sizes[k + 1], shape.sizes[k], entries))
            self.biases.append([exact(x) for x in biases[k]])

    def norms(self) -> list[Ball]:
        """Returns bounds on the spectral norms of the layers."""
        return [norm_above(matrix) for matrix in self.matrices]

    def run(self, inputs: Balls) -> NetworkPass:
        """Evaluates the network, and the derivatives of its activations."""
        samples, last = inputs.ncols(), len(self.matrices) - 1
        found = NetworkPass([], [], [], None)
        for k, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            found.inputs.append(inputs)
            entries = (matrix * inputs).entries()
            if bias:
                entries = [
                    x + b
                    for i, b in enumerate(bias)
                    for x in entries[i * samples : (i + 1) * samples]
                ]
            if k < last:
                entries, first, second = _activated(self.shape.activation, entries, samples)
                found.first.append(first)
                found.second.append(second)
            inputs = arb_mat(len(entries) // samples, samples, entries)
        return found._replace(outputs=inputs)

    def adjoints(self, at: NetworkPass, outputs: Balls) -> tuple[list[Balls], list[Balls]]:
        """Returns `Mu_k` of all layers and `Lam_k` of hidden ones, for adjoints of the outputs.

        Args:
            at: The network at its inputs.
            outputs: The adjoints of the outputs, (outputs, columns); columns are as many as
                samples, or several in a row for each.
        """
        after, before = [outputs], []
        for k in reversed(range(len(self.matrices) - 1)):
            lam = self.matrices[k + 1].transpose() * after[0]
            before.insert(0, lam)
            each = lam.ncols() // at.outputs.ncols()
            entries = _pulled(self.shape.activation, lam, at.first[k], each)
            after.insert(0, arb_mat(lam.nrows(), lam.ncols(), entries))
        return after, before

    def scalars(self, at: NetworkPass) -> LayerScalars:
        """Returns the scalars of `neural_recursion` at the weights of this network."""
        samples, outputs = at.outputs.ncols(), at.outputs.nrows()
        columns = outputs * samples
        unit = [arb(int(i == j % outputs)) for i in range(outputs) for j in range(columns)]
        after, before = self.adjoints(at, arb_mat(outputs, columns, unit))
        activation = self.shape.activation
        found = LayerScalars([], [], [], [], [])
        for matrix in at.inputs:
            entries = matrix.entries()
            found.inputs.append([_length(entries[n::samples]) for n in range(samples)])
        for k, lam in enumerate(before):
            slopes = at.first[k]
            if activation.name == "groupsort":
                found.slopes.append([arb(1)] * samples)
            else:
                found.slopes.append([_largest(slopes[n::samples]) for n in range(samples)])
            found.adjoints.append(_column_norms(after[k], samples))
            sizes = _row_sizes(activation, lam, outputs)
            found.entries.append([_largest(sizes[n::samples]) for n in range(samples)])
            bent = [abs(x) * y for x, y in zip(at.second[k], sizes, strict=True)]
            found.curvatures.append([_largest(bent[n::samples]) for n in range(samples)])
        return found

    def gradient(self, at: NetworkPass, outputs: Balls) -> list[Ball]:
        """Returns the gradient of `sum_n <outputs_n, network(x_n)>`, in the order of weights."""
        after, _ = self.adjoints(at, outputs)
        slopes: list[Ball] = []
        for scale, adjoint, inputs in zip(self.shape.scales, after, at.inputs, strict=True):
            factor = exact(scale)
            slopes += [factor * x for x in (adjoint * inputs.transpose()).entries()]
        for bias, adjoint in zip(self.biases, after, strict=True):
            if bias:
                slopes += [sum(row, arb(0)) for row in adjoint.tolist()]
        return slopes


def split(shape: NetworkShape, weights: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Splits weights into matrices, layer by layer, and biases (empty where there are none)."""
    matrices, biases, start = [], [], 0
    for before, after in zip(shape.sizes, shape.sizes[1:], strict=False):
        matrices.append(weights[start : start + before * after])
        start += before * after
    for after, has in zip(shape.sizes[1:], shape.biases, strict=True):
        biases.append(weights[start : start + after * has])
        start += after * has
    return matrices, biases


def norm_above(matrix: Balls) -> Ball:
    """Bounds the spectral norm of a matrix, nearly by itself, by squaring its Gram matrix.

    With `G = C'C`, positive semidefinite, `||C||^2 = ||G|| = ||G^m||^(1/m) <= |G^m|_F^(1/m)`. After
    each squaring G is divided by its trace, of which the factors are kept.
    """
    rows, columns = matrix.nrows(), matrix.ncols()
    gram = matrix * matrix.transpose() if rows < columns else matrix.transpose() * matrix
    if gram.nrows() == 1:
        return gram[0, 0].upper().sqrt()
    power, size = 1, arb(1)  # ||C||^(2 power) = size ||gram||
    for _ in range(squarings(gram.nrows())):
        trace = gram.trace().upper()
        if not trace > 0:
            return trace
        gram = gram * (1 / trace)
        gram, power, size = gram * gram, 2 * power, (size * trace) ** 2
    frobenius = sum((x * x for x in gram.entries()), arb(0)).upper().sqrt()
    return ((size * frobenius).upper()).root(2 * power).upper()


def _activated(
    activation: Activation, entries: list[Ball], samples: int
) -> tuple[list[Ball], list[Ball], list[Ball]]:
    """Returns values and derivatives; of groupsort, derivatives are one for each pair."""
    sharpness = exact(activation.sharpness)
    plain = activation.sharpness == 1
    if activation.name == "groupsort":
        return _sorted(entries, samples, sharpness)
    rule = _RULES[activation.name]
    values, first, second = [], [], []
    for x in entries:
        value, slope, bend = rule(x if plain else sharpness * x)
        values.append(value if plain else value / sharpness)
        first.append(slope)
        second.append(bend if plain else sharpness * bend)
    return values, first, second


def _sorted(
    entries: list[Ball], samples: int, sharpness: Ball
) -> tuple[list[Ball], list[Ball], list[Ball]]:
    values, first, second = [], [], []
    for row in range(0, len(entries), 2 * samples):
        upper, lower = [], []
        for n in range(samples):
            a, b = entries[row + n], entries[row + samples + n]
            p = 1 / (1 + (sharpness * (b - a)).exp())
            larger = a - p.log() / sharpness
            upper.append(larger)
            lower.append(a + b - larger)
            first.append(p)
            second.append(4 * sharpness * p * (1 - p))
        values += upper + lower
    return values, first, second


def _pulled(activation: Activation, lam: Balls, first: list[Ball], each: int) -> list[Ball]:
    """Returns the entries of `s'(a) Lam`, with so many columns of Lam for each sample."""
    entries = lam.entries()
    if activation.name != "groupsort":
        return (
            [first[k // each] * x for k, x in enumerate(entries)]
            if each > 1
            else [p * x for p, x in zip(first, entries, strict=True)]
        )
    columns, result = lam.ncols(), []
    for pair in range(lam.nrows() // 2):
        one = entries[2 * pair * columns : (2 * pair + 1) * columns]
        two = entries[(2 * pair + 1) * columns : (2 * pair + 2) * columns]
        share = [first[pair * (columns // each) + n // each] for n in range(columns)]
        moved = [p * (x - y) for p, x, y in zip(share, one, two, strict=True)]
        result += [y + d for y, d in zip(two, moved, strict=True)]
        result += [x - d for x, d in zip(one, moved, strict=True)]
    return result


def _row_sizes(activation: Activation, lam: Balls, outputs: int) -> list[Ball]:
    """Returns the norms of rows of Lam for each sample, or half of differences in pairs."""
    entries = lam.entries()
    if activation.name == "groupsort":
        columns = lam.ncols()
        entries = [
            (entries[row + k] - entries[row + columns + k]) / 2
            for row in range(0, len(entries), 2 * columns)
            for k in range(columns)
        ]
    if outputs == 1:
        return [abs(x) for x in entries]
    return [_length(entries[k : k + outputs]) for k in range(0, len(entries), outputs)]


def _column_norms(matrix: Balls, samples: int) -> list[Ball]:
    """Returns spectral norms of the columns that belong to each sample."""
    entries, columns = matrix.entries(), matrix.ncols()
    each = columns // samples
    if each == 1:
        return [_length(entries[n::samples]) for n in range(samples)]
    return [
        norm_above(
            arb_mat(
                [
                    [x for x in entries[row + n * each : row + (n + 1) * each]]
                    for row in range(0, len(entries), columns)
                ]
            )
        )
        for n in range(samples)
    ]


def _length(entries: Sequence[Ball]) -> Ball:
    return sum((x * x for x in entries), arb(0)).upper().sqrt().upper()


def _largest(entries: Sequence[Ball]) -> Ball:
    found = arb(0)
    for x in entries:
        found = found.max(abs(x))
    return found.upper()


def _tanh(x: Ball) -> Derivatives:
    y = x.tanh()
    slope = 1 - y * y
    return Derivatives(y, slope, -2 * y * slope)


def _sigmoid(x: Ball) -> Derivatives:
    p = 1 / (1 + (-x).exp())
    slope = p * (1 - p)
    return Derivatives(p, slope, slope * (1 - 2 * p))


def _softplus(x: Ball) -> Derivatives:
    p = 1 / (1 + (-x).exp())
    return Derivatives(x - p.log(), p, p * (1 - p))


def _silu(x: Ball) -> Derivatives:
    p, slope, bend = _sigmoid(x)
    return Derivatives(x * p, p + x * slope, 2 * slope + x * bend)


def _erf(x: Ball) -> Derivatives:
    slope = 2 * (-x * x).exp() / arb.pi().sqrt()
    return Derivatives(x.erf(), slope, -2 * x * slope)


def _gelu(x: Ball) -> Derivatives:
    share = (1 + (x / arb(2).sqrt()).erf()) / 2
    density = (-x * x / 2).exp() / (2 * arb.pi()).sqrt()
    return Derivatives(x * share, share + x * density, density * (2 - x * x))


def _sin(x: Ball) -> Derivatives:
    y = x.sin()
    return Derivatives(y, x.cos(), -y)


def _identity(x: Ball) -> Derivatives:
    return Derivatives(x, arb(1), arb(0))


_RULES: dict[str, Callable[[Ball], Derivatives]] = {
    "tanh": _tanh,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "gelu": _gelu,
    "erf": _erf,
    "sin": _sin,
    "identity": _identity,
}
