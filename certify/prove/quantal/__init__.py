"""Proves which quantal responses the principal branch of a game leads to."""

from certify.prove.quantal.quantal_path import QuantalPath as QuantalPath
from certify.prove.quantal.quantal_path import TurningPoint as TurningPoint
from certify.prove.quantal.quantal_path import quantal_path as quantal_path
