"""The certificate of convergence over all play of a regularised tree of two players."""

from fractions import Fraction
from typing import Any, ClassVar, NamedTuple, cast, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

import dgames as dg
from certify.checker.exact import root_above
from certify.checker.reader import TREE, Reader
from certify.checker.tree_game import Treeplex
from certify.claims.certificate import Certificate
from certify.claims.policy_convergence import AllPolicies, PolicyStep, descent_rows
from certify.claims.rows import Row, about, at_least, at_most, row
from certify.problem.tree_data import tree_difference
from certify.rounding import float_above
from dgames.strategy import Strategy


class TreeEquilibrium(NamedTuple):
    """An enclosure of the quantal response equilibrium q* of a tree.

    Attributes:
        center: A joint strategy c in sequence form, as float64 numbers.
        radius: The bound in `sum_i w_i (D(c_i; q*_i) + D(q*_i; c_i)) <= radius^2`, for the
            strategies of the file that c rounds.
        entries: Bounds on `|c_i[s] - q*_i[s]|` for all sequences s, one per player, with room for
            that rounding.
        distances: Bounds on `sum_s |c_i[s] - q*_i[s]|`, one per player, likewise.
    """

    center: tuple[np.ndarray, ...]
    radius: float
    entries: Float[np.ndarray, " players"]
    distances: Float[np.ndarray, " players"]


class Exploitability(NamedTuple):
    """Bounds on the sum of what both players could gain, in the game without regulariser.

    Attributes:
        center: At the centre of the enclosure.
        equilibrium: At the quantal response equilibrium itself.
        general: At it, by the temperature and the numbers of pure strategies alone.
    """

    center: float
    equilibrium: float
    general: float


@final
class TreeConvergence(Certificate):
    """A certificate of convergence over all play of a tree, from `certify.certify_tree`.

    With status "proved", the regularised game is strongly monotone relative to the dilated entropy,
    over all positive strategies; so there is exactly one quantal response equilibrium, and magnetic
    mirror descent converges to it from everywhere. The status is never "refuted".
    """

    kind: ClassVar[str] = TREE
    title: ClassVar[str] = "Convergence over all play of a tree"

    @property
    def margin(self) -> float:
        """Modulus of strong monotonicity relative to the dilated entropy, over all play.

        `V = sum_i weights_i D(q*_i; q_i)` decays at this rate along the mirror flow.
        """
        return _float(self.data["claims"]["margin"])

    @property
    def temperature(self) -> float:
        """Temperature of the regulariser; no margin is larger."""
        return _float(self.data["game"]["temperature"])

    @property
    def weights(self) -> Float[np.ndarray, " players"]:
        """Weights of the divergence V, one positive number per player."""
        return np.array([_float(w) for w in self.data["claims"]["weights"]])

    @property
    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of the field without regulariser.

        The norm of each player is the one whose unit ball is the convex hull of all halves of
        differences of two pure strategies.
        """
        return _float(self.data["claims"]["lipschitz"])

    @property
    def step(self) -> PolicyStep:
        """Proved steps of magnetic mirror descent with dilated entropies."""
        return PolicyStep(**{k: _float(v) for k, v in self.data["claims"]["step"].items()})

    @property
    def equilibrium(self) -> TreeEquilibrium:
        """Enclosure of the one quantal response equilibrium."""
        claims = self.data["claims"]["equilibrium"]
        exact, radius = claims["center"], _float(claims["radius"])
        center = tuple(np.array([x / own[0] for x in own]) for own in exact)
        entries, distances = [], []
        for weight, treeplex, own in zip(self.weights, self._treeplexes(), exact, strict=True):
            norm = Fraction(radius) * root_above(1 / Fraction(float(weight)))
            # Rounding moves each entry, which is at most 1, by at most 2^-53 of it.
            widest = treeplex.largest_difference([1] * treeplex.sequences)
            entries.append(float_above(min(norm / 2, Fraction(1)) + Fraction(1, 2**53)))
            moved = Fraction(sum(own), own[0]) / 2**53
            distances.append(float_above(min(norm / 2, Fraction(1)) * widest + moved))
        return TreeEquilibrium(center, radius, np.array(entries), np.array(distances))

    @property
    def exploitability(self) -> Exploitability:
        """Bounds on the sum of what both players could gain without the regulariser.

        It is called the Nash gap, or NashConv; half of it is what OpenSpiel calls exploitability.
        """
        claims = self.data["claims"]["exploitability"]
        return Exploitability(**{k: _float(v) for k, v in claims.items()})

    @property
    def value(self) -> tuple[float, float] | None:
        """Bounds on the value for the first player, without regulariser; None if not zero-sum."""
        claims = self.data["claims"].get("value")
        return None if claims is None else (_float(claims["lower"]), _float(claims["upper"]))

    @property
    def region(self) -> AllPolicies:
        """The region where the claims hold, which has all joint strategies."""
        return AllPolicies()

    def safe_method(self, method: type[dg.AbstractMethod]) -> dg.AbstractMethod:
        """Returns `MirrorDescent` with dilated entropies and its best proved step.

        `dgames.solve(..., step_size=certificate)` uses it; strategies are tuples.

        Raises:
            ValueError: If nothing was proved, or the method is another one.
        """
        if method is not dg.MirrorDescent:
            raise ValueError(
                f"a certificate of a tree has steps for MirrorDescent, not {method.__name__}"
            )
        mirrors = tuple(
            dg.DilatedEntropy(dg.Treeplex(own["parents"], own["counts"]))
            for own in self.data["game"]["treeplexes"]
        )
        return cast(dg.AbstractMethod, dg.MirrorDescent(self.step.best, mirrors))

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether a game has another tree, payoffs, temperature or reference.

        Args:
            game: A `RegularisedTree`, or its pseudo-gradient.
            x: Not used, as treeplexes say what strategies are.
            args: Not used, as payoffs have no arguments.
        """
        return tree_difference(self.data, game)

    def in_basin(self, method: type[dg.AbstractMethod], x: Strategy) -> Bool[Array, ""]:
        """Says whether a start is known to converge: if all sequences are positive."""
        return jnp.stack([jnp.all(leaf > 0) for leaf in jax.tree.leaves(x)]).all()

    def claim_rows(self) -> list[Row]:
        """Returns the claims: in which divergence, how strongly, and what follows."""
        step, trees, gaps = self.step, self._treeplexes(), self.exploitability
        counts = [f"{tree.sequences} sequences ({len(tree.parents)} sets)" for tree in trees]
        rows = [
            row("players", f"2, with {' and '.join(counts)}"),
            row("temperature", about(self.temperature)),
            row("where", "all positive strategies; V = sum_i w_i D(q*_i; q_i)"),
            row("weights w", about(self.weights[0]), " and ", about(self.weights[1])),
            *descent_rows(self.margin, self.lipschitz, step),
            row(
                "equilibrium",
                "exactly one quantal response equilibrium, every entry within ",
                at_most(float(self.equilibrium.entries.max())),
                " of that of the centre",
            ),
            row(
                "exploitability",
                "at the equilibrium both players together could gain at most ",
                at_most(gaps.equilibrium),
                " without the regulariser; by its temperature alone ",
                at_most(gaps.general),
            ),
        ]
        if self.value is not None:
            lower, upper = self.value
            rows.append(
                row(
                    "value",
                    "of the zero-sum game for the first player from ",
                    at_least(lower),
                    " to ",
                    at_most(upper),
                )
            )
        return rows

    def _treeplexes(self) -> list[Treeplex]:
        return [
            Treeplex(*own.fields("parents", "counts"))
            for own in Reader(self.data)["game"]["treeplexes"].items(2)
        ]

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"TreeConvergence(status={self.status!r}, reasons={self.reasons})"
        return (
            f"TreeConvergence(status='proved', margin={self.margin:.6g}, "
            f"temperature={self.temperature:.6g}, step={self.step.best:.6g})"
        )


def _float(text: str) -> float:
    return float.fromhex(text)
