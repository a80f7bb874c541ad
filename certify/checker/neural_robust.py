r"""Values in which a network is trained against whoever weighs the data: another geometry.

The first player is a network with weights theta, the second one a probability vector p over N
groups of samples (one sample each, where the file has no groups), and

    V(theta, p) = sum_k p_k l_k(theta) - tau R(p) + rho/2 |theta - theta_0|^2,

where l_k is the mean over group k of losses of the network's outputs, and R and its divergence are

    entropy       R(p) = sum_k p_k log(N p_k),    d_R(p, q) = sum_k p_k log(p_k / q_k) = KL(p, q),
    chi_square    R(p) = N/2 |p - u|^2,           d_R(p, q) = N/2 |p - q|^2,       u the uniform p.

Let `|p|_R` be the norm `|p|_1` or `sqrt(N) |p|_2`: in both cases `d_R(p, q) >= |p - q|_R^2 / 2`
(for the entropy by Pinsker). With a number `omega > 0` of the file ("geometry"), strategies
z = (theta, p) are compared by

    D(z, z') = |theta - theta'|^2 / 2 + omega d_R(p, p'),    |z|^2 = |theta|^2 + omega |p|_R^2,

so that `|z - z'|^2 <= 2 D(z, z')`. The region is that of `neural.py` for theta, and all of the
simplex for p: **whatever the weights of the data are.** Let `G(z) = (sum_k p_k grad l_k, -l)`, and
let F be G with the gradients of decay and `tau R`.

**Constants.** For every p, `sum_k p_k l_k` has a Hessian of at least -B and of norm at most S, if
these bound that of each l_k: with `slope_n >= |l'|`, `size_n >= ||l''||` over the outputs that are
reached and `concave_n >= lambda_max(-l'')`, by theorem B of `neural_recursion`,

    B = max_k || mean_(n in k) (slope_n H_n + concave_n A_n A_n') ||,    S the same with size_n.

And `|grad l_k| <= K_k = mean_(n in k) slope_n |A_n|`. Hence for vectors v (of sum zero in p)

    <G(z) - G(z'), v> <= L |z - z'| |v|,    L = || (S, c), (c, 0) ||,    c = K / sqrt(omega),

with `K = max_k K_k` (entropy) or `K = sqrt(sum_k K_k^2 / N)` (chi_square): indeed the part of theta
is `(sum p_k grad l_k)(theta) - (the same)(theta')`, at most `S |theta - theta'|` in norm, plus
`sum_k (p_k - p'_k) grad l_k(theta')`, at most `K |p - p'|_R`; and the part of p is
`sum_k v_k (l_k(theta') - l_k(theta)) <= K |v|_R |theta - theta'|`.

**Lemma 1** (margin). `<G(z) - G(z'), z - z'> >= -B |theta - theta'|^2`. *Proof.* V without decay
and `tau R`, plus `B/2 |theta|^2`, is convex in theta and linear in p; add the four first-order
inequalities as for theorem A in `neural.py`: all values cancel. ∎

So with `margin <= rho - B` and `margin <= tau / omega`, where p and p' are positive,

    <F(z) - F(z'), z - z'> >= margin (D(z, z') + D(z', z)) >= margin |z - z'|^2.

(At a zero of p the entropy's slope is infinite; with chi_square p need not be positive.)

**Theorem M1** (existence). Let e = (theta_e, p_e) with p_e in the simplex (positive, for the
entropy), `|F_theta(e)| <= delta`, and `|F_p(e) + nu|_(R*) <= epsilon` for some nu that is constant
but for entries with `p_e = 0`, where it may be smaller (so that it is normal to the simplex);
`|.|_(R*)` is the dual norm, the largest entry or `|.|_2 / sqrt(N)`. If

    delta^2 + epsilon^2 / omega <= (margin r)^2

and a ball around theta_e of a radius larger than r is in the region, then there is exactly one
equilibrium z* of the game in the region and the simplex, and

    |theta* - theta_e|^2 + omega (d_R(p*, p_e) + d_R(p_e, p*)) <= r^2.

*Proof.* V is continuous, strongly convex in theta on the ball (`rho > B`), and strictly concave in
p on the simplex; so it has a saddle point z* on the product of both, which are compact and convex
(Sion). With the entropy p* is positive, since the slope of R is infinite at the boundary. Write X
for `|theta* - theta_e|`, and T for the left side of the last line. As z* solves the variational
inequality on this product, `<F(z*), e - z*> >= 0`, so that by lemma 1

    margin T <= <F(e) - F(z*), e - z*> <= <F(e), e - z*> <= delta X + epsilon |p_e - p*|_R
             <= sqrt(delta^2 + epsilon^2 / omega) sqrt(X^2 + omega |p_e - p*|_R^2),

where `<nu, p_e - p*> >= 0` was used; and `|p_e - p*|_R^2 <= d_R(p*, p_e) + d_R(p_e, p*)` makes the
last root at most that of T. So `T <= r^2`, theta* is inside the ball, hence the gradient in theta
vanishes there, and z* is an equilibrium of the game in the region by convexity. Two of them satisfy
`margin (D(z, z') + D(z', z)) <= 0`. ∎

**Theorem M2** (mirror descent). A step is `z+ = argmin_v h <G(z), v> + h Psi(v) + D(v, z)`, where
`Psi = rho/2 |theta - theta_0|^2 + tau R(p)`: decay and temperature are implicit. (The step size of
p is `h / omega`.) If all points within `sqrt(2 D(z*, z))` of theta* are in the region, `h <= 1 / L`
and `h <= margin / L^2`, then `D(z*, z+) <= D(z*, z) / (1 + h margin)`.
*Proof.* First, theta+ is in the region: z* is the step from z* itself, so that `(1 + h rho) (theta+
- theta*) = (theta - theta*) - h (G_theta(z) - G_theta(z*))`. By the mean value theorem along theta,
`G_theta(z) - G_theta(z*) = J (theta - theta*) + sum_k (p_k - p*_k) grad l_k(theta*)` with a
symmetric J between -B and S, for the weights p. As `h S <= h L <= 1`, `||I - h J|| <= 1 + h B` and

    |theta+ - theta*| <= ((1 + h B) |theta - theta*| + h K |p - p*|_R) / (1 + h rho)
                      <= stretch sqrt(2 D(z*, z)),
    stretch = sqrt((1 + h B)^2 + (h c)^2) / (1 + h rho),

and here `(h c)^2 <= h margin <= h (rho - B)`, as `c <= L`, so that the stretch is at most one.
Now the condition of the optimum z+ at v = z* is, with the divergence of Psi,

    h <G(z), z+ - z*> <= h (Psi(z*) - Psi(z+) - D_Psi(z*, z+)) + D(z*, z) - D(z*, z+) - D(z+, z),

and that of z* is `Psi(z*) - Psi(z+) <= <G(z*), z+ - z*> - D_Psi(z+, z*)`. Together

    D(z*, z+) <= D(z*, z) - D(z+, z) - h (D_Psi(z*, z+) + D_Psi(z+, z*))
                 - h <G(z) - G(z*), z+ - z*>,

and the last term is at most `h L |z+ - z| |z+ - z*| + h B |theta+ - theta*|^2` by the constants and
lemma 1. The part of theta of D_Psi is twice `rho/2 |theta+ - theta*|^2`, of which B takes its
share; what is left is at least `h margin (D(z*, z+) + D(z+, z*))`. By Young's inequality
`h L |z+ - z| |z+ - z*| <= (|z+ - z|^2 + h^2 L^2 |z+ - z*|^2) / 2 <= D(z+, z) + h^2 L^2 D(z+, z*)`,
where `h L^2 <= margin`. ∎

**Theorem M3** (mirror prox). `y = argmin_v h <G(z), v> + h Psi(v) + D(v, z)`, then z+ the same with
G(y) in place of G(z). Let `h <= 1/L`, `excess = max(0, B - rho/2)`, and let `rate > 0` be the least
of `tau / omega` and

    rho                                                              if the excess is zero, else
    2 (rho - B) - 2 excess^2 / (rho - B + (1 - h L) / (2 h)).

If all points within `max(1, stretch) sqrt(2 D(z*, z))` of theta* are in the region, then
`D(z*, z+) <= D(z*, z) / (1 + h rate)`.
*Proof.* As above y is in the region (`h S <= 1`); of z+ that is not needed, as G is not evaluated
there. The conditions of z+ at z*, of y at z+, and of z* at y add up to

    D(z*, z+) <= D(z*, z) - D(z+, y) - D(y, z) - h (D_Psi(z*, z+) + D_Psi(z+, y) + D_Psi(y, z*))
                 - h <G(y) - G(z*), y - z*> + h <G(y) - G(z), y - z+>.

The last product is at most `h L |y - z| |y - z+| <= h L (D(y, z) + D(z+, y))`, and the one before
at most `h B |theta_y - theta*|^2`. With the distances s, t and q of theta between z* and z+, z+ and
y, y and z*, q <= s + t, what is taken away is at least

    h (rho/2 s^2 + (rho/2 + (1 - h L) / (2 h)) t^2 - (B - rho/2) q^2) + h tau d_R(p*, p+).

If `B <= rho/2` it is at least `h rho s^2 / 2` in theta. Else, with `q^2 <= (s + t)^2`, the least
value over t of the quadratic form is `s^2 (rho - B - excess^2 / (rho - B + (1 - h L) / (2 h)))`. ∎
The stretch as a function of h is a norm of an affine function divided by a positive affine one:
quasiconvex. So for all steps up to the largest one it is at most its value there, or one, at h = 0.
And `rate` decreases with h, so that it is positive for all of them if it is for the largest.

**Starts.** From the uniform weights and a network theta within s of theta_e,

    2 D(z*, z) <= (s + r)^2 + 2 omega d_R(p*, u) <= distance^2,

    entropy:     d_R(p*, u) <= KL(p_e, u) + r^2 / omega + (r / sqrt(omega)) range(log p_e) / 2,
    chi_square:  d_R(p*, u) <= (sqrt(d_R(p_e, u)) + r / sqrt(2 omega))^2,

the first by `KL(p*, u) = KL(p*, p_e) + KL(p_e, u) + sum_k (p*_k - p_e,k) log p_e,k`. All points
within `stretch sqrt(2 D(z*, z))` of theta* are in the region if those within `stretch distance + r`
of theta_e are; so the basin of a method is a bound on `distance`. After k steps theta is within
`(1 + h rate)^(-k/2) distance` of theta*, and `sqrt(omega) |p - p*|_R` is at most as much.

Level 1 takes as given what `neural.py` does, the bounds on losses, `|theta_start - theta_e|` and
epsilon. Level 2 derives them from weights and data (`rederive_robust.py`).
"""

from fractions import Fraction
from typing import Any, NamedTuple

from .logarithm import logarithm
from .neural_outputs import read_pass
from .neural_recursion import Bend, Layers, above, bend, norm_above, power_above, root_above
from .reader import Reader
from .verdict import require

# The losses that are known, each with whether labels are classes.
LOSSES = ("logistic", "softmax")
DIVERGENCES = ("entropy", "chi_square")

_ZERO, _ONE, _TWO = Fraction(0), Fraction(1), Fraction(2)


class RobustValue(NamedTuple):
    """The section `game.value` of a file.

    Attributes:
        loss: One of `LOSSES`.
        temperature: The number tau.
        divergence: One of `DIVERGENCES`.
        groups: The samples of each group.
    """

    loss: str
    temperature: Fraction
    divergence: str
    groups: list[list[int]]


def read_robust(value: Reader, samples: int) -> RobustValue:
    """Reads what the players play for."""
    _, loss, temperature, divergence, groups = value.fields(
        "kind", "loss", "temperature", "divergence", "groups"
    )
    for field, names in ((loss, LOSSES), (divergence, DIVERGENCES)):
        if field.text() not in names:
            field.fail(f"one of {', '.join(names)}")
    if temperature.number() <= 0:
        temperature.fail("a positive number")
    members = [[n] for n in range(samples)]
    if groups.value is not None:
        labels = [label.integer_within(0, samples - 1) for label in groups.items(samples)]
        members = [[] for _ in range(max(labels) + 1)]
        for n, label in enumerate(labels):
            members[label].append(n)
        if not all(members):
            groups.fail("groups none of which is empty")
    return RobustValue(loss.text(), temperature.number(), divergence.text(), members)


class RobustBounds(NamedTuple):
    """The constants of the game in the geometry of a file.

    Attributes:
        bend: The number B.
        size: The number S.
        coupling: The number c.
        temperature: The number tau.
        omega: The weight of the divergence of p.
        value: What is played for.
        weights: The vector p_e.
        spread: The number epsilon.
        away: A bound on `|theta_start - theta_e|`, or None.
    """

    bend: Fraction
    size: Fraction
    coupling: Fraction
    temperature: Fraction
    omega: Fraction
    value: RobustValue
    weights: list[Fraction]
    spread: Fraction
    away: Fraction | None

    @property
    def lipschitz(self) -> Fraction:
        """The number L."""
        return lipschitz_of(self.size, self.coupling)

    def margin(self, decay: Fraction) -> Fraction:
        """The largest margin."""
        return min(decay - self.bend, self.temperature / self.omega)


class RobustConstants(NamedTuple):
    """The constants that do not depend on the geometry: B, S and K."""

    bend: Fraction
    size: Fraction
    slope: Fraction


def robust_constants(
    value: RobustValue,
    bends: list[Bend],
    slope: list[Fraction],
    concave: list[Fraction],
    size: list[Fraction],
) -> RobustConstants:
    """Returns B, S and K."""
    own, whole, slopes = [], [], []
    for members in value.groups:
        own.append(_mean_norm(members, bends, slope, concave))
        whole.append(_mean_norm(members, bends, slope, size))
        total = sum((slope[n] * bends[n].slope for n in members), _ZERO)
        slopes.append(above(total / len(members)))
    if value.divergence == "entropy":
        return RobustConstants(max(own), max(whole), max(slopes))
    mean = sum((x * x for x in slopes), _ZERO) / len(slopes)
    return RobustConstants(max(own), max(whole), root_above(mean))


def coupling_of(slope: Fraction, omega: Fraction) -> Fraction:
    """Returns c = K / sqrt(omega), rounded up."""
    return root_above(slope * slope / omega)


def lipschitz_of(size: Fraction, coupling: Fraction) -> Fraction:
    """Returns the norm of `(S, c), (c, 0)`, rounded up."""
    half = size / 2
    return above(half + root_above(half * half + coupling * coupling))


def robust_bounds(game: Reader, evidence: Reader, networks: list[Layers]) -> RobustBounds:
    """Bounds the constants from what the file states; see the top of this module."""
    samples = game["data"]["samples"].integer()
    value = read_robust(game["value"], samples)
    passes, reach, loss, geometry, weights, spread, away = evidence.fields(
        "passes", "reach", "loss", "geometry", "weights", "spread", "away"
    )
    (network,) = networks
    bends = [bend(network, at) for at in read_pass(passes, network.depth, samples)]
    holds = all(each.reach <= x for each, x in zip(bends, reach.numbers(samples), strict=True))
    require(holds, "outputs on the region are within reach of those at the centre")
    slope, concave, size = (
        field.numbers(samples) for field in loss.fields("slope", "concave", "size")
    )
    require(min(*slope, *concave, *size) >= 0, "bounds on losses are not negative")
    omega, epsilon = geometry.number(), spread.number()
    require(omega > 0, "the weight of the divergence is positive")
    require(epsilon >= 0, "the spread is not negative")
    found = robust_constants(value, bends, slope, concave, size)
    integers = [entry.integer() for entry in weights.items(len(value.groups))]
    least = 1 if value.divergence == "entropy" else 0
    require(min(integers) >= least, "weights are not negative, and positive for the entropy")
    total = sum(integers)
    require(total > 0, "weights are not all zero")
    start = None if away.value is None else away.number()
    require(start is None or start >= 0, "the distance of the start is not negative")
    return RobustBounds(
        found.bend,
        found.size,
        coupling_of(found.slope, omega),
        value.temperature,
        omega,
        value,
        [Fraction(x, total) for x in integers],
        epsilon,
        start,
    )


def _mean_norm(
    members: list[int], bends: list[Bend], slope: list[Fraction], size: list[Fraction]
) -> Fraction:
    """Returns `|| mean (slope H + size A A') ||` over a group."""
    count = len(bends[0].outputs) - 1
    total = [[_ZERO] * count for _ in range(count)]
    for n in members:
        each, p, q = bends[n], slope[n], size[n]
        for i, row in enumerate(total):
            for j in range(count):
                outer = q * each.outputs[i + 1] * each.outputs[j + 1] if q else _ZERO
                row[j] = above(row[j] + p * each.second[i + 1][j + 1] + outer)
    return above(norm_above(total) / len(members))


def residual_square(delta: Fraction, bounds: RobustBounds) -> Fraction:
    """Returns `delta^2 + epsilon^2 / omega`."""
    return delta * delta + bounds.spread * bounds.spread / bounds.omega


def start_distance(bounds: RobustBounds, radius: Fraction) -> Fraction:
    """Bounds `sqrt(2 D(z*, z))` for the start, with uniform weights.

    Args:
        bounds: The constants, with a start.
        radius: The number r.
    """
    assert bounds.away is not None
    theta = bounds.away + radius
    return root_above(theta * theta + 2 * bounds.omega * uniform_divergence(bounds, radius))


def uniform_divergence(bounds: RobustBounds, radius: Fraction) -> Fraction:
    """Bounds `d_R(p*, u)`."""
    p, count = bounds.weights, len(bounds.weights)
    if bounds.value.divergence == "chi_square":
        square = Fraction(count, 2) * sum(((x - Fraction(1, count)) ** 2 for x in p), _ZERO)
        return above((root_above(square) + root_above(radius**2 / (2 * bounds.omega))) ** 2)
    pairs = {x: logarithm(x * count) for x in set(p)}
    entropy = sum((x * pairs[x][1] for x in p), _ZERO)
    width = max(high for _, high in pairs.values()) - min(low for low, _ in pairs.values())
    near = radius**2 / bounds.omega + root_above(radius**2 / bounds.omega) * width / 2
    return above(max(entropy, _ZERO) + near)


def stretch_square(bounds: RobustBounds, decay: Fraction, step: Fraction) -> Fraction:
    """Returns the square of the stretch of a step."""
    first, second = 1 + step * bounds.bend, step * bounds.coupling
    return (first * first + second * second) / (1 + step * decay) ** 2


def prox_rate(
    bounds: RobustBounds, decay: Fraction, lipschitz: Fraction, step: Fraction
) -> Fraction:
    """Returns the number `rate` of theorem M3, for `step <= 1 / lipschitz`."""
    left, excess = decay - bounds.bend, bounds.bend - decay / 2
    theta = decay
    if excess > 0:
        theta = 2 * left - 2 * excess**2 / (left + (1 - step * lipschitz) / (2 * step))
    return min(theta, bounds.temperature / bounds.omega)


def check_robust(claims: Any, bounds: RobustBounds) -> None:
    """Verifies all claims of a file with a robust value; `claims` are `NeuralClaims`."""
    decay = claims.shapes[0].decay
    require(claims.margin <= bounds.margin(decay), "the margin is what decay leaves of curvature")
    require(claims.lipschitz >= bounds.lipschitz, "the Lipschitz constant holds")
    square = residual_square(claims.residual[0], bounds)
    require(
        square <= (claims.margin * claims.radius) ** 2, "the residual is at most margin * radius"
    )
    require(claims.reaches(claims.basin + claims.radius), "the basin is inside the region")
    basins = {}
    for step in claims.steps:
        basins[step["method"].text()] = check_step(claims, bounds, decay, step)
    require(len(basins) == len(claims.steps), "each method has one step")
    if claims.training is None:
        return
    require(bounds.away is not None, "the distance of the start is stated")
    distance, method, accuracy, count = claims.training
    reached = distance.number()
    require(reached >= start_distance(bounds, claims.radius), "the distance of the start holds")
    if method.text() not in basins:
        method.fail("a method with steps")
    basin, rate = basins[method.text()]
    require(reached <= basin, f"{method.text()}: the start is in the basin")
    steps, goal = count.integer_within(0, 2**60), accuracy.number()
    require(goal > 0, "the accuracy is positive")
    require(
        power_above(rate, steps) * reached <= goal,
        f"{method.text()}: so many steps are enough",
    )


def check_step(
    claims: Any, bounds: RobustBounds, decay: Fraction, step: Reader
) -> tuple[Fraction, Fraction]:
    """Verifies the step of a method; returns its basin and its rate."""
    name, theorem, most, best, rate, stretch, basin = step.fields(
        "method", "theorem", "max", "best", "rate", "stretch", "basin"
    )
    if theorem.text() != "mixed":
        theorem.fail("mixed")
    largest, chosen, factor = most.number(), best.number(), rate.number()
    require(0 < chosen <= largest, "steps are positive, and the best at most the largest")
    require(largest * claims.lipschitz <= 1, f"{name.text()}: steps are at most 1 / lipschitz")
    require(0 < factor < 1, f"{name.text()}: the rate is between 0 and 1")
    wide = stretch.number()
    holds = wide >= 1 and wide * wide >= stretch_square(bounds, decay, largest)
    require(holds, f"{name.text()}: steps stretch no more than stated")
    reach = basin.number()
    require(reach > 0, f"{name.text()}: the basin has a positive radius")
    require(claims.reaches(wide * reach + claims.radius), f"{name.text()}: its basin is inside")
    if name.text() == "mirror_descent":
        require(
            largest * claims.lipschitz**2 <= claims.margin,
            "mirror_descent: steps are at most margin / lipschitz^2",
        )
        gain = claims.margin
    elif name.text() == "mirror_prox":
        require(
            prox_rate(bounds, decay, claims.lipschitz, largest) > 0,
            "mirror_prox: the largest step converges",
        )
        gain = prox_rate(bounds, decay, claims.lipschitz, chosen)
    else:
        name.fail("mirror_descent or mirror_prox")
        raise AssertionError
    require(factor * factor * (1 + chosen * gain) >= 1, f"{name.text()}: the rate holds")
    return reach, factor
