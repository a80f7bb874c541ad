"""Shows certificates of every kind as tables on a terminal."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from certify.checker.reader import Reader, printable
from certify.claims.certificate import Certificate
from certify.claims.rows import Cell, Name, Number, Part
from certify.claims.rows import Table as Numbers
from certify.problem.messages import clipped


def certificate_table(certificate: Certificate) -> RenderableType:
    """Returns what a certificate claims and what the claims rest on, or why there is no proof."""
    if certificate.status != "proved":
        reasons = (*certificate.reasons, *certificate.promoted)
        lines = Text("\n".join(f"- {printable(reason)}" for reason in reasons))
        return Panel(lines, title=f"status: {certificate.status}", title_align="left")
    parts = [_claim(certificate), *map(_numbers, certificate.tables())]
    if not certificate.no_file:
        parts.append(_evidence(certificate))
    return Group(*parts)


def _pairs(title: str) -> Table:
    return Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 1))


def _claim(certificate: Certificate) -> Table:
    table = _pairs("Claim")
    for label, parts in certificate.rows():
        table.add_row(label, _text(parts))
    return table


def _text(cell: Cell) -> Text:
    """Returns a cell as plain text, without markup or control characters for the terminal."""
    return Text("".join(map(_spelled, cell)))


def _spelled(part: Part) -> str:
    """Returns one part of a cell as text; numbers are rounded to the nearest, -0.0 reads 0."""
    if isinstance(part, Number):
        return f"{part.value + 0.0:.{part.digits}g}"
    if isinstance(part, Name):
        return printable(clipped(part))
    return "\n".join(map(printable, part.split("\n")))


def _numbers(numbers: Numbers) -> RenderableType:
    table = Table(title=numbers.title, title_justify="left")
    shown = [k for k, column in enumerate(numbers.columns) if not column.on_page_only]
    for k in shown:
        table.add_column(
            numbers.columns[k].title,
            justify="left" if _is_words(numbers, k) else "right",
            no_wrap=not _is_name(numbers, k),
        )
    for cells in numbers.rows:
        table.add_row(*(_text(cells[k]) for k in shown))
    return Group(table, _text(numbers.note).copy()) if numbers.note else table


def _is_words(numbers: Numbers, column: int) -> bool:
    return all(isinstance(part, str) for cells in numbers.rows for part in cells[column])


def _is_name(numbers: Numbers, column: int) -> bool:
    return any(isinstance(part, Name) for cells in numbers.rows for part in cells[column])


def _evidence(certificate: Certificate) -> Table:
    verdict, file = certificate.contents.verdict, Reader(certificate.data)
    table = _pairs("Evidence")
    table.add_row("numbers", "rounded to the nearest; the file has the exact ones")
    table.add_row("checker", f"accepted in {verdict.seconds:.2f} s, exact arithmetic")
    made = file["provenance"]
    provenance = made.value if isinstance(made.value, dict) else made.fail("an object")
    entries = (f"{key} {value}" for key, value in provenance.items() if not isinstance(value, dict))
    table.add_row("made", Text(printable(", ".join(entries))))
    for sentence in file["trusted"].items():
        table.add_row("trusted", Text(printable(sentence.text())))
    return table
