"""Rows and tables that show what a certificate says, for a terminal and for a page."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple


class Number(NamedTuple):
    """A number in a row, which each medium rounds in its own way.

    Attributes:
        value: The number.
        side: Whether it is a lower or an upper bound, which is rounded to the safe side where there
            is room for more than a few digits, or no bound.
        digits: The number of digits that are shown.
    """

    value: float
    side: Literal["lower", "upper", "near"]
    digits: int = 6


class Name(str):
    """A name from a file, which is kept apart from the words around it."""

    __slots__ = ()


# The parts of a row or a cell: words of this package or of a file, names and numbers.
Part = str | Name | Number
Cell = Sequence[Part]


class Row(NamedTuple):
    """One statement of a certificate.

    Attributes:
        label: Its label.
        parts: Its words, to be joined.
    """

    label: str
    parts: Cell


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its heading.
        on_page_only: Whether it is left out on a terminal.
    """

    title: str
    on_page_only: bool = False


class Table(NamedTuple):
    """A table of a certificate.

    Attributes:
        title: The title above it.
        columns: The columns, of which the first names the rows.
        rows: The rows, each with one cell per column.
        note: Words below it; empty for none.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: Cell = ()


def row(label: str, *parts: Part) -> Row:
    """Makes a row from its label and its parts."""
    return Row(label, parts)


def at_least(value: float, digits: int = 6) -> Number:
    """Marks a lower bound."""
    return Number(value, "lower", digits)


def at_most(value: float, digits: int = 6) -> Number:
    """Marks an upper bound."""
    return Number(value, "upper", digits)


def about(value: float, digits: int = 6) -> Number:
    """Marks a number that is no bound."""
    return Number(value, "near", digits)


def shortened(cells: Iterable[Cell], most: int, *, between: str = ", ", total: bool = True) -> Cell:
    """Joins the first few cells of a list, and says how many there are if there are more."""
    listed = list(cells)
    parts: list[Part] = []
    for index, cell in enumerate(listed[:most]):
        parts += [*([between] if index else []), *cell]
    if len(listed) > most:
        parts.append(f"{between}... ({len(listed)} in all)" if total else f"{between}...")
    return parts


def vector(values: Sequence[float], most: int = 6) -> Cell:
    """Writes the first few entries of a vector; a single entry has no parentheses."""
    if len(values) == 1:
        return [about(values[0])]
    return ["(", *shortened(([about(value)] for value in values), most), ")"]


def intervals(lower: Sequence[float], upper: Sequence[float], most: int) -> Cell:
    """Writes a box as the product of its first few sides."""
    sides = (
        ["[", about(low), ", ", about(high), "]"] for low, high in zip(lower, upper, strict=True)
    )
    return shortened(sides, most, between=" x ", total=False)
