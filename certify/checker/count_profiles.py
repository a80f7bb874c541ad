"""The argument of a file that says how many Nash equilibria a game in normal form has.

The setting: player i plays a probability vector `p_i`, and is paid `u_i(p)`, affine in each
player's vector, by tables in the file (`payoffs`). `u_i(a)` is what action a pays, given the
others. The coordinates are the probabilities of all actions of all players, one after another. A
*profile* is an equilibrium if and only if each action that is played, `p_ia > 0`, pays the most.

Nothing is taken as given: everything is derived from the payoffs, in rational numbers.

*Ranges.* A difference of payoffs, such as `u_i(b) - u_i(a)`, is a sum over tables. A table is
contracted with one player's vector after another; where this is in a box with the sum one, the
least value of `sum_k v_k p_k` is found by filling up the cheapest coordinates first. So bounds on
the entries of a table over all of a box become bounds on those of its contraction, and in the end
on the difference. Vectors need not be positive for that, but have the sum one.

*Cells* are boxes of probabilities, the leaves of a tree whose root is everything. In each of them
ends are moved inward as the sum of one allows: `p_ia` is one minus the others of player i. A cell
in which no vectors have the sum one is left out. A "split" cuts a cell in two. A "pin" names an
action a of player i and another one, b, with `u_i(b) - u_i(a) > 0` on all of the cell: so in an
equilibrium there a is not played, and it is in the part with `p_ia = 0`; that is left out if it is
empty. What is left are leaves of three kinds: those which are "open", of which nothing is said;
"weights", in which there is no equilibrium; and "zero", in which there is none but, perhaps, one of
the list.

*Points.* For a support `S_i` of each player, with the last action `l_i` of each, the unknowns are
the probabilities of the other actions in it, and the equations `u_i(a) = u_i(l_i)` for each of
these; `p_i,l_i` is one minus the others, and all other probabilities are zero. With a point c, a
matrix Y and the Jacobian J of these polynomials, bounded over the box Z entry by entry, let

    q >= |I - Y J|  on Z,      K(V) = c - Y H(c) +- q rho(V),

`rho(V)_k` the distance of c from the farther face of V. If `K(V)` is in the interior of V for V = Z
and for V = X in Z, then Z has exactly one zero, and it is in X, by the theorem in `krawczyk`. On X
all probabilities of the supports are positive, and each other action pays less than `l_i`. So the
zero is an equilibrium, with just these supports and a strict loss for all other actions.

*Leaves.* Where the probabilities of all actions that are not pinned are positive on a leaf, all of
them are played in an equilibrium there, so it is a zero of the equations H for these supports. With
weights y and the centre c of the unknowns, `y'H(x)` differs from `y'H(c)` by at most
`sum_k |(y'J)_k| rho_k`, by the mean value theorem; if that is less than `|y'H(c)|`, there is none.

Such a leaf is in the box of a point if actions that are not in its supports are pinned there, the
probabilities of all others are positive on it, and the unknowns are in Z. Then in an equilibrium in
the leaf the actions in the supports are played, and pay the same; it is a zero in Z, hence the
point. So each equilibrium is one of the points, or in an open leaf; and the points are different,
as their supports are, or their boxes X are disjoint.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from operator import mul, sub
from typing import Any, NamedTuple

from .cells import MAX_DEPTH, MAX_ENDS, Corner, Progress
from .exact import Work
from .payoffs import Payoffs, Term
from .reader import Reader, Unusable
from .verdict import require

# The most points of a file.
MAX_EQUILIBRIA = 2**12
Range = tuple[Fraction, Fraction]
Supports = tuple[tuple[int, ...], ...]


class ProfileCell(NamedTuple):
    """A box of probabilities.

    Attributes:
        lower: The least probabilities, of all actions of all players.
        upper: The largest ones.
        pinned: Which actions are known not to be played.
    """

    lower: Corner
    upper: Corner
    pinned: tuple[bool, ...]


class NormalForm:
    """A game in normal form, and ranges of its payoffs over boxes of probabilities.

    Args:
        payoffs: The tables.

    Attributes:
        sizes: The number of actions of each player.
        starts: The coordinate of each player's first action, and the number of all.
        owners: The player whom each coordinate belongs to.
        work: What pays for products.
    """

    def __init__(self, payoffs: Payoffs) -> None:
        self.payoffs, self.sizes = payoffs, payoffs.sizes
        self.starts = [*accumulate(self.sizes, initial=0)]
        self.owners = [i for i, size in enumerate(self.sizes) for _ in range(size)]
        self.work = Work()

    def root(self) -> ProfileCell:
        """Returns the cell of all profiles."""
        n = self.starts[-1]
        pinned = (False,) * n
        found = self.tightened(ProfileCell([Fraction(0)] * n, [Fraction(1)] * n, pinned))
        assert found is not None
        return found

    def tightened(self, cell: ProfileCell) -> ProfileCell | None:
        """Returns a cell with its ends moved inward, as the sum of one allows; None if empty."""
        lower, upper = [], []
        for first, stop in pairwise(self.starts):
            low, high = cell.lower[first:stop], cell.upper[first:stop]
            least, most = sum(low, Fraction(0)), sum(high, Fraction(0))
            if least > 1 or most < 1 or any(map(Fraction.__gt__, low, high)):
                return None
            lower += [max(a, 1 - (most - b)) for a, b in zip(low, high, strict=True)]
            upper += [min(b, 1 - (least - a)) for a, b in zip(low, high, strict=True)]
        return cell._replace(lower=lower, upper=upper)

    def halves(self, cell: ProfileCell, axis: int, at: Fraction) -> list[ProfileCell]:
        """Returns the parts of a cell below and above a cut that are not empty."""
        below, above = list(cell.upper), list(cell.lower)
        below[axis] = above[axis] = at
        parts = (cell._replace(upper=below), cell._replace(lower=above))
        return [part for part in map(self.tightened, parts) if part is not None]

    def without(self, cell: ProfileCell, k: int) -> list[ProfileCell]:
        """Returns the part of a cell where an action is not played, if there is one."""
        upper = list(cell.upper)
        upper[k] = Fraction(0)
        pinned = (*cell.pinned[:k], True, *cell.pinned[k + 1 :])
        part = self.tightened(ProfileCell(cell.lower, upper, pinned))
        return [] if part is None else [part]

    def gain(self, k: int, b: int, lower: Corner, upper: Corner) -> Range:
        """Returns bounds on what action b pays more than that of coordinate k, of one player."""
        i = self.owners[k]
        a, low, high = k - self.starts[i], Fraction(0), Fraction(0)
        for term in self.payoffs.terms[i]:
            rest = term.strides[0]
            table = term.payoffs
            values = [
                x - y
                for x, y in zip(
                    table[b * rest : (b + 1) * rest], table[a * rest : (a + 1) * rest], strict=True
                )
            ]
            least, most = self._contracted(values, term.players[1:], lower, upper)
            low, high = low + least, high + most
        return low * self.payoffs.unit, high * self.payoffs.unit

    def slope(self, k: int, other: int, j: int, last: int, lower: Corner, upper: Corner) -> Range:
        """Returns bounds on the derivative of a gain, as a probability moves to another action.

        Args:
            k: The coordinate of an action of player i.
            other: Another coordinate of player i: the gain is what k pays more than that.
            j: The coordinate of an action of another player, whose probability grows.
            last: Another coordinate of that player, whose probability falls.
            lower: The least probabilities.
            upper: The largest ones.
        """
        i, player = self.owners[k], self.owners[j]
        low, high = Fraction(0), Fraction(0)
        for term in self.payoffs.terms[i]:
            if player in term.players:
                corner = self._corner(term, player, k, j), self._corner(term, player, other, last)
                across = self._corner(term, player, other, j), self._corner(term, player, k, last)
                values = [a + b - c - d for a, b, c, d in zip(*corner, *across, strict=True)]
                others = [m for m in term.players[1:] if m != player]
                least, most = self._contracted(values, others, lower, upper)
                low, high = low + least, high + most
        return low * self.payoffs.unit, high * self.payoffs.unit

    def _corner(self, term: Term, player: int, k: int, j: int) -> list[int]:
        """Returns the entries of a table for one action of its payee and one of another player."""
        a, c = k - self.starts[self.owners[k]], j - self.starts[player]
        axis = term.players.index(player)
        rest, stride = term.strides[0], term.strides[axis]
        size = self.sizes[player]
        own = term.payoffs[a * rest : (a + 1) * rest]
        return [x for n, x in enumerate(own) if (n // stride) % size == c]

    def _contracted(
        self, values: list[int], players: list[int], lower: Corner, upper: Corner
    ) -> Range:
        """Returns bounds on a table times the vectors of players, the last one first."""
        self.work.pay(4 * self.payoffs.effort * (len(values) + 1) * (len(players) + 1))
        low: list[Any] = values
        high: list[Any] = values
        for player in reversed(players):
            first, stop = self.starts[player], self.starts[player + 1]
            size, least, most = stop - first, lower[first:stop], upper[first:stop]
            low = [cheapest(low[n : n + size], least, most) for n in range(0, len(low), size)]
            high = [
                -cheapest([-x for x in high[n : n + size]], least, most)
                for n in range(0, len(high), size)
            ]
        return low[0], high[0]


def cheapest(values: Sequence[Any], lower: Corner, upper: Corner) -> Fraction:
    """Returns the least `sum_k v_k p_k` for p in a box with the sum one, which there must be."""
    left = 1 - sum(lower, Fraction(0))
    total = sum(map(mul, values, lower), Fraction(0))
    for value, room in sorted(
        zip(values, map(sub, upper, lower), strict=True), key=lambda pair: pair[0]
    ):
        part = min(left, room)
        total += part * value
        left -= part
    return total


class SupportSystem:
    """The equations of the equilibria with given supports.

    Attributes:
        supports: The actions of each player that are played.
        unknowns: The coordinates of the unknown probabilities.
        lasts: For each unknown, the coordinate of the last action in the same support.
    """

    def __init__(self, game: NormalForm, supports: Supports) -> None:
        self.game, self.supports = game, supports
        self.unknowns = [game.starts[i] + a for i, own in enumerate(supports) for a in own[:-1]]
        self.lasts = [game.starts[i] + own[-1] for i, own in enumerate(supports) for _ in own[:-1]]
        played = {game.starts[i] + a for i, own in enumerate(supports) for a in own}
        self.pinned = tuple(k not in played for k in range(game.starts[-1]))

    def whole(self, lower: Corner, upper: Corner) -> tuple[Corner, Corner]:
        """Returns the box of all probabilities, given that of the unknown ones."""
        n, zero = self.game.starts[-1], Fraction(0)
        low, high = [Fraction(0)] * n, [Fraction(0)] * n
        for k, a, b in zip(self.unknowns, lower, upper, strict=True):
            low[k], high[k] = a, b
        for i, own in enumerate(self.supports):
            first, stop = self.game.starts[i], self.game.starts[i + 1]
            last = first + own[-1]
            least, most = sum(low[first:stop], zero), sum(high[first:stop], zero)
            low[last], high[last] = 1 - most, 1 - least
        return low, high

    def values(self, center: Corner) -> Corner:
        """Returns the equations at a point."""
        ends = self.whole(center, center)
        pairs = zip(self.unknowns, self.lasts, strict=True)
        return [-self.game.gain(k, self._action(last), *ends)[0] for k, last in pairs]

    def jacobian(self, lower: Corner, upper: Corner) -> list[list[Range]]:
        """Returns bounds on the Jacobian over a box."""
        ends, zero = self.whole(lower, upper), (Fraction(0), Fraction(0))
        pairs, owners = [*zip(self.unknowns, self.lasts, strict=True)], self.game.owners
        return [
            [
                zero if owners[j] == owners[k] else self.game.slope(k, other, j, last, *ends)
                for j, last in pairs
            ]
            for k, other in pairs
        ]

    def is_strict(self, lower: Corner, upper: Corner) -> bool:
        """Says whether all in a box play their supports, and other actions pay strictly less."""
        low, high = self.whole(lower, upper)
        for i, own in enumerate(self.supports):
            first = self.game.starts[i]
            for a in range(self.game.sizes[i]):
                if a in own:
                    if low[first + a] <= 0:
                        return False
                elif self.game.gain(first + a, own[-1], low, high)[0] <= 0:
                    return False
        return True

    def _action(self, k: int) -> int:
        return k - self.game.starts[self.game.owners[k]]


class EnclosedProfile:
    """What a file says of one equilibrium.

    Attributes:
        system: The equations of its supports.
        box: The box Z of the unknowns.
        zero: The smaller box X.
    """

    def __init__(self, game: NormalForm, claim: Reader, evidence: Reader) -> None:
        supports, box, zero = claim.fields("support", "box", "zero")
        found = []
        for own, size in zip(supports.items(len(game.sizes)), game.sizes, strict=True):
            actions = own.integers(len(own.items()))
            increasing = all(a < b for a, b in pairwise(actions))
            if not actions or not increasing or not 0 <= actions[0] <= actions[-1] < size:
                own.fail(f"numbers of actions, increasing, from 0 to {size - 1}")
            found.append(tuple(actions))
        self.system, self.where = SupportSystem(game, tuple(found)), claim.where
        n = len(self.system.unknowns)
        self.box, self.zero = _box(box, n), _box(zero, n)
        center, inverse = evidence.fields("center", "inverse")
        self.center, flat = center.numbers(n), inverse.numbers(n * n)
        self.inverse = [flat[k * n : (k + 1) * n] for k in range(n)]

    def check(self) -> None:
        """Verifies that there is exactly one zero in Z, in X, and that it is an equilibrium."""
        ends = zip(self.box[0], self.zero[0], self.center, self.zero[1], self.box[1], strict=True)
        ordered = all(a <= c <= x <= d <= b for a, c, x, d, b in ends)
        require(ordered, f"{self.where}: the centre and the boxes are in each other")
        loose, moved = contraction(self.system, self.center, self.inverse, *self.box)
        for low, high in (self.box, self.zero):
            reach = [max(c - a, b - c) for a, c, b in zip(low, self.center, high, strict=True)]
            for a, c, e, row, b in zip(low, self.center, loose, moved, high, strict=True):
                width = sum(map(mul, row, reach), Fraction(0))
                inside = a < c - e - width and c - e + width < b
                require(inside, f"{self.where}: the Krawczyk box is in the interior of the box")
        strict = self.system.is_strict(*self.zero)
        require(strict, f"{self.where}: it is an equilibrium with these supports, and strict")

    def covers(self, cell: ProfileCell) -> bool:
        """Says whether a cell is in the box of this equilibrium."""
        return covers(self.system, self.box, cell)


def covers(system: SupportSystem, box: tuple[Corner, Corner], cell: ProfileCell) -> bool:
    """Says whether an equilibrium in a cell is the one in a box, by its supports."""
    return (
        cell.pinned == system.pinned
        and all(low > 0 or out for low, out in zip(cell.lower, cell.pinned, strict=True))
        and all(
            a <= cell.lower[k] and cell.upper[k] <= b
            for k, a, b in zip(system.unknowns, *box, strict=True)
        )
    )


def contraction(
    system: SupportSystem, center: Corner, inverse: list[Corner], lower: Corner, upper: Corner
) -> tuple[Corner, list[Corner]]:
    """Returns `Y H(c)`, and bounds q on `|I - Y J|` over a box."""
    n = len(center)
    system.game.work.pay(64 * n**3)
    value, slopes = system.values(center), system.jacobian(lower, upper)
    loose = [sum(map(mul, row, value), Fraction(0)) for row in inverse]
    moved = []
    for r, row in enumerate(inverse):
        own = []
        for k in range(n):
            low = high = Fraction(int(r == k))
            for y, slope in zip(row, slopes, strict=True):
                one, other = y * slope[k][0], y * slope[k][1]
                low, high = low - max(one, other), high - min(one, other)
            own.append(max(-low, high))
        moved.append(own)
    return loose, moved


def played(game: NormalForm, cell: ProfileCell) -> SupportSystem | None:
    """Returns the equations of the actions that are not pinned in a cell, if all are played."""
    if not all(low > 0 or out for low, out in zip(cell.lower, cell.pinned, strict=True)):
        return None
    supports = tuple(
        tuple(a for a in range(size) if not cell.pinned[first + a])
        for first, size in zip(game.starts, game.sizes, strict=False)
    )
    return SupportSystem(game, supports)


def excludes(system: SupportSystem, weights: Corner, cell: ProfileCell) -> bool:
    """Says whether a weighted sum of the equations has no zero in a cell; see above."""
    lower, upper = ([end[k] for k in system.unknowns] for end in (cell.lower, cell.upper))
    center = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
    reach = [(b - a) / 2 for a, b in zip(lower, upper, strict=True)]
    at = sum(map(mul, weights, system.values(center)), Fraction(0))
    return abs(at) > combined(weights, system.jacobian(lower, upper), reach)


def combined(weights: Corner, slopes: list[list[Range]], reach: Corner) -> Fraction:
    """Returns a bound on how much a weighted sum of equations varies over a box."""
    total = Fraction(0)
    for k, size in enumerate(reach):
        low = high = Fraction(0)
        for y, row in zip(weights, slopes, strict=True):
            one, other = y * row[k][0], y * row[k][1]
            low, high = low + min(one, other), high + max(one, other)
        total += max(-low, high) * size
    return total


class ProfileClaims:
    """The claims of a file about all equilibria of a game in normal form."""

    def __init__(self, file: Reader) -> None:
        name, sizes, terms = file["game"].fields("name", "sizes", "terms")
        name.text()
        self.game = NormalForm(Payoffs(sizes, terms))
        zeros, count, opened = file["claims"].fields("zeros", "count", "open")
        points, self.nodes = file["evidence"].fields("zeros", "cells")
        entries = zeros.items()
        if len(entries) > MAX_EQUILIBRIA:
            zeros.fail(f"at most {MAX_EQUILIBRIA} points")
        self.game.work.pay(len(entries) ** 2 * self.game.starts[-1])
        pairs = zip(entries, points.items(len(entries)), strict=True)
        self.points = [EnclosedProfile(self.game, *pair) for pair in pairs]
        self.count, self.open = count.integer(), opened.integer()


def check_profiles(file: Reader, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a file about all equilibria; see the top of this module.

    Returns:
        A sentence that says what was derived from the payoffs, which is everything.
    """
    claims = ProfileClaims(file)
    for number, point in enumerate(claims.points):
        point.check()
        for other in claims.points[:number]:
            same = point.system.supports == other.system.supports
            apart = not same or _apart(point.zero, other.zero)
            require(apart, "the boxes of points with the same supports are disjoint")
    require(claims.count == len(claims.points), "the count is the number of points")
    opened = 0
    for node, cell in profile_cells(claims.nodes, claims.game, progress):
        if "open" in node:
            (value,) = node.fields("open")
            opened += value.boolean() or value.fail("true")
            continue
        if "weights" in node:
            (weights,) = node.fields("weights")
            system = played(claims.game, cell)
            require(system is not None, f"{node.where}: all actions are played or pinned")
            if system is not None:
                row = weights.numbers(len(system.unknowns))
                empty = excludes(system, row, cell)
                require(empty, f"{node.where}: the equations have no zero in the cell")
            continue
        (number,) = node.fields("zero")
        point = claims.points[number.integer_within(0, len(claims.points) - 1)]
        require(point.covers(cell), f"{node.where} is in the box of its point")
    require(claims.open == opened, "as many cells are open as the file says")
    return ("all equilibria, from the payoffs; nothing is taken as given",)


def profile_cells(
    file: Reader, game: NormalForm, progress: Progress | None = None
) -> Iterator[tuple[Reader, ProfileCell]]:
    """Yields the leaves that are not left out; once all are yielded, they cover everything."""
    pending, nodes = [game.root()], file.items()
    if len(nodes) * game.starts[-1] > MAX_ENDS:
        raise Unusable("checking it would take too much work: too many cells")
    for count, node in enumerate(nodes):
        if progress is not None:
            progress(count, len(nodes))
        require(bool(pending), "the cells form one tree")
        cell = pending.pop()
        if "split" in node:
            split, place = node.fields("split", "at")
            axis, at = split.integer_within(0, len(cell.lower) - 1), place.number()
            inside = cell.lower[axis] < at < cell.upper[axis]
            require(inside, f"{node.where} splits inside the cell")
            pending += reversed(game.halves(cell, axis, at))
            if len(pending) > MAX_DEPTH:
                node.fail(f"at most {MAX_DEPTH} cuts, one within the other")
        elif "pin" in node:
            pin, better = node.fields("pin", "better")
            k = pin.integer_within(0, len(cell.lower) - 1)
            b = better.integer_within(0, game.sizes[game.owners[k]] - 1)
            require(not cell.pinned[k], f"{node.where} pins an action that is not pinned yet")
            gains = game.gain(k, b, cell.lower, cell.upper)[0] > 0
            require(gains, f"{node.where}: the other action pays more")
            pending += game.without(cell, k)
        else:
            yield node, cell
    if progress is not None:
        progress(len(nodes), len(nodes))
    require(not pending and bool(nodes), "the cells cover all profiles")


def _box(file: Reader, size: int) -> tuple[Corner, Corner]:
    lower, upper = (end.numbers(size) for end in file.fields("lower", "upper"))
    return lower, upper


def _apart(one: tuple[Corner, Corner], other: tuple[Corner, Corner]) -> bool:
    return any(map(Fraction.__lt__, one[1], other[0])) or any(
        map(Fraction.__lt__, other[1], one[0])
    )
