"""What a neural file says of the value of a generative adversarial network."""

from typing import Any, final

from typing_extensions import override

import dgames as dg
from certify.checker.network_balls import Ball, BallNetwork
from certify.checker.neural_adversarial import Constant, read_adversarial
from certify.checker.neural_recursion import Layers
from certify.checker.reader import Reader
from certify.checker.rederive_adversarial import (
    AdversarialData,
    adversarial_gradients,
    at_centre,
    constant_bounds,
    is_constant,
)
from certify.file.contents import Contents
from certify.problem.network_contents import shape_of
from certify.problem.network_data import adversarial_arrays
from certify.prove.neural.ball_bounds import bound_in_file, scalars_in_file
from certify.prove.neural.value_proof import AbstractValueProof
from dgames.nn import MLP


@final
class AdversarialProof(AbstractValueProof):
    """The parts of a proof that belong to a `dgames.Adversarial`; data are `(x, z)`."""

    @override
    def __init__(
        self, value: dg.Adversarial, networks: list[MLP], described: list[Contents], data: Any
    ) -> None:
        arrays = adversarial_arrays(data, networks, value.residual)
        self.samples, self.numbers = len(arrays.x), arrays.numbers
        self.section = {
            "kind": "adversarial",
            "loss": value.loss,
            "residual": value.residual,
            "noise": len(arrays.z),
        }
        game = {"value": self.section, "networks": described}
        shapes = [shape_of(each) for each in described]
        exact = Reader(self.numbers).numbers(len(self.numbers))
        value_read = read_adversarial(Reader(game))
        self._data = AdversarialData(exact, self.samples, value_read, shapes)
        last = shapes[1]
        self._may_cancel = len(last.sizes) == 3 and last.activation.name != "groupsort"

    @override
    def start(self, centre: list[BallNetwork]) -> None:
        """Runs the networks at the centre of the region, for all radii."""
        found = at_centre(centre, self._data)
        constant = None
        if self._may_cancel and is_constant(centre[1]):
            bounds = zip(Constant._fields, constant_bounds(centre[1]), strict=True)
            constant = {name: bound_in_file(ball) for name, ball in bounds}
        self._evidence = {
            **{
                name: scalars_in_file(*(scalars for _, scalars in parts))
                for name, parts in found.scalars.items()
            },
            "sizes": [[bound_in_file(x) for x in row] for row in found.sizes],
            "constant": constant,
        }

    @override
    def evidence(self, networks: list[Layers], radius: tuple[float, ...]) -> Contents:
        """Returns the section `evidence.value`, which does not depend on the region."""
        return self._evidence

    @override
    def gradients(self, point: list[BallNetwork]) -> list[list[Ball]]:
        """Returns the gradients of both players' costs at a point, without decay."""
        return adversarial_gradients(point, self._data)
