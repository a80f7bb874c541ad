"""Proofs that learning goes away: equilibria that repel, and regions that all runs leave."""

from certify.prove.unstable.certify_expansion import certify_expansion as certify_expansion
from certify.prove.unstable.certify_instability import certify_instability as certify_instability
