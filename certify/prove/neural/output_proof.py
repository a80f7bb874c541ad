"""What a neural file says of a value that is a mean over data of a function of outputs."""

from typing import Any, final

import jax
import numpy as np
from typing_extensions import override

import dgames as dg
from certify.checker.network_balls import Ball, BallNetwork
from certify.checker.neural_outputs import read_pass
from certify.checker.neural_recursion import Layers, bend
from certify.checker.reader import Reader
from certify.checker.rederive_outputs import (
    OutputData,
    OutputFunction,
    output_gradients,
    outputs_of,
)
from certify.file.contents import Contents
from certify.graph.output_graph import traced_outputs
from certify.problem.network_contents import shape_of
from certify.problem.network_data import output_arrays
from certify.prove.mismatch import require_same
from certify.prove.neural.ball_bounds import bound_in_file, scalars_in_file
from certify.prove.neural.value_proof import AbstractValueProof
from certify.rounding import float_above
from dgames.nn import MLP


@final
class OutputProof(AbstractValueProof):
    """The parts of a proof that belong to a `dgames.OutputValue`; data are `(x, z, rest)`."""

    @override
    def __init__(
        self, value: dg.OutputValue, networks: list[MLP], described: list[Contents], data: Any
    ) -> None:
        arrays = output_arrays(data, networks)
        sizes = (networks[0].sizes[-1], networks[1].sizes[-1])
        traced = traced_outputs(value.fn, sizes, arrays.first)
        self.samples, self.numbers = arrays.samples, arrays.numbers
        self.promoted = traced.promoted
        self._fn, self._sizes, self._rest = value.fn, sizes, arrays.rest
        self.section = {"kind": "outputs", "graph": traced.graph, "datum": traced.datum}
        shapes = [shape_of(each) for each in described]
        self._function = OutputFunction(Reader(self.section), shapes)
        exact = Reader(self.numbers).numbers(len(self.numbers))
        self._data = OutputData(exact, self.samples, shapes, traced.datum)

    @override
    def start(self, centre: list[BallNetwork]) -> None:
        """Runs the networks at the centre of the region, for all radii."""
        self._outputs, scalars = [], [[], []]
        for _, passes in self._data.runs(centre):
            self._outputs += outputs_of(passes)
            for found, network, at in zip(scalars, centre, passes, strict=True):
                found.append(network.scalars(at))
        self._passes = [scalars_in_file(*parts) for parts in scalars]
        self._compare()

    def _compare(self) -> None:
        """Runs the function's code on the outputs at the centre, and compares it with its graph.

        Raises:
            MismatchError: If they differ.
        """
        outputs = np.array([[float(x) for x in row] for row in self._outputs])
        first = self._sizes[0]
        ran = np.asarray(
            jax.vmap(self._fn)(outputs[:, :first], outputs[:, first:], self._rest), np.float64
        )
        pairs = zip(self._outputs, self._data.datum, strict=True)
        read = np.array([float(self._function.value(*pair)) for pair in pairs])
        slack = (2.0**-7 if self.promoted else 1e-9) * (1 + np.abs(read) + np.abs(outputs).sum(1))
        ran, read, slack = ran[:, None], read[:, None], slack[:, None]

        def where(k: int, _: int) -> str:
            return f"the function of outputs at sample {k}"

        require_same("certify_networks", ran, read, slack, where)

    @override
    def evidence(self, networks: list[Layers], radius: tuple[float, ...]) -> Contents:
        """Returns the section `evidence.value` for a region."""
        reach = []
        for network, file in zip(networks, self._passes, strict=True):
            scalars = read_pass(Reader(file), network.depth, self.samples)
            reach.append([(float_above(bend(network, at).reach) + 0.0).hex() for at in scalars])
        stated = [Reader(row).numbers(self.samples) for row in reach]
        found = [
            self._function.over(outputs, [row[n] for row in stated], self._data.datum[n])
            for n, outputs in enumerate(self._outputs)
        ]
        function = {
            name: [[bound_in_file(getattr(each, name)[i]) for each in found] for i in range(2)]
            for name in ("slope", "concave", "size")
        }
        mixed = [bound_in_file(each.mixed) for each in found]
        return {"passes": self._passes, "reach": reach, "function": {**function, "mixed": mixed}}

    @override
    def gradients(self, point: list[BallNetwork]) -> list[list[Ball]]:
        """Returns the gradients of both players' costs at a point, without decay."""
        return output_gradients(point, self._function, self._data)
