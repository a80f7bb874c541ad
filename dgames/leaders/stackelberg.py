"""Stackelberg games: a leader moves first, and followers answer with a Nash equilibrium."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, as_field
from dgames.game import Game
from dgames.leaders.response import Bounds, Response, Vector, respond
from dgames.sets import (
    AbstractSet,
    Box,
    Euclidean,
    PlayerSets,
    is_constrained,
    map_sets,
    player_sets,
)
from dgames.strategy import Block, Strategy, dimensions, join, player_names, ravel

_NEWTON = optx.Newton(rtol=1e-12, atol=1e-12)
_MOST_STEPS = 256


class Stackelberg(eqx.Module):
    """A leader, whose strategy x is known to the followers, who answer with y = r(x).

    Everyone minimises. Given x, the followers play a game among themselves with the pseudo-gradient
    `G(x, y)`, and `r(x)` is its Nash equilibrium; a single follower answers best. The leader's
    *reduced cost* and its derivatives, with the adjoint `w = -G_y^-T f_y`, are

        f^(x) = f(x, r(x)),     D(x) = f_x + r'(x)' f_y = f_x + G_x' w,     r' = -G_y^-1 G_x.

    A Nash player in the leader's place would only see `f_x`. Where `D = 0`, `G = 0`, f^ is curved
    upwards and the followers' own curvatures are positive, (x, y) is a *differential Stackelberg
    equilibrium* (Fiez, Chasnov and Ratliff, arXiv 1906.01217), of a zero-sum game a *local
    minimax*. All this presumes that the followers have one answer: if they had several, it would
    matter which one the leader may hope for, and nothing here applies.

    Followers may have bounds: sets that are boxes. Derivatives are then those along the
    coordinates that no bound holds. Where a coordinate lies on a bound without being pressed
    against it (`Response.weakly_active`), r need not be differentiable.

    Attributes:
        leader_cost: The leader's cost f, a function of x (any pytree of arrays) and y.
        followers: The followers' game: `followers.costs(y, x)` takes the leader's strategy as its
            `args`. A single follower plays a strategy of one player, such as `(y,)`. A field is
            accepted, too: `followers(y, x)` is then G itself, and the answer its zero, as in the
            equations of Bellman.
        leader_set: Where the leader may move.
        follower_sets: A function of x that returns the followers' sets, for bounds that move with
            x; by default they are those of `followers`.
        solver: The root finder or least-squares solver of optimistix that finds the answer.

    >>> import dgames as dg
    >>> follower = dg.game(lambda y, x: (0.5 * y[0] ** 2 - x * y[0],))
    >>> game = Stackelberg(lambda x, y: 0.5 * (x - 4.0) ** 2 + 0.5 * y[0] ** 2, follower)
    >>> x = jnp.array(1.0)
    >>> float(game.best_response(x, (0.0,))[0]), float(game.total_derivative(x, (0.0,)))
    (1.0, -2.0)
    """

    leader_cost: Callable[[Block, Strategy], Any]
    followers: Game | AbstractField
    leader_set: AbstractSet = Euclidean()
    follower_sets: Callable[[Block], PlayerSets] | None = None
    solver: Any = eqx.field(static=True, default=_NEWTON)

    def __check_init__(self):
        if not callable(self.leader_cost):
            raise ValueError("Stackelberg: the leader's cost must be a function of x and y")
        if not isinstance(self.followers, Game | AbstractField):
            raise ValueError(
                "Stackelberg: the followers play a game, whose costs(y, x) take the leader's "
                f"strategy as args, or are a field; got {type(self.followers).__name__}; see "
                "dgames.game"
            )

    @classmethod
    def of(cls, game: Game, leader: str | int, like: Strategy, args: PyTree = None) -> Any:
        """Makes one player of an ordinary game its leader, and the others followers.

        Args:
            game: A game of at least two players, in a dictionary or a tuple.
            leader: The name of the player, or the position in a tuple.
            like: A joint strategy of the game, for its structure.
            args: Passed to the costs.

        Returns:
            A `Stackelberg`, in which x is the leader's block and y the joint strategy of the
            others.

        Raises:
            ValueError: If there is no such player, or nobody else.

        >>> import dgames as dg
        >>> duel = dg.game(lambda x, args: (x[0] ** 2 - x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        >>> game = Stackelberg.of(duel, 0, (0.0, 0.0))
        >>> [float(y) for y in game.best_response(jnp.array(1.0), (0.0,))]
        [0.5]
        """
        names = player_names(like)
        if str(leader) not in names or len(names) < 2:
            raise ValueError(
                f"Stackelberg.of: '{leader}' must be one of at least two players; they are "
                f"{', '.join(names)}"
            )
        if not isinstance(like, dict | tuple | list):
            raise ValueError("Stackelberg.of: the players must be in a dictionary, tuple or list")
        position = names.index(str(leader))
        joint = _Joint(game, leader if isinstance(like, dict) else position, args)
        return cls(joint.cost, joint, player_sets(game.strategy_set(like), like)[position])

    def response(self, x: Block, start: Strategy) -> Response:
        """Returns the followers' answer as a vector, and how it lies within their bounds.

        Args:
            x: The leader's strategy.
            start: A joint strategy of the followers, near which they answer.
        """
        x = jax.tree.map(jnp.asarray, x)
        y, unravel = ravel(start)
        field = self._field(x, unravel)
        return respond(field, self.bounds(x, start), y, self.solver, _MOST_STEPS)

    def best_response(self, x: Block, start: Strategy, *, throw: bool = True) -> Strategy:
        """Returns the followers' answer r(x), with its derivatives of any order.

        Args:
            x: The leader's strategy.
            start: A joint strategy of the followers, from which Newton's method starts.
            throw: Whether to raise an error where there is no such answer.

        Raises:
            ValueError: If the solver stops early; if the followers' Jacobian is singular on the
                free coordinates; or if a follower's cost is not curved upwards there, so that the
                answer is none or not the only one. In code that JAX traces it is a run-time error
                of equinox with the same words.
        """
        answer = self.response(x, start)
        _, unravel = ravel(start)
        value = answer.value
        if throw:
            value = self._checked(jax.tree.map(jnp.asarray, x), start, answer)
        return unravel(value)

    def reduced_cost(self, x: Block, start: Strategy) -> Float[Array, ""]:
        """Returns the leader's cost `f^(x) = f(x, r(x))`, which may be differentiated twice."""
        return jnp.asarray(self.leader_cost(x, self.best_response(x, start)))

    def total_derivative(self, x: Block, start: Strategy) -> Block:
        """Returns `D(x)`, the gradient of the reduced cost: one linear system, for the adjoint."""
        x = jax.tree.map(jnp.asarray, x)
        return jax.grad(self.reduced_cost)(x, start)

    def curvature(self, x: Block, start: Strategy) -> Float[Array, "leader leader"]:
        """Returns the reduced curvature `f^''(x)`, the Hessian of the reduced cost, as a matrix."""
        vector, unravel = ravel((x,))
        return jax.hessian(lambda v: self.reduced_cost(unravel(v)[0], start))(vector)

    def force(self, x: Block, y: Strategy) -> Strategy:
        """Returns the followers' pseudo-gradient `G(x, y)`."""
        return as_field(self.followers)(y, x)

    def adjoint(self, x: Block, y: Strategy) -> Strategy:
        """Returns `w = -G_y^-T f_y` at any (x, y), zero on coordinates that a bound holds.

        At `y = r(x)`, `f_x + G_x' w` is the total derivative.
        """
        free = self.free(x, y)
        pull = jax.grad(lambda y: self.leader_cost(x, y))(y)
        vector, unravel = ravel(pull)
        mask = ravel(free)[0]

        def transposed(w: Vector) -> Vector:
            inner = ravel(self.transposed_product(x, y, unravel(w * mask)))[0]
            return inner * mask + w * (1 - mask)

        operator = lx.FunctionLinearOperator(transposed, jax.eval_shape(lambda: vector))
        solver = lx.AutoLinearSolver(well_posed=True)
        return unravel(lx.linear_solve(operator, -vector * mask, solver).value)

    def transposed_product(self, x: Block, y: Strategy, w: Strategy) -> Strategy:
        """Returns `G_y' w`, in one backward pass."""
        return jax.vjp(lambda y: self.force(x, y), y)[1](w)[0]

    def leader_force(self, x: Block, y: Strategy, w: Strategy) -> Block:
        """Returns `f_x + G_x' w`."""
        own = jax.grad(self.leader_cost)(x, y)
        through = jax.vjp(lambda x: self.force(x, y), x)[1](w)[0]
        return jax.tree.map(jnp.add, own, through)

    def free(self, x: Block, y: Strategy) -> Strategy:
        """Returns 1 for coordinates of y that no bound holds against the force, else 0."""
        vector, unravel = ravel(y)
        force = ravel(self.force(x, y))[0]
        lower, upper = self.bounds(x, y)
        held = ((vector <= lower) & (force > 0)) | ((vector >= upper) & (force < 0))
        return unravel(jax.lax.stop_gradient(1 - held.astype(vector.dtype)))

    def sets(self, x: Block, y: Strategy) -> PlayerSets:
        """Returns the followers' sets, the leader playing x."""
        if self.follower_sets is None:
            return self.followers.strategy_set(y)
        return self.follower_sets(x)

    def is_bounded(self, x: Block, y: Strategy) -> bool:
        """Returns whether any follower has bounds, the leader playing x."""
        return is_constrained(self.sets(x, y), y)

    def free_slopes(self, x: Block, y: Strategy, free: Bool[Array, " y"]) -> Float[Array, "y y"]:
        """Returns `G_y` on some coordinates, and the identity on all others."""
        vector, unravel = ravel(y)
        slopes = jax.jacfwd(self._field(x, unravel))(vector)
        return jnp.where(
            free[:, None] & free[None, :], slopes, jnp.eye(vector.size, dtype=vector.dtype)
        )

    def _field(self, x: Block, unravel: Callable) -> Callable[[Vector], Vector]:
        return lambda y: ravel(self.force(x, unravel(y)))[0]

    def bounds(self, x: Block, y: Strategy) -> Bounds:
        """Returns the followers' bounds as vectors, infinite where there are none."""
        sets = self.sets(x, y)
        for own in player_sets(sets, y):
            if not isinstance(own, Box | Euclidean):
                raise ValueError(
                    "Stackelberg: followers may have bounds, sets that are a dgames.Box; got a "
                    f"{type(own).__name__}"
                )

        def end(value: float) -> Vector:
            far = jax.tree.map(lambda leaf: jnp.full_like(jnp.asarray(leaf), value), y)
            return ravel(map_sets(lambda own, block: own.project(block), sets, far))[0]

        return Bounds(end(-jnp.inf), end(jnp.inf))

    def _checked(self, x: Block, start: Strategy, answer: Response) -> Vector:
        """Returns the answer, or raises one clear sentence at run time."""
        value, (_, unravel) = answer.value, ravel(start)
        x, y = jax.lax.stop_gradient((x, value))
        kept = self.free_slopes(x, unravel(y), ~answer.active)
        # A solution that is this much larger than its right side is made of rounding errors.
        ones = jnp.ones_like(y)
        solution = jnp.linalg.solve(kept / jnp.max(jnp.abs(kept)), ones)
        singular = ~(jnp.max(jnp.abs(solution)) * (100 * jnp.finfo(y.dtype).eps) < 1)
        value = _refused(
            value,
            ~answer.converged,
            "the solver stopped before the followers had an answer; start nearer to it, or give "
            "another solver, such as optimistix.Dogleg",
        )
        value = _refused(
            value,
            answer.converged & singular,
            "the followers' Jacobian is singular at their answer, which then has no derivative and "
            "may not be the only one; add a ridge to their costs",
        )
        if not isinstance(self.followers, Game):
            return value
        return _refused(
            value,
            answer.converged & ~singular & ~_is_curved(kept, start),
            "at the point found a follower's cost is not curved upwards, so it is no best answer, "
            "or not the only one; start elsewhere, or make the costs convex",
        )


def _refused(value: Vector, condition: Bool[Array, ""], reason: str) -> Vector:
    """Returns a value, or raises an error: at once, or in traced code when it runs."""
    if isinstance(condition, Tracer):
        return eqx.error_if(value, condition, f"Stackelberg: {reason}")
    if condition:
        raise ValueError(f"Stackelberg: {reason}")
    return value


def _is_curved(slopes: Float[Array, "y y"], like: Strategy) -> Bool[Array, ""]:
    """Returns whether the symmetric parts of the followers' own blocks have Cholesky factors."""
    factors, first = [], 0
    for size in dimensions(like):
        own = slopes[first : first + size, first : first + size]
        factors.append(jnp.all(jnp.isfinite(jnp.linalg.cholesky((own + own.T) / 2))))
        first += size
    return jnp.all(jnp.stack(factors))


def own_curvature(slopes: Float[Array, "y y"], like: Strategy) -> Float[Array, ""]:
    """Returns the smallest eigenvalue of the followers' own blocks of a Jacobian."""
    least, first = [], 0
    for size in dimensions(like):
        own = slopes[first : first + size, first : first + size]
        least.append(jnp.min(jnp.linalg.eigvalsh((own + own.T) / 2)))
        first += size
    return jnp.min(jnp.stack(least))


class _Joint(Game):
    """The game among the others, in which the leader's block is given."""

    game: Game
    leader: str | int = eqx.field(static=True)
    args: PyTree = None

    def _together(self, x: Block, y: Strategy) -> Strategy:
        if isinstance(y, dict):
            return {**y, self.leader: x}
        parts = [*y]
        parts.insert(int(self.leader), x)
        return type(y)(parts)

    def _split(self, values: Strategy) -> tuple[Any, Strategy]:
        if isinstance(values, dict):
            return values[self.leader], {k: v for k, v in values.items() if k != self.leader}
        own, others = values[self.leader], [*values]
        del others[int(self.leader)]
        return own, type(values)(others)

    def cost(self, x: Block, y: Strategy) -> Any:
        """Returns the leader's cost."""
        return self._split(self.game.costs(self._together(x, y), self.args))[0]

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return self._split(self.game.costs(self._together(args, x), self.args))[1]

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        # The leader's block only has to have its place: sets are looked up by player.
        joint = self._together(jnp.zeros(()), x)
        own = player_sets(self.game.strategy_set(joint), joint)
        return self._split(join(joint, own))[1]
