"""Crowds: games of very many players, by what becomes of them in the limit."""
