"""Shared constraints: their data, their errors, and that nothing ignores them."""

from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg

LINE = dg.Polyhedron([[1.0, 1.0]], [1.0])


def line_game(shared: Any = LINE):
    """Problem A.11 of Facchinei and Kanzow."""
    return dg.game(lambda x, _: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2), shared=shared)


def test_rows_are_in_the_order_of_ravel():
    x = {"b": {"q": jnp.arange(3.0), "p": jnp.array(7.0)}, "a": jnp.ones((2, 2))}
    vector, _ = dg.ravel(x)
    by_leaf = jax.tree.map(lambda leaf: jnp.stack([leaf, 2.0 * leaf]), x)
    rows = dg.Polyhedron(by_leaf, [1.0, 2.0]).rows(x)
    assert np.array_equal(rows.A, np.stack([vector, 2.0 * vector]))
    again = dg.Polyhedron(rows.A, 1.0, A_eq=rows.A[:1], b_eq=3.0).rows(x)
    assert np.array_equal(again.A, rows.A) and again.b.tolist() == [1.0, 1.0]
    assert again.A_eq.shape == (1, 8) and again.b_eq.tolist() == [3.0]
    stacked = dg.Stacked(jnp.arange(6.0).reshape(3, 2))
    rows = dg.Polyhedron(dg.Stacked(jnp.arange(6.0).reshape(1, 3, 2)), 0.0).rows(stacked)
    assert rows.A.tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]


def test_games_keep_and_pass_on_their_constraints():
    x = (jnp.array(0.0), jnp.array(0.0))
    assert dg.game(lambda x, _: x).shared_constraints(x) == ()
    assert line_game().shared_constraints(x) == (LINE,)
    saddle = dg.zero_sum(minimiser="a", shared=LINE)(lambda x, _: x["a"] * x["b"])
    assert saddle.shared_constraints({"a": 0.0, "b": 0.0}) == (LINE,)
    disk = dg.SharedConstraint(lambda x, c: {"r": jnp.sum(x[0] ** 2) + x[1] ** 2 - c}, ["0"])
    assert disk.players == ("0",)
    assert disk.values(x, 2.0).tolist() == [-2.0]
    dg.check_game(line_game((LINE, disk)), x, 2.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dg.Polyhedron([[1.0, 1.0]], [1.0, 2.0]), "one row per constraint"),
        (lambda: dg.Polyhedron([[1.0, 1.0]], 1.0, A_eq=[[1.0, 0.0]]), "come together"),
        (lambda: dg.Polyhedron([[1.0, 1.0, 1.0]], 1.0), "shape \\(rows, 2\\)"),
        (lambda: dg.Polyhedron({"a": jnp.ones(1), "b": jnp.ones(1)}, 1.0), "players 0, 1"),
        (lambda: dg.Polyhedron((jnp.ones((1, 2)), jnp.ones(1)), 1.0), "for each leaf"),
        (lambda: dg.SharedConstraint(3.0), "must be a function"),
        (lambda: dg.SharedConstraint(lambda x, _: x[0], players=[0]), "names"),
        (lambda: dg.SharedConstraint(lambda x, _: x[0], players="c"), "'c', who is not among"),
        (lambda: dg.SharedConstraint(lambda x: x[0]), "two arguments"),
        (lambda: dg.SharedConstraint(lambda x, _: jnp.ones((2, 2))), "scalars or vectors"),
        (lambda: dg.SharedConstraint(lambda x, _: ()), "at least one value"),
        (lambda: (LINE, dg.Box(0.0, 1.0)), "is a dgames.Polyhedron or"),
    ],
)
def test_malformed_constraints_are_named_in_one_sentence(make, words):
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=f"{words}|Type-check error"):
        dg.check_game(line_game(make()), (0.0, 0.0))


METHODS = [
    dg.Alternating(0.1),
    dg.ComplexMomentum(0.1, 0.1j),
    dg.MirrorDescent(0.1, dg.EuclideanMirror()),
]


@pytest.mark.parametrize("method", METHODS, ids=dg.method_name)
def test_methods_that_project_player_by_player_refuse(method):
    with pytest.raises(ValueError, match="shared constraints"):
        dg.solve(line_game(), method, (0.0, 0.0))


def test_policies_in_logits_and_gaps_refuse():
    class Capped(dg.games.MatrixGame):
        def shared_constraints(self, x):
            return (dg.Polyhedron([[1.0, 0.0, 1.0, 0.0]], 1.0),)

    game = Capped(jnp.eye(2), 1.0 - jnp.eye(2))  # pyright: ignore[reportCallIssue]
    x = game.uniform()
    with pytest.raises(ValueError, match="shared constraints"):
        dg.nash_gap(game, x)
    with pytest.raises(ValueError, match="shared constraints"):
        dg.InLogits(game).costs((jnp.zeros(1), jnp.zeros(1)))
    with pytest.raises(ValueError, match="shared constraints"):
        dg.NaturalGradient(game)((jnp.zeros(1), jnp.zeros(1)))
    with pytest.raises(ValueError, match="shared constraints"):
        dg.quantal_responses(game, [1.0], x)
    assert len(dg.Regularised(game, 1.0).shared_constraints(x)) == 1


def test_certify_refuses_where_it_would_ignore_them():
    game, box = line_game(), certify.Box.around((0.75, 0.25), 0.1)
    for call in (
        lambda: certify.largest_step(game, dg.Simultaneous, box),
        lambda: certify.contraction(game, dg.Simultaneous(0.1), box),
    ):
        with pytest.raises(ValueError, match="shared constraints"):
            call()

    class Coupled(dg.NetworkGame):
        def shared_constraints(self, x):
            return (dg.Polyhedron([[1.0, 1.0, 1.0]], 1.0),)

    ring = jnp.array([[1, 2], [2, 0], [0, 1]])
    cost = lambda own, others, _, args: own**2 - 0.1 * own * others.sum()  # noqa: E731
    network = Coupled(cost, ring)  # pyright: ignore[reportCallIssue]
    region = certify.Box(dg.Stacked(jnp.zeros(3)), dg.Stacked(jnp.ones(3)))
    with pytest.raises(ValueError, match="shared constraints"):
        certify.certify_network(network, region)
