"""What is found out about the game of a file: its Jacobians, statement (B), its equilibrium."""

import itertools
from collections.abc import Callable
from typing import Any

import flint
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from tools.mutants import games, methods, setting
from tools.mutants.setting import Cell, Region, real

# Of double precision, for quantities of size one that take some hundred operations.
ROUNDING = 1e-11
# Of an equilibrium.
PRECISE = 1e-25
# Points at which a game is evaluated at a time.
BATCH = 512
_RANDOM = 8

Once = Callable[[str, Any, Callable[[], Any]], Any]


class Facts:
    """A file, its game, and what is known of that in the file's region.

    Args:
        data: The contents of the file.
        game: Its game.
        start: Nearly the equilibrium of a game like it; where the search for one starts.
        once: Keeps results, by what they depend on.
    """

    def __init__(self, data: dict[str, Any], game: games.FlatGame, start: np.ndarray, once: Once):
        self.data, self.claims = data, data["claims"]
        self.game, self.start, self.once = game, start, once
        self.n = sum(self.game.sizes)
        self.region = Region(data["region"])
        self.metric = setting.metric(data, self.game.sizes)
        self.kinds, self.numbers = setting.set_kinds(data, self.game.sizes)
        graph = data["game"].get("graph", {})
        self.game_by = [graph, data["game"]["players"], data["game"].get("sets")]
        tree = [
            {k: v for k, v in node.items() if k in ("split", "at", "outside")}
            for node in data["evidence"]["cells"]
        ]
        self.points_by = [self.game_by, data["region"], tree]
        families = ("centre", "generators", "remainder", "along", "split", "at", "outside")
        nodes = [
            {k: v for k, v in node.items() if k in families} for node in data["evidence"]["cells"]
        ]
        equilibrium = {
            k: self.claims["equilibrium"].get(k) for k in ("center", "value", "residual")
        }
        self.given_by = [
            self.points_by,
            data["evidence"]["unit"],
            nodes,
            equilibrium,
            data["game"].get("zero_sum"),
        ]

    def split(self, x: np.ndarray) -> list[np.ndarray]:
        """The blocks of the players."""
        return np.split(x, np.cumsum(self.game.sizes)[:-1], axis=-1)

    # The game at points.

    def at(self, which: int, points: np.ndarray) -> np.ndarray:
        """F (0), J (1) or the costs (2) at points of shape (m, n)."""
        function = games.compiled(self.game.costs, self.game.sizes)[which]
        padded = np.concatenate([points, np.repeat(points[:1], -len(points) % BATCH, 0)])
        found = [
            np.asarray(function(self.game.constants, padded[k : k + BATCH]))
            for k in range(0, len(padded), BATCH)
        ]
        return np.concatenate(found)[: len(points)]

    def cells(self) -> list[Cell]:
        """Those of the evidence."""
        return list(setting.cells(self.data["evidence"], self.region.lower, self.region.upper))

    def sampled(self) -> tuple[np.ndarray, np.ndarray]:
        """Points of each cell, shape (cells, k, n), and J there."""

        def sample() -> tuple[np.ndarray, np.ndarray]:
            rng = np.random.default_rng(0)
            shares = np.array([[0.5] * self.n, *itertools.product((0.0, 1.0), repeat=self.n)])
            shares = np.concatenate([shares, rng.uniform(size=(_RANDOM, self.n))])
            points = np.array([c.lower + shares * (c.upper - c.lower) for c in self.cells()])
            jacobians = self.at(1, points.reshape(-1, self.n))
            return points, jacobians.reshape(*points.shape, self.n)

        return self.once("points", self.points_by, sample)

    def inside(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of them that are in the region, and J there."""
        points, jacobians = (x.reshape(-1, *x.shape[2:]) for x in self.sampled())
        there = self.region.beyond(points) <= 0
        return points[there], jacobians[there]

    # Statement (B).

    def given(self) -> list[str]:
        """What is false of the families and of the residual."""
        found = []
        points, jacobians = self.sampled()
        for number, cell in enumerate(self.cells()):
            excess = max(
                (
                    excess_of(cell, p, j)
                    for p, j in zip(points[number], jacobians[number], strict=True)
                ),
            )
            scale = np.abs(jacobians[number]).max()
            if not excess <= ROUNDING * scale:
                found.append(f"the Jacobian leaves the family of cell {number} by {excess:.3g}")
        equilibrium = self.claims["equilibrium"]
        with flint.ctx.workprec(games.BITS):
            center = [flint.arb(real(x)) for x in equilibrium["center"]]
            values = equilibrium.get("value", [(0.0).hex()] * self.n)
            rows = zip(self.game.precise(center), values, equilibrium["residual"], strict=True)
            for k, (slope, value, residual) in enumerate(rows):
                if not abs(slope - real(value)) <= flint.arb(real(residual)) + PRECISE**2:
                    found.append(f"the residual in coordinate {k} is more than stated")
        return found

    # The equilibrium.

    def project(self, x: list[Any]) -> list[Any]:
        """The nearest point of the strategy sets, in numbers of many bits."""
        ends = np.cumsum([0, *self.game.sizes])
        blocks = []
        for k, kind in enumerate(self.kinds):
            blocks += _precisely_projected(kind, self.numbers[k], x[ends[k] : ends[k + 1]])
        return blocks if self.kinds else x

    def equilibrium(self) -> list[Any] | None:
        """The solution, as `flint.arb`, found without the file's own; None if none was found."""

        def find() -> list[Any] | None:
            with flint.ctx.workprec(games.BITS):
                return self._newton() if not self.kinds else self._projections()

        return self.once("equilibrium", self.game_by, find)

    def _newton(self) -> list[Any] | None:
        def value(x: np.ndarray) -> np.ndarray:
            return self.at(0, x[None])[0]

        x = scipy.optimize.root(value, self.start, tol=1e-14).x
        inverse = np.linalg.inv(self.at(1, x[None])[0])
        precise = [flint.arb(float(t)) for t in x]
        for _ in range(12):
            values = self.game.precise(precise)
            if max(abs(v) for v in values) < PRECISE**2:
                return precise
            move = [
                sum((float(a) * v for a, v in zip(row, values, strict=True)), flint.arb(0))
                for row in inverse
            ]
            precise = [(t - m).mid() for t, m in zip(precise, move, strict=True)]
        return None

    def _projections(self) -> list[Any] | None:
        """Projected steps, first in floating point."""
        slope = np.linalg.norm(self.inside()[1], 2, (-2, -1)).max()
        h = 0.5 / slope
        run = methods.runner(self.game.costs, self.game.sizes, self.kinds, "extragradient")
        x = jnp.asarray(self.start)
        for _ in range(20):
            x = run(self.game.constants, self.numbers, h, np.zeros(2), x[None])[0, -1]
        precise = [flint.arb(float(t)) for t in np.asarray(x)]
        for _ in range(3000):

            def moved(at: list[Any], start: list[Any] = precise) -> list[Any]:
                steps = zip(start, self.game.precise(at), strict=True)
                return [t.mid() for t in self.project([a - h * f for a, f in steps])]

            new = moved(moved(precise))
            change = max(abs(a - b) for a, b in zip(new, precise, strict=True))
            precise = new
            if change < PRECISE * 1e-8:
                return precise
        return None


def _precisely_projected(kind: tuple, numbers: np.ndarray, x: list[Any]) -> list[Any]:
    if kind[0] == "box":
        result = []
        for t, low, high in zip(x, *numbers, strict=True):
            t = flint.arb(float(low)) if np.isfinite(low) and t < float(low) else t
            result.append(flint.arb(float(high)) if np.isfinite(high) and t > float(high) else t)
        return result
    if kind[0] == "ball":
        offset = [t - float(m) for t, m in zip(x, numbers[0], strict=True)]
        length = sum((o * o for o in offset), flint.arb(0)).sqrt()
        if not length > float(numbers[1, 0]):
            return x
        return [
            float(m) + o * float(numbers[1, 0]) / length
            for m, o in zip(numbers[0], offset, strict=True)
        ]
    if kind[0] == "simplex":
        result, start = [], 0
        for size in kind[1:]:
            group = x[start : start + size]
            start += size
            down = sorted(group, key=float, reverse=True)
            levels = [(sum(down[: k + 1], flint.arb(0)) - 1) / (k + 1) for k in range(size)]
            level = next(levels[k] for k in reversed(range(size)) if down[k] > levels[k])
            result += [t - level if t > level else flint.arb(0) for t in group]
        return result
    return x


def excess_of(cell: Cell, point: np.ndarray, jacobian: np.ndarray) -> float:
    """By how much J is outside of the family, for the best `e`; not positive inside."""
    gap = jacobian - cell.centre
    middle, half = (cell.lower + cell.upper) / 2, (cell.upper - cell.lower) / 2
    e = np.array([(point[k] - middle[k]) / half[k] if k >= 0 else 0.0 for k in cell.along])
    rest = np.abs(gap - np.tensordot(e, cell.generators, 1)) - cell.remainder
    count = len(cell.generators)
    if not count or rest.max() <= 0:
        return float(rest.max())
    # Minimise t with |gap - sum e G| <= R + t and |e| <= 1.
    rows, size = cell.generators.reshape(count, -1).T, gap.size
    ones = -np.ones((size, 1))
    upper = np.block([[-rows, ones], [rows, ones]])
    limits = [cell.remainder.ravel() - gap.ravel(), cell.remainder.ravel() + gap.ravel()]
    scale = max(np.abs(gap).max(), np.abs(cell.remainder).max(), 1e-300)
    found = scipy.optimize.linprog(
        [0.0] * count + [1.0],
        np.hstack([upper[:, :-1] / scale, upper[:, -1:]]),
        np.concatenate(limits) / scale,
        bounds=[(-1, 1)] * count + [(None, None)],
    )
    return float(found.fun) * scale if found.status == 0 else float(rest.max())
