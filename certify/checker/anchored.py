"""The theorems on steps along monotone fields: how large the residual is after k of them.

The setting: F is monotone and Lipschitz with constant L in the metric W on a convex region D, norms
and products are those of W, z* solves the problem, `d = |z_0 - z*|`. Without strategy sets
`F(z*) = 0`; with them, K is their product, P the projection onto it, N(z) the cone of its normals
at z, the same in W as player by player, and `0` is in `F(z*) + N(z*)`. A step h has `a = h L`, and
`p_k = z_0 - z_k`. Each theorem says that, for k = 0, 1, 2, ... and all steps up to the stated one,

    residual(z_k) <= constant(a) d / (h (k + shift)),      or with the root of k + shift,

and that all points at which F is evaluated are within `reach(a) d` of z*. Both functions grow with
a: what the largest step has holds for all smaller ones. The residual is `|F|` without sets. What is
used at a step has been shown before it, so the points are in D by induction where that ball is.

*An anchored method's potential* `V_k = A_k |F_k|^2 - u <F_k, p_k>`, where u is the number of the
step, does not grow. As `<F_k, z_k - z*> >= 0`, `<F_k, p_k> <= |F_k| d`. So
`A_k |F_k|^2 <= u |F_k| d + V_0`; and where `A_k >= h u^2 / 2` and `V_0 <= h |F_0|^2 <= h (L d)^2`,
`f = u |F_k| / d` obeys `h f^2 / 2 <= f + h L^2`, which is

    f <= (1 + sqrt(1 + 2 a^2)) / h.                                                   (anchored)

Two facts are added up in all proofs, with positive factors: *monotone*,
`<F(z+) - F(z), z+ - z> >= 0`, and *Lipschitz*, `|F(z+) - F(w)| <= L |z+ - w|`, for the look-ahead
point w of the step from z to z+. Both are F's alone, and no other points are used.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from .exact import root_above

# For these many steps the step sizes of EAG-V are computed, before the others are bounded.
_COMPUTED = 64
# Bits of the fractions that they are rounded to.
_BITS = 128


class Theorem(NamedTuple):
    """What is known of the residual of a method.

    Attributes:
        limit: The largest `a = h L`.
        constant: For `a`, a bound on the constant.
        reach: For `a`, how far from z* F is evaluated, in units of d; sets bound it by themselves.
        shift: See above.
        root: Whether the bound is one over the root.
        strays: With sets, whether F is evaluated outside of them: at points within half their
            diameter.
    """

    limit: Fraction
    constant: Callable[[Fraction], Fraction]
    reach: Callable[[Fraction], Fraction]
    shift: int
    root: bool
    strays: bool = False

    def bound(self, step: Fraction, lipschitz: Fraction, distance: Fraction) -> Fraction | None:
        """Returns what the residual is at most, times `k + shift` or its root; None if unknown."""
        a = step * lipschitz
        return None if a > self.limit else self.constant(a) * distance / step


def fast_extragradient() -> Theorem:
    """FEG (Lee & Kim, 2021): `b = 1/(k+1)`, `w = z + b p - (1-b) h G`, `z+ = P(z + b p - h F(w))`.

    Here `G_k = F(z_k) + c_k` with a normal `c_k` of K at z_k: `c_0 = 0` and
    `c+ = (z + b p - h F(w) - z+) / h`; so `z+ = z + b p - h g` with `g = F(w) + c+`. Without sets
    `c = 0`. The residual is `|G_k|`, which is at least the tangent residual: the distance of
    -F(z_k) from N(z_k).

    With `h = 1`, `a <= 1`, `V_k = k^2/2 |G_k|^2 - k <G_k, p_k>` does not grow. The facts are
    `|G+ - g|^2 <= |(1-b) G - g|^2`, since `G+ - g = F(z+) - F(w)` and `z+ - w = (1-b) G - g`; and
    `<G+ - G, b p - g> >= 0`, as normals are monotone too. With `p+ = (1-b) p + g`,

        V_k - V_k+1 = k^2/2 |G|^2 - (k+1)^2/2 |G+|^2 + k <G+ - G, p> + (k+1) <G+, g>

    is the second one times `k(k+1)` and the first one, as a difference, times `(k+1)^2/2`. For
    k = 0 only the first is used, so that c_0 may be no normal. `V_0 = 0`, so
    `(k/2) |G_k|^2 <= <G_k, p_k> <= |G_k| d`: `|G_k| <= 2 d / (h k)`.

    *Reach.* `w - z = b p - (1-b) G`, and `V_k <= 0` gives `|w - z|^2 <= b^2 |p|^2`, since
    `(1-b)^2 - b (1-b) k = 0`. With sets, z and z_0 are in K, and w is within half its diameter of
    z, as `b <= 1/2` for k > 0, and `w = z` for k = 0.

    Without sets, let `y = z + b p`, a point between z and z_0. From
    `<F(z), y - z*> >= b <F(z), p> >= (b k/2) |F(z)|^2` follows `|w - z*| <= |y - z*|`. And
    `z+ = y - F(w)`, `y = w + (1-b) F(z)`, so by monotonicity between w and z*,
    `|z+ - z*|^2 <= |y - z*|^2 + |F(w)|^2 - 2 (1-b) <F(w), F(z)>`, where with
    `e = F(w) - F(z)`, `|e| <= |w - z| <= b |p|`, the last two are
    `|e|^2 + 2b <e, F(z)> - (1-2b) |F(z)|^2`. And
    `|y - z*|^2 = (1-b) |z - z*|^2 + b d^2 - b (1-b) |p|^2`. In units of d:

    - k = 0: `|z_1 - z*|^2 <= 1 + |p_1|^2 <= 2`, with `p_1 = F(z_0)`.
    - k = 1: the last two are at most `|p|^2/4 + |p| |F(z)|/2`, and `|F(z)| <= |z_1 - z*|`. So
      `|z_2 - z*|^2 <= 1 + |p|^2/2 + sqrt(1 + |p|^2) |p|/2 <= 3/2 + sqrt(1/2) < 9/4`.
    - k > 1: they are at most `b^2 |p|^2 (1 + b^2/(1-2b)) = b^2 (1-b)^2/(1-2b) |p|^2`, which is
      below `b (1-b) |p|^2` as `b (1-b) <= 1 - 2b` for `b <= 1/3`. So `|z+ - z*|^2` is at most the
      larger one of `|z - z*|^2` and 1.

    So all z are within 3/2 of z*, and so are all y and w.
    """
    return Theorem(
        Fraction(1), lambda a: Fraction(2), lambda a: Fraction(3, 2), 0, root=False, strays=True
    )


def constant_anchored_extragradient() -> Theorem:
    """EAG-C (Yoon & Ryu, 2021): `b = 1/(k+2)`, `w = z + b p - h F(z)`, `z+ = z + b p - h F(w)`.

    Without sets, for `a <= 3/10`. Let `A_k = h u (u+1)/2 c_k` with `u = k + 1`,
    `c_k = 1 - 3/(5 (u+3))`, `x = F(z_k)`, `g = F(w)`, `y = F(z+)`. With `p+ = (1-b) p + h g`, the
    monotone fact times `u (u+1)`, and `t = 3 (u+1)/u` times the Lipschitz fact
    `|y - g|^2 <= a^2 |x - g|^2`,

        (V_k - V_k+1) / (h u (u+1)/2) >= c |x|^2 - r |y|^2 + 2 (1 + 1/u) <g, y> - 2 <x, g>
                                          + t |y - g|^2 - t a^2 |x - g|^2,

    with `c = c_k` and `r = c_k+1 (u+2)/u`. The right side falls as a grows. At `a = 3/10` it is a
    quadratic form in x, g and y whose leading minors `c - t a^2`, the second and the third, times
    their denominators, are polynomials in `u - 1` with coefficients that are all positive or zero;
    the tests compute them. So V does not grow; `A_k >= h u^2/2`, as `(u+1)(u+3-3/5) >= u (u+3)`,
    and `V_0 = A_0 |F_0|^2 <= h |F_0|^2`: (anchored) holds with `u = k + 1`.

    *Reach*, for all `a^2 <= 1/2` and also for steps that vary: with `y = z + b p`, by monotonicity
    between w and z*, `|z+ - z*|^2 <= |y - z*|^2 + h^2 |F(w) - F(z)|^2 - h^2 |F(z)|^2`. As
    `|F(w) - F(z)| <= L |b p - h F(z)|`, whose square is at most
    `b^2 |p|^2/(1 - a^2) + h^2 |F(z)|^2/a^2`, and `|y - z*|^2` is as for FEG,

        |z+ - z*|^2 <= (1-b) |z - z*|^2 + b d^2 - (b (1-b) - b^2 a^2/(1-a^2)) |p|^2,

    in which the bracket is positive as `b <= 1/2`. So all z are within d of z*; so is y, and
    `w = y - h F(z)` is within `(1 + a) d`.
    """
    return Theorem(Fraction(3, 10), _anchored, lambda a: 1 + a, 1, root=False)


def varying_anchored_extragradient() -> Theorem:
    """EAG-V (Yoon & Ryu, 2021): EAG-C with steps that fall, `h_0 = h` and with `a_k = h_k L`.

        h_k+1 = h_k (1 - a_k^2 / ((1 - a_k^2) (k+1) (k+3))).

    Without sets, for `a <= 618/1000`. In the proof of EAG-C let `c = 1`, `t = 1/a_k^2`: the terms
    in x vanish, and what is left is `(t-1) |g|^2 - 2 (t - s) <g, y> + (t - r) |y|^2` with
    `s = 1 + 1/u`, `r = h_k+1 (u+2) / (h_k u)`. That is not negative if
    `r <= t - (t-s)^2/(t-1) = 1 + 2/u - 1/(u^2 (t-1))`, an equality here. And `A_k = h_k u (u+1)/2`
    is at least `H u^2/2` with the limit H of the h_k, `V_0 = h |F_0|^2`; so
    `H f^2/2 <= f + h L^2`, `f <= (1 + sqrt(1 + 2 (H L) a)) / H`.

    The map from a_k to a_k+1 grows up to `a = 618/1000`, as its derivative there is at least
    `1 - (3 a^2 - a^4) / (3 (1-a^2)^2) > 0`: so rounding down bounds all from below. After K steps,
    what is left of the product is at least
    `1 - a_K^2/(1-a_K^2) sum_{k>=K} 1/((k+1)(k+3))`, with `sum = (1/(K+1) + 1/(K+2))/2`. A smaller h
    has a smaller `h / H`.
    """

    def constant(a: Fraction) -> Fraction:
        limit = limit_of_varying_steps(a)
        return a * (1 + root_above(1 + 2 * limit * a)) / limit

    return Theorem(Fraction(618, 1000), constant, lambda a: 1 + a, 1, root=False)


def limit_of_varying_steps(a: Fraction) -> Fraction:
    """Bounds the limit of the steps of EAG-V from below, in units of 1/L; a is positive."""
    for k in range(_COMPUTED):
        ratio = a**2 / (1 - a**2)
        a = _rounded_down(a * (1 - ratio / ((k + 1) * (k + 3))))
    ends = Fraction(1, _COMPUTED + 1) + Fraction(1, _COMPUTED + 2)
    return a * (1 - a**2 / (1 - a**2) * ends / 2)


def _rounded_down(x: Fraction) -> Fraction:
    """Returns a positive number of few bits that is at most x, and hardly less."""
    bits = _BITS + max(0, x.denominator.bit_length() - x.numerator.bit_length())
    return Fraction(int(x * 2**bits), 2**bits)


def accelerated_optimistic() -> Theorem:
    """AOG, which is ARG (Cai & Zheng, 2022) without sets: one value of F for each step.

    `x_1 = z_0`, and for t = 1, 2, ... with `b = 1/(t+1)`, `H_t = F(w_t-1)`, `H_1 = F(x_1)`,

        w_t = x_t + b p - h H_t,      x_t+1 = x_t + b p - h F(w_t).

    After k steps the point is `z_k = x_k+1`. Without sets, for `a <= 3/16`. The potential is
    `V_t = A_t (|F_t|^2 + |F_t - H_t|^2) - t <F_t, p>`, `A_t = h t (t+1)/2 c_t`,
    `c_t = 1 - 3/(5 (t+2))`. With `G = F(w_t)`, `f = F_t - G`, `q = H_t - G`, `y = F_t+1 - G`,
    `|y| <= a |q|` is the Lipschitz fact, and as for EAG-C, with `r = c_t+1 (t+2)/t`,

        (V_t - V_t+1) / (h t (t+1)/2) >= c (|f + G|^2 + |f - q|^2) - r (|y + G|^2 + |y|^2)
                                    + 2 <y - f, G> + 2/t <y + G, G> + 4 (t+1)/t (|y|^2 - a^2 |q|^2).

    The right side falls as a grows. At `a = 3/16` it is a quadratic form in q, f, y and G:
    eliminating them in this order leaves pivots that, times their denominators, are polynomials in
    `t - 1` with coefficients that are all positive or zero; the tests compute them. And
    `(t+1)(t+2-3/5) >= t (t+2)`, `V_1 <= h |F_1|^2`, so (anchored) holds with `u = t = k + 1`.

    *Reach.* With `y = x_t + b p`, by monotonicity between w_t and z*,
    `|x_t+1 - z*|^2 <= |y - z*|^2 + h^2 |G - H_t|^2 - h^2 |H_t|^2`. As
    `x_t - w_t-1 = -h (H_t - H_t-1)`, `|G - H_t| <= L |b p - h H_t - h (H_t - H_t-1)|`, where the
    last term is missing for t = 1. Its square is at most three times those of the three terms. So
    `W_t = |x_t - z*|^2 + 3/5 h^2 |H_t - H_t-1|^2`, with `W_1 = d^2`, obeys

        W_t+1 <= (1-b) W_t + b d^2 - (b (1-b) - 24/5 a^2 b^2) |p|^2 - (1 - 24/5 a^2) h^2 |H_t|^2
                     - (3/5 (1-b) - 24/5 a^2) h^2 |H_t - H_t-1|^2,

    with brackets that are not negative for `a^2 <= 1/16` and `b <= 1/2`. So all x, and y, are
    within d of z*; and w_t within `d + a |w_t-1 - z*|`, which is at most `d / (1 - a)`.
    """
    return Theorem(Fraction(3, 16), _anchored, lambda a: 1 / (1 - a), 1, root=False)


def extragradient() -> Theorem:
    """Extragradient (Korpelevich, 1976): `w = z - h F(z)`, `z+ = z - h F(w)`; `a < 1`.

    Monotone between w and z*: `|z+ - z*|^2 <= |z - z*|^2 - (1-a^2) h^2 |F(z)|^2`. And |F| does not
    grow (Gorbunov, Loizou & Gidel, 2022): with `g = F(w)`, `<F(z+) - F(z), g> <= 0` and
    `|F(z+) - g| <= |F(z) - g|`, whose squares differ by
    `|F(z)|^2 - |F(z+)|^2 - 2 <F(z) - F(z+), g>`. The sum of the first gives

        |F(z_k)|^2 <= d^2 / ((1 - a^2) h^2 (k+1)).

    All z are within d of z*, and `|w - z*|^2 <= (1 + a^2) |z - z*|^2`.
    """
    return Theorem(Fraction(99, 100), _over_cosine, lambda a: root_above(1 + a**2), 1, root=True)


def projected_extragradient() -> Theorem:
    """Extragradient onto sets: `w = P(z - h F(z))`, `z+ = P(z - h F(w))`; the best of its points.

    `|z+ - z*|^2 <= |z - z*|^2 - (1-a^2) |z - w|^2` (as in `steps`). So the least of the natural
    residuals `|z_j - P(z_j - h F(z_j))| / h`, j up to k, is at most that of `extragradient`. All
    points are in K.
    """
    return extragradient()._replace(reach=lambda a: Fraction(1))


def _anchored(a: Fraction) -> Fraction:
    return 1 + root_above(1 + 2 * a**2)


def _over_cosine(a: Fraction) -> Fraction:
    return root_above(1 / (1 - a**2))


# By method and theorem as files name them: for a problem without sets, and for one with them.
UNCONSTRAINED: dict[tuple[str, str], Theorem] = {
    ("fast_extragradient", "anchored"): fast_extragradient(),
    ("anchored_extragradient", "constant"): constant_anchored_extragradient(),
    ("anchored_extragradient", "varying"): varying_anchored_extragradient(),
    ("accelerated_optimistic", "anchored"): accelerated_optimistic(),
    ("extragradient", "last_iterate"): extragradient(),
}
ONTO_SETS: dict[tuple[str, str], Theorem] = {
    ("fast_extragradient", "anchored"): fast_extragradient(),
    ("extragradient", "best_iterate"): projected_extragradient(),
}
