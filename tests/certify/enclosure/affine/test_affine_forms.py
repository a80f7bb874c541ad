"""The rules for affine forms against exact values, where rounding errors are all there is."""

from typing import Any

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.certify.enclosure.form_checks import corners, exact, forms, outside
from tools import oracle

COUNT = 60

# Of two numbers of any size, which are not symbols, and of two coordinates; without symbols for
# remainders, so that nothing but the remainder itself makes up for what is left.
FUNCTIONS: dict[str, Any] = {
    "moved": lambda c, x: x[::-1],
    "sum": lambda c, x: x + c,
    "difference of coordinates": lambda c, x: x[0] - x[1] + 0.0 * c,
    "scaled": lambda c, x: jnp.array([0.1, -3e7]) * x,
    "contracted": lambda c, x: jnp.array([[0.1, 0.7], [1e-9, -3.0]]) @ x,
    "summed": lambda c, x: jnp.sum(x, keepdims=True),
    "running": lambda c, x: jnp.cumsum(jnp.concatenate([x, x])),
    "product of coordinates": lambda c, x: x[:1] * x[1:],
    "product": lambda c, x: (x[0] + c) * (x[1] - c),
    "dot": lambda c, x: jnp.outer(x, x + 1.0) @ (x + c),
    "product of curves": lambda c, x: jnp.exp(x[:1]) * jnp.exp(x[1:]) + 0.0 * c,
    "curve times a coordinate": lambda c, x: (10.0 + x[:1]) * jnp.tanh(x[1:]) * c,
    "quotient": lambda c, x: (x + c) / (5.0 + x[::-1]),
    "square": lambda c, x: (x - 1.0) ** 2 + (x + c) ** 3,
    "kinks": lambda c, x: jnp.abs(x - 0.1) + jnp.maximum(x, x[::-1]) + jnp.minimum(x, c),
    "choice": lambda c, x: jnp.where(x > 0.0, x, 0.3 * x),
    "softmax": lambda c, x: jax.nn.softmax(jnp.append(x, 1.0)),
    "logsumexp": lambda c, x: jax.nn.logsumexp(jnp.append(x, 1.0), keepdims=True),
    "logaddexp": lambda c, x: jnp.logaddexp(x, x[::-1]) + jax.nn.softplus(3.0 * x),
    "curves": lambda c, x: jnp.sin(x) + jnp.sqrt(9.0 + x) - jnp.log1p(0.1 * x**2),
}


def boxes(rng):
    """Of widths that leave nothing but rounding errors, and of others."""
    width = 10.0 ** rng.choice([-18.0, -15.0, -12.0, -8.0, -2.0, -0.5, 0.5], (COUNT, 2))
    width *= rng.choice([0.0, 1.0, 1.0, 1.0], (COUNT, 2)) * rng.uniform(0.3, 1, (COUNT, 2))
    lower = rng.normal(size=(COUNT, 2)) * rng.choice([0.0, 1.0, 1.0], (COUNT, 1)) - 0.5 * width
    # Rounding errors of centres are largest where generators are no smaller.
    numbers = rng.normal(size=(COUNT, 2)) * 10.0 ** rng.choice([0.0, 0.0, 5.0, -5.0], (COUNT, 1))
    return numbers, lower, lower + width


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_in_their_forms(name):
    rng = np.random.default_rng(sum(map(ord, name)))
    batch = boxes(rng)
    function, inside = FUNCTIONS[name], 0
    code = jax.make_jaxpr(lambda c, x: function(c, x).ravel())(batch[0][0], batch[1][0])
    for form, numbers, lower, upper in zip(forms(function, *batch, 0), *batch, strict=True):
        for point in corners(rng, lower, upper, 3):
            try:
                values = exact(code, numbers, point)
            except oracle.Undecided:
                continue
            found, count = outside(form, point, values)
            assert not found, (numbers, lower, upper, point, found[0])
            inside += count
    assert inside > COUNT


@pytest.fixture(autouse=True)
def many_digits():
    previous, flint.ctx.prec = flint.ctx.prec, oracle.BITS
    yield
    flint.ctx.prec = previous
