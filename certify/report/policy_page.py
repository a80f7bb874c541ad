"""A shorter page, about a file that proves something about all policies of a game."""

from typing import Any

from certify.checker import Verdict
from certify.checker.reader import Reader
from certify.claims.policies import PolicyCertificate
from certify.claims.policy_words import in_words
from certify.problem.naming import shown_name
from certify.report.markup import Markup, facts, lower, name, section, text, upper
from certify.report.sections import sentences


def policy_parts(data: dict[str, Any], verdict: Verdict) -> tuple[Markup, list[Markup]]:
    """The title and the sections."""
    file, certificate = Reader(data), PolicyCertificate("proved", data=data)
    game = shown_name(file["game"]["name"].text())
    rows = [(key, Markup(value)) for key, value in in_words(certificate, lower, upper)]
    rows.append(("digest", Markup(f"<code>{text(data['digest'])}</code>")))
    accepted = (
        '<div class="verdict"><p><strong>Proved</strong>, and <strong>checked</strong>: the '
        "independent checker accepts this file; every claim was derived from the payoffs in it, in "
        f"exact arithmetic, when this page was made ({verdict.seconds:.2f} s).</p></div>"
    )
    return Markup(f"Learning in {text(game, 80)}, over all policies"), [
        Markup(f"<h1>Learning in {name(game)}, over all policies</h1>"),
        Markup(accepted),
        section("What is proved", facts(rows)),
        section("What this rests on", sentences(file["trusted"])),
    ]
