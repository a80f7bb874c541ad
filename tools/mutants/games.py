"""The game of a file, evaluated without the checker: by JAX in floating point, and precisely.

The precise arithmetic is that of numbers of 400 bits, with derivatives by central differences:
neither the checker's Taylor polynomials nor its intervals are involved.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import flint
import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg
from dgames.strategy import blocks, ravel
from tools.mutants.corpus import Specimen

BITS = 400
_NAMES = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")
_OPERATIONS: dict[str, Callable] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "power": lambda x, k: x**k,
    "pow": lambda x, y: x**y,
}
_IN_FLOATS: dict[str, Callable] = {
    **_OPERATIONS,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "abs": jnp.abs,
    "choose": lambda x, y, less, other: jnp.where(x < y, less, other),
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "erf": jax.scipy.special.erf,
    **{name: getattr(jnp, name) for name in _NAMES},
}
_PRECISE: dict[str, Callable] = {
    **_OPERATIONS,
    "max": lambda x, y: x.max(y),
    "min": lambda x, y: x.min(y),
    "choose": lambda x, y, less, other: less if x < y else other,
    "abs": abs,
    **{
        name: lambda x, name=name: getattr(x, name)()
        for name in (*_NAMES, "asin", "acos", "atan", "erf")
    },
}


class FlatGame(NamedTuple):
    """Costs on vectors.

    Attributes:
        costs: From constants and a vector of shape (n,) to the costs, shape (players,).
        constants: Those of the graph; none if the costs are those of the original code.
        sizes: Coordinates of each player.
        precise: F at a list of `flint.arb`.
    """

    costs: Callable
    constants: np.ndarray
    sizes: tuple[int, ...]
    precise: Callable[[list[Any]], list[Any]]

    @property
    def owners(self) -> np.ndarray:
        """The player who has each coordinate."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def field(self, constants: Any, x: Any) -> Any:
        """F, shape (n,)."""
        slopes = jax.jacrev(self.costs, argnums=1)(constants, x)
        return slopes[self.owners, np.arange(len(self.owners))]

    def jacobian(self, constants: Any, x: Any) -> Any:
        """J, shape (n, n)."""
        return jax.jacfwd(self.field, argnums=1)(constants, x)


@lru_cache(maxsize=64)
def compiled(costs: Callable, sizes: tuple[int, ...]) -> tuple[Callable, Callable, Callable]:
    """F, J and the costs, each at a batch of points, compiled."""
    game = FlatGame(costs, np.zeros(0), sizes, list)
    return tuple(
        jax.jit(jax.vmap(function, in_axes=(None, 0)))
        for function in (game.field, game.jacobian, costs)
    )  # pyright: ignore[reportReturnType]


def from_code(specimen: Specimen) -> Callable:
    """The costs of the original game, as it was written."""
    _, unravel = ravel(specimen.region.center)
    game = specimen.game

    def costs(constants: Any, x: Any) -> Any:
        if isinstance(game, dg.ZeroSum):
            payoff = game.payoff(unravel(x), None)
            return jnp.stack([payoff, -payoff])
        return jnp.stack(list(blocks(game.costs(unravel(x), None))))

    return costs


@lru_cache(maxsize=32)
def _from_structure(structure: str, inputs: int, zero_sum: bool) -> Callable:
    """The costs of a graph whose constants are numbers in a list."""
    nodes, outputs = json.loads(structure)

    def costs(constants: Any, x: Any) -> Any:
        values = [x[k] for k in range(inputs)]
        for operation, *operands in nodes:
            if operation == "constant":
                values.append(constants[operands[0]])
            elif operation == "power":
                values.append(values[operands[0]] ** operands[1])
            else:
                values.append(_IN_FLOATS[operation](*(values[k] for k in operands)))
        found = [values[k] for k in outputs]
        return jnp.stack([found[0], -found[0]] if zero_sum else found)

    return costs


def from_graph(graph: dict[str, Any], inputs: int, zero_sum: bool) -> tuple[Callable, np.ndarray]:
    """The costs of a graph, and its constants; one function for all graphs of one structure."""
    constants: list[float] = []
    nodes = []
    for node in graph["nodes"]:
        if node[0] == "constant":
            nodes.append(["constant", len(constants)])
            constants.append(float.fromhex(node[1]))
        else:
            nodes.append(node)
    structure = json.dumps([nodes, graph["outputs"]])
    return _from_structure(structure, inputs, zero_sum), np.array(constants, float)


def precise_field(
    graph: dict[str, Any], sizes: Sequence[int], zero_sum: bool
) -> Callable[[list[Any]], list[Any]]:
    """F, to some sixty digits."""
    step = flint.arb(2) ** -130
    owners = np.repeat(np.arange(len(sizes)), sizes)

    def cost(player: int, x: list[Any]) -> Any:
        values = list(x)
        for operation, *operands in graph["nodes"]:
            if operation == "constant":
                values.append(flint.arb(float.fromhex(operands[0])))
            elif operation == "power":
                values.append(values[operands[0]] ** operands[1])
            else:
                values.append(_PRECISE[operation](*(values[k] for k in operands)))
        return (
            -values[graph["outputs"][0]]
            if zero_sum and player
            else values[graph["outputs"][0 if zero_sum else player]]
        )

    def field(x: list[Any]) -> list[Any]:
        with flint.ctx.workprec(BITS):
            found = []
            for k, player in enumerate(owners):
                ends = [cost(int(player), [*x[:k], x[k] + s, *x[k + 1 :]]) for s in (step, -step)]
                found.append(((ends[0] - ends[1]) / (2 * step)).mid())
            return found

    return field
