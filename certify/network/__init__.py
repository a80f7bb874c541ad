"""Network games of up to millions of players: constants, equilibrium and steps, all of it sparse.

What is proved here is proved by this package: in floating point with every rounding error paid for
and, for the small-gain margin, with integers. There is no certificate file, so nothing of it is
*checked* by the independent checker.
"""

from .constants import NetworkConstants as NetworkConstants
from .constants import network_constants as network_constants
from .proof import NetworkEquilibrium as NetworkEquilibrium
from .proof import NetworkProof as NetworkProof
from .proof import NetworkStep as NetworkStep
from .proof import certify_network as certify_network
