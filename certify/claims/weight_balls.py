"""The region of a certificate about networks: balls of weights."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from certify.file.contents import Contents
from certify.problem.network_contents import network_of
from dgames.nn import MLP
from dgames.strategy import Strategy, blocks, ravel


class WeightBalls(eqx.Module):
    """A product of balls of networks' weights, and in them of layers.

    Attributes:
        centre: The networks at the centre.
        radii: The radii of layers, in Frobenius norm, for each network.
        radius: The radius of all weights together, for each network.
    """

    centre: tuple[MLP, ...]
    radii: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    radius: tuple[float, ...] = eqx.field(static=True)

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Returns whether the networks of a joint strategy are in the region; traceable."""
        inside = [jnp.asarray(True)]
        for given, centre, radii, radius in zip(
            blocks(x), self.centre, self.radii, self.radius, strict=True
        ):
            inside.append(distance((given,), (centre,)) <= radius)
            layers = zip(_layers(given), _layers(centre), radii, strict=True)
            inside += [distance(own, other) <= r for own, other, r in layers]
        return jnp.stack(inside).all()


def distance(x: Strategy, y: Strategy) -> Float[Array, ""]:
    """Returns the Euclidean distance of two strategies."""
    one, other = (ravel(each)[0].astype(float) for each in (x, y))
    return jnp.linalg.norm(one - other)


def networks_in_file(data: Contents, digests: list[str]) -> tuple[MLP, ...]:
    """Returns networks of a file by the digests of their weights.

    Args:
        data: The contents of the file.
        digests: One for each network.

    Raises:
        ValueError: If the file has no weights.
    """
    stored = data["evidence"].get("weights")
    if stored is None:
        raise ValueError(
            "the certificate has no weights, which are too many for its file; give the step as a "
            "number, such as certificate.step_sizes[...].best"
        )
    pairs = zip(data["game"]["networks"], digests, strict=True)
    return tuple(network_of(network, stored[digest]) for network, digest in pairs)


def _layers(network: MLP) -> list[tuple]:
    """Returns the arrays of each layer."""
    pairs = zip(network.weights, network.biases, strict=True)
    return [(weight,) if bias is None else (weight, bias) for weight, bias in pairs]
