"""The optax transformations: one conformance table, then the numbers of the literature."""

import functools
import inspect
import os
import subprocess
import sys
import textwrap
from collections.abc import Hashable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import dgames as dg
from dgames import transforms as dgt

pytestmark = pytest.mark.thin(4)

# Adding a transformation to the module means adding its lines here.
OPTIMISERS = {
    "complex_momentum": (dgt.complex_momentum, {"learning_rate": 1e-3}),
    "complex_momentum-heavy_ball": (
        dgt.complex_momentum,
        {"learning_rate": 1e-4, "angle": 0.0},
    ),
    "complex_momentum-negative": (
        dgt.complex_momentum,
        {"learning_rate": 1e-3, "decay": 0.5, "angle": np.pi},
    ),
    "complex_adam": (dgt.complex_adam, {"learning_rate": 3e-2}),
    "complex_adam-normalise": (dgt.complex_adam, {"learning_rate": 1e-3, "normalise": True}),
    "complex_adam-debias": (
        dgt.complex_adam,
        {"learning_rate": 1e-3, "normalise": True, "debias": True},
    ),
}
# optax's type of a state is a union without attributes: what is built here is annotated `Any`.
every_optimiser = pytest.mark.parametrize(
    ("factory", "kwargs"), OPTIMISERS.values(), ids=OPTIMISERS.keys()
)
# optax itself promotes in places (counts, injected values); there the strictness of our tests ends.
as_optax_promotes = functools.partial(jax.numpy_dtype_promotion, "standard")
FLOATS = (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64)


def parabola(x):
    return jnp.sum((x - jnp.array([1.0, -1.0, 1.0], x.dtype)) ** 2)


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def matrix_parabola(x):
    return jnp.sum((x - jnp.array([[3.0, -2.0], [1.0, 4.0]], x.dtype)) ** 2)


def mixed_parabola(x):
    vector, matrix = x
    return parabola(vector) + jnp.sum((matrix - jnp.array([[1.0, 0.0], [-1.0, 1.0]])) ** 2)


TARGETS = {
    "parabola": (parabola, jnp.array([-1.0, 10.0, 1.0])),
    "rosenbrock": (rosenbrock, jnp.zeros(2)),
    "matrix_parabola": (matrix_parabola, jnp.zeros((2, 2))),
    "mixed_parabola": (mixed_parabola, (jnp.zeros(3), jnp.zeros((2, 2)))),
}


def make_step(tx, objective):
    def step(params, state):
        grads = jax.grad(objective)(params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return step


def assert_same_type(tree, like):
    """Same structure, shapes and dtypes (and hence no complex leaf where there was none)."""
    described = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), t) for t in (tree, like)]
    assert described[0] == described[1]


def assert_close(tree, like, **tolerances):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerances), tree, like)


# --- conformance -----------------------------------------------------------------------------


@every_optimiser
@pytest.mark.parametrize(("objective", "x0"), TARGETS.values(), ids=TARGETS.keys())
def test_minimises(factory, kwargs, objective, x0):
    steps = 30_000

    def decaying(count):
        return kwargs["learning_rate"] * (1 - jnp.asarray(count, float) / steps)

    tx: Any = factory(**{**kwargs, "learning_rate": decaying})
    step = make_step(tx, objective)
    run = jax.jit(lambda c: jax.lax.scan(lambda c, _: (step(*c), None), c, length=steps)[0])
    x, _ = run((x0, tx.init(x0)))
    assert objective(x) < 1e-4
    assert_same_type(x, x0)


@every_optimiser
def test_extra_args_and_no_retrace(factory, kwargs):
    tx: Any = factory(**kwargs)
    assert isinstance(tx, optax.GradientTransformationExtraArgs)

    @jax.jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def step(params, state):
        updates, state = tx.update(params, state, params, nobody_expects_this=1)
        return optax.apply_updates(params, updates), state

    params = jnp.ones(3)
    state = tx.init(params)
    for _ in range(3):
        params, state = step(params, state)


@every_optimiser
def test_params_are_optional(factory, kwargs):
    tx: Any = factory(**kwargs)
    grads = {"a": jnp.ones(2)}
    state = tx.init(grads)
    assert_close(tx.update(grads, state)[0], tx.update(grads, state, grads)[0], rtol=0)


@every_optimiser
def test_tree_map_params(factory, kwargs):
    tx: Any = factory(**kwargs)
    state = tx.init({"a": jnp.ones(2), "b": jnp.ones((2, 3))})
    doubled: Any = optax.tree.map_params(tx, lambda leaf: leaf + 1, state)
    assert jax.tree.structure(doubled) == jax.tree.structure(state)
    assert doubled[0][-1]["a"].tolist() == [1, 1]


@every_optimiser
def test_inject_hyperparams(factory, kwargs):
    tx: Any = factory(**kwargs)
    injected: Any = optax.inject_hyperparams(factory)(**kwargs)
    params = [-jnp.ones((2, 3)), jnp.ones((2, 5, 2))]
    grads = [jnp.ones((2, 3)), -jnp.ones((2, 5, 2))]
    state, state_injected = jax.jit(tx.init)(params), jax.jit(injected.init)(params)
    assert {"learning_rate", "decay", "angle"} <= state_injected.hyperparams.keys()
    update, update_injected = jax.jit(tx.update), jax.jit(injected.update)
    for _ in range(3):
        updates, state = update(grads, state, params)
        updates_injected, state_injected = update_injected(grads, state_injected, params)
        assert_close(updates_injected, updates, rtol=1e-12)
        assert_close(state_injected.inner_state, state, rtol=1e-12)


@every_optimiser
def test_injected_values_do_not_retrace(factory, kwargs):
    tx: Any = optax.inject_hyperparams(factory)(**kwargs)

    @jax.jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def update(grads, state):
        return tx.update(grads, state, grads)

    grads = jnp.ones(3)
    state = tx.init(grads)
    seen, updates = [], grads
    for angle in (0.1, 0.2, 0.3):
        for _ in range(2):
            state.hyperparams["angle"] = jnp.asarray(angle)
            updates, state = update(grads, state)
        seen.append(updates[0])
    assert len(set(map(float, seen))) == 3


@every_optimiser
def test_scheduled_angle(factory, kwargs):
    constant: Any = factory(**{**kwargs, "angle": 0.3})
    scheduled = optax.inject_hyperparams(factory)(
        **{**kwargs, "angle": optax.constant_schedule(0.3)}
    )
    grads = jnp.ones(3)
    states = constant.init(grads), scheduled.init(grads)
    for _ in range(3):
        (a, first), (b, second) = (
            tx.update(grads, s, grads) for tx, s in zip((constant, scheduled), states, strict=True)
        )
        states = first, second
        assert_close(a, b, rtol=1e-12)


@every_optimiser
@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_is_kept_and_state_is_stable(factory, kwargs, dtype):
    tx: Any = factory(**kwargs)
    params = {"w": jnp.array([1.0, 2.0], dtype)}
    state = jax.jit(tx.init)(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} <= {np.dtype(dtype), np.dtype("int32")}
    updates, new_state = jax.jit(tx.update)(params, state, params)
    assert_same_type(updates, params)
    assert_same_type(new_state, state)
    # the same, as the two branches of a conditional must agree on
    jax.jit(
        lambda c: jax.lax.cond(c, lambda: tx.update(params, state, params), lambda: (params, state))
    )(True)


@every_optimiser
def test_each_leaf_keeps_its_own_dtype(factory, kwargs):
    scale_by = {
        dgt.complex_momentum: dgt.scale_by_complex_momentum,
        dgt.complex_adam: dgt.scale_by_complex_adam,
    }[factory]
    hyperparams = {k: v for k, v in kwargs.items() if k != "learning_rate"}
    params = {"half": jnp.ones(2, jnp.bfloat16), "single": jnp.ones(2, jnp.float32)}
    for tx in (scale_by(**hyperparams), optax.inject_hyperparams(scale_by)(**hyperparams)):
        with as_optax_promotes():
            state = tx.init(params)
            updates, new_state = tx.update(params, state, params)
        assert_same_type(updates, params)
        assert_same_type(new_state, state)


@every_optimiser
@pytest.mark.parametrize("dtype", (jnp.bfloat16, jnp.float32))
def test_gradient_accumulation(factory, kwargs, dtype):
    tx: Any = optax.MultiSteps(factory(**kwargs), every_k_schedule=4)
    params = jnp.array([1.0, 2.0], dtype)
    state, update = tx.init(params), jax.jit(tx.update)
    for step in range(4):
        with as_optax_promotes():
            updates, state = update(2 * params, state, params)
        assert updates.dtype == params.dtype
        assert bool(jnp.all(updates == 0)) == (step < 3)


@every_optimiser
def test_learning_rate_schedule(factory, kwargs):
    assert inspect.signature(factory).parameters["learning_rate"].annotation == (
        optax.ScalarOrSchedule
    )
    with_schedule = factory(**{**kwargs, "learning_rate": optax.constant_schedule(1e-3)})
    with_number = factory(**{**kwargs, "learning_rate": 1e-3})
    step_a, step_b = make_step(with_schedule, parabola), make_step(with_number, parabola)
    x_a = x_b = jnp.array([-1.0, 10.0, 1.0])
    state_a, state_b = with_schedule.init(x_a), with_number.init(x_b)
    for _ in range(10):
        x_a, state_a = step_a(x_a, state_a)
        x_b, state_b = step_b(x_b, state_b)
    assert_close(x_a, x_b, rtol=1e-12)


@every_optimiser
def test_partition_and_chain(factory, kwargs):
    """The maximiser's block is negated by the user, in the way of optax; both spellings agree."""
    params: Any = {"min": jnp.array(1.0), "max": jnp.array(1.0)}
    labels = {"min": "min", "max": "max"}
    by_label: dict[Hashable, Any] = {
        "min": factory(**kwargs),
        "max": optax.chain(optax.scale(-1.0), factory(**kwargs)),
    }
    split, joint = optax.partition(by_label, labels), factory(**kwargs)
    states = split.init(params), joint.init(params)
    for _ in range(3):
        gradient = {"min": params["max"], "max": params["min"]}
        field = {"min": params["max"], "max": -params["min"]}
        a, first = split.update(gradient, states[0], params)
        b, second = joint.update(field, states[1], params)
        states = first, second
        assert_close(a, b, rtol=1e-12)
        params = optax.apply_updates(params, a)

    clipped = optax.chain(factory(**kwargs), optax.clip(1e-6))
    updates, _ = clipped.update(params, clipped.init(params), params)
    assert all(abs(float(leaf)) <= 1e-6 for leaf in jax.tree.leaves(updates))


@every_optimiser
def test_absent_leaves(factory, kwargs):
    """Frozen parts of a model: `None` leaves (equinox.partition) and masked ones."""
    tx: Any = factory(**kwargs)
    params: Any = {"w": jnp.ones(2), "frozen": None}
    updates, _ = tx.update(params, tx.init(params), params)
    assert updates["frozen"] is None
    masked: Any = optax.masked(tx, {"w": True, "frozen": False})
    params = {"w": jnp.ones(2), "frozen": jnp.ones(2)}
    updates, _ = masked.update(params, masked.init(params), params)
    assert updates["frozen"].tolist() == [1, 1]


@every_optimiser
def test_differentiable_and_batched_in_the_angle(factory, kwargs):
    def position(angle):
        tx: Any = factory(**{**kwargs, "learning_rate": 0.1, "angle": angle})
        x: Any = jnp.array([1.0, 2.0])
        state = tx.init(x)
        for _ in range(4):
            x, state = make_step(tx, lambda x: jnp.sum(x**2))(x, state)
        return x[0]

    angles = jnp.array([0.3, 0.9])
    batched = jax.vmap(position)(angles)
    assert_close(batched, jnp.stack([position(a) for a in angles]), rtol=1e-12)
    slope = (position(0.3 + 1e-6) - position(0.3 - 1e-6)) / 2e-6
    assert_close(jax.grad(position)(0.3), slope, rtol=1e-5)


@pytest.mark.full
def test_sharding_is_kept():
    """A fresh process with eight virtual devices: the state is laid out like the parameters."""
    script = """
        import jax, jax.numpy as jnp
        from jax.sharding import NamedSharding, PartitionSpec as P
        from dgames import transforms as dgt
        mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
        jax.set_mesh(mesh)
        params = jax.device_put(jnp.ones((2, 8, 4), jnp.float16), NamedSharding(mesh, P(None, "x")))
        for tx in (dgt.complex_momentum(0.1), dgt.complex_adam(0.1, debias=True)):
            state = jax.jit(tx.init)(params)
            for _ in range(2):
                updates, new_state = jax.jit(tx.update)(params, state, params)
                for leaf in jax.tree.leaves((updates, new_state)):
                    assert leaf.ndim == 0 or leaf.sharding.is_equivalent_to(params.sharding, 3)
                types = lambda tree: [jax.typeof(leaf) for leaf in jax.tree.leaves(tree)]
                assert types(new_state) == types(state)
                state = new_state
    """
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    environment = {**os.environ, **flags}
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment, check=True)


# --- misuse ----------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", (-0.1, 1.0, 2))
def test_decay_out_of_range(decay):
    with pytest.raises(ValueError, match=r"`decay` must lie in \[0, 1\)"):
        dgt.complex_momentum(0.1, decay=decay)
    with pytest.raises(ValueError, match=r"`b2` must lie in \[0, 1\)"):
        dgt.complex_adam(0.1, b2=decay)


@pytest.mark.parametrize("tx", (dgt.complex_momentum(0.1), dgt.complex_adam(0.1)))
def test_complex_parameters_are_refused_and_the_remedy_works(tx: Any):
    params = jnp.array([1.0 + 2.0j])
    with pytest.raises(ValueError, match="split_real_and_imaginary"):
        tx.init(params)
    split: Any = optax.contrib.split_real_and_imaginary(tx)
    with as_optax_promotes():
        updates, _ = split.update(params, split.init(params), params)
    assert updates.dtype == params.dtype


def test_accumulator_dtype():
    with pytest.raises(ValueError, match="real floating dtype"):
        dgt.complex_momentum(0.1, accumulator_dtype=jnp.complex64).init(jnp.ones(2))
    params = jnp.ones(2, jnp.bfloat16)
    for scale_by in (dgt.scale_by_complex_momentum, dgt.scale_by_complex_adam):
        tx: Any = scale_by(accumulator_dtype=jnp.float32)
        updates, state = tx.update(params, tx.init(params), params)
        assert updates.dtype == jnp.bfloat16
        assert [leaf.dtype for leaf in jax.tree.leaves(state)].count(np.dtype("float32")) == 2


# --- numbers ---------------------------------------------------------------------------------


def bilinear(x):
    """Pseudo-gradient of `min_x max_y x y`."""
    return jnp.array([x[1], -x[0]])


def play(tx: Any, steps, start=(1.0, 1.0)):
    """Distance from the equilibrium of the bilinear game after some steps."""
    x = jnp.array(start)

    def step(carry, _):
        x, state = carry
        updates, state = tx.update(bilinear(x), state, x)
        return (optax.apply_updates(x, updates), state), None

    (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), length=steps)
    return float(jnp.linalg.norm(x))


def spectral_radius(tx: Any):
    """Of the one-step map on (x, buffers), from the derivative of the code that runs."""
    x = jnp.zeros(2)
    augmented, unravel = ravel_pytree((x, tx.init(x)))

    def step(flat):
        x, state = unravel(flat)
        updates, state = tx.update(bilinear(x), state, x)
        return ravel_pytree((optax.apply_updates(x, updates), state))[0]

    return max(abs(np.linalg.eigvals(jax.jacobian(step)(augmented))))


@pytest.mark.parametrize(
    ("step_size", "decay", "angle", "radius"),
    (
        (0.001, 0.9, np.pi / 8, 0.999995),
        (0.01, 0.9, np.pi / 8, 0.999455),
        (0.02, 0.9, np.pi / 8, 0.997803),
        (0.05, 0.9, np.pi / 8, 0.985690),
        (0.1, 0.9, np.pi / 8, 1.052984),
    ),
)
def test_spectral_radius_on_the_bilinear_game(step_size, decay, angle, radius):
    tx = dgt.complex_momentum(step_size, decay, angle)
    assert spectral_radius(tx) == pytest.approx(radius, abs=1e-6)


@pytest.mark.parametrize("step_size", (0.01, 0.05, 0.3, 1.1))
@pytest.mark.parametrize("angle", (0.0, 0.4, 2.0, np.pi))
def test_spectrum_is_the_closed_form(step_size, angle):
    """The largest root of `(z - 1)(z^2 - 2 Re(beta) z + |beta|^2) + step nu z (z - Re beta)`."""
    decay = 0.7
    real = decay * np.cos(angle)
    damped = np.array([1, -2 * real, decay**2])
    cubic = np.polymul([1, -1], damped) + step_size * 1j * np.array([0, 1, -real, 0])
    radius = spectral_radius(dgt.complex_momentum(step_size, decay, angle))
    assert radius == pytest.approx(max(abs(np.roots(cubic))), abs=1e-7)


@pytest.mark.parametrize(
    ("tx", "distance"),
    (
        (optax.sgd(0.1), 3.0e4),
        (optax.optimistic_gradient_descent(0.1), 5.6e-5),
        (dgt.complex_momentum(0.1, 0.9, np.pi / 4), 2.9e-8),
        (dgt.complex_momentum(0.1, 0.8, np.pi / 2), 1.7e-1),
    ),
)
def test_bilinear_game_after_2000_steps(tx, distance):
    assert play(tx, 2000) == pytest.approx(distance, rel=0.03)


def test_best_spectral_radius():
    """Over all steps and decays; the optimum is a double root, hence the tolerance."""
    tx = dgt.complex_momentum(0.56528829, 0.66721298, 0.37796889 * np.pi)
    assert spectral_radius(tx) == pytest.approx(0.888199, abs=1e-4)


@pytest.mark.parametrize(("step_size", "evaluations"), ((0.06, 1915), (0.1, 665), (0.12, 450)))
def test_dirac_gan_from_one_one(step_size, evaluations):
    """Evaluations until the distance to the equilibrium falls below 1e-4."""
    field = dg.pseudo_gradient(dg.games.DiracGAN())
    tx: Any = dgt.complex_momentum(step_size)
    x = (jnp.array(1.0), jnp.array(1.0))

    def step(carry):
        x, state, count = carry
        updates, state = tx.update(field(x), state, x)
        return optax.apply_updates(x, updates), state, count + 1

    start: Any = (x, tx.init(x), 0)
    *_, count = jax.lax.while_loop(lambda carry: jnp.hypot(*carry[0]) >= 1e-4, step, start)
    assert count == evaluations


def test_the_method_and_the_transformation_agree():
    """`dg.ComplexMomentum` is written on its own: two roads to one trajectory."""
    field = dg.pseudo_gradient(dg.games.DiracGAN())
    beta = 0.9 * np.exp(1j * np.pi / 8)
    method, wrapped = dg.ComplexMomentum(0.1, beta), dg.Optax(dgt.complex_momentum(0.1))
    x = y = (jnp.array(1.0), jnp.array(-0.5))
    state_x, state_y = method.init(field, x), wrapped.init(field, y)
    for _ in range(20):
        x, state_x = method.step(field, x, state_x)
        y, state_y = wrapped.step(field, y, state_y)
    assert_close(x, y, rtol=1e-12)


def test_largest_stable_step():
    """About 0.0721 for the default `beta`."""
    assert spectral_radius(dgt.complex_momentum(0.0719)) < 1
    assert spectral_radius(dgt.complex_momentum(0.0723)) > 1


@pytest.mark.parametrize(("angle", "sign"), ((0.0, 1), (np.pi, -1)))
def test_real_momentum_is_the_special_case(angle, sign, key):
    ours, theirs = dgt.complex_momentum(0.1, 0.9, angle), optax.sgd(0.1, momentum=sign * 0.9)
    params = {"a": jnp.zeros(3), "b": jnp.zeros((2, 2))}
    state_a, state_b = ours.init(params), theirs.init(params)
    for k in jax.random.split(key, 8):
        grads = optax.tree.random_like(k, params)
        a, state_a = ours.update(grads, state_a, params)
        b, state_b = theirs.update(grads, state_b, params)
        assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_complex_arithmetic_written_out(key):
    """The rule as in the paper, with one complex buffer."""
    beta = 0.8 * np.exp(1j * 0.7)
    tx: Any = dgt.complex_momentum(0.3, 0.8, 0.7)
    grads = np.asarray(jax.random.normal(key, (30, 4)))
    state = tx.init(jnp.zeros(4))
    mu = np.zeros(4, complex)
    for g in grads:
        mu = beta * mu - g
        updates, state = tx.update(jnp.asarray(g), state)
        assert_close(updates, 0.3 * mu.real, rtol=1e-12, atol=1e-14)


def reference_complex_adam(grads, lr, beta, b2, eps, normalise, debias):
    mu, nu = np.zeros_like(grads[0], dtype=complex), np.zeros_like(grads[0])
    for t, g in enumerate(grads, start=1):
        mu = beta * mu + (1 - beta if normalise else 1) * g
        nu = b2 * nu + (1 - b2) * g**2
        moment = mu / (1 - beta**t) if debias else mu
        yield -lr * moment.real / (np.sqrt(nu / (1 - b2**t)) + eps)


@pytest.mark.parametrize("normalise", (False, True))
@pytest.mark.parametrize("debias", (False, True))
@pytest.mark.parametrize("angle", (0.0, np.pi / 8, np.pi))
def test_complex_adam_written_out(key, normalise, debias, angle):
    grads = np.asarray(jax.random.normal(key, (30, 4)))
    tx: Any = dgt.complex_adam(0.3, 0.9, angle, 0.99, 1e-6, normalise=normalise, debias=debias)
    state = tx.init(jnp.zeros(4))
    beta = 0.9 * np.exp(1j * angle) if angle else 0.9
    expected = reference_complex_adam(grads, 0.3, beta, 0.99, 1e-6, normalise, debias)
    for g, reference in zip(grads, expected, strict=True):
        updates, state = tx.update(jnp.asarray(g), state)
        assert_close(updates, reference, rtol=1e-10, atol=1e-13)


def test_adam_is_the_special_case(key):
    ours = dgt.complex_adam(0.1, angle=0.0, normalise=True, debias=True)
    theirs = optax.adam(0.1)
    x = jnp.zeros(5)
    state_a, state_b = ours.init(x), theirs.init(x)
    for k in jax.random.split(key, 8):
        g = jax.random.normal(k, (5,))
        a, state_a = ours.update(g, state_a)
        with as_optax_promotes():
            b, state_b = theirs.update(g, state_b)
        assert_close(a, b, rtol=1e-9)


@pytest.mark.parametrize("gradient", (0.01, -3.0))
def test_effective_step_under_a_constant_gradient(gradient):
    """The step tends to `learning_rate * Re(1 / (1 - beta))`; to `learning_rate` if normalised."""
    gain = (1 / (1 - 0.9 * np.exp(1j * np.pi / 8))).real
    g = jnp.array(gradient)
    for factory, size in (
        (dgt.complex_momentum, gain * abs(gradient)),
        (functools.partial(dgt.complex_adam, eps=0.0), gain),
        (functools.partial(dgt.complex_adam, eps=0.0, normalise=True), 1.0),
        (functools.partial(dgt.complex_adam, eps=0.0, debias=True), gain),
    ):
        tx: Any = factory(0.05)
        state, updates, update = tx.init(g), g, jax.jit(tx.update)
        for _ in range(300):
            updates, state = update(g, state)
        assert float(updates) == pytest.approx(-0.05 * np.sign(gradient) * size, rel=1e-9)
    # corrected for the zero start, the very first step has that size already
    tx: Any = dgt.complex_adam(0.05, eps=0.0, debias=True)
    first, _ = tx.update(g, tx.init(g))
    assert float(first) == pytest.approx(-0.05 * np.sign(gradient) * gain, rel=1e-9)


def test_long_runs_stay_finite():
    """Powers of `beta` underflow long before the count does."""
    tx: Any = dgt.complex_adam(0.1, debias=True)
    g = jnp.ones(2, jnp.float32)
    state = tx.init(g)
    state = (state[0]._replace(count=jnp.array(2**31 - 2, jnp.int32)), *state[1:])
    for _ in range(3):
        updates, state = tx.update(g, state)
        assert bool(jnp.all(jnp.isfinite(updates)))


# --- extrapolation ---------------------------------------------------------------------------


def two_updates(tx: Any):
    """The map of one whole step on the bilinear game; states other than the parameters are new."""

    def step(x):
        state = tx.init(x)
        for _ in range(2):
            updates, state = tx.update(bilinear(x), state, x)
            x = optax.apply_updates(x, updates)
        return x

    return step


@pytest.mark.parametrize("step_size", (0.3, 1 / np.sqrt(2), 1.1))
def test_extrapolated_descent_is_the_extragradient_method(step_size):
    """The spectral radius of a step is `sqrt(1 - h^2 + h^4)`; with a set, too, the steps agree."""
    # A large eps freezes the denominator of Adam, up to a millionth.
    frozen = dgt.extra_adam(1e8 * step_size, b1=0.0, eps=1e8)
    for tx, tolerance in ((dgt.extragradient(optax.sgd(step_size)), 1e-12), (frozen, 1e-6)):
        with as_optax_promotes():
            jacobian = jax.jit(jax.jacobian(two_updates(tx)))(jnp.array([0.3, 0.4]))
        expected = np.sqrt(1 - step_size**2 + step_size**4)
        assert max(abs(np.linalg.eigvals(jacobian))) == pytest.approx(expected, abs=tolerance)
    game = dg.game(
        lambda x, args: (x[0] * x[1] + x[0] ** 4, x[1] ** 2 - x[0] * x[1]), dg.Box(-1, 1)
    )
    field, start = dg.pseudo_gradient(game), (jnp.array(0.9), jnp.array(0.8))
    method, wrapped = dg.Extragradient(step_size), dg.Optax(dgt.extragradient(optax.sgd(step_size)))
    x = y = start
    state: Any = wrapped.init(field, y)
    step = eqx.filter_jit(lambda method, x, state: method.step(field, x, state))
    for _ in range(5):
        x, _ = step(method, x, None)
        for _ in range(2):
            y, state = step(wrapped, y, state)
        assert_close(x, y, rtol=1e-12, atol=1e-15)


def test_extra_adam_written_out():
    """Algorithm 4 of Gidel et al., on a game with a cost that is not quadratic."""

    def force(x):
        return np.array([x[1] + x[0] ** 3, -x[0] + x[1]])

    rate, b1, b2, eps = 0.05, 0.4, 0.8, 1e-3
    x, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    tx: Any = dgt.extra_adam(rate, b1, b2, eps)
    y = jnp.asarray(x)
    state, update = tx.init(y), jax.jit(tx.update)
    for t in range(20):
        base = x
        for half in (1, 2):
            g, count = force(x), 2 * t + half
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            x = base - rate * (m / (1 - b1**count)) / (np.sqrt(v / (1 - b2**count)) + eps)
            with as_optax_promotes():
                updates, state = update(jnp.asarray(force(np.asarray(y))), state, y)
            y = optax.apply_updates(y, updates)
            assert_close(y, x, rtol=1e-10)


def test_optimistic_adam_of_optax_is_that_of_the_paper():
    """Algorithm 1 of Daskalakis et al., but for a first step that is not taken twice."""
    rate, b1, b2, eps = 0.05, 0.4, 0.8, 1e-3
    tx: Any = optax.optimistic_adam_v2(rate, b1=b1, b2=b2, eps=eps, nesterov=False)
    grads = np.random.default_rng(0).normal(size=(10, 3))
    state, m, v, past = tx.init(jnp.zeros(3)), 0.0, 0.0, None
    for t, g in enumerate(grads, start=1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        present = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        expected = -2 * rate * present + rate * (present if past is None else past)
        past = present
        with as_optax_promotes():
            updates, state = tx.update(jnp.asarray(g), state)
        assert_close(updates, expected, rtol=1e-10)


def test_adam_converges_on_the_bilinear_game_only_if_it_looks_ahead():
    """Distances after 4000 updates; with much momentum of the first kind nothing helps."""
    options: Any = {"learning_rate": 0.03, "b1": 0.0, "b2": 0.999}
    with as_optax_promotes():
        assert play(optax.adam(**options), 4000) > 2
        assert play(dgt.extra_adam(**options), 4000) < 1e-4
        assert play(optax.optimistic_adam_v2(nesterov=False, **options), 4000) < 1e-4
        assert play(dgt.extra_adam(**{**options, "b1": 0.9}), 4000) > 2


@pytest.mark.parametrize("dtype", (jnp.bfloat16, jnp.float32))
def test_extrapolation_keeps_dtypes_and_absent_leaves(dtype):
    tx: Any = dgt.extra_adam(optax.constant_schedule(0.1))
    params: Any = {"w": jnp.ones(2, dtype), "frozen": None}
    with as_optax_promotes():
        state = tx.init(params)
        updates, new_state = jax.jit(tx.update)(params, state, params, nobody_expects_this=1)
    assert_same_type(updates, params)
    assert_same_type(new_state, state)
    with pytest.raises(ValueError, match="needs the parameters"):
        tx.update(params, state)
    with pytest.raises(ValueError, match=r"`b1` must lie in \[0, 1\)"):
        dgt.extra_adam(0.1, b1=1.0)
