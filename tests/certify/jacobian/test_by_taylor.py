"""Taylor polynomials of graphs over boxes, against exact ones at points inside."""

import dataclasses
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from certify.checker import jets
from certify.checker.graph import read_graph
from certify.checker.reader import Reader
from certify.graph import taylor, taylor_expansion
from certify.graph.trace import expression_graph
from certify.jacobian import expansion
from certify.jacobian.by_taylor import flushed, is_affordable, taylor_family
from tests.certify.graph.test_graph import PROGRAMS
from tests.certify.jacobian.test_by_jaxpr import CELLS, FIELDS, escapes, field

ORDER = 3
SMOOTH = set(PROGRAMS) - {"kinks", "order"}


def graph_of(function, inputs):
    data = expression_graph(function, inputs)
    return read_graph(Reader(data), inputs, len(data["outputs"]))


def exactly(graph, point):
    """The jets at one point, in balls of 128 bits."""
    arithmetic = jets.JetArithmetic(ORDER)
    with ctx.workprec(128):
        return graph.evaluate(
            arithmetic.inputs([(Fraction(x), Fraction(x)) for x in point]), arithmetic.operations
        )


def misses(arithmetic, found, exact, box):
    """Coefficients at a point that are not in the interval found for the box, nor unknown."""
    result = []
    for over, at in zip(found, exact, strict=True):
        rows = {arithmetic.exponents(m): row for row, m in enumerate(over.monomials)}
        for monomial, value in at.items():
            if monomial not in rows:
                missing = not (value.low <= 0 <= value.high)
            else:
                place = rows[monomial], min(box, over.low.shape[1] - 1)
                low, high = float(over.low[place]), float(over.high[place])
                missing = bool(value.high < low or value.low > high)
            if missing:
                result.append(monomial)
    return result


def boxes_of(rng, count):
    lower = rng.uniform(0.7, 1.2, (count, 3))
    width = rng.choice([0.0, 1e-12, 1e-3, 0.05], (count, 3))
    return lower, lower + width


def looked_up(graph, lower, upper):
    """Plain jets over boxes, and sharpened ones."""
    near, wide = taylor.Arithmetic(3, ORDER - 1), taylor.Arithmetic(3, ORDER)
    middle, radius = expansion.middle_of(lower, upper)
    with np.errstate(all="ignore"):
        plain = graph.evaluate(wide.variables(lower, upper), wide.operations)
        pairs, _ = taylor_expansion.expansions(graph, near, wide, middle, lower, upper, radius)
    return wide, plain, [pair.box for pair in pairs]


@pytest.mark.parametrize("name", sorted(SMOOTH))
def test_coefficients_contain_those_of_all_points(name):
    rng = np.random.default_rng(3)
    graph = graph_of(lambda x: [PROGRAMS[name](x)], 3)
    lower, upper = boxes_of(rng, 6)
    arithmetic, plain, sharp = looked_up(graph, lower, upper)
    known = 0
    for box in range(len(lower)):
        point = lower[box] + rng.uniform(size=3) * (upper[box] - lower[box])
        exact = exactly(graph, np.clip(point, lower[box], upper[box]).tolist())
        for found in (plain, sharp):
            assert not misses(arithmetic, found, exact, box)
        known += all(np.broadcast_to(jet.is_finite(), len(lower))[box] for jet in sharp)
    assert known >= 3


@pytest.mark.parametrize("name", ["kinks", "order"])
def test_at_kinks_nothing_is_known(name):
    graph = graph_of(lambda x: [PROGRAMS[name](x)], 3)
    lower, upper = np.full((1, 3), 0.85), np.full((1, 3), 1.15)
    for found in looked_up(graph, lower, upper)[1:]:
        assert not found[0].is_finite().any()


def test_sharpened_coefficients_are_sharper():
    """`x / (x + y)` mentions x twice; the mean value theorem knows that it is increasing."""
    graph = graph_of(lambda x: [(x[0] / (x[0] + x[1])) * (1.0 + x[2])], 3)
    lower, upper = np.full((1, 3), 1.0), np.full((1, 3), 1.1)
    _, (plain,), (sharp,) = looked_up(graph, lower, upper)
    width = [float(jet.high[0, 0] - jet.low[0, 0]) for jet in (plain, sharp)]
    assert width[1] < 0.75 * width[0]


def test_softmax_of_ranges():
    """Entries between those that the ends of the ranges allow, and hardly more."""
    graph = graph_of(lambda x: [jnp.exp(x)[0] / jnp.exp(x).sum()], 3)
    lower, upper = np.full((1, 3), -0.5), np.full((1, 3), 0.5)
    arithmetic = taylor.Arithmetic(3, 1)
    (jet,) = graph.evaluate(arithmetic.variables(lower, upper), arithmetic.operations)
    ends = [1 / (1 + 2 * np.exp(gap)) for gap in (1.0, -1.0)]
    assert ends[0] - 0.05 < float(jet.low[0, 0]) <= ends[0]
    assert ends[1] <= float(jet.high[0, 0]) < ends[1] + 0.05


def families(name):
    return taylor_family(graph_of(lambda v: [field(name)(v)], 2), [(0, 1, ()), (1, 1, ())])


def cell(batch, k):
    parts = (batch.centre, batch.generators, batch.remainder, batch.share, batch.finite)
    return type(batch)(*(part[k, ...] for part in parts))


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_families_contain_exact_jacobians(name):
    rng = np.random.default_rng(1)
    lower = np.array([start for start, _ in CELLS])
    upper = lower + np.array([width for _, width in CELLS])
    batch = families(name)(lower, upper)
    assert batch.finite.sum() >= 5
    for k in np.flatnonzero(batch.finite):
        assert not escapes(cell(batch, k), name, lower[k], upper[k], rng)


def test_costs_and_their_field_have_one_family():
    """The derivatives of `x^2 y + y^3` and `x y^2` are those of the second field."""
    costs = graph_of(lambda v: [v[0] ** 2 * v[1] + v[1] ** 3, v[0] * v[1] ** 2], 2)
    itself = graph_of(lambda v: [2.0 * v[0] * v[1], 2.0 * v[0] * v[1]], 2)
    lower, upper = np.array([[0.25, 0.5]]), np.array([[0.75, 1.5]])
    one = taylor_family(costs, [(0, 1, (0,)), (1, 1, (1,))])(lower, upper)
    two = taylor_family(itself, [(0, 1, ()), (1, 1, ())])(lower, upper)
    for name in ("centre", "generators", "remainder"):
        assert np.abs(getattr(one, name) - getattr(two, name)).max() < 1e-12
    assert np.allclose(one.centre[0], [[2.0, 1.0], [2.0, 1.0]])


class TestTheseTestsCanFail:
    def test_without_remainder(self):
        lower, upper = np.array([[0.3, 0.2]]), np.array([[0.5, 0.4]])
        one = cell(families("quartic")(lower, upper), 0)
        one = dataclasses.replace(one, remainder=0.5 * one.remainder)
        assert escapes(one, "quartic", lower[0], upper[0], np.random.default_rng(2))

    def test_a_mean_value_that_is_too_short(self, monkeypatch):
        graph = graph_of(lambda x: [x[0] * x[1] * x[2]], 3)
        original = taylor_expansion._rows
        monkeypatch.setattr(
            taylor_expansion,
            "_rows",
            lambda *a: [(r, c, s, 0.25 * n) for r, c, s, n in original(*a)],
        )
        lower, upper = np.full((1, 3), 1.0), np.full((1, 3), 1.5)
        arithmetic, _, sharp = looked_up(graph, lower, upper)
        assert misses(arithmetic, sharp, exactly(graph, [1.5, 1.5, 1.5]), 0)


def test_what_is_affordable():
    mixed = np.random.default_rng(0).normal(size=(16, 16))
    short = graph_of(lambda x: [jnp.sum(x**2) * x[0]], 3)
    long = graph_of(lambda x: [jnp.sum(jnp.tanh(mixed @ x))], 16)
    # As many units, but each moves with two coordinates only.
    sparse = graph_of(lambda x: [jnp.sum(jnp.tanh(x * jnp.roll(x, 1)))], 16)
    assert is_affordable(short) and not is_affordable(long) and is_affordable(sparse)


def test_the_middle_is_in_the_cell():
    """Of cells with subnormal corners the middle is zero, and so they are taken to reach it."""
    lower = np.array([[1e-310, -2e-308], [-1e-320, 5e-324], [0.0, -1.0]])
    upper = np.array([[2e-308, -1e-310], [-5e-324, 1e-300], [0.0, 1.0]])
    low, high = flushed(lower, upper)
    assert (low <= lower).all() and (upper <= high).all()
    middle, radius = expansion.middle_of(low, high)
    assert (low <= middle).all() and (middle <= high).all()
    assert (middle - radius <= low).all() and (high <= middle + radius).all()
