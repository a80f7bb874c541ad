"""The tables of papers beside what is measured and proved: every cell has something behind it."""

import pytest

from experiments import catalogue, tables

CELLS = [
    (name, row["quantity"], column, row[column])
    for name, table in tables.tables().items()
    for row in table["rows"]
    for column in row
    if column != "quantity"
]


def test_page_is_what_the_tables_say():
    assert tables.PAGE.read_text(encoding="utf-8") == tables.page()


@pytest.mark.parametrize(("name", "quantity", "column", "entry"), CELLS)
def test_every_cell_has_something_behind_it(name, quantity, column, entry):
    assert column in tables.COLUMNS
    assert tables.cell(column, entry)
    if entry is not None and "study" in entry:
        assert entry["study"] in catalogue.names()
        # The tests make quick runs: cells whose numbers are not among what they compute say so.
        assert tables.tested(entry) != tables.cell(column, entry).endswith("†")


def test_few_cells_wait_for_full_runs():
    entries = [entry for *_, entry in CELLS if entry and "study" in entry]
    waiting = [entry for entry in entries if not tables.tested(entry)]
    assert len(waiting) <= len(entries) / 5


def test_evidence_must_fit_the_column():
    measured = {"study": "small_gain_toy", "number": "largest Euclidean norm"}
    checked = {"study": "small_gain_toy", "number": "margin"}
    assert tables.cell("measured", measured) == "0.675969"
    assert tables.cell("proved", checked) == "0.2928932 (checked)"
    for column, entry in (
        ("proved", measured),
        ("measured", checked),
        ("paper", measured),
        ("proved", {"file": "sgn_lq.json", "path": ["optimal_ratio"]}),
        ("measured", {"text": "0.3"}),
        ("proved", {"value": 0.3}),
    ):
        with pytest.raises(ValueError, match=r"column|proves"):
            tables.cell(column, entry)
    with pytest.raises(KeyError):
        tables.cell("proved", {"study": "small_gain_toy", "number": "no such number"})


def test_cells_from_reference_files():
    entry = {"file": "sgn_lq.json", "path": ["values", 4, "margin"]}
    assert tables.cell("reference", entry) == "0.2928932"
    assert tables.cell("paper", None) == "–"
