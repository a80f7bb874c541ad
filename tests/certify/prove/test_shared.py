"""Certificates of games with shared linear constraints, against closed forms and published ones."""

import itertools
import json
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
from flint import fmpq, fmpq_mat

import certify
import dgames as dg

BOTH = [dg.Simultaneous, dg.Extragradient]
POSITIVE = dg.Box(0.0, jnp.inf)


def line_costs(x, args=None):
    """Problem A.11 of Facchinei and Kanzow: two players share the line x + y <= 1."""
    return ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2)


LINE = dg.game(line_costs, shared=dg.Polyhedron([[1.0, 1.0]], [1.0]))
AROUND = certify.Box.around((0.7, 0.3), 1.0)


def river_costs(x, args=None):
    """Problem A.13, the river basin of Krawczyk and Uryasev (2000)."""
    total = x[0] + x[1] + x[2]
    linear, quadratic = (0.1, 0.12, 0.15), (0.01, 0.05, 0.01)
    return tuple((quadratic[i] * x[i] + linear[i] - 3.0 + 0.01 * total) * x[i] for i in range(3))


RIVER = dg.game(
    river_costs,
    POSITIVE,
    dg.Polyhedron([[3.25, 1.25, 4.125], [2.2915, 1.5625, 2.8125]], [100.0, 100.0]),
)
BASIN = certify.Box((0.0, 0.0, 0.0), (40.0, 40.0, 40.0))


def weights(*values):
    return certify.Weights(dict(zip("012", values, strict=False)))


def test_river_basin():
    found = certify.certify(RIVER, BASIN, BOTH)
    assert found.status == "proved" and found.check(level=2).ok
    exact = np.array([21.1447960154, 16.0278534470, 2.7259627009])
    assert np.allclose(found.equilibrium.center, exact, atol=1e-9)
    assert found.equilibrium.radius < 1e-11
    assert 0.03 >= found.margin >= 0.0291 and 0.12274 <= found.lipschitz <= 0.1230
    assert found.step_sizes["simultaneous"].max >= 3.84
    assert found.step_sizes["extragradient"].max >= 8.0
    shared = found.shared
    assert shared is not None and shared.notion == "variational" and shared.unique
    assert shared.states == ("active", "inactive")
    assert shared.upper[0] - shared.lower[0] < 1e-9 and shared.lower[1] == shared.upper[1] == 0.0
    assert shared.lower[0] - 1e-10 <= 0.5743599994 <= shared.upper[0] + 1e-10


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    ("chosen", "exact", "multiplier"),
    [
        ((1.0, 1.05, 1.1), (17.4698143451, 16.0168728230, 5.6247302666), 0.6107050447),
        ((3.0, 2.0, 1.0), (25.5792607293, 13.4939221037, 0.0), 1.6078987844),
    ],
)
def test_rosen_weights_select_the_equilibrium(chosen, exact, multiplier):
    found = certify.certify(RIVER, BASIN, BOTH, metric=weights(*chosen))
    assert np.allclose(found.equilibrium.center, exact, atol=1e-9)
    assert found.shared is not None and found.shared.notion == "normalised"
    assert found.shared.lower[0] - 1e-9 <= multiplier <= found.shared.upper[0] + 1e-9
    # In the problem of player i the multiplier of the row is that of the file, over the weight.
    x = np.asarray(found.equilibrium.center)
    force = np.asarray(dg.pseudo_gradient(RIVER)(tuple(x)))
    own = -force / np.array([3.25, 1.25, 4.125])
    inside = x > 0
    assert np.allclose((own * chosen)[inside], multiplier, atol=1e-8)


def test_line():
    equal = certify.certify(LINE, AROUND, BOTH)
    assert np.allclose(equal.equilibrium.center, (0.75, 0.25), atol=1e-12)
    assert equal.shared is not None and equal.shared.lower[0] <= 0.5 <= equal.shared.upper[0]
    rosen = certify.certify(LINE, AROUND, BOTH, metric=weights(1.0, 2.0))
    assert np.allclose(rosen.equilibrium.center, (2 / 3, 1 / 3), atol=1e-12)
    assert rosen.shared is not None and rosen.shared.notion == "normalised"
    text = " ".join(str(cell) for row in equal.rows() for cell in row)
    assert "generalised Nash equilibrium" in text and "others may exist" in text


def test_the_words_of_other_notions_are_refused():
    rosen = certify.certify(LINE, AROUND, metric=weights(1.0, 2.0))
    for notion in ("variational", "nash"):
        data = json.loads(json.dumps(rosen.data))
        data["claims"]["shared"]["notion"] = notion
        assert not certify.checker.check_data(data).ok


def test_harker():
    # Harker (1991): the row is weakly active at the one variational equilibrium (5, 9).
    def costs(x, args=None):
        return (
            x[0] ** 2 + 8.0 / 3.0 * x[0] * x[1] - 34.0 * x[0],
            x[1] ** 2 + 1.25 * x[0] * x[1] - 24.25 * x[1],
        )

    game = dg.game(costs, dg.Box(0.0, 10.0), dg.Polyhedron([[1.0, 1.0]], [15.0]))
    found = certify.certify(game, certify.Box((0.0, 0.0), (10.0, 10.0)), BOTH)
    assert found.status == "proved" and 0.9 / 24 < found.margin < 1 / 24
    assert np.allclose(found.equilibrium.center, (5.0, 9.0), atol=1e-9)
    assert found.shared is not None and found.shared.states == ("inactive",)
    # All rows are inactive there, but others of its generalised equilibria are on the row.
    assert found.shared.notion == "nash"


@pytest.mark.full
def test_a_multiplier_that_is_unique_without_strict_complementarity():
    # Problem A.17: at (0, 11, 8) the bound of x1 is active with the multiplier zero.
    def costs(x, args=None):
        a, b = x["a"], x["b"]
        first = a[0] ** 2 + a[0] * a[1] + a[1] ** 2 + (a[0] + a[1]) * b[0] - 25 * a[0] - 38 * a[1]
        return {"a": first, "b": b[0] ** 2 + (a[0] + a[1]) * b[0] - 25.0 * b[0]}

    rows = dg.Polyhedron([[1.0, 2.0, -1.0], [3.0, 2.0, 1.0]], [14.0, 30.0])
    game = dg.game(costs, POSITIVE, rows)
    start = {"a": jnp.array([1.0, 10.0]), "b": jnp.array([7.0])}
    found = certify.certify(game, certify.Box.around(start, 5.0), BOTH)
    center = found.equilibrium.center
    assert np.allclose(center["a"], (0.0, 11.0), atol=1e-9) and np.allclose(center["b"], 8.0)
    assert found.margin > 0.99 and found.lipschitz < 4.01
    shared = found.shared
    assert shared is not None and shared.unique and shared.states == ("active", "active")
    assert (shared.lower <= (3.0, 1.0)).all() and (shared.upper >= (3.0, 1.0)).all()


def test_dependent_rows_have_many_multipliers():
    rows = dg.Polyhedron([[1.0, 1.0], [2.0, 2.0]], [1.0, 2.0])
    found = certify.certify(dg.game(line_costs, shared=rows), AROUND, BOTH)
    assert found.status == "proved" and np.allclose(found.equilibrium.center, (0.75, 0.25))
    assert found.shared is not None and not found.shared.unique
    assert set(found.shared.states) == {"possible"} and np.isinf(found.shared.upper).all()
    assert "not claimed to be unique" in str(found.rows())


def test_equations_and_simplices():
    # Two commuters split one unit each, and use the first road as much as each other.
    def costs(x, args=None):
        load = x["a"] + x["b"]
        toll = jnp.array([0.3, 0.0])
        return {name: jnp.sum(x[name] * (load + toll)) for name in ("a", "b")}

    half = jnp.array([0.5, 0.5])
    rows = dg.Polyhedron({"a": jnp.array([[1.0, 0.0]]), "b": jnp.array([[1.0, 0.0]])}, [0.75])
    game = dg.game(costs, dg.Simplex(), rows)
    region = certify.Box.around({"a": half, "b": half}, 1.0)
    found = certify.certify(game, region, BOTH)
    # Without the row each uses the first road for .45; a bound of .75 on both leaves .375 each.
    assert found.status == "proved" and found.check(level=2).ok
    assert np.allclose(found.equilibrium.center["a"], (0.375, 0.625), atol=1e-12)
    assert found.shared is not None and found.shared.states == ("active",)
    assert found.shared.lower[0] <= 0.45 <= found.shared.upper[0]

    same = dg.Polyhedron(
        jnp.zeros((0, 4)), jnp.zeros(0), jnp.array([[1.0, 0.0, -1.0, 0.0]]), jnp.array([0.25])
    )
    found = certify.certify(dg.game(costs, dg.Simplex(), same), region, BOTH)
    assert found.status == "proved" and found.shared is not None
    assert found.shared.states == ("equality",) and found.shared.unique
    x = found.equilibrium.center
    assert np.allclose(x["a"][0] - x["b"][0], 0.25, atol=1e-12)


def test_rows_of_single_players_leave_the_metric_free():
    def costs(x, args=None):  # strongly monotone in weights, but not in equal ones
        return (x[0] ** 2 + 8.0 * x[0] * x[1] - x[0], x[1] ** 2 + 0.1 * x[0] * x[1] + x[1])

    rows = dg.Polyhedron([[-1.0, 0.0], [0.0, 1.0]], [0.0, -0.7])
    game = dg.game(costs, shared=rows)
    found = certify.certify(game, certify.Box.around((1.0, -1.0), 4.0), [*BOTH, dg.Alternating])
    assert found.status == "proved" and found.shared is not None
    assert found.shared.notion == "nash" and found.weights["0"] != found.weights["1"]
    assert np.allclose(found.equilibrium.center, (3.3, -0.7), atol=1e-9)
    assert "alternating" in found.step_sizes  # projections are player by player


def test_rows_that_do_not_bind_in_the_region():
    found = certify.certify(
        dg.game(line_costs, shared=dg.Polyhedron([[1.0, 1.0]], [9.0])),
        certify.Box.around((1.0, 0.5), 1.0),
        [dg.Simultaneous, dg.Optimistic],
    )
    assert found.status == "proved" and found.shared is None
    assert set(found.step_sizes) == {"simultaneous", "optimistic"}


def test_by_terms():
    game = dg.game(
        lambda x, args: tuple(
            jnp.logaddexp(x[i], -x[i]) + 0.5 * x[i] ** 2 + 0.2 * x[i] * x[1 - i] for i in range(2)
        ),
        shared=dg.Polyhedron([[-1.0, -2.0]], [-1.0]),
    )
    found = certify.certify(game, certify.Everywhere((0.0, 0.0)), BOTH)
    assert found.status == "proved" and found.terms > 0 and found.check(level=2).ok
    assert found.shared is not None and found.shared.states == ("active",)
    x, force = np.asarray(found.equilibrium.center), dg.pseudo_gradient(game)
    assert np.isclose(x @ (1.0, 2.0), 1.0)
    assert np.allclose(np.asarray(force(tuple(x))) / (1.0, 2.0), found.shared.lower[0], atol=1e-9)


def test_methods_without_a_theorem_say_so():
    found = certify.certify(LINE, AROUND, [dg.Simultaneous, dg.Alternating, dg.Optimistic])
    assert set(found.methods_without_step) == {"alternating", "optimistic"}


class OtherRows(dg.Polyhedron):
    """Rows that may be anything."""


OTHER_ROWS = OtherRows([[1.0, 1.0]], 1.0)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (dg.game(line_costs, dg.Ball(0.0, 1.0), dg.Polyhedron([[1.0, 1.0]], 1.0)), "is a ball"),
        (dg.game(line_costs, shared=dg.Polyhedron([[1.0, jnp.nan]], 1.0)), "not finite"),
        (dg.game(line_costs, shared=dg.Polyhedron([[0.0, 0.0]], 1.0)), "row 0 .* is zero"),
        (dg.game(line_costs, shared=dg.SharedConstraint(lambda x, _: x[0], "0")), "some players"),
        (dg.game(line_costs, shared=OTHER_ROWS), "nothing is known"),
    ],
)
def test_bad_constraints(game, message):
    with pytest.raises(ValueError, match=message):
        certify.certify(game, AROUND)


def test_no_point_satisfies_the_rows():
    rows = dg.Polyhedron([[1.0, 1.0], [-1.0, -1.0]], [1.0, -2.0])
    found = certify.certify(dg.game(line_costs, shared=rows), AROUND)
    assert found.status == "undecided" and "no equilibrium was found" in found.reasons[0]


def test_a_matrix_is_no_metric_of_projections():
    metric = certify.Matrix(np.array([[2.0, 1.0], [1.0, 2.0]]))
    found = certify.certify(LINE, AROUND, metric=metric)
    assert found.status == "undecided" and "metric of weights" in found.reasons[0]


def test_a_file_is_of_its_rows(tmp_path: pathlib.Path):
    path = certify.certify(LINE, AROUND, BOTH).save(tmp_path / "line.json")
    loaded = certify.load(path)
    assert isinstance(loaded, certify.Convergence)
    assert certify.check(path, game=LINE).ok
    other = dg.game(line_costs, shared=dg.Polyhedron([[1.0, 1.0]], [1.5]))
    assert "shared constraints are others" in certify.check(path, game=other).reasons[0]
    assert not certify.check(path, game=dg.game(line_costs)).ok


def far_costs(x, args=None):
    return ((x[0] - 1.0) ** 2, (x[1] - 1.0) ** 2)


HALF = 0.5**0.5


@pytest.mark.thin(4)
@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (lambda x, args: x[0] ** 2 + x[1] ** 2 - 1.0, (HALF, HALF)),
        (lambda x, args: jnp.exp(x[0] + x[1]) - 2.0, (np.log(2.0) / 2, np.log(2.0) / 2)),
        (lambda x, args: x[0] ** 2 + x[0] * x[1] + x[1] ** 2 - 1.0, (3.0**-0.5, 3.0**-0.5)),
        (lambda x, args: jnp.stack([x[0] ** 2 - 0.25, x[1] ** 2 - 4.0]), (0.5, 1.0)),
    ],
    ids=["disk", "exponential", "ellipse", "two"],
)
def test_convex_functions(function, exact):
    game = dg.game(far_costs, shared=dg.SharedConstraint(function))
    found = certify.certify(game, certify.Box.around((0.7, 0.7), 0.9), BOTH)
    assert found.status == "proved" and found.check(level=2).ok
    gap = np.linalg.norm(np.asarray(found.equilibrium.center) - exact)
    assert gap <= found.equilibrium.radius + 1e-12 < 1e-6
    assert set(found.step_sizes) == {"simultaneous", "extragradient"}
    assert found.shared is not None and found.shared.notion == "variational"


@pytest.mark.full
def test_functions_and_rows_and_rosen_weights():
    disk = dg.SharedConstraint(lambda x, args: x[0] ** 2 + x[1] ** 2 - args)
    game = dg.game(far_costs, shared=(disk, dg.Polyhedron([[1.0, -1.0]], [-0.5])))
    region = certify.Box.around((0.5, 0.9), 0.8)
    found = certify.certify(game, region, BOTH, args=1.0)
    # On the circle and on the line y = x + 1/2.
    x = 0.25 * (7.0**0.5 - 1.0)
    assert np.allclose(found.equilibrium.center, (x, x + 0.5), atol=1e-7)
    rosen = certify.certify(
        dg.game(far_costs, shared=disk), region, BOTH, args=1.0, metric=weights(1.0, 4.0)
    )
    assert rosen.shared is not None and rosen.shared.notion == "normalised"
    a, b = np.asarray(rosen.equilibrium.center)
    assert np.isclose(a**2 + b**2, 1.0) and np.isclose((1 - a) / a, 4.0 * (1 - b) / b, atol=1e-6)


def test_functions_that_do_not_bind():
    disk = dg.SharedConstraint(lambda x, args: x[0] ** 2 + x[1] ** 2 - 9.0)
    found = certify.certify(dg.game(far_costs, shared=disk), certify.Box.around((0.9, 0.9), 0.5))
    assert found.shared is not None and found.shared.functions == ("inactive",)
    assert found.shared.notion == "nash" and found.equilibrium.radius < 1e-12


@pytest.mark.thin(5)
@pytest.mark.parametrize(
    "function",
    [
        lambda x, args: x[0] ** 2 + 3.0 * x[0] * x[1] + x[1] ** 2 - 1.0,
        lambda x, args: 1.0 - x[0] ** 2 - x[1] ** 2,
        lambda x, args: x[0] ** 3 - 0.1,  # convex on a half of the region only
        lambda x, args: jnp.log(x[0] + 3.0) - 1.0,
        lambda x, args: jnp.abs(x[0]) - 0.5,
    ],
)
def test_functions_that_are_not_convex_are_undecided(function):
    game = dg.game(far_costs, shared=dg.SharedConstraint(function))
    found = certify.certify(game, certify.Box.around((0.3, 0.3), 1.0), BOTH)
    assert found.status == "undecided" and "convex" in " ".join(found.reasons)


def exact_equilibrium(jacobian, constant, matrix, bounds, weights):
    """Solves an affine game with rows by trying all active sets, in fractions.

    It returns the solution of the variational inequality in the weights, and the multipliers.
    """
    n, m = len(constant), len(bounds)
    for held in itertools.product((False, True), repeat=m):
        rows = [j for j in range(m) if held[j]]
        system = [
            [w * a for a in line] + [matrix[j][i] for j in rows]
            for i, (line, w) in enumerate(zip(jacobian, weights, strict=True))
        ]
        system += [[*matrix[j], *(0 for _ in rows)] for j in rows]
        right = [-w * c for c, w in zip(constant, weights, strict=True)]
        right += [bounds[j] for j in rows]
        solution = fmpq_mat(system).det() and fmpq_mat(system).solve(fmpq_mat([[r] for r in right]))
        if not solution:
            continue
        values = [solution[k, 0] for k in range(n + len(rows))]
        x, active = values[:n], dict(zip(rows, values[n:], strict=True))
        slack = [bounds[j] - sum(matrix[j][k] * x[k] for k in range(n)) for j in range(m)]
        if min(slack, default=0) >= 0 and min(active.values(), default=0) >= 0:
            return x, [active.get(j, fmpq(0)) for j in range(m)]
    raise AssertionError("the game has no equilibrium")


@pytest.mark.full
@pytest.mark.parametrize("seed", range(12))
def test_random_affine_games_against_exact_solutions(seed):
    draw = np.random.default_rng(seed)
    n, m = int(draw.integers(2, 4)), int(draw.integers(1, 4))
    # Quarters, so that everything is exact in fractions.
    coupling = draw.integers(-4, 5, (n, n)) / 4.0
    jacobian = coupling - np.diag(np.diag(coupling)) + np.diag(draw.integers(9, 13, n) / 2.0)
    constant = draw.integers(-8, 9, n) / 2.0
    matrix = draw.integers(-3, 4, (m, n)).astype(float)
    matrix[:, 0] += ~matrix.any(1)
    bounds = draw.integers(-1, 3, m) / 2.0
    chosen = draw.integers(1, 4, n).astype(float)
    exact = [
        [[fmpq(int(4 * a), 4) for a in row] for row in part]
        for part in (jacobian, constant[None], matrix, bounds[None], chosen[None])
    ]
    x, multipliers = exact_equilibrium(exact[0], exact[1][0], exact[2], exact[3][0], exact[4][0])

    def costs(x, args=None):
        z = jnp.stack(x)
        return tuple(
            0.5 * jacobian[i, i] * z[i] ** 2
            + z[i] * (jacobian[i] @ z - jacobian[i, i] * z[i] + constant[i])
            for i in range(n)
        )

    game = dg.game(costs, shared=dg.Polyhedron(matrix, bounds))
    region = certify.Box.around((0.0,) * n, 20.0)
    found = certify.certify(game, region, BOTH, metric=weights(*chosen))
    assert found.status == "proved", found.reasons
    gap = [
        fmpq(*float(c).as_integer_ratio()) - y
        for c, y in zip(found.equilibrium.center, x, strict=True)
    ]
    squared = sum((fmpq(int(w)) * g * g for w, g in zip(chosen, gap, strict=True)), fmpq(0))
    assert float(squared.p) / float(squared.q) <= found.equilibrium.radius**2
    shared = found.shared
    assert shared is not None
    for j, exactly in enumerate(multipliers):
        value = float(exactly.p) / float(exactly.q)
        if shared.unique:
            assert shared.lower[j] * (1 - 1e-15) <= value <= shared.upper[j] * (1 + 1e-15)
        slack = bounds[j] - sum(
            float(a) * float(y.p) / float(y.q) for a, y in zip(matrix[j], x, strict=True)
        )
        assert shared.states[j] != "inactive" or slack > 0
        assert shared.states[j] != "active" or value > 0


@pytest.mark.full
def test_a_run_with_a_certified_step_goes_to_its_equilibrium():
    chosen = (1.0, 1.05, 1.1)
    normalised = dg.Normalised(RIVER, chosen)
    found = certify.certify(normalised, BASIN, BOTH)
    assert found.weights == dict(zip("012", chosen, strict=True))
    start = (20.0, 15.0, 5.0)
    run = dg.solve(normalised, dg.Extragradient, start, step_size=found, tol=1e-10)
    assert np.allclose(run.strategy, (17.4698143451, 16.0168728230, 5.6247302666), atol=1e-7)
    with pytest.raises(ValueError, match="normalised with the weights"):
        dg.solve(RIVER, dg.Extragradient, start, step_size=found)
    with pytest.raises(ValueError, match="normalised with the weights"):
        dg.solve(dg.Normalised(RIVER, (3.0, 2.0, 1.0)), dg.Extragradient, start, step_size=found)
    equal = certify.certify(RIVER, BASIN, BOTH)
    run = dg.solve(RIVER, dg.Simultaneous, (20.0, 15.0, 5.0), step_size=equal, tol=1e-10)
    assert np.allclose(run.strategy, (21.1447960154, 16.0278534470, 2.7259627009), atol=1e-7)
    with pytest.raises(ValueError, match="leave out the metric"):
        certify.certify(normalised, BASIN, metric=weights(1.0, 1.0, 1.0))


def test_the_augmented_field_of_a_game_is_certified_across_its_kink():
    field = dg.AugmentedField(LINE, 1.0, 2.0)
    start = dg.with_multipliers(LINE, (0.75, 0.25))
    found = certify.certify(field, certify.Box.around(start, 20.0), BOTH)
    assert found.status == "proved" and found.check(level=2).ok
    assert found.margin > 1.0


def test_shared_constraints_that_depend_on_the_strategy_are_refused():
    class Moving(dg.Game):
        def costs(self, x, args=None):
            return line_costs(x)

        def shared_constraints(self, x):
            bound = 1.0 + x[0]  # known to the function alone
            return (dg.SharedConstraint(lambda z, args: z[0] ** 2 + z[1] ** 2 - bound),)

    with pytest.raises(ValueError, match="may look at the structure"):
        certify.certify(Moving(), AROUND)


def test_functions_are_convex_on_the_region_and_x_is_there():
    # The cosine is at least cos 1 on [-1, 1], and then again from 2 pi - 1 on: what is said of
    # steps is about the part of X in the region, onto which 2.5 is projected to 1.
    def costs(x, args=None):
        return (0.5 * x[0] ** 2 - 2.5 * x[0], 0.5 * x[1] ** 2)

    game = dg.game(costs, shared=dg.SharedConstraint(lambda x, _: jnp.cos(1.0) - jnp.cos(x[0])))
    found = certify.certify(game, certify.Box((0.3, -1.0), (1.5, 1.0)), [dg.Simultaneous])
    assert found.status == "proved" and np.allclose(found.equilibrium.center, (1.0, 0.0))
    wide = certify.certify(game, certify.Box((0.3, -1.0), (6.0, 1.0)), [dg.Simultaneous])
    assert wide.status == "undecided"
