"""Costs as an expression graph: traced from code, and evaluated by any arithmetic."""
