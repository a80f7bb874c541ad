"""A leader and followers in coordinates: the graph of their costs, and the optimality system."""

from fractions import Fraction
from typing import Any

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float

import dgames as dg
from certify.checker.graph import read_graph
from certify.checker.intervals import BallInterval
from certify.checker.reader import Reader
from certify.checker.rederive_stackelberg import PRECISION, Balls, OptimalitySystem, Sides
from certify.graph.builder import GraphError
from certify.graph.leader_costs import costs_in_coordinates
from certify.problem.corners import coordinates
from certify.problem.region import Box
from certify.prove.no_proof import NoProof
from dgames.sets import Euclidean, player_sets
from dgames.strategy import blocks, dimensions, player_names

Vector = Float[np.ndarray, " n"]


class LeaderProblem:
    """The costs of a leader and of followers on a region `{"leader": x, "followers": y}`.

    Args:
        game: The game.
        region: The region X x Y, a box.

    Raises:
        ValueError: If region and game do not fit together, or strategy sets cut the region.
        EnclosureError: If the costs use `stop_gradient` or derivatives written by hand.
        NoProof: If the costs have no expression graph.
    """

    def __init__(self, game: dg.Stackelberg, region: Box) -> None:
        like = region.example
        if not isinstance(like, dict) or {*like} != {"leader", "followers"}:
            raise ValueError(
                'certify_leader: the region is a certify.Box of {"leader": x, "followers": y}'
            )
        x, y = like["leader"], like["followers"]
        self.names = player_names(y)
        self.sizes = dimensions(y)
        self.n, self.m = dimensions((x,))[0], sum(self.sizes)
        corners = (region.lower, region.upper)
        self.lower, self.upper = (
            np.concatenate([coordinates((end["leader"],)), coordinates(end["followers"])])
            for end in corners
        )
        self._require_sets(game, x, y, corners)

        try:
            costs = costs_in_coordinates(game, like)
        except GraphError as error:
            raise NoProof(str(error)) from None
        self.graph, self.hash, self.promoted, self.of_field = costs
        outputs = len(self.graph["outputs"])
        graph = read_graph(Reader(self.graph), self.n + self.m, outputs)
        self.players = [i for i, size in enumerate(self.sizes) for _ in range(size)]
        self.system = OptimalitySystem(graph, self.n, self.players, of_field=self.of_field)

    def _require_sets(self, game: dg.Stackelberg, x: Any, y: Any, corners: tuple) -> None:
        """Raises unless the region lies in all strategy sets: nothing is proved at their faces."""
        if game.follower_sets is not None:
            raise ValueError(
                "certify_leader: bounds that move with the leader's strategy are not certified"
            )
        own = [("the leader", game.leader_set, [end["leader"] for end in corners])]
        others = zip(self.names, player_sets(game.followers.strategy_set(y), y), strict=True)
        for k, (name, feasible) in enumerate(others):
            ends = [blocks(end["followers"])[k] for end in corners]
            own.append((f"follower '{name}'", feasible, ends))
        for who, feasible, ends in own:
            if isinstance(feasible, Euclidean):
                continue
            if not isinstance(feasible, dg.Box) or not all(map(feasible.contains, ends)):
                raise ValueError(
                    f"certify_leader: the region leaves the strategy set of {who}; give a "
                    "region inside it, where no bound is active"
                )

    def slopes(self, box: Sides) -> "Ranges | None":
        """Encloses G_y on a box of (x, y)."""
        with ctx.workprec(PRECISION):
            jets = self.system.jets(box)
            return None if jets is None else Ranges(self.system.force_slopes(jets))

    def jacobian(self, box: Sides) -> "Ranges | None":
        """Encloses DPhi on a box of (x, y, w)."""
        size = self.n + self.m
        with ctx.workprec(PRECISION):
            jets = self.system.jets(box[:size])
            if jets is None:
                return None
            adjoint = [BallInterval.of(*ends) for ends in box[size:]]
            return Ranges(self.system.jacobian(jets, adjoint))

    def at(self, point: Vector) -> "tuple[Vector, np.ndarray, list[Fraction], BallInterval] | None":
        """Returns Phi and DPhi at a point, in floats, bounds on |Phi|, and f in a ball."""
        sides = [(Fraction(p), Fraction(p)) for p in point.tolist()]
        size = self.n + self.m
        with ctx.workprec(PRECISION):
            jets = self.system.jets(sides[:size])
            if jets is None:
                return None
            adjoint = [BallInterval.of(*ends) for ends in sides[size:]]
            values = self.system.values(jets, adjoint)
            matrix = Ranges(self.system.jacobian(jets, adjoint)).middle
            bounds = [exactly(value.magnitude().upper()) for value in values]
            middles = np.array([float(value.low.mid()) for value in values])
            return middles, matrix, bounds, jets[0].get((), BallInterval.point(0))


class Ranges:
    """A matrix of intervals with exact ends."""

    def __init__(self, balls: Balls) -> None:
        self.lower = [[exactly(x.low.lower()) for x in row] for row in balls]
        self.upper = [[exactly(x.high.upper()) for x in row] for row in balls]

    @property
    def middle(self) -> np.ndarray:
        """The middles, in floats."""
        return np.array(
            [
                [float((a + b) / 2) for a, b in zip(*rows, strict=True)]
                for rows in zip(self.lower, self.upper, strict=True)
            ]
        )

    @property
    def radius(self) -> np.ndarray:
        """The radii, in floats."""
        return np.array(
            [
                [float((b - a) / 2) for a, b in zip(*rows, strict=True)]
                for rows in zip(self.lower, self.upper, strict=True)
            ]
        )

    def entry(self, unit: int) -> dict[str, Any]:
        """Returns centre and remainder as in a file, in units of a power of two, rounded out."""
        scale = Fraction(2) ** -unit
        centre, remainder = [], []
        for rows in zip(self.lower, self.upper, strict=True):
            for low, high in zip(*rows, strict=True):
                middle = round((low + high) / 2 * scale)
                reach = max(high * scale - middle, middle - low * scale)
                centre.append(middle)
                # One unit more leaves room for the roundings of a checker; zero is exact.
                remainder.append(-(-reach // 1) + (1 if low != high or reach else 0))
        return {"centre": centre, "generators": [], "remainder": [int(x) for x in remainder]}


def exactly(ball: Any) -> Fraction:
    """Returns the number in a ball of radius zero."""
    mantissa, exponent = ball.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
