"""Proofs that a system of equations has exactly one zero in a box: the doors to them."""

from certify.prove.zero.certify_kkt import certify_kkt as certify_kkt
from certify.prove.zero.certify_stackelberg import certify_stackelberg as certify_stackelberg
from certify.prove.zero.certify_zero import certify_zero as certify_zero
