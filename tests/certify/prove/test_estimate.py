"""Constants of blocks against a loop over players that is written out."""

import numpy as np
import pytest

import certify.metric.block_constants
from certify.jacobian.family import AffineFamily
from certify.metric.block_constants import block_constants
from certify.metric.cell_margin import block_vertices
from certify.metric.weights import sampled_constants


def one_by_one(parts, sizes):
    starts = np.concatenate([[0], np.cumsum(sizes)])
    players = len(sizes)
    low, high, coupling = np.zeros(players), np.zeros(players), np.zeros((players, players))
    for i in range(players):
        for j in range(players):
            rows, columns = slice(*starts[i : i + 2]), slice(*starts[j : j + 2])
            corners, rest = block_vertices(*(part[..., rows, columns] for part in parts))
            if i == j:
                corners = 0.5 * (corners + np.swapaxes(corners, -1, -2))
                loss = 0.5 * (rest + np.swapaxes(rest, -1, -2)).sum(-1)
                spread = loss[:, None, :, None] * np.eye(sizes[i])
                low[i] = np.linalg.eigvalsh(corners - spread).min()
                high[i] = np.linalg.eigvalsh(corners + spread).max()
            else:
                norm = np.linalg.norm(corners, ord=2, axis=(-2, -1)).max(1)
                loss = np.maximum(rest.sum(-1).max(-1), rest.sum(-2).max(-1))
                coupling[i, j] = (norm + loss).max()
    return low, high, coupling


@pytest.mark.parametrize("most", [1, 2**22])
@pytest.mark.parametrize("count", [0, 3, 12])
@pytest.mark.parametrize("sizes", [(1, 2, 3, 1, 2), (1,) * 6, (2, 2, 2), (3,)], ids=str)
def test_blocks_of_one_shape_together_or_one_by_one(sizes, count, most, monkeypatch):
    monkeypatch.setattr(certify.metric.block_constants, "_NUMBERS", most)
    rng, n, cells = np.random.default_rng(0), sum(sizes), 3
    parts = (
        rng.normal(size=(cells, n, n)),
        rng.normal(size=(cells, count, n, n)),
        np.abs(rng.normal(size=(cells, n, n))),
    )
    family = AffineFamily(*parts, np.zeros((cells, n, n, n)), np.ones(cells, bool))
    pairs = zip(block_constants(family, sizes), one_by_one(parts, sizes), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_sampled_constants_are_those_of_the_samples():
    sizes, ends = (2, 1, 2), ((0, 2), (2, 3), (3, 5))
    samples = np.random.default_rng(1).normal(size=(7, 5, 5))
    low, high, coupling = sampled_constants(samples, sizes)
    for i, rows in enumerate(ends):
        for j, columns in enumerate(ends):
            blocks = samples[:, slice(*rows), slice(*columns)]
            if i == j:
                values = [np.linalg.eigvalsh(0.5 * (block + block.T)) for block in blocks]
                assert low[i] == pytest.approx(np.min(values))
                assert high[i] == pytest.approx(np.max(values))
                assert coupling[i, i] == 0.0
            else:
                largest = max(np.linalg.norm(block, 2) for block in blocks)
                assert coupling[i, j] == pytest.approx(largest)
