"""Random games whose costs are written once, for JAX, for NumPy and for python-flint.

So there are values and derivatives that have nothing in common with those of JAX and certify: by
complex steps, which have no rounding error to speak of, in float64 and with sixty digits.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import flint
import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg


class Kind(NamedTuple):
    """What games have in common that differ in numbers only."""

    sizes: tuple[int, ...]
    terms: tuple[str, ...]


# Coordinates of the players, and what their costs consist of besides a quadratic and a coupling.
KINDS = [
    Kind((1, 1), ("wave", "growth")),
    Kind((1, 2), ("barrier", "share")),
    Kind((1, 1, 1), ("wave", "share")),
    Kind((2, 1), ("growth", "barrier")),
    Kind((1, 1), ("share", "barrier", "wave")),
]


_JAX = SimpleNamespace(
    sin=jnp.sin,
    tanh=jnp.tanh,
    exp=jnp.exp,
    log=jnp.log,
    shares=lambda z: jax.nn.softmax(jnp.stack(z)),
)


def _shares(exp: Any, z: Any) -> list[Any]:
    powers = [exp(x) for x in z]
    return [power / sum(powers[1:], powers[0]) for power in powers]


_NUMPY = SimpleNamespace(
    sin=np.sin, tanh=np.tanh, exp=np.exp, log=np.log, shares=lambda z: _shares(np.exp, z)
)
_BALLS = SimpleNamespace(
    sin=flint.acb.sin,
    tanh=flint.acb.tanh,
    exp=flint.acb.exp,
    log=flint.acb.log,
    shares=lambda z: _shares(flint.acb.exp, z),
)
_BITS = 256


def parameters(seed: int, kind: Kind) -> dict[str, np.ndarray]:
    """Numbers of one game."""
    rng = np.random.default_rng(seed)
    n, players = sum(kind.sizes), len(kind.sizes)
    return {
        "curvature": rng.uniform(0.6, 2.0, n),
        "target": rng.normal(size=n) * 0.3,
        "wave": rng.uniform(0.0, 0.5, players),
        "frequency": rng.uniform(0.5, 2.0, players),
        "coupling": rng.normal(size=(players, n)) * rng.uniform(0.1, 0.5),
        "growth": rng.normal(size=players) * 0.2,
        "barrier": rng.normal(size=players) * 0.3,
        "share": rng.normal(size=players) * 0.3,
    }


def costs(z: list[Any], p: Any, kind: Kind, m: Any) -> list[Any]:
    """One cost per player, of all coordinates."""
    ends = np.cumsum(kind.sizes).tolist()
    n, found = len(z), []
    shares = m.shares(z) if "share" in kind.terms else []
    for i, (size, last) in enumerate(zip(kind.sizes, ends, strict=True)):
        first = last - size
        own, seen = z[first], p["coupling"][i][0] * z[0]
        for k in range(1, n):
            seen = seen + p["coupling"][i][k] * z[k]
        cost = own * m.tanh(seen)
        for k in range(first, last):
            move = z[k] - p["target"][k]
            cost = cost + p["curvature"][k] * (move * move)
        if "wave" in kind.terms:
            cost = cost + p["wave"][i] * m.sin(p["frequency"][i] * own)
        if "growth" in kind.terms:
            cost = cost + p["growth"][i] * m.exp(0.3 * own + 0.2 * z[last % n])
        if "barrier" in kind.terms:
            cost = cost + p["barrier"][i] * m.log(4.0 + own + 0.5 * z[first - 1])
        if "share" in kind.terms:
            cost = cost + p["share"][i] * shares[first]
        found.append(cost)
    return found


def game(kind: Kind) -> dg.Game:
    """With `parameters` as arguments; strategies are tuples of vectors."""

    def of_players(x: Any, args: Any) -> Any:
        z = [own[k] for own, size in zip(x, kind.sizes, strict=True) for k in range(size)]
        return tuple(costs(z, args, kind, _JAX))

    return dg.game(of_players)


class Oracle:
    """The same game, computed by others."""

    def __init__(self, p: dict[str, np.ndarray], kind: Kind):
        self.p, self.kind, self.n = p, kind, sum(kind.sizes)
        self.players = np.repeat(np.arange(len(kind.sizes)), kind.sizes)

    def field(self, x: np.ndarray) -> np.ndarray:
        """F at points of shape (..., n)."""
        step, columns = 1e-30, []
        for k, player in enumerate(self.players):
            z = [x[..., j] + (step * 1j if j == k else 0.0) for j in range(self.n)]
            columns.append(costs(z, self.p, self.kind, _NUMPY)[player].imag / step)
        return np.stack(columns, -1)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Its derivative, by differences, to about ten digits."""
        step = 1e-6
        moves = step * np.eye(self.n)
        columns = [(self.field(x + move) - self.field(x - move)) / (2 * step) for move in moves]
        return np.stack(columns, -1)

    def zeros(self, starts: np.ndarray) -> np.ndarray:
        """Where Newton's method ends from each start, if at a zero."""
        x = starts
        for _ in range(40):
            found, slopes = self.field(x), self.jacobian(x)
            regular = np.abs(np.linalg.det(slopes)) > 1e-9
            slopes = np.where(regular[:, None, None], slopes, np.eye(self.n))
            move = np.linalg.solve(slopes, found[..., None])[..., 0]
            x = np.clip(x - np.clip(move, -0.5, 0.5), -1.9, 1.9)
        return x[np.abs(self.field(x)).max(-1) < 1e-9]

    def exact_zero(self, near: np.ndarray) -> list[flint.arb]:
        """A zero with fifty digits, as balls of ball arithmetic without a radius."""
        numbers = {key: value.tolist() for key, value in self.p.items()}
        bits, flint.ctx.prec = flint.ctx.prec, _BITS
        try:
            small, step = flint.arb(10) ** -60, flint.arb(10) ** -30

            def field(x: list[Any]) -> list[Any]:
                found = []
                for k, player in enumerate(self.players):
                    z = [flint.acb(y, small if j == k else 0) for j, y in enumerate(x)]
                    found.append(costs(z, numbers, self.kind, _BALLS)[player].imag / small)
                return found

            def moved(x: list[Any], k: int, by: Any) -> list[Any]:
                return [y + by if j == k else y for j, y in enumerate(x)]

            x = [flint.arb(value) for value in near.tolist()]
            for _ in range(4):
                slopes = flint.arb_mat(self.n, self.n)
                for k in range(self.n):
                    above, below = field(moved(x, k, step)), field(moved(x, k, -step))
                    for i, (a, b) in enumerate(zip(above, below, strict=True)):
                        slopes[i, k] = ((a - b) / (2 * step)).mid()
                values = [[value.mid()] for value in field(x)]
                move = slopes.solve(flint.arb_mat(values))
                x = [(y - move[k, 0]).mid() for k, y in enumerate(x)]
            assert all(abs(value) < flint.arb(10) ** -50 for value in field(x))
            return x
        finally:
            flint.ctx.prec = bits
