"""Explicit Runge-Kutta steps, which follow the flow closely."""

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.method import AbstractMethod, State, real_hyperparameter, scale, subtract
from dgames.strategy import Strategy

if TYPE_CHECKING:  # type checkers do not know that of equinox
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


class Tableau(NamedTuple):
    """The coefficients of an explicit Runge-Kutta step, as Butcher writes them.

    Attributes:
        stages: `a_ij`, row i having i entries: `((), (a_21,), (a_31, a_32), ...)`.
        weights: `b_i`, one per stage.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


class AbstractRungeKutta(AbstractMethod):
    """An explicit Runge-Kutta step of the flow `dx/dt = -F(x)`, by its tableau.

    `Y_i = x - h sum_{j<i} a_ij F(Y_j)`, then `x+ = P(x - h sum_i b_i F(Y_i))`. One evaluation per
    stage. Only the result is projected, not the stages.

    Attributes:
        tableau: The coefficients.
        step_size: `h`, a positive number or one per player.
    """

    tableau: AbstractClassVar[Tableau]
    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> None:
        return None

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        forces: list[Strategy] = []
        for row in self.tableau.stages:
            forces.append(field(self._moved(x, row, forces), args))
        return field.project(self._moved(x, self.tableau.weights, forces)), None

    def _moved(
        self, x: Strategy, coefficients: tuple[float, ...], forces: list[Strategy]
    ) -> Strategy:
        """`x - h sum_j c_j F(Y_j)`."""
        terms = [(c, f) for c, f in zip(coefficients, forces, strict=True) if c]
        if not terms:
            return x
        numbers, fields = zip(*terms, strict=True)
        total = jax.tree.map(
            lambda *leaves: sum(c * leaf for c, leaf in zip(numbers, leaves, strict=True)), *fields
        )
        return subtract(x, scale(self.step_size, total))


class Heun(AbstractRungeKutta):
    """Heun's second-order step: `y = x - h F(x)`, `x+ = P(x - h (F(x) + F(y)) / 2)`.

    The explicit trapezoidal rule, two evaluations: the mean of x and of two gradient steps in a
    row. It contracts for the same steps as one gradient step, but converges to equilibria for
    larger ones. On `x y` its spectral radius is `sqrt(1 + h^4 / 4)`: it diverges for every `h > 0`.

    Attributes:
        step_size: `h`, a positive number or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, state = Heun(1.0).step(field, (jnp.array(1.0), jnp.array(0.0)), None)
    >>> [float(block) for block in x]
    [0.5, 1.0]
    """

    tableau: ClassVar[Tableau] = Tableau(((), (1.0,)), (0.5, 0.5))


class SSPRK3(AbstractRungeKutta):
    """The third-order step of Shu and Osher (1988), made of gradient steps `G(x) = x - h F(x)`.

    `u = 3/4 x + 1/4 G(G(x))`, `x+ = P(1/3 x + 2/3 G(u))`. Three evaluations. It "preserves strong
    stability": in any norm, it does not increase what one gradient step does not increase. On
    `x y` its spectral radius is `sqrt(1 - h^4/12 + h^6/36)`, below 1 for `0 < h < sqrt(3)`.

    Attributes:
        step_size: `h`, a positive number or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, state = SSPRK3(1.0).step(field, (jnp.array(1.0), jnp.array(0.0)), None)
    >>> [round(float(block), 6) for block in x]
    [0.5, 0.833333]
    """

    tableau: ClassVar[Tableau] = Tableau(((), (1.0,), (0.25, 0.25)), (1 / 6, 1 / 6, 2 / 3))


class RungeKutta4(AbstractRungeKutta):
    """The classical fourth-order Runge-Kutta step of the flow `dx/dt = -F(x)`. Four evaluations.

    On `x y` its spectral radius is `sqrt(1 - h^6/72 + h^8/576)`, below 1 for `0 < h < sqrt(8)`; on
    ODE-GANs see Qin et al., arXiv 2010.15040.

    Attributes:
        step_size: `h`, a positive number or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, state = RungeKutta4(1.0).step(field, (jnp.array(1.0), jnp.array(0.0)), None)
    >>> [round(float(block), 6) for block in x]
    [0.541667, 0.833333]
    """

    tableau: ClassVar[Tableau] = Tableau(
        ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    )
