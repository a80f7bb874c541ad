"""Proves Lipschitz constants of networks in their inputs."""

import math
from typing import Any, get_args

import numpy as np

from certify.problem.region import Ball, Box
from certify.prove.lipschitz.layer_norms import product_of_norms
from certify.prove.lipschitz.lipschitz_bound import LipschitzBound, Method, Norm
from certify.prove.lipschitz.network_chain import NetworkChain, chain_of
from certify.prove.lipschitz.sector_proof import sector_constant
from certify.prove.lipschitz.unit_slopes import UnitSlopes, global_slopes


def lipschitz(
    module: Any,
    domain: Box | Ball | None = None,
    *,
    norm: Norm = "l2",
    method: Method = "auto",
) -> LipschitzBound:
    r"""Proves a Lipschitz constant of a network in its input.

    The methods, from quick and rough to slow and narrow:

    - "product": the norms of all layers, multiplied.
    - "pivots": the sector inequality of LipSDP with diagonal multipliers, which are found without a
      semidefinite solver, layer by layer and then together; in the 2-norm. It is the one for wide
      networks: hundreds of units per layer take seconds.
    - "lipsdp": the same inequality with multipliers of a semidefinite solver; for about a hundred
      units.

    Whatever found the multipliers, they are a guess: what is claimed is that the matrix inequality
    holds, which is proved afterwards with every rounding error paid for.

    Args:
        module: The network: a `dgames.nn.MLP`, an `equinox.nn.MLP`, an `equinox.nn.Linear`, or a
            tuple, list or `equinox.nn.Sequential` of layers and activation functions.
        domain: The inputs that are meant, all by default: a `certify.Box` or `certify.Ball` with
            the input as its only block, such as `certify.Box((lower,), (upper,))`.
        norm: "l2", the Euclidean norm of inputs and outputs, or "linf", their largest entry.
        method: One of those above; "auto" takes the smallest constant of the quick ones.

    Returns:
        A `LipschitzBound`.

    Raises:
        ValueError: If the network cannot be read, a weight is NaN or infinite, or the domain, norm
            or method do not fit.

    >>> import certify, dgames as dg, jax
    >>> net = dg.nn.mlp((2, 16, 16, 1), jax.random.key(0), activation="tanh")
    >>> rough = certify.lipschitz(net, method="product").constant
    >>> certify.lipschitz(net).constant < 0.6 * rough
    True

    References:
        Fazlyab et al., arXiv:1906.04893 (LipSDP); Xu and Sivaranjani, arXiv:2404.04375 (without a
        solver); Prach and Lampert, arXiv:2208.03160 (diagonal scalings).
    """
    _check(domain, norm, method)
    chain = chain_of(module)
    if domain is not None and domain.dimension != chain.sizes[0]:
        raise ValueError(
            f"lipschitz: the domain has {domain.dimension} coordinates, but the network has "
            f"{chain.sizes[0]} inputs"
        )
    slopes = [
        global_slopes(activation, units)
        for activation, units in zip(chain.activations, chain.sizes[1:], strict=False)
    ]
    methods: list[Method] = [method] if method != "auto" else _methods(norm)
    found = [(_constant(chain, slopes, norm, each), each) for each in methods]
    constant, used = min(found, key=lambda pair: pair[0])
    return LipschitzBound(constant, used, norm, domain)


def _methods(norm: Norm) -> list[Method]:
    return ["product", "pivots"] if norm == "l2" else ["product"]


def _constant(chain: NetworkChain, slopes: list[UnitSlopes], norm: Norm, method: Method) -> float:
    matrices = [part.matrix for part in chain.maps]
    if method == "product":
        found = product_of_norms(matrices, slopes, norm)
    elif method in ("pivots", "lipsdp"):
        found = sector_constant(matrices, slopes, method)
    else:
        raise ValueError(f"lipschitz: {method} is not there yet")
    return found if np.isfinite(found) else math.inf


def _check(domain: Any, norm: Any, method: Any) -> None:
    if norm not in get_args(Norm):
        raise ValueError(f'lipschitz: the norm is "l2" or "linf"; got {norm!r}')
    if method not in get_args(Method):
        known = ", ".join(f'"{name}"' for name in get_args(Method))
        raise ValueError(f"lipschitz: the method is one of {known}; got {method!r}")
    if norm == "linf" and method in ("pivots", "lipsdp"):
        raise ValueError(f'lipschitz: method "{method}" is for norm="l2"; use "propagation"')
    if domain is not None and type(domain) not in (Box, Ball):
        raise ValueError(
            "lipschitz: the domain is a certify.Box or certify.Ball of inputs, or None; got an "
            f"object of type {type(domain).__name__}"
        )
