"""All equilibria of random games of two players, by nashpy, by Gambit, and by ours."""

import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

import dgames as dg
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared

TITLE = "All equilibria"

ABOUT = """\
Seconds from a game of two players to all its extreme equilibria, medians over random games of two
to six actions for each player. A third of the games has payoffs 0, 1 and 2 only, so that most are
degenerate; a third integers below 100; a third real payoffs.

Ours are exact, and verified. Those of Gambit's `enummixed_solve` in rational arithmetic
(`python -m pip install pygambit`) are exact too, so that they must be the same fractions. nashpy
works in floating point; its sets are compared up to 1e-6, after equilibria that it returns twice
are merged. Its support enumeration is meant for nondegenerate games, and loses equilibria there
too: it refuses strategies in which a linear solver leaves -1e-16 in place of a zero.
"""

KINDS = ("payoffs 0, 1, 2", "integers below 100", "real payoffs")
PEERS = ("pygambit", "nashpy, vertex enumeration", "nashpy, support enumeration")
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Found:
    """What a peer found of one game, beside ours.

    Attributes:
        seconds: Ours and theirs.
        degenerate: Whether the game is.
        lacks: How many of our equilibria it has not.
        more: How many it has that are not among ours.
    """

    seconds: tuple[float, float]
    degenerate: bool
    lacks: int
    more: int


def draws(count: int, kind: str, largest: int = 6, seed: int = 0) -> Iterator[np.ndarray]:
    """Random games of a kind, of shape (2, rows, columns)."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    for _ in range(count):
        shape = (2, *rng.integers(2, largest + 1, 2))
        if kind == KINDS[2]:
            yield rng.normal(size=shape)
        else:
            yield rng.integers(0, 3 if kind == KINDS[0] else 100, shape).astype(float)


def by_gambit(tables: np.ndarray) -> Callable[[], list[tuple]]:
    """Gambit's extreme equilibria, as fractions."""
    gambit: Any = importlib.import_module("pygambit")

    def rational(value: float) -> Any:
        exact = Fraction(value)
        return gambit.Rational(exact.numerator, exact.denominator)

    exact = np.vectorize(rational, otypes=[object])(tables)
    game = gambit.Game.from_arrays(*exact)

    def run() -> list[tuple]:
        found = gambit.nash.enummixed_solve(game, rational=True).equilibria
        return [
            tuple(
                tuple(
                    Fraction(int(profile[s].numerator), int(profile[s].denominator))
                    for s in player.strategies
                )
                for player in game.players
            )
            for profile in found
        ]

    return run


def by_nashpy(tables: np.ndarray, method: str) -> Callable[[], list[tuple]]:
    """The equilibria of nashpy, those that it returns twice once."""
    game = importlib.import_module("nashpy").Game(*tables)

    def run() -> list[tuple]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of degenerate games
            found = list(getattr(game, method)())
        distinct: list[tuple] = []
        for pair in found:
            if not any(_near(pair, other) for other in distinct):
                distinct.append(pair)
        return distinct

    return run


def compare(tables: np.ndarray, peer: str) -> Found:
    """Runs ours and a peer's on one game."""
    theirs = (
        by_gambit(tables)
        if peer == PEERS[0]
        else by_nashpy(tables, peer.removeprefix("nashpy, ").replace(" ", "_"))
    )
    start = time.perf_counter()
    found = dg.bimatrix_equilibria(tables)
    middle = time.perf_counter()
    others = theirs()
    seconds = middle - start, time.perf_counter() - middle
    if peer == PEERS[0]:
        ours = {(e.x, e.y) for e in found}
        lacks, more = len(ours - set(others)), len(set(others) - ours)
    else:
        mine = found.strategies()
        lacks = sum(not any(_near(own, other) for other in others) for own in mine)
        more = sum(not any(_near(own, other) for own in mine) for other in others)
    return Found(seconds, found.degenerate, lacks, more)


def summary(found: list[Found]) -> str:
    """What the peer's sets are beside ours."""
    degenerate = [one for one in found if one.degenerate]
    text = f"{len(found)} games, {len(degenerate)} degenerate: "
    same = sum(one.lacks == one.more == 0 for one in found)
    if same == len(found):
        return text + "the same sets"
    differing = [one for one in found if one.lacks or one.more]
    where = sum(one.degenerate for one in differing)
    lacks, more = sum(one.lacks for one in found), sum(one.more for one in found)
    return text + (
        f"the same sets in {same}; others in {where} degenerate and {len(differing) - where} "
        f"nondegenerate ones, where theirs lack {lacks} equilibria and have {more} more"
    )


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    for peer in PEERS:
        for kind, count in zip(KINDS, (3, 3, 3) if quick else (67, 67, 66), strict=True):
            package = peer.partition(",")[0]
            if missing(package):
                yield not_run(kind, peer, "not installed")
                continue
            found = [compare(tables, peer) for tables in draws(count, kind, 3 if quick else 6)]
            seconds = zip(*(one.seconds for one in found), strict=True)
            yield Row(kind, peer, compared(*seconds), "game", (None, None), summary(found))


def _near(one: tuple, other: tuple) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.abs(np.subtract(a, b)).max() <= TOLERANCE for a, b in pairs)
