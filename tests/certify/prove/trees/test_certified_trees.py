"""Certificates over all play of trees: published numbers, closed forms, and what they promise."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import certify
import dgames as dg
from dgames.games import MatrixGame, TreeGame, kuhn_poker, leduc_poker, liars_dice

KUHN = kuhn_poker().game()


def plexes(game):
    """The parents and numbers of actions of the information sets of each player."""
    return [(np.asarray(own.parents), np.asarray(own.counts)) for own in game.treeplexes]


PLEXES = plexes(KUHN)
# Sequences of the quantal response equilibrium at temperature 0.1, sorted, as Gambit finds them in
# the reduced normal form: from the tests of OpenSpiel, `mmd_dilated_test.py`, to 1e-7 or so.
GAMBIT = [
    [
        *(0.01290797, 0.10668266, 0.24635768, 0.25609184, 0.29690191, 0.44700625, 0.46256001),
        *(0.47546799, 0.52453201, 0.64695966, 0.70309809, 0.75364232, 1.0),
    ],
    [
        *(0.0620185, 0.20277233, 0.28438486, 0.34994566, 0.36584056, 0.41154828, 0.58845172),
        *(0.63415944, 0.65005434, 0.71561514, 0.79722767, 0.9379815, 1.0),
    ],
]


@pytest.fixture(scope="module")
def kuhn():
    return certify.certify_tree(KUHN, 0.1)


def matrix(game=KUHN):
    """The payoffs of the first player for all pairs of sequences."""
    found = np.zeros([own.sequences for own in game.treeplexes])
    np.add.at(found, tuple(np.asarray(game.sequences)), np.asarray(game.payoffs[0]))
    return found


def answer(plex, y):
    """The behaviour that maximises `<y, q> - psi(q)`, and q itself, for rows y of a batch."""
    total, logs, q = y.copy(), np.zeros_like(y), np.ones_like(y)
    starts = np.concatenate([[1], 1 + np.cumsum(plex[1])])
    for j in reversed(range(len(plex[0]))):
        own = slice(*starts[j : j + 2])
        weight = np.logaddexp.reduce(total[:, own], -1)
        logs[:, own] = total[:, own] - weight[:, None]
        total[:, plex[0][j]] += weight
    for j, parent in enumerate(plex[0]):
        own = slice(*starts[j : j + 2])
        q[:, own] = q[:, parent, None] * np.exp(logs[:, own])
    return logs, q


def worst_factor(certificate, step, starts, steps, game=KUHN):
    """The largest factor by which one step changes V(q*; q), of all steps from all starts."""
    payoffs, own, tau = matrix(game), plexes(game), certificate.temperature
    rng = np.random.default_rng(0)
    play = []
    for plex in own:
        scale = rng.choice([0.3, 2.0, 6.0], (starts, 1))
        play.append(answer(plex, scale * rng.standard_normal((starts, 1 + plex[1].sum()))))
    centers = certificate.equilibrium.center
    stars = [answer(own[i], _logs(own[i], centers[i])[None])[0] for i in range(2)]

    def divergence(play):
        triples = zip(centers, stars, play, strict=True)
        return np.sum([(c * (star - now[0])).sum(-1) for c, star, now in triples], axis=0)

    worst, before = 0.0, divergence(play)
    for _ in range(steps):
        force = [-play[1][1] @ payoffs.T, play[0][1] @ payoffs]
        play = [answer(own[i], (play[i][0] - step * force[i]) / (1 + step * tau)) for i in range(2)]
        after = divergence(play)
        worst = max(worst, float((after / before)[before > 1e-9].max()))
        before = after
    return worst


def _logs(plex, q):
    """Logarithms of behaviour."""
    parents = np.concatenate([[0], np.repeat(*plex)])
    return np.log(q / q[parents])


# The proved factors of L = 5/6, which is exact: the largest (pi - pi')'A(sigma - sigma') / 4 in the
# normal form of 27 and 64 strategies. And the exploitability (half of the gap) of the equilibria.
@pytest.mark.parametrize(
    ("temperature", "step", "factor", "exploitability"),
    [
        (0.5, 0.72, 0.7352941, 0.263934),
        (0.1, 0.144, 0.9858044, 0.103694),
        (0.05, 0.072, 0.9964129, 0.046227),
        (0.02, 0.0288, 0.9994243, 0.011933),
    ],
)
def test_kuhn_poker(temperature, step, factor, exploitability):
    certificate = certify.certify_tree(KUHN, temperature)
    assert certificate.status == "proved" and certificate.margin == temperature
    assert_allclose(certificate.lipschitz, 5 / 6, rtol=1e-15)
    assert_allclose(certificate.step.best, step, rtol=1e-14)
    assert_allclose(certificate.step.max, 2 * step, rtol=1e-14)
    assert_allclose(certificate.step.rate, factor, atol=5e-8)
    assert_allclose(certificate.exploitability.center / 2, exploitability, atol=5e-7)
    assert_allclose(certificate.exploitability.equilibrium / 2, exploitability, atol=5e-7)
    assert_allclose(certificate.exploitability.general, temperature * np.log(27 * 64), rtol=1e-14)
    assert certificate.value is not None
    lower, upper = certificate.value
    assert lower <= -1 / 18 <= upper < lower + 1e-14
    found = worst_factor(certificate, certificate.step.best, starts=100, steps=40)
    assert found <= certificate.step.rate
    # Just below the largest step nothing grows, and more is not promised.
    assert worst_factor(certificate, 0.999 * certificate.step.max, starts=20, steps=20) < 1


def test_the_equilibrium_is_the_one_that_gambit_finds(kuhn):
    found = kuhn.equilibrium
    assert found.radius < 1e-13 and (found.entries < 1e-13).all()
    for own, published in zip(found.center, GAMBIT, strict=True):
        assert_allclose(np.sort(own), published, atol=1.5e-7)


def test_the_center_is_a_fixed_point_within_its_bounds(kuhn):
    """The answers to the centre, in floats, are the centre."""
    (first, second), payoffs = kuhn.equilibrium.center, matrix()
    for plex, own, force in (
        (PLEXES[0], first, -payoffs @ second),
        (PLEXES[1], second, first @ payoffs),
    ):
        assert_allclose(answer(plex, -force[None] / 0.1)[1][0], own, atol=1e-13)
        assert (kuhn.equilibrium.distances < 1e-12).all()


def as_tree(game):
    """A game in normal form, whose second player does not see what the first one took."""
    payoffs = np.asarray(game.payoffs)
    _, n, m = payoffs.shape
    first, second = np.divmod(np.arange(n * m), m)
    plexes = (dg.Treeplex([0], [n]), dg.Treeplex([0], [m]))
    return TreeGame(payoffs.reshape(2, -1), np.stack([first + 1, second + 1]), plexes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], None),
        ([[3.0, 0.0], [0.0, 1.0]], [[1.0, 0.2], [0.1, 2.5]]),
        ([[1.0, 2.0, 0.5], [0.0, 3.0, 1.0]], [[-2.1, -4.0, -1.0], [0.0, -6.0, -2.0]]),
    ],
)
def test_games_in_normal_form(first, second):
    """A simplex is a treeplex of one information set, and its norm that of absolute sums."""
    own = np.array(first)
    other = -own if second is None else np.array(second)
    weights, temperature = np.array([1.0, 0.5]), 3.0
    found = certify.certify_tree(as_tree(MatrixGame(own, other)), temperature, weights=weights)
    assert found.status == "proved"
    root = np.sqrt(weights)
    shared = corner(weights[0] * own + weights[1] * other) / 4
    assert_allclose(found.margin, temperature - shared / (2 * root.prod()), rtol=1e-14)
    sizes = [corner(own) / 4 * root[0] / root[1], corner(other) / 4 * root[1] / root[0]]
    assert_allclose(found.lipschitz, max(sizes), rtol=1e-14)
    x, y = (center[1:] for center in found.equilibrium.center)
    for center, force in ((x, own @ y), (y, x @ other)):
        answer = np.exp(force / temperature)
        assert_allclose(center, answer / answer.sum(), rtol=1e-12)
    assert found.equilibrium.distances.max() < 1e-12


def corner(matrix):
    """The largest `M[a, b] - M[c, b] - M[a, d] + M[c, d]`."""
    rows = matrix[:, None] - matrix[None]
    return (rows.max(-1) - rows.min(-1)).max()


def test_the_temperature_must_exceed_half_of_what_is_shared():
    """Both are paid for taking the same action: m = (1 + 1) / 2, over 2 sqrt(w_1 w_2)."""
    game = as_tree(MatrixGame(np.eye(2), np.eye(2)))
    assert certify.certify_tree(game, 0.5).status == "undecided"
    above = certify.certify_tree(game, 0.75)
    assert above.status == "proved" and above.margin == 0.25 and above.value is None
    # Weights take part: pennies that the second one counts doubly are zero-sum in them.
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    doubled = certify.certify_tree(as_tree(MatrixGame(pennies, -2 * pennies)), 0.25)
    assert doubled.margin == 0.25 and doubled.weights.tolist() == [2.0, 1.0]
    assert_allclose(doubled.lipschitz, np.sqrt(2), rtol=1e-15)
    assert doubled.value is not None
    assert_allclose(doubled.value, 0, atol=1e-15)
    with pytest.raises(ValueError, match="two positive numbers"):
        certify.certify_tree(game, 0.75, weights=(1.0, -1.0))


def test_a_reference_is_where_everybody_goes_at_high_temperature():
    rng = np.random.default_rng(1)
    reference = tuple(
        jnp.asarray(answer(plex, rng.standard_normal((1, 1 + plex[1].sum())))[1][0])
        for plex in PLEXES
    )
    game = dg.RegularisedTree(KUHN, 1e6, reference)
    found = certify.certify_tree(game)
    assert found.status == "proved" and found.margin == 1e6 and found.equilibrium.radius < 1e-12
    for own, target in zip(found.equilibrium.center, reference, strict=True):
        assert_allclose(own, target, atol=1e-5)
    assert found.difference(game) is None
    assert found.difference(dg.RegularisedTree(KUHN, 1e6)) is not None
    uniform = certify.certify_tree(dg.RegularisedTree(KUHN, 1e6, KUHN.uniform()))
    plain = certify.certify_tree(KUHN, 1e6)
    assert_allclose(uniform.equilibrium.center[0], KUHN.uniform()[0], atol=1e-5)
    # Entropy alone prefers what leaves more to choose from: passing first, two pure strategies.
    assert_allclose(plain.equilibrium.center[0][1:3], [2 / 3, 1 / 3], atol=1e-5)


def test_a_reference_is_behaviour_even_if_its_masses_do_not_add_up():
    ramp = KUHN.uniform()[0] * jnp.linspace(1, 9, 13)
    sums = np.bincount(np.asarray(KUHN.treeplexes[0].owners)[1:], np.asarray(ramp)[1:])
    behaviour = np.asarray(ramp)[1:] / sums[np.asarray(KUHN.treeplexes[0].owners)[1:]]
    game = dg.RegularisedTree(KUHN, 0.1, (ramp, KUHN.uniform()[1]))
    found = certify.certify_tree(game)
    stated = [float.fromhex(r) for r in found.data["game"]["reference"][0]]
    assert found.status == "proved"
    assert_allclose(stated, behaviour, rtol=1e-15)


def with_field(module, name, value):
    """A copy with another value, which no initialiser has seen."""
    return eqx.tree_at(lambda own: getattr(own, name), module, value)


class OtherTreeplex(dg.Treeplex):
    """A subclass, the strategies of which may be others."""

    def __init__(self, parents, counts):
        super().__init__(parents, counts)


@pytest.mark.parametrize(
    ("game", "why"),
    [
        (with_field(dg.RegularisedTree(KUHN, 0.1), "temperature", jnp.array([0.5, 0.01])), "one p"),
        (with_field(dg.RegularisedTree(KUHN, 0.1), "temperature", jnp.array(-1.0)), "one positive"),
        (
            with_field(KUHN, "treeplexes", (OtherTreeplex(*PLEXES[0]), KUHN.treeplexes[1])),
            "player 0 is no",
        ),
        (
            with_field(
                KUHN,
                "treeplexes",
                (
                    KUHN.treeplexes[0],
                    with_field(KUHN.treeplexes[1], "table", KUHN.treeplexes[1].table[::-1]),
                ),
            ),
            "player 1 is no",
        ),
        (with_field(KUHN, "payoffs", KUHN.payoffs.astype(complex)), "real numbers"),
        (with_field(KUHN, "sequences", KUHN.sequences.astype(float)), "are integers"),
    ],
)
def test_games_that_were_changed_after_they_were_made_are_refused(game, why):
    with pytest.raises(ValueError, match=why):
        certify.certify_tree(game, None if isinstance(game, dg.RegularisedTree) else 0.1)


def test_starts_and_methods(kuhn):
    assert bool(kuhn.in_basin(dg.MirrorDescent, KUHN.uniform()))
    with pytest.raises(ValueError, match="steps for MirrorDescent"):
        kuhn.safe_method(dg.Simultaneous)
    method = kuhn.safe_method(dg.MirrorDescent)
    assert float(method.step_size) == kuhn.step.best and len(method.mirror) == 2


@pytest.mark.full
def test_runs_take_the_proved_step(kuhn):
    game = dg.RegularisedTree(KUHN, 0.1)
    run = dg.solve(game, dg.MirrorDescent, KUHN.uniform(), step_size=kuhn, max_steps=1200, tol=0.0)
    for own, center in zip(run.strategy, kuhn.equilibrium.center, strict=True):
        assert_allclose(own, center, atol=2e-4)
    with pytest.raises(ValueError, match="not of this game"):
        dg.solve(dg.RegularisedTree(KUHN, 0.2), dg.MirrorDescent, KUHN.uniform(), step_size=kuhn)


def test_what_is_no_game_of_this_kind():
    with pytest.raises(ValueError, match=r"needs a dgames\.TreeGame"):
        certify.certify_tree(MatrixGame.rock_paper_scissors(), 1.0)
    with pytest.raises(ValueError, match="the temperature is one number"):
        certify.certify_tree(KUHN)
    with pytest.raises(ValueError, match="has its temperature"):
        certify.certify_tree(dg.RegularisedTree(KUHN, 0.1), 0.2)
    with pytest.raises(ValueError, match="two players"):
        plex = dg.Treeplex([0], [2])
        certify.certify_tree(TreeGame(np.zeros((3, 1)), np.ones((3, 1), int), (plex,) * 3), 1.0)
    with pytest.raises(ValueError, match="whose leaves have these sequences"):
        other = TreeGame(KUHN.payoffs, KUHN.sequences[:, ::-1], KUHN.treeplexes, KUHN.tree)
        certify.certify_tree(other, 1.0)


def test_play_too_rare_for_a_file_is_undecided():
    found = certify.certify_tree(as_tree(MatrixGame(1e3 * np.eye(2), -1e3 * np.eye(2))), 1e-3)
    assert found.status == "proved"  # both are uniform
    tilted = np.array([[1.0, 0.0], [2.0, 1.0]])
    found = certify.certify_tree(as_tree(MatrixGame(tilted, -tilted)), 1e-4)
    assert found.status == "undecided" and "too rare" in found.reasons[0]


@pytest.mark.full
@pytest.mark.parametrize(
    ("game", "lipschitz", "value"),
    [(liars_dice(4), 1.0, 1 / 16), (leduc_poker(), 9.8, -0.085606424078)],
    ids=["liar's dice", "Leduc"],
)
def test_larger_games(game, lipschitz, value):
    """Players who know everything part once: by 4 in liar's dice, and by 39.2 in Leduc poker."""
    tree = game.game()
    found = certify.certify_tree(tree, 0.1)
    assert found.status == "proved" and found.margin == 0.1
    assert_allclose(found.lipschitz, lipschitz, rtol=1e-14)
    assert found.equilibrium.radius < 1e-11
    assert found.value is not None
    assert_allclose(found.value, value, atol=1e-12)
    assert found.value[1] - found.value[0] < 1e-12
    assert found.check().seconds < 5
    assert found.exploitability.equilibrium <= found.exploitability.general


@pytest.mark.full
def test_no_step_of_liars_dice_is_slower_than_proved():
    game = liars_dice(4).game()
    found = certify.certify_tree(game, 0.1)
    assert_allclose(found.step.rate, 1 / 1.01, rtol=1e-14)
    assert worst_factor(found, found.step.best, 100, 6, game) <= found.step.rate
