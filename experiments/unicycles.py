"""Unicycles in the plane: open loop and feedback, long horizons, and what is proved.

Two who ride one unicycle, in open loop: the equilibrium over the horizon, and Newton's method from
nothing, which for long horizons ends somewhere else unless it goes through shorter ones. Certified
on boxes of controls. And three cars that cross, in feedback by iterated linear-quadratic games.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from dgames.dynamic import iterative_lq, open_loop_newton, unicycle_crossing, unicycle_ride
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: Not used: nothing is random.
        horizons: Numbers of steps of the ride; each is the start of the next one.
        proved: Numbers of steps for which the ride is certified.
        radius: The half-width of the box of controls.
        crossing: The number of steps of the crossing.
    """

    seed: int = 0
    horizons: tuple[int, ...] = (10, 20, 30, 40, 50)
    proved: tuple[int, ...] = (5, 8)
    radius: float = 0.5
    crossing: int = 100


def nothing(horizon: int) -> dict[str, Any]:
    """Returns controls of zero."""
    return {name: jnp.zeros((horizon, 1)) for name in ("steer", "speed")}


def ride(config: Config, run: Run) -> Data:
    """The open-loop equilibrium of each horizon, and Newton's method from nothing."""
    found = {}
    for k, horizon in enumerate(config.horizons):
        game = unicycle_ride(horizon)
        near = open_loop_newton(game, nothing(horizon), horizons=config.horizons[:k])
        far = open_loop_newton(game, nothing(horizon))
        costs = game.costs(near.controls)
        found[str(horizon)] = {
            "residual": float(near.residual),
            "costs": [float(costs[name]) for name in ("steer", "speed")],
            "first": [float(near.controls[name][0, 0]) for name in ("steer", "speed")],
            "from nothing": float(game.costs(far.controls)["steer"]),
            "path": game.rollout(near.controls)[:, :2].tolist(),
        }
    return found


def proofs(config: Config, run: Run) -> Data:
    """What is proved of the ride, on boxes of controls around the equilibrium."""

    def of(horizon: int) -> Data:
        game = unicycle_ride(horizon)
        u = open_loop_newton(game, nothing(horizon)).controls
        region = certify.Box.around(u, config.radius)
        proof = certify.certify(game, region, [dg.Simultaneous, dg.Extragradient])
        path = proof.save(run.folder / f"ride-{horizon}.json.gz")
        return {
            "margin": proof.margin,
            "lipschitz": proof.lipschitz,
            "step": proof.step_sizes["extragradient"].max,
            "checked": certify.check(path).ok,
        }

    return dict(zip(map(str, config.proved), run.each(config.proved, of), strict=True))


def crossing(config: Config, run: Run) -> Data:
    """Three cars in feedback."""
    game, start = unicycle_crossing(config.crossing)
    found = iterative_lq(game, start, tol=1e-9)
    places = np.asarray(found.states).reshape(-1, 3, 4)[..., :2]
    pairs = [(0, 1), (0, 2), (1, 2)]
    nearest = min(
        float(np.linalg.norm(places[:, i] - places[:, j], axis=1).min()) for i, j in pairs
    )
    return {
        "steps": int(found.steps),
        "feedforward": float(found.feedforward),
        "converged": bool(found.converged),
        "convex": bool(found.convex),
        "nearest": nearest,
        "paths": places.tolist(),
    }


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    rides, cars = data["ride"], data["crossing"]
    longest = rides[max(rides, key=int)]
    return {
        "10 steps: costs": rides["10"]["costs"],
        "10 steps: first controls": rides["10"]["first"],
        "20 steps: costs": rides["20"]["costs"],
        "largest residual": max(each["residual"] for each in rides.values()),
        "longest horizon: cost of steering": longest["costs"][0],
        "longest horizon: cost from nothing": longest["from nothing"],
        "crossing: feedforward": cars["feedforward"],
        "crossing: nearest distance": cars["nearest"],
        "certificates accepted by the checker": all(p["checked"] for p in data["proofs"].values()),
        **{f"{k} steps: proved margin": each["margin"] for k, each in data["proofs"].items()},
    }


def paths(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws rides of all horizons, and the crossing."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 4.2), layout="constrained")
    for horizon, each in data["ride"].items():
        path = np.array(each["path"])
        left.plot(path[:, 0], path[:, 1], ".-", markersize=3, label=f"{horizon} steps")
    left.plot(0, 0, "k*", label="home")
    left.legend(frameon=False, fontsize=8)
    left.set(xlabel="x", ylabel="y", aspect="equal", title="a ride, open loop")
    places = np.array(data["crossing"]["paths"])
    for k in range(3):
        right.plot(places[:, k, 0], places[:, k, 1], f"C{k}")
        right.plot(places[::10, k, 0], places[::10, k, 1], f"C{k}o", markersize=4)
        right.plot(*places[0, k], f"C{k}s")
    right.set(xlabel="x", aspect="equal", title="three cars, feedback")
    return figure


STUDY = Study(
    name="unicycles",
    summary="Unicycles: open loop and feedback, long horizons, margins proved on boxes of controls",
    config=Config(),
    quick=Config(horizons=(10, 20), proved=(3,), crossing=60),
    stages={"ride": ride, "proofs": proofs, "crossing": crossing},
    numbers=numbers,
    figures={"paths": paths},
)
