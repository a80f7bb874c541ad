"""Makes certificates of regularised games on simplices, over all of their policies.

- `all_policies` makes a checked certificate from a game;
- `policy_weights` chooses weights, and the vectors that prove their constants;
- `certify.problem.payoff_tables` writes a game as the file spells it out;
- `certify.claims.policy_convergence` defines what a certificate says.
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
