"""Equilibria on the boundary of strategy sets, and steps projected onto them."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import check_data
from certify.problem.constraints import Constraints
from dgames.strategy import ravel
from tests.certify.checker.mutations import mutated, nudged

pytestmark = pytest.mark.thin(2)

METHODS = [dg.Simultaneous, dg.Extragradient]


def vector(x):
    return np.concatenate([np.ravel(leaf) for leaf in x])


def quantities(x, args=None):
    """Two firms; without bounds they would settle at (8/3, -1/3), where the second sells less than
    nothing."""
    total = x[0] + x[1]
    return (x[0] * (total - 5.0), x[1] * (total - 2.0))


MATRIX = jnp.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.5]])


def probabilities(x, args=None):
    """Regularised; the third action of the first player is dominated by its price."""
    payoff = x[0] @ MATRIX @ x[1]
    return (payoff + 0.2 * jnp.sum(x[0] ** 2) + 2 * x[0][2], 0.2 * jnp.sum(x[1] ** 2) - payoff)


def directions(x, args=None):
    """F = (2 (x - a) + y, 2 y - x) would like x to be at a, outside of its disc."""
    drawn = jnp.sum((x[0] - jnp.array([3.0, 4.0])) ** 2) + x[0] @ x[1]
    return (drawn, jnp.sum(x[1] ** 2) - x[0] @ x[1])


CASES = {
    "box": (
        dg.game(quantities, dg.Box(0.0, jnp.inf)),
        certify.Box((0.0, 0.0), (4.0, 4.0)),
        # x = 5 / 2 against 0: F = (0, 5/2 - 2).
        [2.5, 0.0],
    ),
    "simplex": (
        dg.game(probabilities, dg.Simplex()),
        certify.Box((jnp.zeros(3), jnp.zeros(3)), (jnp.ones(3), jnp.ones(3))),
        None,
    ),
    "ball": (
        dg.game(directions, (dg.Ball(0.0, 1.0), dg.Euclidean())),
        certify.Box((-jnp.ones(2), -2 * jnp.ones(2)), (jnp.ones(2), 2 * jnp.ones(2))),
        # y = x / 2, and the gradient 2.5 x - 2 a of the first player points away from a.
        [0.6, 0.8, 0.3, 0.4],
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    game, region, solution = CASES[request.param]
    return game, region, solution, certify.certify(game, region, METHODS)


@pytest.mark.full
def test_the_equilibrium_is_enclosed(case):
    game, _, solution, found = case
    assert found.status == "proved", found.reasons
    if solution is None:
        start = jnp.full(3, 1 / 3)
        run = dg.solve(game, dg.Extragradient(0.3), (start, start), tol=1e-13)
        solution = vector(run.strategy)
    lower, upper = (vector(x) for x in found.equilibrium[:2])
    assert (lower <= np.add(solution, 2e-13)).all() and (
        upper >= np.subtract(solution, 2e-13)
    ).all()
    assert (upper - lower).max() < 1e-12


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_projected_steps_converge_as_stated(case, method):
    game, region, _, found = case
    step = found.step_sizes[dg.method_name(method)]
    limit = found.equilibrium.center
    gain = found.small_gain.weights if step.theorem == "small_gain" else found.weights
    roots = np.sqrt(list(gain.values()))

    def distance(x):
        norms = [np.linalg.norm(a - b) for a, b in zip(x, limit, strict=True)]
        return np.linalg.norm(roots * norms)

    constraints, rng = Constraints.of(game, region), np.random.default_rng(0)
    lower, upper = region.bounds()
    for size, rate in ((step.best, step.rate), (step.max, 1.0)):
        for _ in range(3):
            flat = constraints.project(jnp.asarray(rng.uniform(lower, upper)))
            x = ravel(region.center)[1](flat)
            field, rule = dg.pseudo_gradient(game), method(size)
            for _ in range(8):
                before = distance(x)
                x, _ = rule.step(field, x, rule.init(field, x))
                assert distance(x) <= rate * before + 1e-12


@pytest.mark.full
def test_faces_beyond_which_nobody_can_go_are_no_limit(case):
    """All faces but the upper ones of the quantities belong to the strategy sets too."""
    _, region, solution, found = case
    lower, upper = region.bounds()
    center = vector(found.equilibrium.center)
    weights = np.repeat(list(found.weights.values()), np.diff([0, len(center) // 2, len(center)]))
    if len(center) == 2:
        assert found.basin.radius == pytest.approx((np.sqrt(weights) * (4.0 - center)).min())
    elif solution is None:
        assert found.basin.radius >= np.linalg.norm(np.sqrt(weights) * (upper - lower)) * 0.999
    else:  # the second player of the discs has no set at all
        assert found.basin.radius == pytest.approx(np.sqrt(weights[2]) * (2.0 - center[3]))


@pytest.mark.full
@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (("claims", "equilibrium", "radius"), nudged(1e-3), "defect"),
        (("claims", "equilibrium", "value"), lambda v: [nudged(-1.0)(x) for x in v], "defect"),
        (("claims", "basin", "radius"), nudged(100.0), "basin"),
        (("game", "sets"), lambda sets: [{"kind": "euclidean"} for _ in sets], "defect"),
    ],
)
def test_false_claims_are_rejected(case, path, change, reason):
    *_, solution, found = case
    if "basin" in path and solution is None:
        return  # all policies are in it already, and larger balls have no more of them
    if "radius" in path and solution == CASES["box"][2] and reason == "defect":
        return  # F is known exactly at the corner, so that no radius is too small
    verdict = check_data(mutated(found.data, path, change))
    assert not verdict.ok
    assert any(reason in sentence for sentence in verdict.reasons)


def test_a_point_outside_the_sets_proves_nothing(case):
    *_, found = case
    outward, center = nudged(1 + 2.0**-30), ("claims", "equilibrium", "center")
    moved = mutated(found.data, center, lambda values: [outward(x) for x in values])
    if found.data["game"]["sets"][0]["kind"] == "box":
        moved = mutated(moved, (*center, 1), lambda _: (-1e-30).hex())
    assert "the centre is in the strategy sets" in check_data(moved).reasons


def test_no_theorem_without_weights_or_for_unprojected_steps(case):
    *_, found = case
    steps = found.data["claims"]["steps"]
    performance = {**steps[0], "method": "optimistic", "theorem": "performance"}
    verdict = check_data(mutated(found.data, ("claims", "steps"), lambda _: [performance]))
    assert any("onto strategy sets" in reason for reason in verdict.reasons)
    n = len(found.data["claims"]["equilibrium"]["center"])
    lower = [[(float(i == j)).hex() for j in range(i + 1)] for i in range(n)]
    matrix = {"lower": lower, "smallest": (0.5).hex(), "coordinate": [(0.5).hex()] * n}
    claims = {k: v for k, v in found.data["claims"].items() if k != "weights"} | {"metric": matrix}
    verdict = check_data(found.data | {"claims": claims})
    assert "with strategy sets the metric is one of weights" in verdict.reasons


def test_what_has_no_theorem_is_not_claimed():
    game, region, _ = CASES["box"]
    found = certify.certify(game, region, [dg.Optimistic, dg.Simultaneous])
    assert found.status == "proved" and set(found.step_sizes) == {"simultaneous"}
    assert "projected steps" in found.methods_without_step["optimistic"]
    found = certify.certify(game, region, metric=certify.Matrix(np.array([[2.0, 0.1], [0.1, 1.0]])))
    assert found.status == "undecided" and "metric of weights" in found.reasons[0]


def test_no_equilibrium_in_the_part_of_the_sets():
    game, *_ = CASES["box"]
    found = certify.certify(game, certify.Box((3.0, 0.0), (4.0, 1.0)))
    assert found.status == "undecided" and "no equilibrium" in found.reasons[0]


def test_files_and_their_checker(case, tmp_path):
    game, *_, found = case
    again = certify.load(found.save(tmp_path / "found.json"))
    assert isinstance(again, certify.Convergence)
    assert again.basin.radius == found.basin.radius
    run = dg.solve(game, dg.Simultaneous, again.equilibrium.center, step_size=again, tol=1e-12)
    assert int(run.left) == -1  # the number of the step that left the region


@pytest.mark.full
def test_snapped_points_are_in_the_sets_exactly():
    rng = np.random.default_rng(0)
    center = (jnp.zeros((2, 3)), jnp.zeros(4), jnp.zeros(2))
    region = certify.Box.around(center, 1.0)
    sets = (dg.Simplex(), dg.Ball(0.1, 0.3), dg.Box(jnp.float64(0.1), jnp.float64(0.3)))
    game = dg.game(lambda x, args: tuple(jnp.sum(block**2) for block in x), sets)
    constraints = Constraints.of(game, region)
    for _ in range(20):
        x = constraints.snapped(np.asarray(constraints.project(jnp.asarray(rng.normal(size=12)))))
        parts = np.split(x, [6, 10])
        for own, part in zip(constraints.exact(), parts, strict=True):
            assert own.contains([Fraction(p) for p in part.tolist()])
        np.testing.assert_allclose(x, constraints.project(jnp.asarray(x)), rtol=1e-15, atol=1e-15)


@pytest.mark.full
def test_growing_along_a_face():
    game, *_ = CASES["box"]
    found = certify.grow(game, (2.5, 0.0), shape="box", most=1.0)
    lower, upper = found.region.bounds()
    assert lower.tolist() == [1.5, 0.0] and upper.tolist() == [3.5, 1.0]
