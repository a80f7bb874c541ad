"""The argument of a file of the kind "instability": an equilibrium repels a method, or the flow.

The setting: a field F on R^n, its one zero x* in a box, which `krawczyk` proves, and the step map T
of a method on its augmented state z = (x, buffers), with no projection; z* = (x*, 0) is a fixed
point of it. Or the flow `x' = -F(x)`. What the file states and is *not* re-derived here is, in one
place:

  (B) what `krawczyk` says of the zero; and on its box X the Jacobian of F has `|J - C| <= R`
      entrywise.

Level 2 derives it from the graph in the file. From C and R the checker makes interval matrices that
contain `A = DT(z*)` and the derivative S of the first state at x* (`step_matrices`). With a
symmetric matrix P, which is not definite in general, and `V(d) = d' P d`, it verifies

    A' P A - growth P > 0,  growth > 1,    of the flow  -(P J + J' P) - 2 growth P > 0,  growth > 0,

for all A (all J) of the enclosure, and `V(S u) > 0` for all S and the direction u of the file.

*Theorem.* There is an eps > 0 such that every run of the method that starts in the ball of radius
eps around z* with `V(z_0 - z*) > 0` leaves this ball; and there are such starts as near to x* as
one likes: `x_0 = x* + t u` for all small t > 0, with the method's own first state. So z* is
unstable in the sense of Lyapunov. The spectral radius of A is at least `growth^(1/2)`; of the flow,
an eigenvalue of J has a real part of at most `-growth`.
*Proof.* F is continuously differentiable near x*, so T is near z*: `T(z* + d) = z* + A d + r(d)`
with `|r(d)| / |d| -> 0`. As `A' P A - growth P` is positive definite, it is at least `2 delta I`
for some delta > 0, so that `V(A d + r(d)) >= growth V(d) + 2 delta |d|^2 - o(|d|^2) >= growth V(d)`
for `|d| <= eps`, if eps is small enough. So as long as a run stays in the ball, `V(z_k - z*) >=
growth^k V(z_0 - z*)`, which exceeds `|P| eps^2 >= V` after finitely many steps: it cannot stay. The
same holds for all smaller eps. The first state is a continuously differentiable function I of x_0
with `I(x*) = z*`, so `V(I(x* + t u) - z*) = t^2 V(S u) + o(t^2) > 0` for small t > 0. And
`V(A^k v) >= growth^k V(v)` for `v = S u`, so `|A^k|^2 |P| |v|^2 >= growth^k V(v)` for all k, whose
k-th roots say that the spectral radius of A is at least `growth^(1/2)` (Gelfand). For the flow, V
obeys `V' >= 2 growth V` in the ball, and `|exp(-t J)|^2 |P| |v|^2 >= exp(2 growth t) V(v)`.

A run that starts elsewhere, on the stable manifold, may still converge to x*; nothing is said of
what happens outside of the ball.
"""

from fractions import Fraction

from .cells import Progress
from .exact import Work, family_positive_definite
from .krawczyk import IntervalMatrix, ZeroClaims, check_zero_claims, paid_product
from .matrices import Matrix, minus, plus, scaled, symmetric, transposed
from .reader import Reader, Unusable
from .step_matrices import BITS, RoundedIntervalMatrix, StepMethod, step_jacobian
from .systems import EquationSystem
from .verdict import require


class InstabilityClaims:
    """The claims of a file about an equilibrium that repels, in exact numbers."""

    def __init__(self, file: Reader) -> None:
        game = file["game"]
        equilibrium, method, growth, direction = file["claims"].fields(
            "equilibrium", "method", "growth", "direction"
        )
        self.evidence = file["evidence"]["equilibrium"]
        self.zero = ZeroClaims(game, equilibrium, self.evidence)
        require_equations(self.zero)
        self.sizes = [player["size"].integer() for player in game["players"].items()]
        self.method = StepMethod(method, len(self.sizes))
        self.growth = growth.number()
        least = 0 if self.method.is_flow else 1
        require(self.growth > least, f"the growth is more than {least}")
        self.direction = direction.integers(sum(self.sizes))


def require_equations(claims: ZeroClaims) -> None:
    """Requires that a system is a field, its zero alone: one equation for each input."""
    system = claims.system
    if not isinstance(system, EquationSystem) or system.conditions or system.forms:
        raise Unusable("the system of this kind of file is a field, without conditions")
    if claims.region is not None:
        raise Unusable("no region in a file about an equilibrium that repels")


def check_instability(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a file about an equilibrium that repels; see the top of this module.

    Returns:
        What was re-derived from the graph, at level 2; nothing at level 1.
    """
    claims, work = InstabilityClaims(file), Work()
    check_zero_claims(claims.zero, claims.evidence, work, progress)
    _, at_zero, form = file["evidence"].fields("equilibrium", "jacobian", "form")
    n = sum(claims.sizes)
    stated = IntervalMatrix(at_zero, n, n)
    jacobian = RoundedIntervalMatrix.of(stated, claims.zero.unit)
    u = [[x] for x in claims.direction]
    if claims.method.is_flow:
        p = form.matrix(n, n)
        require(p == transposed(p), "the form is symmetric")
        require(flow_grows(jacobian, p, claims.growth, work), "the form grows along the flow")
        start = RoundedIntervalMatrix.exact(u)
    else:
        both = step_jacobian(claims.method, jacobian, claims.sizes, work)
        m = len(both.step.centre)
        p = form.matrix(m, m)
        require(p == transposed(p), "the form is symmetric")
        require(step_grows(both.step, p, claims.growth, work), "the form grows in every step")
        start = both.start.times(RoundedIntervalMatrix.exact(u), work)
    require(is_positive_at(start, p, work), "the form is positive in the direction of the start")
    if level == 1:
        return ()
    try:
        from .rederive_zero import rederive_jacobian, rederive_zero
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    rederived = rederive_zero(claims.evidence, claims.zero, progress)
    zero = claims.zero
    rederive_jacobian(zero.graph, zero.system, zero.zero, stated, zero.unit)
    return (*rederived, "that the Jacobian is in the stated interval matrix at the zero")


def step_grows(a: RoundedIntervalMatrix, p: Matrix, growth: Fraction, work: Work) -> bool:
    """Says whether `A' P A - growth P` is positive definite for all A.

    For `A = C + E`, `|E| <= R`, it differs from `C' P C - growth P` by `E' P C + C' P E + E' P E`,
    at most `R' |P C| + |P C|' R + R' |P| R` in size.
    """
    turned = paid_product(p, a.centre, work)
    middle = paid_product(transposed(a.centre), turned, work)
    back = transposed(a.radius)
    loose = plus(
        symmetric(paid_product(back, absolute(turned), work)),
        paid_product(back, paid_product(absolute(p), a.radius, work), work),
    )
    top, bottom = growth.as_integer_ratio()
    centre = minus(scaled(bottom, middle), scaled(top << 2 * BITS, p))
    return all_positive(centre, scaled(bottom, loose), work)


def flow_grows(jacobian: RoundedIntervalMatrix, p: Matrix, growth: Fraction, work: Work) -> bool:
    """Says whether `-(P J + J' P) - 2 growth P` is positive definite for all J."""
    pulled = symmetric(paid_product(p, jacobian.centre, work))
    loose = symmetric(paid_product(absolute(p), jacobian.radius, work))
    top, bottom = growth.as_integer_ratio()
    centre = minus(scaled(-bottom, pulled), scaled(2 * top << BITS, p))
    return all_positive(centre, scaled(bottom, loose), work)


def is_positive_at(column: RoundedIntervalMatrix, p: Matrix, work: Work) -> bool:
    """Says whether `d' P d > 0` for all columns d of an enclosure."""
    turned, back = paid_product(p, column.centre, work), transposed(column.radius)
    ((middle,),) = paid_product(transposed(column.centre), turned, work)
    ((mixed,),) = paid_product(back, absolute(turned), work)
    ((last,),) = paid_product(back, paid_product(absolute(p), column.radius, work), work)
    return middle - 2 * mixed - last > 0


def all_positive(centre: Matrix, remainder: Matrix, work: Work) -> bool:
    """Says whether all symmetric matrices within `remainder` of `centre` are positive definite."""
    return family_positive_definite(centre, [], remainder, [1] * len(centre), work)


def absolute(matrix: Matrix) -> Matrix:
    """Returns the matrix of absolute values."""
    return [[abs(x) for x in row] for row in matrix]
