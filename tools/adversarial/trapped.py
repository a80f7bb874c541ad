"""Games with a trap somewhere: in a cost, wrapped in something.

Whatever engine is used, all cells of a proof have to be cells on which the code of the costs is
smooth: so no trap may be refused nowhere and smooth on all cells of a fine cover.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import certify
import dgames as dg
from certify.jacobian.by_jaxpr import is_smooth
from certify.problem.field import flat_field
from tools.adversarial.traps import KINDS

BOX = certify.Box({"a": -0.9, "b": -1.0}, {"a": 1.1, "b": 1.0})
# Not a divisor of anything: no trap is on an edge of a cell only.
CELLS = 37


def _in_a_loop(trap):
    return lambda x: lax.scan(lambda _, y: (trap(y), None), x, x[None])[0]


def _in_a_map(trap):
    return lambda x: jax.vmap(trap)(jnp.stack([x, x]))[1]


def _in_a_branch(trap):
    return lambda x: lax.cond(x > -7.0, trap, lambda y: 0.0 * y, x)


WRAPPERS = {
    "plain": lambda trap: trap,
    "jit": jax.jit,
    "checkpoint": jax.checkpoint,
    "loop": _in_a_loop,
    "map": _in_a_map,
    "branch": _in_a_branch,
    "partial": lambda trap: functools.partial(lambda f, x: f(x), trap),
    "named": lambda trap: jax.named_call(trap, name="harmless"),
}


def _target(t, a, b):
    return {"a": (a - t(a)) ** 2 + 0.1 * jnp.sin(a) * b, "b": b**2 + 0.1 * a * b}


def _added(t, a, b):
    return {"a": a**2 + 0.1 * jnp.sin(a) * b + t(a), "b": b**2 + 0.1 * a * b}


def _coupling(t, a, b):
    return {"a": a**2 + 0.1 * jnp.sin(a) * b, "b": b**2 + 0.1 * t(a) * b}


def _of_others(t, a, b):
    """No derivative of this cost by its own player sees it."""
    return {"a": a**2 + 0.1 * jnp.sin(a) * b, "b": b**2 + 0.1 * a * b + t(a)}


POSITIONS = {"target": _target, "added": _added, "coupling": _coupling, "others": _of_others}

TRAPS = [(kind, name) for kind, traps in KINDS.items() for name in traps]
_pairs = itertools.cycle(itertools.product(POSITIONS, WRAPPERS))
INSTANCES = [(*trap, *pair) for trap, pair in zip(TRAPS, _pairs, strict=False)]


def game_of(kind, name, position, wrapper):
    """The game of one instance."""
    trap = WRAPPERS[wrapper](KINDS[kind][name])
    return dg.game(lambda x, args: POSITIONS[position](trap, x["a"], x["b"]))


def require_not_smooth(kind, name, position, wrapper):
    """Raises if a game is refused nowhere and smooth on all cells."""
    try:
        field = flat_field(game_of(kind, name, position, wrapper), BOX)
    except (certify.EnclosureError, ValueError):
        return
    ends = np.linspace(-0.9, 1.1, CELLS + 1)
    lower = np.stack([ends[:-1], np.full(CELLS, -1.0)], 1)
    upper = np.stack([ends[1:], np.full(CELLS, 1.0)], 1)
    cells = certify.Interval(jnp.asarray(lower), jnp.asarray(upper))
    assert not bool(jax.vmap(is_smooth(field.costs, "interval"))(cells).all())


def require_not_proved(kind, name, position, wrapper, enclosure=None):
    """Raises if a game is proved, with the default enclosure or a given one."""
    game, enclosure = game_of(kind, name, position, wrapper), enclosure or certify.AutoEnclosure()
    try:
        status = certify.certify(
            game, BOX, enclosure=enclosure, search=certify.Search(max_cells=20)
        ).status
    except (certify.EnclosureError, certify.MismatchError, ValueError):
        return
    assert status != "proved"
