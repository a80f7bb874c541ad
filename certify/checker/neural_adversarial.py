"""Values of generative adversarial networks: a generator against a discriminator.

With `V = 1/N sum_n alpha(D(x_n)) + 1/M sum_m beta(D(y_m))`, samples `y_m = G(z_m)` (if the
generator is residual, `z_m + G(z_m)`), G the first network and D the second one, of one output.
Two losses are known, both concave in what D says: "wasserstein", `alpha(t) = t` and `beta(t) =
-t`; and "logistic", `alpha(t) = -log(1 + e^-t)` and `beta(t) = -log(1 + e^t)`, of slopes of size
between 0 and 1, and second derivatives between -1/4 and 0. For directions U, U' of the weights of
G, and T, T' of D,

    D_G^2 V = 1/M sum_m ( beta'' (D_y D D G[U]) (D_y D D G[U'])
                          + beta' (D_y^2 D[D G[U], D G[U']] + D_y D D^2 G[U, U']) ),
    D_D^2 V = 1/N sum_n ( alpha'' D D[T] D D[T'] + alpha' D^2 D[T, T'] )
            + 1/M sum_m ( beta'' D D[T] D D[T'] + beta' D^2 D[T, T'] ),
    D_G D_D V = 1/M sum_m ( beta'' (D_y D D G[U]) D D[T] + beta' D_y D D[T, D G[U]] ),

at x_n and at y_m. The discriminator maximises, so that alpha'' and beta'' in the second derivative
in its weights help; in that of the generator beta'' does not. On the region let, for each sample,

    p_n >= |alpha'|,   q_m >= |beta'|,   h >= |alpha''|, |beta''|,
    bend_m >= ||D_y^2 D||,   slope_m >= |D_y D|,   mixed_m >= ||D_y D D||     at all y_m in reach,

and A^G, H^G, A^D and H^D the bounds of theorem B (`neural_recursion`) without the index 0; those of
D at y_m are for inputs that may be as far from `y_m^c` as the samples are, by theorem B for G. Then

    own_1 = whole_1 = || mean_m ( (q_m bend_m + h slope_m^2) A^G A^G' + q_m slope_m H^G ) ||,
    own_2 = || mean_n p_n H^D(x_n) + mean_m q_m H^D(y_m) ||,
    whole_2 = || mean_n (p_n H^D + h A^D A^D')(x_n) + mean_m (q_m H^D + h A^D A^D')(y_m) ||,
    coupling = mean_m (q_m mixed_m + h slope_m |A^D(y_m)|) |A^G_m|.

For "wasserstein" p = q = 1 and h = 0; for "logistic" h = 1/4, and p and q are `1/2 + t/4`, or 1 if
that is less, where t bounds `|D|` at the input: the logistic function is concave for t > 0, with
the slope 1/4 at 0.

**Curvature in y.** Theorem B has `bend_m = H^D_00`, `slope_m = A^D_0` and for mixed_m the length
of the row H^D_0j. They add up the sizes of all units, and so grow with the root of the width.
Where the discriminator is *constant* at the centre (everywhere, not only at data) there is a
better way: units of equal inputs have outputs that cancel. All derivatives in y are zero at the
centre then, so that only their change counts. Let D have one hidden layer, `D(y) = c_2 sum_r a_r
s(p_r) + b`, `p_r = v_r . y + b_r` with `v_r = c_1 w_r`, and let at the centre

    fourth >= sup_u |((v_r . u)^2)_r|,       weighted >= sup_u |(a_r (v_r . u)^2)_r|,
    second >= sup_u |(a_r (v_r . u))_r|,     row >= max_r |v_r|,     entry >= max_r |a_r|,

over unit vectors u, with Euclidean norms over units r. On the way from the centre to a point of
the region, `w + t omega`, `b + t beta`, `a + t eta`, where `|(omega, beta)| = rho_1` and `|eta| =
rho_2` (or less, as the last bias changes too), the derivative by t of `c_2 sum_r a_r s''(p_r) (v_r
. u)^2`, which is the second derivative in y, is c_2 times the sum over r of

    eta_r s''(p_r) (v_r . u)^2 + a_r s'''(p_r) dp_r (v_r . u)^2 + 2 a_r s''(p_r) (v_r . u) (o_r . u)

with `o_r = c_1 omega_r` and `dp_r = o_r . y + beta_r`, which over units has a length of at most
`rho_1 X`, `X = sqrt(c_1^2 |y|^2 + [bias])`. By the inequality of Cauchy and Schwarz the three sums
are at most

    s2 rho_2 |((v_r . u)^2)_r|,  s3 rho_1 X |(a_r (v_r . u)^2)_r|,  2 s2 c_1 rho_1 |(a_r v_r . u)_r|

at t, where v_r has become `v_r + t o_r` and a_r `a_r + t eta_r`. Let `d = c_1 r_1`. As `|(o_r .
u)_r| <= d`, and the vector of the squares is at most d^2 long, the three lengths are at most

    fourth + 2 t row d + t^2 d^2,
    weighted + t r_2 row^2 + (entry + t r_2) (2 t row d + t^2 d^2),
    second + t r_2 row + (entry + t r_2) t d,

whose integrals over t from 0 to 1 are the numbers k, m and n below. Therefore, on the region,

    ||D_y^2 D|| <= rho_2 s2 c_2 k + rho_1 c_2 (s3 X m + 2 c_1 s2 n),
    k = fourth + row d + d^2 / 3,
    m = weighted + r_2 row^2 / 2 + entry (row d + d^2 / 3) + r_2 (2 row d / 3 + d^2 / 4),
    n = second + r_2 row / 2 + entry d / 2 + r_2 d / 3.

In the same way `D_y D[u] = c_2 sum_r a_r s'(p_r) (v_r . u)` changes by

    |D_y D| <= rho_2 s' c_2 (w_1 + d / 2) + rho_1 (s2 X c_2 n + c_1 s' (w_2 + c_2 r_2 / 2)),

where w_1 and w_2 are the norms of layers, `|(v_r . u)_r| <= w_1` and `c_2 |a| <= w_2`; s' bounds
the slopes at the hidden units on the region, it is s_1 of theorem B. Either is linear in (rho_1,
rho_2) with `rho_1 <= r_1`, `rho_2 <= r_2` and `rho_1^2 + rho_2^2 <= R^2`, hence at most what it is
at (r_1, r_2), and at most R times the length of the two coefficients. With `t = 1`, and not
integrated, the mixed derivative along (omega, beta) is at most

    c_2 s2 X (second + r_2 row + (entry + r_2) d) + c_1 s' (w_2 + c_2 r_2)

times its length (whatever D is at the centre), which may be less than H^D_01. And D itself is
within `sum_(j>0) A^D_j r_j`, and within R |A^D|, of what it is at the centre at the same y: of the
constant. Of each number the smaller bound is taken.

Given are the scalars of both networks at the centre: of G at z_m, of D at x_n and at `y_m^c`;
bounds on `|D|` there; and the five numbers, or none if D is not constant at the centre.
"""

from fractions import Fraction
from typing import NamedTuple

from .neural_outputs import read_pass
from .neural_recursion import (
    Bend,
    Curvature,
    Layers,
    Scalars,
    above,
    bend,
    norm_above,
    root_above,
)
from .reader import Reader, Unusable
from .verdict import require

LOSSES = ("wasserstein", "logistic")
MAX_WORK = 2**20

_ZERO, _HALF, _QUARTER = Fraction(0), Fraction(1, 2), Fraction(1, 4)


class Constant(NamedTuple):
    """What is given of a discriminator with one hidden layer that is constant at the centre."""

    fourth: Fraction
    weighted: Fraction
    second: Fraction
    row: Fraction
    entry: Fraction


class InInputs(NamedTuple):
    """Bounds on derivatives of the discriminator in its inputs, on the region.

    Attributes:
        bend: The norm of the second derivative.
        slope: The norm of the first one.
        mixed: For each layer, the norm of the mixed derivative with its weights.
    """

    bend: Fraction
    slope: Fraction
    mixed: list[Fraction]


class Adversarial(NamedTuple):
    """The section `game.value` of an adversarial game.

    Attributes:
        loss: One of `LOSSES`.
        residual: Whether samples are noise plus what the generator makes of it.
        noise: How many samples M there are.
    """

    loss: str
    residual: bool
    noise: int

    @property
    def curved(self) -> Fraction:
        """The bound h on second derivatives of the loss."""
        return _ZERO if self.loss == "wasserstein" else _QUARTER

    def steep(self, size: Fraction) -> Fraction:
        """Bounds the slope of the loss where the discriminator says at most `size`."""
        if self.loss == "wasserstein":
            return Fraction(1)
        return min(Fraction(1), _HALF + size / 4)


def read_adversarial(game: Reader) -> Adversarial:
    """Reads what the networks play for; rejects networks that do not fit together."""
    _, loss, residual, noise = game["value"].fields("kind", "loss", "residual", "noise")
    if loss.text() not in LOSSES:
        loss.fail(f"one of the losses {', '.join(LOSSES)}")
    value = Adversarial(loss.text(), residual.boolean(), noise.integer_within(1, 2**20))
    generator, discriminator = (
        [size.integer() for size in net["sizes"].items()] for net in game["networks"].items(2)
    )
    if generator[-1] != discriminator[0]:
        raise Unusable("samples are inputs of the discriminator")
    if discriminator[-1] != 1:
        raise Unusable("a discriminator has one output")
    if value.residual and generator[0] != generator[-1]:
        raise Unusable("a residual generator has as many outputs as inputs")
    if (len(generator) + 1) ** 3 * value.noise > MAX_WORK:
        raise Unusable("checking it would take too much work: too much noise")
    return value


def read_constant(file: Reader, game: Reader, discriminator: Layers) -> Constant | None:
    """Reads what is given of a discriminator that is constant at the centre, or None."""
    if file.value is None:
        return None
    numbers = [field.number() for field in file.fields(*Constant._fields)]
    if discriminator.depth != 2 or discriminator.activation.name == "groupsort":
        file.fail("nothing: it is for one hidden layer whose activation function acts on units")
    require(min(numbers) >= 0, "bounds on the units of the discriminator are not negative")
    return Constant(*numbers)


def adversarial_curvature(game: Reader, evidence: Reader, networks: list[Layers]) -> Curvature:
    """Bounds the second derivatives of V on the region; see the top of this module."""
    value, samples = read_adversarial(game), game["data"]["samples"].integer()
    generator, discriminator = networks
    made, on_data, on_samples, sizes, constant = evidence.fields(
        "generator", "data", "samples", "sizes", "constant"
    )
    given = read_constant(constant, game, discriminator)
    limits = [
        row.numbers(count)
        for row, count in zip(sizes.items(2), (samples, value.noise), strict=True)
    ]
    require(min(map(min, limits)) >= 0, "bounds on the discriminator are not negative")
    bends = [bend(generator, at) for at in read_pass(made, generator.depth, value.noise)]
    data = [bend(discriminator, at) for at in read_pass(on_data, discriminator.depth, samples)]
    passes = read_pass(on_samples, discriminator.depth, value.noise)
    moved = [bend(discriminator, at, one.reach) for at, one in zip(passes, bends, strict=True)]
    inputs = [
        in_inputs(discriminator, given, at, one.reach, each)
        for at, one, each in zip(passes, bends, moved, strict=True)
    ]
    p = [value.steep(above(size + each.reach)) for size, each in zip(limits[0], data, strict=True)]
    q = [
        value.steep(above(size + change_of(discriminator, each, given)))
        for size, each in zip(limits[1], moved, strict=True)
    ]
    return _assembled(value.curved, bends, data, moved, inputs, p, q)


def change_of(discriminator: Layers, each: Bend, given: Constant | None) -> Fraction:
    """Bounds how far D at a sample is from what it is at the centre of weights and samples."""
    if given is None:
        return each.reach
    parts = zip(each.outputs[1:], discriminator.radii, strict=True)
    by_layers = above(sum((x * r for x, r in parts), _ZERO))
    return min(each.reach, by_layers, above(discriminator.radius * each.slope))


def in_inputs(
    layers: Layers, given: Constant | None, at: Scalars, moved: Fraction, found: Bend
) -> InInputs:
    """Bounds derivatives of the discriminator in its inputs, near a sample.

    Args:
        layers: The discriminator, with the region.
        given: What is given of it if it is constant at the centre.
        at: Its scalars at the sample of the centre.
        moved: How far the sample may be from that.
        found: The bounds of theorem B there.
    """
    by_recursion = InInputs(found.second[0][0], found.outputs[0], found.second[0][1:])
    if given is None:
        return by_recursion
    first, s2, s3 = layers.activation.suprema
    (c1, c2), (w1, w2), (r1, r2) = layers.scales, layers.norms, layers.radii
    size = above(c1 * (at.inputs[0] + moved))
    x = root_above(size * size + (1 if layers.biases[0] else 0))
    s1 = min(first, above(at.slopes[0] + s2 * (x * r1 + w1 * moved)))
    d = above(c1 * r1)
    fourth, weighted, second, row, entry = given
    k = above(fourth + row * d + d * d / 3)
    m = above(
        weighted
        + r2 * row * row / 2
        + entry * (row * d + d * d / 3)
        + r2 * (2 * row * d / 3 + d * d / 4)
    )
    n = above(second + r2 * row / 2 + entry * d / 2 + r2 * d / 3)
    bent = above(c2 * (s3 * x * m + 2 * c1 * s2 * n)), above(s2 * c2 * k)
    steep = above(s2 * x * c2 * n + c1 * s1 * (w2 + c2 * r2 / 2)), above(s1 * c2 * (w1 + d / 2))
    ends = second + r2 * row + (entry + r2) * d
    mixed = above(c2 * s2 * x * ends + c1 * s1 * (w2 + c2 * r2))
    return InInputs(
        min(by_recursion.bend, _farthest(layers, bent)),
        min(by_recursion.slope, _farthest(layers, steep)),
        [min(by_recursion.mixed[0], mixed), by_recursion.mixed[1]],
    )


def _farthest(layers: Layers, coefficients: tuple[Fraction, Fraction]) -> Fraction:
    """Bounds a linear function of (rho_1, rho_2) with these coefficients on the region."""
    by_layers = sum((r * x for r, x in zip(layers.radii, coefficients, strict=True)), _ZERO)
    together = layers.radius * root_above(sum((x * x for x in coefficients), _ZERO))
    return above(min(by_layers, together))


def _assembled(
    curved: Fraction,
    bends: list[Bend],
    data: list[Bend],
    moved: list[Bend],
    inputs: list[InInputs],
    p: list[Fraction],
    q: list[Fraction],
) -> Curvature:
    """Returns the bounds on V from those of each sample."""
    through = [
        above(steep * each.bend + curved * each.slope**2)
        for steep, each in zip(q, inputs, strict=True)
    ]
    along = [above(steep * each.slope) for steep, each in zip(q, inputs, strict=True)]
    first = norm_above(mean_matrix(bends, along, through))
    own = [mean_matrix(data, p, [_ZERO] * len(p)), mean_matrix(moved, q, [_ZERO] * len(q))]
    whole = [mean_matrix(data, p, [curved] * len(p)), mean_matrix(moved, q, [curved] * len(q))]
    second, third = (norm_above(_plus(*both)) for both in (own, whole))
    parts = (
        above(
            one.slope
            * (
                steep * root_above(sum((x * x for x in each.mixed), _ZERO))
                + curved * each.slope * other.slope
            )
        )
        for steep, one, each, other in zip(q, bends, inputs, moved, strict=True)
    )
    coupling = above(sum(parts, _ZERO) / len(q))
    return Curvature((first, second), (first, third), coupling)


def mean_matrix(
    found: list[Bend], slope: list[Fraction], size: list[Fraction]
) -> list[list[Fraction]]:
    """Returns `mean (slope H + size A A')`, without the index 0."""
    count = len(found[0].outputs) - 1
    total = [[_ZERO] * count for _ in range(count)]
    for each, p, q in zip(found, slope, size, strict=True):
        for i, row in enumerate(total):
            for j in range(count):
                outer = q * each.outputs[i + 1] * each.outputs[j + 1]
                row[j] = above(row[j] + p * each.second[i + 1][j + 1] + outer)
    return [[above(x / len(found)) for x in row] for row in total]


def _plus(one: list[list[Fraction]], other: list[list[Fraction]]) -> list[list[Fraction]]:
    return [
        [above(x + y) for x, y in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)
    ]
