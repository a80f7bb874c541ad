"""Many players one by one: the same gradients, from code that grows with their number only."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames import games


def crowd(x, args=None):
    price = 10 - jnp.sum(jnp.stack(x)) / len(x)
    return tuple(-own * price + own + 0.5 * own**2 for own in x)


@eqx.filter_custom_jvp
def _cube(x):
    return x**3


@_cube.def_jvp
def _(primals, tangents):
    return primals[0] ** 3, 7 * tangents[0]  # wrong on purpose: rules of one's own are kept


def tables(x, args):
    """Dictionaries of blocks of several arrays, of several shapes."""
    names = list(x)
    total = sum(jnp.sum(x[name]["a"]) * x[name]["b"] for name in names)
    return {
        name: jnp.sin(total) * jnp.sum(x[name]["a"] ** 2) + x[name]["b"] * x[names[i - 1]]["b"]
        for i, name in enumerate(names)
    }


def scanned(x, args):
    """A loop through all players."""

    def step(carry, own):
        return 0.5 * carry + own**2, carry * own

    last, each = jax.lax.scan(step, 1.0, jnp.stack(x))
    return tuple(each[i] * last for i in range(len(x)))


def rows(x, args):
    """Vectors, side by side along either axis and ends meeting."""
    table = jnp.concatenate([own[None] for own in x], 0) @ jnp.concatenate([*x])[:3]
    beside = jnp.stack(x, 1)
    return tuple(table[i] * jnp.sum(beside[:, i] ** 2) for i in range(len(x)))


def scalars(number, seed=0):
    return tuple(jnp.asarray(v) for v in np.random.default_rng(seed).normal(size=number))


def vectors(number):
    return tuple(jnp.asarray(v) for v in np.random.default_rng(1).normal(size=(number, 3)))


CASES = {
    "crowd": (crowd, scalars(12)),
    "crowd, compiled": (jax.jit(crowd), scalars(12)),
    "dictionaries": (
        tables,
        {f"p{i}": {"a": v, "b": v[0] + 1} for i, v in enumerate(vectors(11))},
    ),
    "scan": (scanned, scalars(10)),
    "vectors": (rows, vectors(10)),
    "softmax": (lambda x, args: tuple(jax.nn.softmax(jnp.stack(x)) * 2.0), scalars(9)),
    "neighbours": (lambda x, args: tuple(x[i] * x[i - 1] ** 2 for i in range(len(x))), scalars(9)),
    "own rule": (lambda x, args: tuple(_cube(own) * x[0] for own in x), scalars(9)),
    "of others": (lambda x, args: tuple(1.0 * x[i - 1] for i in range(len(x))), scalars(9)),
    "constant": (lambda x, args: tuple(jnp.array(2.0) for _ in x), scalars(9)),
    "identity": (lambda x, args: tuple(x), scalars(9)),
    "sorted": (lambda x, args: tuple(jnp.sort(jnp.stack(x)) * x[0]), scalars(9)),
    "branches": (
        lambda x, args: tuple(
            jax.lax.cond(x[0] > 0, lambda s, o: s * o, lambda s, o: s - o, sum(x), o) for o in x
        ),
        scalars(9),
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_each_player(name):
    costs, x = CASES[name]
    field = dg.pseudo_gradient(dg.game(costs))
    found = eqx.filter_jit(field)(x)
    assert jax.tree.structure(found) == jax.tree.structure(x)
    for player in (0, 4, len(x) - 1):  # `block` differentiates the player's cost alone
        own = list(found.values() if isinstance(found, dict) else found)[player]
        jax.tree.map(
            lambda a, b: assert_allclose(a, b, rtol=1e-12, atol=1e-14),
            own,
            field.block(x, player),
        )
    assert jax.tree.map(jnp.result_type, found) == jax.tree.map(jnp.result_type, x)


@pytest.mark.full
def test_games_of_the_zoo_with_many_players():
    rng = np.random.default_rng(0)
    matrices = {(i, (i + k) % 12): rng.normal(size=(2, 2)) for i in range(12) for k in (1, 3)}
    polymatrix = games.PolymatrixGame(matrices)
    oligopoly = games.Oligopoly(np.ones(15), np.full(15, 5.0), np.ones(15), 1.1)
    for game, x in ((polymatrix, polymatrix.uniform()), (oligopoly, tuple(jnp.ones(15)))):
        field = dg.pseudo_gradient(game)
        for player, own in enumerate(eqx.filter_jit(field)(x)):
            assert_allclose(own, field.block(x, player), rtol=1e-12)


@pytest.mark.full
def test_derivatives_of_many_gradients():
    """Forwards, backwards and mapped. Of the crowd, `J = (1 + 1 / N) I + 1 1^T / N`."""
    n = 12
    field, x = dg.pseudo_gradient(dg.game(crowd)), scalars(n)
    expected = np.eye(n) * (1 + 1 / n) + np.ones((n, n)) / n

    def flat(v):
        return jnp.stack(field(tuple(v)))

    v = jnp.stack(x)
    assert_allclose(jax.jacfwd(flat)(v), expected, atol=1e-14)
    assert_allclose(jax.jacrev(flat)(v), expected, atol=1e-14)
    assert_allclose(jax.vmap(flat)(jnp.stack([v, 2 * v]))[1], flat(2 * v), atol=1e-14)


def test_single_precision_is_kept():
    x = tuple(v.astype(jnp.float32) for v in scalars(10))
    found = dg.pseudo_gradient(dg.game(crowd))(x)
    assert {own.dtype for own in found} == {jnp.dtype("float32")}


def test_the_code_grows_with_the_players_only():
    """Twice the players, twice the code; every player's transpose of it all made that four times.

    And compiled, the price is computed once, not in each of the players' pieces again.
    """

    def sizes(n):
        lowered = jax.jit(dg.pseudo_gradient(dg.game(crowd)).__call__).lower(scalars(n))
        compiled = lowered.compile().as_text() or ""
        return len(lowered.as_text().splitlines()), len(compiled.splitlines())

    traced, compiled = zip(sizes(20), sizes(40), strict=True)
    assert traced[1] < 2.3 * traced[0]
    assert compiled[1] < 2.5 * compiled[0]


@pytest.mark.full
def test_a_hundred_players_are_solved():
    """It took minutes to compile. Their equilibrium is `x = 9 / (2 + 1 / N)`."""
    found = dg.solve(dg.game(crowd), dg.Simultaneous(0.3), (0.0,) * 100, max_steps=200)
    assert_allclose(jnp.stack(found.strategy), 9 / (2 + 1 / 100), rtol=1e-7)
