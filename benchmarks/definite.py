"""How long it takes to prove one matrix positive definite, and up to which condition numbers.

    python -m benchmarks.definite

Dense matrices have random eigenvectors and geometric eigenvalues. Bands and grids are those of
Laplacians with random weights and a small excess on the diagonal; grids are eliminated by nested
dissection.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from certify.checker.exact import Work, positive_definite
from certify.checker.matrices import Matrix, product, transposed
from certify.checker.sparse import Rows, sparse_positive_definite

UNIT = 2**40


def dense(n: int, condition: float) -> Matrix:
    """A matrix of a condition number, in integers."""
    rng = np.random.default_rng(n)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    half = q * np.logspace(0, -np.log10(condition) / 2, n)
    integers = [[int(x * UNIT**2) for x in row] for row in half.tolist()]
    return product(integers, transposed(integers))


def laplacian(edges: list[tuple[int, int]], n: int) -> Rows:
    """The lower triangle of a weighted Laplacian, a thousandth above zero."""
    rng = np.random.default_rng(n)
    rows: Rows = [{i: UNIT // 1000} for i in range(n)]
    for (i, j), weight in zip(edges, rng.integers(1, UNIT, len(edges)).tolist(), strict=True):
        rows[max(i, j)][min(i, j)] = -weight
        rows[i][i] += weight
        rows[j][j] += weight
    return rows


def band(n: int, half: int) -> Rows:
    """A band with so many entries on either side of the diagonal."""
    return laplacian([(i, j) for i in range(n) for j in range(max(0, i - half), i)], n)


def grid(side: int) -> Rows:
    """A square grid."""
    across = [(i, i + 1) for i in range(side**2) if (i + 1) % side]
    return laplacian(across + [(i, i + side) for i in range(side**2 - side)], side**2)


def dissected(rows: range, columns: range, side: int) -> list[int]:
    """Nested dissection: both halves of a rectangle first, then the line between them."""
    if not (rows and columns):
        return []
    if len(rows) < len(columns):
        k = len(columns) // 2
        parts = [(rows, columns[:k]), (rows, columns[k + 1 :])]
        between = [i * side + columns[k] for i in rows]
    else:
        k = len(rows) // 2
        parts = [(rows[:k], columns), (rows[k + 1 :], columns)]
        between = [rows[k] * side + j for j in columns]
    return [i for part in parts for i in dissected(*part, side)] + between


def cases() -> Iterator[tuple[str, Callable[[], bool]]]:
    """What is timed."""
    for n in (16, 128, 256, 600, 1024):
        matrix = dense(n, 1e6)
        yield f"dense, n = {n}", lambda m=matrix: positive_definite(m)
    for half in (8, 24, 64):
        rows, order = band(10_000, half), list(range(10_000))
        yield (
            f"band, n = 10,000, half-bandwidth {half}",
            lambda m=rows, o=order: sparse_positive_definite(m, o, Work()),
        )
    for side in (100, 200):
        rows, order = grid(side), dissected(range(side), range(side), side)
        yield (
            f"grid, n = {side**2:,}",
            lambda m=rows, o=order: sparse_positive_definite(m, o, Work()),
        )


def main() -> None:
    """Prints both tables; times are the best of three."""
    times = Table("matrix", "proved", "seconds")
    for name, prove in cases():
        seconds, proved = [], False
        for _ in range(3):
            start = time.perf_counter()
            proved = prove()
            seconds.append(time.perf_counter() - start)
        times.add_row(name, str(proved), f"{min(seconds):.4f}")
    reach = Table("dense, n", "proved up to condition number")
    for n in (16, 128):
        conditions = [10.0**k for k in range(3, 21)]
        found = [c for c in conditions if positive_definite(dense(n, c))]
        reach.add_row(str(n), f"{max(found, default=0):.0e}")
    for table in (times, reach):
        Console().print(table)


if __name__ == "__main__":
    main()
