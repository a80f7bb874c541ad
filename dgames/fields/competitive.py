"""Competitive gradients: every player expects the others to answer in the same step."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.fields.matrix_free import solved
from dgames.fields.products import block_product, interaction
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import is_zero_sum
from dgames.strategy import Block, Strategy, block, blocks, dimensions, join


class Competitive(AbstractAdjustedField):
    """The competitive gradient d, which solves `(I + a J_o) d = F`.

    `J_o` is the interaction, the Jacobian off the diagonal of the players' blocks. The step `-h d`
    with `h = a` is the Nash equilibrium of the local game that has the players' gradients, their
    bilinear interaction, and the cost `|step_i|^2 / (2 a)`: competitive gradient descent (CGD).
    Other steps are competitive gradient optimisation (CGO). `Extragradient` on this field is its
    optimistic variant (OCGO). The zeros of d are those of F wherever the system is regular.

    On `s x y` a step h has the factor `sqrt(1 - 2 h a s^2 / (1 + a^2 s^2) + h^2 s^2 / (1 + a^2
    s^2))`: for `h = a` that is `1 / sqrt(1 + a^2 s^2)`, and for s = 1 CGO converges if and only if
    `h < 2 a`.

    In a zero-sum game of two players one system `(I + a^2 B B') d_1 = F_1 - a B F_2` is solved, by
    conjugate gradients for the player with fewer coordinates, and the other one's part substituted
    back: two products with blocks of J per iteration. Otherwise GMRES solves for all players, with
    one product `J_o v` per iteration, and about N blocks of the field each. Where the solver finds
    no solution the field is NaN.

    Attributes:
        field: F; a game stands for its pseudo-gradient.
        alpha: a >= 0, in units of one over J.
        solver: A solver of lineax in place of these, such as `lineax.GMRES(rtol=1e-4, atol=1e-4)`
            where less precision will do. Tolerances are relative to the norm of the right-hand
            side. With `lineax.LU()` the matrix is formed: for few coordinates, and for proofs,
            because `certify` encloses direct solutions only.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
    >>> [round(float(own), 6) for own in dg.Competitive(game, 1.0)((1.0, 3.0))]
    [2.0, 1.0]

    References:
        Schaefer and Anandkumar, *Competitive gradient descent*, NeurIPS 2019, arXiv:1905.12103;
        Vyas, Bullins and Azizzadenesheli, *Competitive gradient optimization*, ICML 2023,
        arXiv:2205.14232.
    """

    field: AbstractField = eqx.field(converter=as_field)
    alpha: Float[Array, ""] = eqx.field(converter=as_float)
    solver: Any = None

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        inside = jax.tree.map(lambda leaf: self.alpha.astype(leaf.dtype), x)
        outside = jax.tree.map(jnp.ones_like, inside)
        return competitive(field, x, args, inside, outside, self.solver)


def competitive(
    field: AbstractField,
    x: Strategy,
    args: PyTree,
    inside: Strategy,
    outside: Strategy,
    solver: Any = None,
    guess: Strategy | None = None,
) -> Strategy:
    """Returns the u with `(I + V J_o W) u = V F`, for diagonal matrices V and W.

    Either both are one matrix, the root of the step sizes of all coordinates (then `-W u` is the
    competitive step), or both are numbers.

    Args:
        field: F, of numbers.
        x: A joint strategy, as arrays.
        args: Passed to F.
        inside: W, with arrays in the shapes of `x` or scalars.
        outside: V, likewise.
        solver: As for `Competitive`.
        guess: A u to start from; direct solvers take none.
    """
    if isinstance(field, PseudoGradient) and is_zero_sum(field.game) and len(blocks(x)) == 2:
        return _of_two(field, x, args, inside, outside, solver, guess)
    force, times = interaction(field, x, args)

    def system(u: Strategy) -> Strategy:
        return add(u, multiply(outside, times(multiply(inside, u))))

    return solved(system, multiply(outside, force), solver, guess=guess)


def _of_two(
    field: AbstractField,
    x: Strategy,
    args: PyTree,
    inside: Strategy,
    outside: Strategy,
    solver: Any,
    guess: Strategy | None,
) -> Strategy:
    """Eliminates the player with more coordinates; the other one's matrix is `I + K K'`."""
    first = int(dimensions(x)[1] < dimensions(x)[0])
    players = (first, 1 - first)
    w, v = ([block(weights, i) for i in players] for weights in (inside, outside))
    forces, products = zip(*(block_product(field, x, i, 1 - i, args) for i in players), strict=True)
    b, c = map(multiply, v, forces)

    def there(u: Block) -> Block:
        return multiply(v[0], products[0](multiply(w[1], u)))

    def back(u: Block) -> Block:
        return multiply(v[1], products[1](multiply(w[0], u)))

    def system(u: Block) -> Block:
        return subtract(u, there(back(u)))

    guess = None if guess is None else block(guess, first)
    own = solved(system, subtract(b, there(c)), solver, definite=True, guess=guess)
    parts = (own, subtract(c, back(own)))
    return join(x, (parts[first], parts[1 - first]))


def multiply(weights: PyTree, value: PyTree) -> PyTree:
    """`weights * value`, leaf by leaf."""
    return jax.tree.map(jnp.multiply, weights, value)


def add(x: PyTree, y: PyTree) -> PyTree:
    """`x + y`, leaf by leaf."""
    return jax.tree.map(jnp.add, x, y)


def subtract(x: PyTree, y: PyTree) -> PyTree:
    """`x - y`, leaf by leaf."""
    return jax.tree.map(jnp.subtract, x, y)
