"""Strict numerics and runtime type checks for every test."""

import jaxtyping

# Before the first import of either package. The hook is installed here because the pytest plugin of jaxtyping
# mis-parses two package names followed by a parenthesised type checker.
jaxtyping.install_import_hook(["dgames", "certify"], "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key():
    """A fixed random key: every run of a test sees the same numbers."""
    return jax.random.key(20261120)
