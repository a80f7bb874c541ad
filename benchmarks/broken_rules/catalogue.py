"""All rules, and the tests that are meant to fail when one of them is broken."""

from pathlib import Path

from . import (
    checker_rules,
    enclosure_rules,
    mean_square_rules,
    monotone_rules,
    neural_rules,
    step_rules,
    tree_rules,
    zero_rules,
)
from .source import NotFoundError, Rule

PARTS = (
    checker_rules,
    step_rules,
    enclosure_rules,
    zero_rules,
    mean_square_rules,
    monotone_rules,
    neural_rules,
    tree_rules,
)
CATALOGUE: list[Rule] = [rule for part in PARTS for rule in part.RULES]
TESTS: dict[str, list[str]] = {
    family: files for part in PARTS for family, files in part.TESTS.items()
}


def files_of_tests(tree: Path, family: str) -> list[str]:
    """The files of the tests of a family, wherever they stand below `tests`.

    Raises:
        NotFoundError: If there is no such file, or if there are several.
    """
    found = []
    for name in TESTS[family]:
        paths = sorted((tree / "tests").rglob(Path(name).name))
        paths = [path for path in paths if path.as_posix().endswith(f"/{name}")]
        if len(paths) != 1:
            raise NotFoundError(f"{len(paths)} test files {name!r} of the family {family!r}")
        found.append(paths[0].relative_to(tree).as_posix())
    return found
