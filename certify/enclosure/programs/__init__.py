"""Traced code read and rewritten, before it is run on intervals or spelled out as a graph."""
