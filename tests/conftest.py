"""Strict numerics and runtime type checks for every test."""

import atexit
import gc
import os
import pkgutil
import shutil
import signal
import tempfile

# Workers inherit it: matrices are small and processes many, so that threads of linear algebra would
# wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jaxtyping

import certify  # nothing but a table of lazy names

# Compiled code is shared by all processes of one run: the workers of pytest, and the commands that
# tests start. Every program is still compiled afresh once in each run.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _compiled = tempfile.mkdtemp(prefix="compiled-for-tests-")
    atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

# Before any module of either package is imported. The hook is installed here because the pytest
# plugin of jaxtyping mis-parses two package names followed by a parenthesised type checker. The
# checker is left alone: it has no arrays, and its inner loops over integers would run ten times
# slower.
_modules = [f"certify.{m.name}" for m in pkgutil.iter_modules(certify.__path__)]
_modules.remove("certify.checker")
jaxtyping.install_import_hook(["dgames", *_modules], "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would the programs
# that they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Time only: tracing makes many small objects and hardly any garbage, and the lines of Python that
# an operation came from are of no use in compiled code. No number depends on either.
gc.set_threshold(50_000, 20, 20)
jax.config.update("jax_traceback_in_locations_limit", 0)


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_code():
    """What one file compiled is rarely of use to the next, and makes every collection longer."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def key():
    """A fixed random key: every run of a test sees the same numbers."""
    return jax.random.key(20261120)
