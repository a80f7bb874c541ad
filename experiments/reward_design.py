"""Reward design: a leader pays bonuses, and a learner answers with its optimal soft policy.

Chakraborty et al., *PARL: A unified framework for policy alignment in reinforcement learning*,
arXiv 2308.02585, put the design of rewards above the learning of a policy. Here the problem below
is a table with entropy regularisation of temperature t: its values are the one fixed point of the
soft equations of Bellman,

    V(s) = t log sum_a exp(Q(s, a) / t),    Q(s, a) = r(s, a) + x(s) + g sum_s' P(s'|s, a) V(s'),

a contraction with the discount g, and the policy is the softmax of Q / t. So V is differentiable in
the bonuses x, by the implicit function theorem. The leader wants another state visited than the one
that the learner's own rewards lead to, and pays for bonuses. What k rounds of value iteration give,
differentiated, is off by g^k or less: a constant added to V changes no policy, and all else is
forgotten faster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

import dgames as dg
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# States on a line, from which one can go left or right.
STATES = 5
DISCOUNT = 0.9
# The chance that a move goes the other way.
SLIP = 0.2


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: Not used: nothing is drawn.
        temperatures: Of the learner.
        price: What the leader pays for bonuses: this times half of their squares.
        step: The leader's step size.
        rounds: Numbers of rounds of value iteration whose derivative is compared.
    """

    seed: int = 0
    temperatures: tuple[float, ...] = (0.5, 1.0, 2.0)
    price: float = 0.02
    step: float = 10.0
    rounds: tuple[int, ...] = (1, 2, 4, 8, 16, 32)


def transitions() -> np.ndarray:
    """Returns the chances of the next state, for each state and move, shape (5, 2, 5)."""
    chances = np.zeros((STATES, 2, STATES))
    for state in range(STATES):
        ends = max(state - 1, 0), min(state + 1, STATES - 1)
        for move in (0, 1):
            chances[state, move, ends[move]] += 1 - SLIP
            chances[state, move, ends[1 - move]] += SLIP
    return chances


def quality(values: Array, bonuses: Array) -> Array:
    """Returns Q, of shape (5, 2): the learner itself is paid 1 in the last state."""
    paid = jnp.asarray(np.eye(STATES)[-1]) + bonuses
    future = jnp.einsum("sat,t->sa", jnp.asarray(transitions()), values)
    return paid[:, None] + DISCOUNT * future


def learner(temperature: Any) -> dg.FunctionField:
    """Returns the field `V - T(V)` whose zero the learner's values are."""

    def residual(v: Any, x: Any) -> Any:
        shares = quality(v[0], x) / temperature
        return (v[0] - temperature * jax.nn.logsumexp(shares, axis=1),)

    return dg.FunctionField(residual)


def visits(values: Array, bonuses: Array, temperature: Any) -> Array:
    """Returns how often each state is visited, discounted, from the last one; they add up to 1."""
    policy = jax.nn.softmax(quality(values, bonuses) / temperature, axis=1)
    moves = jnp.einsum("sa,sat->st", policy, jnp.asarray(transitions()))
    start = jnp.asarray(np.eye(STATES)[-1])
    return (1 - DISCOUNT) * jnp.linalg.solve(jnp.eye(STATES) - DISCOUNT * moves.T, start)


def designed(temperature: Any, price: float) -> dg.Stackelberg:
    """Returns the game of the leader, who wants the first state visited, and the learner."""

    def leader(x: Any, v: Any) -> Any:
        return 0.5 * price * jnp.sum(x**2) - visits(v[0], x, temperature)[0]

    return dg.Stackelberg(leader, learner(temperature))


def designs(config: Config, run: Run) -> Data:
    """The leader's optimum at each temperature, and the bias of unrolled derivatives at x = 0."""
    start, none = (jnp.zeros(STATES),), jnp.zeros(STATES)

    @jax.jit
    def solved(temperature: Array) -> Any:
        game = designed(temperature, config.price)
        field = dg.StackelbergGradient(game, start)
        found = dg.solve(
            field, dg.Simultaneous(config.step), {"leader": none}, max_steps=20_000, tol=1e-9
        )
        x = found.strategy["leader"]
        rates = [
            visits(game.best_response(bonuses, start)[0], bonuses, temperature)[0]
            for bonuses in (none, x)
        ]
        exact = game.total_derivative(none, start)
        bias = [
            jnp.linalg.norm(
                dg.UnrolledGradient(game, start, 1.0, rounds)({"leader": none})["leader"] - exact
            )
            for rounds in config.rounds
        ]
        least = jnp.linalg.eigvalsh(game.curvature(x, start))[0]
        return x, found.residual, jnp.stack(rates), least, jnp.stack(bias)

    def one(temperature: Any) -> Data:
        x, residual, rates, least, bias = solved(jnp.array(temperature))
        return {
            "bonuses": x.tolist(),
            "residual": float(residual),
            "visits": rates.tolist(),
            "curvature": float(least),
            "bias": bias.tolist(),
        }

    found = run.each(config.temperatures, one)
    return dict(zip(map(str, config.temperatures), found, strict=True))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found: dict[str, Any] = {}
    for temperature, each in data["designs"].items():
        name = f"temperature {float(temperature):g}"
        found[f"{name}: visits without bonuses"] = each["visits"][0]
        found[f"{name}: visits with bonuses"] = each["visits"][1]
        found[f"{name}: curvature of the reduced cost"] = each["curvature"]
        found[f"{name}: bias of the longest unrolled derivative"] = each["bias"][-1]
        found[f"{name}: residual"] = each["residual"]
    return found


def biases(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the error of unrolled derivatives over the rounds, beside the discount."""
    figure, ax = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    for temperature, each in data["designs"].items():
        ax.semilogy(config.rounds, each["bias"], "o-", label=f"temperature {temperature}")
    rounds = np.array(config.rounds)
    ax.semilogy(rounds, DISCOUNT**rounds, "k:", label="discount to the power of the rounds")
    ax.set(xlabel="rounds of value iteration", ylabel="error of the derivative")
    ax.legend(frameon=False)
    return figure


STUDY = Study(
    name="reward_design",
    summary="Bonuses for a learner with soft values: derivatives through Bellman's equations",
    config=Config(),
    quick=Config(temperatures=(1.0,), rounds=(4, 32)),
    stages={"designs": designs},
    numbers=numbers,
    figures={"biases": biases},
)
