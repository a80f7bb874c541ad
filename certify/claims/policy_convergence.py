"""The certificate of convergence over all policies of a regularised game."""

from typing import Any, ClassVar, NamedTuple, cast, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

import dgames as dg
from certify.checker.reader import POLICIES
from certify.claims.certificate import Certificate
from certify.claims.identity import policies_difference
from certify.claims.rows import Row, about, at_least, at_most, row, shortened
from dgames.strategy import Strategy

# The most players whose sizes and weights are shown.
_MOST_SHOWN = 6


class PolicyStep(NamedTuple):
    """Proved steps of magnetic mirror descent: `MirrorDescent` with implicit regularisers.

    Attributes:
        max: Every positive step below this one contracts.
        best: The step with the best proved factor.
        gain: The best step shrinks the divergence from the equilibrium by a factor of at most
            `1 / (1 + gain)`.
    """

    max: float
    best: float
    gain: float

    @property
    def rate(self) -> float:
        """The factor `1 / (1 + gain)` of the best step; 1.0 where the gain is lost in rounding."""
        return 1 / (1 + self.gain)


class PolicyEquilibrium(NamedTuple):
    """An enclosure of the logit quantal response equilibrium x*.

    Attributes:
        center: A joint strategy c, as float64 probabilities, normalised up to rounding.
        radius: The bound in `sum_i w_i (KL(c_i || x*_i) + KL(x*_i || c_i)) <= radius^2`, for the
            vectors of the file that c rounds, normalised exactly.
        distances: Bounds on `|c_i - x*_i|_1` that follow, one per player, with room for that
            rounding; a bound of 2 says nothing.
    """

    center: tuple[np.ndarray, ...]
    radius: float
    distances: Float[np.ndarray, " players"]


class AllPolicies(eqx.Module):
    """The region of all joint strategies, where the claims hold."""

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Returns True for every strategy."""
        return jnp.array(True)


@final
class PolicyConvergence(Certificate):
    """A certificate of convergence over all policies of a game, from `certify.certify_policies`.

    With status "proved", the regularised game is strongly monotone relative to the entropy, over
    all positive policies; so there is exactly one quantal response equilibrium, and magnetic mirror
    descent converges to it from everywhere. The status is never "refuted".
    """

    kind: ClassVar[str] = POLICIES
    title: ClassVar[str] = "Convergence over all policies"

    @property
    def margin(self) -> float:
        """Modulus of strong monotonicity relative to the entropy, over all policies.

        `V = sum_i weights_i KL(x*_i || x_i)` decays at this rate along the mirror flow.
        """
        return _float(self.data["claims"]["margin"])

    @property
    def temperature(self) -> float:
        """Temperature of the regulariser; no margin is larger."""
        return _float(self.data["game"]["temperature"])

    @property
    def weights(self) -> Float[np.ndarray, " players"]:
        """Weights of the divergence V, one positive number per player."""
        return np.array([_float(w) for w in self.data["claims"]["weights"]])

    @property
    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of the field without regulariser.

        The norm is `sqrt(sum_i weights_i |d_i|_1^2)`.
        """
        return _float(self.data["claims"]["lipschitz"])

    @property
    def step(self) -> PolicyStep:
        """Proved steps of magnetic mirror descent."""
        return PolicyStep(**{k: _float(v) for k, v in self.data["claims"]["step"].items()})

    @property
    def equilibrium(self) -> PolicyEquilibrium:
        """Enclosure of the one logit quantal response equilibrium."""
        claims = self.data["claims"]["equilibrium"]
        center = tuple(np.array([_float(p) for p in own]) for own in claims["center"])
        radius = _float(claims["radius"])
        # Sums of n positive floats and quotients by them are off by n + 1 roundings at most.
        rounding = np.array([(len(own) + 4) * 2.0**-52 for own in center])
        distances = radius / np.sqrt(self.weights) * (1 + 2.0**-50) + rounding
        distances = np.minimum(distances, 2.0)
        return PolicyEquilibrium(tuple(own / own.sum() for own in center), radius, distances)

    @property
    def region(self) -> AllPolicies:
        """The region where the claims hold, which has all joint strategies."""
        return AllPolicies()

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """Returns `MirrorDescent` with its best proved step.

        `dgames.solve(..., step_size=certificate)` uses it.

        Raises:
            ValueError: If nothing was proved, or the method is another one.
        """
        if method is not dg.MirrorDescent:
            raise ValueError(
                f"a certificate of policies has steps for MirrorDescent, not {method.__name__}"
            )
        return cast(dg.AbstractMethod, dg.MirrorDescent(self.step.best))

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether a game has other payoffs, temperature or references.

        Args:
            game: A `Regularised` game, or its pseudo-gradient.
            x: Not used, as payoff tables say how many actions players have.
            args: Not used, as payoff tables have no arguments.
        """
        return policies_difference(self.data, game)

    def in_basin(self, method: type[dg.AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Says whether a start is known to converge, as it does if all policies are positive."""
        return jnp.stack([jnp.all(leaf > 0) for leaf in jax.tree.leaves(x)]).all()

    def claim_rows(self) -> list[Row]:
        """Returns the claims: in which divergence, how strongly, and what follows."""
        sizes, step = self.data["game"]["sizes"], self.step
        distance = float(self.equilibrium.distances.max())
        actions = shortened(([str(size)] for size in sizes), _MOST_SHOWN, total=False)
        weights = ([about(w)] for w in self.weights.tolist())
        return [
            row("players", f"{len(sizes)}, with ", *actions, " actions"),
            row("temperature", about(self.temperature)),
            row("where", "all positive policies; V = sum_i w_i KL(x*_i || x_i)"),
            row("weights w", *shortened(weights, _MOST_SHOWN, total=False)),
            *descent_rows(self.margin, self.lipschitz, step),
            row(
                "equilibrium",
                "exactly one quantal response equilibrium, within ",
                at_most(distance),
                " of the centre in the sum of absolute differences of each player's probabilities",
            ),
        ]

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"PolicyConvergence(status={self.status!r}, reasons={self.reasons})"
        return (
            f"PolicyConvergence(status='proved', margin={self.margin:.6g}, "
            f"temperature={self.temperature:.6g}, step={self.step.best:.6g})"
        )


def descent_rows(margin: float, lipschitz: float, step: PolicyStep) -> list[Row]:
    """How a divergence V decays, in continuous time and under magnetic mirror descent."""
    return [
        row(
            "margin",
            "relatively strongly monotone with modulus at least ",
            at_least(margin),
            ", the rate at which V decays along the mirror flow",
        ),
        row("Lipschitz constant", "at most ", at_most(lipschitz), ", without regulariser"),
        row(
            "steps",
            "magnetic mirror descent with every step below ",
            at_least(step.max),
            "; with ",
            about(step.best),
            " V shrinks by 1 / (1 + ",
            at_least(step.gain),
            ") or more each time",
        ),
    ]


def _float(text: str) -> float:
    return float.fromhex(text)
