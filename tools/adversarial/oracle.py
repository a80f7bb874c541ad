"""Random games, and whether all that is proved of them is so, by means that certify has not.

Everything here comes from the costs by complex steps, in NumPy or with sixty digits: margins and
Lipschitz constants at random pairs of points, the equilibrium, that there is no other one, and runs
of all methods from the edges of their basins.
"""

import itertools

import flint
import jax
import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg
from tools.adversarial import games
from tools.adversarial.runs import run

PAIRS, STARTS, RUNS = 256, 48, 12
METHODS = [dg.Simultaneous, dg.Extragradient, dg.Alternating]
# These are certified by semidefinite programs, which take a second each.
LONGER = [*METHODS, dg.Optimistic, dg.Heun, dg.Momentum]


def regions(oracle, seed, count):
    """Boxes and balls of all sizes around the equilibrium, beside it and without it."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(-1, 1, (32, oracle.n))
    zeros = oracle.zeros(starts)
    middle = zeros[0] if len(zeros) else starts[0]
    ends = np.cumsum(oracle.kind.sizes)[:-1]
    for k in range(count):
        radius = float(rng.choice([0.05, 0.2, 0.4, 0.8]))
        shift = radius * rng.uniform(-1, 1, oracle.n) * (0.5 if k % 4 else 1.2)
        center = np.clip(middle + shift, -1.0, 1.0)
        strategy = tuple(map(jnp.asarray, np.split(center, ends)))
        yield (certify.Ball if k % 3 == 2 else certify.Box.around)(strategy, radius)


def membership(region):
    """Whether points are in a region, many at a time."""
    lower, upper = region.bounds()
    if isinstance(region, certify.Box):
        return lambda x: ((lower <= x) & (x <= upper)).all(-1)
    middle, radius = 0.5 * (lower + upper), 0.5 * (upper - lower).max()
    return lambda x: np.linalg.norm(x - middle, axis=-1) <= radius


def require_constants(found, region, oracle, rng):
    """Margin and Lipschitz constant, at pairs of points of the region."""
    points = region.sample(jax.random.key(int(rng.integers(2**31))), 2 * PAIRS)
    one, other = points[:PAIRS], points[PAIRS:]
    other = np.where((np.arange(PAIRS) % 2 == 0)[:, None], one + 1e-3 * (other - one), other)
    moves, forces = one - other, oracle.field(one) - oracle.field(other)
    metric = found.metric
    size = np.einsum("pi,ij,pj->p", moves, metric, moves)
    gain = np.einsum("pi,ij,pj->p", moves, metric, forces)
    assert (gain >= (found.margin - 1e-7) * size).all()
    pushed = np.einsum("pi,ij,pj->p", forces, metric, forces)
    assert (pushed <= (found.lipschitz + 1e-7) ** 2 * size).all()


def require_one_zero(found, region, inside, oracle, rng):
    """The equilibrium, to fifty digits, and no other."""
    lower, upper = (
        np.concatenate([np.ravel(own) for own in end])
        for end in (found.equilibrium.lower, found.equilibrium.upper)
    )
    zero = oracle.exact_zero(0.5 * (lower + upper))
    for low, x, high in zip(lower.tolist(), zero, upper.tolist(), strict=True):
        assert flint.arb(low) <= x <= flint.arb(high)
    middle = np.array([float(x) for x in zero])
    assert inside(middle)
    starts = region.sample(jax.random.key(int(rng.integers(2**31))), STARTS)
    others = oracle.zeros(np.asarray(starts))
    others = others[inside(others)]
    assert (np.abs(others - middle) < 1e-6).all()
    return middle


def distances(found, step, sizes, x, center):
    """In the norm in which a step is certified."""
    moves = x - center
    if step.scale is not None:
        parts = np.split(moves, np.cumsum(sizes)[:-1], -1)
        norms = [
            np.linalg.norm(part, axis=-1) / scale
            for part, scale in zip(parts, step.scale.values(), strict=True)
        ]
        return np.max(norms, axis=0)
    matrix = found.metric
    if step.theorem == "small_gain":
        matrix = np.diag(np.repeat([*found.small_gain.weights.values()], sizes))
    return np.sqrt(np.einsum("...i,ij,...j->...", moves, matrix, moves))


def require_runs(found, inside, oracle, zero, rng):
    """All methods, from the edges of their basins, with their best and their largest steps."""
    center = np.concatenate([np.ravel(own) for own in found.equilibrium.center])
    directions = rng.normal(size=(RUNS, oracle.n))
    directions[0] = 1.0
    for name, step in found.step_sizes.items():
        if not step.basin > 0:
            continue
        length = distances(found, step, oracle.kind.sizes, center + directions, center)
        starts = center + directions * ((1 - 1e-9) * step.basin / length)[:, None]
        assert inside(starts).all()
        first = distances(found, step, oracle.kind.sizes, starts, zero)
        for h in (step.best, step.max):
            points = run(name, oracle.field, h, starts, oracle.players, step.momentum)
            rounds, left = 60 if h == step.best else 400, first
            for k, x in enumerate(itertools.islice(points, rounds), 1):
                assert inside(x).all()
                left = distances(found, step, oracle.kind.sizes, x, zero)
                if h == step.best:
                    allowed = step.constant * step.rate**k * first
                    assert (left <= allowed * (1 + 1e-9) + 1e-12).all()
            # Just below the limit there may be no progress to speak of, but nothing runs away.
            assert (left <= step.constant * first * (1 + 1e-9) + 1e-12).all()


def examined(seed, count):
    """How many of so many regions of one game were proved; raises if anything proved is not so."""
    kind = games.KINDS[seed % len(games.KINDS)]
    numbers = games.parameters(seed, kind)
    game, oracle = games.game(kind), games.Oracle(numbers, kind)
    args, rng, proved = jax.tree.map(jnp.asarray, numbers), np.random.default_rng(seed), 0
    for k, region in enumerate(regions(oracle, seed, count)):
        methods = LONGER if k == 1 else METHODS
        found = certify.certify(
            game, region, methods, args=args, search=certify.Search(max_cells=40)
        )
        if found.status != "proved":
            continue
        proved, inside = proved + 1, membership(region)
        require_constants(found, region, oracle, rng)
        zero = require_one_zero(found, region, inside, oracle, rng)
        require_runs(found, inside, oracle, zero, rng)
    return proved
