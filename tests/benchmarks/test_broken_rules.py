"""The catalogues of rules that can be broken are about the code as it is."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.broken_rules.catalogue import CATALOGUE, PARTS, TESTS, files_of_tests
from benchmarks.broken_rules.source import NotFoundError, Rule, broken, module_name

ROOT = Path(__file__).parents[2]


@pytest.mark.full
def test_each_rule_stands_in_one_place():
    for rule in CATALOGUE:
        path, content = broken(ROOT, rule)
        assert content != path.read_bytes()
        assert module_name(ROOT, path).startswith("certify.")


def test_each_family_has_rules_and_tests():
    families = Counter(rule.family for rule in CATALOGUE)
    assert families.keys() == TESTS.keys() and len(CATALOGUE) > 300
    # A family that two catalogues have would be tried with the tests of the last one alone.
    assert len(TESTS) == sum(len(part.TESTS) for part in PARTS)
    for family in TESTS:
        assert files_of_tests(ROOT, family)


def test_names_are_unique():
    names = [rule.name for rule in CATALOGUE]
    assert len(set(names)) == len(names)


def test_code_is_found_whatever_its_form(tmp_path):
    """As a tree, in one function of a class, in any file."""
    folder = tmp_path / "certify" / "deep"
    folder.mkdir(parents=True)
    (folder / "b.py").write_text("class B:\n    def f(self, x):\n        return 'é', (x +\n  1)\n")
    (folder / "a.py").write_text("def f(x):\n    y = x + 1\n    return y + x + 1\n")
    path, content = broken(tmp_path, Rule("", "B.f", "x+1", "x"))
    assert path.name == "b.py" and content.decode().endswith("return 'é', ((x))\n")
    with pytest.raises(NotFoundError, match="0 places"):
        broken(tmp_path, Rule("", "B.g", "x + 1", "x"))
    assert b"y = None\n" in broken(tmp_path, Rule("", "f", "y = x + 1", "y = None"))[1]
    with pytest.raises(NotFoundError, match="no place number 1"):
        broken(tmp_path, Rule("", "f", "x + 1", "x", 1))
