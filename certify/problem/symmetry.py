"""Which entries of a game's Jacobian mirror each other, and families that know it."""

import numpy as np
from jaxtyping import Int


def mirror_signs(sizes: tuple[int, ...], zero_sum: bool) -> Int[np.ndarray, "n n"]:
    """What is known of mirrored entries: `J_ba = signs_ab J_ab` wherever the sign is not zero.

    Own-player blocks are Hessians, hence symmetric: 1. In a zero-sum game `F = (grad_1 f, -grad_2
    f)`, so the other two blocks are minus the transposes of each other: -1. Elsewhere nothing is
    known: 0.

    Args:
        sizes: Coordinates of each player.
        zero_sum: Whether the game has two players whose costs sum to zero.
    """
    player = np.repeat(np.arange(len(sizes)), sizes)
    own = player[:, None] == player
    return np.where(own, 1, -1 if zero_sum else 0)
