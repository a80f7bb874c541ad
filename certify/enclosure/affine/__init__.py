"""Affine arithmetic: intervals that remember how they move with the coordinates of a box."""
