"""Game files in both variants, and games of other packages."""

import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

import dgames as dg
from dgames.games import MatrixGame
from dgames.nfg import NormalForm, format_nfg, parse_nfg

FILES = Path(__file__).parent / "nfg"


def test_payoff_variant_with_names():
    form = dg.read_nfg(FILES / "pennies.nfg")
    assert form.title == "asymmetric matching pennies"
    assert form.players == ("Row", "Column")
    assert form.actions == (("up", "down"), ("left", "right"))
    assert form.comment == "The payoff variant, with names."
    assert_array_equal(form.payoffs, [[[9, 0], [0, 1]], [[0, 1], [1, 0]]])


def test_payoff_variant_with_numbers_of_actions():
    """Nine equilibria (McKelvey and McLennan), of which these four are all pure ones."""
    form = dg.read_nfg(FILES / "three.nfg")
    assert form.actions == (("1", "2"),) * 3
    assert_array_equal(form.payoffs[:, 0, 0, 0], [9, 8, 12])
    assert_array_equal(form.payoffs[:, 1, 1, 0], [9, 8, 2])
    assert_array_equal(form.payoffs[:, 1, 0, 1], [3, 4, 6])  # the first player is fastest
    assert form.game().pure_equilibria() == [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]


def test_outcome_variant():
    """Fractions, exponents, commas or none, escaped quotes, and outcome 0 that pays nothing."""
    form = dg.read_nfg(FILES / "outcomes.nfg")
    assert form.title == 'a "quoted" title'
    assert_array_equal(form.payoffs[0], [[1 / 3, 0], [1000, 1000], [-1, 1 / 3]])
    assert_array_equal(form.payoffs[1], [[-2.5, 0], [0.25, 0.25], [7, -2.5]])


@pytest.mark.parametrize("outcomes", (False, True), ids=("payoffs", "outcomes"))
@pytest.mark.parametrize("name", ("pennies", "three", "outcomes"))
def test_files_can_be_written_in_both_variants(name, outcomes, tmp_path):
    form = dg.read_nfg(FILES / f"{name}.nfg")
    dg.write_nfg(form, tmp_path / "copy.nfg", outcomes=outcomes)
    copy = dg.read_nfg(tmp_path / "copy.nfg")
    assert_array_equal(copy.payoffs, form.payoffs)
    for name in ("title", "players", "actions", "comment"):
        assert getattr(copy, name) == getattr(form, name)
    assert ('{ "" ' in (tmp_path / "copy.nfg").read_text()) == outcomes


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_every_game_survives_a_round_trip(data, outcomes):
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    floats = st.floats(allow_nan=False, allow_infinity=False)
    payoffs = data.draw(arrays(float, (len(sizes), *sizes), elements=floats))
    players = tuple(data.draw(texts) for _ in sizes)
    actions = tuple(tuple(data.draw(texts) for _ in range(n)) for n in sizes)
    form = NormalForm(data.draw(texts), players, actions, payoffs, data.draw(texts))
    back = parse_nfg(format_nfg(form, outcomes=outcomes))
    assert_array_equal(back.payoffs, payoffs)
    assert (back.title, back.players, back.actions, back.comment) == (
        form.title,
        players,
        actions,
        form.comment,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("EFG 2 R", "line 1 of the .nfg file: expected NFG, got EFG"),
        ('NFG 1 R "t" { "a" "b" }\n{ 2 2 }\n1 2 3', "line 3 .* a number, got the end of the file"),
        ('NFG 1 R "t" { "a" }\n{ 1 }\n1 2', "line 3 .* the end of the file, got 2"),
        ('NFG 1 R "t" { "a" } { 2 } { { "" 1 } } 1 2', "expected 0 or 1, got 2"),
        ('NFG 1 R "t', "line 1 of the .nfg file: a text without end"),
        ('NFG 1 R t { "a" } { 1 } 1', "expected a text in quotation marks, got t"),
    ),
)
def test_malformed_files(text, message):
    with pytest.raises(ValueError, match=message):
        parse_nfg(text)


def test_infinite_payoffs_are_not_written():
    with pytest.raises(ValueError, match="finite payoffs"):
        format_nfg(MatrixGame([[1.0, jnp.inf]], [[0.0, 0.0]]))


# --- other packages ---------------------------------------------------------------------------


def random_game(seed, shape):
    payoffs = np.random.default_rng(seed).integers(0, 10, (len(shape), *shape))
    return MatrixGame(*payoffs.astype(float))


@pytest.mark.parametrize("outcomes", (False, True), ids=("payoffs", "outcomes"))
def test_gambit_reads_what_we_write_and_we_what_it_writes(outcomes):
    gambit = pytest.importorskip("pygambit", reason="pygambit is not installed")
    game = random_game(0, (2, 3, 2))
    theirs = gambit.read_nfg(io.StringIO(format_nfg(game, outcomes=outcomes)))
    assert_array_equal(np.array(theirs.to_arrays(), float), game.payoffs)
    assert_array_equal(parse_nfg(theirs.to_nfg()).payoffs, game.payoffs)


@pytest.mark.parametrize(
    ("seed", "shape"), ((0, (2, 3, 2)), (1, (3, 3)), (2, (2, 2, 2)), (3, (2, 4)))
)
def test_quantal_responses_are_those_of_gambit(seed, shape):
    """Along the principal branch, turning points included (the first game has two)."""
    gambit = pytest.importorskip("pygambit", reason="pygambit is not installed")
    game, precisions = random_game(seed, shape), [0.1, 0.5, 1.0, 3.0, 10.0]
    ours = dg.quantal_responses(game, precisions, game.uniform())
    theirs = gambit.qre.logit_solve_lambda(
        gambit.read_nfg(io.StringIO(format_nfg(game))), lam=precisions
    )
    assert ours.reached.all()
    for i, point in enumerate(theirs):
        for player, own in zip(point.profile, ours.strategies, strict=True):
            assert_allclose(own[i], [float(p) for _, p in player], atol=1e-7)


def test_openspiel_reads_what_we_write():
    spiel = pytest.importorskip("pyspiel", reason="OpenSpiel is not installed")
    game = random_game(0, (2, 3, 2))
    again = dg.from_openspiel(spiel.load_nfg_game(format_nfg(game, title="random")))
    assert_array_equal(again.payoffs, game.payoffs)
    assert_array_equal(
        dg.from_openspiel("matrix_pd").payoffs,
        parse_nfg(spiel.game_to_nfg_string(spiel.load_game("matrix_pd"))).payoffs,
    )


def test_kuhn_poker_in_normal_form():
    """Its value is -1/18 for the first player (Kuhn, 1950)."""
    pytest.importorskip("pyspiel", reason="OpenSpiel is not installed")
    game = dg.from_openspiel("kuhn_poker")
    assert game.payoffs.shape == (2, 64, 64)
    field, method = dg.pseudo_gradient(game), dg.Averaged(dg.OptimisticMirrorDescent(0.5))
    x = game.uniform()

    def body(carry, _):
        return method.step(field, *carry), None

    (x, _), _ = jax.lax.scan(body, (x, method.init(field, x)), length=4000)
    assert dg.nash_gap(game, x) < 4e-3
    assert_allclose(game.costs(x)[0], 1 / 18, atol=2e-3)
