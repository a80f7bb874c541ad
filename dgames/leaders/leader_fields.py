"""Fields of Stackelberg games: how a leader learns while, or after, followers answer."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.leaders.stackelberg import Stackelberg
from dgames.sets import AbstractSet, Box, Euclidean, PlayerSets, map_sets
from dgames.strategy import Block, Strategy, ravel


def _no_args(field: AbstractField, args: PyTree) -> None:
    if args is not None:
        raise ValueError(
            f"{type(field).__name__}: a Stackelberg game takes no args; keep parameters in its "
            "functions, for instance as attributes of an equinox.Module"
        )


def _scaled(factor: Array, tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: factor.astype(leaf.dtype) * leaf, tree)


class StackelbergGradient(AbstractField):
    """The total derivative D of the leader, the followers answering exactly; of `{"leader": x}`.

        x+ = x - h D(x),    D(x) = f_x + G_x' w  at  y = r(x).

    Attributes:
        game: The game.
        start: Where the search for the followers' answer starts, at every step anew.

    >>> import dgames as dg
    >>> follower = dg.game(lambda y, x: (0.5 * y[0] ** 2 - x * y[0],))
    >>> game = dg.Stackelberg(lambda x, y: 0.5 * (x - 4.0) ** 2 + 0.5 * y[0] ** 2, follower)
    >>> run = dg.solve(dg.StackelbergGradient(game, (0.0,)), dg.Simultaneous(0.5), {"leader": 0.0})
    >>> round(float(run.strategy["leader"]), 6)
    2.0
    """

    game: Stackelberg
    start: Strategy

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        _no_args(self, args)
        return {"leader": self.game.total_derivative(x["leader"], self.start)}

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return {"leader": self.game.leader_set}


class UnrolledGradient(AbstractField):
    """The gradient of the leader's cost through k steps of the followers; of `{"leader": x}`.

    The followers take `steps` projected gradient steps from `start`. All of them are
    differentiated, or the last `truncate` of them. With curvature `mu` the error of the derivative
    is O((1 - step_size mu)^k): see `StackelbergGradient` for none.

    Attributes:
        game: The game.
        start: Where the followers start.
        step_size: Their step size.
        steps: The number k of their steps.
        truncate: How many of the last steps are differentiated; by default all.
    """

    game: Stackelberg
    start: Strategy
    step_size: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    steps: int = eqx.field(static=True, default=10)
    truncate: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.steps < 1 or not 0 <= self._differentiated <= self.steps:
            raise ValueError(
                "UnrolledGradient: steps is at least 1, and truncate from 0 to steps; got "
                f"{self.steps} and {self.truncate}"
            )

    @property
    def _differentiated(self) -> int:
        return self.steps if self.truncate is None else self.truncate

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        _no_args(self, args)

        def cost(x: Block) -> Any:
            fixed = jax.lax.stop_gradient(x)
            y = jax.tree.map(jnp.asarray, self.start)
            y = self._answers(fixed, y, self.steps - self._differentiated)
            y = self._answers(x, jax.lax.stop_gradient(y), self._differentiated)
            return self.game.leader_cost(x, y)

        return {"leader": jax.grad(cost)(jax.tree.map(jnp.asarray, x["leader"]))}

    def _answers(self, x: Block, y: Strategy, steps: int) -> Strategy:
        sets = self.game.sets(x, y)

        def step(y: Strategy, _: None) -> tuple[Strategy, None]:
            change = _scaled(self.step_size, self.game.force(x, y))
            moved = jax.tree.map(jnp.subtract, y, change)
            return map_sets(lambda own, block: own.project(block), sets, moved), None

        return jax.lax.scan(step, y, length=steps)[0]

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return {"leader": self.game.leader_set}


class TwoTimescale(AbstractField):
    """Leader and followers move together, the followers `speed` times faster.

    Of `{"leader": x, "followers": y}` it is `(f_x + G_x' w, speed G)`, with the exact adjoint
    `w(x, y)`: one linear system, and no search for an answer. With speed 1 and simultaneous steps
    it is Stackelberg learning of Fiez, Chasnov and Ratliff (arXiv 1906.01217).

    Attributes:
        game: The game.
        speed: The timescale of the followers.
    """

    game: Stackelberg
    speed: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        _no_args(self, args)
        own, y = x["leader"], x["followers"]
        w = self.game.adjoint(own, y)
        return {
            "leader": self.game.leader_force(own, y, w),
            "followers": _scaled(self.speed, self.game.force(own, y)),
        }

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return _sets(self.game, x)


class SingleLoop(AbstractField):
    """Leader, followers and adjoint move together: no linear system is solved at all.

    Of `{"leader": x, "followers": y, "adjoint": w}`, with w of the structure of y, it is

        (f_x + G_x' w,  speed G,  speed (G_y' w + f_y)).

    Its zeros are the points with D = 0 and G = 0. Where f^'' and the followers' margin are
    positive, they attract for every speed that is large enough: for how large, `certify` proves.

    Attributes:
        game: The game.
        speed: The timescale of followers and adjoint.
    """

    game: Stackelberg
    speed: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        _no_args(self, args)
        own, y, w = x["leader"], x["followers"], x["adjoint"]
        game, kept = self.game, w
        free = game.free(own, y) if game.is_bounded(own, y) else None
        if free is not None:
            kept = jax.tree.map(jnp.multiply, free, w)
        pull = jax.grad(lambda y: game.leader_cost(own, y))(y)
        turned = jax.tree.map(jnp.add, game.transposed_product(own, y, kept), pull)
        if free is not None:  # where a bound holds a coordinate, its adjoint is drawn to zero
            turned = jax.tree.map(lambda on, t, w: on * t + (1 - on) * w, free, turned, w)
        return {
            "leader": game.leader_force(own, y, kept),
            "followers": _scaled(self.speed, game.force(own, y)),
            "adjoint": _scaled(self.speed, turned),
        }

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return _sets(self.game, x) | {"adjoint": Euclidean()}


class GradientPlay(AbstractField):
    """Both sides follow the gradients of their own costs, as if nobody led.

    Of `{"leader": x, "followers": y}` it is `(f_x, G)`; `FollowTheRidge` adjusts it.

    Attributes:
        game: The game.
    """

    game: Stackelberg

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        _no_args(self, args)
        own, y = x["leader"], x["followers"]
        return {
            "leader": jax.grad(self.game.leader_cost)(own, y),
            "followers": self.game.force(own, y),
        }

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return _sets(self.game, x)


def _sets(game: Stackelberg, x: Strategy) -> dict[str, AbstractSet]:
    own, y = x["leader"], x["followers"]
    followers: AbstractSet = Euclidean()
    if game.is_bounded(own, y):
        _, unravel = ravel(y)
        followers = Box(*map(unravel, game.bounds(own, y)))
    return {"leader": game.leader_set, "followers": followers}
