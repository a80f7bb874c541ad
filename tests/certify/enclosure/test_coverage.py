"""Every feature that the benchmark lists is enclosed, with its gradient and its Hessian."""

import numpy as np
import pytest

from certify.enclosure import Interval
from tools.coverage import ORDERS, by_certify, enclosed, outcome, samples
from tools.numpy_jaxpr import uncompiled
from tools.probes import PROBES

pytestmark = pytest.mark.thin(6)

# Every value, and one derivative in sixteen of each order; the benchmark takes all.
CASES = [
    (name, order)
    for number, (name, probe) in enumerate(PROBES.items())
    for order in range(probe.derivatives + 1)
    if order == 0 or (number + 8 * order) % 16 == 0
]


def in_numpy(probe, order):
    """Ends of our enclosure; derivatives would take seconds to compile."""
    compute = uncompiled(enclosed(probe, order))

    def ends(lower, upper):
        box = compute(Interval(lower, upper))
        return np.asarray(box.lower), np.asarray(box.upper)

    return ends


def test_there_are_many():
    assert len(PROBES) >= 85


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "order"), CASES, ids=lambda x: x if isinstance(x, str) else ORDERS[x]
)
def test_probe(name, order):
    """Finite, and contains what JAX computes at points of the box."""
    probe = PROBES[name]
    compute = in_numpy if order else by_certify
    assert outcome(compute(probe, order), probe, samples(probe, order)) == "ok"
