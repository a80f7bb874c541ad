"""Modules that read and rewrite traced code, before it becomes intervals or a graph."""
