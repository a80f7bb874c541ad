"""Arguments of the costs that are new in every step: batches, keys, schedules."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import PyTree


class _Unknown(eqx.Module):
    """In place of a mean that was not given; None may be one."""


class Stepwise(eqx.Module):
    """Arguments that are drawn anew in every step of `dgames.solve`: give it as `args`.

    In step k, counted from 0, method and costs see `fn(k)`; a method that evaluates the field
    several times in one step has the same arguments each time. So costs that take a key are a noisy
    field, and costs that take rows of the data are a field of mini-batches, without a loop of one's
    own. What step k draws depends on k alone: a run that is continued with `first_step` draws what
    the whole run would have drawn.

    A noisy residual is no reason to stop. With `mean`, the arguments for which the field is the
    mean one (all data, or no noise), the run is judged by the residual there, and `tol` and
    derivatives of the solution are about that game. Without it all `max_steps` steps are taken;
    each residual in the history is a noisy one, of a strategy with the arguments of the step that
    comes next, which the strategy does not depend on; and derivatives are those of the steps.

    Attributes:
        fn: A function of the number of the step, an integer array, that JAX can trace. A Python
            function is compiled in, with the arrays that it closes over, so reuse one object;
            the arrays of an `equinox.Module` with a `__call__` are parameters.
        mean: The arguments by which the run is judged, None included.
        every: The residual is computed every so many steps, and at the last one, where computing
            it in each step would cost too much, such as that of all data. In between, the history
            repeats the last one.

    >>> import jax
    >>> from dgames import Simultaneous, game, solve
    >>> noisy = game(lambda x, key: ((x[0] - 1 + jax.random.normal(key)) ** 2 / 2,))
    >>> keys = Stepwise(lambda step: jax.random.fold_in(jax.random.key(0), step))
    >>> run = solve(noisy, Simultaneous(0.01), (0.0,), keys, max_steps=2000)
    >>> bool(abs(run.strategy[0] - 1) < 0.2), int(run.steps)
    (True, 2000)
    """

    fn: Callable[[Any], PyTree]
    mean: PyTree = _Unknown()
    every: int = eqx.field(default=1, static=True)

    def __check_init__(self) -> None:
        if not callable(self.fn):
            raise ValueError(
                "Stepwise: the first argument is a function of the number of the step, such as "
                f"lambda step: jax.random.fold_in(key, step); got {type(self.fn).__name__}"
            )
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"Stepwise: every must be a whole number from 1; got {self.every!r}")

    @property
    def has_mean(self) -> bool:
        """Whether there are arguments of the mean field."""
        return not isinstance(self.mean, _Unknown)


def args_at(args: PyTree, step: Any) -> PyTree:
    """Returns the arguments that a step sees.

    >>> args_at(Stepwise(lambda step: 10 * step), 3), args_at("the same always", 3)
    (30, 'the same always')
    """
    return args.fn(step) if isinstance(args, Stepwise) else args


def judged_args(args: PyTree, step: Any) -> PyTree:
    """Returns the arguments by which the strategy after so many steps is judged.

    >>> judged_args(Stepwise(lambda step: 10 * step, mean=7), 3)
    7
    """
    if isinstance(args, Stepwise) and args.has_mean:
        return args.mean
    return args_at(args, step)


def is_noisy(args: PyTree) -> bool:
    """Returns whether runs with these arguments have no residual by which they could stop."""
    return isinstance(args, Stepwise) and not args.has_mean
