"""Flipped labels against a kernel machine: which flip hurts most, with a proved margin.

FLORAL (Bal et al., arXiv 2502.17121) lets an attacker flip labels of training data, who looks for
those with the largest multipliers of the support vector machine that answers. Here the machine has
a ridge: for labels s its multipliers solve

    minimise 1/2 l' (S K S + ridge I) l - sum l   for 0 <= l <= C,    S = diag(s),

which is strongly convex, so that there is one answer for each choice of labels; it is certified,
with multipliers at their bounds, and enclosed. So the damage of each flip, the logistic loss on
patients that the machine has not seen, is enclosed too, and if the intervals of the best and the
second-best flip do not meet, the choice of the attacker is proved. What the attacker would have
guessed from multipliers, or from the derivative of the damage along labels that may be any numbers
(`dgames.Stackelberg`), is compared with it. Data: breast cancer, of scikit-learn.
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

import certify
import dgames as dg
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed by which patients are drawn.
        patients: How many the machine learns from.
        others: How many it is judged by.
        features: How many of the 30 measurements, the first ones.
        width: Of the Gaussian kernel, in standard deviations.
        ridge: The ridge.
        most: C, the largest multiplier.
    """

    seed: int = 0
    patients: int = 20
    others: int = 60
    features: int = 10
    width: float = 3.0
    ridge: float = 0.5
    most: float = 1.0


class Machine(dg.Game):
    """The problem of the kernel machine as a game of one player, whose args are the labels."""

    kernel: Array
    ridge: float
    most: float

    def costs(self, x: Any, args: Any = None) -> Any:
        """Returns the dual cost of the multipliers `x[0]`."""
        signed = args * x[0]
        square = signed @ self.kernel @ signed + self.ridge * jnp.sum(x[0] ** 2)
        return (0.5 * square - jnp.sum(x[0]),)

    def strategy_set(self, x: Any) -> Any:
        """Returns the box of the multipliers."""
        return dg.Box(0.0, self.most)


def drawn(config: Config) -> tuple[Machine, Array, Array, Array]:
    """Returns the machine, its labels, the kernel to other patients, and the labels of these."""
    from sklearn.datasets import load_breast_cancer

    table: Any = load_breast_cancer()
    rows = np.random.default_rng(config.seed).permutation(len(table.target))
    rows = rows[: config.patients + config.others]
    x = table.data[rows, : config.features]
    x = (x - x.mean(0)) / x.std(0)
    labels = 2.0 * table.target[rows] - 1.0
    far = ((x[:, None] - x[None]) ** 2).sum(-1) / config.features
    kernel = np.exp(-far / (2 * config.width**2))
    n = config.patients
    machine = Machine(jnp.asarray(kernel[:n, :n]), config.ridge, config.most)
    between, truth = jnp.asarray(kernel[n:, :n]), jnp.asarray(labels[n:])
    return machine, jnp.asarray(labels[:n]), between, truth


def loss(kernel: Array, truth: Array, labels: Array, multipliers: Array) -> Array:
    """Returns the mean logistic loss on the other patients."""
    return jnp.mean(jax.nn.softplus(-truth * (kernel @ (labels * multipliers))))


def flips(config: Config, run: Run) -> Data:
    """The damage of each flip, enclosed, and what two guesses say of it."""
    machine, labels, kernel, truth = drawn(config)
    n = config.patients
    region = certify.Box((jnp.full(n, -0.5),), (jnp.full(n, config.most + 0.5),))
    damage = jax.jit(certify.enclose(lambda s, l: loss(kernel, truth, s, l)))

    def answer(flip: int | None) -> Data:
        new = labels if flip is None else labels.at[flip].multiply(-1.0)
        proof = certify.certify(machine, region, args=new)
        if proof.status != "proved":
            return {"proved": False, "margin": 0.0, "lower": 0.0, "upper": np.inf}
        ends = [
            jnp.clip(e[0], 0.0, config.most)
            for e in (proof.equilibrium.lower, proof.equilibrium.upper)
        ]
        found = damage(new, certify.Interval(*ends))
        return {
            "proved": certify.check(proof.save(run.folder / f"{flip}.json.gz")).ok,
            "margin": proof.margin,
            "lower": float(found.lower),
            "upper": float(found.upper),
            "multipliers": np.asarray(ends[0]).tolist(),
        }

    found = run.each([None, *range(n)], answer)
    before = found[0]
    game = dg.Stackelberg(lambda s, l: -loss(kernel, truth, s, l[0]), machine)
    start = (jnp.asarray(before["multipliers"]),)
    slopes = jax.jit(lambda s, l: game.total_derivative(s, l))(labels, start)
    # Along a flip the label changes by -2 times itself.
    promised = np.asarray(2.0 * labels * slopes)
    return {
        "before": before,
        "flips": found[1:],
        "promised": promised.tolist(),
        "multipliers": before["multipliers"],
    }


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found = data["flips"]
    lower = np.array([each["lower"] for each in found["flips"]])
    upper = np.array([each["upper"] for each in found["flips"]])
    best = int(lower.argmax())
    second = float(np.delete(upper, best).max())

    def rank(guess: list[float]) -> int:
        return 1 + int((np.array(guess) > guess[best]).sum())

    return {
        "all answers proved and checked": all(each["proved"] for each in found["flips"]),
        "smallest margin": min(each["margin"] for each in found["flips"]),
        "loss before": found["before"]["lower"],
        "loss after the best flip": float(lower[best]),
        # Rounded down, so that the difference is proved as its ends are.
        "proved gap to the second-best flip": float(np.nextafter(lower[best] - second, -np.inf)),
        "width of the enclosures of losses": float((upper - lower).max()),
        "rank of the best flip by its multiplier": rank(found["multipliers"]),
        "rank of the best flip by the derivative": rank(found["promised"]),
    }


def damages(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the damage of each flip beside what the derivative promises."""
    found = data["flips"]
    before = found["before"]["lower"]
    order = np.argsort([-each["lower"] for each in found["flips"]])
    figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    places = np.arange(len(order))
    real = np.array([each["lower"] - before for each in found["flips"]])
    ax.bar(places, real[order], color="C0", label="proved, after a new training")
    ax.plot(places, np.array(found["promised"])[order], "C1o", label="promised by the derivative")
    ax.set(xlabel="patient whose label is flipped, the worst first", ylabel="growth of the loss")
    ax.legend(frameon=False)
    return figure


STUDY = Study(
    name="label_flips",
    summary="Flipped labels against a kernel machine: the best flip, with a proved gap",
    config=Config(),
    quick=Config(patients=10, others=30),
    stages={"flips": flips},
    numbers=numbers,
    figures={"damages": damages},
)
