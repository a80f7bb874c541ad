"""Whether affine forms hold, at points of the box, as forms.

That is more than what their intervals say: with the coordinates of a point in place of their
symbols, what is left must be within the other generators and the remainder. Exact values come from
the oracle. The rules run in numpy, on batches of systems and boxes, because compiling them would
take minutes.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from flint import arb

from certify.enclosure import Interval
from certify.enclosure.affine.affine_form import as_form, ball
from certify.enclosure.derivatives import evaluate
from certify.enclosure.margins import flush
from certify.enclosure.registry import RULES
from tools import numpy_jaxpr, oracle


class Form(NamedTuple):
    """An affine form, and what its symbols for the coordinates stand for."""

    lower: Any
    upper: Any
    centre: Any
    generators: Any
    remainder: Any
    middle: Any
    radius: Any


def in_numpy(function, *operands):
    """The results of a function for a batch, without compiling it."""
    with np.errstate(all="ignore"), jax.numpy_rank_promotion("allow"):
        return numpy_jaxpr.run(jax.make_jaxpr(jax.vmap(function))(*operands), operands)


def forms(function, systems, lower, upper, symbols):
    """The forms of `function(numbers, x)` for a batch of numbers and of boxes for `x`."""

    def one(numbers, low, high):
        cell = flush(Interval(low, high))
        found = evaluate(lambda x: function(numbers, x).ravel(), cell, RULES, "affine", symbols)
        form = as_form(found)
        known = form.centre, form.generators, form.remainder
        return found.lower, found.upper, *known, *ball(cell)

    return [Form(*row) for row in zip(*in_numpy(one, systems, lower, upper), strict=True)]


def exact(closed, numbers, point):
    """The values of code at one point."""
    (values,) = oracle.run(closed, [oracle.jets(v, np.zeros(v.shape)) for v in (numbers, point)])
    return [jet.c[0] for jet in values]


def outside(form, point, values):
    """Which values are not in the form, or not in its interval; and how many are."""
    share = [
        (arb(x) - arb(m)) / arb(r)
        for x, m, r in zip(*(v.tolist() for v in (point, form.middle, form.radius)), strict=True)
    ]
    assert all(abs(e) <= 1 for e in share)
    found, inside = [], 0
    for i, value in enumerate(values):
        low, high, rest = form.lower[i], form.upper[i], arb(float(form.remainder[i]))
        assert low <= high and not form.remainder[i] < 0
        if (low == -np.inf and high == np.inf) or not value.is_finite():
            continue
        if value < float(low) or value > float(high):
            found.append((i, "interval", value, low, high))
        if not rest.is_finite():
            continue
        left = value - arb(float(form.centre[i]))
        for k, generator in enumerate(form.generators[:, i].tolist()):
            if k < len(share):
                left -= share[k] * generator
            else:
                rest += abs(arb(generator))
        if abs(left) > rest:
            found.append((i, "form", left, rest))
        inside += abs(left) <= rest
    return found, inside


def corners(rng, lower, upper, count):
    share = rng.choice([0.0, 1.0, 0.5, rng.uniform()], (count, lower.size))
    return np.clip(lower + share * (upper - lower), lower, upper)
