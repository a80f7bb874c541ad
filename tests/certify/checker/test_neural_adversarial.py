"""Bounds on adversarial networks, attacked: points of the region where derivatives are large."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, arb_mat  # pyright: ignore[reportMissingTypeStubs]

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.network_balls import BallNetwork
from certify.checker.neural_adversarial import Constant, adversarial_curvature, in_inputs
from certify.checker.neural_outputs import read_pass
from certify.checker.neural_recursion import Layers, bend
from certify.checker.reader import Reader
from certify.checker.rederive_adversarial import constant_bounds, is_constant
from certify.problem.network_contents import flat_weights, network_contents, shape_of
from certify.prove.neural.adversarial_proof import AdversarialProof
from certify.prove.neural.ball_bounds import ball_network, bound_in_file, scalars_in_file
from dgames.nn import MLP, Activation

KEYS = jax.random.split(jax.random.key(4), 12)


def balls_of(net: MLP) -> BallNetwork:
    return ball_network(network_contents(net, 1.0, None), flat_weights(net))


def layers_of(net: MLP, radii, radius) -> Layers:
    shape = shape_of(network_contents(net, 1.0, None))
    norms = [Fraction(float.fromhex(bound_in_file(x))) for x in balls_of(net).norms()]
    exact = [Fraction(r) for r in radii]
    return Layers(shape.scales, shape.biases, shape.activation, norms, exact, Fraction(radius))


def numbers_of(net: MLP) -> Constant:
    found = constant_bounds(balls_of(net))
    return Constant(*(Fraction(float.fromhex(bound_in_file(x))) for x in found))


def in_region(net, moved, radii, radius):
    """The point nearest to `net + moved`, about, of the balls of layers and of all weights."""
    parts = list(zip(moved.weights, moved.biases, strict=True))
    sizes = [jnp.sqrt(sum(jnp.sum(x**2) for x in part if x is not None)) for part in parts]
    shrunk = [jnp.minimum(1.0, r / size) for r, size in zip(radii, sizes, strict=True)]
    whole = jnp.sqrt(sum((s * size) ** 2 for s, size in zip(shrunk, sizes, strict=True)))
    shrunk = [s * jnp.minimum(1.0, radius / whole) for s in shrunk]
    weights, biases = [], []
    for (w, b), dw, db, s in zip(
        zip(net.weights, net.biases, strict=True), moved.weights, moved.biases, shrunk, strict=True
    ):
        weights.append(w + s * dw)
        biases.append(None if b is None else b + s * db)
    return MLP(tuple(weights), tuple(biases), net.scales, net.activation)


def normal_like(tree, key):
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    return structure.unflatten(
        [jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    )


def ascended(measures, place, like, keys, steps):
    """The largest value of each of several measures of `place(moved)` that ascent finds."""

    def run(pick, key):
        def step(moved, _):
            def picked(moved):
                return pick @ measures(place(moved))

            value, slope = jax.value_and_grad(picked)(moved)
            size = jnp.sqrt(sum(jnp.sum(x**2) for x in jax.tree.leaves(slope))) + 1e-30
            return jax.tree.map(lambda x, s: x + 0.3 * s / size, moved, slope), value

        _, values = jax.lax.scan(step, normal_like(like, key), length=steps)
        return jnp.max(values)

    count = len(jax.eval_shape(lambda: measures(place(like))))
    each = jax.vmap(jax.vmap(run, (None, 0)), (0, None))
    return np.asarray(jax.jit(each)(jnp.eye(count), keys).max(1))


def discriminator(width=8, activation="softplus", sharpness=1.0, frequency=0.5, scale=1.0):
    net = dg.nn.mlp(
        (2, width, 1),
        KEYS[0],
        activation=Activation(activation, sharpness),
        start="antisymmetric",
        first_scale=frequency,
        output_bias=True,
    )
    bias = jax.random.normal(KEYS[1], (width // 2,)) / 2
    biases = (jnp.concatenate([bias, bias]), jnp.array([0.3]))
    return MLP(net.weights, biases, (scale, net.scales[1]), net.activation)


CASES = [
    ((0.5, 0.5), 0.5, discriminator()),
    ((1.0, 0.3), 0.8, discriminator(6, "tanh", scale=0.6)),
    ((0.2, 1.5), 2.0, discriminator(4, "sin", frequency=1.0)),
    ((0.7, 0.7), 0.7, discriminator(6, "softplus", 3.0)),
]


@pytest.mark.thin(4)
@pytest.mark.parametrize(("radii", "radius", "net"), CASES, ids=["1", "2", "3", "4"])
def test_derivatives_in_inputs_are_bounded_where_ascent_looks_for_large_ones(radii, radius, net):
    center, reach = jnp.array([0.8, -0.4]), 0.3
    balls, layers = balls_of(net), layers_of(net, radii, radius)
    assert is_constant(balls)
    given = numbers_of(net)
    at = scalars_at(net, center)
    moved = Fraction(reach)
    found = in_inputs(layers, given, at, moved, bend(layers, at, moved))

    def place(free):
        weights, y, direction = free
        far = jnp.minimum(1.0, reach / jnp.sqrt(jnp.sum(y**2)))
        unit = direction / jnp.sqrt(jnp.sum(direction**2))
        return in_region(net, weights, radii, radius), center + far * y, unit

    def output(net, y):
        return net(y)[0]

    def measures(point):
        net, y, unit = point
        bent = jnp.abs(unit @ jax.hessian(output, 1)(net, y) @ unit)
        steep = jnp.sum(jax.grad(output, 1)(net, y) ** 2)
        slope = jax.grad(lambda net: jax.jvp(lambda y: output(net, y), (y,), (unit,))[1])(net)
        mixed = [
            jnp.sum(weight**2) + jnp.sum(bias**2)
            for weight, bias in zip(slope.weights, slope.biases, strict=True)
        ]
        return jnp.stack([bent, jnp.sqrt(steep), *(jnp.sqrt(x + 1e-30) for x in mixed)])

    keys = jax.random.split(KEYS[2], 12)
    largest = ascended(measures, place, (net, center, center), keys, steps=40)
    bounds = np.array([found.bend, found.slope, *found.mixed], float)
    assert (largest > 0).all() and (largest <= bounds).all()
    assert (bounds <= 8 * largest).all()  # sums of suprema, in a small network


def scalars_at(net, x):

    balls = balls_of(net)
    column = arb_mat(len(x), 1, [arb(float(value)) for value in x])
    file = scalars_in_file(balls.scalars(balls.run(column)))
    return read_pass(Reader(file), len(net.weights), 1)[0]


def test_the_curvature_of_a_constant_network_falls_with_the_width_and_the_radius():
    """By the recursion it would grow with the width, whatever the radius is."""
    center = jnp.array([0.8, -0.4])
    bends, plain = [], []
    for width, radius in ((16, 0.5), (256, 0.5), (256, 0.05)):
        net = discriminator(width, frequency=0.3)
        layers = layers_of(net, (radius, radius), radius)
        numbers = numbers_of(net)
        at = scalars_at(net, center)
        moved = Fraction(0)
        bends.append(in_inputs(layers, numbers, at, moved, bend(layers, at)).bend)
        plain.append(bend(layers, at).second[0][0])
    assert bends[1] < bends[0] and bends[2] < bends[1] / 8
    assert plain[1] > 1.5 * plain[0] and plain[2] > bends[2] * 20


def small_game(loss, residual, activation="softplus"):
    generator = dg.nn.mlp(
        (2, 4, 2), KEYS[3], activation=activation, first_scale=0.5, output_bias=True
    )
    x = 0.3 * jax.random.normal(KEYS[5], (3, 2)) + 0.5
    z = 0.5 * jax.random.normal(KEYS[6], (2, 2))
    return dg.Adversarial(loss, residual), (generator, discriminator(4)), (x, z)


@pytest.mark.full
@pytest.mark.parametrize(
    ("loss", "residual"),
    [("wasserstein", True), ("logistic", False)],
)
def test_second_derivatives_of_the_value_are_bounded_where_ascent_looks(loss, residual):
    value, nets, data = small_game(loss, residual)
    radii, radius = (0.6, 0.6), 0.7
    described = [network_contents(net, 1.0, None) for net in nets]
    proof = AdversarialProof(value, list(nets), described, data)
    proof.start([balls_of(net) for net in nets])
    game = {"value": proof.section, "networks": described, "data": {"samples": 3}}
    layers = [layers_of(net, radii, radius) for net in nets]
    evidence = Reader(proof.evidence(layers, (radius, radius)))
    found = adversarial_curvature(Reader(game), evidence, layers)

    def place(free):
        return tuple(
            in_region(net, moved, radii, radius) for net, moved in zip(nets, free, strict=True)
        )

    def largest(x):
        return jnp.linalg.eigvalsh(x)[-1]

    def measures(point):
        first, second = (dg.ravel(net) for net in point)

        def flat(both):
            parts = both[: first[0].size], both[first[0].size :]
            return value(first[1](parts[0]), second[1](parts[1]), data)

        every = jax.hessian(flat)(jnp.concatenate([first[0], second[0]]))
        size = first[0].size
        own, other, mixed = every[:size, :size], every[size:, size:], every[:size, size:]
        coupling = jnp.sqrt(largest(mixed.T @ mixed))
        ends = [largest(x) for x in (-own, other, own, -other)]
        return jnp.stack([*ends, coupling])

    keys = jax.random.split(KEYS[7], 4)
    seen = ascended(measures, place, nets, keys, steps=12)
    bounds = np.array([*found.own, *found.whole, found.coupling], float)
    assert (seen > 0).all() and (seen <= bounds).all()
    assert (bounds <= 40 * seen).all()


def test_units_that_nearly_cancel_do_not():
    net = discriminator(6)
    assert is_constant(balls_of(net))
    weights = np.array(net.weights[1])
    weights[0, 0] = np.nextafter(weights[0, 0], np.inf)
    near = MLP((net.weights[0], jnp.asarray(weights)), net.biases, net.scales, net.activation)
    assert not is_constant(balls_of(near))
    # Three units with the same inputs cancel as two do.
    three = MLP(
        (jnp.ones((3, 2)), jnp.array([[1.0, 2.0, -3.0]])),
        (jnp.ones(3), None),
        net.scales,
        net.activation,
    )
    assert is_constant(balls_of(three))
    apart = MLP(three.weights, (jnp.array([1.0, 1.0, 2.0]), None), net.scales, net.activation)
    assert not is_constant(balls_of(apart))


def test_bounds_on_units_are_those_of_a_grid_of_directions():
    net = discriminator(10)
    numbers = [float(x) for x in constant_bounds(balls_of(net))]
    angles = np.linspace(0, np.pi, 4001)
    rows, outputs = np.asarray(net.weights[0]), np.asarray(net.weights[1])[0]
    along = rows @ np.stack([np.cos(angles), np.sin(angles)])
    true = [
        np.linalg.norm(along**2, axis=0).max(),
        np.linalg.norm(outputs[:, None] * along**2, axis=0).max(),
        np.linalg.norm(outputs[:, None] * along, axis=0).max(),
        np.linalg.norm(rows, axis=1).max(),
        np.abs(outputs).max(),
    ]
    for bound, size in zip(numbers, true, strict=True):
        assert size * (1 - 1e-6) <= bound <= 1.3 * size
    assert numbers[2:] == pytest.approx(true[2:], rel=1e-6)


@pytest.fixture(scope="module")
def certified():
    start = (
        dg.nn.mlp((2, 16, 2), KEYS[8], start="antisymmetric", first_scale=0.3),
        dg.nn.mlp((2, 16, 1), KEYS[9], start="antisymmetric", first_scale=0.3),
    )
    x = 0.3 * jax.random.normal(KEYS[5], (6, 2)) + 0.5
    data = (x, 0.5 * jax.random.normal(KEYS[6], (5, 2)))
    game = dg.ZeroSumNetworks(dg.Adversarial("logistic", residual=True), start, (2.0, 2.0))
    run = dg.solve(game, dg.Extragradient(0.3), start, data, tol=1e-13)
    proof = certify.certify_networks(
        game, run.strategy, "contains_start", args=data, around="start"
    )
    return game, start, data, run.strategy, proof


def test_training_from_the_start_takes_at_most_the_proved_number_of_steps(certified):
    game, start, data, point, proof = certified
    assert proof.status == "proved" and proof.contains_start and proof.margin > 0.5
    steps = proof.training.steps
    method = dg.Extragradient(proof.training.step)
    run = dg.solve(game, method, start, data, tol=0.0, max_steps=steps)
    gap = jnp.linalg.norm(dg.ravel(jax.tree.map(jnp.subtract, run.strategy, point))[0])
    assert gap <= proof.training.accuracy


def test_files_are_checked_and_compared(certified, tmp_path):
    game, start, data, _, proof = certified
    path = proof.save(tmp_path / "gan.json")
    assert certify.check(path, level=2, game=game, args=data).ok
    for changed, words in (
        (dg.Adversarial("wasserstein", residual=True), "loss"),
        (dg.Adversarial("logistic"), "samples"),
        (dg.OutputValue(dg.neural.moment), "adversarial"),
    ):
        other = dg.ZeroSumNetworks(changed, start, (2.0, 2.0))
        assert words in certify.check(path, game=other, args=data).reasons[0]
    moved = certify.check(path, game=game, args=(data[0], 2 * data[1]))
    assert "data" in moved.reasons[0]


def edited(contents: Any, *path, by=1 - 2.0**-30) -> Any:
    """A copy with one number made less, by the path of keys."""
    key, *rest = path
    copy: Any = dict(contents) if isinstance(contents, dict) else list(contents)
    if rest:
        copy[key] = edited(copy[key], *rest, by=by)
    else:
        copy[key] = (float.fromhex(copy[key]) * by).hex()
    return copy


@pytest.mark.parametrize(
    "path",
    [
        *(("constant", name) for name in Constant._fields),
        ("generator", "inputs", 1, 0),
        ("data", "curvatures", 0, 1),
        ("samples", "adjoints", 0, 2),
        ("samples", "inputs", 0, 3),
    ],
)
def test_numbers_that_are_too_small_are_rejected_at_level_2(certified, path):
    contents = certified[-1].data
    file = dict(contents)
    file["evidence"] = edited(contents["evidence"], "value", *path)
    verdict = check_data(file, level=2)
    assert not verdict.ok and "level 2" in verdict.reasons[0]


def test_a_discriminator_that_is_not_constant_is_found_out(certified):
    """Around the trained point, with the numbers of the start: level 1 cannot know."""
    game, _, data, point, proof = certified
    plain = certify.certify_networks(game, point, 0.05, args=data)
    assert plain.data["evidence"]["value"]["constant"] is None
    contents = dict(plain.data)
    value = dict(contents["evidence"]["value"])
    value["constant"] = proof.data["evidence"]["value"]["constant"]
    contents["evidence"] = {**contents["evidence"], "value": value}
    verdict = check_data(contents, level=2)
    assert not verdict.ok and "constant at the centre" in verdict.reasons[0]


@pytest.mark.full
def test_nine_thousand_weights_have_a_margin_around_the_start():
    """All layers of 1,024 units are trained; the residual falls as proved, from the start."""
    start = (
        dg.nn.mlp((2, 1024, 2), KEYS[8], start="antisymmetric", first_scale=0.3),
        dg.nn.mlp((2, 1024, 1), KEYS[9], start="antisymmetric", first_scale=0.3),
    )
    x = 0.3 * jax.random.normal(KEYS[10], (64, 2)) + jnp.array([[0.6, 0.0]])
    data = (x, 0.5 * jax.random.normal(KEYS[11], (64, 2)))
    game = dg.ZeroSumNetworks(dg.Adversarial(residual=True), start, (0.7, 0.7))
    run = dg.solve(game, dg.Extragradient(0.5), start, data, tol=1e-12)
    proof = certify.certify_networks(game, run.strategy, 0.713, args=data, around="start")
    assert proof.weights == 9216 and proof.contains_start and proof.margin >= 0.25
    # The field at x is at most the Lipschitz constant times the distance of x from its zero.
    steps = proof.iterations(1e-10 / proof.lipschitz)
    method = dg.Extragradient(proof.training.step)
    run = dg.solve(game, method, start, data, tol=0.0, max_steps=steps)
    residual = jnp.linalg.norm(dg.ravel(dg.pseudo_gradient(game)(run.strategy, data))[0])
    assert residual <= 1e-10
