"""Proves Lipschitz constants of networks in their inputs."""

import math
from typing import Any, get_args

from certify.problem.region import Ball, Box
from certify.prove.lipschitz.constructed_layers import (
    constructed_constant,
    has_residual,
    is_constructed,
)
from certify.prove.lipschitz.layer_norms import product_of_norms
from certify.prove.lipschitz.lipschitz_bound import LipschitzBound, Method, Norm
from certify.prove.lipschitz.network_chain import NetworkChain, chain_of
from certify.prove.lipschitz.propagation import propagated_constant, slopes_on
from certify.prove.lipschitz.sector_proof import sector_constant
from certify.prove.lipschitz.unit_slopes import UnitSlopes
from certify.rounding import next_above


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
    - "propagation": bounds on all entries of the Jacobian, by lines around activation functions and
      their slopes (CROWN). Best on small sets of inputs, and for narrow networks.
    - "pivots": the sector inequality of LipSDP with diagonal multipliers, which are found without a
      semidefinite solver, layer by layer and then together. Best on large sets, and for wide
      networks: hundreds of units per layer take seconds. It is about the 2-norm; in the other norm,
      its constant is multiplied by the root of the number of inputs.
    - "lipsdp": the same inequality with multipliers of a semidefinite solver; for about a hundred
      units.

    On a domain, all of them take the slopes that units have there. Whatever found the multipliers,
    they are a guess: what is claimed is that the matrix inequality holds, which is proved
    afterwards with every rounding error paid for.

    Args:
        module: The network: a `dgames.nn.MLP`, a layer of `dgames.nn` with a Lipschitz constant by
            construction or a `dgames.nn.LipschitzNetwork` of them (whose theorems are verified for
            the matrices that are computed), an `equinox.nn.MLP`, an `equinox.nn.Linear`, or a
            tuple, list or `equinox.nn.Sequential` of layers and activation functions.
        domain: The inputs that are meant, all by default: a `certify.Box` or `certify.Ball` with
            the input as its only block, such as `certify.Box((lower,), (upper,))`.
        norm: "l2", the Euclidean norm of inputs and outputs, or "linf", their largest entry.
        method: One of those above; "auto" takes the smallest constant of the first three.

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
    >>> box = certify.Box.around((jax.numpy.ones(2),), 0.01)
    >>> found = certify.lipschitz(net, box, norm="linf")
    >>> gradient = jax.grad(lambda x: net(x)[0])(jax.numpy.ones(2))
    >>> 1.0 < found.constant / float(abs(gradient).sum()) < 1.1
    True

    References:
        Fazlyab et al., arXiv:1906.04893 (LipSDP); Xu and Sivaranjani, arXiv:2404.04375 (without a
        solver); Prach and Lampert, arXiv:2208.03160 (diagonal scalings); Shi et al.,
        arXiv:2210.07394 (propagation).
    """
    _check(domain, norm, method)
    if has_residual(module):
        if norm != "l2" or method not in ("auto", "product") or not is_constructed(module):
            raise ValueError(
                'lipschitz: residual layers, SLL, have a constant by method="product" in '
                'norm="l2", alone or in a dgames.nn.LipschitzNetwork'
            )
        return LipschitzBound(constructed_constant(module), "product", norm, domain)
    chain = chain_of(module)
    if domain is not None and domain.dimension != chain.sizes[0]:
        raise ValueError(
            f"lipschitz: the domain has {domain.dimension} coordinates, but the network has "
            f"{chain.sizes[0]} inputs"
        )
    slopes = slopes_on(chain, domain)
    methods: list[Method] = [method] if method != "auto" else _methods(norm, slopes)
    found = [LipschitzBound(_constant(chain, slopes, norm, m), m, norm, domain) for m in methods]
    if norm == "l2" and "product" in methods and is_constructed(module):
        found.append(LipschitzBound(constructed_constant(module), "product", norm, domain))
    return min(found, key=lambda bound: bound.constant)


def _methods(norm: Norm, slopes: list[UnitSlopes]) -> list[Method]:
    """The methods that apply and need no semidefinite solver."""
    mixed = any(slope.tied > 1 for slope in slopes)
    return ["product", "pivots"] if mixed else ["product", "propagation", "pivots"]


def _constant(chain: NetworkChain, slopes: list[UnitSlopes], norm: Norm, method: Method) -> float:
    matrices = [part.matrix for part in chain.maps]
    if method == "product":
        found = product_of_norms(matrices, slopes, norm)
    elif method == "propagation":
        found = propagated_constant(matrices, slopes, norm)
    else:
        found = sector_constant(matrices, slopes, "lipsdp" if method == "lipsdp" else "pivots")
        if norm == "linf":
            # |f(x) - f(y)|_inf <= |f(x) - f(y)|_2 and |x - y|_2 <= sqrt(inputs) |x - y|_inf.
            found = float(next_above(found * next_above(math.sqrt(chain.sizes[0]))))
    return found if math.isfinite(found) else math.inf


def _check(domain: Any, norm: Any, method: Any) -> None:
    if norm not in get_args(Norm):
        raise ValueError(f'lipschitz: the norm is "l2" or "linf"; got {norm!r}')
    if method not in get_args(Method):
        known = ", ".join(f'"{name}"' for name in get_args(Method))
        raise ValueError(f"lipschitz: the method is one of {known}; got {method!r}")
    if domain is not None and type(domain) not in (Box, Ball):
        raise ValueError(
            "lipschitz: the domain is a certify.Box or certify.Ball of inputs, or None; got an "
            f"object of type {type(domain).__name__}"
        )
