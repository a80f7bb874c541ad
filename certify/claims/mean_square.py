"""The certificate that a method converges, or diverges, in mean square under noise."""

from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker import Unusable
from certify.checker.reader import MEAN_SQUARE
from certify.claims.certificate import Certificate
from certify.claims.identity import described_strategy
from certify.claims.rows import Row, about, at_least, at_most, row, shortened, vector
from certify.graph.builder import GraphError
from certify.graph.sampled_costs import component_of, sampled_costs
from certify.problem.lq_numbers import flat_hexes
from certify.problem.noise import Outcomes, Sampling, components_of
from certify.problem.structure import rebuild
from dgames.strategy import Strategy


@final
class MeanSquare(Certificate):
    """A certificate about a method on an affine field with noise, in mean square.

    It comes from `certify.certify_mean_square`. With status "proved" there are two claims, which
    `stable` tells apart. Let z be the state of the method, the strategy x and its buffers, z* the
    equilibrium x* with buffers of zero, and `V = (z - z*)' metric (z - z*)`.

    If it is stable, then from every start that does not depend on the noise

        E |x_k - x*|^2 <= rate^k E V_0 + noise (1 - rate^k) / (1 - rate),

    and `E |x_k - x*|^2` has a limit that is at most `limit`: the square of the radius of the noise
    ball. Both noise and limit are zero if all components have the zero x*; then x_k converges to x*
    in mean square and almost surely. If it is not stable, then rate > 1 and

        E V_k - noise / (rate - 1) >= rate^k (E V_0 - noise / (rate - 1)),

    so that the mean square grows without bounds from every start with `E V_0 > noise / (rate - 1)`.
    There are such starts, and if `everywhere`, these are all but z*, or all outside an ellipsoid.

    A start is a state z_0. In a run of `dgames.solve`, optimistic methods begin with the field that
    the first step draws in their buffers, so that z_0 depends on the noise of this step. Then the
    state after it is the start that all of this is about, and `rate^(k - 1) E V_1` bounds E V_k.

    A proof of instability is a proof: its status is "proved", too. The status is never "refuted".
    The checker derives everything from the costs and the data in the file; nothing is taken as
    given, and level 2 is the same as level 1.
    """

    kind: ClassVar[str] = MEAN_SQUARE
    title: ClassVar[str] = "Mean square of a method under noise"

    @property
    def stable(self) -> bool:
        """Whether the method converges in mean square; if not, it is proved to diverge."""
        return self.data["claims"]["stable"]

    @property
    def everywhere(self) -> bool:
        """Whether the claim is about all starts, as of a stable method or with V positive definite.

        Other methods diverge from some starts, and perhaps not from others: two players who do not
        interact, for instance, of whom one converges.
        """
        return self.stable or self.data["claims"]["starts"] == "all"

    @property
    def rate(self) -> float:
        """The factor of the mean square per step, below 1 if it is stable and above 1 if not."""
        return float.fromhex(self.data["claims"]["rate"])

    @property
    def noise(self) -> float:
        """What a step adds to V in the mean, at most, or takes from it; see the class."""
        return float.fromhex(self.data["claims"]["noise"])

    @property
    def limit(self) -> float:
        """A bound on the limit of `E |x_k - x*|^2`.

        Raises:
            ValueError: If there is no proof, or it is one of instability.
        """
        if not self.stable:
            raise ValueError("limit: there is none, as the method is proved to diverge")
        return float.fromhex(self.data["claims"]["limit"])

    @property
    def equilibrium(self) -> Strategy:
        """The zero of the mean field, within `radius` in each coordinate."""
        return rebuild(self.data["game"]["structure"], self._center())

    @property
    def radius(self) -> float:
        """A bound on the error of each coordinate of `equilibrium`."""
        return float.fromhex(self.data["claims"]["equilibrium"]["radius"])

    @property
    def metric(self) -> Float[np.ndarray, "m m"]:
        """The matrix of V, on the strategy and then the buffers."""
        symmetric = self.data["claims"]["metric"]
        entries = np.array([float(x) for x in symmetric["matrix"]])
        size = round(len(entries) ** 0.5)
        return np.ldexp(entries.reshape(size, size), symmetric["unit"])

    @property
    def method(self) -> str:
        """The name of the method."""
        return self.data["method"]["name"]

    @property
    def components(self) -> int:
        """The number of components that are drawn from."""
        return len(self.data["noise"]["components"])

    @property
    def batch(self) -> int:
        """The number of components that a step sees."""
        return self.data["noise"]["batch"]["size"]

    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says whether a game, or its data, differs from that of the file.

        Args:
            game: A game or a field.
            x: A joint strategy, of which only players and shapes matter.
            args: Passed to the costs, or to the field; for a file with data, all of the data, but
                for those of a finite sum, which has them.
        """
        said = self.data["game"]
        x = described_strategy(self.data) if x is None else x
        try:
            noise = Sampling(args) if said["data"] else Outcomes([1.0])
            game, noise = component_of(game, noise)
        except ValueError as error:
            raise Unusable(f"the file has data, to be given as args: {error}") from None
        try:
            found = sampled_costs(game, x, noise, args)
        except GraphError as error:
            return str(error)
        sizes = zip(found.field.names, found.field.sizes, strict=True)
        if [{"name": name, "size": size} for name, size in sizes] != said["players"]:
            return "its players or their coordinates are others"
        kinds = ("field" in said, said.get("zero_sum", False), said["data"])
        if kinds != (not found.field.is_gradient, found.field.zero_sum, found.data):
            return "it is of another kind"
        if found.graph != said["graph"]:
            return "its costs are another function"
        data = [flat_hexes(datum) for datum in components_of(noise, len(said["players"])).data]
        listed = [component["datum"] for component in self.data["noise"]["components"]]
        if said["data"] and (data != listed or (self._scales() != 1).any()):
            return "its data are others"
        return None

    def claim_rows(self) -> list[Row]:
        """Returns the claims: which method, which noise, and what becomes of the mean square."""
        method, settings = self.data["method"], []
        for key, values in method.items():
            if key != "name":
                numbers = [float.fromhex(x) for x in values]
                same = numbers[:1] if len(set(numbers)) == 1 else numbers
                settings += [", " if settings else "", f"{key} ", *vector(same)]
        rows = [
            row("method", f"{self.method}: ", *settings),
            row("noise", *self._noise()),
            row("equilibrium", *vector(self._center().tolist()), ", within ", at_most(self.radius)),
        ]
        if not self.stable:
            words = "every start outside of an ellipsoid" if self.noise else "every start but one"
            words = words if self.everywhere else "some starts, perhaps not others"
            return [
                *rows,
                row("mean square", "diverges: it grows by ", at_least(self.rate), " in each step"),
                row("starts", f"{words}, in the metric of the file"),
            ]
        return [
            *rows,
            row("mean square", "converges: in each step it is multiplied by ", at_most(self.rate)),
            row("starts", "every start, in the metric of the file"),
            row("limit", *self._limit()),
        ]

    def _noise(self) -> list[Any]:
        noise = self.data["noise"]
        drawn = "with" if noise["batch"]["replacement"] else "without"
        how = f", {self.batch} at a time {drawn} replacement" if self.batch > 1 else ""
        parts = [f"one of {self.components} components{how}, independent over steps"]
        weights = [component["weight"] for component in noise["components"]]
        if len(set(weights)) > 1:
            total = sum(weights)
            parts += [", with probabilities ", *vector([weight / total for weight in weights])]
        scales = self._scales()
        if (scales != 1).any():
            same = (scales == scales[:, :1]).all()
            shown = [vector(each) for each in (scales[:, :1] if same else scales).tolist()]
            parts += [", the field times ", *shortened(shown, 6)]
        return parts

    def _scales(self) -> Float[np.ndarray, "components players"]:
        listed = [component["scales"] for component in self.data["noise"]["components"]]
        return np.array([[float.fromhex(x) for x in scales] for scales in listed])

    def _limit(self) -> list[Any]:
        if not self.limit:
            return ["the equilibrium, in mean square and almost surely"]
        return [
            "the mean square of the distance tends to at most ",
            at_most(self.limit),
            ", the distance to ",
            about(self.limit**0.5),
        ]

    def _center(self) -> np.ndarray:
        center = self.data["claims"]["equilibrium"]["center"]
        return np.array([float.fromhex(x) for x in center])

    def __repr__(self) -> str:
        if self.status != "proved":
            return f"MeanSquare(status={self.status!r}, reasons={self.reasons})"
        return f"MeanSquare(status='proved', stable={self.stable}, rate={self.rate:.8g})"
