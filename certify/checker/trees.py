r"""The argument of a tree file: a regularised game of two players in sequence form, over all play.

The setting is that of `tree_game`: player i plays a positive vector `q_i` of its treeplex, of which
`x_ja = q_ja / q_p(j)` is the *behaviour*, and pays `f_i(q) + tau R_i(q_i)` with

    R_i(q) = sum_ja q_ja (log x_ja - log r_ja) = sum_j q_p(j) sum_a x_ja log(x_ja / r_ja)

for positive numbers r; if these are ones, `-R_i` is the entropy of the play of i. Everything here
is the argument of `policies` with another norm and another divergence, proved from the beginning.

*Geometry.* A tangent d is a difference of two strategies, times a number. Let `|d|` be the norm
whose unit ball B is the convex hull of all `(pi - pi') / 2` for pure strategies pi and pi'. So

    <d, g> <= |d| range(g) / 2,     range(g) = max_pi <pi, g> - min_pi <pi, g>.               (1)

With the logarithms of behaviour `l(q)_ja = log x_ja`, `l(q)_0 = 0`, divergences are

    D(q; q') = <q, l(q) - l(q')> = sum_j q_p(j) KL(x_j || x'_j) >= 0.

  * `D(q; q') >= |q - q'|^2 / 2`. Let `P(pi) = prod x_ja` over the sequences ja of pi: the
    probability that a player who draws each action from x as it comes along plays pi. It comes to
    j with probability `q_p(j)`, so the mean of pi is q. And `log P(pi) - log P'(pi)` is
    `<pi, l(q) - l(q')>`, with the mean D: hence `D(q; q') = KL(P || P') >= |P - P'|_1^2 / 2`, which
    is Pinsker's inequality. As `P - P'` has the sum zero, it is `|P - P'|_1` times a mean of
    vectors `(e_pi - e_pi') / 2`; so `q - q'`, its image, is as many times an element of B.
  * D is the Bregman divergence of `psi(q) = <q, l(q)>`. Its gradient is l plus the vector with
    entry `1 - n_s` at sequence s, `-n_0` at the empty one, `n_s` being the number of information
    sets j with `p(j) = s`; and on tangents that vector is `sum_ja d_ja - sum_j d_p(j) = 0`. So
    psi is strictly convex, and `<l(q') - l(q''), q - q'> = D(q; q'') - D(q; q') - D(q'; q'')`.
  * For any g, `<q, g> + tau R(q)` has exactly one minimiser, which is positive and continuous in g:
    from the leaves up, with `c_ja = g_ja + sum of v_j' over j' with p(j') = ja`, the behaviour is
    proportional to `r_ja exp(-c_ja / tau)`, and `v_j = -tau log sum_a r_ja exp(-c_ja / tau)` is the
    least that j and what is below it cost (Gibbs). There `g + tau (l - log r)` is orthogonal to all
    tangents; if it is so at a positive strategy, that is the minimiser.

With positive weights `w_i` let `<u, v>_W = sum_i w_i <u_i, v_i>`, `|d|^2 = sum_i w_i |d_i|^2`,
`V(q; q') = sum_i w_i D(q_i; q'_i)` and `J(q, q') = V(q; q') + V(q'; q)`, which is
`<l(q) - l(q'), q - q'>_W`; so `V >= |q - q'|^2 / 2` and `J >= |q - q'|^2`. The field is
`F_i = G_i + tau (l(q_i) - log r_i)`, where `G_1 = -U_1 q_2` and `G_2 = -U_2' q_1` are the gradients
of f, a linear map A of the tangents.

*What is verified*, for all tangents d and e:

    (H)   <d, A d>_W >= -(tau - margin) |d|^2,
    (L)   |<e, A d>_W| <= lipschitz |e| |d|.

Two balls B have as extreme points vectors `(pi - pi') / 2` alone, so for every matrix M

    |<d, M e>| <= |d| |e| max (pi - pi')' M (sigma - sigma') / 4,

which `tree_couplings` bounds. With bounds `l_1`, `l_2` of that kind for `U_1`, `U_2` and m for
`w_1 U_1 + w_2 U_2`: `<d, A d>_W = -d_1' (w_1 U_1 + w_2 U_2) d_2` is at most `m |d_1| |d_2|` in
size, so that `m^2 <= 4 (tau - margin)^2 w_1 w_2` implies (H). In zero-sum games m = 0, and the
margin may be tau. And `w_1 l_1 |e_1| |d_2| + w_2 l_2 |e_2| |d_1|` is at most `lipschitz |e| |d|` if
`lipschitz^2 w_2 >= l_1^2 w_1` and `lipschitz^2 w_1 >= l_2^2 w_2`, which implies (L).

*What follows*, for all positive strategies:

  * *Relative strong monotonicity.* `<F(x) - F(y), x - y>_W = <A d, d>_W + tau J >= margin J(x, y)`
    for d = x - y, as `|d|^2 <= J(x, y)`.
  * *One equilibrium.* Answers exist, are unique, positive and continuous, as seen above: by
    Brouwer's theorem there is an equilibrium q*, and `<F(q*), d>_W = 0` for all tangents d. Two of
    them have `0 >= margin J`. If r is one, it is the logit quantal response equilibrium of the
    game in reduced normal form, as `-R_i` is the entropy of P.
  * *Flow.* If `d/dt l(q_i) = -F_i(q)` up to vectors orthogonal to tangents, then, as
    `<q, d/dt l(q)> = sum_j q_p(j) d/dt sum_a x_ja = 0`, V(q*; q) changes by
    `<F(q), q* - q>_W <= -margin J(q*, q)` and decays at the rate `margin`.
  * *Steps.* Magnetic mirror descent takes all z_i at once to
    `z_i+ = argmin_u h (<G_i(z), u> + tau R_i(u)) + D(u; z_i)`, which is positive. For
    `0 < h < step.max`, with `b = min(margin, 2 margin - h lipschitz^2) > 0`,

        V(q*; z+) <= V(q*; z) / (1 + h b),      and 1 + h b >= 1 + gain for h = step.best.

    Proof. At z+ the derivative of what is minimised is orthogonal to tangents; multiply it with
    `q* - z+`, add `h <F(q*), z+ - q*>_W = 0`, and use the identity of three points above:

        V(q*; z+) + h tau J(z+, q*) + V(z+; z) = V(q*; z) - h <G(z) - G(q*), z+ - q*>_W.

    Let `s = |z+ - z|`, `t = |z+ - q*|`. By (H), `-<G(z+) - G(q*), z+ - q*>_W` is at most
    `(tau - margin) t^2 <= (tau - margin) J(z+, q*)`; by (L), `-<G(z) - G(z+), z+ - q*>_W` is at
    most `lipschitz s t`. With `J = V(q*; z+) + V(z+; q*)`, `margin >= b`, `V(z+; q*) >= t^2 / 2`,
    `V(z+; z) >= s^2 / 2` and `V(q*; z+) >= t^2 / 2`,

        (1 + h b) V(q*; z+) <= V(q*; z) - h (2 margin - b) t^2 / 2 + h lipschitz s t - s^2 / 2,

    where the quadratic form of s and t is not positive as `h lipschitz^2 <= 2 margin - b`.
  * *Where it is.* The centre c holds integers, a strategy times `c_0`. By monotonicity and (1),
    `margin J(c, q*) <= <F(c), c - q*>_W <= sum_i w_i rho_i |c_i - q*_i|` with `rho_i`, half the
    range of `F_i(c)`; and `sum_i w_i |c_i - q*_i|^2 <= J(c, q*)`. By Cauchy and Schwarz
    `margin sqrt(J(c, q*)) <= sqrt(sum_i w_i rho_i^2)`, which is at most `margin radius`: so
    `J(c, q*) <= radius^2` and `w_i |c_i - q*_i|^2 <= radius^2`. Entries of vectors of B are at most
    1/2 in size: no entry of `c_i - q*_i` is larger than half of its norm.
  * *Exploitability*, in the game without regulariser: `E(q) = sum_i max_p <q_i - p, G_i(q)>`, the
    sum of what each player could gain. At c it is exact. At q* its first part is at most

        max_p <c_1 - p, G_1(c)> + <q*_1 - c_1, G_1(c)> + max_p <q*_1 - p, G_1(q*) - G_1(c)>,

    where the second term is at most `|c_1 - q*_1| range(G_1(c)) / 2` by (1), and the third one at
    most `2 l_1 |c_2 - q*_2|`, as `q*_1 - p`, a mean of differences `pi - pi'`, has a norm of at
    most 2. Also `<q*_i - p, G_i(q*)> <= tau (R_i(p) - R_i(q*_i))`, as q*_i is the answer: R_i is
    convex, so it is at most `max_pi <pi, -log r>`, and it is at least `-log Z` for
    `Z = sum_pi prod r_ja`, which is `-v` above for g = 0 and tau = 1. For r = 1 that is tau times
    the logarithm of the number of pure strategies. The stated bounds are `center`, at c; `general`,
    the latter; and `equilibrium`, at q*, the smaller of the two.
  * *Value.* If `w_1 U_1 + w_2 U_2` is zero, the game is one of zero sum in these units, and its
    value for the first player is between what `strategies[0]` gets against the best answer, and
    what the best answer to `strategies[1]` gets.

Nothing is taken as given, except that the payoffs are those of the game that is meant.
"""

from fractions import Fraction
from typing import NamedTuple

from .cells import Progress
from .exact import Work, dyadic_above, root_above
from .logarithm import logarithm
from .policies import check_mirror_descent, integers
from .reader import Reader
from .tree_couplings import KINDS, coupling_bound
from .tree_game import SequenceGame, Treeplex
from .verdict import require

# The work of a logarithm.
_LOGARITHM = 2000


class RegularisedTreeGame:
    """The game of a file, with a temperature and a reference.

    Attributes:
        game: The game without its regulariser.
        temperature: The number `tau`.
        reference: The numbers r of both players, for all sequences; that of the empty one is 1.
    """

    def __init__(self, file: Reader) -> None:
        name, treeplexes, leaves, payoffs, tree, temperature, reference = file.fields(
            *("name", "treeplexes", "leaves", "payoffs", "tree", "temperature", "reference")
        )
        name.text()
        self.game = SequenceGame(treeplexes, leaves, payoffs, tree)
        self.temperature = temperature.number()
        self.reference: list[list[Fraction]] = []
        for own, treeplex in zip(reference.items(2), self.game.treeplexes, strict=True):
            actions = treeplex.sequences - 1
            given = own.numbers(actions) if own.value != [] else [Fraction(1)] * actions
            require(min(given, default=1) > 0, f"{own.where} is positive")
            self.reference.append([Fraction(1), *given])
        require(self.temperature > 0, "the temperature is positive")

    def half_range(self, i: int, own: list[int], force: list[Fraction], work: Work) -> Fraction:
        """Bounds half the range of `F_i` where a player plays `own`, against the gradient G_i."""
        treeplex = self.game.treeplexes[i]
        work.pay(_LOGARITHM * treeplex.sequences)
        low, high = [force[0]], [force[0]]
        for s in range(1, treeplex.sequences):
            mass = own[treeplex.parents[treeplex.owners[s]]]
            least, most = logarithm(Fraction(own[s], mass) / self.reference[i][s])
            low.append(force[s] + self.temperature * least)
            high.append(force[s] + self.temperature * most)
        return (treeplex.most(high) - treeplex.least(low)) / 2


def check_tree(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a tree file; see the top of this module.

    Returns:
        Sentences that say what was derived from the payoffs, which is everything.
    """
    regularised, work = RegularisedTreeGame(file["game"]), Work()
    game, temperature = regularised.game, regularised.temperature
    claims, evidence = file["claims"], file["evidence"]
    optional = ["value"] if "value" in claims else []
    margin, weights, lipschitz, step, equilibrium, exploitability, *_ = claims.fields(
        "margin", "weights", "lipschitz", "step", "equilibrium", "exploitability", *optional
    )
    couplings, *_ = evidence.fields("couplings", *(["strategies"] if optional else []))
    alpha, bound, w = margin.number(), lipschitz.number(), weights.numbers(2)
    require(min(w) > 0, "the weights are positive")
    require(0 < alpha <= temperature, "the margin is positive, at most the temperature")
    single = [
        game.unit * coupling_bound(game, game.payoffs[i], kind_of(kind), work) / 4
        for i, kind in enumerate(couplings.items(3)[:2])
    ]
    whole = integers(w)
    scale = w[0] / whole[0]
    both = game.weighted(whole)
    joint = scale * game.unit * coupling_bound(game, both, kind_of(couplings.items(3)[2]), work) / 4
    require(
        joint**2 <= 4 * (temperature - alpha) ** 2 * w[0] * w[1],
        "the field is relatively strongly monotone with the margin",
    )
    require(
        bound > 0
        and bound**2 * w[1] >= single[0] ** 2 * w[0]
        and bound**2 * w[0] >= single[1] ** 2 * w[1],
        "the Lipschitz constant is at most the stated one",
    )
    check_mirror_descent(step, alpha, bound)
    check_place(equilibrium, exploitability, regularised, alpha, w, single, work)
    if optional:
        require(game.is_zero(both), "the game is zero-sum in its weights")
        check_value(claims["value"], evidence["strategies"], game, work)
    return (
        "the margin, the Lipschitz constant, the steps, the equilibrium and what can be gained "
        "there, over all strategies; nothing is taken as given",
    )


def kind_of(file: Reader) -> str:
    """Reads which bound on a coupling is meant."""
    if file.text() not in KINDS:
        file.fail(" or ".join(f'"{known}"' for known in KINDS))
    return file.text()


class Play(NamedTuple):
    """What is known exactly of a joint strategy, or bounded.

    Attributes:
        residual: A bound on `sum_i w_i rho_i^2`, where rho_i is half the range of F_i.
        gains: What each player could gain, in the game without regulariser.
        forces: Half the ranges of the gradients G_i.
    """

    residual: Fraction
    gains: list[Fraction]
    forces: list[Fraction]


def play(
    regularised: RegularisedTreeGame, c: list[list[int]], weights: list[Fraction], work: Work
) -> Play:
    """Returns what is known of positive strategies in integers."""
    game, residual = regularised.game, Fraction(0)
    gains, forces = [], []
    for i, weight in enumerate(weights):
        treeplex, share = game.treeplexes[i], game.unit / c[1 - i][0]
        whole = game.gradient(i, c[1 - i], work)
        rho = regularised.half_range(i, c[i], [share * g for g in whole], work)
        residual += weight * rho**2
        least, most = treeplex.least(whole), treeplex.most(whole)
        mine = Fraction(sum(map(int.__mul__, c[i], whole)), c[i][0])
        gains.append(share * (mine - least))
        forces.append(share * (most - least) / 2)
    return Play(residual, gains, forces)


def gains_nearby(
    found: Play, radius: Fraction, weights: list[Fraction], couplings: list[Fraction]
) -> Fraction:
    """Bounds the sum of what players could gain at the equilibrium, within the radius."""
    norms = [radius * root_above(1 / weight) for weight in weights]
    moved = (norms[i] * found.forces[i] + 2 * couplings[i] * norms[1 - i] for i in range(2))
    return sum(found.gains, Fraction(0)) + sum(moved, Fraction(0))


def entropy_bound(regularised: RegularisedTreeGame, work: Work) -> Fraction:
    """Bounds what players could gain at the equilibrium by what the regulariser can weigh."""
    pairs = zip(regularised.game.treeplexes, regularised.reference, strict=True)
    ranges = (entropy_range(treeplex, reference, work) for treeplex, reference in pairs)
    return regularised.temperature * sum(ranges, Fraction(0))


def check_place(
    equilibrium: Reader,
    exploitability: Reader,
    regularised: RegularisedTreeGame,
    margin: Fraction,
    weights: list[Fraction],
    couplings: list[Fraction],
    work: Work,
) -> None:
    """Verifies where the equilibrium is, and what could be gained there and at the centre."""
    center, radius = equilibrium.fields("center", "radius")
    size = radius.number()
    found = play(regularised, read_strategies(center, regularised.game), weights, work)
    require(
        size > 0 and found.residual <= (margin * size) ** 2,
        "the equilibrium is within the radius",
    )
    at_center, at_equilibrium, general = (
        bound.number() for bound in exploitability.fields("center", "equilibrium", "general")
    )
    bound = entropy_bound(regularised, work)
    require(at_center >= sum(found.gains), "no more can be gained at the centre than it says")
    require(general >= bound, "what can be gained is at most what the regulariser can weigh")
    require(
        at_equilibrium >= min(gains_nearby(found, size, weights, couplings), bound),
        "no more can be gained at the equilibrium than it says",
    )


def entropy_range(treeplex: Treeplex, reference: list[Fraction], work: Work) -> Fraction:
    """Bounds the range of R: `max_pi <pi, -log r> + log sum_pi prod r`."""
    if all(r == 1 for r in reference):
        return logarithm(Fraction(treeplex.pure()))[1]
    work.pay(_LOGARITHM * treeplex.sequences)
    loss = treeplex.most([-logarithm(r)[0] for r in reference])
    total = list(reference)
    for j in reversed(range(len(treeplex.parents))):
        actions = total[treeplex.starts[j] : treeplex.starts[j + 1]]
        parent = treeplex.parents[j]
        total[parent] = dyadic_above(total[parent] * sum(map(dyadic_above, actions)))
    return loss + logarithm(total[0])[1]


def value_bounds(
    game: SequenceGame, strategies: list[list[int]], work: Work
) -> tuple[Fraction, Fraction]:
    """Bounds the value of a zero-sum game, in payoffs of the first player, by two strategies."""
    first, second = strategies
    costs, paid = game.gradient(0, second, work), [0] * game.treeplexes[1].sequences
    for s, t, x in zip(*game.leaves, game.payoffs[0], strict=True):
        paid[t] += x * first[s]
    lower = game.unit * game.treeplexes[1].least(paid) / first[0]
    return lower, -game.unit * game.treeplexes[0].least(costs) / second[0]


def check_value(value: Reader, strategies: Reader, game: SequenceGame, work: Work) -> None:
    """Verifies bounds on the value of a zero-sum game for the first player."""
    lower, upper = (bound.number() for bound in value.fields("lower", "upper"))
    least, most = value_bounds(game, read_strategies(strategies, game, least=0), work)
    require(lower <= least and most <= upper, "the value is between its bounds")


def read_strategies(file: Reader, game: SequenceGame, least: int = 1) -> list[list[int]]:
    """Reads a strategy of each player as integers, to be divided by the first one."""
    found = []
    for own, treeplex in zip(file.items(2), game.treeplexes, strict=True):
        q = own.integers(treeplex.sequences)
        if not treeplex.flows(q, least):
            own.fail("a strategy in integers: what follows a sequence adds up to it")
        found.append(q)
    return found
