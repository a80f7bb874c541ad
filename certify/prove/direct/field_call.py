"""Defines the field that a step gets while its code is read, which records what it is asked for.

Evaluations of the field and projections onto strategy sets become primitives of their own, so that
they survive `jax.jit`, `jax.vmap`, scans and loops, and one trace shows where they take place, at
which points and with which arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray, Tracer
from jax.extend.core import Primitive
from jax.interpreters import ad, batching
from typing_extensions import override

import dgames as dg
from certify.enclosure.registry import EnclosureError
from dgames.fields import AbstractField
from dgames.sets import AbstractSet, player_sets
from dgames.strategy import Block, Strategy, blocks, join, ravel

# More evaluations than this in one step are refused: the proof looks at each of them on each cell.
MOST = 256

# Maps a strategy as a vector, and the arrays among the arguments, to the field as a vector.
field_p = Primitive("dgames_field")
# Returns the leaves of a block unchanged; its parameters say whose set they are projected onto.
project_p = Primitive("dgames_project")
project_p.multiple_results = True


@field_p.def_impl
def _(*_: Any, **__: Any) -> Any:
    raise EnclosureError(
        "the step evaluates the field at numbers that do not come from the strategy it is given; "
        "its code has to be a function of field and strategy."
    )


@field_p.def_abstract_eval
def _(point: Any, *_: Any, **__: Any) -> Any:
    return ShapedArray(point.shape, np.dtype(np.float64))


@project_p.def_impl
def _(*leaves: Any, **_: Any) -> Any:
    return list(leaves)


@project_p.def_abstract_eval
def _(*leaves: Any, **_: Any) -> Any:
    return [ShapedArray(leaf.shape, leaf.dtype) for leaf in leaves]


def _differentiated(*_: Any, **__: Any) -> Any:
    raise EnclosureError(
        "the step differentiates the field or a projection, so it is not linear in values of the "
        "field; write the adjusted field as a dgames field, and certify a method on that one."
    )


def _one_by_one(primitive: Primitive) -> Callable:
    """Returns a rule for `jax.vmap` that makes one evaluation after the other."""

    def rule(operands: Any, axes: Any, **params: Any) -> Any:
        size = next(x.shape[a] for x, a in zip(operands, axes, strict=True) if a is not None)
        if size > MOST:
            raise EnclosureError(f"the step evaluates the field more than {MOST} times.")
        rows = [
            primitive.bind(
                *(
                    x if a is None else jax.lax.index_in_dim(x, k, a, keepdims=False)
                    for x, a in zip(operands, axes, strict=True)
                ),
                **params,
            )
            for k in range(size)
        ]
        if not primitive.multiple_results:
            return jnp.stack(rows), 0
        return [jnp.stack(leaves) for leaves in zip(*rows, strict=True)], [0] * len(operands)

    return rule


for _primitive in (field_p, project_p):
    ad.primitive_jvps[_primitive] = _differentiated
    batching.primitive_batchers[_primitive] = _one_by_one(_primitive)


@dataclass(frozen=True, eq=False)
class Given:
    """The data that a step is given besides its field: sets, arguments and the form of strategies.

    Attributes:
        sets: The strategy set of the game.
        args: The arguments that the certificate is for.
        like: A joint strategy, for its form.
        own_blocks: Whether the field computes one player's block as it computes all of them.
        own_projection: Whether the field projects onto its strategy sets, player by player.
    """

    sets: Any
    args: Any
    like: Strategy
    own_blocks: bool = True
    own_projection: bool = True

    @property
    def player_sets(self) -> tuple[AbstractSet, ...]:
        """Returns the strategy sets, one per player."""
        return player_sets(self.sets, self.like)


class RecordedField(AbstractField):
    """A stand-in for the field that has no values, but leaves every question to it in the code.

    Attributes:
        _given: The data that the step is given besides the field.
    """

    _given: Given = eqx.field(static=True)

    @override
    def __call__(self, x: Strategy, args: Any = None) -> Strategy:
        given = self._given
        x = jax.tree.map(as_array, x)
        _require_form(x, given.like, "evaluates the field at")
        point, unravel = ravel(x)
        if not point.size:
            return x
        return unravel(field_p.bind(point, *_arrays(args, given.args)))

    @override
    def block(self, x: Strategy, player: Any, args: Any = None) -> Block:
        if not self._given.own_blocks:
            raise EnclosureError(
                "the step asks the field for one player's block, and the class of the field has a "
                "`block` of its own, of which nothing is proved; only its `__call__` is certified."
            )
        if not isinstance(player, int | np.integer):
            raise EnclosureError(
                "the step asks the field for the block of a player whose number it computes; loop "
                "over the players in Python."
            )
        return blocks(self(x, args))[player]

    @override
    def strategy_set(self, x: Strategy) -> Any:
        passing = (
            own if type(own) is dg.Euclidean else PassingSet(own, k)
            for k, own in enumerate(self._given.player_sets)
        )
        return join(x, tuple(passing))

    @override
    def project(self, x: Strategy) -> Strategy:
        if not self._given.own_projection:
            raise EnclosureError(
                "the class of the field has a `project` of its own, of which nothing is proved."
            )
        return super().project(x)

    def __getattr__(self, name: str) -> Any:
        return refused(name)


def refused(name: str) -> Any:
    """Raises the error for a step that asks its field for more than values and projections."""
    if name.startswith("_"):
        raise AttributeError(name)
    raise EnclosureError(
        f"the step asks its field for {name!r}; it may evaluate the field and project onto the "
        "strategy sets, and nothing else of it is certified."
    )


class PassingSet(AbstractSet):
    """A stand-in for a set whose projection changes nothing, but stays in the code.

    Attributes:
        own: The set.
        player: The number of the player whose set it is.
    """

    own: AbstractSet
    player: int = eqx.field(static=True)

    @override
    def project(self, x: Block) -> Block:
        leaves, structure = jax.tree.flatten(x)
        leaves = map(as_array, leaves)
        return structure.unflatten(project_p.bind(*leaves, player=self.player, structure=structure))

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Any:
        return self.own.contains(x, tolerance)

    @override
    def sample(self, key: Any, like: Block) -> Block:
        return self.own.sample(key, like)


def _require_form(x: Any, like: Strategy, does: str) -> None:
    """Raises unless `x` has the structure, the shapes and the types of a strategy."""
    if jax.tree.structure(x) != jax.tree.structure(like):
        raise EnclosureError(
            f"the step {does} what is no joint strategy: its structure is "
            f"{str(jax.tree.structure(x))[:80]}, and not {str(jax.tree.structure(like))[:80]}."
        )
    for found, wanted in zip(jax.tree.leaves(x), jax.tree.leaves(like), strict=True):
        if jnp.shape(found) != jnp.shape(wanted) or found.dtype != jnp.result_type(wanted):
            raise EnclosureError(
                f"the step {does} an array of type {found.dtype} and shape {jnp.shape(found)} "
                f"where the strategy has type {jnp.result_type(wanted)} and shape "
                f"{jnp.shape(wanted)}."
            )


def require_strategy(x: Any, like: Strategy) -> None:
    """Raises unless what a step returns has the structure, shapes and types of a strategy."""
    _require_form(x, like, "returns")


OTHER_ARGUMENTS = (
    "the step evaluates the field with other arguments than those that the certificate is for; it "
    "must pass on the very arguments: field(x, args), with contraction(..., args=args)."
)


def _arrays(args: Any, wanted: Any) -> list[Any]:
    """Returns the numbers among the arguments, once all else in them is found to be as wanted."""
    leaves, structure = jax.tree.flatten(args)
    others, known = jax.tree.flatten(wanted)
    if structure != known:
        raise EnclosureError(OTHER_ARGUMENTS)
    for leaf, other in zip(leaves, others, strict=True):
        if eqx.is_array_like(leaf) != eqx.is_array_like(other):
            raise EnclosureError(OTHER_ARGUMENTS)
        alike = leaf is other or (type(leaf) is type(other) and leaf == other)
        if not eqx.is_array_like(leaf) and not alike:
            raise EnclosureError(OTHER_ARGUMENTS)
    return numbers(args)


def numbers(args: Any) -> list[Any]:
    """Returns the numbers among the arguments, as arrays."""
    return [as_array(leaf) for leaf in jax.tree.leaves(args) if eqx.is_array_like(leaf)]


def as_array(leaf: Any) -> Any:
    """Returns a leaf as an array; a leaf that JAX traces stays as it is."""
    return leaf if eqx.is_array(leaf) else np.asarray(leaf, jnp.result_type(leaf))


def same(found: Any, wanted: Any) -> bool:
    """Says whether two constants are the same array, to the bit."""
    if isinstance(found, Tracer):
        return False
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return False
    if jnp.issubdtype(found.dtype, jax.dtypes.prng_key):
        with jax.ensure_compile_time_eval():
            found, wanted = jax.random.key_data(found), jax.random.key_data(wanted)
    return np.asarray(found).tobytes() == np.asarray(wanted).tobytes()
