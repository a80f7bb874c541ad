"""Games of two players in sequence form, which a certificate file gives with or without their tree.

A *sequence* is what a player has done up to a point: sequence 0 is empty, every other one ends with
an action at an information set. Player i plays a vector q of its *treeplex*,

    q_0 = 1,    sum_a q_ja = q_p(j),    q >= 0,

where `p(j)`, an earlier sequence, is the one with which the player comes to the information set j.
Its vertices are the pure strategies, vectors of zeros and ones: at each information set that it
comes to, a pure strategy takes one action. (They are *reduced*: what it would do elsewhere is not
said.) Player i pays `f_i(q) = - sum_z U_i[z] q_1[s_1(z)] q_2[s_2(z)]`, a sum over leaves z.

If the file has the tree, each player has perfect recall in it: at every node where the player
moves, there is one child for each action of one information set j, and `p(j)` is the last sequence
of the player on the way from the root. The sequences `s_i(z)` of leaves are the last ones, too. The
probabilities of chance are in the payoffs. Everything is exact: payoffs are integers in a common
unit.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple, TypeVar

from .exact import Work
from .reader import Reader

MAX_NODES = 2**20  # and of sequences of a player, and of leaves

Number = TypeVar("Number", int, Fraction)


class Treeplex:
    """The strategies of one player.

    Attributes:
        parents: `p(j)` of each information set.
        starts: The first sequence of each information set, and the number of all sequences.
        owners: The information set at which each sequence ends; -1 for the empty one.
    """

    def __init__(self, parents: Reader, counts: Reader) -> None:
        self.parents = parents.integers(len(parents.items()))
        sizes = counts.integers(len(self.parents))
        if min(sizes, default=1) < 1 or sum(sizes) >= MAX_NODES:
            counts.fail(f"positive numbers of actions, fewer than {MAX_NODES} in all")
        self.starts, self.owners = [1], [-1]
        for j, (parent, size) in enumerate(zip(self.parents, sizes, strict=True)):
            if not 0 <= parent < self.starts[j]:
                parents.fail("earlier sequences")
            self.starts.append(self.starts[j] + size)
            self.owners += [j] * size

    @property
    def sequences(self) -> int:
        """The number of sequences."""
        return self.starts[-1]

    def upward(
        self, values: Iterable[Number], reduce: Callable[[Sequence[Number]], Number]
    ) -> list[Number]:
        """Adds to each sequence's value what information sets below it are worth, from the leaves.

        Their order is such that what is below an information set comes after it.
        """
        total = list(values)
        for j in reversed(range(len(self.parents))):
            total[self.parents[j]] += reduce(total[self.starts[j] : self.starts[j + 1]])
        return total

    def least(self, values: Iterable[Number]) -> Number:
        """Returns the least `<values, pi>` of a pure strategy."""
        return self.upward(values, min)[0]

    def most(self, values: Iterable[Number]) -> Number:
        """Returns the largest `<values, pi>` of a pure strategy."""
        return self.upward(values, max)[0]

    def range_of(self, row: dict[int, int]) -> int:
        """Returns the range of `<row, pi>` over pure strategies; entries that are left out are 0.

        Information sets below which all entries are 0 are worth nothing, and are left out, too.
        """
        touched: set[int] = set()
        for s in row:
            while s and self.owners[s] not in touched:
                touched.add(self.owners[s])
                s = self.parents[self.owners[s]]
        high, low = dict(row), dict(row)
        for j in sorted(touched, reverse=True):
            actions, parent = range(self.starts[j], self.starts[j + 1]), self.parents[j]
            high[parent] = high.get(parent, 0) + max(high.get(s, 0) for s in actions)
            low[parent] = low.get(parent, 0) + min(low.get(s, 0) for s in actions)
        return high.get(0, 0) - low.get(0, 0)

    def largest_difference(self, sizes: Sequence[int]) -> int:
        """Returns the largest `sum_s sizes_s |pi_s - pi'_s|` of two pure strategies; sizes >= 0.

        At an information set to which both come they either go on together, and nothing of this
        action counts; or they part, and what each takes from there on counts, as the other one has
        zeros there.
        """
        alone = self.upward(sizes, max)
        both = [0] * self.sequences
        for j in reversed(range(len(self.parents))):
            actions = slice(self.starts[j], self.starts[j + 1])
            both[self.parents[j]] += max(max(both[actions]), two_largest(alone[actions]))
        return both[0]

    def pure(self) -> int:
        """Returns the number of pure strategies, rounded up to 128 bits and a power of two.

        What comes after a sequence is chosen at each information set there on its own.
        """
        ways = [1] * self.sequences
        shifts = [0] * self.sequences
        for j in reversed(range(len(self.parents))):
            actions, parent = range(self.starts[j], self.starts[j + 1]), self.parents[j]
            shift = max(shifts[s] for s in actions)
            found = ways[parent] * sum(-(-ways[s] >> (shift - shifts[s])) for s in actions)
            excess = max(found.bit_length() - 128, 0)
            ways[parent] = -(-found >> excess)
            shifts[parent] += shift + excess
        return ways[0] << shifts[0]

    def flows(self, q: Sequence[int], least: int) -> bool:
        """Says whether integers q, of that least size, are a strategy times `q_0 > 0`."""
        return (
            min(q) >= least
            and q[0] > 0
            and all(
                sum(q[self.starts[j] : self.starts[j + 1]]) == q[parent]
                for j, parent in enumerate(self.parents)
            )
        )


class TreeNode(NamedTuple):
    """A node of the tree that is no leaf.

    Attributes:
        number: Its number.
        mover: The player who moves, or 2 for chance.
        children: The numbers of the nodes that follow, which are larger.
    """

    number: int
    mover: int
    children: list[int]


class SequenceGame:
    """The game of a file.

    Attributes:
        treeplexes: The strategies of both players.
        leaves: The sequences `s_i(z)` for both players i.
        payoffs: The payoffs `U_i[z]` for both players i, in units.
        unit: The unit.
        effort: The work of a product with one of them, relative to short numbers.
        nodes: The nodes of the tree but leaves, in the order of the file; None without a tree.
        places: The numbers of the leaves among the nodes.
    """

    def __init__(self, treeplexes: Reader, leaves: Reader, payoffs: Reader, tree: Reader) -> None:
        self.treeplexes = [
            Treeplex(*own.fields("parents", "counts")) for own in treeplexes.items(2)
        ]
        first, second = leaves.items(2)
        count = len(first.items())
        self.leaves = [first.integers(count), second.integers(count)]
        for own, treeplex, file in zip(self.leaves, self.treeplexes, (first, second), strict=True):
            if not all(0 <= s < treeplex.sequences for s in own):
                file.fail(f"sequences of the player, from 0 to {treeplex.sequences - 1}")
        exact = [own.numbers(count) for own in payoffs.items(2)]
        self.unit = Fraction(1, lcm(*{x.denominator for own in exact for x in own}))
        scale = self.unit.denominator
        self.payoffs = [[x.numerator * (scale // x.denominator) for x in own] for own in exact]
        longest = max((x.bit_length() for own in self.payoffs for x in own), default=0)
        self.effort = (1 + longest // 1000) ** 2
        self.nodes: list[TreeNode] | None = None
        self.places: list[int] = []
        if tree.value is not None:
            self._read_tree(tree)

    def _read_tree(self, tree: Reader) -> None:
        parents, movers, sequences = tree.fields("parents", "movers", "sequences")
        count = len(parents.items())
        above, who, edges = (file.integers(count) for file in (parents, movers, sequences))
        if not above or above[0] != -1 or not all(0 <= above[k] < k for k in range(1, count)):
            parents.fail("a root, and nodes after their parents")
        if not all(-1 <= mover <= 2 for mover in who):
            movers.fail("players 0 and 1, 2 for chance, and -1 for leaves")
        children: list[list[int]] = [[] for _ in above]
        lasts = [(0, 0)] * count
        if edges[0] != -1:
            sequences.fail("no sequence that leads to the root")
        for k in range(1, count):
            parent = above[k]
            children[parent].append(k)
            mover, before = who[parent], lasts[parent]
            if mover == 0:
                lasts[k] = (edges[k], before[1])
            elif mover == 1:
                lasts[k] = (before[0], edges[k])
            else:
                lasts[k] = before
                if edges[k] != -1:
                    sequences.fail("-1 where no player moves")
        self.places = [k for k, mover in enumerate(who) if mover == -1]
        self.nodes = []
        for k, mover in enumerate(who):
            if (mover == -1) != (not children[k]):
                movers.fail("-1 at the nodes that nothing follows, and there alone")
            if mover in (0, 1):
                self._require_recall(mover, lasts[k][mover], [edges[c] for c in children[k]], tree)
            if mover != -1:
                self.nodes.append(TreeNode(k, mover, children[k]))
        for i, own in enumerate(self.leaves):
            if own != [lasts[k][i] for k in self.places]:
                tree.fail("the tree whose leaves have these sequences")

    def _require_recall(self, player: int, last: int, edges: list[int], tree: Reader) -> None:
        """Requires that a player has the actions of one information set, and comes to it so."""
        own = self.treeplexes[player]
        if min(edges) < 1 or max(edges) >= own.sequences:
            tree.fail("sequences of those who move, but the empty ones")
        j = own.owners[edges[0]]
        start, stop = own.starts[j : j + 2]
        complete = len(edges) == stop - start and sorted(edges) == [*range(start, stop)]
        if own.parents[j] != last or not complete:
            tree.fail(
                "players who have all actions of one information set and remember what they did: "
                "perfect recall"
            )

    def weighted(self, weights: Sequence[int]) -> list[int]:
        """Returns `sum_i weights_i U_i`, leaf by leaf."""
        a, b = weights
        return [a * x + b * y for x, y in zip(*self.payoffs, strict=True)]

    def rows(self, payoffs: Sequence[int], player: int) -> dict[int, dict[int, int]]:
        """Returns payoffs by the sequence of a player, and then by that of the other one."""
        found: dict[int, dict[int, int]] = {}
        for s, t, x in zip(self.leaves[player], self.leaves[1 - player], payoffs, strict=True):
            row = found.setdefault(s, {})
            row[t] = row.get(t, 0) + x
        return found

    def is_zero(self, payoffs: Sequence[int]) -> bool:
        """Says whether payoffs add up to nothing, whatever both players do."""
        return not any(any(row.values()) for row in self.rows(payoffs, 0).values())

    def gradient(self, player: int, other: Sequence[int], work: Work) -> list[int]:
        """Returns the gradient of `f_i` against integers, in units times the other's `q_0`."""
        work.pay(8 * self.effort * len(self.payoffs[0]))
        found = [0] * self.treeplexes[player].sequences
        for s, t, x in zip(
            self.leaves[player], self.leaves[1 - player], self.payoffs[player], strict=True
        ):
            found[s] -= x * other[t]
        return found


def two_largest(values: Sequence[Any]) -> Any:
    """Returns the sum of the two largest numbers; 0 if there is one only."""
    if len(values) < 2:
        return 0
    *_, second, first = sorted(values)
    return first + second
