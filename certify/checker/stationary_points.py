"""The system of equations of a stationary point, with some coordinates at bounds of their sets.

A graph has the costs of the players as outputs, or the entries of a field F themselves; of costs,
`F_k = df_i / dx_k` for the player i whose coordinate k is. With the coordinates in `fixed` at a
bound and all others free, the unknowns are the free coordinates, the equations `F_k = 0` for each
of them, and the conditions `F_k > 0` for those at a lower bound, `-F_k > 0` at an upper one.
"""

from fractions import Fraction

from .reader import Reader
from .sets import BoxSet, Extent, read_set
from .systems import DerivativeTerm, System
from .verdict import require

# Which end of its strategy set a coordinate is at, "lower" or "upper"; None if it is free.
Pins = tuple[str | None, ...]


class StationarySystem(System):
    """The equations of a stationary point; see the top of this module.

    Args:
        sizes: The number of coordinates of each player.
        of_costs: Whether the graph has costs as outputs; else it has the entries of a field.
        pins: Which coordinates are fixed.
        ends: The lower and the upper bounds at which they are.
    """

    def __init__(
        self,
        sizes: list[int],
        of_costs: bool,
        pins: Pins | None = None,
        ends: tuple[list[Fraction], list[Fraction]] | None = None,
    ) -> None:
        self.sizes, self.of_costs, self.inputs = sizes, of_costs, sum(sizes)
        self.owners = [i for i, size in enumerate(sizes) for _ in range(size)]
        self.pins = pins or (None,) * self.inputs
        self.free = [k for k, pin in enumerate(self.pins) if pin is None]
        self.fixed = [k for k, pin in enumerate(self.pins) if pin is not None]
        numbers: dict[int, int | Fraction] = {k: number for number, k in enumerate(self.free)}
        if ends is not None:
            numbers |= {k: ends[self.pins[k] == "upper"][k] for k in self.fixed}
        self.places = [numbers[k] for k in range(self.inputs)]
        self.unknowns, self.conditions = len(self.free), len(self.fixed)
        self.outputs = len(sizes) if of_costs else self.inputs
        self.multipliers, self.forms, self.local = [], [], True
        self.extents: list[Extent] = [(None, None)] * self.inputs
        self.order = 2 if of_costs else 1

    def entry_of_field(self, k: int, sign: int = 1) -> list[DerivativeTerm]:
        """Returns the terms of `F_k`, times a sign."""
        if self.of_costs:
            return [DerivativeTerm(sign, self.owners[k], (k,))]
        return [DerivativeTerm(sign, k)]

    def own_free(self, player: int) -> list[int]:
        """Returns the free coordinates of a player."""
        return [k for k in self.free if self.owners[k] == player]

    def curvature(self, player: int) -> list[list[list[DerivativeTerm]]]:
        """Returns the terms of the second derivatives of a player's cost, by free coordinates."""
        own = self.own_free(player)
        return [[[DerivativeTerm(1, player, (a, b))] for b in own] for a in own]

    def equation(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        return self.entry_of_field(self.free[k])

    def condition(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        coordinate = self.fixed[k]
        return self.entry_of_field(coordinate, 1 if self.pins[coordinate] == "lower" else -1)

    def entry(self, form: int, i: int, j: int) -> list[DerivativeTerm]:
        """See `System`."""
        raise NotImplementedError


def read_stationary(game: Reader, sizes: list[int]) -> StationarySystem:
    """Reads the system of a file, with all coordinates free, and the strategy sets."""
    kind, of = game["system"].fields("kind", "of")
    if kind.text() != "stationary" or of.text() not in ("costs", "field"):
        game["system"].fail('the kind "stationary" of "costs" or of a "field"')
    system = StationarySystem(sizes, of.text() == "costs")
    if "sets" in game:
        entries = zip(game["sets"].items(len(sizes)), sizes, strict=True)
        sets = [read_set(entry, size) for entry, size in entries]
        boxes = [own for own in sets if isinstance(own, BoxSet)]
        if len(boxes) < len(sets):
            game["sets"].fail("boxes, or everything")
        system.extents = [extent for own in boxes for extent in own.extents]
        known = ((a, b) for a, b in system.extents if a is not None and b is not None)
        require(all(a < b for a, b in known), "the strategy sets have a width in each coordinate")
    return system
