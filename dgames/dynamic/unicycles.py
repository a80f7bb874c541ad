"""Games of unicycles in the plane, for tests, studies and pictures."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dgames.games.trajectory import Trajectory


def unicycle_ride(horizon: int, step: float = 0.1) -> Trajectory:
    """Returns the game of two who ride one unicycle: one steers it home, one keeps its speed.

    States are position, angle and speed, `x+ = x + step (v cos th, v sin th, u_steer, u_speed)`.
    With sums over the states after the first one, "steer" pays `step sum (px^2 + py^2 + u^2)` and
    "speed" pays `step sum ((v - 1)^2 + u^2)`. It is the game of the README of iLQGames.jl, in
    discrete time; for 10 steps of 0.1 the open-loop equilibrium costs 2.75836327767 and
    0.183153208874.

    Args:
        horizon: The number of steps.
        step: The length of one.

    Example:
        >>> unicycle_ride(5).rollout({i: jnp.zeros((5, 1)) for i in ("steer", "speed")}).shape
        (6, 4)
    """

    def move(x, u):
        rates = [x[3] * jnp.cos(x[2]), x[3] * jnp.sin(x[2]), u["steer"][0], u["speed"][0]]
        return x + step * jnp.stack(rates)

    def pay(x, u):
        to = move(x, u)
        return {
            "steer": step * (to[0] ** 2 + to[1] ** 2 + u["steer"][0] ** 2),
            "speed": step * ((to[3] - 1) ** 2 + u["speed"][0] ** 2),
        }

    return Trajectory(move, pay, None, [1.0, 1.0, 0.0, 0.5], horizon)


def unicycle_crossing(
    horizon: int, players: int = 3, caution: float = 5.0, step: float = 0.1
) -> tuple[Trajectory, dict[str, Array]]:
    """Returns a game of unicycles that start on a circle, and each go to the other side of it.

    Each one has a position, an angle and a speed, and controls the rates of the last two. "car k"
    pays, in each step, for the distance from the goal, for controls and speed, and `caution exp(-4
    d^2)` for each other car at the distance d; and at the end for the distance from the goal.

    Args:
        horizon: The number of steps.
        players: The number of cars.
        caution: How much nearness costs.
        step: The length of a step.

    Returns:
        The game, and controls of zero to start from.

    Example:
        >>> game, start = unicycle_crossing(20)
        >>> game.rollout(start).shape, list(start)
        ((21, 12), ['car 0', 'car 1', 'car 2'])
    """
    turns = 2 * np.pi * np.arange(players) / players
    goals = 2 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    names = [f"car {k}" for k in range(players)]

    def move(x, u):
        rates = []
        for k, name in enumerate(names):
            angle, speed = x[4 * k + 2], x[4 * k + 3]
            rates += [speed * jnp.cos(angle), speed * jnp.sin(angle), u[name][0], u[name][1]]
        return x + step * jnp.stack(rates)

    def distance(x, k):
        return jnp.sum((x[4 * k : 4 * k + 2] - goals[k].astype(x.dtype)) ** 2)

    def nearness(x, k):
        places = [x[4 * j : 4 * j + 2] for j in range(players)]
        squares = (jnp.sum((places[k] - places[j]) ** 2) for j in range(players) if j != k)
        return sum((caution * jnp.exp(-4 * square) for square in squares), jnp.zeros((), x.dtype))

    def pay(x, u):
        effort = {
            k: jnp.sum(u[name] ** 2) + 0.1 * x[4 * k + 3] ** 2 for k, name in enumerate(names)
        }
        return {
            name: step * (distance(x, k) / 2 + nearness(x, k) + effort[k])
            for k, name in enumerate(names)
        }

    def end(x):
        return {name: 5 * distance(x, k) for k, name in enumerate(names)}

    # Everybody sets out a little to the left of the goal, or else nobody could choose a side.
    first = [[*-goal, turn + 0.05, 1.0] for goal, turn in zip(goals, turns, strict=True)]
    start = {name: jnp.zeros((horizon, 2)) for name in names}
    return Trajectory(move, pay, end, np.concatenate(first), horizon), start
