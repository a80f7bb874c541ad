"""Bounds by modes, against every vertex; and as evidence that the checker has to believe."""

import copy
import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.exact import Work, family_positive_definite, generator
from certify.checker.reader import VERSION
from certify.jacobian.family import AffineFamily
from certify.metric.cell_margin import margin_bounds, margin_modes, vertices
from certify.problem.field import flat_field
from certify.prove.equilibrium import find_zero

pytestmark = pytest.mark.thin(3)


def random_family(rng, n, count, rank, cells=1, loose=0.0):
    """Centres with eigenvalues from 1 on, and generators of a few random directions each."""
    vectors = rng.normal(size=(cells, count, n, rank))
    strengths = rng.choice([-1.0, 1.0], (cells, count, rank))
    generators = np.einsum("bkir,bkr,bkjr->bkij", vectors, strengths, vectors) * 0.15 / n
    skew = rng.normal(size=(cells, n, n))
    centre = rng.uniform(1, 5, (cells, 1, n)) * np.eye(n) + skew - np.swapaxes(skew, -1, -2)
    remainder = loose * rng.uniform(size=(cells, n, n))
    return AffineFamily(
        centre, generators, remainder, np.zeros((cells, n, n, n)), np.ones(cells, bool)
    )


def at_vertices(family, weights):
    root = np.sqrt(weights)
    corners = vertices(family.centre, family.generators) * (root[:, None] / root)
    return np.linalg.eigvalsh(0.5 * (corners + np.swapaxes(corners, -1, -2)))[..., 0].min(1)


@pytest.mark.parametrize(("n", "count", "rank"), [(7, 7, 1), (8, 10, 2), (9, 9, 3), (10, 10, 10)])
@pytest.mark.parametrize("ratio", [1.0, 50.0])
def test_never_above_the_vertices_and_not_far_below(n, count, rank, ratio):
    rng = np.random.default_rng(n)
    family = random_family(rng, n, count, rank, cells=6)
    weights = np.geomspace(1.0, ratio, n)
    exact, none = at_vertices(family, weights), np.zeros((n, n), int)
    still = dataclasses.replace(family, generators=family.generators[:, :0])
    centre = at_vertices(still, weights)
    found = margin_bounds(family, weights, none)
    assert (found.margin <= exact).all()
    assert (found.peak >= exact - 1e-12).all()
    # What is lost of the way from the centre to the worst vertex.
    lost = (exact - found.margin) / (centre - exact)
    assert lost.mean() < (0.25 if rank <= 3 else 0.45)


@pytest.mark.parametrize("seed", range(3))
def test_vertices_and_modes_together(seed):
    """Four coordinates and eight symbols of remainders: some at vertices, the others by modes."""
    rng = np.random.default_rng(seed)
    family = random_family(rng, 4, 12, 2, cells=20, loose=0.01)
    weights, none = rng.uniform(0.5, 2.0, 4), np.zeros((4, 4), int)
    modes = margin_modes(family, weights, none)
    assert modes is not None
    found = margin_bounds(family, weights, none, modes).margin
    assert (found <= at_vertices(family, weights)).all()
    without = modes.kept(np.zeros((20, 12), bool))
    assert (found >= margin_bounds(family, weights, none, without).margin).all()
    corners = dataclasses.replace(family, generators=family.generators[:, :4])
    at_corner = at_vertices(dataclasses.replace(corners, remainder=0 * family.remainder), weights)
    assert (margin_bounds(family, weights, none, modes).peak >= at_vertices(family, weights)).all()
    assert (at_corner > found).all()


@pytest.mark.parametrize("n", [4, 9])
def test_gram_terms_lose_nothing(n):
    """`A' diag(s) A` with `s >= 0` is worst at the smallest `s`, however many there are."""
    rng = np.random.default_rng(n)
    rows = rng.normal(size=(40, n))
    terms = np.einsum("ki,kj->kij", rows, rows) / 40
    low, high = rng.uniform(0.0, 0.2, 40), rng.uniform(0.3, 2.0, 40)
    family = AffineFamily(
        np.eye(n)[None] + np.tensordot(0.5 * (high + low), terms, 1)[None],
        np.concatenate([np.zeros((n, n, n)), 0.5 * (high - low)[:, None, None] * terms])[None],
        np.zeros((1, n, n)),
        np.zeros((1, n, n, n)),
        np.ones(1, bool),
    )
    weights = np.ones(n)
    worst = np.linalg.eigvalsh(np.eye(n) + np.tensordot(low, terms, 1))[0]
    margin = margin_bounds(family, weights, np.zeros((n, n), int)).margin[0]
    assert worst - 1e-3 < margin <= worst + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_remainders_are_paid_for(seed):
    rng = np.random.default_rng(seed)
    family = random_family(rng, 9, 9, 2, loose=0.05)
    weights = rng.uniform(0.5, 1.0, 9)
    root, signs = np.sqrt(weights), np.zeros((9, 9), int)
    bound = margin_bounds(family, weights, signs).margin[0]
    for _ in range(500):
        e, noise = rng.choice([-1.0, 1.0], 9), rng.choice([-1.0, 1.0], (9, 9))
        member = family.centre[0] + np.tensordot(e, family.generators[0], 1)
        member = (member + noise * family.remainder[0]) * (root[:, None] / root)
        assert bound <= np.linalg.eigvalsh(0.5 * (member + member.T))[0]


def test_few_moving_coordinates_need_no_modes():
    rng = np.random.default_rng(0)
    family = random_family(rng, 9, 9, 2)
    np.asarray(family.generators)[:, 6:] = 0.0
    assert margin_modes(family, np.ones(9), np.zeros((9, 9), int)) is None
    found = margin_bounds(family, np.ones(9), np.zeros((9, 9), int)).margin
    assert found == pytest.approx(at_vertices(family, np.ones(9)), abs=1e-9)


def test_cells_that_are_not_finite_have_no_margin():
    rng = np.random.default_rng(0)
    family = random_family(rng, 9, 9, 2, cells=2)
    np.asarray(family.generators)[0, 3, 2, 1] = np.nan
    np.asarray(family.centre)[0, 1, 1] = np.inf
    np.asarray(family.finite)[0] = False
    found = margin_bounds(family, np.ones(9), np.zeros((9, 9), int))
    assert found.margin[0] == -np.inf
    assert found.peak[0] == np.inf
    assert found.margin[1] > 0


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(0, 4))
def test_any_modes_are_sound(seed, n, count, rank):
    """Whatever a file holds: if the family is accepted, all its vertices are definite."""
    rng = np.random.default_rng(seed)
    matrices, generators = [], []
    for _ in range(count):
        modes = rng.integers(-3, 4, (rank, n + 1))
        spread = rng.integers(-2, 3, (n, n))
        exact = np.einsum("r,ri,rj->ij", modes[:, 0], modes[:, 1:], modes[:, 1:])
        matrix = exact + spread + spread.T
        matrices.append(matrix)
        generators.append(generator(matrix.tolist(), modes.tolist(), Work()))
        off = np.array(generators[-1].rest)
        assert (off == spread + spread.T).all()
        assert (np.linalg.eigvalsh(np.array(generators[-1].bound, float)) > -1e-9).all()
    centre = np.eye(n, dtype=int) * int(rng.integers(1, 200))
    remainder = np.abs(rng.integers(-3, 4, (n, n)))
    remainder = remainder + remainder.T
    scaling = rng.integers(1, 10, n).tolist()
    accepted = family_positive_definite(
        centre.tolist(), generators, remainder.tolist(), scaling, Work()
    )
    if accepted:
        for corner in vertices(centre[None].astype(float), np.array(matrices, float)[None])[0]:
            for _ in range(4):
                noise = np.triu(rng.choice([-1, 1], (n, n)))
                noise = noise + np.triu(noise, 1).T
                assert np.linalg.eigvalsh(corner + noise * remainder)[0] > 0


def test_modes_prove_in_one_test_what_takes_all_vertices():
    """Five planes, each turned and mirrored: 2047 tests without modes."""
    n, plain, with_modes = 10, [], []
    work = Work()
    for k in range(0, n, 2):
        turned, mirrored = ([[0] * n for _ in range(n)] for _ in range(2))
        turned[k][k + 1] = turned[k + 1][k] = mirrored[k][k] = 10
        mirrored[k + 1][k + 1] = -10
        unit = np.eye(n, dtype=int)
        sum_, difference = unit[k] + unit[k + 1], unit[k] - unit[k + 1]
        modes = [[5, *sum_.tolist()], [-5, *difference.tolist()]]
        others = [[10, *unit[k].tolist()], [-10, *unit[k + 1].tolist()]]
        plain += [generator(turned, [], work), generator(mirrored, [], work)]
        with_modes += [generator(turned, modes, work), generator(mirrored, others, work)]
    zero, centre = ([[size * (i == j) for j in range(n)] for i in range(n)] for size in (0, 21))
    before = work.left
    assert family_positive_definite(centre, with_modes, zero, [1] * n, work)
    assert before - work.left == (8 + 2 * len(with_modes)) * (n + 4) ** 2


def twelve_firms():
    firms = 12
    game = dg.games.Oligopoly(
        c=jnp.linspace(2.0, 10.0, firms),
        L=jnp.full(firms, 5.0),
        beta=jnp.linspace(0.8, 1.2, firms),
        gamma=jnp.asarray(1.1),
    )
    wide = certify.Box((1.0,) * firms, (100.0,) * firms)
    center = find_zero(flat_field(game, wide), wide)
    assert center is not None
    return game, certify.Box.around(tuple(center.tolist()), 1.0)


@pytest.fixture(scope="module")
def firms():
    return certify.certify(*twelve_firms())


@pytest.mark.full
class TestTwelveFirms:
    def test_one_cell(self, firms):
        """26 cells, each tested at up to 2^8 vertices, when the smallest generators were folded."""
        assert firms.status == "proved"
        assert firms.cells == 1
        assert 0.175 <= firms.margin <= 0.1768384293593766  # the least vertex of the cell
        assert firms.data["version"] == VERSION

    def cell(self, firms):
        data = copy.deepcopy(firms.data)
        return data, data["evidence"]["cells"][0]

    def test_modes_that_are_left_out_or_wrong_prove_less_and_never_more(self, firms):
        assert check_data(firms.data).ok
        rng = np.random.default_rng(0)
        for kind in ("none", "zero", "sign", "unit", "shuffled"):
            data, cell = self.cell(firms)
            modes = cell["margin_modes"]
            if kind == "none":
                del cell["margin_modes"]
            elif kind == "zero":
                modes["vectors"] = [[] for _ in modes["vectors"]]
            elif kind == "sign":
                modes["vectors"] = [[[-s, *q] for s, *q in rows] for rows in modes["vectors"]]
            elif kind == "unit":
                modes["unit"] += 2
            else:
                rng.shuffle(modes["vectors"])
            # A margin beyond the worst vertex: no evidence may support it.
            data["claims"]["margin"] = (0.17684).hex()
            verdict = check_data(data)
            assert not verdict.ok
            assert "the margin holds" in verdict.reasons[0], kind

    def test_unreadable_modes_are_unusable(self, firms):
        for change in (
            lambda m: m | {"unit": -5000},
            lambda m: m | {"unit": 2**60},
            lambda m: m | {"unit": "0"},
            lambda m: m | {"vectors": m["vectors"][:-1]},
            lambda m: m | {"vectors": [[[1] * 12], *m["vectors"][1:]]},
            lambda m: m | {"vectors": [[[1.5] * 13], *m["vectors"][1:]]},
            lambda m: m | {"vectors": None},
            lambda m: m | {"more": 1},
            lambda m: {"unit": 0},
            lambda m: [],
            lambda m: None,
        ):
            data, cell = self.cell(firms)
            cell["margin_modes"] = change(cell["margin_modes"])
            with pytest.raises(Unusable, match="margin_modes"):
                check_data(data)

    def test_modes_cost_work(self, firms, monkeypatch):
        data, cell = self.cell(firms)
        rows = cell["margin_modes"]["vectors"][0]
        cell["margin_modes"]["vectors"][0] = rows * 100
        monkeypatch.setattr("certify.checker.exact.MAX_WORK", 10**5)
        with pytest.raises(Unusable, match="too much work"):
            check_data(data)
