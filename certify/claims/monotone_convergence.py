"""The certificate of a merely monotone game: how fast the residual of methods falls."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple, cast, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

import dgames as dg
from certify.checker.anchored import ONTO_SETS, UNCONSTRAINED
from certify.checker.exact import root_above
from certify.checker.reader import MONOTONE
from certify.claims.certificate import Certificate
from certify.claims.convergence_claims import read_region
from certify.claims.convergence_rows import region_in_words
from certify.claims.identity import described_strategy, difference
from certify.claims.rows import Column, Row, Table, about, at_most, row, vector
from certify.file.contents import Contents
from certify.problem.exact_types import described_class
from certify.problem.region import Region
from certify.problem.structure import rebuild
from certify.rounding import float_above
from dgames.strategy import Strategy, ravel

# The classes of methods with theorems, by the names of files.
METHODS: dict[str, type[dg.AbstractMethod]] = {
    "fast_extragradient": dg.FastExtragradient,
    "anchored_extragradient": dg.AnchoredExtragradient,
    "accelerated_optimistic": dg.AcceleratedOptimistic,
    "extragradient": dg.Extragradient,
}
# What is bounded, without strategy sets and with them.
_FIELD = "|F(z)|"
_ONTO_SETS = {
    "fast_extragradient": "the tangent residual, as |F(z) + c| for a normal c at z",
    "extragradient": "the least natural residual so far, |z - P(z - h F(z))| / h",
}


class ResidualBound(NamedTuple):
    """What is proved of the residual after k steps of a method.

    It is at most `constant (step / h) / (k + shift)` for steps of any size `h <= step`, or the same
    with `sqrt(k + shift)`, in the metric of the certificate.

    Attributes:
        theorem: The name of the theorem, of `certify/checker/anchored.py`.
        step: The largest step that the theorem is used for, and of the smallest bound.
        constant: See above; it has the distance of starts from a solution in it.
        shift: See above: 0 or 1.
        root: Whether the bound is one over the root.
        measure: What is bounded, in words.
    """

    theorem: str
    step: float
    constant: float
    shift: int
    root: bool
    measure: str

    def after(self, steps: int) -> float:
        """Returns the bound after so many steps of the size `step`, rounded up."""
        if steps < 0:
            raise ValueError(f"after: steps is {steps}; it must not be negative.")
        count, constant = Fraction(steps + self.shift), Fraction(self.constant)
        if not count:
            return float("inf")
        if self.root:
            return float_above(root_above(constant**2 / count))
        return float_above(constant / count)


@final
class MonotoneConvergence(Certificate):
    """A certificate of a merely monotone game, from `certify.certify_monotone`.

    With status "proved", the field is monotone and Lipschitz on the region in the metric, a
    solution is at most `distance` from every start, and the residuals of the listed methods are
    bounded after any number of steps (see `certify/checker/monotone.py`). "refuted" means that some
    player's cost is proved not to be convex in that player's own strategy.
    """

    kind: ClassVar[str] = MONOTONE
    title: ClassVar[str] = "Residuals along a monotone field"

    @property
    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of the field, in the metric."""
        return float.fromhex(self.data["claims"]["lipschitz"])

    @property
    def distance(self) -> float:
        """Upper bound on how far a start is from a solution, in the metric."""
        return float.fromhex(self.data["claims"]["distance"])

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the metric `sum_i weights_i |x_i|^2`, by player."""
        names = [player["name"] for player in self.data["game"]["players"]]
        return dict(zip(names, map(float.fromhex, self.data["claims"]["weights"]), strict=True))

    @property
    def region(self) -> Region:
        """The region, which contains all points at which a listed method evaluates the field."""
        return read_region(self.data)

    @property
    def starts(self) -> tuple[Strategy, float]:
        """The centre and the radius of the ball of starts; those in the strategy sets count."""
        stated = self.data["claims"]["starts"]
        return self._strategy(stated["center"]), float.fromhex(stated["radius"])

    @property
    def solution(self) -> Strategy | None:
        """A point that is a solution, or near one; None if it is only known that there is one."""
        stated = self.data["claims"]["solution"]
        return None if stated["kind"] == "compact" else self._strategy(stated["center"])

    @property
    def bounds(self) -> dict[str, ResidualBound]:
        """The best bound of each method, by name."""
        found: dict[str, ResidualBound] = {}
        for bound_of, bound in self.all_bounds:
            best = found.get(bound_of)
            if best is None or bound.constant < best.constant:
                found[bound_of] = bound
        return found

    @property
    def all_bounds(self) -> list[tuple[str, ResidualBound]]:
        """All bounds with the names of their methods, of which there may be several theorems."""
        sets = "sets" in self.data["game"]
        table = ONTO_SETS if sets else UNCONSTRAINED
        result = []
        for stated in self.data["claims"]["methods"]:
            name, theorem = stated["method"], stated["theorem"]
            known = table[name, theorem]
            step, constant = (float.fromhex(stated[key]) for key in ("step", "constant"))
            measure = _ONTO_SETS[name] if sets else _FIELD
            bound = ResidualBound(theorem, step, constant, known.shift, known.root, measure)
            result.append((name, bound))
        return result

    @property
    def methods_without_bound(self) -> dict[str, str]:
        """The reason for each requested method that is not in `bounds`, by name."""
        return dict(self.data["provenance"].get("methods_without_bound", {}))

    @property
    def cells(self) -> int:
        """Number of cells of the proof."""
        return sum("centre" in node for node in self.data["evidence"]["cells"])

    def residual_bound(self, method: type[dg.AbstractMethod] | str, steps: int) -> float:
        """Returns what the residual is at most after so many steps of a method, rounded up.

        The steps are those of `safe_method`.

        Args:
            method: One of the classes that the certificate was made for, or its name.
            steps: The number of steps k.

        Raises:
            ValueError: If nothing was proved, or there is no bound for this method.
        """
        return self._bound(method).after(steps)

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """Returns a method with the step of its best bound.

        `dgames.solve(game, Method, x0, step_size=certificate)` uses it.

        Raises:
            ValueError: If nothing was proved, or there is no bound for this method.
        """
        bound = self._bound(method)
        make = cast(Callable[..., dg.AbstractMethod], method)
        if bound.theorem == "varying":
            return make(bound.step, lipschitz=self.lipschitz)
        return make(bound.step)

    def is_start(self, x: Strategy) -> Bool[Array, ""]:
        """Says whether a strategy is within the radius of the centre of the starts; traceable.

        With strategy sets it has to be in them, too, which is not looked at here.
        """
        center, radius = self.starts
        distance = ravel(x)[0].astype(float) - ravel(center)[0]
        sizes = [player["size"] for player in self.data["game"]["players"]]
        spread = jnp.asarray(np.repeat([*self.weights.values()], sizes), float)
        return distance @ (spread * distance) <= radius**2

    def in_basin(self, method: type[dg.AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Says whether the residual along a method from a start is bounded: `is_start`; traceable.

        `dgames.solve(game, Method, x0, step_size=certificate)` warns where it is not.

        Args:
            method: One of the classes that the certificate was made for.
            x: A joint strategy.

        Raises:
            ValueError: If nothing was proved, or there is no bound for this method.
        """
        self._bound(method)
        return self.is_start(x)

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says how a game differs from that of the certificate; returns None if it does not."""
        return difference(self.data, game, described_strategy(self.data) if x is None else x, args)

    def claim_rows(self) -> list[Row]:
        """Returns the claims: where, in which metric, from which starts."""
        stated, region = self.data["claims"], self.data["region"]
        found = {
            "zero": "a zero of the field, in a small box around the centre",
            "point": "the stated point is one, exactly",
            "compact": "there is one in the strategy sets, which are bounded",
        }
        center, radius = self.starts
        return [
            row("region", *region_in_words(region)),
            row("monotone", "in the metric, with no margin claimed"),
            row("Lipschitz constant", "at most ", at_most(self.lipschitz)),
            row("solution", found[stated["solution"]["kind"]]),
            row("starts", "all within ", about(radius), " of ", *vector(ravel(center)[0].tolist())),
            row("distance", "of each from the solution at most ", at_most(self.distance)),
            row("cells", str(self.cells)),
        ]

    def tables(self) -> list[Table]:
        """Returns the bound of each method."""
        columns = [Column(title) for title in ("method", "theorem", "step", "after k steps")]
        rows = [
            [[name], [bound.theorem], [about(bound.step)], _in_words(bound)]
            for name, bound in self.all_bounds
        ]
        measures = {bound.measure: name for name, bound in reversed(self.all_bounds)}
        notes = [f"The residual, in the metric: {measure}." for measure in measures]
        if len(measures) > 1:
            notes = [f"The residual of {name}: {measure}." for measure, name in measures.items()]
        return [Table("Bounds on the residual", columns, rows, [" ".join(notes)])] if rows else []

    @staticmethod
    def name_of(method: type[dg.AbstractMethod] | str) -> str | None:
        """Returns the name of a method with theorems; None if it has none."""
        return next((name for name, cls in METHODS.items() if method in (name, cls)), None)

    def _bound(self, method: type[dg.AbstractMethod] | str) -> ResidualBound:
        known, bounds = self.name_of(method), self.bounds
        if known is None or known not in bounds:
            why = None if known is None else self.methods_without_bound.get(known)
            named = repr(method) if isinstance(method, str) else described_class(method)
            raise ValueError(
                f"the certificate has no bound for {named}, only for "
                f"{', '.join(bounds) or 'no method'}" + (f"; {why}." if why else ".")
            )
        return bounds[known]

    def _strategy(self, vector: Contents | list[str]) -> Strategy:
        numbers = np.array([float.fromhex(entry) for entry in vector])
        return rebuild(self.data["game"]["structure"], numbers)

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"MonotoneConvergence(status={self.status!r}, reasons={self.reasons})"
        return (
            f"MonotoneConvergence(status='proved', lipschitz={self.lipschitz:.6g}, "
            f"distance={self.distance:.6g}, bounds={len(self.all_bounds)}, cells={self.cells})"
        )


def _in_words(bound: ResidualBound) -> list[Any]:
    count = f"k + {bound.shift}" if bound.shift else "k"
    over = f" / sqrt({count})" if bound.root else f" / ({count})" if bound.shift else " / k"
    return [at_most(bound.constant), over]
