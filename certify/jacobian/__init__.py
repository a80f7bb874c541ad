"""Enclosures of Jacobians over cells, and the choice of how they are enclosed."""
