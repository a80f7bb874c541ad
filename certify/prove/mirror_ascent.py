"""Proves that policy mirror ascent contracts in a regularised mean-field game."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import dgames as dg
from certify.claims.policy_contraction import PolicyContraction
from certify.jacobian.enclosure_choice import AutoEnclosure, Enclosure
from certify.metric.metric_options import Weights
from certify.problem.region import Box
from certify.prove.arguments import check_enclosure, check_search
from certify.prove.certify import certify
from certify.rounding import float_above, next_above, next_below
from certify.search.search_options import Search

# Policies at which derivatives are sampled for the weights.
_SAMPLES = 200


def mirror_ascent(
    game: dg.RegularisedMeanField,
    *,
    enclosure: Enclosure = AutoEnclosure(),
    search: Search = Search(),
) -> PolicyContraction:
    r"""Bounds how fast action values change over all policies, and with it mirror ascent.

    *Theorem.* Let policy mirror ascent with a step eta be, at every time and in every state,

        T(pi)(s) = argmax_u <u, q(s; pi)> - h(u) - |u - pi(s)|^2 / (2 eta)

    with a regulariser h that is rho-strongly convex in the 2-norm (here: `strength |u|^2 / 2`; the
    negative entropy times rho is one too), and q the action values of the regularised game in the
    crowd of pi, payments of later times included. Let `|pi|^2 = sum_ts w_ts |pi_t(s)|_2^2` with any
    positive weights, and let q, up to constants per time and state, be L-Lipschitz from this norm
    into itself. Then

        |T(pi) - T(pi')| <= (1 + eta L) / (1 + eta rho) |pi - pi'|

    *Proof.* At one time and state, u and u' maximise functions that are strongly concave with
    modulus `rho + 1 / eta`, and that differ by the linear one with the slope `g - g'`, `g = q + pi
    / eta`. Adding both conditions of optimality, `(rho + 1 / eta) |u - u'|^2 <= <u - u', g - g'>`,
    where only the part of `g - g'` counts that sums to zero, as `u - u'` does. So `|u - u'|` is at
    most the length of that part over `rho + 1 / eta`; take the weighted norm over all times and
    states, and the triangle inequality. If `L < rho`, T contracts the complete set of all policies.
    Its fixed point is optimal at each single time and state, which by backward induction is an
    equilibrium of the regularised game, and conversely.

    The weights matter: payments of later times change earlier values by as much as the pull itself,
    and with equal weights `L < rho` fails even where the crowd does not matter at all. The crowd
    acts forward in time, payments backward; weights that differ between times make use of that.
    They are chosen from samples, which is no part of the proof.

    *What the checker sees.* `|Dq| <= L` means that the symmetric part of the Jacobian of the field
    `(rho y, rho v + 2 q(y))` on pairs is at least `rho - L`: its blocks are rho on the diagonal,
    and Dq and its transpose beside it. So the certificate is one of `certify.certify`, of this
    field on a box that holds all policies (in coordinates of the directions that keep sums, integer
    combinations of probabilities), with `margin = rho - L`. The checker verifies that number; the
    theorem above, and the bias `strength (T + 1) (1 - 1 / actions) / 2` of
    `dgames.RegularisedMeanField`, are for people.

    Args:
        game: The regularised game. The box holds points with negative probabilities too if there
            are more than two actions; rewards have to be defined there.
        enclosure: As for `certify.certify`; affine arithmetic usually needs one cell, and takes a
            while to compile.
        search: Likewise.

    Returns:
        A `PolicyContraction`; "undecided" if `L < rho` was not proved.

    Raises:
        ValueError: If the game is not a `dgames.RegularisedMeanField`, or has but one action.
        EnclosureError: If rewards or transitions use a primitive without an enclosure rule.

    Example:
        >>> import certify, dgames as dg
        >>> from dgames.games import AnonymousGame
        >>> crowd = AnonymousGame(lambda shares: -jnp.array([1.0, 2.0]) * shares, 2)
        >>> proof = mirror_ascent(dg.RegularisedMeanField(crowd, 2.0))
        >>> proof.status, round(proof.lipschitz, 6), round(proof.factor(1.0), 6)
        ('proved', 1.5, 0.833333)

    References:
        Yardim, Cayci, Geist and He, ICML 2023, arXiv:2212.14449, of whom T and the smallness are.
    """
    if not isinstance(game, dg.RegularisedMeanField):
        raise ValueError(
            f"mirror_ascent: expected a dgames.RegularisedMeanField, not {type(game).__name__}."
        )
    if game.game.actions < 2:
        raise ValueError("mirror_ascent: with one action there is nothing to choose.")
    check_enclosure("mirror_ascent", enclosure)
    check_search("mirror_ascent", search)
    coordinates = _Coordinates.of(game)
    scale = _scale(game, coordinates)
    strength = float(game.strength)
    field, region, metric = _doubled(game, coordinates, scale)
    certificate = certify(field, region, (), metric=metric, enclosure=enclosure, search=search)
    proved = certificate.status == "proved"
    if proved and certificate.weights != metric.by_player:
        raise AssertionError("the margin was proved in another metric than the given one")
    constant = math.inf
    if proved:
        constant = float_above(Fraction(strength) - Fraction(certificate.margin))
    times, actions = game.game.horizon + 1, game.game.actions
    return PolicyContraction(
        "proved" if proved else "undecided",
        certificate.reasons,
        strength,
        constant,
        scale**2,
        float_above(Fraction(strength) * times * (1 - Fraction(1, actions)) / 2),
        field,
        certificate,
    )


class _Coordinates(NamedTuple):
    """Coordinates y of the policies at one time and state: `pi = first + directions y`.

    Attributes:
        directions: Integers, shape `(actions, actions - 1)`: orthogonal columns that sum to zero.
        squares: The squares of their lengths.
        lower: Lower bounds on y over all policies, shape `(times, states, actions - 1)`.
        upper: Upper bounds.
    """

    directions: np.ndarray
    squares: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def of(cls, game: dg.RegularisedMeanField) -> "_Coordinates":
        actions = game.game.actions
        # The first k actions against the next one.
        directions = np.triu(np.ones((actions, actions - 1)))
        for k in range(actions - 1):
            directions[k + 1, k] = -(k + 1)
        squares = (directions**2).sum(0)
        # y_k = <directions_k, pi - first> / squares_k, and pi is a mean of unit vectors.
        lower = next_below((directions.min(0) - directions[0]) / squares)
        upper = next_above((directions.max(0) - directions[0]) / squares)
        shape = (game.game.horizon + 1, game.game.states, actions - 1)
        return cls(
            directions, squares, np.broadcast_to(lower, shape), np.broadcast_to(upper, shape)
        )

    def policy(self, y: Array) -> Array:
        """Returns the policy with coordinates y, of any values."""
        directions = jnp.asarray(self.directions)
        first = np.zeros(len(directions))
        first[0] = 1.0
        return jnp.broadcast_to(jnp.asarray(first), (*y.shape[:-1], len(first))) + y @ directions.T

    def of_values(self, q: Array) -> Array:
        """Returns the coordinates of the part of action values that sums to zero."""
        return (q @ jnp.asarray(self.directions)) / jnp.broadcast_to(
            jnp.asarray(self.squares), (*q.shape[:-1], len(self.squares))
        )


def _values(game: dg.RegularisedMeanField, coordinates: _Coordinates) -> Callable[[Array], Array]:
    """Returns action values as a function of the policy, both in coordinates."""

    def values(y: Array) -> Array:
        return coordinates.of_values(game.action_values((coordinates.policy(y),)))

    return values


def _scale(
    game: dg.RegularisedMeanField, coordinates: _Coordinates
) -> Float[np.ndarray, "times states"]:
    """Chooses the square roots of the weights, powers of two, from derivatives at samples.

    Let `N_ij` be the largest norms of the blocks, of values i along policies j. Of all diagonal D,
    `|D N D^-1|_2` is least, and the spectral radius of N, for `D_i^2 = l_i / r_i` with the left and
    right Perron vectors.
    """
    times, states, free = coordinates.lower.shape
    values, blocks = _values(game, coordinates), times * states
    draws = np.random.default_rng(0).dirichlet(np.full(free + 1, 0.3), (_SAMPLES, times, states))
    offsets = draws - np.eye(free + 1)[0]
    points = jnp.asarray(offsets @ coordinates.directions / coordinates.squares)
    slopes = np.asarray(jax.jit(jax.vmap(jax.jacfwd(values)))(points))
    lengths = np.sqrt(coordinates.squares)
    slopes = slopes.reshape(_SAMPLES, blocks, free, blocks, free)
    slopes = slopes * lengths[:, None, None] / lengths
    norms = np.linalg.norm(slopes, axis=(2, 4)).max(0)
    largest = norms.max()
    if not (np.isfinite(largest) and largest > 0):
        return np.ones((times, states))
    norms = norms + 1e-3 * largest
    ratio = _perron(norms.T) / _perron(norms)
    return 2.0 ** np.round(np.log2(ratio / ratio.max()) / 2).reshape(times, states)


def _perron(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eig(matrix)
    return np.abs(np.real(vectors[:, np.argmax(np.real(values))]))


def _doubled(
    game: dg.RegularisedMeanField,
    coordinates: _Coordinates,
    scale: Float[np.ndarray, "times states"],
) -> tuple[dg.FunctionField, Box, Weights]:
    """Returns the field `(rho y, rho v + 2 q(y))` about the middle of the box, and where it is.

    Coordinates are multiplied by the scale, and each direction of policies is a player of its own,
    so that the weights of the metric are the squares of the directions' lengths.
    """
    values, strength = _values(game, coordinates), np.float64(game.strength)
    names = [str(k) for k in range(len(coordinates.squares))]
    factor = np.broadcast_to(scale[..., None], coordinates.lower.shape)
    lower, upper = coordinates.lower * factor, coordinates.upper * factor
    middle = (lower + upper) / 2
    there = np.asarray(values(jnp.asarray(middle / factor)))

    def stacked(parts: dict[str, Any], kind: str) -> Array:
        return jnp.stack([parts[f"{kind} {name}"] for name in names], -1)

    def split(array: Any, kind: str) -> dict[str, Any]:
        return {f"{kind} {name}": array[..., k] for k, name in enumerate(names)}

    def pairs(x: dict[str, Any], args: Any) -> dict[str, Any]:
        y, v = stacked(x, "policy"), stacked(x, "image")
        change = values(y / factor) - there
        return split(strength * (y - middle), "policy") | split(
            strength * v + 2 * factor * change, "image"
        )

    sides = np.ones_like(middle)
    region = Box(
        split(jnp.asarray(lower), "policy") | split(jnp.asarray(-sides), "image"),
        split(jnp.asarray(upper), "policy") | split(jnp.asarray(sides), "image"),
    )
    weights = {
        f"{kind} {name}": float(square)
        for kind in ("policy", "image")
        for name, square in zip(names, coordinates.squares, strict=True)
    }
    return dg.FunctionField(pairs), region, Weights(weights)
