"""Remembers which functions have passed the self-test, in a small file of the user's cache folder.

The file belongs to one machine, one set of versions and one set of compiler flags, all of which it
names (`circumstances`); where any of them differs, it is another file, and everything is tested
anew. Like a checkpoint it is trusted: it is looked at for damage, not for malice, so the folder has
to be one where nobody else can write. A file that belongs to another user, that others may write
to, or that holds anything unexpected, is ignored. Where no file can be written, nothing is
remembered, and no proof depends on that.

The environment variable `CERTIFY_CACHE_DIR` names another folder, or is `off`.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import stat
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
from jaxlib import xla_client

VARIABLE = "CERTIFY_CACHE_DIR"
# A file that is longer was written by something else.
_LONGEST = 2**18
# Lines of /proc/cpuinfo that say what a processor is, on x86 and on ARM; others change by the hour.
_PROCESSOR = {
    *("vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features"),
}
# What decides how JAX compiles, beside the flags of XLA.
_OPTIONS = (
    *("jax_enable_x64", "jax_disable_most_optimizations", "jax_optimization_level"),
    *("jax_exec_time_optimization_effort", "jax_default_matmul_precision", "jax_default_device"),
)
_PREFIXES = ("XLA_", "TF_XLA_", "LIBTPU_", "NVIDIA_TF32_")

Circumstances = dict[str, Any]


def folder() -> Path | None:
    """Returns the folder in which results are remembered, or None if they are not."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return None if named in ("", "off") else Path(named)
    try:
        if sys.platform == "win32":
            home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            home = Path.home() / "Library" / "Caches"
        else:
            given = os.environ.get("XDG_CACHE_HOME", "")
            # By its specification a path that is not absolute is to be ignored.
            home = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    except RuntimeError:  # nobody knows the home
        return None
    return home / "certify"


def circumstances(backend: str) -> Circumstances | None:
    """Returns all that the outcome of the self-test may depend on; None if it cannot be told."""
    try:
        devices = jax.devices(backend)
        return {
            "system": platform.platform(),
            "machine": platform.machine(),
            "processor": _processor(),
            "backend": backend,
            "devices": sorted({f"{x.device_kind}, {x.client.platform_version}" for x in devices}),
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy")},
            "options": {name: str(getattr(jax.config, name, None)) for name in _OPTIONS},
            "environment": {
                name: value
                for name, value in sorted(os.environ.items())
                if name.startswith(_PREFIXES)
            },
            # The variables above may have changed since XLA read them: these are its flags.
            "compiler": _digest(xla_client.CompileOptions().SerializeAsString()),
            "test": _digest(*(path.read_bytes() for path in _sources())),
        }
    except Exception:  # of a plug-in without versions, say, or of code that is no file
        return None


def recall(known: Circumstances) -> frozenset[str]:
    """Returns the names that have passed under these circumstances."""
    path = _path(known)
    if path is None:
        return frozenset()
    try:
        held = json.loads(_read(path))
        passed = held["passed"] if held["circumstances"] == known else []
        return frozenset(name for name in passed if isinstance(name, str))
    except Exception:  # there is none yet, or it is damaged: all are tested anew
        return frozenset()


def remember(known: Circumstances, passed: Iterable[str]) -> None:
    """Adds names that have passed, as far as a file can be written.

    Of two processes that write at the same time one may lose its names; then they are tested again.
    """
    path = _path(known)
    if path is None:
        return
    held = {"circumstances": known, "passed": sorted(recall(known).union(passed))}
    # The temporary name is unique, and the file appears whole or not at all.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(held, file, indent=1)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _path(known: Circumstances) -> Path | None:
    where = folder()
    if where is None:
        return None
    return where / f"self-test-{_digest(json.dumps(known, sort_keys=True).encode())[:32]}.json"


def _read(path: Path) -> str:
    """Reads a short file of one's own; anything else is an error."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST:
        raise ValueError("no short file")
    if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        raise ValueError("others can write to it")
    return path.read_text("utf-8")


def _processor() -> list[str]:
    """Says what the processors are and what they can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.processor()]
    pairs = {tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line}
    return sorted(f"{name}: {value}" for name, value in pairs if name in _PROCESSOR)


def _sources() -> list[Path]:
    """Returns the files that the self-test is made of: its code, its samples and the margins."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("self_test", "margins", "remembered")]
    return [*files, *sorted((here / "elementary").glob("*.py"))]


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
