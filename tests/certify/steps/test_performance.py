"""Steps by performance estimation: proved intervals, simulated, and what makes them false."""

import copy
import itertools
from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data, performance, schemes
from certify.checker.claims import Claims
from certify.checker.reader import Reader
from certify.checker.steps import check_steps
from certify.checker.verdict import Rejected
from certify.steps.performance import propose, prove_piece

METHODS = [dg.Optimistic, dg.Heun, dg.SSPRK3, dg.RungeKutta4, dg.Momentum, dg.ComplexMomentum]
STATELESS = ("heun", "ssprk3", "runge_kutta_4")
HALF, TENTH = (performance.FieldClass(Fraction(1, k)) for k in (2, 10))
NAMES = [dg.method_name(method) for method in METHODS]


@pytest.fixture(scope="module")
def certificate():
    """`F = (2 a + b, 2 b - a)` on a box: margin 2, Lipschitz constant `sqrt(5)`."""
    game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
    return certify.certify(game, certify.Box.around((0.0, 0.0), 1.0), methods=METHODS)


def method_of(name, certificate, h):
    step = certificate.step_sizes[name]
    cls = METHODS[NAMES.index(name)]
    return cls(h) if step.momentum is None else cls(h, step.momentum)


@pytest.mark.parametrize("name", NAMES)
def test_certified_steps_hold_in_simulation(certificate, name):
    """From all over the edge of the basin: at `max`, at `best`, and at smaller steps."""
    step = certificate.step_sizes[name]
    angle = np.linspace(0, 2 * np.pi, 64)
    field = dg.FunctionField(lambda x, args: (2 * x[0] + x[1], 2 * x[1] - x[0]))
    for h in (step.best, step.max, 0.7 * step.max, 0.2 * step.max):
        method = method_of(name, certificate, h)
        x = tuple(jnp.asarray(step.basin * f(angle)) for f in (np.cos, np.sin))
        state = method.init(field, x)
        one = jax.jit(lambda x, state, method=method: method.step(field, x, state))
        distance = step.basin
        for k in range(1, 200):
            x, state = one(x, state)
            distance = np.hypot(*map(np.asarray, x)).max()
            if h == step.best:
                bound = step.constant * step.rate**k * step.basin
                assert distance <= bound * (1 + 1e-12) + 1e-15
        assert distance < 0.5 * step.basin  # slow, close to the largest step


def test_sizes(certificate):
    """Close to what is possible, in units of 1 / lipschitz (condition number 1.118)."""
    sizes = {name: s.max * certificate.lipschitz for name, s in certificate.step_sizes.items()}
    assert 0.6 < sizes["optimistic"] < 1 / 3**0.5 + 0.1
    assert 2.2 < sizes["runge_kutta_4"] < 2.785
    # At most the limits of the real axis; near them where no field turns much.
    assert 1.3 < sizes["heun"] < 2
    assert 1.5 < sizes["ssprk3"] < 2.513
    assert all(certificate.step_sizes[name].constant == 1 for name in STATELESS)
    assert all(s.basin > 0.4 for s in certificate.step_sizes.values())
    assert all(s.theorem == "performance" for s in certificate.step_sizes.values())


def changed(certificate, name, path, change):
    data = copy.deepcopy(certificate.data)
    entry = next(s for s in data["claims"]["steps"] if s["method"] == name)
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = change(float.fromhex(entry[path[-1]])).hex()
    return data


def numbers(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, (dict, list)):
            yield from numbers(item, (*path, key))
        elif isinstance(item, str) and "0x" in item:
            yield (*path, key)


@pytest.mark.parametrize("name", NAMES)
def test_false_claims_are_rejected(certificate, name):
    entry = next(s for s in certificate.data["claims"]["steps"] if s["method"] == name)
    last = len(entry["pieces"]) - 1
    false = [
        (("max",), 1.001),
        (("best",), 1.001),
        (("rate",), 1 - 1e-6),
        (("rate",), 4.0),
        (("stretch",), 0.99),
        (("basin",), 1.01),
        (("pieces", 0, "low"), None),
        (("pieces", 0, "high"), 1.01),
        (("pieces", last, "high"), 1.01),
        (("pieces", last, "decrease"), 1.1),
        (("pieces", last, "decrease"), -1.0),
        (("pieces", 0, "decrease"), -1.0),
        (("pieces", 0, "lyapunov", 0), -1.0),
    ]
    if name not in STATELESS:
        false.append((("constant",), 0.99))
    for path, factor in false:
        data = changed(
            certificate, name, path, lambda x, f=factor: x + 0.01 if f is None else x * f
        )
        assert not check_data(data).ok, path


@pytest.mark.parametrize("name", NAMES)
def test_multipliers_count(certificate, name):
    """Each multiplier that is not small is needed; a negative one is never accepted."""
    entry = next(s for s in certificate.data["claims"]["steps"] if s["method"] == name)
    places = [p for p in numbers(entry["pieces"]) if p[1] == "multipliers" or p[1] == "bounds"]
    for path in places[:: max(1, len(places) // 4)]:
        data = changed(certificate, name, ("pieces", *path), lambda x: -x - 0.5)
        assert not check_data(data).ok, path


def test_pieces_must_join(certificate):
    data = copy.deepcopy(certificate.data)
    entry = next(s for s in data["claims"]["steps"] if s["method"] == "optimistic")
    assert len(entry["pieces"]) > 3
    del entry["pieces"][1]
    verdict = check_data(data)
    assert any("join" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("kappa", [1.0, 10.0, 1000.0])
def test_intervals_cover_all_smaller_steps(kappa):
    field = performance.relative(Fraction(1), Fraction(kappa), None)
    pieces = propose(schemes.optimistic(), dg.Optimistic(1.0), field)
    assert pieces is not None
    *cover, best = pieces
    assert cover[0].low == 0 and best.low == best.high <= cover[-1].high
    assert all(a.high == b.low for a, b in itertools.pairwise(cover))
    # Monotone fields allow 1/2; strongly monotone ones hardly more when the margin is small.
    assert 0.44 < cover[-1].high < 0.65


@pytest.mark.parametrize(
    ("kappa", "name", "known"), [(10, "heun", 0.98), (10, "ssprk3", 0.89), (100, "heun", 0.43)]
)
def test_intervals_reach_what_single_steps_reach(kappa, name, known):
    """Towards x*, in units of 1 / lipschitz; as contractions Heun's step is 2 / kappa."""
    method = dg.Heun(1.0) if name == "heun" else dg.SSPRK3(1.0)
    pieces = propose(schemes.SCHEMES[name](), method, performance.FieldClass(Fraction(1, kappa)))
    assert pieces is not None
    assert known <= float(pieces[-2].high) <= 1.1 * known
    assert pieces[-2].high > 4 * Fraction(2, kappa)


def test_the_bernstein_middle_is_needed():
    """A form that is positive at both ends and not in between is not accepted."""

    def dips(h):
        return [[(2 * h - 1) ** 2 - Fraction(1, 10)]]

    zero, one = Fraction(0), Fraction(1)
    assert performance.positive(dips, zero, zero) and performance.positive(dips, one, one)
    assert not performance.positive(dips, zero, one)
    assert performance.positive(lambda h: [[h * h - h + 1]], zero, one)


def piece_of_heun(low, bound):
    """Steps from `low` to 1/2 with `V = |x|^2`; the first multiplier makes mixed terms vanish."""
    count = performance.inequalities(len(schemes.heun().points), HALF)
    multipliers = [Fraction(1), Fraction(3, 10)]
    return performance.Piece(
        Fraction(low),
        Fraction(1, 2),
        Fraction(1, 8),
        [[Fraction(1)]],
        [Fraction(1)] * count,
        [(Fraction(bound), multipliers)],
    )


def test_positions_are_bounded_for_all_steps_of_a_piece():
    """`|x - F(x) / 2|^2 <= 0.9 |x|^2` for a margin of 1/2; of x itself there is no such bound."""
    for low, bound, holds in ((0.5, 0.9, True), (0.0, 0.9, False), (0.5, 0.7, False)):
        claims = performance.check_piece(schemes.heun(), HALF, piece_of_heun(low, bound))
        assert claims["position 0 is bounded"] == holds
        assert claims["no multiplier is negative"] and claims["each inequality has its multiplier"]


def test_no_multiplier_is_negative():
    piece = piece_of_heun(0.5, 0.9)
    wrong = piece._replace(multipliers=[*piece.multipliers[:-1], Fraction(-1, 2**60)])
    (bound, (first, second)), *_ = piece.bounds
    beside = piece._replace(bounds=[(bound, [first, -second])])
    for one in (wrong, beside):
        claims = performance.check_piece(schemes.heun(), HALF, one)
        assert not claims["no multiplier is negative"]


def test_the_first_state_is_as_large_as_it_can_be():
    """`V = |x|^2 + 2 h <x, F> + h |F|^2` with `F = x`, for the largest step of the piece."""
    lyapunov = [[Fraction(x) for x in row] for row in ((1, 1, 0), (1, 1, 0), (0, 0, 1))]
    piece = performance.Piece(Fraction(0), Fraction(1, 2), Fraction(1), lyapunov, [], [])
    assert performance.start_bound(schemes.optimistic(), piece) == 1 + 1 + Fraction(1, 2)


@pytest.mark.parametrize("cocoercivity", [None, Fraction(3, 2)])
def test_forms_are_of_degree_two(cocoercivity):
    """The interval argument rests on it: third differences in h vanish."""
    field = performance.FieldClass(Fraction(1, 3), cocoercivity)
    momenta = {"momentum": (Fraction(-1, 2),), "complex_momentum": (Fraction(1, 3), Fraction(1, 5))}
    for name, make in schemes.SCHEMES.items():
        scheme = make(*momenta.get(name, ()))
        m = len(scheme.after) + 1
        rng = np.random.default_rng(0)
        square = rng.integers(1, 9, (m, m))
        lyapunov = [[Fraction(int(x)) for x in row] for row in square + square.T]
        count = performance.inequalities(len(scheme.points), field)
        multipliers = [Fraction(int(x)) for x in rng.integers(1, 9, count)]
        piece = performance.Piece(
            Fraction(0), Fraction(1), Fraction(1, 7), lyapunov, multipliers, []
        )
        forms = [performance.decrease_form(scheme, field, piece, Fraction(h)) for h in range(4)]
        for offset, known in performance.visited(scheme):
            bound = (Fraction(3), [Fraction(1)] * performance.inequalities(known, field))
            values = [
                performance.bound_form(scheme, field, piece, offset, known, bound, Fraction(h))
                for h in range(4)
            ]
            assert _third(values) == 0
        assert _third(forms) == 0


def _third(forms):
    a, b, c, d = (np.array(form, object) for form in forms)
    return abs(d - 3 * c + 3 * b - a).max()


def test_the_decrease_is_what_it_says():
    """`h form(h)` is `(1 - c h) V - V+`, evaluated on random vectors, without multipliers."""
    rng = np.random.default_rng(0)
    b = Fraction(-3, 8), Fraction(1, 4)
    for scheme in (schemes.optimistic(), schemes.complex_momentum(*b)):
        size, m = scheme.size, len(scheme.after)
        x, v = rng.normal(size=5), rng.normal(size=(size, 5))
        p = rng.integers(1, 9, (m + 1, m + 1))
        p = p + p.T
        h, c = 0.25, 0.125
        piece = performance.Piece(
            Fraction(0),
            Fraction(1),
            Fraction(c),
            [[Fraction(int(y)) for y in row] for row in p],
            [Fraction(0)] * performance.inequalities(len(scheme.points), HALF),
            [],
        )
        form = np.array(performance.decrease_form(scheme, HALF, piece, Fraction(h)), float)

        def lyapunov(x, w, p=p, h=h):
            cross = (p[0, 1:] @ w) @ x
            return p[0, 0] * x @ x + 2 * h * cross + h * np.sum(w * (p[1:, 1:] @ w))

        after = np.array(scheme.after, float) @ v
        moved = x + h * np.array(scheme.move, float) @ v
        expected = (1 - c * h) * lyapunov(x, v[:m]) - lyapunov(moved, after)
        vectors = np.vstack([x, v])
        assert h * np.sum(vectors * (form @ vectors)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("method", "scheme"),
    [
        (dg.Momentum(1.0, 0.5), schemes.momentum(Fraction(1, 2))),
        (dg.Optimistic(1.0), schemes.optimistic()),
        (dg.Heun(1.0), schemes.heun()),
    ],
)
def test_cocoercive_fields_allow_larger_steps(method, scheme):
    """Of a field with `c = 1`, as gradients of convex functions are."""
    monotone, cocoercive = (performance.FieldClass(Fraction(1, 50), c) for c in (None, Fraction(1)))
    largest = []
    for field in (monotone, cocoercive):
        pieces = propose(scheme, method, field)
        largest.append(0.0 if pieces is None else float(pieces[-2].high))
    assert largest[1] > 1.3 * largest[0]
    pieces = propose(scheme, method, cocoercive)
    assert pieces is not None
    for piece in pieces:
        assert all(performance.check_piece(scheme, cocoercive, piece).values())
        without = piece._replace(
            multipliers=[x for k, x in enumerate(piece.multipliers) if k % 3 < 2], bounds=[]
        )
        assert not performance.check_piece(scheme, monotone, without)["V decreases"]
    h = float(pieces[-2].high)
    convex = dg.FunctionField(lambda x, args: (x[0], 0.02 * x[1]))
    largest_step = eqx.tree_at(lambda m: m.step_size, method, jnp.asarray(h))
    run = dg.solve(convex, largest_step, (1.0, 1.0), max_steps=4000)
    assert run.residual < 1e-6


def test_too_much_is_not_proved():
    assert prove_piece(schemes.optimistic(), TENTH, Fraction(7, 10), Fraction(7, 10), 0.01) is None
    assert (
        prove_piece(schemes.runge_kutta_4(), TENTH, Fraction(5, 2), Fraction(5, 2), 0.001) is None
    )


HOSTILE = [
    None,
    True,
    3,
    "x",
    "0x0.0p+0",
    "-0x1.0000000000000p+0",
    "nan",
    [],
    {},
    [[]],
    [1],
    {"a": 1},
]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_values_are_rejected_or_unusable(certificate, name):
    """Whatever stands in place of a field, the checker answers; and only weaker claims pass."""
    entry = next(s for s in certificate.data["claims"]["steps"] if s["method"] == name)
    places = list(_places(entry))
    rng = np.random.default_rng(0)
    for index in rng.choice(len(places), 25, replace=False):
        path, value = places[index], HOSTILE[rng.integers(len(HOSTILE))]
        changed_entry = copy.deepcopy(entry)
        parent = changed_entry
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
        data = {
            **certificate.data,
            "claims": {**certificate.data["claims"], "steps": [changed_entry]},
        }
        try:
            check_steps(Claims(Reader(data)))
        except (Rejected, Unusable):
            continue
        assert "multipliers" in path or "bounds" in path or path[-1] in ("low", "momentum"), path


def _places(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, (dict, list)):
            yield from _places(item, (*path, key))
        else:
            yield (*path, key)
