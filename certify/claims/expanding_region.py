"""The certificate that all runs of a method, or of the flow, leave a region."""

from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker.reader import EXPANSION
from certify.claims.certificate import Certificate
from certify.claims.identity import field_difference
from certify.claims.instability import method_in_words, steps_of
from certify.claims.rows import Row, at_least, intervals, row
from certify.problem.corners import corner
from certify.problem.region import Box
from certify.problem.structure import rebuild
from dgames.strategy import Strategy

# The most coordinates of a box that are written out.
_MOST_SHOWN = 4


@final
class Expansion(Certificate):
    """A certificate that runs leave a region, from `certify.certify_expansion`.

    With status "proved", distances between runs grow in the metric as long as both are in the
    region. So it has at most one zero of the field, and every run that starts in it at any other
    point leaves it. The status is never "refuted".
    """

    kind: ClassVar[str] = EXPANSION
    title: ClassVar[str] = "A region that runs leave"

    @property
    def method(self) -> str:
        """The name of the method, "simultaneous", or "flow" for `x' = -F(x)`."""
        return self.data["claims"]["method"]["name"]

    @property
    def step_sizes(self) -> dict[str, float]:
        """The step size of each player, by name; empty for the flow."""
        return steps_of(self.data)

    @property
    def growth(self) -> float:
        """The factor of squared distances in a step; of the flow, the rate of distances."""
        return float.fromhex(self.data["claims"]["growth"])

    @property
    def metric(self) -> Float[np.ndarray, "n n"]:
        """The matrix P of the metric `|x|_P^2 = x' P x`."""
        metric, size = self.data["claims"]["metric"], len(self._end("lower"))
        entries = np.array([float(x) for x in metric["matrix"]]).reshape(size, size)
        return np.ldexp(entries, metric["unit"])

    @property
    def region(self) -> Box:
        """The region."""
        structure = self.data["game"]["structure"]
        return Box(*(rebuild(structure, self._end(end)) for end in ("lower", "upper")))

    @property
    def cells(self) -> int:
        """Number of cells of the proof."""
        return sum("jacobian" in node for node in self.data["evidence"]["cells"])

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether a field differs from that of the file, by the graph that its code gives."""
        return field_difference(
            self.data, game, corner("like", self.region.lower if x is None else x), args
        )

    def claim_rows(self) -> list[Row]:
        """Returns the claims: which method, where, and how fast distances grow."""
        rate = (
            ["distances grow at the rate ", at_least(self.growth)]
            if self.method == "flow"
            else ["squared distances grow by the factor ", at_least(self.growth, 8), " in a step"]
        )
        return [
            row("method", *method_in_words(self.data)),
            row(
                "region",
                *intervals(self._end("lower").tolist(), self._end("upper").tolist(), _MOST_SHOWN),
            ),
            row("expansion", *rate, ", in the metric of the file"),
            row("zeros", "at most one in the region"),
            row("runs", "that start in it at any other point leave it"),
            row("cells", str(self.cells)),
        ]

    def _end(self, end: str) -> np.ndarray:
        return np.array([float.fromhex(x) for x in self.data["claims"]["region"][end]])

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"Expansion(status={self.status!r}, reasons={self.reasons})"
        return f"Expansion(status='proved', method={self.method!r}, growth={self.growth:.6g})"
