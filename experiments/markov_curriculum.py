"""A curriculum of rationality on a Markov game, and what the protagonist can be sure of after it.

As in `rationality_curriculum`, an adversary is nearly random at first, and his temperature is
lowered only while the protagonist is paid enough (Reddi et al., *Robust Adversarial Reinforcement
Learning via Bounded Rationality Curricula*, ICLR 2024, arXiv:2311.01642). Here both choose in each
of two states, and what they do moves the state:

    lower alpha, as far as sum over states of KL(new answer || old answer) <= epsilon,
    only if   value >= xi,

where the answers are softmax, with temperature alpha, of what each of the adversary's actions is
worth to him now. Both learn by magnetic mirror descent on the policies of all states.

What the protagonist has learnt is judged by her worst case: against a fixed policy the adversary
faces a decision process, in which some deterministic policy is best, so that the worst case is the
least of four values, each of them a rational number that is computed exactly. Three trainings are
compared at the same number of steps: under the gate, against the rational adversary at once, and
against an adversary who stays random. Convergence is measured here, not proved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import dgames as dg
from dgames.games import MarkovGame
from dgames.plot import COLOURS
from experiments.rationality_curriculum import Gate
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# What the protagonist is paid in each state, who chooses the row: in the open and under cover.
REWARDS = np.array([[[0.25, 0.0], [0.0, 0.5]], [[1.0, 0.25], [0.25, 0.75]]])
# The probability that she is under cover next.
COVER = np.array([[[0.25, 0.75], [0.5, 0.25]], [[0.5, 0.75], [0.75, 0.25]]])
DISCOUNT = 0.75


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        first: The adversary's first temperature.
        target: His last one, and the protagonist's.
        divergence: epsilon.
        bounds: Values xi that the protagonist has to reach before the adversary improves.
        rounds: How often the gate is asked.
        steps: Steps of mirror descent in between.
        size: The length of a step.
    """

    first: float = 2.0
    target: float = 0.02
    divergence: float = 0.01
    bounds: tuple[float, ...] = (0.3, 0.4)
    rounds: int = 200
    steps: int = 20
    size: float = 0.2


def between(protagonist: Any, adversary: Any) -> dg.Regularised:
    """Returns the game of two players with temperatures of their own, as in the matrix game."""
    rewards, cover = jnp.asarray(REWARDS), jnp.asarray(COVER)
    both = jnp.stack([rewards, -(protagonist / adversary) * rewards])
    transitions = jnp.stack([1 - cover, cover], -1)
    return dg.Regularised(MarkovGame(both, transitions, discount=DISCOUNT), protagonist)


def uniform() -> tuple[Array, Array]:
    """Returns the policies at the start, in which both play all actions alike."""
    return jnp.full((2, 2), 0.5), jnp.full((2, 2), 0.5)


def value(p: list[list[Fraction]], q: list[list[Fraction]]) -> Fraction:
    """The protagonist's value under two policies, normalised, from both states alike; exactly."""
    d = Fraction(DISCOUNT)

    def mean(tables: Float[np.ndarray, "2 2 2"], s: int) -> Fraction:
        table = [[Fraction(entry) for entry in row] for row in tables[s].tolist()]
        pairs = product(range(2), repeat=2)
        return sum((p[s][a] * table[a][b] * q[s][b] for a, b in pairs), Fraction(0))

    r, c = ([mean(tables, s) for s in range(2)] for tables in (REWARDS, COVER))
    # v_s = r_s + d ((1 - c_s) v_0 + c_s v_1): two linear equations, and (1 - d) v is normalised.
    a = [[1 - d * (1 - c[0]), -d * c[0]], [-d * (1 - c[1]), 1 - d * c[1]]]
    determinant = a[0][0] * a[1][1] - a[0][1] * a[1][0]
    v0 = (r[0] * a[1][1] - a[0][1] * r[1]) / determinant
    v1 = (a[0][0] * r[1] - a[1][0] * r[0]) / determinant
    return (1 - d) * (v0 + v1) / 2


def worst_case(p: Float[np.ndarray, "2 2"]) -> Fraction:
    """The protagonist's value against the best answer to her policy, exactly.

    Rows of floats are divided by their sums. Some deterministic policy is best against her, so that
    it is enough to try these.
    """
    rows = [[Fraction(x) for x in row] for row in p.tolist()]
    policy = [[x / sum(row) for x in row] for row in rows]
    pure = [[Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]]
    return min(value(policy, [pure[a], pure[b]]) for a, b in product(range(2), repeat=2))


@eqx.filter_jit
def curriculum(gate: Gate, protagonist: Array, first: Array, size: Array, config: Config) -> Any:
    """Learns under a gate: temperatures, values for the protagonist, and policies by round."""
    plain, x, method = between(1.0, 1.0).game, uniform(), dg.MirrorDescent(size)

    def ask(carry: Any, _: None) -> Any:
        x, state, temperature = carry
        field = dg.pseudo_gradient(between(protagonist, temperature))
        learnt = jax.lax.fori_loop(
            0, config.steps, lambda _, own: method.step(field, *own), (x, state)
        )
        value = -plain.costs(learnt[0])[0]
        worth = -dg.pseudo_gradient(plain)(learnt[0])[1]
        return (*learnt, gate(temperature, value, worth)), (temperature, value, learnt[0])

    start = (x, method.init(dg.pseudo_gradient(between(protagonist, first)), x), first)
    return jax.lax.scan(ask, start, length=config.rounds)[1]


def trainings(config: Config, run: Run) -> list[Data]:
    """Under each bound; against the rational adversary at once; and against a random one."""
    ways = [(f"bound {bound:g}", bound, config.first) for bound in config.bounds]
    ways += [("rational at once", np.inf, config.target), ("random", np.inf, 1e6)]

    def learnt(way: tuple[str, float, float]) -> Data:
        name, bound, first = way
        gate = Gate(*map(jnp.asarray, (bound, config.divergence, config.target)))
        protagonist, start, size = map(jnp.asarray, (config.target, first, config.size))
        found = curriculum(gate, protagonist, start, size, config)
        temperatures, values, policies = jax.tree.map(np.asarray, found)
        return {
            "name": name,
            "bound": bound if np.isfinite(bound) else None,
            "temperatures": temperatures,
            "values": values,
            "worst cases": [float(worst_case(policy)) for policy in policies[0]],
            "moves": np.abs(policies[0][-1] - policies[0][-2]).max(),
        }

    return run.each(ways, learnt)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found: dict[str, Any] = {}
    for case in data["trainings"]:
        name, temperatures = case["name"], np.array(case["temperatures"])
        found |= {
            f"{name}: last temperature": float(temperatures[-1]),
            f"{name}: worst case at the end": case["worst cases"][-1],
            f"{name}: value at the end": float(case["values"][-1]),
            f"{name}: last change of a policy": float(case["moves"]),
        }
        if case["bound"] is not None:
            opened = int((np.diff(temperatures) < 0).sum())
            found[f"{name}: times that the gate opened"] = opened
            found[f"{name}: the temperature never rises"] = bool((np.diff(temperatures) <= 0).all())
    return found


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the temperatures, the values on the way, and what she can be sure of."""
    canvas, axes = plt.subplots(1, 3, figsize=(13.5, 4), layout="constrained")
    rounds = np.arange(config.rounds)
    for colour, case in zip(COLOURS, data["trainings"], strict=False):
        if case["bound"] is not None:
            axes[0].step(rounds, case["temperatures"], where="post", color=colour)
            axes[1].axhline(case["bound"], color=colour, linestyle=":", linewidth=1.2)
        axes[1].plot(rounds, case["values"], color=colour)
        axes[2].plot(rounds, case["worst cases"], color=colour, label=case["name"])
    axes[0].set(yscale="log", xlabel="round", title="temperature of the adversary")
    axes[1].set(xlabel="round", title="value for the protagonist; dotted: xi")
    axes[2].set(xlabel="round", title="her worst case, exactly")
    axes[2].legend(frameon=False, fontsize="small")
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return canvas


STUDY = Study(
    name="markov_curriculum",
    summary="A curriculum of rationality on a Markov game, and the worst case of what is learnt",
    config=Config(),
    quick=Config(),
    stages={"trainings": trainings},
    numbers=numbers,
    figures={"curriculum": figure},
)
