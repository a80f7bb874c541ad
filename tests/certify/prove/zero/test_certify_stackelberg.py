"""Differential Stackelberg equilibria: known ones are proved, other stationary points are not."""

import jax.numpy as jnp
import jaxtyping
import pytest

import certify
from certify.checker import check_data
from tests.certify.prove.zero.test_certify_kkt import changed, number


def leader(x, y, _):
    return 0.5 * (x - 1.0) ** 2 + 0.5 * y**2


def follower(x, y, _):
    """The answer solves `exp(y) + y = x + 0`."""
    return jnp.exp(y) + 0.5 * y**2 - x * y


@pytest.fixture(scope="module")
def found():
    return certify.certify_stackelberg(leader, follower, (0.9, 0.1))


def near(found, *point):
    ends = zip(found.zero.lower, found.zero.upper, point, strict=True)
    return all(abs(float(a) - p) < 1e-12 and abs(float(b) - p) < 1e-12 for a, b, p in ends)


def test_an_implicit_answer(found):
    assert found.status == "proved", found.reasons
    assert near(found, 1.0, 0.0) and found.check(level=2).ok
    assert "differential Stackelberg equilibrium" in str(found.rows())


def test_a_duopoly():
    """The leader sells 2, the follower answers (10 - x) / 3."""

    def price(x, y):
        return 10.0 - (x + y)

    found = certify.certify_stackelberg(
        lambda x, y, _: -x * price(x, y) + x**2,
        lambda x, y, _: -y * price(x, y) + 0.5 * y**2,
        (1.5, 2.0),
    )
    assert found.status == "proved" and near(found, 2.0, 8 / 3)


def saddle(x, y, _):
    return -3.0 * x**2 - y**2 + 4.0 * x * y


def test_a_local_minimax_point_that_is_no_nash_equilibrium():
    """The leader's own curvature is -6, the reduced one 2."""
    found = certify.certify_stackelberg(saddle, lambda *given: -saddle(*given), (0.1, -0.2))
    assert found.status == "proved" and near(found, 0.0, 0.0) and found.check(level=2).ok


@pytest.mark.parametrize(
    ("costs", "what"),
    [
        ((lambda x, y, _: -(x**2), lambda x, y, _: y**2 - x * y), "the leader's reduced curvature"),
        ((lambda x, y, _: x**2, lambda x, y, _: x * y - y**2), "the follower's curvature"),
        ((lambda x, y, _: x**2 - y**2, lambda x, y, _: y**2 - 4 * x * y), "the leader's reduced"),
    ],
)
def test_other_stationary_points_are_refused(costs, what):
    found = certify.certify_stackelberg(costs[0], costs[1], (0.1, 0.1))
    assert found.status == "undecided" and what in found.reasons[0]


@pytest.mark.parametrize(("own", "status"), [(0.15, "proved"), (0.1, "undecided")])
def test_the_curvature_of_the_answer_counts(own, status):
    """Here `r'' = -1/8`, by way of the multiplier: the reduced curvature is `own - 1/8`."""

    def bent(x, y, _):
        return 0.5 * own * (x - 1.0 - 0.5 / own) ** 2 + y

    found = certify.certify_stackelberg(bent, follower, (0.95, 0.05))
    assert found.status == status, found.reasons
    if status == "proved":
        assert near(found, 1.0, 0.0) and abs(found.multipliers.lower[0] + 0.5) < 1e-12


def test_a_follower_of_several_coordinates():
    """A quadratic game: `r' = -E^-1 H`, and the reduced curvature is a Schur complement."""
    E, H = jnp.array([[2.0, 0.5], [0.5, 1.0]]), jnp.array([[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]])

    def own(x, y, _):
        return 0.5 * x @ x + jnp.sum(y) + 0.1 * y @ y - x[0]

    def answer(x, y, _):
        return 0.5 * y @ E @ y + y @ (H @ x)

    found = certify.certify_stackelberg(own, answer, (jnp.zeros(3), jnp.zeros(2)))
    assert found.status == "proved", found.reasons
    R = -jnp.linalg.solve(E, H)
    curvature = jnp.eye(3) + 0.2 * R.T @ R
    x = jnp.linalg.solve(curvature, jnp.array([1.0, 0.0, 0.0]) - R.T @ jnp.ones(2))
    assert jnp.abs(found.zero.lower[0] - x).max() < 1e-12


FORMS = ("evidence", "forms")


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        ((*FORMS, 0, "matrix", "centre", 0), lambda x: -x, "the follower's curvature is positive"),
        ((*FORMS, 0, "matrix", "centre", 0), lambda x: x * 2, "the follower's curvature is in"),
        ((*FORMS, 1, "matrix", "centre"), lambda x: [-e for e in x], "the leader's reduced"),
        ((*FORMS, 1, "matrix", "centre", 0), lambda x: x * 2, "the leader's reduced curvature is"),
        ((*FORMS, 1, "rows", "centre", 0), lambda x: x * 2, "the rows of the leader's reduced"),
        ((*FORMS, 1, "rows", "remainder", 0), lambda x: x - 1, "remainder is not negative"),
        ((*FORMS, 1, "weight"), number(-1.0), "the weight of the rows is not negative"),
        (("claims", "zero", "lower", 2), number(0.5), "claims.zero is not empty"),
    ],
)
def test_each_claim_made_false_is_rejected(found, path, change, reason):
    verdict = check_data(changed(found.data, path, change), level=2)
    assert not verdict.ok and reason in verdict.reasons[0]


def test_a_guess_is_a_pair():
    with pytest.raises(
        (ValueError, jaxtyping.TypeCheckError), match=r"the guess is a pair|Type-check error"
    ):
        certify.certify_stackelberg(leader, follower, (0.9, 0.1, 0.0))  # pyright: ignore
