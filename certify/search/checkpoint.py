"""Checkpoints of branch and bound: files from which a search that was killed goes on.

What a checkpoint holds becomes evidence, so it has to be trusted like the memory of the program:
its checksum finds damage, not malice. Keep it where nobody else can write.
"""

import contextlib
import hashlib
import io
import json
import os
import time
import uuid
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from certify.search.frontier import Frontier
from certify.search.measure import Arrays, Domain, Evidence, Measure

# A file is written at most once in this many seconds, and for at most this share of the time.
SECONDS = 5.0
_SHARE = 0.05

# Everything that determines the cells of a search, by name; the caller provides it. Budgets,
# batches, devices and processes are not part of it: they may change on the way.
Identity = dict[str, str]


class Checkpoint:
    """The checkpoint file of one search; it is written now and then, whole or not at all.

    Args:
        path: The path of the file; if it exists, the search goes on from it.
        identity: What determines the cells of the search.
    """

    def __init__(self, path: str | Path, identity: Identity):
        self.path, self._identity = Path(path), identity
        self._due, self._warned = time.perf_counter() + SECONDS, False

    def resume(self, region: Domain, measure: Measure[Evidence]) -> Frontier[Evidence] | None:
        """Returns the frontier in the file, or None if there is no file yet.

        Raises:
            ValueError: If the file is damaged, or belongs to another search.
        """
        if not self.path.exists():
            # A user who cannot write the file should learn it now, not after an hour.
            if not self.path.parent.is_dir():
                raise ValueError(f"the folder of the checkpoint {self.path} does not exist")
            return None
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            written = json.loads(str(arrays.pop("identity")))
            intact = str(arrays.pop("checksum")) == _checksum(written, arrays)
        except Exception as error:  # of zip, zlib, npy, JSON or the file system
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
            return Frontier.from_arrays(region, measure, arrays)
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"{self.path} is no checkpoint that certify has written.") from error

    def save_if_due(self, frontier: Frontier[Evidence], measure: Measure[Evidence]) -> None:
        """Writes the file if enough time has passed since the last one."""
        if time.perf_counter() >= self._due:
            self.save(frontier, measure)

    def save(self, frontier: Frontier[Evidence], measure: Measure[Evidence]) -> None:
        """Writes the file and replaces the last one in one step."""
        start = time.perf_counter()
        # The type is loose because the names of arrays are not those of options of `numpy.savez`.
        arrays: dict[str, Any] = {**frontier.to_arrays(measure)}
        arrays["checksum"] = np.array(_checksum(self._identity, arrays))
        arrays["identity"] = np.array(_text(self._identity))
        # The temporary name is unique, because another run may have been given the same file.
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
            with contextlib.suppress(OSError):  # it no longer exists if all went well
                temporary.unlink(missing_ok=True)
        now = time.perf_counter()
        self._due = now + max(SECONDS, (now - start) / _SHARE)

    def _warn(self, error: OSError) -> None:
        """Warns once that the file cannot be written; the search goes on without it."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"certify: the checkpoint {self.path} cannot be written ({error.strerror or error})"
                "; the search goes on without it.",
                stacklevel=2,
            )


def _text(identity: Identity) -> str:
    return json.dumps(identity, sort_keys=True)


def _checksum(written: Identity, arrays: Arrays) -> str:
    digest = hashlib.sha256(_text(written).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def source_hash(paths: Iterable[Path]) -> str:
    """Returns the SHA-256 of Python files, given by path or by folder, and of their names."""
    digest = hashlib.sha256()
    for path in paths:
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            name = file.relative_to(path.parent).as_posix()
            digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
