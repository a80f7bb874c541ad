"""Adjusted fields by hand: as one would write them in JAX for one zero-sum game of two players."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array

import dgames as dg
from benchmarks.peers.dynamics import Problem

Field = Callable[[list], list]

WEIGHT = 0.1  # of adjustments, the step that others are expected to take, and the like
TOLERANCE = float(jnp.finfo(jnp.float64).eps) ** 0.75  # of linear systems, as ours have by default


def times(a: list, b: list) -> list:
    """The products of leaves."""
    return [x * y for x, y in zip(a, b, strict=True)]


def plus(x: list, direction: list, weight: Any = WEIGHT) -> list:
    """`x + weight * direction`."""
    return [leaf + weight * d for leaf, d in zip(x, direction, strict=True)]


def dot(a: list, b: list) -> Array:
    """The inner product."""
    return sum((jnp.sum(x * y) for x, y in zip(a, b, strict=True)), jnp.zeros(()))


@dataclass(frozen=True)
class Solvers:
    """Iterative solvers of linear systems, to the same tolerance relative to the right-hand side.

    Attributes:
        name: Whose they are.
        definite: Solves for symmetric and positive definite matrices, by conjugate gradients.
        general: Solves for all matrices, by GMRES.
    """

    name: str
    definite: Callable[[Field, list, list | None], list]
    general: Callable[[Field, list], list]


def _of_lineax(solver: Any, tags: Any, product: Field, right: list, guess: list | None) -> list:
    # The tolerances of lineax are for a right-hand side of norm one, and ours are relative to it.
    size = jnp.sqrt(dot(right, right))
    matrix = lx.FunctionLinearOperator(product, jax.eval_shape(lambda: right), tags)
    options = {} if guess is None else {"y0": [leaf / size for leaf in guess]}
    unit = [leaf / size for leaf in right]
    found = lx.linear_solve(matrix, unit, solver, options=options, throw=False).value
    return [size * leaf for leaf in found]


def _cg(product: Field, right: list, guess: list | None) -> list:
    tags = lx.positive_semidefinite_tag
    return _of_lineax(lx.CG(rtol=TOLERANCE, atol=TOLERANCE), tags, product, right, guess)


def _gmres(product: Field, right: list) -> list:
    return _of_lineax(lx.GMRES(rtol=TOLERANCE, atol=TOLERANCE), (), product, right, None)


def _cg_of_jax(product: Field, right: list, guess: list | None) -> list:
    return jax.scipy.sparse.linalg.cg(product, right, guess, tol=TOLERANCE)[0]


def _gmres_of_jax(product: Field, right: list) -> list:
    return jax.scipy.sparse.linalg.gmres(product, right, tol=TOLERANCE)[0]


LINEAX = Solvers("lineax", _cg, _gmres)
JAX = Solvers("JAX's solver", _cg_of_jax, _gmres_of_jax)


def interaction(problem: Problem, x: list) -> tuple[list, list[Field], Callable, Callable]:
    """The field, its products `J_ij v` of the smaller player i and of the other one, and halves.

    Returns:
        The pseudo-gradient; the products, the smaller player's first; a function that splits a
        joint strategy into those two players, and one that joins them.
    """
    own = problem.own
    parts = x[:own], x[own:]
    sizes = [sum(leaf.size for leaf in part) for part in parts]
    small = int(sizes[1] < sizes[0])

    def split(y: list) -> tuple[list, list]:
        halves = y[:own], y[own:]
        return halves[small], halves[1 - small]

    def joined(a: list, b: list) -> list:
        return [*a, *b] if small == 0 else [*b, *a]

    def first(b: list) -> list:
        slope = jax.grad(lambda a: problem.payoff([*a, *b]))
        return slope(parts[0])

    def second(a: list) -> list:
        slope = jax.grad(lambda b: problem.payoff([*a, *b]))
        return [-leaf for leaf in slope(parts[1])]

    (f, along_b), (g, along_a) = jax.linearize(first, parts[1]), jax.linearize(second, parts[0])
    products = [along_b, along_a] if small == 0 else [along_a, along_b]
    return [*f, *g], products, split, joined


def consensus(problem: Problem) -> Field:
    """`F + w J' F`."""

    def field(x: list) -> list:
        force, pull = jax.vjp(problem.field, x)
        return plus(force, pull(force)[0])

    return field


def hamiltonian(problem: Problem) -> Field:
    """`J' F`."""

    def field(x: list) -> list:
        force, pull = jax.vjp(problem.field, x)
        return pull(force)[0]

    return field


def both(problem: Problem, x: list) -> tuple[list, Field, Field]:
    """The field, and the products with J and J'."""
    force, push = jax.linearize(problem.field, x)
    pull = jax.linear_transpose(push, x)
    return force, push, lambda v: pull(v)[0]


def symplectic(problem: Problem) -> Field:
    """`F + w (J' F - J F) / 2`."""

    def field(x: list) -> list:
        force, push, pull = both(problem, x)
        return plus(force, plus(pull(force), push(force), -1.0), WEIGHT / 2)

    return field


def look_ahead(problem: Problem) -> Field:
    """`F - a J_o F`."""

    def field(x: list) -> list:
        force, products, split, joined = interaction(problem, x)
        f, g = split(force)
        return plus(force, joined(products[0](g), products[1](f)), -WEIGHT)

    return field


def lola(problem: Problem) -> Field:
    """`F - a J_o F - a X`, where X is `J_o F` because one cost is minus the other."""

    def field(x: list) -> list:
        force, products, split, joined = interaction(problem, x)
        f, g = split(force)
        turned = joined(products[0](g), products[1](f))
        return plus(plus(force, turned, -WEIGHT), turned, -WEIGHT)

    return field


def stable_opponent_shaping(problem: Problem) -> Field:
    """As much of the shaping as keeps stability."""

    def field(x: list) -> list:
        force, products, split, joined = interaction(problem, x)
        f, g = split(force)
        turned = joined(products[0](g), products[1](f))
        ahead = plus(force, turned, -WEIGHT)
        gain, square = -WEIGHT * dot(turned, ahead), dot(force, force)
        most = -0.5 * dot(ahead, ahead) / jnp.where(gain < 0, gain, -1.0)
        first = jnp.where(gain < 0, jnp.minimum(most, 1.0), 1.0)
        share = jnp.minimum(first, jnp.where(square < 0.01, square, 1.0))
        return plus(ahead, turned, -WEIGHT * share)

    return field


def competitive(problem: Problem, solvers: Solvers) -> Field:
    """`(I + a J_o)^-1 F`, by conjugate gradients for the smaller player."""

    def field(x: list) -> list:
        force, products, split, joined = interaction(problem, x)
        f, g = split(force)

        def system(u: list) -> list:
            return plus(u, products[0](products[1](u)), -(WEIGHT**2))

        own = solvers.definite(system, plus(f, products[0](g), -WEIGHT), None)
        return joined(own, plus(g, products[1](own), -WEIGHT))

    return field


def rescaled(problem: Problem) -> Field:
    """The second player four times as fast."""

    def field(x: list) -> list:
        force, own = problem.field(x), problem.own
        return [*force[:own], *(4.0 * leaf for leaf in force[own:])]

    return field


def surgery(problem: Problem, solvers: Solvers) -> Field:
    """`(F + J' J^-1 F) / 2`."""

    def field(x: list) -> list:
        force, push, pull = both(problem, x)
        half = pull(solvers.general(push, force))
        return [0.5 * (a + b) for a, b in zip(force, half, strict=True)]

    return field


def regularised_surgery(problem: Problem, solvers: Solvers) -> Field:
    """The same with `(J' J + l I)^-1 J'` in place of the inverse."""

    def field(x: list) -> list:
        force, push, pull = both(problem, x)
        found = solvers.definite(lambda u: plus(pull(push(u)), u), pull(force), None)
        return [0.5 * (a + b) for a, b in zip(force, pull(found), strict=True)]

    return field


def follow_the_ridge(problem: Problem, solvers: Solvers) -> Field:
    """`(F_1, F_2 - J_22^-1 J_21 F_1)`."""
    own = problem.own

    def field(x: list) -> list:
        first, second = x[:own], x[own:]

        def slope(x: list) -> list:
            return [-leaf for leaf in jax.grad(lambda b: problem.payoff([*x[:own], *b]))(x[own:])]

        lead = jax.grad(lambda a: problem.payoff([*a, *second]))(first)
        follow, curve = jax.linearize(lambda b: slope([*first, *b]), second)
        drift = jax.jvp(lambda a: slope([*a, *second]), (first,), (lead,))[1]
        return [*lead, *plus(follow, solvers.general(curve, drift), -1.0)]

    return field


Adjust = Callable[[dg.Game], dg.AbstractField]

FIELDS: dict[str, tuple[Adjust, Callable[[Problem], Field]]] = {
    "consensus": (lambda game: dg.Consensus(game, WEIGHT), consensus),
    "Hamiltonian": (dg.Hamiltonian, hamiltonian),
    "symplectic": (lambda game: dg.SymplecticAdjusted(game, WEIGHT), symplectic),
    "look-ahead": (lambda game: dg.LookAhead(game, WEIGHT), look_ahead),
    "LOLA": (lambda game: dg.LOLA(game, WEIGHT), lola),
    "stable opponent shaping": (
        lambda game: dg.StableOpponentShaping(game, WEIGHT),
        stable_opponent_shaping,
    ),
    "rescaled": (lambda game: dg.Rescaled(game, 4.0, leader=0), rescaled),
}

DEFINITE: dict[str, tuple[Adjust, Callable[[Problem, Solvers], Field]]] = {
    "competitive": (lambda game: dg.Competitive(game, WEIGHT), competitive),
    "symplectic surgery, regularised": (
        lambda game: dg.SymplecticSurgery(game, WEIGHT),
        regularised_surgery,
    ),
}

GENERAL: dict[str, tuple[Adjust, Callable[[Problem, Solvers], Field]]] = {
    "symplectic surgery": (dg.SymplecticSurgery, surgery),
    "follow the ridge": (dg.FollowTheRidge, follow_the_ridge),
}
