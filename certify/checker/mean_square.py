"""The argument of a mean-square file: a method on affine fields that are drawn at random.

The setting: at each step a batch of components is drawn, independently of all former steps
(`sampled_fields`), and the method steps along the mean of their fields (`affine_methods`). So the
state z, strategy and buffers, moves by `z+ = A z + b` with A and b drawn anew at each step. The
mean field has exactly one zero x*, and `z* = (x*, 0)`. With `d = z - z*` and `e = A z* + b - z*`

    d+ = A d + e,

and the checker verifies that `E e = 0`, which means that in the mean the step does not move z*. For
a symmetric matrix P let `V(d) = d'P d`, `L(P) = E A'P A`, `q = E A'P e`, `r = E e'P e`. As d does
not depend on the next draw,

    E V(d+) = E ( d'L(P) d + 2 d'q + r ).                                                       (1)

The file has the costs as a graph, the data of all components, and the numbers of the method; from
them A, b and z* are derived exactly. Nothing is taken as given, so that both levels are the same.

**Stable** (`claims.stable` is true). Let W be the identity on strategies and zero on buffers; let

    P - W > 0,      0 < rate < 1,      noise >= 0,

    [[ rate P - L(P),        -q      ],
     [      -q',         noise - r   ]]  > 0.                                                   (2)

Then for every start `z_0`, drawn independently of all steps,

    E |x_k - x*|^2 <= E V(d_k) <= rate^k E V(d_0) + noise (1 - rate^k) / (1 - rate).             (3)

*Proof.* (2) at the vector (d, 1) is `rate V(d) + noise >= d'L(P) d + 2 d'q + r`, so that
`E V(d+) <= rate E V(d) + noise` by (1); and `|x - x*|^2 = d'W d <= V(d)`. ∎ If e = 0 for every
component, which is *multiplicative* noise, then q and r are zero, noise has to be zero, and (2) is
`rate P - L(P) > 0`. Then x_k converges to x* in mean square, and almost surely, as the sum of all
`E |x_k - x*|^2` is finite.

Otherwise let S be a second symmetric matrix (`evidence.variance`) with

    S > 0,      S - L(S) - W > 0,      limit >= E e'S e.                                        (4)

Then `E |x_k - x*|^2` has a limit that is at most `limit`, for every start of finite mean square.
*Proof.* The second moments `E d d'` follow the affine map `X -> E A X A' + (terms with E d) +
E e e'`. Its linear part is the adjoint of L, whose spectral radius is less than one by (2), because
`L(P) < rate P` with P > 0; and `E d_k` tends to zero, since `d_k = E d_k` follows `E A` and
`|E A d|^2_P <= d'L(P) d <= rate |d|^2_P`. So the second moments converge. By (1) for S,
`E V_S(d_(k+1)) <= E V_S(d_k) - E |x_k - x*|^2 + 2 (E d_k)'q_S + r_S`; the mean of these over
k < K, with K to infinity, says that the limit of `E |x_k - x*|^2` is at most `r_S`. ∎ For
`S - L(S) = W` it is equal, so that the bound can be as close as one likes.

**Unstable** (`claims.stable` is false). Let `rate > 1`, `noise >= 0`,

    [[ L(P) - rate P,         q      ],
     [       q',         noise + r   ]]  >= 0.                                                  (5)

Then `E V(d_(k+1)) >= rate E V(d_k) - noise`, so from every start with
`E V(d_0) > noise / (rate - 1)` the mean square of the state grows beyond all bounds, at least like
`rate^k`, as V is at most a multiple of it. Nothing was said of the signs of P. If `claims.starts`
is "all", then P > 0 is verified: with multiplicative noise (noise = 0) all starts but z* itself
diverge, and else all outside of an ellipsoid. If it is "some", P may be indefinite, and
`evidence.start` is a vector u with `u'P u > 0`, so that some starts, z* + t u for large t, diverge.
"""

from fractions import Fraction
from math import lcm

from .affine_methods import read_steps
from .cells import Progress
from .contraction import Symmetric
from .exact import Work, positive_definite
from .krawczyk import semidefinite
from .matrices import Matrix, minus, plus, product, scaled, square, transposed
from .reader import Reader, Unusable
from .sampled_fields import SampledFields
from .verdict import require

# The most coordinates of a state.
MAX_STATES = 64


class RandomStep:
    """The step `d+ = A d + e` of a method along a batch, around the zero of the mean field.

    Attributes:
        fields: The fields and their probabilities.
        states: The number m of coordinates of the state.
        zero: The zero x* of the mean field.
        denominator: A positive integer.
        tail: A positive integer.
        maps: For each component, A times the denominator, an integer matrix.
        shifts: For each component, e times the denominator and the tail, an integer vector.
        multiplicative: Whether e is always zero: for every component, or as batches are all there
            is.
    """

    def __init__(self, file: Reader, work: Work) -> None:
        self.work = work
        self.fields = SampledFields(file, work)
        steps = read_steps(file["method"], self.fields, work)
        self.states = len(steps[0].rows)
        if self.states > MAX_STATES:
            raise Unusable(f"a state has at most {MAX_STATES} coordinates")
        self.zero = self.fields.zero(work)
        self.tail = lcm(*(x.denominator for x in self.zero))
        self.denominator = lcm(*(step.denominator for step in steps))
        factors = [self.denominator // step.denominator for step in steps]
        self.maps = [
            scaled(factor, [row[:-1] for row in step.rows])
            for factor, step in zip(factors, steps, strict=True)
        ]
        self.shifts = [
            self._shift(own, [factor * row[-1] for row in step.rows])
            for factor, step, own in zip(factors, steps, self.maps, strict=True)
        ]
        weighted = [
            [weight * e for e in shift]
            for weight, shift in zip(self.fields.weights, self.shifts, strict=True)
        ]
        require(
            not any(map(sum, zip(*weighted, strict=True))),
            "in the mean a step does not move the zero of the mean field",
        )
        self.multiplicative = not any(map(any, self.shifts)) or not self.fields.spread

    @property
    def scale(self) -> int:
        """The number by which `moment` is too large."""
        return self.fields.spread.denominator * (self.fields.total * self.denominator) ** 2

    def moment(self, form: Matrix) -> Matrix:
        """Returns `scale` times the matrix `[[L(P), q tail], [q' tail, r tail^2]]`.

        It is the quadratic form `E V(A d + e t tail)` in (d, t), of which `t = 1 / tail` is meant.
        As the mean of e is zero, the mean step has no share in q and r.

        Args:
            form: The matrix P, in integers.
        """
        n, spread = self.states, self.fields.spread
        each, side, corner, mean = square(n), [0] * n, 0, square(n)
        for weight, own, shift in zip(self.fields.weights, self.maps, self.shifts, strict=True):
            mean = plus(mean, scaled(weight, own))
            each = plus(each, scaled(weight, self._congruence(own, form)))
            if any(shift):
                self.work.spend([shift])
                pulled = _times(form, shift)
                drawn = _times(transposed(own), pulled)
                side = [x + weight * y for x, y in zip(side, drawn, strict=True)]
                corner += weight * sum(map(int.__mul__, shift, pulled))
        share = spread.numerator * self.fields.total
        alone = spread.denominator - spread.numerator
        whole = plus(scaled(alone, self._congruence(mean, form)), scaled(share, each))
        rows = [[*row, share * x] for row, x in zip(whole, side, strict=True)]
        return [*rows, [share * x for x in (*side, corner)]]

    def _congruence(self, own: Matrix, form: Matrix) -> Matrix:
        self.work.spend(own)
        self.work.spend(form)
        return product(transposed(own), product(form, own))

    def _shift(self, own: Matrix, constants: list[int]) -> list[int]:
        """Returns `(A z* + b - z*)` times the denominator and the tail."""
        fixed = [int(x * self.tail) for x in self.zero]
        fixed += [0] * (self.states - len(fixed))
        self.work.spend([fixed])
        moved = _times(own, fixed)
        return [
            x + self.tail * b - self.denominator * z
            for x, b, z in zip(moved, constants, fixed, strict=True)
        ]


def _times(matrix: Matrix, vector: list[int]) -> list[int]:
    return [sum(map(int.__mul__, row, vector)) for row in matrix]


def check_mean_square(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies a mean-square file; see the top of this module.

    Args:
        file: The contents of the file.
        level: 1 or 2, which are the same.
        progress: Not used.

    Returns:
        The parts that level 2 re-derives, which is all that there is; nothing at level 1.

    Raises:
        Rejected: If a claim does not follow.
        Unusable: If the file cannot be read, or the costs are not quadratic.
    """
    sections = ["format", "version", "kind", "game", "noise", "method", "claims", "trusted"]
    sections += ["provenance", "evidence", *(key for key in ("promoted", "digest") if key in file)]
    file.fields(*sections)
    work, claims = Work(), file["claims"]
    step = RandomStep(file, work)
    stable = claims["stable"].boolean()
    names = ["stable", "equilibrium", "rate", "noise", "metric", "limit" if stable else "starts"]
    _, equilibrium, rate, noise, metric, *rest = claims.fields(*names)
    centre, radius = equilibrium.fields("center", "radius")
    middle, reach = centre.numbers(len(step.zero)), radius.number()
    require(
        all(abs(x - c) <= reach for x, c in zip(step.zero, middle, strict=True)),
        "the zero of the mean field is within the radius of the centre",
    )
    form = Symmetric(metric, step.states)
    factor, added = rate.number(), noise.number()
    require(added >= 0, "the noise is not negative")
    if stable:
        require(0 < factor < 1, "the rate is between 0 and 1")
        require(
            _exceeds_distance(form.matrix, 1, form.unit, step),
            "the metric is more than the distance of strategies",
        )
        _require_decrease(form, factor, added, step)
        _check_limit(file["evidence"], rest[0].number(), step)
    else:
        require(factor > 1, "the rate of growth is more than 1")
        _require_increase(form, factor, added, step)
        _require_starts(form, rest[0], file["evidence"], step)
    return ("the fields of all components and the steps along them",) if level == 2 else ()


def _require_decrease(form: Symmetric, rate: Fraction, noise: Fraction, step: RandomStep) -> None:
    """Requires (2)."""
    if step.multiplicative:
        require(noise == 0, "the noise is zero, as it is multiplicative")
    decrease = _difference(form, rate, noise, step)
    step.work.spend_test(decrease)
    require(positive_definite(decrease), "the mean square decreases at the rate, up to the noise")


def _require_increase(form: Symmetric, rate: Fraction, noise: Fraction, step: RandomStep) -> None:
    """Requires (5)."""
    increase = scaled(-1, _difference(form, rate, -noise, step))
    require(
        semidefinite(increase, square(len(increase)), step.work),
        "the mean square grows at the rate, up to the noise",
    )


def _require_starts(form: Symmetric, starts: Reader, evidence: Reader, step: RandomStep) -> None:
    """Requires that V is positive at all starts, or at the one that is given."""
    if starts.text() == "all":
        evidence.fields()
        step.work.spend_test(form.matrix)
        require(positive_definite(form.matrix), "the metric is positive definite")
    elif starts.text() == "some":
        (start,) = evidence.fields("start")
        u = [start.integers(step.states)]
        step.work.spend(form.matrix)
        found = product(u, product(form.matrix, transposed(u)))
        require(found[0][0] > 0, "the start is one that diverges")
    else:
        starts.fail('"all" or "some"')


def _difference(form: Symmetric, rate: Fraction, noise: Fraction, step: RandomStep) -> Matrix:
    """Returns a positive multiple of `rate P - L(P)`, bordered by noise if that is additive.

    The border is in the unit `1 / tail`, as in `RandomStep.moment`; all is in units of P.
    """
    found = step.moment(form.matrix)
    corner = noise * step.tail**2 / Fraction(2) ** form.unit
    common = rate.denominator * corner.denominator
    whole = [[*(common * rate * x for x in row), 0] for row in form.matrix]
    whole.append([*[0] * step.states, common * corner])
    difference = [
        [int(step.scale * x) - common * y for x, y in zip(*rows, strict=True)]
        for rows in zip(whole, found, strict=True)
    ]
    if not step.multiplicative or noise:
        return difference
    return [row[:-1] for row in difference[:-1]]


def _check_limit(evidence: Reader, limit: Fraction, step: RandomStep) -> None:
    """Requires (4), or a limit of zero."""
    if step.multiplicative:
        evidence.fields()
        require(limit == 0, "the limit is zero, as the noise is multiplicative")
        return
    (variance,) = evidence.fields("variance")
    form = Symmetric(variance, step.states)
    step.work.spend_test(form.matrix)
    require(positive_definite(form.matrix), "the matrix of the variance is positive definite")
    found = step.moment(form.matrix)
    decrease = minus(scaled(step.scale, form.matrix), [row[:-1] for row in found[:-1]])
    require(
        _exceeds_distance(decrease, step.scale, form.unit, step),
        "the matrix of the variance decreases by the distance",
    )
    moment = found[-1][-1] * Fraction(2) ** form.unit / (step.scale * step.tail**2)
    require(moment <= limit, "the mean square of the distance is at most the limit in the end")


def _exceeds_distance(matrix: Matrix, scale: int, unit: int, step: RandomStep) -> bool:
    """Says whether `matrix 2^unit / scale - W` is positive definite."""
    bits = max(0, unit)
    left = scaled(2**bits, matrix)
    for k in range(len(step.zero)):
        left[k][k] -= scale * 2 ** (bits - unit)
    step.work.spend_test(left)
    return positive_definite(left)
