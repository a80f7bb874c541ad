"""Files about equilibria that repel: nothing false is accepted, and each number is needed."""

import copy
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.affine_methods import METHODS, affine_step
from certify.checker.exact import Work
from certify.checker.reader import Reader
from certify.checker.repulsion import flow_grows, is_positive_at, step_grows
from certify.checker.sampled_fields import AffineField
from certify.checker.schemes import LINEAR_STEPS, MOMENTA, buffers_of
from certify.checker.step_matrices import BITS, RoundedIntervalMatrix, StepMethod, step_jacobian
from tests.certify.checker.mutations import mutated


@pytest.fixture(scope="module")
def files():
    game = dg.zero_sum(lambda x, args: x[0] * x[1] - x[0] ** 2)
    return {
        name: certify.certify_instability(game, method, (0.0, 0.0)).data
        for name, method in (("step", dg.Momentum(0.5, 0.5)), ("flow", None))
    }


def number(value):
    return lambda _: float(value).hex()


def larger(factor):
    return lambda text: (float.fromhex(text) * factor).hex()


@pytest.mark.parametrize("name", ["step", "flow"])
@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (("claims", "growth"), larger(1.1), "the form grows"),
        (("claims", "growth"), number(-1.0), "the growth is more than"),
        (("claims", "growth"), number(0.0), "the growth is more than"),
        (("claims", "direction"), lambda x: [0 for _ in x], "positive in the direction"),
        (("evidence", "form", 0), lambda x: -x, "the form"),
        (("evidence", "form", 1), lambda x: x + 1, "the form is symmetric"),
        (("evidence", "form"), lambda x: [-entry for entry in x], "the form"),
        (("evidence", "jacobian", "centre"), lambda x: [0 for _ in x], "the form grows"),
        (("evidence", "jacobian", "centre"), lambda x: [-entry for entry in x], "the form grows"),
        (("evidence", "jacobian", "remainder", 0), lambda _: 2**200, "the form grows"),
        (("evidence", "jacobian", "remainder", 0), lambda _: -1, "is not negative"),
        (("claims", "equilibrium", "zero", "lower", 0), number(1.0), "is not empty"),
        (("evidence", "equilibrium", "residual", 0), number(1.0), "the Krawczyk box"),
        (("game", "hash"), lambda text: text[::-1], "the hash is that of the game"),
    ],
)
def test_each_number_made_false_is_rejected(files, name, path, change, reason):
    assert check_data(files[name], level=2).ok
    verdict = check_data(mutated(files[name], path, change))
    assert not verdict.ok and reason in verdict.reasons[0]


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (("claims", "method", "steps", 0), number(0.01), "the form grows"),
        (("claims", "method", "momentum", 0), number(-3.0), "the form"),
        (("claims", "growth"), number(1.0), "the growth is more than 1"),
        (("claims", "method", "name"), lambda _: "heun", None),
    ],
)
def test_another_method_is_another_claim(files, path, change, reason):
    new = mutated(files["step"], path, change)
    if reason is None:
        with pytest.raises(Unusable):
            check_data(new)
        return
    verdict = check_data(new)
    assert not verdict.ok and reason in verdict.reasons[0]


def test_level_2_finds_a_jacobian_that_is_false(files):
    for name in files:
        new = mutated(files[name], ("evidence", "jacobian", "centre", 0), lambda x: x + 2**20)
        assert check_data(new).ok
        verdict = check_data(new, level=2)
        assert not verdict.ok and "the Jacobian is in" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("claims", "method"), lambda _: {"name": "newton", "steps": [], "momentum": []}),
        (("claims", "method", "steps"), lambda x: x[:1]),
        (("claims", "method", "steps", 0), number(0.0)),
        (("claims", "method", "steps", 1), number(-0.5)),
        (("claims", "method", "momentum"), lambda x: [*x, *x]),
        (("claims", "method"), lambda x: {"name": x["name"]}),
        (("claims", "method"), lambda x: {**x, "name": "flow"}),
        (("claims", "direction"), lambda x: x[:1]),
        (("evidence", "form"), lambda x: x[:4]),
        (("evidence", "jacobian", "centre"), lambda x: x[:3]),
        (("game", "system", "conditions"), lambda _: 1),
        (("game", "sets"), None),
    ],
)
def test_what_does_not_fit_together_is_unusable(files, path, change):
    new = copy.deepcopy(files["step"])
    if change is None:
        new["game"]["sets"] = [{"kind": "euclidean"}] * 2
    else:
        new = mutated(new, path, change)
    with pytest.raises(Unusable):
        check_data(new)


ENTRIES = st.integers(-8, 8)
SMALL = st.lists(st.lists(ENTRIES, min_size=2, max_size=2), min_size=2, max_size=2)


def on_grid(matrix, radius):
    """A matrix of quarters, with entries that are uncertain by some 1 / 64."""
    unit = 2**BITS // 64
    return RoundedIntervalMatrix(
        [[16 * x * unit for x in row] for row in matrix], [[radius * unit] * 2] * 2
    )


@given(
    SMALL,
    SMALL,
    st.lists(ENTRIES, min_size=2, max_size=2),
    st.integers(0, 4),
    st.booleans(),
    st.data(),
)
@settings(max_examples=400, deadline=None)
def test_nothing_stable_is_accepted(matrix, form, direction, radius, flow, data):
    """Any form and direction, for all matrices of the enclosure."""
    form = [[form[0][0], form[0][1]], [form[0][1], form[1][1]]]
    exact, work = on_grid(matrix, radius), Work()
    growth = data.draw(st.sampled_from([1, 2]))
    grows = (flow_grows if flow else step_grows)(exact, form, growth_of(growth, flow), work)
    start = RoundedIntervalMatrix.exact([[x] for x in direction])
    if not grows or not is_positive_at(start, form, work):
        return
    signs = data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=4))
    member = np.array(matrix) / 4 + radius / 64 * np.reshape(signs, (2, 2))
    values = np.linalg.eigvals(member)
    if flow:
        assert values.real.min() <= -float(growth_of(growth, flow)) + 1e-6
    else:
        assert np.abs(values).max() >= float(growth_of(growth, flow)) ** 0.5 - 1e-6


def growth_of(number, flow):
    return Fraction(number, 8) if flow else 1 + Fraction(number, 8)


@given(SMALL, st.sampled_from(sorted(LINEAR_STEPS)), st.integers(0, 4), st.data())
@settings(max_examples=150, deadline=None)
def test_enclosures_of_steps_contain_the_steps_of_members(matrix, name, radius, data):
    momentum = [0.5, -0.25][: MOMENTA.get(name, 0)]
    method = StepMethod(
        Reader(
            {
                "name": name,
                "steps": [(0.5).hex(), (0.75).hex()],
                "momentum": [x.hex() for x in momentum],
            }
        ),
        2,
    )
    whole = step_jacobian(method, on_grid(matrix, radius), [1, 1], Work())
    signs = data.draw(st.lists(st.integers(-radius, radius), min_size=4, max_size=4))
    unit = 2**BITS // 64
    member = [
        [(16 * x + e) * unit for x, e in zip(*rows, strict=True)]
        for rows in zip(matrix, np.reshape(signs, (2, 2)).tolist(), strict=True)
    ]
    part = step_jacobian(method, RoundedIntervalMatrix(member, [[0, 0]] * 2), [1, 1], Work())
    for outer, inner in zip(whole, part, strict=True):
        for rows in zip(outer.centre, outer.radius, inner.centre, inner.radius, strict=True):
            assert all(abs(c - x) <= r + e for c, r, x, e in zip(*rows, strict=True))
    assume(radius)
    assert any(map(any, whole.step.radius))


# The methods of both descriptions, by their names in files about noise.
TWICE = {name: name for name in LINEAR_STEPS if name in METHODS}
TWICE |= {"reflected_optimistic": "reflected"}


@given(st.lists(ENTRIES, min_size=12, max_size=12), st.sampled_from(sorted(TWICE)))
@settings(max_examples=40, deadline=None)
def test_steps_along_affine_fields_have_these_derivatives(entries, name):
    """Methods are described twice, here as schemes and for noise as rules; both are compared."""
    rows = [entries[k : k + 4] for k in (0, 4, 8)]
    steps, momentum = [Fraction(1, 4), Fraction(3, 8)], [Fraction(5, 8)][: MOMENTA.get(name, 0)]
    numbers = {"step_size": [steps[0], steps[1], steps[1]], "momentum": momentum * 3}
    affine = affine_step(METHODS[TWICE[name]], AffineField(rows, 8), numbers)
    method = StepMethod(
        Reader({"name": name, "steps": hexes(steps), "momentum": hexes(momentum)}), 2
    )
    unit = 2**BITS // 8
    jacobian = RoundedIntervalMatrix([[unit * x for x in row[:3]] for row in rows], [[0] * 3] * 3)
    step = step_jacobian(method, jacobian, [1, 2], Work()).step
    assert len(affine.rows) == len(step.centre)
    for row, centre, radius in zip(affine.rows, step.centre, step.radius, strict=True):
        for x, c, r in zip(row[:-1], centre, radius, strict=True):
            assert r < 2**16 and abs(Fraction(x, affine.denominator) * 2**BITS - c) <= r


def hexes(numbers):
    return [float(x).hex() for x in numbers]


def test_buffers_are_those_that_later_steps_depend_on():
    kept = {
        name: buffers_of(make(*[0.5] * MOMENTA.get(name, 0))) for name, make in LINEAR_STEPS.items()
    }
    assert {name: len(each) for name, each in kept.items() if each} == {
        "optimistic": 1,
        "reflected_optimistic": 1,
        "momentum": 1,
        "complex_momentum": 2,
    }
