"""What a neural file says of a value whose second player moves the inputs of a network."""

import math
from fractions import Fraction
from typing import Any, final

import jax
import numpy as np
from typing_extensions import override

import dgames as dg
from certify.checker.network_balls import Ball, BallNetwork
from certify.checker.neural_adversarial import Constant
from certify.checker.neural_outputs import read_pass
from certify.checker.neural_perturbed import moved_bend, read_perturbed
from certify.checker.neural_recursion import Layers
from certify.checker.reader import Reader
from certify.checker.rederive_adversarial import constant_bounds, is_constant
from certify.checker.rederive_outputs import outputs_of
from certify.checker.rederive_perturbed import (
    DatumLoss,
    MovedData,
    farthest_of,
    perturbed_gradients,
)
from certify.file.contents import Contents
from certify.problem.network_contents import shape_of
from certify.problem.perturbed_data import perturbed_arrays, perturbed_section
from certify.prove.mismatch import require_same
from certify.prove.neural.ball_bounds import bound_in_file, scalars_in_file
from certify.prove.neural.value_proof import AbstractValueProof
from certify.rounding import float_above
from dgames.nn import MLP

# Levels are this factor apart at most, from this share of the radius on.
_APART, _FIRST = 1.3, 0.4


@final
class PerturbedProof(AbstractValueProof):
    """The parts of a proof that belong to a `dgames.Perturbed`; data are `(x, y)`."""

    @override
    def __init__(
        self, value: dg.Perturbed, networks: list[MLP], described: list[Contents], data: Any
    ) -> None:
        (network,) = networks
        arrays = perturbed_arrays(value, network, data)
        section = perturbed_section(value, network, arrays)
        self.section, self.promoted = section
        self.samples, self.numbers = len(arrays.x), arrays.numbers
        self._shape, self._inputs = shape_of(described[0]), arrays.x.shape[1]
        read = read_perturbed(Reader({"value": self.section, "networks": described}))
        exact = Reader(self.numbers).numbers(len(self.numbers))
        self._limit = value.radius
        self._data = MovedData(exact, self.samples, [self._shape], read.datum)
        self._loss = DatumLoss(read, Reader(self.section), self._shape, self._data.datum)
        self._fn, self._rest = value.loss, arrays.rest

    @override
    def start(self, centre: list[BallNetwork]) -> None:
        """Runs the network at the centre of the region, for all radii."""
        assert self.moves is not None
        (network,), vectors = centre, [each.exact for each in self.moves]
        if any(len(vector) != self.samples * self._inputs for vector in vectors):
            raise ValueError(
                "certify_networks: the second player at the point moves inputs, of shape "
                f"{(self.samples, self._inputs)}"
            )
        self._outputs, scalars = [], []
        for _, run in self._data.at(network, vectors[0]):
            self._outputs += outputs_of([run])
            scalars.append(network.scalars(run))
        self._passes = scalars_in_file(*scalars)
        self._constant = None
        sizes = self._shape.sizes
        single = len(sizes) == 3 and sizes[-1] == 1 and self._shape.activation.name != "groupsort"
        if single and is_constant(network):
            bounds = zip(Constant._fields, constant_bounds(network), strict=True)
            self._constant = {name: bound_in_file(ball) for name, ball in bounds}
        self._farthest = [bound_in_file(farthest_of(each, self._inputs)) for each in vectors]
        self._farthest += [(0.0).hex()] * (3 - len(vectors))
        self._compare()

    def _compare(self) -> None:
        """Runs the code of the loss on the outputs at the centre, and compares it with its graph.

        Raises:
            MismatchError: If they differ.
        """
        outputs = np.array([[float(x) for x in row] for row in self._outputs])
        ran = np.asarray(jax.vmap(self._fn)(outputs, self._rest), np.float64)
        read = np.array([float(self._loss.value(*pair)) for pair in enumerate(self._outputs)])
        slack = (2.0**-7 if self.promoted else 1e-9) * (1 + np.abs(read) + np.abs(outputs).sum(1))
        one, other, room = (each[:, None] for each in (ran, read, slack))
        require_same("certify_networks", one, other, room, lambda k, _: f"the loss at sample {k}")

    def _levels(self, radius: float) -> list[float]:
        """Returns levels up to the farthest that an input may be from that of the centre."""
        farthest = math.sqrt(self.samples) * radius
        if self._limit is not None:
            away = math.sqrt(self.samples) * float.fromhex(self._farthest[0])
            farthest = min(farthest, self._limit + away)
        last = farthest * (1 + 2.0**-40)
        first = min(_FIRST * radius, last)
        count = math.ceil(math.log(last / first) / math.log(_APART))
        return [*(first * (last / first) ** (k / count) for k in range(count)), last]

    @override
    def evidence(self, networks: list[Layers], radius: tuple[float, ...]) -> Contents:
        """Returns the section `evidence.value` for a region, but for what is about the point."""
        (network,) = networks
        scalars = read_pass(Reader(self._passes), network.depth, self.samples)
        given = None
        if self._constant is not None:
            numbers = (Fraction(float.fromhex(x)) for x in self._constant.values())
            given = Constant(*numbers)
        levels, reach, found = self._levels(radius[1]), [], []
        for level in levels:
            bends = [moved_bend(network, given, at, Fraction(level)) for at in scalars]
            reach.append([(float_above(each.reach) + 0.0).hex() for each in bends])
            stated = Reader(reach[-1]).numbers(self.samples)
            pairs = enumerate(zip(self._outputs, stated, strict=True))
            found.append([self._loss.over(n, *pair) for n, pair in pairs])
        return {
            "passes": self._passes,
            "constant": self._constant,
            "levels": [level.hex() for level in levels],
            "reach": reach,
            "loss": {
                name: [[bound_in_file(each[i]) for each in row] for row in found]
                for i, name in enumerate(("slope", "concave", "size"))
            },
            "moves": {"radius": radius[1].hex(), "farthest": self._farthest},
        }

    @override
    def gradients(self, point: list[BallNetwork]) -> list[list[Ball]]:
        """Returns the gradients of both players' costs at a point, without decay and penalty."""
        assert self.moves is not None
        return perturbed_gradients(point[0], self._loss, self._data, self.moves[1].exact)
