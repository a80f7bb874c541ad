"""The part of a certificate that `solve` uses, as protocols: dgames does not import certify."""

import warnings
from typing import Any, Protocol, runtime_checkable

import jax
from jax.core import Tracer
from jaxtyping import Array, Bool, PyTree

from dgames.fields import AbstractField
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy


@runtime_checkable
class Domain(Protocol):
    """A set of joint strategies, as a pytree of arrays."""

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Returns whether a joint strategy lies in the set; traceable."""
        ...


@runtime_checkable
class SafeSteps(Protocol):
    """Step sizes that are proved to be safe, such as those of a `certify.Certificate`.

    Attributes:
        region: Where the steps are safe.
    """

    @property
    def region(self) -> Domain:
        """Where the steps are safe."""
        ...

    def safe_method(self, method: type[AbstractMethod]) -> AbstractMethod:
        """Returns a method of a class with a safe step, or raises a ValueError if there is none."""
        ...

    def require_game(self, game: AbstractField, x: Strategy, args: PyTree = None) -> None:
        """Raises a ValueError unless the steps are for this field with these arguments."""
        ...

    def in_basin(self, method: type[AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Returns whether runs of a method from a joint strategy provably converge; traceable."""
        ...


def with_step(
    method: Any, step_size: Any, field: AbstractField, x0: Strategy, args: PyTree = None
) -> tuple[AbstractMethod, Domain | None]:
    """Returns a method with its step size, and the region for which that step is proved.

    A warning says where the start lies outside the proved basin.

    Args:
        method: A method; or, with a step size, a class of methods or a function of the step size.
        step_size: None, numbers, or `SafeSteps`.
        field: The field that the method will follow, for which the steps must be proved.
        x0: The start.
        args: Passed to the field.

    Raises:
        ValueError: If there is a step size for a method that has one, or none for one without; or
            if the steps are for another game.
    """
    if step_size is None:
        if not isinstance(method, AbstractMethod):
            text = method.__name__ if isinstance(method, type) else repr(method)
            text = text if len(text) <= 60 else type(method).__name__
            raise ValueError(
                f"solve: {text} is no method; give one, such as Simultaneous(0.1), or a class "
                "of methods together with step_size."
            )
        return method, None
    if isinstance(method, AbstractMethod):
        raise ValueError(
            f"solve: {type(method).__name__} has a step size already; give the class together "
            "with step_size, or leave step_size out."
        )
    if not hasattr(step_size, "safe_method"):  # `isinstance` would evaluate `region` too early
        try:
            made = method(step_size) if callable(method) else None
        except TypeError as error:
            name = getattr(method, "__name__", type(method).__name__)
            raise ValueError(
                f"solve: {name} cannot be made of a step size alone; make it, say "
                f"{name}(0.1, ...), and leave step_size out."
            ) from error
        if not isinstance(made, AbstractMethod):
            raise ValueError(
                "solve: with step_size, the method is a class of methods such as Simultaneous, or "
                f"a function of the step size that returns one; got {type(method).__name__}."
            )
        return made, None
    if not (isinstance(method, type) and issubclass(method, AbstractMethod)):
        raise ValueError(
            "solve: a certificate identifies methods by their classes; give the class, such as "
            "Simultaneous, or a number as step_size."
        )
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((field, args))):
        raise ValueError(
            "solve: under a transformation of its parameters or args a game cannot be compared "
            "with that of the certificate; give the step as a number, such as "
            "certificate.step_sizes[...].best."
        )
    safe = step_size.safe_method(method)
    step_size.require_game(field, x0, args)
    # `solve` warns of a start outside the region at the end of the run.
    astray = step_size.region.contains(x0) & ~step_size.in_basin(method, x0)
    if not isinstance(astray, Tracer) and bool(astray):
        warnings.warn(
            "solve: the start is outside the certified basin of the method, so that nothing is "
            "proved of where this run goes.",
            stacklevel=3,
        )
    return safe, step_size.region
