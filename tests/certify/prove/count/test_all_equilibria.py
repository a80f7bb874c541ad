"""All stationary points in a box, against closed forms, published numbers and multistart Newton."""

import hypothesis.strategies as st
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings

import certify
import dgames as dg
from dgames.strategy import ravel


class Walls(dg.Game):
    """A cubic between two walls: one point at the lower wall, none at the upper one."""

    def costs(self, x, args=None):
        """See `dg.Game`."""
        return (x[0] ** 3 - 3.0 * x[0] + 0.5 * x[0] * x[1], x[1] ** 2 + x[1])

    def strategy_set(self, x):
        """See `dg.Game`."""
        return (dg.Box(-2.0, 1.5), dg.Euclidean())


@pytest.fixture(scope="module")
def walls():
    return certify.all_equilibria(Walls(), certify.Box((-3.0, -2.0), (3.0, 1.0)))


def himmelblau(x, args):
    a, b = x[0]
    return ((a**2 + b - 11.0) ** 2 + (a + b**2 - 7.0) ** 2,)


def enclosed(point, x):
    low, high, middle = ravel(point.lower)[0], ravel(point.upper)[0], ravel(x)[0]
    return bool(((low <= middle + 1e-12) & (middle - 1e-12 <= high)).all())


def test_points_inside_and_on_faces(walls):
    assert walls.status == "proved" and walls.count == 3 and walls.check(level=2).ok
    inner = np.sqrt(3.25 / 3.0)
    known = {(inner, "local", ()), (-inner, "descent", ()), (-2.0, "local", (0,))}
    for place, nature, fixed in known:
        (point,) = [p for p in walls.points if enclosed(p, (jnp.array(place), jnp.array(-0.5)))]
        assert (point.nature, point.fixed) == (nature, fixed)
    assert ravel(walls.region.upper)[0].tolist() == [1.5, 1.0]


@pytest.mark.full
def test_himmelblau_has_nine_critical_points():
    region = certify.Box((jnp.full(2, -6.0),), (jnp.full(2, 6.0),))
    found = certify.all_equilibria(dg.game(himmelblau), region)
    assert found.count == 9 and found.check(level=2).ok
    assert [p.nature for p in found.points].count("local") == 4
    for place in ([3.0, 2.0], [-2.805118086953, 3.131312518250], [3.584428340330, -1.848126526964]):
        assert sum(enclosed(p, (jnp.array(place),)) for p in found.points) == 1


def test_zeros_of_a_function_and_what_is_left_open():
    found = certify.all_zeros(lambda z, args: z**2 - args, (-jnp.ones(1), jnp.ones(1)), args=0.25)
    assert found.count == 2 and {p.nature for p in found.points} == {"unsettled"}
    assert sorted(float(p.center["z"][0]) for p in found.points) == [-0.5, 0.5]
    double = certify.all_zeros(
        lambda z, args: z**2 * (z - args), (-jnp.ones(1), jnp.ones(1)), args=0.75
    )
    assert double.status == "undecided" and "1 points" in double.reasons[0]
    left = double.partial
    assert left is not None and left.at_least == 1 and not left.is_complete
    assert all(abs(float(end["z"][0])) < 1e-5 for cell in left.open_cells for end in cell)
    with pytest.raises(ValueError, match="at least 1 points"):
        _ = left.count
    with pytest.raises(ValueError, match="status is 'undecided'"):
        _ = double.count


def test_a_zero_on_the_border_is_not_counted():
    found = certify.all_zeros(lambda z, args: z - args, (jnp.zeros(1), jnp.ones(1)), args=1.0)
    assert found.status == "undecided" and "border" in found.reasons[0]
    assert found.partial is not None and found.partial.at_least == 0


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="1 equations in 2 unknowns"):
        certify.all_zeros(lambda z, args: z[:1], (jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(ValueError, match="no interior"):
        certify.all_equilibria(Walls(), certify.Box((3.0, -2.0), (4.0, 1.0)))
    wrong = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(wrong, match=r"region is a box|Type-check error"):
        certify.all_zeros(Walls(), 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="checkpoint"):
        search = certify.Search(checkpoint="c")
        certify.all_zeros(Walls(), certify.Box((0.0, 0.0), (1.0, 1.0)), search=search)


def newton(value, slope, points):
    """Where Newton's method goes from many points, those that converged."""
    for _ in range(60):
        steps = np.linalg.pinv(slope(points)) @ value(points)[..., None]
        points = points - np.clip(steps[..., 0], -1.0, 1.0)
    return points[np.abs(value(points)).max(1) < 1e-12]


@pytest.mark.full
@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=12, max_size=12))
def test_no_zero_of_random_quadratics_is_missed(coefficients):
    """Two players with random quadratic fields, against a dense multistart."""
    c = np.array(coefficients, float).reshape(2, 6) + 0.37
    low, high = -1.25, 1.5

    def entry(k, x, y):
        a = c[k]
        return a[0] + a[1] * x + a[2] * y + a[3] * x**2 + a[4] * x * y + a[5] * y**2

    def field(z, args):
        return (entry(0, z[0], z[1]), entry(1, z[0], z[1]))

    region = certify.Box((low, low), (high, high))
    search = certify.Search(max_cells=3000)
    found = certify.all_zeros(field, region, search=search)
    best = found if found.status == "proved" else found.partial
    assert best is not None and best.check(level=2).ok

    def value(p):
        return np.stack([entry(k, p[:, 0], p[:, 1]) for k in (0, 1)], 1)

    def slope(p):
        x, y = p.T
        rows = [[a[1] + 2 * a[3] * x + a[4] * y, a[2] + a[4] * x + 2 * a[5] * y] for a in c]
        return np.array(rows).transpose(2, 0, 1)

    grid = np.stack(np.meshgrid(*[np.linspace(low, high, 12)] * 2), -1).reshape(-1, 2)
    zeros = newton(value, slope, grid)
    zeros = zeros[((zeros > low) & (zeros < high)).all(1)]
    boxes = [(ravel(p.lower)[0], ravel(p.upper)[0]) for p in best.points]
    rest = [(ravel(cell.lower)[0], ravel(cell.upper)[0]) for cell in best.open_cells]
    for zero in zeros:
        assert any(
            (a - 1e-6 <= zero).all() and (zero <= b + 1e-6).all() for a, b in [*boxes, *rest]
        )
    distinct = {tuple(np.round(zero, 6)) for zero in zeros}
    assert found.status != "proved" or len(distinct) <= found.count
