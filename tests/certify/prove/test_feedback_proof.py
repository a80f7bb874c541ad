"""Certificates of feedback equilibria: known games, affine ones, and what is no game for them."""

import math

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
from dgames.dynamic import LQGame, solve_lq

ONE = np.eye(1)
BOTH = {"a": ONE, "b": ONE}


def scalar(a=1.0, q=(1.0, 1.0)):
    return LQGame(a * ONE, BOTH, {"a": q[0] * ONE, "b": q[1] * ONE}, BOTH)


def random_game(seed, n, sizes, affine):
    r = np.random.default_rng(seed)

    def definite(k):
        a = r.normal(size=(k, k))
        a = a @ a.T / k
        return (a + a.T) / 2 + np.eye(k) / 4

    N = range(len(sizes))
    return LQGame(
        np.eye(n) + 0.2 * r.normal(size=(n, n)) / math.sqrt(n),
        {i: 0.5 * r.normal(size=(n, m)) for i, m in enumerate(sizes)},
        {i: definite(n) for i in N},
        {i: {j: definite(sizes[j]) * (1 if i == j else 0.1) for j in N} for i in N},
        linear={i: r.normal(size=n) for i in N} if affine else None,
        offset=r.normal(size=n) if affine else None,
    )


@pytest.mark.parametrize("affine", [pytest.param(False, marks=pytest.mark.full), True])
def test_gains_and_costs_are_those_of_the_recursion(affine):
    game = random_game(3, 3, (1, 2), affine)
    proof, found = certify.certify_feedback(game, 6), solve_lq(game, 6)
    assert proof.status == "proved" and proof.radius < 1e-10 and proof.horizon == 6
    for i, own in found.gains().items():
        assert proof.gains[str(i)][..., :3] == pytest.approx(np.asarray(own), abs=1e-10)
    for i in game.players:
        assert proof.costs[str(i)][:3, :3] == pytest.approx(
            np.asarray(found.hessians[0, i]), abs=1e-9
        )
    if affine:  # the last column is what is added, and the last row of P the slope
        offsets = np.concatenate([proof.gains[str(i)][..., 3] for i in game.players], axis=1)
        assert offsets == pytest.approx(np.asarray(found.offset), abs=1e-10)
        x0 = np.array([1.0, -2.0, 0.5, 1.0])
        paid = found.play(jnp.asarray(x0[:3]))[2]
        for i in game.players:
            # The coordinate that is always 1 costs nothing itself.
            assert x0 @ proof.costs[str(i)] @ x0 / 2 == pytest.approx(float(paid[i]), rel=1e-9)


@pytest.mark.parametrize("time", ["discrete", pytest.param("continuous", marks=pytest.mark.full)])
def test_a_stationary_equilibrium_is_enclosed_and_stable(time):
    game = random_game(4, 2, (1, 1), False)
    proof = certify.certify_feedback(game, time=time)
    assert proof.status == "proved" and proof.radius < 1e-10
    K = np.concatenate(list(proof.gains.values()))
    closed = np.asarray(game.A) - np.concatenate(list(game.B.values()), axis=1) @ K
    values = np.linalg.eigvals(closed)
    if time == "discrete":
        assert np.abs(values).max() < proof.rate < 1
    else:
        assert 0 < proof.rate < -values.real.max()


def test_three_equilibria_in_continuous_time():
    game = scalar(2.0)
    found = certify.certify_feedback(game, time="continuous", every=True)
    gains = [tuple(each.gains.values()) for each in found.equilibria]
    kappa = (2 + math.sqrt(7)) / 3
    expected = [(2 - math.sqrt(3), 2 + math.sqrt(3)), (kappa, kappa)]
    assert gains == [pytest.approx(pair, abs=1e-14) for pair in (*expected, expected[0][::-1])]
    loops = [each.closed_loop for each in found.equilibria]
    assert loops == pytest.approx([-2, -1.0971675407097272, -2], abs=1e-14)
    assert found.radius < 1e-15
    # One of them is found from near it; which one it is says nothing of the others.
    for pair in gains:
        start = np.array(pair)[:, None, None] * 1.01
        one = certify.certify_feedback(game, time="continuous", start=start)
        assert [float(k[0, 0]) for k in one.gains.values()] == pytest.approx(pair, abs=1e-12)


def test_three_equilibria_in_discrete_time():
    """With c = 1 / a there is a pair with `c y^2 - (1 - c^2) y + c sigma = 0`: here 1 and 1/2."""
    found = certify.certify_feedback(scalar(2.0, (0.5, 0.5)), every=True)
    gains = [tuple(each.gains.values()) for each in found.equilibria]
    assert gains[0] == pytest.approx((0.5, 1.0), abs=1e-14)
    assert gains[2] == pytest.approx((1.0, 0.5), abs=1e-14)
    assert len(gains) == 3 and gains[1][0] == gains[1][1]


@pytest.mark.parametrize(
    ("a", "q", "count"),
    [
        (0.0, (1.0, 1.0), 1),
        (1.0, (3.0, 3.0), 1),
        (-1.0, (1.0, 1.0), 1),
        (2.0, (1.0, 1.1), 3),
        (2.0, (1.0, 3.0), 1),
    ],
)
def test_numbers_of_equilibria(a, q, count):
    found = certify.certify_feedback(scalar(a, q), time="continuous", every=True)
    assert len(found.equilibria) == count
    if q[0] == q[1] and count == 1:
        kappa = (a + math.sqrt(a**2 + 3 * q[0])) / 3
        assert found.equilibria[0].gains["a"] == pytest.approx(kappa, abs=1e-14)


def test_where_equilibria_merge_nothing_is_claimed():
    """At `a^2 = sigma` three equilibria are one, a triple zero."""
    found = certify.certify_feedback(scalar(1.0), time="continuous", every=True)
    assert found.status == "undecided" and "told apart" in found.reasons[0]
    with pytest.raises(ValueError, match="told apart"):
        _ = found.equilibria


@pytest.mark.parametrize(
    ("game", "options", "words"),
    [
        (scalar(q=(-0.5, -0.5)), {"horizon": 1}, "matrix of the equilibrium is nonsingular"),
        (scalar(q=(-2.0, 1.0)), {"horizon": 1}, "strictly convex in the own control"),
    ],
)
def test_steps_without_one_equilibrium_prove_nothing(game, options, words):
    found = certify.certify_feedback(game, **options)
    assert found.status == "undecided" and words in found.reasons[0]


def test_an_unstable_game_without_costs_has_no_stable_answer_nearby():
    game = LQGame(2 * ONE, BOTH, {"a": 0 * ONE, "b": 0 * ONE}, BOTH)
    found = certify.certify_feedback(game, start=np.zeros((2, 1, 1)))
    assert found.status == "undecided" and "not stable" in found.reasons[0]


def test_a_stationary_point_that_is_no_minimum_is_not_proved():
    """Controls are a gain: `P^2 - 2 P + 1/2 = 0` has a stable solution, with a concave cost."""
    alone = {"a": ONE}
    game = LQGame(-ONE, alone, {"a": 0.5 * ONE}, {"a": -ONE})
    found = certify.certify_feedback(game, time="continuous", start=np.full((1, 1, 1), 0.3))
    assert found.status == "undecided" and "strictly convex" in found.reasons[0]


def test_a_zero_that_is_no_minimum_is_no_equilibrium():
    """The only stable zero has `r + b^2 P < 0` for the first player: there is no equilibrium."""
    found = certify.certify_feedback(scalar(1.0, (-6.0, 1.0)), every=True)
    assert found.status == "proved" and found.equilibria == ()


def test_files_are_saved_loaded_and_know_their_game(tmp_path):
    game = scalar(2.0)
    for name, options in (
        ("finite", {"horizon": 4}),
        ("stationary", {}),
        ("all", {"time": "continuous", "every": True}),
    ):
        proof = certify.certify_feedback(game, **options)  # pyright: ignore[reportArgumentType]
        path = proof.save(tmp_path / f"{name}.json")
        loaded = certify.load(path)
        assert isinstance(loaded, certify.FeedbackEquilibrium) and loaded.scope == name
        assert certify.check(path, level=2).ok
        assert certify.check(path, game=game).ok
        assert not certify.check(path, game=scalar(2.0, (1.0, 1.5))).ok
        words = " ".join(str(part) for row in loaded.rows() for part in row.parts)
        assert ("others are not excluded" in words) == (name == "stationary")
    assert loaded.horizon is None
    with pytest.raises(ValueError, match="see equilibria"):
        _ = loaded.gains
    with pytest.raises(ValueError, match="claims none"):
        _ = loaded.rate


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"horizon": 0}, "number of steps from 1"),
        ({"horizon": 2, "time": "continuous"}, "time must be discrete"),
        ({"horizon": 2, "every": True}, "one equilibrium to prove"),
        ({"time": "slow"}, 'time is "discrete"'),
    ],
)
def test_bad_options_are_one_sentence(options, words):
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=f"{words}|Type-check error"):
        certify.certify_feedback(scalar(), **options)  # pyright: ignore[reportArgumentType]


def test_bad_games_are_one_sentence():
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="LQGame"):
        certify.certify_feedback(3)  # pyright: ignore
    with pytest.raises(ValueError, match="offset must be zero"):
        certify.certify_feedback(random_game(0, 2, (1, 1), True))
    with pytest.raises(ValueError, match="two players, a scalar state"):
        certify.certify_feedback(random_game(0, 2, (1, 1), False), every=True)
