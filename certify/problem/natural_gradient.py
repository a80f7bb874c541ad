"""Jacobians of natural gradients in logit differences, as functions of the policies.

Logit differences x of policies q, the probabilities of all actions but the last of each vector,
have the derivative `dq/dx = S(q)`, `S = diag(q) - q q'` for each vector. A natural gradient
`N(x) = temperature (x - reference) + g(q(x))` has there the Jacobian

    J = temperature I + H(q) S(q),      H = dg/dq,

a function of the policies alone, which form a bounded set; the set of all logits is unbounded.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Natural(NamedTuple):
    """What a natural gradient adds to the slopes g of the costs of policies.

    Attributes:
        temperature: The temperature of the regulariser.
        reference: The logit differences of the reference policies, n of them.
        groups: Number of coordinates of each probability vector: one less than its actions.
    """

    temperature: float
    reference: tuple[float, ...]
    groups: tuple[int, ...]

    @property
    def together(self) -> Float[np.ndarray, "n n"]:
        """A matrix: one for two coordinates of one probability vector, zero for others."""
        vector = np.repeat(np.arange(len(self.groups)), self.groups)
        return (vector[:, None] == vector).astype(float)
