"""Separate steps against multiplicative noise: where they are stable, measured and proved.

Hsieh, Antonakopoulos, Cevher and Mertikopoulos, *No-regret learning in games with noisy feedback*,
NeurIPS 2022, arXiv:2206.06015, show that the optimistic method may fail at every step size where
the field is multiplied by noise, and that an update shorter than the extrapolation (OG+) withstands
it. On `x y`, with the field times 3 or -1 as in their example, we draw the map of all pairs of
steps. Ours are its boundary in closed form, for noise with the mean one and any mean square M,

    eta = 2 gamma (1 - M gamma^2) / (M (1 + gamma^2)),

and the certificates on both sides of it: the mean square is proved to vanish up to 0.9999 of this
update, and to grow without bounds from 1.0001 of it on. The optimistic method, whose update is
gamma, is stable if and only if `M (1 + 3 gamma^2) < 2`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import certify
import dgames as dg
from dgames.plot import COLOURS
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# The mean square of the paper's noise, and the longest steps of its theorem for two players,
# Lipschitz constant 1 and a variance of four times the square of the field.
PAPER = 5.0
THEOREM = (1 / 72, 1 / 720)

ORIGIN, START = (0.0, 0.0), (1.0, 1.0)
GAME = dg.zero_sum(lambda x, args: x[0] * x[1])
NOISY = dg.zero_sum(lambda x, factor: factor * x[0] * x[1])


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        moments: Mean squares M of the noise.
        extrapolations: The gamma at which limits are measured and proofs are made.
        shares: Updates as shares of the limit, at which proofs are made.
        optimistic: Step sizes of the optimistic method, for which proofs are made.
        resolution: Points of the map along either axis.
        runs: How many runs are simulated.
        steps: Of how many steps.
        seed: Of the noise.
    """

    moments: tuple[float, ...] = (1.5, 2.0, 5.0)
    extrapolations: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.4)
    shares: tuple[float, ...] = (0.1, 0.5, 0.9, 0.99, 0.9999, 1.0001, 1.01, 1.1, 1.5)
    optimistic: tuple[float, ...] = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
    resolution: int = 120
    runs: int = 4000
    steps: int = 1000
    seed: int = 0


def factors(moment: float) -> Float[np.ndarray, "2"]:
    """Returns two factors, each as likely, with the mean one and this mean square."""
    return 1 + np.array([1.0, -1.0]) * np.sqrt(moment - 1)


def limit(gamma: Any, moment: float = PAPER) -> Any:
    """Returns the update up to which the mean square vanishes; negative where there is none."""
    return 2 * gamma * (1 - moment * gamma**2) / (moment * (1 + gamma**2))


@eqx.filter_jit
def radius(gamma: Array, eta: Array, noise: Array) -> Array:
    """Returns the factor per step of the second moments."""
    return dg.second_moment_radius(NOISY, dg.OptimisticSeparated(gamma, eta), ORIGIN, noise)


def limits(config: Config, run: Run) -> Data:
    """Finds the limit, the fastest update, and the factor of the theorem's steps, in floats."""
    noise = jnp.asarray(factors(PAPER))

    def factor(eta: float, gamma: float) -> float:
        return float(radius(jnp.asarray(gamma), jnp.asarray(eta), noise))

    found = []
    for gamma in config.extrapolations:
        guess = limit(gamma)
        between = (0.9 * guess, 1.1 * guess)
        zero = scipy.optimize.brentq(lambda eta: factor(eta, gamma) - 1, *between, xtol=1e-13)  # noqa: B023
        found.append({"gamma": gamma, "measured": zero, "closed form": guess})
    fastest: Any = scipy.optimize.minimize_scalar(
        factor, bounds=(0.0, limit(0.1)), args=(0.1,), method="bounded", options={"xatol": 1e-7}
    )
    return {
        "limits": found,
        "fastest": [fastest.x, fastest.fun],
        "theorem": factor(THEOREM[1], THEOREM[0]),
        "optimistic": [factor(step, step) for step in config.optimistic],
    }


def stability_map(config: Config, run: Run) -> Data:
    """The factor of the second moments over both steps, under the noise of the paper."""
    gamma = (np.arange(config.resolution) + 0.5) / config.resolution * 0.5
    eta = (np.arange(config.resolution) + 0.5) / config.resolution * 0.12
    over = jax.jit(jax.vmap(jax.vmap(radius, (0, None, None)), (None, 0, None)))
    found = np.asarray(over(jnp.asarray(gamma), jnp.asarray(eta), jnp.asarray(factors(PAPER))))
    return {"gamma": gamma, "eta": eta, "radius": found}


def proofs(config: Config, run: Run) -> Data:
    """Certificates of stability or instability on both sides of the limit."""
    separated = [
        (moment, gamma, share)
        for moment in config.moments
        for gamma in config.extrapolations
        for share in config.shares
        if limit(gamma, moment) > 0
    ]

    def certified(method: dg.AbstractMethod, moment: float) -> Data:
        noise = certify.Outcomes(factors(moment))
        found = certify.certify_mean_square(GAME, method, ORIGIN, noise)
        if found.status != "proved":
            return {"status": found.status}
        path = found.save(run.folder / "last_proof.json")
        return {
            "status": found.status,
            "stable": found.stable,
            "everywhere": found.stable or found.everywhere,
            "rate": found.rate,
            "accepted": bool(certify.check(path, game=GAME, level=2).ok),
        }

    def of_separated(case: tuple[float, float, float]) -> Data:
        moment, gamma, share = case
        eta = share * limit(gamma, moment)
        point = {"moment": moment, "gamma": gamma, "share": share, "eta": eta}
        return point | certified(dg.OptimisticSeparated(gamma, eta), moment)

    def of_optimistic(case: tuple[float, float]) -> Data:
        moment, step = case
        return {"moment": moment, "step": step} | certified(dg.Optimistic(step), moment)

    same = [(moment, step) for moment in config.moments for step in config.optimistic]
    return {
        "separated": run.each(separated, of_separated),
        "optimistic": run.each(same, of_optimistic),
        "theorem": certified(dg.OptimisticSeparated(*THEOREM), PAPER),
    }


@eqx.filter_jit
def distances(
    method: dg.AbstractMethod, noise: Float[Array, "steps_and_one runs"]
) -> Float[Array, "steps_and_one runs"]:
    """The squared distances of many runs from the equilibrium, from the start on."""
    field, start = dg.pseudo_gradient(NOISY), tuple(jnp.asarray(own) for own in START)

    def of_one(factors: Array) -> Array:
        def step(carry: Any, factor: Array) -> Any:
            x, state = carry
            return method.step(field, x, state, factor), x[0] ** 2 + x[1] ** 2

        carry = (start, method.init(field, start, factors[0]))
        (x, _), found = jax.lax.scan(step, carry, factors[1:])
        return jnp.append(found, x[0] ** 2 + x[1] ** 2)

    return jax.vmap(of_one, 1, 1)(noise)


def mean_square(method: dg.AbstractMethod, steps: int) -> Float[np.ndarray, " steps_and_one"]:
    """The mean of the squared distance after each step, from the moments and without sampling."""
    noise = jnp.asarray(factors(PAPER))
    operator = np.asarray(dg.second_moment_operator(NOISY, method, ORIGIN, noise))
    x, force = np.array(START), np.array([START[1], -START[0]])
    states = [np.concatenate([x, factor * force]) for factor in factors(PAPER)]
    rows, columns = np.triu_indices(4)
    moments = np.mean([np.outer(z, z) for z in states], axis=0)[rows, columns]
    own = (rows == columns) & (rows < 2)
    found = []
    for _ in range(steps + 1):
        found.append(moments[own].sum())
        moments = operator @ moments
    return np.array(found)


def runs(config: Config, run: Run) -> Data:
    """Simulated runs of both methods at gamma = 0.1, beside the mean square without sampling."""
    noise = jnp.asarray(factors(PAPER))
    key = jax.random.key(config.seed)
    drawn = jax.random.choice(key, noise, (config.steps + 1, config.runs))
    fastest = run.data["limits"]["fastest"][0]
    kept = np.unique(np.linspace(0, config.steps, 301).astype(int))
    methods = {"optimistic": dg.Optimistic(0.1), "separated": dg.OptimisticSeparated(0.1, fastest)}
    found: Data = {"kept": kept}
    for name, method in methods.items():
        squares = np.asarray(distances(method, drawn))
        exact = mean_square(method, config.steps)
        early = slice(0, 101)  # later on, few runs hold most of the mean
        found[name] = {
            "exact": exact[kept],
            "quantiles": np.quantile(squares[kept], [0.1, 0.5, 0.9], axis=1),
            "largest error": np.abs(squares[early].mean(1) / exact[early] - 1).max(),
            "nearer": (squares[-1] < squares[0]).mean(),
        }
    return found


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    measured, proved, simulated = data["limits"], data["proofs"], data["runs"]
    every = [*proved["separated"], *proved["optimistic"], proved["theorem"]]
    decided = [point for point in every if point["status"] == "proved"]
    optimistic = [point for point in proved["optimistic"] if point["status"] == "proved"]
    stable = [point for point in proved["separated"] if point.get("stable")]
    unstable = [point for point in proved["separated"] if point.get("stable") is False]
    of_paper = [point for point in optimistic if point["moment"] == PAPER]
    at = [point for point in stable if point["moment"] == PAPER and point["gamma"] == 0.05]
    gamma, eta = np.meshgrid(data["stability_map"]["gamma"], data["stability_map"]["eta"])
    below = np.asarray(data["stability_map"]["radius"]) < 1
    return {
        "limits of the update": [row["measured"] for row in measured["limits"]],
        "agreement of the map with the closed form": float((below == (eta < limit(gamma))).mean()),
        "fastest update at gamma = 0.1": measured["fastest"][0],
        "its factor": measured["fastest"][1],
        "factor of the theorem's steps": measured["theorem"],
        "rate of the theorem's steps, proved": proved["theorem"]["rate"],
        "largest share proved stable at gamma = 0.05": max(point["share"] for point in at),
        "largest share proved stable": max(point["share"] for point in stable),
        "least share proved unstable": min(point["share"] for point in unstable),
        "points left undecided": len(every) - len(decided),
        "all proofs accepted, costs included": all(point["accepted"] for point in decided),
        "instability from all starts": all(point["everywhere"] for point in decided),
        "factors of the optimistic method": measured["optimistic"],
        "growth of the optimistic method, proved": [point["rate"] for point in of_paper],
        "steps of the optimistic method proved stable": sum(point["stable"] for point in of_paper),
        "optimistic steps on the right side of M (1 + 3 gamma^2) = 2": all(
            point["stable"] == (point["moment"] * (1 + 3 * point["step"] ** 2) < 2)
            for point in optimistic
        ),
        "largest error of simulated mean squares": max(
            simulated[name]["largest error"] for name in ("optimistic", "separated")
        ),
        "runs of separate steps that end nearer": simulated["separated"]["nearer"],
        "runs of the optimistic method that end nearer": simulated["optimistic"]["nearer"],
    }


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the map with its proofs, the limits for other noise, and simulated runs."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    _draw_map(left, data)
    _draw_limits(middle, config, data)
    _draw_runs(right, data["runs"])
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    return canvas


def _draw_map(ax: Any, data: Mapping[str, Data]) -> None:
    chart = data["stability_map"]
    radius = np.asarray(chart["radius"])
    ax.contourf(chart["gamma"], chart["eta"], radius, [0, 1, np.inf], colors=["#D6E6F2", "#F7E3D6"])
    curve = np.linspace(0, PAPER**-0.5, 200)
    ax.plot(curve, limit(curve), color=COLOURS[-1], linewidth=1.6)
    ax.plot(curve, curve, "--", color=COLOURS[-1], linewidth=1.2)
    for point in data["proofs"]["separated"]:
        if point["moment"] == PAPER and point["status"] == "proved":
            _mark(ax, point["gamma"], point["eta"], point["stable"])
    for point in data["proofs"]["optimistic"]:
        if point["moment"] == PAPER and point["status"] == "proved":
            _mark(ax, point["step"], point["step"], point["stable"])
    ax.set(xlim=(0, 0.5), ylim=(0, 0.12), xlabel="extrapolation gamma", ylabel="update eta")
    ax.set_title("field times 3 or -1: mean square of the distance", size="medium")
    dot = {"linestyle": "", "markersize": 5}
    signs = [
        Line2D([], [], color=COLOURS[0], marker="o", label="proved: vanishes", **dot),
        Line2D([], [], color=COLOURS[1], marker="x", label="proved: grows", **dot),
        Line2D([], [], color=COLOURS[-1], label="closed form"),
        Line2D([], [], color=COLOURS[-1], linestyle="--", label="optimistic: eta = gamma"),
    ]
    ax.legend(handles=signs, loc="upper right", frameon=False, fontsize="small", numpoints=1)


def _mark(ax: Any, x: float, y: float, stable: bool) -> None:
    look = {"marker": "o", "color": COLOURS[0]} if stable else {"marker": "x", "color": COLOURS[1]}
    ax.plot(x, y, linestyle="", markersize=5, **look)


def _draw_limits(ax: Any, config: Config, data: Mapping[str, Data]) -> None:
    for colour, moment in zip(COLOURS[2:5], config.moments, strict=False):
        curve = np.linspace(1e-3, moment**-0.5, 200)
        ax.plot(curve, limit(curve, moment) / curve, color=colour, label=f"M = {moment:g}")
    for point in data["proofs"]["separated"]:
        if point["status"] == "proved" and abs(point["share"] - 1) < 0.2:
            _mark(ax, point["gamma"], point["eta"] / point["gamma"], point["stable"])
    for point in data["proofs"]["optimistic"]:
        if point["status"] == "proved":
            _mark(ax, point["step"], 1.0, point["stable"])
    ax.axhline(1.0, color=COLOURS[-1], linestyle="--", linewidth=1.2)
    ax.set(xlim=(0, 0.85), ylim=(0, 1.45), xlabel="extrapolation gamma", ylabel="eta / gamma")
    ax.set_title("largest share of the extrapolation, mean square M", size="medium")
    ax.legend(loc="upper right", frameon=False, fontsize="small")


def _draw_runs(ax: Any, simulated: Data) -> None:
    names = {"optimistic": "optimistic, 0.1", "separated": "separate, 0.1 and 0.019"}
    for colour, (name, label) in zip(COLOURS[1::-1], names.items(), strict=True):
        low, median, high = np.asarray(simulated[name]["quantiles"])
        ax.fill_between(simulated["kept"], low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(simulated["kept"], median, ":", color=colour)
        ax.plot(simulated["kept"], simulated[name]["exact"], color=colour, label=label)
    ax.set(yscale="log", xlabel="step", ylim=(1e-3, 1e12), xlim=(0, simulated["kept"][-1]))
    ax.set_title("squared distance: mean, median (dotted), 80% of runs", size="medium")
    ax.legend(loc="center right", frameon=False, fontsize="small")


STUDY = Study(
    name="separated_steps",
    summary="Separate steps under multiplicative noise: where they are stable, with proofs",
    config=Config(),
    quick=Config(
        moments=(5.0,),
        extrapolations=(0.05, 0.1, 0.2),
        shares=(0.99, 0.9999, 1.0001),
        optimistic=(0.001, 0.1),
        resolution=30,
        runs=1000,
        steps=300,
    ),
    stages={"limits": limits, "stability_map": stability_map, "proofs": proofs, "runs": runs},
    numbers=numbers,
    figures={"separated_steps": figure},
)
