"""Games on real data: what is claimed of mini-batches, and the quick run of the study."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from experiments import expected
from experiments.data import batches, games
from experiments.data.multipliers import best_multipliers
from experiments.data.tables import Table, breast_cancer, diabetes, digits, random_features

SMALL = Table(breast_cancer().rows[:40, :4], breast_cancer().targets[:40])
MADE = {
    "label noise": lambda: games.label_noise(SMALL),
    "prediction noise": lambda: games.prediction_noise(SMALL),
    "measurement noise": lambda: games.measurement_noise(
        Table(diabetes().rows[:20], diabetes().targets[:20])
    ),
    "two regressors": lambda: games.regressors(SMALL),
    "generator": lambda: games.generator(Table(*(part[:40] for part in digits(3, 8))), units=6),
    "robust model": lambda: games.robust_model(SMALL),
}
each = pytest.mark.parametrize("name", [*MADE])


class TestTables:
    def test_they_are_standardised_and_short(self):
        for table in (breast_cancer(), diabetes(), digits(3, 8)):
            assert np.abs(table.rows.mean(0)).max() < 1e-4
            assert (table.rows**2).sum(1).mean() == pytest.approx(1.0, abs=1e-4)
            assert np.array_equal(table.rows * 2**16, np.round(table.rows * 2**16))

    def test_random_features_are_sparse_and_of_the_length_asked_for(self):
        features = random_features(digits(3, 8).rows, 50, 0, 0.5)
        assert (features >= 0).all()
        assert (features > 0).mean() == pytest.approx(0.1, abs=0.01)
        assert (features**2).sum(1).mean() == pytest.approx(0.25, abs=1e-3)


class TestGames:
    @each
    def test_the_mean_over_rows_is_the_whole(self, name):
        data = MADE[name]()
        field = dg.pseudo_gradient(data.game)
        start, unravel = dg.ravel(data.region.example)
        x = unravel(0.1 * jax.random.normal(jax.random.key(0), start.shape))
        rows = tuple(map(jnp.arange, data.counts))
        np.testing.assert_allclose(dg.ravel(field(x, rows))[0], dg.ravel(field(x))[0], atol=1e-12)

    @each
    def test_the_growth_is_above_that_of_sampled_rows(self, name):
        data = MADE[name]()
        field, everything = dg.pseudo_gradient(data.game), tuple(map(jnp.arange, data.counts))
        _, unravel = dg.ravel(data.region.example)
        own = {player: 1.0 + 0.5 * k for k, player in enumerate(data.region.example)}
        if name != "two regressors":  # the others are zero-sum, in equal weights
            own = dict.fromkeys(own, 1.0)
        spread = np.repeat([*own.values()], dg.dimensions(data.region.example))
        points = jnp.asarray(data.region.sample(jax.random.key(1), 2))
        found = 0.0
        for k, numbers in enumerate(everything):

            def along(x, move, number, k=k):
                """The squared change of the error of a row, along a move."""
                batch = (*everything[:k], number[None], *everything[k + 1 :])

                def error(v):
                    parts = jax.tree.map(
                        jnp.subtract, field(unravel(v), batch), field(unravel(v), everything)
                    )
                    return dg.ravel(parts)[0]

                return jnp.sum(spread * jax.jvp(error, (x,), (move,))[1] ** 2)

            moves = jax.random.normal(jax.random.key(k), (16, len(spread)))
            moves = jnp.concatenate([moves, jnp.eye(len(spread))])
            over_rows = jax.vmap(along, in_axes=(None, None, 0))
            over_moves = jax.vmap(over_rows, in_axes=(None, 0, None))
            changes = jax.vmap(over_moves, in_axes=(0, None, None))(points, moves, numbers)
            changes = np.asarray(changes).mean(2) / (spread * np.asarray(moves) ** 2).sum(1)
            found += float(changes.max())
        assert 0 < found <= data.growth(own)

    def test_a_capped_simplex(self):
        found = games._capped(jnp.array([0.9, 0.3, 0.2, -0.5]), 0.5)
        np.testing.assert_allclose(found, [0.5, 0.3, 0.2, 0.0], atol=1e-12)


class TestNoise:
    def test_the_variance_by_hand(self):
        """Four rows of one feature; the adversary's force is on the shift of the row alone."""
        data = games.label_noise(Table(np.ones((4, 1)), np.array([0.0, 1.0, 1.0, 1.0])))
        proof = certify.certify(data.game, data.region, [dg.Simultaneous])
        x, unit = proof.equilibrium.center, 2.0
        (model,), shift = np.asarray(x["model"]), np.asarray(x["shift"])
        errors = 1 / (1 + np.exp(-model)) - np.array([0.0, 1.0, 1.0, 1.0]) - unit * shift
        variance = errors.var() + (unit * model) ** 2 * (1 - 1 / 4)
        assert batches.noise(data, proof, 8).variance == pytest.approx(variance / 4, rel=1e-5)

    def test_the_bound_starts_at_the_start_and_ends_at_the_ball(self):
        data = MADE["label noise"]()
        proof = certify.certify(data.game, data.region, [dg.Simultaneous])
        noise = batches.noise(data, proof, 8)
        step = batches.step_of(proof, noise, 0.01)
        line = batches.bound_on_squares(proof, noise, step, 4.0, jnp.array([0, 10**7]))
        ball = certify.noise_ball(
            proof.margin, proof.lipschitz, step, noise.variance, noise.growth, proof.cocoercivity
        )
        np.testing.assert_allclose(line, [4.0, ball], rtol=1e-9)
        assert 0.0099 < ball <= 0.01 * (1 + 1e-12)


def test_the_conic_program_finds_what_is_known():
    """Of one term whose vectors are not parallel the best multiplier loses nothing."""
    game = dg.game(lambda x, args: (x[0] ** 2 + jnp.sin(x[0]) * x[1], x[1] ** 2))
    region = certify.Box.around((0.0, 0.0), 0.5)
    worst = np.array([[2 - 0.5 * np.sin(0.5), 0.5], [0.5, 2.0]])
    best = best_multipliers(game, region, np.ones(2))
    assert best.margin == pytest.approx(np.linalg.eigvalsh(worst)[0], abs=1e-5)


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("real_data").numbers
    assert expected.compare(found, expected.load("real_data", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("real_data").figures
    assert [path.stem for path in figures] == ["training", "noise"]
    assert all(path.stat().st_size > 10_000 for path in figures)
