"""Vectors with errors: elementary functions against ball arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, ctx  # pyright: ignore[reportMissingTypeStubs]

from certify.prove.closed_form.rounded_vectors import Rounded, applied

FUNCTIONS = {
    "sigmoid": (jax.nn.sigmoid, lambda x: 1 / (1 + (-x).exp())),
    "softplus": (jax.nn.softplus, lambda x: (1 + x.exp()).log()),
    "log": (jnp.log, lambda x: x.log()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_enclose_all_numbers_within_the_error(name):
    function, exactly = FUNCTIONS[name]
    points = np.geomspace(1e-6, 30.0, 40)
    points = points if name == "log" else np.concatenate([points, -points])
    for share in (0.0, 1e-10, 0.1):
        error = share * np.abs(points)
        found = applied(function, Rounded(points, error))
        with ctx.workprec(200):
            for x, e, middle, r in zip(points, error, *found, strict=True):
                for end in (arb(x) - arb(e), arb(x), arb(x) + arb(e)):
                    assert abs(exactly(end) - arb(middle)) <= arb(r)
        sizes = 1 + np.abs(points) + np.abs(found.value)
        assert (found.error <= (1.2 * share + 1e-13) * sizes).all()
