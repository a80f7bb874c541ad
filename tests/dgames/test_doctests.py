"""Every example in a docstring runs."""

import doctest
import importlib
import pkgutil

import pytest

import dgames

MODULES = ["dgames", *(module.name for module in pkgutil.walk_packages(dgames.__path__, "dgames."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
