"""The certificate that training converges in a zero-sum game of networks."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, cast, final

from jaxtyping import Array, Bool

import dgames as dg
from certify.checker.reader import NEURAL
from certify.claims.certificate import Certificate
from certify.claims.convergence_claims import step_in_file
from certify.claims.rows import Column, Row, Table, about, at_least, at_most, row
from certify.claims.same_networks import networks_difference
from certify.claims.weight_balls import WeightBalls, distance, networks_in_file
from certify.problem.exact_types import described_class, is_pseudo_gradient, known_method
from certify.steps.enough import steps_enough
from certify.steps.step_size import StepSize
from dgames.strategy import Strategy


class TrainedPoint(NamedTuple):
    """The place of the one equilibrium in a region.

    Attributes:
        radius: The equilibrium is within this distance of the point of the certificate.
        digests: The SHA-256 of the strategy of each player at that point, such as the weights of a
            network.
    """

    radius: float
    digests: tuple[str, ...]


class Training(NamedTuple):
    """What is proved of training from the start.

    Attributes:
        distance: The start is within this distance of the point.
        method: The name of the method.
        step: Its step.
        accuracy: How near the equilibrium it gets.
        steps: How many steps are enough for that.
    """

    distance: float
    method: str
    step: float
    accuracy: float
    steps: int


@final
class NeuralConvergence(Certificate):
    """A certificate of a zero-sum game of networks, from `certify.certify_networks`.

    With status "proved", the pseudo-gradient is strongly monotone on a ball of weights; there is
    exactly one equilibrium in it, near the point; and the flow and methods with safe steps converge
    to it from every start in their basins, in the Euclidean distance of all weights. The argument
    is in `certify/checker/neural.py`.
    """

    kind: ClassVar[str] = NEURAL
    title: ClassVar[str] = "Convergence of training"

    @property
    def margin(self) -> float:
        """Lower bound on the strong-monotonicity modulus."""
        return float.fromhex(self.data["claims"]["margin"])

    @property
    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of the pseudo-gradient."""
        return float.fromhex(self.data["claims"]["lipschitz"])

    @property
    def radius(self) -> tuple[float, ...]:
        """The radius of the region for each player."""
        return tuple(map(float.fromhex, self.data["claims"]["region"]["radius"]))

    @property
    def equilibrium(self) -> TrainedPoint:
        """Where the one equilibrium of the region is."""
        stated = self.data["claims"]["equilibrium"]
        return TrainedPoint(float.fromhex(stated["radius"]), tuple(stated["point"]))

    @property
    def basin(self) -> float:
        """The radius of a ball around the point, from which flow and safe steps converge."""
        return float.fromhex(self.data["claims"]["basin"]["radius"])

    @property
    def step_sizes(self) -> dict[str, StepSize]:
        """Safe steps of each method, by name."""
        names = [str(k) for k in range(len(self.radius))]
        return {
            step["method"]: step_in_file(step, self.basin, False, names)
            for step in self.data["claims"]["steps"]
        }

    @property
    def contains_start(self) -> bool:
        """Whether the basin of a method contains the start, so that training from it converges."""
        return "start" in self.data["claims"]

    @property
    def training(self) -> Training:
        """What is proved of training from the start.

        Raises:
            ValueError: If nothing is, because no basin contains it.
        """
        if not self.contains_start:
            raise ValueError("training: no basin of this certificate contains a start")
        stated = self.data["claims"]["start"]
        distance, accuracy = (float.fromhex(stated[key]) for key in ("distance", "accuracy"))
        method = stated["method"]
        return Training(distance, method, self.step_sizes[method].best, accuracy, stated["steps"])

    @property
    def geometry(self) -> float | None:
        """The weight omega of the divergence of data weights, of a `dgames.Robust` value.

        Distances are then roots of `|theta - theta'|^2 + 2 omega d(p, p')`, see
        `certify/checker/neural_robust.py`; None for values of other kinds.
        """
        text = self.data["evidence"]["value"].get("geometry")
        return None if text is None else float.fromhex(text)

    def mirror_method(self, method: str | None = None) -> dg.MirrorDescent | dg.MirrorProx:
        """Returns the method whose convergence is proved for a `dgames.Robust` value.

        Args:
            method: "mirror_descent" or "mirror_prox"; by default, the one with the best rate.

        Raises:
            ValueError: If the value is of another kind, or there is no step of this method.
        """
        steps = self.step_sizes
        name = method or min(steps, key=lambda each: steps[each].rate, default=None)
        if self.geometry is None or name is None or name not in steps:
            raise ValueError(
                "mirror_method: the certificate is of a dgames.Robust value, and the method one of "
                f"{', '.join(steps)}; got {name}"
            )
        entropy = self.data["game"]["value"]["divergence"] == "entropy"
        mirror = (dg.EuclideanMirror(), dg.EntropyMirror() if entropy else dg.EuclideanMirror())
        h = steps[name].best
        # The divergence of the proof is that of the Euclidean mirror map times this number.
        count = 1 if entropy else len(self.data["evidence"]["value"]["weights"])
        kind = dg.MirrorDescent if name == "mirror_descent" else dg.MirrorProx
        return kind((h, h / (self.geometry * count)), mirror)

    @property
    def region(self) -> WeightBalls:
        """The region, of games of two networks.

        Raises:
            ValueError: If the second player is not a network, or the file has no weights.
        """
        self._require_networks("region")
        stated = self.data["claims"]["region"]
        radii = tuple(tuple(map(float.fromhex, each)) for each in stated["radii"])
        return WeightBalls(networks_in_file(self.data, stated["centre"]), radii, self.radius)

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """Returns a method with its best proved step.

        `dgames.solve(game, Method, x0, data, step_size=certificate)` uses it.

        Args:
            method: One of the classes that the certificate was made for.

        Raises:
            ValueError: If there is no step for this method, or a player is not a network.
        """
        self._require_networks("safe_method")
        make = cast(Callable[..., dg.AbstractMethod], method)
        step = self._step(method)
        return make(step.best, *(() if step.momentum is None else (step.momentum,)))

    def in_basin(self, method: type[dg.AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Says whether a start is in a method's proved basin; traceable.

        Args:
            method: One of the classes that the certificate was made for.
            x: A pair of networks.
        """
        point = networks_in_file(self.data, list(self.equilibrium.digests))
        return distance(x, point) <= self._step(method).basin

    def _step(self, method: type[dg.AbstractMethod]) -> StepSize:
        name = known_method(method)
        if name is None or name not in self.step_sizes:
            raise ValueError(
                f"the certificate has no step for {described_class(method)}, only for "
                f"{', '.join(self.step_sizes)}; name it in certify_networks(methods=...)"
            )
        return self.step_sizes[name]

    def _require_networks(self, what: str) -> None:
        if self.geometry is not None:
            raise ValueError(f"{what}: mirror_method() is the method of a dgames.Robust value")
        if self.penalty is not None:
            raise ValueError(
                f"{what}: the second player is not a network; give the step as a number, such as "
                "certificate.step_sizes[...].best"
            )

    @property
    def penalty(self) -> float | None:
        """The penalty of moved inputs, of a `dgames.Perturbed` value; None for other kinds."""
        value = self.data["game"]["value"]
        return float.fromhex(value["penalty"]) if value["kind"] == "perturbed" else None

    @property
    def checkable(self) -> int:
        """The highest level of checks of the file, which is 2 if it has the weights, and else 1."""
        return 2 if "weights" in self.data["evidence"] else 1

    @property
    def weights(self) -> int:
        """How many weights and biases the networks have."""
        return sum(
            after * (before + bias)
            for net in self.data["game"]["networks"]
            for before, after, bias in zip(
                net["sizes"], net["sizes"][1:], net["biases"], strict=False
            )
        )

    @property
    def sentence(self) -> str:
        """What is proved of training from the start, in one sentence.

        Raises:
            ValueError: If no basin contains the start.
        """
        found = self.training
        if self.geometry is not None:
            return (
                "Training from the start and uniform weights of the data converges to the one "
                f"equilibrium in this ball: {found.method} with steps of {found.step:.6g} is "
                f"within {found.accuracy:.3g} of it after at most {found.steps:,} steps."
            )
        return (
            "Training from the start converges to the one equilibrium in this ball: "
            f"{found.method} with steps of {found.step:.6g} is within {found.accuracy:.3g} of it "
            f"after at most {found.steps:,} steps."
        )

    def iterations(self, accuracy: float, method: str | None = None) -> int:
        """Returns after how many best steps a method is within an accuracy of the equilibrium.

        Args:
            accuracy: A positive number.
            method: The name of a method; by default, the one that is stated for the start.

        Raises:
            ValueError: If no basin contains the start, or there is no step of this method.
        """
        found = self.training
        name = found.method if method is None else method
        if name not in self.step_sizes or not accuracy > 0:
            raise ValueError(
                f"iterations: the accuracy is positive, and the method one of "
                f"{', '.join(self.step_sizes)}; got {accuracy} and {name}"
            )
        step = self.step_sizes[name]
        if found.distance > step.basin:
            raise ValueError(f"iterations: the start is not in the basin of {name}")
        return steps_enough(
            step.rate,
            step.constant,
            found.distance,
            0.0 if self.geometry is not None else self.equilibrium.radius,
            accuracy,
        )

    def difference(self, game: Any, x: Strategy | None = None, args: Any = None) -> str | None:
        """Says how a game, its starts or its data differ from those of the file."""
        inner = game.game if is_pseudo_gradient(game) else game
        return networks_difference(self.data, inner, args)

    def claim_rows(self) -> list[Row]:
        """Returns the claims: which networks, where, how strongly, and what follows."""
        game, claims = self.data["game"], self.data["claims"]
        nets = [
            " x ".join(map(str, net["sizes"])) + f" ({_activation(net)})"
            for net in game["networks"]
        ]
        decays = [float.fromhex(net["decay"]) for net in game["networks"]]
        parts: list[Any] = []
        for k, (net, decay) in enumerate(zip(nets, decays, strict=True)):
            where = "zero" if game["networks"][k]["start"] is None else "its start"
            parts += ["; " if k else "", f"{net}, decay ", about(decay), f" towards {where}"]
        rows = [
            row("value", _value(game["value"])),
            row("networks", *parts, f"; {self.weights:,} weights"),
            row("data", f"{game['data']['samples']} samples", *self._weighed(), *self._moved()),
            row("region", *self._balls()),
            row("margin", at_least(self.margin), *self._everywhere()),
            row("Lipschitz constant", "at most ", at_most(self.lipschitz)),
            row("equilibrium", "one, within ", at_most(self.equilibrium.radius), " of the point"),
            row(
                "basin",
                "all weights within " if self.penalty is None else "all strategies within ",
                at_least(self.basin),
                " of the point" if self.geometry is None else " of the equilibrium, p included",
            ),
        ]
        if "start" in claims:
            rows.append(row("training", self.sentence))
        level = "1 and 2" if self.checkable == 2 else "1, as the file has no weights"
        return [*rows, row("checked", f"at level {level}")]

    def _moved(self) -> list[Any]:
        if self.penalty is None:
            return []
        limit = self.data["game"]["value"]["limit"]
        bound = [] if limit is None else [", by at most ", about(float.fromhex(limit))]
        words = ", whose inputs the second player moves at a penalty of "
        return [words, about(self.penalty), *bound]

    def _balls(self) -> list[Any]:
        if self.penalty is None:
            point = self.data["claims"]["equilibrium"]["point"]
            stands = self.data["claims"]["region"]["centre"] == point
            centre = " around the point" if stands else " around the start"
            return ["balls of weights of radius ", *_joined(self.radius), centre]
        weights, moves = self.radius
        words = " in the root of their mean square"
        return [
            "weights within ",
            about(weights),
            ", and moves of inputs within ",
            about(moves),
            words,
        ]

    def _weighed(self) -> list[Any]:
        if self.geometry is None:
            return []
        value, count = self.data["game"]["value"], len(self.data["evidence"]["value"]["weights"])
        price = "entropy" if value["divergence"] == "entropy" else "chi-square"
        return [
            f", the {count} {'samples' if value['groups'] is None else 'groups'} weighed by the "
            f"second player at a temperature of ",
            about(float.fromhex(value["temperature"])),
            f" ({price})",
        ]

    def _everywhere(self) -> list[Any]:
        if self.geometry is None:
            return []
        return [
            " for all weights of the data, in half the squared distance of networks plus ",
            about(self.geometry),
            " times the divergence of weights",
        ]

    def tables(self) -> list[Table]:
        """Returns the safe steps of each method."""
        columns = [
            Column(title) for title in ("method", "largest step", "best step", "rate", "basin")
        ]
        rows = [
            [[name], [at_least(s.max)], [about(s.best)], [at_most(s.rate)], [at_least(s.basin)]]
            for name, s in self.step_sizes.items()
        ]
        return [Table("Safe steps", columns, rows)] if rows else []

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"NeuralConvergence(status={self.status!r}, reasons={self.reasons})"
        return (
            f"NeuralConvergence(status='proved', margin={self.margin:.6g}, "
            f"lipschitz={self.lipschitz:.6g}, weights={self.weights})"
        )


def _activation(network: Any) -> str:
    name, sharpness = (network["activation"][key] for key in ("name", "sharpness"))
    sharp = float.fromhex(sharpness)
    return name if sharp == 1 else f"{name} of sharpness {sharp:.6g}"


def _value(value: Any) -> str:
    """What the players play for, in words."""
    kind = value["kind"]
    if kind == "adversarial":
        residual = ", samples are noise plus outputs" if value["residual"] else ""
        return f"generator against discriminator, {value['loss']} loss{residual}"
    if kind == "outputs":
        return "the mean of a function of both networks' outputs"
    if kind == "robust":
        loss = {"softmax": "softmax cross-entropy"}.get(value["loss"], value["loss"])
        return f"the {loss} loss of data that the second player weighs"
    return "the loss on inputs that the second player moves"


def _joined(values: tuple[float, ...]) -> list[Any]:
    distinct = values[:1] if len(set(values)) == 1 else values
    parts: list[Any] = []
    for k, value in enumerate(distinct):
        parts += [", " if k else "", about(value)]
    return parts
