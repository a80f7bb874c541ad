"""Docstrings are plain text: `code` in backticks, *emphasis*, lists, and formulas indented.

Sphinx reads reStructuredText, in which bars, backticks and trailing underscores mean other things.
So before napoleon looks at the Google sections, every paragraph is rewritten: code becomes a
literal, an indented paragraph a literal block, and what else has a meaning is escaped. Examples
stay as they are.
"""

import re
from collections.abc import Iterator
from typing import Any

_SECTION = re.compile(
    r"(?:Args|Arguments|Attributes|Examples?|Notes?|Raises|References?|Returns|Warns|Yields):"
)
_ITEM = re.compile(r"(?:[-*]|\d+\.) +")
_LABEL = re.compile(r"\(\w+\) +")  # of a statement; what follows is indented
_CODE = re.compile(r"(`[^`]+`)")


def markup(lines: list[str]) -> list[str]:
    """A docstring, without common indentation, as reStructuredText."""
    result: list[str] = []
    level = 0  # of running text: paragraphs indented farther are formulas
    for paragraph in _paragraphs(lines):
        first = paragraph[0]
        indent = len(first) - len(first.lstrip())
        text = first.strip()
        if text.startswith(">>>"):
            result += [*paragraph, ""]
        elif _SECTION.fullmatch(text):
            # The section's own text is its first paragraph, and indented.
            body = paragraph[1:]
            if body and body[0].strip().startswith(">>>"):
                result += [first, "", *body, ""]
                continue
            result += [first, *_running(body), ""]
            level = indent + 8
        elif _LABEL.match(text):
            left = " " * indent
            flat = [f"{left}\\{text}", *(left + line.strip() for line in paragraph[1:])]
            result += [*_running(flat), ""]
        elif indent >= level + 3 and not _ITEM.match(text):
            result += [" " * level + "::", "", *paragraph, ""]
        else:
            result += [*_running(paragraph), ""]
            item = _ITEM.match(text)
            level = indent + (len(item[0]) if item else 0)
    return result


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield paragraph
            paragraph = []


def _running(lines: list[str]) -> list[str]:
    """Running text, in which code becomes literals."""
    parts = _CODE.split("\n".join(lines))
    for k, part in enumerate(parts):
        if k % 2 == 0:
            parts[k] = _escaped(part)
            continue
        # Code that goes on in the next line is one literal, in that line.
        before, _, left = part.rpartition("\n")
        indent = "\n" + left[: len(left) - len(left.lstrip())] if before else ""
        parts[k] = f"{indent}``{' '.join(part[1:-1].split())}``"
        if parts[k - 1] and re.search(r"[\w|]$", parts[k - 1]) and not indent:
            parts[k] = "\\ " + parts[k]
        if re.match(r"\w", parts[k + 1]):  # such as the plural of a name
            parts[k] += "\\ "
    return "".join(parts).split("\n")


def _escaped(text: str) -> str:
    text = text.replace("|", r"\|")
    return re.sub(r"(?<=\w)_(?!\w)", r"\\_", text)


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """The listener of `autodoc-process-docstring`."""
    lines[:] = markup(lines)


def skip(app: Any, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """The listener of `autodoc-skip-member`: fields of named tuples are in their class's text."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field") else None


def setup(app: Any) -> dict[str, bool]:
    """Before napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
