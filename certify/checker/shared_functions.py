"""Shared constraints that are convex functions, `g_j(x) <= 0`.

What a file states of them and is *not* re-derived here is a part of statement (B) in `proof.py`:

  (B) each g_j is convex and continuously differentiable on D, `|g_j(c) - value_j| <= value_error_j`
      and `|grad g_j(c) - gradient_j| <= gradient_error_j` entrywise at the centre c, and for all x
      and y in D `|grad g_j(x) - grad g_j(y)|_* <= smoothness_j |x - y|_W`.

Here `|x|_W^2 = sum_k w_k x_k^2`, and `|v|_*^2 = sum_k v_k^2 / w_k`, so that `v'x <= |v|_* |x|_W`.
Level 2 re-derives it (`rederive_functions`).
"""

from fractions import Fraction

from .exact import dyadic_above, root_above
from .graph import Graph, read_graph
from .reader import Reader
from .verdict import require

MAX_FUNCTIONS = 2**8
ACTIVE, INACTIVE, POSSIBLE = "active", "inactive", "possible"


class Functions:
    """The functions of a file, and what it states of them.

    Attributes:
        graph: The functions, as outputs that are numbers.
        states: What is claimed of each function at x*: "inactive", or nothing.
        multipliers: With which they balance the field at c, about; not negative.
        values: About `g_j(c)`.
        value_errors: Bounds on their errors.
        gradients: About the gradients at c.
        gradient_errors: Bounds on their errors.
        smoothness: Lipschitz constants of the gradients.
    """

    def __init__(self, game: Reader, claims: Reader, evidence: Reader, size: int) -> None:
        self.states = [state.text() for state in claims.items()]
        count = len(self.states)
        if not 1 <= count <= MAX_FUNCTIONS:
            claims.fail(f"the states of 1 to {MAX_FUNCTIONS} functions")
        if not set(self.states) <= {INACTIVE, POSSIBLE}:
            claims.fail('"inactive" or "possible" for each function')
        self.graph: Graph = read_graph(game, size, count)
        if len(self.graph.outputs) != count or any(map(self.graph.shape, self.graph.outputs)):
            game.fail("outputs that are numbers, one for each function")
        names = ("multipliers", "values", "value_errors", "smoothness")
        *numbers, gradients, errors = evidence.fields(*names, "gradients", "gradient_errors")
        self.multipliers, self.values, self.value_errors, self.smoothness = (
            part.numbers(count) for part in numbers
        )
        self.gradients = [row.numbers(size) for row in gradients.items(count)]
        self.gradient_errors = [row.numbers(size) for row in errors.items(count)]
        bounds = [*self.multipliers, *self.value_errors, *self.smoothness]
        bounds += [x for row in self.gradient_errors for x in row]
        require(min(bounds) >= 0, "multipliers and bounds of functions are not negative")

    @property
    def are_inactive(self) -> bool:
        """Whether all of them are claimed to be inactive."""
        return set(self.states) == {INACTIVE}

    def pull(self) -> list[Fraction]:
        """Returns the gradients, added up with their multipliers."""
        pairs = list(zip(self.multipliers, self.gradients, strict=True))
        return [sum((m * g[k] for m, g in pairs), Fraction(0)) for k in range(len(pairs[0][1]))]

    def check_states(self, weights: list[Fraction], radius: Fraction) -> None:
        """Verifies that inactive functions are negative wherever x is within the radius of c."""
        for number, state in enumerate(self.states):
            if state == INACTIVE:
                below = self.is_below(number, weights, radius)
                claim = f"function {number} is inactive, with the multiplier zero"
                require(below and not self.multipliers[number], claim)

    def is_below(self, number: int, weights: list[Fraction], radius: Fraction) -> bool:
        """Says whether a function is negative wherever x is within the radius of c."""
        return self._above(number, weights, radius) < 0

    def gap(self, weights: list[Fraction], shift: Fraction) -> tuple[Fraction, Fraction]:
        """Returns what functions add to the defect and to the slack of a point y, see `_defect`.

        The point is within the shift of c, and is required to satisfy `g(y) <= 0`. With the
        gradients at y in place of those stated, the sum `pull` is off by at most the first number
        in `|.|_*`; and `-sum_j m_j g_j(y)` is at most the second one, as
        `g_j(y) >= g_j(c) + grad g_j(c)'(y - c)`.
        """
        defect = slack = Fraction(0)
        for number, multiplier in enumerate(self.multipliers):
            feasible = self._above(number, weights, shift) <= 0
            require(feasible, f"the centre satisfies function {number}")
            if not multiplier:
                continue
            error = _length(self.gradient_errors[number], weights)
            defect += multiplier * (error + self.smoothness[number] * shift)
            steepness = _length(self.gradients[number], weights) + error
            gap = -self.values[number] + self.value_errors[number] + steepness * shift
            slack += multiplier * max(gap, Fraction(0))
        return defect, slack

    def _above(self, number: int, weights: list[Fraction], reach: Fraction) -> Fraction:
        """Bounds a function from above wherever x is within some distance of c, in D."""
        steepness = _length(self.gradients[number], weights)
        steepness += _length(self.gradient_errors[number], weights)
        bend = self.smoothness[number] * reach**2 / 2
        return self.values[number] + self.value_errors[number] + steepness * reach + bend


def _length(vector: list[Fraction], weights: list[Fraction]) -> Fraction:
    """Bounds `|v|_*` from above."""
    pairs = zip(vector, weights, strict=True)
    return root_above(sum((dyadic_above(x * x / w) for x, w in pairs), Fraction(0)))
