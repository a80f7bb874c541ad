"""Writes text and numbers as HTML: escaped, short, and rounded to the safe side."""

import html
import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Any

# Tables with more columns than this fit on large screens only.
MANY = 6
# Text of the file longer than this is cut, so that the page has a bounded size.
LONGEST = 400


class Markup(str):
    """Text that is HTML already and must not be escaped."""


def text(value: Any, longest: int = LONGEST) -> Markup:
    r"""Returns any value as plain text in HTML, without markup and of bounded length.

    Each character that cannot be printed (controls, lone surrogates, marks that turn the direction
    of writing) becomes a replacement character.

    Example:
        >>> text("<b>&\x00")
        '&lt;b&gt;&amp;�'
    """
    if isinstance(value, Markup):
        return value
    # The text is cut before anything else, because it may be the whole file.
    plain = str(value)[: longest + 1]
    if len(plain) > longest:
        plain = plain[: longest - 1] + "…"
    return Markup(html.escape("".join(c if c.isprintable() or c == "\n" else "�" for c in plain)))


def name(value: Any) -> Markup:
    """Returns a name from the file, isolated from the writing direction of the text around it."""
    return Markup(f"<bdi>{text(value, 80)}</bdi>")


def _rounded(value: float, rounding: str, digits: int) -> Markup:
    """Returns a rounded number, with the exact float in the attribute `value`."""
    if not math.isfinite(value):
        return Markup("–" if math.isnan(value) else "∞" if value > 0 else "−∞")
    context = Context(prec=digits, rounding=rounding)
    short = context.plus(Decimal(value + 0.0)).normalize(context)  # without the sign of -0.0
    return Markup(f'<data value="{float(value).hex()}">{_plain(short)}</data>')


def _plain(value: Decimal) -> str:
    return f"{value:f}" if value == 0 or -5 <= value.adjusted() < 8 else f"{value:e}"


def lower(value: float, digits: int = 6) -> Markup:
    """Returns a lower bound as HTML, rounded down.

    Example:
        >>> lower(0.2)
        '<data value="0x1.999999999999ap-3">0.2</data>'
        >>> lower(0.12345678)
        '<data value="0x1.f9add1091c895p-4">0.123456</data>'
    """
    return _rounded(value, ROUND_FLOOR, digits)


def upper(value: float, digits: int = 6) -> Markup:
    """Returns an upper bound as HTML, rounded up."""
    return _rounded(value, ROUND_CEILING, digits)


def near(value: float, digits: int = 6) -> Markup:
    """Returns a number that is no bound as HTML, rounded to the nearest."""
    return _rounded(value, ROUND_HALF_EVEN, digits)


def enclosure(low: float, high: float) -> Markup:
    """Returns an interval with ends rounded outward to just enough digits to show its width."""
    width, size = high - low, max(abs(low), abs(high))
    digits = 3
    while digits < 17 and width < size * 10.0 ** (1 - digits) * 2:
        digits += 1
    return Markup(f"[{lower(low, digits)}, {upper(high, digits)}]")


def vector(values: Sequence[float], most: int = 6) -> Markup:
    """Returns the first few entries of a vector as HTML."""
    shown = [near(value) for value in values[:most]]
    more = [f"… ({len(values)} in all)"] if len(values) > most else []
    return Markup("(" + ", ".join([*shown, *more]) + ")")


def paragraph(*parts: Any) -> Markup:
    """Returns a paragraph; parts that are not markup are escaped."""
    return Markup(f"<p>{''.join(text(part, 10_000) for part in parts)}</p>")


def listing(sentences: Iterable[Any]) -> Markup:
    """Returns a list of sentences as HTML."""
    items = "".join(f"<li>{text(sentence, 2000)}</li>" for sentence in sentences)
    return Markup(f"<ul>{items}</ul>")


def table(caption: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Markup:
    """Returns a table whose first column names the rows.

    Where it is too wide for the screen, each row becomes a list of its cells. For that, each cell
    has the name of its column as an attribute.
    """
    names = [text(cell) for cell in header]
    head = "".join(f'<th scope="col">{cell}</th>' for cell in names)
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>'
        + "".join(
            f'<td data-column="{column}"><span>{text(cell)}</span></td>'
            for column, cell in zip(names[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    kind = "many" if len(names) > MANY else "few"
    return Markup(
        f'<div class="wide"><table class="{kind}">'
        f"<caption>{text(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def facts(rows: Iterable[tuple[str, Any]]) -> Markup:
    """Returns a list of names, each with its value, as HTML."""
    items = "".join(f"<dt>{text(key)}</dt><dd>{text(value, 2000)}</dd>" for key, value in rows)
    return Markup(f"<dl>{items}</dl>")


def section(title: str, *parts: Any) -> Markup:
    """Returns a section of the page."""
    body = "".join(text(part, 10_000) for part in parts)
    return Markup(f"<section><h2>{text(title)}</h2>{body}</section>")
