"""Robust training: what is proved holds at all weights of the data, and the checker is needed."""

import copy
import dataclasses
import json

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.neural import Robust, logistic, softmax_cross_entropy
from dgames.nn import mlp
from dgames.strategy import inner_product, norm, ravel
from tools.edits import sealed

COUNT, RHO, TAU = 8, 0.6, 0.5
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.uniform(-0.7, 0.7, (COUNT, 2)))
Y = jnp.asarray(np.where(X[:, 0] * X[:, 1] > 0, 1, -1))
ENTROPIC = dg.EuclideanMirror(), dg.EntropyMirror()


def trained(value, outputs=1, labels=Y, units=64):
    """A game, its start, its data, and the strategy after training."""
    net = mlp((2, units, outputs), jax.random.key(1), start="antisymmetric")
    game = dg.ZeroSumNetworks(value, (net, None), (RHO, 0.0))
    count = COUNT if value.groups is None else value.groups.count
    start, data = (net, jnp.full(count, 1 / count)), (X, labels)
    entropic = value.divergence == "entropy"
    mirrors, steps = (ENTROPIC, 0.5) if entropic else (dg.EuclideanMirror(), (0.5, 0.5 / count))
    run = dg.solve(game, dg.MirrorProx(steps, mirrors), start, data, tol=1e-12, max_steps=2000)
    return game, start, data, run.strategy


@pytest.fixture(scope="module")
def proved():
    game, start, data, point = trained(Robust(logistic, TAU))
    found = certify.certify_networks(game, point, "contains_start", args=data)
    return game, start, data, point, found


def test_training_is_proved_from_the_start_and_checked(proved, tmp_path):
    game, _, data, _, found = proved
    assert found.status == "proved" and found.contains_start and found.checkable == 2
    assert 0.3 < found.margin < RHO and "uniform weights" in found.sentence
    path = found.save(tmp_path / "robust.json")
    assert certify.check(path, game=game, args=data, level=2).ok
    other = dataclasses.replace(game, value=Robust(logistic, 2 * TAU))
    assert "temperature" in certify.check(path, game=other, args=data).reasons[0]
    assert "data" in certify.check(path, game=game, args=(X, -Y)).reasons[0]
    assert any("for all weights of the data" in str(each) for each in found.claim_rows())


@pytest.mark.full
def test_steps_contract_as_proved(proved):
    """The divergence falls by the proved factor in every step of both methods, from the start."""
    game, start, data, point, found = proved
    field = dg.pseudo_gradient(game)

    def distance(x):
        return float(
            jnp.sqrt(
                norm(jax.tree.map(jnp.subtract, point[0], x[0])) ** 2
                + 2 * found.geometry * jnp.sum(point[1] * jnp.log(point[1] / x[1]))
            )
        )

    for name in ("mirror_descent", "mirror_prox"):
        step, method = found.step_sizes[name], found.mirror_method(name)
        x, state, last = start, method.init(field, start, data), distance(start)
        assert last <= found.training.distance + 1e-6
        jitted = jax.jit(lambda x, state, method=method: method.step(field, x, state, data))
        for _ in range(12):
            x, state = jitted(x, state)
            now = distance(x)
            assert now <= step.rate * last
            last = now


def test_the_margin_holds_for_all_weights_of_the_data(proved):
    """Between random points of the region with extreme weights, in the metric of the proof."""
    game, _, data, point, found = proved
    field = jax.jit(lambda x: dg.pseudo_gradient(game)(x, data))
    vector, unravel = ravel(point[0])
    rng, (radius,) = np.random.default_rng(1), found.radius

    def draw():
        step = rng.normal(size=vector.size)
        step *= rng.uniform(0.2, 1) * radius / np.linalg.norm(step)
        p = rng.dirichlet(np.full(COUNT, 0.1)) + 1e-12
        return unravel(vector + step), jnp.asarray(p / p.sum())

    for _ in range(40):
        x, z = draw(), draw()
        gap = jax.tree.map(jnp.subtract, x, z)
        force = jax.tree.map(jnp.subtract, field(x), field(z))
        lower = norm(gap[0]) ** 2 + found.geometry * jnp.sum(gap[1] * jnp.log(x[1] / z[1]))
        assert inner_product(force, gap) >= found.margin * lower


@pytest.mark.full
@pytest.mark.parametrize("case", ("chi_square", "groups", "softmax"))
def test_other_values_are_proved(case, tmp_path):
    value, outputs, labels = Robust(logistic, TAU), 1, Y
    if case == "chi_square":
        value = Robust(logistic, 0.1, "chi_square")
    elif case == "groups":
        value = Robust(logistic, TAU, groups=[0, 0, 0, 1, 1, 1, 1, 1])
    else:
        value, outputs, labels = Robust(softmax_cross_entropy, TAU), 3, jnp.arange(COUNT) % 3
    game, start, data, point = trained(value, outputs, labels)
    found = certify.certify_networks(game, point, 1.0, args=data)
    assert found.status == "proved" and found.contains_start
    path = found.save(tmp_path / "robust.json")
    assert certify.check(path, game=game, args=data, level=2).ok
    run = dg.solve(
        game,
        found.mirror_method(found.training.method),
        start,
        data,
        tol=0.0,
        max_steps=found.training.steps,
    )
    assert norm(jax.tree.map(jnp.subtract, run.strategy[0], point[0])) < 2e-8


def below(text, share=2.0**-20):
    """A hexadecimal number a little smaller."""
    return (float.fromhex(text) * (1 - share)).hex()


def above(text, share=2.0**-20):
    return (float.fromhex(text) * (1 + share)).hex()


def edits(data):
    """Names, and copies of a file in which one number is made false."""
    claims, evidence, value = (("claims",), ("evidence", "networks", 0), ("evidence", "value"))
    first = (*claims, "steps", 0)
    last = (*claims, "steps", 1)
    for name, path, change in (
        ("margin", (*claims, "margin"), above),
        ("lipschitz", (*claims, "lipschitz"), below),
        ("equilibrium", (*claims, "equilibrium", "radius"), below),
        ("basin", (*claims, "basin", "radius"), above),
        ("descent step", (*first, "max"), lambda x: above(x, 0.01)),
        ("descent rate", (*first, "rate"), lambda x: below(x, 1e-6)),
        ("prox step", (*last, "best"), lambda x: above(x, 0.01)),
        ("prox rate", (*last, "rate"), lambda x: below(x, 1e-4)),
        ("prox stretch", (*last, "stretch"), lambda x: below(x, 1e-6)),
        ("prox basin", (*last, "basin"), lambda x: above(x, 1e-6)),
        ("start", (*claims, "start", "distance"), lambda x: below(x, 1e-4)),
        ("steps", (*claims, "start", "steps"), lambda x: x - 2),
        ("norm", (*evidence, "norms", 0), below),
        ("residual", (*evidence, "residual"), lambda x: below(x, 0.01)),
        ("slope", (*value, "loss", "slope", 3), below),
        ("size", (*value, "loss", "size", 3), below),
        ("reach", (*value, "reach", 2), below),
        ("spread", (*value, "spread"), lambda x: below(x, 0.01)),
        ("away", (*value, "away"), below),
        ("inputs", (*value, "passes", "inputs", 1, 4), below),
        ("curvatures", (*value, "passes", "curvatures", 0, 5), below),
        ("weights", (*value, "weights", 0), lambda x: x + 2**50),
        ("geometry", (*value, "geometry"), lambda x: below(x, 0.5)),
        ("label", ("evidence", "data", -1), lambda x: (-float.fromhex(x)).hex()),
    ):
        changed = copy.deepcopy(data)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = change(place[path[-1]])
        yield name, changed


def test_files_with_a_false_number_are_rejected(proved, tmp_path):
    path = proved[-1].save(tmp_path / "robust.json")
    data = json.loads(path.read_text("utf-8"))
    assert certify.check(path, level=2).ok
    for name, changed in edits(data):
        path.write_text(json.dumps(sealed(changed)), "utf-8")
        assert not certify.check(path, level=2).ok, name


def test_what_cannot_be_proved_is_said(proved):
    game, (net, p), data, point, _ = proved
    weak = dataclasses.replace(game, decay=(0.01, 0.0))
    found = certify.certify_networks(weak, point, 1.0, args=data)
    assert found.status == "undecided" and "no margin is left" in found.reasons[0]
    far = certify.certify_networks(game, (net, p), 1e-3, args=data)
    assert far.status == "undecided" and "train longer" in far.reasons[0]
    for arguments, message in (
        ({"args": (X, (Y + 1) // 2)}, "labels are -1 or 1"),
        ({"args": (X, Y), "methods": (dg.Extragradient,)}, "MirrorDescent and MirrorProx"),
        ({"args": X}, r"the data \(x, y\)"),
    ):
        with pytest.raises(ValueError, match=message):
            certify.certify_networks(game, point, 1.0, **arguments)  # pyright: ignore
    other = dataclasses.replace(game, value=Robust(lambda f, y: f[0] ** 2, TAU))
    with pytest.raises(ValueError, match="losses that are known"):
        certify.certify_networks(other, point, 1.0, args=data)


def test_a_value_with_a_loss_of_its_own_is_refused(proved):
    game, _, data, point, _ = proved
    value = Robust(logistic, TAU)
    object.__setattr__(value, "losses", lambda network, data: 2 * jnp.ones(COUNT))
    with pytest.raises(ValueError, match="attributes of their own"):
        certify.certify_networks(dataclasses.replace(game, value=value), point, 0.1, args=data)
    errors = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(errors, match=r"around is|Type-check error"):
        certify.certify_networks(game, point, 0.1, args=data, around="middle")  # pyright: ignore[reportArgumentType]


def test_a_decay_of_the_weights_of_data_is_another_game(proved):
    game, _, data, _, found = proved
    assert found.difference(game, None, data) is None
    other = dataclasses.replace(game, decay=(RHO, 0.5))
    assert "decay" in found.difference(other, None, data)


def test_data_and_regions_out_of_range(proved):
    game, _, data, point, _ = proved
    with pytest.raises(ValueError, match="real numbers"):
        certify.certify_networks(game, point, 0.1, args=(np.asarray(data[0]) + 1j, data[1]))
    assert certify.certify_networks(game, point, 1e300, args=data).status == "undecided"
