"""Defines the exception that ends a proof early, with a status and reasons."""

from typing import Literal


class NoProof(Exception):
    """The exception that there is no proof, for known reasons.

    Args:
        reasons: The reasons, as sentences.
        status: "refuted" if the claim is proved to be false.
    """

    def __init__(self, *reasons: str, status: Literal["undecided", "refuted"] = "undecided"):
        super().__init__(*reasons)
        self.reasons = reasons
        self.status: Literal["undecided", "refuted"] = status


class NoTerms(NoProof):
    """The exception that a game has no terms of rank one, which many games have not."""
