"""Traces users' functions for shapes, and turns their errors into sentences."""

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from dgames.strategy import Strategy, brief_names, player_names

_LONGEST = 160


def shapes_of(what: str, fn: Callable, x: Strategy, args: PyTree, *, of: Any = None) -> Any:
    """Returns the shapes of `fn(x, args)` without computing anything.

    Args:
        what: The name of the function in messages, such as "the costs".
        fn: The function.
        x: A joint strategy.
        args: The second argument of `fn`.
        of: The function as the user wrote it, where `fn` only calls it.

    Raises:
        ValueError: If `fn` does not take two arguments, or fails; the message is one sentence.
    """
    _check_arguments(what, fn if of is None else of)
    try:
        return eqx.filter_eval_shape(fn, x, args)
    except ValueError as error:
        if len(str(error)) <= 2 * _LONGEST or isinstance(error, jax.errors.JAXTypeError):
            raise
        raise ValueError(_sentence(what, error, x, args)) from error
    except NotImplementedError:
        raise
    except Exception as error:
        raise ValueError(_sentence(what, error, x, args)) from error


def _check_arguments(what: str, fn: Callable) -> None:
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return  # some callables have no signature
    try:
        signature.bind(None, None)
    except TypeError:
        parameters = str(signature) if len(str(signature)) <= 60 else "other arguments"
        raise ValueError(
            f"{what} must be a function of two arguments, the joint strategy and args, such as "
            f"lambda x, args: ...; this one takes {parameters}"
        ) from None


def _sentence(what: str, error: Exception, x: Strategy, args: PyTree) -> str:
    """Says what went wrong inside a user's function, where, and what may be the reason."""
    players = brief_names(x)
    place = _place(error)
    subject = f"{what} failed{place}"
    if isinstance(error, KeyError) and error.args and str(error.args[0]) not in player_names(x):
        others = f", nor among args: {', '.join(map(str, args))}" if isinstance(args, dict) else ""
        return (
            f"{subject}: they ask for '{error.args[0]}', which is not among the players of the "
            f"strategy: {players}{others}"
        )
    if isinstance(error, jax.errors.TracerBoolConversionError):
        return (
            f"{subject}: Python branches there on a value that depends on the strategy; use "
            "jnp.where or jax.lax.cond"
        )
    if isinstance(
        error, jax.errors.ConcretizationTypeError | jax.errors.TracerArrayConversionError
    ):
        return (
            f"{subject}: Python or NumPy needs the number behind a traced value there; use "
            "jax.numpy and arrays"
        )
    message = " ".join(str(error).split("\n\n")[0].split())
    message = message if len(message) <= _LONGEST else message[: _LONGEST - 3] + "..."
    hint = f"; the players of the strategy are {players}"
    if args is None and "NoneType" in message:
        hint = "; args is None: give the costs their args"
    return f"{subject} with {type(error).__name__}: {message}{hint}"


def _place(error: Exception) -> str:
    """Names the last line of the user's own code in a traceback."""
    own = Path(__file__).parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        outside = "site-packages" not in path.parts and own not in path.parents
        if outside and path.exists():
            return f" in {path.name}, line {frame.lineno}"
    return ""
