"""Words of text files of games, which `.nfg` and `.efg` files have in common."""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple


def quoted(text: str) -> str:
    """Puts a text into quotation marks."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def braces(items: Iterable[str]) -> str:
    """Puts items into braces."""
    return f"{{ {' '.join(items)} }}"


def decoded(data: bytes, suffix: str) -> str:
    """Decodes a file, with newlines as in Python.

    Args:
        data: Its bytes.
        suffix: What its name ends with, for messages: ".nfg" or ".efg".

    Raises:
        ValueError: If it is no text in UTF-8; it says in which line.
    """
    for mark, name in (
        (codecs.BOM_UTF8, ""),
        (codecs.BOM_UTF16_LE, " of UTF-16"),
        (codecs.BOM_UTF16_BE, " of UTF-16"),
    ):
        if data.startswith(mark):
            raise fault(
                suffix, 1, f"it begins with a byte order mark{name}; save it as plain UTF-8"
            )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, byte = 1 + data.count(b"\n", 0, error.start), data[error.start]
        what = "UTF-8, but perhaps UTF-16" if b"\0" in data else "UTF-8"
        told = f"the byte 0x{byte:02x} is no {what}; save the file as plain UTF-8"
        raise fault(suffix, line, told) from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def fault(suffix: str, line: int, what: str) -> ValueError:
    """Returns the error of a file: what is wrong in which line."""
    return ValueError(f"line {line} of the {suffix} file: {what}")


def shown(word: str) -> str:
    """Shortens a word for a message."""
    word = word if len(word) <= 40 else word[:37] + "..."
    return word if word.isprintable() else ascii(word)


_NAMES = {
    "text": "a text in quotation marks",
    "number": "a number",
    "symbol": "a word",
    "{": "{",
    "}": "}",
    "end": "the end of the file",
}


class _Word(NamedTuple):
    kind: str
    text: str
    line: int
    start: int


NUMERAL = r"[+-]?(?:[0-9]+/[0-9]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
NUMBER = re.compile(NUMERAL)
_PATTERN = re.compile(
    rf"""
    (?P<space>[\s,]+)
  | (?P<text>"(?:[^"\\]|\\.)*")
  | (?P<number>{NUMERAL}(?![^\s{{}}",]))
  | (?P<brace>[{{}}])
  | (?P<symbol>[^\s{{}}",]+)
    """,
    re.VERBOSE | re.DOTALL,
)


class Words:
    """Reads the words of a file, one after the other.

    Args:
        text: The contents of the file.
        suffix: What its name ends with, for messages.
    """

    def __init__(self, text: str, suffix: str):
        self._suffix = suffix
        if text.startswith("\ufeff"):
            raise self.fault(1, "it begins with a byte order mark; save it as plain UTF-8")
        self._text, self._end, self._line = text, 0, 1
        self._next = self._read()

    @property
    def kind(self) -> str:
        """The kind of the next word: "text", "number", "symbol", "{", "}" or "end"."""
        return self._next.kind

    @property
    def line(self) -> int:
        """The line of the next word."""
        return self._next.line

    @property
    def after_comma(self) -> bool:
        """Whether the next word is a number right after another one, with but a comma between."""
        place = self._next.start
        return re.fullmatch(r"[0-9.],[0-9]", self._text[max(place - 2, 0) : place + 1]) is not None

    def fault(self, line: int, what: str) -> ValueError:
        """Returns the error that something is wrong in a line."""
        return fault(self._suffix, line, what)

    def take(self, kind: str, expected: str | tuple[str, ...] = ()) -> str:
        """Takes the next word, which must be of a kind, and one of those expected, if any."""
        word = self._next
        options = (expected,) if isinstance(expected, str) else expected
        if word.kind != kind or (options and word.text not in options):
            wanted = " or ".join(options) or _NAMES[kind]
            what = shown(word.text) or _NAMES[word.kind]
            raise self.fault(word.line, f"expected {wanted}, got {what}")
        if kind != "end":
            self._next = self._read()
        return word.text

    def while_of(self, kind: str) -> Iterator[str]:
        """Takes the next words as long as they are of a kind."""
        while self.kind == kind:
            yield self.take(kind)

    def players(self) -> tuple[str, ...]:
        """Takes the names of the players in braces, at least one."""
        self.take("{")
        players = tuple(self.while_of("text"))
        if not players and self.kind == "}":
            raise self.fault(self.line, "there are no players")
        self.take("}")
        return players

    def rest(self) -> tuple[str, int]:
        """Returns the remaining text, and the line in which it begins."""
        return self._text[self._next.start :], self._next.line

    def move(self, text: str, position: int, line: int) -> None:
        """Continues at a position of a text, which lies in a given line."""
        self._text, self._end, self._line = text, position, line
        self._next = self._read()

    def _read(self) -> _Word:
        while self._end < len(self._text):
            start, line = self._end, self._line
            match = _PATTERN.match(self._text, start)
            if match is None:
                raise self.fault(line, "a text without end")
            kind, word = match.lastgroup or "", match.group()
            self._end, self._line = match.end(), line + word.count("\n")
            if kind == "text":
                word = re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
            if kind == "symbol" and "\0" in word:
                raise self.fault(
                    line, "a zero byte: is it UTF-16, or no text? Save it as plain UTF-8"
                )
            if kind != "space":
                return _Word(word if kind == "brace" else kind, word, line, start)
        return _Word("end", "", self._line, self._end)
