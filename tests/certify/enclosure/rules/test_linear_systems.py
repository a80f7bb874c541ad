"""Linear systems, determinants and factors against exact rationals."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from jax import lax

from certify.enclosure import EnclosureError, Interval, enclose
from certify.enclosure.programs.plain import plain
from certify.jacobian.by_jaxpr import jacobian_family
from certify.problem.traced_code import vetted
from tools.numpy_jaxpr import uncompiled

pytestmark = pytest.mark.thin(4)


def rational(value):
    numerator, denominator = float(value).as_integer_ratio()
    return fmpq(numerator, denominator)


def matrix(values):
    values = np.asarray(values)
    rows, columns = values.shape
    return fmpq_mat(rows, columns, [rational(v) for v in values.ravel()])


def entries(exact):
    return np.array([[exact[i, j] for j in range(exact.ncols())] for i in range(exact.nrows())])


def holds(box, exact):
    """Whether exact rationals are inside; infinite ends hold everything."""
    pairs = zip(np.ravel(box.lower), np.ravel(box.upper), np.ravel(exact), strict=True)
    return all(
        (low == -np.inf or rational(low) <= value) and (high == np.inf or value <= rational(high))
        for low, high, value in pairs
    )


def boxes(rng, n, columns, radius):
    scale = 2.0 ** rng.integers(-30, 30) if rng.uniform() < 0.5 else 1.0
    a = scale * (rng.normal(size=(n, n)) + 2.0 * np.eye(n) * rng.choice([0.5, 2.0]))
    b = rng.normal(size=(n, columns))
    widths = [radius * np.abs(m) * rng.uniform(size=m.shape) for m in (a, b)]
    return (a, a + widths[0]), (b, b + widths[1])


def member(rng, low, high):
    share = rng.choice([0.0, 1.0, 0.3, 0.7], size=low.shape)
    return np.clip(low + share * (high - low), low, high)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 9])
def test_solutions_are_inside(n):
    compiled = jax.jit if n in (1, 3) else uncompiled
    rng, known, solve = np.random.default_rng(n), 0, compiled(enclose(jnp.linalg.solve))
    for k in range(60):
        a, b = boxes(rng, n, 2, [0.0, 1e-12, 1e-3, 0.05][k % 4])
        box = solve(Interval(*a), Interval(*b))
        known += bool(np.isfinite(box.width).all())
        for _ in range(4):
            exact_a, exact_b = matrix(member(rng, *a)), matrix(member(rng, *b))
            if exact_a.det() == 0:
                assert bool(box.is_unknown.all())
            else:
                assert holds(box, entries(exact_a.solve(exact_b)))
    assert known > 40


@pytest.mark.full
def test_solutions_are_tight_at_points():
    rng = np.random.default_rng(1)
    for n in (2, 3, 5, 10):
        a, b = rng.normal(size=(n, n)) + 3.0 * np.eye(n), rng.normal(size=n)
        box = uncompiled(enclose(jnp.linalg.solve))(a, b)
        assert float(box.width.max()) < 1e-10


@pytest.mark.full
def test_matrices_that_may_be_singular():
    ones = jnp.ones((2, 2))
    assert bool(enclose(jnp.linalg.solve)(ones, jnp.ones(2)).is_unknown.all())
    wide = Interval(jnp.eye(2) - 1.0, jnp.eye(2) + 1.0)
    assert bool(enclose(jnp.linalg.inv)(wide).is_unknown.all())
    # Invertible in every entrywise sense that a norm test could miss: one column unknown.
    b = Interval(jnp.array([[1.0, -jnp.inf], [1.0, -jnp.inf]]), jnp.array([[1.0, jnp.inf]] * 2))
    box = enclose(jnp.linalg.solve)(jnp.eye(2), b)
    assert box.is_unknown.tolist() == [[False, True], [False, True]]


def test_extreme_scales():
    solve = jax.jit(enclose(jnp.linalg.solve))
    for scale in (1e-300, 1e-160, 1e160, 1e300):
        a = jnp.array([[2.0, 1.0], [1.0, 3.0]]) * scale
        box = solve(a, jnp.array([1.0, 2.0]))
        exact = matrix(a).solve(matrix([[1.0], [2.0]]))
        assert holds(box, entries(exact))


def spread(v):
    return jnp.array([[4.0, 1.0, 0.0], [0.5, 3.0, 1.0], [1.0, 0.0, 5.0]]) + jnp.outer(v, v)


SYSTEMS = {
    "vector": lambda v: jnp.linalg.solve(spread(v), v),
    "matrix": lambda v: jnp.linalg.solve(spread(v), jnp.outer(v, v))[:, 0],
    "stack": lambda v: jnp.linalg.solve(
        jnp.stack([spread(v), 2.0 * spread(v)]), jnp.stack([v, v])[..., None]
    )[1, :, 0],
    "mapped": lambda v: jax.vmap(lambda t: jnp.linalg.solve(spread(t * v), v))(jnp.arange(2.0))[1],
    "mapped right-hand sides": lambda v: jax.vmap(lambda t: jnp.linalg.solve(spread(v), t * v))(
        jnp.arange(2.0)
    )[1],
    "inverse": lambda v: jnp.linalg.inv(spread(v))[0],
    "triangular": lambda v: jax.scipy.linalg.solve_triangular(spread(v), v, trans=1),
    "by columns": lambda v: lax.custom_linear_solve(
        lambda y: 3.0 * y + jnp.roll(y, 1) * v[0],
        v,
        lambda f, b: jnp.linalg.solve(jax.jacobian(f)(b), b),
        transpose_solve=lambda f, b: jnp.linalg.solve(jax.jacobian(f)(b), b),
    ),
    "positive": lambda v: jax.scipy.linalg.solve(
        3.0 * jnp.eye(3) + jnp.outer(v, v), v, assume_a="pos"
    ),
    "positive, lower": lambda v: jax.scipy.linalg.solve(
        3.0 * jnp.eye(3) + jnp.outer(v, v), v, assume_a="pos", lower=True
    ),
    "compiled": jax.jit(lambda v: jax.jit(jnp.linalg.solve)(spread(v), v)),
    "gradient": jax.grad(lambda v: jnp.sum(jnp.linalg.solve(spread(v), v) ** 2)),
    "scan": lambda v: lax.scan(
        lambda x, _: (jnp.linalg.solve(spread(v), x), None), v, None, length=2
    )[0],
    "branch": lambda v: lax.cond(
        v[0] > -9.0, lambda v: jnp.linalg.solve(spread(v), v), lambda v: v, v
    ),
    "both mapped": lambda v: jax.vmap(jnp.linalg.solve)(
        jnp.stack([spread(v), spread(2.0 * v)]), jnp.stack([v, -v])
    )[1],
}


@pytest.mark.full
@pytest.mark.parametrize("name", SYSTEMS)
def test_derivatives_of_systems(name):
    """Contained and tight; the factorisation that JAX stops is no obstacle."""
    function = SYSTEMS[name]
    slope = jax.jit(jax.jacfwd(function))
    compiled = jax.jit if name in ("vector", "triangular") else uncompiled
    compute = compiled(jacobian_family(function, "interval"))
    low = jnp.array([0.3, -0.2, 0.4])
    for width in (0.0, 0.05):
        family = compute(low, low + width)
        assert bool(family.finite)
        assert float(family.remainder.max()) < 1e-12 + 5.0 * width
        for share in (0.0, 0.4, 1.0):
            error = jnp.abs(slope(low + share * width) - family.centre)
            assert bool((error <= family.remainder + 1e-12).all())


def _by_halves(v, matrix, **others):
    return lax.custom_linear_solve(lambda y: matrix @ y, v, **others)


def _other_factors(v):
    """As JAX does it, but with the factors of another matrix."""
    lu, _, permutation = lax.linalg.lu(lax.stop_gradient(spread(2.0 * v)))
    return _by_halves(
        v,
        spread(v),
        solve=lambda _, b: jax.scipy.linalg.lu_solve((lu, permutation), b),
        transpose_solve=lambda _, b: b,
    )


def _wrong_way(v):
    """The factors are right, the order is not."""
    lu, _, _ = lax.linalg.lu(lax.stop_gradient(spread(v)))

    def solve(_, b):
        half = lax.linalg.triangular_solve(lu, b[:, None], left_side=True)
        return lax.linalg.triangular_solve(
            lu, half, left_side=True, lower=True, unit_diagonal=True
        )[:, 0]

    return _by_halves(v, spread(v), solve=solve, transpose_solve=solve)


OWN_SOLVERS = {
    "another value": lambda v: lax.custom_linear_solve(
        lambda y: 2.0 * y, v, solve=lambda _, b: b / 3.0, symmetric=True
    ),
    "no linear operator": lambda v: lax.custom_linear_solve(
        jnp.sin, v, lambda _, b: b, symmetric=True
    ),
    "a product and another value": lambda v: _by_halves(
        v, spread(v), solve=lambda _, b: b, symmetric=True
    ),
    "iterations": lambda v: jax.scipy.sparse.linalg.cg(lambda y: spread(v) @ y, v)[0],
    "other factors": _other_factors,
    "the wrong way": _wrong_way,
    "the transposed system": lambda v: _by_halves(
        v, spread(v), solve=lambda _, b: jnp.linalg.solve(spread(v).T, b), symmetric=True
    ),
    "in a scan": lambda v: lax.scan(
        lambda x, _: (_by_halves(x, spread(v), solve=lambda _, b: b, symmetric=True), None),
        v,
        None,
        length=2,
    )[0],
    "mapped": lambda v: jax.vmap(
        lambda t: _by_halves(t * v, spread(v), solve=lambda _, b: 2.0 * b, symmetric=True)
    )(jnp.ones(2))[0],
}


def close(box, value):
    error = jnp.maximum(box.lower - value, value - box.upper)
    return float(error.max()) < 1e-12 and float(box.width.max()) < 1e-10


@pytest.mark.parametrize("name", OWN_SOLVERS)
def test_solvers_of_ones_own(name):
    """What they compute need not be the solution, of which JAX takes the derivative."""
    function, v = OWN_SOLVERS[name], jnp.array([1.0, 0.5, -0.25])
    try:
        box = enclose(function)(v)
        assert close(box, function(v))
    except EnclosureError as error:
        assert name in REFUSED, error
    with pytest.raises(EnclosureError, match="custom_linear_solve"):
        vetted(jax.make_jaxpr(function)(v), "the costs")


# What these do with factors, or how often, has no rule.
REFUSED = {"iterations", "other factors", "the wrong way"}


@pytest.mark.full
@pytest.mark.parametrize("lower", [True, False])
def test_one_triangle_of_a_matrix(lower):
    """Cholesky's factors are those of a symmetric matrix, whatever the other triangle says."""

    def function(v):
        matrix = jnp.array([[4.0, 1.0, 0.0], [0.5, 3.0, 1.0], [1.0, 0.0, 5.0]]) + v[0]
        return jax.scipy.linalg.solve(matrix, v, assume_a="pos", lower=lower)

    v = jnp.array([0.3, -0.2, 0.4])
    box = enclose(function)(v)
    assert close(box, function(v))


TRIANGLES = [
    (side, lower, transposed, unit)
    for side in (True, False)
    for lower in (True, False)
    for transposed in (True, False)
    for unit in (True, False)
]


@pytest.mark.parametrize(("left", "lower", "transposed", "unit"), TRIANGLES)
def test_triangles(left, lower, transposed, unit):
    rng = np.random.default_rng(4)
    a = rng.normal(size=(3, 3)) + 3.0 * np.eye(3)
    b = rng.normal(size=(3, 2) if left else (2, 3))
    box = uncompiled(
        enclose(
            lambda a, b: lax.linalg.triangular_solve(
                a, b, left_side=left, lower=lower, transpose_a=transposed, unit_diagonal=unit
            )
        )
    )(Interval(a, a + 1e-3), Interval(b, b + 1e-3))
    for _ in range(5):
        some_a, some_b = member(rng, a, a + 1e-3), member(rng, b, b + 1e-3)
        part = np.tril(some_a) if lower else np.triu(some_a)
        if unit:
            np.fill_diagonal(part, 1.0)
        part = matrix(part.T if transposed else part)
        inverse = part.inv()
        exact = inverse * matrix(some_b) if left else matrix(some_b) * inverse
        assert holds(box, entries(exact))
    assert float(box.width.max()) < 0.1


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_determinants(n):
    rng = np.random.default_rng(n)
    compiled = jax.jit if n == 3 else uncompiled
    determinant = compiled(enclose(jnp.linalg.det))
    size = compiled(enclose(lambda a: jnp.linalg.slogdet(a)[1]))
    for radius in (0.0, 1e-9, 0.05):
        low = rng.normal(size=(n, n))
        high = low + radius * rng.uniform(size=low.shape)
        box, logarithm = determinant(Interval(low, high)), size(Interval(low, high))
        for _ in range(5):
            exact = matrix(member(rng, low, high)).det()
            assert holds(box, [exact])
            if np.isfinite(logarithm.upper):
                value = flint.arb(abs(exact)).log()
                assert value >= float(logarithm.lower) and value <= float(logarithm.upper)
        assert radius > 0.0 or float(box.width) < 1e-10


def test_determinants_of_singular_matrices_and_their_derivatives():
    """The polynomial does not need an inverse, its gradient is the adjugate."""
    zeros = jnp.zeros((4, 4))
    box = uncompiled(enclose(jax.grad(plain(jnp.linalg.det))))(
        zeros + jnp.diag(jnp.array([0.0, 1.0, 2.0, 3.0]))
    )
    assert float(box.lower[0, 0]) <= 6.0 <= float(box.upper[0, 0])
    assert float(box.width.max()) < 1e-12
    with pytest.raises(EnclosureError, match="11 rows"):
        enclose(jnp.linalg.det)(jnp.eye(11))


def exact_cholesky(a):
    n = len(a)
    factor = flint.arb_mat(n, n)
    for i in range(n):
        for j in range(i + 1):
            rest = flint.arb(a[i, j]) - sum((factor[i, k] * factor[j, k] for k in range(j)), 0)
            factor[i, j] = rest.sqrt() if i == j else rest / factor[j, j]
    return factor


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_cholesky_factors(n):
    """Entry by entry `L L^T = A` has one solution with a positive diagonal: check by arb."""
    rng = np.random.default_rng(n)
    root = rng.normal(size=(n, n))
    low = root @ root.T + np.eye(n)
    low = 0.5 * (low + low.T)
    factor = (jax.jit if n == 3 else uncompiled)(enclose(jnp.linalg.cholesky))
    for radius in (0.0, 1e-6):
        shift = radius * rng.uniform(size=(n, n))
        high = low + (shift + shift.T)
        box = factor(Interval(low, high))
        assert float(box.width.max()) < 1e-11 + 1e3 * radius
        for share in (0.0, 0.5, 1.0):
            a = low + share * (high - low)
            a = np.clip(0.5 * (a + a.T), low, high)
            exact = exact_cholesky(a)
            for i in range(n):
                for j in range(n):
                    assert exact[i, j] >= float(box.lower[i, j])
                    assert exact[i, j] <= float(box.upper[i, j])


@pytest.mark.full
def test_matrices_without_a_cholesky_factor():
    assert bool(enclose(jnp.linalg.cholesky)(-jnp.eye(2)).is_unknown.any())
