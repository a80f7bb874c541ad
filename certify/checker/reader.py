"""Reads a certificate file strictly: bounded size, no duplicate keys, exact numbers, nothing else.

Every real number in a file is exact: a hexadecimal float such as "0x1.8p+1", or an integer multiple
of a stated power of two.
"""

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

FORMAT = "dgames certificate"
VERSION = 1
MAX_BYTES = 256 * 2**20
MAX_BITS = 20_000


class Unusable(ValueError):
    """The file is no certificate that this checker can read; the message says why."""


def read(path: str | Path) -> dict[str, Any]:
    """Loads a certificate file as plain data.

    Raises:
        Unusable: If the file is missing, too large, not JSON, of another format or version, or its
            digest does not match its contents.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise Unusable(f"{path} has {size} bytes; a certificate has at most {MAX_BYTES}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unusable(f"{path} is not UTF-8 text") from None
    return parse(text, str(path))


def parse(text: str, name: str = "the certificate") -> dict[str, Any]:
    """Parses the text of a certificate file; see `read`."""
    try:
        data = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_refuse_float,
        )
    except Unusable as error:
        raise Unusable(f"{name}: {error}") from None
    except RecursionError:
        raise Unusable(f"{name} is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, or an integer of absurd length
        raise Unusable(f"{name} is not complete JSON: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise Unusable(f'{name} is no certificate: its "format" is not "{FORMAT}"')
    if type(data.get("version")) is not int or data["version"] != VERSION:
        raise Unusable(
            f"{name} has format version {data.get('version')!r}; "
            f"this checker reads version {VERSION}"
        )
    if data.get("digest") != digest(data):
        raise Unusable(
            f"{name}: its digest does not match its contents, so it is damaged or edited"
        )
    return data


def digest(data: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of everything but the digest itself: detects accidents."""
    body = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        duplicate = next(key for key in keys if keys.count(key) > 1)
        raise Unusable(f"the key {duplicate!r} occurs twice in one object")
    return dict(pairs)


def _refuse_constant(text: str) -> NoReturn:
    raise Unusable(f"{text} is not a number that a certificate may hold")


def _refuse_float(text: str) -> NoReturn:
    raise Unusable(f"the decimal number {text} is not exact; write a hexadecimal float as text")


class Reader:
    """Typed access to parsed data, with the path of the field in every complaint."""

    def __init__(self, value: Any, where: str = "") -> None:
        self.value = value
        self.where = where

    def _fail(self, expected: str) -> NoReturn:
        raise Unusable(f'field "{self.where}": expected {expected}')

    def __getitem__(self, key: str) -> "Reader":
        if not isinstance(self.value, dict) or key not in self.value:
            raise Unusable(f'field "{self.where}.{key}" is missing'.replace('".', '"'))
        return Reader(self.value[key], f"{self.where}.{key}".lstrip("."))

    def get(self, key: str) -> "Reader | None":
        """The member `key`, or None when it is absent or null."""
        present = isinstance(self.value, dict) and self.value.get(key) is not None
        return self[key] if present else None

    def keys(self) -> list[str]:
        """The names of an object's members."""
        if not isinstance(self.value, dict):
            self._fail("an object")
        return list(self.value)

    def has(self, key: str) -> bool:
        """Whether there is a member `key`."""
        return isinstance(self.value, dict) and key in self.value

    def items(self, length: int | None = None) -> list["Reader"]:
        """The entries of a list, of the given length."""
        if not isinstance(self.value, list) or length not in (None, len(self.value)):
            self._fail("a list" if length is None else f"a list of {length} entries")
        return [Reader(value, f"{self.where}[{i}]") for i, value in enumerate(self.value)]

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            self._fail("text")
        return self.value

    def integer(self) -> int:
        """An integer (not a boolean) of bounded length."""
        if type(self.value) is not int or self.value.bit_length() > MAX_BITS:
            self._fail("an integer")
        return self.value

    def number(self) -> Fraction:
        """A hexadecimal float, finite, taken exactly."""
        text = self.value
        if not isinstance(text, str) or len(text) > 40 or "0x" not in text:
            self._fail('a hexadecimal float such as "0x1.8p+1"')
        try:
            return Fraction(float.fromhex(text))
        except (ValueError, OverflowError):
            self._fail('a finite hexadecimal float such as "0x1.8p+1"')

    def numbers(self, length: int) -> list[Fraction]:
        """A list of hexadecimal floats."""
        return [item.number() for item in self.items(length)]

    def integers(self, length: int) -> list[int]:
        """A list of integers."""
        values = self.value
        if not isinstance(values, list) or len(values) != length:
            self._fail(f"a list of {length} integers")
        if not all(type(x) is int and x.bit_length() <= MAX_BITS for x in values):
            self._fail(f"a list of {length} integers")
        return values
