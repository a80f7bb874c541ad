"""Numbers that a study should find, and by how much they may differ."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from experiments import storage
from experiments.storage import Number

FOLDER = Path(__file__).parent / "expected"

Evidence = Literal["measured", "estimate", "proved", "checked"]


@dataclass(frozen=True)
class Expected:
    """One number of a study.

    Exactly one of `value`, `least` with or without `most`, and `most` is given. A value is compared
    within `absolute` and `relative` (either will do), texts, truth values and integers exactly; a
    list entry by entry.

    Attributes:
        evidence: What stands behind the study's number: "measured" (a simulation or a
            floating-point computation), "estimate" (sampled, bounds nothing), "proved", or
            "checked" (proved, and accepted by the independent checker).
        source: Where the expected number comes from: a closed form, a paper, an earlier run.
        value: The number.
        absolute: Largest difference.
        relative: Largest difference as a share of `value`.
        least: Lower bound.
        most: Upper bound.
        found: The number of the run by which the bounds were chosen; nothing is compared with it.
    """

    evidence: Evidence
    source: str
    value: Any = None
    absolute: float = 0.0
    relative: float = 0.0
    least: float | None = None
    most: float | None = None
    found: Any = None

    def __post_init__(self):
        bounded = self.least is not None or self.most is not None
        if self.evidence not in get_args(Evidence) or not self.source:
            raise ValueError(f"expected numbers need evidence and a source; got {self}")
        if bounded == (self.value is not None):
            raise ValueError(f"expected numbers have a value or bounds; got {self}")
        if self.found is not None and (self.value is not None or self.fault(self.found)):
            raise ValueError(f"what was found must be within the bounds; got {self}")

    def fault(self, number: Number) -> str | None:
        """Returns what is wrong with a number, or None."""
        if self.value is None:
            low = -math.inf if self.least is None else self.least
            high = math.inf if self.most is None else self.most
            # The comparison is written so that NaN is at fault, in any entry of a list.
            numbers = number if isinstance(number, list) else [number]
            fine = all(low <= float(entry) <= high for entry in numbers)
            return None if fine else f"{number} is not in [{low}, {high}]"
        return None if self._agrees(self.value, number) else f"{number} is not {self.value}"

    def _agrees(self, value: Any, number: Any) -> bool:
        if isinstance(value, list):
            same = isinstance(number, list) and len(number) == len(value)
            return same and all(self._agrees(v, n) for v, n in zip(value, number, strict=True))
        if isinstance(value, str | bool) or isinstance(number, str | bool | list) or number is None:
            return type(value) is type(number) and value == number
        allowed = max(self.absolute, self.relative * abs(value))
        return value == number or abs(value - number) <= allowed


def load(study: str, quick: bool = False, folder: Path = FOLDER) -> dict[str, Expected]:
    """The expected numbers of a study, from `expected/STUDY.json`.

    The file maps "numbers" to what both runs should find; "quick" and "full" to what only one
    should, or finds otherwise. A study without a file has no expected numbers yet.
    """
    if not (folder / f"{study}.json").exists():
        return {}
    file = storage.read(folder / f"{study}.json")
    chosen = {**file.get("numbers", {}), **file.get("quick" if quick else "full", {})}
    return {name: Expected(**entry) for name, entry in chosen.items()}


def compare(numbers: Mapping[str, Number], expected: Mapping[str, Expected]) -> dict[str, str]:
    """Returns the fault of each number that is off, missing, or not expected at all."""
    faults = {name: fault for name in expected if (fault := _fault(name, numbers, expected))}
    extra = {name: "has no expected value" for name in numbers if name not in expected}
    return faults | extra


def _fault(
    name: str, numbers: Mapping[str, Number], expected: Mapping[str, Expected]
) -> str | None:
    return expected[name].fault(numbers[name]) if name in numbers else "was not computed"
