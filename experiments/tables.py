"""What papers say, what reference code gives, what is measured here and what is proved.

    python -m experiments.tables          # writes docs/reproduction.md

The tables are `reproduction/*.json`. Their cells hold no numbers: they name a number of a study,
which its expected file states and its tests recompute, or an entry of a file in `reference/`. Cells
of a paper's own words are the one exception.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import expected, storage

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "reproduction.md"
COLUMNS = {
    "paper": "paper says",
    "reference": "reference code gives",
    "measured": "we measure",
    "proved": "we prove",
}
# The evidence that the numbers of studies in each column may have.
EVIDENCE = {
    "paper": (),
    "reference": ("measured", "estimate"),
    "measured": ("measured", "estimate"),
    "proved": ("proved", "checked"),
}

_HEAD = """# Papers, beside what we measure and prove

Each number below is recomputed by the tests: it is a number of the experiment named in its row,
within the tolerance that `experiments/expected` states, or a published value in
`experiments/reference`. The few with a † are recomputed by the full run of the experiment only,
which takes minutes. *Measured* is a simulation or a floating-point computation, an *estimate* is
sampled and bounds nothing, *proved* holds for every point of the region and every rounding error,
and *checked* was in addition accepted by the independent checker. Numbers are shown to seven
digits, rounded to nearest: the bounds themselves are in the results. This page is written by
`python -m experiments.tables`.
"""


def tables(folder: Path = FOLDER / "reproduction") -> dict[str, Any]:
    """All tables by the names of their files."""
    return {path.stem: storage.read(path) for path in sorted(folder.glob("*.json"))}


def page() -> str:
    """The page of documentation, in Markdown."""
    return "\n".join([_HEAD, *(_table(table) for table in tables().values())])


def cell(column: str, entry: Mapping[str, Any] | None) -> str:
    """A cell as text.

    Args:
        column: A key of `COLUMNS`.
        entry: None; or a mapping with "study" and "number" (and "index", of a list; "label", where
            the number is not that of the row's quantity; "full", for that of the full run), with
            "file" and "path", with "text" or with "why" (a cell is empty).

    Raises:
        ValueError: If the entry is of another kind, or its evidence does not belong there.
        KeyError: If the number named does not exist.
    """
    if entry is None:
        return "–"
    if "why" in entry:
        return f"– ({entry['why']})"
    if "study" in entry:
        label = f"{entry['label']}: " if "label" in entry else ""
        number = expected.load(entry["study"], quick=tested(entry))[entry["number"]]
        return label + _number(column, number, entry) + ("" if tested(entry) else " †")
    if "file" in entry:
        if EVIDENCE[column] != () and column != "reference":
            raise ValueError(f"a file of reference values proves and measures nothing: {entry}")
        value = storage.read(FOLDER / "reference" / entry["file"])
        for step in entry["path"]:
            value = value[step]
        return _text(value)
    if "text" in entry and column == "paper":
        return entry["text"]
    raise ValueError(f"a cell of the column {column!r} cannot be {dict(entry)}")


def tested(entry: Mapping[str, Any]) -> bool:
    """Returns whether the number of a cell belongs to the quick run, which the tests make."""
    quick = expected.load(entry["study"], quick=True)
    return not entry.get("full") and entry["number"] in quick


def studies(row: Mapping[str, Any]) -> list[str]:
    """The studies whose numbers stand in a row."""
    cells = (row.get(column) or {} for column in COLUMNS)
    return sorted({entry["study"] for entry in cells if "study" in entry})


def _table(table: Mapping[str, Any]) -> str:
    head = ["", *COLUMNS.values(), "experiment"]
    about = f"{table['paper']}. {table['note']}\n"
    lines = [f"\n## {table['title']}\n", about, _line(head), _line(["---"] * len(head))]
    for row in table["rows"]:
        cells = [cell(column, row.get(column)) for column in COLUMNS]
        names = ", ".join(f"`{name}`" for name in studies(row))
        lines.append(_line([row["quantity"], *cells, names]))
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(column: str, number: expected.Expected, entry: Mapping[str, Any]) -> str:
    if number.evidence not in EVIDENCE[column]:
        raise ValueError(f"{entry} is {number.evidence}: not for the column {column!r}")
    word = "" if number.evidence == "measured" else f" ({number.evidence})"
    value = number.found if number.value is None else number.value
    if value is not None:
        return _text(value[entry["index"]] if "index" in entry else value) + word
    if number.least is not None and number.most is not None:
        return f"in [{_text(number.least)}, {_text(number.most)}]{word}"
    bound = f"≥ {_text(number.least)}" if number.most is None else f"≤ {_text(number.most)}"
    return bound + word


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.7g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written to {PAGE.relative_to(FOLDER.parent)}")
