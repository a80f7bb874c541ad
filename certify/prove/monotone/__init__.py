"""Proofs that the residual of merely monotone games falls along methods, without any margin."""

from certify.prove.monotone.certify_monotone import certify_monotone as certify_monotone
