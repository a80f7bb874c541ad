"""A loss that vanishes at equilibria, and unbiased estimates of it from sampled play."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from dgames.arrays import as_float
from dgames.fields import PseudoGradient
from dgames.games.matrix import MatrixGame
from dgames.logits import log_of
from dgames.strategy import Strategy, as_strategy, blocks, join

Profile = tuple[Int[Array, ""], ...]


def nash_loss(game: MatrixGame, x: Strategy, temperature: Any = 0.0) -> Float[Array, ""]:
    r"""The squared norm of all players' payoff gradients, projected onto the simplices' tangents.

        L(x) = sum_k |P(g_k - temperature log x_k)|^2,   P(z) = z - mean(z)

    with `g_k` the expected payoffs of player k's actions. It is zero exactly at the logit quantal
    response equilibria at that temperature; at temperature zero, at the equilibria in the interior
    only. With payoffs in [0, 1] and at most m actions each, the gaps of all n players are bounded:
    see `nash_loss_bound`.

    Args:
        game: A game in normal form.
        x: A joint strategy.
        temperature: Not negative.

    Example:
        >>> chicken = MatrixGame([[0.0, 7.0], [2.0, 6.0]], [[0.0, 2.0], [7.0, 6.0]])
        >>> mixed = jnp.array([1 / 3, 2 / 3])
        >>> float(nash_loss(chicken, (mixed, mixed)).round(12))
        0.0

    References:
        Gemp, Marris and Piliouras, *Approximating Nash equilibria in normal-form games via
        stochastic optimization*, ICLR 2024, arXiv:2310.06689.
    """
    x = as_strategy(x)
    return _loss(_payoffs_of_actions(game, x), _payoffs_of_actions(game, x), x, temperature)


def estimated_nash_loss(
    game: MatrixGame,
    x: Strategy,
    profiles: tuple[Profile, Profile],
    temperature: Any = 0.0,
) -> Float[Array, ""]:
    r"""An estimate of `nash_loss` from two independent action profiles, drawn from `x`.

        sum_k <P(g_k(first) - temperature log x_k), P(g_k(second) - temperature log x_k)>

    where `g_k(a)` are the payoffs of player k's actions against the others' actions in a. Both are
    unbiased and independent, hence so is the product; the square of one would not be. Derivatives
    in x are unbiased as well: they count that the profiles' probabilities depend on x.

    Args:
        game: A game in normal form.
        x: A joint strategy.
        profiles: Two draws of `sample_profile`.
        temperature: Not negative.

    >>> game, x = MatrixGame.matching_pennies(), (jnp.array([0.5, 0.5]),) * 2
    >>> heads, tails = (jnp.array(0),) * 2, (jnp.array(1),) * 2
    >>> float(estimated_nash_loss(game, x, (heads, tails)))
    -4.0
    """
    x = as_strategy(x)
    first, second = (_sampled_payoffs(game, x, profile) for profile in profiles)
    return _loss(first, second, x, temperature)


def sample_profile(key: Key[Array, ""], x: Strategy) -> Profile:
    """Draws one action for each player.

    Args:
        key: A random key.
        x: A joint strategy, one probability vector per player.

    >>> sample_profile(jax.random.key(0), (jnp.array([0.0, 1.0]), jnp.array([1.0, 0.0])))
    (Array(1, dtype=int64), Array(0, dtype=int64))
    """
    mixed = blocks(as_strategy(x))
    keys = jax.random.split(key, len(mixed))
    draw = jax.random.categorical
    return tuple(draw(k, log_of(p)).astype(int) for k, p in zip(keys, mixed, strict=True))


def nash_loss_bound(game: MatrixGame, loss: Any, temperature: Any = 0.0) -> Float[Array, ""]:
    r"""Bounds the largest gap of any player by a value of `nash_loss`.

        n temperature (W(1/e) + (m - 2) / e) + 2 sqrt(n m) sqrt(loss)

    with n players, at most m actions each, and W the function of Lambert (Gemp et al., lemma 14
    with equal weights).

    Args:
        game: A game with payoffs in [0, 1], for its shape.
        loss: A value of `nash_loss`, not of an estimate.
        temperature: The temperature of the loss.

    >>> float(nash_loss_bound(MatrixGame.matching_pennies(), 0.25))
    2.0
    """
    players, *actions = game.payoffs.shape
    most = max(actions)
    lambert = 0.2784645427610738
    bias = players * as_float(temperature) * (lambert + (most - 2) / jnp.e)
    return bias + 2 * jnp.sqrt(players * most * as_float(loss))


def _loss(first: Strategy, second: Strategy, x: Strategy, temperature: Any) -> Float[Array, ""]:
    terms = []
    for one, other, p in zip(blocks(first), blocks(second), blocks(x), strict=True):
        entropy = as_float(temperature).astype(p.dtype) * log_of(p)
        # The projection is symmetric and idempotent, so it is applied to one factor only.
        terms.append((one - entropy) @ _centred(other - entropy))
    return jnp.sum(jnp.stack(terms))


def _centred(z: Array) -> Array:
    return z - jnp.mean(z)


def _payoffs_of_actions(game: MatrixGame, x: Strategy) -> Strategy:
    return jax.tree.map(jnp.negative, PseudoGradient(game)(x))


def _sampled_payoffs(game: MatrixGame, x: Strategy, profile: Profile) -> Strategy:
    """Payoffs of each player's actions against the others' sampled ones.

    The weight in front is one, and its derivative is that of the sample's log-probability.
    """
    mixed = blocks(x)
    drawn = [p[a] for p, a in zip(mixed, profile, strict=True)]
    payoffs = []
    for k, own in enumerate(mixed):
        others = [a for j, a in enumerate(profile) if j != k]
        table = jnp.moveaxis(game.payoffs[k].astype(own.dtype), k, 0)
        chance = jnp.prod(jnp.stack([q for j, q in enumerate(drawn) if j != k]))
        payoffs.append(chance / jax.lax.stop_gradient(chance) * table[(slice(None), *others)])
    return join(x, tuple(payoffs))
