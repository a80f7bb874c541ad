"""Files about games of networks, for a region of any radius."""

from fractions import Fraction
from typing import Any, NamedTuple

import dgames as dg
from certify.checker.graph import game_hash
from certify.checker.neural import (
    MAX_LEVEL_2,
    VALUES,
    NetworkShape,
    constants,
    digest_of,
    level_2_work,
)
from certify.checker.neural_perturbed import PerturbedBounds
from certify.checker.neural_recursion import Curvature, Layers
from certify.checker.neural_recursion import root_above as exact_root_above
from certify.checker.reader import FORMAT, NEURAL, VERSION, Reader
from certify.checker.rederive_neural import distance, layer_distances, residual
from certify.checker.rederive_perturbed import length_of
from certify.checker.steps import UNPROJECTED
from certify.file.contents import Contents
from certify.file.provenance import provenance
from certify.problem.network_contents import (
    FlatWeights,
    flat_moves,
    flat_weights,
    network_contents,
    shape_of,
)
from certify.prove.file_parts import hexadecimal
from certify.prove.neural.ball_bounds import ball_network, bound_in_file
from certify.prove.neural.posed_networks import PosedMoves, PosedNetworks
from certify.prove.neural.training_steps import setting_of, steps_for, training
from certify.prove.neural.value_table import proof_of
from certify.prove.no_proof import NoProof
from certify.rounding import float_above, float_below

TRUSTED = (
    "The norms, scalars, derivatives, distances and residuals that the file states, see "
    "certify/checker/neural.py. Level 2 of the checker derives them again from the weights and the "
    "data in this file, if it has them; else they rest on the same code, with python-flint.",
    "The function of outputs means the real-valued function that its code spells out, and the "
    "networks and their activation functions those of real arithmetic; so do steps.",
    "The checker and the Python interpreter that runs it.",
)
# The most weights of files for level 2, which have them up to four times.
MAX_WEIGHTS = 2**20


def is_stored(shapes: list[NetworkShape], samples: int) -> bool:
    """Says whether a file has its weights and data: if they are not too many for level 2."""
    few = sum(shape.weights for shape in shapes) <= MAX_WEIGHTS
    return few and level_2_work(shapes, samples) <= MAX_LEVEL_2


def near_of(radius: Fraction) -> float:
    """Returns a bound on how far the equilibrium is from the point, as files have it.

    Raises:
        NoProof: If it is larger than all floating-point numbers.
    """
    if radius > 2**1000:
        raise NoProof("the residual at the point is larger than floating-point numbers reach")
    return max(float_above(radius), 2.0**-500)


class RegionBounds(NamedTuple):
    """What is proved of a region.

    Attributes:
        evidence: The section `evidence.value`.
        curvature: The bounds on second derivatives of the value.
        margin: The margin, which may be negative.
        lipschitz: The Lipschitz constant.
    """

    evidence: Contents
    curvature: Curvature
    margin: Fraction
    lipschitz: Fraction


class NetworksProof:
    """A game, bounds at the centre, at the point and at the start, and files for any region.

    Attributes:
        shapes: The networks as the checker reads them.
        away: How far the start is from the point, at most; 0 if there is none.

    Args:
        game: The game.
        posed: The question.
        args: The data.

    Raises:
        ValueError: If the data do not fit, or nothing is known of the value.
        GraphError: If the value has no expression graph.
    """

    def __init__(self, game: dg.ZeroSumNetworks, posed: PosedNetworks, args: Any) -> None:
        described = [
            network_contents(*each)
            for each in zip(posed.point, game.decay, posed.decay_to, strict=False)
        ]
        self.shapes: list[NetworkShape] = [shape_of(each) for each in described]
        self.decays = [shape.decay for shape in self.shapes]
        self.value = proof_of(game.value)(game.value, posed.point, described, args)
        section = {
            "name": type(game).__name__,
            "value": self.value.section,
            "networks": described,
            "data": {"samples": self.value.samples, "digest": digest_of(self.value.numbers)},
        }
        self.game = {**section, "hash": game_hash(section)}
        self.point, self.centre = (
            [flat_weights(each) for each in networks] for networks in (posed.point, posed.centre)
        )
        self.start = None if posed.start is None else [flat_weights(each) for each in posed.start]
        self.targets = [None if each is None else flat_weights(each) for each in posed.decay_to]
        if posed.moves is not None:
            self._add_moves(game, posed.moves)
        balls = [ball_network(*pair) for pair in zip(described, self.centre, strict=False)]
        self.norms = [[bound_in_file(x) for x in net.norms()] for net in balls]
        self.value.start(balls)
        at_point = balls
        if self.point != self.centre:
            at_point = [ball_network(*pair) for pair in zip(described, self.point, strict=False)]
        pairs = [
            (shape, here.exact, there.exact)
            for shape, here, there in zip(self.shapes, self.point, self.centre, strict=False)
        ]
        self.distances = [[bound_in_file(x) for x in layer_distances(*each)] for each in pairs]
        if posed.moves is not None:
            ends = (each[-1].exact for each in (self.centre, self.point))
            self.distances.append([bound_in_file(length_of(*ends))])
        gradients = self.value.gradients(at_point)
        self.residuals = [
            bound_in_file(residual(decay, here.exact, None if to is None else to.exact, gradient))
            for decay, here, to, gradient in zip(
                self.decays, self.point, self.targets, gradients, strict=True
            )
        ]
        self.away = 0.0
        if self.start is not None:
            exact = [[each.exact for each in side] for side in (self.start, self.point)]
            self.away = float.fromhex(bound_in_file(distance(*exact)))

    def _add_moves(self, game: dg.ZeroSumNetworks, moves: PosedMoves) -> None:
        """Adds the strategy of a second player who moves inputs: a vector with a price."""
        assert isinstance(game.value, dg.Perturbed)
        self.point.append(flat_moves(moves.point))
        self.centre.append(flat_moves(moves.centre))
        if self.start is not None and moves.start is not None:
            self.start.append(flat_moves(moves.start))
        self.targets.append(None)
        self.decays.append(Fraction(game.value.penalty))
        self.value.moves = [self.centre[-1], self.point[-1]]
        if self.start is not None:
            self.value.moves.append(self.start[-1])

    def layers(self, radius: tuple[float, ...]) -> list[Layers]:
        """Returns the networks with a region."""
        return [
            Layers(
                shape.scales,
                shape.biases,
                shape.activation,
                Reader(norms).numbers(len(norms)),
                [Fraction(r)] * len(norms),
                Fraction(r),
            )
            for shape, norms, r in zip(
                self.shapes, self.norms, radius[: len(self.shapes)], strict=True
            )
        ]

    def reach(self, radius: tuple[float, ...]) -> Fraction:
        """Returns the radius of the largest ball around the point in the region."""
        room = []
        for r, distances in zip(radius, self.distances, strict=True):
            numbers = Reader(distances).numbers(len(distances))
            room.append(Fraction(r) - exact_root_above(sum((x * x for x in numbers), Fraction(0))))
        return min(room)

    def bounds(self, radius: tuple[float, ...]) -> RegionBounds:
        """Returns what is proved of a region of that radius for each network."""
        networks = self.layers(radius)
        evidence = self.value.evidence(networks, radius)
        if self.value.moves is not None:
            evidence["moves"]["distance"] = self.distances[-1][0]
            evidence["moves"]["residual"] = self.residuals[-1]
        _, rule = VALUES[self.value.section["kind"]]
        curvature = rule(Reader(self.game), Reader(evidence), networks)
        if isinstance(curvature, PerturbedBounds):
            curvature = curvature.curvature
        assert isinstance(curvature, Curvature)
        return RegionBounds(evidence, curvature, *constants(self.decays, curvature))

    def _what_helps(self) -> str:
        """Returns what to try where there is no margin."""
        words = "a smaller radius, more decay or wider networks"
        if self.value.section["kind"] == "adversarial" and self.point == self.centre:
            return f'around="start" with a discriminator that is zero at first, {words}'
        return words

    def near(self, margin: float) -> float:
        """Returns how far the equilibrium is from the point, at most."""
        square = sum((Fraction(float.fromhex(x)) ** 2 for x in self.residuals), Fraction(0))
        return near_of(exact_root_above(square) / Fraction(margin))

    def radii(self, size: float) -> tuple[float, ...]:
        """Returns radii of a region that contains a ball of that radius around the point."""
        numbers = [Reader(each).numbers(len(each)) for each in self.distances]
        lengths = (exact_root_above(sum((x * x for x in each), Fraction(0))) for each in numbers)
        return tuple(float_above(length + Fraction(size)) for length in lengths)

    def contents(self, radius: tuple[float, ...], names: list[str], accuracy: float) -> Contents:
        """Returns the contents of a file with a region of that radius for each network.

        Args:
            radius: The radii.
            names: The methods.
            accuracy: How near the equilibrium training should come.

        Raises:
            NoProof: If there is no margin, or the equilibrium is not in the region.
        """
        found = self.bounds(radius)
        least, most = found.margin, found.lipschitz
        if least <= 0:
            names = ["decay", "decay" if self.value.moves is None else "penalty"]
            parts = zip(names, self.decays, found.curvature.own, strict=True)
            words = " and ".join(
                f"{float_above(own):.6g} of a {name} of {float(decay):.6g}"
                for name, decay, own in parts
            )
            raise NoProof(
                f"own curvature takes up to {words} on a region of radius "
                f"{', '.join(f'{r:.6g}' for r in dict.fromkeys(radius))}, so that no margin is "
                f"left; {self._what_helps()} may help"
            )
        margin, lipschitz = float_below(least), float_above(most)
        near = self.near(margin)
        reach = self.reach(radius)
        basin = float_below(reach - 2 * Fraction(near))
        if basin <= 0:
            raise NoProof(
                f"the equilibrium is within {near:.6g} of the point, which is not inside a region "
                f"of which {float(reach):.6g} around it is left; train longer, or take a larger "
                "radius"
            )
        away = self.away
        setting = setting_of(margin, lipschitz, near, float_below(reach))
        steps = steps_for(names, setting, away)
        if self.value.section.get("limit"):  # then steps are projected
            steps = {k: v for k, v in steps.items() if v["theorem"] not in UNPROJECTED}
        without = [name for name in names if name not in steps]
        claims = {
            "region": {
                "centre": [each.digest for each in self.centre],
                "radii": [[r] * len(norms) for r, norms in zip(radius, self.norms, strict=False)],
                "radius": list(radius),
            },
            "margin": margin,
            "lipschitz": lipschitz,
            "equilibrium": {"point": [each.digest for each in self.point], "radius": near},
            "basin": {"radius": basin},
            "steps": [{"method": name, **step} for name, step in steps.items()],
        }
        if self.start is not None:
            best = training(steps, basin, away, near, accuracy)
            if best is not None:
                claims["start"] = {
                    "point": [each.digest for each in self.start],
                    "distance": away,
                    "method": best.method,
                    "accuracy": accuracy,
                    "steps": best.steps,
                }
        notes = {"methods_without_step": without} if without else {}
        return {
            "format": FORMAT,
            "version": VERSION,
            "kind": NEURAL,
            "game": self.game,
            "claims": hexadecimal(claims),
            **({"promoted": list(self.value.promoted)} if self.value.promoted else {}),
            "trusted": [*TRUSTED, *self.value.promoted],
            "provenance": {**provenance(), **notes},
            "evidence": {
                "networks": [
                    {"norms": norms, "distances": distances, "residual": size}
                    for norms, distances, size in zip(
                        self.norms, self.distances, self.residuals, strict=False
                    )
                ],
                "value": found.evidence,
                **self.stored(start="start" in claims),
            },
        }

    def stored(self, *, start: bool) -> Contents:
        """Returns weights and data for the file, if they are not too many for level 2.

        Args:
            start: Whether the file says something of the start, whose weights it then has.
        """
        listed: list[FlatWeights] = [*self.point, *self.centre]
        listed += self.start if start and self.start is not None else []
        listed += [each for each in self.targets if each is not None]
        if not is_stored(self.shapes, self.value.samples):
            return {}
        return {
            "weights": {each.digest: each.hexes for each in listed},
            "data": self.value.numbers,
        }
