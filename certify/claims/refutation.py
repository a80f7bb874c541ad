"""The certificate that some player's own cost is not convex."""

from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker.reader import REFUTATION, Reader
from certify.claims.certificate import Certificate
from certify.claims.convergence_claims import read_region
from certify.claims.identity import described_strategy, difference
from certify.claims.rows import Name, Row, at_most, row, vector
from certify.problem.naming import shown_name
from certify.problem.region import Region
from certify.problem.structure import rebuild
from dgames.strategy import Strategy


@final
class Refutation(Certificate):
    """A certificate that a player's own cost is not convex, of a `Convergence` that is refuted.

    With status "proved", the second derivative of the cost of `player` in that player's own
    strategy along `direction` is at most `curvature`, a negative number, at every point of the box
    from `lower` to `upper`, which is in the region. So no metric `sum_i weights_i |x_i|^2` has a
    margin on the region, not even zero, and no proof of a Nash equilibrium can rest on costs that
    are convex there. That learning does not converge is not said. The status is never "refuted".

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.game(lambda x, args: {"a": x["a"] * x["b"] - x["a"] ** 2, "b": x["b"] ** 2})
        >>> found = certify.certify(game, certify.Box.around({"a": 0.0, "b": 0.0}, 1.0))
        >>> found.status, found.refutation.player, round(found.refutation.curvature, 6)
        ('refuted', 'a', -2.0)
    """

    kind: ClassVar[str] = REFUTATION
    title: ClassVar[str] = "Refutation: a cost that is not convex"

    @property
    def player(self) -> str:
        """The name of the player whose cost it is."""
        return self._player["name"].text()

    @property
    def lower(self) -> Strategy:
        """The lower corner of the box."""
        return self._strategy("lower")

    @property
    def upper(self) -> Strategy:
        """The upper corner of the box."""
        return self._strategy("upper")

    @property
    def direction(self) -> Float[np.ndarray, " own"]:
        """The direction, in the coordinates of the player."""
        return _numbers(self.data["claims"]["direction"])

    @property
    def curvature(self) -> float:
        """An upper bound on the curvature of the cost along the direction; it is negative."""
        return float.fromhex(self.data["claims"]["curvature"])

    @property
    def region(self) -> Region:
        """The region, which contains the box."""
        return read_region(self.data)

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says how a game differs from that of the certificate; returns None if it does not."""
        return difference(self.data, game, described_strategy(self.data) if x is None else x, args)

    def claim_rows(self) -> list[Row]:
        """Returns the claims: whose cost, where, along what, and what follows."""
        lower, upper = (_numbers(self.data["claims"][end]) for end in ("lower", "upper"))
        return [
            row("player", Name(shown_name(self.player))),
            row("near", *vector((0.5 * lower + 0.5 * upper).tolist())),
            row("box", "of half-width at most ", at_most(float((upper - lower).max()) / 2)),
            row("direction", *vector(self.direction.tolist())),
            row("curvature", "of the own cost along it at most ", at_most(self.curvature)),
            row("so", "no metric of weights has a margin on the region, not even zero"),
        ]

    @property
    def _player(self) -> Reader:
        return Reader(self.data)["game"]["players"].items()[self.data["claims"]["player"]]

    def _strategy(self, end: str) -> Strategy:
        return rebuild(self.data["game"]["structure"], _numbers(self.data["claims"][end]))

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"Refutation(status={self.status!r}, reasons={self.reasons})"
        return (
            f"Refutation(status='proved', player={self.player!r}, curvature={self.curvature:.6g})"
        )


def _numbers(texts: list[str]) -> np.ndarray:
    return np.array([float.fromhex(text) for text in texts])
