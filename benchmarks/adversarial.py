"""All that is made to deceive a proof, at length: more of what `tests/certify/adversarial` tries.

    python -m benchmarks.adversarial --games 8 --regions 26 --programs 130

Every trap goes all the way to `certify`; so do all random programs, and random games on many
regions are compared with what is so. Raises at the first thing that is proved and not so.
"""

import argparse
import time

import jax

from tools.adversarial import definedness, oracle, trapped

jax.config.update("jax_enable_x64", True)


def main() -> None:
    """Prints how much was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=8)
    parser.add_argument("--regions", type=int, default=26)
    parser.add_argument("--programs", type=int, default=130)
    options = parser.parse_args()
    start = time.perf_counter()
    for instance in trapped.INSTANCES:
        trapped.require_not_smooth(*instance)
        trapped.require_not_proved(*instance)
        jax.clear_caches()
    print(f"{len(trapped.INSTANCES)} traps: none proved, {time.perf_counter() - start:.0f} s")
    for seed in range(options.programs):
        definedness.require_not_smooth(seed)
        definedness.require_not_proved(seed)
        jax.clear_caches()
    print(f"{options.programs} programs: none proved, {time.perf_counter() - start:.0f} s")
    for seed in range(options.games):
        proved = oracle.examined(seed, options.regions)
        jax.clear_caches()
        print(f"game {seed}: {proved} of {options.regions} regions proved, and all of that is so")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
