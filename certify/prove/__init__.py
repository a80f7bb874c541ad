"""Proves claims about games and writes them into certificates."""
