"""Certificates of fields that are no pseudo-gradients."""

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import check_data
from certify.report import report_page
from tests.certify.checker.mutations import mutated

# A rotation, a pull, and a bend: no gradient of costs has this Jacobian in its own blocks.
BOX = certify.Box((jnp.full(2, -0.5), jnp.array(-0.5)), (jnp.full(2, 0.5), jnp.array(0.5)))


def spiral(x, args):
    first, second = x
    pull = jnp.stack([first[0] + 2.0 * first[1] - 0.25, first[1] - 2.0 * first[0]])
    return pull + 0.1 * jnp.sin(first) * second, 1.5 * second + 0.2 * first[0] * second**2 - 0.3


@pytest.fixture(scope="module")
def certificate():
    methods = (dg.Simultaneous, dg.Extragradient, dg.RungeKutta4, dg.Optimistic)
    found = certify.certify(dg.FunctionField(spiral), BOX, methods)
    assert found.status == "proved", found.reasons
    return found


@pytest.mark.full
@pytest.mark.parametrize("level", [1, 2])
def test_the_checker_accepts_it(certificate, level):
    verdict = check_data(certificate.data, level=level)
    assert verdict.ok, verdict.reasons
    assert all("cost" not in sentence for sentence in verdict.rederived)


def test_what_it_claims(certificate):
    """The zero is where a root finder finds it, and steps converge to it as they should."""
    assert certificate.field == "spiral"
    assert {step.theorem for step in certificate.step_sizes.values()} <= {
        "lipschitz",
        "monotonicity",
        "performance",
    }
    start = (jnp.array([0.2, 0.1]), jnp.array(0.3))
    for method in (dg.Simultaneous, dg.RungeKutta4):
        solution = dg.solve(
            dg.FunctionField(spiral), certificate.safe_method(method), start, tol=1e-12
        )
        point = np.concatenate([np.ravel(block) for block in solution.strategy])
        lower, upper = (
            np.concatenate([np.ravel(block) for block in end])
            for end in certificate.equilibrium[:2]
        )
        assert (lower - 1e-9 <= point).all() and (point <= upper + 1e-9).all()


def test_for_people(certificate, tmp_path):
    page = report_page(certificate.save(tmp_path / "spiral.json"))
    assert "spiral has exactly one zero" in page and "Nash" not in page


def test_no_theorem_for_gradients_is_used(certificate):
    """Own blocks are not symmetric, so the discrete small-gain theorem does not apply."""
    game = dg.game(lambda x, args: (jnp.sum(x[0] ** 2) + x[1] * x[0][0], x[1] ** 2))
    steps = certify.certify(game, BOX, metric=certify.AutoMetric(objective="margin")).data[
        "claims"
    ]["steps"]
    assert steps[0]["theorem"] == "small_gain"
    moved = mutated(certificate.data, ("claims", "steps"), lambda _: steps)
    assert any("no pseudo-gradients" in reason for reason in check_data(moved).reasons)
    found = certify.certify(dg.FunctionField(spiral), BOX, (dg.Alternating,))
    assert not found.step_sizes and "alternating" in found.methods_without_step


def test_a_file_about_a_field_is_none_about_costs(certificate):
    """Without the name of the field its graph would be one of costs, of which there are two."""
    renamed = mutated(certificate.data, ("game",), lambda game: game | {"field": 3})
    with pytest.raises(ValueError, match="field"):
        check_data(renamed)
    without = mutated(
        certificate.data,
        ("game",),
        lambda game: {key: value for key, value in game.items() if key != "field"},
    )
    with pytest.raises(ValueError, match="outputs"):
        check_data(without)


def test_a_field_that_does_not_fit():
    with pytest.raises(ValueError, match="structure"):
        certify.certify(dg.FunctionField(lambda x, args: x[0]), BOX)


def test_lower_precision_is_said():
    box = certify.Box(
        tuple(jnp.full((), -0.5, jnp.float32) for _ in range(2)),
        tuple(jnp.full((), 0.5, jnp.float32) for _ in range(2)),
    )
    found = certify.certify(dg.FunctionField(lambda x, args: (x[0] + x[1], x[1] - x[0])), box)
    assert found.status == "proved"
    assert any("float32" in sentence for sentence in found.promoted)
