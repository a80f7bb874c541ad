"""Counterfactual regret minimisation beside the solvers of OpenSpiel."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax

import dgames as dg
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Games on trees"

ABOUT = """\
Seconds per iteration of counterfactual regret minimisation (CFR) and of CFR+, in which both players
move, one after the other. Ours are `dgames.methods.cfr()` and `cfr_plus()` under `dgames.iterate`,
in float64, on games built from their rules; a turn continues the run before. OpenSpiel's
`CFRSolver` and `CFRPlusSolver` in C++ and in Python walk through the tree, one node after the
other; its solver in JAX, which is CFR+ only, goes through the levels of the tree, as ours does
through those of each player's information sets. The first call makes the solver and takes one
iteration: ours compiles then, and once for all of CFR's kin; the C++ solvers have nothing to
compile.

The exploitability of the average strategies, half of NashConv, is computed by each side for itself
after the same number of iterations. The peer is `python -m pip install open_spiel chex`.
"""


@dataclass(frozen=True)
class Match:
    """A game and a method of both sides.

    Attributes:
        name: Of the game.
        game: Builds ours.
        theirs: What OpenSpiel calls it.
        steps: Iterations of one turn: ours, and those of OpenSpiel's C++, Python and JAX.
        digits: After how many iterations exploitabilities are compared.
    """

    name: str
    game: Callable[[], dg.ExtensiveForm]
    theirs: str
    steps: tuple[int, int, int, int]
    digits: int


MATCHES = (
    Match("Kuhn poker", dg.games.kuhn_poker, "kuhn_poker", (10_000, 1000, 100, 1000), 1000),
    Match("Leduc poker", dg.games.leduc_poker, "leduc_poker", (1000, 20, 2, 100), 100),
    Match(
        "liar's dice, 4 sides",
        lambda: dg.games.liars_dice(4),
        "liars_dice(numdice=1,dice_sides=4)",
        (1000, 20, 2, 100),
        100,
    ),
)
METHODS = {"CFR": dg.methods.cfr, "CFR+": dg.methods.cfr_plus}


class Ours:
    """A run that can be continued."""

    def __init__(self, match: Match, method: str) -> None:
        self.game = match.game().game()
        self.method = METHODS[method]()
        self.run: Any = None

    def play(self, steps: int) -> Any:
        """Takes steps."""
        if self.run is None:
            self.run = dg.iterate(self.game, self.method, self.game.uniform(), steps=steps)
        else:
            x, state = self.run.strategy, self.run.state
            self.run = dg.iterate(self.game, self.method, x, state=state, steps=steps)
        return jax.block_until_ready(self.run.strategy)

    def exploitability(self) -> float:
        """Of the average so far."""
        return float(dg.exploitability(self.game, self.run.strategy))


class OpenSpiel:
    """A solver of OpenSpiel."""

    PEERS = ("OpenSpiel, C++", "OpenSpiel, Python", "OpenSpiel, JAX")

    def __init__(self, match: Match, method: str, peer: str) -> None:
        spiel = importlib.import_module("pyspiel")
        self.game = spiel.load_game(match.theirs)
        name = "CFRSolver" if method == "CFR" else "CFRPlusSolver"
        if peer.endswith("C++"):
            self.solver = getattr(spiel, name)(self.game)
        elif peer.endswith("JAX"):
            self.solver = importlib.import_module("open_spiel.python.jax.cfr.jax_cfr").JaxCFR(
                self.game
            )
        else:
            solvers = importlib.import_module("open_spiel.python.algorithms.cfr")
            self.solver = getattr(solvers, name)(self.game)

    def play(self, steps: int) -> None:
        """Takes steps."""
        if hasattr(self.solver, "multiple_steps"):
            self.solver.multiple_steps(steps)
            return
        for _ in range(steps):
            self.solver.evaluate_and_update_policy()

    def exploitability(self) -> float:
        """Of the average so far."""
        policy = self.solver.average_policy()
        spiel = importlib.import_module("pyspiel")
        if isinstance(policy, spiel.Policy):
            return float(spiel.exploitability(self.game, policy))
        measure = importlib.import_module("open_spiel.python.algorithms.exploitability")
        return float(measure.exploitability(self.game, policy))


def absent(peer: str) -> str:
    """Why a peer cannot be run, or nothing."""
    if missing("pyspiel"):
        return "not installed"
    return "chex is not installed" if peer.endswith("JAX") and missing("chex") else ""


def row(match: Match, method: str, peer: str, turns: int) -> Row:
    """One game, method and solver."""
    what = f"{match.name}: {method}"
    if absent(peer):
        return not_run(what, peer, absent(peer))
    number = OpenSpiel.PEERS.index(peer)

    def begun(make: Callable[[], Any]) -> Any:
        side = make()
        side.play(1)
        return side

    ours, cold = timed(lambda: begun(lambda: Ours(match, method)))
    theirs, their_cold = timed(lambda: begun(lambda: OpenSpiel(match, method, peer)))
    counts = (match.steps[0], match.steps[1 + number])
    digits = 10 if number == 1 else match.digits
    for side in (ours, theirs):
        side.play(digits - 1)
    measured = f"{ours.exploitability():.3e}, theirs {theirs.exploitability():.3e}"
    both = tuple(lambda s=s, n=n: s.play(n) for s, n in zip((ours, theirs), counts, strict=True))
    seconds = in_turns(both, turns, counts)
    # Ours was compiled for the first row of the game.
    first = number == 0 and method == "CFR"
    return Row(
        what,
        peer,
        compared(*seconds),
        "iteration",
        (cold if first else None, their_cold),
        f"exploitability after {digits}: {measured}",
    )


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    for match in MATCHES[:1] if quick else MATCHES:
        for method in METHODS:
            for peer in OpenSpiel.PEERS:
                if method == "CFR+" or not peer.endswith("JAX"):
                    yield row(match, method, peer, 3 if quick else 7)
