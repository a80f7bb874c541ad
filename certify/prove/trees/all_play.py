"""Makes a checked certificate over all play from an extensive-form game of two players."""

from fractions import Fraction
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

import dgames as dg
from certify.checker import Unusable
from certify.checker.exact import Work, root_above
from certify.checker.policies import integers
from certify.checker.reader import FORMAT, TREE, VERSION, Reader
from certify.checker.tree_couplings import KINDS, MOST_PURE, MOST_SEQUENCES, coupling_bound
from certify.checker.tree_game import SequenceGame, Treeplex
from certify.checker.trees import (
    RegularisedTreeGame,
    entropy_bound,
    gains_nearby,
    play,
    value_bounds,
)
from certify.claims.checked import Checked, NotAccepted
from certify.claims.tree_convergence import TreeConvergence
from certify.file.provenance import provenance
from certify.problem.payoff_tables import LARGEST, hexes
from certify.problem.tree_data import regularised_parts, tree_data
from certify.prove.trees.tree_response import (
    float_game,
    integer_strategy,
    quantal_response,
    value_strategies,
)
from certify.rounding import float_above, float_below

TRUSTED = (
    "That the payoffs, the temperature and the reference in this file are those of the game that "
    "is meant.",
    "The steps and the flow are those of real numbers; what a computer adds by rounding at run "
    "time is not in them.",
    "The checker and the Python interpreter that runs it.",
)
# The least Lipschitz constant, in margins: a field that hardly depends on the other player would
# allow steps of any size.
_LEAST_LIPSCHITZ = 2.0**-20
# From so many leaves on, bounds by rows are not tried beside that by the tree: they take longer,
# and are worse where players move often.
_MANY = 10_000
# Ratios of weights that are tried in games that are not zero-sum, as powers of two.
_RATIOS = 33


def certify_tree(
    game: dg.Game, temperature: Any = None, *, weights: Any = "auto"
) -> TreeConvergence:
    r"""Proves, over all play, that learning in a regularised tree of two players converges.

    Player i pays `f_i(q) + temperature sum_j q_p(j) sum_a x_ja log x_ja` for its strategy q in
    sequence form, where `x_ja = q_ja / q_p(j)` is the behaviour: minus the entropy of its play.
    With the dilated divergence `D(q; q') = sum_j q_p(j) KL(x_j || x'_j)` and F the gradients, a
    margin `a` is proved with

        <F(q) - F(q'), q - q'>_W >= a sum_i w_i (D(q_i; q'_i) + D(q'_i; q_i))

    for all positive strategies. So there is exactly one quantal response equilibrium q*, that of
    the reduced normal form; `V = sum_i w_i D(q*_i; q_i)` shrinks by `1 / (1 + h a)` per step h of
    magnetic mirror descent with `dgames.DilatedEntropy`, for `h <= a / lipschitz^2`. In zero-sum
    games `a` is the temperature. The proof is exact; see `certify/checker/trees.py` for the
    theorems.

    Args:
        game: A `TreeGame` of two players; or a `RegularisedTree` of one.
        temperature: A positive number; not for a `RegularisedTree`, which has one.
        weights: Two positive numbers; or "auto" for weights with nearly the largest margin.

    Returns:
        A certificate; it is "undecided" if the temperature is too low for this sufficient
        condition, which in zero-sum games it never is.

    Raises:
        ValueError: If the game is of another kind, has no temperature, or two; if the tree is not
            that of the payoffs; or if the weights are not two positive numbers.

    Example:
        >>> from dgames.games import kuhn_poker
        >>> certificate = certify_tree(kuhn_poker().game(), 0.1)
        >>> certificate.margin, round(certificate.lipschitz, 9)
        (0.1, 0.833333333)
        >>> round(certificate.step.rate, 6), round(certificate.exploitability.equilibrium, 6)
        (0.985804, 0.207388)

    References:
        Sokota et al., *A unified approach to reinforcement learning, quantal response equilibria,
        and two-player zero-sum games*, ICLR 2023, arXiv:2206.05825; Farina, Kroer and Sandholm,
        *Better regularization for sequential decision spaces*, EC 2021, for dilated entropies.
    """
    tree, tau, reference = _parts(game, temperature)
    data = tree_data(tree, tau, reference)
    try:
        setting = RegularisedTreeGame(Reader(data, "game"))
        return _proved(setting, data, weights)
    except Unusable as error:
        if 'field "game.tree' in str(error) or 'field "game.leaves' in str(error):
            raise ValueError(f"certify_tree: {error}") from None
        return TreeConvergence("undecided", (str(error),))


def _parts(game: Any, temperature: Any) -> tuple[Any, Any, Any]:
    parts = regularised_parts(game)
    if parts is not None:
        if temperature is not None:
            raise ValueError("certify_tree: the game is regularised and has its temperature")
        return parts
    one = eqx.is_array_like(temperature) and np.ndim(temperature) == 0
    if not one or np.iscomplexobj(temperature) or not 0 < float(temperature) < np.inf:
        raise ValueError(
            "certify_tree: the temperature is one number, which must be positive and must be "
            f"finite, not {str(temperature)[:60]}"
        )
    return game, temperature, None


class _Constants(NamedTuple):
    """Constants that the checker will accept.

    Attributes:
        kinds: How the couplings are bounded.
        couplings: The bounds on the couplings of both players' payoffs.
        weights: The weights.
        lost: About the temperature minus the margin.
        margin: The margin; without a proof it is not positive.
        lipschitz: The Lipschitz constant.
    """

    kinds: list[str]
    couplings: list[Fraction]
    weights: list[float]
    lost: Fraction
    margin: float
    lipschitz: float

    @property
    def exact(self) -> list[Fraction]:
        """The weights, exactly."""
        return [Fraction(w) for w in self.weights]

    def steps(self) -> dict[str, float]:
        """The steps of magnetic mirror descent."""
        alpha, square = Fraction(self.margin), Fraction(self.lipschitz) ** 2
        best = Fraction(float_below(alpha / square))
        return {
            "max": float_below(2 * alpha / square),
            "best": float(best),
            "gain": float_below(best * min(alpha, 2 * alpha - best * square)),
        }


def _constants(setting: RegularisedTreeGame, given: Any) -> _Constants:
    """Returns nearly the best constants in the best weights found, or in given ones."""
    game, tau = setting.game, setting.temperature
    first, second = game.payoffs
    bounds = [_least(game, first)]
    opposed = all(x == -y for x, y in zip(first, second, strict=True))
    bounds.append(bounds[0] if opposed else _least(game, second))
    couplings = [game.unit * bound / 4 for _, bound in bounds]
    weights = _weights(game, given)
    w = [Fraction(x) for x in weights]
    whole = integers(w)
    kind, bound = _least(game, game.weighted(whole))
    shared = w[0] / whole[0] * game.unit * bound / 4
    lost = shared * root_above(1 / (w[0] * w[1])) / 2
    margin = float_below(tau - lost)
    above = Fraction(float(np.nextafter(margin, np.inf)))  # as roots are rounded
    if above <= tau and shared**2 <= 4 * (tau - above) ** 2 * w[0] * w[1]:
        margin = float(above)
    square = max(
        couplings[0] ** 2 * w[0] / w[1],
        couplings[1] ** 2 * w[1] / w[0],
        (Fraction(_LEAST_LIPSCHITZ) * tau) ** 2,
    )
    kinds = [kind for kind, _ in [*bounds, (kind, bound)]]
    return _Constants(kinds, couplings, weights, lost, margin, _root(square))


def _proved(setting: RegularisedTreeGame, data: dict[str, Any], weights: Any) -> TreeConvergence:
    game, tau = setting.game, setting.temperature
    constants = _constants(setting, weights)
    if constants.margin <= 0:
        return TreeConvergence(
            "undecided",
            (
                f"the temperature {float(tau):.6g} is not above {float(constants.lost):.6g}, which "
                "the players' payoffs add up to in the best weights found",
            ),
        )
    steps = constants.steps()
    if not all(0 < step < np.inf for step in steps.values()):
        return TreeConvergence("undecided", ("the payoffs are out of scale for float64 steps",))
    reference = [np.array([float(r) for r in own]) for own in setting.reference]
    logs = quantal_response(float_game(game, float(tau), reference), constants.lipschitz)
    center = [
        q
        for treeplex, own in zip(game.treeplexes, logs, strict=True)
        if (q := integer_strategy(treeplex, own)) is not None
    ]
    if len(center) < 2:
        return TreeConvergence(
            "undecided", ("some play is too rare at this temperature for the numbers of a file",)
        )
    radius, exploitability = _place(setting, constants, center)
    claims = {
        "margin": constants.margin.hex(),
        "weights": hexes(constants.weights),
        "lipschitz": constants.lipschitz.hex(),
        "step": {name: step.hex() for name, step in steps.items()},
        "equilibrium": {"center": center, "radius": radius.hex()},
        "exploitability": {name: float_above(x).hex() for name, x in exploitability.items()},
    }
    evidence: dict[str, Any] = {"couplings": constants.kinds}
    if game.is_zero(game.weighted(integers(constants.exact))):
        strategies = value_strategies(game) or center
        lower, upper = value_bounds(game, strategies, Work())
        claims["value"] = {"lower": float_below(lower).hex(), "upper": float_above(upper).hex()}
        evidence["strategies"] = strategies
    file = {
        "format": FORMAT,
        "version": VERSION,
        "kind": TREE,
        "game": data,
        "claims": claims,
        "trusted": list(TRUSTED),
        "provenance": provenance(),
        "evidence": evidence,
    }
    try:
        return TreeConvergence("proved", contents=Checked(file))
    except NotAccepted as rejection:
        return TreeConvergence("undecided", rejection.verdict.reasons)


def _place(
    setting: RegularisedTreeGame, constants: _Constants, center: list[list[int]]
) -> tuple[float, dict[str, Fraction]]:
    """Returns the radius of the enclosure, and bounds on what could be gained."""
    found = play(setting, center, constants.exact, Work())
    radius = root_above(found.residual) / Fraction(constants.margin)
    rounded = float_above(max(radius, Fraction(2**-1000)))
    general = entropy_bound(setting, Work())
    near = gains_nearby(found, Fraction(rounded), constants.exact, constants.couplings)
    return rounded, {
        "center": sum(found.gains, Fraction(0)),
        "equilibrium": min(near, general),
        "general": general,
    }


def _least(game: SequenceGame, payoffs: list[int]) -> tuple[str, int]:
    """Returns the way to the least bound on a coupling, and that bound."""
    found = []
    fewer = min(game.treeplexes, key=Treeplex.pure)
    few = fewer.pure() <= MOST_PURE and fewer.sequences <= MOST_SEQUENCES
    for kind in KINDS:
        if kind == "tree" and game.nodes is None:
            continue
        if kind == "pairs" and not few:
            continue
        if kind in ("first", "second") and game.nodes is not None and len(payoffs) > _MANY:
            continue
        try:
            found.append((coupling_bound(game, payoffs, kind, Work()), kind))
        except Unusable:  # it takes too much work
            continue
    if not found:
        raise Unusable("the game is too large for every bound on the coupling of its players")
    bound, kind = min(found)
    return kind, bound


def _weights(game: SequenceGame, weights: Any) -> list[float]:
    """Returns given weights, or those in which the game is nearest to a zero-sum one."""
    if not isinstance(weights, str):
        values = np.asarray(weights, np.float64)
        if values.shape != (2,) or not ((values > 0) & (values < LARGEST)).all():
            raise ValueError(
                f'certify_tree: weights must be two positive numbers below 2^500 or "auto", not '
                f"{weights}"
            )
        return values.tolist()
    first, second = (np.array([float(x) for x in own]) for own in game.payoffs)
    # Ones, the ratio that fits best, and powers of two around it.
    product = -float(first @ second)
    fitted = product / float(second @ second) if product > 0 else 1.0
    ratios = [1.0, fitted, *np.exp2(np.linspace(-4, 4, _RATIOS)) * fitted]
    candidates = [
        [float(ratio.denominator), float(ratio.numerator)]
        for ratio in (Fraction(r).limit_denominator(64) for r in ratios)
        if ratio > 0
    ]

    def lost(pair: list[float]) -> float:
        payoffs = game.weighted([int(w) for w in pair])
        return float(_least(game, payoffs)[1]) / float(np.sqrt(pair[0] * pair[1]))

    best: list[float] = candidates[0]
    least = lost(best)
    for pair in candidates[1:]:
        if least == 0:
            break
        if (found := lost(pair)) < 0.995 * least:
            best, least = pair, found
    return best


def _root(square: Fraction) -> float:
    """Returns the least float that is not below the root of a number, or the next one."""
    root = float_above(root_above(square))
    below = np.nextafter(root, 0.0)
    return float(below) if Fraction(float(below)) ** 2 >= square else root
