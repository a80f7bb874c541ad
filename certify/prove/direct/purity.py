"""Watches what a step is closed over: if that changes while the step runs, it is no function.

The check proves nothing and sees no more than Python shows: cells, defaults, globals, attributes,
and the lists, dictionaries, sets and arrays in them.
"""

import functools
import inspect
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dgames as dg
from certify.enclosure.registry import EnclosureError
from certify.problem.exact_types import known_instance

# The folders of code that is not the user's.
_LIBRARIES = tuple(
    Path(path).resolve()
    for path in (
        sysconfig.get_path("stdlib"),
        Path(dg.__file__).parent,
        Path(__file__).parents[1],
    )
)
# How far references are followed; and to how many objects, which also limits entries of an array.
_DEPTH, _MOST = 6, 2**14


class Surroundings:
    """The values that the code of a step refers to, as they were when this object was made.

    Args:
        method: A method, or a step `(field, x) -> x`.
    """

    def __init__(self, method: Any):
        self._method = method
        self._before = _seen(method)

    def require_unchanged(self) -> None:
        """Raises an error if something that the step refers to has changed.

        Raises:
            EnclosureError: If something has changed; the message names it.
        """
        after = _seen(self._method)
        for name in sorted(self._before.keys() | after.keys()):
            if self._before.get(name) != after.get(name):
                raise EnclosureError(
                    f"the step changes {name} when it runs (it counts its calls, or keeps values "
                    "of them), so it is no function of field and strategy, and later steps may be "
                    "others; keep what changes in the state of a method."
                )


def _seen(method: Any) -> dict[str, Any]:
    if known_instance(method) is not None:
        return {}
    look = _Look({}, {})
    if isinstance(method, dg.AbstractMethod):
        for name in ("init", "step"):
            look.at(inspect.getattr_static(method, name), f"in `{name}`", _DEPTH)
        for name, value in vars(method).items():
            look.at(value, f"'{name}'", _DEPTH)
    else:
        look.at(method, "", _DEPTH)
    return look.found


class _Look(NamedTuple):
    """The values found, by name, and the objects visited, kept so that no id is used again."""

    found: dict[str, Any]
    known: dict[int, Any]

    def at(self, value: Any, name: str, depth: int) -> None:
        """Notes plain values, and follows references."""
        if depth == 0 or isinstance(value, types.ModuleType | type):
            return
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            self.found[name] = value
            return
        if id(value) in self.known or len(self.known) > _MOST:
            return
        self.known[id(value)] = value
        if isinstance(value, np.ndarray):
            self.found[name] = (value.shape, value.dtype.str, value.ravel()[:_MOST].tobytes())
        elif isinstance(value, list | tuple | set | frozenset):
            self.found[f"the length of {name}"] = len(value)
            for k, item in enumerate(value if isinstance(value, list | tuple) else ()):
                self.at(item, f"{name}[{k}]", depth - 1)
        elif isinstance(value, dict):
            self.found[f"the keys of {name}"] = [repr(key)[:40] for key in value]
            for key, item in value.items():
                self.at(item, f"{name}[{repr(key)[:40]}]", depth - 1)
        elif type(value).__module__ == "itertools":
            self.found[name] = repr(value)[:80]
        else:
            for own, item in _references(value):
                self.at(item, own, depth - 1)


def _references(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields the names and values that an object or a function holds."""
    if hasattr(value, "__func__") and hasattr(value, "__self__"):
        yield "a method", value.__func__
        yield "an object", value.__self__
    elif isinstance(value, functools.partial):
        yield "a function", value.func
        yield "arguments", [*value.args, value.keywords]
    elif isinstance(value, types.FunctionType):
        yield "a function", getattr(value, "__wrapped__", None)
        if _is_of_a_library(value):
            return
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        for name, cell in cells:
            try:
                yield f"'{name}'", cell.cell_contents
            except ValueError:  # not yet filled
                continue
        for name in sorted(_names(value.__code__)):
            if name in value.__globals__:
                yield f"'{name}'", value.__globals__[name]
        yield "a default", [*(value.__defaults__ or ()), value.__kwdefaults__ or {}]
        yield "an attribute", vars(value)
    elif hasattr(value, "__wrapped__"):
        yield "a function", value.__wrapped__
    elif _is_of_the_user(value):
        for name, item in vars(value).items():
            yield f"'{name}'", item
        call = inspect.getattr_static(type(value), "__call__", None)
        if isinstance(call, types.FunctionType):
            yield "a call", call


def _is_of_a_library(function: types.FunctionType) -> bool:
    """Says whether a function is installed code, which may keep what it likes."""
    path = Path(function.__globals__.get("__file__") or function.__code__.co_filename)
    return "site-packages" in path.parts or any(path.is_relative_to(root) for root in _LIBRARIES)


def _names(code: types.CodeType) -> set[str]:
    """Returns names that may be globals, in functions within functions too."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _is_of_the_user(value: Any) -> bool:
    module = sys.modules.get(type(value).__module__)
    path = Path(getattr(module, "__file__", None) or "").resolve()
    installed = "site-packages" in path.parts or any(path.is_relative_to(r) for r in _LIBRARIES)
    return hasattr(value, "__dict__") and not installed
