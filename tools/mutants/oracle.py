"""Whether a certificate is true: tried out on the game itself, without the checker.

Every claim is compared with the game at many points: the Jacobian at centres, corners and random
points of all cells, the equilibrium found anew to thirty digits, methods run from the edge of their
basins. What is found is a counterexample; what is not found is no proof. Tolerances are for the
rounding errors of this module.
"""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flint
import jax
import jax.numpy as jnp
import numpy as np

from tools.mutants import games, methods
from tools.mutants.corpus import Specimen
from tools.mutants.facts import BATCH, PRECISE, ROUNDING, Facts
from tools.mutants.setting import real, reals


class Findings(NamedTuple):
    """What speaks against a certificate.

    Attributes:
        claims: Claims that are false, one sentence each.
        given: Parts of statement (B) that are false.
    """

    claims: list[str]
    given: list[str]


class Oracle:
    """Tries certificates that were made from one certificate of a game by a change.

    Args:
        specimen: The game as it was written, on which files are tried that have no graph of their
            own, or the original one.
        original: The original file, with its graph.
    """

    def __init__(self, specimen: Specimen, original: dict[str, Any]):
        self.specimen, self.graph = specimen, original["game"]["graph"]
        self.center = reals(original["claims"]["equilibrium"]["center"])
        low = any(np.dtype(kind) == np.float32 for kind in specimen.region.types)
        self._code = None if low else games.from_code(specimen)
        self._known: dict[str, Any] = {}

    def findings(self, data: dict[str, Any]) -> Findings:
        """What is false in a file that the checker accepts."""
        with np.errstate(all="ignore"):
            facts = Facts(data, self.game(data), self.center, self.once)
            return Findings(list(_claims(facts)), self.once("given", facts.given_by, facts.given))

    def once(self, name: str, by: Any, make: Callable[[], Any]) -> Any:
        """A result, made once for all files that do not differ in what it depends on."""
        key = json.dumps([name, by], sort_keys=True)
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def game(self, data: dict[str, Any]) -> games.FlatGame:
        """The game of a file."""
        sizes = tuple(player["size"] for player in data["game"]["players"])
        graph = data["game"].get("graph", self.graph)
        zero_sum = len(graph["outputs"]) == 1
        precise = games.precise_field(graph, sizes, zero_sum)
        if self._code is not None and graph == self.graph:
            return games.FlatGame(self._code, np.zeros(0), sizes, precise)
        costs, constants = games.from_graph(graph, sum(sizes), zero_sum)
        return games.FlatGame(costs, constants, sizes, precise)


# Claims -----------------------------------------------------------------------------------------


def _claims(facts: Facts) -> Iterator[str]:
    yield from _constants(facts)
    star = facts.equilibrium()
    if star is None:
        yield "no equilibrium was found"
        return
    yield from _place(facts, star)
    nash = facts.once(
        "nash", [facts.game_by, facts.data["region"]], lambda: list(_nash(facts, star))
    )
    yield from nash
    yield from _basin(facts)
    x = np.array([float(t) for t in star])
    for number, step in enumerate(facts.claims["steps"]):
        for sentence in _steps(facts, step, x):
            yield f"steps[{number}] ({step['method']}, {step['theorem']}): {sentence}"


def _constants(facts: Facts) -> Iterator[str]:
    """Margin, Lipschitz constant and the bounds per player, at all points of the region."""
    _, jacobians = facts.inside()
    if not np.isfinite(jacobians).all():
        yield "the Jacobian is not finite everywhere in the region"
        return
    claims, gain = facts.claims, facts.claims["small_gain"]
    root = np.linalg.cholesky(facts.metric).T
    turned = root @ jacobians @ np.linalg.inv(root)
    scale = np.abs(turned).max()
    margin = np.linalg.eigvalsh((turned + turned.swapaxes(-1, -2)) / 2)[:, 0].min()
    yield from _compared("margin", real(claims["margin"]), margin, scale)
    lipschitz = np.linalg.norm(turned, 2, (-2, -1)).max()
    yield from _compared("lipschitz", -real(claims["lipschitz"]), -lipschitz, scale)
    blocks = [
        np.array_split(row, np.cumsum(facts.game.sizes)[:-1], -1)
        for row in np.split(jacobians, np.cumsum(facts.game.sizes)[:-1], -2)
    ]
    size, coupling = np.abs(jacobians).max(), reals(gain["coupling"])
    for i, row in enumerate(blocks):
        own = np.linalg.eigvalsh((row[i] + row[i].swapaxes(-1, -2)) / 2)
        yield from _compared(f"curvature {i}", real(gain["curvature"][i]), own.min(), size)
        yield from _compared(f"smoothness {i}", -real(gain["smoothness"][i]), -own.max(), size)
        for j, block in enumerate(row):
            if i != j:
                norm = np.linalg.norm(block, 2, (-2, -1)).max()
                yield from _compared(f"coupling {i}, {j}", -coupling[i, j], -norm, size)
    weights = np.sqrt(reals(gain["left"]) / reals(gain["right"]))
    small = np.diag(reals(gain["curvature"])) - coupling
    small = weights[:, None] * small / weights
    margin = np.linalg.eigvalsh((small + small.T) / 2)[0]
    yield from _compared("small-gain margin", real(gain["margin"]), margin, np.abs(small).max())


def _compared(name: str, claimed: float, found: float, scale: float) -> Iterator[str]:
    if not claimed <= found + ROUNDING * scale:
        yield f"{name} is claimed to be {abs(claimed):.17g}, and {abs(found):.17g} was found"


def _place(facts: Facts, star: list[Any]) -> Iterator[str]:
    """The equilibrium is in the region, in the sets and within the radius."""
    equilibrium = facts.claims["equilibrium"]
    with flint.ctx.workprec(games.BITS):
        offset = [t - real(c) for t, c in zip(star, equilibrium["center"], strict=True)]
        square = sum(
            (
                float(p) * a * b
                for row, a in zip(facts.metric, offset, strict=True)
                for p, b in zip(row, offset, strict=True)
            ),
            flint.arb(0),
        )
        if not square <= (flint.arb(real(equilibrium["radius"])) + PRECISE) ** 2:
            yield f"the equilibrium is {float(square) ** 0.5:.3g} away from the centre"
        if facts.region.beyond(np.array([float(t) for t in star])) > 1e-15:
            yield "the equilibrium is outside of the region"
        gaps = zip(facts.project(star), star, strict=True)
        if max(abs(a - b) for a, b in gaps) > PRECISE:
            yield "the equilibrium is outside of the strategy sets"


def _nash(facts: Facts, star: list[Any]) -> Iterator[str]:
    """No player gains by one of many deviations that stay in the region and in the sets."""
    rng, x = np.random.default_rng(1), np.array([float(t) for t in star])
    ends = np.cumsum([0, *facts.game.sizes])
    spread = facts.region.upper - facts.region.lower
    for player in range(len(facts.game.sizes)):
        points = np.repeat(x[None], BATCH, 0)
        own = slice(ends[player], ends[player + 1])
        reach = 10.0 ** rng.uniform(-4, 0, (BATCH, 1)) * spread[own]
        moved = x[own] + reach * rng.uniform(-1, 1, (BATCH, facts.game.sizes[player]))
        if facts.kinds:
            onto = functools.partial(methods.projected, facts.kinds[player], facts.numbers[player])
            moved = np.asarray(jax.vmap(onto)(jnp.asarray(moved)))
        points[1:, own] = moved[1:]
        points = np.where((facts.region.beyond(points) <= 0)[:, None], points, x)
        costs = facts.at(2, points)[:, player]
        if not costs.min() >= costs[0] - ROUNDING * max(1.0, np.abs(costs).max()):
            yield f"player {player} gains {costs[0] - costs.min():.3g} by a deviation"


def _starts(facts: Facts, matrix: np.ndarray, radius: float) -> np.ndarray:
    """Points of K on the edge of a ball of a metric: the farthest along coordinates, and random."""
    if facts.kinds:  # from farther away, rounding is all that would be projected
        radius = min(radius, 1e6 * float(np.max(facts.region.upper - facts.region.lower)))
    center, rng = reals(facts.claims["equilibrium"]["center"]), np.random.default_rng(2)
    inverse = np.linalg.inv(matrix)
    along = inverse / np.sqrt(np.diag(inverse))
    factor = np.linalg.inv(np.linalg.cholesky(matrix)).T
    longest = np.linalg.svd(factor)[2][0] @ factor.T
    random = rng.normal(size=(6, facts.n))
    random = random / np.linalg.norm(random, axis=1)[:, None] @ factor.T
    directions = np.concatenate([along.T, -along.T, longest[None], -longest[None], random])
    points = center + radius * directions * (1 - 1e-12)
    if facts.kinds:
        # Nonexpansive in metrics of weights, and the centre is in K: they stay in the ball.
        rows = [
            np.concatenate(
                [
                    np.asarray(methods.projected(kind, numbers, jnp.asarray(block)))
                    for kind, numbers, block in zip(
                        facts.kinds, facts.numbers, facts.split(point), strict=True
                    )
                ]
            )
            for point in points
        ]
        points = np.array(rows)
    return points


def _basin(facts: Facts) -> Iterator[str]:
    radius = real(facts.claims["basin"]["radius"])
    excess = facts.region.beyond(_starts(facts, facts.metric, radius)).max()
    if not excess <= 1e-12 * max(1.0, np.abs(facts.region.upper).max()):
        yield f"the basin reaches {excess:.3g} beyond the region"


def _steps(facts: Facts, step: dict[str, Any], star: np.ndarray) -> Iterator[str]:
    """Runs a method with its largest and its best step from the edge of its basin."""
    theorem, gain, ends = step["theorem"], facts.claims["small_gain"], facts.game.sizes
    matrix, stretch = facts.metric, real(step.get("stretch", (1.0).hex()))
    outer = inner = None
    if theorem == "small_gain":
        matrix = np.diag(np.repeat(reals(gain["left"]) / reals(gain["right"]), ends))
        if step["method"] == "alternating":
            inner, outer = reals(step["inner"]), reals(step["outer"])
            matrix = np.diag(np.repeat(len(ends) / inner**2, ends))  # a ball within that norm's

    def distance(points: np.ndarray, vector: np.ndarray | None) -> np.ndarray:
        offset = points - star
        if vector is None:
            return np.sqrt(np.einsum("...i,ij,...j", offset, matrix, offset))
        norms = [np.linalg.norm(block, axis=-1) for block in facts.split(offset)]
        return np.max([a / b for a, b in zip(norms, vector, strict=True)], axis=0)

    basin = real(step["basin"]) if "basin" in step else real(facts.claims["basin"]["radius"])
    starts = _starts(facts, matrix, basin)
    size = max(1.0, np.abs(star).max())
    if not facts.region.beyond(starts).max() <= 1e-12 * size:
        yield "the basin is not inside the region"
        return
    run = methods.runner(facts.game.costs, ends, facts.kinds, step["method"])
    momentum = np.zeros(2)
    given = [real(x) for x in step.get("momentum", [])]
    momentum[: len(given)] = given
    small = 1e-12 * size * np.sqrt(np.linalg.eigvalsh(matrix)[-1])
    powers = np.arange(methods.STEPS + 1)
    for name in ("max", "best"):
        points = np.asarray(
            run(facts.game.constants, facts.numbers, real(step[name]), momentum, starts)
        )
        if not facts.region.beyond(points).max() <= 1e-12 * size:
            yield f"with the {name} step a point is outside of the region"
        vector = outer if name == "max" else inner
        distances = distance(points, vector)
        bound = stretch if theorem == "performance" else 1.0
        if name == "best":
            bound = real(step.get("constant", (1.0).hex())) * real(step["rate"]) ** powers
        floor = small if vector is None else 1e-12 * size / vector.min()
        if not (distances <= bound * distances[:, :1] * (1 + 1e-9) + floor).all():
            worst = (distances / (bound * distances[:, :1] + floor)).max()
            yield f"with the {name} step a distance is {worst:.6g} times what is claimed"
