"""The code of costs and fields, traced once, in float64, and fit for proofs.

Everything else is derived from this one trace, so that a certificate is about one game even if the
Python code of the costs is not pure.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.extend import core, source_info_util

import dgames as dg
from certify.enclosure.enclose import require_x64
from certify.enclosure.programs.handwritten import is_of_jax
from certify.enclosure.programs.inline import anchored
from certify.enclosure.programs.promotion import Promotion, exactly, promoted
from certify.enclosure.registry import EnclosureError
from certify.problem.exact_types import is_pseudo_gradient
from dgames.fields import check_field
from dgames.game import check_shapes, is_zero_sum
from dgames.roles import minimiser_of
from dgames.strategy import blocks


def traced_code(given: dg.AbstractField, x: Any, args: Any = None) -> core.ClosedJaxpr:
    """Traces the costs of a game, or a field; the `fingerprint` of the code is the certificate's.

    Args:
        given: The pseudo-gradient of a game, or another field.
        x: A joint strategy, for its structure.
        args: Passed to the costs, or to the field.

    Raises:
        ValueError: As for `flat_field`.
        EnclosureError: As for `flat_field`.
    """
    require_x64()
    if not is_pseudo_gradient(given):
        check_field(given, x, args)
        return code_of(given, x, args, "the field").code
    game = given.game
    check_shapes(game, x, args)
    if type(game) is dg.NetworkGame:
        (game, _), args = traced_once(game, x, args), None
    return code_of(functools.partial(costs_of, game), x, args, "the costs").code


def costs_of(game: dg.Game, x: Any, args: Any) -> Any:
    """Returns the costs of a game; for a zero-sum game the payoff, as the first player's cost."""
    if is_zero_sum(game):
        first = minimiser_of(game, x) == 0
        payoff = cast(dg.ZeroSum, game).payoff(x, args)
        return payoff if first else -payoff
    costs = game.costs(x, args)
    return (costs.blocks,) if isinstance(costs, dg.Stacked) else blocks(costs)


def code_of(function: Callable, x: Any, args: Any, what: str) -> Promotion:
    """Traces a function `(strategy, args)` as a function of leaves, once, in float64.

    Everything else is derived from this one trace, so that a certificate is about one game even if
    the Python code of the costs is not pure.
    """
    leaves, structure = jax.tree.flatten(x)

    def flat(*leaves: Any) -> Any:
        return jax.tree.leaves(function(structure.unflatten(leaves), args))

    return vetted(jax.make_jaxpr(flat)(*leaves), what)


def traced_cost(game: dg.NetworkGame, example: dg.Stacked, args: Any) -> Promotion:
    """Traces the cost of one player of a network game, as `vetted` code.

    The code is a function of the leaves of the own block, the neighbours' blocks and the player's
    parameters.
    """
    own, parameters = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype),
        (example.blocks, game.parameters),
    )
    others = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((game.degree, *leaf.shape), leaf.dtype), own
    )
    leaves, structure = jax.tree.flatten((own, others, parameters))

    def cost(*leaves: Any) -> Any:
        return game.cost(*structure.unflatten(leaves), args)

    return vetted(jax.make_jaxpr(cost)(*leaves), "the costs")


def traced_once(
    game: dg.NetworkGame, example: dg.Stacked, args: Any
) -> tuple[dg.NetworkGame, tuple[str, ...]]:
    """Returns a network game of the traced code of its cost, in float64, and what was promoted."""
    code, notes = traced_cost(game, example, args)

    def cost(own: Any, others: Any, parameters: Any, _: Any) -> Any:
        return core.jaxpr_as_fun(code)(*jax.tree.leaves((own, others, parameters)))[0]

    parameters = jax.tree.map(lambda leaf: jnp.asarray(exactly(leaf)), game.parameters)
    return dg.NetworkGame(cost, game.neighbours, parameters), notes


def vetted(code: core.ClosedJaxpr, what: str) -> Promotion:
    """Promotes traced code to float64, if JAX's derivatives of it are its derivatives.

    Args:
        code: The code.
        what: What the code is, for messages.

    Raises:
        EnclosureError: If they need not be, or if the code cannot be promoted.
    """
    # This looks at the rules in the equations, which promotion does not keep.
    _refuse(
        code.jaxpr,
        lambda e: e.primitive.name.startswith(("custom_jvp", "custom_vjp")) and not is_of_jax(e),
        what,
    )
    result = promoted(code, what)
    # A `stop_gradient` on which the costs provably do not depend, as in softmax, is harmless. The
    # code that this proof leaves has no calls any more, so custom rules are looked for above.
    without = anchored(result.code, own_solvers=False)
    _refuse(without.jaxpr, lambda e: e.primitive.name == "stop_gradient", what)
    return result


def _refuse(jaxpr: core.Jaxpr, bad: Callable[[core.JaxprEqn], bool], what: str) -> None:
    """Raises where the derivative by JAX need not be the derivative of the code."""
    for equation in jaxpr.eqns:
        if bad(equation):
            place = source_info_util.summarize(equation.source_info)
            verb = "use" if what.endswith("s") else "uses"
            instead = "write the function plainly"
            if "/lineax/" in place:
                instead = "let it solve its linear system directly, with solver=lineax.LU()"
            raise EnclosureError(
                f"{what} {verb} {equation.primitive.name} (in {place}): a "
                "hand-written derivative cannot be verified, so nothing is proved about it; "
                f"{instead}."
            )
        for inner in core.jaxprs_in_params(equation.params):
            _refuse(inner, bad, what)
