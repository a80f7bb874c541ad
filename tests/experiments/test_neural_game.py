"""Two small networks as players, from definition to training in the certified basin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from experiments import expected
from experiments.neural.batches import variance
from experiments.neural.game import FineTuning, network, pretrained
from experiments.neural.training import distances, ends, in_ball, paths, slowest


@pytest.fixture(scope="module")
def game() -> FineTuning:
    """Two and one hidden units, three data and three noise points."""
    noise = jnp.array([-1.0, 0.0, 1.0])
    return pretrained((2, 1), noise, noise + 0.3, noise, 0.6, jax.random.key(0))


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("neural_game").numbers
    assert expected.compare(found, expected.load("neural_game", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("neural_game").figures
    assert [path.stem for path in figures] == ["training", "regularisation", "networks"]
    assert all(path.stat().st_size > 10_000 for path in figures)


@pytest.mark.full
def test_the_certificate_of_the_run_is_a_file_for_anyone(quick):
    (path,) = quick("neural_game").folder.rglob("networks.json")
    loaded = certify.load(path)
    assert isinstance(loaded, certify.Convergence)
    assert loaded.margin == quick("neural_game").numbers["margin"]
    assert list(dg.dimensions(loaded.equilibrium.center)) == [6, 4]


class TestGame:
    def test_the_start_is_as_promised(self, game):
        """The critic is zero, and the generator has learnt the old data, nearly."""
        critic, generator = game.functions(game.start)
        assert np.array_equal(critic(game.data), np.zeros(3))
        np.testing.assert_allclose(generator(game.noise), game.data - 0.3, atol=0.05)

    def test_the_payoff_by_hand(self, game):
        vector, unravel = dg.ravel(game.start)
        vector = vector + jnp.linspace(-0.5, 0.5, vector.size)
        # In the order of the coordinates: hidden weights, hidden biases, weights behind them.
        w, b, v = np.asarray(vector[:6]).reshape(3, 2)
        a, c, d, e = np.asarray(vector[6:])
        fake = d * np.tanh(a * np.asarray(game.noise) + c) + e
        real = np.tanh(np.outer(game.data, w) + b) @ v
        gain = real.mean() - (np.tanh(np.outer(fake, w) + b) @ v).mean() - (real**2).mean() / 2
        moved = np.linspace(-0.5, 0.5, 10) ** 2
        payoff = 0.3 * moved[:6].sum() - gain - 0.3 * moved[6:].sum()
        assert float(game.payoff(unravel(vector))) == pytest.approx(payoff, abs=1e-12)

    def test_a_critic_without_a_bias_at_the_end(self):
        leaves = jax.tree.leaves(network(3, jax.random.key(0), bias=False))
        assert sum(leaf.size for leaf in leaves if isinstance(leaf, jax.Array)) == 9


class TestBatches:
    @pytest.mark.full
    def test_their_mean_is_the_whole_and_their_variance_what_is_said(self, game):
        vector, unravel = dg.ravel(game.start)
        vector, weights = vector + 0.1, np.linspace(1.0, 2.0, 10)
        field = dg.pseudo_gradient(game)

        def force(args):
            return np.asarray(dg.ravel(field(unravel(vector), args))[0])

        pairs = [(jnp.array([i]), jnp.array([j])) for i in range(3) for j in range(3)]
        forces = np.array([force(pair) for pair in pairs])
        np.testing.assert_allclose(forces.mean(0), force(None), atol=1e-12)
        spread = (weights * (forces - force(None)) ** 2).sum(1).mean()
        assert float(variance(game, weights)(vector)) == pytest.approx(spread, rel=1e-12)


class TestTraining:
    """On a game whose runs are known: every step of size h shrinks distances by 1 - h."""

    GAME = dg.game(lambda x, args: (jnp.sum(x[0] ** 2) / 2, x[1] ** 2 / 2))
    LIKE = (jnp.zeros(2), jnp.zeros(()))

    def test_paths_and_their_slowest_step(self):
        starts = np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 1.0]])
        found = paths(self.GAME, dg.Simultaneous(0.25), starts, self.LIKE, 5)
        np.testing.assert_allclose(found, starts[:, None] * 0.75 ** np.arange(6)[:, None])
        assert slowest(found, np.zeros(3), np.eye(3), 1e-6) == pytest.approx(0.75)

    def test_ends_of_runs_with_steps_of_their_own(self):
        starts = np.ones((2, 3))
        last, residual = ends(
            self.GAME, dg.Simultaneous, starts, np.array([0.5, 0.1]), self.LIKE, 3
        )
        np.testing.assert_allclose(last, [[0.125] * 3, [0.729] * 3])
        np.testing.assert_allclose(residual, np.sqrt(3) * np.array([0.125, 0.729]))

    def test_points_of_a_ball_of_a_metric(self):
        metric = np.array([[4.0, 1.0], [1.0, 2.0]])
        center = np.array([1.0, -1.0])
        found = in_ball(center, metric, 0.5, 400, jax.random.key(0))
        moved = found - center
        lengths = np.sqrt(np.einsum("ki,ij,kj->k", moved, metric, moved))
        np.testing.assert_allclose(distances(found, center, metric), lengths)
        np.testing.assert_allclose(lengths[:200], 0.5, rtol=1e-8)
        assert lengths.max() <= 0.5 and 0.2 < np.median(lengths[200:]) < 0.45
