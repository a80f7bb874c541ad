r"""Bounds on the coupling of two players of a tree: `max (pi - pi')' U (sigma - sigma')`.

Here pi and pi' are pure strategies of the first player, sigma and sigma' of the second one, and
`pi' U sigma = sum_z u(z) pi[s_1(z)] sigma[s_2(z)]` is a sum over leaves. It is linear in each
player's strategy, so the bound holds for all strategies as well. There are three ways.

  * "pairs": all pairs of pure strategies of the player who has fewer of them. For each of them the
    rest is the range of a linear function over the other player's pure strategies, which is one
    pass up the treeplex for its maximum and one for its minimum. This is exact.
  * "first", and "second" with the players exchanged: with `r(s)`, the range over sigma of row s of
    `U sigma`, the bound is at most `sum_s |pi_s - pi'_s| r(s)`, which `largest_difference` in
    `tree_game` maximises.
  * "tree": for a node n and pure strategies that come to it, let S(n) be the sum over the leaves z
    below n alone. Along the way, either both pi and pi' come to n, or only one of them does, or
    none, and then S(n) = 0; and so for sigma and sigma'. Upper bounds on S(n), from the leaves up:

        high(n), low(n)     on the sum of u and from below, if one of each player comes to n;
        one(n)              if both of the first and one of the second player do, whichever it is;
        two(n)              if one of the first and both of the second player do;
        all(n)              if all four do.

    A leaf has `high = low = u` and `one = two = all = 0`, as there the two that have come together
    cancel. A move of chance leads all who come to it to all children: everything adds up. Where the
    first player moves, who comes there takes one child (the tree has perfect recall, and a child
    for each action): for one of its strategies the bounds are the largest of a child; two of them
    either go on together, or part and take children `c != d`, so that

        one(n) = max(max_c one(c), max_{c != d} high(c) - low(d)),
        all(n) = max(max_c all(c), max_{c != d} two(c) + two(d)).

    For the second player it is the same with one and two exchanged. So `all(root)` is a bound: one
    in which players know everything, chance included. Since every S is a sum of four terms between
    low and high, it is never above `2 (high(root) - low(root))`.
"""

from collections.abc import Sequence
from itertools import combinations

from .exact import Work
from .tree_game import SequenceGame, Treeplex, two_largest
from .verdict import require

KINDS = ("pairs", "first", "second", "tree")
# Above so many pure strategies of both players, or sequences of who has fewer, none are listed.
MOST_PURE, MOST_SEQUENCES = 2**8, 2**12


def coupling_bound(game: SequenceGame, payoffs: Sequence[int], kind: str, work: Work) -> int:
    """Returns a bound on `(pi - pi')' U (sigma - sigma')`, in units of the payoffs.

    Args:
        game: The game, whose own payoffs are not used.
        payoffs: The numbers u(z).
        kind: One of `KINDS`.
        work: Pays for it.
    """
    if not any(payoffs):
        return 0
    if kind == "tree":
        return _by_tree(game, payoffs, work)
    if kind == "pairs":
        return _by_pairs(game, payoffs, work)
    return _by_rows(game, payoffs, ("first", "second").index(kind), work)


def _by_tree(game: SequenceGame, payoffs: Sequence[int], work: Work) -> int:
    require(game.nodes is not None, "the file has the tree that its bounds are about")
    nodes = game.nodes or []
    count = len(nodes) + len(game.places)
    work.pay(60 * game.effort * count)
    high, low = [0] * count, [0] * count
    pairs, every = ([0] * count, [0] * count), [0] * count
    for k, u in zip(game.places, payoffs, strict=True):
        high[k] = low[k] = u
    for k, mover, children in reversed(nodes):
        tops, bottoms = [high[c] for c in children], [low[c] for c in children]
        if mover == 2:
            high[k], low[k] = sum(tops), sum(bottoms)
            for values in (*pairs, every):
                values[k] = sum(values[c] for c in children)
            continue
        high[k], low[k] = max(tops), min(bottoms)
        own, other = pairs[mover], pairs[1 - mover]
        across = [other[c] for c in children]
        own[k] = max(max(own[c] for c in children), _largest_gap(tops, bottoms))
        other[k] = max(across)
        every[k] = max(max(every[c] for c in children), two_largest(across))
    return every[0]


def _largest_gap(tops: Sequence[int], bottoms: Sequence[int]) -> int:
    """Returns the largest `tops[c] - bottoms[d]` for `c != d`; 0 for one child only."""
    if len(tops) < 2:
        return 0
    by_top = sorted(range(len(tops)), key=tops.__getitem__)[-2:]
    by_bottom = sorted(range(len(tops)), key=bottoms.__getitem__)[:2]
    return max(tops[c] - bottoms[d] for c in by_top for d in by_bottom if c != d)


def _by_rows(game: SequenceGame, payoffs: Sequence[int], player: int, work: Work) -> int:
    own, other = game.treeplexes[player], game.treeplexes[1 - player]
    ranges = [0] * own.sequences
    work.pay(20 * own.sequences)
    for s, row in game.rows(payoffs, player).items():
        work.pay(16 * game.effort * _reach(other, row))
        ranges[s] = other.range_of(row)
    return own.largest_difference(ranges)


def _reach(treeplex: Treeplex, row: dict[int, int]) -> int:
    """Bounds the number of actions of the information sets on the way to the entries of a row."""
    seen: set[int] = set()
    for s in row:
        while s and treeplex.owners[s] not in seen:
            seen.add(treeplex.owners[s])
            s = treeplex.parents[treeplex.owners[s]]
    return 1 + len(row) + sum(treeplex.starts[j + 1] - treeplex.starts[j] for j in seen)


def _by_pairs(game: SequenceGame, payoffs: Sequence[int], work: Work) -> int:
    counts = [treeplex.pure() for treeplex in game.treeplexes]
    player = counts.index(min(counts))
    own, other = game.treeplexes[player], game.treeplexes[1 - player]
    require(
        counts[player] <= MOST_PURE and own.sequences <= MOST_SEQUENCES,
        f"at most {MOST_PURE} pure strategies, of {MOST_SEQUENCES} sequences, are compared",
    )
    work.pay(4 * game.effort * counts[player] ** 2 * other.sequences)
    work.pay(4 * game.effort * counts[player] * len(payoffs))
    rows = game.rows(payoffs, player)
    sums = []
    for taken in pure_strategies(own):
        total = [0] * other.sequences
        for s in taken:
            for t, x in rows.get(s, {}).items():
                total[t] += x
        sums.append(total)
    return max(
        (
            other.most(offset) - other.least(offset)
            for one, two in combinations(sums, 2)
            for offset in [list(map(int.__sub__, one, two))]
        ),
        default=0,
    )


def pure_strategies(treeplex: Treeplex) -> list[set[int]]:
    """Returns the pure strategies of a treeplex, each as the set of its sequences.

    Information sets are decided in their order: one that a strategy comes to makes one strategy of
    it for each action.
    """
    found = [{0}]
    for j, parent in enumerate(treeplex.parents):
        first, *others = range(treeplex.starts[j], treeplex.starts[j + 1])
        coming = [own for own in found if parent in own]
        found += [{*own, action} for own in coming for action in others]
        for own in coming:
            own.add(first)
    return found
