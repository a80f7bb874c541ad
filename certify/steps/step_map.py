"""One step of a method as a map of vectors, and its Jacobian over whole boxes.

The augmented state `(x, state)` of a method, flattened, is a vector `z`. A step evaluates the field
a few times and combines what it gets:

    y_j = A_j z + sum_(l < j) B_jl F(y_l) + a_j,      T(z) = A z + sum_l B_l F(y_l) + a.

The matrices are read off the code of the method, by evaluating its derivative (which is proved to
be constant) in interval arithmetic. Then the Jacobian follows by the chain rule,

    D_j = A_j + sum_(l < j) B_jl J(y_l) D_l,          DT = A + sum_l B_l J(y_l) D_l,

in which each `J(y_l)` is enclosed over every point that `y_l` can be. Nothing else is known of a
method, so the user's own methods are treated like the others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float
from typing_extensions import override

import dgames as dg
from certify.constraints import contains_box
from certify.enclosure.affine import is_smooth, jacobian_form
from certify.enclosure.enclose import enclose
from certify.enclosure.interval import Interval
from certify.enclosure.plain import plain
from certify.enclosure.registry import EnclosureError
from certify.flat import FlatField, compiled_jacobian, compiled_value
from certify.steps.families import Matrices, added, product
from certify.steps.field_family import Stage, varies
from dgames.fields import AbstractField
from dgames.sets import AbstractSet, player_sets
from dgames.strategy import Block, Strategy, blocks, join, ravel


class Enclosed(NamedTuple):
    """A map over a cell.

    Attributes:
        value: Shape (k, 1).
        jacobian: Shape (k, m), with respect to all coordinates of the cell.
        finite: Whether the field was shown to be defined and smooth wherever the map evaluates it,
            and every point that the method projects before the end to lie in its strategy set.
    """

    value: Matrices
    jacobian: Matrices
    finite: bool


class _Code(NamedTuple):
    """How a map combines its argument and the values of the field."""

    constant: Matrices  # of all rows
    linear: Matrices
    argument: int  # coordinates of the argument
    calls: int
    results: slice  # rows of the results
    projected: list[tuple[AbstractSet, Block, slice]]  # set, a block for its structure, rows


class StepMap:
    """A step `T: R^m -> R^m` of a method on a game, the strategy first.

    Args:
        field: The game.
        strategy_set: Of the game, at a strategy.
        step: The method. It may evaluate the field that it is given, and nothing else of the game.
        center: A strategy, as a vector, near the equilibrium.
        rigorous: Whether more than `at` and `start` will be asked for.

    Attributes:
        strategy: Coordinates of the strategy, n.
        dimension: Coordinates of the augmented state, m.
        varies: Whether the Jacobian may depend on where it is taken.

    Raises:
        ValueError: If the step depends on how many steps were made before, or its state is not
            real.
        EnclosureError: If the step is not linear in the strategy, the buffers and the values of
            the field.
    """

    def __init__(
        self,
        field: FlatField,
        strategy_set: Any,
        step: dg.AbstractMethod,
        center: np.ndarray,
        *,
        rigorous: bool = True,
    ):
        self.field, self.step, self._sets = field, step, strategy_set
        self.varies, self._rigorous = varies(field), rigorous
        x = field.unravel(jnp.asarray(center))
        state = step.init(field.gradient, x, None)
        leaves, self._structure = jax.tree.flatten(state)
        self._fixed = {k: leaf for k, leaf in enumerate(leaves) if not _is_real(leaf)}
        moving = [leaf for leaf in leaves if _is_real(leaf)]
        for leaf in self._fixed.values():
            if jnp.issubdtype(jnp.result_type(leaf), jnp.complexfloating):
                raise ValueError(
                    "the method keeps complex numbers in its state, which are not enclosed; keep "
                    "their real and imaginary parts, as dgames.ComplexMomentum does."
                )
        buffer, self._unravel = ravel(moving)
        self.strategy, self.dimension = len(center), len(center) + buffer.size
        self._code = self._read(self._stepped, self.dimension)
        self._init = self._read(self._started, self.strategy) if buffer.size else None

    # The code, on vectors.

    def _stepped(self, field: AbstractField, z: Any) -> tuple[Any, Any]:
        n = self.strategy
        x, moving = self.field.unravel(z[:n]), iter(self._unravel(z[n:]))
        count = len(self._fixed) + len(jax.tree.leaves(self._unravel(z[n:])))
        leaves = [self._fixed[k] if k in self._fixed else next(moving) for k in range(count)]
        state = self._structure.unflatten(leaves)
        x, state = self.step.step(field, x, state, None)
        after = jax.tree.leaves(state)
        for k, old in self._fixed.items():
            if after[k] is not old and (
                isinstance(after[k], Tracer) or not np.array_equal(after[k], old)
            ):
                raise ValueError(
                    "the step depends on how many steps were made before (its state counts them, "
                    "as that of Adam does, which also divides by the root of a buffer): it is no "
                    "single map, so no factor can be proved for it; certify a method whose state "
                    "holds real numbers alone."
                )
        return x, [leaf for k, leaf in enumerate(after) if k not in self._fixed]

    def _started(self, field: AbstractField, x: Any) -> tuple[Any, Any]:
        strategy = self.field.unravel(x)
        leaves = jax.tree.leaves(self.step.init(field, strategy, None))
        return strategy, [leaf for k, leaf in enumerate(leaves) if k not in self._fixed]

    def _read(self, code: Callable, argument: int) -> _Code:
        """Traces the code with the values of the field as further arguments."""
        n = self.strategy
        calls, shapes = _count(code, self.field, self._sets, argument)

        def combined(w: Any) -> Any:
            values = [w[argument + n * k : argument + n * (k + 1)] for k in range(calls)]
            field = _Recorder(self.field, self._sets, values)
            x, buffers = code(field, w[:argument])
            trials = [block for _, block in _trials(field.projected, x)]
            rows = [*field.points, ravel(x)[0]]
            rows += [ravel(part)[0] for part in (buffers, *trials) if jax.tree.leaves(part)]
            return jnp.concatenate(rows)

        size = argument + calls * n
        first = calls * n
        results = slice(first, first + self.dimension)
        if not self._rigorous:
            zero = jnp.zeros(size)
            middle = np.asarray(combined(zero))[:, None], np.asarray(jax.jacfwd(combined)(zero))
            constant, linear = (Matrices.ball(part, np.zeros_like(part)) for part in middle)
            return _Code(constant, linear, argument, calls, results, [])
        # A jump, as of `floor`, leaves no trace in the derivative.
        everywhere = jnp.full(size, 2.0**100)
        smooth = is_smooth(combined, "interval")(Interval(-everywhere, everywhere))
        if not (jacobian_form(combined, size) == "constant" and smooth):
            raise EnclosureError(
                "the step is not linear in the strategy, the state and the values of the field, so "
                "its Jacobian is not enclosed; adaptive methods, which divide by what they have "
                "seen, are of this kind."
            )
        zero = jnp.zeros(size)
        constant, linear = enclose(lambda w: (combined(w), jax.jacfwd(plain(combined))(w)))(zero)
        constant, linear = (
            Matrices.between(*(np.asarray(end).reshape(-1, columns) for end in (x.lower, x.upper)))
            for x, columns in ((constant, 1), (linear, size))
        )
        projected, row = [], results.stop
        for own, block in shapes:
            width = ravel(block)[0].size
            projected.append((own, block, slice(row, row + width)))
            row += width
        return _Code(constant, linear, argument, calls, results, projected)

    # The map and its Jacobian.

    def enclosed(self, lower: np.ndarray, upper: np.ndarray) -> Enclosed:
        """The step over the cell `[lower, upper]`, rigorously."""
        return self._run(self._code, lower, upper)

    def started(self, lower: np.ndarray, upper: np.ndarray) -> Enclosed:
        """`x -> (x, init(x))` over a cell of strategies, rigorously."""
        assert self._init is not None
        return self._run(self._init, lower, upper)

    def _run(self, code: _Code, lower: np.ndarray, upper: np.ndarray) -> Enclosed:
        m, n = code.argument, self.strategy
        middle = 0.5 * lower + 0.5 * upper
        radius = np.maximum(upper - middle, middle - lower) * (1 + 2.0**-50)
        z = Matrices(middle[:, None], np.diag(radius)[:, :, None], np.zeros((m, 1)))
        # The derivative by z, not by the e_k: they stand for z in the families alone.
        identity = Matrices.ball(np.eye(m), np.zeros((m, m)))
        stages: list[tuple[Matrices, Matrices]] = []
        finite = True

        def combined(rows: slice) -> tuple[Matrices, Matrices]:
            own = _part(code.linear, rows, slice(0, m))
            value = added(_part(code.constant, rows, slice(0, 1)), product(own, z))
            moves = product(own, identity) if m else own
            for k, (found, slope) in enumerate(stages):
                factor = _part(code.linear, rows, slice(m + n * k, m + n * (k + 1)))
                if factor.centre.any() or factor.remainder.any():
                    value = added(value, product(factor, found))
                    moves = added(moves, product(factor, slope))
            return value, moves

        for k in range(code.calls):
            point, moves = combined(slice(n * k, n * (k + 1)))
            if not np.isfinite(point.magnitude).all():
                finite = False
                break
            stage = Stage(self.field, point)
            finite &= stage.finite
            if not finite:
                break
            stages.append((stage.value, stage.along(moves)))
        if not finite:
            size = code.results.stop - code.results.start
            value, jacobian = (
                Matrices.ball(np.zeros(shape), np.full(shape, np.inf))
                for shape in ((size, 1), (size, m))
            )
            return Enclosed(value, jacobian, False)
        for own, block, rows in code.projected:
            point, _ = combined(rows)
            low = np.nextafter(point.centre - point.spread, -np.inf)
            high = np.nextafter(point.centre + point.spread, np.inf)
            unravel = ravel(block)[1]
            finite &= contains_box(own, *(unravel(jnp.asarray(end[:, 0])) for end in (low, high)))
        value, jacobian = combined(code.results)
        finite &= bool(np.isfinite(jacobian.magnitude).all())
        return Enclosed(value, jacobian, bool(finite))

    def at(self, z: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
        """The step and its Jacobian at a point, in ordinary floating point."""
        return self._at(self._code, z)

    def start(self, x: Float[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
        """`(x, init(x))` and its Jacobian, in ordinary floating point."""
        if self._init is None:
            return x, np.eye(len(x))
        return self._at(self._init, x)

    def _at(self, code: _Code, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        m, n = code.argument, self.strategy
        linear, constant = code.linear.centre, code.constant.centre[:, 0]
        values, slopes = [z], [np.eye(m)]
        for rows in [*(slice(n * k, n * (k + 1)) for k in range(code.calls)), code.results]:
            known = linear[rows, : m + n * (len(values) - 1)]
            point = known @ np.concatenate(values) + constant[rows]
            moves = known @ np.concatenate(slopes)
            if rows is code.results:
                return point, moves
            y = jnp.asarray(point)
            values.append(np.asarray(compiled_value(self.field)(y)))
            slopes.append(np.asarray(compiled_jacobian(self.field)(y)) @ moves)
        raise AssertionError


def _is_real(leaf: Any) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))


def _part(x: Matrices, rows: slice, columns: slice) -> Matrices:
    return Matrices.ball(x.centre[rows, columns], x.remainder[rows, columns])


def _count(
    code: Callable, field: FlatField, sets: Any, argument: int
) -> tuple[int, list[tuple[AbstractSet, Block]]]:
    """How often the code evaluates the field, and what it projects before the end."""
    found: list[Any] = []

    def run(z: Any) -> Any:
        recorder = _Recorder(field, sets, None)
        x, buffers = code(recorder, z)
        found.append((len(recorder.points), _trials(recorder.projected, x)))
        return x, buffers

    jax.eval_shape(run, jax.ShapeDtypeStruct((argument,), jnp.float64))
    calls, trials = found[-1]
    return calls, [
        (own, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), block)) for own, block in trials
    ]


def _trials(projected: list[tuple[AbstractSet, Block]], x: Strategy) -> list[Any]:
    """What was projected, but for the new strategy itself: its iterates are known to be inside."""
    final = {id(leaf) for leaf in jax.tree.leaves(x)}
    return [
        (own, block)
        for own, block in projected
        if not isinstance(own, dg.Euclidean)
        and not all(id(leaf) in final for leaf in jax.tree.leaves(block))
    ]


class _Passing(AbstractSet):
    """Stands for a set whose projection changes nothing; remembers what is projected."""

    own: AbstractSet
    projected: list

    @override
    def project(self, x: Block) -> Block:
        self.projected.append((self.own, x))
        return x

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Any:
        return self.own.contains(x, tolerance)

    @override
    def sample(self, key: Any, like: Block) -> Block:
        return self.own.sample(key, like)


class _Recorder(AbstractField):
    """Gives known values in place of those of the field; remembers where they were asked for."""

    field: FlatField
    sets: Any
    values: Any
    points: list
    projected: list

    def __init__(self, field: FlatField, sets: Any, values: Any):
        self.field, self.sets, self.values = field, sets, values
        self.points, self.projected = [], []

    @override
    def __call__(self, x: Strategy, args: Any = None) -> Strategy:
        point = ravel(x)[0]
        known = self.values
        self.points.append(point)
        return self.field.unravel(
            jnp.zeros_like(point) if known is None else known[len(self.points) - 1]
        )

    @override
    def block(self, x: Strategy, player: int, args: Any = None) -> Block:
        return blocks(self(x, args))[player]

    @override
    def strategy_set(self, x: Strategy) -> Any:
        passing = (_Passing(own, self.projected) for own in player_sets(self.sets, x))
        return join(x, tuple(passing))
