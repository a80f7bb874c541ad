"""Counterfactual regret minimisation: published digits, the textbook's recursion, bounds."""

import functools
import math
from collections import defaultdict

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames import methods

FORM = dg.games.kuhn_poker()
GAME = FORM.game()

# Compiled as a whole: operation by operation, compilation would take most of the time.
exploitability = eqx.filter_jit(dg.exploitability)
uniform = functools.cache(lambda: eqx.filter_jit(GAME.uniform)())


def gaps_at(game, method, marks):
    x, state, found = uniform() if game is GAME else eqx.filter_jit(game.uniform)(), None, []
    for steps, before in zip(marks, (0, *marks), strict=False):
        run = dg.iterate(game, method, x, steps=steps - before, state=state)
        x, state = run.strategy, run.state
        found.append(float(exploitability(game, run.strategy)))
    return found


# OpenSpiel's C++ solvers have the same four digits for CFR and CFR+.
KUHN = {
    "cfr": (6.870e-2, 8.226e-3, 9.376e-4, 1.133e-4),
    "cfr_plus": (3.269e-2, 1.194e-3, 8.737e-5, 9.633e-6),
    "predictive_cfr_plus": (2.021e-2, 2.323e-5, 2.354e-8),
}


@pytest.mark.parametrize("name", KUHN)
def test_published_digits_on_kuhn_poker(name):
    published = KUHN[name]
    found = gaps_at(GAME, getattr(methods, name)(), (10, 100, 1000, 10_000)[: len(published)])
    assert [f"{value:.3e}" for value in found] == [f"{value:.3e}" for value in published]


def textbook(form, steps, settings, alternating):
    """The recursion over histories, with tables by the names of information sets."""
    positive, negative, averaging, predictive = settings
    regrets, now = defaultdict(lambda: np.zeros(2)), defaultdict(lambda: np.full(2, 0.5))
    total = defaultdict(lambda: np.zeros(2))

    def walk(node, player, behaviour, reach, others, out):
        """The expected payoff of a player from a node on."""
        if isinstance(node, dg.Leaf):
            return node.payoffs[player]
        if isinstance(node, dg.Chance):
            return sum(
                float(p) * walk(child, player, behaviour, reach, others * float(p), out)
                for p, child in zip(node.probabilities, node.children, strict=True)
            )
        x, own = behaviour[node.player, node.infoset], node.player == player
        values = [
            walk(
                child,
                player,
                behaviour,
                reach * p if own else reach,
                others if own else others * p,
                out,
            )
            for p, child in zip(x, node.children, strict=True)
        ]
        if own:
            new, weights = out[node.player, node.infoset]
            new += others * (np.array(values) - x @ values)
            weights[:] = reach * x
        return x @ values

    def discount(t, exponent):
        return float(exponent > 0) if math.isinf(exponent) else t**exponent / (t**exponent + 1)

    for t in range(1, steps + 1):
        before = now.copy()
        for player in range(2):
            out = defaultdict(lambda: (np.zeros(2), np.zeros(2)))
            walk(form.root, player, now if alternating else before, 1.0, 1.0, out)
            for key, (new, weights) in out.items():
                total[key] += t**averaging * weights
                summed = regrets[key] + new
                regrets[key] = summed * np.where(
                    summed > 0, discount(t, positive), discount(t, negative)
                )
                basis = np.maximum(regrets[key] + predictive * new, 0)
                now[key] = basis / basis.sum() if basis.sum() > 0 else np.full(2, 0.5)
    return {key: value / value.sum() for key, value in total.items()}


CASES = {
    "cfr": (math.inf, math.inf, 0, 0),
    "cfr_plus": (math.inf, -math.inf, 1, 0),
    "linear_cfr": (1, 1, 1, 0),
    "discounted_cfr": (1.5, 0, 2, 0),
    "predictive_cfr_plus": (math.inf, -math.inf, 2, 1),
}


@pytest.mark.parametrize("alternating", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_recursion_over_histories(name, alternating):
    method = getattr(methods, name)(alternating=alternating)
    run = dg.iterate(GAME, method, uniform(), steps=7)
    expected = textbook(FORM, 7, CASES[name], alternating)
    for i, (tree, q) in enumerate(zip(GAME.treeplexes, run.strategy, strict=True)):
        rows = [expected[i, infoset] for infoset, _ in FORM.infosets(i)]
        np.testing.assert_allclose(tree.behaviour(q), rows, rtol=1e-12, atol=1e-14)


LARGER = {
    "leduc": (
        dg.games.leduc_poker,
        {
            "cfr": ("8.886e-01", "9.572e-02", "1.182e-02"),
            "cfr_plus": ("6.104e-01", "1.342e-02", 2.5e-4),  # ties decide the last one
            "predictive_cfr_plus": ("5.368e-01", "1.980e-02", 7.1e-4),
        },
    ),
    "dice": (
        lambda: dg.games.liars_dice(4),
        {
            "cfr": ("1.416e-01", "1.704e-02", "1.727e-03"),
            "cfr_plus": ("1.066e-01", "2.295e-03", "4.533e-05"),
            "predictive_cfr_plus": ("1.020e-01", "1.594e-03", "1.459e-06"),
        },
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("name", LARGER)
def test_published_digits_on_larger_games(name):
    build, published = LARGER[name]
    game = build().game()
    for solver, digits in published.items():
        found = gaps_at(game, getattr(methods, solver)(), (10, 100, 1000))
        for value, digit in zip(found, digits, strict=True):
            if isinstance(digit, str):
                assert f"{value:.3e}" == digit
            else:
                assert value == pytest.approx(digit, rel=0.1)


def test_regrets_are_below_the_bound_of_the_paper_and_make_up_the_gap():
    steps, x = 300, uniform()
    save = lambda x, state: (x, state.last)  # noqa: E731
    run = dg.iterate(GAME, methods.cfr(alternating=False), x, steps=steps, save=save, every=1)
    averages, after = run.saved
    plays = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest[:-1]]), x, after)
    np.testing.assert_allclose(run.strategy[0], jnp.mean(plays[0], 0), rtol=1e-12)
    regrets = np.array(jax.jit(lambda plays: dg.regret(GAME, plays))(plays))
    # Payoffs are from -2 to 2, and each of six information sets has two actions.
    bound = 4 * 6 * np.sqrt(2 * np.arange(1, steps + 1))
    assert (regrets > -1e-12).all() and (regrets <= bound).all()
    gaps = jax.jit(jax.vmap(lambda x: dg.nash_gap(GAME, x)))(averages)
    np.testing.assert_allclose(gaps, regrets.sum(0) / np.arange(1, steps + 1), atol=1e-12)


def test_the_unit_of_payoffs_does_not_matter():
    """Probabilities are quotients of regrets; a power of two changes no rounding."""
    other = dg.games.TreeGame(8 * GAME.payoffs, GAME.sequences, GAME.treeplexes, GAME.tree)
    for method in (methods.discounted_cfr(), methods.predictive_cfr_plus()):
        ours, theirs = (dg.iterate(g, method, uniform(), steps=50) for g in (GAME, other))
        assert jnp.array_equal(ours.strategy[0], theirs.strategy[0])
        assert jnp.array_equal(ours.strategy[1], theirs.strategy[1])


def test_predictions_are_ahead_and_both_are_ahead_of_plain_regrets():
    names = ("predictive_cfr_plus", "cfr_plus", "linear_cfr", "cfr")
    found = [gaps_at(GAME, getattr(methods, name)(), (1000,))[0] for name in names]
    assert found == sorted(found) and found[0] < 1e-3 * found[1] and found[1] < 0.2 * found[3]


def test_a_treeplex_of_one_information_set_is_a_simplex():
    payoffs = np.array([[0.0, 1.0, -2.0], [-1.0, 0.0, 1.0], [2.0, -1.0, 0.5]])
    rows, columns = np.indices((3, 3)).reshape(2, -1)
    tree = dg.Treeplex([0], [3])
    pairs = (payoffs.ravel(), -payoffs.ravel())
    sequences = dg.games.TreeGame(pairs, (rows + 1, columns + 1), (tree, tree))
    matrix = dg.games.MatrixGame(payoffs, -payoffs)
    method = methods.predictive_cfr_plus()
    ours = dg.iterate(sequences, method, eqx.filter_jit(sequences.uniform)(), steps=50)
    theirs = dg.iterate(matrix, method, matrix.uniform(), steps=50)
    for q, p in zip(ours.strategy, theirs.strategy, strict=True):
        np.testing.assert_allclose(q[1:], p, rtol=1e-12)
    assert exploitability(matrix, theirs.strategy) < 1e-3


def test_continued_runs_and_records():
    game, method = dg.games.MatrixGame.rock_paper_scissors(), methods.cfr_plus()
    x = (jnp.array([0.5, 0.3, 0.2]), jnp.array([0.1, 0.6, 0.3]))
    whole = dg.iterate(game, method, x, steps=30, save=lambda x, state: x[0], every=10)
    part = dg.iterate(game, method, x, steps=10)
    assert jnp.array_equal(whole.saved[0], part.strategy[0])
    rest = dg.iterate(game, method, part.strategy, steps=20, state=part.state)
    assert jnp.array_equal(whole.strategy[1], rest.strategy[1])


def test_exponents_are_batched_and_short_floats_stay_short():
    game = dg.games.MatrixGame.rock_paper_scissors()
    x = (jnp.array([0.5, 0.3, 0.2]), jnp.array([0.1, 0.6, 0.3]))

    def play(averaging, x):
        method = dg.CounterfactualRegret(negative=-jnp.inf, averaging=averaging)
        return dg.iterate(game, method, x, steps=20).strategy

    both = jax.vmap(lambda w: play(w, x))(jnp.array([1.0, 2.0]))
    for k, w in enumerate((1.0, 2.0)):
        np.testing.assert_allclose(both[0][k], play(w, x)[0], rtol=1e-12)
    short = play(1.0, jax.tree.map(lambda q: q.astype(jnp.float32), x))
    assert short[0].dtype == jnp.float32
    np.testing.assert_allclose(short[0], both[0][0], atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("alternating", [True, False])
def test_stacked_players_play_like_players_one_by_one(alternating):
    payoffs = jnp.array([[0.0, 1.0, -2.0], [-1.0, 0.0, 1.0], [2.0, -1.0, 0.5]])

    def costs(x, args):
        a, b, c = dg.blocks(x)
        return dg.join(x, (a @ (payoffs @ b), b @ (payoffs @ c), c @ (payoffs @ a)))

    game, method = dg.game(costs, dg.Simplex()), methods.linear_cfr(alternating=alternating)
    x = (jnp.array([0.5, 0.3, 0.2]), jnp.array([0.1, 0.6, 0.3]), jnp.array([0.2, 0.2, 0.6]))
    apart = dg.iterate(game, method, x, steps=9)
    together = dg.iterate(game, method, dg.stack(x), steps=9)
    np.testing.assert_allclose(together.strategy.blocks, jnp.stack(apart.strategy), rtol=1e-12)


@pytest.mark.full
def test_solve_takes_the_same_steps_and_stops_at_a_residual():
    x, method = uniform(), methods.cfr_plus()
    solved = dg.solve(GAME, method, x, tol=1e-3, max_steps=2000)
    assert solved.result == dg.RESULTS.successful
    run = dg.iterate(GAME, method, x, steps=int(solved.steps))
    np.testing.assert_allclose(solved.strategy[0], run.strategy[0], atol=1e-13)


@pytest.mark.full
def test_trees_in_single_precision_and_with_names():
    x = dict(zip("ab", (q.astype(jnp.float32) for q in uniform()), strict=True))
    run = dg.iterate(GAME, methods.cfr(), x, steps=100)
    assert run.strategy["a"].dtype == jnp.float32
    assert float(exploitability(GAME, run.strategy)) == pytest.approx(8.226e-3, rel=1e-3)


def test_states_and_strategies_of_other_games_are_refused():
    x = uniform()
    with pytest.raises(ValueError, match="13 sequences; got an array of shape"):
        methods.cfr().init(dg.pseudo_gradient(GAME), (x[0], x[1][1:]))
    with pytest.raises(ValueError, match="iterate: this is not a state of CounterfactualRegret"):
        dg.iterate(GAME, methods.cfr(), x, steps=1, state=(x, x))


def test_other_sets_are_refused():
    game = dg.game(lambda x, args: (x[0] * x[1], -x[0] * x[1]), dg.Box(-1.0, 1.0))
    with pytest.raises(ValueError, match="player '0' is Box"):
        dg.iterate(game, methods.cfr(), (jnp.array(0.5), jnp.array(0.5)), steps=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps must be a whole number"),
        ({"steps": 10, "every": 3, "save": lambda x, state: x}, "divides the number of steps"),
        ({"steps": 10, "every": 5}, "save and every go together"),
    ],
)
def test_options_of_iterate(options, message):
    with pytest.raises(ValueError, match=message):
        dg.iterate(GAME, methods.cfr(), uniform(), **options)
