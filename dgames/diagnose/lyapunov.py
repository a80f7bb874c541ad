"""Lyapunov exponents of methods: how fast nearby runs separate."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.diagnose.augmented_step import AugmentedStep, checked, counted, held_fixed
from dgames.diagnose.run_derivative import RunDerivative
from dgames.diagnose.singular_directions import singular_directions, unit_columns
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy

Variant = Literal["maximum", "lower", "upper"]
Objective = Literal["sum", "minimum", "entropy"]


def lyapunov_exponents(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    *,
    steps: int,
    count: int = 1,
    variant: Variant = "maximum",
    squared: bool = True,
    state: PyTree = None,
    iterations: int = 200,
) -> Float[Array, " count"]:
    r"""The exponents at which displacements of a start grow over the next k steps of a method.

    With the step `T` as a map of augmented states and `P = DT(z_{k-1}) ... DT(z_0)`, its product of
    Jacobians along the run `z_0, z_1, ...` from `(x, state)`, the exponents are

        "maximum"   (1/k) log s_j(P)^2                     with singular values `s_1 >= s_2 >= ...`
        "upper"     (1/k) sum_t log s_j(DT(z_t))^2         directions are chosen anew in each step
        "lower"     (1/k) sum_t log (R_t)_jj^2             the best directions of the first step,
                                                           pushed forward: Q_{t+1} R_t = DT(z_t) Q_t

    for j = 1 ... `count`. The sums of the first j exponents are ordered, lower <= maximum <= upper.
    "lower" and "upper" are the variants of Generalised Ridge Rider that tune the direction in the
    first step and in every step. "lower" with as many exponents as there are coordinates is the
    classical computation of the whole spectrum by QR decompositions (Benettin et al., 1980); for
    many steps all directions but those of measure zero lead to the same exponents.

    **The factor two.** Generalised Ridge Rider measures the growth of *squared* lengths, and so
    does the formula above. The exponents of textbooks are half of that: `squared=False`. For a
    linear map they tend to the logarithms of the moduli of its eigenvalues.

    **Size.** No Jacobian is made of more than 96 coordinates: singular directions are found by
    products with vectors, and no array is larger than k or ten vectors per exponent. With a million
    coordinates and five steps, one exponent and its gradient were measured to take as much memory
    as 43 vectors (`benchmarks/lyapunov_memory.py`). These directions are estimates; where the
    search for them has not converged, exponents are too small. Of "maximum", exponents that are
    below the first one by more than `-log(eps) * 2 / k` are lost in rounding; take "lower" for
    these.

    **Derivatives** along the start, `args`, the hyper-parameters and the parameters of the game are
    exact for "maximum" and "upper" where the singular values differ, though the directions are held
    fixed (they are maximisers, whose change has no effect of first order). For "lower" they
    are those with the first directions held fixed.

    Args:
        game: A game, or any field.
        method: The method whose steps are taken.
        x: The start, a joint strategy.
        args: Passed to the field.
        steps: The number k of steps, at least 1.
        count: The number of exponents, at most that of the coordinates of the augmented state.
        variant: See above.
        squared: Whether to measure squared lengths.
        state: The method's state at the start (default: `method.init` at `x`).
        iterations: The budget of the search for singular directions in large games.

    Returns:
        The exponents per step; `-inf` where a direction is lost. For a method with a state, such as
        momentum, they are those of the augmented state, whose coordinates count alike.

    Raises:
        ValueError: If the game, the strategy or an option is malformed.

    References:
        Lorraine et al., *Lyapunov Exponents for Diversity in Differentiable Games*, AAMAS 2022,
        arXiv:2112.14570. Benettin, Galgani, Giorgilli and Strelcyn, *Meccanica* 15 (1980).

    >>> from dgames.game import zero_sum
    >>> from dgames.methods import Simultaneous
    >>> game = zero_sum(lambda x, args: x[0] * x[1])  # the matrix of a step is [[1, -1], [1, 1]]
    >>> exponents = lyapunov_exponents(game, Simultaneous(1.0), (1.0, 0.0), steps=5, count=2)
    >>> [f"{exponent:.6f}" for exponent in jnp.exp(exponents)]
    ['2.000000', '2.000000']
    """
    what = "lyapunov_exponents"
    steps, count = counted(what, steps=steps), counted(what, count=count)
    iterations = counted(what, iterations=iterations)
    field, x = checked(game, x, args)
    size = jax.eval_shape(lambda: AugmentedStep(field, method, x, args, state).start[0]).size
    check_variant(what, variant)
    check_few(what, count, size)
    exponents = exponents_of_run(field, method, x, args, state, steps, count, variant, iterations)
    return exponents if squared else exponents / 2


def exponent_objective(
    exponents: Float[Array, " count"], kind: Objective = "sum"
) -> Float[Array, ""]:
    """One number for several exponents, to be made large.

    Args:
        exponents: Lyapunov exponents.
        kind: Their "sum", their "minimum", so that all directions grow, or the "entropy": the sum
            of the positive ones, as in Pesin's formula.

    Raises:
        ValueError: If the kind is none of these.

    >>> float(exponent_objective(jnp.array([1.0, -3.0, 0.5]), "entropy"))
    1.5
    """
    if kind == "sum":
        return jnp.sum(exponents)
    if kind == "minimum":
        return jnp.min(exponents)
    if kind == "entropy":
        return jnp.sum(jnp.maximum(exponents, 0))
    raise ValueError(f"exponent_objective: kind is 'sum', 'minimum' or 'entropy', not {kind!r}")


def check_variant(who: str, variant: Any) -> None:
    """Raises an error unless there is such a variant."""
    if variant not in ("maximum", "lower", "upper"):
        raise ValueError(f"{who}: variant is 'maximum', 'lower' or 'upper', not {variant!r}")


def check_few(who: str, count: int, size: int) -> None:
    """Raises an error if there are fewer coordinates than directions."""
    if count > size:
        raise ValueError(
            f"{who}: {size} coordinates have as many exponents and directions, not {count}"
        )


@eqx.filter_jit
def exponents_of_run(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree,
    state: PyTree,
    steps: int,
    count: int,
    variant: Variant,
    iterations: int,
) -> Float[Array, " count"]:
    """Returns the exponents of `lyapunov_exponents`, of squared lengths."""
    step = AugmentedStep(field, method, x, args, state)
    frozen = AugmentedStep(*held_fixed((field, method, x, args, state)))
    size, dtype = step.start[0].size, step.start[0].dtype

    def best(point: Any) -> Float[Array, "coordinates count"]:
        """The directions that one step stretches most."""
        point = held_fixed(point)
        return singular_directions(
            lambda columns: frozen.push(point, columns),
            lambda columns: frozen.pull(point, columns),
            size,
            count,
            dtype,
            iterations,
        )

    def advance(carry, _):
        point, directions = carry
        if variant == "upper":
            directions = best(point)
        pushed = step.push(point, directions)
        if variant == "lower":
            pushed, triangle = jnp.linalg.qr(pushed)
            growth = jnp.abs(jnp.diag(triangle))
        else:
            pushed, growth = unit_columns(pushed)
        return (step(point), pushed), jnp.log(growth)

    if variant == "maximum":
        run = RunDerivative(field, method, x, args, state, steps)
        directions = run.directions(count, iterations)
    elif variant == "lower":
        directions = best(step.start)
    else:
        directions = jnp.zeros((size, count), dtype)
    # Derivatives evaluate each step again, and keep nothing of it but the augmented states.
    _, growth = jax.lax.scan(jax.checkpoint(advance), (step.start, directions), length=steps)
    return 2 * jnp.mean(growth, axis=0)
