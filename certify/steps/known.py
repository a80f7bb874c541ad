"""The methods that the theorems speak of; see `certify.known`."""

from certify.known import METHODS as METHODS
from certify.known import described_class as described_class
from certify.known import known_method as known_method
