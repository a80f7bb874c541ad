"""Proofs about a leader and followers: the strict optimum of a leader on a region."""

from certify.prove.leader.leader_proof import certify_leader as certify_leader
