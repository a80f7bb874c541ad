"""The certificate that one step of a method shrinks distances on a box."""

from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker import Unusable
from certify.checker.reader import CONTRACTION, Reader
from certify.claims.certificate import Certificate
from certify.claims.rows import Row, at_least, at_most, intervals, row
from certify.file.contents import Contents
from certify.problem.field import flat_field
from certify.problem.region import Box
from dgames.strategy import Strategy, dimensions

# The most coordinates of a box that are written out.
_MOST_SHOWN = 4


class StartBall(NamedTuple):
    """A ball of strategies from which a method may start.

    Attributes:
        center: A strategy, as a vector of shape (n,).
        metric: The matrix `M` of the norm, shape (n, n).
        radius: The ball has all `x` with `(x - center)' M (x - center) <= radius^2`.
    """

    center: Float[np.ndarray, " n"]
    metric: Float[np.ndarray, "n n"]
    radius: float


@final
class Contraction(Certificate):
    """A certificate that a step of a method contracts, as `certify.contraction` returns it.

    With status "proved", for all augmented states `z`, `z'` in the box from `lower` to `upper`,
    whatever the rounding errors of the proof,

        |T(z) - T(z')|_P <= rate |z - z'|_P,        |z|_P^2 = z' metric z,

    and `T` has exactly one fixed point there, within `radius` of `center`. From every start in
    `start`, with the first state that the method's own `init` gives, all iterates stay in the box
    and converge to the fixed point, by the factor `rate` per step. The status is never "refuted".

    The hashes in the file say from which code its bounds on derivatives were computed.
    `certify.is_same_step` compares them with those of newly traced code.
    """

    kind: ClassVar[str] = CONTRACTION
    title: ClassVar[str] = "Contraction of a step"

    @property
    def equilibrium(self) -> str:
        """A sentence that says why the fixed point is a zero of the pseudo-gradient, for reading.

        It is empty where that was not shown; then the certificate is only about the fixed point of
        the step. The checker does not see the code of the step, so it cannot confirm the sentence.
        """
        method = Reader(self.data)["method"]
        return method["equilibrium"].text() if "equilibrium" in method else ""

    @property
    def rate(self) -> float:
        """The proved factor per step."""
        return float.fromhex(self.data["claims"]["rate"])

    @property
    def metric(self) -> Float[np.ndarray, "m m"]:
        """The positive definite matrix `P`, on the strategy and then the buffers."""
        return _matrix(self.data["claims"]["metric"], self.dimension)

    @property
    def dimension(self) -> int:
        """The number of coordinates of the augmented state."""
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
        """A bound on the distance of the fixed point from `center`, in the metric."""
        return float.fromhex(self.data["claims"]["radius"])

    @property
    def basin(self) -> float:
        """The distance from `center`, in the metric, within which augmented states converge."""
        return float.fromhex(self.data["claims"]["basin"])

    @property
    def start(self) -> StartBall:
        """The strategies that may be started from, with the first state that `init` gives."""
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
        """Says whether a game differs from that of the file, by its hash; steps do not matter."""
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
            row("box", *intervals(self.lower.tolist(), self.upper.tolist(), _MOST_SHOWN)),
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

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"Contraction(status={self.status!r}, reasons={self.reasons})"
        return f"Contraction(status='proved', rate={self.rate:.6g}, cells={self.cells})"


def _vector(texts: list[str]) -> np.ndarray:
    return np.array([float.fromhex(text) for text in texts])


def _matrix(symmetric: Contents, size: int) -> np.ndarray:
    entries = np.array([float(x) for x in symmetric["matrix"]]).reshape(size, size)
    return np.ldexp(entries, symmetric["unit"])
