"""Games of models, adversaries and generators on data sets.

Each is a mean over rows of data, and knows how large the part of one row can be: then noise of
mini-batches has a proved growth (`certify.noise_ball`). Adversaries with a strategy for each row
count it in units in which their curvature is about one; the unit is a power of two, so that it
costs no rounding. Steps of one size suit both players then.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import certify
import dgames as dg
from dgames.strategy import norm
from experiments.data.tables import Table, breast_cancer, diabetes, digits, random_features

# The largest second derivatives of softplus and of the logistic function.
_SOFTPLUS, _SIGMOID = 0.25, 0.0963


@dataclasses.dataclass(frozen=True)
class DataGame:
    """A game on data, with what is claimed about it.

    Its costs take `None`, for all data, or a tuple with an array of numbers of rows for each table:
    the costs on a mini-batch, whose mean over uniform rows are the costs on all data.

    Attributes:
        game: The game.
        region: Where it is to be certified.
        counts: How many rows each table has.
        growth: A bound on the mean of `|F_i(x) - F_i(y)|^2 / |x - y|^2` for the fields F_i of
            single rows of a table, over the region and in the metric with these weights of the
            players; those of several tables are added.
        project: The projection onto the region and the strategy sets; None if there is none.
    """

    game: dg.Game
    region: certify.Box | certify.Ball | certify.Everywhere
    counts: tuple[int, ...]
    growth: Callable[[dict[str, float]], float]
    project: Callable[[Any], Any] | None = None


class LabelNoise(dg.ZeroSum):
    """A logistic model against an adversary who shifts the label of each row.

    The shift of a label by s costs `s^2 / 2`. The payoff is `softplus(z) - (label + s) z` for the
    prediction z, a ridge and products of coordinates: strongly monotone everywhere.
    """

    minimiser = "model"
    rows: Array
    labels: Array
    unit: float = eqx.field(static=True)
    decay: float = eqx.field(static=True)

    def payoff(self, x: Any, args: Any = None) -> Array:
        """The mean of the losses, with weight decay and without what shifts cost."""
        rows, labels, shift = _taken(args, self.rows, self.labels, x["shift"])
        z = rows @ x["model"]
        fit = jnp.mean(jax.nn.softplus(z) - (labels + self.unit * shift) * z)
        return fit + _price(self, x["model"], x["shift"], 1.0)


class PredictionNoise(dg.ZeroSum):
    """A logistic model against an adversary who shifts the prediction of each row.

    Any shift of features acts on the loss through the prediction `z = row @ model`; here it is the
    prediction that is shifted, by s at the price `price s^2 / 2`. The payoff is concave in s if the
    price is above 1/4, the largest second derivative of softplus: then it is strongly monotone
    everywhere, since the one ridge in `z + s` is convex for the model and its coupling cancels.
    """

    minimiser = "model"
    rows: Array
    labels: Array
    unit: float = eqx.field(static=True)
    decay: float = eqx.field(static=True)
    price: float = eqx.field(static=True)

    def payoff(self, x: Any, args: Any = None) -> Array:
        """The mean of the losses, with weight decay and without what shifts cost."""
        rows, labels, shift = _taken(args, self.rows, self.labels, x["shift"])
        z = rows @ x["model"] + self.unit * shift
        fit = jnp.mean(jax.nn.softplus(z) - labels * z)
        return fit + _price(self, x["model"], x["shift"], self.price)


class MeasurementNoise(dg.ZeroSum):
    """Least squares against an adversary who falsifies one measurement of each row.

    With the error u in feature j the prediction is `row @ model + u model_j`: structured robust
    least squares (El Ghaoui and Lebret, 1997) with a price `price u^2 / 2` and errors of at most
    `most`. It is convex in the model, concave in u where `model_j^2` is below the price: on a box.
    """

    minimiser = "model"
    rows: Array
    targets: Array
    unit: float = eqx.field(static=True)
    decay: float = eqx.field(static=True)
    price: float = eqx.field(static=True)
    feature: int = eqx.field(static=True)
    most: float = eqx.field(static=True)

    def strategy_set(self, x: Any) -> Any:
        """Errors are at most `most`."""
        most = self.most / self.unit
        return {"model": dg.Euclidean(), "error": dg.Box(-most, most)}

    def payoff(self, x: Any, args: Any = None) -> Array:
        """The mean of the losses, with weight decay and without what errors cost."""
        rows, targets, error = _taken(args, self.rows, self.targets, x["error"])
        misfit, error = rows @ x["model"] - targets, self.unit * error
        along = x["model"][self.feature]
        # (misfit + error along)^2 / 2, multiplied out: sums over rows of products of few numbers.
        fit = jnp.mean(0.5 * misfit**2) + jnp.mean(error * misfit) * along
        fit = fit + 0.5 * jnp.mean(error**2) * along**2
        return fit + _price(self, x["model"], x["error"], self.price)


class Regressors(dg.Game):
    """Two logistic models on the same features, each with its own patients; not zero-sum.

    On shared patients `north` pays for disagreement with `south`, log cosh of the difference of
    predictions, and `south` pays for agreement with the side that `north` takes, tanh of its
    prediction.
    """

    tables: tuple[tuple[Array, Array], tuple[Array, Array], Array]
    decay: float = eqx.field(static=True)
    attraction: float = eqx.field(static=True)
    repulsion: float = eqx.field(static=True)

    def costs(self, x: Any, args: Any = None) -> dict[str, Array]:
        """The losses on own patients, weight decay, and what shared patients cost."""
        north, south, shared = (None,) * 3 if args is None else ((part,) for part in args)
        (shared_rows,) = _taken(shared, self.tables[2])
        one, two = shared_rows @ x["north"], shared_rows @ x["south"]
        apart = one - two
        extra = {
            "north": self.attraction * jnp.mean(jax.nn.softplus(2 * apart) - apart),
            "south": self.repulsion * jnp.mean(jnp.tanh(one) * two),
        }
        fits = {}
        for name, table, part in zip(x, self.tables[:2], (north, south), strict=True):
            rows, labels = _taken(part, *table)
            z = rows @ x[name]
            fits[name] = jnp.mean(jax.nn.softplus(z) - labels * z)
        decay = {name: 0.5 * self.decay * jnp.sum(x[name] ** 2) for name in x}
        return {name: fits[name] + extra[name] + decay[name] for name in x}


class Generator(dg.ZeroSum):
    """A generator of labels against a discriminator, both linear in random features.

    The generator labels a row 1 with the probability `sigmoid(features @ generator)`, and the
    discriminator scores a row with label 1 by `other_features @ discriminator`, with label 0 by
    zero. The payoff is the mean score of real labels less that of generated ones, with weight
    decay for both: a conditional Wasserstein GAN with a projection discriminator (Miyato and
    Koyama, 2018), in expectation over the generated labels.
    """

    minimiser = "generator"
    features: Array
    others: Array
    labels: Array
    decay: float = eqx.field(static=True)

    def payoff(self, x: Any, args: Any = None) -> Array:
        """The difference of the mean scores, and weight decay."""
        features, others, labels = _taken(args, self.features, self.others, self.labels)
        scores = others @ x["discriminator"]
        made = jax.nn.sigmoid(features @ x["generator"])
        squares = jnp.sum(x["generator"] ** 2) - jnp.sum(x["discriminator"] ** 2)
        return jnp.mean((labels - made) * scores) + 0.5 * self.decay * squares


class RobustModel(dg.ZeroSum):
    """Distributionally robust: a logistic model against an adversary who weights the rows.

    Weights are probabilities q, drawn to equal ones at the price of a chi-square divergence,
    `price / 2 * sum_i (m q_i - 1)^2 / m`. Here the model is counted in units as well.
    """

    minimiser = "model"
    rows: Array
    labels: Array
    unit: float = eqx.field(static=True)
    decay: float = eqx.field(static=True)
    price: float = eqx.field(static=True)

    def strategy_set(self, x: Any) -> Any:
        """Probabilities are on the simplex."""
        return {"model": dg.Euclidean(), "weights": dg.Simplex()}

    def payoff(self, x: Any, args: Any = None) -> Array:
        """The weighted losses, with weight decay and without the divergence."""
        count = len(self.labels)
        rows, labels, weights = _taken(args, self.rows, self.labels, x["weights"])
        z = self.unit * (rows @ x["model"])
        fit = count * jnp.mean(weights * (jax.nn.softplus(z) - labels * z))
        decay = 0.5 * self.decay * self.unit**2 * jnp.sum(x["model"] ** 2)
        return fit + decay - 0.5 * self.price * count * jnp.sum((x["weights"] - 1 / count) ** 2)


def label_noise(table: Table, decay: float = 0.1) -> DataGame:
    """The logistic model against noise in labels, everywhere."""
    rows, labels = map(jnp.asarray, table)
    unit = _unit(len(labels))
    game = LabelNoise(rows=rows, labels=labels, unit=unit, decay=decay)

    def growth(weights: dict[str, float]) -> float:
        # Of one row: softplus''(z) row row' for the model, and row and its label coupled.
        return _mean_square(_SOFTPLUS * _squares(rows) + unit * np.sqrt(_squares(rows)))

    start = {"model": jnp.zeros(rows.shape[1]), "shift": jnp.zeros(len(labels))}
    return DataGame(game, certify.Everywhere(start), (len(labels),), growth)


def prediction_noise(table: Table, decay: float = 0.1, price: float = 1.0) -> DataGame:
    """The logistic model against noise in predictions, everywhere."""
    rows, labels = map(jnp.asarray, table)
    unit = _unit(len(labels))
    game = PredictionNoise(rows=rows, labels=labels, unit=unit, decay=decay, price=price)

    def growth(weights: dict[str, float]) -> float:
        # Of one row: one term, on d = (row, unit e_i). For a difference D of strategies its field
        # changes by at most softplus'' |d| |d'D|, and the mean of (d'D)^2 is that of d d'.
        spread = np.linalg.eigvalsh(rows.T @ rows / len(rows))[-1] + unit**2 / len(rows)
        return float(_SOFTPLUS**2 * (_squares(rows).max() + unit**2) * spread) * (1 + 1e-9)

    start = {"model": jnp.zeros(rows.shape[1]), "shift": jnp.zeros(len(labels))}
    return DataGame(game, certify.Everywhere(start), (len(labels),), growth)


def measurement_noise(
    table: Table,
    decay: float = 0.2,
    price: float = 3.0,
    feature: int = 2,
    most: float = 0.2,
    width: float = 0.1,
) -> DataGame:
    """Least squares against errors in one measurement, on a box around the equilibrium."""
    rows, targets = map(jnp.asarray, table)
    unit = _unit(len(targets))
    game = MeasurementNoise(
        rows=rows,
        targets=targets,
        unit=unit,
        decay=decay,
        price=price,
        feature=feature,
        most=most,
    )
    start = {"error": jnp.zeros(len(targets)), "model": jnp.zeros(rows.shape[1])}
    middle = _equilibrium(game, start)["model"]
    limits = jnp.full(len(targets), most / unit)
    region = certify.Box(
        {"error": -limits, "model": middle - width}, {"error": limits, "model": middle + width}
    )

    def growth(weights: dict[str, float]) -> float:
        # Of one row with d = row + error e_j: d d' for the model, unit (along d + misfit e_j)
        # between the players, and (unit along)^2 for the error.
        lengths, along = np.sqrt(_squares(rows)), abs(float(middle[feature])) + width
        misfit = np.abs(rows @ middle - targets) + width * np.abs(rows).sum(1) + most * along
        d = lengths + most
        return _mean_square(d**2 + unit * (along * d + misfit) + (unit * along) ** 2)

    return DataGame(game, region, (len(targets),), growth, _onto_box(region))


def regressors(
    table: Table, decay: float = 0.1, attraction: float = 0.5, repulsion: float = 0.25
) -> DataGame:
    """Two regressors, everywhere; every tenth patient is shared, the others alternate."""
    rows, labels = map(jnp.asarray, table)
    numbers = np.arange(len(labels))
    is_shared = numbers % 10 == 9
    own, shared = numbers[~is_shared], numbers[is_shared]
    parts = [(rows[own[k::2]], labels[own[k::2]]) for k in (0, 1)]
    game = Regressors((parts[0], parts[1], rows[shared]), decay, attraction, repulsion)

    def growth(weights: dict[str, float]) -> float:
        ratio = weights["south"] / weights["north"]
        own = sum(_mean_square(_SOFTPLUS * _squares(part)) for part, _ in parts)
        # log cosh'' is at most 1, on (row, 0)(row, -row)'; tanh' at most 1, on (0, row)(row, 0)'.
        apart = attraction * np.sqrt(1 + 1 / ratio)
        return own + _mean_square((apart + repulsion * np.sqrt(ratio)) * _squares(rows[shared]))

    start = {"north": jnp.zeros(rows.shape[1]), "south": jnp.zeros(rows.shape[1])}
    counts = (len(parts[0][1]), len(parts[1][1]), len(shared))
    return DataGame(game, certify.Everywhere(start), counts, growth)


def generator(
    table: Table, units: int = 100, decay: float = 0.01, length: float = 0.5, radius: float = 1.0
) -> DataGame:
    """The generator of labels, on a ball around the equilibrium."""
    features, others = (
        jnp.asarray(random_features(table.rows, units, seed, length)) for seed in (0, 1)
    )
    labels = jnp.asarray(table.targets)
    game = Generator(features=features, others=others, labels=labels, decay=decay)
    start = {"discriminator": jnp.zeros(units), "generator": jnp.zeros(units)}
    middle = _equilibrium(game, start)

    def growth(weights: dict[str, float]) -> float:
        size, other = np.sqrt(_squares(features)), np.sqrt(_squares(others))
        scores = np.abs(others @ middle["discriminator"]) + radius * other
        return _mean_square(_SIGMOID * scores * size**2 + 0.25 * size * other)

    def project(x: Any) -> Any:
        offset = jax.tree.map(jnp.subtract, x, middle)
        shrink = jnp.minimum(1.0, radius / jnp.maximum(norm(offset), 1e-300))
        return jax.tree.map(lambda c, d: c + shrink * d, middle, offset)

    return DataGame(game, certify.Ball(middle, radius), (len(labels),), growth, project)


def robust_model(
    table: Table,
    decay: float = 0.1,
    price: float = 2.0,
    width: float = 8.0,
    most: float = 10.0,
) -> DataGame:
    """The distributionally robust model, on a box of models and of weights.

    Args:
        table: The data.
        decay: The weight decay.
        price: The price of the divergence.
        width: Half-width of the box of models.
        most: The largest weight in the box, as a multiple of equal weights.
    """
    rows, labels = map(jnp.asarray, table)
    count = len(labels)
    unit = 2.0 ** round(np.log2(np.sqrt(price * count / decay)))
    game = RobustModel(rows=rows, labels=labels, unit=unit, decay=decay, price=price)
    limits, top = jnp.full(rows.shape[1], width / unit), most / count
    region = certify.Box(
        {"model": -limits, "weights": jnp.zeros(count)},
        {"model": limits, "weights": jnp.full(count, top)},
    )

    def growth(weights: dict[str, float]) -> float:
        # Of one row: count q softplus'' for the model; its first derivative, below 1, between them.
        size = unit * np.sqrt(_squares(rows))
        return _mean_square(count * (top * _SOFTPLUS * size**2 + size))

    def project(x: Any) -> Any:
        return {
            "model": jnp.clip(x["model"], -limits, limits),
            "weights": _capped(x["weights"], top),
        }

    return DataGame(game, region, (count,), growth, project)


def named(units: int) -> dict[str, Callable[[], DataGame]]:
    """Makes the games of the study of real data, by name.

    Args:
        units: Random features of each player of the generator's game.
    """
    return {
        "label noise": lambda: label_noise(breast_cancer()),
        "prediction noise": lambda: prediction_noise(breast_cancer()),
        "measurement noise": lambda: measurement_noise(_every(4, diabetes())),
        "two regressors": lambda: regressors(breast_cancer()),
        "generator": lambda: generator(digits(3, 8), units),
        "robust model": lambda: robust_model(_every(3, breast_cancer())),
    }


def _every(nth: int, table: Table) -> Table:
    return Table(table.rows[::nth], table.targets[::nth])


def _taken(args: Any, *arrays: Array) -> tuple[Array, ...]:
    """Returns the rows of a mini-batch, or all."""
    return arrays if args is None else tuple(array[args[0]] for array in arrays)


def _price(game: Any, model: Array, shift: Array, price: float) -> Array:
    """Returns the weight decay of the model less the mean price of the shifts."""
    size = game.unit**2 / len(game.rows)
    return 0.5 * game.decay * jnp.sum(model**2) - 0.5 * price * size * jnp.sum(shift**2)


def _unit(count: int) -> float:
    """Returns the power of two next to the root of the number of rows."""
    return 2.0 ** round(np.log2(np.sqrt(count)))


def _equilibrium(game: dg.Game, start: Any) -> Any:
    return dg.solve(game, dg.Extragradient(0.1), start, max_steps=200_000, tol=1e-10).strategy


def _squares(rows: Any) -> Float[np.ndarray, " rows"]:
    return (np.asarray(rows) ** 2).sum(1)


def _mean_square(bounds: Any) -> float:
    """Returns the mean of the squares, raised by far more than its rounding errors."""
    return float(np.mean(np.asarray(bounds) ** 2)) * (1 + 1e-9)


def _onto_box(region: certify.Box) -> Callable[[Any], Any]:
    lower, upper = (jax.tree.map(jnp.asarray, end) for end in (region.lower, region.upper))
    return lambda x: jax.tree.map(jnp.clip, x, lower, upper)


def _capped(x: Float[Array, " n"], top: float) -> Float[Array, " n"]:
    """Projects onto the probability vectors without an entry above `top`, by bisection."""

    def halve(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = 0.5 * (ends[0] + ends[1])
        enough = jnp.sum(jnp.clip(x - middle, 0, top)) >= 1
        return jnp.where(enough, middle, ends[0]), jnp.where(enough, ends[1], middle)

    low, high = jax.lax.fori_loop(0, 60, halve, (jnp.min(x) - top, jnp.max(x)))
    return jnp.clip(x - 0.5 * (low + high), 0, top)
