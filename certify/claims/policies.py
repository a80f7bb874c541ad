"""What a certificate over all policies says, and the file that proves it."""

from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.reader import POLICIES, read
from certify.claims.certificate import save_data
from dgames.strategy import Strategy

Status = Literal["proved", "undecided"]


class PolicyStep(NamedTuple):
    """Steps of magnetic mirror descent, `dgames.MirrorDescent` with implicit regularisers.

    Attributes:
        max: Every positive step below this one contracts.
        best: The step with the best proved factor.
        gain: With it the divergence from the equilibrium shrinks by at least `1 / (1 + gain)` in
            every step.
    """

    max: float
    best: float
    gain: float

    @property
    def rate(self) -> float:
        """That factor; 1.0 where the gain is lost in rounding."""
        return 1 / (1 + self.gain)


class PolicyEquilibrium(NamedTuple):
    """Where the logit quantal response equilibrium x* is.

    Attributes:
        center: A joint strategy c, as float64 probabilities, normalised but for rounding.
        radius: `sum_i w_i (KL(c_i || x*_i) + KL(x*_i || c_i)) <= radius^2`, for the vectors of the
            file that c rounds, normalised exactly.
        distances: Bounds on `|c_i - x*_i|_1` that follow, one per player, with room for that
            rounding; 2 says nothing.
    """

    center: tuple[np.ndarray, ...]
    radius: float
    distances: Float[np.ndarray, " players"]


class AllPolicies(eqx.Module):
    """Every joint strategy: where the claims hold."""

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Always True."""
        return jnp.array(True)


class PolicyCertificate:
    """What `certify.certify_policies` found.

    The claims exist only where they are proved: with another status, asking for one of them raises
    a `ValueError` that says why there is no proof.

    Attributes:
        status: "proved" or "undecided".
        reasons: For a status other than "proved": why, one sentence each.
    """

    def __init__(
        self, status: Status, reasons: tuple[str, ...] = (), data: dict[str, Any] | None = None
    ):
        self.status: Status = status
        self.reasons = reasons
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        """The contents of the file, as plain data."""
        if self._data is None:
            raise ValueError(f"no claims: the status is {self.status!r} ({self.reasons[0]})")
        return self._data

    @property
    def margin(self) -> float:
        """Modulus of strong monotonicity relative to the entropy, over all policies.

        `V = sum_i weights_i KL(x*_i || x_i)` decays at this rate along the mirror flow.
        """
        return _float(self.data["claims"]["margin"])

    @property
    def temperature(self) -> float:
        """That of the regulariser; no margin is larger."""
        return _float(self.data["game"]["temperature"])

    @property
    def weights(self) -> Float[np.ndarray, " players"]:
        """Of the divergence V, one positive number per player."""
        return np.array([_float(w) for w in self.data["claims"]["weights"]])

    @property
    def lipschitz(self) -> float:
        """Of the field without regulariser, in the norm `sqrt(sum_i weights_i |d_i|_1^2)`."""
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
        """Where the claims hold, which is everywhere."""
        return AllPolicies()

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """`MirrorDescent` with its best proved step, for `dgames.solve(..., step_size=...)`.

        Raises:
            ValueError: If nothing was proved, or for another method.
        """
        if method is not dg.MirrorDescent:
            raise ValueError(
                f"a certificate of policies has steps for MirrorDescent, not {method.__name__}"
            )
        return cast(dg.AbstractMethod, dg.MirrorDescent(self.step.best))

    def require_game(self, game: dg.Game | dg.AbstractField, x: Strategy, args: Any = None) -> None:
        """Makes sure that the certificate speaks of a game, by its payoff tables.

        Args:
            game: A `Regularised` game, or its pseudo-gradient.
            x: A joint strategy; tables say how many actions players have.
            args: Of no meaning to games of payoff tables.

        Raises:
            ValueError: If the certificate is of another game.
        """
        from certify.claims.identity import policies_difference

        found = policies_difference(self.data, game)
        if found is not None:
            raise ValueError(f"the certificate is not of this game: {found}; certify this one.")

    def in_basin(self, method: type[dg.AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Whether a start converges: every positive policy does."""
        return jnp.stack([jnp.all(leaf > 0) for leaf in jax.tree.leaves(x)]).all()

    def save(self, path: str | Path) -> Path:
        """Writes the certificate file, all of it or nothing.

        Raises:
            ValueError: If nothing was proved: only proofs are saved.
        """
        return save_data(self.data, path)

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"PolicyCertificate(status={self.status!r}, reasons={self.reasons})"
        return (
            f"PolicyCertificate(status='proved', margin={self.margin:.6g}, "
            f"temperature={self.temperature:.6g}, step={self.step.best:.6g})"
        )


def load_policies(path: str | Path) -> PolicyCertificate:
    """Loads a file written by `PolicyCertificate.save` and checks it.

    Raises:
        ValueError: If the file cannot be read (`certify.checker.Unusable`), or the independent
            checker rejects it.
    """
    data = read(path)
    if data["format"] != POLICIES:
        raise Unusable(f"{path} is a {data['format']} file, not one about policies")
    verdict = check_data(data)
    if not verdict.ok:
        raise ValueError(
            f"{path}: the checker rejects this certificate: {'; '.join(verdict.reasons)}"
        )
    return PolicyCertificate("proved", data=data)


def _float(text: str) -> float:
    return float.fromhex(text)
