"""Theorems on methods along monotone fields: their algebra exactly, their bounds against runs."""

from fractions import Fraction

import numpy as np
import pytest

from certify.checker.anchored import ONTO_SETS, UNCONSTRAINED, limit_of_varying_steps


class Polynomial:
    """A quotient of polynomials in one variable, in exact coefficients, never reduced."""

    def __init__(self, top, below=(1,)):
        self.top, self.below = ([Fraction(x) for x in part] for part in (top, below))

    def __add__(self, other):
        other = _made(other)
        ends = _times(self.top, other.below), _times(other.top, self.below)
        size = max(map(len, ends))
        total = [sum(e[i] for e in ends if i < len(e)) for i in range(size)]
        return Polynomial(total, _times(self.below, other.below))

    def __neg__(self):
        return Polynomial([-x for x in self.top], self.below)

    def __sub__(self, other):
        return self + -_made(other)

    def __rsub__(self, other):
        return _made(other) - self

    def __mul__(self, other):
        other = _made(other)
        return Polynomial(_times(self.top, other.top), _times(self.below, other.below))

    def __truediv__(self, other):
        other = _made(other)
        return self * Polynomial(other.below, other.top)

    def __rtruediv__(self, other):
        return _made(other) / self

    __radd__, __rmul__ = __add__, __mul__

    @property
    def is_positive(self):
        """Whether no coefficient is negative, and some is not zero: then it is for all j >= 0."""
        return all(min(part) >= 0 and any(part) for part in (self.top, self.below))

    def at(self, j):
        """The value at a number."""
        ends = (sum(x * j**k for k, x in enumerate(part)) for part in (self.top, self.below))
        top, below = ends
        return float(top / below)


def _made(x):
    return x if isinstance(x, Polynomial) else Polynomial([x])


def _times(one, other):
    result = [Fraction(0)] * (len(one) + len(other) - 1)
    for i, x in enumerate(one):
        for j, y in enumerate(other):
            result[i + j] += x * y
    return result


def pivots_of_constant_steps(a):
    """The leading minors of the quadratic form of EAG-C in x, g, y, with positive factors."""
    u, q = Polynomial([1, 1]), a * a
    t, s = 3 * (u + 1) / u, (u + 1) / u
    c, r = 1 - Fraction(3, 5) / (u + 3), (1 - Fraction(3, 5) / (u + 4)) * (u + 2) / u
    first = c - t * q
    second = t * (1 - q) * first - (1 - t * q) * (1 - t * q)
    return first, second, second * (t - r) - first * (t - s) * (t - s)


def pivots_of_optimistic_steps(a):
    """The same of AOG, in the order q, f, y, G."""
    t, q = Polynomial([1, 1]), a * a
    c, r = 1 - Fraction(3, 5) / (t + 2), (1 - Fraction(3, 5) / (t + 3)) * (t + 2) / t
    tau = 4 * (t + 1) / t
    first = c - tau * q
    second = 2 * c * first - c * c
    third = tau - 2 * r
    gap, pull = c - r + 2 / t, 1 + 1 / t - r
    last = gap * second * third - (c - 1) * (c - 1) * first * third - pull * pull * second
    return first, second, third, last


@pytest.mark.parametrize(
    "pivots, limit, rule",
    [
        (pivots_of_constant_steps, Fraction(3, 10), ("anchored_extragradient", "constant")),
        (pivots_of_optimistic_steps, Fraction(3, 16), ("accelerated_optimistic", "anchored")),
    ],
)
def test_quadratic_forms_are_positive_for_every_number_of_steps(pivots, limit, rule):
    assert UNCONSTRAINED[rule].limit == limit
    assert all(pivot.is_positive for pivot in pivots(limit))
    assert not all(pivot.is_positive for pivot in pivots(2 * limit))


def test_the_form_of_constant_steps_is_the_difference_of_potentials():
    """V_k - V_k+1 with the two facts subtracted is the form of the docstring, for any vectors."""
    rng = np.random.default_rng(0)
    h, k = 0.3, 2
    u, b = k + 1, 1 / (k + 2)
    x, g, y, p = rng.normal(size=(4, 3))
    c, c_next = 1 - 0.6 / (u + 3), 1 - 0.6 / (u + 4)
    t, r = 3 * (u + 1) / u, c_next * (u + 2) / u
    after = (1 - b) * p + h * g
    drop = h * u * (u + 1) / 2 * c * x @ x - u * x @ p
    drop -= h * (u + 1) * (u + 2) / 2 * c_next * y @ y - (u + 1) * y @ after
    unit = h * u * (u + 1) / 2
    drop -= u * (u + 1) * (y - x) @ (b * p - h * g)
    drop += unit * t * ((y - g) @ (y - g) - h**2 * (x - g) @ (x - g))
    form = c * x @ x - r * y @ y + 2 * (1 + 1 / u) * g @ y - 2 * x @ g
    form += t * ((y - g) @ (y - g) - h**2 * (x - g) @ (x - g))
    assert drop / unit == pytest.approx(form)
    first, second, third = pivots_of_constant_steps(Fraction(3, 10))
    matrix = np.array(
        [
            [c - t * h**2, -1 + t * h**2, 0],
            [-1 + t * h**2, t * (1 - h**2), 1 + 1 / u - t],
            [0, 1 + 1 / u - t, t - r],
        ]
    )
    assert first.at(k) == pytest.approx(matrix[0, 0])
    assert second.at(k) == pytest.approx(np.linalg.det(matrix[:2, :2]))
    assert third.at(k) == pytest.approx(np.linalg.det(matrix))


def test_the_form_of_optimistic_steps_is_the_difference_of_potentials():
    rng = np.random.default_rng(1)
    h, t = 0.2, 3
    b = 1 / (t + 1)
    now, before, g, new, p = rng.normal(size=(5, 3))
    f, q, y = now - g, before - g, new - g
    c, c_next = 1 - 0.6 / (t + 2), 1 - 0.6 / (t + 3)
    r, tau, unit = c_next * (t + 2) / t, 4 * (t + 1) / t, h * t * (t + 1) / 2
    drop = unit * c * (now @ now + (now - before) @ (now - before)) - t * now @ p
    drop -= h * (t + 1) * (t + 2) / 2 * c_next * (new @ new + y @ y)
    drop += (t + 1) * new @ ((1 - b) * p + h * g)
    drop -= t * (t + 1) * (new - now) @ (b * p - h * g)
    drop += unit * tau * (y @ y - h**2 * q @ q)
    matrix = np.zeros((4, 4))  # in q, f, y, G
    matrix[0, 0], matrix[0, 1], matrix[1, 1] = c - tau * h**2, -c, 2 * c
    matrix[2, 2], matrix[2, 3] = tau - 2 * r, 1 + 1 / t - r
    matrix[1, 3], matrix[3, 3] = c - 1, c - r + 2 / t
    whole = matrix + np.triu(matrix, 1).T
    vector = np.stack([q, f, y, g])
    assert drop / unit == pytest.approx(np.einsum("ij,ik,jk->", whole, vector, vector))
    product = np.linalg.det(whole)
    first, second, third, last = (p.at(t - 1) for p in pivots_of_optimistic_steps(Fraction(1, 5)))
    assert first == pytest.approx(whole[0, 0])
    assert second == pytest.approx(np.linalg.det(whole[:2, :2]))
    assert third == pytest.approx(whole[2, 2])
    assert last == pytest.approx(product)


def test_steps_of_eag_v_have_the_limit_of_the_paper():
    found = float(limit_of_varying_steps(Fraction(618, 1000)))
    assert 0.43653 < found < 0.436541
    a = 0.618
    for k in range(100_000):
        a *= 1 - a**2 / ((1 - a**2) * (k + 1) * (k + 3))
    assert found < a < found * 1.0001


def runs(field, start, steps, a):
    """The residuals of every method and the farthest point of each, step by step, for L = 1."""
    for rule, theorem in UNCONSTRAINED.items():
        h = float(theorem.limit) if a is None else min(a, float(theorem.limit))
        if rule[0] == "extragradient" and a is None:
            h = 0.7071
        z, last, residuals, first = start, field(start), [], h
        points = []
        for k in range(steps):
            points.append(z)
            residuals.append(np.linalg.norm(field(z)))
            if rule[0] == "extragradient":
                w = z - h * field(z)
                z = z - h * field(w)
            elif rule[0] == "fast_extragradient":
                near = z + (start - z) / (k + 1)
                w = near - (1 - 1 / (k + 1)) * h * field(z)
                z = near - h * field(w)
            elif rule[0] == "anchored_extragradient":
                near = z + (start - z) / (k + 2)
                w = near - h * field(z)
                z = near - h * field(w)
                if rule[1] == "varying":
                    h *= 1 - h**2 / ((1 - h**2) * (k + 1) * (k + 3))
            else:
                near = z + (start - z) / (k + 2)
                w = near - h * last
                last = field(w)
                z = near - h * last
            points.append(w)
        yield rule, theorem, first, np.array(residuals), np.array(points)


def fields(rng):
    """Monotone fields of Lipschitz constant 1, whose zero is the origin, and their sizes."""
    for size in (2, 3, 4):
        m = rng.normal(size=(size, size))
        turn = (m - m.T) / np.linalg.norm(m - m.T, 2)
        for weight in (0.0, 0.02, 1.0):
            matrix = m - m.T + weight * m @ m.T
            matrix /= np.linalg.norm(matrix, 2)
            yield size, lambda z, matrix=matrix: matrix @ z
        yield size, lambda z, turn=turn: (turn @ z + np.maximum(z - 0.2, 0.0)) / 2


@pytest.mark.parametrize("a", [None, 0.1])
def test_no_run_beats_a_bound_or_leaves_the_reach(a):
    rng, nearest = np.random.default_rng(7), dict.fromkeys(UNCONSTRAINED, 0.0)
    for size, field in fields(rng):
        for _ in range(3):
            start = rng.normal(size=size)
            start /= np.linalg.norm(start)
            for rule, theorem, h, residuals, points in runs(field, start, 120, a):
                bound = theorem.bound(Fraction(h), Fraction(1), Fraction(1))
                assert bound is not None
                counts = np.arange(120) + theorem.shift
                with np.errstate(divide="ignore"):
                    bounds = float(bound) / (np.sqrt(counts) if theorem.root else counts)
                assert (residuals <= bounds * (1 + 1e-9)).all(), rule
                far = np.linalg.norm(points, axis=-1).max()
                assert far <= float(theorem.reach(Fraction(h))) * (1 + 1e-9), rule
                nearest[rule] = max(nearest[rule], (residuals[1:] / bounds[1:]).max())
    # None of the bounds is much larger than what occurs.
    assert min(nearest.values()) > 0.6


def test_larger_steps_have_no_bound():
    for theorem in {**UNCONSTRAINED, **ONTO_SETS}.values():
        one = Fraction(1)
        assert theorem.bound(theorem.limit, one, one) is not None
        assert theorem.bound(theorem.limit + Fraction(1, 10**9), one, one) is None
