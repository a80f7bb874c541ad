"""Proved branches of quantal responses of random games, beside runs that prove nothing.

For each size: how many branches are proved, and whether `dgames.quantal_responses`, a continuation
in tiny steps and Gambit (where `pygambit` is installed) end within what is proved.

python -m benchmarks.quantal_paths --games 300
"""

import argparse
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import certify
import dgames as dg
from dgames.games import MatrixGame
from tools.tiny_steps import followed

jax.config.update("jax_enable_x64", True)

SIZES = ((2, 2), (3, 3), (2, 2, 2))
PRECISIONS = np.array([0.2, 1.0, 3.0])
# How far from proved bounds on probabilities another method may be by its own tolerance.
TOLERANCE = 1e-5


@eqx.filter_jit
def runs(payoffs: jax.Array) -> tuple[Any, jax.Array]:
    """What `quantal_responses` reaches, for many games."""

    def one(own: jax.Array) -> tuple[Any, jax.Array]:
        game = MatrixGame.from_table(own)
        found = dg.quantal_responses(game, PRECISIONS, game.uniform())
        return found.strategies, found.reached

    return jax.vmap(one)(payoffs)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logit differences to the last action, along the last axis."""
    full = np.concatenate([logits, np.zeros((*logits.shape[:-1], 1))], -1)
    weights = np.exp(full - full.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def in_tiny_steps(payoffs: np.ndarray, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """The strategies of each player by continuation in tiny steps."""
    logits = followed(payoffs, PRECISIONS)
    cuts = np.cumsum([size - 1 for size in sizes])[:-1]
    return [softmax(part) for part in np.split(logits, cuts, -1)]


def by_gambit(payoffs: np.ndarray) -> list[np.ndarray] | None:
    """The strategies of each player by Gambit, or None if it is not installed or fails."""
    try:
        import pygambit  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    game = pygambit.Game.from_arrays(*payoffs)
    try:
        found = pygambit.qre.logit_solve_lambda(game, lam=[float(x) for x in PRECISIONS])
    except Exception as error:
        print("Gambit:", error)
        return None
    if len(found) != len(PRECISIONS):
        return None
    return [
        np.array(
            [[float(point.profile[action]) for action in player.strategies] for point in found]
        )
        for player in game.players
    ]


def misses(path: certify.QuantalPath, strategies: list[np.ndarray]) -> bool:
    """Whether strategies are not what was proved, where that was."""
    return any(
        bool(np.any((own < low - TOLERANCE) | (own > high + TOLERANCE)))
        for own, low, high in zip(strategies, path.lower, path.upper, strict=True)
    )


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--common", action="store_true", help="players want nearly the same")
    options = parser.parse_args()
    columns = ("size", "games", "proved", "with turns", "tubes", "seconds each", "widest bound")
    others: tuple[str, ...] = ("quantal_responses", "tiny steps", "Gambit")
    table = Table(*columns, *(f"{name}: other branch" for name in others))
    for sizes in SIZES:
        random = np.random.default_rng(options.seed)
        payoffs = random.uniform(0, 10, (options.games, len(sizes), *sizes))
        if options.common:  # and some of it very much: branches turn, and pass near others
            payoffs = payoffs**4 / 1000
            payoffs = 0.3 * payoffs + 0.7 * payoffs[:, :1]
        quick, reached = runs(jnp.asarray(payoffs))
        tiny = in_tiny_steps(payoffs, sizes)
        wrong: dict[str, int] = dict.fromkeys(others, 0)
        compared: dict[str, int] = dict.fromkeys(others, 0)
        proved, turned, tubes, widest = 0, 0, 0, 0.0
        start = time.perf_counter()
        for k, own in enumerate(payoffs):
            path = certify.quantal_path(MatrixGame.from_table(own), PRECISIONS)
            proved += path.status == "proved"
            turned += len(path.turning_points) > 0
            tubes += path.tubes
            if path.status != "proved":
                print(sizes, k, path.reason, path.followed, path.meeting)
                continue
            widest = max(
                widest, *(float(np.max(b - a)) for a, b in zip(path.lower, path.upper, strict=True))
            )
            answers = {
                "quantal_responses": [np.asarray(part[k]) for part in quick],
                "tiny steps": [part[k] for part in tiny],
                "Gambit": by_gambit(own),
            }
            for name, answer in answers.items():
                if answer is None or (name == "quantal_responses" and not reached[k].all()):
                    continue
                compared[name] += 1
                if misses(path, answer):
                    wrong[name] += 1
                    print(sizes, k, name, "is on another branch")
        each = (time.perf_counter() - start) / len(payoffs)
        table.add_row(
            "x".join(map(str, sizes)),
            *(str(x) for x in (len(payoffs), proved, turned, tubes)),
            *(f"{each:.2f}", f"{widest:.1e}"),
            *(f"{wrong[name]} of {compared[name]}" for name in others),
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
