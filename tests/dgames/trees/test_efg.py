"""Games in extensive form from files of Gambit and from OpenSpiel."""

import dataclasses
import io
from fractions import Fraction

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games.kuhn_poker import kuhn_poker
from dgames.trees.efg import format_efg, parse_efg
from dgames.trees.extensive_form import Chance, Decision, ExtensiveForm, Leaf

HEAD = 'EFG 2 R "t" { "A" "B" }\n'
LEAF = ' t "" 1 "" { 1 -1 }'

# Payoffs on the way, information sets without names and descriptions, decimals, commas, a comment.
STAGES = r"""EFG 2 D "two \"stages\"" { "One" "Two" }
"a comment"
c "ROOT" 7 "" { "good" .25 "bad" 3/4 } 1 "fee" { -1, 0 }
p "" 1 4 "" { "H" "L" } 2 "" { 10.5, 2 }
p "" 2 1 "see" { "h" "l" } 0
t "" 3 "" { 1 1 }
t "" 3
p "" 2 9 "see" { "h" "l" } 0
t "" 0
t "" 3
p "" 1 5 "" { "H" } 0
t "end" 4 "" { 1e-1 -.5 }
"""


def test_payoffs_on_the_way_are_added():
    form = parse_efg(STAGES)
    assert (form.title, form.players) == ('two "stages"', ("One", "Two"))
    chance = form.root
    assert isinstance(chance, Chance)
    assert chance.probabilities == (Fraction(1, 4), Fraction(3, 4))
    first, second = chance.children
    assert isinstance(first, Decision) and isinstance(second, Decision)
    seen, other = first.children
    assert isinstance(seen, Decision) and isinstance(other, Decision)
    assert seen.children == (Leaf((Fraction(21, 2), 3)), Leaf((Fraction(21, 2), 3)))
    assert other.children == (Leaf((Fraction(19, 2), 2)), Leaf((Fraction(21, 2), 3)))
    assert second.children == (Leaf((Fraction(-9, 10), Fraction(-1, 2))),)


def test_payoffs_may_have_commas_between_them():
    """As Gambit allows; what looks like a decimal comma is one only if the number is wrong."""
    assert parse_efg(HEAD + 't "" 1 "" { 10,2 }').root == Leaf((10, 2))


def test_information_sets_are_told_apart_by_their_numbers():
    form = parse_efg(STAGES)
    assert [name for name, _ in form.infosets(0)] == ["4", "5"]
    assert [name for name, _ in form.infosets(1)] == ["see 1", "see 9"]
    assert form.game().payoffs.shape == (2, 5)


def test_descriptions_may_be_left_out_after_the_first_time():
    short = parse_efg(f'{HEAD}p "" 1 3 "x" {{ "a" "b" }} 0{LEAF} p "" 1 3 0{LEAF} t "" 1')
    again = parse_efg(
        f'{HEAD}p "" 1 3 "x" {{ "a" "b" }} 0{LEAF} p "" 1 3 "x" {{ "a" "b" }} 0{LEAF}{LEAF}'
    )
    assert short == again


def test_kuhn_poker_in_a_file_is_the_same_game(tmp_path):
    form = kuhn_poker()
    dg.write_efg(form, tmp_path / "kuhn.efg")
    assert dg.read_efg(tmp_path / "kuhn.efg") == form
    (tmp_path / "kuhn.efg").write_bytes(format_efg(form).replace("\n", "\r\n").encode())
    assert dg.read_efg(tmp_path / "kuhn.efg") == form


# --- round trips ------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=4)
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.fractions(max_denominator=10**6),
    st.floats(allow_nan=False, allow_infinity=False),
)


def decimal(value):
    """What a float becomes in a file: the decimal that Python shows."""
    return Fraction(repr(value)) if isinstance(value, float) else value


@st.composite
def makers_of_forms(draw):
    """Games whose information sets have the same actions everywhere.

    They are made by the test, as types are checked at random where CHECK_TYPES is set.
    """
    players = tuple(draw(st.lists(texts, min_size=1, max_size=3)))
    sets = st.tuples(st.integers(0, len(players) - 1), texts)
    actions = {}

    def node(depth):
        kind = draw(st.integers(0, 2)) if depth else 0
        if kind == 0:
            payoffs = tuple(draw(numbers) for _ in players)
            return lambda: Leaf(payoffs)
        if kind == 1:
            names = tuple(draw(st.lists(texts, min_size=1, max_size=3)))
            weights = [draw(st.integers(0, 9)) for _ in names]
            weights[0] += 1
            odds = tuple(Fraction(w, sum(weights)) for w in weights)
            below = [node(depth - 1) for _ in names]
            return lambda: Chance(names, odds, tuple(make() for make in below))
        player, name = draw(sets)
        if (player, name) not in actions:
            actions[player, name] = tuple(draw(st.lists(texts, min_size=1, max_size=2)))
        own = actions[player, name]
        below = [node(depth - 1) for _ in own]
        return lambda: Decision(player, name, own, tuple(make() for make in below))

    title, root = draw(texts), node(3)
    return lambda: ExtensiveForm(title, players, root())


def with_decimals(node):
    if isinstance(node, Leaf):
        return Leaf(tuple(map(decimal, node.payoffs)))
    children = tuple(map(with_decimals, node.children))
    return dataclasses.replace(node, children=children)


@settings(max_examples=50, deadline=None)
@given(makers_of_forms())
def test_every_game_survives_a_round_trip(make):
    form = make()
    text = format_efg(form)
    back = parse_efg(text)
    assert back == ExtensiveForm(form.title, form.players, with_decimals(form.root))
    assert format_efg(back).splitlines()[0] == text.splitlines()[0]
    assert parse_efg(format_efg(back)) == back


def test_rounded_probabilities_add_up_to_one_in_the_file():
    third = 1 / 3
    root = Chance(("a", "b", "c"), (third,) * 3, (Leaf((1,)), Leaf((2,)), Leaf((3.0,))))
    back = parse_efg(format_efg(ExtensiveForm("", ("A",), root))).root
    assert isinstance(back, Chance)
    assert sum(back.probabilities) == 1
    assert_allclose([float(p) for p in back.probabilities], third, rtol=1e-15)


def test_deep_trees_need_no_recursion():
    text = HEAD + 'p "" 1 1 "" { "a" } 0\n' * 2000 + LEAF
    form = parse_efg(text)
    assert format_efg(form).count("\np ") == 2000


# --- faults -----------------------------------------------------------------------------------

PLAY = 'p "" 1 1 "x" { "a" "b" } 0'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    (
        ("", 1, "expected EFG, got the end of the file"),
        ("NFG 1 R", 1, "expected EFG, got NFG"),
        ("EFG 1 R", 1, "expected 2, got 1"),
        ("EFG 2 X", 1, "expected R or D, got X"),
        ('EFG 2 R "t', 1, "a text without end"),
        ('EFG 2 R "t" { }', 1, "no players"),
        ("\ufeff" + HEAD, 1, "byte order mark"),
        (HEAD, 2, "expected c or p or t, got the end of the file"),
        (HEAD + "q", 2, "expected c or p or t, got q"),
        (HEAD + "t 1", 2, "a text in quotation marks, got 1"),
        (HEAD + 't "" 5', 2, "outcome 5 is met first here, without payoffs"),
        (HEAD + 't "" 1.0 "" { 1 1 }', 2, "a whole number from 0, got 1.0"),
        (HEAD + 't "" -1 "" { 1 1 }', 2, "a whole number from 0, got -1"),
        (HEAD + 't "" 0 "" { 1 1 }', 2, "outcome 0 pays nothing"),
        (HEAD + 't "" 1 ""\n{ 1 }', 3, "an outcome has 2 payoffs, one per player, got 1"),
        (HEAD + 't "" 1 "" { 1 2 3 }', 2, "2 payoffs, one per player, got 3"),
        (HEAD + 't "" 1 ""\n{ 1,5 2,5 }', 3, "a comma within a number"),
        (HEAD + 't "" 1 "" { 1 1/0 }', 2, "1/0 divides by zero"),
        (HEAD + 't "" 1 "" { 1e400 0 }', 2, "1e400 is too large for float64"),
        (HEAD + 't "" 1 "" { 1e999999999999 0 }', 2, "too large for float64"),
        (HEAD + 't "" 1 "" { 1e-99999 0 }', 2, "1e-99999 is too small to be kept exactly"),
        (HEAD + f't "" 1 "" {{ {"9" * 5000} 0 }}', 2, "too large for float64"),
        (HEAD + 't "" 1 "" { 1 nan }', 2, "expected }, got nan"),
        (HEAD + 't "" 1 "" { 1 1_0 }', 2, "expected }, got 1_0"),
        (HEAD + 't "" 1 "" { 1 \u0663 }', 2, "expected }, got \u0663|\\\\u0663"),
        (HEAD + 't "" 1 "" { 1 1', 2, "expected }, got the end of the file: outcome 1"),
        (HEAD + LEAF + "\n" + LEAF, 3, "the tree is complete, but the file goes on with t"),
        (HEAD + PLAY + LEAF + "\n", 3, "not complete: 1 node is missing"),
        (HEAD + PLAY + "\n", 3, "expected c or p or t|not complete: 2 nodes are missing"),
        (HEAD + PLAY + LEAF + '\nt "" 1 "" { 1 1 }', 3, "outcome 1 has had other payoffs before"),
        (HEAD + 'p "" 3 1 "x" { "a" } 0', 2, "there is no player 3 of 2"),
        (HEAD + 'p "" 0 1 "x" { "a" } 0', 2, "the number of a player .* from 1, got 0"),
        (HEAD + 'p "" 1 0 "x" { "a" } 0', 2, "the number of an information set .* got 0"),
        (HEAD + 'p "" 1 1 "x" { } 0', 2, "information set 1 of player 1 has no actions"),
        (HEAD + 'p "" 1 1 "x" 0', 2, "information set 1 of player 1 is met first here"),
        (HEAD + 'c "" 1 0', 2, "information set 1 of chance is met first here"),
        (HEAD + 'p "" 1 1 "x" { "a" 1/2 } 0', 2, "expected }, got 1/2: information set 1 of"),
        (HEAD + PLAY + '\np "" 1 1 "x" { "a" } 0', 3, "has 1 actions here, and 2 before"),
        (HEAD + PLAY + '\np "" 1 1 "x" { "a" "c" } 0', 3, "in another way than before"),
        (HEAD + PLAY + '\np "" 1 1 "y" { "a" "b" } 0', 3, "in another way than before"),
        (HEAD + PLAY + '\np "" 1 1 "y" 0', 3, "had another name before, x"),
        (HEAD + 'c "" 1 "" { "a" 1/2 "b" 1/3 } 0', 2, "add up to 5/6, not to one$"),
        (HEAD + 'c "" 1 "" { "a" .333 "b" .667001 } 0', 2, "not to one; write them as fractions"),
        (HEAD + 'c "" 1 "" { "a" 3/2 "b" -1/2 } 0', 2, "the probability -1/2 is negative"),
        (HEAD + 'c "" 1 "" { "a" 0,5 "b" 0,5 } 0', 2, "a comma within a number"),
        (HEAD + 'c "" 1 "" { "a" "b" } 0', 2, "expected a number, got b"),
    ),
)
def test_every_fault_says_in_which_line(text, line, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_efg(text)
    told = str(caught.value)
    assert told.startswith(f"line {line} of the .efg file: ")
    assert len(told) < 300 and told.isprintable()


def test_truncated_files_are_refused():
    """Whatever is cut off a file, what is left is no file, and no other error comes out."""
    text = STAGES.rstrip()
    for end in range(0, len(text) - 1, 3):
        with pytest.raises(ValueError, match=r"line \d+ of the .efg file"):
            parse_efg(text[:end])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_or_read(data):
    place = data.draw(st.integers(0, len(STAGES) - 1))
    text = STAGES[:place] + data.draw(st.text(max_size=3)) + STAGES[place + 1 :]
    try:
        parse_efg(text)
    except ValueError as error:
        assert str(error).startswith("line ")


def test_files_in_other_encodings(tmp_path):
    for encoding, message in (("utf-16", "order mark of UTF-16"), ("utf-8-sig", "order mark;")):
        (tmp_path / "game.efg").write_bytes((HEAD + LEAF).encode(encoding))
        with pytest.raises(ValueError, match=f"line 1 of the .efg file.* byte {message}"):
            dg.read_efg(tmp_path / "game.efg")
    (tmp_path / "game.efg").write_bytes(HEAD.encode() + b"\xe9")
    with pytest.raises(ValueError, match=r"line 2 of the .efg file: the byte 0xe9 is no UTF-8"):
        dg.read_efg(tmp_path / "game.efg")


@pytest.mark.parametrize(
    ("root", "message"),
    (
        (Leaf((1,)), "1 payoffs, the game 2 players"),
        (Leaf((1, float("nan"))), "finite numbers only"),
        (Decision(2, "x", ("a",), (Leaf((0, 0)),)), "there is no player 2"),
        (Decision(0, "x", ("a", "b"), (Leaf((0, 0)),)), "as many actions as children"),
        (
            Decision(0, "x", ("a",), (Decision(0, "x", ("b",), (Leaf((0, 0)),)),)),
            "'x' of player 0 has the actions",
        ),
        (Chance(("a",), (Fraction(1, 2),), (Leaf((0, 0)),)), "add up to one"),
        (Chance(("a",), (), (Leaf((0, 0)),)), "1 actions, and 0 probabilities"),
    ),
)
def test_malformed_games_are_not_written(root, message):
    with pytest.raises(ValueError, match=message):
        format_efg(ExtensiveForm("", ("A", "B"), root))


# --- other packages ---------------------------------------------------------------------------


def test_gambit_reads_what_we_write_and_we_what_it_writes():
    gambit = pytest.importorskip("pygambit", reason="pygambit is not installed")
    form = kuhn_poker()
    theirs = gambit.read_efg(io.StringIO(format_efg(form)))
    assert [len(player.infosets) for player in theirs.players] == [6, 6]
    value = gambit.nash.lp_solve(theirs, rational=True).equilibria[0].payoff(form.players[0])
    assert Fraction(int(value.numerator), int(value.denominator)) == Fraction(-1, 18)
    assert parse_efg(theirs.to_efg()) == form


class Race:
    """A game like those of OpenSpiel: chance chooses a prize, then two players move together."""

    def __init__(self, prize=None, moves=()):
        self.prize, self.moves = prize, moves

    def num_players(self):
        return 2

    def new_initial_state(self):
        return Race()

    def is_chance_node(self):
        return self.prize is None

    def is_terminal(self):
        return bool(self.moves)

    def is_simultaneous_node(self):
        return not self.is_chance_node()

    def chance_outcomes(self):
        return [(1, 1 / 3), (4, 2 / 3)]

    def legal_actions(self, player=None):
        return list(range(6 if player is None else (2, 3)[player]))

    def information_state_string(self, player):
        return f"prize {self.prize}" if player else "blind"

    def action_to_string(self, player, action):
        return f"move {action}" if player >= 0 else f"prize {action}"

    def child(self, action):
        return Race(action)

    def clone(self):
        return Race(self.prize, self.moves)

    def apply_action(self, action):
        self.moves = (action % 2, action // 2)  # the first player's action changes fastest

    def returns(self):
        prize = self.prize or 0
        return [float(prize * self.moves[0]), prize * self.moves[1] / 2]

    def __str__(self):
        return "race"


def test_simultaneous_moves_become_successive_ones():
    form = dg.from_openspiel(Race(), form="extensive")
    assert form.infosets(0) == (("blind", ("move 0", "move 1")),)
    assert [name for name, _ in form.infosets(1)] == ["prize 1", "prize 4"]
    chance = form.root
    assert isinstance(chance, Chance)
    assert chance.probabilities == (Fraction(1, 3), Fraction(2, 3))
    first = chance.children[1]
    assert isinstance(first, Decision) and isinstance(first.children[1], Decision)
    assert first.children[1].children == (Leaf((4, 0)), Leaf((4, 2)), Leaf((4, 4)))
    assert_allclose(np.sum(form.game().payoffs, 1) / 6, [1.5, 1.5])
    assert parse_efg(format_efg(form)) == form


def test_large_games_are_refused():
    with pytest.raises(ValueError, match=r"more than 18 nodes .see max_histories"):
        dg.from_openspiel(Race(), form="extensive", max_histories=18)
    assert dg.from_openspiel(Race(), form="extensive", max_histories=19).title == "race"
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused, match=r"form is .* got 'tree'|Type-check error"):
        dg.from_openspiel(Race(), form="tree")  # pyright: ignore
    with pytest.raises(ValueError, match='much smaller: form="extensive"'):
        dg.from_openspiel(Race(), max_payoffs=10)


@pytest.mark.parametrize(
    ("name", "leaves", "infosets"),
    (("kuhn_poker", 30, (6, 6)), ("leduc_poker", 5520, (468, 468)), ("matrix_pd", 4, (1, 1))),
)
def test_games_of_openspiel(name, leaves, infosets):
    spiel = pytest.importorskip("pyspiel", reason="OpenSpiel is not installed")
    game = dg.from_openspiel(name, form="extensive").game()
    assert game.payoffs.shape == (2, leaves)
    assert tuple(tree.infosets for tree in game.treeplexes) == infosets

    def value(state):  # of uniform play
        if state.is_terminal():
            return np.array(state.returns())
        if state.is_chance_node():
            moves = state.chance_outcomes()
        else:
            moves = [(action, 1 / len(state.legal_actions())) for action in state.legal_actions()]
        return np.sum([p * value(state.child(action)) for action, p in moves], 0)

    expected = value(spiel.load_game(name).new_initial_state())
    assert_allclose(game.costs(game.uniform()), -expected, atol=1e-12)
