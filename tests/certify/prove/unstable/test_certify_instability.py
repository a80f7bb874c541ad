"""Equilibria that repel: closed forms on small games, and nothing proved of stable ones."""

import itertools

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.flatten_util import ravel_pytree
from jaxtyping import TypeCheckError

import dgames as dg
from certify import certify_instability
from certify.checker.exact import Work
from certify.checker.reader import Reader
from certify.checker.step_matrices import BITS, RoundedIntervalMatrix, StepMethod, step_jacobian
from certify.prove.unstable.growing_form import growing_forms
from certify.prove.unstable.posed_field import method_in_file
from dgames.strategy import ravel

PULL = dg.zero_sum(lambda x, args: x[0] * x[1])
CENTRE = (0.0, 0.0)
METHODS = [
    dg.Simultaneous(0.3),
    dg.Simultaneous((0.3, 0.7)),
    dg.Alternating((0.3, 0.7)),
    dg.Extragradient((0.3, 0.7)),
    dg.Optimistic((0.3, 0.7)),
    dg.Optimistic((0.3, 0.7), reflected=True),
    dg.Heun(0.3),
    dg.SSPRK3(0.3),
    dg.RungeKutta4((0.3, 0.7)),
    dg.Momentum((0.3, 0.7), -0.4),
    dg.ComplexMomentum((0.3, 0.7), 0.4 - 0.3j),
]


def floats(matrix):
    return np.array([[x / 2**BITS for x in row] for row in matrix.centre])


def derivatives(method, game, x, jacobian):
    """Those of the checker, of the step and of the first state, for a method of dgames."""
    sizes = [leaf.size for leaf in x]
    described = Reader(method_in_file("test", method, game, x))
    whole = [[int(entry) for entry in row] for row in jacobian]
    exact = RoundedIntervalMatrix.exact(whole)
    return step_jacobian(StepMethod(described, len(sizes)), exact, sizes, Work())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_the_checker_knows_the_steps_of_dgames(method):
    """The derivative of the code, on a linear game of players with two and one coordinates."""
    matrix = np.array([[2.0, -1.0, 3.0], [4.0, 1.0, -2.0], [-3.0, 5.0, 1.0]])
    field = dg.FunctionField(
        lambda x, args: (matrix[:2] @ jnp.concatenate(x), matrix[2:] @ jnp.concatenate(x))
    )
    x = (jnp.zeros(2), jnp.zeros(1))
    state = method.init(field, x)
    vector, unravel = ravel(x)
    restored = ravel_pytree(state)[1]

    def flat(state):
        return jnp.concatenate([jnp.zeros(0), *map(jnp.ravel, jax.tree.leaves(state))])

    def step(z):
        new, state = method.step(field, unravel(z[:3]), restored(z[3:]))
        return jnp.concatenate([ravel(new)[0], flat(state)])

    def start(vector):
        first = method.init(field, unravel(vector))
        return jnp.concatenate([vector, flat(first)])

    found = derivatives(method, field, x, matrix)
    expected = jax.jacobian(step)(jnp.concatenate([vector, flat(state)]))
    np.testing.assert_allclose(floats(found.step), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(floats(found.start), jax.jacobian(start)(vector), atol=1e-13)
    assert max(x for m in found for row in m.radius for x in row) < 2**16  # of 2^256


def radius_of(method, game=PULL):
    x = (jnp.zeros(1), jnp.zeros(1))
    return np.abs(
        np.linalg.eigvals(floats(derivatives(method, game, x, [[0, 1], [-1, 0]]).step))
    ).max()


@pytest.mark.parametrize(
    ("method", "radius"),
    [
        (dg.Simultaneous(1e-3), (1 + 1e-6) ** 0.5),
        (dg.Simultaneous(2.0), 5**0.5),
        (dg.Heun(0.1), abs(1 - 0.1j - 0.005)),
        (dg.Extragradient(1.1), (1 - 1.1**2 + 1.1**4) ** 0.5),
        (dg.RungeKutta4(3.0), abs(sum((-3j) ** k / f for k, f in enumerate((1, 1, 2, 6, 24))))),
        (dg.Alternating(2.5), (2.5**2 - 2 + 2.5 * (2.5**2 - 4) ** 0.5) / 2),
        (dg.Optimistic(0.6), None),
        (dg.Optimistic(0.6, reflected=True), None),
        (dg.Momentum(0.1, -0.5), None),
        (dg.Momentum(0.1, 0.0), 1.01**0.5),
        (dg.Momentum(0.1, 0.9), None),
        (dg.ComplexMomentum(2.5, 0.5j), None),
    ],
    ids=repr,
)
def test_the_product_of_two_numbers_repels(method, radius):
    """The equilibrium of `x y`, with nearly the whole logarithm of the spectral radius."""
    found = certify_instability(PULL, method, (0.1, 0.1))
    assert found.status == "proved" and found.check(level=2).ok
    known = radius_of(method) if radius is None else radius
    assert 1 < found.spectral_radius <= known * (1 + 1e-13)
    assert np.log(found.spectral_radius) > 0.99 * np.log(known)
    lower, upper = (np.array(end) for end in found.zero)
    assert (lower <= 0).all() and (upper >= 0).all() and (upper - lower < 1e-200).all()


@pytest.mark.parametrize(
    "method",
    [
        None,
        dg.Alternating(1.9),
        dg.Alternating(0.5),
        dg.Extragradient(0.9),
        dg.Extragradient(1.0),  # the radius is one
        dg.Optimistic(0.57),  # the limit is 1 / sqrt(3)
        dg.Optimistic(0.577, reflected=True),
        dg.RungeKutta4(2.8),
        dg.ComplexMomentum(0.2, 0.7j),
    ],
    ids=repr,
)
def test_what_is_stable_on_a_product_is_not_proved(method):
    found = certify_instability(PULL, method, (0.1, 0.1))
    assert found.status == "undecided" and "no form" in found.reasons[0]
    assert "(an estimate)" in found.reasons[0]


def test_the_limit_of_optimistic_steps_on_a_product():
    """It is `1 / sqrt(3)`: stable below, repelling above."""
    limit = 3**-0.5
    for share, status in ((1 - 1e-4, "undecided"), (1 + 1e-4, "proved")):
        assert certify_instability(PULL, dg.Optimistic(limit * share), CENTRE).status == status


TRAP = dg.zero_sum(lambda x, args: -3 * x[0] ** 2 - x[1] ** 2 + 4 * x[0] * x[1])


@pytest.mark.parametrize(
    ("method", "radius"),
    [(dg.Simultaneous(0.1), 1.2), (dg.Extragradient(0.1), 1.24), (dg.Simultaneous(0.01), 1.02)],
    ids=repr,
)
def test_a_double_eigenvalue(method, radius):
    """The eigenvalue -2 of J is double and defective."""
    found = certify_instability(TRAP, method, (0.1, 0.1))
    assert found.status == "proved" and 0.99 < np.log(found.spectral_radius) / np.log(radius) <= 1


def test_the_flow_at_a_saddle_of_the_eigenvalues():
    found = certify_instability(TRAP, None, (0.1, 0.1))
    assert found.method == "flow" and 1.9 < found.growth < 2 and found.step_sizes == {}
    assert 1 < found.spectral_radius < np.exp(2)
    game = dg.game(lambda x, args: (-0.25 * x[0] ** 2, x[1] ** 2 + x[0] * x[1]))
    found = certify_instability(game, None, (0.3, 0.2))
    assert found.status == "proved" and 0.49 < found.growth < 0.5
    # The eigenvector of J that grows is (5, -2).
    assert abs(float(found.direction[0])) > 0.4


@pytest.mark.parametrize(("tau", "status"), [(2.99, "proved"), (3.01, "undecided")])
def test_two_timescales_attract_beyond_three(tau, status):
    """The trace of the rescaled Jacobian is `2 tau - 6`, its determinant `4 tau`."""
    steps = dg.Simultaneous((1e-3, 1e-3 * tau))
    assert certify_instability(TRAP, steps, CENTRE).status == status
    rescaled = dg.Rescaled(TRAP, (1.0, tau))
    assert certify_instability(rescaled, None, CENTRE).status == status


@dg.zero_sum
def almost_bilinear(x, args):
    """Hsieh, Mertikopoulos and Cevher (2021): a limit cycle around an equilibrium that repels."""
    return x[0] * x[1] + args * (x[1] ** 2 / 2 - x[1] ** 4 / 4)


@pytest.mark.parametrize(
    "method", [None, dg.Simultaneous(0.02), dg.Extragradient(0.02), dg.Optimistic(0.02)], ids=repr
)
def test_an_equilibrium_within_a_limit_cycle_repels(method):
    found = certify_instability(almost_bilinear, method, (0.05, -0.02), args=0.1)
    assert found.status == "proved" and found.check(level=2).ok
    assert found.difference(almost_bilinear, args=0.1) is None
    assert found.difference(almost_bilinear, args=0.2) is not None
    steps = {} if method is None else {"0": 0.02, "1": 0.02}
    assert found.step_sizes == steps
    # With the sign of the term changed, the equilibrium attracts.
    assert (
        certify_instability(almost_bilinear, method, (0.05, 0.0), args=-0.1).status == "undecided"
    )


def test_runs_along_the_direction_leave():
    """Started on the direction, as near as one likes, with the method's own first state."""
    method = dg.Optimistic(0.6)
    found = certify_instability(PULL, method, CENTRE)
    field = dg.pseudo_gradient(PULL)
    x = jax.tree.map(lambda u: 1e-9 * jnp.asarray(u), found.direction)
    state = method.init(field, x)
    first = float(jnp.hypot(*x))
    for _ in range(100):
        x, state = method.step(field, x, state)
    assert float(jnp.hypot(*x)) > 10 * first


@pytest.mark.parametrize("x", [(0.25, 0.5), (0.0, 0.0)])
def test_strategy_sets_have_to_contain_the_equilibrium(x):
    game = dg.zero_sum(
        lambda x, args: (x[0] - args[0]) * (x[1] - args[1]), strategy_set=dg.Box(0.0, 1.0)
    )
    if x == (0.0, 0.0):
        with pytest.raises(ValueError, match="the region leaves the strategy set"):
            certify_instability(game, dg.Simultaneous(0.5), x, args=x)
    else:
        found = certify_instability(game, dg.Simultaneous(0.5), x, args=x)
        assert found.status == "proved"


def test_what_is_refused():
    class Mine(dg.Simultaneous):
        """A method that the checker does not know."""

    class Blocks(dg.FunctionField):
        """A field with blocks of its own."""

        def block(self, x, player, args=None):
            return x[player]

    field = Blocks(lambda x, args: (x[1], -x[0]))
    for method, words in (
        (Mine(0.1), "it must be None for the flow"),
        (dg.Averaged(dg.Simultaneous(0.1)), "it must be None for the flow"),
        (dg.ComplexMomentum(0.1 + 0.1j, 0.5), "has to be real"),
        (dg.ComplexMomentum(0.1, 0.5, alternating=True), "simultaneous moves"),
        (dg.Momentum(0.1, (0.1, 0.2)), "the same for all players"),
        (dg.Simultaneous(0.0), "positive and finite"),
        (dg.Simultaneous(jnp.nan), "positive and finite"),
    ):
        with pytest.raises(ValueError, match=words):
            certify_instability(PULL, method, CENTRE)
    with pytest.raises(ValueError, match="`block` of its own"):
        certify_instability(field, dg.Alternating(0.1), CENTRE)
    away = dg.FunctionField(lambda x, args: (-x[0], -x[1]))
    object.__setattr__(away, "project", lambda x: (0.0 * x[0], 0.0 * x[1]))
    for method in (None, dg.Simultaneous(0.1)):
        with pytest.raises(ValueError, match="`project` of its own"):
            certify_instability(away, method, CENTRE)
    assert certify_instability(field, dg.Simultaneous(0.1), CENTRE).status == "proved"
    with pytest.raises(ValueError, match="must be positive"):
        certify_instability(PULL, None, CENTRE, radius=-1.0)
    with pytest.raises((ValueError, TypeCheckError), match=r"give a game|Type-check error"):
        certify_instability(lambda x, args: x, None, CENTRE)  # pyright: ignore
    flat = certify_instability(dg.game(lambda x, args: (x[0] ** 4, x[1] ** 2)), None, CENTRE)
    assert flat.status == "undecided" and "singular" in flat.reasons[1]


MATRICES = st.lists(st.floats(-1, 1), min_size=9, max_size=9).map(lambda v: np.reshape(v, (3, 3)))


@given(MATRICES, st.booleans())
@settings(max_examples=60, deadline=None)
def test_forms_grow_as_they_say(matrix, flow):
    """In floating point, with room for rounding; and there are none for what does not grow."""
    values = np.linalg.eigvals(matrix)
    top = (values.real if flow else np.abs(values)).max()
    forms = list(itertools.islice(growing_forms(matrix, np.eye(3), flow=flow), 1))
    if top < (0 if flow else 1) - 1e-9:
        assert not forms
    for form in forms:
        p = np.reshape(np.array(form.matrix, float), (3, 3))
        u = np.array(form.direction, float)
        p, growth = p / np.abs(p).max(), form.growth
        left = (
            p @ matrix + matrix.T @ p - 2 * growth * p
            if flow
            else matrix.T @ p @ matrix - growth * p
        )
        assert u @ p @ u > 0 and growth > (0 if flow else 1)
        assert np.linalg.eigvalsh(left).min() > -1e-9 * max(1.0, np.abs(left).max())
