"""Where code yields NaN or infinity nothing is proved, however well that is hidden."""

import pytest

from tools.adversarial.definedness import require_not_proved, require_not_smooth
from tools.adversarial.programs import HIDERS, PARTIAL, program

pytestmark = pytest.mark.thin(6)

# `python -m benchmarks.adversarial` takes more.
PROGRAMS = 66
# Of different kinds, that of `xlogy` takes a minute to compile.
ALL_THE_WAY = (21, 35, 49, 56, 77, 84, 91, 112)


def test_all_kinds_are_tried():
    assert max(len(PARTIAL), len(HIDERS)) <= PROGRAMS
    assert len({program(seed)[0] for seed in range(PROGRAMS)}) > 0.9 * PROGRAMS


@pytest.mark.full
@pytest.mark.parametrize("seeds", [range(k, PROGRAMS, 6) for k in range(6)])
def test_undefined_code_is_not_smooth(seeds):
    """By neither of the two that read it: the rules of intervals, and the graph of level 2."""
    assert sum(map(require_not_smooth, seeds)) >= 0.5 * len(seeds)


@pytest.mark.full
@pytest.mark.parametrize("seed", ALL_THE_WAY)
def test_undefined_code_is_not_proved(seed):
    require_not_proved(seed)
