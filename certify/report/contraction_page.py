"""A shorter page, about a file that proves a single step of a method to contract."""

from typing import Any

import numpy as np

from certify.checker import Verdict
from certify.checker.reader import Reader
from certify.problem.naming import shown_name
from certify.report import figures
from certify.report.markup import Markup, facts, lower, name, near, section, text, upper
from certify.report.pieces import tree
from certify.report.sections import sentences, sketch


def contraction_parts(data: dict[str, Any], verdict: Verdict) -> tuple[Markup, list[Markup]]:
    """The title and the sections."""
    file, claims = Reader(data), data["claims"]
    game = shown_name(file["game"]["name"].text())
    low, high = (np.array([float.fromhex(x) for x in claims[side]]) for side in ("lower", "upper"))
    nodes = tree(data["evidence"]["cells"], low, high)
    cells = sum(node.is_leaf for node in nodes)

    def number(key: str) -> float:
        return float.fromhex(claims[key])

    rows: list[tuple[str, Any]] = [
        ("method", file["method"]["settings"].text()),
        ("step", Markup(f"shrinks distances in the metric of the file by {upper(number('rate'))}")),
        (
            "fixed point",
            Markup(f"exactly one in the box, within {upper(number('radius'), 3)} of the centre"),
        ),
        ("basin", Markup(f"every augmented state within {lower(number('basin'))} of the centre")),
        ("box", _box(low, high)),
        ("cells", str(cells)),
    ]
    if "start" in claims:
        reach = lower(float.fromhex(claims["start"]["radius"]))
        rows.append(("starts", Markup(f"every strategy within {reach}, in a metric of its own")))
    rows.append(("digest", Markup(f"<code>{text(data['digest'])}</code>")))
    accepted = (
        '<div class="verdict"><p><strong>Proved</strong>, and <strong>checked</strong>: the '
        "independent checker accepts this file; every inequality was verified in exact arithmetic "
        f"when this page was made ({verdict.seconds:.2f} s). The bounds on derivatives that the "
        "file states were taken as given: see “What this rests on”.</p></div>"
    )
    parts = [
        Markup(f"<h1>Contraction of a step on {name(game)}</h1>"),
        Markup(accepted),
        section("What is proved", facts(rows)),
        *([section("The proof", sketch(lambda: figures.histogram(nodes)))] if cells > 1 else []),
        section("What this rests on", sentences(file["trusted"])),
    ]
    return Markup(f"Contraction of a step on {text(game, 80)}"), parts


def _box(low: np.ndarray, high: np.ndarray) -> Markup:
    ends = list(zip(low.tolist(), high.tolist(), strict=True))
    shown = [f"[{near(a)}, {near(b)}]" for a, b in ends[:6]]
    return Markup(" × ".join(shown) + " × …" * (len(ends) > 6))
