"""Variance reduction on the hard instance: residuals against evaluations of the whole field.

Cai, Alacaoglu and Diakonikolas, *Variance reduced Halpern iteration for finite-sum monotone
inclusions*, ICLR 2024, arXiv:2310.02987, take the game of Ouyang and Xu as an average over its n
coordinates. An evaluation of one of the n fields counts as 1/n of a whole one. With the step of
their experiments, variance reduction ends at the residual of Halpern's iteration for half of the
evaluations if n is 50, and for a third of them if it is 200.

The comparison has two sides. That step is a heuristic: the game is not cocoercive, which the
theorem for this method asks for. Noise grows with n: for 200 it does not vanish in 20 000 steps,
and with twice the step, which whole fields allow, runs explode. And fast extragradient with its
best step has a smaller residual after as many evaluations; for n = 50, what is proved of it is what
variance reduction reaches. Inexact resolvents are for monotone games, but inner steps as few as
here, and in the experiments of the paper, are a heuristic, too. So the only bound drawn is `2 L D /
k`, of fast extragradient: a theorem, of which the study `hard_instance` has a certificate for n =
100.
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

import dgames as dg
from dgames.games import HardInstance
from dgames.plot import COLOURS
from dgames.strategy import norm
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# Points of curves.
POINTS = 300
METHODS = (
    "Halpern",
    "variance reduction",
    "inexact resolvents",
    "extragradient",
    "fast extragradient",
)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of all batches.
        sizes: Coordinates of either player, which are as many fields.
        steps: Steps of Halpern's iteration, and whole evaluations of its rivals.
        step: Its step size.
        repeats: Runs with variance reduction, each with a key of its own.
    """

    seed: int = 0
    sizes: tuple[int, ...] = (50, 200)
    steps: int = 20_000
    step: float = 0.3
    repeats: int = 3


@eqx.filter_jit
def course(
    method: dg.AbstractMethod, field: dg.AbstractField, game: HardInstance, steps: int
) -> tuple[Float[Array, " steps"], Float[Array, " steps"]]:
    """The residual after each step of a run, and the evaluations of components until then."""
    whole, start = dg.pseudo_gradient(game), game.start()

    def step(carry: Any, _: None) -> Any:
        x, state = method.step(field, *carry)
        return (x, state), (norm(whole(x)), getattr(state, "evaluations", jnp.array(0)))

    return jax.lax.scan(step, (start, method.init(field, start)), length=steps)[1]


def mean_square_constant(game: HardInstance) -> float:
    """The largest `sqrt(E_i |F_i(x) - F_i(y)|^2)` over `|x - y| = 1`.

    Field i is n times what the coordinates `x_i` and `y_i` add: two columns of the Jacobian.
    """
    whole, n = dg.pseudo_gradient(game), game.size

    def joined(z: Array) -> Array:
        return jnp.concatenate(whole((z[:n], z[n:])))

    jacobian = np.asarray(jax.jacfwd(joined)(jnp.zeros(2 * n)))
    return np.sqrt(n) * max(np.linalg.norm(jacobian[:, [i, n + i]], 2) for i in range(n))


def runs(config: Config, run: Run) -> Data:
    """The residuals of all methods over whole evaluations, for each size."""

    def of(size: int) -> Data:
        game = HardInstance(size)
        average, whole = game.by_coordinates(), dg.pseudo_gradient(game)
        resolvent, longest = size**0.5, 1 / game.lipschitz()
        constant = mean_square_constant(game)
        inner = dg.VarianceReducedInexactHalpern.largest_step(resolvent, constant, size)
        keys = list(jax.random.split(jax.random.key(config.seed), config.repeats))

        def halpern(key: Array, step: float, refresh: float | None = None) -> dg.AbstractMethod:
            return dg.VarianceReducedHalpern(step, key, refresh=refresh)

        def inexact(key: Array) -> dg.AbstractMethod:
            return dg.VarianceReducedInexactHalpern(resolvent, inner, key)

        def seen(method: Any, steps: int, cost: float | None = None) -> Data:
            field = average if cost is None else whole
            found, evaluations = (np.asarray(each) for each in course(method, field, game, steps))
            spent = evaluations / size if cost is None else cost * np.arange(1, steps + 1)
            shown = np.unique(np.geomspace(1, steps, POINTS).round().astype(int)) - 1
            return {
                "spent": spent[shown],
                "residuals": found[shown],
                "total": spent[-1],
                "last": found[-1],
            }

        reduced = [seen(halpern(key, config.step), config.steps) for key in keys]
        fast, as_many = dg.FastExtragradient(longest), int(reduced[0]["total"]) // 2
        doubled = halpern(keys[0], 2 * config.step, 1.0), halpern(keys[0], 2 * config.step)
        start, end = game.start(), game.equilibrium()
        return {
            "Halpern": [seen(halpern(keys[0], config.step, 1.0), config.steps)],
            "variance reduction": reduced,
            "inexact resolvents": [seen(inexact(key), config.steps // 3) for key in keys],
            "extragradient": [seen(dg.Extragradient(0.7 * longest), config.steps // 2, 2.0)],
            "fast extragradient": [seen(fast, config.steps // 2, 2.0)],
            "rival": seen(fast, as_many, 2.0)["last"],
            "doubled": [seen(method, config.steps // 10)["last"] for method in doubled],
            "first": float(norm(whole(start))),
            "distance": float(norm(jax.tree.map(jnp.subtract, start, end))),
            "lipschitz": game.lipschitz(),
        }

    return dict(zip(map(str, config.sizes), run.each(config.sizes, of), strict=True))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    result: dict[str, Any] = {}
    for size, each in data["runs"].items():
        fast = each["fast extragradient"][0]
        bounds = _bounds(each, fast["spent"])
        found = {
            "residual of Halpern's iteration": each["Halpern"][0]["last"],
            "residuals with variance reduction": [r["last"] for r in each["variance reduction"]],
            "evaluations with variance reduction": [r["total"] for r in each["variance reduction"]],
            "residual of fast extragradient after as many": each["rival"],
            "residuals of inexact resolvents": [r["last"] for r in each["inexact resolvents"]],
            "residual of extragradient": each["extragradient"][0]["last"],
            "residual of fast extragradient": fast["last"],
            "twice the step, whole fields": each["doubled"][0],
            "twice the step, variance reduction": each["doubled"][1],
            "largest share of the bound of fast extragradient": max(
                np.array(fast["residuals"]) / bounds
            ),
        }
        result |= {f"n = {size}: {name}": value for name, value in found.items()}
    return result


def _bounds(each: Data, spent: Any) -> np.ndarray:
    """What is proved of fast extragradient, whose steps cost two evaluations."""
    return 2 * each["lipschitz"] * each["distance"] / (np.array(spent) / 2)


def curves(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws residuals over whole evaluations, for each size."""
    count = len(config.sizes)
    figure, axes = plt.subplots(
        1, count, figsize=(4.4 * count + 2.2, 4.0), layout="constrained", squeeze=False
    )
    for ax, (size, each) in zip(axes[0], data["runs"].items(), strict=True):
        for index, name in enumerate(METHODS):
            for number, run in enumerate(each[name]):
                label = name if number == 0 else None
                width = 1.5 if len(each[name]) == 1 else 0.9
                look = {"color": COLOURS[index], "linewidth": width, "label": label}
                ax.plot(run["spent"], run["residuals"], **look)
        spent = np.array(each["fast extragradient"][0]["spent"])
        label = "theorem: fast extragradient"
        ax.plot(spent, _bounds(each, spent), ":", color=COLOURS[4], linewidth=1.6, label=label)
        ax.set(xscale="log", yscale="log", xlabel="evaluations of the whole field")
        ax.set(xlim=(config.steps / 200, config.steps), ylim=(None, 2 * each["first"]))
        ax.set_title(f"residual |F|, n = {size}", size="medium")
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False
    )
    return figure


STUDY = Study(
    name="variance_reduction",
    summary="Variance reduction on the hard instance: residuals against evaluations",
    config=Config(),
    quick=Config(sizes=(50,), steps=2000, repeats=1),
    stages={"runs": runs},
    numbers=numbers,
    figures={"residuals": curves},
)
