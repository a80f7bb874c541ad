"""Games on trees with a pull, and all methods on them: published rates and quantal responses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import kuhn_poker


@pytest.fixture(scope="module")
def game():
    return kuhn_poker().game()


def tilted(game, slope=0.5):
    """A joint strategy in the interior that is not uniform."""
    play = []
    for tree in game.treeplexes:
        first = jax.nn.sigmoid(slope * jnp.arange(-2.0, tree.infosets - 2.0))
        play.append(tree.sequence_form(jnp.stack([first, 1 - first], 1)))
    return tuple(play)


@eqx.filter_jit
def orbit(field, method, x, steps, every):
    def body(carry, _):
        def step(_, carry):
            return method.step(field, *carry)

        carry = jax.lax.fori_loop(0, every, step, carry)
        return carry, carry[0]

    (x, _), run = jax.lax.scan(body, (x, method.init(field, x)), length=steps // every)
    return x, run


@pytest.mark.full
def test_costs_are_those_of_the_game_and_a_divergence(game):
    q, r = tilted(game), tilted(game, -0.3)
    for reference in (None, r):
        regularised = dg.RegularisedTree(game, 0.2, reference)
        pulls = np.subtract(regularised.costs(q), game.costs(q)) / 0.2
        for pull, mirror, own, other in zip(pulls, game.dilated_entropies(), q, r, strict=True):
            y = mirror.dual(own)
            psi = float(mirror.potential(own))
            expected = psi if reference is None else mirror.divergence(y, mirror.dual(other))
            assert_allclose(pull, expected, rtol=1e-12)


@pytest.mark.full
def test_pulls_stay_in_the_game_in_another_geometry(game):
    regularised = dg.RegularisedTree(game, 0.2)
    q = tilted(game)
    rest, strengths, references = regularised.without_pulls(q, dg.EuclideanMirror())
    assert rest is regularised and strengths == (0, 0)
    rest, strengths, references = regularised.without_pulls(q, game.dilated_entropies())
    assert rest is game and strengths == (0.2, 0.2) and not np.any(references)


def test_the_reference_fits(game):
    q = game.uniform()
    for reference, message in (
        ((q[0], jnp.ones(3)), "13, 13 sequences; got"),
        ((q[0], q[1].at[3].set(0)), "a positive probability"),
    ):
        with pytest.raises(ValueError, match=message):
            dg.RegularisedTree(game, 0.1, reference)
    with pytest.raises(ValueError, match="temperature must be positive"):
        dg.RegularisedTree(game, 0.0)
    wrong = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(wrong, match=r"one number|Type-check error"):
        dg.RegularisedTree(game, jnp.array([0.5]))


@pytest.mark.full
@pytest.mark.parametrize(
    ("temperature", "step", "proved", "observed", "gap"),
    (
        (0.5, 0.72, 0.7353, 0.5488, 0.263934),
        (0.1, 0.144, 0.98580, 0.97648, 0.103694),
        (0.05, 0.072, 0.99641, 0.99288, 0.046227),
        (0.02, 0.0288, 0.99942, 0.99881, 0.011933),
    ),
)
def test_rates(temperature, step, proved, observed, gap, game):
    """Proved and observed factors of the divergence from the quantal response, per step."""
    regularised = dg.RegularisedTree(game, temperature)
    field = dg.pseudo_gradient(regularised)
    method = dg.MirrorDescent(step, game.dilated_entropies())
    start = game.uniform()
    x, run = orbit(field, method, start, 40_000, 1)
    assert dg.quantal_response_residual(regularised, x) < 1e-9
    assert_allclose(dg.exploitability(game, x), gap, rtol=0, atol=6e-7)
    assert_allclose(1 / (1 + step * temperature), proved, rtol=0, atol=6e-5)

    def distance(q):
        return sum(
            mirror.divergence(mirror.dual(best), mirror.dual(own))
            for mirror, best, own in zip(game.dilated_entropies(), x, q, strict=True)
        )

    distances = np.asarray(jax.jit(jax.vmap(distance))(run))
    distances = distances[distances > 1e-11]
    factors = distances[1:] / distances[:-1]
    assert len(factors) > 20 and np.all(factors < 1 / (1 + step * temperature))
    assert_allclose(1 - factors.max(), 1 - observed, rtol=0.2)  # it depends on the start


@pytest.mark.full
@pytest.mark.parametrize(
    "method",
    (
        lambda mirror: dg.MirrorProx(0.5, mirror),
        lambda mirror: dg.OptimisticMirrorDescent(0.5, mirror),
        lambda mirror: dg.MirrorDescent(0.2, mirror, implicit=False),
    ),
    ids=("prox", "optimistic", "explicit"),
)
def test_mirror_methods_find_the_same_equilibrium(method, game):
    regularised = dg.RegularisedTree(game, 0.2, tilted(game))
    field = dg.pseudo_gradient(regularised)
    x, _ = orbit(field, method(game.dilated_entropies()), game.uniform(), 4000, 4000)
    assert dg.quantal_response_residual(regularised, x) < 1e-10
    assert dg.nash_gap(regularised, x) < 1e-11


@pytest.mark.full
def test_methods_find_equilibria_of_kuhn(game):
    """Projections (last iterates), and a magnet that is replaced in stages."""
    magnet = dg.Magnet(0.2, rate=1.0, period=200)
    for method, steps in (
        (dg.Extragradient(0.5), 4000),
        (dg.MirrorDescent(0.2, dg.EuclideanMirror(), magnet), 10_000),
        (dg.MirrorDescent(0.2, game.dilated_entropies(), magnet), 20_000),
    ):
        x, _ = orbit(dg.pseudo_gradient(game), method, game.uniform(), steps, steps)
        assert all(tree.contains(q, 1e-12) for tree, q in zip(game.treeplexes, x, strict=True))
        assert dg.exploitability(game, x) < 1e-5
        assert_allclose(game.costs(x)[0], 1 / 18, rtol=0, atol=2e-5)
