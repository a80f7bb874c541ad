"""Zeros of plain systems: conditions, definite matrices, regions, and reasons."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.graph import game_hash, graph_hash
from certify.prove.mismatch import MismatchError
from tests.certify.prove.zero.test_certify_kkt import changed, number


def circle(z, args):
    return jnp.stack([z[0] ** 2 + z[1] ** 2 - 2.0, z[0] - z[1]])


@pytest.fixture(scope="module")
def found():
    return certify.certify_zero(
        circle,
        jnp.array([0.9, 1.2]),
        conditions=lambda z, _: jnp.stack([z[0], z[1] - 0.5]),
        definite=lambda z, _: [jnp.array([[4.0, 1.0], [1.0, 4.0]]) * z[0]],
        region=certify.Box({"z": jnp.full(2, 0.5)}, {"z": jnp.full(2, 1.5)}),
        radius=0.5,
    )


def test_a_circle_and_a_line(found):
    assert found.status == "proved", found.reasons
    low, high = (np.asarray(end["z"]) for end in found.zero)
    assert (low < 1.0).all() and (high > 1.0).all() and (high - low < 1e-14).all()
    assert found.check(level=2).ok and found.cells == 1
    text = " ".join(label for label, _ in found.rows())
    assert "conditions" in text and "matrices" in text


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (("evidence", "bounds", 0), number(1.5), "the conditions are as large as stated"),
        (("evidence", "bounds", 0), number(0.0), "the conditions are positive"),
        (("claims", "region", "lower", 0), number(-1.0), "matrix 0 is in evidence.cells"),
        (("claims", "region", "upper", 1), number(0.75), "the zero is in the region"),
        (
            ("evidence", "cells", 0, "forms", 0, "matrix", "centre"),
            lambda x: [x[1], x[0], x[0], x[1]],
            "matrix 0 is positive definite",
        ),
        (
            ("evidence", "cells", 0, "forms", 0, "matrix", "centre", 1),
            lambda x: x + 1,
            "is symmetric",
        ),
        (
            ("evidence", "cells", 0, "forms", 0, "matrix", "remainder"),
            lambda x: [0] * len(x),
            "matrix 0 is in evidence.cells",
        ),
    ],
)
def test_conditions_and_matrices_made_false_are_rejected(found, path, change, reason):
    verdict = check_data(changed(found.data, path, change), level=2)
    assert not verdict.ok and reason in verdict.reasons[0]


def test_a_matrix_that_is_not_definite_everywhere_is_not_proved():
    region = certify.Box({"z": jnp.full(2, -1.0)}, {"z": jnp.full(2, 3.0)})
    kept = certify.certify_zero(
        circle,
        jnp.array([0.9, 1.2]),
        definite=lambda z, _: [jnp.eye(2) * z[0]],
        region=region,
        search=certify.Search(max_cells=16),
    )
    assert kept.status == "undecided" and "matrix 0" in kept.reasons[0]
    local = certify.certify_zero(
        circle, jnp.array([0.9, 1.2]), definite=lambda z, _: [jnp.eye(2) * z[0]]
    )
    assert local.status == "proved" and local.check(level=2).ok


def test_the_largest_radius_is_found_by_trying():
    """The two zeros are 2 sqrt 2 apart, so the box cannot have half-widths of 2."""
    best = certify.certify_zero(circle, jnp.array([0.9, 1.2])).radius
    assert 0.4 < best < 1.0
    for radius, status in ((best, "proved"), (2.0, "undecided")):
        assert certify.certify_zero(circle, jnp.array([0.9, 1.2]), radius=radius).status == status


def test_a_singular_zero_has_a_reason():
    double = certify.certify_zero(lambda z, _: z**2 - 2.0 * z + 1.0, jnp.array([1.0 + 1e-3]))
    assert double.status == "undecided"
    ring = certify.certify_zero(
        lambda z, _: jnp.stack([z[0] ** 2 + z[1] ** 2 - 1.0, 0.0 * z[0]]), jnp.array([1.0, 0.0])
    )
    assert "singular" in ring.reasons[-1] and "smallest singular value" in ring.reasons[-1]


def test_a_field_and_a_game_are_systems():
    game = dg.game(lambda x, args: (x[0] ** 2 + args * x[0] * x[1] - x[0], x[1] ** 2 + x[1]))
    found = certify.certify_zero(game, (0.0, 0.0), args=3.0)
    assert found.status == "proved", found.reasons
    x = [float(end) for end in found.zero.lower]
    assert np.allclose(x, [1.25, -0.5])
    found.require_game(game, (0.0, 0.0), 3.0)
    with pytest.raises(ValueError, match="its field is another function"):
        found.require_game(game, (0.0, 0.0), 2.0)


def test_kinks_in_the_box_are_not_smooth():
    def kinked(z, _):
        return jnp.maximum(z, 0.5 * z) - 0.1

    found = certify.certify_zero(kinked, jnp.array([0.2]), radius=0.03)
    assert found.status == "proved"
    assert certify.certify_zero(kinked, jnp.array([0.2]), radius=0.2).status == "undecided"


def test_kinks_are_found_by_the_checker():
    """With the derivative of one side alone, the bounds of the file would be right."""

    def bent(x, _):
        return (x[0] ** 2 - 10.0 * jnp.maximum(x[0] - 1.0, 0.0) ** 2,)

    def folded(z, _):  # zeros at -1/8 and 1/16
        return z + 0.125 - 3.0 * jnp.maximum(z, 0.0)

    flat = certify.certify_kkt(dg.game(bent), (0.1,), certify.Box((-0.5,), (0.5,)))
    assert flat.status == "proved"
    wide = changed(flat.data, ("claims", "region", "upper", 0), number(4.0))
    assert check_data(wide).ok
    assert "the functions are smooth on evidence" in check_data(wide, level=2).reasons[0]
    one = certify.certify_zero(folded, jnp.array([-0.1]), radius=0.0625)
    assert one.status == "proved"
    both = changed(one.data, ("claims", "box", "upper", 0), number(1.0))
    assert check_data(both).ok
    assert "defined and smooth on the box" in check_data(both, level=2).reasons[0]


def test_unused_operations_have_to_be_defined(found):
    """A logarithm that no output depends on makes the graph undefined where it is."""
    data = changed(found.data, ("game", "graph", "nodes"), lambda x: [*x, ["log", 0], ["neg", 0]])
    graph = data["game"]["graph"]
    for argument, accepted in ((0, True), (len(graph["nodes"]), False)):
        graph["nodes"][-2:] = [["neg", 0], ["log", argument]]
        graph["hash"] = graph_hash(graph["nodes"], graph["outputs"])
        data["game"]["hash"] = game_hash(data["game"])
        verdict = check_data(data, level=2)
        assert verdict.ok == accepted
        assert accepted or "defined and smooth" in verdict.reasons[0]


def test_code_that_is_not_what_was_traced_is_noticed():
    calls = []

    def impure(z, _):
        calls.append(1)
        return z - 1.0 if len(calls) < 3 else z - 2.0

    with pytest.raises(MismatchError):
        certify.certify_zero(impure, jnp.array([0.9]))


def test_the_number_of_equations_is_that_of_the_unknowns():
    with pytest.raises(ValueError, match="1 equations in 2 unknowns"):
        certify.certify_zero(lambda z, _: jnp.sum(z), jnp.zeros(2))
    with pytest.raises(
        (ValueError, jaxtyping.TypeCheckError), match=r"no function|Type-check error"
    ):
        certify.certify_zero(3.0, jnp.zeros(2))  # pyright: ignore


def test_custom_derivatives_are_refused():
    @jax.custom_jvp
    def liar(z):
        return z - 1.0

    liar.defjvp(lambda primals, tangents: (liar(*primals), 2.0 * tangents[0]))
    with pytest.raises(certify.EnclosureError):
        certify.certify_zero(lambda z, _: liar(z), jnp.array([0.9]))
