"""From networks to graphons: how near sampled networks come, and how near they provably are.

Parise and Ozdaglar, *Graphon games: a statistical framework for network games and interventions*,
Econometrica 2023, arXiv:1802.00080. In the linear-quadratic game the equilibrium on a graphon has a
closed form, the equilibrium on a network is a centrality. Networks are sampled from the min-max
graphon; their errors are measured, and bounded by what is proved of each network. Margins of games
on weighted networks are proved, and tend to that of the graphon.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# The strength of interaction on the min-max graphon, of which sqrt(alpha) / 2 = 1 radian.
_ALPHA = 4.0


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of the sampled networks.
        midpoints: Points of the discretised graphons.
        players: Sizes of the sampled networks.
        networks: Networks of each size.
        proved: Sizes of the weighted networks whose margin is proved.
    """

    seed: int = 0
    midpoints: int = 2000
    players: tuple[int, ...] = (50, 100, 200, 400, 800, 1600)
    networks: int = 5
    proved: tuple[int, ...] = (50, 150, 500)


def closed_forms(config: Config, run: Run) -> Data:
    """The largest error of the discretised game on each graphon."""
    blocks = dg.BlockGraphon([[0.8, 0.1], [0.1, 0.5]], [0.25, 0.75])
    cases = {
        "Erdos-Renyi": (dg.ErdosRenyi(0.3), 2.0),
        "min-max": (dg.MinMaxGraphon(), _ALPHA),
        "uniform attachment": (dg.UniformAttachment(), 1.0),
        "two blocks": (blocks, 1.5),
    }
    places = dg.midpoints(config.midpoints)

    def error(graphon: dg.AbstractGraphon, alpha: float) -> float:
        values = dg.bonacich(graphon.matrix(places) / config.midpoints, alpha)
        return float(jnp.abs(values - graphon.equilibrium(alpha, places)).max())

    values = np.asarray(dg.bonacich(dg.MinMaxGraphon().matrix(places) / config.midpoints, _ALPHA))
    return {
        "errors": {name: error(*case) for name, case in cases.items()},
        "middle": float(np.interp(0.5, places, values)),
        "mean": float(values.mean()),
    }


def sampled(config: Config, run: Run) -> Data:
    """Errors of sampled networks at midpoints, and distances proved of the same networks."""
    graphon = dg.MinMaxGraphon()

    def of_size(players: int) -> Data:
        places = dg.midpoints(players)
        errors, bounds = [], []
        for key in jax.random.split(jax.random.key(config.seed + players), config.networks):
            network = graphon.sample(key, places)
            gap = dg.bonacich(network / players, _ALPHA) - graphon.equilibrium(_ALPHA, places)
            errors.append(float(jnp.sqrt(jnp.mean(gap**2))))
            bounds.append(certify.graphon_transfer(graphon, network, _ALPHA)._asdict())
        return {"errors": errors, "bounds": bounds}

    return dict(zip(map(str, config.players), run.each(config.players, of_size), strict=True))


def margins(config: Config, run: Run) -> Data:
    """Margins proved on networks with the weights of the graphon."""
    graphon = dg.MinMaxGraphon()

    def of_size(players: int) -> Data:
        weights = np.array(graphon.matrix(dg.midpoints(players)))
        np.fill_diagonal(weights, 0.0)
        game = dg.linear_quadratic_network(weights, _ALPHA)
        region = certify.Box.around(dg.Stacked(jnp.ones(players)), 5.0)
        proof = certify.certify_network(game, region)
        limit = 1 - _ALPHA * np.linalg.eigvalsh(weights / players)[-1]
        return {"proved": proof.margin, "eigenvalue": float(limit)}

    return dict(zip(map(str, config.proved), run.each(config.proved, of_size), strict=True))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    networks = list(data["sampled"].values())
    sizes = np.log([int(n) for n in data["sampled"]])
    means = [float(np.mean(each["errors"])) for each in networks]
    pairs = [
        (error, bound["distance"])
        for each in networks
        for error, bound in zip(each["errors"], each["bounds"], strict=True)
    ]
    forms = data["closed_forms"]
    margins = {f"{n} players: proved margin": each["proved"] for n, each in data["margins"].items()}
    return {
        "min-max, alpha 4: s(1/2)": forms["middle"],
        "min-max, alpha 4: mean": forms["mean"],
        "largest error at midpoints": max(forms["errors"].values()),
        "exponent of the error of sampled networks": float(np.polyfit(sizes, np.log(means), 1)[0]),
        "errors within the proved distance": all(error <= bound for error, bound in pairs),
        "largest networks: mean error": means[-1],
        "largest networks: proved distance": float(
            np.max([bound["distance"] for bound in networks[-1]["bounds"]])
        ),
        **margins,
        "proved margins below their eigenvalues": all(
            each["proved"] <= each["eigenvalue"] + 1e-12 for each in data["margins"].values()
        ),
    }


def distances(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws errors of sampled networks, and proved distances, over their size."""
    figure, ax = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    for n in config.players:
        each = data["sampled"][str(n)]
        bounds = [bound["distance"] for bound in each["bounds"]]
        ax.plot([n] * len(bounds), bounds, "C2_", label="proved" if n == config.players[0] else "")
        first = "measured" if n == config.players[0] else ""
        ax.plot([n] * len(bounds), each["errors"], "k.", label=first)
    sizes = np.array(config.players, float)
    errors = [np.mean(data["sampled"][str(n)]["errors"]) for n in config.players]
    ax.plot(sizes, errors[0] * (sizes / sizes[0]) ** -0.5, "0.7", label="one over the root of N")
    ax.set(xscale="log", yscale="log", xlabel="players N", ylabel="distance in L2")
    ax.legend(frameon=False)
    return figure


STUDY = Study(
    name="graphon",
    summary="From networks to graphons: errors of sampled networks, measured and proved",
    config=Config(),
    quick=Config(midpoints=400, players=(50, 200), networks=2, proved=(50,)),
    stages={"closed_forms": closed_forms, "sampled": sampled, "margins": margins},
    numbers=numbers,
    figures={"distances": distances},
)
