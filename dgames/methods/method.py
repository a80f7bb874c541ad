"""The interface of methods, and the arithmetic that they share."""

import abc
import re

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from dgames.fields import AbstractField
from dgames.stacked import Stacked, is_stacked
from dgames.strategy import (
    Block,
    Strategy,
    blocks,
    brief_names,
    join,
    map_players,
    same_players,
)

State = PyTree


class AbstractMethod(eqx.Module):
    """How to step along a field: two pure functions, `init` and `step`.

    The pair `(x, state)` is the *augmented state*: everything that the next step depends on.
    Spectra, proofs and checkpoints are about it.

    The contract, for every method:

    * `step` maps augmented states to augmented states with the same structure, shapes and dtypes,
      so it can be the body of a loop; `state` is a pytree of arrays (or `None`).
    * Hyper-parameters are array leaves: new values do not retrace, and methods can be batched over
      them. They are scalars, or one scalar per player in the first-level structure of the strategy
      (of stacked players, a `Stacked` array of shape `(N,)`), and are cast to the dtype of the
      strategy where they are used.
    * Every new strategy is projected onto the field's strategy set, player by player.
    * `step` evaluates the field as often as the class says, and not more.

    A method consists of these two functions; equinox supplies the constructor.
    """

    @abc.abstractmethod
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> State:
        """The state before the first step.

        Args:
            field: The field that will be followed.
            x: The strategy to start from.
            args: Passed to the field.
        """

    @abc.abstractmethod
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        """One step against the field.

        Args:
            field: The field to follow, for example `dgames.pseudo_gradient(game)`.
            x: The current strategy.
            state: What `init` or the previous step returned.
            args: Passed to the field.

        Returns:
            The next strategy and the next state.
        """


def method_name(method: AbstractMethod | type[AbstractMethod]) -> str:
    """The name of a method: its class name in snake case.

    >>> from dgames.methods import ComplexMomentum, RungeKutta4, SSPRK3
    >>> method_name(ComplexMomentum), method_name(RungeKutta4(0.1)), method_name(SSPRK3)
    ('complex_momentum', 'runge_kutta_4', 'ssprk3')
    """
    cls = method if isinstance(method, type) else type(method)
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", cls.__name__).lower()


def real_hyperparameter(value: PyTree) -> PyTree[Array]:
    """Stores a real number, or one per player, as arrays of the default floating dtype."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), value)


def hyperparameter(value: PyTree) -> PyTree[Array]:
    """Stores a number, or one per player: real ones as real arrays, complex ones as complex."""
    return jax.tree.map(
        lambda leaf: (complex_hyperparameter if jnp.iscomplexobj(leaf) else real_hyperparameter)(
            leaf
        ),
        value,
    )


def complex_hyperparameter(value: PyTree) -> PyTree[Array]:
    """Stores a complex number, or one per player, as arrays of the default complex dtype."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(complex)), value)


def per_player(value: PyTree[Array], x: Strategy) -> Strategy:
    """Spreads a hyper-parameter over the players of `x`.

    Returns:
        One scalar array per player, in the first-level structure of `x`.

    Raises:
        ValueError: If the hyper-parameter is neither a scalar nor one scalar per player.
    """
    single = eqx.is_array(value)
    if not single and not same_players(x, value):
        raise ValueError(
            f"a hyper-parameter is one scalar, or one for each of the players {brief_names(x)}; "
            f"got one for each of {brief_names(value)}"
        )
    # Of stacked players, one array holds the scalars of all.
    stacked = is_stacked(x) and not single
    shape, where = ((len(x),), " (stacked)") if stacked else ((), "")
    values = (value,) if single else (value.blocks,) if stacked else blocks(value)
    for scalar in values:
        if jnp.shape(scalar) != shape:
            raise ValueError(
                f"a hyper-parameter is one scalar, or one scalar per player{where}; "
                f"got an array of shape {jnp.shape(scalar)}"
            )
    if not single:
        return value
    if is_stacked(x):
        return Stacked(jnp.broadcast_to(value, (len(x),)))
    return join(x, (value,) * len(blocks(x)))


def scale_block(scalar: Array, block: Block) -> Block:
    """`scalar * block` in the dtypes of the block."""
    return jax.tree.map(lambda leaf: scalar.astype(leaf.dtype) * leaf, block)


def scale(value: PyTree[Array], x: Strategy) -> Strategy:
    """`value * x` in the dtypes of `x`, the value being a scalar or one per player."""
    return map_players(lambda block, scalar: scale_block(scalar, block), x, per_player(value, x))


def add(x: PyTree, y: PyTree) -> PyTree:
    """`x + y`, leaf by leaf."""
    return jax.tree.map(jnp.add, x, y)


def subtract(x: PyTree, y: PyTree) -> PyTree:
    """`x - y`, leaf by leaf."""
    return jax.tree.map(jnp.subtract, x, y)


def towards(x: PyTree, anchor: PyTree, weight: Array) -> PyTree:
    """`x + weight (anchor - x)`, leaf by leaf and in the dtypes of `x`: at rest on the anchor."""
    return jax.tree.map(
        lambda leaf, end: leaf + weight.astype(leaf.dtype) * (end - leaf), x, anchor
    )
