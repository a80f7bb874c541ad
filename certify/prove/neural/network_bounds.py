r"""Bounds of a network's first and second derivatives on all weights near its own.

**Setting.** Layers k = 1, ..., L compute `a_k = C_k x_(k-1) + b_k`, `C_k = c_k W_k`, and
`x_k = s(a_k)` but for the last one, whose `a_L` is the output. The region holds all weights with
`|(W_k, b_k) - centre|_F <= r_k` in each layer, and all inputs with `|x_0 - centre| <= dx_0`. A
direction `U = (U_0; U_1, ..., U_L)` is an input and, per layer, a matrix with a vector; `u_j` is
the Euclidean norm of its part j. For vector outputs, u below is any unit vector.

**Theorem.** On the region, with numbers per sample that are defined below,

    |D output [U]|         <= sum_j A_Lj u_j,           j = 0, ..., L,
    |D^2 (u'output)[U, V]| <= sum_ij H_ij u_i v_j.

*Proof.* Forwards, `da_k = U_k (c_k x_(k-1), 1) + C_k dx_(k-1)`, where a matrix with a vector is
multiplied by a vector with a one; the first term is at most `xt_k u_k`, where
`xt_k >= |(c_k x_(k-1), 1)|`. With `|dx_k| <= s1_k |da_k|` and `w_k >= ||C_k||` it follows that
`|da_k| <= sum_j A_kj u_j`, where

    A_kk = xt_k,      A_kj = w_k s1_(k-1) A_(k-1)j for j < k,      A_10 = w_1.

The second derivatives obey

    dda_k = c_k (V_k dx^U_(k-1) + U_k dx^V_(k-1)) + C_k ddx_(k-1),
    ddx_k = s''(a_k) da_k^U da_k^V + s'(a_k) dda_k,                         ddx_0 = 0,

and with the adjoints `mu_L = u`, `lam_k = C_(k+1)' mu_(k+1)`, `mu_k = s'(a_k) lam_k`, for k > 1,

    <mu_k, dda_k> - <mu_(k-1), dda_(k-1)>
        = <lam_(k-1), s'' da_(k-1)^U da_(k-1)^V> + c_k <mu_k, V_k dx_(k-1)^U + U_k dx_(k-1)^V>.

Summed, this is `<u, dda_L> = D^2 (u'output)[U, V]`. The first terms are at most
`Q_k |da_k^U| |da_k^V|` for `Q_k >= max_r |s''(a_kr) lam_kr|`, and `c_k <mu_k, V_k dx^U>` at most
`c_k M_k v_k s1_(k-1) |da_(k-1)^U|` for `M_k >= |mu_k|`; for k = 1, `dx_0^U = U_0`. Sorted by parts,
H is the symmetric matrix with

    H_ij = sum_(k<L) Q_k A_ki A_kj + [i < j] c_j M_j s1_(j-1) A_(j-1)i      for i <= j,

where `A_ki = 0` for i > k, and 1 stands for `s1_0 A_00`. Moreover `u' D_j output [U_j]` is
`<mu_j, U_j (c_j x_(j-1), 1)>`, so that `M_j xt_j` may take the place of `A_Lj`, and
`M_0 >= |C_1' mu_1|` that of `A_L0`. The smaller ones are the gradients that are returned. QED

**On the region** the numbers come from those at the centre (superscript c, `center_scalars`), by
mean values along the segment from the centre, which lies in the region because that is convex.
Forwards, from the given `dx_0`,

    xt_k = sqrt(c_k^2 (|x_(k-1)^c| + dx_(k-1))^2 + [there is a bias]),      w_k = w_k^c + c_k r_k,
    da_k = xt_k r_k + w_k^c dx_(k-1),                                       dx_k = s1_k da_k,
    s1_k = min(s1, max_r |s'(a_kr^c)| + s2 da_k),

as `a_k - a_k^c = (change of layer k)(c_k x_(k-1), 1) + C_k^c (x_(k-1) - x_(k-1)^c)`. Backwards,
with matrices `Lam`, `Mu` for all u at once, their measure `|.|_*` (see `center_scalars`; at most
the spectral norm), `M_L = 1` and `dmu_L = 0`,

    dlam_k = c_(k+1) r_(k+1) M_(k+1) + w_(k+1)^c dmu_(k+1)     >= ||Lam_k - Lam_k^c||,
    dmu_k  = s1_k dlam_k + s2 |Lam_k^c|_* da_k                 >= ||Mu_k - Mu_k^c||,
    M_k    = min(||Mu_k^c|| + dmu_k, s1_k w_(k+1) M_(k+1)),
    M_0    = min(||Lam_0^c|| + dlam_0, w_1 M_1),
    Q_k    = min(s2 (|Lam_k^c|_* + dlam_k),
                 |s''(a_k^c) Lam_k^c|_* + s3 |Lam_k^c|_* da_k + s2 dlam_k),

since `Mu - Mu^c = s'(a) (Lam - Lam^c) + (s'(a) - s'(a^c)) Lam^c`, and for unit vectors u and v
`|sum_r u_r (s'(a_r) - s'(a_r^c)) (Lam^c v)_r| <= s2 |a - a^c| max_r |(Lam^c v)_r|`; likewise for Q.
What groupsort needs instead is in `dgames.nn.activations.SUPREMA`. Outputs are no farther from
those at the centre than `da_L`, nor than `sum_j gradient_j r_j + gradient_0 dx_0`.

**Rounding.** All of the recursion is sums, products, roots and minima of non-negative numbers,
which increase with each operand; rounded up (`Upper`), upper bounds give upper bounds.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from certify.enclosure import Interval
from certify.prove.neural.center_scalars import CenterScalars, center_scalars, check_network
from certify.prove.neural.upper import Upper
from certify.rounding import next_above, next_below
from dgames.nn import MLP


class NetworkBounds(eqx.Module):
    """Proved upper bounds of the derivatives of a network, per sample, on a region of weights.

    They are computed in floating point with every rounding error paid for, so they are *proved*;
    there is no file, so they are not *checked* by the independent checker.

    Attributes:
        gradients: Norms of the derivatives of the outputs by the input (index 0) and by the weights
            of layer j with its bias (index j): `||D_j output|| <= gradients[:, j]`.
        comparison: Symmetric matrices H with `|D^2 (u'output)[U, V]| <= sum_ij H_ij u_i v_j` for
            every unit vector u, index 0 being the input and the others the layers.
        outputs: Boxes that contain the outputs.
        reach: How far the outputs may move from those at the centre, in the Euclidean norm.
        center: What was found at the centre.
    """

    gradients: Float[Array, "N parts"]
    comparison: Float[Array, "N parts parts"]
    outputs: Interval
    reach: Float[Array, " N"]
    center: CenterScalars

    @property
    def gradient_norms(self) -> Float[Array, " N"]:
        """Bounds `||D output||`, the derivative by all weights."""
        return _length(self.gradients[:, 1:])

    @property
    def input_gradient_norms(self) -> Float[Array, " N"]:
        """Bounds `||d output / d input||`: a local Lipschitz constant of the network."""
        return self.gradients[:, 0]

    @property
    def hessian_norms(self) -> Float[Array, " N"]:
        """Bounds the spectral norm of the Hessian by all weights."""
        return _norms(self.comparison[:, 1:, 1:])

    @property
    def input_hessian_norms(self) -> Float[Array, " N"]:
        """Bounds the spectral norm of the Hessian by the input."""
        return self.comparison[:, 0, 0]

    @property
    def mixed_hessian_norms(self) -> Float[Array, " N"]:
        """Bounds the spectral norm of the mixed derivative, by the input and by all weights."""
        return _length(self.comparison[:, 0, 1:])

    def mean_hessian_norm(
        self,
        slopes: Float[Array, " N"] | float = 1.0,
        curvatures: Float[Array, " N"] | float = 0.0,
    ) -> Float[Array, ""]:
        """Bounds the Hessian by all weights of a mean of losses of the outputs over the samples.

        The Hessian of `mean_n l_n(output_n)` is at most, in the spectral norm,

            || mean_n (slopes_n H_n + curvatures_n g_n g_n') ||,

        where `|grad l_n| <= slopes_n` and `||Hessian of l_n|| <= curvatures_n` on the outputs. No
        eigenvalue is below minus that norm if only the Hessian of l_n is at least `-curvatures_n`:
        for convex losses, zero.

        Args:
            slopes: Non-negative numbers, upper bounds themselves.
            curvatures: Likewise.
        """
        given = [np.asarray(x, np.float64) for x in (slopes, curvatures)]
        if not all((x >= 0.0).all() for x in given):
            raise ValueError("mean_hessian_norm: slopes and curvatures are at least zero")
        slopes_up, curvatures_up = (
            Upper(np.broadcast_to(x, self.reach.shape)[:, None, None]) for x in given
        )
        by_weights = np.asarray(self.gradients[:, 1:])
        outer = Upper(by_weights[:, :, None]) * Upper(by_weights[:, None, :])
        terms = slopes_up * Upper(self.comparison[:, 1:, 1:]) + curvatures_up * outer
        mean = terms.sum(0) / len(by_weights)
        return _norms(mean.value[None])[0]


def _length(columns: Any) -> Float[Array, " N"]:
    squares = Upper(columns) * Upper(columns)
    return jnp.asarray(squares.sum(1).root().value)


def network_bounds(
    net: MLP,
    inputs: Float[Array, "N d"],
    radius: float | Sequence[float] | Float[Array | np.ndarray, " L"],
    *,
    input_radius: float | Float[Array | np.ndarray, " N"] = 0.0,
) -> NetworkBounds:
    """Bounds gradients, Hessians and outputs of a network on all weights near its own, proved.

    The theorem, with its proof, is in the module `certify.prove.neural.network_bounds`. For one
    hidden layer the bounds of Hessians are some per cent above the true norms at radius zero; each
    further hidden layer costs about a factor of two. It takes a forward and a backward pass per
    sample, and eight products of each matrix of weights with itself.

    Args:
        net: The network, whose weights are the centre of the region.
        inputs: The samples.
        radius: How far weights and biases of a layer may be from the centre together, in the
            Euclidean norm: one number for all layers, or one per layer. A ball of this radius in
            all weights lies within the region.
        input_radius: How far inputs may be from the samples; one number, or one per sample.

    Raises:
        ValueError: If inputs or radii do not fit the network, or are not finite, or negative.

    >>> import jax, jax.numpy as jnp
    >>> from dgames.nn import mlp
    >>> net = mlp((2, 1024, 1), jax.random.key(0), activation="tanh")
    >>> bounds = network_bounds(net, jnp.ones((1, 2)), radius=0.1)
    >>> bounds.comparison.shape, bool(bounds.hessian_norms[0] < 0.3)
    ((1, 3, 3), True)
    """
    check_network("network_bounds", net, inputs)
    radii = _radii("radius", radius, len(net.weights), "layers")
    moves = _radii("input_radius", input_radius, len(inputs), "samples")
    center = center_scalars(net, inputs)
    found = _recursion(center, radii, moves, _Shape.of(net))
    reach = found.reach[:, None]
    outputs = Interval(
        jnp.asarray(next_below(np.asarray(center.outputs.lower) - reach)),
        jnp.asarray(next_above(np.asarray(center.outputs.upper) + reach)),
    )
    return NetworkBounds(
        gradients=jnp.asarray(found.gradients),
        comparison=jnp.asarray(found.comparison),
        outputs=outputs,
        reach=jnp.asarray(found.reach),
        center=center,
    )


def _radii(name: str, value: Any, count: int, what: str) -> np.ndarray:
    given = np.asarray(value, np.float64)
    if given.shape not in ((), (count,)):
        raise ValueError(
            f"network_bounds: {name} is one number, or one for each of {count} {what}; got shape "
            f"{given.shape}"
        )
    if not (np.isfinite(given) & (given >= 0.0)).all():
        raise ValueError(f"network_bounds: {name} is finite and at least zero; got {value}")
    return np.broadcast_to(given, (count,))


class _Shape(NamedTuple):
    """What the recursion needs to know of a network besides numbers at the centre.

    Attributes:
        scales: The numbers c_k.
        biases: Which layers have biases.
        suprema: Upper bounds of `|s'|`, `|s''|` and `|s'''|`.
    """

    scales: tuple[float, ...]
    biases: tuple[bool, ...]
    suprema: tuple[float, float, float]

    @classmethod
    def of(cls, net: MLP) -> "_Shape":
        scales = tuple(abs(float(scale)) for scale in net.scales)
        return cls(scales, tuple(b is not None for b in net.biases), net.activation.suprema)


class _Recursion(NamedTuple):
    """What the recursion returns, see `NetworkBounds`."""

    gradients: Any
    comparison: Any
    reach: Any


def _recursion(
    center: CenterScalars, radii: np.ndarray, moves: np.ndarray, shape: _Shape
) -> _Recursion:
    """Runs the recursion, in the names of the theorem; layer k has index k - 1."""
    s1, s2, s3 = shape.suprema
    layers, samples, c, r = len(shape.scales), len(moves), shape.scales, Upper(radii)
    weight_norms, input_norms = Upper(center.weight_norms), _by_layer(center.input_norms)
    # Forwards.
    input_factors, norms, slopes, changes, dx = [], [], [], [], Upper(moves)
    for k in range(layers):
        length = c[k] * (input_norms[k] + dx)
        input_factors.append((length * length + 1.0 * shape.biases[k]).root())
        norms.append(weight_norms[k] + c[k] * r[k])
        changes.append(input_factors[k] * r[k] + weight_norms[k] * dx)
        if k < layers - 1:
            slope = Upper(center.slopes[:, k]) + s2 * changes[k]
            slopes.append(slope.minimum(s1))
            dx = slopes[k] * changes[k]
    # sensitivities[k][j] is A_kj, with j = 0 the input; the last one is that by layer k itself.
    one = Upper(np.ones(samples))
    sensitivities = [[norms[0] * one, input_factors[0]]]
    for k in range(1, layers):
        before = [norms[k] * (slopes[k - 1] * value) for value in sensitivities[k - 1]]
        sensitivities.append([*before, input_factors[k]])
    # Backwards.
    adjoints, curvatures, dmu = [one], [], Upper(np.zeros(samples))
    measures, centers = _by_layer(center.adjoints), _by_layer(center.adjoint_norms)
    at_center = _by_layer(center.curvatures)
    for k in reversed(range(layers - 1)):
        dlam = (c[k + 1] * r[k + 1]) * adjoints[0] + weight_norms[k + 1] * dmu
        moved = measures[k] * changes[k]
        dmu = slopes[k] * dlam + s2 * moved
        anywhere, near = s2 * (measures[k] + dlam), at_center[k] + s3 * moved + s2 * dlam
        curvatures.insert(0, anywhere.minimum(near))
        product = slopes[k] * (norms[k + 1] * adjoints[0])
        adjoints.insert(0, product.minimum(centers[k] + dmu))
    dlam = (c[0] * r[0]) * adjoints[0] + weight_norms[0] * dmu
    by_input = (Upper(center.input_slopes) + dlam).minimum(norms[0] * adjoints[0])
    # By the forward or by the backward pass, whichever knows better.
    backwards = [by_input, *(m * x for m, x in zip(adjoints, input_factors, strict=True))]
    pairs = zip(sensitivities[-1], backwards, strict=True)
    gradients = [forwards.minimum(other) for forwards, other in pairs]
    reach = gradients[0] * moves
    for j in range(layers):
        reach = reach + gradients[j + 1] * r[j]
    comparison = np.zeros((samples, layers + 1, layers + 1))
    for i, j in zip(*np.triu_indices(layers + 1), strict=True):
        entry = Upper(np.zeros(samples))
        for k in range(max(j - 1, 0), layers - 1):
            entry = entry + curvatures[k] * (sensitivities[k][i] * sensitivities[k][j])
        if i < j:
            change = slopes[j - 2] * sensitivities[j - 2][i] if j > 1 else one
            entry = entry + c[j - 1] * (adjoints[j - 1] * change)
        comparison[:, i, j] = comparison[:, j, i] = entry.value
    columns = np.stack([gradient.value for gradient in gradients], 1)
    return _Recursion(columns, comparison, reach.minimum(changes[-1]).value)


def _by_layer(values: Float[Array, "N k"]) -> list[Upper]:
    return [Upper(column) for column in np.asarray(values).T]


def _norms(matrices: Any) -> Float[Array, " N"]:
    """Bounds the norms of symmetric non-negative matrices.

    For any positive vector v, `||H|| <= max_i (H v)_i / v_i`, with equality if v is the eigenvector
    of Perron and Frobenius, which is found in floating point. Where it has zeros, some products
    with the matrix turn a small positive vector into one that suits the part that these are of.
    """
    matrices = np.asarray(matrices)
    largest = matrices.max((1, 2), keepdims=True)
    if not np.isfinite(largest).all():
        finite = np.isfinite(largest)
        known = _norms(np.where(finite, matrices, 0.0))
        return jnp.where(jnp.asarray(finite[:, 0, 0]), known, jnp.inf)
    scaled = matrices / np.where(largest > 0.0, largest, 1.0)
    _, vectors = np.linalg.eigh(scaled)
    vector = np.abs(vectors[..., -1:]) + 1e-9
    for _ in range(16):
        vector = scaled @ vector + vector
        vector = vector / vector.max((1, 2), keepdims=True)
    products = (Upper(matrices) * vector.swapaxes(1, 2)).sum(2)
    return jnp.asarray((products / vector[..., 0]).value.max(1))
