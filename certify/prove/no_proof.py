"""Defines the exception that ends a proof early, with reasons, or with a proof of the opposite."""

from typing import Literal

from certify.claims.checked import Checked


class NoProof(Exception):
    """The exception that there is no proof, for known reasons.

    Args:
        reasons: The reasons, as sentences.
        refutation: The contents of a file that proves the claim to be false; None if nothing is
            known.
    """

    def __init__(self, *reasons: str, refutation: Checked | None = None):
        super().__init__(*reasons)
        self.reasons = reasons
        self.refutation = refutation

    @property
    def status(self) -> Literal["undecided", "refuted"]:
        """The status of the claim, "refuted" if it is proved to be false."""
        return "undecided" if self.refutation is None else "refuted"


class NoTerms(NoProof):
    """The exception that a game has no terms of rank one, which many games have not."""
