"""The argument, continued: safe step sizes, by one theorem for each kind of method.

The setting is that of `proof.py`, and its claims are the hypotheses here: F is strongly monotone
and Lipschitz in the metric over the region, own-player blocks and couplings are bounded, and the
equilibrium x* is in the stated ball.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from . import performance
from .claims import Claims
from .exact import Work
from .reader import Reader, Unusable
from .schemes import MOMENTA, SCHEMES
from .terms import TermFamily
from .verdict import require

MAX_PIECES = 64


def check_steps(claims: Claims) -> None:
    """Verifies that every stated step is safe, with the stated rate, by the theorem it names.

    `max` is proved to converge, and so is every smaller step in the same norm; with `best`,
    `|x_k - x*| <= constant rate^k |x_0 - x*|` after k iterations, the constant being 1 where none
    is stated. Both hold from anywhere in the basin, with the limit x*. In a metric of weights, they
    hold also when each evaluation of F is followed by a projection onto a product of convex sets
    that contains x*, as with the strategy sets of the file, where x* need not be a zero of F but is
    a fixed point of every projected step: blockwise projections are nonexpansive in W. In another
    metric they need not be, and nothing is claimed of projected steps except alternating ones,
    whose norms are Euclidean for each player; nor by the theorem "performance", unless the sets
    contain D, in which all points lie, so that projections change nothing. Onto shared constraints
    that couple players, steps are projected as a whole, in the metric W of the file, in which that
    is nonexpansive too; "small_gain", whose norms are others, claims nothing of them, nor of shared
    constraints that are functions, which may couple players as well. The theorem
    "small_gain" is one for pseudo-gradients: it needs own-player blocks of J to be symmetric.
    """
    stated: set[str] = set()
    shared = claims.shared
    couples = shared is not None and (shared.couples or shared.functions is not None)
    for file in claims.steps:
        rule = (file["method"].text(), file["theorem"].text())
        if rule not in STEP_RULES:
            raise Unusable(f'field "{file.where}": no rule {rule[1]!r} for the method {rule[0]!r}')
        if rule[0] in stated:
            file.fail("a method that does not occur before")
        stated.add(rule[0])
        bound = f"{rule[0]}: the theorem holds for steps onto strategy sets"
        require(not (claims.sets and rule[1] in UNPROJECTED), bound)
        together = f"{rule[0]}: the theorem holds for steps onto shared constraints"
        require(not (couples and rule[1] in BLOCKWISE), together)
        symmetric = f"{rule[0]}: the theorem holds for fields that are no pseudo-gradients"
        require(claims.is_gradient or rule[1] not in SYMMETRIC, symmetric)
        blocks = f"{rule[0]}: the file has the bounds on blocks that the theorem needs"
        require(claims.has_gain or rule[1] not in SYMMETRIC, blocks)
        check, further, lists = STEP_RULES[rule]
        names = ("max", "best", "rate", *further)
        file.fields("method", "theorem", *names, *lists)
        values = [file[name].number() for name in names]
        for name, value in zip(names, values, strict=True):
            require(value > 0, f"{rule[0]}: {name} is positive")
        require(values[1] <= values[0], f"{rule[0]}: the best step is at most the largest")
        require(values[2] < 1, f"{rule[0]}: the rate is below 1")
        for claim, holds in check(claims, values, *(file[name] for name in lists)).items():
            require(holds, f"{rule[0]}: {claim}")


def _simultaneous_lipschitz(claims: Claims, step: list[Fraction]) -> dict[str, bool]:
    """`|x - y - h (F(x) - F(y))|_P^2 <= (1 - 2 h margin + h^2 lipschitz^2) |x - y|_P^2`."""
    (largest, best, rate), a, b = step, claims.margin, claims.lipschitz
    return {
        "the largest step is below 2 margin / lipschitz^2": largest * b**2 < 2 * a,
        "the rate holds at the best step": 1 - 2 * best * a + (best * b) ** 2 <= rate**2,
    }


def _simultaneous_small_gain(claims: Claims, step: list[Fraction]) -> dict[str, bool]:
    """Distances per player obey `d+ <= N(h) d`, `N_ij = h coupling_ij`.

    `N_ii = max(|1 - h curvature_i|, |1 - h smoothness_i|)`: own blocks are symmetric, as Hessians
    and their averages are, so their norms are those of their eigenvalues. `N v <= rho v` and
    `u' N <= rho u'`, with the small-gain vectors u, v > 0, bound the contraction factor by rho in
    `W' = diag(u / v)`: `M = W'^(1/2) N W'^(-1/2)` and `z = W'^(1/2) v` satisfy `M' M z <= rho^2 z`.
    The entries of N(h) are convex in h and N(0) = I, so a safe step makes all smaller ones safe.

    The basin is a ball of W' around the centre, as in `equilibrium.py`; x* is within
    `radius * max sqrt(w' / w)` of the centre in W', for the weights w of `ExactMetric`.
    """
    largest, best, rate, near, basin = step
    u, v, players = claims.left, claims.right, claims.players

    def factor(h: Fraction) -> Fraction:
        matrix = _step_matrix(claims, h)
        rows = (sum(matrix[i][j] * v[j] for j in players) / v[i] for i in players)
        columns = (sum(u[i] * matrix[i][j] for i in players) / u[j] for j in players)
        return max(*rows, *columns)

    weights = [a / b for a, b in zip(u, v, strict=True)]
    ratio = max(a / b for a, b in zip(weights, claims.metric.weights, strict=True))
    return {
        "the largest step contracts": factor(largest) < 1,
        "the rate holds at the best step": factor(best) <= rate,
        "x* is near the centre": near**2 >= ratio * claims.radius**2,
        "the basin is inside the region": claims.reaches(basin + 2 * near, weights),
    }


def _step_matrix(claims: Claims, h: Fraction) -> list[list[Fraction]]:
    """Returns `N(h)`, see `_simultaneous_small_gain`."""

    def entry(i: int, j: int) -> Fraction:
        own = max(abs(1 - h * claims.curvature[i]), abs(1 - h * claims.smoothness[i]))
        return own if i == j else h * claims.coupling[i][j]

    return [[entry(i, j) for j in claims.players] for i in claims.players]


def _alternating_small_gain(
    claims: Claims, step: list[Fraction], inner: Reader, outer: Reader
) -> dict[str, bool]:
    """`x_i+ = x_i - h F_i(x_1+, ..., x_{i-1}+, x_i, ..., x_N)`, player by player as in the file.

    For a positive vector v let `|x|_v = max_i |x_i| / v_i`, with Euclidean norms of blocks. With
    `N(h)` of `_simultaneous_small_gain` let `s_i = sum_{j<i} N_ij s_j + sum_{j>=i} N_ij v_j`.

    *One step.* If `s <= v`, `|x - x*|_v <= d` and the ball of that radius around x* is in D, then
    `|x_i+ - x*_i| <= d s_i` for every i; so `|x+ - x*|_v <= max (s_i / v_i) |x - x*|_v`, and all
    points used are in the ball. By induction: player i looks at a point z whose blocks `j < i` are
    within `d s_j <= d v_j` of those of x*, the others within `d v_j`. So z is in the ball, and the
    segment to x* with it, along which `F_i(z) - F_i(x*) = sum_j M_ij (z_j - x*_j)` with averages M
    of J: `|M_ij| <= coupling_ij`, and `|I - h M_ii| <= N_ii` as own blocks are symmetric. And x*_i
    is what the step makes of itself, also if it ends with a projection onto a convex set of player
    i with x*_i in it, which expands no distance of blocks: these norms are Euclidean in any metric.

    *Every step up to the largest.* If `N(h) u < u` then `s <= N(h) u < u` for u in place of v:
    each `s_j <= u_j` in turn. As entries of N are convex in h and `N(0) = I`, smaller steps obey
    `N(t h) u <= (1 - t) u + t N(h) u < u` as well. So all of them converge, in `|.|_u`.

    *The best step* converges at the rate `max s_i / v_i` for `v = inner`; u is `outer >= inner`.

    *The basin* is the ball `|x - c|_v <= basin` around the centre. x* is within `near` of c in
    `|.|_v`, because `weights_i |x*_i - c_i|^2 <= radius^2`. So a start in the basin is within
    `basin + near` of x*, in `|.|_v` and hence in `|.|_u`, and both balls of that radius around x*
    consist of points with `|x_i - c_i| <= (basin + 2 near) u_i`, all of which have to be in D: of a
    box that is a condition on coordinates, and of all x with `|x_i - c_i| <= r u_i` the farthest
    ones are `r sqrt(sum u_i^2)` from c.
    """
    largest, best, rate, near, basin = step
    v, u = (vector.numbers(len(claims.sizes)) for vector in (inner, outer))
    if not all(0 < a <= b for a, b in zip(v, u, strict=True)):
        return {"the vectors are positive, the outer one not below the inner one": False}
    at_largest, at_best, s = _step_matrix(claims, largest), _step_matrix(claims, best), []
    for i in claims.players:
        seen = [*s, *v[i:]]
        s.append(sum(at_best[i][j] * seen[j] for j in claims.players))
    together = sum((x * x for x in u), Fraction(0))
    floors = [1 / (x * x if claims.region.is_box else together) for x in u]
    return {
        "the largest step contracts": all(
            sum(at_largest[i][j] * u[j] for j in claims.players) < u[i] for i in claims.players
        ),
        "the rate holds at the best step": all(a <= rate * b for a, b in zip(s, v, strict=True)),
        "x* is near the centre": all(
            near**2 * x**2 * w >= claims.radius**2
            for x, w in zip(v, claims.metric.weights, strict=True)
        ),
        "the basin is inside the region": claims.reaches(basin + 2 * near, floors),
    }


def _simultaneous_terms(
    claims: Claims, step: list[Fraction], largest_proof: Reader, best_proof: Reader
) -> dict[str, bool]:
    """`x - y - h (F(x) - F(y)) = (I - h J) (x - y)` for an average J of Jacobians on the segment.

    It is in the family of `terms`, and `[[r P, (P (I - h J))'], [., r P]] > 0` is `|I - h J|_P < r`
    for every J of it. With `r = 1` at the largest step, every smaller one contracts as well:
    `I - t h J = (1 - t) I + t (I - h J)`.
    """
    largest, best, rate = step
    family = TermFamily(claims, Work())
    n = family.size

    def within(proof: Reader, h: Fraction, r: Fraction) -> bool:
        constant = family.metric(r) | family.metric(r, n, n) | family.metric(Fraction(1), n, 0)
        return family.positive(proof, constant, family.bordered, -h, mirrored=2)

    return {
        "the largest step contracts": within(largest_proof, largest, Fraction(1)),
        "the rate holds at the best step": within(best_proof, best, rate),
    }


def _extragradient_monotonicity(claims: Claims, step: list[Fraction]) -> dict[str, bool]:
    """`y = P(x - h F(x))`, `x+ = P(x - h F(y))`, with `a = margin`, `b = lipschitz`, `h b < 1`.

    P is the identity or, with weights, a projection as in `check_steps`; norms and products are
    those of the metric. As `<x - h F(x) - y, x+ - y> <= 0` and `<F(x*), y - x*> >= 0`,

        |x+ - x*|^2 <= |x - h F(y) - x*|^2 - |x - h F(y) - x+|^2
                    <= |x - x*|^2 - 2 h <F(y), y - x*> + h^2 |F(x) - F(y)|^2 - |x - y|^2
                    <= |x - x*|^2 - 2 h a |y - x*|^2 - s |x - y|^2,     s = 1 - h^2 b^2,

    Then `|x - x*|^2 <= (1 + c) |y - x*|^2 + (1 + 1/c) |x - y|^2`, `c = 2 h a / s`,
    gives `|x+ - x*|^2 <= (1 - 2 h a s / (s + 2 h a)) |x - x*|^2`.

    The point y is within `stretch |x - x*|` of x*, `stretch^2 >= 1 - 2 h a + h^2 b^2`, which is
    convex in h; so all points used lie in the ball of radius `stretch (basin + r) + r` around the
    centre, which has to be in the region.
    """
    largest, best, rate, stretch, basin = step
    a, b, r = claims.margin, claims.lipschitz, claims.radius
    s, twice = 1 - (best * b) ** 2, 2 * best * a
    growth = 1 - 2 * largest * a + (largest * b) ** 2
    reach = stretch * (basin + r) + r
    return {
        "the largest step is below 1 / lipschitz": largest * b < 1,
        "the rate holds at the best step": s > 0 and (1 - rate**2) * (s + twice) <= twice * s,
        "the stretch is large enough": stretch >= 1 and stretch**2 >= growth,
        "the basin is inside the region": claims.reaches(reach),
    }


def _performance(
    method: str, claims: Claims, step: list[Fraction], momentum: Reader, file: Reader
) -> dict[str, bool]:
    """Verifies pieces: intervals of steps with a decreasing function V, see `performance.py`.

    All but the last one lie side by side from 0 to `max`; the last one is the step `best` alone. On
    each, `V_k <= (1 - c h)^k V_0`, `V_0 <= start |x_0 - x*|^2`, and `|Y - x*|^2 <= bound V_k` for
    every point Y at which F is evaluated and for x_k. So by induction every point is within
    `stretch |x_0 - x*|` of x*, with `stretch^2 >= max(1, bound start)`; that ball, for x_0 in the
    basin, is in the ball of radius `stretch (basin + r) + r` around the centre, which has to be in
    the region: there the inequalities hold. Without a state, `V = p |x|^2`.
    """
    largest, best, rate, constant, stretch, basin = step
    scheme = SCHEMES[method](*momentum.numbers(MOMENTA[method]))
    entries = file.items()
    if not 2 <= len(entries) <= MAX_PIECES:
        file.fail(f"from 2 to {MAX_PIECES} pieces")
    unit = claims.lipschitz
    field = performance.relative(claims.margin, unit, claims.cocoercivity)
    pieces = [performance.read_piece(entry, scheme, field, unit) for entry in entries]
    *cover, last = pieces
    proved = {
        f"piece {number}: {claim}": holds
        for number, piece in enumerate(pieces)
        for claim, holds in performance.check_piece(scheme, field, piece).items()
    }
    starts = [performance.start_bound(scheme, piece) for piece in pieces]
    reached = [
        bound * start
        for piece, start in zip(pieces, starts, strict=True)
        for bound, _ in piece.bounds
    ]
    near = last.bounds[0][0] * starts[-1] if scheme.after else Fraction(1)
    ends = [Fraction(0), *(piece.high for piece in cover)]
    return proved | {
        "V decreases with every step": all(piece.decrease > 0 for piece in pieces),
        "the pieces join": [piece.low for piece in cover] == ends[:-1],
        "the pieces reach the largest step": ends[-1] == largest * claims.lipschitz,
        "the last piece is the best step": last.low == last.high == best * claims.lipschitz,
        "the rate holds at the best step": 1 - last.decrease * last.high <= rate**2,
        "the constant holds": constant**2 >= near,
        "the stretch is large enough": stretch**2 >= max([Fraction(1), *reached]),
        "the basin is inside the region": claims.reaches(
            stretch * (basin + claims.radius) + claims.radius
        ),
    }


# Theorems that do not cover projected steps.
UNPROJECTED = {"performance"}
# Theorems whose projections are player by player, in norms other than that of the file.
BLOCKWISE = {"small_gain"}
# Theorems that need own-player blocks of J to be symmetric, as those of a pseudo-gradient are.
SYMMETRIC = {"small_gain"}

# For each theorem: the function that verifies it, the names of the numbers it needs after `max`,
# `best` and `rate`, and those of other fields, which are handed to it as they are.
Rule = tuple[Callable[..., dict[str, bool]], tuple[str, ...], tuple[str, ...]]
STEP_RULES: dict[tuple[str, str], Rule] = {
    ("extragradient", "monotonicity"): (_extragradient_monotonicity, ("stretch", "basin"), ()),
    ("alternating", "small_gain"): (
        _alternating_small_gain,
        ("equilibrium_radius", "basin"),
        ("inner", "outer"),
    ),
    ("simultaneous", "lipschitz"): (_simultaneous_lipschitz, (), ()),
    ("simultaneous", "terms"): (_simultaneous_terms, (), ("max_proof", "best_proof")),
    ("simultaneous", "small_gain"): (
        _simultaneous_small_gain,
        ("equilibrium_radius", "basin"),
        (),
    ),
    **{
        (method, "performance"): (
            partial(_performance, method),
            ("constant", "stretch", "basin"),
            ("momentum", "pieces"),
        )
        for method in SCHEMES
    },
}
