"""What is proved of policy mirror ascent in a regularised mean-field game."""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.claims.convergence import Convergence
from certify.rounding import float_above


class PolicyContraction(NamedTuple):
    """A bound on how fast action values change with the policy, and what follows from it.

    With status "proved", `lipschitz < strength`, and for every step eta > 0 policy mirror ascent
    contracts by `factor(eta)`, in the norm `|pi|^2 = sum_ts weights_ts |pi_t(s)|_2^2`, over *all*
    policies. So the regularised game has exactly one equilibrium, and from every policy mirror
    ascent converges to it. It is no equilibrium of the game without the pull; there its
    exploitability is at most `bias`.

    Attributes:
        status: "proved" or "undecided".
        reasons: Why it is not proved, one sentence each.
        strength: That of the pull, rho.
        lipschitz: A bound on the Lipschitz constant of the action values of the regularised game
            as functions of the policy, up to constants per time and state, in that norm; infinite
            if it is undecided.
        weights: Shape `(times, states)`: the weights of the norm, powers of four.
        bias: A bound on the exploitability of the regularised equilibrium in the game itself,
            rounded up.
        field: The field whose margin bounds the constant; see `certify.mirror_ascent`.
        certificate: The certificate of that margin, with a file that the checker has accepted:
            `lipschitz` is `strength` less its margin. Everything else here is arithmetic and the
            theorem of `certify.mirror_ascent`, which no checker sees.
    """

    status: str
    reasons: tuple[str, ...]
    strength: float
    lipschitz: float
    weights: Float[np.ndarray, "times states"]
    bias: float
    field: dg.AbstractField
    certificate: Convergence

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"PolicyContraction(status={self.status!r}, reasons={self.reasons})"
        return (
            f"PolicyContraction(status='proved', lipschitz={self.lipschitz:.6g}, "
            f"strength={self.strength:.6g})"
        )

    def factor(self, eta: float) -> float:
        """Returns the proved factor per step, rounded up: `(1 + eta L) / (1 + eta rho)`.

        Args:
            eta: The step of mirror ascent; infinity for that of the best response iteration.

        Raises:
            ValueError: If the step is not positive, or nothing was proved.
        """
        if self.status != "proved":
            raise ValueError(f"nothing was proved: {'; '.join(self.reasons)}")
        if not eta > 0:
            raise ValueError(f"factor: eta must be positive, not {eta}")
        constant, strength = Fraction(self.lipschitz), Fraction(self.strength)
        if math.isinf(eta):
            return float_above(constant / strength)
        step = Fraction(eta)
        return float_above((1 + step * constant) / (1 + step * strength))
