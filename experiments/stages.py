"""One run of a study, as its stages see it: what they return is kept, item by item."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.progress import Progress

from experiments import storage
from experiments.storage import Data


class Run:
    """One run of a study, as its stages see it.

    Attributes:
        data: The data of earlier stages, by name.
        folder: The folder of files that a stage keeps beside its data, such as certificates.
    """

    def __init__(self, folder: Path, progress: Progress):
        """A run that keeps stages and files in folders of this folder, and shows progress."""
        self.folder = folder / "files"
        self.data: dict[str, Data] = {}
        self._stages = folder / "stages"
        self._progress = progress
        self._stage, self._loops = "", 0
        for made in (self.folder, self._stages):
            made.mkdir(parents=True, exist_ok=True)

    def each(self, items: Iterable[Any], function: Callable[[Any], Data]) -> list[Data]:
        """`[function(item) for item in items]`, with progress, every item kept as it is done.

        A run that was interrupted goes on after the last item kept. The items must come in the
        same order each time; `function` must not depend on what it returned before. A stage may
        have several of these loops, one after the other.
        """
        items = list(items)
        self._loops += 1
        path = self._stages / f"{self._stage}-{self._loops}.lines"
        done = _complete_lines(path)[: len(items)]
        path.write_text("".join(storage.dump(entry) + "\n" for entry in done), encoding="utf-8")
        task = self._progress.add_task(self._stage, total=len(items), completed=len(done))
        with path.open("a", encoding="utf-8") as lines:
            for item in items[len(done) :]:
                text = storage.dump(function(item))
                lines.write(text + "\n")
                lines.flush()
                done.append(storage.parse(text))
                self._progress.advance(task)
        self._progress.remove_task(task)
        return done

    def stage(self, name: str, function: Callable[[], Data]) -> float:
        """Computes a stage unless it is kept already; returns the seconds it took."""
        self._stage, self._loops = name, 0
        path = self._stages / f"{name}.json"
        if not path.exists():
            task = self._progress.add_task(name, total=None)
            start = time.perf_counter()
            data = function()
            storage.save(path, {"seconds": time.perf_counter() - start, "data": data})
            for kept in range(1, self._loops + 1):
                (self._stages / f"{name}-{kept}.lines").unlink()
            self._progress.remove_task(task)
        kept = storage.read(path)
        self.data[name] = kept["data"]
        return kept["seconds"]


def _complete_lines(path: Path) -> list[Data]:
    """Reads the items that a stage has kept, without a last line that was cut off."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [storage.parse(line) for line in lines if line.endswith("\n")]
