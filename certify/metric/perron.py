"""Nearly Perron vectors, which may prove the small-gain margin of a sparse network.

Everything here is floating point and proves nothing; the proofs are in `quotients`.

Here `K = diag(mu) - L`. Within a strongly connected component the Perron vector is found by Noda
iteration: with `a = min_i (K v)_i / v_i` the next vector solves `(K - a) y = v`. It is positive and
its least quotient is larger. The convergence is quadratic if the systems are solved exactly, but
any positive solution with a residual below v entrywise also improves the least quotient (inexact
Noda iteration; Jia, Lin and Liu, Numerische Mathematik 130, 2015). Systems are solved by BiCGSTAB
in units of the current vector. So an error is small compared with *each* entry, however small the
entry, as quotients need; and there are no factors to fill in.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
from jaxtyping import Float, Int

# The iteration stops when the least quotient gains less than this share of the row's size; for a
# large network, when the next gain is expected to be less than the second share.
_STAGNATION, _EXPECTED = 1e-13, 1e-12
_LARGE = 50_000
_ROUNDS = 100
_POWERS = 12
# How exactly systems are solved while the least quotient gains much, and after that.
_ROUGH, _FINE, _MUCH = 0.5, 1e-3, 1e-3
# How far below a margin that is known to be possible the first shifts stay, in sizes of entries.
_LAGS = (0.3, 0.03, 1e-3, 1e-5, 1e-7, 3e-10)
# The most products with the matrix that one system may take.
_INNER = 1500
# Entries of a vector below this are raised to it: they gain nothing, and could leave the range of
# float64.
_FLOOR = 1e-90
# What couplings between components may cost, as shares of the size of the entries. The least that
# keeps vectors within this range is taken.
_SHARES = (*np.geomspace(1e-15, 1e-3, 7), 0.01, 0.03, 0.1, 0.3, 1.0)
_RANGE = 1e120
# The most players in the neighbourhood that bounds the margin from above where Perron vectors are
# localised, and how much each must matter.
_NEIGHBOURHOOD = 4000
_MATTERS = 1e-18


class Network(NamedTuple):
    """A coupling matrix, split into its strongly connected components.

    Attributes:
        mu: The curvatures, shape (N,).
        inner: The couplings within components, CSR.
        cross: The couplings between them, COO.
        label: The component of each player.
        order: The players, sorted by component.
        starts: Where each component starts in `order`.
    """

    mu: Float[np.ndarray, " N"]
    inner: Any
    cross: Any
    label: Int[np.ndarray, " N"]
    order: Int[np.ndarray, " N"]
    starts: Int[np.ndarray, " components"]

    @classmethod
    def of(cls, mu: np.ndarray, coupling: Any) -> "Network":
        """Splits a matrix into its strongly connected components."""
        graph = coupling.copy()
        graph.sum_duplicates()  # SciPy's search fails on duplicates
        count, label = scipy.sparse.csgraph.connected_components(graph, connection="strong")
        label = label.astype(np.int64)
        order = np.argsort(label, kind="stable")
        starts = np.searchsorted(label[order], np.arange(count))
        if count == 1:
            empty = scipy.sparse.coo_array(coupling.shape, dtype=np.float64)
            return cls(mu, coupling, empty, label, order, starts)
        entries = coupling.tocoo()
        within = label[entries.row] == label[entries.col]
        inner, cross = (
            scipy.sparse.coo_array(
                (entries.data[which], (entries.row[which], entries.col[which])), coupling.shape
            )
            for which in (within, ~within)
        )
        return cls(mu, inner.tocsr(), cross, label, order, starts)

    def transposed(self) -> "Network":
        """Returns the network of K'."""
        return self._replace(inner=self.inner.T.tocsr(), cross=self.cross.T.tocoo())

    def quotients(self, v: np.ndarray) -> np.ndarray:
        """Returns `(K v)_i / v_i` without the couplings between components."""
        return self.mu - (self.inner @ v) / v

    def normalized(self, v: np.ndarray) -> np.ndarray:
        """Scales each component of a vector to a largest entry of one, as their scales are free."""
        top = np.maximum.reduceat(v[self.order], self.starts)
        return np.maximum(v / top[self.label], _FLOOR)


def inner_vector(
    network: Network, *, near: float = -np.inf, tight: bool = False
) -> Float[np.ndarray, " N"]:
    """Finds a positive vector whose least quotient within components is nearly the largest.

    In components with larger eigenvalues than the worst one, it comes from a resolvent and is not
    the Perron vector.

    Args:
        network: The matrix.
        near: A margin that is known to be possible. Shifts just below it, nearer in every round,
            save the rounds that it would take to come near it.
        tight: Whether to go on until the largest quotient is as small as the least. This is for one
            component that is not too large.
    """
    v = _start(network)
    quotients = network.quotients(v)
    ease, accuracy, gain = 1e-15, _ROUGH, np.inf
    large = len(v) >= _LARGE
    for lag in (*_LAGS, *[0.0] * _ROUNDS):
        k = int(quotients.argmin())
        size = abs(network.mu[k]) + abs(quotients[k])
        if quotients.max() - quotients[k] <= 1e-15 * size:
            break
        shift = max(float(quotients[k]), near - lag * size) - ease * size
        y = _solved(network, v, shift, accuracy)
        if y is None:  # the system is too close to singular for these iterations
            ease = max(30 * ease, 1e-9)
            if ease > 1e-2:
                break
            continue
        new = network.normalized(v * y)
        new_quotients = network.quotients(new)
        previous, gain = gain, float(new_quotients.min() - quotients[k])
        # Convergence is at least linear, at a rate given by the accuracy of the systems or better.
        expected = gain * min(1.0, gain / previous) if accuracy == _FINE and previous > 0 else gain
        accuracy = _ROUGH if gain > _MUCH * size else _FINE
        if gain > 0 or tight:
            v, quotients = new, new_quotients
        enough = _EXPECTED if large else _STAGNATION
        if quotients.min() >= near - enough * size > -np.inf:
            break
        if (expected if large else gain) <= enough * size and not (tight or lag > ease):
            break
    return v


def _start(network: Network) -> np.ndarray:
    """Returns a vector after a few power steps, which find at least the units of the players.

    A change of units turns K into `U K U^-1` and the Perron vector p into `U p`; the powers of the
    matrix do the same to any vector they are applied to.
    """
    v = np.ones(len(network.mu))
    spread = network.mu.max() - network.mu
    spread += 0.1 * spread.max() + np.finfo(float).tiny
    for _ in range(_POWERS):
        new = network.normalized(spread * v + network.inner @ v)
        if not np.isfinite(new).all():
            break
        v = new
    return v


def _solved(network: Network, v: np.ndarray, shift: float, accuracy: float) -> np.ndarray | None:
    """Solves `(K - shift) (v z) = v` for z, by BiCGSTAB with diagonal scaling.

    Residuals are at most `accuracy` times v, entry by entry.
    """
    diagonal = network.mu - shift
    if not (diagonal > 0).all():
        return None
    inner, vd = network.inner, v * diagonal
    unit = float(diagonal.min())  # of the solution, so that squares neither overflow nor vanish

    def apply(z: np.ndarray) -> np.ndarray:
        return z - (inner @ (v * z)) / vd

    z = unit / diagonal
    r = z - apply(z)
    shadow, direction = r.copy(), r.copy()
    rho = _dot(shadow, r)
    for _ in range(_INNER // 2):
        if np.abs(r * diagonal).max() <= accuracy * unit and z.min() > 0:
            return z
        image = apply(direction)
        alpha = _ratio(rho, _dot(shadow, image))
        r -= alpha * image
        second = apply(r)
        omega = _ratio(_dot(second, r), _dot(second, second))
        z += alpha * direction
        z += omega * r
        r -= omega * second
        new = _dot(shadow, r)
        beta = _ratio(new * alpha, rho * omega)
        rho = new
        if not np.isfinite(beta) or beta == 0:
            break
        direction -= omega * image
        direction *= beta
        direction += r
    residual = np.abs((unit / diagonal - apply(z)) * diagonal)
    return z if np.isfinite(z).all() and z.min() > 0 and residual.max() < 0.9 * unit else None


def resolvent(mu: np.ndarray, coupling: Any) -> Float[np.ndarray, " N"] | None:
    """Returns a positive vector close to `K^-1 1`, or None where that is not found.

    Unlike in Perron vectors, no entry is below `1 / mu_i`, wherever the bottleneck of the network
    is.

    Args:
        mu: The curvatures, shape (N,).
        coupling: The couplings, CSR, non-negative.
    """
    count = len(mu)
    whole = np.arange(count)
    nothing = scipy.sparse.coo_array(coupling.shape, dtype=np.float64)
    network = Network(mu, coupling, nothing, np.zeros(count, np.int64), whole, whole[:1])
    return _solved(network, np.ones(count), 0.0, _FINE)


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Returns a dot product, without BLAS, whose threads do not pay on a shared machine."""
    return float(np.einsum("i,i->", a, b))


def _ratio(a: float, b: float) -> float:
    return a / b if b else 0.0


def joined(network: Network, v: np.ndarray) -> Iterator[Float[np.ndarray, " N"]]:
    """Yields a vector with its components scaled so that couplings between them cost little.

    With a target below the least quotient, the slack `s_i` of row i must pay for the couplings of
    its component c to others: `s_i t_c v_i >= sum_j L_ij t_d(j) v_j`. As components have no cycles,
    `t = 1 + M t`, where `M_cd` sums `L_ij v_j / (s_i v_i)`, is a triangular system.

    Yields:
        The vector of the smallest cost at which its entries stay in the range of float64, if any.
    """
    if not network.cross.nnz:
        yield v
        return
    quotients = network.quotients(v)
    least, cross, label = float(quotients.min()), network.cross, network.label
    size = float(np.abs(network.mu).max() + np.abs(quotients).max())
    rows, columns = label[cross.row], label[cross.col]
    lower = bool((rows > columns).all())
    if not lower and not (rows < columns).all():  # the order of labels is not guaranteed
        return
    count = len(network.starts)
    for share in _SHARES:
        slack = quotients - (least - share * size)
        with np.errstate(all="ignore"):
            shares = cross.data * v[cross.col] / (v[cross.row] * slack[cross.row])
            system = scipy.sparse.eye_array(count) - scipy.sparse.coo_array(
                (shares, (rows, columns)), (count, count)
            )
            scale = scipy.sparse.linalg.spsolve_triangular(
                system.tocsr(), np.ones(count), lower=lower, unit_diagonal=True
            )
            if np.isfinite(scale).all() and scale.min() >= 1 and scale.max() <= _RANGE:
                yield v * scale[label] / scale.max()
                return


def bounding_vectors(
    network: Network, left: np.ndarray, right: np.ndarray
) -> Iterator[Float[np.ndarray, " N"]]:
    """Yields non-negative vectors with small largest quotients on their support, best guess last.

    The first is for one player alone, and the second is the part of `right` in the component with
    the least quotient. Where that is localised, the third is the Perron vector of the players that
    matter most, by `u_i v_i`, with zeros for the others.
    """
    quotients = network.quotients(right)
    worst = int(quotients.argmin())
    alone = np.zeros(len(right))
    alone[network.mu.argmin()] = 1.0
    yield alone
    members = np.flatnonzero(network.label == network.label[worst])
    if members.size == 1:
        return
    whole = np.zeros(len(right))
    whole[members] = right[members]
    yield whole
    spread = float(quotients[members].max() - quotients[worst])
    if spread <= 1e-12 * abs(network.mu[worst]):
        return
    with np.errstate(divide="ignore"):
        score = np.log(left[members]) + np.log(right[members])
    near = members[np.argsort(-score, kind="stable")[:_NEIGHBOURHOOD]]
    near = np.sort(near[: np.count_nonzero(score >= score.max() + np.log(_MATTERS))])
    part = _part(network, near)
    near = near[part.label == part.label[np.searchsorted(near, members[score.argmax()])]]
    local = np.zeros(len(right))
    local[near] = inner_vector(_part(network, near), tight=True)
    yield local


def _part(network: Network, players: np.ndarray) -> Network:
    return Network.of(network.mu[players], network.inner[players][:, players].tocsr())
