"""Finds a piece of code by the name of the function in which it stands, and replaces it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Rule(NamedTuple):
    """A rule, and how it is broken.

    Attributes:
        family: What it belongs to; families have their tests in common.
        function: Where it stands: a function, a class or a constant of a module, with the classes
            around it (`Interval.__mul__`), and with the module where several have one of that name
            (`comparison:require_same`).
        before: An expression or a statement of it.
        after: What stands there in the broken copy.
        number: Which of several equal pieces is meant, from zero; None where there is one only.
    """

    family: str
    function: str
    before: str
    after: str
    number: int | None = None

    @property
    def name(self) -> str:
        """A short name, unique in a catalogue."""
        change = " ".join(f"{self.before} -> {self.after}".split())
        number = "" if self.number is None else f" #{self.number}"
        return f"{self.function}: {change}{number}"


class Place(NamedTuple):
    """Where a piece of code stands: a file, and its first and last byte."""

    path: Path
    start: int
    stop: int


class NotFoundError(LookupError):
    """The code of a rule does not stand where its catalogue says, or stands there twice."""


def places(tree: Path, rule: Rule) -> list[Place]:
    """All places in the package `certify` of a tree where the code of a rule stands.

    Args:
        tree: The root of a checkout.
        rule: The rule, whatever its `number`.
    """
    wanted = _parsed(rule.before)
    found = []
    for path, content, module in _modules(tree):
        file, _, name = rule.function.rpartition(":")
        if file not in ("", path.stem):
            continue
        starts = _line_starts(content)
        for scope in _scopes(module, name):
            for node in ast.walk(scope):
                if isinstance(node, type(wanted)) and ast.dump(node) == ast.dump(wanted):
                    assert isinstance(node, ast.expr | ast.stmt)
                    assert node.end_lineno is not None and node.end_col_offset is not None
                    start = starts[node.lineno - 1] + node.col_offset
                    stop = starts[node.end_lineno - 1] + node.end_col_offset
                    found.append(Place(path, start, stop))
    return sorted(set(found))


def place(tree: Path, rule: Rule) -> Place:
    """The one place where a rule stands.

    Raises:
        NotFoundError: If there is none, or if there are several and the rule does not say which.
    """
    found = places(tree, rule)
    if rule.number is None and len(found) != 1:
        raise NotFoundError(f"{len(found)} places for the rule {rule.name!r}")
    if rule.number is not None and rule.number >= len(found):
        raise NotFoundError(f"no place number {rule.number} for the rule {rule.name!r}")
    return found[rule.number or 0]


def broken(tree: Path, rule: Rule) -> tuple[Path, bytes]:
    """The file in which a rule stands, and its contents with the rule broken.

    Raises:
        NotFoundError: As `place`.
    """
    where = place(tree, rule)
    content = where.path.read_bytes()
    after = rule.after if isinstance(_parsed(rule.before), ast.stmt) else f"({rule.after})"
    changed = content[: where.start] + after.encode() + content[where.stop :]
    ast.parse(changed)
    return where.path, changed


def module_name(tree: Path, path: Path) -> str:
    """The name by which a file of a tree is imported."""
    parts = path.relative_to(tree).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _parsed(code: str) -> ast.expr | ast.stmt:
    """The syntax tree of an expression or of a statement."""
    try:
        return ast.parse(code.strip(), mode="eval").body
    except SyntaxError:
        (statement,) = ast.parse(code.strip()).body
        return statement


@cache
def _modules(tree: Path) -> list[tuple[Path, bytes, ast.Module]]:
    paths = sorted((tree / "certify").rglob("*.py"))
    contents = [path.read_bytes() for path in paths]
    return [
        (path, content, ast.parse(content)) for path, content in zip(paths, contents, strict=True)
    ]


def _scopes(module: ast.Module, name: str) -> Iterator[ast.AST]:
    """The definitions of a name in a module, within classes if the name says so."""
    first, _, rest = name.partition(".")
    for node in module.body:
        yield from _within(node, first, rest)


def _within(node: ast.stmt, first: str, rest: str) -> Iterator[ast.AST]:
    if first not in _names(node):
        return
    if not rest:
        yield node
    elif isinstance(node, ast.ClassDef):
        following, _, others = rest.partition(".")
        for child in node.body:
            yield from _within(child, following, others)


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _line_starts(content: bytes) -> list[int]:
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts
