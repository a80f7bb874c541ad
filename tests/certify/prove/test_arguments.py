"""What cannot be is said in one sentence, at once, with what can."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

GAME = dg.game(lambda x, args: {"a": x["a"] ** 2, "b": x["b"] ** 2})
REGION = certify.Box.around({"a": 1.0, "b": 1.0}, 1.0)


def never(*arguments, **options):
    raise AssertionError("nothing was to be traced")


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (dg.Simultaneous, "the class Simultaneous; give a list"),
        (dg.Simultaneous(0.1), "give a list"),
        ("simultaneous", "'simultaneous'.*give a list"),
        (["simultaneous"], "contains 'simultaneous'"),
        ([dg.Simultaneous(0.1)], "without step sizes"),
        ([dg.Game], "contains the class Game"),
        (None, "None"),
        (3, "3"),
    ],
)
def test_methods_that_are_none(methods, words, monkeypatch):
    monkeypatch.setattr("certify.prove.arguments.flat_field", never)
    with pytest.raises(ValueError, match=words) as error:
        check_methods(methods)
    assert len(str(error.value)) <= 400


def check_methods(methods):
    from certify.prove.arguments import check_methods

    return check_methods(methods)


@pytest.mark.parametrize(
    "region",
    [{"a": 1.0, "b": 1.0}, (0.0, 1.0), None, "box", np.zeros(2), dg.Box(0.0, 1.0), certify.Box],
)
def test_regions_that_are_none(region):
    from certify.prove.arguments import check_region

    with pytest.raises(ValueError, match=r"give a certify\.Box, Ball, Everywhere or") as error:
        check_region("certify", region)
    assert len(str(error.value)) <= 400


def test_players_of_the_region_that_the_game_does_not_have():
    for names in ({"a": 1.0, "d": 1.0}, {"x": 1.0}, {"a": 1.0, "longer" * 50: 1.0}):
        region = certify.Box.around(names, 1.0)
        for call in (certify.certify, certify.estimate):
            options: Any = {"key": jax.random.key(0)} if call is certify.estimate else {}
            with pytest.raises(ValueError, match=r"players are|not among the players") as error:
                call(GAME, region, **options)
            assert len(str(error.value)) <= 400


def test_players_without_coordinates():
    game = dg.game(lambda x, a: (jnp.sum(x[0] ** 2), jnp.sum(x[1])))
    region = certify.Box.around((jnp.zeros(2), jnp.zeros(0)), 1.0)
    with pytest.raises(ValueError, match="player '1' has no coordinates"):
        certify.certify(game, region)
    with pytest.raises(ValueError, match="player 'b' has no coordinates"):
        certify.certify(GAME, certify.Ball({"a": jnp.zeros(1), "b": jnp.zeros((2, 0))}, 1.0))


@pytest.mark.full
@pytest.mark.parametrize(
    "centre",
    [
        dg.Stacked(jnp.zeros(2**17 + 1)),
        dg.Stacked(jnp.zeros((2**16, 3))),
        (jnp.zeros(2**17 + 1),),
        {"a": jnp.zeros((2**9, 2**8)), "b": jnp.zeros(1)},
    ],
)
def test_what_no_file_can_hold_is_refused_at_once(centre, monkeypatch):
    monkeypatch.setattr("certify.prove.arguments.flat_field", never)
    with pytest.raises(ValueError, match=r"holds at most 131072: use certify\.certify_network"):
        certify.certify(GAME, certify.Box.around(centre, 0.5))


def test_what_no_file_of_cells_can_hold():
    game = dg.game(lambda x, _: (jnp.sum(x[0] ** 2),))
    region = certify.Box.around((jnp.zeros(513),), 0.5)
    with pytest.raises(ValueError, match="holds at most 512"):
        certify.certify(game, region, enclosure=certify.IntervalMatrices())


@pytest.mark.full
@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e100, 1e-30])
def test_costs_of_any_size(scale):
    """Everything is proportional to the unit of the costs."""

    def costs(x, args, scale=scale):
        return (
            scale * (x[0] ** 2 + 0.3 * jnp.sin(x[0] + 0.2) * x[1]),
            scale * (x[1] ** 2 - 0.4 * jnp.cos(x[0]) * x[1]),
        )

    found = certify.certify(
        dg.game(costs), certify.Box.around((0.0, 0.0), 1.0), [dg.Simultaneous, dg.Extragradient]
    )
    assert found.status == "proved"
    assert found.margin == pytest.approx(1.5904 * scale, rel=1e-3)


@pytest.mark.full
def test_long_vectors_are_shortened():
    """A refutation in fifty coordinates fits into a sentence, which names the players."""

    def costs(x, args):
        return {"first": jnp.sum(x["first"] ** 4 - x["first"] ** 2), "b": x["b"] ** 2}

    region = certify.Box.around({"first": jnp.zeros(50), "b": 0.0}, 0.1)
    found = certify.certify(dg.game(costs), region)
    assert found.status == "refuted"
    assert len(found.reasons[0]) <= 500
    assert "first[" in found.reasons[0] and "largest 4 of 51 coordinates" in found.reasons[0]
