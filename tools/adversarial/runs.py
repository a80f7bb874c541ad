"""Methods in NumPy, many runs at a time: written from their formulas, not from dgames."""

from collections.abc import Callable, Iterator

import numpy as np

Field = Callable[[np.ndarray], np.ndarray]

_STAGES = {
    "heun": (((), (1.0,)), (0.5, 0.5)),
    "ssprk3": (((), (1.0,), (0.25, 0.25)), (1 / 6, 1 / 6, 2 / 3)),
    "runge_kutta_4": (((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


def run(
    name: str, field: Field, h: float, x: np.ndarray, players: np.ndarray, momentum: float | None
) -> Iterator[np.ndarray]:
    """The points after each step, without end."""
    memory = np.zeros_like(x) if name == "momentum" else field(x)
    while True:
        if name == "simultaneous":
            x = x - h * field(x)
        elif name == "extragradient":
            x = x - h * field(x - h * field(x))
        elif name == "alternating":
            for player in range(players.max() + 1):
                x = np.where(players == player, x - h * field(x), x)
        elif name == "optimistic":
            memory = field(x - h * memory)
            x = x - h * memory
        elif name == "momentum":
            assert momentum is not None
            memory = momentum * memory - field(x)
            x = x + h * memory
        else:
            stages, weights = _STAGES[name]
            forces: list[np.ndarray] = []
            for row in stages:
                at = x - h * sum((c * f for c, f in zip(row, forces, strict=True)), 0.0 * x)
                forces.append(field(at))
            x = x - h * sum(c * f for c, f in zip(weights, forces, strict=True))
        yield x
