"""Compares the game of a neural file with a given one, by its code, its data and its starts."""

from typing import Any

import dgames as dg
from certify.checker import Unusable
from certify.checker.neural import digest_of
from certify.file.contents import Contents
from certify.graph.builder import GraphError
from certify.graph.output_graph import traced_outputs
from certify.problem.exact_types import is_as_made
from certify.problem.network_contents import (
    flat_weights,
    network_of,
    require_alike,
    require_network,
)
from certify.problem.network_data import adversarial_arrays, output_arrays
from certify.problem.perturbed_data import perturbed_arrays, perturbed_section
from certify.problem.robust_data import robust_arrays, robust_section
from dgames.strategy import blocks


def networks_difference(data: Contents, game: Any, args: Any) -> str | None:
    """Says how a game of networks, or its data, differs from that of a file.

    Args:
        data: The contents of the file.
        game: The game.
        args: The data.

    Raises:
        Unusable: If there are no data to compare.
    """
    said = data["game"]
    if type(game) is not dg.ZeroSumNetworks or not (is_as_made(game) and is_as_made(game.value)):
        return "it is a game of networks"
    if args is None:
        raise Unusable("the file has data, to be given as args")
    starts = game.start if isinstance(game.start, tuple | list) else blocks(game.start)
    if not isinstance(game.decay, tuple | list) or len(game.decay) != 2 or len(starts) != 2:
        return "it has two players, each with a decay and a start"
    count = len(said["networks"])  # a second player who weighs or moves data is no network
    if any(game.decay[count:]):
        return "its decay is another one"
    players = zip(said["networks"], game.decay[:count], starts[:count], strict=True)
    for network, decay, start in players:
        if float(decay).hex() != network["decay"]:
            return "its decay is another one"
        if (start is None) != (network["start"] is None):
            return "its networks decay to somewhere else"
        if start is not None:
            try:
                require_alike(network_of(network), require_network(start, "the start"), "the start")
            except ValueError:
                return "its networks have other sizes, scales, biases or activation functions"
            if flat_weights(start).digest != network["start"]:
                return "its networks decay to other weights"
    return _DIFFERENCES[said["value"]["kind"]](said, game, args)


def _outputs_difference(said: Contents, game: dg.ZeroSumNetworks, args: Any) -> str | None:
    if type(game.value) is not dg.OutputValue:
        return "its value is a mean of a function of outputs"
    networks = [network_of(net) for net in said["networks"]]
    try:
        arrays = output_arrays(args, networks)
        sizes = (networks[0].sizes[-1], networks[1].sizes[-1])
        traced = traced_outputs(game.value.fn, sizes, arrays.first)
    except (GraphError, ValueError) as error:
        return str(error)
    if traced.graph != said["value"]["graph"]:
        return "its function of outputs is another one"
    numbers = {"samples": arrays.samples, "digest": digest_of(arrays.numbers)}
    return None if numbers == said["data"] else "its data are others"


def _adversarial_difference(said: Contents, game: dg.ZeroSumNetworks, args: Any) -> str | None:
    value, stated = game.value, said["value"]
    if type(value) is not dg.Adversarial:
        return "its value is that of an adversarial network"
    if (value.loss, value.residual) != (stated["loss"], stated["residual"]):
        return "its loss, or what its samples are, is another one"
    networks = [network_of(net) for net in said["networks"]]
    try:
        arrays = adversarial_arrays(args, networks, value.residual)
    except ValueError as error:
        return str(error)
    same = len(arrays.z) == stated["noise"] and len(arrays.x) == said["data"]["samples"]
    same = same and digest_of(arrays.numbers) == said["data"]["digest"]
    return None if same else "its data are others"


def _robust_difference(said: Contents, game: dg.ZeroSumNetworks, args: Any) -> str | None:
    if type(game.value) is not dg.Robust:
        return "its value is a robust one"
    try:
        arrays = robust_arrays(game.value, network_of(said["networks"][0]), args)
        section = robust_section(game.value)
    except ValueError as error:
        return str(error)
    if section != said["value"]:
        return "its loss, temperature, divergence or groups are others"
    numbers = {"samples": len(arrays.x), "digest": digest_of(arrays.numbers)}
    return None if numbers == said["data"] else "its data are others"


def _perturbed_difference(said: Contents, game: dg.ZeroSumNetworks, args: Any) -> str | None:
    if type(game.value) is not dg.Perturbed:
        return "its second player moves the inputs of a network"
    if game.decay[1]:
        return "moves of inputs do not decay"
    network = network_of(said["networks"][0])
    try:
        arrays = perturbed_arrays(game.value, network, args)
        section = perturbed_section(game.value, network, arrays).contents
    except (GraphError, ValueError) as error:
        return str(error)
    if section != said["value"]:
        return "its loss, penalty or radius are others"
    numbers = {"samples": len(arrays.x), "digest": digest_of(arrays.numbers)}
    return None if numbers == said["data"] else "its data are others"


# For each kind of value: how its function and data are compared.
_DIFFERENCES = {
    "outputs": _outputs_difference,
    "adversarial": _adversarial_difference,
    "robust": _robust_difference,
    "perturbed": _perturbed_difference,
}
