"""Puts the parts of a page in order, in one self-contained HTML document."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from certify.checker.reader import read
from certify.claims.certificate import Certificate
from certify.claims.checked import Checked, NotAccepted
from certify.claims.contraction import Contraction
from certify.claims.convergence import Convergence
from certify.claims.kinds import of_contents
from certify.report.contraction_sections import contraction_sections
from certify.report.convergence_sections import convergence_sections
from certify.report.markup import Markup, name, text
from certify.report.sections import claims_section, judgement, table_section, trust_section
from certify.report.style import STYLE

# The sections beside rows and tables, by kind of claim; a kind that is not listed has none.
_MORE: dict[str, Callable[[Any], list[Markup]]] = {
    Convergence.kind: convergence_sections,
    Contraction.kind: contraction_sections,
}

# This tells browsers, too, to load nothing and to run no script, whatever a file says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report(certificate: Certificate | str | Path, *, level: int = 1) -> str:
    """Returns a page about a certificate, as the text of an HTML file.

    Args:
        certificate: A proved certificate of any kind that makes a file, or the path of a file.
        level: The level of the check before the page is made; 2 re-derives the bounds from the
            costs in the file.

    Returns:
        The page: claims, constants, step sizes, cells and a learning run, as tables and figures.

    Raises:
        ValueError: If the file cannot be read (`certify.Unusable`), the checker rejects it, or
            nothing was proved.

    Example:
        >>> import dgames as dg, certify
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2))
        >>> box = certify.Box.around((0.0, 0.0), 1.0)
        >>> "<script" in report(certify.certify(game, box, [dg.Simultaneous]))
        False
    """
    data = certificate.data if isinstance(certificate, Certificate) else read(certificate)
    try:
        return page(of_contents(Checked(data, level=level)))
    except NotAccepted as rejection:
        raise ValueError(f"the checker rejects this certificate: {rejection}") from None


def page(certificate: Certificate) -> str:
    """Returns the page about a proved certificate, with the verdict that the checker has given.

    Args:
        certificate: A proved certificate of any kind that makes a file.
    """
    more = _MORE.get(certificate.kind, lambda _: [])
    body = [
        Markup(f"<h1>Certificate of {name(certificate.game_name)}</h1>"),
        judgement(certificate),
        claims_section(certificate),
        *map(table_section, certificate.tables()),
        *more(certificate),
        trust_section(certificate),
    ]
    return _document(Markup(f"Certificate of {text(certificate.game_name, 80)}"), "".join(body))


def _document(title: Markup, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )
