"""What `solve` asks of a certificate; this package knows of no other."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Bool

from dgames.methods import AbstractMethod, method_name
from dgames.strategy import Strategy


@runtime_checkable
class Domain(Protocol):
    """A set of joint strategies, as a pytree of arrays."""

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Whether a joint strategy lies in the set; traceable."""
        ...


@runtime_checkable
class SafeSteps(Protocol):
    """Step sizes that somebody vouches for, such as a `certify.Certificate`.

    Attributes:
        region: Where they are safe.
    """

    @property
    def region(self) -> Domain:
        """Where the steps are safe."""
        ...

    def safe_step(self, method: str) -> float:
        """The best safe step of the method of that name; a ValueError if there is none."""
        ...


def with_step(method: Any, step_size: Any) -> tuple[AbstractMethod, Domain | None]:
    """A method with its step size, and the region that step is for.

    Args:
        method: A method; or, with a step size, a class of methods or a function of the step size.
        step_size: None, numbers, or `SafeSteps`.

    Raises:
        ValueError: If there is a step size for a method that has one, or none for one without.
    """
    if step_size is None:
        if not isinstance(method, AbstractMethod):
            raise ValueError(
                f"solve: {method!r} is no method; give one, such as Simultaneous(0.1), or a class "
                "of methods together with step_size."
            )
        return method, None
    if isinstance(method, AbstractMethod):
        raise ValueError(
            f"solve: {type(method).__name__} has a step size already; give the class together "
            "with step_size, or leave step_size out."
        )
    if not hasattr(step_size, "safe_step"):  # `isinstance` would ask for the region, too early
        return method(step_size), None
    if not (isinstance(method, type) and issubclass(method, AbstractMethod)):
        raise ValueError(
            "solve: a certificate knows methods by their classes; give the class, such as "
            "Simultaneous, or a number as step_size."
        )
    made: Any = method  # a class of methods that has a step size
    return made(step_size.safe_step(method_name(method))), step_size.region
