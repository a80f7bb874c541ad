"""Certified training of a small neural game: a generator and a critic, tuned to new data.

Both networks are players of a zero-sum game in which each is drawn to its first weights (see
`experiments.neural.game`). For every strength w of that pull this study

- finds the equilibrium that training from these first weights comes to, and the largest box around
  it on which convergence is proved;
- for one strength compares the proved step sizes with the true limit and with what runs show, runs
  training from the certified basin, step by step against the proved factor, and from outside of
  it, and with mini-batches;
- does the same proof for larger networks.

What is proved is local. In a box of weights around one equilibrium, the pseudo-gradient is strongly
monotone, there is no second stationary point, and each network is the only best one in the box
against the other; from a ball in the box all dynamics with small enough steps converge to it.
Outside of the box nothing is proved.
"""

import time
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import certify
import dgames as dg
from experiments.neural import report
from experiments.neural.batches import largest_variance, squared_distances
from experiments.neural.config import Config, game_of
from experiments.neural.game import FineTuning
from experiments.neural.training import directions, distances, ends, in_ball, paths, slowest
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study


@eqx.filter_jit
def equilibrium(game: FineTuning) -> Array:
    """Returns the weights to which training from the first ones converges, to twelve digits."""
    solution = dg.solve(game, dg.Extragradient(0.2), game.start, tol=1e-12, max_steps=200_000)
    return dg.ravel(solution.strategy)[0]


@eqx.filter_jit
def jacobian(game: FineTuning, vector: Array) -> Array:
    """Returns the Jacobian of the pseudo-gradient."""
    field, (_, unravel) = dg.pseudo_gradient(game), dg.ravel(game.start)
    return jax.jacfwd(lambda v: dg.ravel(field(unravel(v)))[0])(vector)


def sweep(config: Config, run: Run) -> Data:
    """Finds the equilibrium and the largest box with a proof, for each strength of the pull."""

    def one(weight: float) -> Data:
        game = game_of(config, weight)
        start, unravel = dg.ravel(game.start)
        point = equilibrium(game)
        x, jacobians = unravel(point), np.asarray(jacobian(game, point))
        values = np.linalg.eigvals(jacobians)
        own = dg.dimensions(game.start)[0]
        symmetric = (jacobians + jacobians.T) / 2
        return {
            "weight": weight,
            "equilibrium": point,
            "distance": np.linalg.norm(point - start),
            "width": np.max(np.abs(point - start)),
            "limit": np.min(2 * values.real / np.abs(values) ** 2),
            "abscissa": np.min(values.real),
            "curvatures": [
                np.linalg.eigvalsh(block)[0]
                for block in (symmetric[:own, :own], symmetric[own:, own:])
            ],
            "outputs": game.functions(x)[1](game.noise),
            "symmetric": np.linalg.eigvalsh(symmetric)[0],
            "tries": tries(config, game, x),
        }

    return run.each(config.weights, one)


def tries(config: Config, game: FineTuning, x: Any) -> Data:
    """Certifies larger and larger boxes, until one has no proof."""
    entries, start = [], np.asarray(dg.ravel(game.start)[0])
    for radius in config.radii:
        box = certify.Box.around(x, radius)
        proof = certify.certify(
            game,
            box,
            metric=certify.AutoMetric("weights"),
            search=certify.Search(max_cells=config.cells, tightness=0.5),
        )
        entry = {"radius": radius, "status": proof.status, "reasons": proof.reasons}
        if proof.status == "proved":
            center = dg.ravel(proof.basin.center)[0]
            entry |= {
                "margin": proof.margin,
                "cells": proof.cells,
                "step": proof.step_sizes["simultaneous"].max,
                "basin": proof.basin.radius,
                "start": distances(start, np.asarray(center), proof.metric),
            }
        entries.append(entry)
        if proof.status != "proved":
            break
    return entries


def _claims(proof: certify.Convergence) -> dict[str, Any]:
    lower, upper = proof.region.bounds()
    return {
        "radius": np.min(upper - lower) / 2,
        "margin": proof.margin,
        "lipschitz": proof.lipschitz,
        "basin": proof.basin.radius,
        "cells": proof.cells,
        "metric": proof.metric,
        "center": dg.ravel(proof.equilibrium.center)[0],
        "uncertainty": proof.equilibrium.radius,
        "steps": {
            name: step._asdict() | {"scale": None} for name, step in proof.step_sizes.items()
        },
    }


def certificate(config: Config, run: Run) -> Data:
    """The closer look: one box, its certificate, and the checker's verdicts on the file."""
    game, region = _closer(config, run)
    start = time.perf_counter()
    methods = [dg.Simultaneous, dg.Extragradient, dg.Optimistic]
    search = certify.Search(max_cells=config.cells, tightness=0.5)
    weights = certify.AutoMetric("weights")
    proof = certify.certify(game, region, methods, metric=weights, search=search)
    seconds = {"certify": time.perf_counter() - start}
    path = proof.save(run.folder / "networks.json")
    accepted = {}
    for level in (1, 2):
        start = time.perf_counter()
        accepted[f"level {level}"] = certify.check(path, level=level).ok
        seconds[f"level {level}"] = time.perf_counter() - start
    return {"accepted": accepted, "seconds": seconds, "size": path.stat().st_size, **_claims(proof)}


def _closer(config: Config, run: Run) -> tuple[FineTuning, certify.Box]:
    """The game of the closer look and the box around its equilibrium."""
    game = game_of(config, config.weight)
    x = dg.ravel(game.start)[1](jnp.asarray(_found(config, run.data)["equilibrium"]))
    return game, certify.Box.around(x, config.radius)


def _found(config: Config, data: Mapping[str, Data]) -> Data:
    """Returns the entry of the sweep for the strength of the closer look."""
    return next(entry for entry in data["sweep"] if entry["weight"] == config.weight)


def direct(config: Config, run: Run) -> Data:
    """The largest step that is proved by enclosing the step itself."""
    game, region = _closer(config, run)
    largest = certify.largest_step(
        game,
        dg.Simultaneous,
        region,
        tolerance=config.tolerance,
        search=certify.Search(max_cells=config.step_cells),
    )
    proof = largest.at_best
    path = proof.save(run.folder / "networks-step.json")
    return {
        "accepted": certify.check(path).ok,
        "max": largest.max,
        "best": largest.best,
        "rate": largest.rate,
        "limit": largest.limit,
        "metric": proof.metric,
        "center": proof.center,
        "basin": proof.basin,
    }


def training(config: Config, run: Run) -> Data:
    """Runs from the certified basins, each step compared with the proved factor."""
    game, _ = _closer(config, run)
    proof, step = run.data["certificate"], run.data["direct"]
    theorem = proof["steps"]["simultaneous"]
    key = jax.random.key(config.seed + 1)
    result = {}
    for name, h, rate, claims in (
        ("theorem", theorem["best"], theorem["rate"], proof),
        ("direct", step["best"], step["rate"], step),
    ):
        center, metric = np.array(claims["center"]), np.array(claims["metric"])
        starts = in_ball(center, metric, claims["basin"], config.runs, key)
        trajectories = paths(game, dg.Simultaneous(h), starts, game.start, config.steps)
        away = distances(trajectories, center, metric) / claims["basin"]
        result[name] = {
            "step": h,
            "rate": rate,
            "slowest": slowest(trajectories, center, metric, 1e-6 * claims["basin"]),
            "largest": away.max(0),
            "median": np.median(away, 0),
            "smallest": away.min(0),
        }
    return result


def failing(config: Config, run: Run) -> Data:
    """Finds the step size from which on runs from the certified basin fail to converge."""
    game, _ = _closer(config, run)
    proof = run.data["certificate"]
    center, metric = np.array(proof["center"]), np.array(proof["metric"])
    starts = in_ball(center, metric, proof["basin"], 32, jax.random.key(config.seed + 2))
    limit = _found(config, run.data)["limit"]
    shares = np.array([0.5, 0.8, 0.9, 0.95, 0.99, 1.01, 1.05, 1.1, 1.3])
    steps = np.repeat(shares * limit, len(starts))
    starts = np.tile(starts, (len(shares), 1))
    last, _ = ends(game, dg.Simultaneous, starts, steps, game.start, 20 * config.steps)
    near = np.linalg.norm(last - center, axis=1) < 1e-4
    arrived = near.reshape(len(shares), -1).mean(1)
    return {"steps": shares * limit, "shares": shares, "arrived": arrived}


def outside(config: Config, run: Run) -> Data:
    """Runs from farther and farther outside of the box, and records where they end.

    The runs take extragradient steps, for each strength of the pull.
    """
    sizes = np.array([0.5, 1.0, 2.0, 4.0])
    key = jax.random.key(config.seed + 3)

    def one(entry: Data) -> Data:
        game, center = game_of(config, entry["weight"]), np.array(entry["equilibrium"])
        moves = sizes[:, None, None] * directions(config.runs, len(center), key)
        starts = center + moves.reshape(-1, len(center))
        step = np.full(len(starts), 0.1)
        last, residual = ends(game, dg.Extragradient, starts, step, game.start, 5000)
        same = np.linalg.norm(last - center, axis=1) < 1e-3
        elsewhere = (residual < 1e-6) & ~same
        return {
            "weight": entry["weight"],
            "same": same.reshape(len(sizes), -1).mean(1),
            "elsewhere": elsewhere.reshape(len(sizes), -1).mean(1),
        }

    return {"sizes": sizes, "weights": run.each(run.data["sweep"], one)}


def batches(config: Config, run: Run) -> Data:
    """Runs on one data point and one noise point at a time, and what is proved about them."""
    if not config.batch_steps:
        return None
    game, box = _closer(config, run)
    proof = run.data["certificate"]
    center, weights = np.array(proof["center"]), np.diag(proof["metric"])
    bound, middle = largest_variance(game, box, weights)
    start, noise = jax.random.split(jax.random.key(config.seed + 4))
    starts = in_ball(center, np.diag(weights), proof["basin"], config.runs, start)
    steps, every = config.batch_steps, config.batch_steps // 100
    squares = squared_distances(
        game,
        box,
        jnp.asarray(center),
        jnp.asarray(weights),
        jnp.asarray(starts),
        config.batch_step,
        steps,
        every,
        noise,
    )
    constants = proof["margin"], proof["lipschitz"], config.batch_step
    return {
        "variance": {"bound": bound, "middle": middle},
        "proved": certify.noise_ball(*constants, bound),
        "steps": every * np.arange(1, 101),
        "squares": squares,
    }


def larger(config: Config, run: Run) -> Data:
    """The same proof for more hidden units, on a smaller box."""

    def one(units: tuple[int, int]) -> Data:
        game = game_of(config, config.weight, units)
        point = equilibrium(game)
        x = dg.ravel(game.start)[1](point)
        start = time.perf_counter()
        region = certify.Box.around(x, config.size_radius)
        proof = certify.certify(game, region, search=certify.Search(max_cells=8, tightness=0.5))
        seconds = time.perf_counter() - start
        result = {"units": units, "coordinates": len(point), "seconds": seconds}
        if proof.status != "proved":
            return result | {"status": proof.status}
        path = proof.save(run.folder / f"units-{units[0]}-{units[1]}.json.gz")
        accepted = certify.check(path).ok
        return result | {"status": proof.status, "accepted": accepted, **_claims(proof)}

    return run.each(config.sizes, one)


QUICK = Config(
    units=(2, 1),
    weights=(0.6,),
    cells=8,
    radii=(0.03,),
    tolerance=0.5,
    step_cells=4,
    runs=32,
    steps=200,
    batch_steps=0,
    sizes=(),
)

STUDY = Study(
    name="neural_game",
    summary="Two small networks against each other: proved, checked, and trained in the basin",
    config=Config(),
    quick=QUICK,
    stages={
        "sweep": sweep,
        "certificate": certificate,
        "direct": direct,
        "training": training,
        "failing": failing,
        "outside": outside,
        "batches": batches,
        "larger": larger,
    },
    numbers=report.numbers,
    figures={
        "training": report.training,
        "regularisation": report.regularisation,
        "networks": report.networks,
    },
)
