"""Equal fingerprints must mean equal functions: compiled enclosures are reused by them."""

import jax
import jax.numpy as jnp
import numpy as np

from certify.problem.fingerprint import fingerprint


def of(function, shape=(2,)):
    return fingerprint(jax.make_jaxpr(function)(jax.ShapeDtypeStruct(shape, jnp.float64)))


def test_same_code_same_constants():
    a, b = np.arange(4.0).reshape(2, 2), np.arange(4.0).reshape(2, 2)
    assert of(lambda x: a @ x) == of(lambda y: b @ y)


def test_every_difference_shows():
    a, b = jnp.arange(4.0).reshape(2, 2), jnp.arange(4.0).reshape(2, 2).at[1, 1].add(1e-16 + 1e-9)
    inner_a, inner_b = (jax.jit(lambda x, m=m: m @ x) for m in (a, b))
    functions = [
        lambda x: a @ x,
        lambda x: b @ x,
        lambda x: a.T @ x,
        inner_a,
        inner_b,
        lambda x: x + 0.1,
        lambda x: x + np.nextafter(0.1, 1.0),
        lambda x: x - 0.1,
        lambda x: x**2,
        lambda x: x**3,
        lambda x: x[0] - x[1],
        lambda x: x[1] - x[0],
        lambda x: jnp.sum(x),
        lambda x: x[::-1],
    ]
    hashes = [of(f) for f in functions]
    assert len(set(hashes)) == len(functions)
    assert of(lambda x: x, (3,)) != of(lambda x: x, (2,))
