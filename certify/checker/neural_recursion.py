"""How much the output of a network bends over balls of weights: theorem B, in exact numbers.

A network has layers `a_k = c_k W_k x_(k-1) + b_k`, `x_k = s(a_k)` for `k < L`, and the outputs a_L.
The region is a product of balls `|(W_k, b_k) - (W_k^c, b_k^c)| <= r_k` of layers, in Frobenius
norm, around the weights of a centre; the input x_0 is within `d_0` of x_0^c (0 for data). All
weights may also be within R of the centre together; the region is convex. A direction is
`U = (U_1, ..., U_L)`, of sizes `u_k`, and u_0 the size of a direction of the input. Given are, of
the centre, upper bounds

    w_k >= ||c_k W_k^c||_2,
    n_k >= |x_k^c|_2                   for k < L,
    sigma_k >= max_r |s'(a_kr^c)|,     mu_k >= ||Mu_k^c||_2,     lam_k >= |Lam_k^c|_*,
    curv_k >= |s''(a_k^c) Lam_k^c|_*   for k < L,

where `Mu_L = I`, `Lam_k = c_(k+1) W_(k+1)' Mu_(k+1)` and `Mu_k = s'(a_k) Lam_k` have a column for
each output, and `|.|_*` is the largest Euclidean norm of a row (see `neural_activations` for
groupsort, where pairs of rows take the place of rows). For all unit vectors u of outputs these
bound what belongs to the scalar function `u'a_L`: its adjoints are `mu = Mu u` and `lam = Lam u`.

**Theorem B.** Let, for k from 1 to L (sups over the region),

    t_k = sqrt(c_k^2 (n_(k-1) + d_(k-1))^2 + [the layer has a bias]),
    da_k = t_k r_k + w_k d_(k-1),       s_k = min(s1, sigma_k + s2 da_k),       d_k = s_k da_k,
    A_kk = t_k,   A_kj = (w_k + c_k r_k) s_(k-1) A_(k-1)j for j < k,   A_10 = w_1 + c_1 r_1,

and for k from L - 1 to 1, with `M_L = 1` and `dmu_L = 0`,

    dlam_k = c_(k+1) r_(k+1) M_(k+1) + w_(k+1) dmu_(k+1),    dmu_k = s_k dlam_k + s2 lam_k da_k,
    M_k = min(mu_k + dmu_k, s_k (w_(k+1) + c_(k+1) r_(k+1)) M_(k+1)),
    Q_k = min(s2 (lam_k + dlam_k), curv_k + s3 lam_k da_k + s2 dlam_k).

Then on the region, with `H_ij = sum_(k<L) Q_k A_ki A_kj + [i<j] c_j M_j s_(j-1) A_(j-1)i + [j<i]
(the same with i and j exchanged)`, where `s_0 A_00 = 1`,

    |D^2 (u'a_L)[U, V]| <= sum_ij H_ij u_i v_j,     |D a_L[U]| <= sum_j g_j u_j,

with `g_j = M_j t_j` for j > 0 and `g_0 = M_1 (w_1 + c_1 r_1)`, which are at most A_Lj.

*Proof.* Forward. `D a_k[U] = c_k U_k x_(k-1) + (its bias) + c_k W_k D x_(k-1)[U]`; the first two
are the matrix (U_k, bias) times the vector (c_k x_(k-1), 1), of norm at most `u_k t_k`; the norm of
`c_k W_k` is at most `w_k + c_k r_k`, and `|D x_k| <= s_k |D a_k|`. So `|D a_k[U]|` is at most
`sum_j A_kj u_j`. In the same way `a_k - a_k^c`, which is the change of (W_k, b_k) times
(c_k x_(k-1), 1) and `c_k W_k^c (x_(k-1) - x_(k-1)^c)`, is at most da_k, slopes between a_k^c and
a_k are at most s_k as s' changes by at most s2 per unit, and so `|x_k - x_k^c| <= d_k`.

Backward. `lam_k - lam_k^c` is the change of `c_(k+1) W_(k+1)` transposed times mu_(k+1), and
`c_(k+1) W_(k+1)^c` transposed times the change of mu_(k+1); that makes dlam_k, given the latter.
And `mu_k - mu_k^c = s'(a_k) (lam_k - lam_k^c) + (s'(a_k) - s'(a_k^c)) lam_k^c`, whose last term has
the norm `|((s'(a_kr) - s'(a_kr^c)) lam_kr^c)_r| <= s2 max_r |lam_kr^c| |a_k - a_k^c|`. That bounds
`|mu_k|` by M_k, as does `|mu_k| <= s_k |c_(k+1) W_(k+1)| |mu_(k+1)|`. Of `s''(a_k) lam_k` the
largest entry is at most `s2 (lam_k + dlam_k)`, and also, by its three changes, the second bound of
Q_k.

Second derivatives. `D^2 a_k[U, V] = c_k U_k D x_(k-1)[V] + c_k V_k D x_(k-1)[U] + c_k W_k D^2
x_(k-1)[U, V]` and `D^2 x_k = s''(a_k) D a_k[U] D a_k[V] + s'(a_k) D^2 a_k`. Paired with the
adjoints from the last layer to the first, these add up to

    D^2 (u'a_L)[U, V] = sum_(k<L) lam_k's''(a_k) D a_k[U] D a_k[V]
                        + sum_k c_k mu_k' (U_k D x_(k-1)[V] + V_k D x_(k-1)[U]),

where the first terms are at most `Q_k |D a_k[U]| |D a_k[V]|`, and the others, as the spectral norm
of U_k is at most u_k, at most `c_k M_k (u_k s_(k-1) |D a_(k-1)[V]| + ...)`. In the same way
`D (u'a_L)[U]` is the sum of all `mu_k'` times (U_k, bias) times (c_k x_(k-1), 1), each at most
`M_k u_k t_k`, and of `mu_1' c_1 W_1 U_0`. ∎

So `||D^2 (u'a_L)|| <= ||H||` in the weights (without row and column 0), and if the input varies
alone, `|D_x a_L| <= g_0` and `|D_x^2 (u'a_L)| <= H_00`. As the region is convex,
`|a_L - a_L^c| <= sum_j g_j r_j + g_0 d_0`; where the weights are also within R of the centre all
together, and `d_0 = 0`, it is at most `R |(g_1, ..., g_L)|` as well.

Everything is made of sums, products, roots, minima and maxima of numbers that are not negative. So
rounding every one of them up keeps all bounds.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, isqrt
from typing import NamedTuple

from .neural_activations import Activation

# Bits of intermediate results, which are rounded up to them.
BITS = 96

# The unit of the vectors that bound a norm, and how many rounds of iteration find one.
_UNIT, _ROUNDS = 2**96, 300
_ZERO, _ONE = Fraction(0), Fraction(1)


class Layers(NamedTuple):
    """What the bounds need of a network: no weights.

    Attributes:
        scales: The numbers c_k.
        biases: Whether layers have biases.
        activation: The activation function.
        norms: The bounds w_k.
        radii: The radii r_k.
        radius: The radius R of all weights together.
    """

    scales: Sequence[Fraction]
    biases: Sequence[bool]
    activation: Activation
    norms: Sequence[Fraction]
    radii: Sequence[Fraction]
    radius: Fraction

    @property
    def depth(self) -> int:
        """The number L of layers."""
        return len(self.scales)


class Scalars(NamedTuple):
    """Bounds at the centre for one input: `inputs` for k < L, the others for 0 < k < L."""

    inputs: Sequence[Fraction]
    slopes: Sequence[Fraction]
    adjoints: Sequence[Fraction]
    entries: Sequence[Fraction]
    curvatures: Sequence[Fraction]


class Bend(NamedTuple):
    """The bounds of theorem B for one input.

    Attributes:
        outputs: The numbers g_j, j from 0 to L.
        second: The matrix H, indices from 0 to L.
        reach: How far the outputs are from those at the centre.
    """

    outputs: list[Fraction]
    second: list[list[Fraction]]
    reach: Fraction

    @property
    def slope(self) -> Fraction:
        """The norm of the derivative of the outputs along all weights together."""
        return root_above(sum((x * x for x in self.outputs[1:]), _ZERO))


class Curvature(NamedTuple):
    """Bounds on the second derivatives of a value on the region, see `neural.py`.

    Attributes:
        own: How far each player's cost is from convex in the own weights, without decay.
        whole: The norms of these second derivatives.
        coupling: The norm of the mixed ones.
    """

    own: tuple[Fraction, Fraction]
    whole: tuple[Fraction, Fraction]
    coupling: Fraction


def above(x: Fraction) -> Fraction:
    """Rounds a number that is not negative up to `BITS` bits.

    Example:
        >>> third = Fraction(1, 3)
        >>> 0 < above(third) - third < Fraction(1, 2**BITS), above(Fraction(1, 2))
        (True, Fraction(1, 2))
    """
    shift = BITS + x.denominator.bit_length() - x.numerator.bit_length()
    if shift >= 0:
        if x.denominator.bit_length() <= shift and not x.denominator & (x.denominator - 1):
            return x
        return Fraction(-((-x.numerator << shift) // x.denominator), 1 << shift)
    return Fraction(ceil(x / (1 << -shift)) * (1 << -shift))


def root_above(x: Fraction) -> Fraction:
    """Bounds the root of a number that is not negative."""
    if not x:
        return x
    digits = x.denominator.bit_length() - x.numerator.bit_length()
    scale = max(0, BITS + digits // 2 + 1)
    return above(Fraction(isqrt(ceil(x * 4**scale)) + 1, 2**scale))


def power_above(rate: Fraction, exponent: int) -> Fraction:
    """Bounds a power of a number between 0 and 1 from above, by squaring.

    Example:
        >>> power_above(Fraction(1, 2), 10)
        Fraction(1, 1024)
    """
    result, square = _ONE, above(rate)
    while exponent:
        if exponent & 1:
            result = above(result * square)
        exponent >>= 1
        if exponent:
            square = above(square * square)
            if square.denominator.bit_length() > 2**16:  # less than any accuracy
                return square
    return result


def bend(layers: Layers, at: Scalars, moved: Fraction = _ZERO) -> Bend:
    """Returns the bounds of theorem B for one input.

    Args:
        layers: The network and the region.
        at: The bounds at the centre.
        moved: How far the input may be from that of the centre.
    """
    first, second, third = layers.activation.suprema
    count, c, w, r = layers.depth, layers.scales, layers.norms, layers.radii
    wide = [above(w[k] + c[k] * r[k]) for k in range(count)]
    # Entry k of these lists is about layer k + 1, but for `slopes`, whose entry 0 stands for s_0.
    change, slopes, rows, distance = [], [_ONE], [], moved
    for k in range(count):
        size = above(c[k] * (at.inputs[k] + distance))
        t = root_above(size * size + (1 if layers.biases[k] else 0))
        through = above(wide[k] * slopes[k])
        before = rows[-1] if rows else [_ONE]
        rows.append([*(above(through * x) for x in before), t])
        change.append(above(t * r[k] + w[k] * distance))
        if k < count - 1:
            slopes.append(above(min(first, at.slopes[k] + second * change[k])))
            distance = above(slopes[k + 1] * change[k])
    adjoints, bends, drift = [_ONE], [], Fraction(0)
    for k in reversed(range(count - 1)):
        lam, slope = at.entries[k], slopes[k + 1]
        moves = above(c[k + 1] * r[k + 1] * adjoints[0] + w[k + 1] * drift)
        drift = above(slope * moves + second * lam * change[k])
        through = slope * wide[k + 1] * adjoints[0]
        adjoints.insert(0, above(min(at.adjoints[k] + drift, through)))
        largest = min(
            second * (lam + moves),
            at.curvatures[k] + third * lam * change[k] + second * moves,
        )
        bends.insert(0, above(largest))
    matrix = [[_ZERO] * (count + 1) for _ in range(count + 1)]
    for k, size in enumerate(bends):
        for i, x in enumerate(rows[k]):
            for j, y in enumerate(rows[k]):
                matrix[i][j] = above(matrix[i][j] + size * x * y)
    for j in range(count):
        before = rows[j - 1] if j else [_ONE]
        factor = c[j] * adjoints[j] * slopes[j]
        for i, x in enumerate(before):
            both = above(matrix[i][j + 1] + factor * x)
            matrix[i][j + 1] = matrix[j + 1][i] = both
    outputs = [above(adjoints[0] * wide[0])]
    outputs += [above(x * row[-1]) for x, row in zip(adjoints, rows, strict=True)]
    reach = above(sum(map(Fraction.__mul__, outputs, [moved, *r]), _ZERO))
    if not moved:
        together = root_above(sum((x * x for x in outputs[1:]), _ZERO))
        reach = min(reach, above(layers.radius * together))
    return Bend(outputs, matrix, reach)


def norm_above(matrix: Sequence[Sequence[Fraction]]) -> Fraction:
    """Bounds the norm of a symmetric matrix whose entries are not negative, nearly by the norm.

    For every positive v it is at most `max_i (H v)_i / v_i`: with `D = diag(v)` this is the largest
    row sum of `D^-1 H D`, which is similar to H and so has the same eigenvalues. A vector v is
    found by iteration with rounded integers, whatever it may be.

    Example:
        >>> 0 <= norm_above([[Fraction(0), Fraction(2)], [Fraction(2), Fraction(3)]]) - 4 < 1e-20
        True
    """
    size = max(map(max, matrix))
    if not size:
        return size
    rows = [[int(x * _UNIT / size) for x in row] for row in matrix]
    vector, shift = [_UNIT] * len(rows), max(map(sum, rows))  # then no eigenvalue is negative
    for _ in range(_ROUNDS):
        found = [
            shift * x + sum(map(int.__mul__, row, vector))
            for x, row in zip(vector, rows, strict=True)
        ]
        cut = max(found).bit_length() - _UNIT.bit_length()
        vector = [max(x >> cut, 1) for x in found]
    v = [Fraction(x) for x in vector]
    sums = (sum(map(Fraction.__mul__, row, v), _ZERO) for row in matrix)
    return above(max(total / x for total, x in zip(sums, v, strict=True)))
