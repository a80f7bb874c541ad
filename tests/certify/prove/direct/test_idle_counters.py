"""Methods whose state counts: proved where no step depends on the count, and refused elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import certify
import dgames as dg

GAME = dg.game(
    lambda x, args: (x[0] ** 2 + jnp.tanh(x[0]) * x[1], x[1] ** 2 - jnp.sin(x[1]) * x[0])
)
REGION = certify.Box.around((0.0, 0.0), 0.1)
COUNTS = "depends on how many steps were made before"


class Counting(dg.AbstractMethod):
    """Simultaneous steps with a counter in the state, of which subclasses may make use."""

    def init(self, field, x, args=None):
        return jnp.zeros((), int)

    def moved(self, field, x, count, args):
        return jax.tree.map(lambda a, b: a - 0.3 * b, x, field(x, args))

    def step(self, field, x, state, args=None):
        return self.moved(field, x, state, args), state + 1


class Fading(Counting):
    def moved(self, field, x, count, args):
        step = 0.3 / (1.0 + count.astype(float))
        return jax.tree.map(lambda a, b: a - step * b, x, field(x, args))


class Starting(Counting):
    def moved(self, field, x, count, args):
        step = 0.3 if int(count) < 10 else 3.0  # which is known as the code is traced
        return jax.tree.map(lambda a, b: a - step * b, x, field(x, args))


class Choosing(Counting):
    def moved(self, field, x, count, args):
        return jax.lax.cond(count < 10, lambda x: x, lambda x: (x[1], x[0]), x)


class Looking(Counting):
    """The field is evaluated elsewhere after some steps, and the value is not used."""

    def moved(self, field, x, count, args):
        field(jax.tree.map(lambda a: a + count.astype(float), x), args)
        return super().moved(field, x, count, args)


class Nested(Counting):
    def moved(self, field, x, count, args):
        step = jax.jit(lambda count: 0.3 / (1.0 + count.astype(float)))(count)
        return jax.tree.map(lambda a, b: a - step * b, x, field(x, args))


class Widening(Counting):
    """The counter changes its type, and the second step is another code."""

    def init(self, field, x, args=None):
        return jnp.zeros((), jnp.int32)

    def moved(self, field, x, count, args):
        step = 0.3 if count.dtype == jnp.int32 else 3.0
        return jax.tree.map(lambda a, b: a - step * b, x, field(x, args))

    def step(self, field, x, state, args=None):
        return self.moved(field, x, state, args), (state + 1).astype(jnp.int64)


class Drawing(dg.AbstractMethod):
    """A random key is no counter."""

    def init(self, field, x, args=None):
        return jax.random.key(0)

    def step(self, field, x, state, args=None):
        moved = jax.tree.map(lambda a, b: a - 0.3 * b, x, field(x, args))
        return moved, jax.random.split(state)[0]


def test_a_count_that_no_step_depends_on_is_left_out():
    plain = certify.contraction(GAME, dg.Simultaneous(0.3), REGION)
    found = certify.contraction(GAME, Counting(), REGION)
    assert found.status == "proved" and found.dimension == 2 and found.rate == plain.rate


@pytest.mark.parametrize(
    "method",
    [Fading(), Starting(), Choosing(), Looking(), Nested(), Widening(), Drawing()],
    ids=lambda method: type(method).__name__,
)
def test_a_count_that_steps_depend_on_is_refused(method):
    with pytest.raises(ValueError, match=COUNTS):
        certify.contraction(GAME, method, REGION)


def test_separate_steps_are_proved_with_the_value_of_the_field_that_they_keep():
    method = dg.OptimisticSeparated(0.2, 0.1)
    found = certify.contraction(GAME, method, REGION)
    assert found.status == "proved" and found.dimension == 4 and found.check().ok
    j = np.array([[2.0, 1.0], [-1.0, 2.0]])
    local = np.block([[np.eye(2) - 0.1 * j, 0.02 * j @ j], [j, -0.2 * j]])
    assert np.abs(np.linalg.eigvals(local)).max() <= found.rate < 0.95
    field, x = dg.pseudo_gradient(GAME), (jnp.array(0.05), jnp.array(-0.05))
    state = method.init(field, x)
    for _ in range(20):
        x, state = method.step(field, x, state)
    assert float(jnp.hypot(*x)) < found.rate**20


@pytest.mark.parametrize(
    "method",
    [
        dg.OptimisticSeparated(dg.PowerDecay(0.2, 0.5), 0.1),
        dg.AnchoredExtragradient(0.1),
        dg.FastExtragradient(0.1),
        dg.Halpern(0.1),
        dg.AcceleratedOptimistic(0.1),
        dg.NesterovOptimistic(0.1),
        dg.MovingAnchor(dg.FastExtragradient(0.1), 0.1, 5),
        dg.Optax(optax.sgd(optax.exponential_decay(0.1, 10, 0.5))),
        dg.Optax(optax.adam(0.1)),
    ],
    ids=lambda method: type(method).__name__,
)
def test_methods_that_fade_are_no_single_map(method):
    with pytest.raises(ValueError, match=COUNTS):
        certify.contraction(GAME, method, REGION)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (dg.CompetitiveAdam(0.1), "differentiates the field"),
        (dg.Optax(optax.rmsprop(0.1)), "not linear"),
        (dg.AdaptiveOptimisticDualAveraging(), "not linear"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_methods_that_adapt_are_not_linear(method, words):
    with pytest.raises(certify.EnclosureError, match=words):
        certify.contraction(GAME, method, REGION)


@pytest.mark.full
@pytest.mark.parametrize(
    "optimiser",
    [
        optax.sgd(0.2),
        optax.sgd(0.2, momentum=0.2, nesterov=True),
        optax.chain(optax.trace(0.3), optax.scale(-0.2)),
    ],
    ids=["plain", "nesterov", "chain"],
)
def test_linear_optimisers_of_optax_are_proved(optimiser):
    assert certify.contraction(GAME, dg.Optax(optimiser), REGION).status == "proved"


@pytest.mark.full
def test_dual_averaging_keeps_its_start_and_does_not_contract():
    """Its state holds where it began, which no step changes: a factor of one."""
    found = certify.contraction(GAME, dg.OptimisticDualAveraging(0.2, 0.1), REGION)
    assert found.status == "undecided" and "spectral radius of at least 1" in found.reasons[0]
