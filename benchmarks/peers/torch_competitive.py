"""Competitive gradient steps in PyTorch, imported only when they are asked for."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np


def runner(
    covariance: np.ndarray, start: tuple[np.ndarray, np.ndarray], alpha: float, tolerance: float
) -> Callable[[int], list[np.ndarray]]:
    """Steps of length alpha on the game `<W, V V' - S>`, as optimisers in PyTorch take them.

    Hessian-vector products come from automatic differentiation. The system of the first player is
    solved by conjugate gradients, from the solution of the step before, and the other player's
    answer is substituted.

    Args:
        covariance: S.
        start: W and V.
        alpha: The step that players expect of each other, and take.
        tolerance: Of the residual of the linear system, relative to the right-hand side.
    """
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)  # quicker for matrices this small, above all beside other processes
    grad, target = torch.autograd.grad, torch.from_numpy(np.array(covariance))

    def solved(product: Callable, right: Any, guess: Any) -> Any:
        x, limit = guess, tolerance**2 * (right * right).sum()
        residual = direction = right - product(x)
        size = (residual * residual).sum()
        for _ in range(10 * right.numel()):
            if not size > limit:
                break
            image = product(direction)
            length = size / (direction * image).sum()
            x, residual = x + length * direction, residual - length * image
            before, size = size, (residual * residual).sum()
            direction = residual + size / before * direction
        return x

    def step(w: Any, v: Any, guess: Any) -> tuple[Any, Any, Any]:
        w, v = w.detach().requires_grad_(), v.detach().requires_grad_()
        slope_w, slope_v = grad((w * (v @ v.T - target)).sum(), (w, v), create_graph=True)

        def there(u: Any) -> Any:
            """The derivative of the slope along w, in the direction u of v."""
            return grad(slope_v, w, u, retain_graph=True)[0]

        def back(u: Any) -> Any:
            """The derivative of the slope along v, in the direction u of w."""
            return grad(slope_w, v, u, retain_graph=True)[0]

        first, second = slope_w.detach(), slope_v.detach()
        right = first + alpha * there(second)
        guess = solved(lambda u: u + alpha**2 * there(back(u)), right, guess)
        return w - alpha * guess, v + alpha * (second - alpha * back(guess)), guess

    def run(steps: int) -> list[np.ndarray]:
        w, v = (torch.from_numpy(np.array(leaf)) for leaf in start)
        guess = torch.zeros_like(w)
        for _ in range(steps):
            w, v, guess = step(w, v, guess)
        return [w.detach().numpy(), v.detach().numpy()]

    return run
