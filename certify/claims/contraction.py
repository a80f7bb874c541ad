"""The certificate of contraction: a step of a method, as it is, shrinks distances on a box."""

from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker import Unusable
from certify.checker.reader import CONTRACTION, Reader
from certify.claims.certificate import Certificate
from certify.claims.rows import Part, Row, about, at_least, at_most, row
from certify.file.contents import Contents
from certify.problem.field import flat_field
from certify.problem.region import Box
from dgames.strategy import Strategy, dimensions

# Coordinates of a box that are written out.
_MOST_SHOWN = 4


class StartBall(NamedTuple):
    """Where a method may start.

    Attributes:
        center: A strategy, as a vector of shape (n,).
        metric: `M`, shape (n, n).
        radius: All `x` with `(x - center)' M (x - center) <= radius^2` are starts.
    """

    center: Float[np.ndarray, " n"]
    metric: Float[np.ndarray, "n n"]
    radius: float


@final
class Contraction(Certificate):
    """A step of a method that contracts: what `certify.contraction` returns.

    With status "proved", for all augmented states `z`, `z'` in the box from `lower` to `upper`,
    whatever the rounding errors of the proof,

        |T(z) - T(z')|_P <= rate |z - z'|_P,        |z|_P^2 = z' metric z,

    and `T` has exactly one fixed point there, within `radius` of `center`. From every start in
    `start`, with the first state that the method's own `init` gives, all iterates stay in the box
    and converge to the fixed point, by the factor `rate` per step. The status is never "refuted".

    Which code the bounds on derivatives in the file were computed from, its hashes say:
    `certify.is_same_step` compares them with those of code that is traced anew.
    """

    kind: ClassVar[str] = CONTRACTION
    title: ClassVar[str] = "Contraction of a step"

    @property
    def equilibrium(self) -> str:
        """Why the fixed point is a zero of the pseudo-gradient, in words, for reading.

        Empty where that was not shown, and then only the fixed point of the step is meant. The
        checker does not see the code of the step, so that it cannot confirm the words of a file.
        """
        method = Reader(self.data)["method"]
        return method["equilibrium"].text() if "equilibrium" in method else ""

    @property
    def rate(self) -> float:
        """The proved factor per step."""
        return float.fromhex(self.data["claims"]["rate"])

    @property
    def metric(self) -> Float[np.ndarray, "m m"]:
        """`P`: positive definite, on the strategy and the buffers, in this order."""
        return _matrix(self.data["claims"]["metric"], self.dimension)

    @property
    def dimension(self) -> int:
        """Coordinates of the augmented state."""
        coordinates = self.data["coordinates"]
        return coordinates["strategy"] + coordinates["state"]

    @property
    def lower(self) -> Float[np.ndarray, " m"]:
        """Lower corner of the box of augmented states."""
        return _vector(self.data["claims"]["lower"])

    @property
    def upper(self) -> Float[np.ndarray, " m"]:
        """Upper corner of the box of augmented states."""
        return _vector(self.data["claims"]["upper"])

    @property
    def center(self) -> Float[np.ndarray, " m"]:
        """An augmented state near the fixed point."""
        return _vector(self.data["claims"]["center"])

    @property
    def radius(self) -> float:
        """The fixed point is within this distance of `center`, in the metric."""
        return float.fromhex(self.data["claims"]["radius"])

    @property
    def basin(self) -> float:
        """Augmented states within this distance of `center`, in the metric, converge."""
        return float.fromhex(self.data["claims"]["basin"])

    @property
    def start(self) -> StartBall:
        """Strategies to start from, with the first state that the method itself chooses."""
        n, claims = self.data["coordinates"]["strategy"], self.data["claims"]
        if "start" not in claims:
            return StartBall(self.center, self.metric, self.basin)
        metric = _matrix(claims["start"]["metric"], n)
        return StartBall(self.center[:n], metric, float.fromhex(claims["start"]["radius"]))

    @property
    def cells(self) -> int:
        """Number of cells of the proof."""
        return sum("centre" in node for node in self.data["evidence"]["cells"])

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether the game is another one, by its hash; the step is not looked at."""
        data = self.data
        if x is None:
            raise Unusable(
                "a file about a step does not describe strategies: give one, as `like`, to compare "
                "the game"
            )
        if sum(dimensions(x)) != data["coordinates"]["strategy"]:
            return f"its strategies have {data['coordinates']['strategy']} coordinates"
        field = flat_field(game, Box.around(x, 1.0), args)
        return (
            None
            if field.hash == Reader(data)["game"]["hash"].text()
            else "its costs are another function"
        )

    def claim_rows(self) -> list[Row]:
        """Returns the claims: which step, where, and how fast it converges."""
        data, sizes = self.data, self.data["coordinates"]
        start = [
            row(
                "starts",
                "every strategy within ",
                at_least(self.start.radius),
                " of its centre, in a metric of its own",
            )
        ]
        return [
            row("method", Reader(data)["method"]["settings"].text()),
            row("coordinates", f"{sizes['strategy']} of strategies, {sizes['state']} of buffers"),
            row("box", *self._box()),
            row("step", "shrinks distances in the metric of the file by ", at_most(self.rate)),
            row(
                "fixed point",
                "exactly one in the box, within ",
                at_most(self.radius),
                " of the centre",
            ),
            row("basin", "every augmented state within ", at_least(self.basin), " of the centre"),
            *(start if "start" in data["claims"] else []),
            row("cells", str(self.cells)),
        ]

    def _box(self) -> list[Part]:
        ends = list(zip(self.lower.tolist(), self.upper.tolist(), strict=True))
        parts: list[Part] = []
        for index, (low, high) in enumerate(ends[:_MOST_SHOWN]):
            parts += [" x [" if index else "[", about(low), ", ", about(high), "]"]
        return [*parts, " x ..."] if len(ends) > _MOST_SHOWN else parts

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"Contraction(status={self.status!r}, reasons={self.reasons})"
        return f"Contraction(status='proved', rate={self.rate:.6g}, cells={self.cells})"


def _vector(texts: list[str]) -> np.ndarray:
    return np.array([float.fromhex(text) for text in texts])


def _matrix(symmetric: Contents, size: int) -> np.ndarray:
    entries = np.array([float(x) for x in symmetric["matrix"]]).reshape(size, size)
    return np.ldexp(entries, symmetric["unit"])
