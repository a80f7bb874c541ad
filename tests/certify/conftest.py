"""Certificates that many tests look at, made once per session."""

import runpy
import sys
from types import SimpleNamespace

import jax.numpy as jnp
import pytest

import certify
import dgames as dg
from certify.command import cli


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs `certify` in this process: (exit status, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["certify", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        out, err = capsys.readouterr()
        return exit_info.value.code or 0, out, err

    return run


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


@pytest.fixture(scope="session")
def shear():
    """Three players, mildly nonlinear, that only a full matrix certifies: `game` and `region`.

    Without the sine and the hyperbolic tangent the Jacobian is the identity plus a nilpotent
    matrix. Two pairs of couplings have equal signs, so that no weights help.
    """

    def costs(x, args):
        a, b, c = x
        return (
            0.5 * a**2 + 2 * a * (c - jnp.sin(b)) - 0.1 * a,
            0.5 * b**2 - 2 * a * b,
            0.5 * c**2 - 2 * c * jnp.tanh(a),
        )

    region = certify.Box.around((0.1, 0.2, 0.2), 0.1)
    return SimpleNamespace(game=dg.game(costs), region=region)


@pytest.fixture(scope="session")
def shear_certificate(shear):
    """Proved in a full matrix."""
    return certify.certify(shear.game, shear.region, methods=[dg.Simultaneous, dg.Extragradient])


# Some two hundred cells that take a moment, once the game is compiled: as text, because other
# processes run it too.
RIPPLES = """
import certify, jax.numpy as jnp, dgames as dg

def costs(x, args):
    a, b = x
    return (
        a**2 + 0.1 * jnp.cos(3 * a) + 0.2 * a * jnp.sin(2 * b),
        b**2 + 0.1 * jnp.cos(3 * b) + 0.3 * b * jnp.sin(2 * a),
    )

game = dg.game(costs)
region = certify.Box.around((0.0, 0.0), 3.0)
"""


@pytest.fixture(scope="session")
def ripples(tmp_path_factory):
    """A game that needs many cells: `game`, `region`, and the `folder` with its `ripples.py`."""
    folder = tmp_path_factory.mktemp("ripples")
    (folder / "ripples.py").write_text(RIPPLES)
    names = runpy.run_path(str(folder / "ripples.py"))
    return SimpleNamespace(game=names["game"], region=names["region"], folder=folder)


@pytest.fixture(scope="session")
def whole(ripples):
    """The certificate of an uninterrupted run in one process."""
    return certify.certify(ripples.game, ripples.region)
