r"""The argument for all stationary feedback equilibria of two players and a scalar state.

See `feedback` for the game and `stationary` for what an equilibrium is. Here a, b_i != 0, q_i, r_i
> 0 (of the own control) and s_i (of the other one's) are numbers. With `y_i = b_i K_i`, the closed
loop `c = a - y_1 - y_2`, and `sigma_i = b_i^2 q_i / r_i`, `rho_i = s_i b_i^2 / (r_i b_j^2)`, the
equations are

    continuous:  P_i = r_i y_i / b_i^2,     sigma_i + y_i^2 + rho_i y_j^2 + 2 c y_i = 0,
    discrete:    P_i = (q_i + r_i K_i^2 + s_i K_j^2) / (1 - c^2),
                 c (sigma_i + y_i^2 + rho_i y_j^2) - (1 - c^2) y_i = 0.

*Theorem.* Stationary linear strategies `u_i = -K_i x` with a stable closed loop (c < 0, or |c| < 1)
are a Nash equilibrium, in the sense of `stationary`, if and only if (y_1, y_2) is a common zero of
these two polynomials and, in discrete time, `r_i + b_i^2 P_i > 0` for both i.

*Proof.* The theorem there, and this for the converse: with the other's strategy fixed, player i has
a problem of one control. If c is stable, let P be what the strategy K_i costs, which solves the
second equation of `stationary`. By the identity there, now with the term that is linear in v,
changing u_i by v costs `sum_t (d_i x v + (r_i + b_i^2 P) v^2 / 2)` more, with `d_i = b_i P c - r_i
K_i` (in continuous time `d_i = b_i P - r_i K_i`, and r_i in place of the sum). If `d_i` were not
zero, a short v of the right sign at the start, small enough, would be better; so both equations
hold. If then `r_i + b_i^2 P < 0`, any v at one time would be better. Games in which it is 0 are
refused. ∎

*All of them.* `polynomial_pairs` encloses all common zeros with a stable closed loop, each in a box
of its own; zeros that are multiple make that fail, and so do zeros for which a condition cannot be
decided.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from .exact import Work
from .lq_data import LQData
from .polynomial_pairs import Bivariate, CommonZero, Interval, common_zeros, value
from .reader import Reader, Unusable
from .verdict import Rejected, require

# The largest size of numbers for which the roots are isolated, and the inverse of the least one.
LARGEST = 2**40
ENUMERATED = "the equilibria can be told apart, and from what is none"


class ScalarGame(NamedTuple):
    """The numbers of a game of two players with a scalar state.

    Attributes:
        discrete: Whether time is discrete.
        a: The rate of the state.
        b: The effects of controls.
        q: The costs of the state.
        r: The costs of the own control.
        s: The costs of the other player's control.
    """

    discrete: bool
    a: Fraction
    b: tuple[Fraction, Fraction]
    q: tuple[Fraction, Fraction]
    r: tuple[Fraction, Fraction]
    s: tuple[Fraction, Fraction]

    @classmethod
    def of(cls, data: LQData) -> "ScalarGame":
        """Reads the numbers of a game.

        Raises:
            Unusable: If it has another size, or a control without effect or cost.
        """
        if data.states != 1 or data.sizes != [1, 1]:
            raise Unusable("all equilibria are known of two players with a scalar state alone")
        b, r = (
            [own[0][0] for own in data.inputs],
            [data.control_costs[i][i][0][0] for i in (0, 1)],
        )
        if not all(b) or min(r) <= 0:
            raise Unusable("controls must have an effect, and a positive cost for their player")
        q = [own[0][0] for own in data.state_costs]
        s = [data.control_costs[i][1 - i][0][0] for i in (0, 1)]
        a = data.dynamics[0][0]
        if any(x and not Fraction(1, LARGEST) <= abs(x) <= LARGEST for x in (a, *b, *q, *r, *s)):
            raise Unusable("the numbers of a scalar game are zero, or from 2^-40 to 2^40 in size")
        discrete = data.time == "discrete"
        return cls(discrete, a, (b[0], b[1]), (q[0], q[1]), (r[0], r[1]), (s[0], s[1]))

    def polynomials(self) -> list[Bivariate]:
        """Returns the two polynomials in y_1 and y_2."""
        found = []
        for i in (0, 1):
            scale = self.b[i] ** 2 / self.r[i]
            own, other = ((1, 0), (0, 1)) if i == 0 else ((0, 1), (1, 0))
            inner: Bivariate = {
                (0, 0): scale * self.q[i],
                (2 * own[0], 2 * own[1]): Fraction(1),
                (2 * other[0], 2 * other[1]): scale * self.s[i] / self.b[1 - i] ** 2,
            }
            loop: Bivariate = {(0, 0): self.a, (1, 0): Fraction(-1), (0, 1): Fraction(-1)}
            gain: Bivariate = {own: Fraction(1)}
            if self.discrete:
                square = _times(loop, loop)
                rest = _plus({(0, 0): Fraction(1)}, square, -1)
                found.append(_plus(_times(loop, inner), _times(rest, gain), -1))
            else:
                found.append(_plus(inner, _times(loop, gain), 2))
        return found

    def loop(self, x: Interval, y: Interval) -> Interval:
        """Encloses the closed loop c over a box of y_1 and y_2."""
        return self.a - x[1] - y[1], self.a - x[0] - y[0]

    def unstable(self) -> Callable[[Interval, Interval], bool]:
        """Returns a function that says whether all of a box has an unstable closed loop."""

        def outside(x: Interval, y: Interval) -> bool:
            low, high = self.loop(x, y)
            return (low >= 1 or high <= -1) if self.discrete else low >= 0

        return outside

    def curvatures(self, zero: CommonZero) -> list[Interval]:
        """Encloses `(r_i + b_i^2 P_i) (1 - c^2) / r_i` of both players, in discrete time."""
        found = []
        for i in (0, 1):
            scale = self.b[i] ** 2 / self.r[i]
            weights = [Fraction(1), scale * self.s[i] / self.b[1 - i] ** 2]
            own, other = ((2, 0), (0, 2)) if i == 0 else ((0, 2), (2, 0))
            loop: Bivariate = {(0, 0): self.a, (1, 0): Fraction(-1), (0, 1): Fraction(-1)}
            inner = {(0, 0): 1 + scale * self.q[i], own: weights[0], other: weights[1]}
            found.append(value(_plus(inner, _times(loop, loop), -1), zero.x, zero.y))
        return found


class Equilibrium(NamedTuple):
    """Bounds on one equilibrium.

    Attributes:
        gains: Bounds on K_1 and K_2.
        closed_loop: Bounds on c.
    """

    gains: tuple[Interval, Interval]
    closed_loop: Interval


def equilibria(game: ScalarGame, work: Work) -> list[Equilibrium]:
    """Encloses all equilibria, sorted by the bounds on the first gain and then on the second.

    Raises:
        Rejected: If they cannot be told apart, or from what is none.
    """
    first, second = game.polynomials()
    zeros = common_zeros(first, second, game.unstable(), work)
    if zeros is None:
        raise Rejected(ENUMERATED)
    found = []
    for zero in zeros:
        low, high = game.loop(zero.x, zero.y)
        if game.unstable()(zero.x, zero.y):
            continue
        require((low > -1 and high < 1) if game.discrete else high < 0, ENUMERATED)
        if game.discrete:
            bounds = game.curvatures(zero)
            require(all(least > 0 or most < 0 for least, most in bounds), ENUMERATED)
            if any(most < 0 for _, most in bounds):
                continue
        gains = (_divided(zero.x, game.b[0]), _divided(zero.y, game.b[1]))
        found.append(Equilibrium(gains, (low, high)))
    return sorted(found)


def check_all(data: LQData, file: Reader) -> None:
    """Verifies that the stated equilibria are all there are; see above.

    Raises:
        Rejected: If a claim does not follow.
        Unusable: If the file cannot be read.
    """
    _, stated, radius = file["claims"].fields("scope", "equilibria", "radius")
    if file["evidence"].value != {}:
        file["evidence"].fail("no evidence, {}")
    found = equilibria(ScalarGame.of(data), Work())
    claims = stated.items()
    require(len(claims) == len(found), "there are as many equilibria as stated, and no others")
    r = radius.number()
    for claim, known in zip(claims, found, strict=True):
        gains, loop = claim.fields("gains", "closed_loop")
        numbers = [*gains.numbers(2), loop.number()]
        for centre, (low, high) in zip(numbers, (*known.gains, known.closed_loop), strict=True):
            require(
                centre - r <= low and high <= centre + r,
                "the equilibria are within the stated radius of the stated ones, in order",
            )


def _divided(x: Interval, b: Fraction) -> Interval:
    ends = x[0] / b, x[1] / b
    return min(ends), max(ends)


def _plus(p: Bivariate, q: Bivariate, factor: int) -> Bivariate:
    return {k: p.get(k, Fraction(0)) + factor * q.get(k, Fraction(0)) for k in {*p, *q}}


def _times(p: Bivariate, q: Bivariate) -> Bivariate:
    found: Bivariate = {}
    for (i, j), c in p.items():
        for (k, l), d in q.items():
            found[i + k, j + l] = found.get((i + k, j + l), Fraction(0)) + c * d
    return found
