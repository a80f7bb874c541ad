"""Shared constraints: what they allow, projections onto it, equilibria with multipliers."""
