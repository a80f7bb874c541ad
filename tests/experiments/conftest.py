"""Quick runs of studies, each made once."""

import functools
from collections.abc import Callable

import pytest

from experiments import catalogue
from experiments.run import Results, run


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> Callable[[str], Results]:
    """The quick run of a study, by name."""

    @functools.cache
    def results(name: str) -> Results:
        chosen = catalogue.load(name)
        return run(chosen, chosen.quick, output=tmp_path_factory.mktemp(name))

    return results
