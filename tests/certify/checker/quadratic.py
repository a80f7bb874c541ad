"""A certificate made by hand, of any size: players with the costs `x^2 / 2`, on a box around 0."""

from typing import Any

from certify.checker.reader import CONTRACTION, CONVERGENCE, FORMAT, VERSION

ZERO, ONE = (0.0).hex(), (1.0).hex()


def quadratic(sizes: list[int], **claims: Any) -> dict[str, Any]:
    """The contents of an accepted file: `F(x) = x`, so that the Jacobian is the identity."""
    players, n = range(len(sizes)), sum(sizes)
    half, twice, small = (0.5).hex(), (2.0).hex(), (2.0**-20).hex()
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": CONVERGENCE,
        "game": {
            "name": "Quadratic",
            "hash": "0" * 64,
            "players": [{"name": str(i), "size": size} for i, size in enumerate(sizes)],
            "structure": {
                "kind": "tuple",
                "items": [{"kind": "array", "shape": [size]} for size in sizes],
            },
        },
        "region": {"kind": "box", "lower": [(-1.0).hex()] * n, "upper": [ONE] * n},
        "claims": {
            "weights": [ONE] * len(sizes),
            "margin": half,
            "lipschitz": twice,
            "small_gain": {
                "margin": (-1024.0).hex(),
                "left": [ONE] * len(sizes),
                "right": [ONE] * len(sizes),
                "curvature": [half] * len(sizes),
                "smoothness": [twice] * len(sizes),
                "coupling": [[ZERO if i == j else small for j in players] for i in players],
            },
            "equilibrium": {"center": [ZERO] * n, "residual": [ZERO] * n, "radius": (0.25).hex()},
            "basin": {"radius": (2.0**-30).hex()},
            "steps": [],
            **claims,
        },
        "evidence": {"unit": 0, "cells": [cell(n)]},
        "trusted": [],
        "provenance": {},
    }


def cell(n: int, generators: int = 0, entry: int = 0) -> dict[str, Any]:
    """The identity, and generators with one number in every entry."""
    return {
        "centre": [int(i == j) for i in range(n) for j in range(n)],
        "generators": [[entry] * n**2 for _ in range(generators)],
        "along": [-1] * generators,
        "remainder": [0] * n**2,
        "margin_scaling": [1] * n,
        "lipschitz_scaling": [1] * (2 * n),
    }


def contraction(m: int) -> dict[str, Any]:
    """The step `z -> z / 2`, a contraction in the Euclidean metric."""

    def identity(factor: int = 1) -> list[int]:
        return [factor * (i == j) for i in range(m) for j in range(m)]

    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": CONTRACTION,
        "game": {"name": "Half", "hash": "0" * 64},
        "method": {"name": "half", "settings": "z / 2"},
        "coordinates": {"strategy": m, "state": 0},
        "claims": {
            "lower": [(-1.0).hex()] * m,
            "upper": [ONE] * m,
            "metric": {"unit": 0, "matrix": identity()},
            "rate": (0.75).hex(),
            "center": [ZERO] * m,
            "residual": [ZERO] * m,
            "radius": (2.0**-10).hex(),
            "basin": (0.5).hex(),
        },
        "evidence": {
            # A little less than the inverse of the metric.
            "inverse": {"unit": -20, "matrix": identity(2**20 - 8)},
            "unit": -1,
            "cells": [
                {
                    "centre": identity(),
                    "generators": [],
                    "remainder": [0] * m**2,
                    "scaling": [1] * (2 * m),
                }
            ],
        },
        "trusted": [],
        "provenance": {},
    }
