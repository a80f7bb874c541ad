"""Poker and liar's dice on trees: regrets that go fast, and magnets whose rate is proved.

Counterfactual regret minimisation (Zinkevich et al., NeurIPS 2007) and what came of it, CFR+
(Tammelin, arXiv:1407.5042), linear weights (Brown and Sandholm, AAAI 2019) and predictions (Farina,
Kroer and Sandholm, AAAI 2021), find strategies with little exploitability; so does magnetic mirror
descent (Sokota et al., ICLR 2023, arXiv:2206.05825) if its magnet is moved now and then. All of
these runs are measured, step by step, in Kuhn's poker, Leduc poker and liar's dice of four sides.

With a magnet that stays, mirror descent comes to the quantal response equilibrium, and that is a
theorem, over all positive strategies: here the proved factor per step stands beside the largest one
that random starts show, with the exploitability of the equilibria, which falls with the
temperature. The quantal response at 0.1 is the one that Gambit finds. The certificates also hold
the value of each game, between two numbers next to each other.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float, Key
from matplotlib.figure import Figure

import certify
import dgames as dg
from dgames.games import TreeGame
from dgames.plot import COLOURS
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

FORMS = {
    "Kuhn": dg.games.kuhn_poker,
    "Leduc": dg.games.leduc_poker,
    "liar's dice 4": lambda: dg.games.liars_dice(4),
    "liar's dice 2": lambda: dg.games.liars_dice(2),
}
METHODS = {
    "CFR": dg.methods.cfr,
    "CFR+": dg.methods.cfr_plus,
    "linear CFR": dg.methods.linear_cfr,
    "predictive CFR+": dg.methods.predictive_cfr_plus,
}
MAGNETIC = "magnetic mirror descent"
# The sequences of the quantal response equilibrium of Kuhn's poker at temperature 0.1, sorted, as
# Gambit finds them: from the tests of OpenSpiel, `mmd_dilated_test.py`.
GAMBIT = (
    (
        *(0.01290797, 0.10668266, 0.24635768, 0.25609184, 0.29690191, 0.44700625, 0.46256001),
        *(0.47546799, 0.52453201, 0.64695966, 0.70309809, 0.75364232, 1.0),
    ),
    (
        *(0.0620185, 0.20277233, 0.28438486, 0.34994566, 0.36584056, 0.41154828, 0.58845172),
        *(0.63415944, 0.65005434, 0.71561514, 0.79722767, 0.9379815, 1.0),
    ),
)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of random starts.
        games: The games in which runs are measured, with the number of steps.
        methods: The methods of these runs.
        step: The step of magnetic mirror descent in these runs.
        pull: The temperature of its magnet there.
        period: The steps after which the magnet is moved to where play is.
        temperatures: The temperatures at which Kuhn's poker is certified.
        starts: How many random starts are compared with each proved factor.
        records: How many points their curves have.
        certified: The games that are certified beside it.
        temperature: The temperature at which they are.
    """

    seed: int = 0
    games: tuple[tuple[str, int], ...] = (
        ("Kuhn", 10_000),
        ("Leduc", 1000),
        ("liar's dice 4", 1000),
    )
    methods: tuple[str, ...] = (*METHODS, MAGNETIC)
    step: float = 0.2
    pull: float = 0.2
    period: int = 200
    temperatures: tuple[float, ...] = (0.5, 0.1, 0.05, 0.02)
    starts: int = 64
    records: int = 60
    certified: tuple[str, ...] = ("Leduc", "liar's dice 4")
    temperature: float = 0.1


def curves(config: Config, run: Run) -> list[Data]:
    """Exploitability of each method over its steps, in each game."""

    def of(case: tuple[str, int]) -> Data:
        name, steps = case
        game = FORMS[name]().game()
        gap = eqx.filter_jit(dg.exploitability)
        marks = [k * 10**power for power in range(5) for k in (1, 2, 5) if k * 10**power <= steps]
        found = {}
        for method in config.methods:
            rule = _method(method, game, config)
            x, state, done, gaps = game.uniform(), None, 0, []
            for mark in marks:
                made = dg.iterate(game, rule, x, steps=mark - done, state=state)
                x, state, done = made.strategy, made.state, mark
                gaps.append(float(gap(game, x)))
            found[method] = gaps
        return {"game": name, "marks": marks, "gaps": found}

    return run.each(config.games, of)


def _method(name: str, game: TreeGame, config: Config) -> dg.AbstractMethod:
    if name == MAGNETIC:
        magnet = dg.Magnet(config.pull, rate=1.0, period=config.period)
        return dg.MirrorDescent(config.step, game.dilated_entropies(), magnet)
    return METHODS[name]()


def random_strategies(game: TreeGame, key: Key[Array, ""]) -> tuple[Array, ...]:
    """A random positive strategy of each player; some are near to pure ones."""
    spread, *keys = jax.random.split(key, 1 + len(game.treeplexes))
    scale = 6 * jax.random.uniform(spread)
    return tuple(
        mirror.primal(scale * jax.random.normal(own, (tree.sequences,)))
        for mirror, tree, own in zip(game.dilated_entropies(), game.treeplexes, keys, strict=True)
    )


@eqx.filter_jit
def decay(
    game: dg.RegularisedTree,
    step: Float[Array, ""],
    center: tuple[Array, ...],
    key: Key[Array, ""],
    every: Array,
    sizes: tuple[int, int],
) -> tuple[Float[Array, " records"], Float[Array, ""]]:
    """How the divergence from an equilibrium falls, from random starts.

    Args:
        game: The regularised game.
        step: The step of magnetic mirror descent.
        center: The equilibrium.
        key: The key of random starts.
        every: How many steps there are between two records.
        sizes: The number of starts, and of records.

    Returns:
        The largest share of its first divergence that is left of any run, at each record, and the
        largest factor of any one step.
    """
    starts, records = sizes
    mirrors = game.dilated_entropies()
    field, method = dg.pseudo_gradient(game), dg.MirrorDescent(step, mirrors)
    x = jax.vmap(lambda key: random_strategies(game.game, key))(jax.random.split(key, starts))
    ends = tuple(mirror.dual(own) for mirror, own in zip(mirrors, center, strict=True))

    @jax.vmap
    def divergence(x: Any) -> Array:
        triples = zip(mirrors, ends, x, strict=True)
        return sum((m.divergence(end, m.dual(own)) for m, end, own in triples), jnp.zeros(()))

    def one(_: Any, carry: Any) -> Any:
        x, state, before, worst = carry
        x, state = jax.vmap(lambda x, state: method.step(field, x, state))(x, state)
        after = divergence(x)
        # Below, rounding is not small against the divergence.
        factor = jnp.max(jnp.where(before > 1e-9, after / before, 0))
        return x, state, after, jnp.maximum(worst, factor)

    def stretch(carry: Any, _: None) -> Any:
        carry = jax.lax.fori_loop(0, every, one, carry)
        return carry, jnp.max(carry[2] / first)

    first = divergence(x)
    state = jax.vmap(lambda x: method.init(field, x))(x)
    carry, left = jax.lax.scan(stretch, (x, state, first, jnp.zeros(())), length=records)
    return jnp.concatenate([jnp.ones(1), left]), carry[3]


def rates(config: Config, run: Run) -> list[Data]:
    """Kuhn's poker at each temperature: the proved factor, and those of random starts."""
    game = dg.games.kuhn_poker().game()

    def of(temperature: float) -> Data:
        found = certify.certify_tree(game, temperature)
        path = found.save(run.folder / f"kuhn-{temperature:g}.json")
        every = int(np.ceil(0.2 / (1 - found.step.rate)))
        left, worst = decay(
            dg.RegularisedTree(game, jnp.asarray(temperature)),
            jnp.asarray(found.step.best),
            tuple(map(jnp.asarray, found.equilibrium.center)),
            jax.random.key(config.seed),
            jnp.asarray(every),
            (config.starts, config.records),
        )
        return {
            "temperature": temperature,
            "accepted": bool(certify.check(path).ok),
            "margin": found.margin,
            "lipschitz": found.lipschitz,
            "factor": found.step.rate,
            "worst": worst,
            "every": every,
            "left": left,
            "exploitability": found.exploitability.equilibrium / 2,
            "value": found.value,
            "center": found.equilibrium.center,
        }

    return run.each(config.temperatures, of)


def certificates(config: Config, run: Run) -> list[Data]:
    """Certificates of larger games, and how long they take to find and to check."""

    def of(name: str) -> Data:
        game = FORMS[name]().game()
        start = time.perf_counter()
        found = certify.certify_tree(game, config.temperature)
        path = found.save(run.folder / f"{name.replace(' ', '-').replace(chr(39), '')}.json")
        made = time.perf_counter()
        accepted = bool(certify.check(path).ok)
        return {
            "game": name,
            "accepted": accepted,
            "lipschitz": found.lipschitz,
            "factor": found.step.rate,
            "value": found.value,
            "proof": made - start,
            "check": time.perf_counter() - made,
        }

    return run.each(config.certified, of)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found: dict[str, Any] = {}
    for case in data["curves"]:
        kept = [i for i, mark in enumerate(case["marks"]) if mark in (10, 100, 1000, 10_000)]
        for method, gaps in case["gaps"].items():
            name = f"{case['game']}, {method}: exploitability after 10, 100, ... steps"
            found[name] = [gaps[i] for i in kept]
    every = data["rates"]
    found |= {
        "Kuhn: Lipschitz constant": every[0]["lipschitz"],
        "Kuhn: margins": [case["margin"] for case in every],
        "Kuhn: proved factors": [case["factor"] for case in every],
        "Kuhn: largest factors of random starts": [case["worst"] for case in every],
        "Kuhn: share that the worst step takes off, over that proved": [
            (1 - case["worst"]) / (1 - case["factor"]) for case in every
        ],
        "Kuhn: exploitability of quantal responses": [case["exploitability"] for case in every],
        "Kuhn: widest enclosure of the value": max(
            case["value"][1] - case["value"][0] for case in every
        ),
        "Kuhn: value": every[0]["value"][0],
    }
    for case in every:
        if case["temperature"] == 0.1:
            pairs = zip(case["center"], GAMBIT, strict=True)
            found["Kuhn: largest difference from Gambit's quantal response"] = max(
                float(np.max(np.abs(np.sort(own) - published))) for own, published in pairs
            )
    for case in data["certificates"]:
        name, (lower, upper) = case["game"], case["value"]
        found |= {
            f"{name}: Lipschitz constant": case["lipschitz"],
            f"{name}: value": lower,
            f"{name}: width of its enclosure": upper - lower,
        }
    cases = [*every, *data["certificates"]]
    return found | {"all proofs accepted": all(case["accepted"] for case in cases)}


def exploitability(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the exploitability of all methods over their steps."""
    count = len(data["curves"])
    figure, axes = plt.subplots(
        1, count, figsize=(1 + 3.7 * count, 3.6), layout="constrained", squeeze=False
    )
    for ax, case in zip(axes[0], data["curves"], strict=True):
        for colour, (method, gaps) in zip(COLOURS, case["gaps"].items(), strict=False):
            ax.loglog(case["marks"], gaps, "o-", color=colour, markersize=3, label=method)
        ax.set(title=case["game"], xlabel="steps")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("exploitability")
    axes[0, 0].legend(frameon=False, fontsize="small")
    return figure


def proved_rates(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws what is left of divergences of random starts below what is proved."""
    count = len(data["rates"])
    figure, axes = plt.subplots(
        *(1, count),
        figsize=(1 + 2.8 * count, 3.2),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for ax, case in zip(axes[0], data["rates"], strict=True):
        steps = case["every"] * np.arange(len(case["left"]))
        ax.semilogy(steps, case["factor"] ** steps, "k--", label="proved")
        ax.semilogy(steps, case["left"], color=COLOURS[0], label="worst of random starts")
        ax.set(title=f"temperature {case['temperature']:g}", xlabel="steps", ylim=(1e-9, 2))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("share of the divergence")
    axes[0, -1].legend(frameon=False, fontsize="small")
    return figure


STUDY = Study(
    name="games_on_trees",
    summary="Poker and liar's dice: exploitability of regret methods, and rates that are proved",
    config=Config(),
    quick=Config(
        games=(("Kuhn", 1000),),
        methods=("CFR", "CFR+"),
        temperatures=(0.5, 0.1),
        starts=16,
        records=20,
        certified=("liar's dice 2",),
    ),
    stages={"curves": curves, "rates": rates, "certificates": certificates},
    numbers=numbers,
    figures={"exploitability": exploitability, "rates": proved_rates},
)
