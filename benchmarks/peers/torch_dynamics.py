"""The same dynamics in PyTorch, imported only when it is asked for."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np


def quadratic(matrix: np.ndarray, torch: Any) -> Callable:
    """The payoff of the quadratic game."""
    r = torch.from_numpy(matrix)

    def payoff(x: Any) -> Any:
        return x[0] @ r @ x[1] + 0.05 * (x[0] @ x[0] - x[1] @ x[1])

    return payoff


def networks(noise: np.ndarray, real: np.ndarray, own: int, torch: Any) -> Callable:
    """The payoff of the generator against the discriminator."""
    z, points = torch.from_numpy(noise), torch.from_numpy(real)
    softplus = torch.nn.functional.softplus

    def network(weights: Any, x: Any) -> Any:
        pairs = list(zip(weights[::2], weights[1::2], strict=True))
        for weight, bias in pairs[:-1]:
            x = torch.tanh(x @ weight.T + bias)
        return x @ pairs[-1][0].T + pairs[-1][1]

    def payoff(x: Any) -> Any:
        generator, discriminator = x[:own], x[own:]
        fake = network(generator, z)
        gain = -softplus(-network(discriminator, points)).mean()
        gain = gain - softplus(network(discriminator, fake)).mean()
        decay = [sum((leaf**2).sum() for leaf in part) for part in (generator, discriminator)]
        return gain + 0.005 * (decay[0] - decay[1])

    return payoff


def runner(
    payoff_of: Callable,
    start: list[np.ndarray],
    own: int,
    step: Callable,
    state_of: Callable,
    compiled: bool,
) -> Callable[[int], list[np.ndarray]]:
    """A loop in Python, stopped by the residual as the loop by hand in JAX.

    Args:
        payoff_of: Makes the payoff, given the module.
        start: Where to start.
        own: How many of the arrays are the first player's.
        step: Of the field, a strategy, the field there and a state.
        state_of: The state before the first step.
        compiled: Whether a step is compiled.
    """
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)  # quicker for arrays this small, above all beside other processes
    gradient = torch.func.grad(payoff_of(torch))

    def field(x: list) -> list:
        values = gradient(x)
        return [*values[:own], *(-value for value in values[own:])]

    def advance(x: list, force: list, state: Any) -> tuple:
        x, state = step(field, x, force, state)
        force = field(x)
        return x, force, state, torch.stack([(leaf**2).sum() for leaf in force]).sum().sqrt()

    one = torch.compile(advance) if compiled else advance

    def run(steps: int) -> list[np.ndarray]:
        with torch.no_grad():
            x = [torch.from_numpy(np.array(leaf)) for leaf in start]
            force = field(x)
            state = state_of(x, force)
            for _ in range(steps):
                x, force, state, residual = one(x, force, state)
                if not 0 < residual.item() < float("inf"):
                    break
        return [leaf.numpy() for leaf in x]

    return run
