"""The direct route: steps of methods, as they are, that are proved to contract."""
