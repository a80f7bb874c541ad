"""The sections of every page: the verdict, what is proved, the tables, and what is trusted."""

from certify.checker.reader import Reader
from certify.claims.certificate import Certificate
from certify.claims.rows import Cell, Name, Number, Part, Table
from certify.report.markup import (
    Markup,
    facts,
    listing,
    lower,
    name,
    near,
    paragraph,
    section,
    table,
    text,
    upper,
)

# The most rows of a table, and the most entries of a list.
MOST_ROWS = 60
_ROUNDED = {"lower": lower, "upper": upper, "near": near}


def markup(cell: Cell) -> Markup:
    """Returns words, names and numbers as HTML: escaped, and bounds rounded to the safe side."""
    return Markup("".join(map(_spelled, cell)))


def _spelled(part: Part) -> Markup:
    if isinstance(part, Number):
        return _ROUNDED[part.side](part.value, part.digits)
    if isinstance(part, Name):
        return name(part)
    return Markup("<br>".join(text(line) for line in part.split("\n")))


def judgement(certificate: Certificate) -> Markup:
    """Says that the claims are proved and checked, and how they were checked."""
    verdict, level = certificate.contents.verdict, certificate.contents.level
    how = (
        "Every inequality in the file was verified in exact arithmetic when this page was made"
        f" (level {level}, {verdict.seconds:.2f} s)."
    )
    if not verdict.rederived:
        how += (
            " The bounds on derivatives that the file states were taken as given:"
            " see “What this rests on”."
        )
    rederived = ""
    if verdict.rederived:
        rederived = "<p>Re-derived from the costs in the file:</p>" + listing(verdict.rederived)
    return Markup(
        '<div class="verdict"><p><strong>Proved</strong>, and <strong>checked</strong>: the '
        f"independent checker accepts this certificate. {text(how)}</p>{rederived}</div>"
    )


def claims_section(certificate: Certificate) -> Markup:
    """States the claims, row by row."""
    stated = certificate.rows()
    rows = [(label, markup(parts)) for label, parts in stated[:MOST_ROWS]]
    more = len(stated) - MOST_ROWS
    if more > 0:
        rows.append(("more", Markup(f"… and {more} more in the file")))
    return section(
        "What is proved",
        facts(rows),
        Markup(
            '<p class="note">Bounds are rounded to the safe side: lower bounds down, upper bounds '
            "up. The exact numbers stand in the file.</p>"
        ),
    )


def table_section(numbers: Table) -> Markup:
    """Shows a table of the certificate."""
    header = [column.title for column in numbers.columns]
    rows = [[markup(cell) for cell in cells] for cells in numbers.rows]
    note = paragraph(markup(numbers.note)) if numbers.note else Markup("")
    return section(numbers.title, table(numbers.title, header, rows), note)


def sentences(file: Reader) -> Markup:
    """Returns the sentences of a list in the file, and says how many are left out."""
    items = [item.text() for item in file.items()]
    more = [f"… and {len(items) - MOST_ROWS} more in the file"] if len(items) > MOST_ROWS else []
    return listing([*items[:MOST_ROWS], *more])


def trust_section(certificate: Certificate) -> Markup:
    """Says what is believed without proof, and where the file comes from."""
    data = certificate.data
    file = Reader(data)
    provenance = file["provenance"].value
    entries = list(provenance.items()) if isinstance(provenance, dict) else []
    rows = [(str(key), value) for key, value in entries if not isinstance(value, dict)]
    rows = rows[:MOST_ROWS]
    if "hash" in file["game"]:
        own = file["game"]["hash"].text()
        rows.append(("hash of the game", Markup(f"<code>{text(own)}</code>")))
    rows.append(("digest", Markup(f"<code>{text(data['digest'])}</code>")))
    return Markup(
        section(
            "What this rests on",
            paragraph("The checker cannot see the following; a proof is worth no more than this:"),
            sentences(file["trusted"]),
        )
        + section("Where it comes from", facts(rows))
    )
