"""The methods that the theorems are about, recognised by their exact classes.

A subclass may step otherwise, and so may an unrelated class of the same name; no theorem covers
either. `certify.contraction` certifies their steps as they are.
"""

import dataclasses
import inspect
from types import MappingProxyType
from typing import Any, TypeGuard

import jax

import dgames as dg

# The class, and the name of its rules in the file and in the checker.
METHODS = MappingProxyType(
    {
        dg.Simultaneous: "simultaneous",
        dg.Alternating: "alternating",
        dg.Extragradient: "extragradient",
        dg.Optimistic: "optimistic",
        dg.Heun: "heun",
        dg.SSPRK3: "ssprk3",
        dg.RungeKutta4: "runge_kutta_4",
        dg.Momentum: "momentum",
        dg.ComplexMomentum: "complex_momentum",
    }
)


def known_method(cls: Any) -> str | None:
    """Returns the name of the rules of a method, or None if no theorem is about this very class.

    Args:
        cls: A class. Subclasses, classes of the same name and everything else are not known.

    Example:
        >>> class Simultaneous(dg.Simultaneous):
        ...     '''Whatever it does.'''
        >>> known_method(dg.Simultaneous), known_method(Simultaneous)
        ('simultaneous', None)
    """
    return next((name for known, name in METHODS.items() if known is cls), None)


def known_instance(method: Any) -> str | None:
    """Returns the name of the rules of an object of a known class that overrides nothing of it.

    Example:
        >>> known_instance(dg.Simultaneous(0.1)), known_instance(dg.Simultaneous)
        ('simultaneous', None)
    """
    name = known_method(type(method))
    return name if name is not None and is_as_made(method) else None


def is_as_made(module: Any) -> bool:
    """Returns whether an object has the attributes that its class declares, and no others.

    An attribute that was added to an object hides what its class has under this name: a `step` or
    `costs` of its own makes it another method, another game.
    """
    if not dataclasses.is_dataclass(module):
        return False
    return set(vars(module)) <= {field.name for field in dataclasses.fields(module)}


def is_pseudo_gradient(given: Any) -> TypeGuard[dg.PseudoGradient]:
    """Returns whether a field is the pseudo-gradient of a game and nothing else.

    Example:
        >>> field = dg.pseudo_gradient(dg.game(lambda x, args: (x[0] ** 2,)))
        >>> is_pseudo_gradient(field)
        True
        >>> object.__setattr__(field, "block", lambda x, i, args=None: 0.0)
        >>> is_pseudo_gradient(field)
        False
    """
    return type(given) is dg.PseudoGradient and is_as_made(given)


def writes(given: dg.AbstractField, name: str) -> bool:
    """Returns whether a field, its class, or a field that it adjusts, defines a method itself.

    An adjusted field leaves its projection to the field that it adjusts, whose sets are its own.

    Example:
        >>> field = dg.Consensus(dg.FunctionField(lambda x, args: x), 1.0)
        >>> writes(field, "project"), writes(field, "__call__")
        (False, True)
    """
    if name == "project" and isinstance(given, dg.AbstractAdjustedField):
        passed = ("project", "strategy_set", "shared_constraints")
        if not any(_differs(given, own, dg.AbstractAdjustedField) for own in passed):
            return writes(given.field, name)
    return _differs(given, name, dg.AbstractField)


def _differs(given: Any, name: str, cls: type) -> bool:
    return inspect.getattr_static(given, name) is not inspect.getattr_static(cls, name)


def unweighted(given: Any) -> tuple[Any, tuple[float, ...] | None]:
    """Returns the game of a `dgames.Normalised` field and its weights; anything else as it is.

    Example:
        >>> game = dg.game(lambda x, args: (x[0] ** 2, x[1] ** 2))
        >>> unweighted(dg.Normalised(game, (1.0, 2.0)))[1], unweighted(game)[1]
        ((1.0, 2.0), None)
    """
    if type(given) is not dg.Normalised or not is_as_made(given):
        return given, None
    return given.game, tuple(float(weight) for weight in jax.tree.leaves(given.weights))


def described_class(cls: Any) -> str:
    """Names a class in a message, with its module if it has the name of a known method.

    Example:
        >>> class Heun(dg.Heun):
        ...     '''Whatever it does.'''
        >>> described_class(Heun).endswith(".Heun, which is not dgames.Heun,")
        True
    """
    if not isinstance(cls, type):
        return repr(cls)[:80]
    if known_method(cls) is None and cls.__name__ in {known.__name__ for known in METHODS}:
        return f"{cls.__module__}.{cls.__qualname__}, which is not dgames.{cls.__name__},"
    return cls.__name__
