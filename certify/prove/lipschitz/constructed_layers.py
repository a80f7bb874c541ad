"""Layers whose Lipschitz constant is a theorem: what it is for the floats that they multiply by.

The theorems of `dgames.nn` are about exact arithmetic, and the matrices that are computed from the
free parameters obey them up to rounding. Here the matrices are taken as they were computed, and
what the proofs need of them is proved, so that a constant comes out slightly larger than one.
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np

from certify.problem.exact_types import is_as_made
from certify.prove.lipschitz.ball_products import BallMatrix
from certify.prove.lipschitz.layer_norms import spectral_norm
from certify.prove.lipschitz.network_chain import AFFINE_LAYERS, as_floats, chain_of
from certify.prove.lipschitz.sector_proof import sector_constant
from certify.prove.lipschitz.unit_slopes import global_slopes
from certify.rounding import EPSILON, next_above
from dgames.nn import (
    LDL,
    SLL,
    AbstractAffineLayer,
    AbstractLipschitzLayer,
    Activation,
    LipschitzNetwork,
    Sandwich,
)


def is_constructed(module: Any) -> bool:
    """Whether a module is a layer of this kind, or made of such layers."""
    return isinstance(module, AbstractLipschitzLayer | LipschitzNetwork)


def has_residual(module: Any) -> bool:
    """Whether a module has a residual layer, which is no chain of maps and activations."""
    leaves = jax.tree.leaves(module, is_leaf=lambda part: isinstance(part, SLL))
    return any(isinstance(leaf, SLL) for leaf in leaves)


def constructed_constant(module: eqx.Module) -> float:
    """Proves a constant in the 2-norm: the product of those of all layers.

    - `s(M x + b)` has the norm of M times the largest slope.
    - `Sandwich` has `|A A' + B B'|`, by the proof in its docstring, which is `|[A B]|^2`; its two
      factors of the root of two are floats, whose product is less than `2 (1 + 2^-52)`.
    - `SLL` moves by `I - 2 W' T S W` with a diagonal S in [0, 1] and `0 <= W' T S W <= |T^(1/2)
      W|^2`, so it has the larger of one and `2 |T^(1/2) W|^2 - 1`.
    - `LDL` is a perceptron, whose multipliers are part of it: the sector inequality is verified.

    Raises:
        ValueError: If a number in it is NaN or infinite, or a layer is of another class.
    """
    kind = type(module)
    if not is_as_made(module):
        raise ValueError(
            f"lipschitz: the layer {kind.__name__} has other attributes than its class"
        )
    known = type(getattr(module, "activation", None)) is Activation
    if type(module) is LipschitzNetwork:
        found = float(module.scale)
        for layer in module.layers:
            found = float(next_above(found * constructed_constant(layer)))
        return found
    if isinstance(module, AbstractAffineLayer) and kind in AFFINE_LAYERS and known:
        norm = spectral_norm(BallMatrix.exact(as_floats(module.matrix(), "the matrix of a layer")))
        steepest = float(global_slopes(module.activation, 1).size[0])
        return norm if steepest == 1.0 else float(next_above(norm * steepest))
    if type(module) is Sandwich and known:
        halves = [as_floats(half, "the matrices of a Sandwich") for half in module.matrices()]
        norm = spectral_norm(BallMatrix.exact(np.concatenate(halves, 1)))
        return float(next_above(next_above(norm * norm) * (1 + 2 * EPSILON)))
    if type(module) is SLL and known:
        weight, scales = (as_floats(part, "the matrices of an SLL") for part in module.matrices())
        scaled = np.sqrt(scales)[:, None] * weight
        norm = spectral_norm(BallMatrix(scaled, np.abs(scaled) * 4 * EPSILON))
        return max(1.0, float(next_above(2 * next_above(norm * norm) - 1)))
    if type(module) is LDL:
        chain = chain_of(module)
        slopes = [global_slopes(module.activation, n) for n in chain.sizes[1:-1]]
        own = [as_floats(part, "the multipliers of an LDL") for part in module.multipliers()]
        weights = [2 * part / module.constant**2 for part in own]
        return sector_constant([part.matrix for part in chain.maps], slopes, "given", weights)
    raise ValueError(
        f"lipschitz: the layer {kind.__name__}, or its activation function, is not one of "
        "dgames.nn; give one of those"
    )
