"""The studies of this package, by name."""

import importlib
import pkgutil

from experiments.study import Study

# The modules of this package that are not studies.
_FRAME = {
    "__main__",
    "catalogue",
    "cells",
    "expected",
    "run",
    "stages",
    "storage",
    "study",
    "tables",
}


def names() -> list[str]:
    """The names of all studies, in alphabetical order."""
    package = importlib.import_module("experiments")
    modules = (module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg)
    return sorted(name for name in modules if name not in _FRAME)


def load(name: str) -> Study:
    """The study of a name: `STUDY` in the module of that name.

    Raises:
        KeyError: If there is none of that name.
    """
    if name not in names():
        raise KeyError(f"there is no experiment {name!r}; there are {', '.join(names())}")
    study = importlib.import_module(f"experiments.{name}").STUDY
    if study.name != name:
        raise ValueError(f"the study in experiments/{name}.py calls itself {study.name!r}")
    return study
