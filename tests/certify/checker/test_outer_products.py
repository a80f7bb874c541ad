"""Sums of products of vectors: both ways against NumPy, and their budgets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker import outer_products
from certify.checker.exact import Work
from certify.checker.outer_products import Products, full_sum, sparse_sum
from certify.checker.reader import Unusable


def example(generator, n, count):
    """Products of vectors with some entries, and a constant, in integers; and their sum."""
    total = np.diag(generator.integers(-9, 10, n)).astype(object)
    constant = {(k, k): int(total[k, k]) for k in range(n)}
    products = []
    for _ in range(count):
        a, b = (generator.integers(-5, 6, n) * generator.integers(0, 2, n) for _ in range(2))
        mixed, first, second = (int(x) * 2**70 + 1 for x in generator.integers(0, 50, 3))
        if generator.uniform() < 0.5:
            mixed = -mixed
        total = total + mixed * (np.outer(a, b) + np.outer(b, a)).astype(object)
        total = total - first * np.outer(a, a).astype(object)
        total = total - second * np.outer(b, b).astype(object)
        p, q = ([(k, int(x)) for k, x in enumerate(v) if x] for v in (a, b))
        products.append(Products(p, q, mixed, first, second))
    return constant, products, total


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(0, 5))
def test_both_ways_add_up(seed, n, count):
    constant, products, total = example(np.random.default_rng(seed), n, count)
    rows = sparse_sum(constant, iter(products), 70, Work())
    assert all(rows[i].get(j, 0) == total[i, j] for i in range(n) for j in range(i + 1))
    assert not any(j > i for i, row in enumerate(rows) for j in row)
    lower = [[*map(int, total[i, : i + 1])] for i in range(n)]
    assert full_sum(constant, lambda: iter(products), Work()) == lower


def test_products_are_paid_for():
    constant, products, _ = example(np.random.default_rng(0), 6, 4)
    for add in (
        lambda work: sparse_sum(constant, iter(products), 70, work),
        lambda work: full_sum(constant, lambda: iter(products), work),
    ):
        work = Work()
        work.left = 5
        with pytest.raises(Unusable, match="too much work"):
            add(work)


def test_memory_is_bounded(monkeypatch):
    constant, products, _ = example(np.random.default_rng(0), 6, 4)
    monkeypatch.setattr(outer_products, "MAX_MEMORY", 100)
    with pytest.raises(Unusable, match="too full"):
        sparse_sum(constant, iter(products), 70, Work())
    with pytest.raises(Unusable, match="too long"):
        full_sum(constant, lambda: iter(products), Work())
    monkeypatch.setattr(outer_products, "MAX_FULL", 5)
    with pytest.raises(Unusable, match="the most"):
        full_sum(constant, lambda: iter(products), Work())


@pytest.mark.parametrize(
    "product",
    [
        Products([(0, 2**900)], [(1, -(2**800))], 0, 0, 0),
        Products([(0, -(2**900)), (1, 1)], [(1, 0)], 1, 0, 0),
        Products([(0, 0)], [(0, 2**900), (1, -1)], -3, 5, 0),
        Products([], [(0, 2**900)], 1, 1, 0),
    ],
)
def test_long_vectors_that_add_nothing_are_no_error(product):
    """Nothing bounds their entries: they had more digits than there was room for."""
    both = [product, Products([(0, 1)], [(1, 1)], 3, 1, 2)]
    assert full_sum({(0, 0): 9, (1, 1): 9}, lambda: iter(both), Work()) == [[8], [3, 7]]
