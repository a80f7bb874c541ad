"""Pursuit and evasion in closed form: interception, simple motion, the homicidal chauffeur."""

import math
from typing import NamedTuple

import numpy as np


class Interception(NamedTuple):
    """The feedback solution of the linear-quadratic interception game; see `interception`.

    Attributes:
        stiffness: The number S: the value is `S |Z|^2 / 2`, where `Z = y + v tau` is the miss that
            will come about if nobody accelerates.
        pursuer: The pursuer's acceleration along -Z, for each unit of Z.
        evader: The evader's acceleration along -Z, for each unit of Z: along it in time, `y'' = u_p
            - u_e`.
    """

    stiffness: float
    pursuer: float
    evader: float


def interception(weight: float, to_go: float, pursuer: float, evader: float) -> Interception:
    """Solves the interception game of Bryson and Ho in feedback.

    The relative position y has `y'' = u_p - u_e`, and the pursuer minimises, the evader maximises

        J = weight |y(T)|^2 / 2 + int (|u_p|^2 / pursuer - |u_e|^2 / evader) dt / 2.

    The predicted miss `Z = y + v tau` at the time to go tau has `Z' = tau (u_p - u_e)`. So with `V
    = S |Z|^2 / 2` the Hamilton-Jacobi-Isaacs equation is `S' = tau^2 (pursuer - evader) S^2` in
    forward time, hence `1 / S = 1 / weight + (pursuer - evader) tau^3 / 3`.

    Args:
        weight: The weight of the miss, positive; it may be infinite if the pursuer is the stronger.
        to_go: The time to go tau, positive.
        pursuer: The pursuer's strength `c_p`, positive.
        evader: The evader's strength `c_e`, positive.

    Raises:
        ValueError: If a number is not positive, or there is no value since the evader can make the
            cost as large as they like: `1 / S` is not positive.

    Example:
        >>> game = interception(1.0, 1.0, 2.0, 1.0)
        >>> game.stiffness, game.pursuer, game.evader
        (0.75, 1.5, 0.75)

    References:
        Bryson and Ho, *Applied Optimal Control*, 1975, section 9.3.
    """
    _positive("interception", weight=weight, to_go=to_go, pursuer=pursuer, evader=evader)
    inverse = 1 / weight + (pursuer - evader) * to_go**3 / 3
    if not inverse > 0:
        raise ValueError(
            "interception: the evader is so strong that the game has no value: 1 / weight + "
            f"(pursuer - evader) to_go^3 / 3 is {inverse:.6g}, not positive"
        )
    stiffness = 1 / inverse
    return Interception(stiffness, pursuer * to_go * stiffness, evader * to_go * stiffness)


class SaddleThresholds(NamedTuple):
    """Weights of the miss below which the interception game has a saddle point.

    Attributes:
        open_loop: Below it, there is one in open loop; above it, there is none.
        feedback: Below it, there is one in feedback; infinite if every weight is.
    """

    open_loop: float
    feedback: float


def saddle_thresholds(to_go: float, pursuer: float, evader: float) -> SaddleThresholds:
    r"""Returns the weights below which the interception game has saddle points.

    With `|g|^2 = int tau^2 dtau = to_go^3 / 3`: in open loop, `weight evader |g|^2 < 1`, and in
    feedback `weight (evader - pursuer) |g|^2 < 1`.

    *Proof.* The miss at the end is `Z + int tau (u_p - u_e)`. For fixed `u_p` the cost is, in
    `u_e`, a quadratic with the form `weight (int tau u_e)^2 - int u_e^2 / evader`, whose largest
    value at a given norm is `weight |g|^2 - 1 / evader` (Cauchy and Schwarz). If that is negative,
    the cost is strictly concave in `u_e` and strictly convex in `u_p`, and the two first-order
    conditions, which are linear, have one solution. If it is positive, the evader's supremum is
    infinite against every `u_p`, and there is no saddle point. In feedback, see `interception`: its
    S exists up to this time to go if and only if `1 / S` has not reached zero. ∎

    Between the two thresholds there is a value in feedback but no open-loop saddle point.

    Args:
        to_go: The time to go, positive.
        pursuer: The pursuer's strength, positive.
        evader: The evader's strength, positive.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> saddle_thresholds(1.0, 1.0, 2.0)
        SaddleThresholds(open_loop=1.5, feedback=3.0)
    """
    _positive("saddle_thresholds", to_go=to_go, pursuer=pursuer, evader=evader)
    square = to_go**3 / 3
    excess = evader - pursuer
    return SaddleThresholds(
        1 / (evader * square), 1 / (excess * square) if excess > 0 else math.inf
    )


def capture_time(distance: float, radius: float, pursuer: float, evader: float) -> float:
    """Returns the time of capture in simple motion: both run straight along the line through both.

    The value of the game in which each turns at will has `V = (distance - radius) / (pursuer -
    evader)`: its gradient has the length `1 / (pursuer - evader)`, so that the Isaacs equation
    `1 + evader |DV| - pursuer |DV| = 0` holds.

    Args:
        distance: The distance at the start.
        radius: The distance at which the evader is caught.
        pursuer: The pursuer's speed, positive.
        evader: The evader's speed, positive.

    Returns:
        The time; infinite if the pursuer is not the faster one, and zero within the radius.

    Raises:
        ValueError: If a speed is not positive or a distance negative.

    Example:
        >>> capture_time(5.0, 1.0, 3.0, 1.0)
        2.0
    """
    _positive("capture_time", pursuer=pursuer, evader=evader)
    if not (distance >= 0 and radius >= 0):
        raise ValueError("capture_time: distance and radius must not be negative")
    if distance <= radius:
        return 0.0
    return (distance - radius) / (pursuer - evader) if pursuer > evader else math.inf


def chauffeur_escape_radius(speed_ratio: float) -> float:
    """Returns the capture radius below which the evader can escape from the homicidal chauffeur.

    A car with a bounded radius of turning chases a slower pedestrian who turns at will. From some
    positions the pedestrian escapes for ever if and only if the capture radius, in units of the
    car's radius of turning, is less than

        gamma asin(gamma) + sqrt(1 - gamma^2) - 1.

    *Where it is from.* In the car's axes, backwards from the edge of the usable part, the barrier
    is `x = (beta - gamma tau) sin(s + tau) + 1 - cos(tau)` with `cos s = gamma`; both barriers
    meet, and the positions between them are enclosed, if it comes back to x = 0. The limit is where
    it just touches it, at `tau = asin(gamma)`.

    Args:
        speed_ratio: The pedestrian's speed in units of the car's, gamma, from 0 to 1.

    Raises:
        ValueError: If the ratio is not between 0 and 1.

    Example:
        >>> round(chauffeur_escape_radius(0.5), 8)
        0.12782479

    References:
        Isaacs, *Differential Games*, 1965, section 9.1.
    """
    if not 0 <= speed_ratio <= 1:
        raise ValueError(
            f"chauffeur_escape_radius: the ratio of speeds is {speed_ratio}; it must be between 0 "
            "and 1"
        )
    return speed_ratio * math.asin(speed_ratio) + math.sqrt(1 - speed_ratio**2) - 1


def chauffeur_barrier(speed_ratio: float, radius: float, times: np.ndarray) -> np.ndarray:
    """Returns points of the right barrier of the homicidal chauffeur, in the car's axes.

    The car is at the origin and drives along the y axis. The curve starts on the capture circle at
    the edge of the usable part, `(radius sin s, radius cos s)` with `cos s = speed_ratio`, and is
    the path on which both play so that the pedestrian just grazes the circle, backwards in time.

    Args:
        speed_ratio: The pedestrian's speed in units of the car's, from 0 to 1.
        radius: The capture radius in units of the car's radius of turning.
        times: Times before the end, of shape `(T,)`.

    Returns:
        Points of shape `(T, 2)`.

    Example:
        >>> edge = chauffeur_barrier(0.5, 0.2, np.zeros(1))
        >>> np.round(edge, 4).tolist()
        [[0.1732, 0.1]]
    """
    angle, reach = math.acos(speed_ratio), radius - speed_ratio * times
    x = reach * np.sin(angle + times) + 1 - np.cos(times)
    y = reach * np.cos(angle + times) + np.sin(times)
    return np.stack([x, y], axis=1)


def _positive(who: str, **numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{who}: {name} is {value}; it must be positive")
