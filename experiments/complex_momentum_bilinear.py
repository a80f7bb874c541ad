"""Complex momentum on `min_x max_y x y`: where it converges, and what can be proved of that.

Lorraine, Acuna, Vicol and Duvenaud, *Complex Momentum for Optimization in Games*, AISTATS 2022,
arXiv:2102.08431. Three ways to a rate are compared over step size, modulus and angle of the
momentum: the roots of a polynomial, the eigenvalues of one step of the method as it is, and runs.

No real momentum `b` converges when the players move simultaneously (Gidel et al., AISTATS 2019,
arXiv:1807.04740), and here is why. The multipliers are the roots of `z^2 + a z + b` with
`a = -(1 + b) + i h`. If both were inside the unit circle, then `|b| < 1` and, by Schur and Cohn,
`|a - b conj(a)| < 1 - b^2`. But `a - b conj(a) = -(1 - b^2) + i h (1 + b)` is larger in modulus.

The game is nowhere strongly monotone, so no constants of the game prove a step. The direct route
does: it finds a norm of strategies and buffers together in which this very step contracts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from experiments.momentum import spectra
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

GAME = dg.games.Bilinear()
ORIGIN = (0.0, 0.0)
FORMS = ("simultaneous", "alternating")
# The example of the paper's figures, and of the numbers of this study.
EXAMPLE = spectra.polar(0.9, np.pi / 8)
TABLE = np.array([0.001, 0.01, 0.02, 0.05, 0.1])


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        moduli: Number of moduli between 0 and 1 in the maps.
        angles: Number of angles from 0 to pi.
        steps: Number of step sizes from 0.003 to 3.
        run: Length of the runs from which rates are measured.
        real: Number of step sizes and of real momenta.
        proofs: Number of angles, and of moduli, at which proofs are looked for.
    """

    moduli: int = 40
    angles: int = 49
    steps: int = 61
    run: int = 8000
    real: tuple[int, int] = (200, 120)
    proofs: tuple[int, int] = (13, 8)


def rates(form: str, step: Any, momentum: Any) -> np.ndarray:
    """Returns the rates by the characteristic polynomial."""
    if form == "alternating":
        return spectra.alternating(step, momentum, 1.0)
    return spectra.complex_momentum(step, momentum, 1j)


def method(form: str, step: Any, momentum: Any) -> dg.ComplexMomentum:
    """Returns the method in one of the two forms."""
    return dg.ComplexMomentum(step, momentum, alternating=form == "alternating")


def table(config: Config, run: Run) -> Data:
    """Tabulates rates at one momentum, by polynomials and by the method's Jacobian."""
    momenta = np.full(len(TABLE), EXAMPLE)
    return {
        form: {
            "polynomial": rates(form, TABLE, momenta),
            "jacobian": np.abs(np.linalg.eigvals(_jacobians(form, TABLE, momenta))).max(-1),
            **_interval(form),
        }
        for form in FORMS
    }


def _interval(form: str) -> dict[str, float]:
    """The best step at the example's momentum, and where steps stop converging."""
    grid = np.linspace(0.05, 0.08, 3001)
    values = rates(form, grid, EXAMPLE)
    low, high = 0.06, 0.08
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rates(form, middle, EXAMPLE) < 1 else (low, middle)
    return {"best": grid[values.argmin()], "rate": values.min(), "limit": low}


def optima(config: Config, run: Run) -> Data:
    """The best parameters, at given angles and of all."""

    def search(form: str, start: tuple[float, ...], angle: float | None = None) -> Data:
        def rate(p: np.ndarray) -> float:
            momentum = spectra.polar(p[1], p[2] if angle is None else angle)
            return float(rates(form, p[0], momentum)) if p[0] > 0 else np.inf

        least, where = spectra.smallest(rate, np.array([start]))
        return {"rate": least, "at": where}

    starts = {1: (0.028, 0.887), 2: (0.096, 0.806), 14: (1.858, 0.934), 15: (1.962, 0.981)}
    return {
        "angles": [search(FORMS[0], start, np.pi * k / 16) for k, start in starts.items()],
        "simultaneous": search("simultaneous", (0.5535, 0.6679, 1.1709)),
        "alternating": search("alternating", (1.7810083, 0.09734412, 1.16069578 * np.pi)),
    }


def maps(config: Config, run: Run) -> Data:
    """The best rate over the step by angle and modulus; and the rate by angle and step."""
    angles = np.linspace(0, np.pi, config.angles)
    moduli = np.linspace(0.02, 0.98, config.moduli)
    steps = np.geomspace(0.003, 3, config.steps)
    result: dict[str, Any] = {"angles": angles, "moduli": moduli, "steps": steps}
    for form in FORMS:
        momenta = spectra.polar(moduli[:, None], angles)
        finer = np.geomspace(steps[0], steps[-1], 4 * config.steps)
        best = np.full(momenta.shape, np.inf)
        for step in finer:
            best = np.minimum(best, rates(form, step, momenta))
        by_step = rates(form, steps[:, None], spectra.polar(0.9, angles))
        result[form] = {"best": best, "by_step": by_step}
    return result


def agreement(config: Config, run: Run) -> Data:
    """The map by angle and step again, from Jacobians and from runs."""
    maps = run.data["maps"]
    steps, angles = np.array(maps["steps"]), np.array(maps["angles"])
    grid, momenta = np.broadcast_arrays(steps[:, None], spectra.polar(0.9, angles))
    result = {}
    for form in FORMS:
        expected = np.array(maps[form]["by_step"])
        matrices = _jacobians(form, grid.ravel(), momenta.ravel())
        jacobian = np.abs(np.linalg.eigvals(matrices)).max(-1).reshape(grid.shape)
        measured = _measured(form, grid.ravel(), momenta.ravel(), config.run).reshape(grid.shape)
        clear = np.abs(expected - 1) > 2e-3
        result[form] = {
            "jacobian": np.abs(jacobian - expected).max(),
            "run": np.abs(measured - expected).max(),
            "disagree": int(np.sum(clear & ((measured < 1) != (expected < 1)))),
            "clear": int(clear.sum()),
        }
    return result


def _jacobians(form: str, steps: np.ndarray, momenta: np.ndarray) -> np.ndarray:
    def one(step, momentum):
        return dg.step_jacobian(GAME, method(form, step, momentum), ORIGIN)

    return np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(steps), jnp.asarray(momenta)))


def _measured(form: str, steps: np.ndarray, momenta: np.ndarray, length: int) -> np.ndarray:
    """Growth per step over the second half of a run of the method.

    The dynamics are linear, so the state may be scaled after every step: nothing overflows.
    """
    field = dg.pseudo_gradient(GAME)

    def one(step, momentum):
        each = method(form, step, momentum)
        x = (jnp.array(1.0), jnp.array(0.5))

        def body(state, _):
            state = each.step(field, *state)
            size = jnp.linalg.norm(dg.ravel(state)[0])
            return jax.tree.map(lambda leaf: leaf / size, state), jnp.log(size)

        _, growth = jax.lax.scan(body, (x, each.init(field, x)), length=length)
        return jnp.exp(growth[length // 2 :].mean())

    return np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(steps), jnp.asarray(momenta)))


def real(config: Config, run: Run) -> Data:
    """Tests real momenta: smallest rate on a grid, and the Schur-Cohn test in rational numbers."""
    steps = np.linspace(1e-3, 3, config.real[0])
    momenta = np.linspace(-0.995, 0.995, config.real[1])
    values = spectra.momentum(steps[:, None], momenta, 1j)
    possible = sum(_may_converge(Fraction(h), Fraction(b)) for h in steps for b in momenta)
    return {"smallest": values.min(), "possible": possible, "points": values.size}


def _may_converge(h: Fraction, b: Fraction) -> bool:
    """Whether both roots of `z^2 + a z + b`, `a = -(1 + b) + i h`, are inside the unit circle."""
    # The real and the imaginary part of a - b conj(a).
    left = (-(1 + b) * (1 - b)) ** 2 + (h * (1 + b)) ** 2
    return abs(b) < 1 and left < (1 - b * b) ** 2


def proofs(config: Config, run: Run) -> Data:
    """At the example's momentum: the best step, and one near the limit, proved."""
    result = {}
    for form in FORMS:
        interval = run.data["table"][form]
        best = _proof(form, interval["best"], EXAMPLE)
        path = best.save(run.folder / f"{form}.json")
        steps = (share * interval["limit"] for share in (0.9999, 0.999, 0.99, 0.95, 0.9, 0.75, 0.5))
        proved = (step for step in steps if _proof(form, step, EXAMPLE).status == "proved")
        result[form] = {
            "rate": best.rate,
            "start": best.start.radius,
            "checked": certify.check(path).ok,
            "largest": next(proved, 0.0),
        }
    return result


def proved_map(config: Config, run: Run) -> Data:
    """Proofs at the best step, by angle and modulus, where that step converges."""
    angles = np.linspace(0, np.pi, config.proofs[0] + 2)[1:-1]
    moduli = np.linspace(0.1, 0.95, config.proofs[1])
    steps = np.geomspace(0.003, 3, 400)

    def prove(cell: tuple[float, float]) -> Data:
        angle, modulus = cell
        momentum = spectra.polar(modulus, angle)
        values = rates("simultaneous", steps, momentum)
        step, rate = steps[values.argmin()], values.min()
        entry = {"angle": angle, "modulus": modulus, "step": step, "rate": rate, "proved": None}
        if rate < 1:
            proof = _proof("simultaneous", float(step), momentum)
            entry["proved"] = proof.rate if proof.status == "proved" else 1.0
        return entry

    return run.each([(a, m) for a in angles.tolist() for m in moduli.tolist()], prove)


def _proof(form: str, step: float, momentum: complex) -> certify.Contraction:
    return certify.contraction(GAME, method(form, step, momentum), certify.Box.around(ORIGIN, 1.0))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    result: dict[str, Any] = {}
    for form in FORMS:
        at, agree, proof = data["table"][form], data["agreement"][form], data["proofs"][form]
        result |= {
            f"rates, {form}": at["polynomial"],
            f"rates from the Jacobian, {form}": at["jacobian"],
            f"best step, {form}": at["best"],
            f"rate at the best step, {form}": at["rate"],
            f"largest step that converges, {form}": at["limit"],
            f"best rate of all, {form}": data["optima"][form]["rate"],
            f"polynomial against Jacobian, {form}": agree["jacobian"],
            f"polynomial against runs, {form}": agree["run"],
            f"runs that disagree on convergence, {form}": agree["disagree"],
            f"proved rate at the best step, {form}": proof["rate"],
            f"largest step tried with a proof, {form}": proof["largest"],
            f"accepted by the checker, {form}": proof["checked"],
        }
    cells = [cell for cell in data["proved_map"] if cell["proved"] is not None]
    ratios = [(1 - cell["proved"]) / (1 - cell["rate"]) for cell in cells]
    return result | {
        "best rates at pi/16, pi/8, 7pi/8, 15pi/16": [e["rate"] for e in data["optima"]["angles"]],
        "smallest rate of a real momentum, less 1": data["real"]["smallest"] - 1,
        "real momenta that pass the exact test": data["real"]["possible"],
        "converging cells without a proof": sum(cell["proved"] == 1.0 for cell in cells),
        "smallest proved share of 1 - rate": min(ratios),
    }


def convergence(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws maps of rates in both forms, with proofs as dots."""
    maps = data["maps"]
    angles = np.array(maps["angles"]) / np.pi
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained", sharex=True)
    for row, form in zip(axes, FORMS, strict=True):
        rows: list[tuple[Any, str, Callable[[Any], None]]] = [
            (maps["moduli"], "best", lambda axis: axis.set(ylabel="modulus |b|")),
            (maps["steps"], "by_step", lambda axis: axis.set(ylabel="step h", yscale="log")),
        ]
        for axis, (values, name, label) in zip(row, rows, strict=True):
            mesh = _mesh(axis, angles, np.array(values), np.array(maps[form][name]))
            label(axis)
            figure.colorbar(mesh, ax=axis, label="digits gained per 100 evaluations")
        row[0].set_title(f"{form}, best step for each momentum")
        row[1].set_title(f"{form}, |b| = 0.9")
    proved = [c for c in data["proved_map"] if c["proved"] is not None and c["proved"] < 1]
    axes[0, 0].plot(
        [c["angle"] / np.pi for c in proved],
        [c["modulus"] for c in proved],
        ".",
        color="black",
        markersize=3,
        label="contraction proved",
    )
    axes[0, 0].legend(loc="lower right")
    figure.suptitle("Complex momentum on x y. Grey: diverges, or gains nothing")
    for axis in axes[1]:
        axis.set_xlabel("angle of the momentum, in units of pi")
    return figure


def _mesh(axis: Any, angles: np.ndarray, values: np.ndarray, radii: np.ndarray) -> Any:
    """Draws digits per 100 steps where the rate is below 1, and grey elsewhere."""
    digits = -100 * np.log10(np.minimum(radii, 1))
    shown = np.ma.masked_where(radii > 1 - 1e-9, digits)
    axis.set_facecolor("0.85")
    largest = float(shown.max())
    return axis.pcolormesh(angles, values, shown, vmin=0, vmax=largest, cmap="viridis")


STUDY = Study(
    name="complex_momentum_bilinear",
    summary="Complex momentum on x y: spectra, runs and proofs over modulus, angle and step",
    config=Config(),
    quick=Config(moduli=12, angles=13, steps=15, run=2000, real=(40, 30), proofs=(3, 2)),
    stages={
        "table": table,
        "optima": optima,
        "maps": maps,
        "agreement": agreement,
        "real": real,
        "proofs": proofs,
        "proved_map": proved_map,
    },
    numbers=numbers,
    figures={"convergence": convergence},
)
