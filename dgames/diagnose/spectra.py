"""Eigenvalues of Jacobians along a run."""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Complex, Float, PyTree

from dgames.diagnose.augmented_step import AugmentedStep, Point, checked, counted
from dgames.diagnose.krylov import Order, by_products, check_count, leading
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy, ravel

Of = Literal["step", "field"]


class Spectra(eqx.Module):
    """What `spectra_along` returns.

    Attributes:
        eigenvalues: Those at each strategy of the run, the leading ones first.
        strategies: The strategies, stacked along a new first axis; the first one is the start.
    """

    eigenvalues: Complex[np.ndarray, "strategies count"]
    strategies: Strategy


def spectra_along(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    *,
    steps: int,
    of: Of = "step",
    count: int | None = None,
    state: PyTree = None,
) -> Spectra:
    """The eigenvalues of Jacobians at every strategy of a run of k steps.

    Of the "step" of the method they are those of `dgames.step_jacobian`: the run is stable where
    all of them are within the unit disc, up to how non-normal the Jacobians are and how fast they
    turn, which `lyapunov_exponents` takes into account. The leading one has the largest modulus. Of
    the "field" they are those of the game Jacobian; the leading one has the largest real part.

    Args:
        game: A game, or any field.
        method: The method whose steps are taken.
        x: The start, a joint strategy.
        args: Passed to the field.
        steps: The number k of steps, at least 1.
        of: Whose Jacobians.
        count: How many eigenvalues, the leading ones, by products with vectors where the Jacobian
            is large: no matrix is made. By default all of them, of dense Jacobians.
        state: The method's state at the start (default: `method.init` at `x`).

    Raises:
        ValueError: If the game, the strategy or an option is malformed.

    >>> from dgames.game import zero_sum
    >>> from dgames.methods import Simultaneous
    >>> game = zero_sum(lambda x, args: x[0] * x[1])
    >>> spectra = spectra_along(game, Simultaneous(0.5), (1.0, 0.0), steps=2)
    >>> spectra.eigenvalues[0].round(6).tolist(), spectra.strategies[0].tolist()
    ([(1+0.5j), (1-0.5j)], [1.0, 1.0, 0.75])
    """
    steps = counted("spectra_along", steps=steps)
    if of not in ("step", "field"):
        raise ValueError(f"spectra_along: of is 'step' or 'field', not {of!r}")
    field, x = checked(game, x, args)
    by: Order = "modulus" if of == "step" else "real part"
    points, strategies = _run(field, method, x, args, state, steps)
    size, dtype = points[0].shape[1], points[0].dtype
    if of == "field":
        size, dtype = ravel(x)[0].size, ravel(x)[0].dtype
    if count is None:
        matrices = _jacobians(field, method, x, args, state, points, of)
        return Spectra(leading(np.linalg.eigvals(np.asarray(matrices)), by), strategies)
    check_count("spectra_along", count, by, size)
    rows = []
    for index in range(steps + 1):
        point = jax.tree.map(lambda leaf, index=index: leaf[index], points)

        def product(vector: Array, point: Point = point) -> Array:
            return _product(field, method, x, args, state, point, vector, of)

        rows.append(by_products(product, size, dtype, count, by))
    return Spectra(np.stack(rows), strategies)


@eqx.filter_jit
def _run(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree,
    state: PyTree,
    steps: int,
) -> tuple[PyTree, Strategy]:
    """Returns the augmented states of a run, stacked, and their strategies."""
    step = AugmentedStep(field, method, x, args, state)
    _, points = jax.lax.scan(lambda point, _: (step(point), point), step.start, length=steps + 1)
    return points, jax.vmap(lambda point: step.unravel(point)[0])(points)


@eqx.filter_jit
def _jacobians(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree,
    state: PyTree,
    points: PyTree,
    of: Of,
) -> Float[Array, "strategies n n"]:
    step = AugmentedStep(field, method, x, args, state)

    def matrix(point: Point) -> Array:
        function, at = _function(step, field, args, point, of)
        return jax.jacfwd(function)(at)

    return jax.lax.map(matrix, points)


@eqx.filter_jit
def _product(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree,
    state: PyTree,
    point: Point,
    vector: Float[Array, " n"],
    of: Of,
) -> Float[Array, " n"]:
    step = AugmentedStep(field, method, x, args, state)
    function, at = _function(step, field, args, point, of)
    return jax.jvp(function, (at,), (vector,))[1]


def _function(
    step: AugmentedStep, field: AbstractField, args: PyTree, point: Point, of: Of
) -> tuple[Callable[[Array], Array], Array]:
    """Returns the function whose Jacobian is meant, and where."""
    if of == "step":
        return lambda vector: step((vector, point[1]))[0], point[0]
    at, unravel = ravel(step.unravel(point)[0])
    return lambda vector: ravel(field(unravel(vector), args))[0], at
