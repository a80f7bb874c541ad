"""What a run of `dgames.solve` is made of."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from dgames.fields import AbstractField
from dgames.methods import AbstractMethod
from dgames.stepwise import args_at, judged_args
from dgames.strategy import Strategy


class Run(eqx.Module):
    """What a run is made of.

    Attributes:
        field: The field.
        method: The method.
        x0: The strategy to start from.
        args: The arguments of the field, or `Stepwise` ones.
        state: The method's state to start from, or None for a new one.
        unit: One number per player, by which residuals are divided; or None to measure it.
        first: The number of the first step, from which steps are counted.
    """

    field: AbstractField
    method: AbstractMethod
    x0: Strategy
    args: PyTree
    state: PyTree
    unit: PyTree
    first: Int[Array, ""]

    def drawn(self, steps: Array) -> PyTree:
        """Returns the arguments that the method sees in the step after so many."""
        return args_at(self.args, self.first + steps)

    def judged(self, steps: Array) -> PyTree:
        """Returns the arguments of the residual after so many steps."""
        return judged_args(self.args, self.first + steps)

    def begun(self, field: AbstractField, args: PyTree) -> PyTree:
        """Returns the method's state to start from."""
        fresh = self.method.init(field, self.x0, args)
        return fresh if self.state is None else fitting(self.state, fresh, self.method)


def fitting(state: PyTree, fresh: PyTree, method: AbstractMethod, who: str = "solve") -> PyTree:
    """Returns a given state as arrays; raises an error unless it fits method and strategy."""
    state = jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array_like(leaf) else leaf, state)
    same = jax.tree.structure(state) == jax.tree.structure(fresh) and all(
        jnp.shape(a) == jnp.shape(b) and jnp.result_type(a) == jnp.result_type(b)
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(fresh), strict=True)
    )
    if not same:
        raise ValueError(
            f"{who}: this is not a state of {type(method).__name__} for such a strategy; give the "
            "state of a Solution of the same method and players, or none"
        )
    return state


def strong(tree: PyTree) -> PyTree:
    """Drops weak types, because a loop must keep the types that it starts with."""
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), tree)
