"""The certificate: what was proved about a game, and the file that proves it."""

import json
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from certify.checker import check_data
from certify.checker.reader import digest, read
from certify.equilibrium import Basin, Equilibrium
from certify.steps.step_size import StepSize
from certify.structure import rebuild

Status = Literal["proved", "refuted", "undecided"]


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


class Certificate:
    """What `certify.certify` found, and the evidence for it.

    Attributes:
        status: "proved", "refuted" or "undecided".
        reasons: For a status other than "proved": why, one sentence each.
        margin: Proved lower bound on the strong-monotonicity modulus in the metric of `weights`.
        lipschitz: Proved upper bound on the Lipschitz constant of the pseudo-gradient in it.
        weights: Of the metric `sum_i weights_i |x_i|^2`, by player.
        small_gain: The aggregated test beside it, a `GainReport`.
        step_sizes: A `StepSize` for each method, by name.
        equilibrium: An `Equilibrium`: enclosure of the unique equilibrium in the region.
        basin: A `Basin`: where every start converges.
        cells: Number of cells of the proof.
        data: The contents of the file, as plain data.

    Everything but `status`, `reasons`, `cells` and `data` is None (or empty) unless proved.
    """

    def __init__(self, status: Status, reasons: tuple[str, ...] = (), data: dict | None = None):
        self.status: Status = status
        self.reasons = reasons
        self.data = data
        self.margin: float | None = None
        self.lipschitz: float | None = None
        self.weights: dict[str, float] = {}
        self.small_gain: GainReport | None = None
        self.step_sizes: dict[str, StepSize] = {}
        self.equilibrium: Equilibrium | None = None
        self.basin: Basin | None = None
        self.cells = 0
        if data is not None:
            self._read(data)

    def _read(self, data: dict[str, Any]) -> None:
        claims, game = data["claims"], data["game"]
        names = [player["name"] for player in game["players"]]
        sizes = [player["size"] for player in game["players"]]
        numbers = _Numbers(names)
        self.margin, self.lipschitz = map(_float, (claims["margin"], claims["lipschitz"]))
        self.weights = numbers.by_player(claims["weights"])
        gain = claims["small_gain"]
        left, right = (np.array([_float(x) for x in gain[side]]) for side in ("left", "right"))
        self.small_gain = GainReport(
            _float(gain["margin"]),
            dict(zip(names, (left / right).tolist(), strict=True)),
            numbers.by_player(gain["curvature"]),
            numbers.by_player(gain["smoothness"]),
            np.array([[_float(x) for x in row] for row in gain["coupling"]]),
        )
        center, radius = claims["equilibrium"]["center"], claims["equilibrium"]["radius"]
        spread = np.repeat(list(self.weights.values()), sizes)
        lower, upper = zip(
            *map(_around, center, spread, [_float(radius)] * len(center)), strict=True
        )
        point = rebuild(game["structure"], np.array([_float(x) for x in center]))
        self.equilibrium = Equilibrium(
            rebuild(game["structure"], np.array(lower)),
            rebuild(game["structure"], np.array(upper)),
            point,
            _float(radius),
        )
        self.basin = Basin(point, _float(claims["basin"]["radius"]))
        self.step_sizes = {
            step["method"]: StepSize(
                *(_float(step[key]) for key in ("max", "best", "rate")),
                norm=_norm(step["theorem"]),
                route="theorem",
                theorem=step["theorem"],
                basin=_float(step.get("basin", claims["basin"]["radius"])),
            )
            for step in claims["steps"]
        }
        self.cells = sum("centre" in node for node in data["evidence"]["cells"])

    def save(self, path: str | Path) -> Path:
        """Writes the certificate file, all of it or nothing.

        Args:
            path: Where; an existing file is replaced.

        Raises:
            ValueError: If nothing was proved: only proofs are saved.
        """
        if self.status != "proved" or self.data is None:
            raise ValueError(
                f"nothing to save: the status is {self.status!r} ({'; '.join(self.reasons)})"
            )
        path = Path(path)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(to_text(self.data))
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return path

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
    verdict = check_data(data)
    if not verdict.ok:
        raise ValueError(
            f"{path}: the checker rejects this certificate: {'; '.join(verdict.reasons)}"
        )
    return Certificate("proved", data=data)


def to_text(data: dict[str, Any]) -> str:
    """The file as text: one line for each claim and each cell, so that differences can be read."""
    data = {**data, "digest": digest(data)}
    lines = [f"{json.dumps(key)}: {_value(key, value)}" for key, value in data.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _value(key: str, value: Any) -> str:
    if key == "evidence":
        cells = ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in value["cells"])
        rest = ", ".join(
            f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items() if k != "cells"
        )
        return f'{{{rest}, "cells": [\n{cells}\n]}}'
    if isinstance(value, dict):
        inner = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
        return "{\n" + inner + "\n}"
    return json.dumps(value)


class _Numbers:
    def __init__(self, names: list[str]):
        self.names = names

    def by_player(self, values: list[str]) -> dict[str, float]:
        return dict(zip(self.names, map(_float, values), strict=True))


def _float(text: str) -> float:
    return float.fromhex(text)


def _around(center: str, weight: float, radius: float) -> tuple[float, float]:
    """`center -+ radius / sqrt(weight)`, rounded outward."""
    reach = radius / weight**0.5
    while Fraction(reach) ** 2 * Fraction(weight) < Fraction(radius) ** 2:
        reach = float(np.nextafter(reach, np.inf))
    middle = _float(center)
    return float(np.nextafter(middle - reach, -np.inf)), float(np.nextafter(middle + reach, np.inf))


def _norm(theorem: str) -> str:
    return {
        "lipschitz": "sqrt(sum_i weights_i |x_i|^2)",
        "monotonicity": "sqrt(sum_i weights_i |x_i|^2)",
        "small_gain": "sqrt(sum_i small_gain.weights_i |x_i|^2)",
    }[theorem]
