"""Proofs of what methods do under noise: they converge in mean square, or they diverge."""

from certify.prove.noise.certify_mean_square import certify_mean_square as certify_mean_square
