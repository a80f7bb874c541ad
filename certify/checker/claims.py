"""Reads what a certificate of a game claims, in exact numbers."""

from fractions import Fraction
from itertools import accumulate, pairwise
from typing import NamedTuple

from .graph import Graph, read_graph
from .kinks import kinks_of
from .metric import ExactMetric
from .rank_one import RankOneTerm, read_terms
from .reader import Reader, Unusable
from .region import Region
from .sets import Extent, StrategySet, read_set
from .shared_rows import Shared, require_sets
from .verdict import require

MAX_DIMENSION = 2**17
METRIC_POSITIVE = "the metric is positive definite, and as large as the file says"


class NaturalTerm(NamedTuple):
    """The term that a natural gradient adds to the slopes of the costs in the policies."""

    temperature: Fraction
    reference: list[Fraction]


class StatedGame:
    """The game, or field, and the region that a file is about, in exact numbers."""

    def __init__(self, file: Reader) -> None:
        game = file["game"]
        players = game["players"].items()
        sizes = [player["size"].integer() for player in players]
        names = {player["name"].text() for player in players}
        if not players or min(sizes) < 1 or sum(sizes) > MAX_DIMENSION or len(names) < len(sizes):
            raise Unusable(
                "a game has players of different names, of at least 1 and in all at most "
                f"{MAX_DIMENSION} coordinates"
            )
        self.zero_sum = "zero_sum" in game and game["zero_sum"].boolean()
        if self.zero_sum and len(sizes) != 2:
            raise Unusable("a zero-sum game has two players")
        self.is_gradient = "field" not in game
        if not self.is_gradient and (self.zero_sum or not game["field"].text()):
            game["field"].fail("the name of a field, of a game that is not called zero-sum")
        self.players, n = range(len(sizes)), sum(sizes)
        self.coordinates = [slice(*ends) for ends in pairwise(accumulate(sizes, initial=0))]
        self.sizes, self.region = sizes, Region(file["region"], n)
        self.natural: NaturalTerm | None = None
        if self.region.groups or "natural" in game:
            if self.is_gradient or "sets" in game or not self.region.groups:
                raise Unusable("a natural gradient is a field, without sets, over all policies")
            temperature, reference = game["natural"].fields("temperature", "reference")
            self.natural = NaturalTerm(temperature.number(), reference.numbers(n))
        self.sets: list[StrategySet] = []
        if "sets" in game:
            entries = zip(game["sets"].items(len(sizes)), sizes, strict=True)
            self.sets = [read_set(entry, size) for entry, size in entries]
        self.graph: Graph | None = None
        if "graph" in game:
            costs = 1 if self.zero_sum else len(sizes)
            of_costs = self.is_gradient or self.natural is not None
            self.graph = read_graph(game["graph"], n, costs if of_costs else n)
        is_field = not self.is_gradient and self.natural is None
        self.kinks = kinks_of(self.graph) if is_field and self.graph is not None else None
        self.extents: list[Extent] = [(None, None)] * n
        if self.sets:
            self.extents = [extent for own in self.sets for extent in own.extents]

    def read_point(self, file: Reader, n: int) -> None:
        """Reads a point and what is stated of F there: its value, zero by default, and errors."""
        self.center, self.residual = file["center"].numbers(n), file["residual"].numbers(n)
        require(min(self.residual) >= 0, "the residual is not negative")
        self.value = file["value"].numbers(n) if self.sets else [Fraction(0)] * n


class Claims(StatedGame):
    """The claims of a file, in exact numbers, to which every step of the proof refers."""

    def __init__(self, file: Reader) -> None:
        super().__init__(file)
        game, sizes, n = file["game"], self.sizes, sum(self.sizes)
        kind = "metric" if "metric" in file["claims"] else "weights"
        # Files about terms in place of cells say nothing about the blocks of J.
        self.has_gain = "small_gain" in file["claims"]
        optional = ["small_gain", "cocoercivity", "shared"]
        optional = [name for name in optional if name in file["claims"]]
        _, margin, lipschitz, equilibrium, basin, steps, *_ = file["claims"].fields(
            kind, "margin", "lipschitz", "equilibrium", "basin", "steps", *optional
        )
        self.shared: Shared | None = None
        if "shared" in game or "shared" in file["claims"]:
            claims, proofs = file["claims"]["shared"], file["evidence"]
            self.shared = Shared(game["shared"], claims, proofs, sizes)
            require_sets(self)
        self.metric = ExactMetric(file["claims"], sizes)
        lowest = min(self.metric.smallest, *self.metric.coordinate)
        require(lowest > 0, "the weights are positive" if kind == "weights" else METRIC_POSITIVE)
        self.margin, self.lipschitz = margin.number(), lipschitz.number()
        require(self.margin > 0, "the margin is positive")
        require(self.lipschitz >= self.margin, "the Lipschitz constant is at least the margin")

        self.cocoercivity: Fraction | None = None
        if "cocoercivity" in file["claims"]:
            self.cocoercivity = file["claims"]["cocoercivity"].number()
            require(self.cocoercivity > 0, "the cocoercivity is positive")
        if self.has_gain:
            self._read_gain(file["claims"]["small_gain"])

        further = ("value",) if self.sets else ()
        radius = equilibrium.fields("center", "residual", "radius", *further)[2]
        self.read_point(equilibrium, n)
        self.radius, self.basin = radius.number(), basin.fields("radius")[0].number()
        require(self.radius > 0, "the equilibrium ball has a positive radius")
        require(self.basin > 0, "the basin has a positive radius")
        self.steps = steps.items()
        self.terms: list[RankOneTerm] | None = None
        if "terms" in file["evidence"]:
            self.terms = read_terms(file["evidence"], self.coordinates)

    def _read_gain(self, file: Reader) -> None:
        count = len(self.sizes)
        margin, left, right, curvature, smoothness, coupling = file.fields(
            "margin", "left", "right", "curvature", "smoothness", "coupling"
        )
        self.gain = margin.number()
        self.coupling = [row.numbers(count) for row in coupling.items(count)]
        self.left, self.right, self.curvature, self.smoothness = (
            bounds.numbers(count) for bounds in (left, right, curvature, smoothness)
        )
        require(min(self.left + self.right) > 0, "the small-gain vectors are positive")
        signs = ((i == j, x) for i, row in enumerate(self.coupling) for j, x in enumerate(row))
        require(
            all(x == 0 if own else x > 0 for own, x in signs),
            "the coupling bounds are positive, and zero for a player with itself",
        )

    def reaches(self, radius: Fraction, weights: list[Fraction] | None = None) -> bool:
        """Says whether all points of K within that radius of the centre are in the region.

        Distances are in the metric, or in one with the given weights, one per player.
        """
        if weights is not None:
            floors = [w for w, size in zip(weights, self.sizes, strict=True) for _ in range(size)]
        elif self.region.is_box:
            floors = self.metric.coordinate
        else:
            floors = [self.metric.smallest] * len(self.center)
        return self.region.contains_ball(self.center, radius, floors, self.extents)
