"""Certificates of small games of every kind: what is mutated."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg
from certify.checker.steps import STEP_RULES

FIRST_ORDER = (dg.Simultaneous, dg.Extragradient)


class Specimen(NamedTuple):
    """How one certificate of the corpus is made.

    Attributes:
        game: The game.
        region: Where.
        methods: Classes of methods with steps to be proved.
        options: Further options of `certify.certify`.
        step: For a contraction file: the method whose step contracts.
        graph: Whether the file is to keep the graph of the costs.
    """

    game: dg.Game
    region: certify.Box | certify.Ball
    methods: Sequence[type[dg.AbstractMethod]] = FIRST_ORDER
    options: dict[str, Any] = {}  # noqa: RUF012
    step: dg.AbstractMethod | None = None
    graph: bool = True


def certificate(specimen: Specimen) -> dict[str, Any]:
    """The contents of its file, with the graph.

    Raises:
        RuntimeError: If nothing was proved: the corpus has to consist of proofs.
    """
    if specimen.step is not None:
        found = certify.contraction(specimen.game, specimen.step, specimen.region)
    else:
        found = certify.certify(
            specimen.game, specimen.region, specimen.methods, **specimen.options
        )
    if found.status != "proved":
        raise RuntimeError(f"a certificate of the corpus is {found.status}: {found.reasons}")
    data = dict(found.data)
    if specimen.step is None and "graph" not in data["game"]:
        raise RuntimeError("a certificate of the corpus has no graph")
    return data


def uncovered(files: Iterable[dict[str, Any]]) -> set[str]:
    """The kinds of claims and evidence of which no certificate has any, such as rules of steps.

    All specimens have cells; files with terms are mutated in their own tests.
    """
    files = list(files)
    games = [file for file in files if "region" in file]
    nodes = [node for file in files for node in file["evidence"]["cells"]]
    wanted = {"/".join(rule) for rule in STEP_RULES if "terms" not in rule} | {
        *("weights", "metric", "box", "ball", "zero_sum", "promoted", "contraction", "start"),
        *("set euclidean", "set box", "set ball", "set simplex"),
        *("split", "outside", "margin_modes", "generators", "no generators"),
    }
    found = {f"{s['method']}/{s['theorem']}" for file in games for s in file["claims"]["steps"]}
    found |= {key for file in files for key in file["claims"]} | {
        file["region"]["kind"] for file in games
    }
    found |= {f"set {own['kind']}" for file in games for own in file["game"].get("sets", [])}
    found |= {key for node in nodes for key in node} | {key for file in files for key in file}
    found |= {"zero_sum" for file in games if file["game"].get("zero_sum")}
    found |= {"no generators" for node in nodes if node.get("generators") == []}
    found |= {"contraction"} if len(games) < len(files) else set()
    return wanted - found


# Costs ------------------------------------------------------------------------------------------


def _linear(x: Any, args: Any = None) -> Any:
    fast, slow = x["fast"], x["slow"]
    return {
        "fast": 0.5 * fast**2 + 10.0 * fast * slow - 0.3 * fast,
        "slow": 0.5 * slow**2 + 0.05 * fast * slow - 0.7 * slow,
    }


def _duopoly(x: Any, args: Any = None) -> Any:
    price = 10.0 - (x["a"] + x["b"])
    return {"a": -x["a"] * price + x["a"] ** 2, "b": -x["b"] * price + 0.5 * x["b"] ** 2}


def _oligopoly(x: Any, args: Any = None) -> Any:
    """Prices fall like a power of the total, marginal costs rise like another."""
    price = 5.0 * sum(x) ** (-0.8)
    return tuple(-q * price + c * q + q**1.5 / 3.0 for q, c in zip(x, (0.4, 0.5, 0.6), strict=True))


def _waves(x: Any, args: Any = None) -> Any:
    a, b = x
    return (
        a**2 + 0.1 * jnp.cos(3 * a) + 0.2 * a * jnp.sin(2 * b),
        b**2 + 0.1 * jnp.cos(3 * b) + 0.3 * b * jnp.tanh(a),
    )


def _softmax(x: Any, args: Any = None) -> Any:
    """A logit of two mixed strategies each, with a quadratic price on it."""
    p, q = (jax.nn.softmax(jnp.stack([own, jnp.zeros(())])) for own in x)
    payoff = p @ jnp.array([[0.0, 1.0], [1.0, -1.0]]) @ q
    return (payoff + 0.5 * x[0] ** 2, -payoff + 0.5 * x[1] ** 2)


def _logarithms(x: Any, args: Any = None) -> Any:
    """Bids with logarithmic barriers."""
    a, b, c = x
    return (
        a**2 - 0.5 * jnp.log(a) + 0.1 * a * b,
        b**2 - 0.5 * jnp.log(b) - 0.1 * b * c,
        c**2 - 0.5 * jnp.log(c) + 0.1 * c * jnp.exp(-a),
    )


def _shear(x: Any, args: Any = None) -> Any:
    """Only a full matrix certifies it."""
    a, b, c = x
    return (
        0.5 * a**2 + 2 * a * (c - jnp.sin(b)) - 0.1 * a,
        0.5 * b**2 - 2 * a * b,
        0.5 * c**2 - 2 * c * jnp.tanh(a),
    )


def _vectors(x: Any, args: Any = None) -> Any:
    """Two players of two coordinates each, with curved couplings."""
    a, b = x
    return (
        a @ jnp.array([[2.0, 0.5], [0.5, 1.0]]) @ a / 2 + a[0] * b[1] + 0.2 * a[1] * jnp.sin(b[0]),
        b @ b - b[1] * a[0] + 0.1 * b[0] * a[1] ** 2 - 0.3 * b[0],
    )


def _uneven(x: Any, args: Any = None) -> Any:
    """One coordinate against three."""
    a, b = x
    return (
        a**2 + 0.3 * a * jnp.sum(b) - a,
        0.5 * jnp.sum(b**2) + 0.1 * jnp.sum(b) ** 2 + 0.2 * a * b[1] + 0.05 * jnp.sum(b**3),
    )


def _three(x: Any, args: Any = None) -> Any:
    a, b, c = x
    return (
        a**2 + 0.3 * a * b - 0.4 * a * c - a,
        b**2 + 0.5 * b * c - 0.2 * a * b + 0.5 * b,
        c**2 + 0.4 * a * c - 0.5 * b * c,
    )


def _low(x: Any, args: Any = None) -> Any:
    a, b = x
    half = jnp.float32(0.3)
    return (a * a + half * a * b - jnp.tanh(a), b * b - half * a * b + jnp.sin(b) * half)


def _quantities(x: Any, args: Any = None) -> Any:
    """The second firm would like to sell less than nothing."""
    total = x[0] + x[1]
    return (x[0] * (total - 5.0), x[1] * (total - 2.0))


def _probabilities(x: Any, args: Any = None) -> Any:
    """Regularised; the second action of the first player is dominated."""
    payoff = x[0] @ jnp.array([[0.0, 1.0], [1.0, -0.5]]) @ x[1]
    return (
        payoff + 0.5 * jnp.sum(x[0] ** 2) + 2 * x[0][1],
        0.5 * jnp.sum(x[1] ** 2) - payoff + 0.1 * jnp.sin(x[1][0]),
    )


def _directions(x: Any, args: Any = None) -> Any:
    """The first player would like to be outside of the disc."""
    drawn = jnp.sum((x[0] - jnp.array([3.0, 4.0])) ** 2) + x[0] @ x[1]
    return (drawn, jnp.sum(x[1] ** 2) - x[0] @ x[1])


def _saddle(x: Any, args: Any = None) -> Any:
    return x[0] ** 2 + x[0] * x[1] - x[1] ** 2 + 0.1 * jnp.sin(x[0])


def _bilinear(x: Any, args: Any = None) -> Any:
    a, b = x["x"], x["y"]
    coupling = a @ jnp.array([[1.0, -2.0], [0.5, 1.0]]) @ b
    return 0.3 * a @ a + coupling - 0.2 * b @ b + 0.1 * a[0] - 0.2 * b[1]


def _attention(x: Any, args: Any = None) -> Any:
    """Sums of curved terms, for affine arithmetic."""
    a, b = x
    return (
        0.6 * a @ a + 0.3 * jnp.tanh(a[0] + b[0]) * a[1] + 0.2 * jnp.sin(a @ b),
        0.7 * b @ b - 0.3 * jnp.tanh(a[0] - b[1]) * b[0],
    )


# Specimens --------------------------------------------------------------------------------------

_AROUND = certify.Box.around


def _random_quadratic(seed: int) -> Specimen:
    """A strongly monotone quadratic game of three players with random couplings."""
    rng = np.random.default_rng(seed)
    couplings = np.round(rng.normal(size=(3, 3)) * 0.4, 2)
    linear = np.round(rng.normal(size=3), 2)

    def costs(x: Any, args: Any = None) -> Any:
        def cost(i: int) -> Any:
            others = sum(couplings[i, j] * x[j] for j in range(3) if j != i)
            return x[i] ** 2 + x[i] * others + linear[i] * x[i]

        return tuple(cost(i) for i in range(3))

    jacobian = couplings - np.diag(np.diag(couplings)) + 2 * np.eye(3)
    zero = tuple(map(float, -np.linalg.solve(jacobian, linear)))
    return Specimen(dg.game(costs), _AROUND(zero, 0.75), (dg.Alternating, dg.Optimistic))


def _low_precision() -> Specimen:
    lower, upper = ((jnp.float32(s),) * 2 for s in (-0.4, 0.6))
    return Specimen(dg.game(_low), certify.Box(lower, upper))


def _simplices(game: Callable, size: int) -> Specimen:
    region = certify.Box((jnp.zeros(size),) * 2, (jnp.ones(size),) * 2)
    return Specimen(dg.game(game, dg.Simplex()), region)


def _disc() -> Specimen:
    ends = [(s * jnp.ones(2), 2 * s * jnp.ones(2)) for s in (-1.0, 1.0)]
    sets = (dg.Ball(0.0, 1.0), dg.Euclidean())
    return Specimen(dg.game(_directions, sets), certify.Box(*ends))


def _step(method: dg.AbstractMethod, radius: float = 0.4) -> Specimen:
    return Specimen(dg.game(_waves), _AROUND((0.0, 0.0), radius), step=method)


_ORIGIN = (jnp.zeros(2), jnp.zeros(2))

SPECIMENS: dict[str, Callable[[], Specimen]] = {
    "linear": lambda: Specimen(dg.game(_linear), _AROUND({"fast": -13.4, "slow": 1.37}, 1.0)),
    "duopoly": lambda: Specimen(
        dg.game(_duopoly), _AROUND({"a": 20 / 11, "b": 30 / 11}, 1.5), (*FIRST_ORDER, dg.Heun)
    ),
    "duopoly without graph": lambda: Specimen(
        dg.game(_duopoly), _AROUND({"a": 20 / 11, "b": 30 / 11}, 1.5), graph=False
    ),
    "oligopoly": lambda: Specimen(dg.game(_oligopoly), _AROUND((1.7, 1.5, 1.3), 0.3)),
    "waves": lambda: Specimen(
        dg.game(_waves), _AROUND((0.0, 0.0), 0.6), (*FIRST_ORDER, dg.Alternating)
    ),
    "waves in a ball": lambda: Specimen(dg.game(_waves), certify.Ball((0.0, 0.0), 0.7)),
    "waves without graph": lambda: Specimen(dg.game(_waves), _AROUND((0.0, 0.0), 0.6), graph=False),
    "softmax": lambda: Specimen(dg.game(_softmax), _AROUND((0.0, 0.0), 0.3)),
    "logarithms": lambda: Specimen(
        dg.game(_logarithms), _AROUND((0.5, 0.5, 0.5), 0.1), (*FIRST_ORDER, dg.Optimistic)
    ),
    "shear": lambda: Specimen(
        dg.game(_shear), _AROUND((0.1, 0.2, 0.2), 0.06), (*FIRST_ORDER, dg.Momentum, dg.Heun)
    ),
    "shear in a ball": lambda: Specimen(
        dg.game(_shear), certify.Ball((0.1, 0.2, 0.2), 0.06), FIRST_ORDER
    ),
    "vectors": lambda: Specimen(
        dg.game(_vectors), _AROUND(_ORIGIN, 0.3), (dg.Alternating, dg.SSPRK3)
    ),
    "vectors, block metric": lambda: Specimen(
        dg.game(_vectors), _AROUND(_ORIGIN, 0.3), options={"metric": "block"}
    ),
    "uneven": lambda: Specimen(
        dg.game(_uneven),
        _AROUND((0.5, jnp.zeros(3)), 0.2),
        options={"weights": {"0": 1.0, "1": 1.5}},
    ),
    "three in a ball": lambda: Specimen(
        dg.game(_three), certify.Ball((0.5, -0.2, 0.0), 0.7), (*FIRST_ORDER, dg.RungeKutta4)
    ),
    "random quadratic": lambda: _random_quadratic(7),
    "float32": _low_precision,
    "box set": lambda: Specimen(
        dg.game(_quantities, dg.Box(0.0, jnp.inf)),
        certify.Box((0.0, 0.0), (4.0, 4.0)),
        (*FIRST_ORDER, dg.Alternating),
    ),
    "simplices": partial(_simplices, _probabilities, 2),
    "disc": _disc,
    "zero-sum": lambda: Specimen(
        dg.zero_sum(_saddle), _AROUND((0.0, 0.0), 0.5), (*FIRST_ORDER, dg.Optimistic)
    ),
    "zero-sum vectors": lambda: Specimen(
        dg.zero_sum(_bilinear),
        _AROUND({"x": jnp.zeros(2), "y": jnp.zeros(2)}, 1.0),
        (*FIRST_ORDER, dg.ComplexMomentum),
    ),
    "zero-sum in boxes": lambda: Specimen(
        dg.zero_sum(_saddle, dg.Box(0.1, 1.0)), _AROUND((0.3, 0.3), 0.4)
    ),
    "affine arithmetic": lambda: Specimen(
        dg.game(_attention), _AROUND(_ORIGIN, 0.1), options={"form": "arithmetic"}, graph=False
    ),
    "interval matrices": lambda: Specimen(
        dg.game(_waves), _AROUND((0.0, 0.0), 0.1), options={"form": "interval"}
    ),
    "step of simultaneous": lambda: _step(dg.Simultaneous(0.3)),
    "step of optimistic": lambda: _step(dg.Optimistic(0.1), 0.2),
    "step of momentum": lambda: _step(dg.Momentum(0.2, momentum=-0.2), 0.2),
}
