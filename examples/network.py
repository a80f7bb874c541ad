"""Defines a game of public goods on a ring.

`certify run examples/network.py` certifies six players, and can write a certificate file.
`python examples/network.py` certifies a hundred thousand of them, without a file.
"""

import jax
import jax.numpy as jnp

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)


def cost(own, others, benefit, args):
    """Returns a player's cost: effort costs its square, and others' effort replaces some of it."""
    return own**2 - own * (benefit - 0.2 * jnp.sum(jnp.tanh(others)))


def ring(players):
    """Returns the game in which everybody meets both neighbours on a ring."""
    here = jnp.arange(players)[:, None]
    benefits = jnp.linspace(1.0, 2.0, players)
    return dg.NetworkGame(cost, (here + jnp.array([1, -1])) % players, benefits)


def box(players):
    """Returns the region of all efforts between 0 and 1.5."""
    return certify.Box(dg.Stacked(jnp.zeros(players)), dg.Stacked(jnp.full(players, 1.5)))


game, region = ring(6), box(6)
methods = (dg.Simultaneous, dg.Extragradient)
x0 = dg.Stacked(jnp.zeros(6))

if __name__ == "__main__":
    proof = certify.certify_network(ring(100_000), box(100_000))
    assert proof.step is not None
    print(
        f"{proof.status}: margin {proof.margin:.6f}, step {proof.step.best:.4f} with rate", end=" "
    )
    print(f"{proof.step.rate:.4f}, equilibrium within {proof.equilibrium.radius.max():.0e}")
