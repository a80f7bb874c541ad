"""K-beam minimax on six surfaces: gradients that follow one answer miss what several would find.

Hamm and Noh, *K-beam minimax*, ICML 2018, arXiv:1805.11640: on a square, from random starts and
with steps that fall like one over the root of their number, descent-ascent and its alternating form
are compared with descent against the best of K candidate answers. An error is the distance from the
nearest minimiser of `max_y f(x, y)`. Two surfaces have a saddle point, which all methods find. On
the others the best answer jumps from one side to the other: there a single answer pulls the
minimiser away from where both are worth the same, and with K candidates that happens only if none
of them is on the other side.

The table of the paper's code is of 100 starts, so that the standard error of a mean is up to 0.025;
ours is of 10 000. With one answer, nearly all runs end at the boundary of the anti-saddle, 1/2
away; of the weapons, most end at y = 1/2 where the slope in x vanishes, 0.158 away, and the 0.138
of the table is a mean. Nothing is proved here: there is no theorem on candidates that miss a side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import dgames as dg
from dgames.figure_style import MARKERS
from dgames.games import Surface
from dgames.plot import COLOURS
from experiments import storage
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

STEP = 0.1
# Starts and candidates are in the middle of the square.
REACH = 0.45
# The error below which a minimiser counts as found.
FOUND = 0.02
REFERENCE = Path(__file__).parent / "reference" / "k_beam.json"
SADDLES = ("saddle", "rotated saddle")
SINGLE = ("descent-ascent", "alternating")


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of starts and candidates.
        starts: Random starts of each method.
        steps: Steps of each run.
        surfaces: The names of the surfaces.
        candidates: Numbers of candidates.
    """

    seed: int = 0
    starts: int = 10_000
    steps: int = 1000
    surfaces: tuple[str, ...] = Surface.names()
    candidates: tuple[int, ...] = (1, 2, 5, 10)


def ends(config: Config, surface: str, method: str | int, key: Array) -> Float[Array, " starts"]:
    """Runs a method, or K-beam with so many candidates, from random starts; the last x of each."""
    field = dg.pseudo_gradient(Surface(surface))
    count = method if isinstance(method, int) else 1

    def run(x: Array, candidates: Array) -> Array:
        beam = dg.KBeam(STEP, candidates)
        start = (x, candidates[0])

        def step(carry: Any, t: Array) -> Any:
            strategy, state = carry
            size = STEP / jnp.sqrt(t)
            if method == "descent-ascent":
                return dg.Simultaneous(size).step(field, strategy, state), None
            if method == "alternating":
                return dg.Alternating(size).step(field, strategy, state), None
            return beam.step(field, strategy, state), None

        state = None if isinstance(method, str) else beam.init(field, start)
        ((end, _), _), _ = jax.lax.scan(step, (start, state), jnp.arange(1.0, config.steps + 1))
        return end

    first, second = jax.random.split(key)
    starts = jax.random.uniform(first, (config.starts,), minval=-REACH, maxval=REACH)
    answers = jax.random.uniform(second, (config.starts, count), minval=-REACH, maxval=REACH)
    return jax.jit(jax.vmap(run))(starts, answers)


def errors(config: Config, run: Run) -> Data:
    """The distances from the nearest minimiser, in short, of each surface and method."""
    items = [(surface, m) for surface in config.surfaces for m in (*SINGLE, *config.candidates)]
    keys = jax.random.split(jax.random.key(config.seed), len(items))

    def of(item: Any) -> Data:
        (surface, method), key = item
        found = np.asarray(ends(config, surface, method, key))
        minimisers = np.array(Surface(surface).minimisers())
        distances = np.abs(found[:, None] - minimisers).min(1)
        return {
            "surface": surface,
            "method": method if isinstance(method, str) else f"K = {method}",
            "mean": distances.mean(),
            "deviation": distances.std(),
            "median": np.median(distances),
            "inside": int((np.abs(found) < 0.5).sum()),
            "found": (distances < FOUND).mean(),
        }

    return run.each(zip(items, keys, strict=True), of)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    surfaces = _by_surface(data)
    result: dict[str, Any] = {
        f"{surface}: mean errors": [each["mean"] for each in group.values()]
        for surface, group in surfaces.items()
    }
    beams = [
        [each for method, each in surfaces[surface].items() if method not in SINGLE]
        for surface in surfaces
        if surface not in SADDLES
    ]
    one = [*SINGLE, "K = 1"]
    return result | {
        "more candidates miss less": all(
            more["mean"] < less["mean"] for group in beams for less, more in pairwise(group)
        ),
        "shares of starts that the most candidates serve": [group[-1]["found"] for group in beams],
        "anti-saddle: runs with one answer that do not end at the boundary": sum(
            surfaces["anti-saddle"][method]["inside"] for method in one
        ),
        "weapons: median errors with one answer": [
            surfaces["weapons"][method]["median"] for method in one
        ],
    }


def _by_surface(data: Mapping[str, Data]) -> dict[str, dict[str, Data]]:
    result: dict[str, dict[str, Data]] = {}
    for each in data["errors"]:
        result.setdefault(each["surface"], {})[each["method"]] = each
    return result


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws mean errors beside those of the paper's code, and how many starts are served."""
    canvas, (left, right) = plt.subplots(1, 2, figsize=(10.0, 4.0), layout="constrained")
    published = storage.read(REFERENCE)
    groups = {name: each for name, each in _by_surface(data).items() if name not in SADDLES}
    for index, (surface, group) in enumerate(groups.items()):
        places = np.arange(len(group))
        look = {"color": COLOURS[index], "marker": MARKERS[index], "markersize": 6}
        left.plot(places, [each["mean"] for each in group.values()], label=surface, **look)
        theirs = dict(zip(published["methods"], published["means"][surface], strict=True))
        known = [place for place, method in enumerate(group) if method in theirs]
        left.errorbar(
            known,
            [theirs[method] for method in group if method in theirs],
            [2 * each["deviation"] / 10 for method, each in group.items() if method in theirs],
            **(look | {"markersize": 10, "markerfacecolor": "none", "linestyle": "none"}),
            elinewidth=1,
        )
        right.plot(places, [100 * each["found"] for each in group.values()], **look)
    methods = list(next(iter(groups.values())))
    for ax in (left, right):
        ax.set_xticks(range(len(methods)), [m.replace("-", "-\n") for m in methods], fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    left.set(yscale="log", ylim=(5e-4, 1))
    left.set_title("mean error; hollow: published, ± 2 standard errors", size="medium")
    right.set_title("starts that lead to a minimiser, in percent", size="medium")
    canvas.legend(loc="outside right center", frameon=False)
    return canvas


STUDY = Study(
    name="k_beam",
    summary="K-beam minimax: gradients that follow one answer miss what several would find",
    config=Config(),
    quick=Config(starts=400, surfaces=("anti-saddle", "weapons"), candidates=(1, 2, 5)),
    stages={"errors": errors},
    numbers=numbers,
    figures={"errors": figure},
)
