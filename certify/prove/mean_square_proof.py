"""Makes checked certificates that a method converges, or diverges, in mean square under noise."""

import inspect
import itertools
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse.linalg

import dgames as dg
from certify.checker import Unusable
from certify.checker.exact import Work
from certify.checker.graph import game_hash
from certify.checker.mean_square import RandomStep
from certify.checker.reader import FORMAT, MEAN_SQUARE, VERSION, Reader
from certify.checker.verdict import Rejected
from certify.claims.checked import Checked, NotAccepted
from certify.claims.mean_square import MeanSquare
from certify.file.contents import Contents
from certify.file.provenance import provenance
from certify.graph.builder import GraphError
from certify.graph.sampled_costs import SampledCosts, component_of, sampled_costs
from certify.problem.exact_types import is_as_made
from certify.problem.lq_numbers import flat_hexes
from certify.problem.messages import coordinate_names, vector_in_words
from certify.problem.no_shared import require_no_shared
from certify.problem.noise import Components, Noise, Sampling, components_of
from certify.problem.region import Box
from certify.problem.structure import describe
from certify.prove.mismatch import require_same
from certify.prove.no_proof import NoProof
from certify.rounding import float_above
from dgames.methods.method import per_player
from dgames.strategy import Strategy, blocks, ravel, unraveler

TRUSTED = (
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly; steps are those of real arithmetic.",
    "The components are drawn with the stated probabilities, anew in each step and independently "
    "of all former steps and of the first state; a method that evaluates the field twice sees the "
    "same one twice.",
    "The checker and the Python interpreter that runs it.",
)
# Of the way from the spectral radius to one, how much is given away, in the order of attempts: with
# additive noise, a rate close to the radius would make the noise large.
_CLOSE, _HALFWAY = (2.0**-10, 2.0**-4, 0.5), (0.5, 0.75)
# A spectral radius this close to one is neither stable nor unstable in floating point.
_CRITICAL = 1e-9
# Relative room for rounding, and the size of matrices from which eigenvalues are found by Arnoldi.
_ROOM, _LARGE = 2.0**-20, 300
# How often units of the state are chosen anew.
_BALANCING = 3
# At how many points, and for how many components at most, spread evenly, the user's code is
# compared with what was read from it.
_POINTS, _COMPARED = 16, 64


def certify_mean_square(
    game: dg.Game | dg.AbstractField,
    method: dg.AbstractMethod,
    like: Strategy,
    noise: Noise,
    *,
    args: Any = None,
    rate: float | None = None,
) -> MeanSquare:
    """Proves that a method converges in mean square on a game with noise, or that it diverges.

    The field has to be affine, as that of a quadratic game is, and without constraints. In each
    step the method sees, in place of the field F, a random one that is drawn independently of all
    former steps: F times a factor (`Outcomes`), or the field of a batch of the data (`Sampling`).
    Then the state z of the method moves by random affine maps `z+ = A z + b`, and its second
    moments by a linear one, which contracts if and only if some matrix P has

        P > 0,      rate P - E A'P A > 0,      rate < 1.

    Such a P is found in floating point and verified exactly, by a checker that derives A and b from
    the costs, the data and the rule of the method. If the spectral radius of `P -> E A'P A` is
    above one, a matrix with `E A'P A - rate P >= 0` and `rate > 1` proves that the mean square
    grows without bounds. The theorems are in `certify/checker/mean_square.py`.

    Args:
        game: Quadratic costs, or an affine field; no strategy sets, no shared constraints.
        method: With its step sizes: a `Simultaneous`, `Extragradient`, `Optimistic`, `Momentum`,
            `OptimisticSeparated` or `OptimisticDualAveraging`, the last two with constant steps.
            Extragradient, which evaluates the field twice, takes batches of one component only.
        like: A joint strategy, of which only players and shapes matter.
        noise: `Outcomes(scales, probabilities)`, or `Sampling(batch=b)` of a `FiniteSum`, or
            `Sampling(data, batch=b)`, where a datum takes the place of `args`.
        args: Passed to the costs, or to the field; fixed.
        rate: The rate to be proved; by default, one close to the best for noise that vanishes at
            the equilibrium, and else one halfway from there to one.

    Returns:
        A certificate, which says with `stable` what is proved. "undecided" says why nothing is: the
        method may be too close to the boundary of stability, or the costs are not quadratic.

    Raises:
        ValueError: If the arguments do not fit together, or there are constraints.
        EnclosureError: If the costs use derivative rules of their own.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        >>> noise = certify.Outcomes([3.0, -1.0])  # the field times 3 or -1
        >>> small = certify.certify_mean_square(game, dg.Simultaneous(0.1), (0.0, 0.0), noise)
        >>> large = certify.certify_mean_square(game, dg.Simultaneous(0.2), (0.0, 0.0), noise)
        >>> small.status, small.stable, round(small.rate, 3)  # 1 - 4 h + 25 h^2
        ('proved', True, 0.85)
        >>> large.status, large.stable, round(large.rate, 3)
        ('proved', False, 1.2)
    """
    if rate is not None and not rate > 0:
        raise ValueError(f"certify_mean_square: the rate is {rate}; it must be positive")
    game, noise = component_of(game, noise)
    region, given = Box.around(like, 1.0), dg.as_field(game)
    center = region.center
    require_no_shared("certify_mean_square", given, center)
    components = components_of(noise, len(blocks(center)))
    if isinstance(noise, Sampling) and args is not None:
        raise ValueError("certify_mean_square: with data, a datum takes the place of args")
    stepping = method_contents(method, center)
    try:
        costs = sampled_costs(game, like, noise, args)
        if costs.field.constraints is not None and costs.field.constraints.bind:
            raise ValueError(
                "certify_mean_square: the game has strategy sets; steps with projections are not "
                "affine, and nothing is proved of them here"
            )
        contents = {
            "game": _game(costs, center),
            "noise": _noise(components),
            "method": stepping,
        }
        step = RandomStep(Reader(contents), Work())
        _compare(given, region.example, noise, args, components, step, costs)
        with np.errstate(all="ignore"):  # what is not finite is found out
            return _proved(contents, costs.promoted, step, rate)
    except NoProof as end:
        return MeanSquare("undecided", end.reasons)
    except (GraphError, Unusable) as end:
        return MeanSquare("undecided", (str(end),))
    except (OverflowError, np.linalg.LinAlgError):
        words = "the second moments are too large, or nearly singular, in floating point"
        return MeanSquare("undecided", (words,))
    except Rejected as end:
        return MeanSquare("undecided", tuple(f"not proved: {each}" for each in end.args))


def method_contents(method: dg.AbstractMethod, like: Strategy) -> Contents:
    """Returns the section `method` of a file.

    Args:
        method: One of the methods that the checker knows, of this very class.
        like: A joint strategy.

    Raises:
        ValueError: If the checker does not know it.

    Example:
        >>> method_contents(dg.Optimistic(0.5), (0.0, 0.0))["name"]
        'optimistic'
    """
    found = _METHODS.get(type(method))
    if found is None or not is_as_made(method):
        known = ", ".join(each.__name__ for each in _METHODS)
        raise ValueError(
            f"certify_mean_square: the method is one of {known}, with its step size; got "
            f"{type(method).__name__ if not inspect.isclass(method) else method.__name__}"
        )
    name, numbers = found
    if any(callable(getattr(method, key)) for key in numbers):
        raise ValueError(
            "certify_mean_square: steps have to be constant; with a schedule, the map of a step "
            "changes from step to step"
        )
    if name == "optimistic" and getattr(method, "reflected", False):
        name = "reflected"
    spread = {key: _hexes(getattr(method, key), like) for key in numbers}
    return {"name": name, **spread}


_METHODS: dict[type, tuple[str, tuple[str, ...]]] = {
    dg.Simultaneous: ("simultaneous", ("step_size",)),
    dg.Extragradient: ("extragradient", ("step_size",)),
    dg.Optimistic: ("optimistic", ("step_size",)),
    dg.Momentum: ("momentum", ("step_size", "momentum")),
    dg.OptimisticSeparated: ("optimistic_separated", ("extrapolation", "update")),
    dg.OptimisticDualAveraging: ("optimistic_dual_averaging", ("extrapolation", "update")),
}


def _hexes(value: Any, like: Strategy) -> list[str]:
    spread = per_player(value, like)
    return flat_hexes(np.concatenate([np.ravel(np.asarray(x)) for x in jax.tree.leaves(spread)]))


def _game(costs: SampledCosts, like: Strategy) -> Contents:
    field = costs.field
    game = {
        "name": field.name,
        "code": costs.hash,
        "players": [
            {"name": name, "size": size}
            for name, size in zip(field.names, field.sizes, strict=True)
        ],
        **({"zero_sum": True} if field.zero_sum else {}),
        **({} if field.is_gradient else {"field": field.name}),
        "structure": describe(like),
        "data": costs.data,
        "graph": costs.graph,
    }
    return {**game, "hash": game_hash(game)}


def _noise(components: Components) -> Contents:
    listed = zip(components.weights, components.scales, components.data, strict=True)
    return {
        "components": [
            {"weight": weight, "scales": flat_hexes(scales), "datum": flat_hexes(datum)}
            for weight, scales, datum in listed
        ],
        "batch": {"size": components.size, "replacement": components.replacement},
    }


class Moments(NamedTuple):
    """The recursion of second moments in floating point.

    Attributes:
        maps: The matrices A of all components.
        shifts: The vectors e.
        probabilities: Their probabilities.
        spread: The number c of `certify.checker.sampled_fields`.
        operator: The matrix of `P -> L(P)` on the upper triangles of symmetric matrices.
    """

    maps: np.ndarray
    shifts: np.ndarray
    probabilities: np.ndarray
    spread: float
    operator: np.ndarray

    @classmethod
    def of(cls, step: RandomStep) -> "Moments":
        """Computes them from the exact step."""
        one, tail = step.denominator, step.denominator * step.tail
        maps = np.array([[[x / one for x in row] for row in own] for own in step.maps])
        shifts = np.array([[x / tail for x in shift] for shift in step.shifts])
        p = np.array([weight / step.fields.total for weight in step.fields.weights])
        return cls._with(maps, shifts, p, float(step.fields.spread))

    @classmethod
    def _with(cls, maps: np.ndarray, shifts: np.ndarray, p: np.ndarray, spread: float) -> "Moments":
        m, flat = maps.shape[1], maps.reshape(len(maps), -1)
        mean = p @ flat
        pairs = spread * (flat.T * p) @ flat + (1 - spread) * np.outer(mean, mean)
        # Entry (i, j) of A'P A is the sum of A_ki A_lj P_kl.
        whole = pairs.reshape(m, m, m, m).transpose(1, 3, 0, 2)
        rows, columns = np.triu_indices(m)
        upper = whole[rows, columns]
        operator = upper[:, rows, columns] + (rows != columns) * upper[:, columns, rows]
        return cls(maps, shifts, p, spread, operator)

    def in_units(self, units: np.ndarray) -> "Moments":
        """Returns the same recursion with each coordinate of the state in a unit of its own."""
        maps = self.maps * units / units[:, None]
        return self._with(maps, self.shifts / units, self.probabilities, self.spread)

    @property
    def states(self) -> int:
        """The number of coordinates of the state."""
        return self.maps.shape[1]

    def radius(self) -> float:
        """Estimates the spectral radius of L."""
        if len(self.operator) < _LARGE:
            return float(np.abs(np.linalg.eigvals(self.operator)).max())
        start = self.packed(np.eye(self.states))
        values = scipy.sparse.linalg.eigs(
            self.operator, k=1, which="LM", v0=start, return_eigenvectors=False
        )
        return float(np.abs(np.asarray(values)).max())

    def packed(self, matrix: np.ndarray) -> np.ndarray:
        """Returns the upper triangle."""
        return matrix[np.triu_indices(self.states)]

    def unpacked(self, upper: np.ndarray) -> np.ndarray:
        """Returns the symmetric matrix with an upper triangle."""
        found = np.zeros((self.states, self.states))
        found[np.triu_indices(self.states)] = upper
        return found + np.triu(found, 1).T

    def resolvent(self, rate: float, side: np.ndarray) -> np.ndarray:
        """Solves `rate P - L(P) = side`."""
        system = rate * np.eye(len(self.operator)) - self.operator
        return self.unpacked(np.linalg.solve(system, self.packed(side)))

    def applied(self, form: np.ndarray) -> np.ndarray:
        """Returns `L(P)`."""
        return self.unpacked(self.operator @ self.packed(form))

    def of_noise(self, form: np.ndarray) -> tuple[np.ndarray, float]:
        """Returns q and r of a matrix P."""
        weighted = self.spread * self.probabilities
        pulled = self.shifts @ form
        q = np.einsum("s,ski,sk->i", weighted, self.maps, pulled)
        return q, float(weighted @ np.einsum("sk,sk->s", pulled, self.shifts))

    def form(self, rate: float) -> np.ndarray:
        """Returns a matrix `P >= 0` with `rate P - L(P) > 0`, for a rate above the radius.

        Buffers may be many times larger or smaller than strategies, so units are chosen in which
        the diagonal is about one, and the right-hand side is the identity in these.
        """
        units, one = np.ones(self.states), np.eye(self.states)
        for _ in range(_BALANCING):
            form = self.in_units(units).resolvent(rate, one)
            form = form / np.abs(form).max()
            units = units / np.sqrt(np.clip(np.diag(form), 2.0**-40, None))
        form = self.in_units(units).resolvent(rate, one)
        form = form / np.abs(form).max()
        return form / np.outer(units, units)


def _proved(
    contents: Contents, promoted: tuple[str, ...], step: RandomStep, rate: float | None
) -> MeanSquare:
    moments = Moments.of(step)
    if not np.isfinite(moments.operator).all():
        raise OverflowError
    radius = moments.radius()
    if not abs(radius - 1) > _CRITICAL:
        raise NoProof(f"the mean square neither grows nor decreases: its factor is about {radius}")
    stable = radius < 1
    if rate is not None:
        if not (radius < rate < 1 if stable else 1 < rate < radius):
            words = "between it and 1" if stable else "above 1 and below it"
            raise NoProof(
                f"the factor of the mean square is about {radius:.9g}; the rate must be {words}"
            )
        attempts = [rate]
    else:
        slacks = _CLOSE if step.multiplicative or not stable else _HALFWAY
        attempts = [radius + slack * (1 - radius) for slack in slacks]
    reasons: tuple[str, ...] = ()
    ways = (_stable,) if stable else (_unstable, _partly_unstable)
    for make, factor in itertools.product(ways, attempts):
        try:
            claims, evidence = make(moments, step, factor, radius)
            file = {
                "format": FORMAT,
                "version": VERSION,
                "kind": MEAN_SQUARE,
                **contents,
                "claims": claims,
                **({"promoted": list(promoted)} if promoted else {}),
                "trusted": [*TRUSTED, *promoted],
                "provenance": provenance(),
                "evidence": evidence,
            }
            return MeanSquare("proved", contents=Checked(file))
        except NotAccepted as end:
            reasons = tuple(f"not proved: {each}" for each in end.verdict.reasons)
        except np.linalg.LinAlgError:
            reasons = ("the linear system of the second moments is singular in floating point",)
    raise NoProof(*reasons)


def _stable(
    moments: Moments, step: RandomStep, rate: float, radius: float
) -> tuple[Contents, Contents]:
    n, m = len(step.zero), moments.states
    form = moments.form(rate)
    # The multiple of it that is just above the identity on strategies.
    form = form * (1 + _ROOM) * np.linalg.eigvalsh(np.linalg.inv(form)[:n, :n]).max()
    noise = limit = 0.0
    evidence: Contents = {}
    if not step.multiplicative:
        q, r = moments.of_noise(form)
        decrease = rate * form - moments.applied(form)
        noise = (1 + _ROOM) * (r + q @ np.linalg.solve(decrease, q)) + 2.0**-1000
        distance = np.diag(np.arange(m) < n) * 1.0
        second = moments.resolvent(1.0, (1 + _ROOM) * distance + _ROOM * np.eye(m))
        variance = _rounded(second)
        moment = step.moment(_square(variance))[-1][-1] * Fraction(2) ** variance["unit"]
        limit = float_above(moment / (step.scale * step.tail**2))
        evidence = {"variance": variance}
    claims = _claims(step, True, rate, noise, form)
    return {**claims, "limit": limit.hex()}, evidence


def _unstable(
    moments: Moments, step: RandomStep, rate: float, radius: float
) -> tuple[Contents, Contents]:
    """Proposes a definite matrix: the Perron matrix, as the limit of resolvents from above."""
    form = moments.form(radius + (radius - rate) * 2.0**-20)
    noise = _taken(moments, step, rate, form)
    return {**_claims(step, False, rate, noise, form), "starts": "all"}, {}


def _partly_unstable(
    moments: Moments, step: RandomStep, rate: float, radius: float
) -> tuple[Contents, Contents]:
    """Proposes P with `L(P) - rate P = 1`, positive in the direction of the Perron matrix.

    It is so whenever the rate is no eigenvalue: with `P <= 0`, -P would prove stability.
    """
    form = -moments.resolvent(rate, np.eye(moments.states))
    form = form / np.abs(form).max()
    direction = np.linalg.eigh(form)[1][:, -1]
    noise = _taken(moments, step, rate, form)
    start = [round(x * 2**20) for x in direction.tolist()]
    return {**_claims(step, False, rate, noise, form), "starts": "some"}, {"start": start}


def _taken(moments: Moments, step: RandomStep, rate: float, form: np.ndarray) -> float:
    """Returns a noise for which the bordered matrix of growth is positive semidefinite."""
    if step.multiplicative:
        return 0.0
    q, r = moments.of_noise(form)
    increase = moments.applied(form) - rate * form
    wanted = (1 + _ROOM) * float(q @ np.linalg.solve(increase, q))
    return max(0.0, wanted - r + _ROOM * abs(r))


def _claims(
    step: RandomStep, stable: bool, rate: float, noise: float, form: np.ndarray
) -> Contents:
    center = [float(x) for x in step.zero]
    error = max(abs(x - Fraction(c)) for x, c in zip(step.zero, center, strict=True))
    return {
        "stable": stable,
        "equilibrium": {"center": flat_hexes(center), "radius": (float_above(error) + 0.0).hex()},
        "rate": float(rate).hex(),
        "noise": float(noise).hex(),
        "metric": _rounded(form),
    }


def _rounded(form: np.ndarray) -> Contents:
    """Returns a symmetric matrix in integers, with 60 bits for its largest entry."""
    unit = int(np.frexp(np.abs(form).max())[1]) - 60
    half = np.ldexp((form + form.T) / 2, -unit)
    return {"unit": unit, "matrix": [round(x) for x in half.ravel().tolist()]}


def _square(symmetric: Contents) -> list[list[int]]:
    flat = symmetric["matrix"]
    size = round(len(flat) ** 0.5)
    return [flat[k * size : (k + 1) * size] for k in range(size)]


def _compare(
    given: dg.AbstractField,
    like: Strategy,
    noise: Noise,
    args: Any,
    components: Components,
    step: RandomStep,
    costs: SampledCosts,
) -> None:
    """Runs the user's own code at some points, and compares it with the fields read from it.

    Raises:
        MismatchError: If they differ.
    """
    unravel, n = unraveler(like), len(step.zero)
    points = np.random.default_rng(1).normal(size=(_POINTS, n))
    names = coordinate_names(costs.field.names, costs.field.sizes)
    field = jax.jit(jax.vmap(lambda x, datum: ravel(given(unravel(x), datum))[0], (0, None)))

    def where(k: int, column: int) -> str:
        return f"at {vector_in_words(points[k], names, digits=17)} entry {column} of the field"

    count = len(components.weights)
    for s in sorted({k * count // _COMPARED for k in range(_COMPARED)}):
        datum = args
        if isinstance(noise, Sampling):
            datum = jax.tree.map(lambda leaf, s=s: np.asarray(leaf)[s], noise.data)
        scales = np.repeat(components.scales[s], step.fields.sizes)
        ran = np.asarray(field(points, datum), np.float64) * scales
        exact = step.fields.fields[s]
        rows = np.array([[x / exact.denominator for x in row] for row in exact.rows])
        read = points @ rows[:, :n].T + rows[:, n]
        size = np.abs(points) @ np.abs(rows[:, :n]).T + np.abs(rows[:, n])
        slack = (2.0**-7 if costs.promoted else 1e-9) * (1 + size.max(1, keepdims=True))
        require_same("certify_mean_square", ran, read, np.broadcast_to(slack, ran.shape), where)
