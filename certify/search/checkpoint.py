"""Checkpoints of branch and bound: a file from which a search that was killed goes on.

What a checkpoint holds becomes evidence, so it deserves the trust that the memory of the program
has: its checksum finds damage, not malice. Keep it where nobody else can write.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import time
import uuid
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

import certify
import dgames
from certify.jacobian.by_jaxpr import Form
from certify.problem.field import FlatField
from certify.problem.region import Region
from certify.search.frontier import Arrays, Frontier

# At most one file in this many seconds, and at most this share of the time spent on files.
SECONDS = 5.0
_SHARE = 0.05

Identity = dict[str, str]


def identity(
    field: FlatField, region: Region, weights: np.ndarray, tightness: float, form: Form
) -> Identity:
    """Everything that the cells of a search follow from, by name.

    Budgets, batches, devices and processes are not part of it: they may change on the way.
    """
    packages = ("jax", "jaxlib", "numpy")
    return {
        "game": field.hash,
        "players": json.dumps([field.names, field.sizes]),
        "region": json.dumps(region.to_json(float.hex)),
        "weights": json.dumps([float(weight).hex() for weight in weights.flat]),
        "tightness": float(tightness).hex(),
        "form": form,
        "version of certify": _source(),
        "version of JAX or NumPy": ", ".join(f"{name} {version(name)}" for name in packages),
        "platform": jax.default_backend(),
    }


class Checkpoint:
    """The file of one search, written whole or not at all, now and then.

    Args:
        path: Where; a file that exists is where the search goes on.
        identity: Of the search.
    """

    def __init__(self, path: str | Path, identity: Identity):
        self.path, self._identity = Path(path), identity
        self._due, self._warned = time.perf_counter() + SECONDS, False

    def resume(self, region: Region) -> Frontier | None:
        """The frontier in the file; None if there is no file yet.

        Raises:
            ValueError: If the file is damaged, or belongs to another search.
        """
        if not self.path.exists():
            # Whoever cannot write the file should learn it now, not after an hour.
            if not self.path.parent.is_dir():
                raise ValueError(f"the folder of the checkpoint {self.path} does not exist")
            return None
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            written = json.loads(str(arrays.pop("identity")))
            intact = str(arrays.pop("checksum")) == _checksum(written, arrays)
        except Exception as error:  # zip, zlib, npy, JSON and the file system, each in its own way
            raise ValueError(
                f"{self.path} is no checkpoint, or a damaged one ({type(error).__name__}); give "
                "another file, or delete it to start anew."
            ) from error
        if not intact:
            raise ValueError(
                f"{self.path} is a damaged checkpoint: its checksum is wrong; delete it to start "
                "anew."
            )
        differing = [key for key, value in self._identity.items() if written.get(key) != value]
        if differing:
            raise ValueError(
                f"{self.path} is the checkpoint of another run (the {differing[0]} differs); give "
                "another file, or delete it to start anew."
            )
        try:
            return Frontier.from_arrays(region, arrays)
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"{self.path} is no checkpoint that certify has written.") from error

    def save_if_due(self, frontier: Frontier) -> None:
        """Writes the file if the last one is old enough."""
        if time.perf_counter() >= self._due:
            self.save(frontier)

    def save(self, frontier: Frontier) -> None:
        """Writes the file, replacing the last one at a stroke."""
        start = time.perf_counter()
        arrays: dict[str, Any] = {**frontier.to_arrays()}
        arrays["checksum"] = np.array(_checksum(self._identity, arrays))
        arrays["identity"] = np.array(_text(self._identity))
        # A name of its own: another run may have been given the same file.
        temporary = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.part")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except OSError as error:
            self._warn(error)
        finally:
            with contextlib.suppress(OSError):  # nothing is left of it if all went well
                temporary.unlink(missing_ok=True)
        now = time.perf_counter()
        self._due = now + max(SECONDS, (now - start) / _SHARE)

    def _warn(self, error: OSError) -> None:
        """Says once that there is no file: the search is worth more than its checkpoint."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"certify: the checkpoint {self.path} cannot be written ({error.strerror or error})"
                "; the search goes on without it.",
                stacklevel=2,
            )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _checksum(written: Identity, arrays: Arrays) -> str:
    digest = hashlib.sha256(_text(written).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@functools.cache
def _source() -> str:
    """A hash of the code of both packages, which says more than a version number."""
    digest = hashlib.sha256()
    for package in (dgames, certify):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('dgames')} {digest.hexdigest()}"
