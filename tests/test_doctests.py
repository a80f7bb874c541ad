"""Every example in a docstring runs, in every module of both packages."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import certify
import dgames

pytestmark = pytest.mark.thin(4)


def modules(package: ModuleType) -> list[str]:
    """A package and everything in it, without importing more than the packages."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(module.name for module in found)]


MODULES = modules(dgames) + modules(certify)


@pytest.mark.full
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(verbose=False)
    failures: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(test, out=failures.append)
    assert not failures, "".join(failures)


def test_there_are_examples():
    """Guards the test above: an import hook or a decorator that hides docstrings would empty it."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    count = {
        package.__name__: sum(
            len(test.examples)
            for name in modules(package)
            for test in finder.find(importlib.import_module(name), name)
        )
        for package in (dgames, certify)
    }
    assert count["dgames"] >= 140 and count["certify"] >= 20, count
