"""Small gain: networks from a thousand to a million players, against SDPs, and discrete steps.

    python -m benchmarks.small_gain              # all three tables
    python -m benchmarks.small_gain scaling      # one of them: scaling, sdp, steps

The table against semidefinite programs needs cvxpy with Clarabel.
"""

import resource
import subprocess
import sys
import time
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse

import certify
from certify.steps.simultaneous import lipschitz_step, small_gain_step

SIZES = (1_000, 10_000, 100_000, 1_000_000)


def network(players: int, seed: int = 0) -> tuple[np.ndarray, Any]:
    """A random directed network with four heavy-tailed couplings per player."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, players, (2, 4 * players))
    values = rng.lognormal(-3.0, 1.0, rows.size)
    coupling = scipy.sparse.coo_array((values, (rows, columns)), (players, players)).tocsr()
    return rng.uniform(0.5, 2.0, players), coupling


def scaling_row(players: int) -> None:
    """One row, in a process of its own so that its peak memory is its own."""
    mu, coupling = network(players)
    start, cpu = time.perf_counter(), time.process_time()
    gain = certify.small_gain(mu, coupling)
    seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{players:9d}  {coupling.nnz:9d}  {seconds:7.2f}  {busy:11.2f}  {memory:10.0f}  "
        f"{gain.margin:.12f}  {gain.upper - gain.margin:9.1e}",
        flush=True,
    )


def scaling() -> None:
    """Time, memory and what is left to gain, by the number of players."""
    print("  players  couplings  seconds  CPU seconds  memory MiB          margin      missing")
    for players in SIZES:
        program = f"from benchmarks.small_gain import scaling_row; scaling_row({players})"
        subprocess.run([sys.executable, "-c", program], check=True)


def constants(seed: int, n: int, kappa: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curvature, smoothness at most `kappa` times that, and couplings with a positive margin."""
    rng = np.random.default_rng(seed)
    mu = rng.uniform(0.5, 2.0, n)
    ell = mu * rng.uniform(1.0, kappa, n)
    coupling = rng.uniform(0.0, 1.0, (n, n))
    np.fill_diagonal(coupling, 0.0)
    radius = np.abs(np.linalg.eigvals(coupling / mu[:, None])).max()
    return mu, ell, coupling * rng.uniform(0.2, 0.95) / radius


def sdp() -> None:
    """The closed form against bisection with semidefinite programs, and exact rationals."""
    import cvxpy

    print("\nplayers  closed form ms   bisection ms     ratio   margin - SDP   exact check ms")
    for n in (2, 3, 4, 6, 10, 20, 30):
        mu, _, coupling = constants(n, n)
        took, gain = [], certify.small_gain(mu, coupling)
        for _ in range(20):
            start = time.perf_counter()
            certify.small_gain(mu, coupling)
            took.append(time.perf_counter() - start)
        start = time.perf_counter()
        best = _bisection(cvxpy, mu, coupling)
        bisection = time.perf_counter() - start
        start = time.perf_counter()
        assert _exact(mu, coupling, gain)
        exact = time.perf_counter() - start
        closed = float(np.median(took))
        print(
            f"{n:7d}  {1e3 * closed:14.2f}  {1e3 * bisection:13.0f}  {bisection / closed:8.0f}  "
            f"{gain.margin - best:13.1e}  {1e3 * exact:15.2f}",
            flush=True,
        )


def _bisection(cvxpy: Any, mu: np.ndarray, coupling: np.ndarray) -> float:
    n, K = len(mu), np.diag(mu) - coupling
    w, slack, margin = cvxpy.Variable(n), cvxpy.Variable(), cvxpy.Parameter()
    left = cvxpy.multiply(cvxpy.reshape(w, (n, 1), order="F") @ np.ones((1, n)), K)
    matrix = left + left.T - 2 * margin * cvxpy.diag(w)
    problem = cvxpy.Problem(
        cvxpy.Maximize(slack), [matrix - slack * np.eye(n) >> 0, w >= 1e-9, cvxpy.sum(w) == n]
    )
    low, high, best = float((mu - coupling.sum(1)).min()), float(mu.min()), -np.inf
    for _ in range(25):
        margin.value = 0.5 * (low + high)
        problem.solve(solver=cvxpy.CLARABEL)
        root = np.sqrt(np.maximum(w.value, 1e-12))
        scaled = K * (root[:, None] / root)
        best = max(best, float(np.linalg.eigvalsh(0.5 * (scaled + scaled.T))[0]))
        low, high = (margin.value, high) if slack.value >= 0 else (low, margin.value)
    return best


def _exact(mu: np.ndarray, coupling: np.ndarray, gain: certify.SmallGain) -> bool:
    n = len(mu)
    for vector, matrix in ((gain.right, coupling), (gain.left, coupling.T)):
        v = [Fraction(x) for x in vector.tolist()]
        rows = [[Fraction(x) for x in row] for row in matrix.tolist()]
        margin, own = Fraction(gain.margin), [Fraction(x) for x in mu.tolist()]
        for i in range(n):
            if (own[i] - margin) * v[i] < sum(map(Fraction.__mul__, rows[i], v)):
                return False
    return True


def steps() -> None:
    """Certified steps and iterations of simultaneous gradient steps against `2 a / b^2`."""
    print("\nplayers  ell/mu  step ratio  iteration ratio  simulated steps  violations")
    for kappa in (2.0, 10.0):
        for n in (2, 4, 8):
            sizes, iterations, simulated, violations = [], [], 0, 0
            for seed in range(100):
                mu, ell, coupling = constants(seed, n, kappa)
                gain = certify.small_gain(mu, coupling)
                root = np.sqrt(gain.weights)
                worst = (np.diag(ell) + coupling) * (root[:, None] / root)
                plain = lipschitz_step(gain.margin, float(np.linalg.norm(worst, 2)))
                step = small_gain_step(mu, ell, coupling, gain)
                sizes.append(step["max"] / plain["max"])
                iterations.append(np.log(step["rate"]) / np.log(plain["rate"]))
                norms = simulated_factors(
                    np.random.default_rng(seed), mu, ell, coupling, gain, step
                )
                simulated += len(norms)
                violations += int((norms > 1 + 1e-12).sum())
            print(
                f"{n:7d}  {kappa:6.0f}  {np.median(sizes):10.1f}  {np.median(iterations):15.1f}  "
                f"{simulated:15d}  {violations:10d}",
                flush=True,
            )


def simulated_factors(
    rng: np.random.Generator,
    mu: np.ndarray,
    ell: np.ndarray,
    coupling: np.ndarray,
    gain: certify.SmallGain,
    step: dict[str, float],
    games: int = 100,
) -> np.ndarray:
    """How much one best step of random linear games stretches random points, over the rate."""
    n, d = len(mu), 3
    q, _ = np.linalg.qr(rng.normal(size=(games, n, d, d)))
    values = rng.uniform(mu[:, None], ell[:, None], (games, n, d))
    own = np.einsum("gnij,gnj,gnkj->gnik", q, values, q)
    blocks = rng.normal(size=(games, n, n, d, d))
    norms = np.linalg.norm(blocks, ord=2, axis=(-2, -1))
    blocks *= (coupling / norms)[..., None, None]
    blocks[:, range(n), range(n)] = own
    x = rng.normal(size=(games, n, d)) / np.sqrt(gain.weights)[:, None]
    moved = x - step["best"] * np.einsum("gnmij,gmj->gni", blocks, x)
    before, after = (np.einsum("n,gni->g", gain.weights, y**2) for y in (x, moved))
    return np.sqrt(after / before) / step["rate"]


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["scaling", "sdp", "steps"]
    for name in chosen:
        {"scaling": scaling, "sdp": sdp, "steps": steps}[name]()
