"""Metrics in which a game is strongly monotone."""
