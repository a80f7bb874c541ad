"""Proves Lipschitz constants of networks in their inputs, globally and on sets of inputs."""

from certify.prove.lipschitz.lipschitz import lipschitz as lipschitz
from certify.prove.lipschitz.lipschitz_bound import LipschitzBound as LipschitzBound
