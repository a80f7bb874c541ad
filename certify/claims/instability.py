"""The certificate that an equilibrium repels a method, or the flow."""

from typing import Any, ClassVar, final

import numpy as np

import dgames as dg
from certify.checker.reader import INSTABILITY
from certify.claims.certificate import Certificate
from certify.claims.identity import field_difference
from certify.claims.isolated_zero import StrategyBox
from certify.claims.rows import Part, Row, about, at_least, at_most, row, vector
from certify.problem.corners import corner
from certify.problem.structure import rebuild
from dgames.strategy import Strategy


@final
class Instability(Certificate):
    """A certificate that an equilibrium repels a method, from `certify.certify_instability`.

    With status "proved", the field has exactly one zero in `box`, it is in the much smaller box
    `zero`, and there is a ball around it, with buffers at rest, that runs of the method leave which
    start as near to it as one likes, along `direction`. The status is never "refuted".
    """

    kind: ClassVar[str] = INSTABILITY
    title: ClassVar[str] = "An equilibrium that repels"

    @property
    def method(self) -> str:
        """The name of the method, "flow" for `x' = -F(x)`."""
        return self._method["name"]

    @property
    def step_sizes(self) -> dict[str, float]:
        """The step size of each player, by name; empty for the flow."""
        return steps_of(self.data)

    @property
    def momentum(self) -> tuple[float, ...]:
        """The momentum, or its real and imaginary part; empty for methods without it."""
        return tuple(float.fromhex(x) for x in self._method.get("momentum", []))

    @property
    def growth(self) -> float:
        """The factor by which a quadratic form grows in each step; of the flow, half its rate."""
        return float.fromhex(self.data["claims"]["growth"])

    @property
    def spectral_radius(self) -> float:
        """A lower bound, above one, on the spectral radius of the step at the equilibrium.

        Of the flow it is one on the spectral radius of `exp(-J)`, of the flow after one unit of
        time.
        """
        size = np.exp(self.growth) if self.method == "flow" else np.sqrt(self.growth)
        return float(np.nextafter(np.nextafter(size, 0.0), 0.0))

    @property
    def box(self) -> StrategyBox:
        """The box in which there is no other zero."""
        return self._box("box")

    @property
    def zero(self) -> StrategyBox:
        """The box that the equilibrium is in."""
        return self._box("zero")

    @property
    def direction(self) -> Strategy:
        """A direction of length about one such that `zero + t direction` starts runs that leave."""
        return rebuild(self.data["game"]["structure"], self._direction())

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether a field differs from that of the file, by the graph that its code gives."""
        x = corner("like", self.zero.lower if x is None else x)
        return field_difference(self.data, game, x, args)

    def claim_rows(self) -> list[Row]:
        """Returns the claims: which method, where, and how fast runs go away."""
        lower, upper = (self._ends("zero", end) for end in ("lower", "upper"))
        flow = self.method == "flow"
        rate = (
            ["an eigenvalue of the Jacobian has a real part of at most ", at_most(-self.growth)]
            if flow
            else ["the spectral radius of the step is at least ", at_least(self.spectral_radius, 8)]
        )
        return [
            row("method", *method_in_words(self.data)),
            row("equilibrium", *vector((0.5 * lower + 0.5 * upper).tolist())),
            row("enclosure", "of width at most ", at_most(float((upper - lower).max()))),
            row("repels", *rate),
            row(
                "starts",
                "as near as one likes, along ",
                *vector(self._direction().tolist()),
                ", of runs that leave a neighbourhood",
            ),
        ]

    @property
    def _method(self) -> dict[str, Any]:
        return self.data["claims"]["method"]

    def _direction(self) -> np.ndarray:
        numbers = np.array([float(x) for x in self.data["claims"]["direction"]])
        return numbers / np.linalg.norm(numbers)

    def _ends(self, box: str, end: str) -> np.ndarray:
        texts = self.data["claims"]["equilibrium"][box][end]
        return np.array([float.fromhex(x) for x in texts])

    def _box(self, name: str) -> StrategyBox:
        structure = self.data["game"]["structure"]
        return StrategyBox(*(rebuild(structure, self._ends(name, e)) for e in ("lower", "upper")))

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"Instability(status={self.status!r}, reasons={self.reasons})"
        return f"Instability(status='proved', method={self.method!r}, growth={self.growth:.6g})"


def steps_of(data: dict[str, Any]) -> dict[str, float]:
    """Returns the step size of each player in a file, by name; none for the flow."""
    names = [player["name"] for player in data["game"]["players"]]
    steps = data["claims"]["method"].get("steps", [])
    return {name: float.fromhex(h) for name, h in zip(names, steps, strict=False)}


def method_in_words(data: dict[str, Any]) -> list[Part]:
    """Returns the method of a file with its parameters, as parts of a row."""
    method = data["claims"]["method"]
    if method["name"] == "flow":
        return ["the flow x' = -F(x)"]
    steps = [float.fromhex(h) for h in method["steps"]]
    parts: list[Part] = [f"{method['name'].replace('_', ' ')} with step size "]
    parts += [about(steps[0])] if len(set(steps)) == 1 else vector(steps)
    if method["momentum"]:
        parts += [", momentum ", *vector([float.fromhex(x) for x in method["momentum"]])]
    return parts
