"""The iterated prisoners' dilemma, played in logits with memory one: whole, small and projected."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.game import Game
from dgames.strategy import Strategy, blocks, join

# What the first player is paid if both cooperate, if only the first or only the second one does,
# and if both defect; the second player is paid the same with the two in the middle exchanged.
_PAYOFFS = np.array([[-1.0, -3.0, 0.0, -2.0], [-1.0, 0.0, -3.0, -2.0]])


class IteratedPrisonersDilemma(Game):
    r"""Two players meet again and again, and answer to what both did the last time.

    A player's block holds five logits: of cooperating at first, and after the joint actions CC, CD,
    DC and DD, where the first letter is the first player's action, for both players. With the
    chances `p` of the four joint actions at first and their transitions `P`, player i pays

        f_i = -(1 - discount) p^T (I - discount P)^{-1} r_i,

    which is 2 if both always defect, and 1 if both always cooperate. Papers often leave out the
    factor `1 - discount`: a step size of theirs, or the a of `LOLA`, is to be divided by it here.
    Always to defect and tit for tat, `sigmoid(x) = (1, 1, 0, 1, 0)` for the first player, are the
    best known equilibria; both lie at infinity in logits.

    Attributes:
        discount: At least 0 and less than 1.

    Example:
        >>> game = IteratedPrisonersDilemma()
        >>> defect = jnp.full(5, -30.0)
        >>> [f"{cost:.6f}" for cost in game.costs((defect, defect))]
        ['2.000000', '2.000000']

    References:
        Foerster et al., *Learning with Opponent-Learning Awareness*, AAMAS 2018, arXiv:1709.04326.
    """

    discount: Float[Array, ""] = eqx.field(converter=as_float, default=0.96)

    def __check_init__(self):
        _check_discount(self.discount)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        first, second = (jax.nn.sigmoid(_shaped(block, (5,))) for block in blocks(x))
        return join(
            x, discounted_costs(first[:1], second[:1], first[1:], second[1:], self.discount)
        )


class SmallIteratedPrisonersDilemma(Game):
    r"""The iterated prisoners' dilemma with one number per player: whether to answer in kind.

    Each player's block is a scalar logit: the player cooperates with the chance
    `p_i = sigmoid(x_i)` at first and wherever the other one cooperated the last time, and else with
    the fixed chance `q = sigmoid(-3)`. So there is defection at one end, tit for tat at the other,
    and between them a symmetric saddle at `x_1 = x_2 = 0.41790334` where the Jacobian of the
    pseudo-gradient has the eigenvalues `+-0.03925038`.

    Attributes:
        discount: At least 0 and less than 1.
        forgiveness: The logit of q.

    Example:
        >>> game = SmallIteratedPrisonersDilemma()
        >>> [f"{cost:.6f}" for cost in game.costs((0.0, 0.0))]
        ['1.843621', '1.843621']

    References:
        Lorraine et al., *Lyapunov Exponents for Diversity in Differentiable Games*, AAMAS 2022,
        arXiv:2112.14570.
    """

    discount: Float[Array, ""] = eqx.field(converter=as_float, default=0.9)
    forgiveness: Float[Array, ""] = eqx.field(converter=as_float, default=-3.0)

    def __check_init__(self):
        _check_discount(self.discount)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        p1, p2 = (jax.nn.sigmoid(_shaped(block, ())) for block in blocks(x))
        q = jax.nn.sigmoid(self.forgiveness.astype(p1.dtype))
        answers = jnp.stack([p1, q, p1, q]), jnp.stack([p2, p2, q, q])
        return join(x, discounted_costs(p1[None], p2[None], *answers, self.discount))


class ProjectedIteratedPrisonersDilemma(Game):
    r"""The iterated prisoners' dilemma in few coordinates per player, drawn at random.

    Player i's ten logits are `directions[i] @ x_i + offsets[i]`. The offsets are the logits of
    cooperating half of the time at first, then three times out of four if the other one cooperated
    the last time, and one time out of four if not.

    Attributes:
        directions: Shape `(2, 5, coordinates)`.
        offsets: Shape `(2, 5)`.
        discount: At least 0 and less than 1.

    Example:
        >>> game = ProjectedIteratedPrisonersDilemma.random(jax.random.key(0))
        >>> [cost.shape for cost in game.costs((jnp.zeros(1), jnp.zeros(1)))]
        [(), ()]

    References:
        As for `SmallIteratedPrisonersDilemma`.
    """

    directions: Float[Array, "2 5 coordinates"] = eqx.field(converter=as_float)
    offsets: Float[Array, "2 5"] = eqx.field(converter=as_float)
    discount: Float[Array, ""] = eqx.field(converter=as_float, default=0.96)

    def __check_init__(self):
        _check_discount(self.discount)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        own = [
            directions.astype(block.dtype) @ block + offset.astype(block.dtype)
            for directions, offset, block in zip(
                self.directions,
                self.offsets,
                (_shaped(block, self.directions.shape[-1:]) for block in blocks(x)),
                strict=True,
            )
        ]
        return IteratedPrisonersDilemma(self.discount).costs(join(x, tuple(own)), args)

    @classmethod
    def random(cls, key: PRNGKeyArray, coordinates: int = 1) -> "ProjectedIteratedPrisonersDilemma":
        """Directions with entries drawn evenly from [-2, 2].

        Args:
            key: A random key.
            coordinates: The number of coordinates of each player.
        """
        chances = np.array([[0.5, 0.75, 0.25, 0.75, 0.25], [0.5, 0.75, 0.75, 0.25, 0.25]])
        directions = jax.random.uniform(
            key, (2, 5, coordinates), jnp.result_type(float), minval=-2.0, maxval=2.0
        )
        return cls(directions, np.log(chances / (1 - chances)))


def discounted_costs(
    first: Float[Array, "1"],
    second: Float[Array, "1"],
    first_after: Float[Array, "4"],
    second_after: Float[Array, "4"],
    discount: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns both players' costs, per round.

    Args:
        first: The chance that the first player cooperates in the first round.
        second: That of the second player.
        first_after: The chances of the first player after CC, CD, DC and DD.
        second_after: Those of the second player.
        discount: The discount.
    """
    discount = discount.astype(first.dtype)
    start = _joint(first, second)[0]
    transitions = _joint(first_after, second_after)
    visits = jnp.linalg.solve((jnp.eye(4, dtype=first.dtype) - discount * transitions).T, start)
    paid = jnp.asarray(_PAYOFFS, first.dtype) @ visits
    return (discount - 1) * paid[0], (discount - 1) * paid[1]


def _joint(first: Float[Array, " rows"], second: Float[Array, " rows"]) -> Float[Array, "rows 4"]:
    """Returns the chances of CC, CD, DC and DD where players cooperate with these chances."""
    return jnp.stack(
        [first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)],
        axis=-1,
    )


def _shaped(block: Any, shape: tuple[int, ...]) -> Array:
    block = jnp.asarray(block)
    if block.shape != shape:
        raise ValueError(
            f"the iterated prisoners' dilemma needs logits of shape {shape} from each player; "
            f"got {block.shape}"
        )
    return block


def _check_discount(discount: Array) -> None:
    if is_known(discount) and not 0 <= float(discount) < 1:
        raise ValueError(f"discount must be at least 0 and less than 1, got {discount}")
