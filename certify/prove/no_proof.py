"""How a proof ends early: with a status, and reasons."""

from typing import Literal


class NoProof(Exception):
    """There is no proof, and it is known why.

    Args:
        reasons: Sentences.
        status: "refuted" if the claim is proved to be false.
    """

    def __init__(self, *reasons: str, status: Literal["undecided", "refuted"] = "undecided"):
        super().__init__(*reasons)
        self.reasons = reasons
        self.status: Literal["undecided", "refuted"] = status
