"""The Markov game of Small-Gain Nash: a margin over a cube of policies, from plain JAX code.

    python benchmarks/markov.py

Two players, two states, two actions; both are paid 1 for a match and -1 for a mismatch, and try to
keep some entropy. Policies are softmax functions of logits, values come from `jnp.linalg.solve`.
The field is the natural gradient in logit differences, whose Jacobian is enclosed over the cube of
logits of radius 0.1, so of differences of radius 0.2. Sampling finds a smallest margin of 0.3782
there.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import certify
from certify.branch import Budget, cover
from certify.flat import FlatField
from certify.tree import Tree

jax.config.update("jax_enable_x64", True)

DISCOUNT = 0.9
REWARD = jnp.array([[1.0, -1.0], [-1.0, 1.0]])
# The probability of going to the second state, for each pair of actions.
SECOND_STATE = jnp.array([[0.1, 0.5], [0.5, 0.9]])
SAMPLED = 0.3782


def policies(x: Any) -> Any:
    """Probabilities of the first action, by player and state, from logit differences."""
    logits = jnp.stack([x.reshape(2, 2), jnp.zeros((2, 2))], -1)
    return jax.nn.softmax(logits, -1)[..., 0]


def value(p: Any) -> Any:
    """The normalised discounted value of the first state."""
    first, second = (jnp.stack([q, 1.0 - q], -1) for q in p)
    joint = jnp.einsum("sa,sb->sab", first, second)
    reward, move = (jnp.einsum("sab,ab->s", joint, table) for table in (REWARD, SECOND_STATE))
    transition = jnp.stack([1.0 - move, move], -1)
    return (1.0 - DISCOUNT) * jnp.linalg.solve(jnp.eye(2) - DISCOUNT * transition, reward)[0]


def field(x: Any) -> Any:
    """The natural gradient of `-value - entropy`: logit differences minus the value's slopes."""
    return x - jax.grad(value)(policies(x)).ravel()


def flat() -> FlatField:
    """The field as branch and bound takes it."""
    return FlatField(
        name="Markov",
        names=("first", "second"),
        sizes=(2, 2),
        hash="",
        zero_sum=False,
        function=field,
        costs=lambda x: [value(policies(x))],
        unravel=lambda x: x,
    )


def search(share: float = 0.95, cells: int = 200) -> tuple[Tree, float]:
    """Cells with margins of at least that share of the sampled one; the tree and its margin."""
    corner = (jnp.full(2, 0.2), jnp.full(2, 0.2))
    region = certify.Box(jax.tree.map(jnp.negative, corner), corner)
    margins: list[float] = []

    def watch(progress: Any) -> None:
        margins.append(progress.margin)

    tightness = share * SAMPLED / 0.39  # of the peak, which is above that when the search ends
    tree = cover(
        flat(), region, np.ones(4), tightness=tightness, budget=Budget(cells=cells), progress=watch
    )
    return tree, margins[-1]


def main() -> None:
    """Prints cells, margin and seconds."""
    for run in ("first", "again"):
        start = time.perf_counter()
        tree, margin = search()
        seconds = time.perf_counter() - start
        print(
            f"{run}: {len(tree.families())} cells, margin {margin:.4f}, "
            f"{margin / SAMPLED:.1%} of the sampled one, {seconds:.2f} s"
        )


if __name__ == "__main__":
    main()
