"""Makes certificates that robust training converges: a network against whoever weighs the data."""

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

import dgames as dg
from certify.checker.graph import game_hash
from certify.checker.neural import digest_of
from certify.checker.neural_outputs import read_pass
from certify.checker.neural_recursion import Layers, bend
from certify.checker.neural_recursion import root_above as exact_root_above
from certify.checker.neural_robust import (
    RobustBounds,
    RobustConstants,
    coupling_of,
    prox_rate,
    read_robust,
    residual_square,
    robust_constants,
    start_distance,
    stretch_square,
)
from certify.checker.reader import FORMAT, NEURAL, VERSION, Reader
from certify.checker.rederive_neural import PRECISION, distance, layer_distances, residual
from certify.checker.rederive_outputs import OutputData, outputs_of
from certify.checker.rederive_robust import at_point, loss_over
from certify.file.contents import Contents
from certify.file.provenance import provenance
from certify.problem.network_contents import (
    flat_weights,
    network_contents,
    shape_of,
)
from certify.problem.robust_data import RobustArrays, robust_arrays, robust_section
from certify.prove.file_parts import hexadecimal
from certify.prove.neural.ball_bounds import ball_network, bound_in_file, scalars_in_file
from certify.prove.neural.networks_proof import is_stored, near_of
from certify.prove.neural.robust_question import RobustQuestion
from certify.prove.no_proof import NoProof
from certify.rounding import float_above, float_below, root_above
from certify.steps.enough import steps_enough
from dgames.neural import Robust
from dgames.nn import MLP

TRUSTED = (
    "The norms, scalars, derivatives of losses, distances and residuals that the file states, see "
    "certify/checker/neural_robust.py. Level 2 of the checker derives them again from the weights "
    "and the data in this file, if it has them; else they rest on the same code and python-flint.",
    "The network, its activation function and the loss are those of real arithmetic; so are steps.",
    "The checker and the Python interpreter that runs it.",
)

# Weights of data are integers in this unit.
_UNIT = 2**60
# Regions that are tried for "contains_start", in units of the distance of the start.
_SIZES = (1.1, 1.25, 1.5, 1.75)
# Step sizes of mirror prox that are tried, in units of the largest one.
_SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def robust_game(game: dg.ZeroSumNetworks, network: MLP, arrays: RobustArrays) -> Contents:
    """Returns the section `game` of a file."""
    assert isinstance(game.value, Robust)
    section = {
        "name": type(game).__name__,
        "value": robust_section(game.value),
        "networks": [network_contents(network, game.decay[0], game.start[0])],
        "data": {"samples": len(arrays.x), "digest": digest_of(arrays.numbers)},
    }
    return {**section, "hash": game_hash(section)}


class RobustProof:
    """Everything about a question that does not depend on the region.

    Args:
        asked: The question.
        data: The data (x, y).

    Raises:
        ValueError: If the data do not fit.
    """

    def __init__(self, asked: RobustQuestion, data: Any) -> None:
        game, (network, weights) = asked.game, asked.point
        assert isinstance(game.value, Robust)
        self.asked, arrays = asked, robust_arrays(game.value, network, data)
        self.numbers, self.samples = arrays.numbers, len(arrays.x)
        self.game = robust_game(game, network, arrays)
        described = self.game["networks"][0]
        self.shape, self.value = (
            shape_of(described),
            read_robust(Reader(self.game["value"]), self.samples),
        )
        self.integers = integer_weights(weights, len(self.value.groups), self.value.divergence)
        self.point, self.centre = flat_weights(network), flat_weights(asked.centre)
        self.start = None if asked.start is None else flat_weights(asked.start)
        target = None if game.start[0] is None else flat_weights(game.start[0])
        self.stored = [each for each in (self.point, self.centre, target) if each]
        exact = Reader(self.numbers).numbers(len(self.numbers))
        data = OutputData(exact, self.samples, [self.shape], 1)
        self.labels = [int(number) for (number,) in data.datum]
        middle = ball_network(described, self.centre)
        self.norms = [bound_in_file(x) for x in middle.norms()]
        self.outputs, scalars = [], []
        for _, (run,) in data.runs([middle]):
            self.outputs += outputs_of([run])
            scalars.append(middle.scalars(run))
        self.passes = scalars_in_file(*scalars)
        here, there = self.point.exact, self.centre.exact
        self.distances = [bound_in_file(x) for x in layer_distances(self.shape, here, there)]
        at = middle if here == there else ball_network(described, self.point)
        total = sum(self.integers)
        self.weights = [Fraction(x, total) for x in self.integers]
        found = at_point(self.value, at, data, self.labels, self.weights)
        to = None if target is None else target.exact
        self.residual = bound_in_file(residual(self.shape.decay, here, to, found.gradient))
        self.spread = bound_in_file(found.spread)
        self.away = None
        if self.start is not None:
            self.away = bound_in_file(distance([self.start.exact], [here]))

    def at(self, radius: float) -> "RobustRegion":
        """Bounds everything on a region."""
        norms = Reader(self.norms).numbers(len(self.norms))
        scales, biases, activation = self.shape.scales, self.shape.biases, self.shape.activation
        layers = Layers(
            scales, biases, activation, norms, [Fraction(radius)] * len(norms), Fraction(radius)
        )
        scalars = read_pass(Reader(self.passes), layers.depth, self.samples)
        bends = [bend(layers, each) for each in scalars]
        reach = [(float_above(each.reach) + 0.0).hex() for each in bends]
        losses = [
            loss_over(self.value.loss, outputs, label, r)
            for outputs, label, r in zip(
                self.outputs, self.labels, Reader(reach).numbers(self.samples), strict=True
            )
        ]
        slope, size = (
            [bound_in_file(getattr(x, name)) for x in losses] for name in ("slope", "size")
        )
        loss = {"slope": slope, "concave": [(0.0).hex()] * self.samples, "size": size}
        columns = (
            Reader(loss[name]).numbers(self.samples) for name in ("slope", "concave", "size")
        )
        found = robust_constants(self.value, bends, *columns)
        (room,) = Reader([float(radius).hex()]).numbers(1)
        numbers = Reader(self.distances).numbers(len(norms))
        room -= exact_root_above(sum((x * x for x in numbers), Fraction(0)))
        return RobustRegion(self, radius, found, reach, loss, room)


class Choice(NamedTuple):
    """Steps in one geometry.

    Attributes:
        bounds: The constants.
        margin: The margin.
        lipschitz: The Lipschitz constant.
        near: The radius r of the equilibrium.
        steps: A step for each method.
        distance: The distance of the start, or None.
        training: The method with the fewest steps from the start and their number, or None.
    """

    bounds: RobustBounds
    margin: float
    lipschitz: float
    near: float
    steps: list[dict[str, Any]]
    distance: float | None
    training: tuple[str, int] | None


class RobustRegion(NamedTuple):
    """Bounds on a region, and how much of it is left around the point."""

    proof: RobustProof
    radius: float
    constants: RobustConstants
    reach: list[str]
    loss: Contents
    room: Fraction

    @property
    def left(self) -> Fraction:
        """What decay leaves of curvature."""
        return self.proof.shape.decay - self.constants.bend

    def choices(self) -> list[Choice]:
        """Returns steps for several geometries, the best ones first."""
        if self.left <= 0:
            return []
        largest = self.proof.value.temperature / self.left
        found = [self.choice(float_below(largest / 2**k)) for k in range(9)]
        possible = [each for each in found if each is not None]
        return sorted(
            possible,
            key=lambda each: (
                each.training is None,
                0 if each.training is None else each.training[1],
                -each.margin,
            ),
        )

    def choice(self, omega: float) -> Choice | None:
        """Returns steps in one geometry, or None if the equilibrium is not in the region."""
        proof, decay, exact = self.proof, self.proof.shape.decay, Fraction(omega)
        (spread,) = Reader([proof.spread]).numbers(1)
        away = None if proof.away is None else Fraction(float.fromhex(proof.away))
        bounds = RobustBounds(
            self.constants.bend,
            self.constants.size,
            coupling_of(self.constants.slope, exact),
            proof.value.temperature,
            exact,
            proof.value,
            proof.weights,
            spread,
            away,
        )
        margin = float_below(bounds.margin(decay))
        lipschitz = float_above(bounds.lipschitz)
        square = residual_square(Fraction(float.fromhex(proof.residual)), bounds)
        near = near_of(exact_root_above(square) / Fraction(margin))
        room = self.room - Fraction(near)
        if room <= 0:
            return None
        reached = None if away is None else float_above(start_distance(bounds, Fraction(near)))
        steps, best = [], None
        for name in proof.asked.methods:
            proposed = _steps(name, bounds, decay, margin, lipschitz, room)
            if not proposed:
                continue
            counted = [
                (
                    math.inf
                    if reached is None or reached > step["basin"]
                    else _count(step, reached, proof),
                    step,
                )
                for step in proposed
            ]
            count, step = min(counted, key=lambda pair: (pair[0], pair[1]["rate"]))
            steps.append(step)
            if count < math.inf and (best is None or count < best[1]):
                best = name, int(count)
        return Choice(bounds, margin, lipschitz, near, steps, reached, best)


def _count(step: dict[str, Any], reached: float, proof: RobustProof) -> int:
    return steps_enough(step["rate"], 1.0, reached, 0.0, proof.asked.accuracy)


def _steps(
    name: str,
    bounds: RobustBounds,
    decay: Fraction,
    margin: float,
    lipschitz: float,
    room: Fraction,
) -> list[dict[str, Any]]:
    """Returns steps of a method: of mirror prox several, as shorter ones stretch less."""
    most = Fraction(1) / Fraction(lipschitz)
    if name == "mirror_descent":
        sizes = [min(most, Fraction(margin) / Fraction(lipschitz) ** 2)]
    else:
        sizes = [most * Fraction(share) for share in _SHARES]
    found = []
    for size in sizes:
        h = Fraction(float_below(size))
        gain = Fraction(margin)
        if name == "mirror_prox":
            gain = prox_rate(bounds, decay, Fraction(lipschitz), h)
            if gain <= 0:
                continue
        rate = root_above(1 / (1 + h * gain))
        stretch = max(1.0, root_above(stretch_square(bounds, decay, h)))
        if rate < 1:
            found.append(
                {
                    "method": name,
                    "theorem": "mixed",
                    "max": float(h),
                    "best": float(h),
                    "rate": rate,
                    "stretch": stretch,
                    "basin": float_below(room / Fraction(stretch)),
                }
            )
    return found


def integer_weights(weights: np.ndarray, count: int, divergence: str) -> list[int]:
    """Returns weights of data as integers, whose sum stands for one.

    Raises:
        ValueError: If they are not so many, or zero where they have to be positive.
    """
    if len(weights) != count:
        raise ValueError(
            f"certify_networks: the second player at the point has one weight for each of {count} "
            f"samples or groups; got {len(weights)}"
        )
    integers = [int(Fraction(float(x)) * _UNIT) for x in weights]
    if sum(integers) == 0 or (divergence == "entropy" and min(integers) < 1):
        raise ValueError(
            "certify_networks: weights at the point are not all zero, and with the entropy they "
            "are positive"
        )
    return integers


def robust_contents(asked: RobustQuestion, data: Any) -> Contents:
    """Returns the contents of a file.

    Args:
        asked: The question.
        data: The data.

    Raises:
        NoProof: If there is no margin, or the equilibrium is not in the region.
    """
    with ctx.workprec(PRECISION):
        proof = RobustProof(asked, data)
        if asked.radius is not None:
            region, choices = proof.at(asked.radius), []
            choices = region.choices()
        else:
            region, choices = _containing(proof)
        if not choices:
            raise NoProof(_why(region))
        return _contents(region, choices[0])


def _containing(proof: RobustProof) -> tuple[RobustRegion, list[Choice]]:
    """Returns, of some regions, the one with the fewest steps from the start, if any has them."""
    assert proof.away is not None
    distances = Reader(proof.distances).numbers(len(proof.distances))
    length = exact_root_above(sum((x * x for x in distances), Fraction(0)))
    away = max(float.fromhex(proof.away), 2.0**-10)
    tried = []
    for size in _SIZES:
        region = proof.at(float_above(length + Fraction(size * away)))
        tried.append((region, region.choices()))
    return min(tried, key=lambda pair: _steps_of(pair[1]))


def _steps_of(choices: list[Choice]) -> tuple[bool, float]:
    if not choices:
        return True, math.inf
    found = choices[0].training
    return False, math.inf if found is None else float(found[1])


def _why(region: RobustRegion) -> str:
    decay, bent = float(region.proof.shape.decay), float_above(region.constants.bend)
    if region.left <= 0:
        return (
            f"own curvature takes up to {bent:.6g} of a decay of {decay:.6g} on a region of radius "
            f"{region.radius:.6g}, so that no margin is left; a smaller radius, more decay or "
            "wider networks may help"
        )
    return (
        f"the equilibrium is not proved to be inside a region of which {float(region.room):.6g} "
        "around the point is left; train longer, or take a larger radius"
    )


def _contents(region: RobustRegion, choice: Choice) -> Contents:
    proof = region.proof
    claims: dict[str, Any] = {
        "region": {
            "centre": [proof.centre.digest],
            "radii": [[region.radius] * len(proof.norms)],
            "radius": [region.radius],
        },
        "margin": choice.margin,
        "lipschitz": choice.lipschitz,
        "equilibrium": {"point": [proof.point.digest], "radius": choice.near},
        "basin": {"radius": float_below(region.room - Fraction(choice.near))},
        "steps": choice.steps,
    }
    if choice.training is not None and proof.start is not None:
        method, count = choice.training
        claims["start"] = {
            "point": [proof.start.digest],
            "distance": choice.distance,
            "method": method,
            "accuracy": proof.asked.accuracy,
            "steps": count,
        }
    without = [
        name for name in proof.asked.methods if name not in [s["method"] for s in choice.steps]
    ]
    kept = {}
    if is_stored([proof.shape], proof.samples):
        listed = [*proof.stored, *([proof.start] if "start" in claims and proof.start else [])]
        kept = {"weights": {each.digest: each.hexes for each in listed}, "data": proof.numbers}
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": NEURAL,
        "game": proof.game,
        "claims": hexadecimal(claims),
        "trusted": list(TRUSTED),
        "provenance": {**provenance(), **({"methods_without_step": without} if without else {})},
        "evidence": {
            "networks": [
                {"norms": proof.norms, "distances": proof.distances, "residual": proof.residual}
            ],
            "value": {
                "passes": proof.passes,
                "reach": region.reach,
                "loss": region.loss,
                "geometry": float(choice.bounds.omega).hex(),
                "weights": proof.integers,
                "spread": proof.spread,
                "away": proof.away,
            },
            **kept,
        },
    }
