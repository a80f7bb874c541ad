"""Runs a study stage by stage, and resumes it where it was interrupted."""

import dataclasses
import hashlib
import importlib
import importlib.metadata
import inspect
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from experiments import storage
from experiments.stages import Run
from experiments.storage import Data, Number
from experiments.study import Study


@dataclasses.dataclass(frozen=True)
class Results:
    """The results of a run.

    Attributes:
        numbers: See `Study.numbers`.
        data: What each stage returned.
        folder: Where results and figures lie.
        figures: The files of the figures.
        seconds: What the stages took, including those of earlier runs that were resumed.
    """

    numbers: Mapping[str, Number]
    data: Mapping[str, Data]
    folder: Path
    figures: list[Path]
    seconds: float


def run(
    study: Study,
    config: Any = None,
    *,
    output: Path | str = "results",
    fresh: bool = False,
    console: Console | None = None,
) -> Results:
    """Runs a study, or the stages that are not kept yet.

    Stages are kept in `output/NAME/KEY`, where KEY tells the configuration, the study's source
    (with the modules that it imports from folders of this package) and the versions of dgames, jax
    and NumPy; the stages that an earlier run has kept there are not repeated.

    Args:
        study: The study.
        config: Its configuration; `study.config` by default.
        output: The folder of all results.
        fresh: Whether to throw away what earlier runs of the same kind kept.
        console: Where progress is shown; nowhere by default.

    Returns:
        The results; `results.json` and the figures are in `folder`.

    Raises:
        KeyboardInterrupt: On Ctrl-C; the same call then goes on from what is kept.
    """
    config = study.config if config is None else config
    origin = _origin(study, config)
    folder = Path(output) / study.name / _key(origin)
    if fresh and folder.exists():
        shutil.rmtree(folder)
    quiet = console is None
    columns = (
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:3],
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console or Console(stderr=True), disable=quiet, transient=True
    ) as bar:
        state = Run(folder, bar)
        seconds = sum(
            state.stage(name, lambda stage=stage: stage(config, state))
            for name, stage in study.stages.items()
        )
    numbers = storage.plain(study.numbers(state.data))
    results = {"study": study.name, **origin, "seconds": seconds, "numbers": numbers}
    storage.save(folder / "results.json", results, indent=1)
    return Results(numbers, state.data, folder, _draw(study, config, state.data, folder), seconds)


def _draw(study: Study, config: Any, data: Mapping[str, Data], folder: Path) -> list[Path]:
    if not study.figures:
        return []
    import matplotlib.pyplot as plt

    files = []
    for name, draw in study.figures.items():
        figure = draw(config, data)
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=150, bbox_inches="tight")
        plt.close(figure)
    return files


def _origin(study: Study, config: Any) -> dict[str, Any]:
    """Collects what the numbers depend on, as far as a program can know it."""
    source = "".join(map(inspect.getsource, _modules(study.name)))
    versions = {
        "dgames": importlib.metadata.version("dgames"),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    return {
        "config": storage.plain(dataclasses.asdict(config)),
        "source": hashlib.sha256(source.encode()).hexdigest(),
        "versions": versions,
    }


def _modules(name: str) -> list[ModuleType]:
    """The module of a study, and those in folders of this package that it imports from."""
    module = importlib.import_module(f"experiments.{name}")
    values = vars(module).values()
    homes = {v.__name__ if inspect.ismodule(v) else getattr(v, "__module__", "") for v in values}
    shared = sorted(home for home in homes if home and home.startswith("experiments."))
    return [module, *(sys.modules[home] for home in shared if home.count(".") > 1)]


def _key(origin: Mapping[str, Any]) -> str:
    return hashlib.sha256(storage.dump(origin).encode()).hexdigest()[:12]
