"""Mean-field games with a pull towards even randomisation."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.crowds.mean_field import MeanFieldGame
from dgames.fields import AbstractField
from dgames.sets import Simplex
from dgames.strategy import Strategy, join


class RegularisedMeanField(AbstractField):
    r"""A mean-field game with a pull of a given strength towards even randomisation.

        r_t(s, a, L_t) - strength / 2 |pi_t(s)|^2        at every time, in every state

    Players pay for the policy where they are, so payments enter all earlier values. The field is
    `strength pi - Q(pi)` with these values; its solutions on simplices, in the sense of variational
    inequalities, are the equilibria of the regularised game (no player gains by another action at
    one time and in one state only, and so, by backward induction, by no other policy).
    `Simultaneous(h)` with `h = eta / (1 + eta strength)` is *policy mirror ascent* with the step
    eta,

        pi+(s) = argmax_u <u, Q(s)> - strength |u|^2 / 2 - |u - pi(s)|^2 / (2 eta)

    since both are the projection of `(pi + eta Q) / (1 + eta strength)` onto the simplex;
    `certify.mirror_ascent` proves how much it contracts.

    Attributes:
        game: The game without the pull.
        strength: A positive number.

    Raises:
        ValueError: If the strength is not positive.

    Example:
        >>> from dgames import Simultaneous, solve
        >>> from dgames.games import LeftRight
        >>> game = RegularisedMeanField(LeftRight(), 0.5)
        >>> run = solve(game, Simultaneous(0.5), game.uniform())
        >>> bool(game.game.exploitability(run.strategy) < game.bias())
        True

    References:
        Yardim, Cayci, Geist and He, *Policy mirror ascent for efficient and independent learning
        in mean field games*, ICML 2023, arXiv:2212.14449.
    """

    game: MeanFieldGame
    strength: Float[Array, ""] = eqx.field(converter=as_float)

    def __check_init__(self):
        if is_known(self.strength) and not float(self.strength) > 0:
            raise ValueError(f"the strength must be positive, got {self.strength}")

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        policy = self.game.policy(x)
        return join(x, (self.strength.astype(policy.dtype) * policy - self.action_values(x),))

    @override
    def strategy_set(self, x: Strategy) -> Simplex:
        return Simplex()

    def uniform(self) -> tuple[Float[Array, "times states actions"]]:
        """The policy that randomises evenly, as a joint strategy of one player."""
        return self.game.uniform()

    def action_values(self, x: Strategy) -> Float[Array, "times states actions"]:
        """Returns the values of one action and then the policy, with later payments."""
        policy = self.game.policy(x)
        strength = self.strength.astype(policy.dtype)

        def summary(values: Array, own: Array) -> Array:
            return jnp.sum(own * (values - strength / 2 * own), -1)

        return self.game.backward(self.game.flow(x), summary, policy)

    def exploitability(self, x: Strategy) -> Float[Array, ""]:
        """Returns what a single player can gain in the regularised game by another policy.

        Best responses are `argmax_u <u, Q(s)> - strength |u|^2 / 2`, the projection of
        `Q(s) / strength`.

        Args:
            x: A policy.
        """
        policy, flow = self.game.policy(x), self.game.flow(x)
        strength = self.strength.astype(policy.dtype)

        def worth(values: Array, own: Array) -> Array:
            return jnp.sum(own * (values - strength / 2 * own), -1)

        def best(values: Array, _: Array) -> Array:
            return worth(values, Simplex().project(values / strength))

        gains = best(self.game.backward(flow, best, policy)[0], policy[0])
        return self.game.at_start(gains - worth(self.action_values(x)[0], policy[0]))

    def bias(self) -> Float[Array, ""]:
        """An upper bound on the exploitability of regularised equilibria in the game itself.

            E <= strength / 2 (T + 1) (1 - 1 / actions)

        Each payment is between `strength / (2 actions)` and `strength / 2`. So if no policy is
        better with payments, then without them none is better by more than T + 1 times the
        difference. For a pull `temperature h` with any other h it is `temperature (T + 1) (max h -
        min h)`: for the negative entropy, `temperature (T + 1) log actions`.
        """
        spread = 1 - 1 / self.game.actions
        return self.strength * (self.game.horizon + 1) * spread / 2
