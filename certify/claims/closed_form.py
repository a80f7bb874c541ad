"""The certificate of convergence of a game whose constants are closed forms, without a file."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple, NoReturn, cast, final

import dgames as dg
from certify.checker import Unusable
from certify.claims.certificate import Certificate, Status
from certify.claims.rows import Row, at_least, at_most, row
from certify.problem.exact_types import METHODS
from certify.steps.step_size import StepSize
from dgames.strategy import Strategy


class ClosedFormEquilibrium(NamedTuple):
    """A proved enclosure of the only equilibrium in the region.

    Attributes:
        center: A joint strategy near it.
        radius: It is within this distance of `center`, in the norm of the certificate.
        basin: From every start within this distance of `center` the flow, and steps without a basin
            of their own, stay in the region and converge; infinite if the region is everywhere, or
            if steps are projected onto it.
    """

    center: Strategy
    radius: float
    basin: float


class ClosedFormConstants(NamedTuple):
    """Proved constants of a game on a region.

    Attributes:
        margin: A lower bound on the strong-monotonicity modulus of the pseudo-gradient.
        lipschitz: An upper bound on its Lipschitz constant, in the same norm.
        region: Where the constants hold, in words.
        norm: The norm, in words.
        facts: Further proved numbers that they are made of: a name, the number, and whether it is a
            "lower" or an "upper" bound.
    """

    margin: float
    lipschitz: float
    region: str = "everywhere"
    norm: str = "Euclidean"
    facts: tuple[tuple[str, float, str], ...] = ()


@final
class ClosedForm(Certificate):
    """A certificate of convergence by closed forms, from `certify.certify_closed_form`.

    It makes no file: the numbers of a million coordinates do not fit into one that the checker
    reads, and what is proved follows from the formula of the class of the game, which the checker
    does not know. So it is proved by this package, in floating point with every rounding error
    paid for, and not checked by the independent checker. The status is never "refuted".

    Args:
        status: The status; "proved" needs a positive margin and an equilibrium.
        reasons: Sentences that say why the status is "undecided".
        constants: The constants, which are proved whatever the status.
        step_sizes: Safe steps by the name of the method; none if nothing is proved.
        without: Why there is no step, by the name of the method.
        equilibrium: The enclosure of the equilibrium, if it is proved that there is one.

    Raises:
        ValueError: If a proof is claimed without a positive margin and an equilibrium.
    """

    kind: ClassVar[str] = "closed_form"
    title: ClassVar[str] = "Convergence by closed forms"
    no_file: ClassVar[str] = (
        "a proof by closed forms makes no file: it follows from the formula of the game's class, "
        "and its numbers would not fit into a file that the independent checker reads; "
        "certify.certify makes one where costs are made of functions of linear forms"
    )

    def __init__(
        self,
        status: Status,
        reasons: tuple[str, ...],
        constants: ClosedFormConstants,
        step_sizes: Mapping[str, StepSize] | None = None,
        without: Mapping[str, str] | None = None,
        equilibrium: ClosedFormEquilibrium | None = None,
    ):
        super().__init__(status, reasons)
        if (status == "proved") != (constants.margin > 0 and equilibrium is not None):
            raise ValueError(
                "ClosedForm: the status 'proved', and no other one, takes a positive margin and an "
                "equilibrium"
            )
        self._constants, self._equilibrium = constants, equilibrium
        self._steps, self._without = dict(step_sizes or {}), dict(without or {})

    @property
    def constants(self) -> ClosedFormConstants:
        """The constants with region and norm, proved whatever the status."""
        return self._constants

    @property
    def margin(self) -> float:
        """The proved margin, whatever the status; it may not be positive."""
        return self._constants.margin

    @property
    def lipschitz(self) -> float:
        """The proved Lipschitz constant, whatever the status."""
        return self._constants.lipschitz

    @property
    def region(self) -> str:
        """Where the claims hold, in words."""
        return self._constants.region

    @property
    def step_sizes(self) -> dict[str, StepSize]:
        """Safe steps by the name of the method."""
        return dict(self._steps)

    @property
    def methods_without_step(self) -> dict[str, str]:
        """Why there is no step, by the name of the method."""
        return dict(self._without)

    @property
    def equilibrium(self) -> ClosedFormEquilibrium:
        """Enclosure of the only equilibrium in the region.

        Raises:
            ValueError: If nothing was proved.
        """
        if self._equilibrium is None:
            raise ValueError(self._unproved("no equilibrium"))
        return self._equilibrium

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """Returns a method with its best proved step.

        Args:
            method: One of the classes that have a step here.

        Raises:
            ValueError: If there is no step for this method.
        """
        step = self._step_of(method)
        if method is dg.MirrorDescent:
            raise ValueError("safe_method: mirror maps are the game's; use game.method(step)")
        make = cast(Callable[..., dg.AbstractMethod], method)
        return make(step.best, *(() if step.momentum is None else (step.momentum,)))

    def iterations(self, method: type[dg.AbstractMethod], distance: float, tolerance: float) -> int:
        """Returns a number of steps after which a run is near the equilibrium, by its proved rate.

        Args:
            method: One of the classes that have a step here; its best step is used.
            distance: An upper bound on the distance of the start from the equilibrium, in the norm
                of the step, inside of its basin.
            tolerance: The distance to be reached, positive.

        Raises:
            ValueError: If there is no step for this method, or a number is not positive.
        """
        step = self._step_of(method)
        if not (0 < distance < math.inf and 0 < tolerance < math.inf):
            raise ValueError("iterations: distance and tolerance are positive numbers")
        share = Fraction(tolerance) / (Fraction(distance) * Fraction(step.constant))
        if share >= 1:
            return 0
        # The quotient of logarithms is rounded by much less than the millionth part added here.
        return math.ceil(math.log(share) / math.log(step.rate) * (1 + 1e-6))

    def _step_of(self, method: type[dg.AbstractMethod]) -> StepSize:
        known = {**METHODS, dg.MirrorDescent: "mirror_descent"}
        name = next((name for cls, name in known.items() if cls is method), None)
        if name is None or name not in self._steps:
            why = self._without.get(name or "", "name it in certify_closed_form(methods=...)")
            raise ValueError(
                f"the certificate has no step for {getattr(method, '__name__', method)}, only for "
                f"{', '.join(self._steps) or 'no method'}; {why}."
            )
        return self._steps[name]

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> NoReturn:
        """Raises `Unusable`: no game can be compared, as the numbers of the game are not kept."""
        raise Unusable("a proof by closed forms keeps nothing of the game to compare another with")

    def claim_rows(self) -> list[Row]:
        """Returns the claims, which the independent checker has not verified."""
        equilibrium, constants = self.equilibrium, self._constants
        everywhere = equilibrium.basin == math.inf
        start = (
            ("all starts",) if everywhere else ("all starts within ", at_least(equilibrium.basin))
        )
        steps = [
            row(
                name,
                *(
                    "every step up to ",
                    at_least(step.max),
                    " converges; with ",
                    at_least(step.best),
                ),
                *(" distances shrink by ", at_most(step.rate), " each time"),
            )
            for name, step in self._steps.items()
        ]
        return [
            row("checked", "no: a proof by closed forms makes no file"),
            row("region", constants.region),
            row("norm", constants.norm),
            row("margin", "at least ", at_least(constants.margin)),
            row("lipschitz", "at most ", at_most(constants.lipschitz)),
            *(
                row(name, "at least ", at_least(value))
                if side == "lower"
                else row(name, "at most ", at_most(value))
                for name, value, side in constants.facts
            ),
            row(
                "equilibrium",
                *("exactly one in the region, within ", at_most(equilibrium.radius, 2)),
                " of its centre",
            ),
            row("basin", *start),
            *steps,
        ]

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"ClosedForm(status={self.status!r}, reasons={self.reasons})"
        return (
            f"ClosedForm(status='proved', margin={self.margin:.6g}, "
            f"lipschitz={self.lipschitz:.6g}, region={self.region!r})"
        )
