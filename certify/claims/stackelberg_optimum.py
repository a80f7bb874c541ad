"""The certificate of the optimum of a leader, whose followers answer with an equilibrium."""

from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker.reader import STACKELBERG
from certify.claims.certificate import Certificate
from certify.claims.rows import Row, about, at_least, at_most, row, vector
from certify.graph.leader_costs import costs_in_coordinates
from certify.problem.structure import rebuild
from certify.rounding import next_below
from dgames.strategy import Strategy


class Ends(NamedTuple):
    """An enclosure by its ends, entry by entry."""

    lower: Float[np.ndarray, "*shape"]
    upper: Float[np.ndarray, "*shape"]


class LeaderOptimum(NamedTuple):
    """A proved enclosure of the optimum of a leader.

    Attributes:
        leader: A vector x near x*, shape (n,).
        radius: A bound on the Euclidean distance of x* from it.
        followers: A vector near the followers' answer r(x*), shape (m,).
        followers_radius: A bound on the distance of each of its entries, shape (m,).
        slopes: Bounds on the entries of r'(x*), shape (m, n).
        curvature: Bounds on the entries of the second derivatives of f^ at x*, shape (n, n).
        value: Bounds on f^(x*), the leader's cost at the optimum.
    """

    leader: Float[np.ndarray, " n"]
    radius: float
    followers: Float[np.ndarray, " m"]
    followers_radius: Float[np.ndarray, " m"]
    slopes: Ends
    curvature: Ends
    value: Ends


class LeaderStep(NamedTuple):
    """Proved step sizes of `x+ = x - h D(x)`, with exact answers of the followers.

    Attributes:
        max: All steps `0 < h <= max` converge.
        best: The step with the best proved factor.
        rate: That factor, in the Euclidean norm.
    """

    max: float
    best: float
    rate: float


@final
class StackelbergOptimum(Certificate):
    """A certificate of a leader's optimum, as `certify.certify_leader` returns it.

    With status "proved", on the region X x Y: for every x of X the followers have exactly one Nash
    equilibrium r(x) within Y, and the reduced cost `f^(x) = f(x, r(x))` is strongly convex on X,
    with the strict minimiser x* that `optimum` encloses. What is outside X and Y is not spoken of.
    The status is never "refuted".
    """

    kind: ClassVar[str] = STACKELBERG
    title: ClassVar[str] = "Optimum of a leader"

    @property
    def margin(self) -> float:
        """The margin by which the followers' forces are strongly monotone, in `weights`."""
        return float.fromhex(self.data["claims"]["margin"])

    @property
    def weights(self) -> Float[np.ndarray, " followers"]:
        """The weights of that metric, one per follower."""
        return _vector(self.data["claims"]["weights"])

    @property
    def curvature(self) -> float:
        """A lower bound on the eigenvalues of the second derivatives of f^, on all of X."""
        return float.fromhex(self.data["claims"]["curvature"])

    @property
    def smoothness(self) -> float:
        """An upper bound on these eigenvalues."""
        return float.fromhex(self.data["claims"]["smoothness"])

    @property
    def optimum(self) -> LeaderOptimum:
        """The enclosures of x*, r(x*), r'(x*), f^''(x*) and f^(x*)."""
        said = self.data["claims"]["optimum"]
        x, y = _vector(said["center"]), _vector(said["followers"]["center"])
        return LeaderOptimum(
            x,
            float.fromhex(said["radius"]),
            y,
            _vector(said["followers"]["radius"]),
            _ends(said["slopes"], (len(y), len(x))),
            _ends(said["curvature"], (len(x), len(x))),
            _ends(said["value"], ()),
        )

    @property
    def step(self) -> LeaderStep:
        """The proved step sizes."""
        said = self.data["claims"]["step"]
        most = float(next_below(2 / self.smoothness))
        return LeaderStep(most, float.fromhex(said["best"]), float.fromhex(said["rate"]))

    @property
    def basin(self) -> float:
        """Starts of the leader within this distance of `optimum.leader` converge."""
        return float.fromhex(self.data["claims"]["basin"]["radius"])

    @property
    def cells(self) -> tuple[int, int]:
        """The numbers of cells of the followers' margin and of the leader's curvature."""
        evidence = self.data["evidence"]
        followers, leader = (
            sum("centre" in node for node in evidence[part]) for part in ("followers", "leader")
        )
        return followers, leader

    def difference(
        self,
        game: dg.Game | dg.AbstractField | dg.Stackelberg,
        x: Strategy | None = None,
        args: Any = None,
    ) -> str | None:
        """Says whether a game differs from that of the file, by the graph of its costs.

        Args:
            game: A `dgames.Stackelberg`.
            x: A strategy `{"leader": x, "followers": y}`; by default as the file describes it.
            args: None: Stackelberg games have none.
        """
        if not isinstance(game, dg.Stackelberg):
            return "it is about a leader and followers, a dgames.Stackelberg"
        said = self.data["game"]
        if x is None:
            size = said["leader"]["size"] + sum(player["size"] for player in said["followers"])
            x = rebuild(said["structure"], np.zeros(size))
        traced = costs_in_coordinates(game, x)
        if traced.of_field != ("field" in said):
            return f"its followers are {'a field' if 'field' in said else 'a game, with costs'}"
        same = traced.graph["nodes"] == said["graph"]["nodes"]
        same = same and traced.graph["outputs"] == said["graph"]["outputs"]
        return None if same else "its costs are other functions"

    def claim_rows(self) -> list[Row]:
        """Returns the claims: the answer, the curvature, the optimum and steps."""
        best = self.optimum
        followers, leader = self.cells
        count = len(self.weights)
        of_field = "field" in self.data["game"]
        what = "zero of the followers' field" if of_field else "equilibrium of the followers"
        return [
            row("players", "a leader and " + (f"{count} followers" if count > 1 else "a follower")),
            row(
                "answer",
                f"for each strategy of the leader in the region exactly one {what} within theirs; "
                "margin ",
                at_least(self.margin),
            ),
            row(
                "reduced cost",
                "second derivatives between ",
                at_least(self.curvature),
                " and ",
                at_most(self.smoothness),
                " on the leader's region",
            ),
            row(
                "optimum",
                "exactly one, within ",
                at_most(best.radius),
                " of ",
                *vector(best.leader.tolist()),
            ),
            row(
                "followers there",
                *vector(best.followers.tolist()),
                " within ",
                at_most(float(best.followers_radius.max())),
            ),
            row(
                "cost there",
                "between ",
                about(float(best.value.lower), 12),
                " and ",
                about(float(best.value.upper), 12),
            ),
            row(
                "steps",
                "converge up to ",
                at_least(self.step.max),
                "; the best, ",
                about(self.step.best),
                ", by ",
                at_most(self.step.rate),
                " each",
            ),
            row(
                "basin",
                "every start of the leader within ",
                at_least(self.basin),
                " of the optimum's centre",
            ),
            row("cells", f"{followers} for the followers, {leader} for the leader"),
        ]

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"StackelbergOptimum(status={self.status!r}, reasons={self.reasons})"
        best = self.optimum
        return (
            f"StackelbergOptimum(status='proved', leader={best.leader.tolist()}, "
            f"curvature={self.curvature:.6g}, margin={self.margin:.6g})"
        )


def _vector(texts: list[str]) -> np.ndarray:
    return np.array([float.fromhex(text) for text in texts])


def _ends(said: dict[str, list[str]], shape: tuple[int, ...]) -> Ends:
    return Ends(*(_vector(said[end]).reshape(shape) for end in ("lower", "upper")))
