"""From games to certificates: published numbers, closed forms, sampled truth, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import certify
import dgames as dg
from certify.checker import check_data

pytestmark = pytest.mark.thin(4)

# Small-Gain Nash (arXiv 2512.06791), 64-dimensional LQ game: (lambda, margin, Lipschitz constant,
# the largest stable step of the paper's rule, the true limit of forward Euler).
SGN_LQ = [
    (0.0, 1.0, 1.0, 2.0, 2.0),
    (0.5, 0.6464466094067263, 1.3535533905932737, 0.7056866074018469, 1.4775922500725172),
    (1.0, 0.29289321881345254, 1.7071067811865475, 0.20101012677666938, 1.17157287525381),
]


def around(center, radius):
    return certify.Box.around(center, radius)


class TestOligopoly:
    """Sampled margins with unit weights: 0.1932 (radius 5), 0.179 (10), 0.159 (20)."""

    @pytest.mark.full
    def test_radius_5(self, oligopoly_certificate):
        found = oligopoly_certificate
        assert found.status == "proved"
        assert 0.95 * 0.1932 <= found.margin <= 0.1932
        assert 0 < found.small_gain.margin <= 0.052
        lower, upper = found.equilibrium.lower, found.equilibrium.upper
        published = (36.93251081, 41.81814167, 43.70657852, 42.65923974, 39.17895252)
        for low, q, high in zip(lower, published, upper, strict=True):
            assert high - low < 1e-9
            assert low - 1e-8 <= q <= high + 1e-8
        assert 4.9 < found.basin.radius < 5

    def test_radius_1_small_gain(self, oligopoly):
        center = dg.games.Oligopoly.published_equilibrium()
        found = certify.certify(oligopoly, around(center, 1.0))
        assert 0.95 * 0.1154 <= found.small_gain.margin <= 0.1154
        assert 0.95 * 0.2078 <= found.margin <= 0.2078

    def test_radius_10(self, oligopoly, tmp_path):
        center = dg.games.Oligopoly.published_equilibrium()
        found = certify.certify(oligopoly, around(center, 10.0))
        assert 0.95 * 0.179 <= found.margin <= 0.179
        assert found.cells <= 500
        assert found.small_gain.margin < 0  # aggregated constants prove nothing here
        assert found.save(tmp_path / "c.json").stat().st_size < 2**20

    @pytest.mark.full
    def test_radius_20(self, oligopoly, tmp_path):
        center = dg.games.Oligopoly.published_equilibrium()
        found = certify.certify(
            oligopoly, around(center, 20.0), search=certify.Search(tightness=0.92)
        )
        assert 0.90 * 0.159 <= found.margin <= 0.159
        assert found.cells <= 5000
        assert found.save(tmp_path / "c.json").stat().st_size < 10 * 2**20

    @pytest.mark.full
    def test_learning_is_at_least_as_fast(self, oligopoly, oligopoly_certificate):
        from certify.command.demo import worst_factor

        for name, method in (
            ("simultaneous", dg.Simultaneous),
            ("extragradient", dg.Extragradient),
        ):
            step = oligopoly_certificate.step_sizes[name]
            for size, bound in ((step.best, step.rate), (step.max, 1.0)):
                factor = worst_factor(oligopoly, oligopoly_certificate, name, method(size))
                assert 0 < factor <= bound


class TestClosedForms:
    @pytest.mark.full
    @pytest.mark.parametrize(("lam", "margin", "lipschitz", "paper", "limit"), SGN_LQ)
    def test_small_gain_nash(self, lam, margin, lipschitz, paper, limit):
        game = dg.games.Quadratic.small_gain_nash(lam)
        found = certify.certify(game, around((jnp.zeros(32), jnp.zeros(32)), 1.0))
        # Proved bounds: on the safe side of the truth, and close to it.
        assert margin - 1e-9 <= found.margin <= margin + 1e-15
        assert lipschitz - 1e-15 <= found.lipschitz <= lipschitz + 1e-9
        assert margin - 1e-9 <= found.small_gain.margin <= margin + 1e-15
        if lam > 0:
            ratio = found.small_gain.weights["1"] / found.small_gain.weights["0"]
            assert ratio == pytest.approx(200.0, rel=1e-6)
        step = found.step_sizes["simultaneous"]
        assert step.theorem == "small_gain"
        assert limit - 1e-9 <= step.max <= limit
        assert step.rate == pytest.approx(1 - margin, abs=1e-9)
        alone = 2 * found.margin / found.lipschitz**2
        assert alone == pytest.approx(paper, abs=1e-8)

    @pytest.mark.full
    @pytest.mark.parametrize("seed", range(2))
    def test_random_quadratic_games(self, seed):
        """The Jacobian is constant, so the best constants in any given metric are eigenvalues."""
        game = dg.games.Quadratic.random(jax.random.key(seed), (2, 1, 3), curvature=2.0)
        center = game.equilibrium()
        weights = {"0": 1.0, "1": 2.5, "2": 0.5}
        found = certify.certify(game, certify.Ball(center, 2.0), metric=certify.Weights(weights))
        jacobian = jnp.block([list(row) for row in dg.jacobian_blocks(game, center)])
        root = np.sqrt(np.repeat([1.0, 2.5, 0.5], (2, 1, 3)))
        scaled = np.asarray(jacobian) * (root[:, None] / root)
        margin = np.linalg.eigvalsh(0.5 * (scaled + scaled.T))[0]
        if margin <= 0:
            assert found.status == "undecided"
            return
        assert margin - 1e-9 <= found.margin <= margin
        norm = np.linalg.norm(scaled, 2)
        assert norm <= found.lipschitz <= norm + 1e-9
        assert found.weights == weights


class Mixed(dg.Game):
    """Three players of sizes 1, 2, 1 in a dictionary; strongly monotone near the origin."""

    strength: float = 0.3

    def costs(self, x, args=None):
        a, b, c = x["a"], x["b"], x["c"]["inner"]
        s = self.strength
        return {
            "a": a**2 + s * jnp.tanh(a) * b[0] + s * jnp.exp(0.1 * a) * c,
            "b": jnp.sum(b**2) + 0.2 * jnp.log1p(b[0] ** 2) - s * a * b[1] + s * b[0] * b[1],
            "c": c**2 + s * jax.nn.sigmoid(c) * a - s * c * b[0],
        }


MIXED_CENTER = {"a": 0.0, "b": jnp.zeros(2), "c": {"inner": 0.0}}


@pytest.fixture(scope="module")
def mixed():
    region = certify.Box.around(MIXED_CENTER, 0.5)
    methods = [dg.Simultaneous, dg.Extragradient]
    return certify.certify(Mixed(), region, methods=methods), region


class TestNonlinear:
    def test_structure_is_kept(self, mixed):
        found, region = mixed
        assert found.status == "proved"
        assert jax.tree.structure(found.equilibrium.center) == jax.tree.structure(region.lower)
        assert set(found.weights) == {"a", "b", "c"}

    @pytest.mark.full
    def test_constants_bound_samples(self, mixed):
        found, region = mixed
        field = dg.pseudo_gradient(Mixed())
        _, unravel = dg.ravel(region.lower)
        points = jnp.asarray(region.sample(jax.random.key(5), 2000))
        corners = jnp.asarray(np.stack(np.meshgrid(*[[-0.5, 0.5]] * 4), -1).reshape(-1, 4))
        jacobian = jax.vmap(jax.jacfwd(lambda v: dg.ravel(field(unravel(v)))[0]))
        sampled = np.asarray(jacobian(jnp.concatenate([points, corners])))
        root = np.sqrt(np.repeat([found.weights[k] for k in "abc"], (1, 2, 1)))
        scaled = sampled * (root[:, None] / root)
        margins = np.linalg.eigvalsh(0.5 * (scaled + np.swapaxes(scaled, 1, 2)))[:, 0]
        assert found.margin <= margins.min() <= found.margin / 0.9
        norms = np.linalg.norm(scaled, ord=2, axis=(1, 2))
        assert norms.max() <= found.lipschitz <= 1.2 * norms.max()
        gain = found.small_gain
        for i, (name, part) in enumerate(
            zip("abc", (slice(0, 1), slice(1, 3), slice(3, 4)), strict=True)
        ):
            own = sampled[:, part, part]
            values = np.linalg.eigvalsh(0.5 * (own + np.swapaxes(own, 1, 2)))
            assert gain.curvature[name] <= values.min()
            assert values.max() <= gain.smoothness[name]
            for j, other in enumerate((slice(0, 1), slice(1, 3), slice(3, 4))):
                if i != j:
                    norm = np.linalg.norm(sampled[:, part, other], ord=2, axis=(1, 2)).max()
                    assert norm <= gain.coupling[i, j]

    def test_equilibrium_is_enclosed(self, mixed):
        found, _ = mixed
        solution = dg.solve(Mixed(), dg.Extragradient(0.2), MIXED_CENTER, tol=1e-13)
        for low, x, high in zip(
            *(
                jax.tree.leaves(t)
                for t in (found.equilibrium.lower, solution.strategy, found.equilibrium.upper)
            ),
            strict=True,
        ):
            assert (low <= x + 1e-12).all()
            assert (x - 1e-12 <= high).all()

    @pytest.mark.full
    def test_every_certified_step_converges_from_the_basin(self, mixed):
        from certify.command.demo import worst_factor

        found, _ = mixed
        for name, method in (
            ("simultaneous", dg.Simultaneous),
            ("extragradient", dg.Extragradient),
        ):
            step = found.step_sizes[name]
            assert worst_factor(Mixed(), found, name, method(step.best)) <= step.rate
            assert worst_factor(Mixed(), found, name, method(step.max)) < 1

    def test_round_trip(self, mixed, tmp_path):
        found, _ = mixed
        path = found.save(tmp_path / "mixed.json")
        again = certify.load(path)
        assert isinstance(again, certify.Convergence)
        assert again.data == found.data
        assert again.margin == found.margin
        assert again.step_sizes == found.step_sizes
        assert jax.tree.all(jax.tree.map(jnp.array_equal, again.equilibrium, found.equilibrium))

    def test_estimate_is_never_a_certificate(self, mixed):
        found, region = mixed
        estimate = certify.estimate(Mixed(), region, 500, key=jax.random.key(0))
        assert isinstance(estimate, certify.Estimate)
        assert not isinstance(estimate, certify.Certificate)
        assert not hasattr(estimate, "status")
        assert estimate.margin >= found.margin
        assert estimate.samples == 500

    def test_same_answer_twice_and_progress(self, mixed):
        found, region = mixed
        states = []
        methods = [dg.Simultaneous, dg.Extragradient]
        again = certify.certify(
            Mixed(), region, methods=methods, search=certify.Search(progress=states.append)
        )
        assert again.data["evidence"] == found.data["evidence"]
        assert again.data["claims"] == found.data["claims"]
        assert states and states[-1].cells >= again.cells
        assert states[-1].margin == pytest.approx(again.margin, rel=1e-3)


def scalar_game(first, second=lambda x: x[1] ** 2):
    return dg.game(lambda x, args: (first(x), second(x)))


UNIT = ((-1.0, -1.0), (1.0, 1.0))


class TestNotProved:
    def test_bilinear_has_no_margin(self):
        found = certify.certify(dg.games.Bilinear(), certify.Box(*UNIT))
        assert found.status == "undecided"
        assert "positive margin" in found.reasons[0]

    def test_no_equilibrium_in_the_region(self):
        game = scalar_game(lambda x: (x[0] - 5.0) ** 2)
        found = certify.certify(game, certify.Box(*UNIT))
        assert found.status == "undecided"
        assert "no equilibrium" in found.reasons[0]

    def test_equilibrium_on_the_boundary(self):
        game = scalar_game(lambda x: (x[0] - 1.0) ** 2)
        assert certify.certify(game, certify.Box(*UNIT)).status == "undecided"

    def test_refuted_at_a_point(self):
        game = scalar_game(lambda x: x[0] ** 4 - x[0] ** 2)
        found = certify.certify(game, certify.Box(*UNIT))
        assert found.status == "refuted"
        assert "player '0' is not convex" in found.reasons[0]

    def test_nothing_is_refuted_where_the_costs_are_undefined(self):
        """The derivative of log(x) is fine at negative x, where log(x) is not."""
        game = scalar_game(lambda x: jnp.log(x[0]) + 0.1 * x[0] ** 2)
        found = certify.certify(game, certify.Box((-2.0, -1.0), (-0.5, 1.0)))
        assert found.status == "undecided"
        found = certify.certify(game, certify.Box((0.5, -1.0), (2.0, 1.0)))
        assert found.status == "refuted"

    @pytest.mark.full
    def test_budget(self):
        center = dg.games.Oligopoly.published_equilibrium()
        game = dg.games.Oligopoly.murphy_sherali_soyster()
        found = certify.certify(game, around(center, 20.0), search=certify.Search(max_cells=3))
        assert found.status == "undecided"
        assert any("budget of 3 cells" in reason for reason in found.reasons)

    @pytest.mark.parametrize(
        "cost",
        [
            lambda x: x[0] ** 2 + (x[0] + 1.0) ** 1.5,
            lambda x: x[0] ** 2 + 1e-3 / (x[0] + 1.0),
            lambda x: x[0] ** 2 - 1e-3 * jnp.log(x[0] + 1.0),
        ],
    )
    def test_singularity_on_the_boundary(self, cost):
        found = certify.certify(scalar_game(cost), certify.Box(*UNIT))
        assert found.status == "undecided"
        assert "as small as float64 allows" in found.reasons[-1]

    def test_too_much_to_check(self, linear_game, monkeypatch):
        monkeypatch.setattr("certify.checker.exact.MAX_WORK", 1000)
        region, cells = around({"fast": -13.4, "slow": 1.37}, 1.0), certify.Taylor()
        found = certify.certify(linear_game, region, enclosure=cells)
        assert found.status == "undecided"
        assert "too much work" in found.reasons[0]

    def test_nothing_is_saved(self, tmp_path):
        found = certify.certify(dg.games.Bilinear(), certify.Box(*UNIT))
        with pytest.raises(ValueError, match="nothing to save"):
            found.save(tmp_path / "c.json")
        assert not list(tmp_path.iterdir())
        for claim in ("margin", "lipschitz", "step_sizes", "equilibrium", "basin", "data"):
            with pytest.raises(ValueError, match="the status is 'undecided'"):
                getattr(found, claim)
        assert "undecided" in repr(found)

    @pytest.mark.parametrize(
        "cost",
        [
            # The pseudo-gradient jumps, or has a kink, inside the region: derivative code that
            # ignores it would give a positive margin.
            lambda x: x[0] ** 2 + jnp.where(x[0] > 0.3, 5.0 * x[0], 0.0),
            lambda x: x[0] ** 2 - jnp.where(x[0] > 0.3, 5.0 * (x[0] - 0.3), 0.0),
            lambda x: x[0] ** 2 - 4.0 * jnp.maximum(x[0] - 0.3, 0.0),
            lambda x: x[0] ** 2 - 4.0 * jnp.abs(x[0] - 0.3),
            lambda x: x[0] ** 2 - 4.0 * x[0] * (x[0] > 0.3).astype(jnp.float64),
            lambda x: x[0] ** 2 - 4.0 * jax.nn.relu(x[0] - 0.3),
        ],
    )
    def test_kinks_and_jumps_are_never_proved(self, cost):
        game = scalar_game(cost)
        with np.errstate(all="ignore"):
            found = certify.certify(game, certify.Box(*UNIT), search=certify.Search(max_cells=200))
        assert found.status != "proved"

    def test_jumps_without_a_trace_in_the_gradient_are_never_proved(self):
        """The gradient is 2 x, but just above 0.3 the first player pays 100 less than at 0."""
        game = scalar_game(lambda x: x[0] ** 2 + jnp.where(x[0] > 0.3, -100.0, 0.0))
        found = certify.certify(game, certify.Box(*UNIT), search=certify.Search(max_cells=100))
        assert found.status == "undecided"
        below = certify.Box((-1.0, -1.0), (0.25, 1.0))
        assert certify.certify(game, below).status == "proved"

    @pytest.mark.parametrize(
        ("cost", "what"),
        [
            (
                lambda x: x[0] ** 2 + lax.while_loop(lambda c: c < x[0], lambda c: c + 0.1, 0.0),
                "while",
            ),
            (lambda x: jnp.nextafter(x[0].astype(jnp.float32), jnp.float32(1)), "float32"),
        ],
    )
    def test_steps_without_a_trace_in_the_gradient_are_refused(self, cost, what):
        with pytest.raises(certify.EnclosureError, match=rf"{what}.*test_certify.py"):
            certify.certify(scalar_game(cost), certify.Box(*UNIT))

    @pytest.mark.parametrize(
        "step",
        [
            lambda t: jnp.floor(t + 0.7),
            lambda t: jnp.sign(t - 0.7),
            lambda t: (3.0 * t).astype(int).astype(float),
            lambda t: 0.1 * jnp.argmax(jnp.stack([0.3, t])).astype(float),
        ],
    )
    def test_jumps_without_a_trace_in_the_gradient_are_undecided(self, step):
        game = scalar_game(lambda x: x[0] ** 2 - 10.0 * step(x[0]))
        assert (
            certify.certify(game, certify.Box(*UNIT), search=certify.Search(max_cells=20)).status
            == "undecided"
        )


class TestBadInput:
    """One clear sentence each."""

    def test_methods_without_a_theorem(self, linear_game):
        region = around({"fast": 0.0, "slow": 0.0}, 1.0)
        with pytest.raises(ValueError, match="no step-size theorem for Optax"):
            certify.certify(linear_game, region, methods=[dg.Optax])

    def test_costs_that_are_not_scalars(self):
        game = dg.game(lambda x, args: (x[0] ** 2 * jnp.ones(3), x[1] ** 2))
        with pytest.raises(
            ValueError, match=r"player '0' must be a scalar, but it has shape \(3,\)"
        ):
            certify.certify(game, certify.Box(*UNIT))

    def test_missing_player(self):
        game = dg.game(lambda x, args: {"a": x["a"] ** 2})
        with pytest.raises(ValueError, match="no cost for player 'b'"):
            certify.certify(game, around({"a": 0.0, "b": 0.0}, 1.0))

    def test_unknown_primitive_names_the_line(self):
        game = scalar_game(lambda x: x[0] ** 2 + 0.01 * jax.lax.bessel_i1e(x[0]))
        with pytest.raises(certify.EnclosureError, match=r"'bessel_i[01]e' \(in .*test_certify.py"):
            certify.certify(game, certify.Box(*UNIT))

    def test_custom_derivatives_and_stop_gradient(self):
        @jax.custom_jvp
        def lie(x):
            return x**2

        lie.defjvp(lambda p, t: (p[0] ** 2, 0.0 * t[0]))
        with pytest.raises(certify.EnclosureError, match="custom_jvp_call"):
            certify.certify(scalar_game(lambda x: lie(x[0])), certify.Box(*UNIT))
        # Inlining what surrounds a stop_gradient that cancels must not hide the lie.
        with_softmax = scalar_game(lambda x: lie(x[0]) + jax.nn.logsumexp(jnp.stack(x)))
        with pytest.raises(certify.EnclosureError, match="custom_jvp_call"):
            certify.certify(with_softmax, certify.Box(*UNIT))
        borrowed = jax.custom_jvp(jax.nn.softplus)
        borrowed.defjvp(lambda p, t: (jax.nn.softplus(p[0]), 0.0 * t[0]))
        with pytest.raises(certify.EnclosureError, match="custom_jvp_call"):
            certify.certify(scalar_game(lambda x: borrowed(x[0])), certify.Box(*UNIT))
        stopped = scalar_game(lambda x: x[0] * jax.lax.stop_gradient(x[0]))
        with pytest.raises(certify.EnclosureError, match="stop_gradient"):
            certify.certify(stopped, certify.Box(*UNIT))

    def test_a_false_derivative_that_looks_like_one_of_jax_is_refused(self):
        """Everything with a name here is part of JAX; what counts is whose rule it is."""
        disguised = jax.custom_jvp(jax.nn.relu)
        disguised.defjvps(lambda tangent, answer, x: 0.0 * tangent)
        game = scalar_game(lambda x: x[0] ** 2 + disguised(x[0] + 2.0))
        with pytest.raises(certify.EnclosureError, match="hand-written derivative"):
            certify.certify(game, certify.Box(*UNIT))

    def test_strategy_sets_of_which_nothing_is_known(self):
        own = type("Lattice", (dg.Euclidean,), {})()
        game = dg.game(lambda x, args: (jnp.sum(x[0] ** 2), jnp.sum(x[1] ** 2)), own)
        with pytest.raises(ValueError, match="nothing is known about the strategy set"):
            certify.certify(game, around((jnp.zeros(2), jnp.zeros(2)), 1.0))

    @pytest.mark.parametrize("options", [{"tightness": 1.5}, {"max_cells": 0}])
    def test_options(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            certify.Search(**options)

    @pytest.mark.parametrize("weights", [{"fast": 1.0}, {"fast": 1.0, "slow": -1.0}])
    def test_weights(self, linear_game, weights):
        with pytest.raises(ValueError, match="weights"):
            certify.certify(
                linear_game,
                around({"fast": 0.0, "slow": 0.0}, 1.0),
                metric=certify.Weights(weights),
            )

    def test_region_with_other_players(self, linear_game):
        with pytest.raises((ValueError, KeyError)):
            certify.certify(linear_game, around({"fast": 0.0, "slower": 0.0}, 1.0))

    def test_samples(self, linear_game):
        region = around({"fast": 0.0, "slow": 0.0}, 1.0)
        with pytest.raises(ValueError, match="at least 1"):
            certify.estimate(linear_game, region, 0, key=jax.random.key(0))

    def test_costs_that_are_nan(self):
        game = scalar_game(lambda x: jnp.sqrt(x[0]) + x[0] ** 2)
        found = certify.certify(game, certify.Box(*UNIT))
        assert found.status == "undecided"
        assert "not finite" in found.reasons[0]


class TestEnclosures:
    game = dg.game(
        lambda x, args: (
            x[0] ** 2 + jnp.cos(x[0]) + x[0] * x[1],
            x[1] ** 2 + 0.5 * jnp.sin(x[0] * x[1]),
        )
    )

    @pytest.mark.full
    def test_all_prove_and_the_better_ones_with_fewer_cells(self):
        region = certify.Box.around((0.0, 0.0), 0.5)
        each = (certify.IntervalMatrices(), certify.AffineArithmetic(), certify.Taylor())
        found = [certify.certify(self.game, region, enclosure=one) for one in each]
        assert [one.status for one in found] == ["proved"] * 3
        names = [one.data["provenance"]["enclosure"] for one in found]
        assert names == ["interval", "affine", "taylor"]
        cells = [one.cells for one in found]
        assert cells[0] > cells[1] and cells[0] > cells[2]
        usual = certify.certify(self.game, region).data
        assert usual["provenance"]["enclosure"] == "taylor"
        assert usual["evidence"] == found[2].data["evidence"]

    def test_what_cannot_be_had(self):
        large = dg.game(lambda x, args: (jnp.sum(x[0] ** 4 + x[0] ** 2), x[1] ** 2))
        region = certify.Box.around((jnp.zeros(20), 0.0), 0.5)
        with pytest.raises(ValueError, match=r"21 coordinates; .* Taylor\(\) is for at most 16"):
            certify.certify(large, region, enclosure=certify.Taylor())


@pytest.mark.full
@pytest.mark.parametrize("radius", [2.0, 5.0])
def test_logistic_regressions(radius):
    """Sums over more data points than coordinates: positive semidefinite however far they move."""
    rng = np.random.default_rng(0)
    own, other = (jnp.asarray(s * rng.normal(size=(2, 8, 2))) for s in (1.0, 0.3))

    def loss(i, x, y):
        return jnp.mean(jax.nn.softplus(own[i] @ x + other[i] @ y)) + 0.05 * x @ x

    game = dg.game(lambda x, args: (loss(0, *x), loss(1, x[1], x[0])))
    region = certify.Box.around((jnp.zeros(2), jnp.zeros(2)), radius)
    found = certify.certify(game, region, search=certify.Search(max_cells=16))
    assert found.status == "proved", found.reasons
    sampled = certify.estimate(game, region, 2000, key=jax.random.key(0)).margin
    assert 0.9 * sampled < found.margin <= sampled


def test_code_is_traced_once():
    """Costs that change between calls: one trace is proved, and then they are found out."""
    calls = []

    def cost(x):
        calls.append(None)
        return len(calls) * x[0] ** 2

    # One call is the check that costs are scalars, the next is the trace; the last net calls again.
    with pytest.raises(certify.MismatchError, match="nothing is proved"):
        certify.certify(
            scalar_game(cost), certify.Box(*UNIT), metric=certify.Weights({"0": 1.0, "1": 1.0})
        )
    assert len(calls) > 2


def test_args_are_fixed_and_passed_on():
    game = dg.game(lambda x, args: (args * x[0] ** 2, x[1] ** 2))
    for scale in (0.5, 2.0):
        found = certify.certify(
            game,
            certify.Box(*UNIT),
            args=jnp.asarray(scale),
            metric=certify.Weights({"0": 1.0, "1": 1.0}),
        )
        assert found.margin == pytest.approx(min(2 * scale, 2.0), abs=1e-9)
        assert check_data(found.data).ok


@pytest.mark.full
def test_a_ball_may_have_equilibria_on_its_boundary_that_are_not_stationary():
    """So certificates say that one point is stationary, not that one is an equilibrium."""

    @dg.game
    def game(x, args):
        a, b = x["a"] - 0.9, x["b"] - 0.1
        return {"a": a**2 / 2 - 3.0 * a * b, "b": b**2 / 2 + 3.0 * a * b}

    certificate = certify.certify(game, certify.Ball({"a": 0.0, "b": 0.0}, 1.0), methods=[])
    assert certificate.status == "proved" and certificate.margin > 0.9
    # Player b is where it wants to be; a, who wants to go further, is where the ball ends.
    a = (3 * 2.8 - np.sqrt((3 * 2.8) ** 2 - 10 * (2.8**2 - 1))) / 10
    point = {"a": float(a), "b": 2.8 - 3 * float(a)}
    field = dg.pseudo_gradient(game)(point)
    assert np.hypot(point["a"], point["b"]) == pytest.approx(1.0, abs=1e-12)
    assert field["b"] == pytest.approx(0.0, abs=1e-12)
    assert field["a"] < -1 and point["a"] > 0 and point["b"] > 0.1
    words = {label: parts for label, parts in certificate.rows()}["equilibrium"]
    sentence = str(words[0])
    assert "exactly one stationary point" in sentence and "exactly one Nash" not in sentence
