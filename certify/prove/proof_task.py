"""What a call of `certify.certify` is to prove, and how it was asked to."""

from typing import Any, NamedTuple

import dgames as dg
from certify.jacobian.enclosure_choice import Enclosure
from certify.metric.metric_options import MetricOption
from certify.problem.field import FlatField
from certify.problem.region import Region
from certify.search.budget import Budget
from certify.search.search_options import Search
from certify.search.stages import Stages


class ProofTask(NamedTuple):
    """A game on a region, and the options of the proof.

    Attributes:
        game: As the user gave it.
        region: Where.
        args: Passed to the costs.
        field: The game as a function of vectors.
        methods: Names of the methods for which steps are wanted.
        metric: What metric to use.
        enclosure: How Jacobians are to be enclosed.
        search: How long and how finely to search.
        stages: Told of each stage, and ends the proof when the time is up.
        budget: Counts the seconds since the start.
    """

    game: dg.Game | dg.AbstractField
    region: Region
    args: Any
    field: FlatField
    methods: list[str]
    metric: MetricOption
    enclosure: Enclosure
    search: Search
    stages: Stages
    budget: Budget
