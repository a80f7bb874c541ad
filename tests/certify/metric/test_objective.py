"""A proof that one can use: its basin is no sliver, and given metrics are obeyed."""

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.metric.weights import sampled_lipschitz, sampled_margin
from certify.problem.field import compiled_jacobians, flat_field


def in_units(found, half_widths, basin=None):
    """How far the basin reaches in each coordinate, in half-widths of the region."""
    radius = found.basin.radius if basin is None else basin
    return radius / np.sqrt(np.diagonal(found.metric)) / half_widths


ONE_WAY = {
    "linear": (lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2), (1.0, 1.0)),
    "the other way": (lambda x, args: (x[0] ** 2, x[1] ** 2 - x[0] * x[1]), (1.0, 1.0)),
    "strong": (lambda x, args: (x[0] ** 2 + 5 * x[0] * x[1], x[1] ** 2), (1.0, 1.0)),
    "mildly nonlinear": (
        lambda x, args: (
            x[0] ** 2 + 0.1 * jnp.sin(x[0]) + x[0] * x[1],
            x[1] ** 2 + 0.1 * jnp.cos(x[1]),
        ),
        (0.5, 0.5),
    ),
    "a chain": (
        lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 + 2 * x[1] * x[2], x[2] ** 2),
        (1.0, 1.0, 1.0),
    ),
    "unequal widths": (lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2), (1.0, 1e-3)),
}


@pytest.mark.parametrize(("costs", "widths"), ONE_WAY.values(), ids=ONE_WAY.keys())
def test_one_way_coupling_leaves_a_basin(costs, widths):
    """The margin grows without end as weights grow apart; the basin would vanish."""
    game, centre = dg.game(costs), tuple(0.0 for _ in widths)
    found = certify.certify(game, certify.Box.around(centre, widths), [dg.Simultaneous])
    assert found.status == "proved"
    assert found.margin > 0.9 * 2.0 - 0.2
    reach = in_units(found, np.array(widths))
    least = {"strong": 0.03, "a chain": 0.005}.get(_name(costs), 0.12)
    assert reach.min() > least
    assert found.data["provenance"]["objective"] == "basin"


def _name(costs):
    return next(name for name, (known, _) in ONE_WAY.items() if known is costs)


@pytest.mark.parametrize("weights", [{"0": 1.0, "1": 1.0}, {"0": 1.0, "1": 4.0}])
def test_weights_that_are_given_are_obeyed(weights):
    game = dg.game(ONE_WAY["linear"][0])
    found = certify.certify(
        game, certify.Box.around((0.0, 0.0), 1.0), metric=certify.Weights(weights)
    )
    assert found.weights == weights
    expected = {1.0: 1.5, 4.0: 1.75}[weights["1"]]
    assert found.margin == pytest.approx(expected, abs=1e-6)
    share = in_units(found, np.ones(2)).min()
    assert share == pytest.approx((1 / weights["1"]) ** 0.5, abs=1e-6)


def test_a_matrix_that_is_given_is_obeyed():
    game = dg.game(ONE_WAY["linear"][0])
    matrix = np.array([[1.0, 0.1], [0.1, 3.0]])
    found = certify.certify(
        game, certify.Box.around((0.0, 0.0), 1.0), metric=certify.Matrix(matrix)
    )
    assert (found.metric == matrix).all()


def test_each_objective_is_best_at_its_own():
    game = dg.game(ONE_WAY["linear"][0])
    region, found = certify.Box.around((0.0, 0.0), 1.0), {}
    for objective in ("basin", "margin", "step", "rate"):
        found[objective] = certify.certify(
            game, region, metric=certify.AutoMetric(objective=objective)
        )
    steps = {name: one.step_sizes["simultaneous"] for name, one in found.items()}
    assert found["margin"].margin == max(one.margin for one in found.values()) > 1.999
    assert steps["step"].max >= max(step.max for step in steps.values()) * (1 - 1e-6)
    assert steps["rate"].rate <= min(step.rate for step in steps.values()) * (1 + 1e-6)
    reach = {name: in_units(one, np.ones(2)).min() for name, one in found.items()}
    assert reach["basin"] == max(reach.values()) > 100 * reach["margin"]


def steep(x, args):
    """Costs whose Jacobian is the largest in a corner, and the margin the smallest elsewhere."""
    a, b = x["a"], x["b"]
    return {
        "a": jnp.exp(a) + 0.5 * a**2 - a + a * jnp.sin(b),
        "b": jnp.exp(-b) + 0.5 * b**2 + b - b * jnp.sin(a),
    }


STEEP = certify.Box.around({"a": 0.0, "b": 0.0}, 2.0)


@pytest.fixture(scope="module")
def by_objective():
    """Certificates of one game and metric, for several objectives."""
    return {
        objective: certify.certify(
            dg.game(steep), STEEP, metric=certify.AutoMetric("weights", objective)
        )
        for objective in ("margin", "step", "rate")
    }


def test_the_region_is_cut_where_the_lipschitz_constant_is_large(by_objective):
    """The coarse cells that a margin is content with have a large Lipschitz constant."""
    step, rate = by_objective["step"], by_objective["rate"]
    general = {name: 2 * c.margin / c.lipschitz**2 for name, c in by_objective.items()}
    assert general["step"] > 1.5 * general["margin"]
    found = {name: c.step_sizes["simultaneous"] for name, c in by_objective.items()}
    assert found["step"].max > 1.5 * found["margin"].max
    assert max(found["rate"].rate, found["step"].rate) < found["margin"].rate
    # Within the share of what sampling finds in the same metric, which bounds it from above.
    field = flat_field(dg.game(steep), STEEP)
    edge = np.linspace(-2.0, 2.0, 33)
    points = np.stack(np.meshgrid(edge, edge), -1).reshape(-1, 2)
    jacobians = np.asarray(compiled_jacobians(field)(points))
    for certificate, power in ((step, 2), (rate, 1)):
        weights = np.diagonal(certificate.metric)
        margin, norm = sampled_margin(jacobians, weights), sampled_lipschitz(jacobians, weights)
        assert margin >= certificate.margin and norm <= certificate.lipschitz
        reached = certificate.margin / certificate.lipschitz**power
        assert 0.97 <= reached / (margin / norm**power) <= 1


def test_reports_say_what_the_search_is_for():
    words = {}
    for objective in ("margin", "step", "rate"):
        states = []
        certify.certify(
            dg.game(steep),
            STEEP,
            metric=certify.AutoMetric("weights", objective),
            search=certify.Search(progress=states.append, tightness=0.5),
        )
        words[objective] = states[-1].in_words
    assert "margin to prove" in words["margin"]
    assert ", step to prove" in words["step"]
    assert "margin / Lipschitz constant to prove" in words["rate"]


@pytest.mark.full
@pytest.mark.parametrize("options", [{"n_jobs": 2}, {"batch_size": 1}])
def test_one_answer_for_steps_too(by_objective, options):
    search = certify.Search(**options)
    found = certify.certify(
        dg.game(steep), STEEP, metric=certify.AutoMetric("weights", "step"), search=search
    )
    assert found.data["evidence"] == by_objective["step"].data["evidence"]


def test_a_search_for_a_step_goes_on_from_its_checkpoint(by_objective, tmp_path):
    def certified(objective, cells):
        search = certify.Search(max_cells=cells, checkpoint=tmp_path / "run.npz")
        metric = certify.AutoMetric("weights", objective)
        return certify.certify(dg.game(steep), STEEP, metric=metric, search=search)

    assert certified("step", 40).cells == 40
    assert certified("step", 1000).data["evidence"] == by_objective["step"].data["evidence"]
    weights = certify.Weights(by_objective["step"].weights)
    with pytest.raises(ValueError, match="the objective differs"):
        certify.certify(
            dg.game(steep),
            STEEP,
            metric=weights,
            search=certify.Search(checkpoint=tmp_path / "run.npz"),
        )


@pytest.mark.full
def test_methods_without_a_theorem_here_take_nothing_away():
    """An equilibrium on the boundary, where nothing is known of optimistic steps."""

    def cournot(x, args):
        price = 20 / (1 + 0.1 * (x["a"] + x["b"]))
        return {n: -x[n] * price + c * x[n] + 0.5 * x[n] ** 2 for n, c in (("a", 1.0), ("b", 4.0))}

    game = dg.game(cournot, {"a": dg.Box(0.0, 4.0), "b": dg.Box(0.0, 10.0)})
    region = certify.Box.around({"a": 4.0, "b": 4.1}, 1.0)
    fewer = certify.certify(game, region, [dg.Simultaneous, dg.Extragradient])
    all_of_them = [dg.Simultaneous, dg.Extragradient, dg.Optimistic, dg.Momentum]
    found = certify.certify(game, region, all_of_them)
    assert found.status == "proved"
    assert found.margin == fewer.margin
    assert set(found.step_sizes) == {"simultaneous", "extragradient"}
    assert set(found.methods_without_step) == {"optimistic", "momentum"}
    assert "projected steps" in found.methods_without_step["optimistic"]
    with pytest.raises(ValueError, match=r"no step for Optimistic.*projected steps"):
        found.safe_method(dg.Optimistic)
    # Nothing else was asked for: what is known of the game is proved all the same.
    alone = certify.certify(game, region, [dg.Optimistic])
    assert alone.status == "proved" and not alone.step_sizes
    assert certify.checker.check_data(alone.data).ok


def test_alternating_steps_of_a_field_are_left_out():
    field = dg.FunctionField(lambda x, args: (2 * x[0] + x[1], 2 * x[1] - x[0]))
    region = certify.Box.around((0.0, 0.0), 1.0)
    found = certify.certify(field, region, [dg.Simultaneous, dg.Alternating])
    assert set(found.step_sizes) == {"simultaneous"}
    assert "pseudo-gradients" in found.methods_without_step["alternating"]


@pytest.mark.full
def test_reasons_say_which_metrics_were_not_tried():
    """Primal-dual form of `x + y <= 1`: the multiplier has no curvature of its own."""
    game = dg.game(
        lambda x, a: {
            "x": x["x"] ** 2 - 3 * x["x"] + x["lam"] * x["x"],
            "y": x["y"] ** 2 - 3 * x["y"] + x["lam"] * x["y"],
            "lam": -x["lam"] * (x["x"] + x["y"] - 1),
        }
    )
    region = certify.Box.around({"x": 0.5, "y": 0.5, "lam": 2.0}, 0.5)
    found = certify.certify(game, region, [dg.Extragradient], metric=certify.AutoMetric("full"))
    assert found.status == "undecided"
    assert "no matrix was tried: the own curvature of 'lam' is 0" in found.reasons[0]
    # As a field, of which nothing is claimed about equilibria, it has a proof in a full matrix.
    field = dg.FunctionField(dg.pseudo_gradient(game))
    found = certify.certify(field, region, [dg.Extragradient], metric=certify.AutoMetric("full"))
    assert found.status == "proved" and found.claims.weights is None
