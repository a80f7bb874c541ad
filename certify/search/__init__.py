"""Cells that cover a region, the worst cut first."""
