"""What makes a game of networks."""

import jax
import jaxtyping
import pytest

import dgames as dg

NET = dg.nn.mlp((1, 4, 1), jax.random.key(0))
VALUE = dg.OutputValue(dg.neural.moment)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((dg.neural.moment, (NET, NET), (1.0, 1.0)), "the value is one of"),
        ((VALUE, NET, (1.0, 1.0)), "the start is a pair"),
        ((VALUE, (NET,), (1.0, 1.0)), "the start is a pair"),
        ((VALUE, (NET, NET), 1.0), "decay is a number for each"),
    ],
)
def test_arguments_that_make_no_game_are_refused_at_once(arguments, words):
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=rf"{words}|Type-check error"):
        dg.ZeroSumNetworks(*arguments)
