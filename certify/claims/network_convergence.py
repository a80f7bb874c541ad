"""The certificate of convergence of a network game of many players, which makes no file."""

from typing import Any, ClassVar, NamedTuple, NoReturn, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker import Unusable
from certify.claims.certificate import Certificate, Status
from certify.claims.rows import Row, at_least, at_most, row
from certify.metric.small_gain import SmallGain
from dgames.strategy import Strategy


class NetworkConstants(NamedTuple):
    """Proved bounds on the blocks of a network game's Jacobian over a box.

    Attributes:
        curvature: `mu_i`, lower bounds on the eigenvalues of `d^2 f_i / dx_i^2`, shape (N,).
        smoothness: `ell_i`, upper bounds on these eigenvalues, shape (N,).
        coupling: `L_ij`, upper bounds on the spectral norms of `d^2 f_i / dx_i dx_j`, a sparse
            matrix of shape (N, N).
        promoted: Sentences that say what was not float64 in the cost, and what it was taken for.
    """

    curvature: Float[np.ndarray, " players"]
    smoothness: Float[np.ndarray, " players"]
    coupling: Any
    promoted: tuple[str, ...] = ()


class NetworkStep(NamedTuple):
    """Proved safe step sizes of simultaneous gradient steps.

    Attributes:
        max: Every step up to this one converges from the basin.
        best: The step with the best proved factor.
        rate: That factor per iteration, in the norm `max_i |x_i| / right_i` of the small-gain
            vector `gain.right`. In the norm of the basin, distances shrink as well.
    """

    max: float
    best: float
    rate: float


class NetworkEquilibrium(NamedTuple):
    """A proved enclosure of the unique equilibrium in the region.

    Attributes:
        center: The point around which the enclosure was proved.
        radius: For each player a bound on the Euclidean distance of the equilibrium from `center`
            in that player's block, shape (N,).
        lower: A joint strategy below the equilibrium in every coordinate.
        upper: A joint strategy above it in every coordinate.
        scale: Positive numbers `v`, shape (N,).
        basin: From every start with `|x_i - center_i| <= basin v_i` for all i, the flow and every
            safe step converge to the equilibrium and stay in the region.
    """

    center: dg.Stacked
    radius: Float[np.ndarray, " players"]
    lower: dg.Stacked
    upper: dg.Stacked
    scale: Float[np.ndarray, " players"]
    basin: float


@final
class NetworkConvergence(Certificate):
    """A certificate of convergence of a network game, from `certify.certify_network`.

    It makes no file: the numbers of a million players do not fit into one that the checker reads,
    and the costs are not spelled out. So what is proved here is proved by this package alone, and
    not checked by the independent checker. `certify.certify` on `certify.Everywhere` makes a file
    for up to 131,072 coordinates, if the costs are sums of products of functions of linear forms.
    The status is never "refuted".

    Args:
        status: The status; "proved" needs a positive margin, a step and an equilibrium.
        reasons: Sentences that say why the status is "undecided".
        constants: Bounds on the Jacobian, proved whatever the status.
        gain: The small-gain test, proved whatever the status.
        step: Safe steps, if the margin is positive.
        equilibrium: The enclosure of the equilibrium, if it is proved that there is one.

    Raises:
        ValueError: If a proof is claimed without a positive margin, a step and an equilibrium.
    """

    kind: ClassVar[str] = "network"
    title: ClassVar[str] = "Convergence of a network"
    no_file: ClassVar[str] = (
        "a proof about a network makes no file: the numbers of all players and the code of their "
        "costs would not fit into one that the independent checker reads; certify.certify "
        "makes one for up to 131,072 coordinates, if costs are made of functions of linear forms"
    )

    def __init__(
        self,
        status: Status,
        reasons: tuple[str, ...],
        constants: NetworkConstants,
        gain: SmallGain,
        step: NetworkStep | None = None,
        equilibrium: NetworkEquilibrium | None = None,
    ):
        super().__init__(status, reasons, promoted=constants.promoted)
        known = gain.margin > 0 and step is not None and equilibrium is not None
        if (status == "proved") != known:
            raise ValueError(
                "NetworkConvergence: the status 'proved', and no other one, takes a positive "
                "margin, a step and an equilibrium"
            )
        self._constants, self._gain = constants, gain
        self._step, self._equilibrium = step, equilibrium

    @property
    def constants(self) -> NetworkConstants:
        """Bounds on the blocks of the Jacobian, proved whatever the status."""
        return self._constants

    @property
    def gain(self) -> SmallGain:
        """The small-gain test; it is proved whatever the status, and its margin may be negative."""
        return self._gain

    @property
    def margin(self) -> float:
        """The proved small-gain margin, whatever the status."""
        return self._gain.margin

    @property
    def step(self) -> NetworkStep | None:
        """Safe steps; None if the margin is not positive."""
        return self._step

    @property
    def equilibrium(self) -> NetworkEquilibrium:
        """Enclosure of the only equilibrium in the region.

        Raises:
            ValueError: If nothing was proved.
        """
        if self._equilibrium is None:
            raise ValueError(self._unproved("no equilibrium"))
        return self._equilibrium

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> NoReturn:
        """Raises `Unusable`: no game can be compared, as the code of the costs is not kept."""
        raise Unusable("a proof about a network keeps nothing of the costs to compare a game with")

    def claim_rows(self) -> list[Row]:
        """Returns the claims, which the independent checker has not verified."""
        equilibrium, step = self.equilibrium, self._step
        assert step is not None
        radius = float(np.max(equilibrium.radius))
        return [
            row("players", str(len(equilibrium.radius))),
            row("checked", "no: a proof about a network makes no file"),
            row("margin", "of the small-gain test at least ", at_least(self.margin)),
            row(
                "equilibrium",
                "exactly one in the region, within ",
                at_most(radius, 2),
                " of its centre for each player",
            ),
            row(
                "basin", "all starts with |x_i - center_i| <= ", at_least(equilibrium.basin), " v_i"
            ),
            row(
                "steps",
                "simultaneous with every step up to ",
                at_least(step.max),
                "; with ",
                at_least(step.best),
                " distances shrink by ",
                at_most(step.rate),
                " each time",
            ),
        ]

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"NetworkConvergence(status={self.status!r}, reasons={self.reasons})"
        return (
            f"NetworkConvergence(status='proved', margin={self.margin:.6g}, "
            f"players={len(self.equilibrium.radius)})"
        )
