"""Games of programs that have no value somewhere: whether anything that reads them is deceived."""

import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg
from certify.checker.intervals import BallInterval
from certify.checker.jets import JetArithmetic
from certify.graph.builder import GraphError
from certify.graph.trace import graph_of
from certify.jacobian.by_jaxpr import is_smooth
from certify.problem.field import flat_field
from tools.adversarial.programs import program

REGION = certify.Box({"a": -0.5, "b": -0.5}, {"a": 0.5, "b": 0.5})
CELLS = 21
# Most of them where only the ends of the region are.
POINTS = np.concatenate([np.linspace(-0.5, 0.5, 101), [-0.49999, -0.4997, 0.4997, 0.49999]])


@functools.cache
def game_of(seed: int) -> dg.Game:
    """A game with a random program in a cost."""
    _, run = program(seed)

    def costs(x, args):
        a, b = x["a"], x["b"]
        return {"a": (run(a) - 0.1) ** 2 + 0.1 * jnp.sin(a) * b, "b": b**2 + 0.1 * a * b}

    return dg.game(costs)


def undefined(seed: int) -> np.ndarray:
    """Where the costs or the field are not finite."""
    game = game_of(seed)

    def at(a):
        x = {"a": a, "b": jnp.float64(0.25)}
        force, costs = dg.pseudo_gradient(game)(x), game.costs(x)
        return jnp.stack([*force.values(), *costs.values()])

    return POINTS[~np.isfinite(jax.vmap(at)(jnp.asarray(POINTS))).all(1)]


def require_not_smooth(seed: int) -> bool:
    """Raises if rules of intervals or graphs find a game smooth where it has no value.

    Returns:
        Whether there is such a place.
    """
    bad = undefined(seed)
    if not len(bad):
        return False
    try:
        field = flat_field(game_of(seed), REGION)
    except certify.EnclosureError:
        return True
    ends = np.linspace(-0.5, 0.5, CELLS + 1)
    lower = np.stack([ends[:-1], np.full(CELLS, -0.5)], 1)
    upper = np.stack([ends[1:], np.full(CELLS, 0.5)], 1)
    cells = certify.Interval(jnp.asarray(lower), jnp.asarray(upper))
    smooth = np.asarray(jax.vmap(is_smooth(field.costs, "interval"))(cells))
    # No cell that holds such a point.
    held = (lower[:, :1] <= bad) & (bad <= upper[:, :1])
    assert not smooth[held.any(1)].any(), program(seed)[0]
    try:
        graph = graph_of(field)
    except GraphError:
        return True
    arithmetic = JetArithmetic(1)
    for a in bad[[0, -1]]:
        point = arithmetic.around([BallInterval.point(Fraction(float(x))) for x in (a, 0.25)])
        outputs, obliged = graph.obliged(point, arithmetic.operations)
        numbers = [c for jet in (*outputs, *obliged) for c in jet.values()]
        overflow = "overflow" in program(seed)[0]  # which real numbers do not
        assert overflow or not all(c.is_finite() for c in numbers), (program(seed)[0], a)
    return True


def require_not_proved(seed: int) -> None:
    """Raises if a game is proved that has no value somewhere."""
    bad = undefined(seed)
    try:
        found = certify.certify(game_of(seed), REGION, search=certify.Search(max_cells=12))
    except (certify.EnclosureError, certify.MismatchError):
        return
    assert found.status != "proved" or not len(bad), program(seed)[0]
