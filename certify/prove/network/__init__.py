"""Proves constants, equilibria and steps of sparse network games of up to millions of players.

The proofs are made by this package alone, in floating point with every rounding error bounded and,
for the small-gain margin, with integers. There is no certificate file, so nothing here is *checked*
by the independent checker.
"""

from certify.claims.network_convergence import NetworkConstants as NetworkConstants
from certify.claims.network_convergence import NetworkConvergence as NetworkConvergence
from certify.claims.network_convergence import NetworkEquilibrium as NetworkEquilibrium
from certify.claims.network_convergence import NetworkStep as NetworkStep
from certify.prove.network.block_bounds import network_constants as network_constants
from certify.prove.network.stability import certify_network as certify_network
