"""The argument of a neural file: a zero-sum game of networks has one equilibrium near a start.

The setting: a value V(x, y) of the weights of networks, which the first player minimises and the
second one maximises, with weight decay `decay_i / 2 |x_i - start_i|^2` (start_i is zero where the
file has none), so that

    F(x, y) = (grad_x V + decay_1 (x - start_1),  -grad_y V + decay_2 (y - start_2)).

The region D is, for each network, a product of balls of layers around a centre c, intersected with
a ball of all its weights. It is convex. Given are bounds at the centre (`neural_recursion`), and
those of the value; a module for each kind of value (`VALUES`) concludes that on D

    D_x^2 V >= -own_1,   D_y^2 (-V) >= -own_2,
    ||D_x^2 V|| <= whole_1,   ||D_y^2 V|| <= whole_2,   ||D_x D_y V|| <= coupling.

**Theorem A.** With `margin <= decay_i - own_i` and `margin > 0`, F is strongly monotone on D with
that margin, in the Euclidean norm, whatever the coupling is. *Proof.* V with its decay is
strongly convex in x and strongly concave in y, with moduli of at least the margin. Take the four
inequalities that say so: they bound the value at (x', y) from below by what it is at z = (x, y) and
from above by what it is at z' = (x', y'), and the value at (x, y') likewise from z' and from z. In
their sum all values cancel, and `<F(z) - F(z'), z - z'> >= margin |z - z'|^2` is left. ∎

The derivative of F has blocks of norms at most `decay_i + whole_i` and `coupling`, so that the norm
of this matrix of two rows bounds the Lipschitz constant of F on D.

The point e of the file need not be an equilibrium: its residual is `|F(e)|`, and if the ball of
radius r around it is in D, with `|F(e)| <= margin r`, then there is exactly one zero x* of F in D,
and it is in that ball; it is a Nash equilibrium of the game restricted to D. The basin and the
steps are those of `equilibrium.py` and `steps.py`, whose proofs use the margin, the Lipschitz
constant, r and which balls around e are in D, and nothing else. The ball of radius s is in D if

    |e_k - c_k| + s <= r_k for all layers,   and   |e_i - c_i| + s <= R_i for all networks.

A file may say of a start (initial weights, perhaps) that it is within `distance` of e, which is at
most the basin of a method, and that with its best step the method is within `accuracy` of x* after
so many steps: `constant rate^steps (distance + r) <= accuracy`.

Level 1 takes as given: the norms of layers and the scalars of the centre (`neural_recursion`), what
the module of the value says, the distances `|e_k - c_k|` and `|start - e|`, and the residuals.
Level 2 derives them again from the weights and the data, which the file has if they are not too
many; what they are is in any case said by their SHA-256.

To add a kind of value, write a module with a function `(game, evidence, networks) -> Curvature` and
list it in `VALUES`; its counterpart for level 2 is listed in `rederive_neural.VALUES`. `game` is
the section of the file, of which `value` is the module's own; `evidence` is `evidence.value`, whose
fields the module defines and reads, all of them; `networks` are the networks with the region in
them (`Layers`), for `read_pass` and `bend`. A value with other players than two networks also needs
its own margin: `constants` and `check_place` are what to look at. (One has it: where the second
player weighs the data, everything but the region is in `neural_robust`. Where the second player
moves the inputs, `neural_perturbed`, a vector takes the place of a network: it is named by digests
as weights are, its region is one ball, and its price is its decay.)
"""

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from .cells import Progress
from .graph import game_hash
from .neural_activations import Activation, read_activation
from .neural_adversarial import adversarial_curvature
from .neural_outputs import outputs_curvature
from .neural_perturbed import Moves, PerturbedBounds, check_limit, perturbed_bounds
from .neural_recursion import Curvature, Layers, above, norm_above, power_above, root_above
from .neural_robust import RobustBounds, check_robust, robust_bounds
from .reader import Reader, Unusable
from .steps import check_steps
from .verdict import require, require_all

MAX_LAYERS = 16
# The most layers cubed times samples: exact arithmetic on them takes a few minutes.
MAX_LEVEL_1 = 2**22
# The most products of balls at level 2, some two minutes, and how many of them the derivatives and
# scalars of one unit at one sample are worth.
MAX_LEVEL_2, UNIT_PRODUCTS = 3 * 2**33, 2**11

# The theorems on steps that need nothing but the margin and the Lipschitz constant.
THEOREMS = {"lipschitz", "monotonicity", "performance"}

# For each kind of value: how many networks it has, and the function that bounds its derivatives.
Rule = Callable[[Reader, Reader, list[Layers]], Curvature | RobustBounds | PerturbedBounds]
VALUES: dict[str, tuple[int, Rule]] = {
    "outputs": (2, outputs_curvature),
    "adversarial": (2, adversarial_curvature),
    "robust": (1, robust_bounds),
    "perturbed": (1, perturbed_bounds),
}
# The kinds in which the second player's strategy is a vector for each input, of its size.
MOVED = {"perturbed"}


def digest_of(numbers: list[str]) -> str:
    """Returns the SHA-256 of a list of numbers as they stand in a file."""
    return hashlib.sha256(json.dumps(numbers, separators=(",", ":")).encode()).hexdigest()


class NetworkShape(NamedTuple):
    """A network as the section `game` describes it.

    Attributes:
        sizes: The numbers of inputs, of units of each hidden layer, and of outputs.
        scales: The numbers c_k.
        biases: Whether layers have biases.
        activation: The activation function.
        decay: The number decay_i.
        start: The digest of the weights to which it decays; None for zero.
    """

    sizes: list[int]
    scales: list[Fraction]
    biases: list[bool]
    activation: Activation
    decay: Fraction
    start: str | None

    @property
    def weights(self) -> int:
        """How many weights and biases there are."""
        pairs = zip(pairwise(self.sizes), self.biases, strict=True)
        return sum(after * (before + bias) for (before, after), bias in pairs)


def squarings(size: int) -> int:
    """Returns how often a Gram matrix of that size is squared for a bound on a norm.

    After s squarings the bound is too large by a factor of at most `size^(1 / 2^(s + 2))`.
    """
    return 30 if size <= 16 else 16 if size <= 128 else 9 if size <= 512 else 7


def level_2_work(shapes: list[NetworkShape], samples: int) -> int:
    """Returns about how many products of balls level 2 takes.

    Both at the centre and at the point e, networks are run forwards and backwards on all samples;
    and the Gram matrices of layers are squared.
    """
    total = 0
    for shape in shapes:
        pairs = list(pairwise(shape.sizes))
        total += 4 * samples * sum(before * after for before, after in pairs)
        total += 2 * samples * sum(shape.sizes[1:-1]) * UNIT_PRODUCTS
        for before, after in pairs:
            small, large = sorted((before, after))
            total += small**2 * (large + small * squarings(small))
    return total


def read_network(file: Reader) -> NetworkShape:
    """Reads the description of a network."""
    sizes, scales, biases, activation, decay, start = file.fields(
        "sizes", "scales", "biases", "activation", "decay", "start"
    )
    listed = sizes.items()
    if not 2 <= len(listed) <= MAX_LAYERS + 1:
        sizes.fail(f"from 2 to {MAX_LAYERS + 1} sizes")
    count = len(listed) - 1
    units = [size.integer_within(1, 2**24) for size in listed]
    function = read_activation(activation)
    if function.name == "groupsort" and any(size % 2 for size in units[1:-1]):
        sizes.fail("hidden layers of even size, as groupsort sorts pairs")
    factors = scales.numbers(count)
    if min(factors) <= 0:
        scales.fail("positive numbers")
    if decay.number() < 0:
        decay.fail("a number that is not negative")
    return NetworkShape(
        units,
        factors,
        [bias.boolean() for bias in biases.items(count)],
        function,
        decay.number(),
        None if start.value is None else read_digest(start),
    )


def read_digest(file: Reader) -> str:
    """Reads a SHA-256."""
    text = file.text()
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        file.fail("a SHA-256 of 64 hexadecimal digits")
    return text


class NeuralClaims:
    """The claims of a neural file, and the attributes on which the rules of steps rest.

    Attributes:
        networks: The networks with the region.
        distances: For each network, `|e_k - c_k|` of each layer.
        residual: `|F_i(e)|` for each network.
        centre: The digests of the centre's weights, by network; then that of the vector xi of a
            second player who moves inputs.
        point: Those of e.
        start: Those of the start, or None.
        moves: What is said of this vector, or None.
        decays: The decay of each player.
    """

    def __init__(self, file: Reader) -> None:
        game, claims, evidence = file["game"], file["claims"], file["evidence"]
        kind = game["value"]["kind"]
        if kind.text() not in VALUES:
            kind.fail(f"one of the values {', '.join(VALUES)}")
        count, self._bounds = VALUES[kind.text()]
        players = count + (kind.text() in MOVED)
        name, _, networks, data, stated = game.fields("name", "value", "networks", "data", "hash")
        name.text()
        require(stated.text() == game_hash(game.value), "the hash is that of the game")
        self.shapes = [read_network(entry) for entry in networks.items(count)]
        samples, digest = data.fields("samples", "digest")
        self.samples, self.data = samples.integer_within(1, 2**20), read_digest(digest)
        work = sum((len(shape.sizes) + 1) ** 3 for shape in self.shapes) * self.samples
        if work > MAX_LEVEL_1:
            raise Unusable("checking it would take too much work: too many samples and layers")
        further = ["start"] if "start" in claims else []
        region, margin, lipschitz, equilibrium, basin, steps, *rest = claims.fields(
            "region", "margin", "lipschitz", "equilibrium", "basin", "steps", *further
        )
        self.margin, self.lipschitz = margin.number(), lipschitz.number()
        self.radius, self.basin = equilibrium["radius"].number(), basin.fields("radius")[0].number()
        require(self.margin > 0, "the margin is positive")
        require(self.radius > 0, "the equilibrium ball has a positive radius")
        require(self.basin > 0, "the basin has a positive radius")
        centre, radii, whole = region.fields("centre", "radii", "radius")
        point, _ = equilibrium.fields("point", "radius")
        self.centre, self.point = (
            [read_digest(entry) for entry in entries.items(players)] for entries in (centre, point)
        )
        sizes = whole.numbers(players)
        entries = evidence["networks"].items(count)
        listed = zip(self.shapes, radii.items(count), sizes[:count], entries, strict=True)
        self.networks, self.distances, self.residual = [], [], []
        for shape, each, together, entry in listed:
            layers = len(shape.scales)
            norms, distances, residual = entry.fields("norms", "distances", "residual")
            numbers = norms.numbers(layers), distances.numbers(layers), each.numbers(layers)
            lowest = min(*(x for row in numbers for x in row), together, residual.number())
            require(lowest >= 0, "norms, distances, radii and residuals are not negative")
            self.networks.append(
                Layers(
                    shape.scales, shape.biases, shape.activation, numbers[0], numbers[2], together
                )
            )
            self.distances.append(numbers[1])
            self.residual.append(residual.number())
        self.start = self.training = None
        if rest:
            names = ("point", "distance", "method", "accuracy", "steps")
            begin, *self.training = rest[0].fields(*names)
            self.start = [read_digest(entry) for entry in begin.items(players)]
        self.steps = steps.items()
        theorems = {"mixed"} if kind.text() == "robust" else THEOREMS
        for step in self.steps:
            if step["theorem"].text() not in theorems:
                step["theorem"].fail(f"one of {', '.join(sorted(theorems))}")
        bounds = self._bounds(game, evidence["value"], self.networks)
        self.moves: Moves | None = None
        self.decays = [shape.decay for shape in self.shapes]
        if isinstance(bounds, PerturbedBounds):
            bounds, self.moves = bounds
            require(sizes[1] == self.moves.radius, "the radius of moves is that of the region")
            self.residual.append(self.moves.residual)
            self.decays.append(self.moves.penalty)
            self.sets = () if self.moves.limit is None else (self.moves.limit,)
        self.curvature: Curvature | RobustBounds = bounds

    # What the rules of steps look at: there are no sets (but limits on how far inputs are moved),
    # no constraints, no bounds on blocks.
    sets: tuple[Any, ...] = ()
    shared = None
    cocoercivity = None
    is_gradient, has_gain = True, False

    def reaches(self, radius: Fraction) -> bool:
        """Says whether all points within that radius of e are in the region."""
        if self.moves is not None and self.moves.distance + radius > self.moves.radius:
            return False
        return all(
            x + radius <= r
            for network, distances in zip(self.networks, self.distances, strict=True)
            for x, r in (
                *zip(distances, network.radii, strict=True),
                (root_above(sum((x * x for x in distances), Fraction(0))), network.radius),
            )
        )


def check_neural(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies a neural file; see the top of this module.

    Args:
        file: The contents of the file.
        level: 1 or 2.
        progress: Not used.

    Returns:
        What was re-derived from weights and data, at level 2; nothing at level 1.

    Raises:
        Rejected: If a claim does not follow.
        Unusable: If the file cannot be read, or level 2 has no weights.
    """
    sections = ["format", "version", "kind", "game", "claims", "trusted", "provenance", "evidence"]
    file.fields(*sections, *(key for key in ("promoted", "digest") if key in file))
    stored = [key for key in ("weights", "data") if key in file["evidence"]]
    file["evidence"].fields("networks", "value", *stored)
    claims = NeuralClaims(file)
    if stored:
        check_stored(file["evidence"], claims)
    bounds = claims.curvature
    if isinstance(bounds, RobustBounds):
        check_robust(claims, bounds)
    else:
        require_all(
            lambda: check_constants(claims, bounds),
            lambda: check_place(claims),
            lambda: check_steps(claims),  # pyright: ignore[reportArgumentType]
            lambda: check_training(claims),
        )
    if level == 1:
        return ()
    if not stored:
        raise Unusable(
            "the file has no weights and data, which are too many for level 2: its claims can be "
            "checked given its bounds (level 1)"
        )
    if level_2_work(claims.shapes, claims.samples) > MAX_LEVEL_2:
        raise Unusable("deriving its bounds again would take too much work (level 2)")
    try:
        from .rederive_neural import rederive_neural
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    return rederive_neural(file, claims)


def check_stored(evidence: Reader, claims: NeuralClaims) -> None:
    """Verifies that weights and data in the file are those whose SHA-256 it states, and no others.

    Raises:
        Unusable: If one of them is missing.
        Rejected: If they are others.
    """
    needed: dict[str, int] = {}
    for k in range(len(claims.centre)):
        named = [claims.centre[k], claims.point[k]]
        named += [] if claims.start is None else [claims.start[k]]
        if k < len(claims.shapes):
            named += [claims.shapes[k].start]
            size = claims.shapes[k].weights
        else:
            size = claims.samples * claims.shapes[0].sizes[0]
        needed |= {digest: size for digest in named if digest is not None}
    vectors = evidence["weights"].fields(*needed)
    for vector, (digest, size) in zip(vectors, needed.items(), strict=True):
        vector.numbers(size)
        require(digest_of(vector.value) == digest, "weights are those of their hash")
    data = evidence["data"]
    count = len(data.value) if isinstance(data.value, list) else 0
    data.numbers(count)
    require(digest_of(data.value) == claims.data, "the data are those of the hash")


def constants(decays: list[Fraction], bounds: Curvature) -> tuple[Fraction, Fraction]:
    """Returns the largest margin and the least Lipschitz constant that follow from bounds."""
    margin = min(decay - own for decay, own in zip(decays, bounds.own, strict=True))
    one, two = (above(decay + size) for decay, size in zip(decays, bounds.whole, strict=True))
    return margin, norm_above([[one, bounds.coupling], [bounds.coupling, two]])


def check_constants(claims: NeuralClaims, bounds: Curvature) -> None:
    """Verifies the margin and the Lipschitz constant."""
    margin, lipschitz = constants(claims.decays, bounds)
    require(claims.margin <= margin, "the margin is what decay leaves of the curvature")
    require(claims.lipschitz >= lipschitz, "the Lipschitz constant holds")
    require(claims.lipschitz >= claims.margin, "the Lipschitz constant is at least the margin")


def check_place(claims: NeuralClaims) -> None:
    """Verifies that the equilibrium is in its ball, and the basin in the region."""
    square = sum((x * x for x in claims.residual), Fraction(0))
    require(
        square <= (claims.margin * claims.radius) ** 2, "the residual is at most margin * radius"
    )
    require(claims.reaches(claims.radius), "the equilibrium ball is inside the region")
    require(claims.reaches(claims.basin + 2 * claims.radius), "the basin is inside the region")
    if claims.moves is not None:
        check_limit(claims.moves, claims.radius)


def check_training(claims: NeuralClaims) -> None:
    """Verifies what is said of the start, if anything."""
    if claims.training is None:
        return
    distance, method, accuracy, count = claims.training
    steps = count.integer_within(0, 2**60)
    away, goal = distance.number(), accuracy.number()
    require(away >= 0 and goal > 0, "the distance is not negative, and the accuracy is positive")
    named = [step for step in claims.steps if step["method"].text() == method.text()]
    if not named:
        method.fail("a method with steps")
    (step,) = named
    basin = step["basin"].number() if "basin" in step else claims.basin
    constant = step["constant"].number() if "constant" in step else Fraction(1)
    require(away <= basin, f"{method.text()}: the start is in the basin")
    left = constant * power_above(step["rate"].number(), steps) * (away + claims.radius)
    require(left <= goal, f"{method.text()}: so many steps are enough")
