"""The argument of a file that says that a system of equations has exactly one zero in a box.

The setting: a system `H: R^n -> R^n` with conditions, multipliers and forms (`systems`), a box Z, a
smaller box X in it, and a point c in X. For some kinds there is a box D of the inputs of the graph
too. What the file states and is *not* re-derived here is, in one place:

  (B) on Z, H is continuously differentiable, and its Jacobian J has `|J(z) - C| <= R` entrywise;
      `|H(c)| <= residual`; on X the conditions are at least `bounds`, and forms with their
      rows are within `|S - C_S| <= R_S` and `|B - C_B| <= R_B`; on each cell of D, with multipliers
      in X, so are the forms that are to hold on D, which are second derivatives of functions that
      are twice continuously differentiable there.

Level 2 derives all of it again from the graph in the file (`rederive_zero`). With any matrix Y let

    q = |I - Y C| + |Y| R  (entrywise),     K(V) = c +- (|Y| residual + q rho(V)),

with `rho(V)_k` the distance of c from the farther face of a box V in coordinate k.

*Theorem* (Krawczyk, 1969; Moore, 1977). If `K(V)` is in the interior of V, for a box V in Z with c
in it, then H has exactly one zero in V, all matrices within R of C are regular, and H has no other
zero in Z. *Proof.* Let z, z' be in Z. As Z is convex, `H(z) - H(z') = A (z - z')` with the mean A
of J along the segment, and the matrices within R of C are a convex and closed set, so A is one of
them; and `|I - Y A| <= q`. So for z in V, with z' = c, `N(z) = z - Y H(z)` is
`c - Y H(c) + (I - Y A)(z - c)`, a point of K(V): N maps V into its interior, and has a fixed point
there (Brouwer), where `Y H(z) = 0`. Since K(V) is narrower than V in each coordinate, whose widths
are at most `2 rho_k`, `q rho < rho` with a positive vector rho: in the norm `max_k |v_k| / rho_k`
all `I - Y A` are smaller than one. So all `Y A` are regular, and with them Y and all A. So
`H(z) = 0` at the fixed point; and for zeros z, z' in Z, `0 = A (z - z')` implies that z = z'.

The test is made for Z itself and for X, with the same Y and the same bounds on J: X is in Z, where
these hold. So the one zero z* in Z is in X, J(z*) is regular, and what holds on X holds at z*.

Then: conditions are positive as their bounds are, multipliers as X is, and inputs are in their
extents. A form with rows B is positive definite on the null space of B if `S + weight B'B` is
positive definite for some weight, as `v'Sv = v'(S + weight B'B)v` where `B v = 0`. Forms that need
only be semidefinite may have rows and columns that are zero on all of a cell, which are left out;
and if nothing is uncertain (`R_S = 0`) they are decided exactly. `systems` says what follows.
"""

from fractions import Fraction
from typing import Protocol

from .cells import Corner, Progress, cells_of
from .exact import Work, family_positive_definite
from .graph import Graph, game_hash, read_graph
from .matrices import Matrix, minus, plus, product, scaled, square, transposed
from .reader import Reader, Unusable
from .semidefinite import exactly_semidefinite
from .systems import MAX_INPUTS, SymmetricForm, System, read_system
from .verdict import require

# The least and the greatest exponent of the units of integers.
_UNITS = -1200, 1000
# Bits by which all entries of a form together may grow in the units of the checker.
_MAX_ADDED = 2**30


class IntervalMatrix:
    """The matrices `C + E` with `|E| <= R` entrywise, in integers; symmetric ones on request."""

    def __init__(self, file: Reader, rows: int, columns: int, *, symmetric: bool = False) -> None:
        centre, remainder = file.fields("centre", "remainder")
        self.where = file.where
        self.centre = centre.matrix(rows, columns)
        self.remainder = remainder.matrix(rows, columns)
        require(min(map(min, self.remainder)) >= 0, f"{self.where}.remainder is not negative")
        if symmetric:
            both = (self.centre, self.remainder)
            require(all(m == transposed(m) for m in both), f"{self.where} is symmetric")


def read_game(game: Reader) -> tuple[System, Graph]:
    """Reads what a file says of a system, and verifies its hash."""
    players = game["players"].items()
    sizes = [player["size"].integer_within(1, MAX_INPUTS) for player in players]
    names = {player["name"].text() for player in players}
    if not players or len(names) < len(sizes) or sum(sizes) > MAX_INPUTS:
        raise Unusable(
            "a system has blocks of different names, of at least 1 and in all at most "
            f"{MAX_INPUTS} coordinates"
        )
    system = read_system(game, sizes)
    graph = read_graph(game["graph"], system.inputs, system.outputs)
    require(
        game["hash"].text() == game_hash(game.value),
        "the hash is that of the game: its players, its system and its graph",
    )
    return system, graph


class Enclosure(Protocol):
    """What is claimed of one zero: the test of Krawczyk needs no more."""

    @property
    def system(self) -> System:
        """The system of equations."""
        ...

    @property
    def box(self) -> tuple[Corner, Corner]:
        """The corners of the box Z."""
        ...

    @property
    def zero(self) -> tuple[Corner, Corner]:
        """The corners of the smaller box X."""
        ...

    @property
    def center(self) -> Corner:
        """The point c."""
        ...


class ZeroClaims:
    """The claims of a file about a zero, in exact numbers.

    Args:
        game: What the file says of the system.
        claims: What it claims of the zero.
        evidence: What that follows from.
    """

    def __init__(self, game: Reader, claims: Reader, evidence: Reader) -> None:
        self.system, self.graph = read_game(game)
        further = ["region"] if "region" in claims else []
        box, zero, *region = claims.fields("box", "zero", *further)
        self.box, self.zero = (corners_of(each, self.system.unknowns) for each in (box, zero))
        self.region = corners_of(region[0], self.system.inputs) if region else None
        self.unit = evidence["unit"].integer_within(*_UNITS)
        self.center = evidence["center"].numbers(self.system.unknowns)
        require(_within(self.zero, self.box), "the box of the zero is in the box")
        require(
            all(
                a <= c <= b for a, c, b in zip(self.zero[0], self.center, self.zero[1], strict=True)
            ),
            "the centre is in the box of the zero",
        )

    @property
    def forms_at_zero(self) -> list[SymmetricForm]:
        """The forms that are to hold on the box of the zero."""
        return self.system.forms if self.system.local and self.region is None else []


def check_zero(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a file about a zero; see the top of this module.

    Returns:
        What was re-derived from the graph, at level 2; nothing at level 1.
    """
    claims = ZeroClaims(file["game"], file["claims"], file["evidence"])
    check_zero_claims(claims, file["evidence"], Work(), progress)
    if level == 1:
        return ()
    try:
        from .rederive_zero import rederive_zero
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    return rederive_zero(file["evidence"], claims, progress)


def check_zero_claims(
    claims: ZeroClaims, evidence: Reader, work: Work, progress: Progress | None
) -> None:
    """Verifies that there is one zero, and what is said of it, given statement (B)."""
    names = ["center", "residual", "unit", "jacobian", "inverse", "bounds"]
    names += ["cells"] if claims.region is not None else ["forms"]
    fields = dict(zip(names, evidence.fields(*names), strict=True))
    unit = claims.unit
    check_contained(fields, claims, unit, work)
    check_conditions(fields["bounds"], claims)
    if claims.region is None:
        check_forms(fields["forms"], claims.forms_at_zero, unit, work)
    else:
        check_region(fields["cells"], claims, unit, work, progress)


def check_contained(fields: dict[str, Reader], claims: Enclosure, unit: int, work: Work) -> None:
    """Verifies that `K(Z)` is in the interior of Z, and `K(X)` in that of X."""
    n = claims.system.unknowns
    residual = fields["residual"].numbers(n)
    require(min(residual) >= 0, "the residual is not negative")
    jacobian = IntervalMatrix(fields["jacobian"], n, n)
    own, entries = fields["inverse"].fields("unit", "matrix")
    inverse, shift = entries.matrix(n, n), -(unit + own.integer_within(*_UNITS))
    if not 0 <= shift <= -2 * _UNITS[0]:
        own.fail("a unit that is at most the inverse of that of the Jacobian")
    size = [[abs(x) for x in row] for row in inverse]
    # In units of 2^-shift, as Y C is.
    off = minus(square(n, 2**shift), paid_product(inverse, jacobian.centre, work))
    spread = plus(
        [[abs(x) for x in row] for row in off], paid_product(size, jacobian.remainder, work)
    )
    y_unit = Fraction(2) ** (-shift - unit)
    loose = [y_unit * x for x in _times(size, residual, work)]
    for (lower, upper), claim in (
        (claims.box, "the Krawczyk box is in the interior of the box"),
        (claims.zero, "the Krawczyk box of the zero is in the interior of the box of the zero"),
    ):
        reach = [max(c - a, b - c) for a, c, b in zip(lower, claims.center, upper, strict=True)]
        moved = _times(spread, reach, work)
        for a, c, e, s, b in zip(lower, claims.center, loose, moved, upper, strict=True):
            width = e + s / 2**shift
            require(a < c - width and c + width < b, claim)


def check_conditions(bounds: Reader, claims: ZeroClaims) -> None:
    """Verifies that conditions and multipliers are positive, and inputs where they have to be."""
    system, (lower, _) = claims.system, claims.zero
    require(
        all(bound > 0 for bound in bounds.numbers(system.conditions)), "the conditions are positive"
    )
    require(all(lower[k] > 0 for k in system.multipliers), "the multipliers are positive")
    inputs = (system.inputs_of(claims.zero[0]), system.inputs_of(claims.zero[1]))
    require(
        all(
            (least is None or least <= a) and (most is None or b <= most)
            for a, b, (least, most) in zip(*inputs, system.extents, strict=True)
        ),
        "the zero is in the strategy sets",
    )
    if claims.region is not None:
        require(_within(inputs, claims.region), "the zero is in the region")


def check_region(
    nodes: Reader, claims: ZeroClaims, unit: int, work: Work, progress: Progress | None
) -> None:
    """Verifies that cells cover D, and the forms on each of them."""
    assert claims.region is not None
    if any(form.rows for form in claims.system.forms):
        nodes.fail("no region in a file about a leader")
    for node, _, _ in cells_of(nodes, *claims.region, None, progress):
        check_forms(node["forms"], claims.system.forms, unit, work)


def check_forms(file: Reader, forms: list[SymmetricForm], unit: int, work: Work) -> None:
    """Verifies that forms are positive definite, or semidefinite where that is enough."""
    for entry, form in zip(file.items(len(forms)), forms, strict=True):
        if form.rows:
            matrix, rows, weight = entry.fields("matrix", "rows", "weight")
        else:
            (matrix,), rows, weight = entry.fields("matrix"), None, None
        family = IntervalMatrix(matrix, form.size, form.size, symmetric=True)
        claim = f"{form.name} is positive " + ("semi" if form.semidefinite else "") + "definite"
        claim += f" on {entry.where}"
        if rows is not None and weight is not None:
            beside = IntervalMatrix(rows, form.rows, form.size)
            _add_squares(family, beside, weight.number(), unit, work)
        if form.semidefinite:
            require(semidefinite(family.centre, family.remainder, work), claim)
        else:
            require(definite(family.centre, family.remainder, work), claim)


def definite(centre: Matrix, remainder: Matrix, work: Work) -> bool:
    """Says whether all symmetric matrices within `remainder` of `centre` are positive definite."""
    return family_positive_definite(centre, [], remainder, [1] * len(centre), work)


def semidefinite(centre: Matrix, remainder: Matrix, work: Work) -> bool:
    """Says whether all symmetric matrices within `remainder` of `centre` are shown semidefinite.

    Rows and columns that are zero in all of them are left out. What is left is tested as positive
    definite; or exactly, if it is one matrix.
    """
    kept = [i for i, row in enumerate(centre) if any(row) or any(remainder[i])]
    centre, remainder = ([[m[i][j] for j in kept] for i in kept] for m in (centre, remainder))
    if not kept or definite(centre, remainder, work):
        return True
    if any(map(any, remainder)):
        return False
    return exactly_semidefinite(centre, work)


def _add_squares(
    family: IntervalMatrix, rows: IntervalMatrix, weight: Fraction, unit: int, work: Work
) -> None:
    """Replaces S by bounds on `S + weight B'B`, in finer units.

    For `B = C + E`, `B'B - C'C` is at most `|C|'R + R'|C| + R'R` in size, entry by entry.
    """
    require(weight >= 0, "the weight of the rows is not negative")
    bits = max(0, weight.denominator.bit_length() - 1 - unit)
    if len(family.centre) ** 2 * (bits + weight.numerator.bit_length()) > _MAX_ADDED:
        raise Unusable("checking it would take too much memory: too fine units of a form")
    size = [[abs(x) for x in row] for row in rows.centre]
    square_ = paid_product(transposed(rows.centre), rows.centre, work)
    mixed = paid_product(transposed(size), rows.remainder, work)
    last = paid_product(transposed(rows.remainder), rows.remainder, work)
    loose = plus(plus(mixed, transposed(mixed)), last)
    # In units of 2^(unit - bits), while those of B'B are 2^(2 unit).
    whole = int(weight * Fraction(2) ** (unit + bits))
    family.centre = plus(scaled(2**bits, family.centre), scaled(whole, square_))
    family.remainder = plus(scaled(2**bits, family.remainder), scaled(whole, loose))


def corners_of(file: Reader, size: int) -> tuple[Corner, Corner]:
    """Reads a box, by its corners."""
    lower, upper = (end.numbers(size) for end in file.fields("lower", "upper"))
    require(all(map(Fraction.__le__, lower, upper)), f"{file.where} is not empty")
    return lower, upper


def _within(inner: tuple[Corner, Corner], outer: tuple[Corner, Corner]) -> bool:
    return all(map(Fraction.__le__, outer[0], inner[0])) and all(
        map(Fraction.__le__, inner[1], outer[1])
    )


def paid_product(left: Matrix, right: Matrix, work: Work) -> Matrix:
    """Returns a product of matrices, after paying for it by the digits of their entries."""
    _pay(len(left) * len(right) * len(right[0]), _longest(left), _longest(right), work)
    return product(left, right)


def _times(matrix: Matrix, vector: list[Fraction], work: Work) -> list[Fraction]:
    """Returns a product with a vector of floats, in integers until the end."""
    bits = max(x.denominator.bit_length() - 1 for x in vector)
    whole = [int(x * 2**bits) for x in vector]
    _pay(len(matrix) * len(vector), _longest(matrix), _longest([whole]), work)
    scale = Fraction(1, 2**bits)
    return [scale * sum(map(int.__mul__, row, whole)) for row in matrix]


def _longest(matrix: Matrix) -> int:
    return max(max(map(int.bit_length, row)) for row in matrix)


def _pay(products: int, left: int, right: int, work: Work) -> None:
    """Pays for products of numbers with that many bits: for each, and for 25 pairs of digits."""
    digits = (1 + left // 30) * (1 + right // 30)
    work.pay(products + products * digits // 25)
