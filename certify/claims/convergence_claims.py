"""The numbers that a certificate of convergence proves, read from the contents of its file."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from certify.checker import Unusable
from certify.checker.reader import Reader
from certify.checker.sets import read_set
from certify.claims.equilibrium import Basin, Equilibrium
from certify.file.contents import Contents
from certify.problem.region import Ball, Box, Everywhere, Policies, Region
from certify.problem.structure import players, rebuild
from certify.rounding import float_above, float_below
from certify.steps.step_size import StepSize


class GainReport(NamedTuple):
    """The proved small-gain test, with constants aggregated over the whole region.

    Attributes:
        margin: The margin that the test gives; not positive when it fails.
        weights: The best weights for the test, by player.
        curvature: Lower bounds on the own-player curvatures, by player.
        smoothness: Upper bounds on the own-player curvatures, by player.
        coupling: Bounds on the norms of the other blocks, shape (N, N), in the players' order.
    """

    margin: float
    weights: dict[str, float]
    curvature: dict[str, float]
    smoothness: dict[str, float]
    coupling: np.ndarray


class ConvergenceClaims(NamedTuple):
    """The numbers that a certificate proves: the attributes of `Convergence` of the same names.

    The metric is the matrix, if there is one, else that of the weights, which `spread` has for each
    coordinate.
    """

    margin: float
    lipschitz: float
    cocoercivity: float | None
    weights: dict[str, float] | None
    matrix: np.ndarray | None
    spread: np.ndarray
    small_gain: GainReport | None
    step_sizes: dict[str, StepSize]
    equilibrium: Equilibrium
    basin: Basin
    cells: int
    terms: int

    @property
    def metric(self) -> np.ndarray:
        """The matrix of the metric, shape (n, n)."""
        return np.diag(self.spread) if self.matrix is None else self.matrix


def read_claims(data: Contents) -> ConvergenceClaims:
    """Reads the claims of contents that the checker has accepted."""
    claims, game = data["claims"], data["game"]
    names = [player["name"] for player in game["players"]]
    sizes = [player["size"] for player in game["players"]]
    if players(game["structure"]) != list(zip(names, sizes, strict=True)):
        raise Unusable('field "game.structure" does not have the players of "game.players"')

    def by_player(values: list[str]) -> dict[str, float]:
        return dict(zip(names, map(_float, values), strict=True))

    def strategy(vector: Any) -> Any:
        return rebuild(game["structure"], np.array(vector, np.float64))

    weights = by_player(claims["weights"]) if "weights" in claims else None
    matrix, floors = _metric(claims, sizes)
    report = None if "small_gain" not in claims else _report(claims["small_gain"], names)
    center, radius = claims["equilibrium"]["center"], _float(claims["equilibrium"]["radius"])
    ends = [_around(c, w, radius) for c, w in zip(center, floors, strict=True)]
    if "sets" in game:
        ends = _clipped(ends, game["sets"], sizes)
    point = strategy([_float(x) for x in center])
    basin = _float(claims["basin"]["radius"])
    steps = {
        step["method"]: step_in_file(step, basin, weights is None, names)
        for step in claims["steps"]
    }
    return ConvergenceClaims(
        margin=_float(claims["margin"]),
        lipschitz=_float(claims["lipschitz"]),
        cocoercivity=_float(claims["cocoercivity"]) if "cocoercivity" in claims else None,
        weights=weights,
        matrix=matrix,
        spread=np.array(floors),
        small_gain=report,
        step_sizes=steps,
        equilibrium=Equilibrium(
            strategy([low for low, _ in ends]), strategy([high for _, high in ends]), point, radius
        ),
        basin=Basin(point, basin),
        cells=sum("centre" in node for node in data["evidence"].get("cells", ())),
        terms=len(data["evidence"].get("terms", ())),
    )


def _report(gain: Contents, names: list[str]) -> GainReport:
    def by_player(values: list[str]) -> dict[str, float]:
        return dict(zip(names, map(_float, values), strict=True))

    left, right = (np.array([_float(x) for x in gain[side]]) for side in ("left", "right"))
    with np.errstate(over="ignore"):  # the checker has divided them exactly
        ratios = left / right
    return GainReport(
        _float(gain["margin"]),
        dict(zip(names, ratios.tolist(), strict=True)),
        by_player(gain["curvature"]),
        by_player(gain["smoothness"]),
        np.array([[_float(x) for x in row] for row in gain["coupling"]]),
    )


def _metric(claims: Contents, sizes: list[int]) -> tuple[np.ndarray | None, list[float]]:
    """Returns the matrix P, if the file has one, and numbers with `|x|_P^2 >= floors_k x_k^2`."""
    if "weights" in claims:
        return None, np.repeat([_float(x) for x in claims["weights"]], sizes).tolist()
    lower = np.zeros((sum(sizes), sum(sizes)))
    for i, row in enumerate(claims["metric"]["lower"]):
        lower[i, : i + 1] = [_float(x) for x in row]
    metric = lower + np.tril(lower, -1).T
    return metric, [_float(x) for x in claims["metric"]["coordinate"]]


def read_region(data: Contents) -> Region:
    """Reads the region where the claims hold."""
    region, structure = data["region"], data["game"]["structure"]

    def strategy(vector: list[str]) -> Any:
        return rebuild(structure, np.array([_float(x) for x in vector]))

    if region["kind"] == "policies":
        return Policies(rebuild(structure, np.zeros(sum(region["groups"]))))
    if region["kind"] == "everywhere":
        return Everywhere(strategy(data["claims"]["equilibrium"]["center"]))
    if region["kind"] == "box":
        return Box(strategy(region["lower"]), strategy(region["upper"]))
    return Ball(strategy(region["center"]), _float(region["radius"]))


def step_in_file(step: Contents, basin: float, is_matrix: bool, names: list[str]) -> StepSize:
    """Reads an entry of `claims.steps`.

    Args:
        step: The entry.
        basin: The radius of the basin of methods that state none.
        is_matrix: Whether the metric is a matrix that is not made of weights.
        names: The players.
    """
    momentum = [_float(x) for x in step.get("momentum", [])]
    scale = dict(zip(names, map(_float, step["inner"]), strict=True)) if "inner" in step else None
    return StepSize(
        max=_float(step["max"]),
        best=_float(step["best"]),
        rate=_float(step["rate"]),
        norm=_norm(step["theorem"], is_matrix) if scale is None else "max_i |x_i| / scale_i",
        route="direct" if step["theorem"] == "terms" else "theorem",
        theorem=step["theorem"],
        basin=_float(step["basin"]) if "basin" in step else basin,
        constant=_float(step["constant"]) if "constant" in step else 1.0,
        momentum=complex(*momentum) if len(momentum) > 1 else next(iter(momentum), None),
        scale=scale,
    )


def _float(text: str) -> float:
    return float.fromhex(text)


def _around(center: str, weight: float, radius: float) -> tuple[float, float]:
    """Returns `center -+ radius / sqrt(weight)`, rounded outward."""
    reach = radius / weight**0.5
    while Fraction(reach) ** 2 * Fraction(weight) < Fraction(radius) ** 2:
        reach = float(np.nextafter(reach, np.inf))
    middle = _float(center)
    return float(np.nextafter(middle - reach, -np.inf)), float(np.nextafter(middle + reach, np.inf))


def _clipped(
    ends: list[tuple[float, float]], sets: list[Any], sizes: list[int]
) -> list[tuple[float, float]]:
    """Returns bounds on a point that is also in the players' strategy sets."""
    pairs = zip(sets, sizes, strict=True)
    extents = [extent for own, size in pairs for extent in read_set(Reader(own), size).extents]
    return [
        (
            low if least is None else max(low, float_below(least)),
            high if most is None else min(high, float_above(most)),
        )
        for (low, high), (least, most) in zip(ends, extents, strict=True)
    ]


def _norm(theorem: str, is_matrix: bool) -> str:
    if theorem == "small_gain":
        return "sqrt(sum_i small_gain.weights_i |x_i|^2)"
    return "sqrt(x' metric x)" if is_matrix else "sqrt(sum_i weights_i |x_i|^2)"


def read_methods_without_step(data: Contents) -> dict[str, str]:
    """Reads why requested methods have no step, by name; this is information and no claim."""
    file, key = Reader(data), "methods_without_step"
    if "provenance" not in file or key not in file["provenance"]:
        return {}
    entries = file["provenance"][key]
    names = entries.value if isinstance(entries.value, dict) else entries.fail("an object")
    return {name: entries[name].text() for name in names}
