"""Which entries of a game's Jacobian mirror each other."""

import numpy as np
from jaxtyping import Int


def mirror_signs(sizes: tuple[int, ...], zero_sum: bool) -> Int[np.ndarray, "n n"]:
    """Returns the signs of mirrored entries: `J_ba = signs_ab J_ab` where the sign is not zero.

    The sign is 1 in own-player blocks, which are Hessians, hence symmetric. In a zero-sum game
    `F = (grad_1 f, -grad_2 f)`, so the other two blocks are minus the transposes of each other: the
    sign is -1. Elsewhere nothing is known, and the sign is 0.

    Args:
        sizes: Number of coordinates of each player.
        zero_sum: Whether the game has two players whose costs sum to zero.
    """
    player = np.repeat(np.arange(len(sizes)), sizes)
    own = player[:, None] == player
    return np.where(own, 1, -1 if zero_sum else 0)
