"""The verdict of the checker on a file that it can read."""

from collections.abc import Callable
from typing import NamedTuple


class Verdict(NamedTuple):
    """The verdict of the checker on a file.

    Attributes:
        ok: Whether every claim in the file follows from its evidence.
        reasons: The claims that do not, one sentence each; empty when `ok`.
        seconds: How long the check took.
        rederived: What was re-derived from the costs at level 2, one sentence each; empty at level
            1, where the bounds that the file states are taken as given. Files of games on simplices
            hold the payoffs themselves: everything is derived from them at either level.
    """

    ok: bool
    reasons: tuple[str, ...]
    seconds: float
    rederived: tuple[str, ...] = ()


class Rejected(Exception):
    """An error with the claims that do not follow from the evidence, one sentence each."""


def require(condition: bool, claim: str) -> None:
    """Rejects the certificate unless `condition` holds."""
    if not condition:
        raise Rejected(claim)


def require_all(*steps: Callable[[], None]) -> None:
    """Takes every step, and rejects the certificate with the claims that fail in any of them."""
    reasons: list[str] = []
    for step in steps:
        try:
            step()
        except Rejected as rejected:
            reasons += rejected.args
    if reasons:
        raise Rejected(*reasons)
