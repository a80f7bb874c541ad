"""Proofs about a leader against closed forms, published optima and derivatives at points."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg

IMPLICIT = dg.Stackelberg(
    lambda x, y: 0.5 * (x - 1.0) ** 2 + 0.5 * y[0] ** 2,
    dg.game(lambda y, x: (jnp.exp(y[0]) + 0.5 * y[0] ** 2 - x * y[0],)),
)


def around(x, y, radius):
    return certify.Box.around({"leader": x, "followers": y}, radius)


def inside(ends, value):
    return bool((ends.lower <= value).all() and (value <= ends.upper).all())


def width(ends):
    return float((ends.upper - ends.lower).max())


def test_an_implicit_answer_and_its_derivatives():
    proof = certify.certify_leader(IMPLICIT, around(1.0, (0.0,), 0.5))
    assert proof.status == "proved" and proof.check(level=2).ok
    best = proof.optimum
    assert inside(best.slopes, 0.5) and width(best.slopes) < 1e-10
    assert inside(best.curvature, 1.25) and width(best.curvature) < 1e-10
    assert abs(best.leader[0] - 1) <= best.radius < 1e-10
    assert abs(best.followers[0]) <= best.followers_radius[0] < 1e-10
    assert inside(best.value, 0.0) and width(best.value) < 1e-10
    # On y in [-1/2, 1/2]: e^y + 1 has its minimum at the left end.
    assert 0.9 * (1 + np.exp(-0.5)) <= proof.margin <= 1 + np.exp(-0.5)


def test_the_duopoly():
    rival = dg.game(lambda y, x: (y[0] ** 2 / 2 - y[0] * (10.0 - x - y[0]),))
    game = dg.Stackelberg(lambda x, y: x**2 - x * (10.0 - x - y[0]), rival)
    proof = certify.certify_leader(game, around(2.0, (2.5,), 1.0))
    best = proof.optimum
    assert proof.curvature >= 3.33 and proof.smoothness >= 10 / 3 >= proof.curvature
    assert abs(best.leader[0] - 2) < 1e-12 and abs(best.followers[0] - 8 / 3) < 1e-12
    assert inside(best.value, -20 / 3) or width(best.value) < 1e-12
    assert proof.margin <= 3 and proof.margin > 2.99 and proof.cells == (1, 1)
    assert abs(proof.step.best - 0.3) < 1e-6 and proof.step.rate < 1e-5


def test_an_oligopolist_who_leads_four_others():
    """The five-firm market with exponent 1.1; the optimum is in the literature as 42.5382469."""
    market = dg.games.Oligopoly.murphy_sherali_soyster()
    game = dg.Stackelberg.of(market, 0, tuple(jnp.ones(5)))
    x, y = 42.5382469, (41.07724, 43.11585, 42.19507, 38.82388)
    region = certify.Box.around(
        {"leader": x, "followers": y}, {"leader": 1.0, "followers": (0.25,) * 4}
    )
    proof = certify.certify_leader(game, region, search=certify.Search(tightness=0.95))
    assert proof.status == "proved" and proof.check(level=2).ok
    assert proof.curvature >= 0.19 and proof.margin >= 0.24
    best = proof.optimum
    assert best.radius < 1e-9 and abs(best.leader[0] - x) < 1e-6
    assert np.allclose(best.followers, y, atol=1e-5)
    assert abs(best.value.lower + 203.1550722) < 1e-6
    assert best.curvature.lower > 0.2027 and best.curvature.upper < 0.2029


def test_a_local_minimax_that_is_no_nash_equilibrium():
    def payoff(x, y):
        return -3.0 * x**2 - y[0] ** 2 + 4.0 * x * y[0]

    game = dg.Stackelberg(payoff, dg.game(lambda y, x: (-payoff(x, y),)))
    region = certify.Box.around(
        {"leader": 0.0, "followers": (0.0,)}, {"leader": 0.2, "followers": (0.8,)}
    )
    proof = certify.certify_leader(game, region)
    assert 1.9999 < proof.curvature <= 2 and 1.9999 < proof.margin <= 2
    assert inside(proof.optimum.slopes, 2.0) or width(proof.optimum.slopes) < 1e-12


def test_followers_who_need_weights():
    """The symmetric part of ((2, 5), (0.1, 2)) is not positive definite; with weights it is."""

    def costs(y, x):
        a, b = y
        return a**2 + 5.0 * a * b - a * x, b**2 + 0.1 * a * b - b * x

    game = dg.Stackelberg(lambda x, y: (x - 1.0) ** 2 + 0.2 * y[0] * y[1], dg.game(costs))
    # G = 0 at x = 1: 2 a + 5 b = 1 and 0.1 a + 2 b = 1.
    region = certify.Box.around(
        {"leader": 1.1, "followers": (-0.95, 0.6)}, {"leader": 0.4, "followers": (0.9, 0.9)}
    )
    proof = certify.certify_leader(game, region)
    assert proof.status == "proved" and proof.check(level=2).ok
    low, high = proof.weights
    assert high / low > 5 and 0 < proof.margin <= 2 - 0.5**0.5
    slopes = np.linalg.solve([[2.0, 5.0], [0.1, 2.0]], [1.0, 1.0])
    assert inside(proof.optimum.slopes, slopes[:, None]) or (
        np.abs(proof.optimum.slopes.lower[:, 0] - slopes).max() < 1e-12
    )
    curvature = 2 + 0.4 * slopes[0] * slopes[1]
    assert abs(proof.optimum.curvature.lower[0, 0] - curvature) < 1e-12


def test_proved_steps_converge_at_their_rate():
    proof = certify.certify_leader(IMPLICIT, around(1.0, (0.0,), 0.5))
    gradient = jax.jit(lambda x: IMPLICIT.total_derivative(x, (0.0,)))
    for step, rate in ((proof.step.best, proof.step.rate), (0.99 * proof.step.max, 1.0)):
        x = jnp.array(1.0 + 0.999 * proof.basin)
        for _ in range(5):
            moved = x - step * gradient(x)
            assert abs(moved - 1) <= rate * abs(x - 1) + 1e-12
            x = moved


@pytest.mark.full
@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_at_random_points_of_random_games(seed):
    """Every proved bound is compared with JAX's own derivatives, of the answer too."""
    chance = np.random.default_rng(seed)
    n, m = (1, 2) if seed % 2 else (2, 1)
    A, B, c, d = (chance.normal(size=s) for s in ((m, n), (m, m), m, n))

    def costs(y, x):
        z = jnp.stack(y)
        drive = jnp.asarray(A) @ x + 0.2 * jnp.asarray(B) @ jnp.tanh(z)
        return tuple(
            0.5 * y[i] ** 2 + 0.1 * jnp.cos(y[i]) - y[i] * jnp.sin(drive[i]) for i in range(m)
        )

    def leader(x, y):
        z = jnp.stack(y)
        curved = jnp.sum((x - 0.1 * jnp.asarray(d)) ** 2)
        return curved + 0.3 * jnp.sum(jnp.asarray(c) * z * jnp.exp(0.2 * z)) * jnp.cos(x[0])

    game = dg.Stackelberg(leader, dg.game(costs))
    zero = (jnp.zeros(()),) * m
    x = dg.solve(
        dg.StackelbergGradient(game, zero), dg.Simultaneous(0.3), {"leader": jnp.zeros(n)}
    ).strategy["leader"]
    y = game.best_response(x, zero)
    region = certify.Box.around(
        {"leader": x, "followers": y},
        {"leader": jnp.full(n, 0.1), "followers": (jnp.array(0.4),) * m},
    )
    proof = certify.certify_leader(game, region)
    # These games are mild enough that all of them are proved, so that bounds are compared in each.
    assert proof.status == "proved", proof.reasons

    @jax.jit
    def measured(x, y):
        bends = game.curvature(x, zero)
        slopes = jax.jacfwd(lambda y: jnp.stack(game.force(x, y)))(y)
        return jnp.linalg.eigvalsh((bends + bends.T) / 2), jnp.stack(slopes, 1)

    weights = np.diag(np.sqrt(proof.weights))
    for _ in range(20):
        at = x + jnp.asarray(chance.uniform(-0.1, 0.1, n))
        near = tuple(v + jnp.asarray(chance.uniform(-0.4, 0.4)) for v in y)
        values, slopes = measured(at, near)
        assert proof.curvature <= values[0] + 1e-9 and values[-1] <= proof.smoothness + 1e-9
        turned = weights @ np.asarray(slopes) @ np.linalg.inv(weights)
        assert proof.margin <= np.linalg.eigvalsh((turned + turned.T) / 2)[0] + 1e-9
    best = proof.optimum
    assert np.abs(best.leader - x).max() < 1e-6
    curvature = np.asarray(game.curvature(jnp.asarray(best.leader), zero))
    assert (best.curvature.lower - 1e-9 <= curvature).all()
    assert (curvature <= best.curvature.upper + 1e-9).all()


def no_proof(game, region, words):
    found = certify.certify_leader(game, region)
    assert found.status == "undecided" and words in found.reasons[0], found.reasons


def test_what_is_not_proved():
    hill = dg.Stackelberg(
        lambda x, y: 0.5 * x**2 - y[0] ** 2, dg.game(lambda y, x: ((y[0] - x) ** 2,))
    )
    no_proof(hill, around(0.0, (0.0,), 0.5), "not proved to be strongly convex")
    two = dg.Stackelberg(
        lambda x, y: x**2, dg.game(lambda y, x: ((y[0] ** 2 - 1.0) ** 2 + x * y[0],))
    )
    no_proof(two, around(0.0, (1.0,), 0.6), "strongly monotone")
    aside = dg.Stackelberg(lambda x, y: x**2, dg.game(lambda y, x: ((y[0] - x) ** 2,)))
    no_proof(aside, around(3.0, (3.0,), 0.5), "not inside the region")
    # The answer leaves Y for some x of X, though not at the optimum.
    wide = {"leader": 1.0, "followers": (0.5,)}
    no_proof(aside, certify.Box.around({"leader": 0.0, "followers": (0.0,)}, wide), "answer")
    kink = dg.Stackelberg(
        lambda x, y: x**2 + jnp.abs(y[0]), dg.game(lambda y, x: ((y[0] - x) ** 2,))
    )
    no_proof(kink, around(0.1, (0.1,), 0.5), "")


def test_sets_that_cut_the_region():
    costs = dg.game(lambda y, x: ((y[0] - x) ** 2,), dg.Box(0.0, jnp.inf))
    game = dg.Stackelberg(lambda x, y: (x - 1.0) ** 2, costs, dg.Box(0.0, 2.0))
    assert certify.certify_leader(game, around(1.0, (1.0,), 0.5)).status == "proved"
    with pytest.raises(ValueError, match="leaves the strategy set of the leader"):
        certify.certify_leader(game, around(1.8, (1.0,), 0.5))
    with pytest.raises(ValueError, match="leaves the strategy set of follower '0'"):
        certify.certify_leader(game, around(1.0, (0.2,), 0.5))
    with pytest.raises(ValueError, match=r'box|certify\.Box of \{"leader": x, "followers": y\}'):
        certify.certify_leader(game, certify.Box.around((0.0, 0.0), 1.0))
    moving = dg.Stackelberg(lambda x, y: x**2, costs, follower_sets=lambda x: dg.Box(0.0, x))
    with pytest.raises(ValueError, match="bounds that move"):
        certify.certify_leader(moving, around(1.0, (1.0,), 0.5))
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="Stackelberg"):
        certify.certify_leader(costs, around(1.0, (1.0,), 0.5))  # pyright: ignore
