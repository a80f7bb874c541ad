"""Games on trees from their rules: sizes, values and quantal responses that are published."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, hstack

import dgames as dg
from dgames.games import kuhn_poker, leduc_poker, liars_dice

FORMS = {
    "kuhn": (kuhn_poker, (13, 6, 30), (7, 7), 11 / 12, 2),
    "leduc": (leduc_poker, (1093, 468, 5520), (133, 289), 4.747222222222222, 2),
    "liars_dice": (lambda: liars_dice(4), (1021, 512, 4080), (137, 217), 1.3101190476190476, 1.75),
}
every_game = pytest.mark.parametrize("name", FORMS)


@pytest.fixture(scope="module")
def trees():
    return {name: form().game() for name, (form, *_) in FORMS.items()}


@every_game
def test_sizes(name, trees):
    game, (_, (sequences, infosets, leaves), norms, *_) = trees[name], FORMS[name]
    assert [t.sequences for t in game.treeplexes] == [sequences] * 2
    assert [t.infosets for t in game.treeplexes] == [infosets] * 2
    assert game.payoffs.shape == (2, leaves)
    assert np.all(game.payoffs[0] == -game.payoffs[1])
    assert tuple(float(jax.jit(lambda t=t: t.largest_norm)()) for t in game.treeplexes) == norms


@pytest.mark.thin(3)
@every_game
def test_gaps_of_uniform_and_of_constant_play(name, trees):
    """Published for poker; those of the dice are the first ones measured here."""
    game, (*_, uniform, constant) = trees[name], FORMS[name]

    @jax.jit
    def gap(chosen):
        play = tuple(
            tree.sequence_form(tree.uniform_behaviour() if own is None else own)
            for tree, own in zip(game.treeplexes, chosen, strict=True)
        )
        return dg.nash_gap(game, play)

    assert_allclose(gap((None, None)), uniform, rtol=1e-13)
    first = [jnp.zeros(tree.table.shape).at[:, 0].set(1) for tree in game.treeplexes]
    assert_allclose(gap(tuple(first)), constant, rtol=1e-13)


def value(game):
    """The value of a zero-sum game for the first player, by a linear program."""
    first, second = game.treeplexes
    at = tuple(np.asarray(game.sequences))
    payoff = coo_matrix((game.payoffs[0], at), (first.sequences, second.sequences))

    def flow(tree):
        j, _ = np.nonzero(np.asarray(tree.mask))
        rows = np.concatenate([[0], j + 1, 1 + np.arange(tree.infosets)])
        columns = np.concatenate([[0], np.asarray(tree.table)[np.asarray(tree.mask)], tree.parents])
        entries = np.concatenate([[1], np.ones(len(j)), -np.ones(tree.infosets)])
        return coo_matrix((entries, (rows, columns)))

    own, other = flow(first), flow(second)
    free = second.infosets + 1
    cost = -np.eye(1, first.sequences + free, first.sequences)[0]
    found = linprog(
        cost,
        hstack([-payoff.T, other.T]),
        np.zeros(second.sequences),
        hstack([own, coo_matrix((first.infosets + 1, free))]),
        np.eye(1, first.infosets + 1)[0],
        bounds=[(0, None)] * first.sequences + [(None, None)] * free,
    )
    return -found.fun


@pytest.mark.parametrize(
    ("form", "expected"),
    (
        (kuhn_poker, -1 / 18),
        (lambda: liars_dice(2), 1 / 2),
        pytest.param(leduc_poker, -0.085606424078, marks=pytest.mark.full),
        pytest.param(lambda: liars_dice(4), 1 / 16, marks=pytest.mark.full),
    ),
)
def test_values(form, expected):
    assert_allclose(value(form().game()), expected, rtol=0, atol=1e-11)


def test_dice_have_faces():
    with pytest.raises(ValueError, match="at least one face, got 0"):
        liars_dice(0)


def test_magnetic_mirror_descent_finds_the_published_quantal_response(trees):
    """The root probabilities of Gambit, as in OpenSpiel's tests of magnetic mirror descent."""
    kuhn = trees["kuhn"]
    game = dg.RegularisedTree(kuhn, 0.1)
    method = dg.MirrorDescent(0.144, mirror=game.dilated_entropies())
    field = dg.pseudo_gradient(game)

    @jax.jit
    def play(q):
        def step(_, carry):
            return method.step(field, *carry)

        q, _ = jax.lax.fori_loop(0, 1000, step, (q, method.init(field, q)))
        return q, dg.exploitability(kuhn, q), dg.nash_gap(game, q)

    found, gap, own_gap = play(game.uniform())
    jack = [name for name, _ in kuhn_poker().infosets(0)].index("J")
    rows = kuhn.treeplexes[0].rows(found[0], 0)
    assert_allclose(rows[jack], (0.75364232, 0.24635768), rtol=0, atol=2e-7)
    assert_allclose(gap, 0.103694, rtol=0, atol=1e-6)
    assert own_gap < 1e-12
