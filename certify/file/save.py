"""Writes certificate files, whole or not at all: as text that people can read, or as gzip."""

import gzip
import json
import os
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from certify.checker import reader
from certify.file.contents import Contents

# Entries shorter than this stand in one line.
_WIDTH = 100
# Nodes of the tree of cells have one of these fields, and always stand in one line.
_CELL = {"centre", "split", "outside"}


def save_data(data: Contents, path: str | Path) -> Path:
    """Writes the contents of a certificate file, all of it or nothing.

    Args:
        data: The contents with their digest, which has to be correct.
        path: Where to write. If the name ends in `.gz`, the file is compressed, always to the same
            bytes, as neither a name nor a time is stored in it.

    Raises:
        ValueError: If no reader would accept the file, for its size or because the contents were
            changed since their digest was made; nothing is written then.
    """
    text = to_text(data)
    if len(text) > reader.MAX_BYTES:
        raise ValueError(
            f"{path} is not written: it would have {len(text)} bytes, compressed or not, and the "
            f"checker reads at most {reader.MAX_BYTES}; fewer cells make it smaller."
        )
    reader.parse(text, str(path))  # refuses what the checker would refuse
    content = text.encode("ascii")
    return save_bytes(_packed(content) if Path(path).suffix == ".gz" else content, path)


def check_writable(path: str | Path) -> None:
    """Raises an error if no file can be written at a path, before there is anything to write.

    Raises:
        ValueError: If the path is a folder, its parent folder does not exist, or no file can be
            created there.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ValueError(f"the folder of {path} does not exist")
    if _is_special(path):
        return
    try:
        handle, temporary = _temporary(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}") from None
    os.close(handle)
    Path(temporary).unlink()


def save_bytes(content: bytes, path: str | Path) -> Path:
    """Writes a file, all of it or nothing; writes into a pipe or device instead of replacing it."""
    path = Path(path)
    if _is_special(path):
        path.write_bytes(content)
        return path
    handle, temporary = _temporary(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # temporary files are private, certificates are to be shown
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _is_special(path: Path) -> bool:
    """Says whether a path is something that must not be replaced, such as a device or a pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _temporary(path: Path) -> tuple[int, str]:
    """Creates a file with an unused name in the folder of another one."""
    return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}-", suffix=".part")


def compression(path: Path) -> float:
    """Returns how many times smaller a plain file would be if compressed."""
    content = path.read_bytes()
    return len(content) / len(_packed(content))


def to_text(data: Contents) -> str:
    """Returns a file as text, with a line for each claim and each cell, so that diffs are clear."""
    return _lines(data) + "\n"


def schema(kind: str = "convergence") -> Contents:
    """Returns the JSON Schema (draft 2020-12) of a kind of file, which describes its structure.

    Args:
        kind: "convergence", "contraction", "policies", "zero", "stackelberg", "feedback",
            "mean_square", "neural", "tree", "refutation", "instability", "expansion",
            "monotone" or "count", see `Certificate.kind`.

    Raises:
        ValueError: If there is no such kind of file.

    Example:
        >>> from certify import schema
        >>> schema("policies")["properties"]["kind"]
        {'const': 'policies'}
    """
    folder = files("certify.file").joinpath("schemas")
    known = sorted(file.name.removesuffix(".json") for file in folder.iterdir())
    if kind not in known:
        raise ValueError(f"schema: the kind is {kind!r}; it must be one of {', '.join(known)}.")
    return json.loads(folder.joinpath(f"{kind}.json").read_text("utf-8"))


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)


def _lines(value: Any, depth: int = 0) -> str:
    """Returns JSON with a line for each entry of an object, or of a list of more than numbers."""
    if not isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, dict) and not _CELL.isdisjoint(value):
        return json.dumps(value, separators=(",", ":"))
    entries = value.values() if isinstance(value, dict) else value
    line = json.dumps(value)
    if len(line) < _WIDTH or not any(isinstance(x, dict | list | str) for x in entries):
        return line
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_lines(x, depth + 1)}" for key, x in value.items()]
    else:
        parts = [_lines(x, depth + 1) for x in value]
    indent, (start, end) = "\n" + "  " * depth, "{}" if isinstance(value, dict) else "[]"
    return start + indent + ("," + indent).join(parts) + "\n" + "  " * max(depth - 1, 0) + end
