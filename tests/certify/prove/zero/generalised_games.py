"""Generalised Nash problems of the library of Facchinei and Kanzow, with their solutions.

Solutions are those of a Newton method with residuals below 1e-12, or closed forms.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

import dgames as dg

INTENSITY = (10.0, 8.0, 6.0, 4.0, 2.0)
EXPONENTS = (1.2, 1.1, 1.0, 0.9, 0.8)


def oligopoly(cap: float, *, own: bool = False) -> dg.Game:
    """A.16: five firms, whose total is capped; with `own`, each has a multiplier of its own."""

    def costs(x: Any, args: Any) -> Any:
        price = (5000.0 / sum(x)) ** (1 / 1.1)
        return tuple(
            c * q + b / (1 + b) * 5 ** (-1 / b) * q ** ((1 + b) / b) - q * price
            for q, c, b in zip(x, INTENSITY, EXPONENTS, strict=True)
        )

    players = [(str(i),) for i in range(5)] if own else [None]
    shared = tuple(dg.SharedConstraint(lambda x, _: sum(x) - cap, players=p) for p in players)
    return dg.game(costs, dg.Box(0.0, jnp.inf), shared=shared)


OLIGOPOLY_150 = (23.5886913326, 28.684323188, 32.0215045136, 33.2872652277, 32.4182157381)
PRICE_150 = 7.1270684901

_A = (
    np.array([[20.0, 5.0, 3.0], [5.0, 5.0, -5.0], [3.0, -5.0, 15.0]]),
    np.array([[11.0, -1.0], [-1.0, 9.0]]),
    np.array([[48.0, 39.0], [39.0, 53.0]]),
)
_B = (
    np.array([[-6.0, 10.0, 11.0, 20.0], [10.0, -4.0, -17.0, 9.0], [15.0, 8.0, -22.0, 21.0]]),
    np.array([[20.0, 1.0, -3.0, 12.0, 1.0], [10.0, -4.0, 8.0, 16.0, 21.0]]),
    np.array([[10.0, -2.0, 22.0, 12.0, 16.0], [9.0, 19.0, 21.0, -4.0, 20.0]]),
)
_C = (np.array([1.0, -1.0, 1.0]), np.array([1.0, 0.0]), np.array([-1.0, 2.0]))


def three_quadratic() -> dg.Game:
    """A.3: no constraint is active, and the field is not monotone in any metric of weights."""

    def costs(x: Any, args: Any) -> Any:
        def cost(i: int) -> Any:
            others = jnp.concatenate([x[j] for j in range(3) if j != i])
            return 0.5 * x[i] @ _A[i] @ x[i] + x[i] @ (_B[i] @ others + _C[i])

        return tuple(cost(i) for i in range(3))

    def first(x: Any, _: Any) -> Any:
        (a, b, c), (d, _e), (_f, g) = x
        return jnp.stack([a + b + c - 20.0, a + b - c - d + g - 5.0])

    shared = (
        dg.SharedConstraint(first, players="0"),
        dg.SharedConstraint(lambda x, _: x[1][0] - x[1][1] - x[0][1] - x[0][2] + x[2][0] - 7, "1"),
        dg.SharedConstraint(lambda x, _: x[2][1] - x[0][0] - x[0][2] + x[1][0] - 4.0, "2"),
    )
    return dg.game(costs, dg.Box(-10.0, 10.0), shared=shared)


THREE_QUADRATIC = (
    (-0.380462878, -0.1226711108, -0.9932207742),
    (0.3903438551, 1.1638405634),
    (0.0503954462, 0.0175791512),
)


def switching(*, second: bool = False, own: bool = False) -> dg.Game:
    """A.1 (one privileged player), or A.2 (two kinds of costs), of ten players."""

    def costs(x: Any, args: Any) -> Any:
        total = sum(x)
        powers = [2 if second and i in (1, 2, 3, 4) else 1 for i in range(10)]
        return tuple(-q / total * (1 - total) ** p for q, p in zip(x, powers, strict=True))

    tight = (0.06, 0.05) if second else (jnp.inf, jnp.inf)
    most = (0.5, *[jnp.inf] * 7, *tight)
    sets = tuple(dg.Box(0.01 if i else 0.3, high) for i, high in enumerate(most))
    shared = [dg.SharedConstraint(lambda x, _: sum(x) - 1.0, tuple(map(str, range(1, 10))))]
    for players in ([("4",), ("5",)] if own else [("4", "5")]) if second else []:
        shared.append(dg.SharedConstraint(lambda x, _: 0.99 - sum(x), players))
    return dg.game(costs, sets, shared=tuple(shared))


SWITCHING = (0.3, *[(2.6 + 74.8**0.5) / 162] * 9)
SWITCHING_2 = (0.3, 0.01, 0.01, 0.01, 0.5952893703, 0.0247106297, 0.01, 0.01, 0.01, 0.01)


def river() -> dg.Game:
    """A.13: three polluters, two limits."""
    linear, square = (0.1, 0.12, 0.15), (0.01, 0.05, 0.01)

    def costs(x: Any, args: Any) -> Any:
        return tuple(
            q * (a + b * q - 3.0 + 0.01 * sum(x)) for q, a, b in zip(x, linear, square, strict=True)
        )

    limits = dg.Polyhedron([[3.25, 1.25, 4.125], [2.2915, 1.5625, 2.8125]], 100.0)
    return dg.game(costs, dg.Box(0.0, jnp.inf), shared=limits)


RIVER = (21.1447960154, 16.027853447, 2.7259627009)
RIVER_MULTIPLIERS = (0.5743599993552443, 0.0)


def two_lines() -> dg.Game:
    """A.17: the bound of the first coordinate is active with the multiplier zero."""

    def costs(x: Any, args: Any) -> Any:
        (u, v), w = x
        first = u**2 + u * v + v**2 + (u + v) * w - 25 * u - 38 * v
        return (first, w**2 + (u + v) * w - 25 * w)

    lines = dg.Polyhedron([[1.0, 2.0, -1.0], [3.0, 2.0, 1.0]], [14.0, 30.0])
    return dg.game(costs, dg.Box(0.0, jnp.inf), shared=lines)


def on_a_line() -> dg.Game:
    """A.11: the variational equilibrium is (3/4, 1/4)."""
    line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    return dg.game(lambda x, _: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2), shared=line)
