"""Files about regions that runs leave: nothing false is accepted, and each number is needed."""

import copy
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.exact import Work
from certify.checker.leaving import REFERENCE_BITS, step_expands
from certify.checker.step_matrices import BITS, RoundedIntervalMatrix
from tests.certify.checker.mutations import mutated


@pytest.fixture(scope="module")
def files():
    game = dg.zero_sum(lambda x, args: x[0] * x[1] - x[0] ** 2 + x[1] ** 2 + x[0] ** 3 / 128)
    box = certify.Box.around((0.0, 0.0), 1.0)
    return {
        name: certify.certify_expansion(game, method, box).data
        for name, method in (("step", dg.Simultaneous((0.25, 0.5))), ("flow", None))
    }


def number(value):
    return lambda _: float(value).hex()


@pytest.mark.parametrize("name", ["step", "flow"])
@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (("claims", "growth"), lambda x: (float.fromhex(x) * 4).hex(), "distances grow on"),
        (("claims", "growth"), number(0.0), "the growth is more than"),
        (("claims", "metric", "matrix", 0), lambda x: -x, "the metric is positive definite"),
        (("claims", "metric", "matrix", 1), lambda x: x + 1, "is symmetric"),
        (("claims", "metric", "matrix"), lambda _: [1, 0, 0, 2**30], "distances grow on"),
        (("claims", "region", "lower", 0), number(1.0), "the region is not empty"),
        (("evidence", "cells", 0, "jacobian", "remainder", 0), lambda _: 2**80, "distances grow"),
        (("evidence", "cells", 0, "jacobian", "remainder", 0), lambda _: -1, "is not negative"),
        (("evidence", "cells", 0, "jacobian", "centre", 0), lambda x: -x, "distances grow on"),
        (("evidence", "cells"), lambda x: [*x, x[0]], "the cells form one tree"),
        (("evidence", "cells"), lambda _: [{"split": 0, "at": (0.0).hex()}], "cover the region"),
        (("game", "hash"), lambda text: text[::-1], "the hash is that of the game"),
    ],
)
def test_each_number_made_false_is_rejected(files, name, path, change, reason):
    assert check_data(files[name], level=2).ok
    verdict = check_data(mutated(files[name], path, change))
    assert not verdict.ok and reason in verdict.reasons[0]


def test_any_reference_is_valid_and_few_are_good(files):
    verdict = check_data(mutated(files["step"], ("evidence", "reference", 0), lambda x: -x))
    assert not verdict.ok and "distances grow on" in verdict.reasons[0]
    assert check_data(mutated(files["step"], ("evidence", "reference", 0), lambda x: x + 2**20)).ok


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("evidence", "cells", 0, "jacobian", "centre", 0), lambda x: x + x // 2**6),
        (("evidence", "cells", 0, "jacobian", "remainder", 0), lambda x: x // 2),
        (("claims", "region", "upper", 0), number(1.125)),
    ],
)
def test_level_2_finds_bounds_that_are_false(files, path, change):
    new = mutated(files["step"], path, change)
    assert check_data(new).ok
    verdict = check_data(new, level=2)
    assert not verdict.ok and "the Jacobian is in" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("claims", "method", "name"), lambda _: "extragradient"),
        (("claims", "method", "name"), lambda _: "flow"),
        (("claims", "metric", "matrix"), lambda x: x[:1]),
        (("evidence", "reference"), lambda x: x[:1]),
        (("evidence", "cells", 0), lambda _: {}),
        (("claims", "region"), lambda x: {"lower": x["lower"]}),
        (("game", "system", "matrices"), lambda _: [1]),
    ],
)
def test_what_does_not_fit_together_is_unusable(files, path, change):
    with pytest.raises(Unusable):
        check_data(mutated(files["step"], path, change))
    extra = copy.deepcopy(files["flow"])
    extra["evidence"]["reference"] = [0] * 4
    with pytest.raises(Unusable):
        check_data(extra)


ENTRIES = st.integers(-8, 8)
MATRIX = st.lists(st.lists(ENTRIES, min_size=2, max_size=2), min_size=2, max_size=2)


@given(MATRIX, MATRIX, MATRIX, st.integers(0, 2), st.data())
@settings(max_examples=400, deadline=None)
def test_what_is_accepted_expands_averages_too(first, second, root, radius, data):
    """Two matrices that pass with one reference, and all averages of members of theirs."""
    unit = 2**BITS // 64
    form = (np.array(root) @ np.array(root).T + np.eye(2, dtype=int)).tolist()
    near = np.array(first) / 8 + np.array(second) / 8
    reference = [[int(x * 2**REFERENCE_BITS) for x in row] for row in near.tolist()]
    growth = Fraction(9, 8)
    for matrix in (first, second):
        a = RoundedIntervalMatrix(
            [[16 * x * unit for x in row] for row in matrix], [[radius * unit] * 2] * 2
        )
        if not step_expands(a, reference, form, growth, Work()):
            return
    signs = st.lists(st.sampled_from([-1, 1]), min_size=4, max_size=4)
    members = [
        np.array(matrix) / 4 + radius / 64 * np.reshape(data.draw(signs), (2, 2))
        for matrix in (first, second)
    ]
    for share in (0.0, 0.25, 0.5, 1.0):
        mean = share * members[0] + (1 - share) * members[1]
        left = mean.T @ form @ mean - float(growth) * np.array(form)
        assert np.linalg.eigvalsh(left).min() > -1e-9 * np.abs(left).max()
