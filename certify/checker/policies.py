r"""The argument of a policies file: a regularised game on simplices, over all of its policies.

The setting: players have finitely many actions, `x_i` is a positive probability vector, and the
costs `f_i`, affine in every player's policy, are in the file (see `payoffs`). Player i pays
`f_i(x) + tau KL(x_i || r_i)`. With `G_i = grad_i f_i`, which does not depend on `x_i`, up to a
constant vector for each player

    F_i(x) = G_i(x) + tau (log x_i - log r_i)

is the gradient of that. `A(x)` is the Jacobian of G, tangents d have a sum of zero in each player's
block, `<u, v>_W = sum_i w_i <u_i, v_i>` with positive weights, `|d|^2 = sum_i w_i |d_i|_1^2` with
the norm `|d_i|_1 = sum_a |d_i[a]|`, and divergences are

    V(x; y) = sum_i w_i KL(x_i || y_i),      J(x, y) = V(x; y) + V(y; x) = <log x - log y, x - y>_W.

*Norms.* For a probability vector p > 0 and a vector d, by Cauchy and Schwarz,
`|d|_1^2 = (sum_a sqrt(p_a) |d_a| / sqrt(p_a))^2 <= sum_a d_a^2 / p_a`; and if d has the sum zero,
its positive and its negative part both have the sum `|d|_1 / 2`, hence `|d|_2^2 <= |d|_1^2 / 2`. So

    2 |d|_2^2 <= |d|_1^2 <= d' diag(1 / p) d.                                                (1)

With `log x - log y = int_0^1 diag(1 / p_t) (x - y) dt`, `p_t = y + t (x - y)`, it follows that
`J(x, y) >= |x - y|^2`. And `V(x; y) >= |x - y|^2 / 2` is Pinsker's inequality.

*What is verified.* For every policy x, positive or not, and all tangents d and e,

    (H)   <d, A(x) d>_W >= -(tau - margin) |d|^2,
    (L)   |<e, A(x) d>_W| <= lipschitz |e| |d|.

Every block of A(x) is affine in each player's policy. So an inequality that is convex in A, such as
a lower bound on an eigenvalue or an upper bound on a norm of blocks, holds everywhere if it holds
where all players on whom the blocks depend play pure actions: fix all but one of them, and so on.
(H) is proved in one of two ways.

  * "coupling": `<d, A d>_W = sum_{i<j} d_i' M_ij d_j` with `M_ij = w_i A_ij + w_j A_ji'`, since own
    blocks are zero; and `|d_i' M_ij d_j| <= m_ij |d_i|_1 |d_j|_1`, see `quadrilateral`. It remains
    that the form `sum_{i<j} m_ij u_i u_j` is at most `(tau - margin) sum_i w_i u_i^2`, which
    follows from `sum_j m_ij p_j / 2 <= (tau - margin) w_i p_i` for some positive vector p (Collatz
    and Wielandt: a bound on the Perron root, in coordinates in which the form is symmetric).
  * "form": by (1) it suffices that `2 (tau - margin) W + (W A + A' W) / 2 >= 0` on tangents. That
    matrix is proved positive definite, in the basis `e_a - e_last`.

(L) follows from `|d_i' A_ij d_j| <= l_ij |d_i|_1 |d_j|_1` and, with positive vectors p and q,
`sum_j l_ij q_j <= lipschitz p_i` and `sum_i l_ij w_i p_i <= lipschitz w_j q_j` (Schur's test for
the matrix `sqrt(w_i) l_ij / sqrt(w_j)` with the vectors `sqrt(w_i) p_i` and `sqrt(w_j) q_j`).

What follows, for all positive policies x, y, z:

  * *Relative strong monotonicity.* `<F(x) - F(y), x - y>_W >= margin J(x, y)`. For d = x - y,
    `<G(x) - G(y), d>_W = int_0^1 <d, A(y + t d) d>_W dt >= -(tau - margin) |d|^2`, which is at
    least `-(tau - margin) J(x, y)` as `margin <= tau`; and the logarithms add `tau J(x, y)`.
  * *One equilibrium.* Answers to x are unique and positive, proportional to `r_i exp(-G_i / tau)`,
    and continuous in x: by Brouwer's theorem there is an equilibrium, the logit quantal response
    equilibrium x*. At equilibria each `F_i` is the same for all actions. So two of them have
    `0 >= margin J`: there is one only, and `<F(x*), d>_W = 0` for all tangents d.
  * *Flow.* On `d/dt log x_i = -F_i(x) + <x_i, F_i(x)>`, the mirror flow or flow of natural
    gradients, `d/dt V(x*; x) = <F(x), x* - x>_W <= -margin J(x*, x) <= -margin V(x*; x)`.
  * *Steps.* Magnetic mirror descent takes all z_i at once to
    `z_i+ = argmin_u h (<G_i(z), u> + tau KL(u || r_i)) + KL(u || z_i)`, which is positive. For
    `0 < h < step.max`, with `b = min(margin, 2 margin - h lipschitz^2) > 0`,

        V(x*; z+) <= V(x*; z) / (1 + h b),      and 1 + h b >= 1 + gain for h = step.best.

    Proof. The derivative of the minimised function at z+ is the same for all actions; multiply it
    with `x* - z+`, add the h-fold of `<F(x*), z+ - x*>_W = 0`, and use the three points identity
    `<log z+ - log z, x* - z+>_W = V(x*; z) - V(x*; z+) - V(z+; z)`. All that is left is

        V(x*; z+) + h tau J(z+, x*) + V(z+; z) = V(x*; z) - h <G(z) - G(x*), z+ - x*>_W.

    Let `s = |z+ - z|`, `t = |z+ - x*|`. By (H), `-<G(z+) - G(x*), z+ - x*>_W` is at most
    `(tau - margin) J(z+, x*)`; by (L), `-<G(z) - G(z+), z+ - x*>_W <= lipschitz s t`. Together:

        V(x*; z+) + h margin J(z+, x*) <= V(x*; z) + h lipschitz s t - V(z+; z).

    With `J(z+, x*) = V(x*; z+) + V(z+; x*)`, with `margin >= b`, and by Pinsker three times,

        (1 + h b) V(x*; z+) <= V(x*; z) - h (2 margin - b) t^2 / 2 + h lipschitz s t - s^2 / 2,

    where the quadratic form of s and t is not positive as `h lipschitz^2 <= 2 margin - b`. For
    `margin = tau`, the case of monotone games, and `h <= margin / lipschitz^2` this is theorem 3.4
    of Sokota et al. (ICLR 2023, arXiv:2206.05825), by its own argument.
  * *Where it is.* For the stated centre c, `J(c, x*) <= radius^2`, hence
    `w_i |c_i - x*_i|_1^2 <= radius^2`. By monotonicity `margin J(c, x*) <= <F(c), c - x*>_W`. For
    each player let `v` be at most the least entry of `F_i(c)`, and `spread_i >= 0`. Entries below
    `v + spread_i` contribute at most `spread_i / 2 |c_i - x*_i|_1`; what others have above it
    contributes `(c_i - x*_i)[a] (F_i(c)[a] - v - spread_i) <= c_i[a] (F_i(c)[a] - v - spread_i)`.
    So `y = sqrt(J(c, x*))` satisfies `margin y^2 <= P y + Q` with `P^2 = sum_i w_i spread_i^2 / 4`
    and Q the sum of the latter, by Cauchy and Schwarz; and `radius > 0` is at least the positive
    root of that.

Nothing is taken as given, except that the payoffs are those of the game that is meant.
"""

from fractions import Fraction
from itertools import combinations
from math import lcm

from .cells import Progress
from .exact import Work, positive_definite
from .logarithm import logarithm
from .matrices import Matrix, plus, scaled, square, transposed
from .payoffs import Payoffs, Policies, quadrilateral
from .reader import Reader
from .verdict import require


class Couplings:
    """Bounds on couplings over all policies, in units of a quarter of the unit of the payoffs.

    Attributes:
        single: The bounds `l_ij`.
        joint: The bounds `m_ij`, in units of the integer weights too.
    """

    def __init__(self, payoffs: Payoffs, weights: list[int], work: Work) -> None:
        count = len(payoffs.sizes)
        self.single = [[0] * count for _ in range(count)]
        self.joint = [[0] * count for _ in range(count)]
        for i, j in combinations(range(count), 2):
            others = payoffs.influential(i, j) | payoffs.influential(j, i)
            for profile in payoffs.profiles(others, [(i, j)], work):
                mine, yours = payoffs.coupling(i, j, profile), payoffs.coupling(j, i, profile)
                both = weighted_sum(weights[i], mine, weights[j], yours)
                self.single[i][j] = max(self.single[i][j], quadrilateral(mine))
                self.single[j][i] = max(self.single[j][i], quadrilateral(yours))
                self.joint[i][j] = max(self.joint[i][j], quadrilateral(both))
            self.joint[j][i] = self.joint[i][j]


class RegularisedGame:
    """The game of a file, with a temperature and a reference.

    Attributes:
        payoffs: The game without its regulariser.
        temperature: The number `tau`.
        reference: The `r_i`, positive numbers of which only ratios matter.
    """

    def __init__(self, game: Reader) -> None:
        name, sizes, terms, temperature, reference = game.fields(
            "name", "sizes", "terms", "temperature", "reference"
        )
        name.text()
        self.payoffs = Payoffs(sizes, terms)
        self.temperature = temperature.number()
        self.reference = by_player(reference, self.payoffs.sizes)
        require(self.temperature > 0, "the temperature is positive")

    def field(self, i: int, x: Policies) -> tuple[list[Fraction], list[Fraction]]:
        """Returns lower and upper bounds on the entries of `F_i`, up to a common constant.

        Policies are positive integers, to be normalised.
        """
        low, high = [], []
        force = self.payoffs.gradient(i, x)
        for g, own, magnet in zip(force, x[i], self.reference[i], strict=True):
            least, most = logarithm(own / magnet)
            low.append(g + self.temperature * least)
            high.append(g + self.temperature * most)
        return low, high


def check_policies(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a policies file; see the top of this module.

    Returns:
        Sentences that say what was derived from the payoffs, which is everything.
    """
    game, work = RegularisedGame(file["game"]), Work()
    margin, weights, lipschitz, step, equilibrium = file["claims"].fields(
        "margin", "weights", "lipschitz", "step", "equilibrium"
    )
    alpha, bound = margin.number(), lipschitz.number()
    w = weights.numbers(len(game.payoffs.sizes))
    require(min(w) > 0, "the weights are positive")
    require(0 < alpha <= game.temperature, "the margin is positive, at most the temperature")
    whole = integers(w)
    couplings = Couplings(game.payoffs, whole, work)
    unit = game.payoffs.unit
    evidence = file["evidence"]
    kind, scaling, left, right, spread = evidence.fields(
        "kind", "scaling", "left", "right", "spread"
    )
    slack = (game.temperature - alpha) / unit
    if kind.text() == "coupling":
        holds = coupling_holds(couplings, slack, whole, scaling.numbers(len(w)))
    elif kind.text() == "form":
        scaling.integers(0)
        holds = form_holds(game.payoffs, slack, whole, work)
    else:
        kind.fail('"coupling" or "form"')
    require(holds, "the field is relatively strongly monotone with the margin")
    p, q = left.numbers(len(w)), right.numbers(len(w))
    require(
        lipschitz_holds(couplings, bound / unit, whole, p, q),
        "the Lipschitz constant is at most the stated one",
    )
    check_mirror_descent(step, alpha, bound)
    check_quantal_response(equilibrium, game, alpha, w, spread.numbers(len(w)))
    return (
        "the margin, the Lipschitz constant, the steps and the equilibrium, over all policies; "
        "nothing is taken as given",
    )


def coupling_holds(
    couplings: Couplings, slack: Fraction, weights: list[int], scaling: list[Fraction]
) -> bool:
    """Verifies (H) by bounds on couplings; `slack` is `tau - margin` in units of the payoffs."""
    return min(scaling) > 0 and all(
        sum(map(Fraction.__rmul__, scaling, row)) <= 8 * slack * weight * own
        for row, weight, own in zip(couplings.joint, weights, scaling, strict=True)
    )


def form_holds(payoffs: Payoffs, slack: Fraction, weights: list[int], work: Work) -> bool:
    """Verifies (H) by forms: twice the matrix on tangents, times an integer, is positive definite.

    In the basis `B = (e_a - e_last)_a` an own block of it is `4 slack w_i B'B`, `B'B = 1 + I`.
    """
    pairs = list(combinations(range(len(weights)), 2))
    starts = [sum(payoffs.sizes[:i]) - i for i in range(len(weights) + 1)]
    others = {
        player for i, j in pairs for player in payoffs.influential(i, j) | payoffs.influential(j, i)
    }
    top, bottom = (4 * slack).as_integer_ratio()
    for profile in payoffs.profiles(others, pairs, work):
        matrix = square(starts[-1])
        for i, weight in enumerate(weights):
            for a in range(starts[i], starts[i + 1]):
                matrix[a][starts[i] : starts[i + 1]] = [top * weight] * (payoffs.sizes[i] - 1)
                matrix[a][a] *= 2
        for i, j in pairs:
            mine, yours = payoffs.coupling(i, j, profile), payoffs.coupling(j, i, profile)
            both = weighted_sum(bottom * weights[i], mine, bottom * weights[j], yours)
            for a, row in enumerate(tangential(both), starts[i]):
                for b, entry in enumerate(row, starts[j]):
                    matrix[a][b] = matrix[b][a] = entry
        if not matrix:
            return False
        work.spend_test(matrix)
        if not positive_definite(matrix):
            return False
    return True


def lipschitz_holds(
    couplings: Couplings, bound: Fraction, weights: list[int], p: list[Fraction], q: list[Fraction]
) -> bool:
    """Verifies (L) by Schur's test; `bound` is in units of the payoffs."""
    scaled = list(map(Fraction.__mul__, p, map(Fraction, weights)))
    rows = couplings.single
    return (
        bound > 0
        and min(p + q) > 0
        and all(
            sum(map(Fraction.__rmul__, q, row)) <= 4 * bound * own
            for row, own in zip(rows, p, strict=True)
        )
        and all(
            sum(map(Fraction.__rmul__, scaled, column)) <= 4 * bound * weight * own
            for column, weight, own in zip(zip(*rows, strict=True), weights, q, strict=True)
        )
    )


def check_mirror_descent(file: Reader, margin: Fraction, lipschitz: Fraction) -> None:
    """Verifies the steps of magnetic mirror descent."""
    largest, best, gain = (field.number() for field in file.fields("max", "best", "gain"))
    require(0 < best < largest, "the best step is positive and below the largest")
    require(largest * lipschitz**2 <= 2 * margin, "every step below the largest contracts")
    decrease = min(margin, 2 * margin - best * lipschitz**2)
    require(0 < gain <= best * decrease, "the best step has the stated gain")


def check_quantal_response(
    file: Reader,
    game: RegularisedGame,
    margin: Fraction,
    weights: list[Fraction],
    spread: list[Fraction],
) -> None:
    """Verifies the enclosure of the equilibrium."""
    center, radius = file.fields("center", "radius")
    x = [integers(own) for own in by_player(center, game.payoffs.sizes)]
    require(min(spread) >= 0, "spreads are not negative")
    linear = sum((w * s**2 / 4 for w, s in zip(weights, spread, strict=True)), Fraction(0))
    constant = Fraction(0)
    for i, (weight, width) in enumerate(zip(weights, spread, strict=True)):
        low, high = game.field(i, x)
        ceiling = min(low) + width
        loss = sum(p * max(f - ceiling, 0) for p, f in zip(x[i], high, strict=True))
        constant += weight * loss / sum(x[i])
    size = radius.number()
    excess = margin * size**2 - constant
    require(
        size > 0 and excess >= 0 and excess**2 >= linear * size**2,
        "the equilibrium is within the radius",
    )


def by_player(file: Reader, sizes: list[int]) -> list[list[Fraction]]:
    """Reads positive numbers, one for each action of each player."""
    found = [own.numbers(size) for own, size in zip(file.items(len(sizes)), sizes, strict=True)]
    require(all(min(own) > 0 for own in found), f"{file.where} is positive")
    return found


def integers(numbers: list[Fraction]) -> list[int]:
    """Returns a positive multiple of these numbers that consists of integers."""
    scale = lcm(*(x.denominator for x in numbers))
    return [int(x * scale) for x in numbers]


def weighted_sum(a: int, mine: Matrix, b: int, yours: Matrix) -> Matrix:
    """Returns `a M + b Y'` for the matrices M, `mine`, and Y, `yours`."""
    return plus(scaled(a, mine), scaled(b, transposed(yours)))


def tangential(matrix: Matrix) -> Matrix:
    """Returns `M[a, b] - M[last, b] - M[a, last] + M[last, last]` for all a, b before the last."""
    *rows, last = matrix
    lowered = ([x - y for x, y in zip(row, last, strict=True)] for row in rows)
    return [[x - row[-1] for x in row[:-1]] for row in lowered]
