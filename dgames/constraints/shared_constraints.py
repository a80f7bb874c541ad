"""Shared constraints: what binds the strategies of several players together.

The sets of `dgames.sets` bind one player each. Constraints here couple players: a river that all
pollute, a road that all drive on. See the page on shared constraints of the documentation.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from dgames.calls import shapes_of
from dgames.strategy import Strategy, brief_names, player_names, ravel, same_players


class Rows(NamedTuple):
    """Linear constraints `A x <= b`, `A_eq x = b_eq` on the vector `dgames.ravel(x)[0]`."""

    A: Float[Array, "rows coordinates"]
    b: Float[Array, " rows"]
    A_eq: Float[Array, "equations coordinates"]
    b_eq: Float[Array, " equations"]


class Polyhedron(eqx.Module):
    """All joint strategies with `A x <= b` and `A_eq x = b_eq`: linear constraints for all players.

    Attributes:
        A: An array of shape `(m, n)`, whose columns are the n coordinates in the order of
            `dgames.ravel`, player after player; or a pytree with the structure of the strategy and
            an array of shape `(m, *leaf.shape)` for each leaf. Nested lists of Python numbers are
            an array.
        b: An array of shape `(m,)`, or a number, which holds for every row.
        A_eq: Equations, in the same form, or None.
        b_eq: Their right sides.

    Raises:
        ValueError: If only one of `A_eq` and `b_eq` is given, or the numbers of rows differ.

    >>> river = Polyhedron([[1.0, 2.0]], [10.0])
    >>> river.rows({"mill": jnp.array(3.0), "town": jnp.array(4.0)}).A.tolist()
    [[1.0, 2.0]]
    >>> by_name = Polyhedron({"mill": np.array([1.0]), "town": np.array([2.0])}, 10.0)
    >>> by_name.rows({"mill": jnp.array(3.0), "town": jnp.array(4.0)}).b.tolist()
    [10.0]
    """

    A: PyTree[Array] = eqx.field(converter=lambda value: _as_arrays(value))
    b: Float[Array, " rows"]
    A_eq: PyTree[Array]
    b_eq: Float[Array, " equations"] | None

    def __init__(self, A: Any, b: Any, A_eq: Any = None, b_eq: Any = None):
        if (A_eq is None) != (b_eq is None):
            raise ValueError("Polyhedron: A_eq and b_eq come together; give both, or neither")
        self.A = A
        self.b = _right_side("A", _as_arrays(A), "b", b)
        self.A_eq = None if A_eq is None else _as_arrays(A_eq)
        self.b_eq = None if A_eq is None else _right_side("A_eq", self.A_eq, "b_eq", b_eq)

    def rows(self, x: Strategy) -> Rows:
        """The constraints on the vector `dgames.ravel(x)[0]`, as dense matrices in its dtype.

        Args:
            x: A joint strategy, for its structure and shapes.

        Raises:
            ValueError: If the constraints do not fit the strategy.
        """
        vector, _ = ravel(x)
        A, b = _matrix("A", self.A, x, vector.size), self.b
        if self.A_eq is None or self.b_eq is None:
            A_eq, b_eq = jnp.zeros((0, vector.size)), jnp.zeros(0)
        else:
            A_eq, b_eq = _matrix("A_eq", self.A_eq, x, vector.size), self.b_eq
        return Rows(*(part.astype(vector.dtype) for part in (A, b, A_eq, b_eq)))


class SharedConstraint(eqx.Module):
    """All joint strategies with `function(x, args) <= 0`, for convex functions.

    Attributes:
        function: Maps a joint strategy and `args` to values of shape `(m,)`, to a scalar, or to a
            pytree of such; each must be a convex function of the joint strategy (of a constraint
            on some players: of each of their own strategies). An `equinox.Module` with a
            `__call__` keeps its arrays as parameters.
        players: The names of the players who are bound by it. By default it is *shared*: it binds
            every player. If it binds some players only, each of them chooses within it, given the
            strategies of the others (which may enter it), and the others do not care.

    Raises:
        ValueError: If `function` is no function, or `players` are not names.

    >>> disk = SharedConstraint(lambda x, args: x["a"] ** 2 + x["b"] ** 2 - 1.0)
    >>> disk.values({"a": jnp.array(1.0), "b": jnp.array(2.0)}).tolist()
    [4.0]
    """

    function: Callable
    players: tuple[str, ...] | None = eqx.field(default=None, static=True)

    def __init__(self, function: Any, players: Any = None):
        if not callable(function):
            raise ValueError(
                "SharedConstraint: the constraint must be a function of the joint strategy and "
                f"args, not {type(function).__name__}"
            )
        if isinstance(players, str):
            players = (players,)
        if players is not None and not (
            len(tuple(players)) and all(isinstance(name, str) for name in players)
        ):
            raise ValueError(
                "SharedConstraint: players are the names of those who are bound, such as "
                f'("buyer",), or None for all; got {players!r}'
            )
        self.function = function
        self.players = None if players is None else tuple(players)

    def values(self, x: Strategy, args: PyTree = None) -> Float[Array, " rows"]:
        """The values of the constraint functions at a joint strategy, as one vector."""
        return ravel(self.function(x, args))[0]


# What `Game.shared_constraints` returns: any number of constraints, all of which hold.
SharedConstraints: TypeAlias = tuple[Polyhedron | SharedConstraint, ...]


def as_shared(given: Any) -> Any:
    """Returns one constraint, or several, as a tuple.

    >>> as_shared(()), len(as_shared(Polyhedron([[1.0]], [1.0])))
    ((), 1)
    """
    return (given,) if isinstance(given, Polyhedron | SharedConstraint) else tuple(given)


def check_shared(constraints: Any, x: Strategy, args: PyTree = None) -> None:
    """Raises an error unless constraints fit a joint strategy.

    Nothing is computed: functions are only traced for their shapes.

    Args:
        constraints: What `Game.shared_constraints` returned.
        x: A joint strategy, as arrays.
        args: Passed to the constraint functions.

    Raises:
        ValueError: If something is no constraint, has a wrong shape or names an unknown player.
    """
    if not isinstance(constraints, tuple):
        raise ValueError(
            "shared constraints are a tuple of dgames.Polyhedron and dgames.SharedConstraint, not "
            f"of type {type(constraints).__name__}"
        )
    for constraint in constraints:
        if isinstance(constraint, Polyhedron):
            constraint.rows(x)
        elif isinstance(constraint, SharedConstraint):
            _check_function(constraint, x, args)
        else:
            raise ValueError(
                "a shared constraint is a dgames.Polyhedron or a dgames.SharedConstraint, not of "
                f"type {type(constraint).__name__}"
            )


def refuse_shared(constraints: SharedConstraints, sentence: str) -> None:
    """Raises an error with this sentence if there are constraints that would be ignored."""
    if constraints:
        raise ValueError(sentence)


def _check_function(constraint: SharedConstraint, x: Strategy, args: PyTree) -> None:
    names = player_names(x)
    for name in constraint.players or ():
        if name not in names:
            raise ValueError(
                f"a shared constraint binds '{name}', who is not among the players {brief_names(x)}"
            )
    function = constraint.function
    values = shapes_of("the shared constraint", function, x, args, of=function)
    leaves = jax.tree.leaves(values)
    for leaf in leaves:
        shape, dtype = getattr(leaf, "shape", ()), jnp.result_type(leaf)
        if len(shape) > 1 or not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                "a shared constraint must return real floating-point scalars or vectors, but it "
                f"returned {dtype}{list(shape)}"
            )
    if not leaves:
        raise ValueError("a shared constraint must return at least one value, but it returned none")


def _as_arrays(value: Any) -> PyTree[Array]:
    """Returns a matrix or a pytree of such as arrays; nested lists of numbers are one matrix."""
    leaves = jax.tree.leaves(value)
    lists = isinstance(value, list | tuple) and leaves
    if lists and all(isinstance(leaf, int | float) for leaf in leaves):
        value = np.asarray(value)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), value)


def _right_side(left: str, A: PyTree[Array], name: str, given: Any) -> Float[Array, " rows"]:
    counts = {leaf.shape[0] if leaf.ndim else 0 for leaf in jax.tree.leaves(A)}
    value = jnp.asarray(given, jnp.result_type(float))
    rows = next(iter(counts), 0)
    if len(counts) == 1 and rows and value.ndim == 0:
        value = jnp.broadcast_to(value, (rows,))
    if len(counts) != 1 or value.shape != (rows,):
        raise ValueError(
            f"Polyhedron: {left} and {name} need one row per constraint, but {left} has "
            f"{', '.join(map(str, sorted(counts))) or 'no'} rows and {name} has shape "
            f"{value.shape}"
        )
    return value


def _matrix(name: str, A: PyTree[Array], x: Strategy, size: int) -> Float[Array, "rows n"]:
    if eqx.is_array(A):
        if A.ndim != 2 or A.shape[1] != size:
            raise ValueError(
                f"a Polyhedron over {size} coordinates needs {name} of shape (rows, {size}), "
                f"got {A.shape}"
            )
        return A
    if not same_players(x, A) and jax.tree.structure(A) != jax.tree.structure(x):
        raise ValueError(
            f"a Polyhedron has {name} as one matrix, or in the structure of the strategy, with "
            f"the players {brief_names(x)}"
        )
    rows = jax.tree.leaves(A)[0].shape[0]
    wanted = jax.tree.map(lambda leaf: (rows, *jnp.shape(leaf)), x)
    shapes = jax.tree.map(jnp.shape, A)
    if jax.tree.structure(A) != jax.tree.structure(x) or shapes != wanted:
        raise ValueError(
            f"a Polyhedron needs in {name} an array of shape (rows, *leaf.shape) for each leaf of "
            f"the strategy: {wanted}, got {shapes}"
        )
    return jax.vmap(lambda row: ravel(row)[0])(A)
