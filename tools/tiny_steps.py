"""The branch of quantal responses in steps of one tiny length: an oracle.

Explicit formulas in NumPy, for many games of one size at once.
"""

import itertools

import numpy as np


def forces(payoffs, x):
    """`N` and its derivative, in differences to the last action, of shapes (B, m) and (B, m, m)."""
    sizes, letters = payoffs.shape[2:], "abc"[: payoffs.ndim - 2]
    cuts = np.cumsum([0] + [n - 1 for n in sizes])
    spans = [slice(a, b) for a, b in itertools.pairwise(cuts)]
    p = []
    for span in spans:
        full = np.concatenate([x[:, span], np.zeros((len(x), 1))], 1)
        weights = np.exp(full - full.max(1, keepdims=True))
        p.append(weights / weights.sum(1, keepdims=True))
    value, slopes = np.zeros_like(x), np.zeros((*x.shape, x.shape[1]))
    for i, a in enumerate(letters):
        for j, b in enumerate(letters):
            if i == j:
                continue
            rest = [k for k in range(len(letters)) if k not in (i, j)]
            terms = ",".join(["z" + letters] + ["z" + letters[k] for k in rest])
            table = np.einsum(f"{terms}->z{a}{b}", payoffs[:, i], *[p[k] for k in rest])
            table = table[:, -1:] - table[:, :-1]
            value[:, spans[i]] = np.einsum("zab,zb->za", table, p[j])
            fisher = p[j][:, :, None] * (np.eye(sizes[j]) - p[j][:, None])
            slopes[:, spans[i], spans[j]] = (table @ fisher)[:, :, :-1]
    return value, slopes


def followed(payoffs, goals, step=0.02):
    """Logits at the first passes of precisions, of shape (B, goals, m)."""
    size = sum(n - 1 for n in payoffs.shape[2:])
    z = np.zeros((len(payoffs), size + 1))
    tangent = np.eye(size + 1)[[-1] * len(z)]
    found = np.full((len(z), len(goals), size), np.nan)

    def bordered(z, normal, right=None, offset=0.0):
        value, slopes = forces(payoffs, z[:, :-1])
        jacobian = np.eye(size) + z[:, -1, None, None] * slopes
        matrix = np.concatenate([jacobian, value[:, :, None]], 2)
        matrix = np.concatenate([matrix, normal[:, None]], 1)
        if right is None:
            ends = np.broadcast_to(offset, len(z))[:, None]
            right = np.concatenate([z[:, :-1] + z[:, -1:] * value, ends], 1)
        return np.linalg.solve(matrix, right[:, :, None])[:, :, 0]

    def direction(z, before):
        t = bordered(z, before, np.eye(size + 1)[[-1] * len(z)])
        return t / np.linalg.norm(t, axis=1, keepdims=True)

    tangent = direction(z, tangent)
    while np.isnan(found).any():
        predicted = z + step * tangent
        on = predicted
        for _ in range(3):
            on = on - bordered(on, tangent, offset=np.sum(tangent * (on - predicted), 1))
        for k, goal in enumerate(goals):
            for b in np.flatnonzero(
                (z[:, -1] <= goal) & (goal <= on[:, -1]) & np.isnan(found[:, k, 0])
            ):
                share = (goal - z[b, -1]) / (on[b, -1] - z[b, -1])
                x = (z[b] + share * (on[b] - z[b]))[None, :-1]
                for _ in range(5):
                    value, slopes = forces(payoffs[b : b + 1], x)
                    x = x - np.linalg.solve(np.eye(size) + goal * slopes[0], (x + goal * value)[0])
                found[b, k] = x[0]
        z, tangent = on, direction(on, tangent)
    return found
