"""A network that reads random games and answers with strategies, trained on how far these are off.

Liu, Marris, Piliouras, Gemp and Heess, *NfgTransformer: Equivariant Representation Learning for
Normal-form Games*, ICLR 2024, arXiv:2402.08393, train networks that are equivariant: if players or
actions change places, so do the answers. Here is one of a size that trains in a minute on a
processor, without labels: its loss is the Nash gap of what it answers, in fresh random games of two
players with four actions each. Beside it stand uniform play and regret matching, which sees the
one game at hand many times, while the network reads it once.

What it learns is not the equilibrium of one game, but how to read games: it also answers games of
more actions, which it has never seen, though less well, and of three players, where it is not much
better than uniform play. None of it is proved; the gaps are computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array, Float, Key
from matplotlib.figure import Figure

import dgames as dg
from dgames.games import MatrixGame
from dgames.nn import NormalFormNetwork
from dgames.plot import COLOURS
from experiments.stages import Run
from experiments.storage import Data, Number
from experiments.study import Study

TRAINED, WIDER, THREE = (2, 4, 4), (2, 6, 6), (3, 3, 3, 3)
PLAYS = (10, 100, 1000)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of weights and games.
        width: The length of embeddings.
        rounds: The rounds of the network.
        rate: The first learning rate of Adam, which falls to zero.
        batch: Games per step.
        stage: Steps between two points of the curve.
        stages: Points of the curve.
        games: Games of each test.
    """

    seed: int = 0
    width: int = 24
    rounds: int = 3
    rate: float = 3e-3
    batch: int = 64
    stage: int = 500
    stages: int = 8
    games: int = 512


def drawn(key: Key[Array, ""], count: int, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Random games: all payoffs are independent and normal."""
    return jax.random.normal(key, (count, *shape))


def gaps(payoffs: Float[Array, "games ..."], answer: Any) -> Float[Array, " games"]:
    """How far answers to games are from equilibrium: what all players together could save."""
    return jax.vmap(lambda own: dg.nash_gap(MatrixGame(*own), answer(own)))(payoffs)


@eqx.filter_jit
def trained(
    net: NormalFormNetwork, optimiser: Any, state: Any, key: Key[Array, ""], config: Config
) -> tuple[NormalFormNetwork, Any]:
    """The network after some more steps, each on fresh games."""

    def loss(net: NormalFormNetwork, key: Key[Array, ""]) -> Float[Array, ""]:
        return jnp.mean(gaps(drawn(key, config.batch, TRAINED), net))

    def step(carry: Any, key: Key[Array, ""]) -> Any:
        net, state = carry
        slope = jax.grad(loss)(net, key)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes floats and counters
            update, state = optimiser.update(slope, state)
        return (eqx.apply_updates(net, update), state), None

    return jax.lax.scan(step, (net, state), jax.random.split(key, config.stage))[0]


def training(config: Config, run: Run) -> Data:
    """The mean gap in test games after each stage, and that of rivals."""
    weights, keys, tests = jax.random.split(jax.random.key(config.seed), 3)
    net = NormalFormNetwork(config.width, config.rounds, weights)
    schedule = optax.cosine_decay_schedule(config.rate, config.stage * config.stages)
    optimiser: Any = optax.adam(schedule)
    state = optimiser.init(net)
    sets: dict[tuple[int, ...], Array] = {
        shape: drawn(key, config.games, shape)
        for shape, key in zip((TRAINED, WIDER, THREE), jax.random.split(tests, 3), strict=True)
    }

    def mean(answer: Any, shape: tuple[int, ...] = TRAINED) -> float:
        return float(jnp.mean(eqx.filter_jit(gaps)(sets[shape], answer)))

    curve = [mean(net)]
    for key in jax.random.split(keys, config.stages):
        net, state = trained(net, optimiser, state, key, config)
        curve.append(mean(net))

    def uniform(payoffs: Array) -> tuple[Array, ...]:
        return tuple(jnp.full(n, 1 / n, payoffs.dtype) for n in payoffs.shape[1:])

    def matched(plays: int) -> Any:
        def answer(payoffs: Array) -> Any:
            game = MatrixGame(*payoffs)
            return dg.iterate(game, dg.methods.cfr_plus(), game.uniform(), steps=plays).strategy

        return answer

    shuffled = sets[TRAINED][:, ::-1, ::-1].swapaxes(2, 3)
    back = jax.vmap(lambda u: net(u)[::-1])(shuffled)
    straight = jax.vmap(lambda u: tuple(own if i else own[::-1] for i, own in enumerate(net(u))))(
        sets[TRAINED]
    )
    apart = [jnp.max(jnp.abs(a - b)) for a, b in zip(back, straight, strict=True)]
    return {
        "curve": curve,
        "uniform": {_words(shape): mean(uniform, shape) for shape in sets},
        "network": {_words(shape): mean(net, shape) for shape in sets},
        "regret matching": [mean(matched(plays)) for plays in PLAYS],
        "shuffled": float(jnp.max(jnp.stack(apart))),
    }


def _words(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[1:]))


def numbers(data: Mapping[str, Data]) -> dict[str, Number]:
    """The numbers of the study."""
    found = data["training"]
    return {
        "largest difference between answers to a game and to it shuffled": found["shuffled"],
        **{f"{shape}: mean gap of uniform play": x for shape, x in found["uniform"].items()},
        **{f"{shape}: mean gap of the network": x for shape, x in found["network"].items()},
        **{
            f"mean gap after {plays} plays of regret matching": x
            for plays, x in zip(PLAYS, found["regret matching"], strict=True)
        },
    }


def course(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the course of training, with rivals as lines."""
    found = data["training"]
    figure, ax = plt.subplots(figsize=(6.0, 3.8), layout="constrained")
    steps = config.stage * np.arange(config.stages + 1)
    ax.semilogy(steps, found["curve"], "o-", color=COLOURS[0], label="network")
    ax.axhline(found["uniform"][_words(TRAINED)], color="0.5", label="uniform play")
    for plays, gap, colour in zip(PLAYS, found["regret matching"], COLOURS[1:], strict=False):
        ax.axhline(gap, color=colour, ls="--", label=f"{plays} plays of regret matching")
    ax.set(xlabel="steps of training", ylabel="mean Nash gap of unseen games")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return figure


STUDY = Study(
    name="equilibrium_network",
    summary="An equivariant network that reads games and answers with strategies",
    config=Config(),
    quick=Config(width=12, rounds=2, stage=60, stages=2, games=64),
    stages={"training": training},
    numbers=numbers,
    figures={"training": course},
)
