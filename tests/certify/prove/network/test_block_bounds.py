"""Constants of network games against sampled Jacobians and closed forms."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg

NEIGHBOURS = np.array([[1, 2, -1], [0, 0, 3], [3, -1, -1], [-1, 0, 1], [0, 1, 2]])
WEIGHTS = np.random.default_rng(0).uniform(0.1, 0.6, NEIGHBOURS.shape)


def cost(own, others, weights, args):
    """A block of two leaves, in nonlinear terms."""
    pull = jnp.tanh(weights @ others["a"])
    both = jnp.sum(own["a"] ** 2) + own["b"] ** 2 + args * jnp.cos(own["a"][0] + own["b"])
    return both - own["a"] @ pull + own["b"] * jnp.sin(jnp.sum(others["b"]))


GAME = dg.NetworkGame(cost, NEIGHBOURS, WEIGHTS)


PAIR = np.array([[1], [0]])
WIDE = certify.Box(dg.Stacked(-jnp.ones(2)), dg.Stacked(jnp.ones(2)))


def pair(cost):
    return dg.NetworkGame(cost, PAIR)


def box(key, radius=0.4):
    centre = {"a": jax.random.normal(key, (5, 2)), "b": jnp.linspace(-1.0, 1.0, 5)}
    return certify.Box.around(dg.Stacked(centre), radius)


@pytest.mark.full
def test_sampled_jacobians_obey_the_bounds(key):
    region = box(key)
    found = certify.network_constants(GAME, region, 0.3, chunk=2)
    coupling = found.coupling.toarray()
    unravel = dg.ravel(region.lower)[1]
    jacobian = jax.vmap(lambda x: dg.jacobian_blocks(GAME, unravel(x), 0.3).blocks.blocks)
    lower, upper = region.bounds()
    rng = np.random.default_rng(1)
    corners = np.where(rng.integers(0, 2, (200, lower.size)), lower, upper)
    J = np.asarray(jax.jit(jacobian)(np.concatenate([corners, region.sample(key, 200)])))
    values = np.linalg.eigvalsh(J[:, range(5), range(5)])
    assert (found.curvature <= values[..., 0]).all()
    assert (values[..., -1] <= found.smoothness).all()
    sizes = np.linalg.norm(J, 2, (-2, -1)).max(0)
    np.fill_diagonal(sizes, 0.0)
    assert (sizes <= coupling * (1 + 1e-14)).all()
    assert ((sizes > 0) == (coupling > 0)).all()
    # Near enough to be of use: two places of one neighbour cost the most.
    assert (coupling <= 2.2 * sizes).all()
    assert (found.curvature >= 2 - 2 * 0.3 - 1e-12).all()
    # Chunks and their padding change nothing, and one program serves all of them.
    whole = certify.network_constants(GAME, region, 0.3)
    np.testing.assert_allclose(found.curvature, whole.curvature, rtol=1e-14)
    np.testing.assert_allclose(found.coupling.data, whole.coupling.data, rtol=1e-14)


@pytest.mark.full
def test_affine_arithmetic_sees_what_cancels():
    def cancelling(own, others, weights, args):
        square = jnp.square(own + others[0])
        return own**2 + 0.1 * (square * square - square * own * own)

    found = {
        enclosure.name: certify.network_constants(pair(cancelling), WIDE, enclosure=enclosure)
        for enclosure in (certify.IntervalMatrices(), certify.AffineArithmetic())
    }
    # With s = own + other the second derivative along the own block is 2 + 0.1 (10 s^2 - 2 o^2 -
    # 8 s o), and across 0.1 (12 s^2 - 2 o^2 - 4 s o).
    own, other = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    s = own + other
    curvature = 2 + 0.1 * (10 * s**2 - 2 * own**2 - 8 * s * own)
    coupling = np.abs(0.1 * (12 * s**2 - 2 * own**2 - 4 * s * own))
    for bounds in found.values():
        assert (bounds.curvature <= curvature.min()).all()
        assert (bounds.smoothness >= curvature.max()).all()
        assert (bounds.coupling.data >= coupling.max()).all()
    assert (found["affine"].curvature > found["interval"].curvature).all()
    assert (found["affine"].coupling.data < found["interval"].coupling.data).all()


def test_linear_games_are_exact_and_repeated_neighbours_add_up():
    weights = np.array([[0.1, 0.2], [0.3, 0.0]])
    game = dg.NetworkGame(
        lambda own, others, w, args: 1.5 * own**2 - own * (w @ others), [[1, 1], [0, -1]], weights
    )
    region = certify.Box(dg.Stacked(-jnp.ones(2)), dg.Stacked(jnp.ones(2)))
    found = certify.network_constants(game, region)
    np.testing.assert_allclose(found.curvature, 3.0, rtol=1e-14)
    assert (found.curvature <= 3.0).all() and (found.smoothness >= 3.0).all()
    dense = found.coupling.toarray()
    assert 0.1 + 0.2 <= dense[0, 1] <= 0.3 * (1 + 1e-14) and 0.3 <= dense[1, 0] <= 0.3 * (1 + 1e-14)
    gain = certify.small_gain(found.curvature, found.coupling)
    assert gain.margin == pytest.approx(3 - 0.3, abs=1e-12)


def test_lower_precision_is_promoted_and_said():
    game = dg.NetworkGame(
        lambda own, others, w, args: own**2 - w * own * jnp.sum(others),
        [[1], [0]],
        jnp.full(2, 0.1, jnp.float32),
    )
    ends = (dg.Stacked(jnp.full(2, s, jnp.float32)) for s in (-1.0, 1.0))
    found = certify.network_constants(game, certify.Box(*ends))
    assert found.promoted
    # The weight is the float32 that it is.
    assert found.coupling[0, 1] == pytest.approx(float(np.float32(0.1)), rel=1e-14)


def kinked(own, others, weights, args):
    return own**2 + jnp.abs(own - 0.25) - 0.1 * own * jnp.sum(others)


def jumping(own, others, weights, args):
    return own**2 + jnp.where(jnp.sum(others) > 0.5, 1.0, 0.0)


def stopping(own, others, weights, args):
    return own**2 + own * jnp.sum(jax.lax.stop_gradient(own * others))


@jax.custom_jvp
def wrong(x):
    return x**2


@wrong.defjvp
def _(primals, tangents):
    return wrong(primals[0]), 10 * tangents[0]


BAD = {
    "kink": (lambda: certify.network_constants(pair(kinked), WIDE), ValueError, "player 0 was not"),
    "jump": (
        lambda: certify.network_constants(pair(jumping), WIDE),
        ValueError,
        "player 0 was not",
    ),
    "pole": (
        lambda: certify.network_constants(pair(lambda x, y, p, a: x**2 + y[0] / x), WIDE),
        ValueError,
        "twice continuously",
    ),
    "stop_gradient": (
        lambda: certify.network_constants(pair(stopping), WIDE),
        certify.EnclosureError,
        "stop_gradient",
    ),
    "custom derivative": (
        lambda: certify.network_constants(pair(lambda x, y, p, a: wrong(x)), WIDE),
        certify.EnclosureError,
        "hand-written derivative",
    ),
    "other players": (
        lambda: certify.network_constants(
            pair(kinked), certify.Box(dg.Stacked(-jnp.ones(3)), dg.Stacked(jnp.ones(3)))
        ),
        ValueError,
        "Stacked of 2 players; got 3",
    ),
    "chunk": (lambda: certify.network_constants(pair(kinked), WIDE, chunk=0), ValueError, "chunk"),
    "nan": (
        lambda: certify.Box(dg.Stacked(jnp.array([0.0, jnp.nan])), dg.Stacked(jnp.ones(2))),
        ValueError,
        "not finite for player '1'",
    ),
    "empty": (
        lambda: certify.Box(dg.Stacked(jnp.array([0.0, 1.0])), dg.Stacked(jnp.ones(2))),
        ValueError,
        "player '1' has lower bound",
    ),
}


@pytest.mark.parametrize("call, error, message", BAD.values(), ids=BAD)
def test_what_cannot_be_proved_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_kink_outside_the_boxes_does_no_harm():
    region = certify.Box(dg.Stacked(jnp.full(2, 0.5)), dg.Stacked(jnp.ones(2)))
    found = certify.network_constants(pair(kinked), region)
    np.testing.assert_allclose(found.curvature, 2.0, rtol=1e-14)


def test_other_games_regions_and_enclosures_are_refused():
    ball, intervals = certify.Ball(WIDE.lower, 1.0), certify.IntervalMatrices()
    for game, region, enclosure in (
        (dg.game(lambda x, a: x), WIDE, intervals),
        (pair(kinked), ball, intervals),
        (pair(kinked), WIDE, certify.Taylor()),
    ):
        with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
            certify.network_constants(game, region, enclosure=enclosure)  # pyright: ignore
