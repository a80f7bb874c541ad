"""The hard instance of Ouyang and Xu: residuals of eight methods, beside what is proved of them.

The game is quadratic and monotone without a margin; `L` is its Lipschitz constant and `D` the
distance from the start of the literature to the solution, both in closed form. Yoon and Ryu
(arXiv:2102.07922) and Cai and Zheng (arXiv:2301.13120) draw their methods on it. Without an anchor
the residual falls by less than 30 percent in 20 000 steps; with one, or with Nesterov's momentum,
like 1/k. One certificate proves the game monotone and bounds the residuals of five of the methods
after any number of steps, from every start within `D` of the solution. Four of them come within 12
percent of their bounds on this game, fast extragradient within 2. The papers draw curves; the
numbers to compare with were computed elsewhere, with dense matrices.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import certify
import dgames as dg
from dgames.games import HardInstance
from dgames.plot import COLOURS
from dgames.strategy import norm
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# Points of curves, evenly spaced, and again evenly in the logarithm of the step.
POINTS = 300


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        size: Coordinates of either player.
        steps: How many steps each method takes.
        marks: Steps after which the residual is a number of the study.
    """

    size: int = 100
    steps: int = 20_000
    marks: tuple[int, ...] = (100, 1000, 10_000, 20_000)


class Contestant(NamedTuple):
    """A method, its step times the Lipschitz constant, and its theorem in the certificate."""

    make: Callable[[float, float], dg.AbstractMethod]
    step: float
    theorem: tuple[str, str] | None = None


METHODS = {
    "extragradient": Contestant(
        lambda h, L: dg.Extragradient(h), 0.5, ("extragradient", "last_iterate")
    ),
    "optimistic": Contestant(lambda h, L: dg.Optimistic(h), 0.4),
    "EAG-C": Contestant(
        lambda h, L: dg.AnchoredExtragradient(h), 1 / 8, ("anchored_extragradient", "constant")
    ),
    "EAG-V": Contestant(
        lambda h, L: dg.AnchoredExtragradient(h, L), 0.618, ("anchored_extragradient", "varying")
    ),
    "FEG": Contestant(
        lambda h, L: dg.FastExtragradient(h), 1.0, ("fast_extragradient", "anchored")
    ),
    "AOG": Contestant(lambda h, L: dg.AcceleratedOptimistic(h), 6**-0.5),
    # Without constraints, reflections are the accelerated optimistic method with another step.
    "ARG": Contestant(
        lambda h, L: dg.AcceleratedOptimistic(h, reflected=True),
        1 / 12,
        ("accelerated_optimistic", "anchored"),
    ),
    "Tran-Dinh": Contestant(lambda h, L: dg.NesterovOptimistic(h), 0.25),
}
PROVED = [name for name, contestant in METHODS.items() if contestant.theorem]
ANCHORED = [name for name in METHODS if name not in ("extragradient", "optimistic")]
CLASSES = (
    dg.Extragradient,
    dg.AnchoredExtragradient,
    dg.FastExtragradient,
    dg.AcceleratedOptimistic,
)


def proof(config: Config, run: Run) -> Data:
    """The certificate for all starts as near to the solution as that of the literature."""
    game = HardInstance(config.size)
    solution, distance = game.equilibrium(), _distance(game)
    found = certify.certify_monotone(
        game,
        certify.Box.around(solution, 1.7 * distance),  # EAG looks 1.62 times as far
        CLASSES,
        start=solution,
        start_radius=distance,
    )
    path = found.save(run.folder / "hard_instance.json")
    return {
        "status": found.status,
        "accepted": bool(certify.check(path, game=game).ok),
        "lipschitz": found.lipschitz,
        "distance": found.distance,
        "bounds": [
            {
                "theorem": [name, bound.theorem],
                "constant": bound.constant,
                "step": bound.step,
                "shift": bound.shift,
                "power": 0.5 if bound.root else 1.0,
            }
            for name, bound in found.all_bounds
        ],
    }


def _distance(game: HardInstance) -> float:
    return float(norm(jax.tree.map(jnp.subtract, game.start(), game.equilibrium())))


@eqx.filter_jit
def residuals(
    method: dg.AbstractMethod, game: HardInstance, steps: int
) -> Float[Array, " steps_and_one"]:
    """The norm of the field at every strategy of a run, from the start on."""
    field, start = dg.pseudo_gradient(game), game.start()

    def step(carry: Any, _: None) -> Any:
        return method.step(field, *carry), norm(field(carry[0]))

    (last, _), found = jax.lax.scan(step, (start, method.init(field, start)), length=steps)
    return jnp.append(found, norm(field(last)))


def runs(config: Config, run: Run) -> Data:
    """The residuals of each method, the largest so far of their products with k, and bounds."""
    game = HardInstance(config.size)
    # The proved constant is larger by rounding, so that steps are what the theorems allow.
    lipschitz, distance = run.data["proof"]["lipschitz"], _distance(game)
    count = np.arange(config.steps + 1)
    spaced = np.geomspace(1, config.steps, POINTS), np.linspace(1, config.steps, POINTS)
    shown = np.unique(np.concatenate(spaced).round().astype(int))
    proved = {tuple(bound["theorem"]): bound for bound in run.data["proof"]["bounds"]}

    def of(name: str) -> Data:
        make, step, theorem = METHODS[name]
        asked, bound = step / lipschitz, None if theorem is None else proved[theorem]
        # Where it is asked for, the largest step of a theorem may be less by rounding.
        h = asked if bound is None else min(asked, bound["step"])
        found = np.asarray(residuals(make(h, lipschitz), game, config.steps))
        scaled = np.maximum.accumulate(count * found) / (lipschitz * distance)
        data = {
            "marks": found[list(config.marks)],
            "first": found[0],
            "last": found[-1],
            "largest": scaled[-1],
            "steps": shown,
            "residuals": found[shown],
            "scaled": scaled[shown],
        }
        if bound is not None:
            # The bound is for its own step; shorter steps have it times the ratio.
            constant = bound["constant"] * max(1.0, bound["step"] / h)
            curve = constant / (count[1:] + bound["shift"]) ** bound["power"]
            data |= {
                "constant": constant / (lipschitz * distance),
                "covered": asked <= bound["step"] * (1 + 1e-12),
                "bound": curve[shown - 1],
                "share": (found[1:] / curve).max(),
            }
        return data

    return dict(zip(METHODS, run.each(METHODS, of), strict=True))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    proof, each = data["proof"], data["runs"]
    return {
        "proved": proof["status"] == "proved",
        "accepted by the checker": proof["accepted"],
        "Lipschitz constant": proof["lipschitz"],
        "distance of the start": proof["distance"],
        "residual at the start": each["FEG"]["first"],
        **{f"residuals of {name}": found["marks"] for name, found in each.items()},
        **{f"largest k |F| / (L D) of {name}": each[name]["largest"] for name in ANCHORED},
        **{f"proved factor of {name}": each[name]["constant"] for name in PROVED},
        **{f"largest share of the bound, {name}": each[name]["share"] for name in PROVED},
        "steps covered by their theorems": all(each[name]["covered"] for name in PROVED),
        "least fall with an anchor or momentum": min(
            each[name]["first"] / each[name]["last"] for name in ANCHORED
        ),
        "largest fall without": max(
            each[name]["first"] / each[name]["last"] for name in ("extragradient", "optimistic")
        ),
    }


def curves(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws residuals, and the largest so far of their products with k, beside what is proved."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
    for index, (name, found) in enumerate(data["runs"].items()):
        look = {"color": COLOURS[index % len(COLOURS)], "linewidth": 1.6}
        style = "-" if index < len(COLOURS) else "--"
        left.plot(found["steps"], found["residuals"], style, label=name, **look)
        if name in ANCHORED:
            right.plot(found["steps"], found["scaled"], style, **look)
            if name in PROVED:
                right.axhline(found["constant"], linestyle=":", **look)
    for ax in (left, right):
        ax.set(xscale="log", yscale="log", xlabel="step k", xlim=(config.steps / 200, config.steps))
        ax.spines[["top", "right"]].set_visible(False)
    left.set_title("residual |F|", size="medium")
    right.set_title("largest k |F| / (L D) so far; dotted: proved to stay below", size="medium")
    right.set_ylim(0.3, 40)
    figure.legend(loc="outside right center", frameon=False)
    return figure


STUDY = Study(
    name="hard_instance",
    summary="The hard instance: residuals of eight methods, beside what is proved of them",
    config=Config(),
    quick=Config(size=20, steps=1000, marks=(100, 1000)),
    stages={"proof": proof, "runs": runs},
    numbers=numbers,
    figures={"residuals": curves},
)
