"""Makes a learning run with the costs that a file spells out, in floating point, to illustrate."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import dgames as dg
from certify.checker.graph import Graph, read_graph
from certify.checker.reader import Reader
from certify.claims.convergence import Convergence
from certify.file.contents import Contents
from certify.report.projections import projection
from dgames.methods.runge_kutta import AbstractRungeKutta

Field = Callable[[np.ndarray], np.ndarray]
# A function of a field, a projection, a point, the memory of a method, a step size and the sizes of
# the players that returns the next point and memory.
Advance = Callable[
    [Field, Field, np.ndarray, np.ndarray, float, list[int]], tuple[np.ndarray, np.ndarray]
]
# A dual number: (value, gradient).
Dual = tuple[float, np.ndarray]

# The most nodes of the graph to evaluate in all (about two seconds), and the most iterations.
MOST_NODES = 400_000
MOST_STEPS = 250
# A run of fewer iterations shows nothing.
FEWEST_STEPS = 10
STARTS = 4


def _unary(function: Callable[[float], float], slope: Callable[[float], float]) -> Callable:
    def applied(x: Dual) -> Dual:
        return function(x[0]), slope(x[0]) * x[1]

    return applied


def _power(x: Dual, exponent: int) -> Dual:
    slope = exponent * x[0] ** (exponent - 1) if exponent else 0.0
    return x[0] ** exponent, slope * x[1]


def _pow(x: Dual, y: Dual) -> Dual:
    value = math.pow(x[0], y[0])
    slope = y[0] * math.pow(x[0], y[0] - 1) * x[1]
    return value, slope + (value * math.log(x[0]) * y[1] if y[1].any() else 0.0)


def _operations(size: int) -> dict[str, Callable]:
    """Returns the operations of graphs on dual numbers, by name, for forward-mode derivatives."""
    zero = np.zeros(size)
    return {
        "constant": lambda value: (float(value), zero),
        "power": _power,
        "add": lambda x, y: (x[0] + y[0], x[1] + y[1]),
        "sub": lambda x, y: (x[0] - y[0], x[1] - y[1]),
        "mul": lambda x, y: (x[0] * y[0], y[0] * x[1] + x[0] * y[1]),
        "div": lambda x, y: (x[0] / y[0], (x[1] - x[0] / y[0] * y[1]) / y[0]),
        "max": lambda x, y: x if x[0] >= y[0] else y,
        "min": lambda x, y: x if x[0] <= y[0] else y,
        "pow": _pow,
        "neg": lambda x: (-x[0], -x[1]),
        "choose": lambda x, y, less, other: less if x[0] < y[0] else other,
        "abs": _unary(abs, lambda x: math.copysign(1.0, x)),
        "exp": _unary(math.exp, math.exp),
        "log": _unary(math.log, lambda x: 1 / x),
        "sqrt": _unary(math.sqrt, lambda x: 0.5 / math.sqrt(x)),
        "sin": _unary(math.sin, math.cos),
        "cos": _unary(math.cos, lambda x: -math.sin(x)),
        "tan": _unary(math.tan, lambda x: 1 + math.tan(x) ** 2),
        "tanh": _unary(math.tanh, lambda x: 1 - math.tanh(x) ** 2),
        "sinh": _unary(math.sinh, math.cosh),
        "cosh": _unary(math.cosh, math.sinh),
        "atan": _unary(math.atan, lambda x: 1 / (1 + x * x)),
        "asin": _unary(math.asin, lambda x: 1 / math.sqrt(1 - x * x)),
        "acos": _unary(math.acos, lambda x: -1 / math.sqrt(1 - x * x)),
        "erf": _unary(math.erf, lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x)),
    }


def pseudo_gradient(graph: Graph, sizes: list[int], zero_sum: bool = False) -> Field:
    """Returns the pseudo-gradient F of the costs in a graph, in floating point.

    Args:
        graph: The costs, one output per player, or the payoff of a zero-sum game.
        sizes: The number of coordinates of each player.
        zero_sum: Whether the game is zero-sum: then the second cost is the negative of the first.
    """
    operations, basis = _operations(graph.inputs), np.eye(graph.inputs)
    ends = np.cumsum([0, *sizes])

    def field(x: np.ndarray) -> np.ndarray:
        values = graph.evaluate(list(zip(x.tolist(), basis, strict=True)), operations)
        gradients = [gradient for _, gradient in values]
        if zero_sum:
            gradients.append(-gradients[0])
        blocks = zip(gradients, ends[:-1], ends[1:], strict=True)
        return np.concatenate([gradient[low:high] for gradient, low, high in blocks])

    return field


class Run(NamedTuple):
    """The runs of one method with its best step, from the edge of its basin.

    Attributes:
        method: The name of the method.
        distances: The distances to the centre, in the norm of the theorem: one row per start.
        envelope: What the distance was proved to be at most, after each iteration.
        radius: How far from the centre the equilibrium may be, in that norm.
        stays_below: Whether all distances are below the envelope, but for rounding.
    """

    method: str
    distances: np.ndarray
    envelope: np.ndarray
    radius: float
    stays_below: bool


def simulate(certificate: Convergence) -> Run | str:
    """Runs the affordable method with the best proved rate, or says why there is no run."""
    data = certificate.data
    game = data["game"]
    if "graph" not in game:
        return "The file does not spell out the costs, so that no run can be made from it."
    sizes = [player["size"] for player in game["players"]]
    if "shared" in game:
        return "This page does not run steps that are projected onto shared constraints."
    graph, field = _field(certificate, sizes)
    known = [step for step in data["claims"]["steps"] if step["method"] in STEPS]
    if not known:
        return "The certificate has no step of a method that this page knows how to run."
    rates = {entry["method"]: certificate.step_sizes[entry["method"]].rate for entry in known}
    lengths = {
        entry["method"]: _length(entry["method"], rates[entry["method"]], graph, len(sizes))
        for entry in known
    }
    affordable = [entry for entry in known if lengths[entry["method"]] is not None]
    if not affordable:
        return "The expression of the costs is too large for a run on this page."
    entry = min(affordable, key=lambda entry: rates[entry["method"]])
    step, count = certificate.step_sizes[entry["method"]], lengths[entry["method"]] or 0
    norm, radius = _norm(certificate, entry, sizes)
    project = projection(game.get("sets"), sizes)
    center = np.array([float.fromhex(c) for c in data["claims"]["equilibrium"]["center"]])
    advance = STEPS[entry["method"]]
    distances = np.empty((STARTS, count + 1))
    try:
        for row, start in zip(distances, _starts(center, norm, step.basin), strict=True):
            x = project(start)
            memory = field(x)
            row[0] = norm(x - center)
            for k in range(count):
                x, memory = advance(field, project, x, memory, step.best, sizes)
                row[k + 1] = norm(x - center)
    except (ArithmeticError, ValueError):
        return "In floating point the costs could not be evaluated along the run."
    decay = step.constant * step.rate ** np.arange(count + 1)
    decay[0] = 1.0
    envelope = decay * (step.basin + radius) + radius
    slack = 1e-12 * (norm(center) + step.basin)
    return Run(
        entry["method"], distances, envelope, radius, bool((distances <= envelope + slack).all())
    )


def _field(certificate: Convergence, sizes: list[int]) -> tuple[Graph, Field]:
    """Returns the graph in the file, and the field that it stands for."""
    game = certificate.data["game"]
    file, n = Reader(game)["graph"], sum(sizes)
    if "natural" in game:
        return _natural(certificate.data, file, sizes)
    if certificate.field is not None:
        graph = read_graph(file, n, n)
        operations, zero = _operations(0), np.zeros(0)
        return graph, lambda x: np.array(
            [value for value, _ in graph.evaluate([(c, zero) for c in x.tolist()], operations)]
        )
    zero_sum = bool(game.get("zero_sum", False))
    graph = read_graph(file, n, 1 if zero_sum else len(sizes))
    return graph, pseudo_gradient(graph, sizes, zero_sum)


def _natural(data: Contents, file: Reader, sizes: list[int]) -> tuple[Graph, Field]:
    """Returns the graph and the natural gradient of a regularised game.

    The graph spells out the costs of policies. In differences of logits x the field is
    `temperature (x - reference)` plus the gradient of the costs at the policies of x, where the
    probability of the last action is one minus the others.
    """
    natural, groups = data["game"]["natural"], data["region"]["groups"]
    graph = read_graph(file, sum(sizes), len(sizes))
    payoffs = pseudo_gradient(graph, sizes)
    temperature = float.fromhex(natural["temperature"])
    reference = np.array([float.fromhex(x) for x in natural["reference"]])
    return graph, lambda x: temperature * (x - reference) + payoffs(policies_of(x, groups))


def policies_of(x: np.ndarray, groups: list[int]) -> np.ndarray:
    """Returns the probabilities of all actions but the last, from logits minus the last logit.

    Example:
        >>> policies_of(np.log([3.0, 1.0]), [1, 1]).round(6).tolist()
        [0.75, 0.5]
    """
    parts = np.split(x, np.cumsum(groups)[:-1])
    powers = [np.exp(np.append(part, 0.0) - max(part.max(), 0.0)) for part in parts]
    return np.concatenate([(power / power.sum())[:-1] for power in powers])


def _length(method: str, rate: float, graph: Graph, players: int) -> int | None:
    """Returns the number of iterations to make; None where too few are affordable to be of use."""
    evaluations = players if method == "alternating" else EVALUATIONS.get(method, 1)
    affordable = MOST_NODES // (STARTS * evaluations * max(len(graph.nodes), 1))
    # After that many iterations the envelope has fallen by ten orders of magnitude.
    wanted = math.ceil(-24 / math.log(rate))
    count = min(MOST_STEPS, affordable, wanted)
    return count if count >= min(FEWEST_STEPS, wanted) else None


def _norm(
    certificate: Convergence, entry: Contents, sizes: list[int]
) -> tuple[Callable[[np.ndarray], float], float]:
    """Returns the norm of a step's theorem, and how far from the centre x* may be in it."""
    near = float.fromhex(entry.get("equilibrium_radius", "inf"))
    ends = np.cumsum(sizes)[:-1]
    if "inner" in entry:
        scale = [float.fromhex(x) for x in entry["inner"]]

        def largest(x: np.ndarray) -> float:
            blocks = zip(np.split(x, ends), scale, strict=True)
            return max(float(np.linalg.norm(block)) / s for block, s in blocks)

        return largest, near
    if entry["theorem"] == "small_gain":
        weights = np.repeat(list(certificate.small_gain.weights.values()), sizes)
        return lambda x: float(np.sqrt(weights @ x**2)), near
    metric = certificate.metric
    radius = certificate.equilibrium.radius
    return lambda x: float(np.sqrt(max(x @ metric @ x, 0.0))), radius


def _starts(center: np.ndarray, norm: Callable[[np.ndarray], float], radius: float) -> np.ndarray:
    """Returns points just inside the edge of a basin, so that rounding errors leave them inside."""
    places = np.arange(1.0, len(center) + 1)
    directions = [np.cos(places * (1.3 * k + 0.4)) for k in range(STARTS)]
    return np.array([center + (1 - 1e-9) * radius / norm(d) * d for d in directions])


def _simultaneous(
    field: Field, project: Field, x: np.ndarray, memory: np.ndarray, h: float, sizes: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    return project(x - h * field(x)), memory


def _alternating(
    field: Field, project: Field, x: np.ndarray, memory: np.ndarray, h: float, sizes: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    low = 0
    for size in sizes:
        own = slice(low, low + size)
        moved = x.copy()
        moved[own] -= h * field(x)[own]
        x, low = project(moved), low + size
    return x, memory


def _extragradient(
    field: Field, project: Field, x: np.ndarray, memory: np.ndarray, h: float, sizes: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    return project(x - h * field(project(x - h * field(x)))), memory


def _optimistic(
    field: Field, project: Field, x: np.ndarray, memory: np.ndarray, h: float, sizes: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    value = field(project(x - h * memory))
    return project(x - h * value), value


def _runge_kutta(method: type[AbstractRungeKutta]) -> Advance:
    def advance(
        field: Field, project: Field, x: np.ndarray, memory: np.ndarray, h: float, sizes: list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        forces: list[np.ndarray] = []

        def moved(row: tuple[float, ...]) -> np.ndarray:
            terms = (c * f for c, f in zip(row, forces, strict=True))
            return x - h * sum(terms, np.zeros_like(x))

        for row in method.tableau.stages:
            forces.append(field(moved(row)))
        return project(moved(method.tableau.weights)), memory

    return advance


STEPS: dict[str, Advance] = {
    "simultaneous": _simultaneous,
    "alternating": _alternating,
    "extragradient": _extragradient,
    "optimistic": _optimistic,
    "heun": _runge_kutta(dg.Heun),
    "ssprk3": _runge_kutta(dg.SSPRK3),
    "runge_kutta_4": _runge_kutta(dg.RungeKutta4),
}
EVALUATIONS = {"extragradient": 2, "heun": 2, "ssprk3": 3, "runge_kutta_4": 4}
