"""Generalised Ridge Rider: where small changes decide where runs end, and branching there.

Lorraine, Vicol, Parker-Holder, Kachman, Metz and Foerster, *Lyapunov Exponents for Diversity in
Differentiable Games*, AAMAS 2022, arXiv:2112.14570, look for several solutions of a game by
branching where Lyapunov exponents are large. Their toy games are a small iterated prisoners'
dilemma, matching pennies in logits and a mixture of the two; their maps look 10 gradient steps of
size 5 ahead, from a grid of 11 by 11 starts in probabilities.

Ours are the proofs that the saddle of the dilemma is the only equilibrium near it and repels these
steps, and what the number of steps ahead decides. Over 10 steps, exponents are largest beside the
boundary between defection and tit for tat: the ascent ends there, and both of its branches lead to
tit for tat. Over 20 and more, the ridge is so near to the boundary that they lead to both. All runs
of the mixture end in tit for tat, however large its exponents are.

The outermost starts of the paper's grid are probabilities of 1e-8 and 1 - 1e-8. In single
precision, exponents at its corners are made of rounding errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import certify
import dgames as dg
from dgames.diagnose import Ascent, branch, lyapunov_exponents
from dgames.games import LogitPennies, Mixture, SmallIteratedPrisonersDilemma
from dgames.plot import COLOURS
from dgames.strategy import Strategy
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# Weights of matching pennies and of the dilemma.
GAMES = {"dilemma": (0.0, 1.0), "pennies": (1.0, 0.0), "mixture": (0.25, 0.75)}
STEPS, STEP_SIZE, CLIP, BATCH = 10, 5.0, 1e-8, 121
VARIANTS = ("lower", "maximum", "upper")
DILEMMA = SmallIteratedPrisonersDilemma()

# Games, starts and step sizes whose exponents are compared with known values.
POINTS = (
    ("pennies", (0.0, 0.0), 1.0),
    ("pennies", (0.0, 0.0), 5.0),
    ("pennies", (1.0, -1.0), 1.0),
    ("pennies", (1.0, -1.0), 5.0),
    ("dilemma", (0.0, 0.0), 1.0),
    ("dilemma", (0.0, 0.0), 5.0),
    ("dilemma", (1.0, -1.0), 5.0),
    ("mixture", (1.0, -1.0), 5.0),
)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        resolution: Points along either axis of the maps that are drawn.
        steps_ahead: Over how many steps the ascent looks.
        starts: Logits from which it starts.
        ascent: Its number of steps.
        run: The number of steps of runs that are followed to their end.
    """

    resolution: int = 101
    steps_ahead: tuple[int, ...] = (10, 20, 40)
    starts: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, -1.0), (1.0, 1.0))
    ascent: int = 100
    run: int = 4000


def game_of(name: str, dtype: Any = float) -> Mixture:
    """The game of a name, as a mixture: of one structure for all of them, to be compiled once."""
    return Mixture((LogitPennies(), DILEMMA), jnp.asarray(GAMES[name], dtype))


def logits(probabilities: Any) -> np.ndarray:
    """Returns the logits of probabilities, which are kept off 0 and 1 as in the paper's code."""
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return np.log(clipped / (1 - clipped))


def starts_of(probabilities: Any) -> np.ndarray:
    """Returns the logits of all pairs of these probabilities, the first player's by rows."""
    pairs = np.meshgrid(logits(probabilities), logits(probabilities), indexing="ij")
    return np.stack(pairs, -1).reshape(-1, 2)


def policies(x: Strategy) -> Strategy:
    """The chances to cooperate: equilibria at infinity are told apart by these."""
    return jax.tree.map(jax.nn.sigmoid, x)


@eqx.filter_jit
def _batch_of_exponents(
    game: dg.Game, starts: Float[Array, "starts 2"], steps: int, variant: Any, step_size: Array
) -> Float[Array, " starts"]:
    def of_one(start: Array) -> Array:
        method = dg.Simultaneous(step_size)
        return lyapunov_exponents(game, method, tuple(start), steps=steps, variant=variant)[0]

    return jax.vmap(of_one)(starts)


def exponents(
    name: str,
    starts: Any,
    steps: int = STEPS,
    variant: Any = "maximum",
    step_size: float = STEP_SIZE,
    dtype: Any = float,
) -> Float[np.ndarray, " starts"]:
    """The largest exponents from many starts, in batches of one size: it is compiled once."""
    starts = np.asarray(starts, dtype)
    padded = np.pad(starts, ((0, -len(starts) % BATCH), (0, 0)))
    game, size = game_of(name, dtype), jnp.asarray(step_size, dtype)
    batches = [
        _batch_of_exponents(game, jnp.asarray(padded[i : i + BATCH]), steps, variant, size)
        for i in range(0, len(padded), BATCH)
    ]
    return np.concatenate(batches)[: len(starts)]


@eqx.filter_jit
def costs_and_field(game: dg.Game, x: Strategy) -> tuple[Strategy, Strategy]:
    """The costs and the pseudo-gradient at a point."""
    return game.costs(x), dg.pseudo_gradient(game)(x)


@eqx.filter_jit
def path(game: dg.Game, start: Float[Array, " 2"], steps: int) -> Float[Array, "steps 2"]:
    """The policies along a run."""
    field, method = dg.pseudo_gradient(game), dg.Simultaneous(STEP_SIZE)

    def step(x: Any, _: None) -> Any:
        return method.step(field, x, None)[0], jnp.stack(policies(x))

    return jax.lax.scan(step, tuple(start), length=steps)[1]


@jax.jit
@jax.vmap
def boundary(first: Float[Array, ""]) -> Float[Array, ""]:
    """The chance of the second player that divides defection from tit for tat, by bisection."""

    def halve(_: Any, between: Any) -> Any:
        low, high = between
        middle = (low + high) / 2
        chances = jnp.stack([first, middle])
        end = path(game_of("dilemma"), jnp.log(chances / (1 - chances)), 1000)[-1, 0]
        return jnp.where(end < 0.5, middle, low), jnp.where(end < 0.5, high, middle)

    ends = (jnp.zeros_like(first), jnp.ones_like(first))
    return jax.lax.fori_loop(0, 20, halve, ends)[0]


def values(config: Config, run: Run) -> Data:
    """Exponents, costs and fields at single points."""
    found = []
    for name, start, step_size in POINTS:
        each = [exponents(name, [start], STEPS, variant, step_size)[0] for variant in VARIANTS]
        costs, field = costs_and_field(game_of(name), dg.as_strategy(start))
        found.append({"exponents": each, "costs": list(costs), "field": list(field)})
    return found


def saddle(config: Config, run: Run) -> Data:
    """The saddle of the dilemma: proved, in a box without another equilibrium, and repelling."""
    zero = certify.certify_zero(DILEMMA, (0.4, 0.4))
    unstable = certify.certify_instability(DILEMMA, dg.Simultaneous(STEP_SIZE), (0.4, 0.4))
    files = {"zero": zero, "unstable": unstable}
    accepted = {
        name: bool(certify.check(each.save(run.folder / f"{name}.json"), game=DILEMMA, level=2).ok)
        for name, each in files.items()
    }
    point = tuple(float(block) for block in zero.zero.lower)
    blocks = dg.jacobian_blocks(DILEMMA, point)
    jacobian = np.array([[np.asarray(block).item() for block in row] for row in blocks])
    return {
        "point": point,
        "radius": zero.radius,
        "cost": float(DILEMMA.costs(point)[0]),
        "eigenvalues": np.linalg.eigvals(jacobian).real,
        "exponents": [
            exponents("dilemma", [point], step_size=size)[0] for size in (1.0, STEP_SIZE)
        ],
        "spectral radius": unstable.spectral_radius,
        "accepted": accepted,
    }


def grids(config: Config, run: Run) -> Data:
    """Exponents of all variants on the paper's grid, and at its corners in single precision."""
    starts = starts_of(np.linspace(0, 1, 11))
    corners = starts_of([0.0, 1.0])
    return {
        name: {
            "exponents": {variant: exponents(name, starts, STEPS, variant) for variant in VARIANTS},
            "corners": exponents(name, corners),
            "corners in single precision": exponents(name, corners, dtype=np.float32),
        }
        for name in GAMES
    }


def maps(config: Config, run: Run) -> Data:
    """Exponents on a finer grid, over more steps along its diagonal, and where runs end."""
    probabilities = (np.arange(config.resolution) + 0.5) / config.resolution
    starts = starts_of(probabilities)
    diagonal = np.linspace(0.3, 0.9, 601)
    on_diagonal = np.stack([logits(diagonal)] * 2, 1)
    shape = (config.resolution, config.resolution)
    return {
        "exponents": {name: exponents(name, starts).reshape(shape) for name in GAMES},
        "boundary": [probabilities, boundary(jnp.asarray(probabilities))],
        "diagonal": diagonal,
        "along it": [exponents("dilemma", on_diagonal, steps) for steps in config.steps_ahead],
    }


def branches(config: Config, run: Run) -> Data:
    """Branching at the saddle, and at the ends of ascents over few and over many steps."""

    def found(name: str, start: Any, steps: int, ascent: int) -> Data:
        result = branch(
            game_of(name),
            dg.Simultaneous(STEP_SIZE),
            tuple(start),
            steps=steps,
            ascent=Ascent(steps=ascent, radius=2.0),
            max_steps=config.run,
            descriptor=policies,
        )
        middle = jnp.stack(result.start)
        move = 0.1 * jnp.stack(result.directions, 1)[0]
        game = game_of(name)
        return {
            "steps": steps,
            "start": jnp.stack(policies(result.start)),
            "exponent": result.objective.max(),
            "policies": [jnp.stack(policies(x)) for x in result.archive],
            "costs": [jnp.stack(game.costs(x)) for x in result.archive],
            "paths": [path(game, middle + sign * move, 200) for sign in (1, -1)],
        }

    at_saddle = found("dilemma", run.data["saddle"]["point"], STEPS, 0)
    cases = [("dilemma", steps) for steps in config.steps_ahead] + [("mixture", STEPS)]

    def ascended(name: str, steps: int) -> Data:
        every = [found(name, start, steps, config.ascent) for start in config.starts]
        return {"game": name, "steps": steps, "found": every}

    runs = {}
    for start in (-4.0, 4.0):
        end = path(game_of("dilemma"), jnp.full(2, start), config.run + 1)[-1]
        runs[f"{start:g}"] = [end[0], DILEMMA.costs(tuple(jnp.log(end / (1 - end))))[0]]
    return {"saddle": at_saddle, "ascended": [ascended(*case) for case in cases], "runs": runs}


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    point, found = data["saddle"], data["branches"]
    grid = {name: each["exponents"] for name, each in data["grids"].items()}
    largest = {name: int(np.argmax(np.round(each["maximum"], 9))) for name, each in grid.items()}
    archive = sorted(zip(found["saddle"]["policies"], found["saddle"]["costs"], strict=True))
    diagonal = data["maps"]["diagonal"]
    corners = data["grids"]["pennies"]
    return {
        **{
            f"exponents of {name} at {x:g}, {y:g}, step {size:g}": row["exponents"][1:]
            for (name, (x, y), size), row in zip(POINTS, data["values"], strict=True)
        },
        "costs of the dilemma at 0, 0": data["values"][5]["costs"],
        "field of the dilemma at 0, 0": data["values"][5]["field"],
        "costs of the dilemma at 1, -1": data["values"][6]["costs"],
        "field of the dilemma at 1, -1": data["values"][6]["field"],
        "field of the mixture at 1, -1": data["values"][7]["field"],
        "saddle": point["point"],
        "its chance to cooperate": 1 / (1 + np.exp(-point["point"][0])),
        "its cost": point["cost"],
        "its eigenvalues": sorted(point["eigenvalues"]),
        "its exponents at steps of 1 and 5": point["exponents"],
        "half-width of a box without another equilibrium": point["radius"],
        "its spectral radius is at least": point["spectral radius"],
        "both proofs accepted, costs included": all(point["accepted"].values()),
        "grid points at which variants are out of order": sum(
            int(np.sum(np.diff([each[variant] for variant in VARIANTS], axis=0) < -1e-12))
            for each in grid.values()
        ),
        **{
            f"largest exponent of {name} on the grid, and where": [
                each["maximum"][largest[name]],
                *(index / 10 for index in divmod(largest[name], 11)),
            ]
            for name, each in grid.items()
        },
        "exponents of pennies at corners": corners["corners"],
        "the same in single precision": corners["corners in single precision"],
        "run from -4, -4: chance and cost": found["runs"]["-4"],
        "run from 4, 4: chance and cost": found["runs"]["4"],
        "branches at the saddle: chances": [policies for policies, _ in archive],
        "branches at the saddle: costs": [costs for _, costs in archive],
        "diagonal chance of the largest exponent, by steps ahead": [
            diagonal[int(np.argmax(each))] for each in data["maps"]["along it"]
        ],
        "solutions found from each start, by steps ahead": [
            [len(one["policies"]) for one in each["found"]]
            for each in found["ascended"]
            if each["game"] == "dilemma"
        ],
        "solutions of the mixture, from each start": [
            len(one["policies"]) for one in found["ascended"][-1]["found"]
        ],
    }


def exponent_maps(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the exponents of the three games over their starts."""
    titles = {
        "dilemma": "small iterated prisoners' dilemma",
        "pennies": "matching pennies",
        "mixture": "a quarter pennies, three quarters dilemma",
    }
    canvas, axes = plt.subplots(
        1, 3, figsize=(11.5, 4.8), layout="constrained", sharex=True, sharey=True
    )
    chart = data["maps"]
    edges = np.linspace(0, 1, config.resolution + 1)
    for ax, name in zip(axes, GAMES, strict=True):
        image = ax.pcolormesh(edges, edges, np.transpose(chart["exponents"][name]), cmap="cividis")
        ax.set(aspect="equal", xlabel="first player's chance")
        ax.set_title(titles[name], size="medium")
        bar = canvas.colorbar(image, ax=ax, orientation="horizontal", pad=0.03)
        bar.set_label(f"exponent over {STEPS} steps of {STEP_SIZE:g}")
    _draw_boundary(axes[0], chart, "white")
    _draw_saddle(axes[0], data)
    axes[0].set(ylabel="second player's chance", xlim=(0, 1), ylim=(0, 1))
    axes[0].legend(loc="lower left", fontsize="small", labelcolor="white", frameon=False)
    return canvas


def branching(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws exponents along the diagonal, and branches over few and over many steps."""
    canvas, axes = plt.subplots(1, 3, figsize=(12.5, 4.0), layout="constrained")
    left, chart, ahead = axes[0], data["maps"], config.steps_ahead
    for colour, steps, along in zip(COLOURS, ahead, chart["along it"], strict=False):
        left.plot(chart["diagonal"], along, color=colour, label=f"{steps} steps ahead")
        best = int(np.argmax(along))
        left.plot(chart["diagonal"][best], along[best], "o", color=colour)
    chance = float(policies(jnp.asarray(data["saddle"]["point"][0])))
    left.axvline(chance, color=COLOURS[-1], linestyle="--", linewidth=1.2, label="saddle")
    left.set(xlabel="chance of both players", ylabel="exponent", xlim=(0.3, 0.9))
    left.set_title("exponents along the diagonal", size="medium")
    left.legend(loc="upper left", frameon=False, fontsize="small")
    left.spines[["top", "right"]].set_visible(False)
    for ax, index in zip(axes[1:], (0, -1), strict=True):
        case = [each for each in data["branches"]["ascended"] if each["game"] == "dilemma"][index]
        _draw_branches(ax, data, case["found"])
        ax.set_title(f"branches, {ahead[index]} steps ahead", size="medium")
    axes[1].legend(loc="lower left", frameon=False, fontsize="small")
    return canvas


def _draw_boundary(ax: Any, chart: Data, colour: str) -> None:
    ax.plot(*chart["boundary"], color=colour, linewidth=1.6, label="boundary of defection")


def _draw_saddle(ax: Any, data: Mapping[str, Data]) -> None:
    chances = policies(jnp.asarray(data["saddle"]["point"]))
    ax.plot(*chances, "D", color=COLOURS[4], markeredgecolor="black", linestyle="", label="saddle")


def _draw_branches(ax: Any, data: Mapping[str, Data], found: Data) -> None:
    _draw_boundary(ax, data["maps"], "0.5")
    for one in found:
        for steps in one["paths"]:
            first, second = np.transpose(steps)
            lost = first[-1] < 0.5
            ax.plot(first, second, color=COLOURS[1] if lost else COLOURS[0], linewidth=1.4)
    for colour, name in ((COLOURS[1], "to defection"), (COLOURS[0], "to tit for tat")):
        ax.plot([], [], color=colour, label=name)
    starts = np.array([one["start"] for one in found])
    ax.plot(*starts.T, "o", color="black", markersize=5, label="end of the ascent")
    _draw_saddle(ax, data)
    ax.set(aspect="equal", xlim=(0, 1), ylim=(0, 1), xlabel="first player's chance")
    ax.set(ylabel="second player's chance")


STUDY = Study(
    name="generalised_ridge_rider",
    summary="Lyapunov exponents of three games, a proved saddle, and branching where runs separate",
    config=Config(),
    quick=Config(resolution=15, steps_ahead=(10, 20), starts=((0.0, 0.0),), ascent=60),
    stages={
        "values": values,
        "saddle": saddle,
        "grids": grids,
        "maps": maps,
        "branches": branches,
    },
    numbers=numbers,
    figures={"exponent_maps": exponent_maps, "branching": branching},
)
