"""Level 2 of files with a robust value: losses, their derivatives, and how good its weights are.

Both losses are convex in the outputs f, so that nothing is concave. With outputs within r of f, in
the Euclidean norm, and sigma the logistic function,

    logistic, label y:    |l'| = sigma(-y f) <= sigma(-y f + r),    l'' = sigma(f) sigma(-f) <= 1/4;
    softmax, class y:     |l'| <= sqrt(2) sigma(m + sqrt(2) r),     ||l''|| <= 1/2,
                          with m = log sum_(k != y) exp(f_k - f_y).

*Proof.* With `q = softmax(f)`, `l' = q - (unit vector of y)` has the squared norm `(1 - q_y)^2 +
sum_(k != y) q_k^2 <= 2 (1 - q_y)^2`, and `1 - q_y = sigma(m)`. The gradient of m is one vector of
non-negative entries with sum one, minus the unit vector of y: of norm at most `sqrt(2)`. The form
`<u, l'' u>` is the variance of u_k under q, at most a quarter of the squared range of u, and
`|u_j - u_k| <= sqrt(2) |u|`. Likewise `l'' <= 1/4` for the logistic loss, and if `|f| > r`, it is
at most its value at `|f| - r`, as it falls with |f|. ∎
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from flint import arb, arb_mat  # pyright: ignore[reportMissingTypeStubs]

from .intervals import exact
from .network_balls import Ball, BallNetwork
from .neural_robust import RobustValue, read_robust
from .neural_situation import Situation, require_bound, require_scalars
from .rederive_outputs import OutputData, outputs_of
from .verdict import require


class LossBounds(NamedTuple):
    """Bounds on the derivatives of a loss near outputs: `|l'|` and `||l''||`."""

    slope: Ball
    size: Ball


class LossValue(NamedTuple):
    """A loss at outputs, and its gradient."""

    value: Ball
    gradient: list[Ball]


def labels_of(loss: str, numbers: Sequence[Fraction], outputs: int) -> list[int]:
    """Returns labels as integers.

    Args:
        loss: The loss, "logistic" or "softmax".
        numbers: One number for each sample.
        outputs: How many outputs the network has.
    """
    whole = all(x.denominator == 1 for x in numbers)
    allowed = (-1, 1) if loss == "logistic" else range(outputs)
    holds = whole and all(int(x) in allowed for x in numbers)
    require(holds, "labels are those of the loss (level 2)")
    require(loss != "logistic" or outputs == 1, "the logistic loss is of one output (level 2)")
    require(loss != "softmax" or outputs >= 2, "softmax is of two outputs at least (level 2)")
    return [int(x) for x in numbers]


def loss_over(loss: str, outputs: list[Ball], label: int, reach: Fraction) -> LossBounds:
    """Bounds the derivatives of a loss at outputs within reach of some."""
    r = exact(reach)
    if loss == "logistic":
        (f,) = outputs
        slope = sigmoid((r - label * f).upper())
        away = (abs(f).lower() - r).lower()
        bend = arb(1) / 4
        if away > 0:
            p = sigmoid(away)
            bend = (p * (1 - p)).upper()
        return LossBounds(slope.upper(), bend)
    root = arb(2).sqrt()
    return LossBounds(
        (root * sigmoid((odds(outputs, label) + root * r).upper())).upper(), arb(1) / 2
    )


def loss_at(loss: str, outputs: list[Ball], label: int) -> LossValue:
    """Returns a loss and its gradient."""
    if loss == "logistic":
        margin = label * outputs[0]
        share = sigmoid(-margin)
        return LossValue(-sigmoid(margin).log(), [-label * share])
    others = odds(outputs, label)
    shift = outputs[label] - sigmoid(-others).log()  # the logarithm of the sum of exponentials
    gradient = [(x - shift).exp() for x in outputs]
    gradient[label] = -sigmoid(others)
    return LossValue(-sigmoid(-others).log(), gradient)


def sigmoid(x: Ball) -> Ball:
    """The logistic function."""
    return 1 / (1 + (-x).exp())


def odds(outputs: list[Ball], label: int) -> Ball:
    """Returns `log sum_(k != y) exp(f_k - f_y)`."""
    terms = ((x - outputs[label]).exp() for k, x in enumerate(outputs) if k != label)
    return sum(terms, arb(0)).log()


class RobustPoint(NamedTuple):
    """What is found at the point: the gradient of theta without decay, and epsilon."""

    gradient: list[Ball]
    spread: Ball


def at_point(
    value: RobustValue,
    network: BallNetwork,
    data: OutputData,
    labels: list[int],
    weights: list[Fraction],
) -> RobustPoint:
    """Returns the gradient in theta, and how far p is from the best reply to the network."""
    share = [Fraction(0)] * data.samples
    for p, members in zip(weights, value.groups, strict=True):
        for n in members:
            share[n] = p / len(members)
    losses, gradient, size = [], [arb(0)] * network.shape.weights, network.shape.sizes[-1]
    for batch, (found,) in data.runs([network]):
        here = [
            loss_at(value.loss, outputs, labels[n])
            for n, outputs in zip(batch, outputs_of([found]), strict=True)
        ]
        losses += here
        entries = [
            exact(share[n]) * each.gradient[i]
            for i in range(size)
            for n, each in zip(batch, here, strict=True)
        ]
        part = network.gradient(found, arb_mat(size, len(batch), entries))
        gradient = [x + y for x, y in zip(gradient, part, strict=True)]
    means = [
        sum((losses[n].value for n in members), arb(0)) / len(members) for members in value.groups
    ]
    return RobustPoint(gradient, spread_of(value, means, weights))


def spread_of(value: RobustValue, means: list[Ball], weights: list[Fraction]) -> Ball:
    """Returns epsilon, see `neural_robust`."""
    tau, count = exact(value.temperature), len(means)
    if value.divergence == "entropy":
        slopes = [
            tau * (exact(p) * count).log() - loss for p, loss in zip(weights, means, strict=True)
        ]
        high, low = slopes[0].upper(), slopes[0].lower()
        for x in slopes[1:]:
            high, low = high.max(x.upper()), low.min(x.lower())
        return ((high - low) / 2).upper()
    slopes = [tau * (exact(p) * count - 1) - loss for p, loss in zip(weights, means, strict=True)]
    held = [x for p, x in zip(weights, slopes, strict=True) if p]
    middle = (sum(held, arb(0)) / len(held)).mid()
    total = arb(0)
    for p, x in zip(weights, slopes, strict=True):
        gap = x - middle if p else (middle - x).max(arb(0))
        total += gap * gap
    return (total / count).upper().sqrt().upper()


def rederive_robust(situation: Situation) -> list[list[Ball]]:
    """Derives the evidence of `neural_robust` again; returns the gradient in theta at e."""
    evidence, samples = situation.evidence, situation.samples
    value = read_robust(situation.game["value"], samples)
    (shape,) = situation.shapes
    data = OutputData(situation.data, samples, situation.shapes, 1)
    labels = labels_of(value.loss, [number for (number,) in data.datum], shape.sizes[-1])
    reach, loss = evidence["reach"].numbers(samples), evidence["loss"]
    slope, size = (loss[name].numbers(samples) for name in ("slope", "size"))
    for batch, (middle,) in data.runs(situation.centre):
        require_scalars(situation.centre[0].scalars(middle), evidence["passes"], batch)
        for n, outputs in zip(batch, outputs_of([middle]), strict=True):
            found = loss_over(value.loss, outputs, labels[n], reach[n])
            require_bound(found.slope, slope[n], "slopes of losses")
            require_bound(found.size, size[n], "second derivatives of losses")
    integers = [entry.integer() for entry in evidence["weights"].items(len(value.groups))]
    total = sum(integers)
    there = at_point(
        value, situation.point[0], data, labels, [Fraction(x, total) for x in integers]
    )
    require_bound(there.spread, evidence["spread"].number(), "how far p is from a best reply")
    return [there.gradient]
