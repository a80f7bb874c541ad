"""Caps of spectral norms: the polynomial in closed form, the bound of Muon, and whole runs."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import TypeCheckError
from optax import contrib

from dgames import transforms as dgt
from dgames.transforms.soft_cap import cap_coefficient

# optax itself promotes in places (counts, learning rates); there the strictness of tests ends.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def as_optax_promotes():
    with jax.numpy_dtype_promotion("standard"):
        yield


# optax's type of a tree of updates is a union without operators: it is taken as anything.
def updated(tx: Any, *arguments) -> Any:
    return tx.update(*arguments)


def norm(matrix):
    return np.linalg.norm(matrix, ord=2)


@pytest.mark.parametrize(
    ("w_max", "decay", "step", "expected"),
    [
        (1.0, 0.0, 0.1, 0.158864),
        (1.0, 0.01, 0.05, 0.111315),
        (2.0, 0.0, 0.1, 0.030610),
        (4.0, 0.0, 0.1, 0.005628),
    ],
)
def test_the_coefficient_of_the_cap(w_max, decay, step, expected):
    """Against the quartic itself, and numbers that were computed with it before."""
    k = w_max * (1 - decay) + step
    roots = np.roots([-(k**9), 3 * k**7, -3 * k**5, 0, k - w_max])
    real = roots.real[(abs(roots.imag) < 1e-12) & (roots.real >= 0)]
    a = float(cap_coefficient(jnp.asarray(k), w_max))
    assert a == pytest.approx(min(real), rel=1e-10) == pytest.approx(expected, abs=5e-7)
    x = np.linspace(0, k, 100_001)
    y = x - a * x**3
    values = y + a * y**3
    assert w_max - 1e-12 < values.max() <= w_max and np.all(np.diff(values) > 0)


def test_there_is_no_cap_where_none_is_needed():
    tx = dgt.soft_cap(1.0, update_norm=0.1, decay=0.1)
    w = jnp.diag(jnp.array([1.0, -0.5]))
    updates, _ = updated(tx, -0.1 * w, tx.init(w), w)
    np.testing.assert_allclose(w + updates, 0.8 * w, rtol=1e-15)


@pytest.mark.thin(3)
@pytest.mark.parametrize("step", [0.3, 0.05, 0.31, 1.0, 30.0])
def test_the_cap_holds_at_any_size_of_updates(step):
    """Also where the polynomial alone would not rise: `(19/62 + decay) w_max` is .326 here."""
    tx = dgt.soft_cap(1.0, update_norm=step, decay=0.02)
    random = np.random.default_rng(1)
    update: Any = jax.jit(tx.update)
    w, state = jnp.zeros((5, 3)), tx.init(jnp.zeros((5, 3)))
    largest = []
    constant = random.normal(size=(5, 3))
    for k in range(30):
        move = constant + 0.3 * random.normal(size=(5, 3)) * (k > 20)
        updates, state = update(jnp.asarray(step * move / norm(move)), state, w)
        w = optax.apply_updates(w, updates)
        largest.append(norm(w))
    assert max(largest) <= 1 + 1e-14 and max(largest) > 0.8


def test_steps_of_muon_are_bounded_and_not_by_one():
    """In rational intervals, the polynomial maps [0, 1.203] into itself; its maximum is 1.2024."""

    def polynomial(low, high):
        a, b, c = Fraction(34445, 10_000), Fraction(4775, 1000), Fraction(20315, 10_000)
        return (
            a * low - b * high**3 + c * low**5,
            a * high - b * low**3 + c * high**5,
        )

    grid = [Fraction(k, 20_000) for k in range(24_061)]
    assert grid[-1] == Fraction(1203, 1000)
    values = [polynomial(low, high) for low, high in pairwise(grid)]
    assert max(high for _, high in values) <= Fraction(1203, 1000)
    # The lower bounds of the first cells are zero up to their width.
    assert min(low for low, _ in values) > -Fraction(1, 1000)
    s = np.linspace(0, 1, 200_001)
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    assert 1.2023 < s.max() < dgt.MUON_NORM == 1.203


@pytest.mark.thin(2)
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_muon_reaches_its_bound(dtype):
    """Singular values are chosen so that Newton and Schulz take some of them to the maximum."""
    values = jnp.linspace(1e-3, 1.0, 400).astype(dtype)
    raw = contrib.scale_by_muon(
        weight_dimension_numbers=lambda tree: jax.tree.map(
            lambda _: contrib.MuonDimensionNumbers(), tree
        )
    )
    update, _ = updated(raw, [jnp.diag(values)], raw.init([jnp.diag(values)]))
    # Updates of diagonal matrices are diagonal.
    assert 1.19 < jnp.max(jnp.abs(update[0])) < dgt.MUON_NORM


def train(tx, params, gradient, steps):
    """The parameters after some steps, and the largest norm of any matrix on the way."""

    @jax.jit
    def step(carry, _):
        params, state = carry
        updates, state = tx.update(gradient(params), state, params)
        params: Any = optax.apply_updates(params, updates)
        return (params, state), jnp.linalg.norm(params["weight"], ord=2)

    (params, _), norms = jax.lax.scan(step, (params, tx.init(params)), None, length=steps)
    return params, float(jnp.max(norms))


TRAINERS = {
    "muon": lambda: dgt.capped_muon(0.05, 1.5, decay=0.001),
    "schedule": lambda: dgt.capped_muon(optax.linear_schedule(0.5, 0.01, 100), 1.5),
    "clipped": lambda: optax.chain(
        optax.adam(0.1),
        dgt.clip_by_spectral_norm(0.1),
        dgt.soft_cap(1.5, update_norm=0.1),
    ),
    "rescaled": lambda: optax.chain(optax.adam(0.1), dgt.keep_spectral_norm(1.5)),
}


@pytest.mark.thin(4)
@pytest.mark.parametrize("make", TRAINERS.values(), ids=TRAINERS)
def test_matrices_stay_below_the_cap_and_learn(make):
    """The nearest matrix of norm 1.5 to diag(3, 1, 0) is diag(1.5, 1, 0)."""
    target = jnp.diag(jnp.array([3.0, 1.0, 0.0]))
    start = {"weight": 0.1 * jnp.eye(3), "bias": jnp.ones(3)}

    def gradient(params):
        return {"weight": params["weight"] - target, "bias": params["bias"] - 5.0}

    params, largest = train(make(), start, gradient, 300)
    # Muon takes some singular values to less than its bound, and so below the cap.
    assert 1.3 < largest <= 1.5 * (1 + 1e-13)
    np.testing.assert_allclose(np.diag(params["weight"]), [1.42, 1.0, 0.0], atol=0.09)
    assert jnp.all(params["bias"] > 1.5)  # vectors are nobody's business here


def test_rescaling_bounds_what_it_is_given():
    """Without any assumption about the first matrix or the update; vectors pass."""
    tx = dgt.keep_spectral_norm(2.0)
    params = {"weight": 7 * jnp.eye(2), "bias": 9 * jnp.ones(2)}
    updates, _ = updated(tx, params, tx.init(params), params)
    moved: Any = optax.apply_updates(params, updates)
    assert 1.95 < norm(moved["weight"]) <= 2.0 and jnp.all(moved["bias"] == 18)
    small = {"weight": jnp.eye(2), "bias": jnp.ones(2)}
    updates, _ = updated(tx, jax.tree.map(jnp.zeros_like, small), tx.init(small), small)
    assert jnp.all(updates["weight"] == 0)
    clip = dgt.clip_by_spectral_norm(0.5)
    clipped, _ = updated(clip, params, clip.init(params))
    assert 0.48 < norm(clipped["weight"]) <= 0.5 and jnp.all(clipped["bias"] == 9)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dgt.soft_cap(0.0, update_norm=0.1), "soft_cap: `w_max` must be positive"),
        (lambda: dgt.soft_cap(1.0, update_norm=-0.1), "soft_cap: `update_norm` must be positive"),
        (lambda: dgt.soft_cap(1.0, update_norm=0.1, decay=1.0), "soft_cap: `decay` must lie in"),
        (lambda: dgt.keep_spectral_norm(-1.0), "keep_spectral_norm: `w_max` must be positive"),
        (lambda: dgt.clip_by_spectral_norm(0.0), "clip_by_spectral_norm: `max_norm` must be"),
        (lambda: dgt.keep_spectral_norm(1.0).update(jnp.eye(2), ()), "needs the parameters"),
        (
            lambda: dgt.soft_cap(1.0, update_norm=0.1).update(jnp.eye(2), ()),
            "needs the parameters",
        ),
    ],
)
def test_errors_say_what_is_wrong(make, words):
    with pytest.raises((ValueError, TypeCheckError), match=rf"{words}|Type-check error"):
        make()


def test_a_first_matrix_above_the_cap_is_refused():
    tx = dgt.capped_muon(0.02, 1.5)
    with pytest.raises(ValueError, match=r"has the norm 2, above the cap of 1\.5"):
        tx.init({"weight": 2 * jnp.eye(3), "bias": jnp.full(3, 9.0)})
    jax.eval_shape(tx.init, {"weight": 2 * jnp.eye(3)})  # traced matrices are not looked at
