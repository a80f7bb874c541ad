"""All stationary points of small games, and all equilibria of tables: how many, and how long.

python -m benchmarks.stationary_points
"""

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.table import Table

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)

SEARCH = certify.Search(max_cells=20_000, max_seconds=40.0)


def square(radius: float) -> certify.Box:
    """The box of two numbers, one for each of two players, up to a radius."""
    return certify.Box((-radius, -radius), (radius, radius))


def plane(x: float, y: float) -> certify.Box:
    """A box of one player with two numbers."""
    corner = jnp.array([x, y])
    return certify.Box((-corner,), (corner,))


def himmelblau(z: Float[Array, " 2"]) -> Array:
    """Himmelblau's function, with four minima, four saddles and a maximum."""
    return (z[0] ** 2 + z[1] - 11.0) ** 2 + (z[0] + z[1] ** 2 - 7.0) ** 2


def six_humps(z: Float[Array, " 2"]) -> Array:
    """The six-hump camel function, with fifteen critical points."""
    return (
        (4.0 - 2.1 * z[0] ** 2 + z[0] ** 4 / 3.0) * z[0] ** 2
        + z[0] * z[1]
        + (4.0 * z[1] ** 2 - 4.0) * z[1] ** 2
    )


def dirac(x: tuple[Array, Array], args: None) -> tuple[Array, Array]:
    """The pseudo-gradient of `dgames.games.DiracGAN`, in its closed form."""
    share = jax.nn.sigmoid(-x[0] * x[1])
    return x[1] * share, -x[0] * share


def mckelvey_mclennan() -> dg.games.MatrixGame:
    """Three players with two actions each, and nine equilibria."""
    tables = np.zeros((3, 2, 2, 2))
    tables[:, 0, 0, 0], tables[:, 1, 1, 0] = (9, 8, 12), (9, 8, 2)
    tables[:, 0, 1, 1] = tables[:, 1, 0, 1] = (3, 4, 6)
    return dg.games.MatrixGame(*map(jnp.asarray, tables))


def random_table(seed: int, *shape: int) -> dg.games.MatrixGame:
    """A game of random integer payoffs."""
    tables = np.random.default_rng(seed).integers(-50, 50, (len(shape), *shape))
    return dg.games.MatrixGame(*(jnp.asarray(table, float) for table in tables))


def cases() -> Iterator[tuple[str, Callable[[], certify.EquilibriumCount]]]:
    """Names, and functions that count."""
    one, games = certify.all_equilibria, dg.games
    for name in games.Surface.names():
        yield (
            f"surface {name}",
            lambda name=name: one(games.Surface(name), square(0.5), search=SEARCH),
        )
    cubic = dg.game(lambda x, args: (x[0] ** 3 - 3 * x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
    small = {
        "bilinear": (dg.zero_sum(lambda x, args: x[0] * x[1]), square(1.0)),
        "matching pennies in logits": (games.LogitPennies(), square(4.0)),
        "iterated prisoners' dilemma": (games.SmallIteratedPrisonersDilemma(), square(1.0)),
        "tandem": (games.Tandem(), square(2.0)),
        "cubic": (cubic, square(3.0)),
        "Himmelblau, one player": (dg.game(lambda x, args: (himmelblau(x[0]),)), plane(6.0, 6.0)),
        "Himmelblau, two players": (
            dg.game(lambda x, args: (himmelblau(jnp.stack(x)),) * 2),
            square(6.0),
        ),
        "six-hump camel": (dg.game(lambda x, args: (six_humps(x[0]),)), plane(3.0, 2.0)),
        "oligopoly of five firms": (
            games.Oligopoly.murphy_sherali_soyster(),
            certify.Box((20.0,) * 5, (60.0,) * 5),
        ),
    }
    for name, (game, region) in small.items():
        yield name, lambda game=game, region=region: one(game, region, search=SEARCH)
    yield (
        "field of the Dirac-GAN",
        lambda: certify.all_zeros(dirac, square(4.0), search=SEARCH),
    )
    yield "McKelvey and McLennan, 2 x 2 x 2", lambda: one(mckelvey_mclennan(), search=SEARCH)
    for shape in ((2, 2, 2), (2, 2, 3), (3, 3, 3), (5, 5)):
        yield (
            f"random, {' x '.join(map(str, shape))}",
            lambda shape=shape: one(random_table(0, *shape), search=SEARCH),
        )


def main() -> None:
    """Prints a table."""
    columns = ("game", "points", "open cells", "natures", "cells", "search, s", "check, s", "KiB")
    table = Table(*columns)
    for name, count in cases():
        start = time.perf_counter()
        found = count()
        seconds = time.perf_counter() - start
        best = found if found.status == "proved" else found.partial
        if best is None:
            table.add_row(name, "-", "", "; ".join(found.reasons))
            continue
        start = time.perf_counter()
        assert best.check(level=2).ok
        checking = time.perf_counter() - start
        exact = "" if best.is_complete else "at least "
        natures = Counter(point.nature for point in best.points)
        table.add_row(
            name,
            f"{exact}{best.at_least}",
            str(len(best.open_cells)),
            ", ".join(f"{many} {nature}" for nature, many in sorted(natures.items())),
            str(best.cells),
            f"{seconds:.1f}",
            f"{checking:.2f}",
            f"{len(str(best.data)) / 1024:.0f}",
        )
    Console(width=140).print(table)
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
