"""The direct route: steps of methods, as they are, proved to contract; and what is refused."""

import copy
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from typer.testing import CliRunner

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.reader import digest
from certify.command.cli import app
from certify.jacobian.enclosure_choice import AffineArithmetic, AutoEnclosure, Taylor
from certify.jacobian.family import AffineFamily
from certify.jacobian.family_arithmetic import added, product
from certify.problem.field import flat_field
from certify.prove.direct import field_family
from certify.prove.direct.step_map import StepMap
from dgames.strategy import ravel

pytestmark = pytest.mark.thin(3)


def costs(x, args):
    a, b = x
    return a**2 + jnp.tanh(a) * b, b**2 - jnp.sin(b) * a


GAME = dg.game(costs)
ORIGIN = (jnp.array(0.0), jnp.array(0.0))
REGION = certify.Box.around(ORIGIN, 0.2)

METHODS = {
    "simultaneous": dg.Simultaneous(0.4),
    "per player": dg.Simultaneous((0.4, 0.3)),
    "alternating": dg.Alternating(0.4),
    "extragradient": dg.Extragradient(0.3),
    "optimistic": dg.Optimistic(0.2),
    "reflected": dg.Optimistic(0.2, reflected=True),
    "momentum": dg.Momentum(0.3, -0.3),
    "complex momentum": dg.ComplexMomentum(0.3, 0.3j),
    "alternating complex momentum": dg.ComplexMomentum(0.3, 0.2 + 0.2j, alternating=True),
    "heun": dg.Heun(0.4),
    "ssprk3": dg.SSPRK3(0.4),
    "runge-kutta": dg.RungeKutta4(0.4),
    "optax": dg.Optax(optax.sgd(0.3, momentum=0.2)),
}


@functools.cache
def stepped(name):
    """The step of dgames itself on flat augmented states, its Jacobian, and the first state."""
    return steps_of(METHODS[name])


def steps_of(method):
    field, like = dg.pseudo_gradient(GAME), ORIGIN
    _, unravel = ravel((like, method.init(field, like)))

    def step(z):
        return ravel(method.step(field, *unravel(z)))[0]

    def start(x):
        strategy = ravel(like)[1](x)
        return ravel((strategy, method.init(field, strategy)))[0]

    # Called once, so that compiling would take longer than it saves.
    return jax.jit(jax.vmap(step)), jax.vmap(jax.jacfwd(step)), jax.vmap(start)


def length(metric, z):
    return np.sqrt(np.einsum("ki,ij,kj->k", z, metric, z))


def in_ball(key, metric, radius, count):
    """Points of the ball of a metric, many of them near its surface."""
    m = len(metric)
    sphere = jax.random.normal(key, (count, m))
    share = jnp.linspace(0.01, 1.0, count)[:, None]
    unit = np.asarray(share * sphere / jnp.linalg.norm(sphere, axis=1, keepdims=True))
    return radius * unit @ np.linalg.inv(np.linalg.cholesky(metric))


@functools.cache
def proof(name):
    return certify.contraction(GAME, METHODS[name], REGION)


@pytest.mark.full
@pytest.mark.parametrize("enclosure", [Taylor(), AffineArithmetic()], ids=["taylor", "affine"])
def test_either_enclosure_holds_the_field(enclosure):
    """Costs that are short are expanded in NumPy, others by compiled code."""
    field = flat_field(GAME, REGION)
    assert AutoEnclosure().select(field).enclosure == Taylor()
    lower, upper = np.array([-0.3, 0.1]), np.array([0.2, 0.5])
    point = AffineFamily.between(lower[:, None], upper[:, None])
    stage = field_family.Stage(field, enclosure, point)
    assert stage.finite
    points = np.random.default_rng(0).uniform(lower, upper, (200, 2))
    for known, function in (
        (stage.value, field.function),
        (stage.jacobian, jax.jacfwd(field.function)),
    ):
        truth = np.asarray(jax.vmap(function)(jnp.asarray(points)))
        truth = truth.reshape(200, *known.centre.shape)
        assert (np.abs(truth - known.centre) <= known.spread).all()
        assert (known.spread <= 1.5 * np.abs(truth - known.centre).max(0) + 0.01).all()


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    @pytest.mark.full
    def test_its_jacobians_are_in_the_families(self, name):
        """Every sampled Jacobian and value of the real step, with the right symbols."""
        field = flat_field(GAME, REGION)
        step = StepMap(field, GAME.strategy_set(ORIGIN), METHODS[name], np.zeros(2))
        m = step.dimension
        lower, upper = np.full(m, -0.3), np.full(m, 0.25)
        found = step.enclosed(lower, upper)
        assert found.finite
        shares = np.random.default_rng(0).uniform(-1, 1, (50, m))
        shares[:20] = np.sign(shares[:20])
        points = 0.5 * (lower + upper) + 0.5 * (upper - lower) * shares
        run, slopes, _ = stepped(name)
        for known, truth in (
            (found.value, np.asarray(run(jnp.asarray(points)))[..., None]),
            (found.jacobian, np.asarray(slopes(jnp.asarray(points)))),
        ):
            moved = known.centre + np.tensordot(shares, known.generators, 1)
            assert (np.abs(truth - moved) <= known.remainder + 1e-14).all()
            assert known.remainder.max() < 0.5  # not for free

    @pytest.mark.full
    def test_the_proof_bounds_what_runs(self, name):
        """A thousand pairs never violate the factor; the fixed point and the basin are right."""
        found = proof(name)
        assert found.status == "proved"
        assert found.check().ok
        assert found.rate < 0.999
        run, _, start = stepped(name)
        keys = jax.random.split(jax.random.key(1), 3)
        span = found.upper - found.lower
        pairs = [
            found.lower + span * np.asarray(jax.random.uniform(k, (1000, len(span))))
            for k in keys[:2]
        ]
        before = length(found.metric, pairs[0] - pairs[1])
        after = length(found.metric, np.asarray(run(pairs[0]) - run(pairs[1])))
        assert (after <= found.rate * before * (1 + 1e-12)).all()
        ball = found.start
        starts = jnp.asarray(ball.center + in_ball(keys[2], ball.metric, ball.radius, 200))
        z = np.asarray(start(starts))
        initial = distance = length(found.metric, z - found.center)
        assert (distance <= found.basin * (1 + 1e-12)).all()
        for k in range(1, 30):
            z = np.asarray(run(z))
            assert ((found.lower <= z) & (z <= found.upper)).all()
            distance = length(found.metric, z - found.center)
            assert (
                distance <= found.rate**k * (initial + found.radius) + 2 * found.radius + 1e-13
            ).all()

    @pytest.mark.full
    def test_near_the_local_rate(self, name):
        """The spectral radius at the equilibrium is the best that a proof can give."""
        local = np.linalg.eigvals(np.asarray(dg.step_jacobian(GAME, METHODS[name], ORIGIN)))
        assert np.abs(local).max() <= proof(name).rate


class TestRefused:
    def test_adaptive_methods(self):
        with pytest.raises(ValueError, match="how many steps were made before"):
            certify.contraction(GAME, dg.Optax(optax.adam(0.1)), REGION)

    def test_divisions_by_buffers(self):
        with pytest.raises(ValueError, match="not linear"):
            certify.contraction(GAME, dg.Optax(optax.rmsprop(0.1)), REGION)

    @pytest.mark.parametrize(
        "bad",
        [
            lambda field, x: jax.tree.map(jnp.floor, x),
            lambda field, x: jax.tree.map(lambda a: jnp.where(a > 0.1, 0.5 * a, 0.25 * a), x),
            lambda field, x: jax.tree.map(lambda a: 0.5 * a + jnp.sign(a), x),
            lambda field, x: jax.tree.map(jax.lax.stop_gradient, (x[0] * x[1], x[1])),
            lambda field, x: jax.tree.map(lying, x),
        ],
    )
    def test_steps_that_are_not_what_their_derivatives_say(self, bad):
        with pytest.raises(ValueError, match=r"not linear|rule|stop_gradient"):
            certify.contraction(GAME, bad, REGION)

    def test_steps_above_the_spectral_limit(self):
        for step in (0.81, 1.0, 3.0):  # the limit of simultaneous play is 0.8
            assert certify.contraction(GAME, dg.Simultaneous(step), REGION).status == "undecided"

    @pytest.mark.full
    def test_runge_kutta_at_its_folklore_limit(self):
        """h = 2.5 with curvature 0.1 and a skew coupling of size 0.99 that turns over.

        At the equilibrium the spectral radius is 0.78; nearby the stages see different Jacobians,
        and Euclidean distances grow up to 40 times in one step.
        """
        game = dg.game(
            lambda x, args: (
                0.05 * x[0] ** 2,
                0.05 * x[1] ** 2 + 0.99 * jnp.tanh(20.0 * x[0]) * x[1] * x[2],
                0.05 * x[2] ** 2 - 0.99 * jnp.tanh(20.0 * x[0]) * x[1] * x[2],
            )
        )
        origin = (0.0, 0.0, 0.0)
        region = certify.Box.around(origin, 1.0)
        found = certify.contraction(
            game, dg.RungeKutta4(2.5), region, search=certify.Search(max_cells=8)
        )
        assert found.status == "undecided"

    def test_no_equilibrium(self):
        region = certify.Box((1.0, 1.0), (2.0, 2.0))
        found = certify.contraction(GAME, dg.Simultaneous(0.1), region)
        assert found.status == "undecided"
        assert "no equilibrium" in found.reasons[0]
        with pytest.raises(ValueError, match="the status is 'undecided'"):
            found.rate  # noqa: B018

    @pytest.mark.full
    def test_trial_points_outside_the_strategy_set(self):
        """The region is inside, the trial points of extragradient are not: they are projected."""

        class Open(dg.Game):
            def costs(self, x, args=None):
                a, b = x
                return a**2 + 4.0 * a * b, b**2 - 4.0 * a * b

        class Walled(Open):
            def strategy_set(self, x):
                return dg.Box(-0.2, 0.2)

        region = certify.Box.around(ORIGIN, 0.19)
        for game, step, status in (
            (Walled(), 0.01, "proved"),
            (Walled(), 0.2, "undecided"),
            (Open(), 0.2, "proved"),
        ):
            method = dg.Extragradient(step)
            assert (
                certify.contraction(game, method, region, search=certify.Search(max_cells=1)).status
                == status
            )


@jax.custom_jvp
def lying(x):
    return x**3


@lying.defjvp
def _(primals, tangents):
    return lying(*primals), 0.5 * tangents[0]


class TestFile:
    @pytest.mark.parametrize("name", ["step.json", "step.json.gz"])
    def test_round_trip(self, tmp_path, name):
        found = proof("optimistic")
        path = found.save(tmp_path / name)
        assert certify.check(path).ok
        loaded = certify.load(path)
        assert isinstance(loaded, certify.Contraction) and loaded.data == found.data
        assert loaded.rate == found.rate and loaded.equilibrium == found.equilibrium != ""
        shown = CliRunner().invoke(app, ["show", str(path)])
        assert shown.exit_code == 0
        assert "Optimistic(step_size=Array(0.2" in shown.output

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d["claims"].update(rate=(0.5).hex()),
            lambda d: d["claims"].update(basin=(10.0).hex()),
            lambda d: d["claims"].update(radius=(1e-300).hex(), residual=[(1e-3).hex()] * 4),
            lambda d: d["claims"].update(upper=[(0.01).hex()] * 4),
            lambda d: d["claims"]["start"].update(radius=(10.0).hex()),
            lambda d: d["claims"]["start"].update(stretch=(0.01).hex()),
            lambda d: d["claims"]["start"].update(residual=[(10.0).hex()] * 4),
            lambda d: d["claims"]["metric"]["matrix"].__setitem__(0, 2**40),
            lambda d: d["claims"]["metric"]["matrix"].__setitem__(1, 2**40),
            lambda d: d["claims"]["metric"].update(unit=d["claims"]["metric"]["unit"] + 1),
            lambda d: d["evidence"]["inverse"].update(unit=d["evidence"]["inverse"]["unit"] - 1),
            lambda d: d["evidence"]["inverse"].update(unit=d["evidence"]["inverse"]["unit"] + 1),
            lambda d: d["evidence"]["cells"].pop(),
            lambda d: d["evidence"]["cells"].append(d["evidence"]["cells"][-1]),
            lambda d: d["evidence"].update(unit=d["evidence"]["unit"] + 1),
        ],
    )
    def test_what_was_made_false_is_rejected(self, change):
        data = copy.deepcopy(proof("optimistic").data)
        assert check_data(data).ok
        change(data)
        assert not check_data({**data, "digest": digest(data)}).ok


@functools.cache
def largest():
    return certify.largest_step(GAME, dg.Simultaneous, REGION, tolerance=0.1)


class TestLargestStep:
    @pytest.mark.full
    def test_near_the_limit(self):
        found = largest()
        assert found.limit == pytest.approx(0.8, rel=1e-3)
        assert 0.9 * found.limit < found.max < found.limit
        assert found.at_max.check().ok and found.at_best.check().ok
        assert found.rate == found.at_best.rate < found.at_max.rate < 1
        assert found.route == "direct"
        assert found.smaller

    @pytest.mark.full
    def test_a_step_of_the_users_own(self):
        def method(h):
            return lambda field, x: jax.tree.map(lambda a, g: a - h * g, x, field(x))

        found = certify.largest_step(GAME, method, REGION, tolerance=0.1)
        assert 0.9 * 0.8 < found.max < 0.8
        assert not found.smaller  # nothing is known of it but its code
        assert found.at_max.equilibrium == ""

    @pytest.mark.full
    def test_small_gain_nash(self):
        """The 64-dimensional game of arXiv 2512.06791 at lambda = 1, up to its true limit."""
        game = dg.games.Quadratic.small_gain_nash(1.0)
        region = certify.Box.around((jnp.zeros(32), jnp.zeros(32)), 1.0)
        step = 0.999 * 1.17157287525381
        assert certify.contraction(game, dg.Simultaneous(step), region).status == "proved"
        beyond = 1.001 * 1.17157287525381
        assert certify.contraction(game, dg.Simultaneous(beyond), region).status == "undecided"

    @pytest.mark.full
    def test_smaller_steps_contract_in_the_same_norm(self):
        found = largest()
        metric = found.at_max.metric
        left = np.linalg.cholesky(metric)
        span = found.at_max.upper - found.at_max.lower
        points = found.at_max.lower + span * np.random.default_rng(0).random((200, 2))
        for share in (0.01, 0.3, 0.9):
            _, slopes, _ = steps_of(dg.Simultaneous(share * found.max))
            scaled = left.T @ np.asarray(slopes(jnp.asarray(points))) @ np.linalg.inv(left).T
            assert (
                np.linalg.norm(scaled, 2, axis=(1, 2)).max()
                <= 1 - share * (1 - found.at_max.rate) + 1e-12
            )

    def test_nothing_contracts(self):
        found = certify.largest_step(
            dg.games.Bilinear(), dg.Simultaneous, certify.Box.around((0.0, 0.0), 1.0)
        )
        assert found.max == 0.0
        assert found.at_max.status == "undecided"


class TestFamilies:
    @pytest.mark.full
    def test_sums_and_products_contain_those_of_members(self):
        generator = np.random.default_rng(3)

        def family(a, b):
            parts = (
                generator.normal(size=(a, b)),
                generator.normal(size=(4, a, b)),
                generator.random((a, b)),
            )
            return AffineFamily(*parts)

        def member(x, e):
            return (
                x.centre
                + np.tensordot(e, x.generators, 1)
                + x.remainder * generator.uniform(-1, 1, x.remainder.shape)
            )

        x, y, z = family(2, 3), family(3, 2), family(2, 3)
        xy, xz = product(x, y), added(x, z)
        for _ in range(2000):
            e = np.sign(generator.uniform(-1, 1, 4)) * generator.choice([1.0, 0.7], 4)
            a, b, c = (member(f, e) for f in (x, y, z))
            for known, truth in ((xy, a @ b), (xz, a + c)):
                rest = truth - known.centre - np.tensordot(e, known.generators, 1)
                assert (np.abs(rest) <= known.remainder).all()
