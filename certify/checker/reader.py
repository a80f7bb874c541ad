"""Reads a certificate file strictly: bounded size, no duplicate keys, exact numbers, nothing else.

Every real number in a file is exact: a hexadecimal float such as "0x1.8000000000000p+1", or an
integer multiple of a stated power of two.
"""

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

FORMAT = "dgames certificate"
VERSION = 1
CONTRACTION = "dgames contraction"
POLICIES = "dgames policies"
# What this checker reads, and in which version.
FORMATS = {FORMAT: VERSION, CONTRACTION: 1, POLICIES: 1}
MAX_BYTES = 256 * 2**20
MAX_BITS = 1100  # floats have up to 1024 before the point


class Unusable(ValueError):
    """The file is no certificate that this checker can read; the message says why."""


def read(path: str | Path) -> dict[str, Any]:
    """Loads a certificate file as plain data.

    Raises:
        Unusable: If the file is missing, too large, not JSON, of another format or version, or its
            digest does not match its contents.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise Unusable(f"{path} is too large: a certificate has at most {MAX_BYTES} bytes")
        return parse(text.decode(), str(path))
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unusable(f"{path} is not UTF-8 text") from None


def parse(text: str, name: str = "the certificate") -> dict[str, Any]:
    """Parses the text of a certificate file; see `read`."""
    try:
        data = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_refuse
        )
        kind = data.get("format") if isinstance(data, dict) else None
        if not isinstance(kind, str) or kind not in FORMATS:
            raise Unusable(f'it is no certificate: its "format" is not "{FORMAT}"')
        if type(data.get("version")) is not int or data["version"] != FORMATS[kind]:
            raise Unusable(
                f"it has format version {data.get('version')!r}; this checker reads {FORMATS[kind]}"
            )
        if data.get("digest") != digest(data):
            raise Unusable("its digest does not match its contents: it is damaged or edited")
    except Unusable as error:
        raise Unusable(f"{name}: {error}") from None
    except RecursionError:
        raise Unusable(f"{name} is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, or an integer of absurd length
        raise Unusable(f"{name} is not complete JSON: {error}") from None
    return data


def digest(data: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of everything but the digest itself: detects accidents."""
    body = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unusable("a key occurs twice in one object")
    return found


def _refuse(number: str) -> NoReturn:
    raise Unusable(f"{number} is not exact; write a finite hexadecimal float as text")


class Reader:
    """Typed access to parsed data, with the path of the field in every complaint."""

    def __init__(self, value: Any, where: str = "") -> None:
        self.value, self.where = value, where

    def fail(self, expected: str) -> NoReturn:
        """Complains about this field."""
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
        """The members of an object that has these and no others: nothing goes unverified."""
        found = [self[name] for name in names]
        if unknown := sorted(set(self.value) - set(names)):
            self.fail(f"nothing but {', '.join(names)}: nothing can verify {', '.join(unknown)}")
        return found

    def items(self, length: int | None = None) -> list["Reader"]:
        """The entries of a list, of the given length."""
        if not isinstance(self.value, list) or length not in (None, len(self.value)):
            self.fail("a list" if length is None else f"a list of {length} entries")
        return [Reader(value, f"{self.where}[{i}]") for i, value in enumerate(self.value)]

    def text(self) -> str:
        """A string."""
        return self.value if isinstance(self.value, str) else self.fail("text")

    def boolean(self) -> bool:
        """`true` or `false`."""
        return self.value if isinstance(self.value, bool) else self.fail("true or false")

    def integer(self) -> int:
        """An integer (not a boolean) of bounded length."""
        return Reader([self.value], self.where).integers(1)[0]

    def integers(self, length: int) -> list[int]:
        """A list of them."""
        values = self.value
        if not isinstance(values, list) or len(values) != length:
            self.fail(f"a list of {length} integers")
        if not all(type(x) is int and x.bit_length() <= MAX_BITS for x in values):
            self.fail(f"integers of at most {MAX_BITS} bits")
        return values

    def number(self) -> Fraction:
        """A finite hexadecimal float, taken exactly and spelled as Python spells it."""
        try:
            value = float.fromhex(self.text()[:40])
            if value.hex() == self.value:
                return Fraction(value)
        except (ValueError, OverflowError):
            pass
        self.fail('a finite hexadecimal float such as "0x1.8000000000000p+1"')

    def numbers(self, length: int) -> list[Fraction]:
        """A list of them."""
        return [item.number() for item in self.items(length)]
