"""Mean-field games of MFGLib, by its algorithms and by ours."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import dgames as dg
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Crowds"

ABOUT = """\
Seconds per step of online mirror descent and fictitious play, on environments of MFGLib with their
defaults, in float64, from the uniform policy. Both sides measure in every step how good the policy
is: ours by the residual of the field, MFGLib by the exploitability. The flows of the last policies
are compared: in states that the crowd never reaches, fictitious play leaves policies open.
"""

# MFGLib's environment, our game, the method and its learning rate (None for fictitious play).
Case = tuple[str, dg.MeanFieldGame, float | None]


def cases() -> list[Case]:
    """The environments that both have."""
    games = dg.games
    return [
        ("left_right", games.LeftRight(), 0.1),
        ("left_right", games.LeftRight(), None),
        ("rock_paper_scissors", games.RockPaperScissors(), 0.05),
        ("beach_bar", games.BeachBar(), 0.1),
        ("beach_bar", games.BeachBar(), None),
        ("susceptible_infected", games.SusceptibleInfected(), 0.01),
    ]


def by_us(game: dg.MeanFieldGame, rate: float | None, steps: int) -> Callable[[], np.ndarray]:
    """Our run, and the policy that it ends with."""
    method = dg.FictitiousPlay() if rate is None else dg.MirrorDescent(rate)
    start = game.uniform()

    def run() -> np.ndarray:
        return np.asarray(dg.solve(game, method, start, max_steps=steps, tol=0).strategy[0])

    return run


def by_mfglib(name: str, rate: float | None, steps: int) -> Callable[[], np.ndarray]:
    """The run of MFGLib, in float64."""
    torch: Any = importlib.import_module("torch")
    algorithms: Any = importlib.import_module("mfglib.alg")
    environments: Any = importlib.import_module("mfglib.env").Environment
    algorithm = (
        algorithms.FictitiousPlay() if rate is None else algorithms.OnlineMirrorDescent(alpha=rate)
    )

    def run() -> np.ndarray:
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            environment = getattr(environments, name)()
            policies, _, _ = algorithm.solve(environment, max_iter=steps, atol=None, rtol=None)
        finally:
            torch.set_default_dtype(default)
        return policies[-1].numpy()

    return run


def row(case: Case, steps: int, turns: int) -> Row:
    """One environment and method, side by side."""
    name, game, rate = case
    what = f"{name.replace('_', ' ')}, {'fictitious play' if rate is None else 'mirror descent'}"
    if missing("mfglib"):
        return not_run(what, "MFGLib", "not installed")
    ours, theirs = by_us(game, rate, steps), by_mfglib(name, rate, steps)
    (first, cold), (second, their_cold) = timed(ours), timed(theirs)
    times = in_turns([ours, theirs], turns, (steps, steps))
    flows = [np.asarray(game.flow((policy,))) for policy in (first, second)]
    apart = float(np.abs(flows[0] - flows[1]).max())
    gain = float(game.exploitability((first,)))
    return Row(
        what,
        "MFGLib",
        compared(*times),
        "step",
        (cold, their_cold),
        f"{apart:.0e} apart; exploitability {gain:.1e} after {steps} steps",
    )


def rows(quick: bool) -> Iterator[Row]:
    """All rows."""
    for case in cases():
        long = case[1].horizon > 10
        yield row(case, 10 if quick else 200 if long else 1000, 2 if quick else 5)
