"""The argument of a certificate, step by step: this file says what a certificate proves.

The equilibrium and its basin follow from what is proved here, by the theorems in `equilibrium.py`,
and step sizes of methods by those in `steps.py`.

The setting: costs f_i of N players on a convex region D of R^n, the pseudo-gradient
F = (grad_i f_i)_i, its Jacobian J, and the metric |x|_P^2 = x' P x with a constant matrix P: most
often `P = W = diag(w_i I)`, one positive weight per player, else any symmetric positive definite
one. What the file states about J and F and is *not* re-derived here is, in one place:

  (B) on each (closed) cell of the region the costs and F are continuously differentiable, F being
      their gradients (so own-player blocks of J are symmetric), and J(x) = C + sum_k e_k G_k + E
      with |e_k| <= 1 and |E| <= R entrywise, for every x; or, where the file has terms in place of
      cells, the same on all of the region with J(x) = sum_k s_k (p_k q_k' + mirror_k q_k p_k') and
      low_k <= s_k <= high_k, where mirror_k is 0 unless the file says 1 or -1 (`terms`);
      |F(center) - value| <= residual entrywise, value being zero where the file states none. A game
      that the file calls zero-sum has two players and f_2 = -f_1.

A file may be about another field in place of the pseudo-gradient, and names it. Then (B) is about
that F alone: it is continuously differentiable, with that Jacobian and that value; nothing is known
of costs, own-player blocks of J need not be symmetric, and x* is a zero of F (with strategy sets: a
solution of its variational inequality), which is not claimed to be an equilibrium of a game. Such a
field may have kinks, as `kinks` says: it is continuous, and J is what takes the place of a Jacobian
there. All that follows is about averages of J along segments.

The field may be a natural gradient `N(x) = temperature (x - reference) + g(q(x))` of games played
with probability vectors: x are logit differences, q(x) the probabilities of all actions but the
last of each vector, g the gradients of the costs in q, each in the own player's. Then D can be all
of R^n. Its Jacobian is a function of q, and so (B) says of the cells, which are sets of policies,
what holds for every x whose policies are in them.

Where the file states the players' strategy sets, K is their product, an equilibrium is one of the
game restricted to D and K, and steps and flow are projected onto K, player by player: the flow is
`x' = -F(x)`, projected onto the tangent cone of K at x. Then P has to be W, as projections player
by player are nonexpansive in it. Without such sets K is the whole space. Where the file states
shared linear constraints too, X is the set of the points of K that satisfy them, and takes its
place: `shared_rows` says which equilibrium x* is, and what is claimed of its multipliers. With
shared constraints that are functions, X is the part of that set in D.

From (B) everything else follows by the inequalities verified below, in exact rational arithmetic.
"""

from fractions import Fraction

from .cells import MAX_DIMENSION, Family, Progress, cells_of
from .claims import METRIC_POSITIVE, Claims
from .equilibrium import check_equilibrium
from .exact import Work, positive_definite
from .matrices import Matrix, block, bordered, diagonal, scaled, square, symmetric, transposed
from .metric import dense, loose, times
from .reader import Reader, Unusable
from .shared_rows import check_shared
from .steps import check_steps
from .terms import check_terms
from .verdict import require, require_all

# Bits by which all entries of a cell's matrices together may grow in the units of the checker.
MAX_ADDED = 2**30


def check_convergence(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a certificate; a claim that fails does not hide the others.

    Returns:
        What was re-derived from the costs, at level 2; nothing at level 1.
    """
    claims = Claims(file)
    require_all(
        lambda: check_metric(claims),
        lambda: check_jacobians(file["evidence"], claims, progress),
        lambda: check_equilibrium(claims),
        lambda: check_shared(claims, file["evidence"]),
        lambda: check_steps(claims),
    )
    if level == 1:
        return ()
    try:
        from .rederive import rederive
        from .rederive_functions import rederive_shared
        from .rederive_terms import rederive_terms
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    if claims.terms is not None:
        return rederive_terms(file, claims) + rederive_shared(claims)
    return rederive(file, claims, progress) + rederive_shared(claims)


def check_jacobians(evidence: Reader, claims: Claims, progress: Progress | None) -> None:
    """Verifies the constants of J, on cells of the region or, by terms, on all of it at once."""
    if claims.terms is not None:
        if claims.has_gain or claims.natural is not None:
            raise Unusable("terms say nothing about single blocks, or about policies")
        check_terms(evidence, claims)
        return
    if not claims.has_gain or claims.region.is_everything or claims.cocoercivity is not None:
        raise Unusable("cells are of a bounded region, and bound blocks but no cocoercivity")
    check_cells(evidence, claims, progress)
    check_small_gain(claims)


def check_metric(claims: Claims) -> None:
    """Verifies that P is positive definite and bounded from below as `ExactMetric` says.

    The inequalities are `P - smallest I > 0` with `smallest > 0`, and for each unit vector e_k
    `P - coordinate_k e_k e_k' > 0`. Weights only have to be positive, which `Claims` verifies.
    """
    metric, work = claims.metric, Work()
    if not metric.is_matrix:
        return
    numbers = [*metric.entries(), *metric.coordinate, metric.smallest]
    bits = max(x.denominator.bit_length() - 1 for x in numbers)
    indices, whole = range(len(metric.rows)), dense(metric.whole(bits))
    bounds = [({*indices}, metric.smallest), *(({k}, x) for k, x in enumerate(metric.coordinate))]
    for where, bound in bounds:
        matrix = [[*row] for row in whole]
        for k in where:
            matrix[k][k] -= int(bound * 2**bits)
        work.spend_test(matrix)
        require(positive_definite(matrix), METRIC_POSITIVE)


def check_cells(evidence: Reader, claims: Claims, progress: Progress | None = None) -> None:
    """Verifies that the cells cover the region, and by `check_cell` the constants on each."""
    unit = evidence["unit"].integer_within(-1200, 0)
    numbers = [*claims.metric.entries(), claims.margin, claims.lipschitz, *claims.curvature]
    numbers += [*claims.smoothness, *(x for row in claims.coupling for x in row)]
    # Every number is an integer multiple of 2^-bits.
    bits = max(-unit, *(x.denominator.bit_length() - 1 for x in numbers))
    work, size, region = Work(), len(claims.center), claims.region
    if size > MAX_DIMENSION:
        raise Unusable(f"cells are for at most {MAX_DIMENSION} coordinates")
    entries = (x for row in claims.metric.whole(bits) for x in row.values())
    added = bits + unit + max(map(int.bit_length, entries))
    cells = cells_of(evidence["cells"], region.lower, region.upper, region.misses, progress)
    for node, _, _ in cells:
        if (len(node["generators"].items()) + 2) * size**2 * added > MAX_ADDED:
            raise Unusable("checking it would take too much memory: too large a cell")
        family = Family(node, size, size, bits + unit)
        if "along" in node:
            family.along(0 if claims.kinks is None else claims.kinks.selectors)
        if claims.zero_sum:
            mirror(family, *claims.coordinates)
        check_cell(family, claims, bits, work)


def mirror(family: Family, first: slice, second: slice) -> None:
    """Makes use of the symmetry of a zero-sum game: entries of its remainder mirror each other.

    In a zero-sum game `F = (grad_1 f, -grad_2 f)`, so `f` is twice continuously differentiable and
    `J_21 = -J_12'` at every point. `C` and the `G_k` are required to have the same property; then
    so has `E`: entries that mirror each other are one number up to the sign, `E_ba = -E_ab`. `R`,
    required to be symmetric there, is given the same signs. Then `|form(E)| <= |form(R)|` entrywise
    for every form below, with weights w or the diagonal of P in their place: in `W E + E' W` such a
    pair becomes the one entry `(w_1 - w_2) E_ab`, of size at most `|w_1 - w_2| R_ab` and not
    `(w_1 + w_2) R_ab`; in all others its two entries stay apart, so that signs make no difference.
    """
    for row in family.remainder[second]:
        row[first] = [-x for x in row[first]]
    for m in (family.centre, *family.generators, family.remainder):
        below = scaled(-1, transposed(block(m, first, second)))
        require(block(m, second, first) == below, f"{family.node.where} is of a zero-sum game")


def check_cell(family: Family, claims: Claims, bits: int, work: Work) -> None:
    """Verifies the inequalities below on one cell, for every J of its family.

        P J + J' P - 2 margin P > 0              <=>  J is strongly monotone in P with that margin,
        [[L P, (P J)'], [P J, L P]] > 0          <=>  |J|_P < L   (Schur complement),
        J_ii + J_ii' - 2 curvature_i I > 0,  2 smoothness_i I - J_ii - J_ii' > 0,
        [[coupling_ij I, J_ij'], [J_ij, coupling_ij I]] > 0   <=>   |J_ij| < coupling_ij.

    The Schur complement of the second is `L P - (P J)' (L P)^-1 P J = (L^2 P - J' P J) / L`.

    The third line is about symmetric parts, and needs no symmetry. All pass to the averages of
    J along segments, because P and the bounds are the same in all cells: `<F(x) - F(y), x -
    y>_P >= margin |x - y|_P^2` and `|F(x) - F(y)|_P <= L |x - y|_P` on D.
    """

    def whole(number: Fraction) -> int:
        return int(number * 2**bits)

    metric, n = claims.metric.whole(bits), len(claims.center)

    def weighted(m: Matrix) -> Matrix:
        if claims.metric.is_matrix:
            work.spend(m)
        return times(metric, m)

    family.require_positive(
        lambda m: symmetric(weighted(m)),
        dense(metric, -2 * whole(claims.margin)),
        "the margin holds",
        work,
        family.scaling("margin_scaling", n),
        family.modes("margin_modes", n, 2 * bits),
        loose(metric, symmetric, family.remainder),
    )
    size = dense(metric, whole(claims.lipschitz))
    family.require_positive(
        lambda m: bordered(weighted(m)),
        diagonal(size, size),
        "the Lipschitz constant holds",
        work,
        family.scaling("lipschitz_scaling", 2 * n),
        remainder=loose(metric, bordered, family.remainder),
    )
    for i, own in enumerate(claims.coordinates):
        low, high = whole(claims.curvature[i]), whole(claims.smoothness[i])
        for sign, bound, name in ((1, low, "curvature"), (-1, high, "smoothness")):
            family.require_positive(
                lambda m, own=own, sign=sign: scaled(sign, symmetric(block(m, own, own))),
                square(claims.sizes[i], -2 * sign * bound),
                f"the {name} of player {i} holds",
                work,
            )
        for j, other in enumerate(claims.coordinates):
            if i != j:
                family.require_positive(
                    lambda m, own=own, other=other: bordered(block(m, own, other)),
                    square(claims.sizes[i] + claims.sizes[j], whole(claims.coupling[i][j])),
                    f"the coupling of players {i} and {j} holds",
                    work,
                )


def check_small_gain(claims: Claims) -> None:
    """Verifies that the two stated positive vectors prove the small-gain margin.

    With `K = diag(curvature) - coupling`, `K v >= a v` and `u' K >= a u'` make
    `W K + K' W - 2 a W` positive semidefinite for `W = diag(u / v)`: it has non-positive
    off-diagonal entries and maps v to a non-negative vector.
    """
    for i in claims.players:
        own = claims.curvature[i] - claims.gain
        row = sum(claims.coupling[i][j] * claims.right[j] for j in claims.players)
        column = sum(claims.left[j] * claims.coupling[j][i] for j in claims.players)
        require(own * claims.right[i] >= row, f"the small-gain margin holds in row {i}")
        require(own * claims.left[i] >= column, f"the small-gain margin holds in column {i}")
