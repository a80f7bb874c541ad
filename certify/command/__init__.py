"""Implements the `certify` command."""
