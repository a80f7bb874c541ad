"""Keeps results on disk as JSON, written whole or not at all."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

# What stages return and files keep: plain data, as in JSON, with non-finite floats allowed.
Data: TypeAlias = Any
Number: TypeAlias = float | int | bool | str | list[Any]

_NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def plain(value: Any) -> Any:
    """Converts the values of stages to plain data: arrays to lists, NumPy's numbers to Python's.

    Raises:
        TypeError: If something is no number, text, None, or array, list or mapping of these.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"results are real numbers; got an array of {array.dtype}")
        return array.tolist()
    raise TypeError(f"results are plain data; got {type(value).__name__}")


def dump(value: Any) -> str:
    """One line of JSON; non-finite floats, which JSON lacks, as texts."""
    return json.dumps(_written(plain(value)), allow_nan=False)


def parse(text: str) -> Any:
    """The inverse of `dump`."""
    return _read(json.loads(text))


def save(path: Path, value: Any, indent: int | None = None) -> None:
    """Writes a file of JSON atomically, so that readers see the old file or the new one.

    Args:
        path: The file; its folder is made if it is missing.
        value: See `plain`.
        indent: As in `json.dumps`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_written(plain(value)), allow_nan=False, indent=indent)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text + "\n", encoding="utf-8")
    os.replace(fresh, path)


def read(path: Path) -> Any:
    """Reads what `save` wrote."""
    return parse(path.read_text(encoding="utf-8"))


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _written(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_written(entry) for entry in value]
    if isinstance(value, str) and value in _NON_FINITE:
        raise TypeError(f"the text {value!r} stands for a number in results; use another")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _read(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_read(entry) for entry in value]
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value
