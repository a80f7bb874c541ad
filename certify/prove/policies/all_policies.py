"""Makes a checked certificate over all policies from a regularised game on simplices."""

from fractions import Fraction
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from typing_extensions import override

import dgames as dg
from certify.checker import Unusable
from certify.checker.exact import Work, root_above
from certify.checker.payoffs import Payoffs
from certify.checker.policies import Couplings, RegularisedGame, form_holds, integers
from certify.checker.reader import FORMAT, POLICIES, VERSION, Reader
from certify.claims.checked import Checked, NotAccepted
from certify.claims.policy_convergence import PolicyConvergence
from certify.file.provenance import provenance
from certify.problem.exact_types import is_as_made
from certify.problem.payoff_tables import KNOWN, LARGEST, game_data, hexes
from certify.prove.policies.policy_weights import Choice, choose, scaling
from certify.rounding import float_above, float_below
from dgames.logits import log_policies
from dgames.strategy import Strategy, blocks, inner_product, join

TRUSTED = (
    "That the payoffs, the temperature and the reference in this file are those of the game that "
    "is meant.",
    "The steps and the flow are those of real numbers; what a computer adds by rounding at run "
    "time is not in them.",
    "The checker and the Python interpreter that runs it.",
)
# The least Lipschitz constant, in margins: a field that hardly depends on the other players would
# allow steps of any size.
_LEAST_LIPSCHITZ = 2.0**-20


class _Tilted(dg.Game):
    """A game on simplices with linear costs added, which turn references into payoffs."""

    game: dg.Game
    slopes: Strategy

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree[Any]:
        pairs = zip(blocks(self.game.costs(x, args)), blocks(x), blocks(self.slopes), strict=True)
        return join(x, tuple(cost + inner_product(own, slope) for cost, own, slope in pairs))

    @override
    def strategy_set(self, x: Strategy) -> dg.Simplex:
        return dg.Simplex()


def certify_policies(
    game: dg.Game, temperature: Any = None, *, weights: Any = "auto"
) -> PolicyConvergence:
    r"""Proves, over all policies, that learning in a regularised game converges, and how fast.

    With the costs `f_i(x) + temperature KL(x_i || reference_i)` of a multilinear game on simplices,
    and F the gradients, in policies, a margin `a` is proved with

        <F(x) - F(y), x - y>_W >= a sum_i w_i (KL(x_i || y_i) + KL(y_i || x_i))

    for all positive policies. So there is exactly one logit quantal response equilibrium x*;
    `V = sum_i w_i KL(x*_i || x_i)` decays at the rate `a` along the mirror flow (of natural
    gradients), and by `1 / (1 + h a)` per step h of `dgames.MirrorDescent` (magnetic mirror
    descent) for `h <= a / lipschitz^2`. In zero-sum games `a` is the temperature; in others it is
    smaller by a measure of how far the weighted payoffs are from zero-sum. The proof is exact; see
    `certify/checker/policies.py` for the theorems.

    Args:
        game: A `MatrixGame`, `PolymatrixGame` or `PreferenceGame` (see `game_terms` for others), or
            a `Regularised` one of these.
        temperature: A positive number; not for a `Regularised` game, which has one.
        weights: Positive numbers, one per player; or "auto" for weights with nearly the largest
            margin.

    Returns:
        A certificate; it is "undecided" if the temperature is too low for this sufficient
        condition.

    Raises:
        ValueError: If the game is of another kind, has no temperature, or two; if the weights are
            not positive numbers, one per player; or if registered tables are not those of the
            costs.

    Example:
        >>> from dgames.games import MatrixGame
        >>> certificate = certify_policies(MatrixGame.rock_paper_scissors(), 0.5)
        >>> certificate.margin, certificate.lipschitz
        (0.5, 0.75)
        >>> round(certificate.step.rate, 6)
        0.692308

    References:
        Sokota et al., *A unified approach to reinforcement learning, quantal response equilibria,
        and two-player zero-sum games*, ICLR 2023, arXiv:2206.05825, theorem 3.4 (monotone games);
        Bauschke, Bolte and Teboulle, *A descent lemma beyond Lipschitz gradient continuity*,
        Mathematics of Operations Research 42 (2017), for conditions relative to an entropy.
    """
    regularised = _regularised(game, temperature)
    data = game_data(regularised)
    setting = RegularisedGame(Reader(data, "game"))
    require_same_costs(regularised.game, setting.payoffs)
    tau = float(setting.temperature)
    try:
        choices = (
            choose(setting.payoffs, tau)
            if isinstance(weights, str) and weights == "auto"
            else _given(setting, weights, tau)
        )
        for choice in (choice for choice in choices if choice.slack < tau * (1 + 2.0**-30)):
            proof = _proof(setting, choice)
            if proof is not None:
                return _assembled(regularised, setting, data, proof)
    except Unusable as error:
        return PolicyConvergence("undecided", (str(error),))
    needed = min(choice.slack for choice in choices)
    return PolicyConvergence(
        "undecided",
        (
            f"the temperature {tau:.6g} is not above {needed:.6g}, which the players' payoffs add "
            "up to in the best weights found",
        ),
    )


def _regularised(game: dg.Game, temperature: Any) -> dg.Regularised:
    """Returns the game with its regulariser, of exactly the class that the theorems are about."""
    if isinstance(game, dg.Regularised):
        if type(game) is not dg.Regularised or not is_as_made(game):
            raise ValueError(
                f"certify_policies: {_name(game)} is derived from dgames.Regularised or was "
                "changed, so its pull may be another one; prove it in logits by certify.certify("
                "dgames.InLogits(game), region)."
            )
        if temperature is not None:
            raise ValueError("certify_policies: the game is Regularised and has its temperature")
        if np.ndim(game.temperature) != 0:
            raise ValueError("certify_policies: the temperature must be one number for all players")
        _require_temperature(game.temperature)
        return game
    if temperature is None:
        raise ValueError("certify_policies: give a temperature, or a dgames.Regularised game")
    _require_temperature(temperature)
    return dg.Regularised(game, temperature)


def _name(game: Any) -> str:
    return f"{type(game).__module__}.{type(game).__qualname__}"


def _require_temperature(temperature: Any) -> None:
    one = eqx.is_array_like(temperature) and np.ndim(temperature) == 0
    if not one or np.iscomplexobj(temperature) or not 0 < float(temperature) < np.inf:
        raise ValueError(
            "certify_policies: the temperature is one number, which must be positive and must be "
            f"finite, not {str(temperature)[:60]}"
        )


def require_same_costs(game: dg.Game, payoffs: Payoffs) -> None:
    """Compares gradients with those of the tables, since registered tables may be wrong.

    The comparison proves nothing; that the tables are those of the game is trusted. Policies are
    random, some near vertices, the first one in the middle.
    """
    sizes, generator = payoffs.sizes, np.random.default_rng(0)
    points = 1 if type(game) in KNOWN else 12
    for k in range(points):
        heavy = generator.integers(1, 1000, len(sizes)) if k % 2 else np.ones(len(sizes), int)
        whole = [generator.integers(1, 1000, size) for size in sizes]
        for own, weight in zip(whole, heavy, strict=True):
            own[generator.integers(len(own))] *= weight
        _require_same_gradients(game, payoffs, whole)


def _require_same_gradients(game: dg.Game, payoffs: Payoffs, whole: list[np.ndarray]) -> None:
    """Compares gradients at the policies in proportion to some integers."""
    field = dg.pseudo_gradient(game)(tuple(jnp.asarray(own / own.sum()) for own in whole))
    tolerance = 1e3 * max(float(jnp.finfo(own.dtype).eps) for own in blocks(field))
    found = [np.asarray(own, np.float64) for own in blocks(field)]
    exact = [own.tolist() for own in whole]
    said = [np.array([float(g) for g in payoffs.gradient(i, exact)]) for i in range(len(whole))]
    size = max(float(np.abs(own).max()) for own in (*found, *said))
    for i, (mine, theirs) in enumerate(zip(said, found, strict=True)):
        offset = mine - theirs
        if not np.ptp(offset) <= tolerance * size:
            raise ValueError(
                f"certify_policies: the payoff tables of {type(game).__name__} do not have the "
                f"gradient of its costs for player {i}"
            )


def _given(setting: RegularisedGame, weights: Any, temperature: float) -> list[Choice]:
    players = len(setting.payoffs.sizes)
    values = np.asarray(weights, np.float64) if not isinstance(weights, str) else np.zeros(0)
    if values.shape != (players,) or not ((values > 0) & (values < LARGEST)).all():
        raise ValueError(
            f'certify_policies: weights must be {players} positive numbers below 2^500 or "auto", '
            f"not {weights}"
        )
    return choose(setting.payoffs, temperature, values)


class _Proof(NamedTuple):
    """Weights with a margin that the checker will accept.

    Attributes:
        choice: The weights, and the kind of proof.
        couplings: Exact bounds on couplings in these weights.
        margin: The margin.
        scaling: The vector of the proof; empty if the kind is "form".
    """

    choice: Choice
    couplings: Couplings
    margin: float
    scaling: list[float]


def _proof(setting: RegularisedGame, choice: Choice) -> _Proof | None:
    """Returns a proof of nearly the largest margin in these weights; None if none is positive."""
    whole = integers([Fraction(w) for w in choice.weights.tolist()])
    couplings = Couplings(setting.payoffs, whole, Work())
    unit, tau = setting.payoffs.unit, setting.temperature
    if choice.kind == "coupling":
        rows = [
            [unit * x / (8 * w) for x in row] for row, w in zip(couplings.joint, whole, strict=True)
        ]
        vector, loss = _bounding(rows)
        margin = float_below(tau - loss)
        return _Proof(choice, couplings, margin, vector) if margin > 0 else None
    for bits in (40, 30, 20, 10):
        loss = Fraction(choice.slack) * (1 + Fraction(1, 2**bits)) + tau / 2**50
        margin = float_below(tau - loss)
        slack = (tau - Fraction(margin)) / unit
        if margin > 0 and form_holds(setting.payoffs, slack, whole, Work()):
            return _Proof(choice, couplings, margin, [])
    return None


def _bounding(rows: list[list[Fraction]]) -> tuple[list[float], Fraction]:
    """Returns a vector p > 0 and exactly the largest `(M p)_i / p_i`, about the spectral radius."""
    vectors = [np.ones(len(rows)), scaling(np.array([[float(x) for x in row] for row in rows]))]

    def largest(vector: list[float]) -> Fraction:
        exact = [Fraction(x) for x in vector]
        return max(
            sum(map(Fraction.__mul__, row, exact), Fraction(0)) / own
            for row, own in zip(rows, exact, strict=True)
        )

    loss, vector = min((largest(v.tolist()), v.tolist()) for v in vectors)
    return vector, loss


def _lipschitz(setting: RegularisedGame, proof: _Proof) -> tuple[float, list[float], list[float]]:
    """Returns the Lipschitz constant, and the two vectors of Schur's test."""
    unit, w = setting.payoffs.unit, [Fraction(x) for x in proof.choice.weights.tolist()]
    n = len(w)
    rows = [[unit * x / 4 for x in row] for row in proof.couplings.single]
    columns = [[rows[i][j] * w[i] / w[j] for i in range(n)] for j in range(n)]
    none = [Fraction(0)] * n
    both = [*([*none, *row] for row in rows), *([*column, *none] for column in columns)]
    vector, bound = _bounding(both)
    least = Fraction(_LEAST_LIPSCHITZ) * Fraction(proof.margin)
    return float_above(max(bound, least)), vector[:n], vector[n:]


def _assembled(
    game: dg.Regularised, setting: RegularisedGame, data: dict[str, Any], proof: _Proof
) -> PolicyConvergence:
    """Returns the certificate: "proved" if the checker accepts it, else "undecided"."""
    alpha = Fraction(proof.margin)
    lipschitz, left, right = _lipschitz(setting, proof)
    square = Fraction(lipschitz) ** 2
    best = float_below(alpha / square)
    gain = float_below(Fraction(best) * min(alpha, 2 * alpha - Fraction(best) * square))
    if not (0 < best < np.inf and 0 < gain < np.inf):
        return PolicyConvergence(
            "undecided", ("the payoffs are out of scale for steps in float64",)
        )
    center = _center(game, setting)
    spread, radius = _enclosure(setting, alpha, proof.choice.weights, center)
    file = {
        "format": FORMAT,
        "version": VERSION,
        "kind": POLICIES,
        "game": data,
        "claims": {
            "margin": proof.margin.hex(),
            "weights": hexes(proof.choice.weights),
            "lipschitz": lipschitz.hex(),
            "step": {
                "max": float_below(2 * alpha / square).hex(),
                "best": best.hex(),
                "gain": gain.hex(),
            },
            "equilibrium": {"center": [hexes(own) for own in center], "radius": radius.hex()},
        },
        "trusted": list(TRUSTED),
        "provenance": provenance(),
        "evidence": {
            "kind": proof.choice.kind,
            "scaling": hexes(proof.scaling),
            "left": hexes(left),
            "right": hexes(right),
            "spread": hexes(spread),
        },
    }
    try:
        return PolicyConvergence("proved", contents=Checked(file))
    except NotAccepted as rejection:
        return PolicyConvergence("undecided", rejection.verdict.reasons)


def _center(game: dg.Regularised, setting: RegularisedGame) -> list[np.ndarray]:
    """Returns about the equilibrium: the quantal response at the end of the branch to it.

    Higher temperatures have unique equilibria, too, so the branch has no turns.
    """
    uniform = tuple(jnp.full(size, 1 / size) for size in setting.payoffs.sizes)
    if max(setting.payoffs.sizes) == 1:  # no player has a choice
        return [np.ones(1) for _ in uniform]
    inner = game.game
    if game.reference is not None:
        reference = jax.tree.unflatten(jax.tree.structure(uniform), jax.tree.leaves(game.reference))
        inner = _Tilted(inner, jax.tree.map(lambda r: -game.temperature * jnp.log(r), reference))
    found = dg.quantal_responses(inner, [1 / float(game.temperature)], uniform)
    logs = log_policies(jax.tree.map(lambda leaf: leaf[0], found.logits))
    # Probabilities too small for float64 become the smallest normal number.
    return [np.maximum(np.exp(np.asarray(own)), np.finfo(float).tiny) for own in logs]


def _enclosure(
    setting: RegularisedGame, margin: Fraction, weights: np.ndarray, center: list[np.ndarray]
) -> tuple[list[float], float]:
    """Returns spreads, one per player, and the radius that they prove; see the checker."""
    exact = [integers([Fraction(p) for p in own.tolist()]) for own in center]
    spreads: list[float] = []
    linear, constant = Fraction(0), Fraction(0)
    for i, (own, w) in enumerate(zip(exact, map(Fraction, weights.tolist()), strict=True)):
        low, high = setting.field(i, exact)
        least = min(low)
        candidates = []
        for width in {float_above(f - least) for f in high}:
            share = w * Fraction(width) ** 2 / 4
            losses = (
                p * max(f - least - Fraction(width), 0) for p, f in zip(own, high, strict=True)
            )
            loss = w * sum(losses) / sum(own)
            candidates.append((share / margin + loss, share, loss, width))
        _, share, loss, width = min(candidates)
        spreads.append(width)
        linear, constant = linear + share, constant + loss
    # Upper bounds on P and on the root of `margin y^2 = P y + Q`, with a little to spare.
    p, slack = root_above(linear), Fraction(2**-1000)
    radius = (p + root_above(linear + 4 * margin * constant)) / (2 * margin)
    return spreads, float_above(max(radius, slack) * (1 + Fraction(1, 2**40)))
