"""A curriculum of rationality: the adversary's temperature falls only when a gate opens.

Reddi et al., *Robust Adversarial Reinforcement Learning via Bounded Rationality Curricula* (QARL),
ICLR 2024, arXiv:2311.01642, train a protagonist against an adversary who is nearly random at first
and becomes rational: his temperature is lowered while the protagonist's return stays above a bound,
in steps that change its distribution by a bounded divergence. Here the temperature alpha is a
number, and the game is a matrix game, so that all of it is deterministic:

    lower alpha, as far as KL(new answer || old answer) <= epsilon,   only if   value >= xi,

where the answers are the adversary's quantal responses to the protagonist as she plays now. The
game is the perturbed rock-paper-scissors of Sokota et al. (ICLR 2023, arXiv:2206.05825), with
payoffs between 0 and 1, and both learn by magnetic mirror descent.

Ours are the proofs: at each temperature of the schedule there is exactly one quantal response
equilibrium, all policies converge to it with the steps taken, and its value for the protagonist
lies between two rational numbers. While that value is above xi, the gate opens sooner or later; if
it is below, the gate stays closed from some time on. So with xi = 0.5 the schedule goes on to the
target, and with xi = 0.505 it stops on the way. In this game nothing but the way depends on the
curriculum: from all policies both players would converge against the rational adversary at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
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
from dgames.games import MatrixGame
from dgames.plot import COLOURS
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# What the protagonist is paid, who chooses the row.
PAYOFFS = (np.array([[0.0, -3.0, 3.0], [3.0, 0.0, -1.0], [-3.0, 1.0, 0.0]]) + 3) / 6


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        temperatures: Temperatures of both players at which the game itself is certified.
        descent: How many steps of mirror descent are made at each of these.
        first: The adversary's first temperature.
        target: His last one, and the protagonist's.
        divergence: epsilon.
        bounds: Values xi that the protagonist has to reach before the adversary improves.
        rounds: How often the gate is asked.
        steps: Steps of mirror descent in between.
    """

    temperatures: tuple[float, ...] = (0.5, 0.2, 0.1, 0.05)
    descent: int = 6000
    first: float = 1.0
    target: float = 0.05
    divergence: float = 0.005
    bounds: tuple[float, ...] = (0.5, 0.505)
    rounds: int = 200
    steps: int = 10


class Gate(eqx.Module):
    """A schedule of temperatures that waits for the protagonist.

    Attributes:
        bound: The value xi that the protagonist has to reach.
        divergence: How far one step of the schedule may change the adversary's answer.
        target: The last temperature.
    """

    bound: Float[Array, ""]
    divergence: Float[Array, ""]
    target: Float[Array, ""]

    def __call__(
        self,
        temperature: Float[Array, ""],
        value: Float[Array, ""],
        payoffs: Float[Array, "*states actions"],
    ) -> Float[Array, ""]:
        """Returns the next temperature, which is the present one or lower.

        The divergence of answers grows as the temperature falls, so that the lowest one is found by
        bisection in its inverse.

        Args:
            temperature: The present one.
            value: What the protagonist is paid now.
            payoffs: What the adversary is paid for each of his actions now; of a Markov game in
                each state, where divergences are added.
        """
        now, last = 1 / temperature, 1 / self.target
        old = jax.nn.log_softmax(now * payoffs)

        def allowed(inverse: Array) -> Array:
            new = jax.nn.log_softmax(inverse * payoffs)
            return jnp.sum(jnp.exp(new) * (new - old)) <= self.divergence

        def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = (ends[0] + ends[1]) / 2
            fine = allowed(middle)
            return jnp.where(fine, middle, ends[0]), jnp.where(fine, ends[1], middle)

        lowest = jax.lax.fori_loop(0, 60, halve, (now, last))[0]
        lowered = jnp.where(allowed(last), self.target, 1 / lowest)
        return jnp.where(value >= self.bound, jnp.minimum(lowered, temperature), temperature)


def between(protagonist: Any, adversary: Any) -> dg.Regularised:
    """Returns the game of two players with temperatures of their own.

    Answers depend on payoffs over temperatures only, so the adversary's payoffs are scaled, and
    both then have the protagonist's temperature.
    """
    payoffs = jnp.asarray(PAYOFFS)
    return dg.Regularised(MatrixGame(payoffs, -(protagonist / adversary) * payoffs), protagonist)


def uniform() -> tuple[Array, Array]:
    """Returns the policies at the start, in which both play all actions alike."""
    return jnp.full(3, 1 / 3), jnp.full(3, 1 / 3)


def value_bounds(certificate: certify.PolicyConvergence) -> tuple[float, float]:
    """Returns bounds on what the equilibrium pays the protagonist, in rational arithmetic.

    Payoffs are at most one, so that it differs from the value at the centre by the sum of both
    policies' distances from their centres at most.
    """
    found = certificate.equilibrium
    p, q = ([Fraction(float(chance)) for chance in own] for own in found.center)
    table = [[Fraction(float(entry)) for entry in row] for row in PAYOFFS]
    products = (p[i] * table[i][j] * q[j] for i in range(3) for j in range(3))
    value = sum(products, Fraction(0))
    room = sum((Fraction(float(distance)) for distance in found.distances), Fraction(0))
    return _rounded(value - room, -np.inf), _rounded(value + room, np.inf)


def _rounded(exact: Fraction, towards: float) -> float:
    found = float(exact)
    wrong = Fraction(found) > exact if towards < 0 else Fraction(found) < exact
    return float(np.nextafter(found, towards)) if wrong else found


def symmetric(config: Config, run: Run) -> list[Data]:
    """The game with one temperature for both: certificates, and mirror descent from the start."""

    @eqx.filter_jit
    def divergences(temperature: Array, center: Any) -> Any:
        game = between(temperature, temperature)
        field, method, x = dg.pseudo_gradient(game), dg.MirrorDescent(temperature), uniform()

        def step(carry: Any, _: None) -> Any:
            x, state = carry
            return method.step(field, x, state), dg.kl_divergence(center, x)

        return jax.lax.scan(step, (x, method.init(field, x)), length=config.descent)[1]

    def of(temperature: float) -> Data:
        found = certify.certify_policies(between(temperature, temperature))
        path = found.save(run.folder / f"symmetric-{temperature:g}.json")
        center = tuple(map(jnp.asarray, found.equilibrium.center))
        left = np.asarray(divergences(jnp.asarray(temperature), center))
        small = left > 1e-12  # below, the centre is not near enough to the equilibrium
        ratios = left[1:][small[1:]] / left[:-1][small[1:]]
        return {
            "accepted": bool(certify.check(path).ok),
            "margin": found.margin,
            "rate": found.step.rate,
            "center": found.equilibrium.center[0],
            "distance": found.equilibrium.distances.max(),
            "first": left[0],
            "largest ratio": ratios.max(),
            "last ratio": ratios[-1],
            "steps": int(np.argmax(left < 1e-13)),
        }

    return run.each(config.temperatures, of)


@eqx.filter_jit
def curriculum(gate: Gate, first: Array, size: Array, rounds: int, steps: int) -> Any:
    """Learns under a gate, by `steps` mirror steps of a size in each round.

    Returns temperatures, values for the protagonist, and policies, each before the gate is asked.
    """
    payoffs, x = jnp.asarray(PAYOFFS), uniform()
    method = dg.MirrorDescent(size)

    def ask(carry: Any, _: None) -> Any:
        x, state, temperature = carry
        field = dg.pseudo_gradient(between(gate.target, temperature))
        learnt = jax.lax.fori_loop(0, steps, lambda _, own: method.step(field, *own), (x, state))
        p, q = learnt[0]
        value = p @ payoffs @ q
        new = gate(temperature, value, -(p @ payoffs))
        return (*learnt, new), (temperature, value, learnt[0])

    start = (x, method.init(dg.pseudo_gradient(between(gate.target, first)), x), first)
    return jax.lax.scan(ask, start, length=rounds)[1]


def curricula(config: Config, run: Run) -> list[Data]:
    """The schedule and the runs under each bound, with the best proved step for the target."""
    last = certify.certify_policies(between(config.target, config.target)).step

    def learnt(bound: float) -> Data:
        gate = Gate(*map(jnp.asarray, (bound, config.divergence, config.target)))
        start, size = jnp.asarray(config.first), jnp.asarray(last.best)
        found = curriculum(gate, start, size, config.rounds, config.steps)
        temperatures, values, policies = jax.tree.map(np.asarray, found)
        return {
            "bound": bound,
            "step": last.best,
            "temperatures": temperatures,
            "values": values,
            "last": [own[-1] for own in policies],
        }

    return run.each(config.bounds, learnt)


def certificates(config: Config, run: Run) -> list[Data]:
    """Certificates at each temperature of the schedules, and where the runs are at their ends."""

    def of(learnt: Data) -> Data:
        temperatures = list(dict.fromkeys(learnt["temperatures"]))
        found = [certify.certify_policies(between(config.target, each)) for each in temperatures]
        paths = [
            certificate.save(run.folder / f"bound-{learnt['bound']:g}-{i}.json")
            for i, certificate in enumerate(found)
        ]
        pairs = zip(learnt["last"], found[-1].equilibrium.center, strict=True)
        return {
            "bound": learnt["bound"],
            "temperatures": temperatures,
            "proved": all(certificate.status == "proved" for certificate in found),
            "accepted": all(bool(certify.check(path).ok) for path in paths),
            "margins": [certificate.margin for certificate in found],
            "step": learnt["step"],
            "longest": min(certificate.step.max for certificate in found),
            "values": [value_bounds(certificate) for certificate in found],
            "distance": max(np.abs(np.array(own) - center).sum() for own, center in pairs),
        }

    return run.each(run.data["curricula"], of)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    same, every = data["symmetric"], data["certificates"]
    found: dict[str, Any] = {
        "one temperature: equilibria": [case["center"] for case in same],
        "one temperature: largest error of these": max(case["distance"] for case in same),
        "one temperature: margins": [case["margin"] for case in same],
        "one temperature: rates of the best steps": [case["rate"] for case in same],
        "one temperature: divergences of the start": [case["first"] for case in same],
        "one temperature: last factors": [case["last ratio"] for case in same],
        "one temperature: largest factors over 1 / (1 + alpha^2)": [
            case["largest ratio"] * (1 + case["margin"] ** 2) for case in same
        ],
        "one temperature: steps until 1e-13": [case["steps"] for case in same],
        "all proofs accepted": all(case["accepted"] for case in [*same, *every]),
    }
    for case in every:
        name, lower = f"bound {case['bound']:g}", [low for low, _ in case["values"]]
        temperatures = case["temperatures"]
        found |= {
            f"{name}: the temperature never rises": all(np.diff(temperatures) < 0),
            f"{name}: times that the gate opened": len(temperatures) - 1,
            f"{name}: last temperature": temperatures[-1],
            f"{name}: all temperatures proved": case["proved"],
            f"{name}: least margin": min(case["margins"]),
            f"{name}: least longest step, proved, over that taken": case["longest"] / case["step"],
            f"{name}: values of the first and the last equilibrium": [lower[0], lower[-1]],
            f"{name}: widest enclosure of a value": max(high - low for low, high in case["values"]),
            f"{name}: below the values at all temperatures but the last": all(
                low > case["bound"] for low in lower[:-1]
            ),
            f"{name}: above the value at the last one": case["values"][-1][1] < case["bound"],
            f"{name}: distance of the run from the last equilibrium": case["distance"],
        }
    return found


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the schedules, the values on the way, and the values that are proved."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(13.5, 4), layout="constrained")
    shown = min(config.rounds, 60)
    rounds = np.arange(shown)
    for colour, found in zip(COLOURS, data["curricula"], strict=False):
        label = f"xi = {found['bound']:g}"
        left.step(rounds, found["temperatures"][:shown], where="post", color=colour, label=label)
        middle.plot(rounds, found["values"][:shown], color=colour, label=label)
        for ax in (middle, right):
            ax.axhline(found["bound"], color=colour, linestyle=":", linewidth=1.2)
    for marker, colour, case in zip("os", COLOURS, data["certificates"], strict=False):
        lower = [low for low, _ in case["values"]]
        right.plot(
            *(case["temperatures"], lower),
            marker,
            color=colour,
            fillstyle="none" if marker == "s" else "full",
            markersize=9 if marker == "s" else 5,
            label=f"on the way with xi = {case['bound']:g}",
        )
    left.axhline(config.target, color="0.6", linewidth=0.8)
    left.set(yscale="log", xlabel="round", title="temperature of the adversary")
    middle.set(xlabel="round", title="value for the protagonist; dotted: xi")
    right.set(xscale="log", xlabel="temperature of the adversary", title="value, proved")
    left.legend(frameon=False)
    right.legend(frameon=False, fontsize="small")
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    return canvas


STUDY = Study(
    name="rationality_curriculum",
    summary="A curriculum of rationality: temperatures that fall when a gate opens, with proofs",
    config=Config(),
    quick=Config(temperatures=(0.5, 0.2), descent=400),
    stages={"symmetric": symmetric, "curricula": curricula, "certificates": certificates},
    numbers=numbers,
    figures={"curriculum": figure},
)
