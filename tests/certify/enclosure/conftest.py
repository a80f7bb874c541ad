"""Random boxes, points in them, and a search for points whose exact value escapes an enclosure."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify.enclosure import Interval, enclose

BOXES, POINTS = 2000, 50


def random_boxes(rng, count=BOXES):
    """Boxes of every kind: tiny, huge, points, across zero, subnormal ends, widths up to 1e6."""
    sign = rng.choice([-1.0, 1.0], count)
    start = sign * np.choose(
        rng.integers(5, size=count),
        [
            2.0 ** rng.uniform(-1074, -1000, count),
            2.0 ** rng.uniform(-1000, 990, count),
            2.0 ** rng.uniform(-60, 11, count),
            rng.uniform(-3, 3, count),
            np.zeros(count),
        ],
    )
    width = np.choose(
        rng.integers(5, size=count),
        [
            np.zeros(count),
            np.abs(start) * 2.0 ** rng.uniform(-52, 3, count),
            2.0 ** rng.uniform(-1074, -1000, count),
            10.0 ** rng.uniform(-18, 6, count),
            rng.uniform(0, 3, count),
        ],
    )
    return start, start + width


def random_points(rng, lower, upper, count=POINTS):
    """Both ends, points near them, and points between: `count` for each box."""
    share = rng.uniform(size=(count, lower.size))
    share[: count // 4] **= 40
    share[count // 4 : count // 2] = 1 - share[count // 4 : count // 2] ** 40
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        points = lower + share * (upper - lower)
    points[0], points[1] = lower, upper
    return np.clip(points, lower, upper)


def escapes(function, exact, seed, arity=1, boxes=random_boxes):
    """Points of random boxes whose exact value is not in the enclosure over their box.

    Args:
        function: What to enclose.
        exact: The same for flint balls; None where it is undefined, which asks for `[-inf, inf]`.
        seed: Of the boxes.
        arity: How many operands there are.
        boxes: Makes the boxes.
    """
    rng = np.random.default_rng(seed)
    ends = [boxes(rng) for _ in range(arity)]
    points = [random_points(rng, *end) for end in ends]
    arguments = [Interval(jnp.asarray(low), jnp.asarray(high)) for low, high in ends]
    result = jax.jit(enclose(function))(*arguments)
    lower, upper = np.asarray(result.lower).tolist(), np.asarray(result.upper).tolist()
    assert not np.isnan(lower).any() and not np.isnan(upper).any()
    found = []
    for row in zip(*(p.tolist() for p in points), strict=True):
        for k, numbers in enumerate(zip(*row, strict=True)):
            low, high = lower[k], upper[k]
            if low == -np.inf and high == np.inf:
                continue
            value = exact(*map(flint.arb, numbers))
            if value is None or not (value >= low and value <= high):
                found.append((numbers, value, low, high))
    return found


@pytest.fixture(autouse=True)
def many_digits():
    """Exact values have 220 bits, and powers of huge numbers do not lose them."""
    previous, flint.ctx.prec = flint.ctx.prec, 220
    yield
    flint.ctx.prec = previous


@pytest.fixture(name="escapes")
def _escapes():
    return escapes
