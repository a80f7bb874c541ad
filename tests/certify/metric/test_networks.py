"""Small gain on sparse networks: exactness, optimality, every structure of the graph, refusals."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import certify
from certify.metric import small_gain as module

pytestmark = pytest.mark.thin(3)


@pytest.fixture
def sparse_only(monkeypatch):
    """Small networks, too, take the way of large ones."""
    monkeypatch.setattr(module, "_DENSE", 0)


def network(n, degree, seed, kind="random"):
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, n, degree * n), rng.integers(0, n, degree * n)
    if kind == "hubs":
        columns = np.minimum((n * rng.random(degree * n) ** 3).astype(int), n - 1)
    if kind == "ring":
        rows, columns = np.arange(n).repeat(2), (np.arange(n)[:, None] + [1, -1]).ravel() % n
    values = rng.lognormal(-3.0, 1.0, rows.size)
    return rng.uniform(0.5, 2.0, n), scipy.sparse.coo_array((values, (rows, columns)), (n, n))


def exactly_proved(mu, coupling, gain):
    """Both vectors, by rationals: `K v >= margin v` and `K' u >= margin u`."""
    entries = coupling.tocoo()
    own = [Fraction(x) - Fraction(gain.margin) for x in mu.tolist()]
    right, left = ([Fraction(x) for x in v.tolist()] for v in (gain.right, gain.left))
    rows, columns = ([a * b for a, b in zip(own, v, strict=True)] for v in (right, left))
    for i, j, x in zip(
        entries.row.tolist(), entries.col.tolist(), entries.data.tolist(), strict=True
    ):
        if i != j:
            rows[i] -= Fraction(x) * right[j]
            columns[j] -= Fraction(x) * left[i]
    return min(rows) >= 0 and min(columns) >= 0 and min(right) > 0 and min(left) > 0


@pytest.mark.full
@pytest.mark.parametrize("kind", ["random", "hubs", "ring"])
def test_ten_thousand_players(kind):
    mu, coupling = network(10_000, 4, 0, kind)
    gain = certify.small_gain(mu, coupling)
    assert exactly_proved(mu, coupling, gain)
    assert gain.margin <= gain.upper <= gain.margin + 1e-11
    false = gain._replace(margin=gain.upper + 1e-12)
    assert not exactly_proved(mu, coupling, false)
    np.testing.assert_allclose(gain.weights, gain.left / gain.right, rtol=1e-15)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.floats(0.02, 0.6))
def test_any_graph_against_eigenvalues(seed, n, density):
    """Components of all kinds, isolated players, hubs; heavy-tailed; curvatures of both signs."""
    rng = np.random.default_rng(seed)
    mu = rng.normal(0.5, 1.0, n)
    dense = rng.lognormal(-2.0, 1.5, (n, n)) * (rng.random((n, n)) < density)
    np.fill_diagonal(dense, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DENSE", 0)
        gain = certify.small_gain(mu, scipy.sparse.csr_array(dense))
    assert exactly_proved(mu, scipy.sparse.coo_array(dense), gain)
    # The eigenvalue, component by component: together they are ill-conditioned.
    count, label = scipy.sparse.csgraph.connected_components(dense, connection="strong")
    optimum = min(
        np.linalg.eigvals((np.diag(mu) - dense)[np.ix_(label == c, label == c)]).real.min()
        for c in range(count)
    )
    scale = max(np.abs(mu).max(), dense.max())
    assert abs(gain.upper - optimum) <= 1e-12 * scale
    assert gain.margin <= gain.upper
    cost = 1e-12 if count == 1 else 1e-8
    assert gain.margin >= optimum - cost * scale


def test_components_cost_next_to_nothing():
    """Two strong pairs, one of which drives the other however strongly."""
    dense = np.array(
        [[0, 0.5, 100.0, 0], [0.5, 0, 0, 3.0], [0, 0, 0, 0.5], [0, 0, 0.5, 0]], dtype=float
    )
    for coupling in (dense, dense.T):
        gain = certify.small_gain(np.ones(4), scipy.sparse.csr_array(coupling))
        assert gain.upper == 0.5
        assert 0.5 - 1e-12 <= gain.margin <= 0.5
        assert exactly_proved(np.ones(4), scipy.sparse.coo_array(coupling), gain)


def test_a_long_chain_is_limited_by_the_range_of_numbers(sparse_only):
    """No weights in float64 attain the supremum 1, which only a limit does: that is said."""
    n = 3000
    coupling = scipy.sparse.diags_array(np.full(n - 1, 0.3), offsets=1, shape=(n, n))
    gain = certify.small_gain(np.ones(n), coupling)
    assert 0.7 - 1e-12 <= gain.margin <= gain.upper == 1.0
    assert exactly_proved(np.ones(n), coupling, gain)


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**-50, 2.0**50, 2.0**600])
def test_units_do_not_matter(sparse_only, scale):
    mu, coupling = network(100, 4, 1)
    gain = certify.small_gain(mu, coupling)
    scaled = certify.small_gain(mu * scale, coupling * scale)
    assert scaled.margin == pytest.approx(gain.margin * scale, rel=1e-11)


def test_a_huge_range_of_entries(sparse_only):
    """Player i counts in its own units, of which the couplings know."""
    rng = np.random.default_rng(2)
    mu, coupling = network(60, 3, 2)
    units = 10.0 ** rng.uniform(-20, 20, 60)
    dense = coupling.toarray()
    scaled = units[:, None] * dense / units
    gain, other = (certify.small_gain(mu, scipy.sparse.csr_array(m)) for m in (dense, scaled))
    assert other.margin == pytest.approx(gain.margin, abs=1e-9)
    assert exactly_proved(mu, scipy.sparse.coo_array(scaled), other)


def test_formats_zeros_duplicates_and_integers():
    mu = [2, 3, 4]
    rows, columns = np.array([0, 0, 1, 2, 1]), np.array([1, 1, 0, 2, 2])
    values = np.array([1.0, 0.5, 0.25, 7.0, 0.0])
    coupling = scipy.sparse.coo_array((values, (rows, columns)), (3, 3))
    dense = [[0, 1.5, 0], [0.25, 0, 0], [0, 0, 0]]
    expected = certify.small_gain(mu, dense)
    for kind in ("coo", "csr", "csc", "lil", "dok", "bsr"):
        assert certify.small_gain(mu, coupling.asformat(kind)).margin == expected.margin
    integers = scipy.sparse.csr_array(np.array([[0, 100], [1, 0]], dtype=np.int8))
    doubled = scipy.sparse.coo_array(  # 200 is no int8
        (np.array([100, 100, 1], np.int8), ([0, 0, 1], [1, 1, 0])), (2, 2)
    )
    assert certify.small_gain([30, 30], integers).margin == pytest.approx(20.0, rel=1e-14)
    assert certify.small_gain([30, 30], doubled).margin == pytest.approx(30 - 200**0.5, rel=1e-14)


def test_isolated_players_and_no_couplings():
    empty = scipy.sparse.csr_array((1000, 1000))
    mu = np.linspace(-1.0, 1.0, 1000)
    gain = certify.small_gain(mu, empty)
    assert gain.margin == gain.upper == -1.0
    assert certify.small_gain([1.5], scipy.sparse.csr_array((1, 1))).margin == 1.5


@pytest.mark.parametrize(
    ("mu", "coupling", "message"),
    [
        ([1.0, 1.0], scipy.sparse.csr_array((2, 3)), "expected"),
        ([1.0], scipy.sparse.csr_array((2, 2)), "expected"),
        ([1.0, np.inf], scipy.sparse.csr_array((2, 2)), "finite"),
        ([1.0, 1.0], scipy.sparse.csr_array([[0.0, np.nan], [0.0, 0.0]]), "finite"),
        ([1.0, 1.0], scipy.sparse.csr_array([[0.0, -1e-300], [0.0, 0.0]]), "negative"),
        ([1.0, 1.0], scipy.sparse.csr_array([[0.0, 1j], [0.0, 0.0]]), "complex128"),
        ([1.0, 1.0], np.array([[0.0, 0.5], [0.5, 0.0]], np.longdouble), "float128|longdouble"),
        ([1, 2**53 + 1], np.zeros((2, 2)), "int64"),
        ([1.0, 1.0], np.array([[0, "a"], [0, 0]]), "entries of type"),
    ],
)
def test_refusals(mu, coupling, message):
    with pytest.raises(ValueError, match=message):
        certify.small_gain(mu, coupling)


def test_values_beyond_float64_are_an_error():
    with pytest.raises(ValueError, match="too unequal"):
        certify.small_gain([-1e308, 1e308], [[0.0, 1e308], [1e308, 0.0]])
