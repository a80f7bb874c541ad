"""From cooperative to adversarial games: one setting of each method for the whole range.

Two families of quadratic games, `t` from 0 to 1:

- of the paper (Lorraine et al., arXiv:2102.08431), `min_x max_y x'(tA)y + (1 - t)(x'Bx - y'Hy)`: at
  `t = 0` each player minimises alone, at `t = 1` the game is bilinear;
- with a shared cost, `f_1 = (1 - t) U + t x'Ay` and `f_2 = (1 - t) U - t x'Ay` with a convex
  quadratic `U(x, y)` that also couples the players: at `t = 0` they are purely cooperative, both
  paying `U`.

Methods are compared at equal evaluations of the pseudo-gradient, as what it takes to come a million
times closer: with the best parameters for each `t`, and with one setting for all `t`, the one whose
worst `t` is least bad (of those at which the method can converge). Rates are those of the worst of
several random games. Beside them stands what is proved of the same games: by constants of the game,
and of the very steps by the direct route.

What comes out: tuned for each `t`, complex momentum is hardly ahead of real momentum, and behind
extragradient and optimistic steps where the game is nearly bilinear. With one setting for all, its
worst case is the least bad, but with spread 2 most games in between are solved faster by others.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from experiments.momentum import spectra
from experiments.momentum.counting import complex_momentum, evaluations
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

GAIN = 1e-6


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        families: The families of games, of which there are two.
        seed: The seed of games, of the starts of searches, and of the starts of runs.
        size: Coordinates of each player.
        games: How many games stand behind each rate.
        spreads: Largest over smallest eigenvalue (of B, H, U) and singular value (of A).
        points: Number of values of `t`.
        guesses: Random parameters that each search looks at first.
        searches: How many of them it improves.
        budget: Runs stop after that many steps.
        proofs: The points at which games with the first spread are certified.
    """

    families: tuple[str, ...] = ("paper", "shared cost")
    seed: int = 0
    size: int = 4
    games: int = 5
    spreads: tuple[int, ...] = (2, 4)
    points: int = 11
    guesses: int = 4000
    searches: int = 3
    budget: int = 50_000
    proofs: tuple[int, ...] = tuple(range(11))


Rate = Callable[..., np.ndarray]


def _complex_rate(nu: np.ndarray, step: Any, modulus: Any, angle: Any) -> np.ndarray:
    return spectra.complex_momentum(step, spectra.polar(modulus, angle), nu)


# Name: rate for eigenvalues and parameters, method, number of parameters, evaluations per step.
METHODS: dict[str, tuple[Rate, Callable[..., dg.AbstractMethod], int, int]] = {
    "gradient": (lambda nu, h: spectra.gradient(h, nu), dg.Simultaneous, 1, 1),
    # Searches start at negative momenta, but may leave them.
    "real momentum": (
        lambda nu, h, b: spectra.momentum(h, -b, nu),
        lambda h, b: dg.Momentum(h, -b),
        2,
        1,
    ),
    "extragradient": (lambda nu, h: spectra.extragradient(h, nu), dg.Extragradient, 1, 2),
    "optimistic": (lambda nu, h: spectra.optimistic(h, nu), dg.Optimistic, 1, 1),
    "complex momentum": (_complex_rate, complex_momentum, 3, 1),
}


def jacobian(family: str, t: float, spread: int, size: int, seed: int) -> np.ndarray:
    """Returns the Jacobian of one game, player after player."""
    generator = np.random.default_rng(seed)
    values = np.geomspace(1 / spread, 1, size)

    def rotation(n: int) -> np.ndarray:
        return np.linalg.qr(generator.standard_normal((n, n)))[0]

    coupling = rotation(size) @ np.diag(values) @ rotation(size).T
    nothing = np.zeros((size, size))
    skew = np.block([[nothing, coupling], [-coupling.T, nothing]])
    if family == "paper":
        own = [(r := rotation(size)) @ np.diag(2 * values) @ r.T for _ in range(2)]
        curved = np.block([[own[0], nothing], [nothing, own[1]]])
    else:
        r = rotation(2 * size)
        curved = r @ np.diag(np.geomspace(2 / spread, 2, 2 * size)) @ r.T
    return (1 - t) * curved + t * skew


def game(matrix: np.ndarray) -> dg.games.Quadratic:
    """Returns the game of two players that has a given Jacobian."""
    n = len(matrix) // 2
    own = [(block + block.T) / 2 for block in (matrix[:n, :n], matrix[n:, n:])]
    return dg.games.Quadratic(own, {(0, 1): matrix[:n, n:], (1, 0): matrix[n:, :n]})


def tuned(config: Config, run: Run) -> Data:
    """Evaluations of each method, best-tuned for every `t` and with one setting."""
    items = [(f, s, name) for f in config.families for s in config.spreads for name in METHODS]
    return run.each(items, lambda item: _tuned(config, *item))


def _tuned(config: Config, family: str, spread: int, name: str) -> Data:
    rate, _, parameters, cost = METHODS[name]
    eigenvalues = _eigenvalues(config, family, spread)
    generator = np.random.default_rng(config.seed)
    guesses = np.stack(
        [
            generator.uniform(np.log(0.01), np.log(3), config.guesses),
            generator.uniform(0, 1, config.guesses),
            generator.uniform(0, np.pi, config.guesses),
        ],
        axis=1,
    )[:, :parameters]

    def rates(p: np.ndarray, points: Any = slice(None)) -> np.ndarray:
        """Returns the rates of one setting or of many for every `t`, of shape `(..., points)`."""
        step, *others = np.moveaxis(p, -1, 0)[..., None, None]
        return rate(eigenvalues[points], np.exp(step), *others).max(-1)

    looked = rates(guesses)
    each = [
        spectra.smallest(
            lambda p, k=k: float(rates(p, [k])[0]),
            guesses[np.argsort(looked[:, k])[: config.searches]],
        )[0]
        for k in range(config.points)
    ]
    # One setting counts by the worst t among those at which the method can converge at all.
    able = _counts(np.array(each), cost) < np.inf
    order = np.argsort(looked[:, able].max(-1))[: config.searches]
    _, setting = spectra.smallest(lambda p: float(rates(p)[able].max()), guesses[order])
    return {
        "family": family,
        "spread": spread,
        "method": name,
        "tuned": _counts(np.array(each), cost),
        "one": _counts(rates(setting), cost),
        "setting": np.concatenate([[np.exp(setting[0])], setting[1:]]),
    }


def _counts(rates: np.ndarray, cost: int) -> np.ndarray:
    # Rates that differ from 1 by rounding only do not count as converging.
    converges = rates < 1 - 1e-9
    safe = np.clip(rates, 1e-12, 1 - 1e-9)
    return np.where(converges, cost * np.log(GAIN) / np.log(safe), np.inf)


def _eigenvalues(config: Config, family: str, spread: int) -> np.ndarray:
    """Returns the eigenvalues of all games for every `t`, of shape `(points, games 2 size)`."""
    make = functools.partial(jacobian, family, spread=spread, size=config.size)
    return np.array(
        [
            np.concatenate(
                [np.linalg.eigvals(make(t, seed=config.seed + k)) for k in range(config.games)]
            )
            for t in np.linspace(0, 1, config.points)
        ]
    )


def runs(config: Config, run: Run) -> Data:
    """Runs with one setting on the first game with the first spread, counted."""
    spread = config.spreads[0]
    generator = np.random.default_rng(config.seed + 1)
    start = tuple(jnp.asarray(generator.standard_normal(config.size)) for _ in range(2))
    radius = GAIN * float(jnp.linalg.norm(jnp.concatenate(start)))
    chosen = [entry for entry in run.data["tuned"] if entry["spread"] == spread]

    def count(entry: Data) -> Data:
        _, method, _, _ = METHODS[entry["method"]]
        counts = []
        for t, expected in zip(np.linspace(0, 1, config.points), entry["one"], strict=True):
            each = game(jacobian(entry["family"], t, spread, config.size, config.seed))
            values = tuple(np.array([p]) for p in entry["setting"])
            limits = {"radius": radius, "budget": config.budget}
            finite = np.isfinite(expected)
            counted = evaluations(each, method, start, values, **limits) if finite else [np.inf]
            counts.append(float(counted[0]))
        return {"family": entry["family"], "method": entry["method"], "counts": counts}

    return run.each(chosen, count)


def proofs(config: Config, run: Run) -> Data:
    """What is proved of the first game with the first spread, at each point."""
    spread = config.spreads[0]
    settings = {
        (entry["family"], entry["method"]): entry["setting"]
        for entry in run.data["tuned"]
        if entry["spread"] == spread
    }

    def prove(item: tuple[str, int]) -> Data:
        family, point = item
        t = point / (config.points - 1)
        matrix = jacobian(family, t, spread, config.size, config.seed)
        each = game(matrix)
        region = certify.Box.around(each.equilibrium(), 1.0)
        values = np.linalg.eigvals(matrix)
        proof = certify.certify(each, region, methods=[dg.Simultaneous])
        certified = proof.status == "proved"
        entry: dict[str, Any] = {
            "family": family,
            "t": t,
            "certified": certified,
            "step": proof.step_sizes["simultaneous"].max if certified else 0.0,
            "limit": max((2 * values.real / np.abs(values) ** 2).min(), 0.0),
        }
        for name in ("extragradient", "optimistic", "complex momentum"):
            method = METHODS[name][1](*settings[family, name])
            step = certify.contraction(each, method, region)
            entry[name] = step.rate if step.status == "proved" else 1.0
        return entry

    return run.each([(f, p) for f in config.families for p in config.proofs], prove)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    entries = {(e["family"], e["spread"], e["method"]): e for e in data["tuned"]}
    result: dict[str, Any] = {}
    for family, spread in dict.fromkeys(key[:2] for key in entries):
        best = np.min([entries[family, spread, name]["tuned"] for name in METHODS], axis=0)
        for name in METHODS:
            one = np.array(entries[family, spread, name]["one"])
            result[f"{family}, spread {spread}, {name}: worst evaluations"] = one.max()
            result[f"{family}, spread {spread}, {name}: mean times the best"] = np.exp(
                np.log(one / best).mean()
            )
    ratios = [
        counted / expected
        for entry in data["runs"]
        for counted, expected in zip(
            entry["counts"],
            entries[entry["family"], data["tuned"][0]["spread"], entry["method"]]["one"],
            strict=True,
        )
        if np.isfinite(expected)
    ]
    for family in dict.fromkeys(entry["family"] for entry in data["proofs"]):
        proved = [entry for entry in data["proofs"] if entry["family"] == family]
        certified = [entry["step"] / entry["limit"] for entry in proved if entry["certified"]]
        if certified:
            name = f"{family}: smallest share of the largest step, proved"
            result[name] = min(certified)
        result |= {
            f"{family}: share of games with a certificate": np.mean(
                [entry["certified"] for entry in proved]
            ),
            **{
                f"{family}: share of games with {name} proved": np.mean(
                    [entry[name] < 1 for entry in proved]
                )
                for name in ("extragradient", "optimistic", "complex momentum")
            },
        }
    return result | {"runs against predictions": [min(ratios), max(ratios)]}


def evaluations_needed(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws evaluations by `t`: best-tuned, and with one setting."""
    spreads = config.spreads
    rows, columns = len(config.families), 2 * len(spreads)
    size = 4 * columns, 3.5 * rows
    figure, axes = plt.subplots(
        rows, columns, figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    t = np.linspace(0, 1, config.points)
    for row, family in zip(axes, config.families, strict=True):
        for k, (spread, kind) in enumerate((s, k) for s in spreads for k in ("tuned", "one")):
            axis = row[k]
            for color, name in enumerate(METHODS):
                (entry,) = (
                    e
                    for e in data["tuned"]
                    if (e["family"], e["spread"], e["method"]) == (family, spread, name)
                )
                values = np.array(entry[kind])
                finite = np.isfinite(values)
                axis.plot(t[finite], values[finite], ".-", color=f"C{color}", label=name)
            kinds = {"tuned": "tuned for each t", "one": "one setting"}
            axis.set_title(f"{family}, spread {spread}: {kinds[kind]}", size=10)
            axis.set(yscale="log", xlim=(-0.03, 1.03))
        row[0].set_ylabel("evaluations until 1e-6")
    for axis in axes[-1]:
        axis.set_xlabel("t: cooperative or alone (0), adversarial (1)")
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def proved(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws certified steps beside the true limit, and proved factors with one setting."""
    figure, axes = plt.subplots(
        len(config.families), 2, figsize=(9, 3.4 * len(config.families)), layout="constrained"
    )
    for (left, right), family in zip(np.atleast_2d(axes), config.families, strict=True):
        entries = [entry for entry in data["proofs"] if entry["family"] == family]
        t = [entry["t"] for entry in entries]
        left.plot(t, [entry["limit"] for entry in entries], "k.:", label="true limit")
        left.plot(t, [entry["step"] for entry in entries], "C0.-", label="certified")
        left.set(ylabel="step of the gradient method", xlim=(-0.03, 1.03), ylim=(0, None))
        left.set_title(f"{family}, spread {config.spreads[0]}: by constants of the game", size=10)
        for color, name in enumerate(METHODS):
            if name in entries[0]:
                label = f"{name}, one setting"
                factors = np.array([e[name] for e in entries]) ** (1 / METHODS[name][3])
                right.plot(t, factors, ".-", color=f"C{color}", label=label)
        right.set(ylabel="proved factor per evaluation", xlim=(-0.03, 1.03), ylim=(None, 1.08))
        right.axhline(1, color="0.6", linewidth=0.8)
        right.set_title(f"{family}, spread {config.spreads[0]}: by the direct route", size=10)
        for axis in (left, right):
            axis.set_xlabel("t: cooperative or alone (0), adversarial (1)")
            axis.legend(frameon=False, fontsize=8)
    return figure


STUDY = Study(
    name="complex_momentum_mixed",
    summary="From cooperative to adversarial games: one setting of each method for all of them",
    config=Config(),
    quick=Config(
        families=("paper",), games=2, spreads=(2,), points=5, guesses=600, searches=1, proofs=(4,)
    ),
    stages={"tuned": tuned, "runs": runs, "proofs": proofs},
    numbers=numbers,
    figures={"evaluations": evaluations_needed, "proved": proved},
)
