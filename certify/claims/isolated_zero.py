"""The certificate that a system of equations has exactly one zero in a box."""

from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker import Unusable
from certify.checker.reader import ZERO, Reader
from certify.checker.systems import EquilibriumSystem, System, read_system
from certify.claims.certificate import Certificate
from certify.claims.identity import field_difference
from certify.claims.rows import Part, Row, about, at_least, at_most, intervals, row
from certify.file.contents import Contents
from certify.problem.corners import corner
from certify.problem.structure import rebuild
from dgames.strategy import Strategy

# The most coordinates that are written out.
_MOST_SHOWN = 6


class StrategyBox(NamedTuple):
    """A box of strategies, by its corners."""

    lower: Strategy
    upper: Strategy


class MultiplierBox(NamedTuple):
    """A box of multipliers, by its corners: one number for each, in the order of the file.

    For an equilibrium there is one for each constraint, zero where it is not active; for a
    differential Stackelberg equilibrium they are w.
    """

    lower: Float[np.ndarray, " multipliers"]
    upper: Float[np.ndarray, " multipliers"]


@final
class IsolatedZero(Certificate):
    """A certificate of a zero, from `certify_zero`, `certify_kkt` or `certify_stackelberg`.

    With status "proved", the system has exactly one zero in `box` (with multipliers in the box of
    the file), that zero is in the much smaller box `zero`, the Jacobian of the system is regular
    there, and the conditions of its kind hold (see `certify/checker/systems.py`). The status is
    never "refuted".
    """

    kind: ClassVar[str] = ZERO
    title: ClassVar[str] = "A zero of a system of equations"

    @property
    def notion(self) -> str:
        """The kind of the system, "equations", "equilibrium" or "stackelberg"."""
        return self.data["game"]["system"]["kind"]

    @property
    def box(self) -> StrategyBox:
        """The box in which there is no other zero; coordinates at bounds are fixed there."""
        return self._strategies("box")

    @property
    def zero(self) -> StrategyBox:
        """The box that the zero is in."""
        return self._strategies("zero")

    @property
    def multipliers(self) -> MultiplierBox:
        """Enclosures of the multipliers at the zero."""
        ends, system = self._ends("zero"), self._system
        if isinstance(system, EquilibriumSystem):
            places = [c.multiplier for c in system.constraints]
        else:
            inputs = {p for p in system.places if isinstance(p, int)}
            places = [k for k in range(system.unknowns) if k not in inputs]
        return MultiplierBox(
            *(np.array([0.0 if k is None else end[k] for k in places]) for end in ends)
        )

    @property
    def region(self) -> StrategyBox | None:
        """The region within which an equilibrium is one; None if that is not claimed."""
        if "region" not in self.data["claims"]:
            return None
        return StrategyBox(*(self._rebuilt(end) for end in self._ends("region")))

    @property
    def radius(self) -> float:
        """The largest number such that `box` has all unknowns as near as that to the centre."""
        center = np.array([float.fromhex(x) for x in self.data["evidence"]["center"]])
        lower, upper = self._ends("box")
        return float(np.nextafter(np.minimum(center - lower, upper - center).min(), 0.0))

    @property
    def cells(self) -> int:
        """Number of cells of the region."""
        return sum("forms" in node for node in self.data["evidence"].get("cells", []))

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether a field differs from that of the file, by the graph that its code gives.

        Raises:
            Unusable: If the file is not about the zero of a field.
        """
        system = self._system
        if self.notion != "equations" or system.conditions or system.forms:
            raise Unusable(
                "a file about an equilibrium, or with conditions, cannot be compared with a game: "
                "it does not keep the functions apart; certify the game again"
            )
        x = corner("like", self._rebuilt(self._ends("zero")[0]) if x is None else x)
        return field_difference(self.data, game, x, args)

    def claim_rows(self) -> list[Row]:
        """Returns the claims: what is zero, where, and what follows."""
        lower, upper = self._ends("zero")
        return [
            row("system", _SYSTEMS[self.notion]),
            row("unknowns", str(self._system.unknowns)),
            row(
                "zero",
                "exactly one in the box of half-width ",
                at_least(self.radius),
                " around the centre, and it is regular",
            ),
            row("centre", *self._center()),
            row(
                "enclosure",
                "of width at most ",
                at_most(float(np.nextafter((upper - lower).max(), np.inf))),
            ),
            *self._meaning(),
        ]

    def _meaning(self) -> list[Row]:
        """Returns what the zero is."""
        system = self._system
        if isinstance(system, EquilibriumSystem):
            roles = [constraint.role for constraint in system.constraints]
            rows = [
                row("active", f"{roles.count('active')} of {len(roles)} constraints"),
                row("equations", f"{roles.count('equation')} of them"),
                row("at bounds", f"{len(system.fixed)} of {system.inputs} coordinates"),
                row("multipliers", "positive, but for those of equations"),
            ]
            if self.region is None:
                return [*rows, row("equilibrium", "none is claimed, as there is no region")]
            lower, upper = self._ends("region")
            return [
                *rows,
                row("region", *intervals(lower.tolist(), upper.tolist(), _MOST_SHOWN)),
                row(
                    "equilibrium",
                    "it is a generalised Nash equilibrium within the region; there may be others",
                ),
                row("cells", str(self.cells)),
            ]
        if self.notion == "stackelberg":
            return [
                row(
                    "equilibrium",
                    "it is a differential Stackelberg equilibrium: the follower's curvature and "
                    "the leader's reduced curvature are positive",
                )
            ]
        where = "at the zero" if self.region is None else f"on the region, in {self.cells} cells"
        rows = [row("conditions", f"{system.conditions}, positive at the zero")]
        matrices = [row("matrices", f"{len(system.forms)}, positive definite {where}")]
        return (rows if system.conditions else []) + (matrices if system.forms else [])

    def _center(self) -> list[Part]:
        values = [float.fromhex(x) for x in self.data["evidence"]["center"]]
        parts: list[Part] = ["("]
        for index, value in enumerate(values[:_MOST_SHOWN]):
            parts += [*([", "] if index else []), about(value, 10)]
        return [*parts, ", ...)" if len(values) > _MOST_SHOWN else ")"]

    @property
    def _system(self) -> System:
        game = Reader(self.data)["game"]
        return read_system(game, [player["size"].integer() for player in game["players"].items()])

    def _ends(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        box: Contents = self.data["claims"][name]
        lower, upper = (np.array([float.fromhex(x) for x in box[e]]) for e in ("lower", "upper"))
        return lower, upper

    def _strategies(self, name: str) -> StrategyBox:
        places = self._system.places
        corners = [
            np.array([end[p] if isinstance(p, int) else float(p) for p in places])
            for end in self._ends(name)
        ]
        return StrategyBox(*map(self._rebuilt, corners))

    def _rebuilt(self, vector: np.ndarray) -> Strategy:
        return rebuild(self.data["game"]["structure"], np.asarray(vector))

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"IsolatedZero(status={self.status!r}, reasons={self.reasons})"
        return f"IsolatedZero(status='proved', notion={self.notion!r}, radius={self.radius:.6g})"


_SYSTEMS = {
    "equations": "equations H(z) = 0",
    "equilibrium": "the conditions of Karush, Kuhn and Tucker of a game",
    "stackelberg": "the conditions of a leader and a follower",
}
