"""Costs that are made to deceive: none of them may be proved, whatever they hide behind."""

import pytest

import certify
from tools.adversarial.trapped import INSTANCES, require_not_proved, require_not_smooth

pytestmark = pytest.mark.thin(9)

# A share of them goes all the way; `python -m benchmarks.adversarial` takes every one of them.
EVERY = 43


def test_there_are_many():
    assert len(INSTANCES) >= 240


@pytest.mark.full
@pytest.mark.parametrize(("kind", "name", "position", "wrapper"), INSTANCES)
def test_no_trap_is_smooth_everywhere(kind, name, position, wrapper):
    require_not_smooth(kind, name, position, wrapper)


@pytest.mark.parametrize(("kind", "name", "position", "wrapper"), INSTANCES[::EVERY])
def test_no_trap_is_proved(kind, name, position, wrapper):
    require_not_proved(kind, name, position, wrapper)


@pytest.mark.parametrize(("kind", "name", "position", "wrapper"), INSTANCES)
def test_no_trap_is_proved_by_terms(kind, name, position, wrapper):
    require_not_proved(kind, name, position, wrapper, certify.RankOneTerms())
