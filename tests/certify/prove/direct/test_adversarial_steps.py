"""Steps that try to be proved wrongly: each is refused, or what runs does what was proved."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.core import Tracer

import certify
import dgames as dg
from certify.prove.direct.largest_step import _is_simultaneous

pytestmark = pytest.mark.thin(4)

GAME = dg.game(
    lambda x, args: {
        "a": 0.5 * x["a"] ** 2 + 0.3 * x["a"] * x["b"],
        "b": 0.5 * x["b"] ** 2 - 0.3 * x["a"] * x["b"],
    }
)
LIKE = {"a": 0.0, "b": 0.0}
BOX = certify.Box.around(LIKE, 1.0)
FAR = 2.0**102


def move(x, force, step: Any = 0.3):
    return jax.tree.map(lambda own, f: own - step * f, x, force)


def each(function):
    """A step that does something else to every coordinate on the way."""
    return lambda field, x: jax.tree.map(function, move(x, field(x)))


def by_solving(solve, system=lambda v: 2.0 * v):
    """Solves a linear system, or says so."""

    def one(a):
        return jax.lax.custom_linear_solve(system, a, lambda _, b: solve(b))

    return each(one)


def start_of(found):
    """Starts on the surface of the certified ball, in all directions."""
    ball = found.start
    angles = np.linspace(0, 2 * np.pi, 9)
    sphere = np.stack([np.cos(angles), np.sin(angles)], 1)
    root = np.linalg.inv(np.linalg.cholesky(ball.metric)).T
    return ball.center + ball.radius * (1 - 1e-6) * sphere @ root.T


def require_true(found, method, field, args=None, steps=12):
    """What runs from there, as plain numbers, is as near to the fixed point as was proved."""
    assert found.check().ok

    def run(start):
        x = {"a": start[0], "b": start[1]}
        if not isinstance(method, dg.AbstractMethod):
            return functools.reduce(lambda x, _: method(field, x), range(steps), x)
        state = method.init(field, x, args)
        for _ in range(steps):
            x, state = method.step(field, x, state, args)
        return x

    starts = start_of(found)
    ends = jax.vmap(run)(jnp.asarray(starts))
    alone = run(jnp.asarray(starts[0]))
    widths = np.sqrt(np.diag(np.linalg.inv(found.metric)))[:2]
    allowed = widths * (found.rate**steps * (found.basin + found.radius) + 2 * found.radius)
    for end in (ends, alone):
        gap = np.abs(np.stack([end["a"], end["b"]], -1) - found.center[:2])
        assert (gap <= allowed * (1 + 1e-9) + 1e-12).all()


# --- steps that are what they are, however they are written --------------------------------------


def in_a_loop(field, x):
    return jax.lax.fori_loop(0, 3, lambda _, y: move(y, field(y), 0.1), x)


def in_a_scan(field, x):
    def body(y, h):
        return move(y, field(y), h), None

    return jax.lax.scan(body, x, jnp.array([0.1, 0.2, 0.3]), reverse=True)[0]


def while_constants_last(field, x):
    return jax.lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, move(c[1], field(c[1]), 0.2)), (0, x)
    )[1]


def under_vmap(field, x):
    several = jax.vmap(lambda h: move(x, field(move(x, field(x), h)), h))(jnp.array([0.1, 0.3]))
    return jax.tree.map(jnp.mean, several)


def by_constants(field, x):
    large = jnp.asarray(np.array(3)) > 2
    return jax.lax.cond(large, lambda y: move(y, field(y)), lambda y: move(y, field(y), 9.0), x)


def with_custom_rules(field, x):
    @jax.custom_vjp
    def stepped(y):
        return move(y, field(y))

    stepped.defvjp(lambda y: (stepped(y), None), lambda _, g: (g,))

    @jax.custom_jvp
    def same(a):
        return a

    same.defjvp(lambda primals, tangents: (primals[0], 100.0 * tangents[0]))
    return stepped(jax.tree.map(same, x))


def stopped(field, x):
    still = jax.tree.map(jax.lax.stop_gradient, x)
    return move(still, field(still))


def swapped(field, x):
    moved = move(x, field(x))
    return {"a": moved["b"], "b": moved["a"]}


def noisy_by_a_fixed_key(field, x):
    noise = 1e-2 * jax.random.uniform(jax.random.key(0))
    return jax.tree.map(lambda own: own + noise, move(x, field(x)))


def far_out(field, x):
    """Evaluates the field a long way off, and takes the difference back."""
    y = jax.tree.map(lambda own: own + 1000.0, x)
    there, origin = field(y), field({"a": jnp.asarray(1000.0), "b": jnp.asarray(1000.0)})
    return move(x, jax.tree.map(jnp.subtract, there, origin))


class Jacobi(dg.Simultaneous):
    """Of the class, but with half the step."""

    def step(self, field, x, state, args=None):
        return move(x, field(x, args), 0.5 * self.step_size), None


class Patient(dg.AbstractMethod):
    """A buffer, and a number that stays what it is."""

    def init(self, field, x, args=None):
        return {"sum": field(x, args), "rounds": 3, "name": "patient"}

    def step(self, field, x, state, args=None):
        smooth = jax.tree.map(lambda s, f: 0.5 * s + 0.5 * f, state["sum"], field(x, args))
        return move(x, smooth), {**state, "sum": smooth}


TRUE = {
    "a linear system": by_solving(lambda b: 0.5 * b),
    "what calls itself its solution": by_solving(lambda b: 0.9 * b),
    "jit": lambda field, x: jax.jit(lambda y: move(y, field(y)))(x),
    "nested jit": lambda field, x: jax.jit(lambda y: jax.jit(field)(y))(move(x, field(x))),
    "checkpoint": lambda field, x: jax.checkpoint(lambda y: move(y, field(y)))(x),
    "a loop": in_a_loop,
    "a scan": in_a_scan,
    "a while": while_constants_last,
    "vmap": under_vmap,
    "a branch by constants": by_constants,
    "custom rules": with_custom_rules,
    "stop_gradient": stopped,
    "players swapped": swapped,
    "noise by a fixed key": noisy_by_a_fixed_key,
    "no field at all": lambda field, x: move(x, x),
    "far points": far_out,
    "one that moves nobody but b": lambda field, x: {**move(x, field(x)), "a": jnp.asarray(0.1)},
    "one player after the other": lambda field, x: move(x, field({**x, "a": 0.5 * x["a"]})),
    "a subclass": Jacobi(0.4),
    "a state": Patient(),
}


@pytest.mark.full
@pytest.mark.parametrize("name", TRUE)
def test_what_is_proved_is_what_runs(name):
    method, field = TRUE[name], dg.pseudo_gradient(GAME)
    found = certify.contraction(GAME, method, BOX)
    if name != "nested jit":
        assert found.status == "proved", found.reasons
        require_true(found, method, field)
    else:  # it returns the field, not a strategy near it
        assert found.status in ("proved", "undecided")
    assert name == "nested jit" or certify.is_same_step(found, GAME, method, LIKE)
    assert found.equilibrium == ""


# --- steps that are refused -----------------------------------------------------------------------


def jumps_far_away(field, x):
    moved = move(x, field(x))
    return {**moved, "a": moved["a"] + jnp.where(x["a"] > FAR, 2 * FAR, 0.0)}


def switches(field, x):
    number = jnp.clip(x["a"].astype(int), 0, 1)
    return jax.lax.switch(number, [lambda y: move(y, field(y)), lambda y: move(y, y, -3.0)], x)


def until_small(field, x):
    return jax.lax.while_loop(
        lambda y: jnp.abs(y["a"]) > 2.0, lambda y: move(y, field(y)), move(x, field(x))
    )


def rounds_by_the_strategy(field, x):
    rounds = 1 + x["a"].astype(int)
    return jax.lax.fori_loop(0, rounds, lambda _, y: move(y, field(y)), x)


def in_python(field, x):
    return move(x, field(x), 0.3 if x["a"] < 10.0 else -3.0)


def in_numpy(field, x):
    return move(x, field(x), float(np.where(np.asarray(x["a"]) < 10.0, 0.3, -3.0)))


def in_place(field, x):
    values = np.zeros(2)
    values[0] = x["a"]
    return move(x, field(x))


def by_callback(field, x):
    def host(a):
        return np.where(a > 0.9, 5.0, a)

    shape = jax.ShapeDtypeStruct((), jnp.float64)
    return jax.tree.map(lambda a: jax.pure_callback(host, shape, a), move(x, field(x)))


def by_derivatives(field, x):
    force, pull = jax.vjp(field, x)
    return move(x, pull(force)[0])


def by_sorting(field, x):
    moved = move(x, field(x))
    low, high = jnp.sort(jnp.stack([moved["a"], moved["b"]]))
    return {"a": low, "b": high}


def by_rounding(field, x):
    return each(lambda a: a + 1e8 * (a - a.astype(jnp.float32).astype(jnp.float64)))(field, x)


def by_cancelling(field, x):
    return each(lambda a: a + 1e10 * (((a + 1e7) - 1e7) - a))(field, x)


def counting():
    calls = []

    def step(field, x):
        calls.append(None)
        return move(x, field(x), 0.3 + 0.001 * len(calls))

    return step


def later():
    """The same for as long as anybody looks at the code, and then another one."""
    calls = []

    def step(field, x):
        calls.append(None)
        return move(x, field(x), 0.3 if len(calls) < 4 else 9.0)

    return step


def much_later(count=1000):
    """No trace and no comparison sees the other step; that it counts can be seen."""
    calls = {"number": 0}

    def step(field, x):
        calls["number"] += 1
        return move(x, field(x), 0.3 if calls["number"] < count else 9.0)

    return step


CALLS = 0


def by_a_global(field, x):
    global CALLS
    CALLS += 1
    return move(x, field(x), 0.3 if CALLS < 1000 else 9.0)


def by_a_default(field, x, calls=np.zeros(1)):  # noqa: B008
    calls += 1
    return move(x, field(x), 0.3 if calls[0] < 1000 else 9.0)


def by_a_counter():
    numbers = itertools.count()
    return lambda field, x: move(x, field(x), 0.3 if next(numbers) < 1000 else 9.0)


class Counter:
    def __init__(self):
        self.calls = 0

    def __call__(self, field, x):
        self.calls += 1
        return move(x, field(x), 0.3 if self.calls < 1000 else 9.0)


class Bound(dg.AbstractMethod):
    """The count is in an object that the method holds."""

    counter: Any

    def init(self, field, x, args=None):
        return None

    def step(self, field, x, state, args=None):
        return self.counter(field, x), None


class Global(dg.Simultaneous):
    """The count is a global of the module of its class."""

    def step(self, field, x, state, args=None):
        return by_a_global(field, x), None


class Mutable(dg.AbstractMethod):
    """The count is in an object that the state holds."""

    def init(self, field, x, args=None):
        return Counter()

    def step(self, field, x, state, args=None):
        return state(field, x), state


def keeping():
    kept = []

    def step(field, x):
        kept.append(field(x))
        return move(x, kept[0])

    return step


def when_traced(field, x):
    return move(x, field(x), 0.3 if isinstance(x["a"], Tracer) else 9.0)


def of_the_class(field, x):
    return move(x, field(x), 9.0 if isinstance(field, dg.PseudoGradient) else 0.3)


class Counting(Patient):
    def step(self, field, x, state, args=None):
        step = jnp.where(state["rounds"] < 100, 0.3, 9.0)
        return move(x, field(x), step), {**state, "rounds": state["rounds"] + 1}


class Fading(dg.AbstractMethod):
    """The count is a real number."""

    def init(self, field, x, args=None):
        return jnp.asarray(1.0)

    def step(self, field, x, state, args=None):
        return move(x, field(x, args), 0.3 / state), state + 1.0


class Keyed(dg.AbstractMethod):
    def init(self, field, x, args=None):
        return jax.random.key(0)

    def step(self, field, x, state, args=None):
        now, later = jax.random.split(state)
        return move(x, field(x, args), 0.3 * jax.random.uniform(now)), later


class Growing(dg.AbstractMethod):
    def init(self, field, x, args=None):
        return ()

    def step(self, field, x, state, args=None):
        return move(x, field(x, args)), (*state, x)


class Coarse(dg.AbstractMethod):
    """Its buffer is in lower precision."""

    def init(self, field, x, args=None):
        return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), x)

    def step(self, field, x, state, args=None):
        wide = jax.tree.map(lambda a: a.astype(jnp.float64), state)
        moved = move(wide, field(wide, args), jnp.asarray(0.3))
        return moved, jax.tree.map(lambda a: a.astype(jnp.float32), x)


class Bent(Patient):
    """Its first state is no linear function of the strategy."""

    def init(self, field, x, args=None):
        return {**super().init(field, x, args), "sum": jax.tree.map(jnp.square, x)}


def patched():
    method = dg.Simultaneous(0.3)
    object.__setattr__(method, "step", lambda field, x, *_: (each(jnp.sign)(field, x), None))
    return method


FALSE = {
    "a jump beyond 2^100": jumps_far_away,
    "a branch": lambda field, x: jax.lax.cond(
        x["a"] > FAR, lambda y: move(y, field(y), -9.0), lambda y: move(y, field(y)), x
    ),
    "a switch": switches,
    "a loop until": until_small,
    "rounds by the strategy": rounds_by_the_strategy,
    "a kink": each(lambda a: jnp.maximum(a, -FAR)),
    "clipping": each(lambda a: jnp.clip(a, -5.0, 5.0)),
    "an absolute value": each(lambda a: jnp.abs(a + FAR) - FAR),
    "a cast to integers": each(lambda a: a.astype(int).astype(float)),
    "floor": each(lambda a: a + 1e-9 * jnp.floor(a)),
    "modulo": each(lambda a: (a + 8.0) % 16.0 - 8.0),
    "lower precision": by_rounding,
    "sums that cancel": by_cancelling,
    "reduced precision": each(lambda a: jax.lax.reduce_precision(a, 8, 10)),
    "products": each(lambda a: a + 1e-3 * a * a),
    "a sine": each(jnp.sin),
    "an inverse": each(lambda a: 1 / (1 / (a + 9.0)) - 9.0),
    "is_finite": each(lambda a: jnp.where(jnp.isfinite(a), a, 0.0)),
    "nan_to_num": each(jnp.nan_to_num),
    "an index": each(lambda a: a + jnp.zeros(9).at[a.astype(int)].set(1.0)[8]),
    "an argmax": lambda field, x: move(x, field(x), jnp.array([0.3, 3.0])[jnp.argmax(x["a"] > 9)]),
    "sorting": by_sorting,
    "the sign of the force": lambda field, x: move(x, jax.tree.map(jnp.sign, field(x)), 0.1),
    "a normalised force": lambda field, x: move(
        x, jax.tree.map(lambda f: f / (1.0 + jnp.abs(f)), field(x))
    ),
    "in Python": in_python,
    "in NumPy": in_numpy,
    "in place": in_place,
    "a callback": by_callback,
    "derivatives of the field": by_derivatives,
    "the costs": lambda field, x: move(x, field.game.costs(x)),
    "is there a game": lambda field, x: move(x, field(x), 9.0 if hasattr(field, "game") else 0.3),
    "another structure": lambda field, x: tuple(move(x, field(x)).values()),
    "another type": each(lambda a: a.astype(jnp.float32)),
    "the field elsewhere": lambda field, x: move(x, field(tuple(x.values()))),
    "complex numbers": each(lambda a: jnp.real(a.astype(complex) * jnp.exp(0j))),
    "undefined constants": each(lambda a: a * jnp.log(-1.0)),
    "infinite constants": each(lambda a: a + jnp.exp(1e4)),
    "calls that count": counting(),
    "calls that count later": later(),
    "calls that count much later": much_later(),
    "calls that a global counts": by_a_global,
    "calls that a default counts": by_a_default,
    "calls that an iterator counts": by_a_counter(),
    "calls that an object counts": Counter(),
    "calls that a bound method counts": Counter().__call__,
    "calls counted under partial": functools.partial(lambda step, *rest: step(*rest), much_later()),
    "calls counted in a method": Bound(Counter()),
    "calls counted by a global in a method": Global(0.3),
    "calls counted in a state": Mutable(),
    "values that are kept": keeping(),
    "when it is traced": when_traced,
    "the class of the field": of_the_class,
    "a count in the state": Counting(),
    "a real count": Fading(),
    "a random key": Keyed(),
    "another solution far away": by_solving(lambda b: jnp.where(b > 0.999, 5.0 * b, 0.5 * b)),
    "a system that is not linear": by_solving(lambda b: 0.5 * b, lambda v: v * v * v),
    "a state that grows": Growing(),
    "a coarse state": Coarse(),
    "a bent first state": Bent(),
    "an object that was changed": patched(),
    "a step size that is no number": dg.Simultaneous(float("nan")),
    "an infinite momentum": dg.Momentum(0.1, float("inf")),
    "too many rounds": lambda field, x: jax.lax.fori_loop(
        0, 1000, lambda _, y: move(y, field(y), 1e-3), x
    ),
}


@pytest.mark.parametrize("name", FALSE)
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_what_is_no_linear_map_is_refused_in_a_sentence(name):
    with pytest.raises(ValueError) as caught:
        certify.contraction(GAME, FALSE[name], BOX)
    message = str(caught.value)
    assert 20 < len(message) < 520 and "\n" not in message
    assert message.startswith(("the step", "the method"))


@pytest.mark.parametrize("size", [1e-12, 1.0, 2.0**104, 1e150])
def test_boxes_of_any_size_hold_what_is_proved(size):
    """Also where rounding swallows small numbers, or a jump was out of sight."""
    box = certify.Box.around(LIKE, size)
    with pytest.raises(ValueError, match="not linear"):
        certify.contraction(GAME, jumps_far_away, box)
    found = certify.contraction(GAME, lambda field, x: move(x, field(x)), box)
    if found.status == "proved":
        require_true(found, lambda field, x: move(x, field(x)), dg.pseudo_gradient(GAME))
    assert found.status == "proved" or size > 1e100


# --- arguments -----------------------------------------------------------------------------------

SCALED = dg.game(
    lambda x, args: {
        name: 0.5 * (20.0 if args is None else args) * x[name] ** 2 for name in ("a", "b")
    }
)


class Forgetful(dg.Simultaneous):
    def step(self, field, x, state, args=None):
        return move(x, field(x), self.step_size), None


class Late(dg.Optimistic):
    def init(self, field, x, args=None):
        return field(x)


OTHER = {
    "a number": lambda field, x: move(x, field(x, 10.0)),
    "none": lambda field, x: move(x, field(x)),
    "another type": lambda field, x: move(x, field(x, 1)),
    "another shape": lambda field, x: move(x, field(x, jnp.ones(1))),
    "computed": lambda field, x: move(x, field(x, jnp.asarray(2.0) * 0.5)),
    "of the strategy": lambda field, x: move(x, field(x, x["a"])),
    "once only": lambda field, x: move(move(x, field(x, 1.0)), field(x, 1.0 + 1e-9)),
    "under jit": lambda field, x: jax.jit(lambda y, s: move(y, field(y, s)))(x, 2.0),
    "in a tuple": lambda field, x: move(x, field(x, (1.0,))),
    "of one block": lambda field, x: {**x, "a": x["a"] - 0.3 * field.block(x, 0, 5.0)},
    "a method that forgets": Forgetful(0.3),
    "a first state that forgets": Late(0.3),
}


@pytest.mark.parametrize("name", OTHER)
def test_other_arguments_are_refused(name):
    with pytest.raises(ValueError, match="with other arguments"):
        certify.contraction(SCALED, OTHER[name], BOX, args=1.0)


@pytest.mark.full
@pytest.mark.parametrize(
    ("method", "args"),
    [
        (lambda field, x: move(x, field(x, 1.5)), 1.5),
        (lambda field, x: jax.jit(lambda y, s: move(y, field(y, s)))(x, 1.5), 1.5),
        (lambda field, x: move(x, field(x, np.float64(1.5))), jnp.asarray(1.5)),
        (dg.Simultaneous(0.3), 1.5),
        (dg.Optimistic(0.1), jnp.asarray(1.5)),
    ],
)
def test_the_very_arguments_are_certified(method, args):
    found = certify.contraction(SCALED, method, BOX, args=args)
    assert found.status == "proved"
    require_true(found, method, dg.pseudo_gradient(SCALED), args)
    assert certify.is_same_step(found, SCALED, method, LIKE, args=args)
    assert not certify.is_same_step(found, SCALED, dg.Simultaneous(0.29), LIKE, args=args)
    assert not certify.is_same_step(found, SCALED, method, LIKE, args=1.75)


# --- sets and fields ------------------------------------------------------------------------------


class Walled(dg.Game):
    """Player a between -1 and 1, player b hardly anywhere."""

    def costs(self, x, args=None):
        return GAME.costs(x, args)

    def strategy_set(self, x):
        return {"a": dg.Box(-1.0, 1.0), "b": dg.Box(-0.3, 0.3)}


WALLED_BOX = certify.Box({"a": -1.0, "b": -0.3}, {"a": 1.0, "b": 0.3})


def to_the_wrong_set(field, x):
    """Player a's new strategy has been projected onto the set of player b."""
    sets, moved = field.strategy_set(x), move(x, field(x))
    return {"a": sets["b"].project(moved["a"]), "b": moved["b"]}


def by_a_trial_in_the_wrong_set(field, x):
    sets = field.strategy_set(x)
    return move(x, field({**x, "a": sets["b"].project(x["a"])}))


def by_class_of_set(field, x):
    known = isinstance(field.strategy_set(x)["a"], dg.Box)
    return move(x, field(x), 9.0 if known else 0.3)


@pytest.mark.parametrize("step", [to_the_wrong_set, by_a_trial_in_the_wrong_set])
def test_projections_onto_another_players_set_are_trials(step):
    found = certify.contraction(Walled(), step, WALLED_BOX, search=certify.Search(max_cells=1))
    assert found.status == "undecided"
    assert "strategy set" in found.reasons[0]


@pytest.mark.full
def test_projections_onto_the_own_set_do_nothing_inside():
    for step in (
        lambda field, x: field.project(move(x, field(x))),
        lambda field, x: jax.jit(lambda y: field.project(move(y, field(y))))(x),
    ):
        found = certify.contraction(Walled(), step, WALLED_BOX, search=certify.Search(max_cells=1))
        assert found.status == "proved"
        require_true(found, step, dg.pseudo_gradient(Walled()))


def test_steps_that_look_at_the_class_of_a_set():
    with pytest.raises(ValueError, match="not the step that was traced"):
        certify.contraction(Walled(), by_class_of_set, WALLED_BOX)


class Following(Walled):
    """Its sets follow the strategy."""

    def strategy_set(self, x):
        return {"a": dg.Box(x["a"] - 1.0, x["a"] + 1.0), "b": dg.Box(-0.3, 0.3)}


class Deciding(Walled):
    def strategy_set(self, x):
        return {"a": dg.Box(-1.0, 1.0) if x["a"] < 0.5 else dg.Euclidean(), "b": dg.Euclidean()}


@pytest.mark.parametrize("game", [Following(), Deciding()])
def test_sets_that_depend_on_the_strategy(game):
    with pytest.raises(ValueError, match="depends on the strategy"):
        certify.contraction(game, dg.Simultaneous(0.3), certify.Box.around(LIKE, 0.1))


class OwnBlock(dg.AbstractField):
    """Alternating methods ask for blocks, and get something else than the field."""

    def __call__(self, x, args=None):
        return dg.pseudo_gradient(GAME)(x, args)

    def block(self, x, player, args=None):
        return -super().block(x, player, args)


class OwnProjection(OwnBlock):
    def project(self, x):
        return jax.tree.map(lambda own: -own, x)


@pytest.mark.parametrize(
    ("field", "method"),
    [(OwnBlock(), dg.Alternating(0.3)), (OwnProjection(), dg.Simultaneous(0.3))],
)
def test_fields_with_blocks_or_projections_of_their_own(field, method):
    with pytest.raises(ValueError, match="of its own"):
        certify.contraction(field, method, BOX)


def test_fields_are_certified_as_games_are():
    field, method = OwnBlock(), dg.Simultaneous(0.3)
    found = certify.contraction(field, method, BOX)
    assert found.status == "proved"
    require_true(found, method, field)


STACKED = dg.game(
    lambda x, args: dg.Stacked(0.5 * x.blocks**2 + 0.1 * x.blocks * jnp.sum(x.blocks))
)


class OfAStack(dg.Simultaneous):
    """Another step if it sees that the players are stacked."""

    def step(self, field, x, state, args=None):
        step = 9.0 if isinstance(x, dg.Stacked) else 0.3
        return move(x, field(x, args), step), None


@pytest.mark.full
def test_steps_that_look_at_the_form_of_a_strategy():
    box = certify.Box.around(dg.Stacked(jnp.zeros(3)), 1.0)
    assert certify.contraction(STACKED, dg.Simultaneous(0.3), box).status == "proved"
    with pytest.raises(ValueError, match="not the step that was traced"):
        certify.contraction(STACKED, OfAStack(0.3), box)


# --- the name of a step, and smaller ones ---------------------------------------------------------


SAME_NAME = type("Simultaneous", (Jacobi,), {"__module__": __name__})


@pytest.mark.full
def test_files_name_methods_by_what_they_are():
    for method, name in (
        (dg.Simultaneous(0.3), "simultaneous"),
        (Jacobi(0.3), f"{__name__}.Jacobi"),
        (SAME_NAME(0.3), f"{__name__}.Simultaneous"),
    ):
        found = certify.contraction(GAME, method, BOX)
        assert found.data["method"]["name"] == name
        assert bool(found.equilibrium) == (name == "simultaneous")
        assert certify.is_same_step(found, GAME, method, LIKE)
    # The same code has the same hash, whatever it is called.
    assert certify.is_same_step(found, GAME, Jacobi(0.3), LIKE)
    assert not certify.is_same_step(found, GAME, Jacobi(0.31), LIKE)
    assert not certify.is_same_step(found, GAME, dg.Simultaneous(0.3), LIKE)
    other = dg.game(lambda x, args: {"a": x["a"] ** 2, "b": x["b"] ** 2})
    assert not certify.is_same_step(found, other, method, LIKE)


class OwnPartial(functools.partial):
    """Of `functools.partial`, with another call."""

    def __call__(self, h):
        return dg.Simultaneous(min(h, 0.1))


@pytest.mark.parametrize(
    ("method", "smaller"),
    [
        (dg.Simultaneous, True),
        (functools.partial(dg.Simultaneous), True),
        (functools.partial(dg.Simultaneous, 0.1), False),
        (functools.partial(dg.Momentum, momentum=0.0), False),
        (functools.partial(lambda factor, h: dg.Simultaneous(factor * h), 1.0), False),
        (OwnPartial(dg.Simultaneous), False),
        (lambda h: dg.Simultaneous(h), False),
        (Jacobi, False),
        (SAME_NAME, False),
        (dg.Alternating, False),
        (lambda h: lambda field, x: move(x, field(x), h), False),
    ],
)
def test_every_smaller_step_is_claimed_of_one_class_alone(method, smaller):
    assert _is_simultaneous(method) is smaller


@pytest.mark.full
def test_functions_that_use_the_step_otherwise_claim_one_step():
    """With a player whose own curvature is negative, small steps diverge."""
    root = 2.2**0.5
    game = dg.game(
        lambda x, args: {
            "a": -0.5 * x["a"] ** 2 + root * x["a"] * x["b"],
            "b": x["b"] ** 2 - root * x["a"] * x["b"],
        }
    )
    found = certify.largest_step(
        game,
        lambda h: dg.Simultaneous({"a": h, "b": h * h}),
        BOX,
        tolerance=0.2,
        search=certify.Search(max_cells=1),
    )
    assert found.max > 1
    assert found.at_max.status == "proved"
    assert not found.smaller
    jacobian, h = np.array([[-1.0, root], [-root, 2.0]]), 0.25 * found.max
    radius = np.abs(np.linalg.eigvals(np.eye(2) - np.diag([h, h * h]) @ jacobian)).max()
    assert radius > 1.01


@pytest.mark.full
def test_functions_that_make_other_methods_each_time():
    made = []

    def method(h):
        made.append(h)
        return dg.Simultaneous(h * (1.0 if len(made) % 2 else 0.9))

    with pytest.raises(ValueError, match="another method each time"):
        certify.largest_step(GAME, method, BOX, tolerance=0.5, search=certify.Search(max_cells=1))
