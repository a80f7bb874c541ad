"""The certificate of convergence: strong monotonicity, an equilibrium, its basin and safe steps."""

from collections.abc import Callable
from typing import Any, ClassVar, cast, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

import dgames as dg
from certify.checker.reader import CONVERGENCE
from certify.checker.shared_rows import NASH
from certify.claims.certificate import Certificate, Status
from certify.claims.checked import Checked
from certify.claims.convergence_claims import (
    ConvergenceClaims,
    GainReport,
    read_claims,
    read_methods_without_step,
    read_region,
)
from certify.claims.convergence_rows import claim_rows, tables
from certify.claims.equilibrium import Basin, Equilibrium
from certify.claims.identity import described_strategy, difference
from certify.claims.refutation import Refutation
from certify.claims.rows import Row, Table
from certify.claims.shared_report import SharedReport, read_shared
from certify.problem.exact_types import described_class, known_method, unweighted
from certify.problem.messages import clipped
from certify.problem.region import Everywhere, Region
from certify.steps.step_size import StepSize
from dgames.strategy import Strategy, ravel


@final
class Convergence(Certificate):
    """A certificate of convergence to the only equilibrium in a region, from `certify.certify`.

    With status "proved", the pseudo-gradient is strongly monotone on the region, in a metric; there
    is exactly one equilibrium in it; and the flow and methods with safe steps converge to it from
    every start in their basins. "refuted" means that some player's cost is proved not to be convex
    in that player's own strategy at a point of the region; `refutation` is the proof.

    Attributes:
        status: "proved", "refuted" or "undecided".
        reasons: Why the status is not "proved", one sentence each; empty for a proof.
        promoted: What was not float64 in the game and the region, and what it was taken for, one
            sentence each; empty for a game in float64.
        refutation: The certificate that the claim is false; None unless the status is "refuted".
    """

    kind: ClassVar[str] = CONVERGENCE
    title: ClassVar[str] = "Convergence"

    def __init__(
        self,
        status: Status,
        reasons: tuple[str, ...] = (),
        *,
        promoted: tuple[str, ...] = (),
        contents: Checked | None = None,
        refutation: Refutation | None = None,
    ):
        super().__init__(
            status, reasons, promoted=promoted, contents=contents, refutation=refutation
        )
        self._claims = None if contents is None else read_claims(contents.data)

    @property
    def claims(self) -> ConvergenceClaims:
        """All claims together."""
        if self._claims is None:
            raise ValueError(self._unproved("no claims"))
        return self._claims

    @property
    def margin(self) -> float:
        """Lower bound on the strong-monotonicity modulus in `metric`."""
        return self.claims.margin

    @property
    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of the pseudo-gradient in that metric."""
        return self.claims.lipschitz

    @property
    def cocoercivity(self) -> float | None:
        """A number c with `<F(x) - F(y), x - y> >= |F(x) - F(y)|^2 / c` in that metric, or None.

        Proofs by terms of rank one have it where it is less than `lipschitz^2 / margin`, with which
        the inequality always holds. Simultaneous steps below `2 / c` converge.
        """
        return self.claims.cocoercivity

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the metric `sum_i weights_i |x_i|^2`, by player.

        Raises:
            ValueError: If the metric is a matrix that is not made of weights: see `metric`.
        """
        if self.claims.weights is None:
            raise ValueError("the metric of this certificate is a matrix: see its `metric`")
        return self.claims.weights

    @property
    def metric(self) -> np.ndarray:
        """The matrix P of the norm `|x|_P^2 = x' P x`, shape (n, n), coordinates in their order.

        Margin, Lipschitz constant, basin and the radius of the equilibrium are measured in it. With
        weights it is diagonal and has `weights_i` for each coordinate of player i.
        """
        return self.claims.metric

    @property
    def small_gain(self) -> GainReport:
        """The result of the aggregated small-gain test.

        Raises:
            ValueError: If the proof is one by terms, which bounds no single blocks.
        """
        if self.claims.small_gain is None:
            raise ValueError(
                "this proof is one by terms of rank one, which bounds no single blocks"
            )
        return self.claims.small_gain

    @property
    def step_sizes(self) -> dict[str, StepSize]:
        """Safe steps of each method, by name."""
        return self.claims.step_sizes

    @property
    def methods_without_step(self) -> dict[str, str]:
        """The reason for each requested method that is not in `step_sizes`, by name."""
        return read_methods_without_step(self.data)

    @property
    def equilibrium(self) -> Equilibrium:
        """Enclosure of the only equilibrium in the region.

        It is the only stationary point there, or the only zero of a field. Where the file has
        strategy sets, it is the only solution of the variational inequality, on their boundary or
        not.
        """
        return self.claims.equilibrium

    @property
    def shared(self) -> SharedReport | None:
        """The statements on shared constraints; None if there are none, or the region obeys them.

        With them the equilibrium is a generalised one, in the sense of `SharedReport`.
        """
        return read_shared(self.data)

    @property
    def basin(self) -> Basin:
        """The ball from which every start converges."""
        return self.claims.basin

    @property
    def region(self) -> Region:
        """The region where the claims hold."""
        return read_region(self.data)

    @property
    def field(self) -> str | None:
        """The name of the field that took the place of the pseudo-gradient, or None.

        For another field it is proved that it has one zero in the region, to which flow and methods
        converge; the certificate says nothing about equilibria.
        """
        return self.data["game"].get("field")

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """Returns a method with its best proved step.

        `dgames.solve(game, Method, x0, step_size=certificate)` uses it.

        Args:
            method: One of the classes that the certificate was made for.

        Raises:
            ValueError: If nothing was proved, or there is no step for this method.
        """
        name, make = known_method(method), cast(Callable[..., dg.AbstractMethod], method)
        if name is None or name not in self.step_sizes:
            why = None if name is None else self.methods_without_step.get(name)
            raise ValueError(
                f"the certificate has no step for {described_class(method)}, only for "
                f"{', '.join(self.step_sizes) or 'no method'}; "
                + (f"{why}." if why else "name it in certify(methods=...), or see contraction.")
            )
        step = self.step_sizes[name]
        return make(step.best, *(() if step.momentum is None else (step.momentum,)))

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says how a game differs from that of the certificate; returns None if it does not."""
        given = described_strategy(self.data) if x is None else x
        return difference(self.data, game, given, args)

    def require_game(self, game: dg.Game | dg.AbstractField, x: Strategy, args: Any = None) -> None:
        """Raises an error unless the steps of the certificate are for a given game or field.

        With shared constraints the weights select the equilibrium: the steps of a normalised one
        are projected in its metric, as those of `dgames.Normalised` are.

        Raises:
            ValueError: If the certificate is about another game, arguments or weights.
        """
        super().require_game(game, x, args)
        shared = self.shared
        if shared is None or shared.notion == NASH:
            return
        wanted = np.array([*shared.weights.values()])
        given = unweighted(game)[1]
        weights = np.ones_like(wanted) if given is None else np.array(given)
        if not np.array_equal(weights * wanted[0], wanted * weights[0]):
            ours, theirs = (clipped(str(each.tolist())) for each in (wanted, weights))
            raise ValueError(
                f"the certificate is about the equilibrium normalised with the weights {ours}, and "
                f"this run would go to that of {theirs}: use dgames.Normalised(game, weights)."
            )

    def in_basin(self, method: type[dg.AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Says whether a start is in a method's proved basin, from which it converges; traceable.

        Args:
            method: One of the classes that the certificate was made for.
            x: A joint strategy.
        """
        name = known_method(method)
        if name is None or name not in self.step_sizes:
            raise ValueError(f"the certificate has no basin for {described_class(method)}.")
        if isinstance(self.region, Everywhere):
            return jnp.asarray(True)
        step, sizes = self.step_sizes[name], self._sizes
        distance = ravel(x)[0].astype(float) - jnp.asarray(self._center, float)
        scale = step.scale
        if scale is not None:
            parts = jnp.split(distance, np.cumsum(sizes)[:-1])
            norms = [
                jnp.linalg.norm(part) / scale[name] for name, part in zip(scale, parts, strict=True)
            ]
            return jnp.max(jnp.stack(norms)) <= step.basin
        matrix, spread = self.claims.matrix, self.claims.spread
        if step.theorem == "small_gain":
            matrix, spread = None, np.repeat([*self.small_gain.weights.values()], sizes)
        if matrix is None:
            return distance @ (jnp.asarray(spread, float) * distance) <= step.basin**2
        return distance @ jnp.asarray(matrix, float) @ distance <= step.basin**2

    @property
    def _sizes(self) -> list[int]:
        return [player["size"] for player in self.data["game"]["players"]]

    @property
    def _center(self) -> np.ndarray:
        center = self.data["claims"]["equilibrium"]["center"]
        return np.array([float.fromhex(entry) for entry in center])

    @property
    def cells(self) -> int:
        """Number of cells of the proof; 0 for a proof by terms of rank one."""
        return self.claims.cells

    @property
    def terms(self) -> int:
        """Number of terms of rank one of the proof; 0 for a proof by cells."""
        return self.claims.terms

    def claim_rows(self) -> list[Row]:
        """Returns the claims: where, in which metric, how strongly, and what follows."""
        return claim_rows(self.data, self.claims)

    def tables(self) -> list[Table]:
        """Returns the numbers of each player and of each method."""
        return tables(self.data, self.claims)

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"Convergence(status={self.status!r}, reasons={self.reasons})"
        return (
            f"Convergence(status='proved', margin={self.margin:.6g}, "
            f"lipschitz={self.lipschitz:.6g}, "
            + (f"terms={self.terms})" if self.terms else f"cells={self.cells})")
        )
