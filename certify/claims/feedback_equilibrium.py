"""The certificate of feedback Nash equilibria of a linear-quadratic game."""

from typing import Any, ClassVar, Literal, NamedTuple, final

import numpy as np
from jaxtyping import Float

from certify.checker.reader import FEEDBACK
from certify.claims.certificate import Certificate
from certify.claims.rows import Row, about, at_least, at_most, row
from certify.problem.lq_numbers import lq_contents
from dgames.dynamic import LQGame

Scope = Literal["finite", "stationary", "all"]
_MEANING = {
    "finite": "exactly one feedback equilibrium, among all strategies that know time and state",
    "stationary": "one stationary feedback equilibrium; others are not excluded",
    "all": "all stationary linear feedback equilibria with a stable closed loop",
}


class ScalarEquilibrium(NamedTuple):
    """One of all equilibria of a game of two players with a scalar state.

    Attributes:
        gains: The gain of each player, by name: controls are `-gain x`.
        closed_loop: The closed loop.
    """

    gains: dict[str, float]
    closed_loop: float


@final
class FeedbackEquilibrium(Certificate):
    """A certificate of feedback equilibria of a linear-quadratic game.

    It comes from `certify.certify_feedback`, and what is proved depends on its `scope`:

    - "finite": a game of T steps has exactly one feedback Nash equilibrium, whose gains and costs
      are within a radius of the stated ones;
    - "stationary": a game without an end has one in a small box, whose closed loop is stable.
      Whether there are others is not said;
    - "all": of two players with a scalar state, the list is complete.

    Everything is proved from the numbers of the game in the file, by the standard library alone.
    """

    kind: ClassVar[str] = FEEDBACK
    title: ClassVar[str] = "Feedback equilibria of a linear-quadratic game"

    @property
    def scope(self) -> Scope:
        """The scope of the claim, "finite", "stationary" or "all"."""
        return self.data["claims"]["scope"]

    @property
    def players(self) -> tuple[str, ...]:
        """The names of the players."""
        return tuple(self.data["game"]["players"])

    @property
    def time(self) -> Literal["discrete", "continuous"]:
        """Whether time is discrete or continuous."""
        return self.data["game"]["time"]

    @property
    def horizon(self) -> int | None:
        """The number of steps; None without an end."""
        return self.data["claims"].get("horizon")

    @property
    def gains(self) -> dict[str, Float[np.ndarray, "*T m n"]]:
        """The gains at the centre by player, where controls are `-gain x`; the first axis is time.

        Without an end there is no such axis. Games with linear costs or an offset have one more
        coordinate of the state, which is 1.

        Raises:
            ValueError: If there is no proof, or it is of all equilibria, see `equilibria`.
        """
        states, sizes = self.data["game"]["states"], self.data["game"]["sizes"]
        stacked = _array(self._of_one("gains"))
        stacked = stacked.reshape(*stacked.shape[:-1], sum(sizes), states)
        parts = np.split(stacked, np.cumsum(sizes)[:-1], axis=-2)
        return dict(zip(self.players, parts, strict=True))

    @property
    def costs(self) -> dict[str, Float[np.ndarray, "n n"]]:
        """The matrices P at the centre, where player i pays `x'P_i x / 2` from the start on.

        Raises:
            ValueError: If there is no proof, or it is of all equilibria.
        """
        states = self.data["game"]["states"]
        found = (_array(own).reshape(states, states) for own in self._of_one("costs"))
        return dict(zip(self.players, found, strict=True))

    @property
    def radius(self) -> float:
        """A bound on the distance of each entry of gains and costs from that at the centre."""
        claims = self.data["claims"]
        names = ("gain_radius", "cost_radius") if self.scope == "finite" else ("radius",)
        return max(float.fromhex(claims[name]) for name in names)

    @property
    def rate(self) -> float:
        """The factor of the state in a step, or its rate of decay in continuous time.

        It holds in the norm of the Lyapunov matrix in the file.

        Raises:
            ValueError: If there is no proof, or it is not of one stationary equilibrium.
        """
        if "rate" not in self.data["claims"]:
            raise ValueError(f"rate: the scope is '{self.scope}', which claims none")
        return float.fromhex(self.data["claims"]["rate"])

    @property
    def equilibria(self) -> tuple[ScalarEquilibrium, ...]:
        """All equilibria of a scalar game, sorted by the first player's gain.

        Raises:
            ValueError: If there is no proof, or it is of one equilibrium.
        """
        if self.scope != "all":
            raise ValueError(f"equilibria: the scope is '{self.scope}'; see gains and costs")
        return tuple(
            ScalarEquilibrium(
                dict(zip(self.players, map(float.fromhex, each["gains"]), strict=True)),
                float.fromhex(each["closed_loop"]),
            )
            for each in self.data["claims"]["equilibria"]
        )

    def difference(self, game: Any, x: Any = None, args: Any = None) -> str | None:
        """Says whether a linear-quadratic game has other numbers.

        Args:
            game: A `dgames.dynamic.LQGame`.
            x: Not used.
            args: Not used.
        """
        said = self.data["game"]
        if isinstance(game, LQGame) and lq_contents(game, said["time"], said["name"]) == said:
            return None
        return "its matrices are others"

    def claim_rows(self) -> list[Row]:
        """Returns the claims: which equilibria there are, and where."""
        game, scope = self.data["game"], self.scope
        size = f"{game['states']} states; controls of {', '.join(map(str, game['sizes']))}"
        steps = "without an end" if self.horizon is None else f"of {self.horizon} steps"
        rows = [
            row("players", f"{len(self.players)}, {size}"),
            row("time", f"{self.time}, {steps}"),
            row("claim", _MEANING[scope]),
        ]
        if scope == "all":
            for number, each in enumerate(self.equilibria, 1):
                gains = (part for gain in each.gains.values() for part in (about(gain, 10), ", "))
                rows.append(
                    row(
                        f"equilibrium {number}",
                        "gains ",
                        *gains,
                        "closed loop ",
                        about(each.closed_loop, 10),
                    )
                )
            return [*rows, row("enclosures", "all within ", at_most(self.radius))]
        rows.append(row("enclosures", "gains and costs within ", at_most(self.radius)))
        if scope == "stationary":
            words = "state shrinks by the factor " if self.time == "discrete" else "decays at rate "
            bound = at_most if self.time == "discrete" else at_least
            rows.append(row("stability", words, bound(self.rate), ", in the norm of the file"))
        return rows

    def _of_one(self, name: str) -> Any:
        if self.scope == "all":
            raise ValueError(f"{name}: this is about all equilibria; see equilibria")
        return self.data["claims"][name]

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"FeedbackEquilibrium(status={self.status!r}, reasons={self.reasons})"
        number = f", equilibria={len(self.equilibria)}" if self.scope == "all" else ""
        return (
            f"FeedbackEquilibrium(status='proved', scope={self.scope!r}{number}, "
            f"radius={self.radius:.3g})"
        )


def _array(hexes: Any) -> np.ndarray:
    """Returns lists of hexadecimal floats as an array."""
    if isinstance(hexes, str):
        return np.asarray(float.fromhex(hexes))
    return np.stack([_array(each) for each in hexes])
