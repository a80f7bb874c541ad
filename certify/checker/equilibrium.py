"""The argument, continued: existence, uniqueness and place of the equilibrium, and its basin.

The setting is that of `proof.py`, and its claims are the hypotheses here: F is strongly monotone
and Lipschitz in the metric over the region.
"""

from fractions import Fraction

from .claims import Claims
from .exact import dyadic_above, root_above
from .verdict import require

CONVEX = "every player's cost is convex, so that the equilibrium is one"


def check_equilibrium(claims: Claims) -> None:
    """Verifies that F has exactly one zero in the region, a Nash equilibrium, in the stated ball.

    If the ball of radius r around c is in D and `|F(c)|_P <= margin r`, then F has a zero in it: on
    the sphere `<F(x), x - c>_P >= margin r^2 - |F(c)|_P r >= 0`, which suffices by Brouwer's
    theorem. It is the only zero in D by strong monotonicity. With strategy sets, the argument of
    `_defect` takes the place of this one; with shared constraints as well, of which x* solves the
    variational inequality, see `shared_rows`.

    Each player's cost is strongly convex in that player's own coordinates, so the zero is a Nash
    equilibrium of the game restricted to D: own-player blocks of J are positive definite. With
    weights they are because the margin is, as diagonal blocks of `W J + J' W`. With another P this
    does not follow, and `curvature_i > 0` is required instead; by terms, it is verified in `terms`.
    For a field that is no pseudo-gradient the only claim is that x* is its zero, and none of this
    is needed.

    The basin: a map or flow that contracts towards x* in P keeps every ball around x* that lies in
    D. A start within `basin` of c is within `basin + r` of x*, and that ball is in the ball of
    radius `basin + 2 r` around c. With strategy sets all points are points of K, starts too.
    """
    if claims.sets:
        members = zip(claims.sets, claims.coordinates, strict=True)
        inside = all(own.contains(claims.center[block]) for own, block in members)
        require(inside, "the centre is in the strategy sets")
        require(not claims.metric.is_matrix, "with strategy sets the metric is one of weights")
        shift, defect, slack = _defect(claims)
        reach = claims.radius - shift
        small = reach > 0 and defect * reach + slack < claims.margin * reach**2
        require(small, "the defect of the centre is below margin * radius")
    else:
        norm = claims.metric.squared_norm_above(claims.residual)
        bound = (claims.margin * claims.radius) ** 2
        require(norm <= bound, "the residual is at most margin * radius")
    inside = claims.reaches(claims.radius)
    require(inside, "the equilibrium ball is inside the region")
    inside = claims.reaches(claims.basin + 2 * claims.radius)
    require(inside, "the basin is inside the region")
    if claims.is_gradient and claims.metric.is_matrix and claims.has_gain:
        require(min(claims.curvature) > 0, CONVEX)


def _defect(claims: Claims) -> tuple[Fraction, Fraction, Fraction]:
    """Returns `shift`, `defect` and `slack`: how nearly the centre c solves the inequality on K.

    Some y in K solves the variational inequality of `F - e` on K, with `|e|_W <= defect` and
    `|y - c|_W <= shift`. By `sets.Defect` there are y, normals n of K at y and e_1, e_2 with
    `value + n = e_1 + e_2`; so for `e = F(y) + n = (F(y) - F(c)) + (F(c) - value) + e_1 + e_2`

        |e|_W <= lipschitz shift + |residual + errors|_W + |e_2|_W,

    as c and y are in D: y is in the ball of radius r around c, once `defect < margin (r - shift)`.
    Then, too, the game has its equilibrium in that ball. Of the points of K within `r - shift` of
    y, a convex and compact set, some x* solves the variational inequality `<F(x*), z - x*>_W >= 0`
    (Hartman and Stampacchia, 1966). So `<F(x*), y - x*>_W >= 0`; and `<F(y) - e, x* - y>_W >= 0`,
    because `F(y) - e = -n`, whose blocks are normals of the players' sets, with weights or without.
    Their sum and the margin give `margin |x* - y|_W <= |e|_W < margin (r - shift)`: x* is inside
    that ball, and so its inequality holds for every z in K, in particular for those that differ
    from x* in one block. There the costs are convex, so x* is an equilibrium; by strong
    monotonicity no other point of D and K solves the inequality.

    With shared constraints, X takes the place of K, and y is the point of `Shared.feasible`: the
    centre, moved onto the rows with a multiplier (sets are then boxes and simplices, whose own
    shifts are zero). `n + W^-1 (A' l + sum_j m_j grad g_j(y))` takes the place of n, with the
    multipliers l of rows and m of functions. All that is needed of n is `<n, z - y>_W <= 0` for
    every z of X. So is `(A' l)'(z - y) = sum_j l_j (A_j z - A_j y)`, as `A_j z = b_j = A_j y` for
    equalities and `A_j z <= b_j = A_j y` for inequalities with `l_j > 0`. As the functions are
    convex and `g(z) <= 0`, `sum_j m_j grad g_j(y)'(z - y) <= -sum_j m_j g_j(y)`, which is at most
    the slack s. So the sum of the inequalities above gives, with `d = |x* - y|_W`,

        margin d^2 <= |e|_W d + s,

    and d is less than `r - shift` if `|e|_W d + s < margin d^2` for `d = r - shift`, and thus for
    every larger d.
    """
    weights, point, value, moved = claims.metric.weights, claims.center, claims.value, Fraction(0)
    if claims.shared is not None:
        point = claims.shared.feasible(claims.center, claims.sets, claims.coordinates)
        spread = claims.metric.coordinate
        pulls = claims.shared.pull(spread)
        value = [v + pull for v, pull in zip(value, pulls, strict=True)]
        moves = zip(spread, point, claims.center, strict=True)
        moved = sum((dyadic_above(w * (y - c) ** 2) for w, y, c in moves), Fraction(0))
    found = [
        own.defect(point[block], value[block])
        for own, block in zip(claims.sets, claims.coordinates, strict=True)
    ]
    errors = [error for defect in found for error in defect.errors]
    total = [dyadic_above(a + b) for a, b in zip(claims.residual, errors, strict=True)]
    pairs, zero = list(zip(weights, found, strict=True)), Fraction(0)
    shift = root_above(moved + sum((dyadic_above(w * d.shift**2) for w, d in pairs), zero))
    pulled = sum((dyadic_above(w * (d.pull * d.shift) ** 2) for w, d in pairs), zero)
    size = root_above(claims.metric.squared_norm_above(total)) + root_above(pulled)
    defect, slack = claims.lipschitz * shift + size, zero
    if claims.shared is not None and claims.shared.functions is not None:
        gap, slack = claims.shared.functions.gap(claims.metric.coordinate, shift)
        defect += gap
    return shift, defect, slack
