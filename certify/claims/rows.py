"""Rows and tables of what a certificate says, for a terminal and for a page alike."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple


class Number(NamedTuple):
    """A number in a row, which each medium rounds in its own way.

    Attributes:
        value: The number.
        side: What it is: a bound that is rounded to the safe side where there is room for more than
            a few digits, or no bound.
        digits: Of it that are shown.
    """

    value: float
    side: Literal["lower", "upper", "near"]
    digits: int = 6


class Name(str):
    """A name that a file gives, which is kept apart from the words around it."""

    __slots__ = ()


# What a row or a cell is made of: words of this package or of a file, names and numbers.
Part = str | Name | Number
Cell = Sequence[Part]


class Row(NamedTuple):
    """One thing that a certificate says.

    Attributes:
        label: What it is called.
        parts: What is said, to be joined.
    """

    label: str
    parts: Cell


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its head.
        on_page_only: Whether it is too much for a terminal.
    """

    title: str
    on_page_only: bool = False


class Table(NamedTuple):
    """A table of a certificate.

    Attributes:
        title: Above it.
        columns: The heads; the first column names the rows.
        rows: Cells, as many as columns each.
        note: A row of words below it; empty for none.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: Cell = ()


def row(label: str, *parts: Part) -> Row:
    """Makes a row of its parts."""
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
    """Joins the first few of a list, and says how many there are if there are more."""
    listed = list(cells)
    parts: list[Part] = []
    for index, cell in enumerate(listed[:most]):
        parts += [*([between] if index else []), *cell]
    if len(listed) > most:
        parts.append(f"{between}... ({len(listed)} in all)" if total else f"{between}...")
    return parts


def vector(values: Sequence[float], most: int = 6) -> Cell:
    """Writes the first few entries of a vector; one entry stands alone."""
    if len(values) == 1:
        return [about(values[0])]
    return ["(", *shortened(([about(value)] for value in values), most), ")"]
