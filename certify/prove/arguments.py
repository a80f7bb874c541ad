"""Checks the arguments of `certify.certify` before anything is traced."""

from collections.abc import Mapping, Sequence
from typing import Any

import dgames as dg
from certify.jacobian.enclosure_choice import Enclosure
from certify.metric.metric_options import MetricOption
from certify.problem.field import FlatField, flat_field
from certify.problem.messages import clipped, listed
from certify.problem.region import Ball, Box, Everywhere, Policies, Region
from certify.search.search_options import Search
from dgames.strategy import dimensions, player_names

# Coordinates that a file of cells can hold, and one of terms.
MOST_COORDINATES, MOST_OF_TERMS = 512, 2**17


def check_region(caller: str, region: Any, most: int = MOST_COORDINATES) -> Region:
    """Returns the region, if it is one that a file can hold.

    Raises:
        ValueError: If it is not a region, has no players, a player without coordinates, or too
            many coordinates.
    """
    if not isinstance(region, Box | Ball | Everywhere | Policies):
        raise ValueError(
            f"{caller}: the region is {_described(region)}; give a certify.Box, Ball, Everywhere "
            "or Policies, such as certify.Box.around(strategy, radius)."
        )
    names, sizes = player_names(region.center), dimensions(region.center)
    if not names:
        raise ValueError(f"{caller}: the region has no players; give a block for each of them.")
    for name, size in zip(names, sizes, strict=True):
        if size == 0:
            raise ValueError(
                f"{caller}: player '{clipped(name)}' has no coordinates; leave the player out of "
                "game and region, or give at least one number."
            )
    check_size(caller, sum(sizes), most)
    return region


def check_size(caller: str, coordinates: int, most: int = MOST_COORDINATES) -> None:
    """Raises a `ValueError` if there are more coordinates than a file can hold."""
    if coordinates > most:
        raise ValueError(
            f"{caller}: {coordinates} coordinates; a file holds at most {most}: use "
            "certify.certify_network with dg.NetworkGame, where each player's cost depends on few "
            "others."
        )


def check_methods(methods: Any) -> Sequence[type[dg.AbstractMethod]]:
    """Returns the classes of methods, each once.

    Raises:
        ValueError: If they are not in a list, or not classes of methods.
    """
    if isinstance(methods, type | dg.AbstractMethod) or callable(methods):
        raise ValueError(
            f"certify: methods is {_described(methods)}; give a list of classes, such as "
            "methods=[dg.Simultaneous]."
        )
    if isinstance(methods, str) or not isinstance(methods, Sequence | set | frozenset):
        raise ValueError(
            f"certify: methods is {_described(methods)}; give a list of classes of methods, such "
            "as [dg.Simultaneous]."
        )
    for method in methods:
        if not (isinstance(method, type) and issubclass(method, dg.AbstractMethod)):
            raise ValueError(
                f"certify: methods contains {_described(method)}; give classes of methods, such as "
                "dg.Simultaneous, without step sizes: these are what is looked for."
            )
    return list(dict.fromkeys(methods))


def check_options(caller: str, metric: Any, enclosure: Any, search: Any) -> None:
    """Makes sure that each option is an object of its kind.

    Raises:
        ValueError: If one is not; the message names the right kinds.
    """
    if not isinstance(metric, MetricOption):
        raise ValueError(
            f"{caller}: metric is {_described(metric)}; give certify.AutoMetric(), "
            "certify.Weights({...}) or certify.Matrix(P)."
        )
    check_enclosure(caller, enclosure)
    check_search(caller, search)


def check_enclosure(caller: str, enclosure: Any) -> None:
    """Makes sure that an enclosure is an object of its kind."""
    if not isinstance(enclosure, Enclosure):
        raise ValueError(
            f"{caller}: enclosure is {_described(enclosure)}; give certify.AutoEnclosure(), "
            "certify.Taylor(), AffineArithmetic(), IntervalMatrices() or RankOneTerms()."
        )


def check_search(caller: str, search: Any) -> None:
    """Makes sure that a search is an object of its kind."""
    if not isinstance(search, Search):
        raise ValueError(
            f"{caller}: search is {_described(search)}; give certify.Search(max_cells=...)."
        )


def traced(caller: str, game: Any, region: Region, args: Any) -> FlatField:
    """Returns the field of a game on a region; errors that its costs raise name the region too."""
    try:
        return flat_field(game, region, args)
    except (KeyError, IndexError) as error:
        raise _misfit(caller, region, error) from error


def _misfit(caller: str, region: Region, error: Exception) -> ValueError:
    """Returns an error that explains what the costs raised on a strategy of the region."""
    what = {KeyError: "there is no player or key", IndexError: "there is no player or entry"}
    said = next((text for kind, text in what.items() if isinstance(error, kind)), "they say")
    return ValueError(
        f"{caller}: the costs fail on strategies of the region, whose players are "
        f"{listed(player_names(region.center))}: {said} {clipped(str(error))} "
        f"({type(error).__name__}); give a region of the players that the costs are written for."
    )


def _described(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {clipped(value.__name__)}"
    if isinstance(value, Mapping | list | tuple):
        return f"a {type(value).__name__}"
    return f"{clipped(repr(value))} (a {type(value).__name__})"
