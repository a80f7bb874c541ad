"""Exact values of these tests need the digits that those of the enclosures have."""

from tests.certify.enclosure.conftest import many_digits as many_digits
