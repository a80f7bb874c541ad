"""A study: a configuration, stages that compute, and what is drawn from their results."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from experiments.stages import Run
from experiments.storage import Data, Number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Stage: TypeAlias = Callable[[Any, Run], Data]


@dataclass(frozen=True)
class Study:
    """One study: stages that compute, and numbers and figures drawn from their data.

    Attributes:
        name: The name of its module, of its results and of its file of expected numbers.
        summary: One line.
        config: A frozen dataclass with everything that the study depends on, seeds included.
        quick: The same class with less to do: for a look, and for the tests.
        stages: What to compute, in order. A stage gets the configuration and the run, whose `data`
            holds the data of earlier stages, and returns plain data, which are kept as soon as it
            is done; long ones go through `Run.each`, which keeps every item.
        numbers: The numbers that the study is about, from the data of all stages.
        figures: Figures by name, drawn from the configuration and the data of all stages alone, so
            that they can be drawn again without computing anything.
    """

    name: str
    summary: str
    config: Any
    quick: Any
    stages: Mapping[str, Stage]
    numbers: Callable[[Mapping[str, Data]], Mapping[str, Number]]
    figures: "Mapping[str, Callable[[Any, Mapping[str, Data]], Figure]]" = dataclasses.field(
        default_factory=dict
    )

    def __post_init__(self):
        for config in (self.config, self.quick):
            if not (dataclasses.is_dataclass(config) and config.__dataclass_params__.frozen):  # pyright: ignore[reportAttributeAccessIssue]
                raise TypeError(f"{self.name}: a configuration must be a frozen dataclass")
        if type(self.config) is not type(self.quick):
            raise TypeError(f"{self.name}: config and quick must be of one class")
