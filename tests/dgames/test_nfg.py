"""Game files in both variants, and games of other packages."""

import io
import sys
import time
import types
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

pytestmark = pytest.mark.thin(3)

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


HEAD = 'NFG 1 R "x" { "A" "B" } { 2 2 }'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    (
        (HEAD + " 1/0 1 0 2 0 2 1 1", 1, "1/0 divides by zero"),
        (HEAD + "\n1 1 0 2\n0 2 1 0/0", 3, "0/0 divides by zero"),
        (HEAD + "\n1e400 1 0 2 0 2 1 1", 2, "1e400 is too large"),
        (HEAD + "\n1 1 0 2 0 2 1\n-1e309", 3, "-1e309 is too large"),
        (HEAD + f"\n1 1 0 2 0 2 1 1{'0' * 400}/3", 2, "too large"),
        (HEAD + "\n1 nan 0 2 0 2 1 1", 2, "a number, got nan"),
        (HEAD + "\n1 1 0 2\n\n-inf 2 1 1", 4, "a number, got -inf"),
        (HEAD + "\n1 Infinity 0 2 0 2 1 1", 2, "a number, got Infinity"),
        (HEAD + "\n1 1_000 0 2 0 2 1 1", 2, "a number, got 1_000"),
        (HEAD + "\n1 \u0663 0 2 0 2 1 1", 2, "a number, got \u0663"),
        (HEAD + "\n1 0x10 0 2 0 2 1 1", 2, "a number, got 0x10"),
        (HEAD + "\n1 1/2/3 0 2 0 2 1 1", 2, "a number, got 1/2/3"),
        (HEAD + "\n1,5 1 0 2 0 2 1 1", 2, "a comma within a number"),
        (HEAD + "\n1 1 0 2\n0 2 1 1,25", 3, "a comma within a number"),
        (HEAD + "\n1 1 0 2 0 2 1", 2, "a number, got the end of the file: 2 x 2 profiles of 2"),
        (HEAD + "\n1 1 0 2 0 2 1 1\n7", 3, "the end of the file, got 7: 2 x 2 profiles of 2"),
        (HEAD + '\n1 1 0 2 "a"', 2, 'a number, got "a"'),
        (HEAD, 1, "got the end of the file"),
        ('NFG 1 R "x" { "A" "B" }\n{ -2 2 }', 2, "a whole number, got -2"),
        ('NFG 1 R "x" { "A" "B" }\n{ 0 2 }', 2, "player 1 has no actions"),
        ('NFG 1 R "x" { "A" "B" }\n{ { "a" } { } } 1 1', 2, "player 2 has no actions"),
        ('NFG 1 R "x" { "A" "B" }\n{ } 1', 2, "a number, got }"),
        ('NFG 1 R "x" { }\n{ }', 1, "no players"),
        ('NFG 1 R "x" { "A" "B" }\n{ 2.0 2 } 1 1 0 2 0 2 1 1', 2, "a whole number, got 2.0"),
        ('NFG 1 R "x" { "A" "B" }\n{ 2 2 2 } 1', 2, "2 players need 2 lists of actions, got more"),
        ('NFG 1 R "x" { "A" "B" }\n{ 2 }\n1 1', 2, "2 players need 2 lists of actions, got 1"),
        ('NFG 1 R "x" { "A" "B" }\n{ 99999999999 99999999999 }\n1 1', 3, "payoffs, not 2"),
        ('NFG 1 R "x" { "A" "B" }\n{ 2', 2, "got the end of the file"),
        ('NFG 1 R "x" { "A"\n"B', 2, "a text without end"),
        ('NFG 1 R "x" {\n"A" 7 } { 2 2 }', 2, "expected }, got 7"),
        ("", 1, "expected NFG, got the end of the file"),
        ("\n \n", 3, "expected NFG, got the end of the file"),
        ("NFG 2 R", 1, "expected 1, got 2"),
        ("\ufeff" + HEAD + " 1 1 0 2 0 2 1 1", 1, "byte order mark"),
        (HEAD + '\n{\n{ "" 1 1 }\n{ "" 1 }\n}\n1 1 1 1', 4, "an outcome has 2 payoffs"),
        (HEAD + '\n{\n{ "" 1,5 2,5 }\n}\n1 1 1 1', 3, "2 payoffs, one per player, got 4"),
        (HEAD + '\n{\n{ "" 1 1/0 }\n}\n1 1 1 1', 3, "1/0 divides by zero"),
        (HEAD + '\n{\n{ "" 1 1 }\n{ 1 1 }\n}\n1 1 1 1', 4, "a text in quotation marks, got 1"),
        (HEAD + '\n{\n{ "" 1 1\n1 1 1 1', 4, "a number, got the end|expected }, got 1"),
        (HEAD + '\n{ { "" 1 1 } }\n1 1\n1 2', 4, "expected 0 or 1, got 2"),
        (HEAD + '\n{ { "" 1 1 } }\n1 1\n1 1.0', 4, "expected 0 or 1, got 1.0"),
        (HEAD + '\n{ { "" 1 1 } }\n1 1\n1', 4, "got the end of the file: there are 4 profiles"),
        (HEAD + '\n{ { "" 1 1 } }\n1 1\n1 1 0', 4, "the end of the file, got 0"),
    ),
)
def test_every_fault_says_in_which_line(text, line, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_nfg(text)
    told = str(caught.value)
    assert told.startswith(f"line {line} of the .nfg file: ")
    assert len(told) < 300 and told.isprintable()


@pytest.mark.parametrize(
    ("encode", "message"),
    (
        (lambda text: text.encode("utf-8-sig"), "line 1 .* byte order mark"),
        (lambda text: text.encode("utf-16"), "line 1 .* byte order mark of UTF-16"),
        (lambda text: text.encode("utf-16-le"), "line 2 .* 0xe9 is no UTF-8, but perhaps UTF-16"),
        (
            lambda text: text.replace("\u00e9", "e").encode("utf-16-be"),
            "line 1 .* a zero byte: is it",
        ),
        (lambda text: text.encode("latin-1"), "line 2 .* 0xe9 is no UTF-8"),
        (lambda text: b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "line 1 .* 0x89 is no UTF-8"),
        (lambda text: bytes(range(128)), "line 1 .* a zero byte"),
        (lambda text: b"", "line 1 .* expected NFG, got the end of the file"),
        (lambda text: text.encode()[:-9], "line 3 .* a number, got the end of the file"),
    ),
)
def test_files_in_other_encodings(encode, message, tmp_path):
    text = 'NFG 1 R "x"\n{ "caf\u00e9" "B" } { 2 2 }\n1 1 0 2 0 2 1 1'
    (tmp_path / "game.nfg").write_bytes(encode(text))
    with pytest.raises(ValueError, match=message):
        dg.read_nfg(tmp_path / "game.nfg")
    (tmp_path / "game.nfg").write_bytes(text.replace("\n", "\r\n").encode())
    assert dg.read_nfg(tmp_path / "game.nfg").players == ("caf\u00e9", "B")


def test_numbers_are_rounded_once():
    text = "1/3 -2/3 .5 1. +1e-3 1E5 1e-400 " + "1" * 400 + "/" + "3" * 400
    form = parse_nfg('NFG 1 D "t" { "a" } { 8 } ' + text)
    expected = [1 / 3, -2 / 3, 0.5, 1.0, 0.001, 1e5, 0.0, 1 / 3]
    assert form.payoffs[0].tolist() == expected


@pytest.mark.parametrize("outcomes", (False, True), ids=("payoffs", "outcomes"))
def test_large_files_are_read_in_seconds(outcomes):
    """A megabyte in a fraction of a second; word by word it took seconds."""
    payoffs = np.random.default_rng(0).normal(size=(2, 160, 160))
    text = format_nfg(MatrixGame(*payoffs), outcomes=outcomes)
    assert len(text) > 1e6
    start = time.process_time()
    form = parse_nfg(text)
    assert time.process_time() - start < 1
    assert_array_equal(form.payoffs, payoffs)


def test_one_player():
    form = parse_nfg('NFG 1 R "Test Game" { "Player 1" } { 3 } 1 3 2')
    game = form.game()
    assert_array_equal(game.payoffs, [[1, 3, 2]])
    assert game.pure_equilibria() == [(1,)]
    assert_allclose(game.costs(game.uniform())[0], -2)
    assert_array_equal(parse_nfg(format_nfg(game)).payoffs, form.payoffs)


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


# --- extensive games, played here by hand: OpenSpiel need not be installed ------------------------


class Cards:
    """A state of a game like Kuhn's poker: everyone gets a card and moves once, seeing all moves.

    With `together`, they move at the same time.
    """

    def __init__(self, players, cards, actions, together=False, dealt=(), moves=()):
        self.players, self.cards, self.actions, self.together = players, cards, actions, together
        self.dealt, self.moves = dealt, moves

    def _with(self, **changes):
        return Cards(**{**vars(self), **changes})

    def is_terminal(self):
        return len(self.moves) == self.players

    def is_chance_node(self):
        return len(self.dealt) < self.players

    def is_simultaneous_node(self):
        return self.together and not self.is_chance_node()

    def chance_outcomes(self):
        left = [card for card in range(self.cards) if card not in self.dealt]
        return [(card, 1 / len(left)) for card in left]

    def current_player(self):
        return len(self.moves)

    def legal_actions(self, player=None):
        joint = self.is_simultaneous_node() and player is None
        return list(range(self.actions ** (self.players if joint else 1)))

    def information_state_string(self, player):
        return f"{self.dealt[player]} {self.moves}"

    def child(self, action):
        if self.is_chance_node():
            return self._with(dealt=(*self.dealt, action))
        return self._with(moves=(*self.moves, action))

    def clone(self):
        return self._with()

    def apply_action(self, action):
        if self.is_simultaneous_node():
            each = [action // self.actions**i % self.actions for i in range(self.players)]
            self.moves = tuple(each)
        else:
            self.moves = (*self.moves, action)


class CardGame:
    """The least of OpenSpiel's games that is needed."""

    def __init__(self, *args, **kwargs):
        self.start = Cards(*args, **kwargs)

    def num_players(self):
        return self.start.players

    def new_initial_state(self):
        return self.start.clone()


@pytest.fixture
def spiel(monkeypatch):
    """In place of OpenSpiel: the normal form has payoffs of one, and its calls are counted."""
    made = []

    def normal_form(game):
        made.append(game)
        sizes = (3,) * game.num_players()
        return types.SimpleNamespace(
            num_players=game.num_players, player_utilities=lambda i: np.full(sizes, float(i))
        )

    module = types.SimpleNamespace(extensive_to_tensor_game=normal_form)
    monkeypatch.setitem(sys.modules, "pyspiel", module)
    return made


@pytest.mark.parametrize(
    ("game", "strategies"),
    (
        (CardGame(1, 3, 2), (8,)),
        (CardGame(2, 3, 2), (8, 64)),
        (CardGame(2, 3, 2, together=True), (8, 8)),
        (CardGame(2, 2, 5, together=True), (25, 25)),
        (CardGame(3, 3, 2, together=True), (8, 8, 8)),
        (CardGame(2, 40, 1), (1, 1)),
        (CardGame(2, 3, 3), (27, 27**3)),
    ),
)
def test_deterministic_strategies_are_counted(game, strategies, spiel):
    """They multiply over information states; one payoff fewer than needed is too few."""
    payoffs = game.num_players() * int(np.prod(strategies))
    assert dg.from_openspiel(game, max_payoffs=payoffs).payoffs.shape[0] == game.num_players()
    assert spiel == [game]
    with pytest.raises(ValueError, match=f"more than {payoffs - 1} .* number at least"):
        dg.from_openspiel(game, max_payoffs=payoffs - 1)
    assert spiel == [game]


@pytest.mark.parametrize(
    "game",
    (
        CardGame(3, 4, 2),
        CardGame(2, 1000, 2),
        CardGame(2, 1000, 2, together=True),
        CardGame(9, 50, 3, together=True),
        CardGame(2, 60, 1000),
        CardGame(60, 1000, 2),
    ),
)
def test_large_games_are_refused_before_they_are_made(game, spiel):
    start = time.process_time()
    with pytest.raises(ValueError, match="too many payoffs, more than 1000000") as caught:
        dg.from_openspiel(game)
    assert time.process_time() - start < 1
    assert len(str(caught.value)) < 400
    assert spiel == []


@pytest.mark.full
def test_endless_games_without_choices_are_refused(spiel):
    with pytest.raises(ValueError, match="more than 100000 histories"):
        dg.from_openspiel(CardGame(3, 100, 1))
    assert spiel == []
