"""Competitive gradients on bilinear games, over two steps, and in the estimation of covariances.

Schaefer and Anandkumar, *Competitive gradient descent* (CGD), NeurIPS 2019, arXiv:1905.12103,
compare it on `a x y` and on a game that estimates a covariance matrix; work is counted as in their
code, in gradients: 2 per evaluation of both players' gradients, 4 with one more product of the
interaction, 6 for consensus optimisation, and 4 with 2 more per iteration of conjugate gradients
for CGD. Vyas, Bullins and Azizzadenesheli, *Competitive gradient optimization* (CGO), ICML 2023,
arXiv:2205.14232, part the step h from the weight a of the interaction: on `x y` runs converge if
and only if `h < 2 a`.

Ours are the closed forms of the bilinear runs and the proofs: certificates of CGO's field for all
steps up to `2 a`, and of instability beyond. They say that the best step is `h = a`, which is CGD.
The covariance game is measured; its equilibria are not isolated, so that no proof of ours applies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import certify
import dgames as dg
from dgames.fields.products import block_product
from dgames.games import Bilinear, CovarianceEstimation
from dgames.plot import COLOURS
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

ORIGIN = (0.0, 0.0)
# The setting of the authors' code: the step and the start of the bilinear game, the weight of
# adjustments, and the accuracy of conjugate gradients.
STEP, START, STEPS, WEIGHT = 0.2, (0.5, 0.5), 50, 1.0
CONJUGATE = lx.CG(rtol=1e-6, atol=1e-6)
# Shares of the first distance: there a run has converged and is stopped, and there it has diverged.
DONE, DIVERGED = 1e-9, 1e6


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        strengths: The a of the games `a x y`.
        alphas: Weights of the interaction for which CGO's field is proved.
        resolution: Points along either axis of the map of CGO's steps.
        sizes: Sizes d of covariance matrices.
        steps: Step sizes that estimate them.
        budget: How many gradients a run may cost.
        marks: How often its distance is recorded.
        seed: Of the matrices and of the starts.
    """

    strengths: tuple[float, ...] = (1.0, 3.0, 6.0)
    alphas: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    resolution: int = 120
    sizes: tuple[int, ...] = (20, 40, 60)
    steps: tuple[float, ...] = (0.005, 0.025, 0.1, 0.4)
    budget: int = 100_000
    marks: int = 100
    seed: int = 0


class Contestant(NamedTuple):
    """A field for a game and a step, a method for a step, and gradients per step."""

    field: Callable[[dg.Game, Any], dg.AbstractField]
    method: Callable[[Any], dg.AbstractMethod]
    cost: int


METHODS = {
    "GDA": Contestant(lambda game, h: dg.pseudo_gradient(game), dg.Simultaneous, 2),
    "OGDA": Contestant(
        lambda game, h: dg.pseudo_gradient(game), lambda h: dg.Optimistic(h, reflected=True), 2
    ),
    "LCGD": Contestant(lambda game, h: dg.LookAhead(game, h), dg.Simultaneous, 4),
    "SGA": Contestant(lambda game, h: dg.SymplecticAdjusted(game, WEIGHT), dg.Simultaneous, 4),
    "ConOpt": Contestant(lambda game, h: dg.Consensus(game, WEIGHT), dg.Simultaneous, 6),
    "CGD": Contestant(lambda game, h: dg.Competitive(game, h, CONJUGATE), dg.Simultaneous, 4),
}


def bilinear(config: Config, run: Run) -> Data:
    """Distances from the equilibrium of `a x y`, from the authors' start, step by step."""

    @eqx.filter_jit
    def distances(name: str, strength: Array) -> Array:
        contestant, start = METHODS[name], tuple(jnp.asarray(own) for own in START)
        field = contestant.field(Bilinear(strength), STEP)
        method = contestant.method(STEP)
        # The authors' optimistic method begins with no past gradient.
        state = jax.tree.map(jnp.zeros_like, method.init(field, start))

        def step(carry: Any, _: None) -> Any:
            x, state = carry
            return method.step(field, x, state), jnp.hypot(*x)

        (x, _), found = jax.lax.scan(step, (start, state), length=STEPS)
        return jnp.append(found, jnp.hypot(*x))

    return {
        name: [np.asarray(distances(name, jnp.asarray(a))) for a in config.strengths]
        for name in METHODS
    }


def curvature(config: Config, run: Run) -> Data:
    """One-step factors on `a (x^2 - y^2)` without interaction, a = 6 and -6."""
    found = {}
    for name in ("GDA", "ConOpt", "CGD"):
        contestant = METHODS[name]
        found[name] = []
        for a in (6.0, -6.0):
            game = dg.zero_sum(lambda x, args, a=a: a * (x[0] ** 2 - x[1] ** 2))
            field, method = contestant.field(game, STEP), contestant.method(STEP)
            matrix = np.asarray(dg.step_jacobian(field, method, (1.0, 1.0)))
            found[name].append(matrix[0, 0])
    return found


def factor(h: Any, alpha: Any) -> Any:
    """Returns the factor per step of CGO on `x y` in closed form."""
    return np.sqrt(1 - (2 * h * alpha - h**2) / (1 + alpha**2))


def two_steps(config: Config, run: Run) -> Data:
    """The spectral radius of CGO on `x y` over its weight and its step."""
    game = Bilinear()
    direct = lx.LU()

    @jax.jit
    @jax.vmap
    def radius(alpha: Array, h: Array) -> Array:
        field = dg.Competitive(game, alpha, direct)
        matrix = dg.step_jacobian(field, dg.Simultaneous(h), ORIGIN)
        return jnp.max(jnp.abs(jnp.linalg.eigvals(matrix)))

    alpha = (np.arange(config.resolution) + 0.5) / config.resolution * 2.5
    h = (np.arange(config.resolution) + 0.5) / config.resolution * 5.0
    grid = [axis.ravel() for axis in np.meshgrid(alpha, h)]
    found = np.asarray(radius(*map(jnp.asarray, grid))).reshape(len(h), len(alpha))
    named = [(1.0, 1.0), (2.0, 1.0), (0.5, 1.0), (0.1, 0.5)]
    chosen = radius(*(jnp.asarray(values) for values in zip(*named, strict=True)))
    error = np.abs(found - factor(h[:, None], alpha)).max()
    return {"alpha": alpha, "h": h, "radius": found, "named": chosen, "error": error}


def proofs(config: Config, run: Run) -> Data:
    """Certificates of CGO's field on `x y`: margins, steps, and instability beyond."""
    game, region = Bilinear(), certify.Box.around(ORIGIN, 1.0)

    def of(alpha: float) -> Data:
        field = dg.Competitive(game, alpha, lx.LU())
        found = certify.certify(field, region, [dg.Simultaneous])
        step = found.step_sizes["simultaneous"]
        beyond = certify.certify_instability(field, dg.Simultaneous(2.001 * alpha), ORIGIN)
        saved = {"field": found, "beyond": beyond}
        paths = [each.save(run.folder / f"{name}-{alpha:g}.json") for name, each in saved.items()]
        return {
            "alpha": alpha,
            "proved": all(each.status == "proved" for each in saved.values()),
            "accepted": all(bool(certify.check(path, level=2).ok) for path in paths),
            "margin": found.margin,
            "lipschitz": found.lipschitz,
            "longest": step.max,
            "best": step.best,
            "rate": step.rate,
            "beyond": beyond.spectral_radius,
        }

    return run.each(config.alphas, of)


def iterations(field: dg.AbstractField, x: Any, alpha: Any) -> Array:
    """Returns how many iterations of conjugate gradients the competitive gradient takes.

    The solver goes on until its last change is small, too, which takes one more than the residual.
    """
    force, there = block_product(field, x, 0, 1)
    other, back = block_product(field, x, 1, 0)
    side = force - alpha * there(other)
    side = side / jnp.linalg.norm(side)
    matrix = lx.FunctionLinearOperator(
        lambda u: u - alpha**2 * there(back(u)),
        jax.eval_shape(lambda: side),
        lx.positive_semidefinite_tag,
    )
    return lx.linear_solve(matrix, side, CONJUGATE, throw=False).stats["num_steps"]


@eqx.filter_jit
def estimated(
    name: str, game: CovarianceEstimation, start: Any, h: Array, marks: Array
) -> tuple[Array, Array, Array]:
    """Estimates a covariance matrix.

    Returns the distances from equilibria when the cost passes the marks, the steps, and the
    iterations of conjugate gradients in all of them.
    """
    contestant = METHODS[name]
    field, method = contestant.field(game, h), contestant.method(h)
    force = dg.pseudo_gradient(game)
    first = game.distance(start)

    def step(carry: Any) -> Any:
        x, state, steps, inner = carry
        inner = inner + (iterations(force, x, h) if name == "CGD" else 0)
        x, state = method.step(field, x, state)
        return x, state, steps + 1, inner

    def until(carry: Any, mark: Array) -> Any:
        alive = game.distance(carry[0]) / first

        def goes_on(carry: Any) -> Array:
            cost = contestant.cost * carry[2] + 2 * carry[3]
            return (cost < mark) & (alive > DONE) & (alive < DIVERGED)

        carry = jax.lax.while_loop(goes_on, step, carry)
        return carry, game.distance(carry[0])

    zero = jnp.zeros((), int)
    last, found = jax.lax.scan(until, (start, method.init(field, start), zero, zero), marks)
    return jnp.append(first, found), last[2], last[3]


def covariance(config: Config, run: Run) -> list[Data]:
    """Estimates of covariance matrices by all methods, with all steps."""
    marks = np.round(np.linspace(0, config.budget, config.marks + 1)).astype(int)[1:]
    cases = [(d, name, h) for d in config.sizes for name in METHODS for h in config.steps]

    def of(case: tuple[int, str, float]) -> Data:
        d, name, h = case
        game, start = CovarianceEstimation.random(jax.random.key(config.seed), d)
        arguments = (game, start, jnp.asarray(h), jnp.asarray(marks))
        found, steps, inner = map(np.asarray, estimated(name, *arguments))
        return {
            "size": d,
            "method": name,
            "step": h,
            "distances": np.where(np.isfinite(found), found, np.inf) / found[0],
            "steps": steps,
            "iterations": inner / steps,
        }

    return run.each(cases, of)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    proved, chart = data["proofs"], data["two_steps"]
    return {
        **{
            f"a x y, {name}: distances after {STEPS} steps": [found[-1] for found in distances]
            for name, distances in data["bilinear"].items()
        },
        **{
            f"6 and -6 times x^2 - y^2, {name}: factors": factors
            for name, factors in data["curvature"].items()
        },
        "CGO: factors at (a, h) = (1, 1), (2, 1), (1/2, 1), (1/10, 1/2)": chart["named"],
        "CGO: largest error of the closed form": chart["error"],
        "CGO: all points proved": all(case["proved"] for case in proved),
        "CGO: all proofs accepted, fields included": all(case["accepted"] for case in proved),
        "CGO: margins": [case["margin"] for case in proved],
        "CGO: Lipschitz constants": [case["lipschitz"] for case in proved],
        "CGO: longest steps over a": [case["longest"] / case["alpha"] for case in proved],
        "CGO: best steps over a": [case["best"] / case["alpha"] for case in proved],
        "CGO: rates of the best steps": [case["rate"] for case in proved],
        "CGO: spectral radii at 2.001 a": [case["beyond"] for case in proved],
        **_of_covariances(data["covariance"]),
    }


def _of_covariances(cases: list[Data]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for d in sorted({case["size"] for case in cases}):
        own = [case for case in cases if case["size"] == d]
        competitive = [case for case in own if case["method"] == "CGD"]
        others = [case for case in own if case["method"] != "CGD"]
        for name in METHODS:
            nearer = [
                case["step"] for case in own if case["method"] == name and case["distances"][-1] < 1
            ]
            found[f"covariance, d = {d}, {name}: steps that end nearer"] = nearer or "none"
        # Of the longest step.
        iterations = competitive[-1]["iterations"]
        found |= {
            f"covariance, d = {d}: least last distance of CGD": _least(competitive),
            f"covariance, d = {d}: least last distance of the others": _least(others),
            f"covariance, d = {d}: iterations per step of CGD, at its longest": iterations,
        }
    return found


def _least(cases: list[Data]) -> float:
    return min(case["distances"][-1] for case in cases)


def bilinear_figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws runs on bilinear games, and the map of CGO's steps with its proofs."""
    count = len(config.strengths)
    widths = [1.0] * count + [1.35]
    canvas, axes = plt.subplots(
        1, count + 1, figsize=(14, 3.8), width_ratios=widths, layout="constrained"
    )
    for i, (ax, strength) in enumerate(zip(axes, config.strengths, strict=False)):
        for colour, (name, found) in zip(COLOURS, data["bilinear"].items(), strict=False):
            dashes = "--" if name == "ConOpt" else "-"  # on bilinear games it is SGA
            ax.plot(found[i], dashes, color=colour, label=name)
        ax.set(yscale="log", ylim=(1e-10, 1e10), xlabel="step", title=_product(strength))
        ax.tick_params(labelleft=i == 0)
        _framed(ax)
    axes[0].set_ylabel("distance from the equilibrium")
    axes[0].legend(frameon=False, fontsize="small", ncols=2, loc="lower left")
    _draw_two_steps(axes[-1], data)
    return canvas


def _product(strength: float) -> str:
    return "x y" if strength == 1 else f"{strength:g} x y"


def _draw_two_steps(ax: Any, data: Mapping[str, Data]) -> None:
    chart = data["two_steps"]
    levels = [0, 0.5, 0.7, 0.8, 0.9, 1.0]
    drawn = ax.contourf(
        chart["alpha"], chart["h"], chart["radius"], levels, cmap="Blues_r", vmin=0.2, vmax=1.1
    )
    ax.figure.colorbar(drawn, ax=ax, label="factor per step")
    reach = np.array([0, chart["alpha"][-1]])
    ax.plot(reach, 2 * reach, "--", color=COLOURS[-1], linewidth=1.2)
    ax.plot(reach, reach, ":", color=COLOURS[-1], linewidth=1.2)
    for case in data["proofs"]:
        ax.plot([case["alpha"]] * 2, [0, case["longest"]], color=COLOURS[2], linewidth=2.5)
        ax.plot(case["alpha"], case["best"], "o", color=COLOURS[2], markersize=5)
        ax.plot(case["alpha"], 2.001 * case["alpha"], "x", color=COLOURS[1], markersize=6)
    ax.set(xlabel="weight a of the interaction", ylabel="step h", title="CGO on x y")
    ax.set(xlim=(0, reach[-1]), ylim=(0, 2 * reach[-1]))
    signs = [
        Line2D([], [], color=COLOURS[2], linewidth=2.5, label="proved: converges"),
        Line2D([], [], color=COLOURS[2], marker="o", linestyle="", label="best proved"),
        Line2D([], [], color=COLOURS[1], marker="x", linestyle="", label="proved: unstable"),
        Line2D([], [], color=COLOURS[-1], linestyle="--", label="h = 2 a"),
        Line2D([], [], color=COLOURS[-1], linestyle=":", label="h = a, CGD"),
    ]
    ax.legend(handles=signs, frameon=False, fontsize="small", loc="upper left")
    _framed(ax)


def covariance_figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws distances over the work, for every size and every step."""
    canvas, axes = plt.subplots(
        *(len(config.sizes), len(config.steps)),
        figsize=(3.1 * len(config.steps), 2.2 * len(config.sizes) + 0.6),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    colours = dict(zip(METHODS, COLOURS, strict=False))
    work = np.linspace(0, config.budget, config.marks + 1)
    for case in data["covariance"]:
        place = config.sizes.index(case["size"]), config.steps.index(case["step"])
        axes[place].plot(work, case["distances"], color=colours[case["method"]])
    for row, size in zip(axes, config.sizes, strict=True):
        row[0].set_ylabel(f"d = {size}")
    for ax, step in zip(axes[0], config.steps, strict=True):
        ax.set_title(f"step {step:g}", size="medium")
    for ax in axes.flat:
        ax.set(yscale="log", ylim=(1e-9, 1e2), xlim=(0, config.budget))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
        _framed(ax)
    canvas.supxlabel("gradients, in thousands")
    canvas.supylabel("distance from equilibria over the first one")
    handles = [Line2D([], [], color=colours[name], label=name) for name in METHODS]
    legend = {"loc": "outside right center", "frameon": False}
    canvas.legend(handles=handles, title="those not shown diverge", **legend)
    return canvas


def _framed(ax: Any) -> None:
    ax.spines[["top", "right"]].set_visible(False)


STUDY = Study(
    name="competitive_gradients",
    summary="Competitive gradients: bilinear games, two steps, and covariance estimation",
    config=Config(),
    quick=Config(
        alphas=(0.5, 1.0), resolution=20, sizes=(8,), steps=(0.025, 0.4), budget=4000, marks=20
    ),
    stages={
        "bilinear": bilinear,
        "curvature": curvature,
        "two_steps": two_steps,
        "proofs": proofs,
        "covariance": covariance,
    },
    numbers=numbers,
    figures={"bilinear": bilinear_figure, "covariance": covariance_figure},
)
