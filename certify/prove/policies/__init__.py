"""Certificates of regularised games on simplices, over all of their policies.

- `tables`: a game as the file spells it out;
- `weights`: a choice of weights, and of the vectors that prove their constants;
- `prove`: from a game to a checked certificate;
- `certificate`: what it says.
"""

from certify.claims.policy_convergence import (
    PolicyConvergence,
    PolicyEquilibrium,
    PolicyStep,
)
from certify.problem.payoff_tables import game_terms
from certify.prove.policies.all_policies import certify_policies

__all__ = [
    "PolicyConvergence",
    "PolicyEquilibrium",
    "PolicyStep",
    "certify_policies",
    "game_terms",
]
