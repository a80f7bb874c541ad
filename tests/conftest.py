"""Strict numerics for every test, runtime type checks on demand, and the two tiers.

Tests marked `full` are the second tier, which runs with `-m full`; so are all but a few cases of
tests marked `thin(n)`: every n-th one stays in the first tier.
"""

import atexit
import gc
import os
import pkgutil
import resource
import shutil
import signal
import tempfile
from collections import Counter
from pathlib import Path

# Workers inherit it: matrices are small and processes many, so that threads of linear algebra would
# wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jaxtyping

import certify  # nothing but a table of lazy names

# Compiled code is shared by all processes of one run: the workers of pytest, and the commands that
# tests start. Every program is still compiled afresh once in each run, or once for both tiers where
# COMPILED_FOR_TESTS names a folder: `.ci/run` makes one.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _compiled = os.environ.get("COMPILED_FOR_TESTS", "")
    if not _compiled:
        _compiled = tempfile.mkdtemp(prefix="compiled-for-tests-")
        atexit.register(shutil.rmtree, _compiled, ignore_errors=True)
    Path(_compiled).mkdir(parents=True, exist_ok=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
    # Likewise what the self-test finds: no run of the tests relies on an earlier one.
    os.environ["CERTIFY_CACHE_DIR"] = _compiled

# Arguments and results are checked against their annotations, shapes too, where CHECK_TYPES is set:
# `.ci/run` sets it. Before any module of either package is imported. The hook is installed here
# because the pytest plugin of jaxtyping mis-parses two package names followed by a parenthesised
# type checker. The checker is left alone: it has no arrays, and its inner loops over integers would
# run ten times slower.
if os.environ.get("CHECK_TYPES"):
    _modules = [f"certify.{m.name}" for m in pkgutil.iter_modules(certify.__path__)]
    _modules.remove("certify.checker")
    jaxtyping.install_import_hook(["dgames", *_modules], "beartype.beartype")

import jax
import pytest

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


# Resident memory of one process above which compiled code is forgotten.
_MUCH = 2**30


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves every n-th case of a test marked `thin(n)` in the first tier, marks the others."""
    counts: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("thin")
        if marker is not None:
            name = item.nodeid.partition("[")[0]
            if counts[name] % marker.args[0]:
                item.add_marker("full")
            counts[name] += 1


def pytest_collection_finish() -> None:
    """What was imported stays to the end, so that collections need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_code():
    """Compiled code is kept for the next file, unless it takes much memory."""
    yield
    if _resident_memory() > _MUCH:
        jax.clear_caches()
        gc.collect()


def _resident_memory() -> int:
    """Bytes, or the most there ever were where the system does not tell the present number."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


@pytest.fixture
def key():
    """A fixed random key: every run of a test sees the same numbers."""
    return jax.random.key(20261120)
