"""Metrics with a matrix: what the checker proves in them, and changes that make claims false."""

import contextlib

import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.matrices import bordered, symmetric
from certify.checker.metric import loose
from tests.certify.checker.mutations import mutated, nudged

REGIONS = {
    "box": certify.Box.around({"a": 0.1, "b": 0.2, "c": 0.2}, 1.0),
    "ball": certify.Ball({"a": 0.1, "b": 0.2, "c": 0.2}, 1.0),
}
SHEAR = np.array([[1.0, -2.0, 2.0], [-2.0, 1.0, 0.0], [-2.0, 0.0, 1.0]])


def shear(x, args):
    """Linear: everything is tight. The equilibrium is at (0.1, 0.2, 0.2)."""
    a, b, c = x["a"], x["b"], x["c"]
    return {
        "a": 0.5 * a**2 + 2 * a * (c - b) - 0.1 * a,
        "b": 0.5 * b**2 - 2 * a * b,
        "c": 0.5 * c**2 - 2 * c * a,
    }


@pytest.fixture(scope="module", params=REGIONS)
def data(request):
    methods = [dg.Simultaneous, dg.Extragradient]
    found = certify.certify(dg.game(shear), REGIONS[request.param], methods)
    assert found.status == "proved"
    return found.data


def matrix_of(data):
    lower = [[float.fromhex(x) for x in row] for row in data["claims"]["metric"]["lower"]]
    matrix = np.zeros((len(lower), len(lower)))
    for i, row in enumerate(lower):
        matrix[i, : i + 1] = matrix[: i + 1, i] = row
    return matrix


def holds(data, slack):
    """Whether the claims about the Jacobian and the metric are true, from the definitions."""
    P, claims = matrix_of(data), data["claims"]
    values, vectors = np.linalg.eigh(P)
    if values[0] <= 0:
        return False
    root = vectors * np.sqrt(values) @ vectors.T
    J = root @ SHEAR @ np.linalg.inv(root)
    metric = claims["metric"]
    return (
        np.linalg.eigvalsh(0.5 * (J + J.T))[0] >= float.fromhex(claims["margin"]) - slack
        and np.linalg.norm(J, 2) <= float.fromhex(claims["lipschitz"]) + slack
        and values[0] >= float.fromhex(metric["smallest"]) * (1 - slack)
        and all(
            1 / bound >= float.fromhex(x) * (1 - slack)
            for bound, x in zip(np.diag(np.linalg.inv(P)), metric["coordinate"], strict=True)
        )
    )


def test_the_certificate_itself_is_accepted_and_says_what_it_is(data):
    assert check_data(data).ok
    assert holds(data, 1e-9)
    assert "weights" not in data["claims"]


@pytest.mark.parametrize("factor", [1 + 1e-5, 1 - 1e-5, 1.01, 0.9, 1.5, -1.0, 0.0])
def test_every_entry_of_the_matrix_counts(data, factor):
    """An accepted change is one that leaves every claim true; nearly none does."""
    rejected = 0
    for i in range(3):
        for j in range(i + 1):
            other = mutated(
                data,
                (
                    "claims",
                    "metric",
                    "lower",
                    i,
                    j,
                ),
                nudged(factor),
            )
            verdict = check_data(other)
            assert not verdict.ok or holds(other, 1e-9)
            rejected += not verdict.ok
    assert rejected >= 5


@pytest.mark.parametrize(
    ("path", "factor", "reason"),
    [
        (("margin",), 1 + 1e-9, "the margin holds"),
        (("lipschitz",), 1 - 1e-9, "the Lipschitz constant holds"),
        (("metric", "smallest"), 1 + 1e-5, "as large as the file says"),
        (("metric", "smallest"), -1.0, "positive definite"),
        (("metric", "smallest"), 0.0, "positive definite"),
        *((("metric", "coordinate", k), 1 + 1e-5, "as large") for k in range(3)),
        *((("metric", "coordinate", k), -1.0, "as large") for k in range(3)),
        *((("metric", "lower", k, k), -1.0, "positive definite") for k in range(3)),
        (("equilibrium", "residual", 0), 1e300, "residual"),
        (("basin", "radius"), 1 + 1e-5, "basin is inside"),
    ],
)
def test_false_claims_are_rejected(data, path, factor, reason):
    verdict = check_data(
        mutated(
            data,
            (
                "claims",
                *path,
            ),
            nudged(factor),
        )
    )
    assert not verdict.ok
    assert any(reason in r for r in verdict.reasons), verdict.reasons


def test_smaller_bounds_are_true_but_reach_less(data):
    """Bounds on the metric are backed by it, and the basin by the bounds."""

    def halved(bounds):
        return [nudged(0.5)(x) for x in bounds]

    verdict = check_data(
        mutated(
            data,
            (
                "claims",
                "metric",
                "coordinate",
            ),
            halved,
        )
    )
    assert verdict.ok == (data["region"]["kind"] == "ball")
    verdict = check_data(
        mutated(
            data,
            (
                "claims",
                "metric",
                "smallest",
            ),
            nudged(0.5),
        )
    )
    assert verdict.ok == (data["region"]["kind"] == "box")


def test_every_step_counts(data):
    for k, step in enumerate(data["claims"]["steps"]):
        names = {"max": 1 + 1e-9, "rate": 1 - 1e-9, "best": 4.0, "basin": 1.001, "stretch": 0.9}
        for name, factor in names.items():
            if name in step:
                assert not check_data(
                    mutated(
                        data,
                        (
                            "claims",
                            "steps",
                            k,
                            name,
                        ),
                        nudged(factor),
                    )
                ).ok


def test_an_equilibrium_needs_convex_costs(data):
    """A weaker curvature is true, and the margin too; but no equilibrium follows from them."""
    gain = ("claims", "small_gain")
    weaker = mutated(data, (*gain, "curvature", 0), lambda _: (-0.5).hex())
    weaker = mutated(weaker, (*gain, "margin"), lambda _: (-100.0).hex())
    verdict = check_data(weaker)
    assert verdict.reasons == ("every player's cost is convex, so that the equilibrium is one",)


def test_one_metric_and_nothing_else(data):
    for change in (
        lambda claims: claims | {"weights": [(1.0).hex()] * 3},
        lambda claims: claims | {"metric": claims["metric"] | {"largest": (1.0).hex()}},
        lambda claims: {k: v for k, v in claims.items() if k != "metric"},
        *(
            lambda claims, name=name: (
                claims | {"metric": {k: v for k, v in claims["metric"].items() if k != name}}
            )
            for name in ("lower", "smallest", "coordinate")
        ),
    ):
        with pytest.raises(Unusable):
            check_data(mutated(data, ("claims",), change))


def test_matrices_that_are_not_lower_triangles_are_unusable(data):
    """So no file can state a metric that is not symmetric."""
    for change in (
        lambda rows: [[*row, *[(0.0).hex()] * (3 - len(row))] for row in rows],
        lambda rows: rows[:2],
        lambda rows: [*rows, rows[2]],
        lambda rows: [rows[0], rows[1], rows[2][:2]],
        lambda rows: [[1], [0, 1], [0, 0, 1]],
        lambda rows: [["nan"], *rows[1:]],
    ):
        with pytest.raises(Unusable, match="lower"):
            check_data(
                mutated(
                    data,
                    (
                        "claims",
                        "metric",
                        "lower",
                    ),
                    change,
                )
            )


WEIRD = [None, True, "", "x", [], {}, [[]], 0, 7, 2**1100, (-0.0).hex(), (5e-324).hex()]
WEIRD += [(1.7e308).hex(), (-1.7e308).hex()]


@pytest.mark.parametrize("weird", WEIRD, ids=lambda x: repr(x)[:12])
def test_weird_values_are_rejected_or_unusable(data, weird):
    """Never a crash, never accepted; but a zero off the diagonal may be true."""
    paths = [("lower",), ("smallest",), ("coordinate",), ()]
    paths += [("lower", i) for i in range(3)] + [("coordinate", k) for k in range(3)]
    paths += [("lower", i, j) for i in range(3) for j in range(i + 1)]
    for path in paths:
        with contextlib.suppress(Unusable):
            other = mutated(
                data,
                (
                    "claims",
                    "metric",
                    *path,
                ),
                lambda _: weird,
            )
            assert not check_data(other).ok or holds(other, 1e-9), path


@pytest.mark.parametrize("zero_sum", [False, True])
def test_remainders_are_bounded_in_any_metric(zero_sum):
    """`|P E + E' P|` and the entries of `P E`, for random errors, entry by entry."""
    rng, n, first = np.random.default_rng(0), 4, 2
    for _ in range(20):
        root = rng.integers(-9, 10, size=(n, n))
        P = root @ root.T + np.eye(n, dtype=int)
        rows = [{j: int(x) for j, x in enumerate(row)} for row in P]
        R = rng.integers(0, 50, size=(n, n))
        signed = R.copy()
        if zero_sum:
            R[first:, :first] = R[:first, first:].T
            signed = R.copy()
            signed[first:, :first] *= -1
        bounds = [np.array(loose(rows, form, signed.tolist())) for form in (symmetric, bordered)]
        for _ in range(50):
            E = rng.choice([-1, 1, 0], size=(n, n)) * R
            if zero_sum:
                E[first:, :first] = -E[:first, first:].T
            for form, bound in zip((symmetric, bordered), bounds, strict=True):
                assert (np.abs(np.array(form((P @ E).tolist()))) <= bound).all()


def test_a_remainder_in_one_row_is_bounded_as_well_as_can_be():
    """The entries of `P E` reach the bound where all entries of E have the signs of a row of P."""
    P = [[5, -2, 1], [-2, 4, 0], [1, 0, 3]]
    R = [[1, 2, 0], [3, 1, 1], [2, 2, 5]]
    rows = [{j: x for j, x in enumerate(row) if x} for row in P]
    bound = np.array(loose(rows, bordered, R))[3:, :3]
    E = np.sign(P[0])[:, None] * np.array(R)
    assert (np.array(P) @ E)[0].tolist() == bound[0].tolist()


def test_a_matrix_has_few_rows(monkeypatch):
    """Each row takes a test of the whole matrix, which has to be read and copied before."""
    found = certify.certify(dg.game(shear), REGIONS["box"], [dg.Simultaneous])
    monkeypatch.setattr("certify.checker.metric.MAX_ROWS", 2)
    with pytest.raises(Unusable, match="at most 2 rows"):
        check_data(found.data)
