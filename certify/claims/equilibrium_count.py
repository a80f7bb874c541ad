"""The certificate of how many stationary points, or equilibria, there are, and where."""

from typing import Any, ClassVar, NamedTuple, final

import jax
import numpy as np

import dgames as dg
from certify.checker.cells import Corner
from certify.checker.count import CountClaims, counted_cells
from certify.checker.count_profiles import EnclosedProfile, ProfileClaims, profile_cells
from certify.checker.reader import COUNT, Reader
from certify.claims.certificate import Certificate, Status
from certify.claims.checked import Checked
from certify.claims.identity import described_strategy, function_difference
from certify.claims.isolated_zero import StrategyBox
from certify.claims.rows import Cell, Column, Row, Table, about, intervals, row
from certify.problem.constraints import Constraints
from certify.problem.corners import corner
from certify.problem.exact_types import is_pseudo_gradient
from certify.problem.payoff_tables import game_terms, tables_data
from certify.problem.region import Box
from certify.problem.stationary_functions import costs_in_list, values_in_list
from certify.problem.structure import rebuild
from certify.rounding import float_above, float_below
from dgames.strategy import Strategy

# The most coordinates of a box that are written out.
_MOST_SHOWN = 6


class EnclosedPoint(NamedTuple):
    """One point of a certificate, enclosed.

    Attributes:
        lower: The lower corner of a box that it is in.
        upper: The upper corner.
        nature: "local" for a strict local Nash equilibrium, "descent" for a stationary point that
            is no equilibrium, not even a local one, "equilibrium" for one of a game in normal form,
            and "unsettled" where nothing is known of second derivatives.
        fixed: The coordinates that are at an end of their strategy sets, by number.
    """

    lower: Strategy
    upper: Strategy
    nature: str
    fixed: tuple[int, ...]

    @property
    def center(self) -> Strategy:
        """The middle of the box, in floating point."""
        return jax.tree.map(lambda a, b: 0.5 * (a + b), self.lower, self.upper)


@final
class EquilibriumCount(Certificate):
    """A certificate of all points, from `certify.all_zeros` or `certify.all_equilibria`.

    With status "proved", from these functions, `points` are all zeros, stationary points or
    equilibria in the region, each exactly once. With status "undecided", `partial` may hold a
    certificate that is proved but not complete: that there are at least so many, and that all
    others are in its open cells. The status is never "refuted".
    """

    kind: ClassVar[str] = COUNT
    title: ClassVar[str] = "All stationary points"

    def __init__(
        self,
        status: Status,
        reasons: tuple[str, ...] = (),
        *,
        promoted: tuple[str, ...] = (),
        contents: Checked | None = None,
        partial: "EquilibriumCount | None" = None,
    ):
        super().__init__(status, reasons, promoted=promoted, contents=contents)
        self._partial = partial

    @property
    def partial(self) -> "EquilibriumCount | None":
        """What is proved where the status is "undecided"; None if there is nothing."""
        return self._partial

    @property
    def is_complete(self) -> bool:
        """Whether there are no other points in the region."""
        return self.data["claims"]["open"] == 0

    @property
    def at_least(self) -> int:
        """How many points there are, at least."""
        return self.data["claims"]["count"]

    @property
    def count(self) -> int:
        """How many points there are in the region, exactly.

        Raises:
            ValueError: If the certificate is not complete.
        """
        if not self.is_complete:
            raise ValueError(
                f"no count: there are at least {self.at_least} points, and "
                f"{self.data['claims']['open']} cells are open"
            )
        return self.at_least

    @property
    def is_of_tables(self) -> bool:
        """Whether it is about all Nash equilibria of a game in normal form."""
        return "terms" in self.data["game"]

    @property
    def region(self) -> StrategyBox:
        """The box that all of this is about; for a game in normal form, all probabilities."""
        if self.is_of_tables:
            ends = [np.zeros(size) for size in self._sizes], [np.ones(size) for size in self._sizes]
            return StrategyBox(*map(tuple, ends))
        region = self.data["claims"]["region"]
        return StrategyBox(*(self._rebuilt(_floats(region[end])) for end in ("lower", "upper")))

    @property
    def points(self) -> list[EnclosedPoint]:
        """The points in the region, in the order in which they were found."""
        if self.is_of_tables:
            return [self._profile(point) for point in ProfileClaims(Reader(self.data)).points]
        claims = CountClaims(Reader(self.data))
        found = []
        for point in claims.points:
            if point.is_inside:
                lower, upper = ([float(x) for x in end] for end in point.whole)
                corners = self._rebuilt(np.array(lower)), self._rebuilt(np.array(upper))
                found.append(EnclosedPoint(*corners, point.nature, tuple(point.system.fixed)))
        return found

    @property
    def open_cells(self) -> list[StrategyBox]:
        """The cells in which there may be other points."""
        if self.is_of_tables:
            tables = ProfileClaims(Reader(self.data))
            return [
                StrategyBox(*self._probabilities(cell.lower, cell.upper))
                for node, cell in profile_cells(tables.nodes, tables.game)
                if "open" in node
            ]
        claims = CountClaims(Reader(self.data))
        return [
            StrategyBox(*(self._rebuilt(np.array([float(x) for x in end])) for end in cell[:2]))
            for node, cell in counted_cells(claims.nodes, claims.faces)
            if "open" in node
        ]

    @property
    def cells(self) -> int:
        """The number of cells of the region."""
        return sum(
            "split" not in node and "pin" not in node for node in self.data["evidence"]["cells"]
        )

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether a game, or a field, differs from that of the file.

        The graph that its code gives is compared, and the strategy sets. For a file about a plain
        function there is nothing to compare: count its zeros again.
        """
        said, given = self.data["game"], dg.as_field(game)
        if self.is_of_tables:
            inner = given.game if is_pseudo_gradient(given) else game
            if isinstance(inner, dg.Game) and type(inner) in game_terms.registry:
                return None if tables_data(inner) == said else "its payoffs are others"
            return "its payoffs are others"
        x = described_strategy(self.data) if x is None else corner("like", x)
        of_costs = is_pseudo_gradient(given)
        if (said["system"]["of"] == "costs") != of_costs:
            return f"it is about {'a field' if of_costs else 'the costs of a game'}"
        functions = costs_in_list(given.game) if of_costs else values_in_list(given)
        words = function_difference(self.data, functions, x, args)
        if words is None and "sets" in said:
            sets = Constraints.of(given, Box.around(x, 1.0), args)
            same = sets.to_json(lambda number: float(number).hex()) == said["sets"]
            words = None if same else "its strategy sets are others"
        return words

    def claim_rows(self) -> list[Row]:
        """Returns the claims: how many points, where, and what they are."""
        if self.is_of_tables:
            where: Cell = ["all profiles of ", ", ".join(map(str, self._sizes)), " actions"]
        else:
            region = self.data["claims"]["region"]
            low, high = (_floats(region[end]).tolist() for end in ("lower", "upper"))
            where = intervals(low, high, _MOST_SHOWN)
        exact = "exactly " if self.is_complete else "at least "
        rows = [
            row("points", exact, str(self.at_least)),
            row("region", *where),
            row("cells", str(self.cells)),
        ]
        if not self.is_complete:
            rows.append(row("open", f"{self.data['claims']['open']} cells, with all others"))
        return rows

    def tables(self) -> list[Table]:
        """Returns a table of the points."""
        rows: list[list[Cell]] = []
        for number, point in enumerate(self.points):
            center = np.concatenate([np.ravel(x) for x in _leaves(point.center)])
            rows.append([[str(number)], _vector(center), [point.nature]])
        columns = [Column("point"), Column("about"), Column("nature")]
        return [Table("The points", columns, rows)] if rows else []

    @property
    def _sizes(self) -> list[int]:
        return self.data["game"]["sizes"]

    def _profile(self, point: EnclosedProfile) -> EnclosedPoint:
        corners = self._probabilities(*point.system.whole(*point.zero))
        absent = tuple(k for k, out in enumerate(point.system.pinned) if out)
        return EnclosedPoint(*corners, "equilibrium", absent)

    def _probabilities(self, lower: Corner, upper: Corner) -> tuple[Strategy, Strategy]:
        """Returns the ends of a box of probabilities, rounded outward, by players."""
        ends = np.cumsum(self._sizes)[:-1]
        low, high = [*map(float_below, lower)], [*map(float_above, upper)]
        return tuple(np.split(np.array(low), ends)), tuple(np.split(np.array(high), ends))

    def _rebuilt(self, vector: np.ndarray) -> Strategy:
        return rebuild(self.data["game"]["structure"], np.asarray(vector))

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"EquilibriumCount(status={self.status!r}, reasons={self.reasons})"
        words = "" if self.is_complete else ", complete=False"
        return f"EquilibriumCount(status='proved', points={self.at_least}{words})"


def _floats(values: list[str]) -> np.ndarray:
    return np.array([float.fromhex(x) for x in values])


def _leaves(x: Strategy) -> list[Any]:
    return jax.tree.leaves(x)


def _vector(values: np.ndarray) -> Cell:
    parts: list[Any] = ["("]
    for index, value in enumerate(values[:_MOST_SHOWN].tolist()):
        parts += [*([", "] if index else []), about(value, 8)]
    return [*parts, ", ...)" if len(values) > _MOST_SHOWN else ")"]
