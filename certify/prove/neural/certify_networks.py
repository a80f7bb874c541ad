"""Makes checked certificates that training converges in zero-sum games of networks."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple, cast

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

import dgames as dg
from certify.checker import Unusable
from certify.checker.graph import game_hash
from certify.checker.neural import (
    VALUES,
    NetworkShape,
    constants,
    digest_of,
)
from certify.checker.neural_recursion import Layers
from certify.checker.neural_recursion import root_above as exact_root_above
from certify.checker.reader import FORMAT, NEURAL, VERSION, Reader
from certify.checker.rederive_neural import PRECISION, distance, layer_distances, residual
from certify.claims.checked import Checked, NotAccepted
from certify.claims.neural_convergence import NeuralConvergence
from certify.enclosure.enclose import require_x64
from certify.file.contents import Contents
from certify.file.provenance import provenance
from certify.graph.builder import GraphError
from certify.problem.exact_types import is_as_made
from certify.problem.network_contents import (
    FlatWeights,
    flat_weights,
    network_contents,
    require_alike,
    require_network,
    shape_of,
)
from certify.prove.file_parts import hexadecimal
from certify.prove.neural.ball_bounds import ball_network, bound_in_file
from certify.prove.neural.output_proof import OutputProof
from certify.prove.neural.training_steps import names_of, setting_of, steps_for, training
from certify.prove.no_proof import NoProof
from certify.rounding import float_above, float_below, root_above
from certify.steps.extragradient import from_monotonicity
from dgames.nn import MLP
from dgames.strategy import Strategy, blocks

TRUSTED = (
    "The norms, scalars, derivatives, distances and residuals that the file states, see "
    "certify/checker/neural.py. Level 2 of the checker derives them again from the weights and the "
    "data in this file, if it has them; else they rest on the same code, with python-flint.",
    "The function of outputs means the real-valued function that its code spells out, and the "
    "networks and their activation functions those of real arithmetic; so do steps.",
    "The checker and the Python interpreter that runs it.",
)
# The most weights, and the most products of weights with samples, of files for level 2.
MAX_WEIGHTS, MAX_WORK = 2**18, 2**24

Around = Literal["point", "start"]
Radius = float | Sequence[float] | Literal["contains_start"]


def certify_networks(
    game: dg.ZeroSumNetworks,
    point: Strategy,
    radius: Radius,
    *,
    start: Strategy | None = None,
    args: Any = None,
    around: Around = "point",
    methods: Sequence[type[dg.AbstractMethod]] = (dg.Extragradient, dg.Simultaneous),
    accuracy: float = 1e-8,
) -> NeuralConvergence:
    """Proves that training converges in a zero-sum game of networks, near a trained point.

    The own curvature of each player is bounded over a ball of weights by a recursion over layers,
    which costs one pass of all data; what weight decay leaves of it is the margin of strong
    monotonicity, however strongly the networks are coupled. So networks of tens of thousands of
    weights have proofs. The theorems are in `certify/checker/neural.py` and
    `certify/checker/neural_recursion.py`.

    Args:
        game: A `dgames.ZeroSumNetworks` with a value of outputs and positive decay.
        point: A pair of networks near the equilibrium, such as the end of a run.
        radius: The radius of the ball of each network's weights, one number or one per player; or
            "contains_start": a ball whose basin contains the start, hardly larger than it has to
            be.
        start: The initial weights, of which is said whether training from them converges; by
            default those to which both networks decay, if they do.
        args: The data.
        around: Whether balls are around the point or around the start.
        methods: Classes of methods to prove steps of.
        accuracy: How near the equilibrium training should come, for the number of steps.

    Returns:
        A certificate. "undecided" says why nothing is proved: a smaller radius, more decay or wider
        networks may help.

    Raises:
        ValueError: If the arguments do not fit together.
        EnclosureError: If nothing can be proved of the code of the function of outputs.

    Example:
        >>> import certify, jax, dgames as dg
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> nets = [dg.nn.mlp((1, 64, 1), key, start="antisymmetric") for key in keys]
        >>> data = (x := jax.numpy.linspace(-1.0, 1.0, 8)[:, None], x, x[:, 0])
        >>> start = tuple(nets)
        >>> game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), start, (1.0, 1.0))
        >>> run = dg.solve(game, dg.Extragradient(0.3), start, data, tol=1e-12)
        >>> proof = certify.certify_networks(game, run.strategy, 0.5, args=data)
        >>> proof.status, proof.margin > 0.3, proof.contains_start
        ('proved', True, True)
    """
    require_x64()
    names = names_of(methods)
    if not accuracy > 0:
        raise ValueError(f"certify_networks: the accuracy is {accuracy}; it must be positive")
    if around not in ("point", "start"):
        raise ValueError(f'certify_networks: around is "point" or "start"; got {around!r}')
    posed = _posed(game, point, start, radius, around)
    try:
        with ctx.workprec(PRECISION):
            proof = _Proof(game, posed, args)
            found = proof.contents(posed, names, accuracy)
            return NeuralConvergence("proved", contents=Checked(found))
    except NoProof as end:
        return NeuralConvergence("undecided", end.reasons)
    except (GraphError, Unusable) as end:
        return NeuralConvergence("undecided", (str(end),))
    except NotAccepted as end:
        return NeuralConvergence(
            "undecided", tuple(f"not proved: {each}" for each in end.verdict.reasons)
        )


class _Posed(NamedTuple):
    """The question: networks at the point, at the centre, at the start and where they decay to."""

    point: list[MLP]
    centre: list[MLP]
    start: list[MLP] | None
    decay_to: list[MLP | None]
    radius: tuple[float, ...] | None


def _posed(
    game: dg.ZeroSumNetworks, point: Strategy, start: Strategy | None, radius: Radius, around: str
) -> _Posed:
    if type(game) is not dg.ZeroSumNetworks or not is_as_made(game):
        raise ValueError(
            f"certify_networks: the game is a dgames.ZeroSumNetworks; got {type(game).__name__}"
        )
    if type(game.value) is not dg.OutputValue:
        raise ValueError(
            "certify_networks: nothing is known of a value of the type "
            f"{type(game.value).__name__}; it has to be a dgames.OutputValue"
        )
    names = ("the first network", "the second network")
    networks = _networks(point, "the point")
    targets: list[MLP | None] = []
    for network, target, name in zip(networks, _pair(game.start, "the start"), names, strict=True):
        if target is not None:
            require_alike(network, require_network(target, name), f"the start of {name}")
        targets.append(target)
    if start is None:
        initial = None if None in targets else [each for each in targets if each is not None]
    else:
        initial = _networks(start, "the start")
        for network, each in zip(networks, initial, strict=True):
            require_alike(network, each, "the start")
    if initial is None and (around == "start" or radius == "contains_start"):
        raise ValueError("certify_networks: give the start; no start is known to which both decay")
    centre = initial if around == "start" and initial is not None else networks
    if any(decay < 0 for decay in game.decay):
        raise ValueError(f"certify_networks: decay is not negative; got {game.decay}")
    return _Posed(networks, centre, initial, targets, _radii(radius))


def _networks(x: Any, what: str) -> list[MLP]:
    return [require_network(each, f"each player at {what}") for each in _pair(x, what)]


def _pair(x: Any, what: str) -> tuple[Any, ...]:
    found = x if isinstance(x, tuple | list) else blocks(x)
    if len(found) != 2:
        raise ValueError(f"certify_networks: {what} is a pair of networks; got {len(found)}")
    return tuple(found)


def _radii(radius: Radius) -> tuple[float, ...] | None:
    if isinstance(radius, str):
        if radius != "contains_start":
            raise ValueError(
                'certify_networks: the radius is a number, one per player, or "contains_start"; '
                f"got {radius!r}"
            )
        return None
    try:
        found = (float(radius),) * 2  # pyright: ignore[reportArgumentType]
    except TypeError:
        found = tuple(float(x) for x in radius)  # pyright: ignore[reportGeneralTypeIssues]
    if len(found) != 2 or not all(0 < x < float("inf") for x in found):
        raise ValueError(
            f"certify_networks: the radius is a positive number, or one per player; got {radius}"
        )
    return found


class _Proof:
    """A game, its networks in ball arithmetic, and all that does not depend on the region."""

    def __init__(self, game: dg.ZeroSumNetworks, posed: _Posed, args: Any) -> None:
        described = [
            network_contents(*each)
            for each in zip(posed.point, game.decay, posed.decay_to, strict=True)
        ]
        self.shapes: list[NetworkShape] = [shape_of(each) for each in described]
        self.value = OutputProof(cast(dg.OutputValue, game.value), posed.point, described, args)
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
        balls = [ball_network(*pair) for pair in zip(described, self.centre, strict=True)]
        self.norms = [[bound_in_file(x) for x in net.norms()] for net in balls]
        self.value.start(balls)
        at_point = balls
        if self.point != self.centre:
            at_point = [ball_network(*pair) for pair in zip(described, self.point, strict=True)]
        pairs = [
            (shape, here.exact, there.exact)
            for shape, here, there in zip(self.shapes, self.point, self.centre, strict=True)
        ]
        self.distances = [[bound_in_file(x) for x in layer_distances(*each)] for each in pairs]
        gradients = self.value.gradients(at_point)
        self.residuals = [
            bound_in_file(residual(shape, here.exact, None if to is None else to.exact, gradient))
            for shape, here, to, gradient in zip(
                self.shapes, self.point, self.targets, gradients, strict=True
            )
        ]
        self.away = "0x0.0p+0"
        if self.start is not None:
            exact = [[each.exact for each in side] for side in (self.start, self.point)]
            self.away = bound_in_file(distance(*exact))

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
            for shape, norms, r in zip(self.shapes, self.norms, radius, strict=True)
        ]

    def reach(self, radius: tuple[float, ...]) -> Fraction:
        """Returns the radius of the largest ball around the point in the region."""
        room = []
        for r, distances in zip(radius, self.distances, strict=True):
            numbers = Reader(distances).numbers(len(distances))
            room.append(Fraction(r) - exact_root_above(sum((x * x for x in numbers), Fraction(0))))
        return min(room)

    def contents(self, posed: _Posed, names: list[str], accuracy: float) -> Contents:
        """Returns the contents of a file.

        Raises:
            NoProof: If there is no margin, or the equilibrium is not in the region.
        """
        if posed.radius is not None:
            return self.at(posed.radius, names, accuracy)
        return self.at(self.containing("extragradient" in names), names, accuracy)

    def containing(self, stretched: bool) -> tuple[float, ...]:
        """Returns radii of a region whose basin contains the start, hardly larger than needed.

        Args:
            stretched: Whether to leave room for the best step of extragradient, whose middle points
                are farther away, if a margin is left by that.
        """
        away = float.fromhex(self.away)
        least = max(away * (1 + 2.0**-10), 2.0**-10)
        size, found = least * 1.25, None
        for _ in range(6 if stretched else 0):
            needed = self._stretched(self.radii(size), away)
            if needed is None:
                break
            if needed <= size <= needed * (1 + 2.0**-7):
                found = size
                break
            size = needed * (1 + 2.0**-8)
        return self.radii(least if found is None else found)

    def radii(self, size: float) -> tuple[float, ...]:
        """Returns radii of a region that contains a ball of that radius around the point."""
        numbers = [Reader(each).numbers(len(each)) for each in self.distances]
        lengths = (exact_root_above(sum((x * x for x in each), Fraction(0))) for each in numbers)
        return tuple(float_above(length + Fraction(size)) for length in lengths)

    def _stretched(self, radius: tuple[float, ...], away: float) -> float | None:
        """Returns the radius of a ball around the point that the best step needs, or None."""
        networks = self.layers(radius)
        evidence = self.value.evidence(networks)
        bounds = VALUES["outputs"][1](Reader(self.game), Reader(evidence), networks)
        least, most = constants(self.shapes, bounds)
        if least <= 0:
            return None
        a, b = float(least), float(most)
        near = sum(float.fromhex(x) ** 2 for x in self.residuals) ** 0.5 / a
        step = from_monotonicity(setting_of(a, b, 0.0, 1.0))
        if step is None:
            return None
        h = step["best"]
        stretch = max(1.0, 1 - 2 * h * a + (h * b) ** 2) ** 0.5
        return (stretch * (away + near) + near) * (1 + 2.0**-20)

    def at(self, radius: tuple[float, ...], names: list[str], accuracy: float) -> Contents:
        """Returns the contents of a file with a region of that radius."""
        networks = self.layers(radius)
        evidence = self.value.evidence(networks)
        bounds = VALUES["outputs"][1](Reader(self.game), Reader(evidence), networks)
        least, most = constants(self.shapes, bounds)
        if least <= 0:
            parts = zip(self.shapes, bounds.own, strict=True)
            words = " and ".join(
                f"{float_above(own):.6g} of a decay of {float(shape.decay):.6g}"
                for shape, own in parts
            )
            raise NoProof(
                f"own curvature takes up to {words} on a region of radius "
                f"{', '.join(f'{r:.6g}' for r in sorted(set(radius)))}, so that no margin is left; "
                "a smaller radius, more decay or wider networks may help"
            )
        margin, lipschitz = float_below(least), float_above(most)
        square = sum((Fraction(float.fromhex(x)) ** 2 for x in self.residuals), Fraction(0))
        near = max(root_above(square / Fraction(margin) ** 2), 2.0**-500)
        reach = self.reach(radius)
        basin = float_below(reach - 2 * Fraction(near))
        if basin <= 0:
            raise NoProof(
                f"the equilibrium is within {near:.6g} of the point, which is not inside a region "
                f"of which {float(reach):.6g} around it is left; train longer, or take a larger "
                "radius"
            )
        away = float.fromhex(self.away)
        setting = setting_of(margin, lipschitz, near, float_below(reach))
        steps = steps_for(names, setting, away)
        without = [name for name in names if name not in steps]
        claims = {
            "region": {
                "centre": [each.digest for each in self.centre],
                "radii": [[r] * len(norms) for r, norms in zip(radius, self.norms, strict=True)],
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
                        self.norms, self.distances, self.residuals, strict=True
                    )
                ],
                "value": evidence,
                **self.stored(),
            },
        }

    def stored(self) -> Contents:
        """Returns weights and data for the file, if they are not too many for level 2."""
        listed: list[FlatWeights] = [*self.point, *self.centre, *(self.start or [])]
        listed += [each for each in self.targets if each is not None]
        count = sum(shape.weights for shape in self.shapes)
        if count > MAX_WEIGHTS or count * self.value.samples > MAX_WORK:
            return {}
        return {
            "weights": {each.digest: each.hexes for each in listed},
            "data": self.value.numbers,
        }
