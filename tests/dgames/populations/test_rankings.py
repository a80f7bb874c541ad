"""Alpha-rank, Nash averaging and expected cardinality against published and closed forms."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg

# Han, Pereira and Lenaerts (2013), with r = 1, t = 2, p = 0, s = -1, delta = 4, eps = .25.
HAN = [
    [0.875, 0.75, 0, 2.75, 0.75],
    [1, 1, -1, -1, -1],
    [0, 2, 0, 0, 0],
    [-2, 2, 0, 0, 0],
    [1, 2, 0, 0, 0],
]


def test_alpha_rank_of_the_commitment_game_is_that_of_the_literature():
    published = [0.40966787, 0.07959841, 0.20506998, 0.08505983, 0.22060390]
    assert np.allclose(dg.alpha_rank(HAN, m=20, alpha=0.1), published, atol=5e-9)


def test_alpha_rank_is_stationary_for_the_chain_as_it_is_defined():
    payoffs = np.random.default_rng(0).normal(size=(2, 3, 4))
    m, alpha = 6, 0.7
    chain = np.zeros((3, 4, 3, 4))
    for i in range(3):
        for j in range(4):
            moves = [(0, (k, j)) for k in range(3) if k != i]
            moves += [(1, (i, k)) for k in range(4) if k != j]
            for player, (k, n) in moves:
                gain = payoffs[player, k, n] - payoffs[player, i, j]
                fixed = (1 - np.exp(-alpha * gain)) / (1 - np.exp(-alpha * m * gain))
                chain[i, j, k, n] = fixed / 5
    chain = chain.reshape(12, 12)
    chain += np.diag(1 - chain.sum(1))
    found = dg.alpha_rank(payoffs, m=m, alpha=alpha).reshape(-1)
    assert np.allclose(found @ chain, found, atol=1e-14) and np.isclose(found.sum(), 1)


def test_alpha_rank_neither_overflows_nor_loses_small_rates():
    cycle = 1e6 * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    assert np.allclose(dg.alpha_rank(cycle, m=50, alpha=100.0), 1 / 3)
    # Between two states only the ratio of tiny rates counts: rho_01 / rho_10 = exp(alpha (m-1) d).
    apart = np.array([[5.0, 0.0], [0.0, 5.0 + 1e-3]])
    found = dg.alpha_rank(apart, m=40, alpha=100.0)
    steps = np.arange(1, 40)
    gains = np.cumsum(((steps - 1) * apart[1, 1] - (39 - steps) * apart[0, 0]) / 39)
    back = np.cumsum(((steps - 1) * apart[0, 0] - (39 - steps) * apart[1, 1]) / 39)
    log_rate = [-np.logaddexp.reduce(np.append(0.0, -100.0 * g)) for g in (gains, back)]
    assert np.isclose(np.log(found[1] / found[0]), log_rate[0] - log_rate[1], rtol=1e-9)
    assert log_rate[0] < -1000
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"square matrix|Type-check"):
        dg.alpha_rank(np.ones((2, 3)))
    with pytest.raises(ValueError, match="at least 2 individuals"):
        dg.alpha_rank(np.ones((2, 2)), m=1)


def test_nash_averages_of_the_literature():
    assert np.allclose(dg.nash_averaging([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]).rows, 1 / 3)
    table = [[0, 234, 34, -270], [-234, 0, -38, -464], [-34, 38, 0, -270], [270, 464, 270, 0]]
    assert np.allclose(dg.nash_averaging(table).rows, [0, 0, 0, 1], atol=1e-9)
    twins = [[0, 0, 1], [0, 0, 1], [-1, -1, 0]]
    assert np.allclose(dg.nash_averaging(twins).rows, [0.5, 0.5, 0], atol=1e-9)


def test_a_copy_shares_the_weight_and_the_entropy_is_the_largest():
    rng = np.random.default_rng(1)
    for _ in range(5):
        draw = np.round(rng.normal(size=(5, 5)))
        matrix = draw - draw.T
        own = dg.nash_averaging(matrix)
        copied = np.append(np.arange(5), 2)
        shared = dg.nash_averaging(matrix[np.ix_(copied, copied)]).rows
        folded = np.bincount(copied, shared)
        assert (own.rows @ matrix).min() > -1e-7 and abs(own.value) < 1e-7
        assert (folded @ matrix).min() > -1e-7
        assert abs(shared[2] - shared[5]) < 1e-6
    # x <= z and y = 0: all of (x, 0, z) with x <= 1/2 are equilibria.
    line = dg.nash_averaging([[0, -1, 0], [1, 0, -1], [0, 1, 0]])
    assert np.allclose(line.rows, [0.5, 0, 0.5], atol=1e-8)
    tasks = dg.nash_averaging([[3.0, -1.0], [-1.0, 1.0]])
    assert np.isclose(tasks.value, 1 / 3) and np.allclose(tasks.columns, [1 / 3, 2 / 3])
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"finite numbers|Type-check"):
        dg.nash_averaging([[0.0, np.nan], [1.0, 0.0]])


def test_expected_cardinality_counts_directions():
    assert np.isclose(dg.expected_cardinality(jnp.eye(4)), 2)
    assert np.isclose(dg.expected_cardinality(jnp.ones((4, 4))), 4 / 5)
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4)))
    values = np.linalg.svd(rows / np.linalg.norm(rows, axis=1)[:, None], compute_uv=False)
    assert np.isclose(dg.expected_cardinality(7 * rows), np.sum(values**2 / (1 + values**2)))
    slope = jax.grad(dg.expected_cardinality)(rows.at[0].set(0.0))
    assert np.isfinite(slope).all()
