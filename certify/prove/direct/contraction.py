"""The direct route: a step of a method, as it is, is proved to contract over a region."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker import Verdict, check_data
from certify.file.save import save_data
from certify.jacobian.enclosures import AutoEnclosure, Enclosure
from certify.jacobian.family import AffineFamily
from certify.problem.exact_types import known_instance
from certify.problem.field import flat_field
from certify.problem.region import Box, Region
from certify.prove.arguments import check_enclosure, check_search
from certify.prove.direct.comparison import starts_in
from certify.prove.direct.contraction_file import assembled
from certify.prove.direct.factor_measure import factor_measure
from certify.prove.direct.metric_box import MetricBox, metric_boxes
from certify.prove.direct.purity import Surroundings
from certify.prove.direct.step_map import StepMap
from certify.prove.direct.step_problem import (
    StepFunction,
    StepProblem,
    fixed_point,
    problem_at,
    problem_of,
)
from certify.prove.no_proof import NoProof
from certify.search.branch import cover
from certify.search.search_options import Search
from certify.search.tree import Tree
from dgames.strategy import Strategy

_ZEROS = (
    "fixed points of this method are zeros of the field: its buffers are at rest only where the "
    "field vanishes"
)
# Why a fixed point of the step is a zero of the field, by the name of a known method;
# extragradient and Runge-Kutta steps may rest elsewhere, and complex momentum where
# Re(h / (1 - b)) = 0.
_EQUILIBRIA = {
    "simultaneous": "x = x - h F(x) only where F(x) = 0",
    "alternating": "every player rests, one after the other, only where F(x) = 0",
    "momentum": _ZEROS,
    "optimistic": _ZEROS,
}


class StartBall(NamedTuple):
    """Where a method may start.

    Attributes:
        center: A strategy, as a vector of shape (n,).
        metric: `M`, shape (n, n).
        radius: All `x` with `(x - center)' M (x - center) <= radius^2` are starts.
    """

    center: Float[np.ndarray, " n"]
    metric: Float[np.ndarray, "n n"]
    radius: float


class Contraction:
    """A step of a method that is proved to contract, and the evidence for it.

    With status "proved", for all augmented states `z`, `z'` in the box from `lower` to `upper`,
    whatever the rounding errors of the proof,

        |T(z) - T(z')|_P <= rate |z - z'|_P,        |z|_P^2 = z' metric z,

    and `T` has exactly one fixed point there, within `radius` of `center`. From every start in
    `start`, with the first state that the method's own `init` gives, all iterates stay in the box
    and converge to the fixed point, by the factor `rate` per step.

    With another status only `reasons` exists; every other attribute raises a `ValueError`.

    Attributes:
        status: "proved" or "undecided".
        reasons: Why there is no proof, one sentence each.
        equilibrium: Why the fixed point is a zero of the pseudo-gradient; empty where that was not
            shown, and then only the fixed point of the step map is meant.
    """

    def __init__(
        self,
        status: Literal["proved", "undecided"],
        reasons: tuple[str, ...] = (),
        data: dict[str, Any] | None = None,
        equilibrium: str = "",
    ):
        self.status: Literal["proved", "undecided"] = status
        self.reasons, self.equilibrium = reasons, equilibrium
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        """The contents of the file, as plain data."""
        if self._data is None:
            raise ValueError(f"no proof: the status is {self.status!r} ({'; '.join(self.reasons)})")
        return self._data

    @property
    def rate(self) -> float:
        """The proved factor per step."""
        return _number(self.data["claims"]["rate"])

    @property
    def metric(self) -> Float[np.ndarray, "m m"]:
        """`P`: positive definite, on the strategy and the buffers, in this order."""
        return _matrix(self.data["claims"]["metric"], self.dimension)

    @property
    def dimension(self) -> int:
        """Coordinates of the augmented state."""
        coordinates = self.data["coordinates"]
        return coordinates["strategy"] + coordinates["state"]

    @property
    def lower(self) -> Float[np.ndarray, " m"]:
        """Lower corner of the box of augmented states."""
        return _vector(self.data["claims"]["lower"])

    @property
    def upper(self) -> Float[np.ndarray, " m"]:
        """Upper corner of it."""
        return _vector(self.data["claims"]["upper"])

    @property
    def center(self) -> Float[np.ndarray, " m"]:
        """An augmented state near the fixed point."""
        return _vector(self.data["claims"]["center"])

    @property
    def radius(self) -> float:
        """The fixed point is within this distance of `center`, in the metric."""
        return _number(self.data["claims"]["radius"])

    @property
    def basin(self) -> float:
        """Augmented states within this distance of `center`, in the metric, converge."""
        return _number(self.data["claims"]["basin"])

    @property
    def start(self) -> StartBall:
        """Strategies to start from, with the first state that the method itself chooses."""
        n, claims = self.data["coordinates"]["strategy"], self.data["claims"]
        if "start" not in claims:
            return StartBall(self.center, self.metric, self.basin)
        metric = _matrix(claims["start"]["metric"], n)
        return StartBall(self.center[:n], metric, _number(claims["start"]["radius"]))

    @property
    def cells(self) -> int:
        """Number of cells of the proof."""
        return sum("centre" in node for node in self.data["evidence"]["cells"])

    def verify(self) -> Verdict:
        """Checks the evidence again, in exact rational arithmetic.

        That the bounds on derivatives in it are those of game and step is not checked here; see
        `is_about` for which code they were computed from.
        """
        return check_data(self.data)

    def is_about(
        self,
        game: dg.Game | dg.AbstractField,
        method: dg.AbstractMethod | StepFunction,
        like: Strategy,
        *,
        args: Any = None,
    ) -> bool:
        """Whether the hashes are those of this game with these arguments, and of this step.

        The code of both is traced anew. The hash of the game is that of its costs and of every
        constant in them, the arguments among these; that of the step, of all that it computes from
        strategy, buffers and values of the field, and of the first state, with all constants such
        as step sizes. Names of classes play no part.

        Args:
            game: A game or a field.
            method: A method with its step size, or a step of the user's own.
            like: A joint strategy, for its structure.
            args: Of the costs.

        Raises:
            ValueError: As `contraction`.
            EnclosureError: As `contraction`.
        """
        data, n = self.data, self.data["coordinates"]["strategy"]
        field = flat_field(game, Box.around(like, 1.0), args)
        if field.hash != data["game"]["hash"] or field.dimension != n:
            return False
        around, point = Box.around(like, 1.0), self.center[:n]
        problem = problem_at(game, field, around, args, point, AutoEnclosure())
        return problem.step_map(method).hash == data["method"]["hash"]

    def save(self, path: str | Path) -> Path:
        """Writes the file, which `certify.check` and `certify check` verify.

        Args:
            path: Where; an existing file is replaced. A name that ends in `.gz` makes it
                compressed.

        Raises:
            ValueError: If nothing was proved: only proofs are saved; or if the file would be
                larger than the checker reads.
        """
        return save_data(self.data, path)

    def __repr__(self) -> str:
        if self._data is None:
            return f"Contraction(status={self.status!r}, reasons={self.reasons})"
        return f"Contraction(status='proved', rate={self.rate:.6g}, cells={self.cells})"


def contraction(
    game: dg.Game | dg.AbstractField,
    method: dg.AbstractMethod | StepFunction,
    region: Region,
    *,
    args: Any = None,
    enclosure: Enclosure = AutoEnclosure(),
    search: Search = Search(),
) -> Contraction:
    """Proves that one step of a method, buffers and all, contracts over a region.

    The Jacobian of the step map on the augmented state is enclosed over the whole region, not
    derived from constants of the game: what is certified is the step itself, of whatever class. So
    any method that combines its strategy, its buffers and values of the field linearly will do, the
    user's own too; calls, loops with a fixed number of rounds, `jax.jit`, `jax.vmap` and branches
    that constants decide may be part of it. The code is traced as `jax.jit` traces it, and what
    does not always give the same code is refused. As a last net, steps are run from some starts
    and compared with the code; that proves nothing. The metric is found from the Jacobian at the
    equilibrium and from samples; then the factor is proved cell by cell in that one metric, in
    exact arithmetic.

    Theorem: if `DT(z)' P DT(z) <= rate^2 P` on a convex set then `T` contracts there by `rate` in
    `|z|_P` (the mean value of `DT` on a segment obeys the same inequality, which is convex in
    `DT`); a ball around a fixed point inside the set is mapped into itself.

    Args:
        game: Costs that are smooth and built from primitives with an enclosure rule; or a field,
            such as one that is adjusted, whose zero is then the equilibrium that is meant.
        method: A method with its step size, or a function `step(field, x)` that returns the next
            strategy and evaluates nothing but the field that it is given. To it, stacked players
            are a tuple of blocks.
        region: Where the strategies are; a ball is replaced by its bounding box. Buffers are in a
            box that the metric suggests.
        args: Passed to the costs, and to methods; fixed. The step must evaluate the field with
            these very arguments: a function writes `field(x, args)` unless they are None.
        enclosure: How the Jacobian of the field is enclosed.
        search: How long and how finely to search: up to 64 cells, until the proved `1 - rate` is
            about half of what further cutting could prove, if nothing else is said. It is done in
            this process, without a checkpoint.

    Returns:
        A `Contraction`; its evidence has been accepted by the independent checker if it is
        "proved". "undecided" says nothing about the step.

    Raises:
        ValueError: If the step depends on the number of steps made before, as that of Adam does, or
            its state is not real; if it is another one each time it is traced; if game, region and
            options do not fit together.
        EnclosureError: If the step is not linear in strategy, buffers and field (in all of R^n: a
            branch, cast or clip is refused wherever it is), looks at numbers in Python, calls
            back into Python, differentiates the field, evaluates it with other arguments, or asks
            it for anything else; if it does not run as it was traced; if the costs use a primitive
            without an enclosure rule.

    Example:
        >>> import certify, dgames as dg
        >>> pull = dg.zero_sum(lambda x, args: x["a"] * x["b"] + 0.1 * x["a"] ** 2)
        >>> box = certify.Box.around({"a": 0.0, "b": 0.0}, 1.0)
        >>> step = contraction(pull, dg.Optimistic(0.3), box)
        >>> step.status, step.dimension, round(step.rate, 2) < 1
        ('proved', 4, True)
    """
    check_enclosure("contraction", enclosure)
    check_search("contraction", search)
    search.require_unused("contraction", "checkpoint", "batch_size", "n_jobs")
    search = search.filled(64, 0.5)
    try:
        return proved(problem_of(game, region, args, enclosure), method, search)
    except NoProof as end:
        return Contraction("undecided", end.reasons)


def proved(
    problem: StepProblem,
    method: dg.AbstractMethod | StepFunction,
    search: Search,
    *,
    compare: bool = True,
) -> Contraction:
    """As `contraction`, for a problem; without the comparison with what runs if so wanted."""
    surroundings = Surroundings(method)
    step = problem.step_map(method)
    center = fixed_point(step, problem.center)
    _, jacobian = step.at(center)
    if not np.isfinite(jacobian).all() or np.abs(np.linalg.eigvals(jacobian)).max() >= 1:
        reason = "at its fixed point the Jacobian of the step has a spectral radius of at least 1"
        return Contraction("undecided", (reason,))
    reason = "no metric was found in which the sampled Jacobians of the step contract"
    for setting in metric_boxes(problem, step, center, jacobian):
        tree = _covered(step, setting, search)
        data, reason = assembled(problem.field, step, method, center, setting, tree)
        if data is not None:
            found = Contraction(
                "proved", (), data, _EQUILIBRIA.get(known_instance(method) or "", "")
            )
            if compare:
                problem.require_what_runs(method, step, starts_in(*found.start))
            surroundings.require_unchanged()
            return found
    return Contraction("undecided", (reason,))


def _covered(step: StepMap, setting: MetricBox, search: Search) -> Tree[AffineFamily]:
    """Cells on which the factor is below one, as far as floating point tells."""
    return cover(
        Box((jnp.asarray(setting.lower),), (jnp.asarray(setting.upper),)),
        factor_measure(step, setting),
        tightness=search.share,
        budget=search.budget,
        progress=search.progress,
    )


def _number(text: str) -> float:
    return float.fromhex(text)


def _vector(texts: list[str]) -> np.ndarray:
    return np.array([_number(text) for text in texts])


def _matrix(symmetric: dict[str, Any], size: int) -> np.ndarray:
    entries = np.array([float(x) for x in symmetric["matrix"]]).reshape(size, size)
    return np.ldexp(entries, symmetric["unit"])
