"""Fictitious play in mean-field games."""

import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree
from typing_extensions import override

from dgames.crowds.mean_field import MeanFieldGame
from dgames.fields import AbstractField
from dgames.methods.method import AbstractMethod, State
from dgames.strategy import Strategy, join


class FictitiousPlay(AbstractMethod):
    r"""Fictitious play: respond to the crowd so far, and average the flows.

        L_k = (1 - w_k) flow(pi_k) + w_k response,    w_k = 1 / (k + 2),    pi_{k+1} = L_k / mu_k

    where `response` is the law of a player who responds best to the crowd of `pi_k`; where the
    crowd never is, the new policy is that response. The state is the number of steps. In games
    whose rewards are monotone in the sense of Lasry and Lions, `sum_t <r(L) - r(L'), L - L'> <= 0`,
    and where the crowd does not change where actions lead, the exploitability of its limit in
    continuous time is O(1 / t).

    It follows a `dgames.MeanFieldGame`, and no other field.

    References:
        Perrin et al., *Fictitious play for mean field games*, NeurIPS 2020, arXiv:2007.03458.
    """

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Int[Array, ""]:
        _game(field)
        return jnp.zeros((), int)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, Int[Array, ""]]:
        game, policy = _game(field), _game(field).policy(x)
        flow = game.flow(x)
        best = game.best_response(flow)
        weight = (1 / (state + 2)).astype(policy.dtype)
        mixed = (1 - weight) * flow + weight * game.response_flow(best, flow)
        shares = jnp.sum(mixed, -1, keepdims=True)
        there = shares > 0
        new = jnp.where(there, mixed / jnp.where(there, shares, 1), best[0])
        return join(x, (new,)), state + 1


def _game(field: AbstractField) -> MeanFieldGame:
    if not isinstance(field, MeanFieldGame):
        raise ValueError("FictitiousPlay follows a dgames.MeanFieldGame, and no other field")
    return field
