"""A linear-quadratic crowd that wants to be somewhere at the end."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.fields import AbstractField
from dgames.strategy import Strategy, blocks, join


class TerminalCrowd(AbstractField):
    r"""A crowd on a line, in continuous actions, whose members care for where they end up.

    Member i starts at `start_i`, chooses a velocity in each of K intervals, and pays

        1/2 int_0^T u^2 dt + strength / 2 (x_T - attraction m - target)^2,    x_T = x_0 + int u dt

    where m is the mean of all x_T, in which a negligible member does not see the own part. The
    field is the gradient of these costs per unit of time,

        F(u) = u + strength (x_T - attraction m - target)

    In the equilibrium velocities are constant, and the mean at the end is

        m = (m_0 + T strength target) / (1 + T strength (1 - attraction))

    unless `attraction = 1 + 1 / (T strength)`, where there is none or a line of them. (Velocities
    solve `u = -strength (x_T - attraction m - target)`; take the mean of `x_T = x_0 + T u`.) If the
    members are N *players*, who know that they are part of the mean, `strength` is to be multiplied
    by `1 - attraction / N` in all formulas: the mean-field equilibrium is off by O(1 / N).

    Attributes:
        start: Shape `(members,)`.
        time: T, positive.
        strength: At least 0.
        attraction: How much members want to be where the others are.
        target: What they want to be at apart from that.
        intervals: K.
        negligible: Whether members ignore their part in the mean.

    Example:
        >>> crowd = TerminalCrowd([0.0, 2.0], time=1.0, strength=3.0, attraction=0.5, target=1.0)
        >>> f"{crowd.final_mean():.6f}"
        '1.600000'
    """

    start: Float[Array, " members"] = eqx.field(converter=as_float)
    time: Float[Array, ""] = eqx.field(converter=as_float)
    strength: Float[Array, ""] = eqx.field(converter=as_float)
    attraction: Float[Array, ""] = eqx.field(converter=as_float)
    target: Float[Array, ""] = eqx.field(converter=as_float)
    intervals: int = eqx.field(static=True, default=1)
    negligible: bool = eqx.field(static=True, default=True)

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        (velocities,) = blocks(x)
        end, strength, attraction, target = (
            jnp.asarray(value, velocities.dtype)
            for value in (self.end(x), self._felt(), self.attraction, self.target)
        )
        pull = strength * (end - attraction * jnp.mean(end) - target)
        return join(x, (velocities + pull[:, None],))

    def rest(self) -> tuple[Float[Array, "members intervals"]]:
        """Nobody moves, as a joint strategy of one player."""
        return (jnp.zeros((self.start.shape[0], self.intervals), self.start.dtype),)

    def end(self, x: Strategy) -> Float[Array, " members"]:
        """Returns where all members end up."""
        (velocities,) = blocks(x)
        start, time = (value.astype(velocities.dtype) for value in (self.start, self.time))
        return start + time * jnp.mean(velocities, -1)

    def final_mean(self) -> Float[Array, ""]:
        """Returns the mean at the end in the equilibrium, by the formula above."""
        pull = self.time * self._felt()
        return (jnp.mean(self.start) + pull * self.target) / (1 + pull * (1 - self.attraction))

    def _felt(self) -> Any:
        own = 0.0 if self.negligible else 1 / self.start.shape[0]
        return self.strength * (1 - self.attraction * own)
