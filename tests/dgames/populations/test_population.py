"""Populations on games whose growth is known in closed form or was computed globally."""

import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg

TRACED = []


class Disc(dg.games.DiscGame):
    """The disc game, which notes when it is traced."""

    def payoff(self, x, args=None):
        TRACED.append(1)
        return super().payoff(x, args)


DISC = Disc()
QUICK = dg.BestResponse(steps=30, starts=4)
START = {"a": jnp.array([1.0, 0.0]), "b": jnp.array([1.0, 0.0])}


def disc(meta, expansions, oracle=QUICK):
    pop = dg.Population(DISC, START, symmetric=True)
    for _ in range(expansions):
        pop = pop.expand(meta, oracle)
    return pop


def mean(pop):
    return np.asarray(pop.mixture["a"] @ pop.members["a"])


def test_the_disc_game_is_solved_by_four_members_or_by_three_of_largest_entropy():
    start = disc("nash", 0).measure("nash", QUICK)
    assert np.isclose(start.gap, 2) and np.isclose(start.gaps["a"], 1)
    for expansions, gap in ((1, 2.0), (2, 2.0), (3, 0.0)):
        pop = disc("nash", expansions)
        assert np.isclose(pop.gap, gap, atol=1e-9)
        assert np.isclose(np.linalg.norm(mean(pop)), gap / 2, atol=1e-9)
    # Each reply is a quarter turn of the mean, here of the newest member.
    turns = np.asarray(pop.members["a"])
    assert np.allclose(turns, [[1, 0], [0, -1], [-1, 0], [0, 1]], atol=1e-9)
    assert np.allclose(pop.payoffs[0], -pop.payoffs[0].T, atol=1e-12)
    assert np.allclose(mean(disc("max_entropy", 2)), 0, atol=1e-9)
    assert np.allclose(disc("max_entropy", 2).mixture["a"], [0.5, 0, 0.5], atol=1e-9)


def test_a_game_that_is_not_symmetric_is_refused():
    lopsided = dg.zero_sum(lambda x, args: x["a"] @ x["b"], dg.Ball(0.0, 1.0))
    with pytest.raises(ValueError, match="change their signs"):
        dg.Population(lopsided, START, symmetric=True)


def grown(*points):
    """A population of the disc game with these members, of both players."""
    start, *others = (jnp.asarray(point, float) for point in points)
    pop = dg.Population(DISC, {"a": start, "b": start}, symmetric=True)
    return pop._with((tuple((np.asarray(own),) for own in others), ()))


def test_rectified_replies_are_to_those_whom_a_member_does_not_lose_to():
    angles = np.array([0.0, 0.7, 2.0])
    points = np.stack([np.cos(angles), np.sin(angles)], 1)
    pop = grown(*points).expand("uniform", dg.BestResponse(steps=30, starts=4, rectified=True))
    # The first player receives x_1 y_2 - x_2 y_1: each beats those who are ahead by half a turn.
    for k, reply in enumerate(np.asarray(pop.members["a"])[3:]):
        against = points[k:].sum(0)  # whom it beats, and itself
        assert np.allclose(reply * np.linalg.norm(against), [against[1], -against[0]], atol=1e-6)
    assert pop.sizes == (6, 6)


@pytest.mark.full
def test_a_diverse_reply_is_the_best_for_gain_and_cardinality_together():
    points = np.array([[1.0, 0.0], [0.0, 0.6], [-0.3, -0.5]])
    pop = grown(*points)
    oracle = dg.BestResponse(steps=60, starts=8, diversity=6.0)
    reply = np.asarray(pop.expand("uniform", oracle).members["a"])[3]

    def payoff(x, y):
        return x[..., 0, None] * y[:, 1] - x[..., 1, None] * y[:, 0]

    def objective(x):
        rows = np.concatenate([payoff(points, points), payoff(x[None], points)])
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        values = np.linalg.svd(rows, compute_uv=False) ** 2
        return payoff(x[None], points).mean() + 6 * np.sum(values / (1 + values))

    angles, lengths = np.linspace(0, 2 * np.pi, 60), np.linspace(0.05, 1, 8)
    grid = [r * np.array([np.cos(t), np.sin(t)]) for t in angles for r in lengths]
    assert objective(reply) >= max(map(objective, grid)) - 1e-9
    plain = np.asarray(pop.expand("uniform", QUICK).members["a"])[3]
    assert objective(reply) > objective(plain) + 0.05


@pytest.mark.full
def test_the_first_start_is_the_newest_member_or_the_average_of_the_weightiest():
    points = [[0.5, 0.0], [0.0, 0.6], [-0.3, -0.5]]
    pop = grown(*points)
    here = {"steps": 1, "starts": 1, "step_size": 1e-12}

    def meta(payoffs):
        weights = np.array([0.2, 0.5, 0.3, 0.0])[: payoffs.shape[1]]
        return weights, weights

    last = pop.expand(meta, dg.BestResponse(start="last", **here))
    assert np.allclose(last.members["a"][-1], points[2], atol=1e-9)  # it hardly moved
    fused = pop.expand(meta, dg.BestResponse(start="fusion", top=2, **here)).members["a"][3]
    assert np.allclose(fused, (0.5 * np.array(points[1]) + 0.3 * np.array(points[2])) / 0.8)


def team_costs(x, args):
    """Both of a team want to agree, and the opponent likes what tells them apart."""
    cost = -x["a1"] * x["a2"] + x["b"] * (x["a1"] - x["a2"])
    return {"a1": cost, "a2": cost, "b": -cost}


TEAM = dg.game(team_costs, dg.Box(-1.0, 1.0))
APART = {"a1": jnp.array(0.5), "a2": jnp.array(-0.5), "b": jnp.array(0.3)}


@pytest.mark.full
def test_teams_choose_together():
    pop = dg.Population(TEAM, APART, teams=[("a1", "a2")])
    assert pop.sizes == (1, 1) and np.isclose(pop.payoffs[0, 0, 0], -0.55)
    pop = pop.expand("nash", QUICK)
    assert np.isclose(pop.payoffs[0].max(), 1) and np.isclose(pop.gap, 0, atol=1e-9)
    together = pop.members["a1"][1] * pop.members["a2"][1]
    assert np.isclose(together, 1) and set(pop.mixture) == {"a1", "a2", "b"}
    with pytest.raises(ValueError, match="a team has one cost"):
        dg.Population(TEAM, APART, teams=[("a1", "b")])
    with pytest.raises(ValueError, match="two sides at least"):
        dg.Population(TEAM, APART, teams=[("a1", "a2", "b")])


@pytest.mark.full
def test_teammates_one_after_the_other_never_do_worse():
    pop = dg.Population(TEAM, APART, teams=[("a1", "a2")])
    costs = []
    for rounds in (1, 3):
        oracle = dg.BestResponse(
            steps=2 * rounds, starts=1, start="last", rounds=rounds, sequential=True, step_size=0.1
        )
        costs.append(-float(pop.expand("last", oracle).payoffs[0][1, 0]))
    assert 0.55 > costs[0] > costs[1] >= -1


@pytest.mark.full
def test_self_play_and_rankings_of_three_players():
    def costs(x, args):
        total = x["a"] + x["b"] + x["c"]
        return {name: (own - 0.3 * (total - own) - 1) ** 2 for name, own in x.items()}

    start = {name: jnp.zeros(()) for name in "abc"}
    pop = dg.Population(dg.game(costs, dg.Box(-5.0, 5.0)), start)
    for _ in range(6):
        pop = pop.expand("last", QUICK)
    # Replies to the newest members are steps of x <- 1 + .6 x.
    steps = 2.5 * (1 - 0.6 ** np.arange(7))
    assert np.allclose(pop.members["b"], steps, atol=1e-6)
    assert np.isclose(pop.gap, 3 * (steps[6] - 1 - 0.6 * steps[6]) ** 2, atol=1e-9)
    for meta in ("uniform", "alpha_rank"):
        mixed = pop.measure(meta, QUICK)
        assert all(np.isclose(own.sum(), 1) for own in mixed.mixture.values()) and mixed.gap > 0
    with pytest.raises(ValueError, match="for two sides only"):
        pop.expand("nash", QUICK)


def hills(sharpness, *points):
    """A population of the hills; points beyond the first are members from the start."""
    start, other = (jnp.array(point) for point in (points + points)[:2])
    game = dg.games.CyclicHills(sharpness=sharpness)
    return dg.Population(game, (start, other), symmetric=True)


@pytest.mark.full
def test_the_gaps_on_the_hills_are_those_of_global_replies():
    """Digits of a search on a fine grid with Newton's method.

    With the sharpness 2, the two best hills to reply to the origin with differ by 1.4e-7; the
    digits are those of the second one, which is a member here from the start.
    """
    oracle = dg.BestResponse(steps=60, starts=64)
    first = hills(2.0, (0.0, 0.0)).measure("nash", oracle)
    assert np.isclose(first.gaps[0], 0.5013554190, atol=1e-9)
    pop = hills(2.0, (0.0, 0.0), (1.80832845, -2.22536291)).measure("nash", oracle)
    gaps = [pop.gaps[0]]
    for _ in range(11):
        pop = pop.expand("nash", oracle)
        gaps.append(pop.gaps[0])
    known = [1.0000, 1.0077, 1.0039, 0.3314, 0.1993, 0.2000, 0.0000]
    assert np.allclose(gaps[:7], known, atol=6e-5) and gaps[-1] < 1e-8
    played = np.asarray(pop.mixture[0]) > 1e-3
    weights, members = np.asarray(pop.mixture[0])[played], np.asarray(pop.members[0])[played]
    centers = np.asarray(dg.games.CyclicHills().centers)
    distance = np.linalg.norm(members[:, None] - centers, axis=-1)
    assert distance.min(1).max() < 0.006 and set(distance.argmin(1)) == set(range(7))
    shares = np.bincount(distance.argmin(1), weights)
    assert shares.min() > 0.1425 and shares.max() < 0.1432

    pop, gaps = hills(0.54, (0.0, 0.0)), []
    for _ in range(14):
        pop = pop.expand("nash", oracle)
        gaps.append(pop.gaps[0])
    known = [1.6181, 1.4481, 0.2013, 0.4169, 0.0687, 0.0982, 0.0147]
    assert np.allclose(gaps[:7], known, atol=6e-5) and gaps[12] < 1e-4
    heights = np.stack(
        [dg.games.CyclicHills(sharpness=0.54).heights(point) for point in pop.members[0]]
    )
    features = np.asarray(pop.mixture[0]) @ heights
    centers = [0.2051, 0.2090, 0.2019, 0.1983, 0.2107, 0.2020, 0.2022]
    assert np.allclose(features, centers, atol=4e-4)


@pytest.mark.full
def test_anytime_mixtures_are_never_more_exploitable_than_before():
    oracle = dg.BestResponse(steps=60, starts=64)
    pop = hills(2.0, (0.0, 0.0)).measure("anytime", oracle)
    gaps = [pop.gap]
    for _ in range(6):
        pop = pop.expand("anytime", oracle)
        gaps.append(pop.gap)
    assert (np.diff(gaps) <= 1e-7).all() and gaps[-1] < 0.5 * gaps[0]


@pytest.mark.full
def test_of_several_candidates_the_one_is_kept_that_leaves_the_smallest_gap():
    first, several = (
        hills(2.0, (0.0, 0.0)).expand(
            "nash", dg.BestResponse(steps=60, starts=64, candidates=count)
        )
        for count in (1, 4)
    )
    assert several.gap < first.gap - 1e-4


def test_other_meta_solvers():
    square = disc("nash", 3)
    assert np.allclose(square.measure("alpha_rank", QUICK).mixture["a"], 0.25, atol=1e-6)
    assert np.allclose(square.measure("last", QUICK).mixture["a"], [0, 0, 0, 1])
    assert np.isclose(square.measure("last", QUICK).gap, 2)


@pytest.mark.full
def test_a_reply_by_a_method_of_the_package():
    pop = disc("nash", 3, dg.BestResponse(steps=60, starts=2, method=dg.Simultaneous(0.5)))
    assert np.isclose(pop.gap, 0, atol=1e-9)


def test_a_growing_population_compiles_once():
    pop = disc("uniform", 1)
    seen = len(TRACED)
    for _ in range(6):
        pop = pop.expand("uniform", QUICK)
    assert pop.sizes == (8, 8) and len(TRACED) == seen


def test_wrong_requests_are_refused_with_a_reason():
    pop = disc("nash", 0)
    with pytest.raises(ValueError, match="there is no 'nsh'"):
        pop.expand("nsh", QUICK)
    with pytest.raises(ValueError, match="one distribution per side"):
        pop.expand(lambda payoffs: (np.ones(2), np.ones(1)), QUICK)
    with pytest.raises(ValueError, match="start is 'middle'"):
        dg.BestResponse(start="middle")
    with pytest.raises(ValueError, match="need as many starts"):
        dg.BestResponse(starts=2, candidates=3)
    with pytest.raises(ValueError, match="one structure and shape"):
        dg.Population(dg.games.DiscGame(), {"a": jnp.zeros(2), "b": jnp.zeros(3)}, symmetric=True)
