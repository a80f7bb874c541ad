"""Reads the data of a linear-quadratic game, floats that are exact rationals, from a file."""

from fractions import Fraction

from .reader import Reader, Unusable
from .verdict import require

MAX_STATES, MAX_CONTROLS, MAX_PLAYERS = 64, 64, 16
TIMES = ("discrete", "continuous")

Rational = list[list[Fraction]]


class LQData:
    """A linear-quadratic game: what its matrices are, in exact numbers.

    Attributes:
        time: "discrete" or "continuous".
        states: The number n of coordinates of the state.
        sizes: How many controls each player has.
        dynamics: The matrix A.
        inputs: The matrix of each player's controls, B_i.
        state_costs: The symmetric matrices Q_i.
        control_costs: The symmetric matrices R_ij, of player i for the controls of player j.
        terminal: The symmetric matrices at the end.
    """

    def __init__(self, game: Reader) -> None:
        names = "name", "time", "players", "sizes", "states", "A", "B", "Q", "R", "terminal"
        game.fields(*names)
        game["name"].text()
        self.time = game["time"].text()
        if self.time not in TIMES:
            game["time"].fail(" or ".join(f'"{known}"' for known in TIMES))
        players = [player.text() for player in game["players"].items()]
        count = len(players)
        if not 1 <= count <= MAX_PLAYERS or len(set(players)) < count:
            raise Unusable(f"a game has 1 to {MAX_PLAYERS} players of different names")
        self.states = game["states"].integer_within(1, MAX_STATES)
        self.sizes = [s.integer_within(1, MAX_CONTROLS) for s in game["sizes"].items(count)]
        if sum(self.sizes) > MAX_CONTROLS:
            raise Unusable(f"a game has at most {MAX_CONTROLS} controls")
        n = self.states
        self.dynamics = matrix(game["A"], n, n)
        inputs = zip(game["B"].items(count), self.sizes, strict=True)
        self.inputs = [matrix(own, n, size) for own, size in inputs]
        self.state_costs = [_symmetric(own, n) for own in game["Q"].items(count)]
        self.control_costs = [
            [_symmetric(own, m) for own, m in zip(row.items(count), self.sizes, strict=True)]
            for row in game["R"].items(count)
        ]
        self.terminal = [_symmetric(own, n) for own in game["terminal"].items(count)]

    @property
    def players(self) -> int:
        """The number of players."""
        return len(self.sizes)

    @property
    def controls(self) -> int:
        """The number of controls of all players."""
        return sum(self.sizes)

    def own(self, player: int) -> slice:
        """The positions of a player's controls among those of all."""
        start = sum(self.sizes[:player])
        return slice(start, start + self.sizes[player])


def matrix(field: Reader, rows: int, columns: int) -> Rational:
    """Returns a matrix, which the file has in one list, row by row."""
    flat = field.numbers(rows * columns)
    return [flat[i * columns : (i + 1) * columns] for i in range(rows)]


def _symmetric(field: Reader, size: int) -> Rational:
    found = matrix(field, size, size)
    require(
        all(found[i][j] == found[j][i] for i in range(size) for j in range(i)),
        "the matrices of the costs are symmetric",
    )
    return found
