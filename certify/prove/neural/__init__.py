"""Proofs that training converges in zero-sum games of networks."""

from certify.prove.neural.certify_networks import certify_networks as certify_networks
