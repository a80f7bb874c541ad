"""Proofs by terms of rank one: closed forms, whole spaces, hidden nonlinearities, and level 2."""

import copy
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from flint import ctx

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.claims import Claims
from certify.checker.graph import game_hash, graph_hash
from certify.checker.reader import Reader, digest
from certify.checker.rederive_terms import _check_ranges
from certify.checker.ridges import Ridges
from certify.file.terms import terms_in_file, terms_of_file

GENERATOR = np.random.default_rng(0)
ROWS, LABELS = GENERATOR.normal(size=(8, 4)), GENERATOR.integers(0, 2, 8).astype(float)
DATA = {"rows": jnp.asarray(ROWS), "labels": jnp.asarray(LABELS)}
START = {"model": jnp.zeros(4), "adversary": jnp.zeros(8)}


def payoff(x, args):
    """A logistic model against an adversary who shifts its labels."""
    z = args["rows"] @ x["model"]
    fit = jnp.mean(jax.nn.softplus(z) - (args["labels"] + x["adversary"]) * z)
    return fit + 0.1 * jnp.sum(x["model"] ** 2) - 0.5 * jnp.sum(x["adversary"] ** 2)


LABEL_GAME = dg.zero_sum(payoff, minimiser="model")


@pytest.fixture(scope="module")
def proved():
    return certify.certify(
        LABEL_GAME, certify.Everywhere(START), [dg.Simultaneous, dg.Extragradient], args=DATA
    )


class TestLabelAdversary:
    def test_the_margin_is_the_exact_one(self, proved):
        """At large w all slopes of the loss vanish: then the margin is min(0.2, 1)."""
        assert proved.status == "proved"
        assert 0.2 * (1 - 1e-6) <= proved.margin <= 0.2

    def test_both_levels_accept(self, proved):
        for level in (1, 2):
            verdict = check_data(proved.data, level=level)
            assert verdict.ok, verdict.reasons

    def test_what_it_says(self, proved):
        rows = {row.label: "".join(map(str, row.parts)) for row in proved.claim_rows()}
        assert rows["region"].startswith("everywhere")
        assert rows["basin"] == "every start"
        assert "rank one" in rows["terms"]
        assert proved.cells == 0 and proved.terms > 0
        assert "Everywhere" not in repr(proved) and "terms=" in repr(proved)
        with pytest.raises(ValueError, match="no single blocks"):
            proved.small_gain  # noqa: B018
        assert "every start" in certify.report_page(proved)

    def test_it_converges_from_far_away(self, proved):
        step = proved.step_sizes["extragradient"]
        far = jax.tree.map(lambda leaf: leaf + 1000.0, START)
        assert bool(proved.in_basin(dg.Extragradient, far))
        solution = dg.solve(
            LABEL_GAME,
            dg.Extragradient(step.best),
            far,
            args=DATA,
            tol=1e-9,
            max_steps=20_000,
        )
        assert proved.difference(LABEL_GAME, args=DATA) is None
        by_file = dg.solve(
            LABEL_GAME,
            dg.Extragradient,
            far,
            args=DATA,
            step_size=proved,
            max_steps=20_000,
            tol=1e-9,
        )
        assert float(by_file.residual) <= 1e-9
        for name, leaf in proved.equilibrium.center.items():
            np.testing.assert_allclose(solution.strategy[name], leaf, atol=1e-6)

    def test_the_file_is_read_again(self, proved, tmp_path):
        again = certify.load(proved.save(tmp_path / "label.json"))
        assert isinstance(again, certify.Convergence)
        assert isinstance(again.region, certify.Everywhere)
        assert again.margin == proved.margin


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["evidence"]["terms"][0].__setitem__(3, d["evidence"]["terms"][0][2]),
        lambda d: d["evidence"]["terms"][0].__setitem__(2, d["evidence"]["terms"][0][3]),
        lambda d: d["evidence"]["terms"].pop(0),
        lambda d: d["evidence"]["vectors"][0][1].__setitem__(0, 12345),
        lambda d: d["claims"]["equilibrium"]["center"].__setitem__(0, (0.5).hex()),
        lambda d: d["game"]["graph"]["nodes"].append(["neg", 0]),
        lambda d: d["game"].pop("zero_sum"),
    ],
)  # fmt: skip
def test_level_2_finds_every_change(proved, change):
    data = copy.deepcopy(proved.data)
    evidence = data["evidence"]
    proofs = [evidence[name] for name in ("margin_proof", "lipschitz_proof")]
    # Terms that move come first.
    moving = [term[2] != term[3] for term in evidence["terms"]]
    order = sorted(range(len(moving)), key=lambda k: not moving[k])
    evidence["terms"] = [evidence["terms"][k] for k in order]
    for proof in proofs:
        proof["multipliers"] = [proof["multipliers"][k] for k in order]
    change(data)
    if len(evidence["terms"]) < len(order):
        for proof in proofs:
            proof["multipliers"].pop(0)
    data["digest"] = digest(data)
    try:
        verdict = check_data(data, level=2)
    except certify.Unusable:
        return
    assert not verdict.ok


def test_level_2_refuses_costs_that_may_be_undefined(proved):
    """A logarithm on which nothing depends: the graph is not defined where it is not."""
    data = copy.deepcopy(proved.data)
    graph = data["game"]["graph"]
    graph["nodes"].append(["log", 0])
    graph["hash"] = graph_hash(graph["nodes"], graph["outputs"])
    data["game"]["hash"] = game_hash(data["game"])
    data["digest"] = digest(data)
    assert check_data(data, level=1).ok
    verdict = check_data(data, level=2)
    assert not verdict.ok and "is defined on the region" in verdict.reasons[0]


class TestClosedForms:
    def test_a_quadratic_game(self):
        """`J = [[2, 1], [-1, 4]]`: with equal weights the margin is 2."""
        game = dg.game(lambda x, _: (x[0] ** 2 + x[0] * x[1], 2 * x[1] ** 2 - x[0] * x[1]))
        found = certify.certify(game, certify.Everywhere((0.0, 0.0)))
        assert found.status == "proved"
        assert 2 * (1 - 1e-6) <= found.margin <= 2

    def test_weights_are_chosen(self):
        """Couplings of 1 and 100 between players with curvature 20: only weights 100:1 will do."""
        game = dg.game(
            lambda x, _: (10 * x[0] ** 2 + x[0] * x[1], 10 * x[1] ** 2 + 100 * x[0] * x[1])
        )
        where = certify.Everywhere((0.0, 0.0))
        found = certify.certify(game, where, metric=certify.AutoMetric(objective="margin"))
        assert found.status == "proved"
        assert 9.99 <= found.margin <= 10
        assert found.weights["0"] / found.weights["1"] == pytest.approx(100, rel=0.1)
        rounder = certify.certify(game, where)
        assert 9.5 <= rounder.margin < found.margin
        assert rounder.weights["0"] / rounder.weights["1"] < 60

    def test_a_saturating_coupling(self):
        """`J = [[1, 0.4 tanh'(x_1)], [-0.4 tanh'(x_0), 1]]`, whose margin is `1 - 0.2`."""
        game = dg.game(
            lambda x, _: (
                0.5 * x[0] ** 2 + 0.4 * x[0] * jnp.tanh(x[1]),
                0.5 * x[1] ** 2 - 0.4 * x[1] * jnp.tanh(x[0]),
            )
        )
        field = dg.FunctionField(
            lambda x, _: (x[0] + 0.4 * jnp.tanh(x[1]), x[1] - 0.4 * jnp.tanh(x[0]))
        )
        for given in (game, field):
            found = certify.certify(given, certify.Everywhere((0.1, 0.0)))
            assert found.status == "proved"
            assert 0.8 * (1 - 1e-6) <= found.margin <= 0.8

    def test_a_coupling_that_does_not_saturate(self):
        """The slope of `x_0 x_1^2` grows with x_1."""
        game = dg.game(lambda x, _: (x[0] ** 2 + x[0] * x[1] ** 2, x[1] ** 2))
        found = certify.certify(game, certify.Everywhere((0.1, 0.0)))
        assert found.status == "undecided"
        assert "not bounded" in found.reasons[0]

    def test_a_box_of_a_large_game(self):
        """Of 60 coordinates, terms come first; the closed form is `1 + min tanh'`."""
        rows = jnp.asarray(np.random.default_rng(1).normal(size=(30, 30)) / 30)
        game = dg.game(
            lambda x, _: {
                "a": jnp.sum(jnp.cosh(rows @ x["a"]))
                + 0.5 * jnp.sum(x["a"] ** 2)
                + jnp.vdot(x["a"], x["b"]),
                "b": 0.5 * jnp.sum(x["b"] ** 2) - jnp.vdot(x["a"], x["b"]),
            }
        )
        box = certify.Box.around({"a": jnp.zeros(30), "b": jnp.zeros(30)}, 0.5)
        found = certify.certify(game, box)
        assert found.status == "proved" and found.terms > 0
        assert 1 - 1e-6 <= found.margin <= 1.1


def scanned(x):
    def round_(total, a):
        return total + jnp.sin(a * x[0]), None

    return jax.lax.scan(round_, 0.6 * x[0] ** 2, jnp.arange(3.0))[0]


def reused(x):
    y = jnp.cos(2 * x[0])
    return y + y * y + 0.5 * x[0] ** 2


@pytest.mark.full
def test_a_network_of_many_players():
    """On a grid of 40 by 40 players who are drawn to their neighbours, each by at most 0.2.

    The margin is at least `1 - 4 * 0.2`; with all slopes 0.2 it is `1 - 0.8 cos(pi / 41)`.
    """
    side = 40
    places = np.pad(np.arange(side**2).reshape(side, side), 1, constant_values=-1)
    sides = [places[:-2, 1:-1], places[2:, 1:-1], places[1:-1, :-2], places[1:-1, 2:]]
    neighbours = np.stack(sides, -1).reshape(-1, 4)

    def cost(own, others, parameters, args):
        return 0.5 * own**2 - own * (1.0 + jnp.sum(parameters * jnp.tanh(others)))

    game = dg.NetworkGame(cost, neighbours, np.where(neighbours >= 0, 0.2, 0.0))
    start = dg.Stacked(jnp.zeros(side**2))
    found = certify.certify(game, certify.Everywhere(start))
    assert found.status == "proved", found.reasons
    assert 0.2 <= found.margin <= 1 - 0.8 * np.cos(np.pi / (side + 1))
    assert check_data(found.data, level=2).ok
    assert found.weights["0"] == 1.0 and "every start" in str(found.claim_rows())


def test_large_and_small_games_have_the_same_bounds(monkeypatch):
    """Eigenvalues one by one, by inverse iteration, are those of the whole spectrum."""
    from certify.jacobian.rank_one import rank_one
    from certify.metric import rank_one_bounds, term_multipliers
    from certify.metric.metric import Metric
    from certify.problem.field import flat_field

    region = certify.Everywhere(START)
    terms = rank_one(flat_field(LABEL_GAME, region, DATA), region)

    def found():
        metric = Metric(np.ones(12))
        return (
            rank_one_bounds.margin_bound(terms, metric),
            rank_one_bounds.lipschitz_bound(terms, metric),
        )

    dense = found()
    monkeypatch.setattr(term_multipliers, "DENSE", 0)
    monkeypatch.setattr(term_multipliers.least, "__defaults__", (0,))
    for one, other in zip(dense, found(), strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-5, abs=1e-5)


# First costs in which a nonlinearity hides; each has a margin only if it is overlooked.
HIDDEN = {
    "a constant": lambda x: x[0] ** 2 - 3 * jnp.vdot(jnp.array([1.0, 0.0]), jnp.cos(jnp.stack(x))),
    "reused arguments": reused,
    "cancellation": lambda x: jnp.sin(3 * x[0]) - 0.9 * jnp.sin(3 * x[0]) + 0.4 * x[0] ** 2,
    "a huge row": lambda x: jnp.sum(jnp.cos(jnp.array([1e8, 1.0]) * x[0])) + x[0] ** 2,
    "a doubled row": lambda x: jnp.sum(jnp.sin(jnp.ones(3) * x[0])) + x[0] ** 2,
    "a scan": scanned,
}


def filled(x):
    """The fill of a gather outside of its array is no entry of it, though all of these are one."""
    weights = jnp.exp(jnp.ones(3)).at[jnp.array([0, 5])].get(mode="fill", fill_value=-2.0)
    return 0.5 * x[0] ** 2 + weights[1] * x[0] ** 2


def undefined_quotient(x):
    """A quotient of zero is undefined where its denominator vanishes."""
    return x[0] ** 2 + 0.0 / (x[0] ** 2 - 0.25)


def undefined_difference(x):
    return x[0] ** 2 + (x[0] - x[0]) / (x[0] - 0.7)


def undefined_power(x):
    return x[0] ** 2 + jnp.power(x[0], 0.0 * x[1])


HIDDEN |= {
    "a fill": filled,
    "a fill behind a huge constant": lambda x: 1e16 + filled(x),
    "a quotient of zero": undefined_quotient,
    "a difference over something": undefined_difference,
    "a power of zero": undefined_power,
}


@pytest.mark.parametrize("name", HIDDEN)
def test_nothing_hidden_is_overlooked(name):
    game = dg.game(lambda x, _: (HIDDEN[name](x), x[1] ** 2))
    found = certify.certify(game, certify.Everywhere((0.3, 0.2)))
    assert found.status != "proved"


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (lambda x: (jnp.tanh(x[0] * x[1]), x[1] ** 2), "tanh is applied"),
        (lambda x: (jnp.abs(x[0]) + x[0] ** 2, x[1] ** 2), "kinks"),
        (lambda x: (jnp.where(x[0] > 0, x[0] ** 2, x[0]), x[1] ** 2), "choose by real numbers"),
        (lambda x: (jnp.max(jnp.stack(x)) + x[0] ** 2, x[1] ** 2), "max, which has kinks"),
        (
            lambda x: (jax.nn.softmax(jnp.stack(x))[0] + x[0] ** 2, x[1] ** 2),
            "more than one linear",
        ),
        (lambda x: (x[0] ** 4 + x[0] ** 2, x[1] ** 2), "not bounded"),
        (lambda x: (jnp.log(x[0]) + x[0] ** 2, x[1] ** 2), "defined"),
        (lambda x: (-(x[0] ** 2), x[1] ** 2), "positive margin"),
    ],
)
def test_reasons(costs, message):
    game = dg.game(lambda x, _: costs(x))
    found = certify.certify(game, certify.Everywhere((0.3, 0.2)))
    assert found.status == "undecided"
    assert any(re.search(message, reason) for reason in found.reasons), found.reasons


def test_data_without_rows_and_with_zeros():
    def cost(x, args):
        return (jnp.sum(jax.nn.softplus(args @ x[0])) + jnp.sum(x[0] ** 2), x[1] ** 2)

    for data in (jnp.zeros((0, 2)), jnp.zeros((3, 2)), jnp.array([[0.0, 1.0], [0.0, 0.0]])):
        found = certify.certify(dg.game(cost), certify.Everywhere((jnp.zeros(2), 0.0)), args=data)
        assert found.status == "proved", found.reasons
        assert found.margin == pytest.approx(2.0)


def test_enclosures_of_cells_are_for_bounded_regions():
    game = dg.game(lambda x, _: (x[0] ** 2, x[1] ** 2))
    with pytest.raises(ValueError, match="RankOneTerms"):
        certify.certify(game, certify.Everywhere((0.0, 0.0)), enclosure=certify.Taylor())


@pytest.mark.parametrize(("size", "status"), [(3, "proved"), (15, "undecided")])
def test_quotients_in_a_linear_form(size, status):
    """Its entries as integers have some 53 bits for each of them; they have to be floats too."""
    divisors = jnp.asarray(1.0 + np.random.default_rng(0).uniform(size=size))

    def cost(x, _):
        own = jax.nn.softplus(jnp.sum((x[0] - x[1]) / divisors) / size)
        return 0.5 * jnp.sum(x[0] ** 2) + own, 0.5 * jnp.sum(x[1] ** 2) - jnp.vdot(x[0], x[1])

    found = certify.certify(dg.game(cost), certify.Everywhere((jnp.zeros(size), jnp.zeros(size))))
    assert found.status == status
    assert status == "proved" or "common denominator" in found.reasons[0]


def test_a_linear_system():
    """Own Jacobians are I, less `32 s a a'` with s in (0, 1/4) and `a = (0, 1/4)`: 1/2 at least."""
    matrix = np.array([[2.0, 1.0], [0.0, 4.0]])

    def cost(x, _):
        (_, price), coupling = jnp.linalg.solve(matrix, x[0]), jnp.vdot(x[0], x[1])
        own = 0.5 * jnp.sum(x[0] ** 2) - 32.0 * jax.nn.softplus(price)
        return own + coupling, 0.5 * jnp.sum(x[1] ** 2) - coupling

    found = certify.certify(dg.game(cost), certify.Everywhere((jnp.zeros(2), jnp.zeros(2))))
    assert found.status == "proved", found.reasons
    assert 0.5 * (1 - 1e-6) <= found.margin <= 0.5
    assert check_data(found.data, level=2).ok


def test_products_of_sums_of_products():
    def cost(x, _):
        inner = jnp.tanh(x[0]) * jnp.sin(x[1]) + 1.0
        return (x[0] ** 2 + 1e-3 * inner * (inner + 1.0), x[1] ** 2 + 1e-3 * inner**2)

    found = certify.certify(dg.game(cost), certify.Everywhere((0.1, 0.2)))
    assert found.status == "proved" and 1.9 < found.margin < 2.01


def test_stacked_players_and_fields_of_arrays():
    field = dg.FunctionField(lambda x, _: (2 * x[0] + 0.1 * jnp.tanh(x[1]), x[1]))
    start = (jnp.zeros(2), jnp.zeros(2))
    assert certify.certify(field, certify.Everywhere(start)).status == "proved"


def test_steps_are_proved_on_bounded_regions():
    game = dg.game(lambda x, _: (x[0] ** 2, x[1] ** 2))
    with pytest.raises(ValueError, match="bounded region"):
        certify.contraction(game, dg.Simultaneous(0.1), certify.Everywhere((0.0, 0.0)))
    estimate = certify.estimate(game, certify.Everywhere((0.0, 0.0)), key=jax.random.key(0))
    assert estimate.margin == pytest.approx(2.0)


def test_terms_on_request():
    game = dg.game(lambda x, _: (x[0] ** 2 + 0.1 * x[0] ** 4, x[1] ** 2 + x[0] * x[1]))
    found = certify.certify(
        game, certify.Box.around((0.0, 0.0), 1.0), enclosure=certify.RankOneTerms()
    )
    assert found.status == "proved" and found.terms > 0
    cells = certify.certify(game, certify.Box.around((0.0, 0.0), 1.0))
    assert cells.terms == 0
    # Cells are cut until the margin is 97% of what they could prove, in a metric of the same aim.
    assert found.margin == pytest.approx(cells.margin, rel=0.06)


def test_code_that_is_not_pure_is_noticed():
    calls = []

    def cost(x, _):
        calls.append(0)
        return ((1.0 + len(calls)) * x[0] ** 2, x[1] ** 2)

    with pytest.raises(certify.MismatchError):
        certify.certify(dg.game(cost), certify.Everywhere((0.3, 0.2)))


class TestSteps:
    def test_of_a_potential_game_they_are_as_long_as_of_gradient_descent(self):
        """Own curvatures are in (3, 5), couplings are 2: eigenvalues in (1, 7), steps below 2/7."""

        def costs(x, args):
            own = [1.5 * y**2 + 2.0 * jnp.log(jnp.cosh(y)) for y in x]
            return own[0] + 2.0 * x[0] * x[1], own[1] + 2.0 * x[0] * x[1]

        found = certify.certify(dg.game(costs), certify.Everywhere((0.0, 0.0)), [dg.Simultaneous])
        step = found.step_sizes["simultaneous"]
        assert (step.theorem, step.route) == ("terms", "direct")
        assert 2 / 7 * (1 - 1e-4) <= step.max <= 2 / 7 and step.rate == pytest.approx(0.75, 1e-3)
        assert found.cocoercivity is not None and 7.0 <= found.cocoercivity <= 7.0 * (1 + 1e-5)
        assert found.margin <= 1.0 and found.lipschitz >= 7.0
        for level in (1, 2):
            assert check_data(found.data, level=level).ok
        solution = dg.solve(
            dg.game(costs), dg.Simultaneous, (50.0, -80.0), step_size=found, tol=1e-9
        )
        assert solution.residual < 1e-9 and solution.steps < 120

    @pytest.mark.parametrize("number", ["max", "best", "rate"])
    def test_a_step_that_is_too_long_is_rejected(self, proved, number):
        data = copy.deepcopy(dict(proved.data))
        step = next(s for s in data["claims"]["steps"] if s["theorem"] == "terms")
        value = float.fromhex(step[number])
        step[number] = (value * 0.999 if number == "rate" else value * 1.01).hex()
        if number == "best":
            step["max"] = max(value * 1.01, float.fromhex(step["max"])).hex()
            step["rate"] = (float.fromhex(step["rate"]) * (1 - 1e-3)).hex()
        data["digest"] = digest(data)
        verdict = check_data(data)
        assert not verdict.ok and "simultaneous" in str(verdict.reasons)

    def test_a_cocoercivity_that_is_too_small_is_rejected(self, proved):
        data = copy.deepcopy(dict(proved.data))
        stated = float.fromhex(data["claims"]["cocoercivity"])
        data["claims"]["cocoercivity"] = (0.99 * stated).hex()
        data["digest"] = digest(data)
        assert "cocoercivity" in str(check_data(data).reasons)

    def test_cells_claim_no_cocoercivity(self):
        game = dg.game(lambda x, args: (x[0] ** 2, x[1] ** 2))
        found = certify.certify(game, certify.Box.around((0.0, 0.0), 1.0))
        assert found.cells and found.cocoercivity is None
        data = copy.deepcopy(dict(found.data))
        data["claims"]["cocoercivity"] = (2.0).hex()
        data["digest"] = digest(data)
        with pytest.raises(certify.checker.Unusable):
            check_data(data)


class TestMatrices:
    """All eigenvalues are 1 or a little more, yet no weights have a margin: see `test_ladder`."""

    SHEAR = np.array([[1.0, -2.0, 2.0], [-2.0, 1.0, 0.0], [-2.0, 0.0, 1.0]])

    @classmethod
    def game(cls):
        def costs(x, args):
            every = jnp.stack(x)
            own = [row @ every * x[k] - 0.5 * x[k] ** 2 for k, row in enumerate(cls.SHEAR)]
            return own[0] + 0.1 * jnp.log(jnp.cosh(x[0])), own[1], own[2]

        return dg.game(costs)

    def test_a_matrix_is_found_where_no_weights_have_a_margin(self):
        origin = certify.Everywhere((0.0, 0.0, 0.0))
        found = certify.certify(self.game(), origin)
        assert found.status == "proved", found.reasons
        assert found.claims.matrix is not None and 0.3 < found.margin <= 1.0
        assert all(check_data(found.data, level=level).ok for level in (1, 2))
        weights = certify.AutoMetric(generality="weights")
        without = certify.certify(self.game(), origin, metric=weights)
        assert without.status == "undecided"

    def test_what_a_matrix_needs_is_verified(self):
        found = certify.certify(self.game(), certify.Everywhere((0.0, 0.0, 0.0)))
        data = copy.deepcopy(dict(found.data))
        proofs = data["evidence"].pop("curvature_proofs")
        data["digest"] = digest(data)
        with pytest.raises(certify.checker.Unusable, match="curvature_proofs"):
            check_data(data)
        data["evidence"]["curvature_proofs"] = proofs
        data["claims"]["metric"]["lower"][0][0] = (-1.0).hex()
        data["digest"] = digest(data)
        assert not check_data(data).ok

    def test_a_matrix_that_is_given_is_used(self):
        metric = certify.Matrix(np.array([[2.0, 0.5], [0.5, 1.0]]))
        game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        region = certify.Everywhere((0.0, 0.0))
        found = certify.certify(game, region, metric=metric, enclosure=certify.RankOneTerms())
        assert found.status == "proved", found.reasons
        np.testing.assert_array_equal(found.metric, metric.entries)
        jacobian = np.array([[2.0, 1.0], [-1.0, 2.0]])
        product = metric.entries @ jacobian
        factor = np.linalg.inv(np.linalg.cholesky(metric.entries))
        exact = np.linalg.eigvalsh(factor @ (product + product.T) @ factor.T)[0] / 2
        assert exact * (1 - 1e-6) <= found.margin <= exact

    def test_costs_have_to_be_convex(self):
        """A zero of F that is stable in a matrix need not be an equilibrium."""
        jacobian = np.array([[-0.5, 2.0], [-2.0, 3.0]])
        game = dg.game(
            lambda x, args: (
                -0.25 * x[0] ** 2 + 2 * x[0] * x[1],
                1.5 * x[1] ** 2 - 2 * x[0] * x[1],
            )
        )
        solution = scipy.linalg.solve_continuous_lyapunov(jacobian.T, np.eye(2))
        metric = certify.Matrix(0.5 * (solution + solution.T))
        found = certify.certify(game, certify.Everywhere((0.0, 0.0)), metric=metric)
        assert found.status == "undecided" and "convex" in str(found.reasons)


def test_what_costs_most_is_named():
    """Of the curvature of `3 cos(b0 + b1)`, in [-3, 3], half is lost along `(1, 1)`, twice over."""

    def costs(x, args):
        a, b = x["a"], x["b"]
        own = 0.5 * jnp.sum(b**2) + 3.0 * jnp.cos(b[0] + b[1])
        return {"a": 0.5 * a**2 + 0.01 * jnp.tanh(b[0]) * a, "b": own}

    start = {"a": jnp.zeros(()), "b": jnp.zeros(2)}
    found = certify.certify(dg.game(costs), certify.Everywhere(start))
    (reason,) = found.reasons
    named = re.search(
        r"most costly take ([\d.]+) for a slope in \[-3, 3\] that belongs to b", reason
    )
    assert named is not None and float(named[1]) == pytest.approx(6.0, rel=1e-3)
    assert "couples a with b[0]" in reason


def test_the_page_names_the_terms_that_limit(proved):
    page = certify.report_page(proved)
    assert "The terms that take most of the margin" in page and "slope" in page


@pytest.fixture(scope="module")
def mirrored():
    """A zero-sum game with a product of a function of each player, on a small box."""

    def payoff(x, args):
        own = 0.1 * jnp.sum(x["a"] ** 2) - 0.1 * jnp.sum(x["b"] ** 2)
        return own + 3.0 * jnp.tanh(x["a"] @ jnp.ones(2)) * jnp.sin(x["b"] @ jnp.ones(2))

    start = {"a": jnp.zeros(2), "b": jnp.zeros(2)}
    region = certify.Box.around(start, 0.02)
    game = dg.zero_sum(payoff, minimiser="a")
    return certify.certify(game, region, enclosure=certify.RankOneTerms())


class TestMirroredTerms:
    """Products of a function of each player: their two mixed derivatives share a slope."""

    def test_the_coupling_of_a_zero_sum_game_takes_nothing(self, mirrored):
        """Of 3 cos(v) tanh'(u), whose range is as wide as .03, the margin does not notice."""
        assert mirrored.status == "proved", mirrored.reasons
        paired = [term for term in mirrored.data["evidence"]["terms"] if len(term) == 5]
        assert [term[4] for term in paired] == [-1]
        assert all(check_data(mirrored.data, level=level).ok for level in (1, 2))
        curvatures = 0.2 - 3.0 * 0.77 * 2 * np.sin(0.04)  # own second derivatives, at the corners
        assert curvatures - 0.05 < mirrored.margin < 0.2

    def test_two_terms_in_their_place_are_accepted_at_level_2(self, mirrored):
        """The file may know less than the checker finds, if its numbers allow that."""
        terms = terms_of_file(mirrored.data["evidence"], 4)
        assert len(terms.apart().low) == len(terms.low) + 1
        data = copy.deepcopy(dict(mirrored.data))
        evidence = data["evidence"]
        evidence["terms"] = terms_in_file(terms.apart())["terms"]
        data["digest"] = digest(data)
        with ctx.workprec(128):
            said = Claims(Reader(data))
            assert said.graph is not None
            ridges = Ridges(said.graph, said.sizes, said.zero_sum, said.is_gradient)
            _check_ranges(said, ridges.terms(said.region))

    @pytest.mark.parametrize("share", [-1.0, 1.0])
    def test_in_a_metric_that_is_a_matrix_both_parts_are_found_again(self, share):
        """Ranges of some functions are wide balls, whose radii grew a little when they were moved.

        Then the checker at level 2 rejected files of this program.
        """

        def costs(x, args):
            a, b = x
            both = 0.1 * jnp.arctan(a) * jnp.arctan(b)
            return a**2 + both, b**2 + share * both + 0.01 * jnp.tanh(b) * jnp.arctan(b + 0.3)

        start, metric = (
            certify.Box.around((0.0, 0.0), 0.5),
            certify.Matrix(np.array([[1.0, 0.1], [0.1, 1.0]])),
        )
        found = certify.certify(
            dg.game(costs), start, metric=metric, enclosure=certify.RankOneTerms()
        )
        assert found.status == "proved" and "metric" in found.data["claims"]
        assert check_data(found.data, level=2).ok

    def test_a_mirror_that_is_not_there_is_rejected(self):
        """Of a game that is not zero-sum, with couplings that have nothing in common."""

        def costs(x, args):
            a, b = x
            return a**2 + 0.1 * jnp.sin(a) * b, b**2 - 0.1 * jnp.tanh(b) * a

        start = certify.Box.around((0.0, 0.0), 0.5)
        found = certify.certify(dg.game(costs), start, enclosure=certify.RankOneTerms())
        assert found.status == "proved" and check_data(found.data, level=2).ok
        data = copy.deepcopy(dict(found.data))
        terms = data["evidence"]["terms"]
        vectors = data["evidence"]["vectors"]
        across = [k for k, t in enumerate(terms) if vectors[t[0]][0] != vectors[t[1]][0]]
        assert len(across) == 2 and all(len(term) == 4 for term in terms)
        terms[across[0]].append(-1)
        del terms[across[1]]
        for name in ("margin_proof", "lipschitz_proof"):
            data["evidence"][name].pop("order", None)
        data["evidence"]["margin_proof"]["multipliers"].pop()
        data["claims"]["lipschitz"] = (4.0).hex()
        data["claims"]["steps"] = []
        data["digest"] = digest(data)
        assert check_data(data).ok  # for what is given at level 1
        assert "slope" in str(check_data(data, level=2).reasons)


@pytest.mark.parametrize("region", ["box", "everywhere"])
@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_whole_numbers_may_be_data(region, kind):
    """A product of integers and reals keeps the integers: they are exact reals."""
    rows = np.array([[1, 0], [2, 3]], kind)

    def costs(x, args):
        with jax.numpy_dtype_promotion("standard"):
            score = jnp.asarray(rows) @ jnp.stack(x)
        return x[0] ** 2 + 0.01 * jnp.sum(jnp.sin(score)), x[1] ** 2

    where = certify.Everywhere((0.0, 0.0)) if region == "everywhere" else None
    found = certify.certify(dg.game(costs), where or certify.Box.around((0.0, 0.0), 0.5))
    assert found.status == "proved", found.reasons
    assert check_data(found.data, level=2).ok

    def long_costs(x, args):
        with jax.numpy_dtype_promotion("standard"):
            product = jnp.array([2**53 + 1, 0]) @ jnp.stack(x)
        return x[0] ** 2 + 1e-17 * product, x[1] ** 2

    found = certify.certify(dg.game(long_costs), certify.Everywhere((0.0, 0.0)))
    assert found.status == "undecided" and "too long for float64" in str(found.reasons)
