"""What is malformed is refused in one sentence that says what is wrong, before anything runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(2)

METHOD = dg.Simultaneous(0.1)


def squares(x, args):
    return {"a": x["a"] ** 2, "b": x["b"] ** 2}


SQUARES = dg.game(squares)
X = {"a": 1.0, "b": 1.0}


class NoArguments(dg.Game):
    def costs(self, x):  # pyright: ignore
        return x


class NoStrategy(dg.ZeroSum):
    def payoff(self):  # pyright: ignore
        return 0.0


def of(costs):
    return dg.game(costs)


# A game, a strategy, and what the sentence says.
GAMES = {
    "another player": (SQUARES, {"a": 1.0, "c": 1.0}, "ask for 'b'.*players.*: a, c"),
    "a missing player": (SQUARES, {"a": 1.0}, "ask for 'b'.*players.*: a"),
    "one player more": (SQUARES, X | {"c": 0.0}, "no cost for player 'c'"),
    "positions": (SQUARES, (1.0, 1.0), "failed in .*line .*players.*0, 1"),
    "too few players": (of(lambda x, args: (x[0], x[2])), (1.0, 1.0), "IndexError.*0, 1"),
    "attributes": (of(lambda x, args: (x.a,)), (1.0,), "no attribute 'a'.*players.*0"),
    "one argument": (of(lambda x: (x[0],)), (1.0,), r"two arguments.*takes \(x\)"),
    "three arguments": (of(lambda x, a, b: (x[0],)), (1.0,), r"two arguments.*\(x, a, b\)"),
    "no argument": (of(lambda: 0.0), (1.0,), r"two arguments.*\(\)"),
    "a class's costs": (NoArguments(), (1.0,), "the costs must be a function of two"),
    "a class's payoff": (NoStrategy(), (1.0, 1.0), "the payoff must be a function of two"),
    "a field of one argument": (lambda x: x, (1.0,), "the field must be a function of two"),
    "costs of others": (of(lambda x, args: {"a": x["a"], "c": x["b"]}), X, "no cost for .*'b'"),
    "costs of nobody": (of(lambda x, args: None), (1.0,), "a single value of type NoneType"),
    "one cost": (of(lambda x, args: x[0] + x[1]), (1.0, 1.0), "one scalar for each of 0, 1"),
    "a vector": (of(lambda x, args: (x[0],)), (jnp.ones(2),), "scalar, but it has shape"),
    "a constant": (of(lambda x, args: (x[0], 3)), (1.0, 1.0), "'1' must be a scalar array"),
    "complex costs": (of(lambda x, args: (x[0].astype(complex),)), (1.0,), "real floating point"),
    "arguments": (of(lambda x, args: (x[0] * args["tax"],)), (1.0,), "args is None"),
    "a sum with None": (of(lambda x, args: (x[0] + args,)), (1.0,), "args is None"),
    "branches": (of(lambda x, args: (x[0] if x[0] > 0 else -x[0],)), (1.0,), "jnp.where"),
    "loops": (of(lambda x, args: (sum(x[0] for _ in range(int(x[1]))), x[1])), (1.0, 1.0), "jax"),
    "NumPy": (of(lambda x, args: (np.sin(x[0]),)), (1.0,), "jax.numpy"),
    "shapes": (of(lambda x, args: (jnp.ones(3) @ x[0],)), (jnp.ones(2),), "TypeError: dot"),
    "a typo": (
        of(lambda x, args: (jnp.sine(x[0]),)),  # pyright: ignore[reportAttributeAccessIssue]
        (1.0,),
        "AttributeError: .*'sine'",
    ),
    "three players": (dg.zero_sum(lambda x, args: x[0]), (1.0,) * 3, "two players.*3: 0, 1, 2"),
    "a simplex of numbers": (dg.game(squares, dg.Simplex()), X, "Simplex of player 'a'"),
    "bounds": (dg.game(squares, dg.Box(jnp.zeros(3), 1.0)), X, "Box of player 'a'"),
    "lists of bounds": (dg.game(squares, dg.Box([0, 1], [1, 2])), X, "Box of player 'a'"),
    "a missing set": (dg.game(squares, {"a": dg.Box(0.0, 1.0)}), X, "players a, b; got a"),
    "no set at all": (dg.game(squares, {"a": None, "b": 3.0}), X, "float for 'b'"),
    "a class of sets": (dg.game(squares, dg.Box), X, "the class Box"),
}


@pytest.mark.parametrize(("game", "x", "message"), GAMES.values(), ids=GAMES)
def test_games(game, x, message):
    for use in (lambda: dg.solve(game, METHOD, x), lambda: dg.residual(game, x)):
        with pytest.raises(ValueError, match=message) as error:
            use()
        assert len(str(error.value)) <= 400 and "\n" not in str(error.value)


def test_an_argument_that_is_missing_is_not_taken_for_a_player():
    game = dg.game(lambda x, args: (x[0] * args["tax"],))
    with pytest.raises(ValueError, match=r"'tax'.*players.*: 0, nor among args: levy"):
        dg.solve(game, METHOD, (1.0,), {"levy": 1.0})


STRATEGIES = {
    "a number": (1.0, "no players"),
    "nothing": (None, "no players"),
    "an array": (jnp.ones(2), "no players"),
    "text": ({"a": "1", "b": 1.0}, "player 'a' has str"),
    "truth": ({"a": True, "b": 1.0}, "player 'a' has bool"),
    "integers": ({"a": jnp.arange(2), "b": 1.0}, "player 'a' has int64.*astype"),
    "complex costs": ({"a": 1j, "b": 1.0}, "cost of player 'a' must be real"),
    "NaN": ({"a": 1.0, "b": jnp.nan}, "finite; player 'b'"),
    "infinite": ({"a": jnp.inf, "b": 1.0}, "finite; player 'a'"),
    "functions": ({"a": jnp.tanh, "b": 1.0}, "tanh; only an equinox.Module"),
    "empty": ({"a": [], "b": 1.0}, "player 'a' has none"),
}


@pytest.mark.parametrize(("x", "message"), STRATEGIES.values(), ids=STRATEGIES)
def test_strategies(x, message):
    with pytest.raises(ValueError, match=message) as error:
        dg.solve(SQUARES, METHOD, x)
    assert len(str(error.value)) <= 400 and "\n" not in str(error.value)


def test_a_solution_is_no_strategy():
    run = dg.solve(SQUARES, METHOD, X, max_steps=1)
    for use in (lambda: dg.solve(SQUARES, METHOD, run), lambda: dg.residual(SQUARES, run)):
        with pytest.raises(ValueError, match="give its `strategy`"):
            use()


OPTIONS = {
    "negative steps": ({"max_steps": -1}, "must not be negative"),
    "half a step": ({"max_steps": 1.5}, "max_steps must be a whole number, not 1.5"),
    "no steps": ({"max_steps": None}, "max_steps must be a whole number"),
    "truth": ({"max_steps": True}, "max_steps must be a whole number"),
    "never saved": ({"save_every": 0}, "save_every must be at least 1"),
    "saved now and then": ({"save_every": 2.5}, "save_every must be a whole number or None"),
    "negative tolerance": ({"tol": -1e-8}, "tol must be a number that is not negative"),
    "no tolerance": ({"tol": float("nan")}, "tol must be a number"),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS)
def test_options(options, message):
    with pytest.raises(
        (ValueError, TypeError), match=f"{message}|parameter '{next(iter(options))}'"
    ):
        dg.solve(SQUARES, METHOD, X, **options)


METHODS = {
    "a class": (dg.Simultaneous, {}, "Simultaneous is no method"),
    "a number": (0.1, {}, "0.1 is no method"),
    "a name": ("extragradient", {}, "'extragradient' is no method"),
    "none": (None, {}, "None is no method"),
    "a strategy": (X, {}, "is no method"),
    "two step sizes": (METHOD, {"step_size": 0.1}, "has a step size already"),
    "no class": (3.0, {"step_size": 0.1}, "a class of methods such as"),
    "more than a step": (dg.Momentum, {"step_size": 0.1}, "Momentum cannot be made of"),
    "another player": (dg.Simultaneous({"a": 0.1, "c": 0.1}), {}, "players a, b; got .* a, c"),
}


@pytest.mark.parametrize(("method", "options", "message"), METHODS.values(), ids=METHODS)
def test_methods(method, options, message):
    with pytest.raises(ValueError, match=message) as error:
        dg.solve(SQUARES, method, X, **options)
    assert len(str(error.value)) <= 400 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (None, "got NoneType"),
        (3, "got int"),
        ({"a": 1.0}, "got dict"),
        (METHOD, "got Simultaneous"),
        (NoArguments, "the class NoArguments: make one"),
        (dg.FunctionField, "the class FunctionField: make one"),
    ],
    ids=str,
)
def test_what_is_no_game(game, message):
    with pytest.raises((ValueError, TypeError), match=f"{message}|parameter 'game'"):
        dg.solve(game, METHOD, X)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: dg.game(3), "must be a function|parameter 'costs'"),  # pyright: ignore
        (lambda: dg.game(SQUARES), "a game already|parameter 'costs'"),  # pyright: ignore
        (lambda: dg.zero_sum(SQUARES), "a game already|parameter 'payoff'"),  # pyright: ignore
        (lambda: dg.check_game(NoArguments, X), "expected a game|parameter 'game'"),  # pyright: ignore
        (lambda: dg.as_root_finder(dg.Simultaneous), "a method is needed"),
    ],
)
def test_what_is_made_of_the_wrong_things(use, message):
    with pytest.raises((ValueError, TypeError), match=message):
        use()


COSTS = {
    "squares": (lambda x, args: {"a": (x["a"] - 1) ** 2, "b": (x["b"] - 2) ** 2}, X),
    "a bilinear game": (lambda x, args: (x[0] * x[1], -x[0] * x[1]), (0.0, 0.0)),
    "a duopoly": (
        lambda x, args: tuple(-q * (10 - x[0] - x[1]) + q**2 for q in x),
        (1.0, 1.0),
    ),
    "one player": (lambda x, args: (jnp.cosh(x[0]),), (3.0,)),
    "a generator": (
        lambda x, args: (jnp.logaddexp(0, -x[0] * x[1]), -jnp.logaddexp(0, -x[0] * x[1])),
        (1.0, 1.0),
    ),
    "with arguments": (lambda x, args: {"u": (x["u"] - args) ** 2}, {"u": 0.0}),
    "blocks": (lambda x, args: (jnp.sum(x[0] ** 2), jnp.sum(x[1] ** 2)), (jnp.ones(2),) * 2),
    "a payoff": (lambda x, args: x[0] * x[1], (1.0, 1.0)),
}


@pytest.mark.parametrize(("costs", "x"), COSTS.values(), ids=COSTS)
def test_costs_are_not_taken_for_a_field(costs, x):
    for use in (
        lambda: dg.solve(costs, METHOD, x, 1.0, max_steps=3),
        lambda: dg.flow(costs, x, 0.1, args=1.0),
    ):
        with pytest.raises(ValueError, match=r"dgames\.game\(fn\)") as error:
            use()
        assert len(str(error.value)) <= 400


FIELDS = {
    "a rotation": (lambda x, args: (x[1], -x[0]), (1.0, 1.0)),
    "affine": (lambda x, args: {"a": 2 * x["a"] + x["b"] - 1, "b": x["b"] - x["a"]}, X),
    "cubic": (lambda x, args: (x[0] ** 3 + x[1], x[1] - x[0]), (1.0, 1.0)),
    "hyperbolic": (lambda x, args: (jnp.tanh(x[0]),), (2.0,)),
    "a generator": (
        lambda x, args: (x[1] * jax.nn.sigmoid(-x[0] * x[1]), -x[0] * jax.nn.sigmoid(-x[0] * x[1])),
        (1.0, 1.0),
    ),
    "the gradient of a game": (lambda x, args: dg.pseudo_gradient(SQUARES)(x, args), X),
    "said to be one": (dg.FunctionField(lambda x, args: (x[0] ** 2 - 1,)), (3.0,)),
}


@pytest.mark.parametrize(("field", "x"), FIELDS.values(), ids=FIELDS)
def test_fields_are_taken_for_fields(field, x):
    run = dg.solve(field, METHOD, x, max_steps=2)
    assert run.steps == 2
