"""Regions that runs leave: closed forms on small games, and nothing proved of others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

import certify
import dgames as dg
from certify import certify_expansion

PULL = dg.zero_sum(lambda x, args: x[0] * x[1])
TRAP = dg.zero_sum(lambda x, args: -3 * x[0] ** 2 - x[1] ** 2 + 4 * x[0] * x[1])
SQUARE = certify.Box.around((0.0, 0.0), 1.0)


@dg.zero_sum
def almost_bilinear(x, args):
    """A limit cycle around an equilibrium that repels: `J = [[0, 1], [-1, 3 a y^2 - a]]`."""
    return x[0] * x[1] + args * (x[1] ** 2 / 2 - x[1] ** 4 / 4)


@pytest.mark.parametrize("h", [1e-3, 0.5, 3.0])
def test_simultaneous_steps_leave_any_box_of_a_product(h):
    """Whatever the step size: `(I - h J)'(I - h J) = (1 + h^2) I`."""
    found = certify_expansion(PULL, dg.Simultaneous(h), SQUARE)
    assert found.status == "proved" and found.cells == 1 and found.check(level=2).ok
    assert 1 < found.growth <= 1 + h**2
    assert found.growth - 1 == pytest.approx(h**2, rel=1e-5)
    np.testing.assert_allclose(found.metric, np.eye(2))
    assert found.step_sizes == {"0": h, "1": h}
    assert found.region.bounds()[1].tolist() == [1.0, 1.0]


def test_step_sizes_may_differ_by_player():
    """In the metric that makes them equal, `diag(1, h_0 / h_1)`."""
    found = certify_expansion(PULL, dg.Simultaneous((0.25, 1.0)), SQUARE)
    assert found.status == "proved" and 1.2 < found.growth < 1.25


def test_the_flow_of_a_product_goes_round():
    found = certify_expansion(PULL, None, SQUARE)
    assert found.status == "undecided" and "(an estimate)" in found.reasons[0]


@pytest.mark.parametrize(
    ("method", "least", "most"), [(None, 1.9, 2.0), (dg.Simultaneous(0.1), 1.4, 1.44)]
)
def test_a_double_eigenvalue(method, least, most):
    """The Euclidean metric will not do: J has the defective eigenvalue -2."""
    found = certify_expansion(TRAP, method, SQUARE)
    assert found.status == "proved" and least < found.growth < most
    assert np.abs(found.metric - np.diag(np.diag(found.metric))).max() > 0.1


def test_cells_where_the_jacobian_varies():
    """`3 a y^2 - a` is negative for `y^2 < 1/3`, beyond which runs may come back."""
    inner = certify.Box.around((0.0, 0.0), 0.5)
    found = certify_expansion(almost_bilinear, dg.Simultaneous(0.2), inner, args=1.0)
    assert found.status == "proved" and found.check(level=2).ok
    assert found.difference(almost_bilinear, args=1.0) is None
    assert found.difference(almost_bilinear, args=0.5) is not None
    many = certify_expansion(
        almost_bilinear,
        dg.Simultaneous(0.2),
        inner,
        args=1.0,
        search=certify.Search(tightness=0.97),
    )
    assert many.growth > found.growth and many.cells > found.cells
    few = certify.Search(tightness=0.97, max_cells=1)
    undecided = certify_expansion(
        almost_bilinear, dg.Simultaneous(0.2), inner, args=1.0, search=few
    )
    assert undecided.status == "undecided" and "not shown to grow" in undecided.reasons[0]


def test_a_region_with_an_attracting_equilibrium_is_not_proved():
    outer = certify.Box((0.5, -2.0), (1.5, 2.0))
    for method in (None, dg.Simultaneous(0.1)):
        assert certify_expansion(almost_bilinear, method, outer, args=1.0).status == "undecided"
        assert certify_expansion(almost_bilinear, method, SQUARE, args=-1.0).status == "undecided"


def test_runs_leave():
    """Two runs separate as they should, and both leave."""
    method, inner = dg.Simultaneous(0.2), certify.Box.around((0.0, 0.0), 0.5)
    found = certify_expansion(almost_bilinear, method, inner, args=1.0)
    field = dg.pseudo_gradient(almost_bilinear)
    step = jax.jit(lambda x: jnp.stack(method.step(field, (x[0], x[1]), None, 1.0)[0]))
    x, y = jnp.array([0.01, 0.0]), jnp.array([0.01, 1e-3])

    def distance(x, y):
        return float((x - y) @ found.metric @ (x - y))

    for _ in range(1000):
        if max(jnp.abs(x).max(), jnp.abs(y).max()) > 0.5:
            break
        before = distance(x, y)
        x, y = step(x), step(y)
        assert distance(x, y) >= found.growth * before * (1 - 1e-9)
    else:
        pytest.fail("no run has left")


def test_what_is_refused():
    with pytest.raises((ValueError, TypeCheckError), match=r"must be a dgames\.Simu|Type-check"):
        certify_expansion(PULL, dg.Extragradient(0.1), SQUARE)  # pyright: ignore
    with pytest.raises((ValueError, TypeCheckError), match=r"to be a certify\.Box|Type-check"):
        certify_expansion(PULL, None, certify.Ball((0.0, 0.0), 1.0))  # pyright: ignore
    boxed = dg.zero_sum(lambda x, args: x[0] * x[1], strategy_set=dg.Box(-1.0, 1.0))
    with pytest.raises(ValueError, match="the region leaves the strategy set"):
        certify_expansion(boxed, dg.Simultaneous(0.1), SQUARE)  # whose boundary is no place to be
    half = certify.Box.around((0.0, 0.0), 0.5)
    assert certify_expansion(boxed, dg.Simultaneous(0.1), half).status == "proved"


def test_with_strategy_sets_the_flow_may_stay():
    """It follows `P(x - F(x)) - x`, which turns around in the region for ever."""

    def turn(x, args):
        return 20 * x[1] - 0.5 * x[0], -20 * x[0] - 0.5 * x[1]

    half = certify.Box.around((0.0, 0.0), 0.5)
    assert certify_expansion(dg.FunctionField(turn), None, half).status == "proved"
    field = dg.FunctionField(turn, sets=dg.Box(-1.0, 1.0))
    with pytest.raises(ValueError, match="leave the sets out"):
        certify_expansion(field, None, half)
    run = dg.flow(field, (0.25, 0.0), 20.0, rtol=1e-4)
    assert 0 < max(float(jnp.abs(x).max()) for x in run.strategies) < 0.5


def test_runs_may_stay_on_the_boundary_of_strategy_sets():
    """Also where floats are so far apart that a small share of the region is none of them."""
    far = 1e10
    field = dg.FunctionField(lambda x, args: (far + 0.5 - x[0],), sets=dg.Box(far, far + 1.0))
    with pytest.raises(ValueError, match="the region leaves the strategy set"):
        certify_expansion(field, dg.Simultaneous(0.5), certify.Box((far,), (far + 1.0,)))


def test_projections_that_are_not_known_are_refused():
    class Back(dg.FunctionField):
        """A field that projects in a way of its own, to the origin."""

        def project(self, x):
            return jax.tree.map(jnp.zeros_like, x)

    near = certify.Box.around((0.0, 0.0), 0.5)
    for method in (None, dg.Simultaneous(0.1)):
        with pytest.raises(ValueError, match="`project` of its own"):
            certify_expansion(Back(lambda x, args: (-x[0], -x[1])), method, near)
    own = dg.Box(-1.0, 1.0)
    object.__setattr__(own, "project", lambda x: jax.tree.map(jnp.zeros_like, x))
    with pytest.raises(ValueError, match="nothing is known about the strategy set"):
        certify_expansion(
            dg.FunctionField(lambda x, args: (-x[0], -x[1]), sets=own), dg.Simultaneous(0.1), near
        )
