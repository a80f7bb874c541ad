"""Players who shape each other: the tandem game, and the iterated prisoners' dilemma.

Letcher, Foerster, Balduzzi, Rocktaeschel and Whiteson, *Stable opponent shaping in differentiable
games* (SOS), ICLR 2019, arXiv:1811.08469, with the setting of their notebook. In the tandem game
every point with `x + y = 1` is an equilibrium; LOLA with the weight a leaves them for
`x + y = (1 - 2 a) / (1 - 4 a)`, where both pay more, and LookAhead and SOS do not. In the iterated
prisoners' dilemma nearly all runs of LOLA and SOS come to answer in kind, tit for tat, and so to
cooperate, and most runs of the others to defect. The closed forms of the tandem game are ours.

Nothing is proved here. The equilibria of the tandem game are a line, and those of the iterated
prisoners' dilemma lie at infinity, so that neither has an isolated point to be enclosed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float, PyTree
from matplotlib.figure import Figure
from typing_extensions import override

import dgames as dg
from dgames.games import IteratedPrisonersDilemma, Tandem
from dgames.plot import COLOURS
from dgames.strategy import Strategy, blocks, join
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# The notebook's weight of consensus optimisation. Its symplectic adjustment has the weight one, and
# chooses the sign.
CONSENSUS = 1.0
METHODS = ("naive", "LookAhead", "LOLA", "SOS", "SGA", "consensus")
# In the order of the states in which a player's logits answer.
STATES = ("first", "CC", "CD", "DC", "DD")
# A loss per round below this one is rather that of cooperation, 1, than that of defection, 2.
COOPERATION = 1.5


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        tandem_weights: The a of LookAhead, LOLA and SOS in the tandem game.
        tandem_step: Its step size.
        tandem_steps: How many steps are made.
        start: Where they start.
        discount: Of the iterated prisoners' dilemma.
        alpha: Its step size, and the a of LookAhead, LOLA and SOS there.
        runs: How many runs there are.
        epochs: Of how many steps.
        seed: Of their starts.
    """

    tandem_weights: tuple[float, ...] = (0.0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2)
    tandem_step: float = 0.1
    tandem_steps: int = 2000
    start: tuple[float, float] = (0.1, -0.05)
    discount: float = 0.96
    alpha: float = 1.0
    runs: int = 50
    epochs: int = 100
    seed: int = 0


class Undivided(dg.Game):
    """The iterated prisoners' dilemma with losses that are summed over rounds, and not averaged.

    The notebook descends on these sums, and prints averages.

    Attributes:
        game: The game with averages.
    """

    game: IteratedPrisonersDilemma

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        averages = blocks(self.game.costs(x, args))
        return join(x, tuple(cost / (1 - self.game.discount) for cost in averages))


def field_of(name: str, game: dg.Game, alpha: Any) -> dg.AbstractField:
    """Returns the field of a method of the notebook.

    Args:
        name: One of `METHODS`.
        game: The game.
        alpha: The a of LookAhead, LOLA and SOS.
    """
    match name:
        case "naive":
            return dg.pseudo_gradient(game)
        case "LookAhead":
            return dg.LookAhead(game, alpha)
        case "LOLA":
            return dg.LOLA(game, alpha)
        case "SOS":
            return dg.StableOpponentShaping(game, alpha)
        case "SGA":
            return dg.SymplecticAdjusted(game, aligned=True)
        case "consensus":
            return dg.Consensus(game, CONSENSUS)
        case _:
            raise ValueError(f"there is no method {name!r}; there are {', '.join(METHODS)}")


def arrogant(alpha: Any) -> Any:
    """Returns the x + y to which LOLA leads in the tandem game."""
    return (1 - 2 * alpha) / (1 - 4 * alpha)


def tandem(config: Config, run: Run) -> Data:
    """The tandem game: sums and losses at the ends of runs."""
    game, step = Tandem(), config.tandem_step
    start = tuple(jnp.asarray(own) for own in config.start)

    def found(name: str) -> Data:
        @jax.jit
        @jax.vmap
        def ends(alpha: Array) -> Any:
            field = field_of(name, game, alpha)

            def move(x: Any, _: None) -> Any:
                return jax.tree.map(lambda own, force: own - step * force, x, field(x)), None

            x, _ = jax.lax.scan(move, start, length=config.tandem_steps)
            return x[0] + x[1], jnp.stack(blocks(game.costs(x)))

        sums, losses = ends(jnp.asarray(config.tandem_weights))
        return {"weights": config.tandem_weights, "sums": sums, "losses": losses}

    return {name: found(name) for name in ("LookAhead", "LOLA", "SOS")}


def dilemma(config: Config, run: Run) -> Data:
    """The iterated prisoners' dilemma: losses of many runs, and the policies at their ends."""
    averages = IteratedPrisonersDilemma(config.discount)
    game = Undivided(averages)
    starts = jax.random.normal(jax.random.key(config.seed), (config.runs, 2, 5))

    def found(name: str) -> Data:
        field, method = field_of(name, game, config.alpha), dg.Simultaneous(config.alpha)

        @eqx.filter_jit
        @jax.vmap
        def learnt(start: Float[Array, "2 5"]) -> Any:
            def step(carry: Any, _: None) -> Any:
                x, state = carry
                return method.step(field, x, state), jnp.stack(blocks(averages.costs(x)))

            x = (start[0], start[1])
            (x, _), losses = jax.lax.scan(step, (x, method.init(field, x)), length=config.epochs)
            last = jnp.stack(blocks(averages.costs(x)))
            return jnp.concatenate([losses, last[None]]), jax.nn.sigmoid(jnp.stack(x))

        losses, policies = learnt(starts)
        return {"losses": losses[:, :, 0], "others": losses[:, -1, 1], "policies": policies}

    return dict(zip(METHODS, run.each(METHODS, found), strict=True))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    tandems = data["tandem"]
    weights = tandems["LOLA"]["weights"]
    chosen = weights.index(0.1)
    ends = np.array(tandems["LOLA"]["sums"])
    last = {name: np.array(found["losses"])[:, -1] for name, found in data["dilemma"].items()}
    return {
        "tandem: x + y of LookAhead, LOLA and SOS": [
            found["sums"][chosen] for found in tandems.values()
        ],
        **{f"tandem: losses of {name}": found["losses"][chosen] for name, found in tandems.items()},
        "tandem: largest error of (1 - 2 a) / (1 - 4 a)": np.abs(
            ends - arrogant(np.array(weights))
        ).max(),
        **{f"dilemma: mean loss of {name}": losses.mean() for name, losses in last.items()},
        **{
            f"dilemma: share of runs of {name} that cooperate": (losses < COOPERATION).mean()
            for name, losses in last.items()
        },
    }


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the tandem game, mean losses in the dilemma, and the policies at the ends of runs."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    colours = dict(zip(METHODS, COLOURS, strict=False))
    fine = np.linspace(config.tandem_weights[0], config.tandem_weights[-1], 100)
    left.plot(fine, arrogant(fine), ":", color=COLOURS[-1], label="(1 - 2 a) / (1 - 4 a)")
    left.axhline(1.0, color="0.8", linewidth=0.8)
    for marker, (name, found) in zip("so^", data["tandem"].items(), strict=True):
        left.plot(
            *(config.tandem_weights, found["sums"]),
            marker,
            color=colours[name],
            label=name,
            fillstyle="none" if name == "SOS" else "full",
            markersize=9 if name == "SOS" else 6,
        )
    left.set(xlabel="a", ylabel="x + y", title="tandem: where the players come to")
    left.legend(frameon=False)
    epochs = np.arange(config.epochs + 1)
    for name, found in data["dilemma"].items():
        middle.plot(epochs, np.mean(found["losses"], axis=0), color=colours[name], label=name)
    middle.axhline(1.0, color="0.8", linewidth=0.8)
    middle.axhline(2.0, color="0.8", linewidth=0.8)
    middle.set(xlabel="epoch", ylabel="loss per round", title="iterated dilemma: mean of the runs")
    middle.legend(frameon=False, fontsize="small")
    chances = np.array(
        [np.mean(found["policies"], axis=0)[0] for found in data["dilemma"].values()]
    )
    right.imshow(chances, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (i, j), chance in np.ndenumerate(chances):
        shade = "black" if chance > 0.55 else "white"
        right.text(j, i, f"{chance:.2f}", ha="center", va="center", color=shade, fontsize="small")
    right.set_xticks(range(len(STATES)), STATES)
    right.set_yticks(range(len(METHODS)), METHODS)
    right.set(xlabel="what both did before", title="first player: mean chance to cooperate")
    for ax in (left, middle):
        ax.spines[["top", "right"]].set_visible(False)
    return canvas


STUDY = Study(
    name="opponent_shaping",
    summary="Opponent shaping: the tandem game and the iterated prisoners' dilemma",
    config=Config(),
    quick=Config(runs=20),
    stages={"tandem": tandem, "dilemma": dilemma},
    numbers=numbers,
    figures={"shaping": figure},
)
