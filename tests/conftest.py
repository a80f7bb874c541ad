"""Strict numerics and runtime type checks for every test."""

import gc
import pkgutil

import jaxtyping

import certify  # nothing but a table of lazy names

# Before any module of either package is imported. The hook is installed here because the pytest
# plugin of jaxtyping mis-parses two package names followed by a parenthesised type checker. The
# checker is left alone: it has no arrays, and its inner loops over integers would run ten times
# slower.
_modules = [f"certify.{m.name}" for m in pkgutil.iter_modules(certify.__path__)]
_modules.remove("certify.checker")
jaxtyping.install_import_hook(["dgames", *_modules], "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Time only: tracing makes many small objects and hardly any garbage, and the lines of Python that
# an operation came from are of no use in compiled code. No number depends on either.
gc.set_threshold(50_000, 20, 20)
jax.config.update("jax_traceback_in_locations_limit", 0)


@pytest.fixture
def key():
    """A fixed random key: every run of a test sees the same numbers."""
    return jax.random.key(20261120)
