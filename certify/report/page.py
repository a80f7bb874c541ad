"""The page: its parts in order, in one self-contained HTML document."""

from pathlib import Path
from typing import Any

from certify.checker import Verdict, check_data
from certify.checker.reader import CONTRACTION, POLICIES, read
from certify.claims.certificate import Certificate
from certify.claims.policies import PolicyCertificate
from certify.report.contraction_page import contraction_parts
from certify.report.markup import Markup, text
from certify.report.policy_page import policy_parts
from certify.report.sections import parts
from certify.report.style import STYLE

# Nothing is loaded and no script runs, whatever a file says: browsers are told so as well.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report(certificate: Certificate | PolicyCertificate | str | Path, *, level: int = 1) -> str:
    """A page about a certificate, as the text of an HTML file.

    Args:
        certificate: What `certify.certify` or `certify.certify_policies` found, or the path of a
            file.
        level: Of the check that comes first; 2 re-derives the bounds from the costs in the file.

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
    data = read(certificate) if isinstance(certificate, str | Path) else certificate.data
    verdict = check_data(data, level=level)
    if not verdict.ok:
        raise ValueError(f"the checker rejects this certificate: {'; '.join(verdict.reasons)}")
    return page(data, verdict, level)


def page(data: dict[str, Any], verdict: Verdict, level: int = 1) -> str:
    """The page about the contents of a file that the checker has accepted.

    Args:
        data: The contents.
        verdict: Of the checker.
        level: Of its check.
    """
    if data["format"] == CONTRACTION:
        title, body = contraction_parts(data, verdict)
    elif data["format"] == POLICIES:
        title, body = policy_parts(data, verdict)
    else:
        title, body = parts(Certificate("proved", data=data), verdict, level)
    return _document(title, "".join(body))


def _document(title: Markup, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )
