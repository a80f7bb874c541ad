"""Whether a contraction file is true: tried out on the step of the method itself.

All in floating point: such files have no graph, from which more digits could be had.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import dgames as dg
from tools.mutants import setting
from tools.mutants.corpus import Specimen
from tools.mutants.facts import ROUNDING, excess_of
from tools.mutants.oracle import Findings
from tools.mutants.setting import real, reals

# Of a step on numbers of size one.
_EXACT = 1e-14
_STEPS = 60


class StepOracle:
    """Tries contraction files that were made from one by a change."""

    def __init__(self, specimen: Specimen, original: dict[str, Any]):
        assert specimen.step is not None
        field, method = dg.pseudo_gradient(specimen.game), specimen.step
        like, self.coordinates = specimen.region.center, original["coordinates"]
        flat, unravel = ravel_pytree((like, method.init(field, like)))
        strategy, back = ravel_pytree(like)
        self.strategy = strategy.size

        def move(z: Any) -> Any:
            return ravel_pytree(method.step(field, *unravel(z)))[0]

        def first(x: Any) -> Any:
            return ravel_pytree((back(x), method.init(field, back(x))))[0]

        self.move = jax.jit(jax.vmap(move))
        self.slope = jax.jit(jax.vmap(jax.jacfwd(move)))
        self.first, self.first_slope = jax.jit(first), jax.jit(jax.jacfwd(first))
        z = flat
        for _ in range(2000):
            z = self.move(z[None])[0]
        self.fixed = np.asarray(z)

    def findings(self, data: dict[str, Any]) -> Findings:
        """What is false in a file that the checker accepts."""
        if data["coordinates"] != self.coordinates:
            return Findings(["the step has other coordinates"], [])
        with np.errstate(all="ignore"):
            return Findings(list(self._claims(data)), list(self._given(data)))

    def _points(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(0)
        shares = rng.uniform(size=(64, len(lower)))
        shares[0], shares[1:33] = 0.5, np.round(shares[1:33])
        return lower + shares * (upper - lower)

    def _given(self, data: dict[str, Any]) -> Iterator[str]:
        claims, evidence = data["claims"], data["evidence"]
        center, size = reals(claims["center"]), max(1.0, np.abs(self.fixed).max())
        for number, cell in enumerate(
            setting.cells(evidence, reals(claims["lower"]), reals(claims["upper"]))
        ):
            points = self._points(cell.lower, cell.upper)
            slopes = np.asarray(self.slope(points))
            for point, slope in zip(points, slopes, strict=True):
                excess = excess_of(cell, point, slope)
                if not excess <= ROUNDING * np.abs(slopes).max():
                    yield f"the Jacobian leaves the family of cell {number} by {excess:.3g}"
                    break
        gap = np.abs(np.asarray(self.move(center[None])[0]) - center)
        if not (gap <= reals(claims["residual"]) + _EXACT * size).all():
            yield "the residual of the centre is more than stated"
        if "start" in claims:
            x = center[: self.strategy]
            gap = np.abs(np.asarray(self.first(x)) - center)
            if not (gap <= reals(claims["start"]["residual"]) + _EXACT * size).all():
                yield "the residual of the first state is more than stated"
            start = evidence["start"]
            shape = (len(center), self.strategy)
            unit = 2.0 ** evidence["unit"]
            matrices = [
                np.array(m, float).reshape(shape) * unit
                for m in (start["centre"], start["remainder"], *start["generators"])
            ]
            loose = matrices[1] + np.abs(np.array(matrices[2:]).reshape(-1, *shape)).sum(0)
            gap = np.abs(np.asarray(self.first_slope(x)) - matrices[0])
            if not (gap <= loose + ROUNDING).all():
                yield "the Jacobian of the first state leaves its family"

    def _claims(self, data: dict[str, Any]) -> Iterator[str]:
        claims = data["claims"]
        lower, upper, center = (reals(claims[name]) for name in ("lower", "upper", "center"))
        metric, rate = self._symmetric(claims["metric"]), real(claims["rate"])
        size = max(1.0, np.abs(self.fixed).max())
        root = np.linalg.cholesky(metric).T
        turned = root @ np.asarray(self.slope(self._points(lower, upper))) @ np.linalg.inv(root)
        found = np.linalg.norm(turned, 2, (-2, -1)).max()
        if not found <= rate * (1 + ROUNDING):
            yield f"the rate is claimed to be {rate:.17g}, and {found:.17g} was found"
        if not ((lower <= self.fixed) & (self.fixed <= upper)).all():
            yield "the fixed point is outside of the box"

        def norm(z: np.ndarray) -> np.ndarray:
            return np.linalg.norm(z @ root.T, axis=-1)

        small = float(_EXACT * size * np.linalg.norm(root, 2))
        if not norm(self.fixed - center) <= real(claims["radius"]) + small:
            yield f"the fixed point is {norm(self.fixed - center):.3g} away from the centre"
        basin = real(claims["basin"])
        starts = center + basin * _edge(metric)
        if not ((starts >= lower - _EXACT * size) & (starts <= upper + _EXACT * size)).all():
            yield "the basin reaches beyond the box"
        yield from self._converges(starts, norm, rate, small)
        if "start" in claims:
            own = self._symmetric(claims["start"]["metric"])
            first = center[: self.strategy] + real(claims["start"]["radius"]) * _edge(own)
            states = np.array([np.asarray(self.first(x)) for x in first])
            if not (norm(states - center) <= basin * (1 + 1e-12) + small).all():
                yield "a start has its first state outside of the basin"
            yield from self._converges(states, norm, rate, small)

    def _converges(self, z: Any, norm: Any, rate: float, small: float) -> Iterator[str]:
        begin = norm(np.asarray(z) - self.fixed)
        for k in range(1, _STEPS):
            z = self.move(jnp.asarray(z))
            if not (norm(np.asarray(z) - self.fixed) <= rate**k * begin * (1 + 1e-9) + small).all():
                yield f"after {k} steps a distance is more than the rate says"
                return

    def _symmetric(self, entry: dict[str, Any]) -> np.ndarray:
        flat = np.array([float(x) for x in entry["matrix"]])
        size = round(len(flat) ** 0.5)
        return flat.reshape(size, size) * 2.0 ** entry["unit"]


def _edge(matrix: np.ndarray) -> np.ndarray:
    """Points of length one in a metric: the farthest along coordinates, and random ones."""
    inverse = np.linalg.inv(matrix)
    along = (inverse / np.sqrt(np.diag(inverse))).T
    random = np.random.default_rng(2).normal(size=(8, len(matrix)))
    random = random / np.linalg.norm(random, axis=1)[:, None]
    random = random @ np.linalg.inv(np.linalg.cholesky(matrix))
    return np.concatenate([along, -along, random]) * (1 - 1e-12)
