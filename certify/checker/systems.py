"""Systems of equations `H(z) = 0`, made of the functions of a graph, and what their zeros are.

A file of the kind "zero" spells out functions of p inputs as a graph, and names a system of n
equations in n unknowns that is made of them. The unknowns are inputs of the graph, and multipliers,
in which the equations are linear: each equation is a sum of terms

    sign * z_factor * (a derivative of an output of the graph)

without `z_factor` where the term has no multiplier. Other inputs of the graph are fixed numbers.
Beside equations, a system has *conditions*, which are such sums that are to be positive at the
zero, *multipliers* that are to be positive, and *forms*: symmetric matrices whose entries are such
sums. `krawczyk` says how a zero is proved. The systems are of three kinds, one class each.
"""

import abc
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import NamedTuple

from .cells import Corner
from .reader import Reader, Unusable
from .sets import BoxSet, Extent, read_set

# The most unknowns of a system, the most inputs of its graph, and the most constraints.
MAX_UNKNOWNS, MAX_INPUTS, MAX_CONSTRAINTS = 2**9, 2**12, 2**16


class DerivativeTerm(NamedTuple):
    """A term of a sum: a derivative of an output of the graph, perhaps times an unknown.

    Attributes:
        sign: 1 or -1.
        output: The number of the output.
        along: The inputs along which the derivative is taken; none for the output itself.
        factor: The number of the unknown that it is multiplied by; None for 1.
    """

    sign: int
    output: int
    along: tuple[int, ...] = ()
    factor: int | None = None


class SymmetricForm(NamedTuple):
    """A symmetric matrix S of a system, to be positive definite, perhaps on a null space only.

    Attributes:
        name: What it is, for messages.
        size: The number of its rows.
        rows: How many rows the matrix B has, on whose null space S is to be positive definite; 0
            if S is to be positive definite everywhere.
        semidefinite: Whether positive semidefinite is enough.
    """

    name: str
    size: int
    rows: int = 0
    semidefinite: bool = False


class System(abc.ABC):
    """A system of equations, with the conditions at its zero.

    Attributes:
        inputs: The number of inputs of the graph.
        outputs: The number of its outputs.
        places: For each input, the number of the unknown that it is, or the number that it is fixed
            at.
        unknowns: The number of unknowns, and of equations.
        conditions: The number of sums that are to be positive at the zero.
        multipliers: The unknowns that are to be positive at the zero.
        extents: Where each input has to be.
        forms: The symmetric matrices.
        local: Whether forms are to hold at the zero, where the file states no region.
        order: The highest order of derivatives in the Jacobian of the equations, in conditions and
            in forms.
    """

    inputs: int
    outputs: int
    places: list[int | Fraction]
    unknowns: int
    conditions: int
    multipliers: list[int]
    extents: list[Extent]
    forms: list[SymmetricForm]
    local: bool
    order: int

    def inputs_of(self, unknowns: Corner) -> Corner:
        """Returns the inputs of the graph, given the unknowns."""
        return [unknowns[place] if isinstance(place, int) else place for place in self.places]

    @abc.abstractmethod
    def equation(self, k: int) -> list[DerivativeTerm]:
        """Returns the terms of an equation."""

    @abc.abstractmethod
    def condition(self, k: int) -> list[DerivativeTerm]:
        """Returns the terms of a sum that is to be positive."""

    @abc.abstractmethod
    def entry(self, form: int, i: int, j: int) -> list[DerivativeTerm]:
        """Returns the terms of an entry of a symmetric matrix S, for `i >= j`."""

    def row_entry(self, form: int, i: int, j: int) -> list[DerivativeTerm]:
        """Returns the terms of an entry of the matrix B that belongs to a symmetric matrix."""
        raise NotImplementedError


class EquationSystem(System):
    """The equations are outputs of the graph themselves, one for each input.

    After them come outputs that are to be positive at the zero, and the lower triangles of
    symmetric matrices that are to be positive definite.
    """

    def __init__(self, file: Reader, sizes: list[int]) -> None:
        _, conditions, matrices = file.fields("kind", "conditions", "matrices")
        self.inputs = self.unknowns = sum(sizes)
        self.places = [*range(self.inputs)]
        self.conditions = conditions.integer_within(0, MAX_CONSTRAINTS)
        own = [size.integer_within(1, MAX_UNKNOWNS) for size in matrices.items()]
        self.forms = [SymmetricForm(f"matrix {k}", size) for k, size in enumerate(own)]
        areas = [size * (size + 1) // 2 for size in own]
        self.starts = [*accumulate(areas, initial=self.inputs + self.conditions)]
        self.outputs = self.starts[-1]
        self.multipliers, self.extents = [], [(None, None)] * self.inputs
        self.local, self.order = True, 1

    def equation(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        return [DerivativeTerm(1, k)]

    def condition(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        return [DerivativeTerm(1, self.inputs + k)]

    def entry(self, form: int, i: int, j: int) -> list[DerivativeTerm]:
        """See `System`."""
        return [DerivativeTerm(1, self.starts[form] + i * (i + 1) // 2 + j)]


class Constraint(NamedTuple):
    """A constraint `g(x) <= 0`, or `g(x) = 0`, of some players, with one multiplier for all.

    Attributes:
        output: The output of the graph that is g.
        players: Whose strategies it restricts.
        role: "active", "inactive" or, for `g(x) = 0`, "equation".
        multiplier: The unknown that is its multiplier; None if it is inactive.
    """

    output: int
    players: frozenset[int]
    role: str
    multiplier: int | None


_ROLES = ("active", "inactive", "equation")


class EquilibriumSystem(System):
    """The conditions of Karush, Kuhn and Tucker of a game, for a guessed set of active constraints.

    Player i has the cost f_i, a box K_i and constraints `g_j(x) <= 0` or `g_j(x) = 0`; the latter,
    and those of the former that the file calls so, are active. Coordinates in the file's list
    `fixed` are at their bounds, all others are free. The unknowns are the free coordinates and one
    multiplier m_j for each active constraint; the equations are, for each free coordinate k, of
    player i, and for each active constraint j,

        df_i/dx_k + sum_j m_j dg_j/dx_k = 0  (the sum over active constraints of player i),
        g_j(x) = 0.

    The conditions are that `-g_j > 0` for constraints that are not active, and that the multiplier
    of the bound at which a coordinate is fixed is positive: the left-hand side above at a lower
    bound, its negative at an upper one. Multipliers of active inequalities are positive, and free
    coordinates in K.

    *Theorem.* Let z* = (x*, m*) be a zero with these conditions, D a box that contains x*, and for
    each player i let the Lagrangian `L_i(x) = f_i(x) + sum_j m*_j g_j(x)`, the sum over the active
    constraints of player i, be convex in x_i on D: the forms are its second derivatives. Then x* is
    a generalised Nash equilibrium within D: no player i has a better strategy x_i in K_i that obeys
    all constraints of player i, given x*_-i, and has `(x_i, x*_-i)` in D.
    *Proof.* x* itself is feasible. For such an x_i,

        f_i(x_i, x*_-i) >= L_i(x_i, x*_-i) >= f_i(x*) + dL_i/dx_i (x*) (x_i - x*_i) >= f_i(x*).

    The first step is `m*_j g_j(x_i, x*_-i) <= 0`, as m*_j is positive or g_j zero; the second is
    convexity on the segment from x*_i to x_i, which is in D, a box, together with
    `m*_j g_j(x*) = 0`; in the third, the derivative is zero along free coordinates, and along a
    fixed one it has the sign of its multiplier, with which x_i - x*_i does not disagree in K_i. No
    constraint qualification is needed.

    Nothing is said about other sets of active constraints, so nothing about the number of all
    equilibria. A constraint of several players has one multiplier for all of them: for these zeros
    are *variational* equilibria. Listed once for each of them, with a multiplier each, it gives the
    same equation several times, and no Krawczyk test can hold.
    """

    def __init__(self, file: Reader, sizes: list[int], sets: list[BoxSet]) -> None:
        _, constraints, fixed = file.fields("kind", "constraints", "fixed")
        self.sizes, self.inputs = sizes, sum(sizes)
        ends = [*accumulate(sizes, initial=0)]
        self.blocks = [range(*pair) for pair in pairwise(ends)]
        self.owners = [i for i, size in enumerate(sizes) for _ in range(size)]
        self.extents = [extent for own in sets for extent in own.extents]
        self.fixed = [self._fixed(entry) for entry in fixed.items()]
        at = dict(self.fixed)
        if len(at) < len(self.fixed):
            fixed.fail("each coordinate once")
        free = [k for k in range(self.inputs) if k not in at]
        numbers = {k: number for number, k in enumerate(free)}
        self.free = free
        self.places = [self._bound(k, at[k]) if k in at else numbers[k] for k in range(self.inputs)]
        self.constraints: list[Constraint] = []
        unknown = len(free)
        if len(constraints.items()) > MAX_CONSTRAINTS:
            constraints.fail(f"at most {MAX_CONSTRAINTS} constraints")
        for number, entry in enumerate(constraints.items()):
            players, role = entry.fields("players", "role")
            own = frozenset(p.integer_within(0, len(sizes) - 1) for p in players.items())
            if not own:
                players.fail("at least one player")
            if role.text() not in _ROLES:
                role.fail(" or ".join(f'"{known}"' for known in _ROLES))
            output, is_active = len(sizes) + number, role.text() != "inactive"
            multiplier = unknown if is_active else None
            self.constraints.append(Constraint(output, own, role.text(), multiplier))
            unknown += is_active
        self.active = [c for c in self.constraints if c.multiplier is not None]
        self.inactive = [c for c in self.constraints if c.multiplier is None]
        self.outputs, self.unknowns = len(sizes) + len(self.constraints), unknown
        self.multipliers = [len(free) + k for k, c in enumerate(self.active) if c.role == "active"]
        self.conditions = len(self.inactive) + len(self.fixed)
        self.forms = [
            SymmetricForm(f"the Lagrangian of player {i}", size, semidefinite=True)
            for i, size in enumerate(sizes)
        ]
        self.local, self.order = False, 2

    def _fixed(self, entry: Reader) -> tuple[int, str]:
        coordinate, at = entry.fields("coordinate", "at")
        if at.text() not in ("lower", "upper"):
            at.fail('"lower" or "upper"')
        k = coordinate.integer_within(0, self.inputs - 1)
        if self.extents[k][at.text() == "upper"] is None:
            entry.fail("a coordinate with that bound")
        return k, at.text()

    def _bound(self, k: int, at: str) -> Fraction:
        bound = self.extents[k][at == "upper"]
        assert bound is not None  # `_fixed` has seen to it
        return bound

    def _slope(self, k: int, sign: int = 1) -> list[DerivativeTerm]:
        """Returns the derivative of the Lagrangian of the own player along a coordinate."""
        own = self.owners[k]
        terms = [DerivativeTerm(sign, own, (k,))]
        terms += [
            DerivativeTerm(sign, c.output, (k,), c.multiplier)
            for c in self.active
            if own in c.players
        ]
        return terms

    def equation(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        if k < len(self.free):
            return self._slope(self.free[k])
        return [DerivativeTerm(1, self.active[k - len(self.free)].output)]

    def condition(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        if k < len(self.inactive):
            return [DerivativeTerm(-1, self.inactive[k].output)]
        coordinate, at = self.fixed[k - len(self.inactive)]
        return self._slope(coordinate, 1 if at == "lower" else -1)

    def entry(self, form: int, i: int, j: int) -> list[DerivativeTerm]:
        """See `System`."""
        along = (self.blocks[form][i], self.blocks[form][j])
        terms = [DerivativeTerm(1, form, along)]
        terms += [
            DerivativeTerm(1, c.output, along, c.multiplier)
            for c in self.active
            if form in c.players
        ]
        return terms


class StackelbergSystem(System):
    """A leader x with cost f, and a follower y with cost g, who sees what the leader does.

    The graph has the outputs f and g, of the inputs (x, y); the unknowns are (x, y, w), and

        H(x, y, w) = (f_x + g_xy w,  g_y,  g_yy w + f_y).

    *Theorem.* Let (x*, y*, w*) be a zero with `g_yy` positive definite there. Then near x* the
    follower has exactly one stationary answer r(x) near y*, which is a strict local minimum of
    g(x, .), and x* is a stationary point of the leader's reduced cost `F(x) = f(x, r(x))`. With
    `L(x, y) = f + w*' g_y` and `B = (g_yx, g_yy)`, if the Hessian of L is positive definite on the
    null space of B at the zero, then F'' is positive definite at x*: a *differential Stackelberg
    equilibrium* (Fiez, Chasnov and Ratliff, 2020), and x* is a strict local minimum of F.
    *Proof.* `g_y = 0` and the implicit function theorem give r, with `r' = -g_yy^-1 g_yx`. As
    `g_y(x, r(x)) = 0` near x*, `F(x) = L(x, r(x))` there, for the constant w*. At x* the derivative
    L_y is `f_y + g_yy w* = 0`, so `F' = L_x = f_x + g_xy w* = 0`, and F'' is `v' L'' v` for
    `v = (I, r')`, as the term with r'' has the factor L_y. The columns of v span the null space of
    B, as `g_yx + g_yy r' = 0` and g_yy is regular.

    The matrix F'' is the Schur complement of H's Jacobian with respect to (y, w).
    """

    def __init__(self, file: Reader, sizes: list[int]) -> None:
        file.fields("kind")
        if len(sizes) != 2:
            raise Unusable("a leader and a follower are two players")
        self.leader, self.follower = sizes
        self.inputs, self.outputs = sum(sizes), 2
        self.places = [*range(self.inputs)]
        self.unknowns = self.inputs + self.follower
        self.conditions, self.multipliers = 0, []
        self.extents = [(None, None)] * self.inputs
        self.forms = [
            SymmetricForm("the follower's curvature", self.follower),
            SymmetricForm("the leader's reduced curvature", self.inputs, self.follower),
        ]
        self.local, self.order = True, 3

    def _weighted(self, *along: int) -> list[DerivativeTerm]:
        """Returns a derivative of `w' g_y`."""
        return [
            DerivativeTerm(1, 1, (*along, self.leader + l), self.inputs + l)
            for l in range(self.follower)
        ]

    def equation(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        if k < self.leader:
            return [DerivativeTerm(1, 0, (k,)), *self._weighted(k)]
        if k < self.inputs:
            return [DerivativeTerm(1, 1, (k,))]
        own = k - self.follower
        return [*self._weighted(own), DerivativeTerm(1, 0, (own,))]

    def condition(self, k: int) -> list[DerivativeTerm]:
        """See `System`."""
        raise NotImplementedError

    def entry(self, form: int, i: int, j: int) -> list[DerivativeTerm]:
        """See `System`."""
        if form == 0:
            return [DerivativeTerm(1, 1, (self.leader + i, self.leader + j))]
        return [DerivativeTerm(1, 0, (i, j)), *self._weighted(i, j)]

    def row_entry(self, form: int, i: int, j: int) -> list[DerivativeTerm]:
        """See `System`."""
        return [DerivativeTerm(1, 1, (self.leader + i, j))]


def read_system(game: Reader, sizes: list[int]) -> System:
    """Reads the system of a file.

    Args:
        game: The part of the file that describes it.
        sizes: How many inputs of the graph each player has, or each block of unknowns.
    """
    kind = game["system"]["kind"]
    if kind.text() != "equilibrium" and "sets" in game:
        game["sets"].fail("no sets but in a file about an equilibrium")
    if kind.text() == "equations":
        system: System = EquationSystem(game["system"], sizes)
    elif kind.text() == "stackelberg":
        system = StackelbergSystem(game["system"], sizes)
    elif kind.text() == "equilibrium":
        entries = zip(game["sets"].items(len(sizes)), sizes, strict=True)
        sets = [read_set(entry, size) for entry, size in entries]
        boxes = [own for own in sets if isinstance(own, BoxSet)]
        if len(boxes) < len(sets):
            raise Unusable("strategy sets of a file about a zero are boxes, or everything")
        system = EquilibriumSystem(game["system"], sizes, boxes)
    else:
        kind.fail('"equations", "equilibrium" or "stackelberg"')
    if not 1 <= system.unknowns <= MAX_UNKNOWNS:
        raise Unusable(f"a system has from 1 to {MAX_UNKNOWNS} unknowns, not {system.unknowns}")
    return system
