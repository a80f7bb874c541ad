"""Linear-quadratic feedback games and iterated ones: seconds, beside a recursion in NumPy.

    python -m benchmarks.lq

The peer is the same recursion as plain NumPy code, with one linear system per step. Published times
of other packages, on other machines: for 3 players with 12 states, 16.27 ms in C++ and 7.194 ms in
Julia, with automatic differentiation 63.57 ms (lassepe/ilqgames-timing; iterated games).
"""

import time

import jax
import numpy as np

from benchmarks.peers.timing import compared, in_turns
from dgames.dynamic import LQGame, iterative_lq, solve_stages, unicycle_crossing

HORIZON, TURNS = 100, 50


def random_game(states: int, players: int, controls: int, seed: int = 0) -> LQGame:
    """A random game with dynamics near the identity."""
    r = np.random.default_rng(seed)

    def definite(size: int) -> np.ndarray:
        root = r.normal(size=(size, size))
        return (root @ root.T + (root @ root.T).T) / (2 * size)

    return LQGame(
        np.eye(states) + 0.1 * r.normal(size=(states, states)) / np.sqrt(states),
        {i: 0.1 * r.normal(size=(states, controls)) for i in range(players)},
        {i: definite(states) for i in range(players)},
        {i: np.eye(controls) for i in range(players)},
    )


def numpy_gains(game: LQGame, horizon: int) -> np.ndarray:
    """All players' gains, shape `(T, m, n)`, by the recursion as it stands in textbooks."""
    A, players = np.asarray(game.A), game.players
    B, Q = [np.asarray(game.B[i]) for i in players], [np.asarray(game.Q[i]) for i in players]
    R = [np.asarray(game.R[i][i]) for i in players]
    P = [np.asarray(game.terminal[i]) for i in players]
    together, gains = np.concatenate(B, axis=1), []
    ends = np.cumsum([own.shape[1] for own in B])[:-1]
    for _ in range(horizon):
        pulls = [own.T @ p for own, p in zip(B, P, strict=True)]
        system = np.concatenate([pull @ together for pull in pulls])
        start = 0
        for own in R:
            system[start : start + len(own), start : start + len(own)] += own
            start += len(own)
        K = np.linalg.solve(system, np.concatenate([pull @ A for pull in pulls]))
        closed = A - together @ K
        parts = np.split(K, ends)
        P = [
            q + k.T @ r @ k + closed.T @ p @ closed
            for q, r, k, p in zip(Q, R, parts, P, strict=True)
        ]
        gains.append(K)
    return np.stack(gains[::-1])


def feedback(states: int, players: int, controls: int) -> None:
    """Prints one row: ours, the peer's, and the ratio."""
    game = random_game(states, players, controls)
    stages = game.stages(HORIZON)
    compiled = jax.jit(solve_stages)
    found = np.asarray(compiled(stages).gain)
    assert np.allclose(found, numpy_gains(game, HORIZON), atol=1e-9)
    ours, theirs = in_turns([lambda: compiled(stages), lambda: numpy_gains(game, HORIZON)], TURNS)
    result = compared(ours, theirs)
    print(
        f"{players:7d} {states:6d} {HORIZON:5d} {1e3 * result.ours:8.2f} "
        f"{1e3 * result.theirs:8.2f} {result.ratio:6.2f}"
    )


def iterated() -> None:
    """Prints the time of three unicycles, after compiling."""
    game, start = unicycle_crossing(HORIZON)
    found = jax.block_until_ready(iterative_lq(game, start, tol=1e-6))
    seconds, busy = [], []
    for _ in range(TURNS):
        began, cpu = time.perf_counter(), time.process_time()
        found = jax.block_until_ready(iterative_lq(game, start, tol=1e-6))
        seconds.append(time.perf_counter() - began)
        busy.append(time.process_time() - cpu)
    print(
        f"three unicycles, {HORIZON} steps, {int(found.steps)} iterations: "
        f"{1e3 * np.median(seconds):.1f} ms (processor: {1e3 * np.median(busy):.1f} ms)"
    )


def main() -> None:
    """Prints all rows."""
    jax.config.update("jax_enable_x64", True)
    print("players states steps  ours ms numpy ms  ratio")
    for states, players, controls in ((4, 2, 1), (12, 3, 2)):
        feedback(states, players, controls)
    iterated()


if __name__ == "__main__":
    main()
