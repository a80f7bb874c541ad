"""Reads a certificate file strictly: bounded size, no duplicate keys, exact numbers, nothing else.

Every real number in a file is exact: a hexadecimal float such as "0x1.8000000000000p+1", or an
integer multiple of a stated power of two.
"""

import hashlib
import json
import os
import re
import stat
import zlib
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from .matrices import Matrix

FORMAT = "dgames certificate"
VERSION = 2
# The kinds of files of this format: they claim convergence of a game, of a single step of a method,
# or over all policies, that a system of equations has a zero, where the optimum of a leader is, or
# that a cost is not convex, that an equilibrium repels a method, or that runs leave a region.
CONVERGENCE, CONTRACTION, POLICIES = "convergence", "contraction", "policies"
ZERO, STACKELBERG = "zero", "stackelberg"
FEEDBACK = "feedback"  # equilibria of a linear-quadratic game in feedback
REFUTATION, INSTABILITY, EXPANSION = "refutation", "instability", "expansion"
MEAN_SQUARE = "mean_square"  # stability or instability of a method under noise
NEURAL = "neural"  # zero-sum games of networks
COUNT = "count"  # all stationary points in a box, or all equilibria
TREE = "tree"  # extensive-form games of two players, over all play
MONOTONE = "monotone"  # how fast the residual of a merely monotone field falls
# Limits on the unpacked text, and on the values in it: whatever they are, reading takes up to 1 GiB
# of memory. An integer is one value; what takes more memory counts for up to nine, see `_values`.
MAX_BYTES = 128 * 2**20
MAX_VALUES = 15 * 2**20
MAX_ITEMS = 2**20  # the most items of a list that are looked at one by one
_LONGEST = 40  # the most characters of a float, and some more
MAX_BITS = 1100  # the most bits of an integer; floats have up to 1024 before the point

_GZIP = b"\x1f\x8b"
# Escapes of halves of characters: where there are none, all characters are whole, as in ASCII.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class Unusable(ValueError):
    """The file is no certificate that this checker can read.

    The message says why: one line of bounded length that can be printed, whatever is in the file.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Makes text one line of bounded length, without characters that control a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:1000])


def read(path: str | Path) -> dict[str, Any]:
    """Loads a certificate file, JSON or gzip of it, as plain data.

    Raises:
        Unusable: If the file is missing or no regular file (a pipe may never end), too large, not
            JSON, of another format or version, or its digest does not match its contents.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unusable(f"{path} cannot be read: it is not a regular file")
        with open(path, "rb") as file:
            text = decode(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    return parse(text, str(path))


def decode(content: bytes, name: str = "the certificate") -> str:
    """Returns the text in the bytes of a certificate file, plain or compressed; see `read`."""
    if content.startswith(_GZIP):
        content = _unpacked(content, name)
    if len(content) > MAX_BYTES:
        raise Unusable(f"{name} is too large: a certificate has at most {MAX_BYTES} bytes")
    try:
        return content.decode("ascii")  # other characters would make a long text four times longer
    except UnicodeDecodeError:
        raise Unusable(f"{name} is not ASCII text, in which JSON escapes all others") from None


def _unpacked(content: bytes, name: str) -> bytes:
    """Decompresses gzip of one member, up to one byte more than is allowed."""
    member = zlib.decompressobj(wbits=31)
    try:
        text = member.decompress(content, MAX_BYTES + 1)
    except zlib.error:
        raise Unusable(f"{name} is damaged: it is gzip, but cannot be decompressed") from None
    if len(text) <= MAX_BYTES and not member.eof:
        raise Unusable(f"{name} is not complete gzip")
    if member.unused_data:
        raise Unusable(f"{name} goes on after the end of what is compressed")
    return text


def parse(text: str, name: str = "the certificate") -> dict[str, Any]:
    """Parses the text of a certificate file; see `read`."""
    if _values(text) > MAX_VALUES:
        raise Unusable(f"{name} is too large: a certificate has at most {MAX_VALUES} values")
    try:
        data = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise Unusable(f'it is no certificate: its "format" is not "{FORMAT}"')
        if type(data.get("version")) is not int or data["version"] != VERSION:
            raise Unusable(
                f"it has format version {data.get('version')!r}; this checker reads {VERSION}"
            )
        if data.get("digest") != digest(data):
            raise Unusable("its digest does not match its contents: it is damaged or edited")
        if _HALF.search(text):
            json.dumps(data, ensure_ascii=False).encode()
    except Unusable as error:
        raise Unusable(f"{name}: {error}") from None
    except RecursionError:
        raise Unusable(f"{name} is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Unusable(f"{name} is not complete JSON: {error}") from None
    except UnicodeEncodeError:
        raise Unusable(f"{name} has text that is not Unicode: half of a character") from None
    return data


def _values(text: str) -> int:
    """Bounds the number of values in JSON, before any is made: each takes up to 40 bytes.

    Every value but the first stands after a comma, a bracket or a colon. Lists and texts take the
    memory of three, objects that of three for each key and three more.
    """
    commas, quotes = text.count(","), text.count('"')
    return 1 + commas + quotes + 3 * sum(map(text.count, "[{:"))


def digest(data: dict[str, Any]) -> str:
    """Returns the SHA-256 of the canonical JSON of all but the digest; it detects accidents."""
    body = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unusable("a key occurs twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_BITS // 3:  # reading one takes time that grows with the square
        raise Unusable(f"it has an integer of {len(digits)} digits; {MAX_BITS} bits are the most")
    return int(digits)


def _refuse(number: str) -> NoReturn:
    raise Unusable(f"{number} is not exact; write a finite hexadecimal float as text")


def _exact(value: Any) -> Fraction | None:
    """Returns the number that a hexadecimal float is, if it is spelled as Python spells it."""
    return _float(value) if isinstance(value, str) and len(value) <= _LONGEST else None


@lru_cache(2**16)
def _float(text: str) -> Fraction | None:
    """Returns a finite float exactly; many occur many times."""
    try:
        value = float.fromhex(text)
        return Fraction(value) if value.hex() == text else None
    except (ValueError, OverflowError):
        return None


class Reader:
    """Typed access to parsed data, with the path of the field in every complaint."""

    __slots__ = ("value", "where")  # there may be a million

    def __init__(self, value: Any, where: str = "") -> None:
        self.value, self.where = value, where

    def fail(self, expected: str) -> NoReturn:
        """Raises `Unusable` with a message about this field."""
        raise Unusable(f'field "{self.where}": expected {expected}')

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def __getitem__(self, key: str) -> "Reader":
        field = Reader(self.value, f"{self.where}.{key}".lstrip("."))
        if key not in self:
            field.fail("it to be there, but it is missing")
        field.value = self.value[key]
        return field

    def fields(self, *names: str) -> list["Reader"]:
        """Returns the members of an object, which must be just these: all of them get verified."""
        found = [self[name] for name in names]
        if not isinstance(self.value, dict):
            self.fail("an object")
        if unknown := sorted(set(self.value) - set(names)):
            self.fail(f"nothing but {', '.join(names)}: nothing can verify {', '.join(unknown)}")
        return found

    def items(self, length: int | None = None) -> list["Reader"]:
        """Returns the entries of a list, of the given length."""
        if not isinstance(self.value, list) or length not in (None, len(self.value)):
            self.fail("a list" if length is None else f"a list of {length} entries")
        if len(self.value) > MAX_ITEMS:
            self.fail(f"a list of at most {MAX_ITEMS} entries")
        return [Reader(value, f"{self.where}[{i}]") for i, value in enumerate(self.value)]

    def text(self) -> str:
        """Returns a string."""
        return self.value if isinstance(self.value, str) else self.fail("text")

    def boolean(self) -> bool:
        """Returns `true` or `false`."""
        return self.value if isinstance(self.value, bool) else self.fail("true or false")

    def integer(self) -> int:
        """Returns an integer (not a boolean) of bounded length."""
        return Reader([self.value], self.where).integers(1)[0]

    def integer_within(self, least: int, most: int) -> int:
        """Returns an integer from one number to another."""
        if not least <= self.integer() <= most:
            self.fail(f"an integer from {least} to {most}")
        return self.value

    def integers(self, length: int) -> list[int]:
        """Returns a list of integers."""
        values = self.value
        if not isinstance(values, list) or len(values) != length:
            self.fail(f"a list of {length} integers")
        if not all(type(x) is int and x.bit_length() <= MAX_BITS for x in values):
            self.fail(f"integers of at most {MAX_BITS} bits")
        return values

    def matrix(self, rows: int, columns: int) -> Matrix:
        """Returns a matrix of integers, which the file has in one list, row by row."""
        flat = self.integers(rows * columns)
        return [flat[i * columns : (i + 1) * columns] for i in range(rows)]

    def number(self) -> Fraction:
        """Returns a finite hexadecimal float exactly; it must be spelled as Python spells it."""
        value = _exact(self.value)
        if value is None:
            self.fail('a finite hexadecimal float such as "0x1.8000000000000p+1"')
        return value

    def numbers(self, length: int) -> list[Fraction]:
        """Returns a list of such numbers."""
        if not isinstance(self.value, list) or not length == len(self.value) <= MAX_ITEMS:
            return [item.number() for item in self.items(length)]
        found = [_exact(value) for value in self.value]
        return [x if x is not None else self.items()[k].number() for k, x in enumerate(found)]
