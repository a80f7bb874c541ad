"""Every rule in both modes: what selects, places or adds by an index or a predicate may jump."""

import ast
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import certify
import dgames as dg
from certify.enclosure import EnclosureError, Interval, elementary, enclose, rules
from certify.enclosure.derivatives import CONTINUOUS as FOR_SLOPES
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.enclosure.rules.integers import PREFIX
from tools.numpy_jaxpr import uncompiled

SMOOTH = RULES | SMOOTH_RULES

# A new rule belongs into one of these, or has a second one in smooth mode.
SMOOTH_WHEREVER_DEFINED = {
    *("add", "add_any", "sub", "neg", "mul", "square", "div", "integer_pow", "rsqrt"),
    *("exp", "exp2", "expm1", "tanh", "logistic", "erf", "erfc", "derivative"),
    *("sin", "cos", "tan", "atan", "atan2", "sinh", "cosh", "asinh"),
    *("reduce_sum", "cumsum", "reduce_prod", "cumprod", "dot_general"),
    *("solution", "triangular_solve", "softmax", "logsumexp", "logaddexp"),
}
# Indices are known numbers here: undecided ones have a rule of their own.
MOVES_NUMBERS = {
    *("reshape", "broadcast_in_dim", "squeeze", "slice", "transpose", "concatenate", "stack"),
    *("unstack", "tile", "rev", "pad", "copy", "split", "iota", "anchor"),
    *("dynamic_slice", "dynamic_update_slice", "gather", "scatter"),
    *("scatter-add", "scatter_add", "scatter-sub", "scatter_sub", "scatter-mul", "scatter_mul"),
}
# What they give stays undecided until something is chosen by it.
UNDECIDED = {
    *("lt", "le", "gt", "ge", "eq", "ne", "is_finite", "not", "and", "or", "xor"),
    *("reduce_and", "reduce_or", "argmax", "argmin"),
    *(PREFIX + name for name in ("add", "sub", "mul", "max", "min", "neg", "clamp")),
    *(PREFIX + name for name in ("reduce_sum", "cumsum", "reduce_max", "reduce_min")),
    *(PREFIX + name for name in ("cummax", "cummin", "lt", "le", "gt", "ge", "eq", "ne")),
}


def test_every_rule_is_for_both_modes():
    lists = SMOOTH_WHEREVER_DEFINED, MOVES_NUMBERS, UNDECIDED, set(SMOOTH_RULES)
    assert sum(map(len, lists)) == len(set().union(*lists)), "in two lists"
    assert set(RULES) == set().union(*lists)


def whole(x):
    return x.astype(jnp.int32)


# Each jumps, or has a kink, at 0.5 or at 1.0, by an index, an integer or a predicate.
TABLE = jnp.array([1.0, 5.0, 2.0, 7.0])
JUMPS = {
    "gather": lambda x: TABLE[whole(x)],
    "gather, clipped": lambda x: TABLE.at[whole(x)].get(mode="clip"),
    "gather of a predicate": lambda x: TABLE[whole(x > 0.5)],
    "rows": lambda x: jnp.stack([TABLE, 2.0 * TABLE])[whole(x)] @ TABLE,
    "take": lambda x: jnp.take(TABLE, whole(x)),
    "take along": lambda x: jnp.take_along_axis(TABLE, whole(x)[None], 0)[0],
    "dynamic_slice": lambda x: lax.dynamic_slice(TABLE, (whole(x),), (2,))[0],
    "dynamic index": lambda x: lax.dynamic_index_in_dim(TABLE, whole(x), keepdims=False),
    "dynamic_update_slice": lambda x: lax.dynamic_update_slice(TABLE, TABLE[:1] * 9, (whole(x),))[
        0
    ],
    "scatter-add": lambda x: jnp.zeros(4).at[whole(x)].add(x)[1],
    "scatter-add of a constant": lambda x: jnp.zeros(2).at[whole(x > 0.5)].add(1.0)[0],
    "scatter-add of rows": lambda x: jnp.zeros((3, 4)).at[whole(x)].add(TABLE)[1, 2],
    "scatter-add of several": lambda x: jnp.zeros(4).at[whole(jnp.stack([x, 2 * x]))].add(x)[1],
    "scatter-sub": lambda x: jnp.zeros(4).at[whole(x)].subtract(x)[1],
    "segment_sum": lambda x: jax.ops.segment_sum(TABLE, whole(x + jnp.zeros(4)), 2)[0],
    "bincount": lambda x: jnp.bincount(whole(x)[None], length=3)[0].astype(jnp.float64),
    "one_hot": lambda x: jax.nn.one_hot(whole(x), 3, dtype=jnp.float64)[1],
    "greatest at a place": lambda x: jnp.ones(2).at[0].max(x)[0],
    "least at a place": lambda x: jnp.ones(2).at[0].min(x)[0],
    "sort": lambda x: jnp.sort(jnp.stack([x, 0.5 + 0.0 * x]))[0],
    "order": lambda x: TABLE[jnp.argsort(jnp.stack([x, 0.5 + 0.0 * x]))][0],
    "carried": lambda x: lax.sort((jnp.stack([x, 1 - x]), TABLE[:2]), num_keys=1)[1][0],
    "top_k": lambda x: lax.top_k(jnp.stack([x, 0.5 + 0.0 * x]), 1)[0][0],
    "place of top_k": lambda x: TABLE[lax.top_k(jnp.stack([x, 0.5 + 0.0 * x]), 1)[1]][0],
    "argmax": lambda x: TABLE[jnp.argmax(jnp.stack([x, 0.5 + 0.0 * x]))],
    "argmin": lambda x: jnp.argmin(jnp.stack([x, 0.5 + 0.0 * x])).astype(jnp.float64),
    "median": lambda x: jnp.median(jnp.stack([x, 0.5 + 0.0 * x, 0.6 + 0.0 * x])),
    "any": lambda x: jnp.where(jnp.any(jnp.stack([x > 0.5, x > 1.0])), 1.0, 2.0),
    "all": lambda x: jnp.all(jnp.stack([x > 0.5, x > 0.1])).astype(jnp.float64),
    "exclusive": lambda x: jnp.where((x > 0.5) ^ (x > 9.0), 1.0, 2.0),
    "not": lambda x: jnp.where(~(x > 0.5), 1.0, 2.0),
    "greatest boolean": lambda x: jnp.max(jnp.stack([x > 0.5, x > 1.0])).astype(jnp.float64),
    "largest of booleans": lambda x: jnp.maximum(x > 0.5, x > 1.0).astype(jnp.float64),
    "clamped boolean": lambda x: lax.clamp(x > 1.0, x > 0.5, x > -9.0).astype(jnp.float64),
    "sorted booleans": lambda x: jnp.sort(jnp.stack([x > 0.5, x > 1.0]))[1].astype(jnp.float64),
    "equal": lambda x: jnp.where(x == 0.5, 7.0, x),
    "unequal": lambda x: jnp.where(x != 0.5, x, 7.0),
    "three cases": lambda x: lax.select_n(whole(x), TABLE[0], TABLE[1] * x, x),
    "switch": lambda x: lax.switch(whole(x), [lambda: x, lambda: 2 * x, lambda: 3 * x]),
    "cond": lambda x: lax.cond(x > 0.5, lambda: x, lambda: 2 * x),
    "cond in a scan": lambda x: lax.scan(
        lambda c, _: (lax.cond(x > 0.5, lambda: c, lambda: 2 * c), None), x, None, length=70
    )[0],
    "counted": lambda x: jnp.sum(jnp.stack([x, 2 * x]) > 0.5).astype(jnp.float64),
    "running count": lambda x: jnp.cumsum(jnp.stack([x, 2 * x]) > 0.5)[1].astype(jnp.float64),
    "cast": lambda x: whole(x).astype(jnp.float64),
    "narrow cast": lambda x: x.astype(jnp.uint8).astype(jnp.float64),
    "boolean cast": lambda x: (x - 0.5).astype(bool).astype(jnp.float64),
    "floor": jnp.floor,
    "ceil": lambda x: jnp.ceil(x - 0.2),
    "round": jnp.round,
    "sign": lambda x: jnp.sign(x - 0.5),
    "modulo": lambda x: jnp.mod(x, 0.5),
    "remainder": lambda x: lax.rem(x, 0.5),
    "floor division": lambda x: x // 0.5,
    "clip": lambda x: jnp.clip(x, 0.5, 2.0),
    "abs": lambda x: jnp.abs(x - 0.5),
    "maximum": lambda x: jnp.maximum(x, 0.5),
    "largest entry": lambda x: jnp.max(jnp.stack([x, 1 - x])),
    "running maximum": lambda x: lax.cummax(jnp.stack([x, 1 - x]))[1],
    "pooled": lambda x: lax.reduce_window(
        jnp.stack([x, 1 - x]), -jnp.inf, lax.max, (2,), (1,), "VALID"
    )[0],
    "heaviside": lambda x: jnp.heaviside(x - 0.5, 0.5),
    "searched": lambda x: jnp.searchsorted(jnp.array([0.5, 3.0]), x, method="compare_all").astype(
        jnp.float64
    ),
    "digitized": lambda x: jnp.digitize(x, jnp.array([0.5, 3.0]), method="compare_all").astype(
        jnp.float64
    ),
    "piecewise": lambda x: jnp.piecewise(x, [x < 0.5, x >= 0.5], [lambda x: x, lambda x: -x]),
    "selected": lambda x: jnp.select([x < 0.5, x < 0.7], [x, 2 * x], 3 * x),
    "interpolated": lambda x: jnp.interp(x, jnp.array([0.0, 0.5, 2.0]), TABLE[:3]),
    "triangle": lambda x: jnp.tri(2)[whole(x), 1],
    "rolled": lambda x: jnp.roll(TABLE, whole(x))[0],
    "square root": lambda x: jnp.sqrt(jnp.abs(x - 0.5)),
    "cube root": lambda x: jnp.cbrt(x - 0.5),
    "power": lambda x: jnp.square(x - 0.5) ** 0.75,
}
CONTINUOUS = {
    *("sort", "top_k", "median", "clip", "abs", "maximum", "largest entry", "running maximum"),
    *("pooled", "interpolated", "greatest at a place", "least at a place"),
    *("square root", "cube root", "power"),
}
REFUSED = {"bincount", "searched", "digitized", "interpolated", "rolled"}


@pytest.mark.parametrize("name", JUMPS)
def test_jumps_and_kinks(name):
    """In smooth mode nothing is known, nor of the derivative where the function may jump."""
    function, box = JUMPS[name], Interval(0.25, 1.25)
    with jax.numpy_dtype_promotion("standard"):
        if name in REFUSED:
            with pytest.raises(EnclosureError):
                jax.eval_shape(enclose(function), box)
            return
        assert bool(uncompiled(enclose(function, SMOOTH))(box).is_unknown)
        if name not in CONTINUOUS:
            assert bool(uncompiled(enclose(function, FOR_SLOPES))(box).is_unknown)
        values = np.asarray(jax.vmap(function)(np.linspace(0.25, 1.25, 21)))
        wide = uncompiled(enclose(function))(box)
    assert (values >= np.asarray(wide.lower) - 1e-12).all()
    assert (values <= np.asarray(wide.upper) + 1e-12).all()


def scattered(x, args):
    """Its cost jumps at a = 0, by the place at which something is added."""
    a, b = x["a"], x["b"]
    which = jnp.zeros(2).at[(a > 0).astype(jnp.int32)].add(1.0)
    target = which @ jnp.array([-0.3, 0.5])
    return {"a": (a - target) ** 2 + 0.1 * a * b, "b": b**2 + 0.1 * a * b}


def wrapped(x, args):
    """Its cost jumps at a = 1 and a = 2, where an unsigned integer wraps around."""
    a, b = x["a"], x["b"]
    k = jnp.uint8(1) - a.astype(jnp.uint8)
    own = jnp.where(k == 0, (a - 1.8) ** 2, (a - 0.6) ** 2)
    return {"a": own + 0.1 * a * b, "b": b**2 + 0.1 * a * b}


@pytest.mark.parametrize(
    ("costs", "low", "high"), [(scattered, -0.9, 1.1), (wrapped, 0.2, 2.8)], ids=["scatter", "wrap"]
)
def test_games_that_jump_are_not_proved(costs, low, high):
    box = certify.Box({"a": low, "b": -1.0}, {"a": high, "b": 1.0})
    assert (
        certify.certify(dg.game(costs), box, search=certify.Search(max_cells=20)).status != "proved"
    )


@pytest.mark.parametrize("package", [elementary, rules])
def test_every_file_of_rules_is_imported(package):
    """A rule enters the tables only when its file is imported, which is easily forgotten."""
    init = Path(package.__file__)
    imported = {
        name
        for node in ast.walk(ast.parse(init.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        for name in (node.module.split(".")[-1], *(alias.name for alias in node.names))
    }
    with_rules = {
        path.stem
        for path in init.parent.glob("*.py")
        if path != init and re.search(r"^(@rule\(|RECORDS\b)", path.read_text(), re.MULTILINE)
    }
    assert with_rules
    assert with_rules <= imported
