"""Expression graphs of costs, traced from code and evaluated by any arithmetic."""
