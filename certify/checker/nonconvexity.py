"""The argument of a file of the kind "refutation": some player's own cost is not convex.

The setting: costs f_i of N players on a convex region D of R^n that has interior points, a box B in
D, a player i, and a direction v in the coordinates of that player. What the file states and is
*not* re-derived here is, in one place:

  (B) f_i is defined on B and twice continuously differentiable there in x_i, and its Hessian H in
      x_i has `|H(x) - C| <= R` entrywise for every x in B.

Level 2 derives it from the graph in the file (`rederive_nonconvexity`). What is verified below is
`v' C v + |v|' R |v| <= curvature < 0`, so that `v' H(x) v <= curvature` at every x in B: f_i is
not convex in x_i, on any segment along v in B. Two things follow of D, and they are what "refuted"
means:

  * No metric of weights shows a margin on D, not even zero: with `W = diag(w_i I)`, `w_i > 0`, and
    v extended by zeros, `v' (W J + J' W) v = 2 w_i v' H v < 0` at the points of B, where J is the
    Jacobian of the pseudo-gradient.
  * No proof can rest on costs that are convex in the players' own strategies, as it must to say
    that a zero of the pseudo-gradient is a Nash equilibrium within D.

That learning does not converge does not follow; files of other kinds say so.
"""

from fractions import Fraction

from .cells import Progress
from .claims import MAX_DIMENSION
from .graph import Graph, read_graph
from .krawczyk import IntervalMatrix
from .reader import Reader, Unusable
from .region import Region
from .verdict import require

# The most coordinates of the player whose cost is not convex.
MAX_OWN = 2**9
# The least and the greatest exponent of the unit of integers.
_UNITS = -1200, 1000


class Nonconvexity:
    """The claims of a file about a cost that is not convex, in exact numbers.

    Attributes:
        own: The coordinates of the player.
        lower: The lower corner of B.
        upper: The upper corner of B.
        hessian: The interval matrix that the file states for H.
        unit: The exponent of the unit of its integers.
        output: The output of the graph that is the cost, up to `sign`.
        sign: -1 for the second player of a zero-sum game, else 1.
        graph: The costs as a graph; None if the file has none.
    """

    def __init__(self, file: Reader) -> None:
        game, claims = file["game"], file["claims"]
        sizes = [player["size"].integer_within(1, MAX_DIMENSION) for player in _players(game)]
        n = sum(sizes)
        if n > MAX_DIMENSION:
            raise Unusable(f"a game has at most {MAX_DIMENSION} coordinates")
        zero_sum = "zero_sum" in game and game["zero_sum"].boolean()
        if zero_sum and len(sizes) != 2:
            raise Unusable("a zero-sum game has two players")
        if "field" in game:
            game["field"].fail("no field: a refutation is about costs")
        region = Region(file["region"], n)
        if region.groups or region.is_everything:
            file["region"].fail("a box or a ball")
        player, lower, upper, direction, curvature = claims.fields(
            "player", "lower", "upper", "direction", "curvature"
        )
        chosen = player.integer_within(0, len(sizes) - 1)
        if sizes[chosen] > MAX_OWN:
            raise Unusable(f"the player of a refutation has at most {MAX_OWN} coordinates")
        first = sum(sizes[:chosen])
        self.own = range(first, first + sizes[chosen])
        self.lower, self.upper = lower.numbers(n), upper.numbers(n)
        require(all(map(Fraction.__lt__, self.lower, self.upper)), "the box is not empty")
        require(region.contains_box(self.lower, self.upper), "the box is in the region")
        self.direction = direction.numbers(len(self.own))
        self.curvature = curvature.number()
        require(self.curvature < 0, "the curvature is negative")
        unit, hessian = file["evidence"].fields("unit", "hessian")
        self.unit = unit.integer_within(*_UNITS)
        self.hessian = IntervalMatrix(hessian, len(self.own), len(self.own))
        self.output, self.sign = (0, 1 - 2 * chosen) if zero_sum else (chosen, 1)
        self.graph: Graph | None = None
        if "graph" in game:
            self.graph = read_graph(game["graph"], n, 1 if zero_sum else len(sizes))


def check_nonconvexity(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a file about a cost that is not convex; see the top of this module.

    Returns:
        What was re-derived from the costs, at level 2; nothing at level 1.
    """
    del progress  # there are no cells
    claims = Nonconvexity(file)
    v, hessian, scale = claims.direction, claims.hessian, Fraction(2) ** claims.unit
    most = sum(
        (
            a * b * x + abs(a * b) * r
            for a, *row in zip(v, hessian.centre, hessian.remainder, strict=True)
            for b, x, r in zip(v, *row, strict=True)
        ),
        Fraction(0),
    )
    require(most * scale <= claims.curvature, "the curvature is at most what is stated")
    if level == 1:
        return ()
    try:
        from .rederive_nonconvexity import rederive_nonconvexity
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    return rederive_nonconvexity(file, claims)


def _players(game: Reader) -> list[Reader]:
    players = game["players"].items()
    if not players or len({player["name"].text() for player in players}) < len(players):
        raise Unusable("a game has players of different names")
    return players
