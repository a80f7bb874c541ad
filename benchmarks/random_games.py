"""Random nonlinear games, from first to last seed: how many of them were proved, and none wrongly.

    python -m benchmarks.random_games --games 100

What is tried of each game stands in `tools.random_games`.
"""

import argparse
import collections
import time

import jax

from tools.random_games import outcomes

jax.config.update("jax_enable_x64", True)


def main() -> None:
    """Prints how many games came to what."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    counts, start = collections.Counter[tuple[str, str]](), time.perf_counter()
    for seed in range(options.first, options.first + options.games):
        counts.update(outcomes(seed).items())
        jax.clear_caches() if seed % 10 == 9 else None
    for (where, status), count in sorted(counts.items()):
        print(f"{where:8} {status:20} {count:4d}")
    print(f"{options.games} games, no false proof, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
