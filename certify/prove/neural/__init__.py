"""Bounds of networks, and proofs that training converges in zero-sum games of networks."""

from certify.prove.neural.center_scalars import CenterScalars as CenterScalars
from certify.prove.neural.center_scalars import center_scalars as center_scalars
from certify.prove.neural.certify_networks import certify_networks as certify_networks
from certify.prove.neural.network_bounds import NetworkBounds as NetworkBounds
from certify.prove.neural.network_bounds import network_bounds as network_bounds
