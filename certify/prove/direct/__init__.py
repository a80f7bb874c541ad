"""Proves by the direct route that steps of methods, as they are, contract."""
