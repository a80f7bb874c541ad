"""A firm that leads four others: ten published optima, and proofs of those without active bounds.

Firm 1 of the market of Murphy, Sherali and Soyster announces its output; the others answer with
their Nash equilibrium, none of them beyond a capacity. The test problems gnash10 to gnash19 of the
MacMPEC collection (Leyffer, 2000) are this market for ten pairs of a demand exponent and a
capacity, but for one exponent: followers' marginal costs are `K^(-1/b) y` there, and `(y/K)^(1/b)`
in the market. Both are solved here; the ten published optima are those of the former.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

import certify
import dgames as dg
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

MARKET = dg.games.Oligopoly.murphy_sherali_soyster()
BETA, SCALE, LINEAR = (np.asarray(x).tolist() for x in (MARKET.beta, MARKET.L, MARKET.c))
DEMAND = float(MARKET.demand)
# Outputs are positive, as prices are infinite at zero; no optimum is near this bound.
LEAST = 0.01


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: Not used: nothing is drawn.
        cases: Demand exponents and capacities.
        proved: Exponents for which the optimum without active bounds is proved.
        radius: Half-width of the leader's region.
    """

    seed: int = 0
    cases: tuple[tuple[float, float], ...] = (
        *((1.0, 150.0), (1.1, 150.0), (1.3, 150.0), (1.5, 150.0), (1.7, 150.0)),
        *((1.0, 50.0), (1.1, 40.0), (1.3, 30.0), (1.5, 25.0), (1.7, 20.0)),
    )
    proved: tuple[float, ...] = (1.0, 1.1, 1.3, 1.5, 1.7)
    radius: float = 1.0


class Followers(dg.Game):
    """The four firms that answer, in the market itself or as MacMPEC has them."""

    gamma: Array
    as_macmpec: bool = eqx.field(static=True)

    def costs(self, x: Any, args: Any = None) -> Any:
        """Returns the costs at the outputs x of the followers, for the leader's output."""
        price = market_price(args, x, self.gamma)
        return tuple(
            cost(i + 1, q, 1.0 if self.as_macmpec else 1 / BETA[i + 1]) - price * q
            for i, q in enumerate(x)
        )


def cost(firm: int, output: Any, power: float) -> Any:
    """Returns what a firm pays for its output: its marginal cost is `c + K^(-1/b) output^power`."""
    scale = SCALE[firm] ** (-1 / BETA[firm])
    return LINEAR[firm] * output + scale * output ** (1 + power) / (1 + power)


def market_price(x: Any, others: Any, gamma: Any) -> Any:
    """Returns the price that all outputs together fetch."""
    return (DEMAND / (x + sum(others))) ** (1 / gamma)


def led(gamma: Any, capacity: Any, as_macmpec: bool) -> dg.Stackelberg:
    """Returns the market that firm 1 leads."""

    def leader(x: Any, y: Any) -> Any:
        return cost(0, x, 1 / BETA[0]) - market_price(x, y, gamma) * x

    def bounds(x: Any) -> dg.Box:
        return dg.Box(LEAST, capacity)

    return dg.Stackelberg(leader, Followers(gamma, as_macmpec), bounds(0.0), bounds)


def optima(config: Config, run: Run) -> Data:
    """The leader's optimum of each case, by gradient steps with exact answers."""

    def solved(gamma: Any, capacity: Any, as_macmpec: bool) -> Any:
        game = led(gamma, capacity, as_macmpec)
        start = tuple(jnp.minimum(20.0, 0.5 * capacity) for _ in range(4))
        field = dg.StackelbergGradient(game, start)
        found = dg.solve(
            field, dg.Simultaneous(2.0), {"leader": jnp.array(10.0)}, max_steps=3000, tol=1e-9
        )
        x = found.strategy["leader"]
        answer = jnp.stack(game.best_response(x, start))
        return x, answer, game.reduced_cost(x, start), found.residual

    compiled = jax.jit(solved, static_argnums=2)

    def one(case: tuple[float, float]) -> Data:
        both = {}
        for name, as_macmpec in (("market", False), ("macmpec", True)):
            x, y, value, residual = compiled(*map(jnp.array, case), as_macmpec)
            both[name] = {
                "leader": float(x),
                "followers": y.tolist(),
                "cost": float(value),
                "residual": float(residual),
            }
        return both

    return dict(zip(map(named, config.cases), run.each(config.cases, one), strict=True))


def proofs(config: Config, run: Run) -> Data:
    """Certificates of the optima of the market for which no capacity is reached."""

    def one(gamma: float) -> Data:
        found = run.data["optima"][named((gamma, 150.0))]["market"]
        unbounded = led(jnp.array(gamma), jnp.array(150.0), False)
        game = dg.Stackelberg(unbounded.leader_cost, unbounded.followers)
        middle = {"leader": found["leader"], "followers": tuple(found["followers"])}
        widths = {"leader": config.radius, "followers": (0.5 * config.radius,) * 4}
        proof = certify.certify_leader(game, certify.Box.around(middle, widths))
        path = proof.save(run.folder / f"gamma-{gamma:g}.json.gz")
        best = proof.optimum
        return {
            "leader": float(best.leader[0]),
            "radius": best.radius,
            "lower": float(best.value.lower),
            "upper": float(best.value.upper),
            "curvature": proof.curvature,
            "bend": float(best.curvature.lower[0, 0]),
            "margin": proof.margin,
            "step": proof.step.max,
            "checked": certify.check(path, level=2).ok,
        }

    return dict(zip(map(str, config.proved), run.each(config.proved, one), strict=True))


def nash(config: Config, run: Run) -> Data:
    """What firm 1 pays at the Nash equilibrium of the market, exponent 1.1."""
    start = tuple(jnp.array(30.0) for _ in range(5))
    found = dg.solve(MARKET, dg.Extragradient(0.5), start, max_steps=20_000, tol=1e-10).strategy
    return {"outputs": [float(q) for q in found], "cost": float(MARKET.costs(found)[0])}


def named(case: tuple[float, float]) -> str:
    """Returns the name of a case."""
    return f"exponent {case[0]:g}, capacity {case[1]:g}"


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found: dict[str, Any] = {}
    for name, both in data["optima"].items():
        found[f"{name}: cost in MacMPEC"] = both["macmpec"]["cost"]
        found[f"{name}: output"] = both["market"]["leader"]
        found[f"{name}: cost"] = both["market"]["cost"]
    for gamma, each in data["proofs"].items():
        found[f"exponent {float(gamma):g}: proved curvature"] = each["curvature"]
        found[f"exponent {float(gamma):g}: proved margin of followers"] = each["margin"]
    proofs = data["proofs"].values()
    best = data["optima"][named((1.1, 150.0))]["market"]["cost"]
    return {
        **found,
        "value of leading, exponent 1.1": data["nash"]["cost"] - best,
        "width of the enclosures": max(each["radius"] for each in proofs),
        "certificates accepted by the checker": all(each["checked"] for each in proofs),
    }


def curve(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the reduced cost over the leader's output, with its optimum and the Nash point."""
    game = led(jnp.array(1.1), jnp.array(150.0), False)
    start = tuple(jnp.array(30.0) for _ in range(4))
    outputs = np.linspace(20.0, 70.0, 101)
    costs = jax.jit(jax.vmap(lambda x: game.reduced_cost(x, start)))(jnp.asarray(outputs))
    best, alone = data["optima"][named((1.1, 150.0))]["market"], data["nash"]
    figure, ax = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    ax.plot(outputs, costs, "C0-", label="reduced cost, others answering")
    ax.plot(best["leader"], best["cost"], "C2o", label="optimum of the leader")
    ax.plot(alone["outputs"][0], alone["cost"], "C1s", label="Nash equilibrium")
    ax.set(xlabel="output of firm 1", ylabel="cost of firm 1")
    ax.legend(frameon=False)
    return figure


STUDY = Study(
    name="oligopoly_leader",
    summary="A firm that leads four others: ten published optima, and proofs",
    config=Config(),
    quick=Config(cases=((1.1, 150.0), (1.7, 150.0), (1.1, 40.0)), proved=(1.1, 1.7)),
    stages={"optima": optima, "nash": nash, "proofs": proofs},
    numbers=numbers,
    figures={"curve": curve},
)
