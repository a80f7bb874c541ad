"""Makes certificates of extensive-form games of two players, over all play.

- `all_play` makes a checked certificate from a game;
- `tree_response` finds the quantal response equilibrium, and the value of zero-sum games;
- `certify.problem.tree_data` writes a game as the file spells it out;
- `certify.claims.tree_convergence` defines what a certificate says.
"""

from certify.prove.trees.all_play import certify_tree

__all__ = ["certify_tree"]
