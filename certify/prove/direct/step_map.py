"""Reads one step of a method as a map of vectors, and encloses its Jacobian over whole boxes.

The augmented state `(x, state)` of a method, flattened, is a vector `z`. A step evaluates the field
a few times and combines what it gets:

    y_j = A_j z + sum_(l < j) B_jl F(y_l) + a_j,      T(z) = A z + sum_l B_l F(y_l) + a.

The matrices are read off the code of the method, by evaluating its derivative (which is proved to
be constant) in interval arithmetic. Then the Jacobian follows by the chain rule,

    D_j = A_j + sum_(l < j) B_jl J(y_l) D_l,          DT = A + sum_l B_l J(y_l) D_l,

in which each `J(y_l)` is enclosed over every point that `y_l` can be. Nothing else is assumed
about a method, so the user's own methods are treated like the others.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import Float

import dgames as dg
from certify.enclosure.enclose import enclose
from certify.enclosure.programs.plain import plain
from certify.enclosure.registry import EnclosureError
from certify.jacobian.enclosure_choice import AutoEnclosure, DefiniteEnclosure, is_constant
from certify.jacobian.family import AffineFamily
from certify.problem.field import FlatField
from certify.problem.fingerprint import fingerprint
from certify.prove.direct.affine_code import (
    AffineCode,
    Enclosed,
    enclosed,
    jacobian_at,
    values_at,
)
from certify.prove.direct.field_call import (
    Given,
    RecordedField,
    as_array,
    numbers,
    refused,
    require_strategy,
    same,
)
from certify.prove.direct.idle_counters import are_idle, is_integer
from certify.prove.direct.linearity import require_affine
from certify.prove.direct.straight_code import Answers, Projection, run, traced
from dgames.sets import AbstractSet
from dgames.strategy import Block, Strategy, blocks, ravel


class StepMap:
    """A step `T: R^m -> R^m` of a method on a game, the strategy first.

    The code of the method is traced once, and again to see that it is the same; everything that
    follows is about this code. It has to be affine in the strategy, the buffers and the values of
    the field by an operation-wise argument that holds on all of R^n, not on some box.

    Args:
        field: The game.
        strategy_set: The strategy set of the game, at a strategy.
        step: The method. It may evaluate the field that it is given with the arguments that it is
            given, project onto the strategy sets, and ask nothing else of the game.
        center: A strategy, as a vector, near the equilibrium.
        args: The arguments of the costs, which the step is given too.
        enclosure: How the Jacobian of the field is enclosed; `AutoEnclosure` chooses if not given.
        rigorous: Whether more than `at` and `start` will be asked for.
        own_blocks: Whether the field computes one player's block as it computes all of them.
        own_projection: Whether the field projects player by player onto its strategy sets.

    Attributes:
        strategy: The number n of coordinates of the strategy.
        dimension: The number m of coordinates of the augmented state.
        varies: Whether the Jacobian may depend on where it is taken.
        hash: SHA-256 of the traced code of the step and of its first state, with all constants.

    Raises:
        ValueError: If the step depends on how many steps were made before, its code differs each
            time it is traced, or its state is not real.
        EnclosureError: If the step is not linear in the strategy, the buffers and the values of
            the field, evaluates the field with other arguments, or looks at numbers in Python.
    """

    def __init__(
        self,
        field: FlatField,
        strategy_set: Any,
        step: dg.AbstractMethod,
        center: np.ndarray,
        *,
        args: Any = None,
        enclosure: DefiniteEnclosure | None = None,
        rigorous: bool = True,
        own_blocks: bool = True,
        own_projection: bool = True,
    ):
        self.field, self.step, self._args = field, step, args
        self._enclosure = enclosure or AutoEnclosure().select(field, np.inf).enclosure
        self.varies, self._rigorous = not is_constant(field), rigorous
        x = field.unravel(jnp.asarray(center))
        self._given = Given(strategy_set, args, x, own_blocks, own_projection)
        self._numbers = numbers(args)
        state = step.init(_WithoutArguments(field.gradient, strategy_set), x, args)
        leaves, self._structure = jax.tree.flatten(state)
        self._fixed = {k: leaf for k, leaf in enumerate(leaves) if not _is_real(leaf)}
        moving = [leaf for leaf in leaves if _is_real(leaf)]
        for leaf in self._fixed.values():
            if not eqx.is_array_like(leaf) and not isinstance(leaf, str | bytes):
                raise ValueError(
                    f"the method keeps a {type(leaf).__name__} in its state, of which nothing is "
                    "known; a state that can be certified holds arrays."
                )
            if eqx.is_array_like(leaf) and jnp.issubdtype(
                jnp.result_type(leaf), jnp.complexfloating
            ):
                raise ValueError(
                    "the method keeps complex numbers in its state, which are not enclosed; keep "
                    "their real and imaginary parts, as dgames.ComplexMomentum does."
                )
        coarse = {str(jnp.result_type(leaf)) for leaf in moving} - {"float64"}
        if coarse:
            raise ValueError(
                f"the method keeps numbers of type {', '.join(sorted(coarse))} in its state, so "
                "every step rounds them; keep them in the type of the strategy, which is float64 "
                "here."
            )
        buffer, self._unravel = ravel([jnp.asarray(leaf) for leaf in moving])
        self.strategy, self.dimension = len(center), len(center) + buffer.size
        integers = [k for k, leaf in self._fixed.items() if is_integer(leaf)]
        idle = are_idle(self._counted(integers), self.dimension, [self._fixed[k] for k in integers])
        self._idle = frozenset(integers if idle else ())
        self._code = self._read(self._stepped, self.dimension)
        self._init = self._read(self._started, self.strategy) if buffer.size else None
        codes = [code.hash for code in (self._code, self._init) if code is not None]
        self.hash = hashlib.sha256(" ".join(codes).encode()).hexdigest()

    # The code, on vectors.

    def _stepped(self, z: Any) -> tuple[list[Any], list[Any]]:
        """Returns the strategy and the buffers after a step, and what else is in the state."""
        return self._split(*self._run(z, self._fixed))

    def _run(self, z: Any, fixed: dict[int, Any]) -> tuple[Any, Any]:
        """Returns the strategy and the state after a step, given what is not in the vector."""
        n = self.strategy
        x, moving = self.field.unravel(z[:n]), iter(self._unravel(z[n:]))
        count = len(fixed) + len(jax.tree.leaves(self._unravel(z[n:])))
        leaves = [fixed[k] if k in fixed else next(moving) for k in range(count)]
        state = self._structure.unflatten(leaves)
        return self.step.step(RecordedField(self._given), x, state, self._args)

    def _counted(self, integers: list[int]) -> Callable:
        """Returns the step as a function of integers in the state, too."""

        def step(z: Any, counters: list[Any]) -> tuple[list[Any], list[Any]]:
            fixed = self._fixed | dict(zip(integers, counters, strict=True))
            x, state = self._run(z, fixed)
            leaves = jax.tree.leaves(state)
            known = [leaves[k] for k in integers if k < len(leaves)]
            others = [leaf for k, leaf in enumerate(leaves) if k not in integers]
            arrays = filter(eqx.is_array_like, others)
            return [*jax.tree.leaves(x), *arrays], [as_array(leaf) for leaf in known]

        return step

    def _started(self, x: Any) -> tuple[list[Any], list[Any]]:
        strategy = self.field.unravel(x)
        return self._split(
            strategy, self.step.init(RecordedField(self._given), strategy, self._args)
        )

    def _split(self, x: Any, state: Any) -> tuple[list[Any], list[Any]]:
        x = jax.tree.map(as_array, x)
        require_strategy(x, self._given.like)
        after, structure = jax.tree.flatten(state)
        if structure != self._structure:
            raise ValueError(
                "the step returns a state of another structure than `init`, so it is no map of "
                "states to states."
            )
        moving, fixed = [], []
        for k, leaf in enumerate(after):
            if k not in self._fixed:
                moving.append(as_array(leaf))
            elif k in self._idle:
                continue
            elif eqx.is_array_like(leaf):
                fixed.append(as_array(leaf))
            elif leaf != self._fixed[k]:
                raise ValueError(_COUNTS)
        shapes = [(part.shape, part.dtype) for part in jax.tree.leaves(self._unravel_shapes)]
        if [(leaf.shape, leaf.dtype) for leaf in moving] != shapes:
            raise ValueError(
                "the step returns a state of other shapes or types than `init`, so it is no map of "
                "states to states."
            )
        return [*jax.tree.leaves(x), *moving], fixed

    @property
    def _unravel_shapes(self) -> Any:
        size = self.dimension - self.strategy
        return jax.eval_shape(self._unravel, jax.ShapeDtypeStruct((size,), jnp.float64))

    def _read(self, code: Callable, argument: int) -> AffineCode:
        """Traces the code, with the values of the field as further arguments."""
        n = self.strategy
        flat, calls, projections = self._straight(code, argument)
        size = argument + calls * n
        combined = core.jaxpr_as_fun(flat)

        def rows(w: Any) -> Any:
            return combined(w)[0]

        results = slice(calls * n, calls * n + self.dimension)
        if not self._rigorous:
            zero = jnp.zeros(size)
            middle = np.asarray(rows(zero))[:, None], np.asarray(jax.jacfwd(rows)(zero))
            constant, linear = (AffineFamily.ball(part, np.zeros_like(part)) for part in middle)
            return AffineCode(constant, linear, argument, calls, results, [], "")
        known = fingerprint(flat)
        if fingerprint(self._straight(code, argument)[0]) != known:
            raise ValueError(
                "the step is another one each time that its code is traced (it counts calls, draws "
                "random numbers or reads what changes), so no single map is certified."
            )
        zero = jnp.zeros(size)
        constant, linear = enclose(lambda w: (rows(w), jax.jacfwd(plain(rows))(w)))(zero)
        ends = [np.asarray(end) for x in (constant, linear) for end in (x.lower, x.upper)]
        if not all((np.abs(end) < 2.0**500).all() for end in ends):
            raise EnclosureError(
                "the step computes numbers that are not finite, or that are not shown to be: look "
                "at its step sizes and constants."
            )
        constant, linear = (
            AffineFamily.between(*(end.reshape(-1, columns) for end in pair))
            for pair, columns in ((ends[:2], 1), (ends[2:], size))
        )
        projected, row = [], results.stop
        for own, block in projections:
            width = ravel(block)[0].size
            projected.append((own, block, slice(row, row + width)))
            row += width
        return AffineCode(constant, linear, argument, calls, results, projected, known)

    def _straight(
        self, code: Callable, argument: int
    ) -> tuple[core.ClosedJaxpr, int, list[tuple[AbstractSet, Block]]]:
        """Returns the code as a function of its argument and the field values, proved affine.

        The function returns the points where the field is evaluated, the results, and the trial
        points that are projected, one after the other.
        """
        n = self.strategy
        closed = traced(code, argument)
        found: list[Answers] = []
        trials: list[Projection] = []

        def combined(w: Any, values: Any) -> Any:
            answers = Answers(self._numbers, values)
            found.append(answers)
            outputs = run(closed, [w[:argument]], answers)
            kept = [leaf for k, leaf in self._fixed.items() if k not in self._idle]
            known = [as_array(leaf) for leaf in kept if eqx.is_array_like(leaf)]
            count = len(outputs) - len(known)
            moved, fixed = outputs[:count], outputs[count:]
            if not all(map(same, fixed, known)):
                raise ValueError(_COUNTS)
            trials[:] = self._trials(answers.projections, moved)
            parts = [*answers.points, *moved, *(leaf for _, _, leaves in trials for leaf in leaves)]
            return jnp.concatenate([jnp.ravel(part) for part in parts])

        jax.eval_shape(lambda w: combined(w, None), jax.ShapeDtypeStruct((argument,), jnp.float64))
        calls = len(found[-1].points)

        def whole(w: Any) -> Any:
            return combined(w, [w[argument + n * k : argument + n * (k + 1)] for k in range(calls)])

        flat = jax.make_jaxpr(whole)(jax.ShapeDtypeStruct((argument + calls * n,), jnp.float64))
        require_affine(flat)
        sets = self._given.player_sets
        return (
            flat,
            calls,
            [
                (
                    sets[player],
                    structure.unflatten([jnp.zeros(jnp.shape(leaf)) for leaf in leaves]),
                )
                for player, structure, leaves in trials
            ],
        )

    def _trials(self, projections: list[Projection], moved: list[Any]) -> list[Projection]:
        """Returns the projections that do not make the new strategy, which is known to be inside.

        A new block is left out only if it was projected onto the set of the same player.
        """
        count = len(jax.tree.leaves(self._given.like))
        final = blocks(jax.tree.unflatten(jax.tree.structure(self._given.like), moved[:count]))
        return [
            (player, structure, leaves)
            for player, structure, leaves in projections
            if [id(leaf) for leaf in jax.tree.leaves(final[player])] != [id(x) for x in leaves]
        ]

    # The map and its Jacobian.

    def enclosed(self, lower: np.ndarray, upper: np.ndarray) -> Enclosed:
        """Encloses the step over the cell `[lower, upper]`, rigorously."""
        return enclosed(self._code, self.field, self._enclosure, lower, upper)

    def started(self, lower: np.ndarray, upper: np.ndarray) -> Enclosed:
        """Encloses `x -> (x, init(x))` over a cell of strategies, rigorously."""
        assert self._init is not None
        return enclosed(self._init, self.field, self._enclosure, lower, upper)

    def at(self, z: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the step and its Jacobian at a point, in ordinary floating point."""
        return jacobian_at(self._code, self.field, z)

    def start(self, x: Float[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
        """Returns `(x, init(x))` and its Jacobian, in ordinary floating point."""
        if self._init is None:
            return x, np.eye(len(x))
        return jacobian_at(self._init, self.field, x)

    def first(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
        """Returns `(x, init(x))` without its Jacobian."""
        return x if self._init is None else values_at(self._init, self.field, x)[0]

    def next(self, z: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the step, and the sizes of the terms in its sums, which scale rounding errors."""
        return values_at(self._code, self.field, z)


_COUNTS = (
    "the step depends on how many steps were made before (its state counts them, as those of Adam, "
    "of anchored methods and of step sizes that decay do; or it holds a random key): it is no "
    "single map, so no factor can be proved for it; certify a method whose steps are all the same."
)


class _WithoutArguments(dg.AbstractField):
    """A field with bound arguments, used only to find the form of a first state."""

    bound: dg.AbstractField
    sets: Any

    def __call__(self, x: Strategy, args: Any = None) -> Strategy:
        """Returns the value of the field with its own arguments."""
        return self.bound(x)

    def strategy_set(self, x: Strategy) -> Any:
        """Returns the strategy sets of the game."""
        return self.sets

    def __getattr__(self, name: str) -> Any:
        return refused(name)


def _is_real(leaf: Any) -> bool:
    if not eqx.is_array_like(leaf):
        return False
    return bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))
