"""What a game has to say of itself for a proof by closed forms."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from certify.claims.closed_form import ClosedFormConstants
from certify.steps.step_size import StepSize
from dgames.roles import minimiser_of
from dgames.strategy import Strategy, join


class ClosedFormBounds(NamedTuple):
    """The constants of a game, and functions about its points.

    Attributes:
        constants: Margin, Lipschitz constant, and where they hold. The norm has to be Euclidean
            for the steps of `certify.steps`.
        projected: Whether the region is the product of the players' strategy sets, onto which steps
            are projected.
        reach: Maps a joint strategy to the radius of a ball around it, in the Euclidean norm, that
            is inside the region, rounded down; negative or zero if there is none. None if the
            region is everywhere.
        residual: Maps a joint strategy c to an upper bound on `|F(c)|` with all rounding errors
            paid; None for an enclosure of the code of the costs, which takes longer.
        distance: Maps a joint strategy to an upper bound on its distance from an equilibrium in the
            region, which exists, in the norm of the constants; None for the rule that the ball of
            radius `residual / margin` has to be in the region.
        steps: Proved steps of methods, by name, that take the place of those of `certify.steps`.
            They are needed in norms that are not Euclidean.
        guess: Returns a joint strategy near the equilibrium, to save the run of a method that
            looks for it; None if there is no better way than such a run.
        like: A joint strategy of the right shapes, from which the run starts; None if the game does
            not know its shapes, so that the user has to give one.
    """

    constants: ClosedFormConstants
    projected: bool = False
    reach: Callable[[Strategy], float] | None = None
    residual: Callable[[Strategy], float] | None = None
    distance: Callable[[Strategy], float] | None = None
    steps: Mapping[str, StepSize] | None = None
    guess: Callable[[], Strategy] | None = None
    like: Strategy | None = None


@functools.singledispatch
def closed_form_bounds(
    game: Any, like: Strategy | None = None, args: Any = None
) -> ClosedFormBounds:
    """Returns the constants of a game of a class that has them in closed form.

    Register a function for a class of your own to have `certify.certify_closed_form` prove its
    games. Functions are for one class, not for classes derived from it, which may have other costs.
    What they return is believed: margins are to be rounded down and Lipschitz constants up.

    Args:
        game: The game.
        like: A joint strategy, of which only players and shapes matter, or None.
        args: Passed to the costs.

    Raises:
        ValueError: If nothing is registered for games of this class.

    Example:
        >>> import dgames as dg
        >>> bounds = closed_form_bounds(dg.games.DecayedBilinear([[2.0]], (1.0, 1.0)))
        >>> bounds.constants.margin, round(bounds.constants.lipschitz, 9)
        (1.0, 2.236067977)
    """
    raise unknown(game)


def unknown(game: Any) -> ValueError:
    """Returns the error about a game without a closed form."""
    known = sorted(cls.__name__ for cls in closed_form_bounds.registry if cls is not object)
    return ValueError(
        f"certify_closed_form has no closed form for {type(game).__name__}, only for "
        f"{', '.join(known)}; certify.certify proves other games, and "
        "certify.closed_form_bounds.register adds one."
    )


def joined(game: Any, like: Strategy | None, minimiser: Any, maximiser: Any) -> Strategy:
    """Returns the joint strategy of two roles: a pair, or what has the structure of `like`."""
    if like is None:
        return (minimiser, maximiser)
    pair = (minimiser, maximiser)
    return join(like, pair if minimiser_of(game, like, True) == 0 else pair[::-1])
