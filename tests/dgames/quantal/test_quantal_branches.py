"""Branches that meet, and others apart, in games where they are known."""

import jax
import jaxtyping
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import MatrixGame

ALIKE = MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
THREE = MatrixGame(np.eye(3), np.eye(3))


def test_two_who_want_to_do_alike():
    """The branches are p = 1/2, and log(p / (1 - p)) = precision (2 p - 1) for both."""
    found = dg.quantal_branches(ALIKE, ALIKE.uniform())
    (meeting,) = found.meetings
    assert abs(meeting.precision - 2) < 1e-8 and meeting.directions == 1
    assert meeting.singular_value < 1e-8
    assert_allclose(meeting.strategies[0], [0.5, 0.5], atol=1e-8)
    principal, *others = found.branches
    assert (principal.origin, principal.leaves, principal.reaches) == ("principal", None, 0)
    assert all((own.origin, own.leaves, own.reaches) == ("meeting", 0, None) for own in others)
    ends = sorted(round(float(branch.strategies[0][-1, 0]), 6) for branch in others)
    assert ends == [0, 0.5, 1]
    for branch in others:
        assert float(branch.precisions[0]) == meeting.precision
        x, y = (np.asarray(own)[1:, 0] for own in branch.logits)
        assert_allclose(x, y, atol=1e-6)
        precisions = np.asarray(branch.precisions)[1:]
        assert_allclose(x, precisions * np.tanh(x / 2), rtol=1e-6, atol=1e-6)
        assert precisions[-1] >= 100


def test_a_branch_apart():
    """A little more for one equilibrium: the branches come apart, and the other one turns."""
    nearly = MatrixGame([[1.1, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    found = dg.quantal_branches(nearly, nearly.uniform())
    assert found.meetings == ()
    principal, other = found.branches
    assert principal.origin == "principal" and principal.turns == 0
    assert principal.strategies[0][-1, 0] > 0.999
    assert other.origin == "apart" and other.turns == 1
    # Its two ends are near the other pure equilibrium and the mixed one.
    ends = [[float(own[k, 0]) for own in other.strategies] for k in (0, -1)]
    ends.sort()
    assert_allclose(ends[0], [0, 0], atol=1e-6)
    assert_allclose(ends[1], [1 / 2, 1 / 2.1], atol=1e-2)
    # None of its points at this precision are on the principal branch.
    assert np.min(other.precisions) > 2


@pytest.mark.full
def test_three_actions_alike():
    """At precision 3 the symmetric branch meets those to all other equilibria, six of seven."""
    found = dg.quantal_branches(THREE, THREE.uniform(), largest=60.0)
    (meeting,) = found.meetings
    assert abs(meeting.precision - 3) < 1e-8 and meeting.directions == 2
    ends = set()
    for branch in found.branches[1:]:
        assert branch.leaves == 0
        first, second = (np.asarray(own)[-1] for own in branch.strategies)
        assert_allclose(first, second, atol=1e-6)
        ends.add(tuple(np.flatnonzero(first > 0.1)))
        assert_allclose(first[first > 0.1], 1 / np.sum(first > 0.1), atol=1e-6)
    assert len(found.branches) == 8 and len(ends) == 7


def test_random_starts_find_nothing_twice():
    found = dg.quantal_branches(ALIKE, ALIKE.uniform(), key=jax.random.key(1))
    assert len(found.branches) == 4


def test_bad_questions():
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="largest is a positive"):
        dg.quantal_branches(ALIKE, ALIKE.uniform(), largest=0.0)
