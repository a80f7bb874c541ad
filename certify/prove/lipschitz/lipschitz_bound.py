"""What is proved about the Lipschitz constant of a network."""

import decimal
from dataclasses import dataclass
from typing import Literal

from certify.problem.region import Ball, Box

Norm = Literal["l2", "linf"]
Method = Literal["auto", "product", "pivots", "lipsdp", "propagation"]


@dataclass(frozen=True)
class LipschitzBound:
    """A bound on the Lipschitz constant of a network in its input.

    For all x, y in the domain `|f(x) - f(y)| <= constant |x - y|`, with the same norm on both
    sides. The network is that of the stored floats, taken as exact numbers, in exact arithmetic. It
    is proved by this package, with every rounding error paid for; there is no file, so it is not
    checked by the independent checker.

    Attributes:
        constant: The bound; infinite if none was found.
        method: How it was proved: "product", "propagation", "pivots" or "lipsdp".
        norm: "l2", Euclidean norms, or "linf", norms of the largest entry.
        domain: The inputs it is about, or None for all of them.
    """

    constant: float
    method: Method
    norm: Norm
    domain: Box | Ball | None = None

    @property
    def proved(self) -> bool:
        """Whether there is a bound; one that is there is proved."""
        return self.constant < float("inf")

    def __str__(self) -> str:
        where = "for all inputs" if self.domain is None else f"on a {type(self.domain).__name__}"
        digits = decimal.Context(prec=6, rounding=decimal.ROUND_CEILING)
        shown = digits.create_decimal_from_float(self.constant)  # what is shown is a bound, too
        return f"Lipschitz constant at most {shown} in {self.norm} {where}, proved"
