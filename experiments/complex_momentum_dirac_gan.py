"""The Dirac-GAN: complex momentum where the Jacobian turns, far from the equilibrium too.

A generator that puts a point mass at `theta` faces the linear discriminator `psi` (Mescheder,
Geiger and Nowozin, ICML 2018, arXiv:1801.04406). Counted are evaluations of the pseudo-gradient
from (1, 1) until the distance to the equilibrium is below 1e-4. Near the equilibrium, the direct
route proves that steps with complex momentum contract; how far from it is part of the result. Steps
of Adam have no such proof: they divide by the root of a buffer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from experiments.momentum.counting import evaluations
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

GAME = dg.games.DiracGAN()
START = (1.0, 1.0)
RADIUS = 1e-4
MOMENTUM = 0.9 * np.exp(1j * np.pi / 8)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        budget: Runs that should not arrive stop after that many steps.
        steps: Number of step sizes in the comparison of methods.
        angles: Number of angles, and of learning rates, of complex Adam.
        adam_steps: Length of its runs.
        radii: Half-widths of the boxes on which contraction is tried.
    """

    budget: int = 100_000
    steps: int = 60
    angles: tuple[int, int] = (33, 24)
    adam_steps: int = 20_000
    radii: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


def _complex(step: Any) -> dg.ComplexMomentum:
    return dg.ComplexMomentum(step, MOMENTUM)


def _alternating(step: Any) -> dg.ComplexMomentum:
    return dg.ComplexMomentum(step, MOMENTUM, alternating=True)


def _reflected(step: Any) -> dg.Optimistic:
    return dg.Optimistic(step, reflected=True)


METHODS: dict[str, Callable[..., dg.AbstractMethod]] = {
    "complex momentum": _complex,
    "complex momentum, alternating": _alternating,
    "extragradient": dg.Extragradient,
    "past extragradient": _reflected,
    "gradient": dg.Simultaneous,
    "momentum 0.9": lambda step: dg.Momentum(step, 0.9),
    "momentum -0.9": lambda step: dg.Momentum(step, -0.9),
}
ARRIVING = tuple(METHODS)[:4]
# The step sizes at which counts are compared with published ones.
STEPS = {
    "complex momentum": (0.01, 0.03, 0.06, 0.1, 0.12),
    "complex momentum, alternating": (0.01, 0.03, 0.06, 0.1, 0.12),
    "extragradient": (0.3, 1.0, 1.3),
    "past extragradient": (0.3, 0.6, 1.0),
    "gradient": (0.01, 0.03, 0.1),
    "momentum 0.9": (0.01, 0.03, 0.1),
    "momentum -0.9": (0.01, 0.03, 0.1),
}


def _count(config: Config, name: str, steps: Any) -> np.ndarray:
    parameters = (np.asarray(steps, float),)
    return evaluations(GAME, METHODS[name], START, parameters, radius=RADIUS, budget=config.budget)


def counts(config: Config, run: Run) -> Data:
    """Counts evaluations at given step sizes."""
    return {name: _count(config, name, steps) for name, steps in STEPS.items()}


def sweep(config: Config, run: Run) -> Data:
    """Counts evaluations over a grid of step sizes."""
    grid = np.geomspace(0.01, 3, config.steps)
    return {"steps": grid, **{name: _count(config, name, grid) for name in ARRIVING}}


def adam(config: Config, run: Run) -> Data:
    """The largest distance over the last tenth of runs of complex Adam, by angle and rate."""
    angles = np.linspace(0, np.pi, config.angles[0])
    learning = np.geomspace(3e-4, 0.1, config.angles[1])
    field = dg.pseudo_gradient(GAME)

    def last(angle, learning):
        method = dg.Optax(dg.transforms.complex_adam(learning, 0.9, angle))
        x = dg.as_strategy(START)

        def body(carry, _):
            x, state = method.step(field, *carry)
            return (x, state), jnp.hypot(*x)

        carry = x, method.init(field, x)
        _, distances = jax.lax.scan(body, carry, length=config.adam_steps)
        return distances[-(config.adam_steps // 10) :].max()

    over_rates = jax.vmap(last, in_axes=(None, 0))
    all_runs = jax.jit(jax.vmap(over_rates, in_axes=(0, None)))
    return {
        "angles": angles,
        "learning": learning,
        "distances": all_runs(jnp.asarray(angles), jnp.asarray(learning)),
    }


def plain_payoff(x: tuple[Any, Any], args: Any = None) -> Any:
    """Returns the payoff without its hand-written derivative, which cannot be enclosed."""
    return -jnp.log1p(jnp.exp(-x[0] * x[1]))


def proofs(config: Config, run: Run) -> Data:
    """Boxes around the equilibrium on which one step contracts."""

    def prove(item: tuple[float, float]) -> Data:
        step, radius = item
        region = certify.Box.around((0.0, 0.0), radius)
        proof = certify.contraction(dg.zero_sum(plain_payoff), _complex(step), region)
        entry = {"step": step, "radius": radius, "status": proof.status}
        if proof.status != "proved":
            return {**entry, "reasons": proof.reasons}
        path = proof.save(run.folder / f"{step}-{radius}.json")
        return {
            **entry,
            "rate": proof.rate,
            "start": proof.start.radius,
            "metric": proof.start.metric,
            "checked": certify.check(path).ok,
            "entered": _entered(step, proof),
        }

    return run.each([(step, radius) for step in (0.06, 0.1) for radius in config.radii], prove)


def _entered(step: float, proof: certify.Contraction) -> int:
    """The first step after which the run from START, buffers and all, is in the proved basin."""
    field, method = dg.pseudo_gradient(GAME), _complex(step)
    x = dg.as_strategy(START)

    @jax.jit
    def states():
        def body(carry, _):
            carry = method.step(field, *carry)
            return carry, dg.ravel(carry)[0]

        return jax.lax.scan(body, (x, method.init(field, x)), length=4000)[1]

    away = np.asarray(states()) - proof.center
    # The basin is reduced a little to allow for the rounding of this run.
    inside = np.einsum("ti,ij,tj->t", away, proof.metric, away) <= (0.999 * proof.basin) ** 2
    return int(inside.argmax()) + 1 if inside.any() else -1


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    result: dict[str, Any] = {f"evaluations, {name}": data["counts"][name] for name in ARRIVING}
    for name in list(METHODS)[4:]:
        result[f"runs that arrive, {name}"] = int(np.isfinite(data["counts"][name]).sum())
    for name in ARRIVING:
        result[f"fewest evaluations, {name}"] = min(data["sweep"][name])
    distances = np.array(data["adam"]["distances"])
    proved = [entry for entry in data["proofs"] if entry["status"] == "proved"]
    slow, fast = ([e for e in proved if e["step"] == step] for step in (0.06, 0.1))
    return result | {
        "smallest last distance, Adam": distances[0].min(),
        "smallest last distance, complex Adam": distances.min(),
        "half-width of the largest box with a proof, step 0.06": max(e["radius"] for e in slow),
        "half-width of the largest box with a proof, step 0.1": max(e["radius"] for e in fast),
        "proofs accepted by the checker": all(e["checked"] for e in proved),
        "smallest proved rate, step 0.1": min(e["rate"] for e in fast),
        "steps from (1, 1) into a proved basin, step 0.06": min(
            e["entered"] for e in slow if e["entered"] > 0
        ),
    }


def comparison(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws evaluations by step size, and complex Adam by angle and learning rate."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.3), layout="constrained")
    for name in ARRIVING:
        line = "--" if "alternating" in name else "-"
        left.plot(data["sweep"]["steps"], data["sweep"][name], line, label=name)
    left.set(xlabel="step size", ylabel="evaluations until 1e-4", xscale="log", yscale="log")
    left.legend(frameon=False)
    left.set_title("real momentum of ±0.9 and plain gradients never arrive", size=10)
    grid = data["adam"]
    distances = np.log10(np.array(grid["distances"]))
    mesh = right.pcolormesh(
        np.array(grid["angles"]) / np.pi,
        grid["learning"],
        distances.T,
        cmap="viridis_r",
        vmin=-6,
        vmax=1,
    )
    figure.colorbar(mesh, ax=right, label="log10 of the distance at the end", extend="both")
    right.set(xlabel="angle, in units of pi", ylabel="learning rate", yscale="log")
    right.set_title(f"complex Adam, modulus 0.9, {config.adam_steps} steps", size=10)
    return figure


STUDY = Study(
    name="complex_momentum_dirac_gan",
    summary="The Dirac-GAN: evaluations until convergence, complex Adam, proofs near the origin",
    config=Config(),
    quick=Config(steps=12, angles=(5, 5), adam_steps=8000, radii=(0.1,)),
    stages={"counts": counts, "sweep": sweep, "adam": adam, "proofs": proofs},
    numbers=numbers,
    figures={"comparison": comparison},
)
