"""Methods are known by their classes, not by names and not by what they derive from."""

import functools

import jax
import pytest

import certify
import dgames as dg
from certify.problem.exact_types import METHODS, known_method
from certify.steps import STEP_RULES


class Simultaneous(dg.AbstractMethod):
    step_size: float

    def init(self, field, x, args=None):
        return None

    def step(self, field, x, state, args=None):
        return jax.tree.map(lambda a, b: a + 3 * self.step_size * b, x, field(x, args)), None


class Heun(dg.Heun):
    def step(self, field, x, state, args=None):
        return jax.tree.map(lambda a, b: a + self.step_size * b, x, field(x, args)), None


class Patient(dg.Extragradient):
    """Another name, another step."""

    def step(self, field, x, state, args=None):
        return x, state


class Momentum(dg.Momentum):
    """Another state."""

    def init(self, field, x, args=None):
        return jax.tree.map(lambda leaf: 1e9 + leaf, x)


class Optimistic(dg.Optimistic):
    """The same in all: a subclass all the same."""


STRANGERS = [
    Simultaneous,
    Heun,
    Patient,
    Momentum,
    Optimistic,
    type("Alternating", (dg.Alternating,), {}),
    type("SSPRK3", (dg.Heun,), {}),
    dg.AbstractMethod,
]
OTHER_THINGS = [functools.partial(dg.Simultaneous), dg.Simultaneous(0.1), "simultaneous", None, []]


def test_every_rule_belongs_to_one_class():
    assert sorted(METHODS.values()) == sorted(STEP_RULES)
    assert all(known_method(cls) == dg.method_name(cls) for cls in METHODS)


def test_what_is_no_class_is_not_known():
    assert not any(map(known_method, OTHER_THINGS))


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_are_refused_with_the_way_that_remains(stranger):
    assert known_method(stranger) is None
    game = dg.game(lambda x, args: (0.5 * x[0] ** 2, 0.5 * x[1] ** 2))
    with pytest.raises(ValueError, match=r"no step-size theorem for .* certify\.contraction\.$"):
        certify.certify(game, certify.Box.around((0.0, 0.0), 1.0), [stranger])


def test_the_message_tells_two_classes_of_one_name_apart():
    game = dg.game(lambda x, args: (0.5 * x[0] ** 2, 0.5 * x[1] ** 2))
    with pytest.raises(ValueError, match=r"test_exact_types\.Heun, which is not dgames\.Heun"):
        certify.certify(game, certify.Box.around((0.0, 0.0), 1.0), [Heun])
