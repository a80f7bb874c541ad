"""Bayesian persuasion: who chooses what another one learns."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dgames.arrays import as_float
from dgames.fields import FunctionField
from dgames.sets import Simplex


@dataclass(frozen=True)
class PersuasionOptimum:
    """The best signal, which recommends actions that the receiver follows, in fractions.

    Attributes:
        signal: In each state, the probability with which each action is recommended.
        value: What the sender gets.
    """

    signal: tuple[tuple[Fraction, ...], ...]
    value: Fraction


class Persuasion(eqx.Module):
    r"""A sender, who commits to what is observed in each state, and a receiver, who then acts.

    A signal x is seen with probability `x[state, signal]`. The receiver knows x, and acts on the
    posterior of the state given the signal. It is a Stackelberg game whose leader moves beliefs,
    under the one law that posteriors are the prior on average.

    Without loss signals are recommendations that the receiver is willing to follow, and the best
    ones solve a linear program over `p[action, state] = prior[state] x[state, action]`:

        max  <p, sender>   subject to   sum over states of p[a] (receiver[b] - receiver[a]) <= 0

    for all actions a and b, and the sums of p over actions are the prior.

    Attributes:
        prior: The probabilities of the states, all positive.
        sender: What the sender gets, of shape `(actions, states)`.
        receiver: What the receiver gets, of shape `(actions, states)`.

    Raises:
        ValueError: If shapes do not agree, or the prior is no distribution of positive numbers.

    Example:
        >>> court = Persuasion.court()
        >>> optimum = court.optimum()
        >>> round(float(optimum.value), 12), [float(p) for p in optimum.signal[0]]
        (0.6, [1.0, 0.0])
        >>> [round(float(p), 12) for p in optimum.signal[1]]  # three innocents of seven
        [0.428571428571, 0.571428571429]

    References:
        Kamenica and Gentzkow, *Bayesian persuasion*, American Economic Review 101 (2011).
    """

    prior: Float[Array, " states"] = eqx.field(converter=as_float)
    sender: Float[Array, "actions states"] = eqx.field(converter=as_float)
    receiver: Float[Array, "actions states"] = eqx.field(converter=as_float)

    def __check_init__(self):
        shape = self.sender.shape
        if len(shape) != 2 or self.receiver.shape != shape or self.prior.shape != shape[1:]:
            raise ValueError(
                "Persuasion: payoffs have the shape (actions, states), and the prior (states,); "
                f"got {shape}, {self.receiver.shape} and {self.prior.shape}"
            )
        prior = np.asarray(self.prior, float)
        if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
            raise ValueError(f"Persuasion: the prior is positive and sums to one, got {self.prior}")

    @classmethod
    def court(cls, guilty: float = 0.3) -> "Persuasion":
        """The prosecutor and the judge of Kamenica and Gentzkow.

        States are guilty and innocent, actions to convict and to acquit. The judge wants to be
        right, the prosecutor to convict. With a prior of guilt below a half, the judge convicts
        with probability `2 guilty`: as many innocents are convicted as guilty people.
        """
        return cls([guilty, 1 - guilty], [[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])

    def optimum(self) -> PersuasionOptimum:
        """The best signal, exactly: a linear program in fractions, proved by its multipliers."""
        from dgames.equilibria.exact_payoffs import as_fractions
        from dgames.equilibria.simplex_program import best_in_simplex, is_optimal

        prior = as_fractions(np.asarray(self.prior), "the prior")
        prior = prior / sum(prior)
        sender = as_fractions(np.asarray(self.sender), "the sender's payoffs")
        receiver = as_fractions(np.asarray(self.receiver), "the receiver's payoffs")
        actions, states = sender.shape
        rows: list[Any] = []
        for a in range(actions):
            for b in range(actions):
                row = np.full((actions, states), Fraction(0), object)
                row[a] = receiver[b] - receiver[a]
                rows += [row.ravel()] if b != a else []
        for state in range(states):  # the sum over actions is the prior: from above and below
            row = np.full((actions, states), -prior[state], object)
            row[:, state] += 1
            rows += [row.ravel(), -row.ravel()]
        constraints = np.array(rows, object)
        # Both sides of all constraints and the payoffs are multiplied by one number, so that the
        # multipliers stay what they are.
        scale = math.lcm(*(v.denominator for v in [*constraints.ravel(), *sender.ravel()]))
        found = best_in_simplex(_whole(sender.ravel(), scale), _whole(constraints, scale))
        found = found._replace(value=found.value / scale)
        if found.point is None or not is_optimal(sender.ravel(), constraints, found):
            raise RuntimeError("a linear program was not solved exactly; please report this game")
        table = np.array(found.point, object).reshape(actions, states) / prior
        return PersuasionOptimum(tuple(map(tuple, table.T.tolist())), found.value)

    def posteriors(self, x: Float[Array, "states signals"]) -> Float[Array, "signals states"]:
        """The receiver's beliefs after each signal, which must be possible."""
        joint = (self.prior.astype(x.dtype)[:, None] * x).T
        return joint / jnp.sum(joint, -1, keepdims=True)

    def stackelberg(self, temperature: float) -> Any:
        """The same with a receiver who answers smoothly, as a Stackelberg game.

        The sender leads with `x[state, signal]`, which is a distribution in each state. The
        receiver follows with logits `z[signal, action]`, the zero of `z - payoffs / temperature`:
        the logit response to the posterior. As the temperature falls the best value of leading
        approaches that of `optimum`.

        Args:
            temperature: A positive number.

        Returns:
            A `dgames.Stackelberg`.

        Raises:
            ValueError: If the temperature is not positive.

        >>> game = Persuasion.court().stackelberg(0.1)
        >>> x = jnp.array([[1.0, 0.0], [0.4, 0.6]])
        >>> z = game.best_response(x, (jnp.zeros((2, 2)),))[0]
        >>> [float(p.round(4)) for p in jax.nn.softmax(z)[:, 0]]  # beliefs of guilt: .517 and 0
        [0.5854, 0.0]
        """
        from dgames.leaders import Stackelberg  # it imports root finders

        if not temperature > 0:
            raise ValueError(f"Persuasion: the temperature is positive, got {temperature}")

        def unanswered(z: Any, x: Array) -> Any:
            return (z[0] - self.posteriors(x) @ self.receiver.T.astype(x.dtype) / temperature,)

        def cost(x: Array, z: Any) -> Array:
            chances = jax.nn.softmax(z[0])
            joint = self.prior.astype(x.dtype)[:, None] * x
            return -jnp.einsum("ws,sa,aw->", joint, chances, self.sender.astype(x.dtype))

        return Stackelberg(cost, FunctionField(unanswered), Simplex())


def _whole(table: np.ndarray, scale: int) -> np.ndarray:
    result = np.empty(table.size, object)
    result[:] = [int(value * scale) for value in table.ravel()]
    return result.reshape(table.shape)
