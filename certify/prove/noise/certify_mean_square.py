"""Makes checked certificates that a method converges, or diverges, in mean square under noise."""

from typing import Any

import jax
import numpy as np

import dgames as dg
from certify.checker import Unusable
from certify.checker.exact import Work
from certify.checker.mean_square import RandomStep
from certify.checker.reader import Reader
from certify.checker.verdict import Rejected
from certify.claims.mean_square import MeanSquare
from certify.graph.builder import GraphError
from certify.graph.sampled_costs import SampledCosts, component_of, sampled_costs
from certify.problem.messages import coordinate_names, vector_in_words
from certify.problem.no_shared import require_no_shared
from certify.problem.noise import Components, Noise, Sampling, components_of
from certify.problem.region import Box
from certify.prove.mismatch import require_same
from certify.prove.no_proof import NoProof
from certify.prove.noise.mean_square_file import (
    game_contents,
    method_contents,
    noise_contents,
    proved,
)
from dgames.strategy import Strategy, blocks, ravel, unraveler

# At how many points, and for how many components at most, spread evenly, the user's code is
# compared with what was read from it.
_POINTS, _COMPARED = 16, 64


def certify_mean_square(
    game: dg.Game | dg.AbstractField,
    method: dg.AbstractMethod,
    like: Strategy,
    noise: Noise,
    *,
    args: Any = None,
    rate: float | None = None,
) -> MeanSquare:
    """Proves that a method converges in mean square on a game with noise, or that it diverges.

    The field has to be affine, as that of a quadratic game is, and without constraints. In each
    step the method sees, in place of the field F, a random one that is drawn independently of all
    former steps: F times a factor (`Outcomes`), or the field of a batch of the data (`Sampling`).
    Then the state z of the method moves by random affine maps `z+ = A z + b`, and its second
    moments by a linear one, which contracts if and only if some matrix P has

        P > 0,      rate P - E A'P A > 0,      rate < 1.

    Such a P is found in floating point and verified exactly, by a checker that derives A and b from
    the costs, the data and the rule of the method. If the spectral radius of `P -> E A'P A` is
    above one, a matrix with `E A'P A - rate P >= 0` and `rate > 1` proves that the mean square
    grows without bounds. The theorems are in `certify/checker/mean_square.py`.

    Args:
        game: Quadratic costs, or an affine field; no strategy sets, no shared constraints.
        method: With its step sizes: a `Simultaneous`, `Extragradient`, `Optimistic`, `Momentum`,
            `OptimisticSeparated` or `OptimisticDualAveraging`, the last two with constant steps.
            Extragradient, which evaluates the field twice, takes batches of one component only.
        like: A joint strategy, of which only players and shapes matter.
        noise: `Outcomes(scales, probabilities)`, or `Sampling(batch=b)` of a `FiniteSum`, or
            `Sampling(data, batch=b)`, where a datum takes the place of `args`.
        args: Passed to the costs, or to the field; fixed.
        rate: The rate to be proved; by default, one close to the best for noise that vanishes at
            the equilibrium, and else one halfway from there to one.

    Returns:
        A certificate, which says with `stable` what is proved. "undecided" says why nothing is: the
        method may be too close to the boundary of stability, or the costs are not quadratic.

    Raises:
        ValueError: If the arguments do not fit together, or there are constraints.
        EnclosureError: If the costs use derivative rules of their own.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        >>> noise = certify.Outcomes([3.0, -1.0])  # the field times 3 or -1
        >>> small = certify.certify_mean_square(game, dg.Simultaneous(0.1), (0.0, 0.0), noise)
        >>> large = certify.certify_mean_square(game, dg.Simultaneous(0.2), (0.0, 0.0), noise)
        >>> small.status, small.stable, round(small.rate, 3)  # 1 - 4 h + 25 h^2
        ('proved', True, 0.85)
        >>> large.status, large.stable, round(large.rate, 3)
        ('proved', False, 1.2)
    """
    if rate is not None and not rate > 0:
        raise ValueError(f"certify_mean_square: the rate is {rate}; it must be positive")
    game, noise = component_of(game, noise)
    region, given = Box.around(like, 1.0), dg.as_field(game)
    center = region.center
    require_no_shared("certify_mean_square", given, center)
    components = components_of(noise, len(blocks(center)))
    if isinstance(noise, Sampling) and args is not None:
        raise ValueError("certify_mean_square: with data, a datum takes the place of args")
    stepping = method_contents(method, center)
    try:
        costs = sampled_costs(game, like, noise, args)
        if costs.field.constraints is not None and costs.field.constraints.bind:
            raise ValueError(
                "certify_mean_square: the game has strategy sets; steps with projections are not "
                "affine, and nothing is proved of them here"
            )
        contents = {
            "game": game_contents(costs, center),
            "noise": noise_contents(components),
            "method": stepping,
        }
        step = RandomStep(Reader(contents), Work())
        _compare(given, region.example, noise, args, components, step, costs)
        with np.errstate(all="ignore"):  # what is not finite is found out
            found = proved(contents, costs.promoted, step, rate)
            return MeanSquare("proved", contents=found)
    except NoProof as end:
        return MeanSquare("undecided", end.reasons)
    except (GraphError, Unusable) as end:
        return MeanSquare("undecided", (str(end),))
    except (OverflowError, np.linalg.LinAlgError):
        words = "the second moments are too large, or nearly singular, in floating point"
        return MeanSquare("undecided", (words,))
    except Rejected as end:
        return MeanSquare("undecided", tuple(f"not proved: {each}" for each in end.args))


def _compare(
    given: dg.AbstractField,
    like: Strategy,
    noise: Noise,
    args: Any,
    components: Components,
    step: RandomStep,
    costs: SampledCosts,
) -> None:
    """Runs the user's own code at some points, and compares it with the fields read from it.

    Raises:
        MismatchError: If they differ.
    """
    unravel, n = unraveler(like), len(step.zero)
    points = np.random.default_rng(1).normal(size=(_POINTS, n))
    names = coordinate_names(costs.field.names, costs.field.sizes)
    field = jax.jit(jax.vmap(lambda x, datum: ravel(given(unravel(x), datum))[0], (0, None)))

    def where(k: int, column: int) -> str:
        return f"at {vector_in_words(points[k], names, digits=17)} entry {column} of the field"

    count = len(components.weights)
    for s in sorted({k * count // _COMPARED for k in range(_COMPARED)}):
        datum = args
        if isinstance(noise, Sampling):
            datum = jax.tree.map(lambda leaf, s=s: np.asarray(leaf)[s], noise.data)
        scales = np.repeat(components.scales[s], step.fields.sizes)
        ran = np.asarray(field(points, datum), np.float64) * scales
        exact = step.fields.fields[s]
        rows = np.array([[x / exact.denominator for x in row] for row in exact.rows])
        read = points @ rows[:, :n].T + rows[:, n]
        size = np.abs(points) @ np.abs(rows[:, :n]).T + np.abs(rows[:, n])
        slack = (2.0**-7 if costs.promoted else 1e-9) * (1 + size.max(1, keepdims=True))
        require_same("certify_mean_square", ran, read, np.broadcast_to(slack, ran.shape), where)
