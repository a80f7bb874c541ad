"""Certificates in metrics with a matrix, end to end: search, file, checker, table, steps."""

import io
import json

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import certify
import dgames as dg
from certify.command.demo import worst_factor
from certify.command.tables import certificate_table
from certify.prove.arguments import check_options


def text(certificate):
    written = io.StringIO()
    Console(file=written, width=200).print(certificate_table(certificate))
    return written.getvalue()


def test_only_a_full_matrix_certifies_it(shear, shear_certificate, tmp_path):
    found = shear_certificate
    assert found.status == "proved"
    assert 0.4 < found.margin < found.lipschitz
    path = found.save(tmp_path / "shear.json")
    assert certify.check(path).ok
    assert json.loads(path.read_text())["claims"].keys() >= {"metric", "margin"}
    loaded = certify.load(path)
    assert isinstance(loaded, certify.Convergence)
    np.testing.assert_array_equal(loaded.metric, found.metric)
    np.testing.assert_array_equal(found.metric, found.metric.T)
    assert np.linalg.eigvalsh(found.metric)[0] > 0
    assert found.metric[0, 1] != 0
    for kind in ("weights", "block"):
        less = certify.certify(shear.game, shear.region, metric=certify.AutoMetric(kind))
        assert less.status == "undecided"
        assert "estimated by sampling" in less.reasons[0]


def test_there_are_no_weights_to_ask_for(shear_certificate, linear_certificate):
    with pytest.raises(ValueError, match="is a matrix"):
        _ = shear_certificate.weights
    assert shear_certificate.step_sizes["extragradient"].norm == "sqrt(x' metric x)"
    expected = np.diag([linear_certificate.weights[name] for name in ("fast", "slow")])
    np.testing.assert_array_equal(linear_certificate.metric, expected)


def test_the_equilibrium_is_enclosed(shear, shear_certificate):
    solution = dg.solve(shear.game, dg.Extragradient(0.3), shear.region.center, tol=1e-14)
    lower, upper = (dg.ravel(x)[0] for x in shear_certificate.equilibrium[:2])
    point = dg.ravel(solution.strategy)[0]
    assert (lower <= point + 1e-13).all()
    assert (point - 1e-13 <= upper).all()


@pytest.mark.parametrize("method", [dg.Simultaneous, dg.Extragradient])
def test_steps_contract_in_the_metric(shear, shear_certificate, method):
    name = dg.method_name(method)
    step = shear_certificate.step_sizes[name]
    worst = worst_factor(shear.game, shear_certificate, name, method(step.best))
    assert 0.3 < worst <= step.rate + 1e-9
    assert worst_factor(shear.game, shear_certificate, name, method(step.max)) <= 1 + 1e-9


def test_the_table_says_which_metric(shear_certificate, linear_certificate):
    shown = text(shear_certificate)
    condition = np.linalg.cond(shear_certificate.metric)
    assert f"a full matrix, condition number {condition:.4g}" in shown
    assert "margins estimated by sampling: Euclidean -0.99" in shown.replace("\n", " ")
    assert "one weight per player, condition number 200" in text(linear_certificate)


def test_a_matrix_can_be_given(shear, shear_certificate, tmp_path):
    metric = shear_certificate.metric
    path = tmp_path / "run.npz"
    again = certify.certify(
        shear.game,
        shear.region,
        metric=certify.Matrix(metric),
        search=certify.Search(checkpoint=path),
    )
    assert again.margin == shear_certificate.margin
    assert again.data["provenance"]["metric"] == "a matrix that was given"
    with pytest.raises(ValueError, match="another run"):
        certify.certify(
            shear.game,
            shear.region,
            metric=certify.Matrix(2 * metric),
            search=certify.Search(checkpoint=path),
        )


def made(kind, **fields):
    """An option as users make it, without the type checks of the tests."""
    option = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(option, name, value)
    option.__post_init__()
    return option


def auto(generality, objective):
    return made(certify.AutoMetric, generality=generality, objective=objective)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: made(certify.AutoMetric, generality="round", objective="step"),
            "one of auto, weights, block, full",
        ),
        (
            lambda: made(certify.AutoMetric, generality="full", objective="speed"),
            "one of basin, step, rate, margin",
        ),
        (lambda: made(certify.Matrix, entries=np.ones((2, 3))), "square"),
        (lambda: certify.Matrix(-np.eye(3)), "positive definite"),
        (lambda: certify.Matrix(np.triu(np.ones((3, 3)))), "symmetric"),
        (lambda: certify.Weights({"0": 1.0, "1": -1.0}), "positive"),
        (lambda: made(certify.Weights, by_player=[1.0, 1.0]), "by player"),
    ],
)
def test_what_is_no_metric_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": certify.Matrix(np.eye(2))}, "3 coordinates"),
        ({"metric": certify.Weights({"0": 1.0, "1": 1.0})}, "the players are 0, 1, 2"),
    ],
)
def test_metrics_that_do_not_fit_the_game(shear, options, message):
    with pytest.raises(ValueError, match=message):
        certify.certify(shear.game, shear.region, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("full", certify.Taylor(), certify.Search()), r"metric is 'full' .*certify.AutoMetric"),
        ((certify.AutoMetric(), "taylor", certify.Search()), r"'taylor' .*certify.Taylor"),
        ((certify.AutoMetric(), certify.Taylor(), 100), r"search is 100 .*certify.Search"),
    ],
)
def test_what_is_no_option_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        check_options("certify", *options)


def test_a_zero_sum_game_in_a_matrix():
    """The coupling cancels in weights; a matrix gains what the players' own blocks differ by."""

    @dg.zero_sum
    def game(x, args):
        return 0.05 * x["a"] ** 2 + 3.0 * jnp.sin(x["a"]) * x["b"] - 2.0 * x["b"] ** 2

    region = certify.Box.around({"a": 0.0, "b": 0.0}, 0.1)
    weights = certify.certify(game, region, metric=certify.AutoMetric("weights"))
    auto = certify.certify(game, region)
    assert weights.margin < 0.11
    assert auto.margin > 1.5
    assert auto.data["game"]["zero_sum"]
    assert auto.metric[0, 1] != 0
