"""Open-loop games in which all players want the same: metrics, margins, and sets of states."""

from typing import Any, NamedTuple

import numpy as np

from dgames.dynamic.lq_game import LQGame
from dgames.fields import FunctionField, pseudo_gradient
from dgames.games.trajectory import Trajectory
from dgames.strategy import Strategy


class PotentialWeights(NamedTuple):
    """Weights in which an open-loop game is strongly monotone; see `potential_weights`.

    Attributes:
        weights: One positive number per player, for `certify.Weights`.
        margin: The margin in these weights, for every horizon.
    """

    weights: dict[Any, float]
    margin: float


def potential_weights(game: LQGame, tolerance: float = 1e-12) -> PotentialWeights:
    r"""Returns weights in which an open-loop game with a common goal has a margin.

    Let the costs of states be multiples of one, `Q_i = q_i Q` and at the end `Q_i^T = q_i Q^T`,
    with `q_i > 0` and Q, Q^T positive semidefinite: players have the same goal with different zeal.
    Every game with a scalar state is of this kind. Then in the weights `1 / q_i` the
    pseudo-gradient of the game of controls, of any horizon, has the margin `min_i
    lambda_min(R_ii)`.

    *Proof.* The stacked states are `x = constant + sum_j G_j u_j`. So the Jacobian has the blocks
    `J_ij = q_i G_i'Q G_j + [i = j] R_i`, where Q and `R_i` now stand for block diagonal matrices
    over time. With `W = diag(1 / q_i)`, `W J = diag(R_i / q_i) + G'Q G` is symmetric, and as `G'Q G
    >= 0` it is at least `diag(R_i / q_i) >= min_i lambda_min(R_ii) W`. ∎

    So the game has a potential in these weights, and its only equilibrium is the minimiser of
    `x'Q x / 2 + sum_i u_i'R_i u_i / (2 q_i)`. The identity metric can be far from having a margin.
    The numbers here are those of floating point, of costs that are multiples up to the tolerance;
    `certify.certify(game, region, metric=certify.Weights(weights))` proves a margin from the code.

    Args:
        game: The game.
        tolerance: How far costs may be from multiples of one another, relative to their size.

    Raises:
        ValueError: If the costs of states are no positive multiples of one positive semidefinite
            matrix, or a player's cost of controls is not positive definite.

    Example:
        >>> one = np.eye(1)
        >>> both = {"a": one, "b": one}
        >>> potential_weights(LQGame(one, both, {"a": one, "b": 5 * one}, both))
        PotentialWeights(weights={'a': 1.0, 'b': 0.2}, margin=1.0)
    """
    pairs = {
        i: np.stack([np.asarray(own[i], np.float64) for own in (game.Q, game.terminal)])
        for i in game.players
    }
    first = pairs[game.players[0]]
    size = float((first**2).sum())
    if not size > 0 or np.linalg.eigvalsh(first).min() < -tolerance * np.sqrt(size):
        raise ValueError(
            "potential_weights: costs of states must be positive semidefinite, not zero"
        )
    zeal = {i: float((own * first).sum()) / size for i, own in pairs.items()}
    for i, own in pairs.items():
        far = np.abs(own - zeal[i] * first).max() > tolerance * np.sqrt(size) * abs(zeal[i])
        if not zeal[i] > 0 or far:
            raise ValueError(
                f"potential_weights: the state costs of player '{i}' are no positive multiple of "
                f"those of player '{game.players[0]}'"
            )
    margin = min(
        float(np.linalg.eigvalsh(np.asarray(game.R[i][i], np.float64)).min()) for i in game.players
    )
    if not margin > 0:
        raise ValueError("potential_weights: costs of own controls must be positive definite")
    return PotentialWeights({i: 1 / q for i, q in zeal.items()}, margin)


def with_initial_states(game: Trajectory, rate: float = 1.0) -> FunctionField:
    r"""Returns a field over controls and first state, whose certificate covers a set of states.

    The field is `(F(u; x), rate (x - x0))`, in which F is the pseudo-gradient from the first state
    x, and x stands beside the players under the name "x0". Let `certify.certify` prove a margin a
    and a Lipschitz constant b of it on `D x X`, in weights `w_i` of the players and w of "x0". Then
    for **every** first state x in X, on D and in the weights of the players:

    - F(.; x) has the margin a and the Lipschitz constant b: so it has at most one zero u(x) in D,
      each player's cost is convex in the own controls, and steps of the sizes that follow from a
      and b converge to it while they stay in D;
    - if the ball of radius `(b / a) sqrt(w) |x - x0|` around u(x0) lies in D, u(x) exists and is in
      it: it is an equilibrium within D.

    *Proof.* For fixed x, `(F(u; x) - F(v; x), 0)` is the difference of the values of the field at
    `(u, x)` and `(v, x)`, and the norm of `(u - v, 0)` is that of `u - v`; so both bounds pass on.
    With weights, the margin bounds each block on the diagonal from below by a, that is the Hessian
    of each cost in the own controls. And `|F(u(x0); x)| = |F(u(x0); x) - F(u(x0); x0)| <= b sqrt(w)
    |x - x0|`, so the last claim is theorem 6 of "The mathematics" around u(x0). ∎

    Args:
        game: The game; its first state is the centre.
        rate: A positive number; the margin is at most that. A larger one, with a smaller weight of
            "x0", makes room for the coupling to the first state.

    Returns:
        A field; its joint strategies are dictionaries of the controls and of "x0", of shape `(n,)`.

    Raises:
        ValueError: If the rate is not positive, or (when it is called) a player is called "x0".

    Example:
        >>> import jax.numpy as jnp
        >>> game = Trajectory(
        ...     lambda x, u: x + u["a"],
        ...     lambda x, u: {"a": jnp.sum(x**2 + u["a"] ** 2)},
        ...     lambda x: {"a": jnp.sum(x**2)},
        ...     x0=[1.0],
        ...     horizon=1,
        ... )
        >>> field = with_initial_states(game)
        >>> value = field({"a": jnp.array([[-0.5]]), "x0": jnp.array([1.5])})
        >>> value["a"].tolist(), value["x0"].tolist()
        ([[1.0]], [0.5])
    """
    if not rate > 0:
        raise ValueError(f"with_initial_states: the rate is {rate}; it must be positive")
    field = pseudo_gradient(game)

    def moved(z: Strategy, args: Any = None) -> Strategy:
        controls = {name: own for name, own in z.items() if name != "x0"}
        if "x0" not in z or len(controls) == 0:
            raise ValueError('with_initial_states: give the controls of players, and "x0"')
        state = z["x0"]
        drift = rate * (state - game.x0.astype(state.dtype))
        return {**field(controls, state), "x0": drift}

    return FunctionField(moved)
