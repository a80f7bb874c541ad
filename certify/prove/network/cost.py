"""Traces the cost of one player of a network game, to enclose it for many players at a time."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import Bool

import dgames as dg
from certify.enclosure.derivatives import Method, evaluate
from certify.enclosure.enclose import enclose, require_x64
from certify.enclosure.interval import Interval
from certify.enclosure.margins import flush
from certify.enclosure.programs.plain import plain
from certify.enclosure.programs.promotion import exactly
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.problem.region import Box
from certify.problem.traced_code import traced_cost
from dgames.game import check_shapes
from dgames.strategy import ravel

# How many remainders affine arithmetic remembers.
_SYMBOLS = 64


class PlayerCode(NamedTuple):
    """The cost of one player as traced code, and the functions of vectors that derive from it.

    Attributes:
        code: The cost as a function of the leaves of the own block, of the neighbours' blocks and
            of the parameters, in float64.
        own: The structure and the shapes of a block.
        players: The number of players.
        degree: The number of neighbours of each player.
        parameters: Arrays with the players as leading axis, in float64 if they are real.
        neighbours: The neighbours in the game, one row per player.
        promoted: What was not float64, and what it was taken for, one sentence each.
    """

    code: core.ClosedJaxpr
    own: Any
    players: int
    degree: int
    parameters: tuple[Any, ...]
    neighbours: np.ndarray
    promoted: tuple[str, ...]

    @classmethod
    def of(cls, game: dg.NetworkGame, region: Box, args: Any) -> "PlayerCode":
        """Traces the cost once, and checks that it is fit for proofs.

        Everything else is derived from this one trace.
        """
        require_x64()
        # The costs of a subclass may differ from those of its `cost`.
        if type(game) is not dg.NetworkGame:
            raise ValueError(f"expected a dgames.NetworkGame, not {type(game).__name__}.")
        if type(region) is not Box:
            raise ValueError(
                f"the region of a network game is a certify.Box, not {type(region).__name__}."
            )
        example = region.example
        check_shapes(game, example, args)
        own = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), example.blocks
        )
        found = traced_cost(game, example, args)
        # Primitives without a rule are named here, where equations still know the user's lines.
        jax.eval_shape(
            enclose(core.jaxpr_as_fun(found.code), RULES | SMOOTH_RULES),
            *(_any_interval(variable.aval) for variable in found.code.jaxpr.invars),
        )
        return cls(
            found.code,
            own,
            game.players,
            game.degree,
            tuple(exactly(leaf) for leaf in map(np.asarray, jax.tree.leaves(game.parameters))),
            np.asarray(game.neighbours),
            found.notes,
        )

    @property
    def size(self) -> int:
        """Returns the number of coordinates of one player."""
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(self.own))

    def cost(self, own: Any, others: Any, *parameters: Any) -> Any:
        """Returns the cost at vectors: the own block, and one row per neighbour."""
        leaves = [
            *self._leaves(own),
            *(leaf.reshape((self.degree, *leaf.shape[1:])) for leaf in self._leaves(others)),
        ]
        return core.jaxpr_as_fun(self.code)(*leaves, *parameters)[0]

    def _leaves(self, rows: Any) -> list[Any]:
        """Cuts the last axis into the leaves of a block."""
        shapes = [leaf.shape for leaf in jax.tree.leaves(self.own)]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        parts = jnp.split(rows, ends[:-1].tolist(), -1)
        return [
            part.reshape(rows.shape[:-1] + shape) for part, shape in zip(parts, shapes, strict=True)
        ]

    def of_vector(self, function: Callable) -> Callable:
        """Turns a function of own block and neighbours into a function of one vector."""

        def flat(x: Any, *parameters: Any) -> Any:
            others = x[self.size :].reshape(self.degree, self.size)
            return function(x[: self.size], others, *parameters)

        return flat

    def gradient(self, own: Any, others: Any, *parameters: Any) -> Any:
        """Returns the gradient by the own block, from the code of the cost without custom rules."""
        return jax.grad(plain(self.cost))(own, others, *parameters)

    def second_derivatives(self, method: Method) -> Callable:
        """Encloses the derivative of the gradient over one player's box and the neighbours'.

        The cost and the gradient are evaluated in smooth mode first: a jump leaves no trace in
        derivative code.

        Returns:
            A function from corners, shape `(size (1 + degree),)`, and parameters to an interval of
            shape `(size, size (1 + degree))`, and to whether everything is finite and smooth.
        """
        rules = RULES | SMOOTH_RULES
        values, slopes = (self.of_vector(f) for f in (self.cost, self.gradient))

        def enclosed(lower: Any, upper: Any, *parameters: Any) -> tuple[Interval, Any]:
            box = flush(Interval(lower, upper))
            smooth = [enclose(f, rules)(box, *parameters) for f in (values, slopes)]

            def second(x: Any) -> Any:
                return jax.jacfwd(slopes)(x, *parameters)

            if method == "interval":
                found = enclose(jax.jacfwd(slopes), rules)(box, *parameters)
            else:
                found = evaluate(second, box, rules, method, _SYMBOLS)
            return found, _all_finite(*smooth, found)

        return enclosed

    def residuals(self) -> Callable:
        """Returns a function that encloses one player's gradient at a point."""

        def enclosed(lower: Any, upper: Any, *parameters: Any) -> Interval:
            point = flush(Interval(lower, upper))
            return enclose(self.of_vector(self.gradient))(point, *parameters)

        return enclosed

    def values(self) -> Callable:
        """Returns a function for one player's gradient at a point, in floating point."""
        gradient = self.of_vector(self.gradient)
        return lambda point, _, *parameters: gradient(point, *parameters)

    def chunks(
        self, compiled: Callable, corners: tuple[np.ndarray, np.ndarray], chunk: int
    ) -> Iterator[tuple[slice, int, Any]]:
        """Runs a program for all players, one chunk of players at a time.

        The last chunk is filled up with its last player, so that all have one shape.

        Args:
            compiled: The program, of corners and parameters with a leading axis of players.
            corners: Lower and upper bounds of all players' blocks, one row each.
            chunk: How many players at a time.

        Yields:
            Which players, how many they are, and what the program returned; entries after that
            number mean nothing.
        """
        chunk = min(chunk, self.players)
        for first in range(0, self.players, chunk):
            players = slice(first, min(first + chunk, self.players))
            index = np.minimum(np.arange(first, first + chunk), self.players - 1)
            near = self.neighbours[index]
            boxes = [
                np.concatenate([end[index], _gathered_rows(end, near).reshape(chunk, -1)], axis=1)
                for end in corners
            ]
            parameters = (leaf[index] for leaf in self.parameters)
            yield players, players.stop - first, compiled(*boxes, *parameters)


def _gathered_rows(rows: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Returns rows of neighbours, zero if there are none, as `dgames.network.gathered` does."""
    return np.where((near >= 0)[..., None], rows[np.maximum(near, 0)], 0.0)


def rows_of(x: dg.Stacked) -> np.ndarray:
    """Returns the coordinates of stacked players, one row for each."""
    return np.asarray(ravel(x)[0]).reshape(len(x), -1)


def _any_interval(aval: Any) -> Any:
    if not jnp.issubdtype(aval.dtype, jnp.floating):
        return jax.ShapeDtypeStruct(aval.shape, aval.dtype)
    end = jax.ShapeDtypeStruct(aval.shape, jnp.float64)
    return Interval(end, end)


def _all_finite(*intervals: Any) -> Bool[jax.Array, ""]:
    ends = jax.tree.leaves(intervals)
    return jnp.stack([jnp.all(jnp.isfinite(end)) for end in ends]).all()
