"""Writes a game, its noise and a method down as sections of a mean-square file, and proves it."""

import inspect
import itertools
from typing import Any

import jax
import numpy as np

import dgames as dg
from certify.checker.graph import game_hash
from certify.checker.mean_square import RandomStep
from certify.checker.reader import FORMAT, MEAN_SQUARE, VERSION
from certify.claims.checked import Checked, NotAccepted
from certify.file.contents import Contents
from certify.file.provenance import provenance
from certify.graph.sampled_costs import SampledCosts
from certify.problem.exact_types import is_as_made
from certify.problem.lq_numbers import flat_hexes
from certify.problem.noise import Components
from certify.problem.structure import describe
from certify.prove.no_proof import NoProof
from certify.prove.noise.lyapunov_forms import contracting, growing, partly_growing
from certify.prove.noise.second_moments import Moments
from dgames.methods.method import per_player
from dgames.strategy import Strategy

TRUSTED = (
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly; steps are those of real arithmetic.",
    "The components are drawn with the stated probabilities, anew in each step and independently "
    "of all former steps and of the first state; a method that evaluates the field twice sees the "
    "same one twice.",
    "The checker and the Python interpreter that runs it.",
)
# Of the way from the spectral radius to one, how much is given away, in the order of attempts: with
# additive noise, a rate close to the radius would make the noise large.
_CLOSE, _HALFWAY = (2.0**-10, 2.0**-4, 0.5), (0.5, 0.75)
# A spectral radius this close to one is neither stable nor unstable in floating point.
_CRITICAL = 1e-9


def method_contents(method: dg.AbstractMethod, like: Strategy) -> Contents:
    """Returns the section `method` of a file.

    Args:
        method: One of the methods that the checker knows, of this very class.
        like: A joint strategy.

    Raises:
        ValueError: If the checker does not know it.

    Example:
        >>> method_contents(dg.Optimistic(0.5), (0.0, 0.0))["name"]
        'optimistic'
    """
    found = _METHODS.get(type(method))
    if found is None or not is_as_made(method):
        known = ", ".join(each.__name__ for each in _METHODS)
        raise ValueError(
            f"certify_mean_square: the method is one of {known}, with its step size; got "
            f"{type(method).__name__ if not inspect.isclass(method) else method.__name__}"
        )
    name, numbers = found
    if any(callable(getattr(method, key)) for key in numbers):
        raise ValueError(
            "certify_mean_square: steps have to be constant; with a schedule, the map of a step "
            "changes from step to step"
        )
    if name == "optimistic" and getattr(method, "reflected", False):
        name = "reflected"
    spread = {key: _hexes(getattr(method, key), like) for key in numbers}
    return {"name": name, **spread}


_METHODS: dict[type, tuple[str, tuple[str, ...]]] = {
    dg.Simultaneous: ("simultaneous", ("step_size",)),
    dg.Extragradient: ("extragradient", ("step_size",)),
    dg.Optimistic: ("optimistic", ("step_size",)),
    dg.Momentum: ("momentum", ("step_size", "momentum")),
    dg.OptimisticSeparated: ("optimistic_separated", ("extrapolation", "update")),
    dg.OptimisticDualAveraging: ("optimistic_dual_averaging", ("extrapolation", "update")),
}


def _hexes(value: Any, like: Strategy) -> list[str]:
    spread = per_player(value, like)
    return flat_hexes(np.concatenate([np.ravel(np.asarray(x)) for x in jax.tree.leaves(spread)]))


def game_contents(costs: SampledCosts, like: Strategy) -> Contents:
    """Returns the section `game` of a file."""
    field = costs.field
    game = {
        "name": field.name,
        "code": costs.hash,
        "players": [
            {"name": name, "size": size}
            for name, size in zip(field.names, field.sizes, strict=True)
        ],
        **({"zero_sum": True} if field.zero_sum else {}),
        **({} if field.is_gradient else {"field": field.name}),
        "structure": describe(like),
        "data": costs.data,
        "graph": costs.graph,
    }
    return {**game, "hash": game_hash(game)}


def noise_contents(components: Components) -> Contents:
    """Returns the section `noise` of a file."""
    listed = zip(components.weights, components.scales, components.data, strict=True)
    return {
        "components": [
            {"weight": weight, "scales": flat_hexes(scales), "datum": flat_hexes(datum)}
            for weight, scales, datum in listed
        ],
        "batch": {"size": components.size, "replacement": components.replacement},
    }


def proved(
    contents: Contents, promoted: tuple[str, ...], step: RandomStep, rate: float | None
) -> Checked:
    """Returns contents that the checker has accepted.

    Args:
        contents: The sections about the game, the noise and the method.
        promoted: What was not float64, in words.
        step: The step that these sections say, as the checker derives it.
        rate: The rate to be proved, or None.

    Raises:
        NoProof: If there is no proof; it says why.
        OverflowError: If second moments are too large.
    """
    moments = Moments.of(step)
    if not np.isfinite(moments.operator).all():
        raise OverflowError
    radius = moments.radius()
    if not abs(radius - 1) > _CRITICAL:
        raise NoProof(f"the mean square neither grows nor decreases: its factor is about {radius}")
    stable = radius < 1
    if rate is not None:
        if not (radius < rate < 1 if stable else 1 < rate < radius):
            words = "between it and 1" if stable else "above 1 and below it"
            raise NoProof(
                f"the factor of the mean square is about {radius:.9g}; the rate must be {words}"
            )
        attempts = [rate]
    else:
        slacks = _CLOSE if step.multiplicative or not stable else _HALFWAY
        attempts = [radius + slack * (1 - radius) for slack in slacks]
    reasons: tuple[str, ...] = ()
    ways = (contracting,) if stable else (growing, partly_growing)
    for make, factor in itertools.product(ways, attempts):
        try:
            claims, evidence = make(moments, step, factor, radius)
            file = {
                "format": FORMAT,
                "version": VERSION,
                "kind": MEAN_SQUARE,
                **contents,
                "claims": claims,
                **({"promoted": list(promoted)} if promoted else {}),
                "trusted": [*TRUSTED, *promoted],
                "provenance": provenance(),
                "evidence": evidence,
            }
            return Checked(file)
        except NotAccepted as end:
            reasons = tuple(f"not proved: {each}" for each in end.verdict.reasons)
        except np.linalg.LinAlgError:
            reasons = ("the linear system of the second moments is singular in floating point",)
    raise NoProof(*reasons)
