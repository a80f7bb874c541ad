"""Proofs of how many stationary points there are in a box, and how many equilibria of tables."""

from certify.prove.count.all_equilibria import all_equilibria, all_zeros

__all__ = ["all_equilibria", "all_zeros"]
