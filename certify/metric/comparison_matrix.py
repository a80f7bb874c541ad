"""Scaled diagonal dominance of large sparse matrices, in floating point: proposals for the checker.

With positive numbers d, `A_ii - sum_(j != i) |A_ij| d_j / d_i` bounds the smallest eigenvalue of a
symmetric A from below (`certify.checker.dominance`). The best d is the Perron vector of the
comparison matrix, which has `-|A_ij|` off the diagonal.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import scipy.sparse.csgraph
import scipy.sparse.linalg
from jaxtyping import Float

from certify.metric.perron import Network, inner_vector

# Numbers d are integers from 2^this on.
_BITS = 30
# The most bits of one, of the 1100 that a file may have.
_MOST_BITS = 1000
# Systems are solved by factors if these have at most so many numbers, in so many rounds at most,
# and this far from singular ones, as a share of the size of the entries.
_MOST_FACTORS, _MOST_FACTORED, _EASE = 2**26, 50, 1e-14
# The share of the smallest eigenvalue that has to be proved, and how exactly it is looked for.
_ENOUGH, _TOLERANCE, _ROUNDS = 0.97, 1e-3, 50


class Dominance(NamedTuple):
    """A proof that a symmetric matrix is above a multiple of the identity, up to roundings.

    Attributes:
        value: The multiple.
        vector: Numbers d, in the units of the matrix.
        scaling: Integers that d is made of, in the units of the file.
    """

    value: float
    vector: Float[np.ndarray, " n"]
    scaling: list[int]


def dominance(matrix: sp.csr_array, units: Float[np.ndarray, " n"]) -> Dominance | None:
    """Returns what scaled diagonal dominance proves of a symmetric matrix.

    Args:
        matrix: The matrix.
        units: The file has the numbers `d_k / units_k`, rounded to integers.

    Returns:
        The proof, or None if the numbers d differ too much in size to be written down.
    """
    diagonal, others = matrix.diagonal(), _off_diagonal(abs(matrix))
    network = Network.of(diagonal, others)
    narrow = len(diagonal) * _bandwidth(others) <= _MOST_FACTORS
    vector = (_by_factors(network) if narrow else inner_vector(network)) / units
    with np.errstate(over="ignore"):
        integers = np.rint(vector / vector.min() * 2.0**_BITS)
    if not integers.max() < 2.0**_MOST_BITS:
        return None
    rounded = integers * units
    rounded /= rounded.max()
    value = float((diagonal - (others @ rounded) / rounded).min())
    return Dominance(value, rounded, list(map(int, integers.tolist())))


def _by_factors(network: Network) -> Float[np.ndarray, " n"]:
    """Returns nearly the Perron vector by Noda iteration (see `perron`), with exact solutions.

    Of long and narrow matrices the factors are small, while iterations would be many.
    """
    count = len(network.mu)
    vector, quotients = np.ones(count), network.quotients(np.ones(count))
    for _ in range(_MOST_FACTORED):
        least, size = float(quotients.min()), float(np.abs(network.mu).max())
        shifted = sp.diags_array(network.mu - (least - _EASE * size)) - network.inner
        try:
            factors = scipy.sparse.linalg.splu(
                sp.csc_array(shifted),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError:  # singular up to roundings: there is no more to gain
            break
        found = factors.solve(vector)
        if not (np.isfinite(found).all() and found.min() > 0):
            break
        new = network.normalized(found)
        after = network.quotients(new)
        gain = float(after.min()) - least
        if gain <= 0:
            break
        vector, quotients = new, after
        if gain <= _EASE * size:
            break
    return vector


def _bandwidth(matrix: sp.csr_array) -> int:
    """Returns how far from the diagonal the entries of a symmetric matrix are in a good order."""
    order = scipy.sparse.csgraph.reverse_cuthill_mckee(matrix, symmetric_mode=True)
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    entries = matrix.tocoo()
    return int(np.abs(place[entries.row] - place[entries.col]).max(initial=0))


def loses_little(matrix: sp.csr_array, value: float) -> bool:
    """Says whether dominance proves nearly the smallest eigenvalue of a matrix, or seems to.

    It does if no entry off the diagonal is positive, up to signs of coordinates. Otherwise its
    value is compared with a Ritz value, which is above the eigenvalue.
    """
    if signs(matrix) is not None:
        return True
    start: Any = np.ones(len(matrix.diagonal()))
    tolerance: Any = _TOLERANCE
    try:
        found: Any = scipy.sparse.linalg.eigsh(
            matrix,
            k=1,
            which="SA",
            tol=tolerance,
            maxiter=_ROUNDS,
            v0=start,
            return_eigenvectors=False,
        )
    except scipy.sparse.linalg.ArpackNoConvergence:
        return False
    return bool(value >= found[0] - (1 - _ENOUGH) * abs(found[0]))


def signs(matrix: sp.csr_array) -> Float[np.ndarray, " n"] | None:
    """Returns signs of the coordinates that leave no entry off the diagonal positive, if any.

    Every coordinate has two nodes, one for each sign, and every entry joins the nodes that go
    together. There are such signs if and only if no coordinate has its two nodes joined.
    """
    entries = _off_diagonal(matrix).tocoo()
    count = len(matrix.diagonal())
    crossed = np.where(entries.data > 0, count, 0)
    rows = np.concatenate([entries.row, entries.row + count])
    columns = np.concatenate([entries.col + crossed, entries.col + count - crossed])
    graph = sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(2 * count, 2 * count))
    _, label = scipy.sparse.csgraph.connected_components(graph, directed=False)
    plus, minus = label[:count], label[count:]
    return None if (plus == minus).any() else np.where(plus < minus, 1.0, -1.0)


def _off_diagonal(matrix: sp.csr_array) -> sp.csr_array:
    others = sp.csr_array(matrix - sp.diags_array(matrix.diagonal()))
    others.eliminate_zeros()
    return others
