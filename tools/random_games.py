"""Random nonlinear games: a verified equilibrium or a refusal, and never a false proof.

Two or three players with one or two coordinates each, strongly convex own costs with waves on them
and smooth couplings of random strength. Each game is certified on a box around an equilibrium that
Newton's method found; then on a box beside it, which does not contain that equilibrium; and once
more with a solver that lies about where it is. A proof on the first box is compared with the zeros
that Newton's method finds from random starts in the box: there has to be exactly one.
"""

from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg
from certify.problem.field import FlatField, compiled_value, flat_field
from certify.prove import question


def random_game(seed: int) -> tuple[dg.Game, tuple[int, ...]]:
    """A game and the coordinates of its players."""
    rng = np.random.default_rng(seed)
    sizes = tuple(int(size) for size in rng.integers(1, 3, rng.integers(2, 4)))
    n, waves = sum(sizes), rng.uniform(0.0, 0.6, len(sizes))
    curvature = rng.uniform(0.5, 2.0, len(sizes))
    shift = jnp.asarray(rng.normal(size=n))
    coupling = jnp.asarray(rng.normal(size=(len(sizes), n)) * rng.uniform(0.0, 0.8))

    def costs(x: Any, args: Any) -> Any:
        everything = jnp.concatenate(x)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return tuple(
            0.5 * curvature[i] * jnp.sum((own - shift[starts[i] : starts[i + 1]]) ** 2)
            + waves[i] * jnp.sum(jnp.cos(own))
            + jnp.sum(own) * jnp.tanh(coupling[i] @ everything)
            for i, own in enumerate(x)
        )

    return dg.game(costs), sizes


def zeros(field: FlatField, region: Any, starts: int = 200) -> np.ndarray:
    """Different zeros of a field in a region that Newton's method finds from random starts."""
    value, jacobian = compiled_value(field), jax.jit(jax.vmap(jax.jacfwd(field.function)))
    points = region.sample(jax.random.key(1), starts)
    many = jax.jit(jax.vmap(field.function))
    for _ in range(30):
        moves = [
            np.linalg.lstsq(j, f, rcond=None)[0]  # Jacobians may be singular on the way
            for j, f in zip(np.asarray(jacobian(points)), np.asarray(many(points)), strict=True)
        ]
        points = points - np.clip(np.array(moves), -1.0, 1.0)
    low, high = region.bounds()
    found: list[np.ndarray] = []
    for point in points:
        inside = (low <= point).all() and (point <= high).all()
        new = all(np.abs(point - other).max() > 1e-6 for other in found)
        if inside and new and np.abs(value(jnp.asarray(point))).max() < 1e-10:
            found.append(point)
    return np.array(found)


def outcomes(seed: int, radius: float = 0.5) -> dict[str, str]:
    """What became of one game: on the box, on a box beside it, and with a solver that lies.

    Raises:
        AssertionError: If anything was proved that is not so.
    """
    game, sizes = random_game(seed)
    like = tuple(jnp.zeros(size) for size in sizes)
    wide = certify.Box.around(like, 4.0)
    field = flat_field(game, wide)
    everywhere = zeros(field, wide, starts=20)
    if not len(everywhere):
        return {"box": "no zero was found"}
    center = field.unravel(jnp.asarray(everywhere[0]))
    region = certify.Box.around(center, radius)
    found = certify.certify(game, region, search=certify.Search(max_cells=200))
    if found.status == "proved":
        inside = zeros(field, region)
        assert len(inside) == 1, f"seed {seed}: {len(inside)} equilibria, and one was proved"
        low, high = (
            np.concatenate([np.ravel(block) for block in end])
            for end in (found.equilibrium.lower, found.equilibrium.upper)
        )
        assert (low <= inside[0] + 1e-9).all() and (inside[0] - 1e-9 <= high).all()
        assert (high - low).max() < 1e-11 * (1.0 + np.abs(high).max()) / min(found.margin, 1.0)
    beside = certify.Box.around(jax.tree.map(lambda c: c + 1.5 * radius, center), 0.5 * radius)
    empty = not len(zeros(field, beside))
    moved = certify.certify(game, beside, search=certify.Search(max_cells=200))
    assert not (empty and moved.status == "proved"), f"seed {seed}: proved where there is none"
    lie = np.asarray(everywhere[0]) + 0.3 * radius
    with mock.patch.object(question, "find_zero", lambda *_: lie):
        fooled = certify.certify(game, region, search=certify.Search(max_cells=200))
    if fooled.status == "proved":  # then the enclosure is wide, and true
        distance = np.abs(lie - everywhere[0]).max()
        ends = (fooled.equilibrium.lower, fooled.equilibrium.upper)
        low, high = (np.concatenate([np.ravel(b) for b in end]) for end in ends)
        assert (high - low).max() >= distance
    return {"box": found.status, "beside": moved.status, "lie": fooled.status}
