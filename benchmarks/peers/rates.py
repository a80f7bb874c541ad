"""Worst-case rates of one step, beside PEPit."""

import warnings
from collections.abc import Iterator

import certify
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed
from benchmarks.rates import CASES, pepit_factor

TITLE = "Worst-case rates"

ABOUT = """\
Seconds for the worst factor of one step of a method in the distance to the solution, over all
fields that are strongly monotone with the modulus 1 / kappa and Lipschitz with constant 1: the
games of `python benchmarks/rates.py`. PEPit's number (arXiv 2201.04040) is the value of a
semidefinite program as its solver reports it, right up to the solver's tolerance and no proof;
ours is proved, by multipliers that are rounded to fractions and verified exactly, within the time
shown. Both solve with Clarabel. PEPit builds its problem anew in every call, as its interface
asks.
"""


def row(name: str, kappa: float, h: float, turns: int) -> Row:
    """One method, condition number and step."""
    what = f"{name}, kappa {kappa}, step {h:g}"
    if missing("PEPit"):
        return not_run(what, "PEPit", "not installed")
    method = certify.RungeKutta.named(name, h)

    def ours() -> float:
        found = certify.rate(method, 1 / kappa, 1.0)
        assert found.verify()
        return found.rate

    def theirs() -> float:
        return pepit_factor(method, 1 / kappa)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (proved, cold), (reported, their_cold) = timed(ours), timed(theirs)
        seconds = in_turns((ours, theirs), turns)
    results = f"{proved:.6f} proved, {reported:.6f} reported ({proved - reported:+.0e})"
    return Row(what, "PEPit", compared(*seconds), "rate", (cold, their_cold), results)


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    cases, turns = (CASES[:1], 2) if quick else (CASES, 7)
    for name, kappa, h in cases:
        yield row(name, kappa, h, turns)
