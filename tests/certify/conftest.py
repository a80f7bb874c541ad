"""Certificates that many tests look at, made once per session."""

import jax.numpy as jnp
import pytest

import certify
import dgames as dg


def oligopoly_center():
    return tuple(jnp.asarray(q) for q in dg.games.Oligopoly.published_equilibrium())


@pytest.fixture(scope="session")
def oligopoly():
    """The five-firm oligopoly of 1982."""
    return dg.games.Oligopoly.murphy_sherali_soyster()


@pytest.fixture(scope="session")
def oligopoly_certificate(oligopoly):
    """Proved on the box of radius 5."""
    region = certify.Box.around(oligopoly_center(), 5.0)
    return certify.certify(oligopoly, region, methods=[dg.Simultaneous, dg.Extragradient])


@pytest.fixture(scope="session")
def linear_game():
    """F = (x + 10 y - 0.3, y + 0.05 x - 0.7): margin, weights and steps are known exactly."""
    return dg.game(
        lambda x, args: {
            "fast": 0.5 * x["fast"] ** 2 + 10.0 * x["fast"] * x["slow"] - 0.3 * x["fast"],
            "slow": 0.5 * x["slow"] ** 2 + 0.05 * x["fast"] * x["slow"] - 0.7 * x["slow"],
        }
    )


@pytest.fixture(scope="session")
def linear_certificate(linear_game):
    """On the box of radius 1 around the equilibrium; margin 1 - 1/sqrt(2), weights 1 : 200."""
    region = certify.Box.around({"fast": -13.4, "slow": 1.37}, 1.0)
    return certify.certify(linear_game, region, methods=[dg.Simultaneous, dg.Extragradient])
