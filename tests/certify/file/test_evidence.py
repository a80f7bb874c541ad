"""Rounding to integers only enlarges a family."""

from fractions import Fraction

import numpy as np
import pytest

from certify.file.evidence import quantized
from certify.jacobian.family import AffineFamily
from certify.search.tree import Leaf, Tree


def exact(matrix):
    return np.vectorize(Fraction, otypes=[object])(matrix)


@pytest.mark.parametrize("size", [1e-200, 1e-5, 1.0, 1e5, 1e200])
@pytest.mark.parametrize("loose", [0.0, 1e-12, 1.0, 1e18])
def test_rounded_families_contain_the_originals(size, loose):
    rng = np.random.default_rng(0)
    centre, generators = size * rng.normal(size=(2, 2)), 1e-3 * size * rng.normal(size=(3, 2, 2))
    generators[1] *= 1e-30  # will be dropped
    remainder = loose * size * rng.uniform(size=(2, 2))
    family = AffineFamily(centre, generators, remainder, np.zeros((2, 2, 2)), np.array(True))
    unit, (rounded,), _ = quantized(Tree([Leaf(family)], 1.0, ""))
    scale = Fraction(2) ** unit
    assert -1200 <= unit <= 0
    lost = abs(exact(centre) - scale * exact(rounded.centre))
    kept = iter(rounded.generators)
    for generator in generators:
        is_dropped = np.abs(generator).max() < float(scale / 2)
        lost = lost + abs(exact(generator) - (0 if is_dropped else scale * exact(next(kept))))
    assert next(kept, None) is None
    assert (scale * exact(rounded.remainder) >= exact(remainder) + lost).all()
