"""The certificate: what was proved about a game, and the file that proves it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.reader import FORMAT, Reader, read
from certify.checker.sets import read_set
from certify.claims.equilibrium import Basin, Equilibrium
from certify.file.save import save_data
from certify.problem.exact_types import described_class, known_method
from certify.problem.region import Ball, Box, Policies, Region
from certify.problem.structure import players, rebuild
from certify.rounding import float_above, float_below
from certify.steps.step_size import StepSize
from dgames.strategy import Strategy, ravel

Status = Literal["proved", "refuted", "undecided"]
# Before the names of methods without a step, in the provenance of a file, which says why.
NO_STEP = "no step of "


class GainReport(NamedTuple):
    """The small-gain test with constants aggregated over the whole region, proved.

    Attributes:
        margin: The margin it gives; not positive when the test fails.
        weights: The best weights for it, by player.
        curvature: Lower bounds on the own-player curvatures, by player.
        smoothness: Upper bounds on them, by player.
        coupling: Bounds on the norms of the other blocks, shape (N, N), in the players' order.
    """

    margin: float
    weights: dict[str, float]
    curvature: dict[str, float]
    smoothness: dict[str, float]
    coupling: np.ndarray


class Claims(NamedTuple):
    """What a certificate proves; the attributes of `Certificate` of the same names."""

    margin: float
    lipschitz: float
    weights: dict[str, float] | None
    metric: np.ndarray
    small_gain: GainReport
    step_sizes: dict[str, StepSize]
    equilibrium: Equilibrium
    basin: Basin
    cells: int


class Certificate:
    """What `certify.certify` found, and the evidence for it.

    The claims exist only where they are proved: with another status, asking for one of them raises
    a `ValueError` that says why there is no proof.

    Attributes:
        status: "proved", "refuted" or "undecided".
        reasons: For a status other than "proved": why, one sentence each.
        promoted: What was not float64 in the game and the region, and what it was taken for, one
            sentence each; nothing for a game in float64.
    """

    def __init__(
        self,
        status: Status,
        reasons: tuple[str, ...] = (),
        data: dict | None = None,
        promoted: tuple[str, ...] = (),
    ):
        self.status: Status = status
        self.reasons = reasons
        self.promoted = promoted
        self._data = data
        self._claims = None if data is None else _claims(data)

    @property
    def data(self) -> dict[str, Any]:
        """The contents of the file, as plain data."""
        if self._data is None:
            raise ValueError(self._without_proof("no data"))
        return self._data

    @property
    def claims(self) -> Claims:
        """All claims together."""
        if self._claims is None:
            raise ValueError(self._without_proof("no claims"))
        return self._claims

    @property
    def margin(self) -> float:
        """Lower bound on the strong-monotonicity modulus in `metric`."""
        return self.claims.margin

    @property
    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of the pseudo-gradient in that metric."""
        return self.claims.lipschitz

    @property
    def weights(self) -> dict[str, float]:
        """Of the metric `sum_i weights_i |x_i|^2`, by player.

        Raises:
            ValueError: If the metric is a matrix that is not made of weights; then see `metric`.
        """
        if self.claims.weights is None:
            raise ValueError("the metric of this certificate is a matrix: see its `metric`")
        return self.claims.weights

    @property
    def metric(self) -> np.ndarray:
        """The matrix P of the norm `|x|_P^2 = x' P x`, shape (n, n), coordinates in their order.

        Margin, Lipschitz constant, basin and the radius of the equilibrium are measured in it. With
        weights it is diagonal: `weights_i` for each coordinate of player i.
        """
        return self.claims.metric

    @property
    def small_gain(self) -> GainReport:
        """The aggregated small-gain test, beside the margin."""
        return self.claims.small_gain

    @property
    def step_sizes(self) -> dict[str, StepSize]:
        """Safe steps of each method, by name."""
        return self.claims.step_sizes

    @property
    def without(self) -> dict[str, str]:
        """Methods that were asked for and are not in `step_sizes`, by name, and why."""
        provenance = self.data.get("provenance", {})
        return {
            key.removeprefix(NO_STEP): str(why)
            for key, why in provenance.items()
            if key.startswith(NO_STEP)
        }

    @property
    def equilibrium(self) -> Equilibrium:
        """Enclosure of the only equilibrium in the region.

        It is the only stationary point there; of a field, its only zero; and where the file has
        strategy sets, the only solution of the variational inequality, on their boundary or not.
        """
        return self.claims.equilibrium

    @property
    def basin(self) -> Basin:
        """Where every start converges."""
        return self.claims.basin

    @property
    def region(self) -> Region:
        """Where the claims hold."""
        return _region(self.data)

    @property
    def field(self) -> str | None:
        """The name of the field that took the place of the pseudo-gradient, or None.

        Of another field it is proved that it has one zero in the region, to which flow and methods
        converge; nothing is said of equilibria.
        """
        return self.data["game"].get("field")

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """A method with its best proved step, for `dgames.solve(game, Method, x0, step_size=...)`.

        Args:
            method: One of the classes that the certificate was made for.

        Raises:
            ValueError: If nothing was proved, or nothing of this method.
        """
        name, make = known_method(method), cast(Callable[..., dg.AbstractMethod], method)
        if name is None or name not in self.step_sizes:
            why = None if name is None else self.without.get(name)
            raise ValueError(
                f"the certificate has no step for {described_class(method)}, only for "
                f"{', '.join(self.step_sizes) or 'no method'}; "
                + (f"{why}." if why else "name it in certify(methods=...), or see contraction.")
            )
        step = self.step_sizes[name]
        return make(step.best, *(() if step.momentum is None else (step.momentum,)))

    def require_game(self, game: dg.Game | dg.AbstractField, x: Strategy, args: Any = None) -> None:
        """Makes sure that the certificate speaks of a game, whose code is traced for that.

        Args:
            game: A game or a field.
            x: A joint strategy, for its players and shapes.
            args: Passed to the costs, or to the field.

        Raises:
            ValueError: If the certificate is of another game, or of other arguments.
        """
        from certify.claims.identity import difference

        found = difference(self.data, game, x, args)
        if found is not None:
            raise ValueError(
                f"the certificate is not of this game with these args: {found}; certify this one."
            )

    def in_basin(self, method: type[dg.AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Whether a start is within a method's proved basin, from which it converges; traceable.

        Args:
            method: One of the classes that the certificate was made for.
            x: A joint strategy.
        """
        name = known_method(method)
        if name is None or name not in self.step_sizes:
            raise ValueError(f"the certificate has no basin for {described_class(method)}.")
        step, sizes = self.step_sizes[name], self._sizes
        distance = ravel(x)[0].astype(float) - jnp.asarray(self._center, float)
        scale = step.scale
        if scale is not None:
            parts = jnp.split(distance, np.cumsum(sizes)[:-1])
            norms = [
                jnp.linalg.norm(part) / scale[name] for name, part in zip(scale, parts, strict=True)
            ]
            return jnp.max(jnp.stack(norms)) <= step.basin
        matrix = self.metric
        if step.theorem == "small_gain":
            matrix = np.diag(np.repeat([*self.small_gain.weights.values()], sizes))
        return distance @ jnp.asarray(matrix, float) @ distance <= step.basin**2

    @property
    def _sizes(self) -> list[int]:
        return [player["size"] for player in self.data["game"]["players"]]

    @property
    def _center(self) -> np.ndarray:
        center = self.data["claims"]["equilibrium"]["center"]
        return np.array([_float(entry) for entry in center])

    @property
    def cells(self) -> int:
        """Number of cells of the proof."""
        return self.claims.cells

    def _without_proof(self, what: str) -> str:
        return f"{what}: the status is {self.status!r} ({'; '.join(self.reasons)})"

    def save(self, path: str | Path) -> Path:
        """Writes the certificate file, all of it or nothing.

        Args:
            path: Where; an existing file is replaced. A name that ends in `.gz`, such as
                `game.json.gz`, makes it compressed; `certify.load`, `certify.check` and the
                command read both.

        Raises:
            ValueError: If nothing was proved: only proofs are saved; or if the file would be
                larger than the checker reads (`certify.checker.reader.MAX_BYTES`).
        """
        if self._data is None:
            raise ValueError(self._without_proof("nothing to save"))
        return save_data(self._data, path)

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"Certificate(status={self.status!r}, reasons={self.reasons})"
        return (
            f"Certificate(status='proved', margin={self.margin:.6g}, "
            f"lipschitz={self.lipschitz:.6g}, cells={self.cells})"
        )


def load(path: str | Path) -> Certificate:
    """Loads a certificate file and checks it; no code in it is ever run.

    Args:
        path: A file written by `Certificate.save`.

    Raises:
        ValueError: If the file cannot be read (`certify.checker.Unusable`), or the independent
            checker rejects it.
    """
    data = read(path)
    if data["format"] != FORMAT:
        raise Unusable(f"{path} is a {data['format']} file: certify.check verifies it")
    verdict = check_data(data)
    if not verdict.ok:
        raise ValueError(
            f"{path}: the checker rejects this certificate: {'; '.join(verdict.reasons)}"
        )
    return of_data(data)


def of_data(data: dict[str, Any]) -> Certificate:
    """The certificate of the contents of a file that the checker has accepted."""
    return Certificate("proved", data=data, promoted=_promoted(data))


def _promoted(data: dict[str, Any]) -> tuple[str, ...]:
    """No claim, so the checker has not looked at it."""
    file = Reader(data)
    return tuple(item.text() for item in file["promoted"].items()) if "promoted" in file else ()


def _claims(data: dict[str, Any]) -> Claims:
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
    metric, floors = _metric(claims, sizes)
    gain = claims["small_gain"]
    left, right = (np.array([_float(x) for x in gain[side]]) for side in ("left", "right"))
    with np.errstate(over="ignore"):  # the checker has divided them exactly
        ratios = left / right
    report = GainReport(
        _float(gain["margin"]),
        dict(zip(names, ratios.tolist(), strict=True)),
        by_player(gain["curvature"]),
        by_player(gain["smoothness"]),
        np.array([[_float(x) for x in row] for row in gain["coupling"]]),
    )
    center, radius = claims["equilibrium"]["center"], _float(claims["equilibrium"]["radius"])
    ends = [_around(c, w, radius) for c, w in zip(center, floors, strict=True)]
    if "sets" in game:
        ends = _clipped(ends, game["sets"], sizes)
    point = strategy([_float(x) for x in center])
    basin = _float(claims["basin"]["radius"])
    steps = {step["method"]: _step(step, basin, weights is None, names) for step in claims["steps"]}
    return Claims(
        margin=_float(claims["margin"]),
        lipschitz=_float(claims["lipschitz"]),
        weights=weights,
        metric=metric,
        small_gain=report,
        step_sizes=steps,
        equilibrium=Equilibrium(
            strategy([low for low, _ in ends]), strategy([high for _, high in ends]), point, radius
        ),
        basin=Basin(point, basin),
        cells=sum("centre" in node for node in data["evidence"]["cells"]),
    )


def _metric(claims: dict[str, Any], sizes: list[int]) -> tuple[np.ndarray, list[float]]:
    """The matrix P, and numbers with `|x|_P^2 >= floors_k x_k^2`."""
    if "weights" in claims:
        spread = np.repeat([_float(x) for x in claims["weights"]], sizes)
        return np.diag(spread), spread.tolist()
    lower = np.zeros((sum(sizes), sum(sizes)))
    for i, row in enumerate(claims["metric"]["lower"]):
        lower[i, : i + 1] = [_float(x) for x in row]
    metric = lower + np.tril(lower, -1).T
    return metric, [_float(x) for x in claims["metric"]["coordinate"]]


def _region(data: dict[str, Any]) -> Region:
    region, structure = data["region"], data["game"]["structure"]

    def strategy(vector: list[str]) -> Any:
        return rebuild(structure, np.array([_float(x) for x in vector]))

    if region["kind"] == "policies":
        return Policies(rebuild(structure, np.zeros(sum(region["groups"]))))
    if region["kind"] == "box":
        return Box(strategy(region["lower"]), strategy(region["upper"]))
    return Ball(strategy(region["center"]), _float(region["radius"]))


def _step(step: dict[str, Any], basin: float, is_matrix: bool, names: list[str]) -> StepSize:
    momentum = [_float(x) for x in step.get("momentum", [])]
    scale = dict(zip(names, map(_float, step["inner"]), strict=True)) if "inner" in step else None
    return StepSize(
        max=_float(step["max"]),
        best=_float(step["best"]),
        rate=_float(step["rate"]),
        norm=_norm(step["theorem"], is_matrix) if scale is None else "max_i |x_i| / scale_i",
        route="theorem",
        theorem=step["theorem"],
        basin=_float(step["basin"]) if "basin" in step else basin,
        constant=_float(step["constant"]) if "constant" in step else 1.0,
        momentum=complex(*momentum) if len(momentum) > 1 else next(iter(momentum), None),
        scale=scale,
    )


def _float(text: str) -> float:
    return float.fromhex(text)


def _around(center: str, weight: float, radius: float) -> tuple[float, float]:
    """`center -+ radius / sqrt(weight)`, rounded outward."""
    reach = radius / weight**0.5
    while Fraction(reach) ** 2 * Fraction(weight) < Fraction(radius) ** 2:
        reach = float(np.nextafter(reach, np.inf))
    middle = _float(center)
    return float(np.nextafter(middle - reach, -np.inf)), float(np.nextafter(middle + reach, np.inf))


def _clipped(
    ends: list[tuple[float, float]], sets: list[Any], sizes: list[int]
) -> list[tuple[float, float]]:
    """Bounds on a point that is also in the players' strategy sets."""
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
    metric = "sqrt(x' metric x)" if is_matrix else "sqrt(sum_i weights_i |x_i|^2)"
    return {
        "lipschitz": metric,
        "monotonicity": metric,
        "performance": metric,
        "small_gain": "sqrt(sum_i small_gain.weights_i |x_i|^2)",
    }[theorem]
