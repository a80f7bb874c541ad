"""What came of all mutants, as tables for a terminal and for documents."""

from collections import Counter
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table

from tools.mutants.reasons import Reason
from tools.mutants.trial import ACCEPTED, FIRST, SECOND, SLOW, UNUSABLE, WRONG, Outcome

_VERDICTS = (UNUSABLE, FIRST, SECOND, ACCEPTED, WRONG)
Rows = list[list[str]]


def kind_of(outcome: Outcome) -> str:
    """The family of a kind of change."""
    kind = outcome.kind
    if kind.startswith(("up ", "down ")):
        return "number nudged"
    if kind in ("sign flipped", "zeroed", "made huge", "made tiny", "in decimals"):
        return "number spoilt"
    if kind in ("plus 1", "minus 1", "halved", "doubled"):
        return "integer changed"
    if kind in ("flipped", "kind swapped") or kind.startswith("text"):
        return "word changed"
    if kind.startswith(("element", "emptied")):
        return "list changed"
    if kind.startswith("field"):
        return "field deleted, added, renamed"
    if kind == "of another certificate":
        return kind
    return "cells or graph rebuilt"


def counted(outcomes: Iterable[Outcome], key: Callable[[Outcome], tuple[str, ...]]) -> Rows:
    """A row for each key: the key, how many, and how many with each verdict; then the totals."""
    counts: Counter[tuple[tuple[str, ...], str]] = Counter()
    for outcome in outcomes:
        counts[key(outcome), outcome.verdict] += 1
    keys = sorted({row for row, _ in counts})
    rows = [[*row, *_numbers(counts[row, verdict] for verdict in _VERDICTS)] for row in keys]
    width = len(keys[0]) if keys else 1
    totals = (sum(counts[row, verdict] for row in keys) for verdict in _VERDICTS)
    return [*rows, ["all", *[""] * (width - 1), *_numbers(totals)]]


def _numbers(counts: Iterable[int]) -> list[str]:
    counts = list(counts)
    return [str(sum(counts)), *(str(count or "") for count in counts)]


def reasons(outcomes: Iterable[Outcome]) -> Rows:
    """Of accepted files: why, where and how many."""
    counts: Counter[str] = Counter()
    where: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        if outcome.verdict != ACCEPTED:
            continue
        why = Reason[outcome.reason].value
        if outcome.reason == "GIVEN":
            if outcome.given:
                why += ", found false: taken as given at level 1, and no graph to tell"
            elif outcome.level == 2:
                why += ": re-derived at level 2"
            else:
                why += ", not found false: taken as given at level 1, and no graph"
        counts[why] += 1
        where.setdefault(why, Counter())[outcome.group] += 1
    return [
        [why, str(count), ", ".join(f"{g} {c}" for g, c in where[why].most_common())]
        for why, count in counts.most_common()
    ]


HEAD = ["made", *_VERDICTS]


def tables(outcomes: list[Outcome]) -> dict[str, tuple[list[str], Rows]]:
    """All tables, by title: the head and the rows."""
    return {
        "by part of the file": (["part", *HEAD], counted(outcomes, lambda o: (o.group,))),
        "by kind of change": (["change", *HEAD], counted(outcomes, lambda o: (kind_of(o),))),
        "by part and kind": (
            ["part", "change", *HEAD],
            counted(outcomes, lambda o: (o.group, kind_of(o))),
        ),
        "by certificate": (["certificate", *HEAD], counted(outcomes, lambda o: (o.certificate,))),
        "why accepted": (["reason", "files", "where"], reasons(outcomes)),
    }


def show(outcomes: list[Outcome]) -> None:
    """Prints all tables, then everything that is wrong or slow, in full."""
    console = Console()
    for title, (head, rows) in tables(outcomes).items():
        table = Table(title=title, title_justify="left")
        for name in head:
            number = name in HEAD or name == "files"
            table.add_column(name, justify="right" if number else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for outcome in outcomes:
        if outcome.verdict == WRONG or outcome.seconds > SLOW:
            console.print(outcome._asdict(), markup=False)


def markdown(outcomes: list[Outcome]) -> str:
    """All tables for a document."""
    parts = []
    for title, (head, rows) in tables(outcomes).items():
        lines = [head, ["---"] * len(head), *rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        parts.append(f"### {title.capitalize()}\n\n{text}\n")
    return "\n".join(parts)
