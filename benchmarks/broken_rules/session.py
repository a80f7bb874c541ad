"""A plugin of pytest: the same tests for one broken rule after the other, in one process.

The code of the function in which a rule stands is replaced while the tests run, and all compiled
programs and remembered results are forgotten before. What tests make once for a whole session, such
as certificates, is made by unbroken rules. A test run whose failure is found stops there.
"""

import functools
import gc
import importlib
import inspect
import json
import os
import signal
import sys
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from .catalogue import CATALOGUE
from .source import NotFoundError, Rule, broken, module_name

# Seconds after which tests that have not ended count as failed.
PATIENCE = 300


class NoFunctionError(LookupError):
    """A rule stands in no function, so that only a fresh process reads it anew."""


def pytest_configure() -> None:
    """Failures are not shrunk to small examples, and not remembered."""
    import hypothesis

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("broken", phases=phases, database=None, deadline=None)
    hypothesis.settings.load_profile("broken")


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Runs the tests of its family for each rule."""
    setting = json.loads(os.environ["BROKEN_RULES"])
    tree, names, files = Path(setting["tree"]), set(setting["names"]), setting["files"]
    sound: dict[str, str] = {}
    gc.unfreeze()  # so that functions are found
    with open(setting["results"], "a", buffering=1) as results:
        for rule in CATALOGUE:
            if rule.name not in names:
                continue
            order = files[rule.family]
            own = [item for item in session.items if file_of(item) in order]
            own.sort(key=lambda item: order.index(file_of(item)))
            # What is made once for all tests is made before anything is broken.
            if rule.family not in sound:
                sound[rule.family] = first_failure(own, session)
            start = time.perf_counter()
            try:
                if sound[rule.family]:
                    raise NoFunctionError(f"fails anyway: {sound[rule.family]}")
                with swapped(tree, rule):
                    failure = first_failure(own, session)
                verdict = "killed" if failure else "survived"
            except (NotFoundError, NoFunctionError) as error:
                verdict, failure = "not tried", str(error)
            seconds = round(time.perf_counter() - start, 1)
            found = {"verdict": verdict, "by": failure, "seconds": seconds}
            results.write(json.dumps([rule.name, found]) + "\n")
    return True


def first_failure(items: list[pytest.Item], session: pytest.Session) -> str:
    """The name of the first test that fails, and how; empty if none does.

    Afterwards nothing is left of what a file makes for all of its tests.
    """

    def expired(*_: Any) -> None:
        raise TimeoutError(f"no end after {PATIENCE} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(PATIENCE)
    try:
        for number, item in enumerate(items):
            following = items[(number + 1) % len(items)]  # the session is never over
            try:
                reports = runtestprotocol(item, nextitem=following, log=False)
            except TimeoutError as error:
                return f"{item.nodeid}: {error}"
            for report in reports:
                if report.failed:
                    lines = str(report.longrepr).splitlines() or [""]
                    return f"{item.nodeid}: {lines[-1][:120]}"
        return ""
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        session._setupstate.teardown_exact(Nothing(session))  # type: ignore[arg-type]


class Nothing:
    """Stands for a next test that has nothing but the session in common with others."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session

    def listchain(self) -> list[Any]:
        """What is not torn down."""
        return [self.session]


def file_of(item: pytest.Item) -> str:
    """The file of a test."""
    return item.nodeid.partition("::")[0]


@contextmanager
def swapped(tree: Path, rule: Rule) -> Iterator[None]:
    """Within, the function of a rule has the broken code.

    Raises:
        NotFoundError: If the rule is not found.
        NoFunctionError: If it stands in no function.
    """
    path, content = broken(tree, rule)
    module = importlib.import_module(module_name(tree, path))
    name = rule.function.rpartition(":")[2]
    function = live_function(module, name)
    codes = [c for c in all_codes(compile(content, path, "exec")) if c.co_qualname == name]
    if len(codes) != 1 or codes[0].co_freevars != function.__code__.co_freevars:
        raise NoFunctionError(f"{rule.function} cannot be replaced while it is used")
    replaced = replacements(function, codes[0])
    for each, code, _ in replaced:
        each.__code__ = code
    forget()
    try:
        yield
    finally:
        for each, _, right in replaced:
            each.__code__ = right
        forget()


def replacements(
    function: types.FunctionType, code: types.CodeType
) -> list[tuple[types.FunctionType, types.CodeType, types.CodeType]]:
    """Functions with the code that they get and the code that they have.

    These are the function itself, and those that it has made before, as decorators do.
    """
    inner: dict[int, types.CodeType] = {}
    for old in all_codes(function.__code__):
        same = [new for new in all_codes(code) if new.co_qualname == old.co_qualname]
        if len(same) == 1 and same[0].co_freevars == old.co_freevars:
            inner[id(old)] = same[0]
    del inner[id(function.__code__)]
    made = [
        (x, inner[id(x.__code__)], x.__code__)
        for x in gc.get_objects()
        if isinstance(x, types.FunctionType) and id(x.__code__) in inner
    ]
    return [(function, code, function.__code__), *made]


def live_function(module: types.ModuleType, name: str) -> types.FunctionType:
    """The function itself, without what its decorators have put around it."""
    value: Any = module
    for part in name.split("."):
        value = inspect.getattr_static(value, part)
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    elif isinstance(value, classmethod | staticmethod):
        value = value.__func__
    value = inspect.unwrap(value) if callable(value) else value
    if not isinstance(value, types.FunctionType):
        raise NoFunctionError(f"{name} is no function")
    return value


def all_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of a module and of everything that is defined in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from all_codes(part)


def forget() -> None:
    """Clears compiled programs and remembered results."""
    import jax

    jax.clear_caches()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("certify", "dgames"):
            for value in list(vars(module).values()):
                clear = getattr(value, "cache_clear", None)
                if callable(clear) and callable(getattr(value, "cache_info", None)):
                    clear()
