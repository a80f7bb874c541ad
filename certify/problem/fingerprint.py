"""A hash of traced code and of every constant in it."""

import hashlib
from typing import Any

import numpy as np
from jax.extend import core


def fingerprint(jaxpr: core.ClosedJaxpr) -> str:
    """Hashes the equations of a closed jaxpr and the constants at every level, by SHA-256.

    Two functions with the same fingerprint compute the same values. Variable names do not matter;
    neither does the location of the code.
    """
    digest = hashlib.sha256()
    _closed(jaxpr, digest)
    return digest.hexdigest()


def _closed(jaxpr: core.ClosedJaxpr, digest: Any) -> None:
    digest.update(f"consts {len(jaxpr.consts)};".encode())
    for value in jaxpr.consts:
        _array(value, digest)
    _open(jaxpr.jaxpr, digest)


def _open(jaxpr: core.Jaxpr, digest: Any) -> None:
    numbers: dict[Any, int] = {}

    def atom(x: Any) -> None:
        if isinstance(x, core.Literal):
            _array(x.val, digest)
        else:
            digest.update(f"v{numbers.setdefault(x, len(numbers))}:{x.aval.str_short()};".encode())

    for variable in (*jaxpr.constvars, *jaxpr.invars):
        atom(variable)
    for equation in jaxpr.eqns:
        digest.update(f"|{equation.primitive.name}(".encode())
        for x in equation.invars:
            atom(x)
        for key in sorted(equation.params):
            digest.update(f"{key}=".encode())
            _parameter(equation.params[key], digest)
        digest.update(b")=")
        for x in equation.outvars:
            atom(x)
    digest.update(b"->")
    for x in jaxpr.outvars:
        atom(x)


def _parameter(value: Any, digest: Any) -> None:
    if isinstance(value, core.ClosedJaxpr):
        _closed(value, digest)
    elif isinstance(value, core.Jaxpr):
        _open(value, digest)
    elif isinstance(value, tuple | list):
        digest.update(b"[")
        for item in value:
            _parameter(item, digest)
        digest.update(b"]")
    elif hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__array__"):
        _array(value, digest)
    elif not callable(value):  # functions among the parameters only repeat what the jaxprs say
        digest.update(f"{value!r};".encode())


def _array(value: Any, digest: Any) -> None:
    array = np.asarray(value)
    digest.update(f"{array.dtype}{array.shape}:".encode())
    digest.update(array.tobytes())
