"""Certificates over all policies: closed forms, published numbers, and what they promise."""

import itertools
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import certify
import dgames as dg
from certify.problem.payoff_tables import PayoffTable, game_terms
from dgames.games import MatrixGame, PolymatrixGame, PreferenceGame
from dgames.logits import log_policies

pytestmark = pytest.mark.thin(4)

NFG = Path(__file__).parents[3] / "dgames" / "nfg"
PENNIES = np.array([[1.0, -1.0], [-1.0, 1.0]])
SAME = np.eye(2)  # both want the same action
PERTURBED = PreferenceGame((np.array([[0.0, -3, 3], [3, 0, -1], [-3, 1, 0]]) + 3) / 6)


@eqx.filter_jit
def orbit(game, step, x, steps):
    """The logarithms of policies after 0, 1, ..., `steps` steps of magnetic mirror descent."""
    field, method = dg.pseudo_gradient(game), dg.MirrorDescent(step)

    def body(carry, _):
        return method.step(field, *carry), carry[1].kept

    return jax.lax.scan(body, (x, method.init(field, x)), length=steps + 1)[1]


def divergences(certificate, logs):
    """`V(x*; x_t)`, with the centre for x*."""
    terms = zip(certificate.weights, certificate.equilibrium.center, logs, strict=True)
    found = [w * (star * (np.log(star) - np.asarray(own))).sum(-1) for w, star, own in terms]
    return np.sum(found, axis=0)


def random_policies(rng, sizes):
    """Some near the boundary, some not."""
    return tuple(
        np.maximum(rng.dirichlet(np.full(n, rng.choice([0.05, 0.3, 1.0]))), 1e-12) for n in sizes
    )


# --- closed forms ------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("temperature", [1e-4, 0.5, 1e4])
def test_zero_sum_games_have_the_temperature_for_margin(temperature):
    """Rows of rock, paper, scissors differ by 3 at most: L = 3/4. Those of pennies by 4: L = 1."""
    for game, lipschitz in (
        (MatrixGame.rock_paper_scissors(), 0.75),
        (MatrixGame.matching_pennies(), 1.0),
    ):
        certificate = certify.certify_policies(game, temperature)
        assert certificate.status == "proved" and certificate.margin == temperature
        assert certificate.weights.tolist() == [1.0, 1.0]
        # A negligible field allows steps of any size; its constant is rounded up to something.
        expected = max(lipschitz, temperature * 2.0**-20)
        assert_allclose(certificate.lipschitz, expected, rtol=1e-14)
        assert_allclose(certificate.step.gain, (temperature / expected) ** 2, rtol=1e-13)
        assert_allclose(certificate.step.max, 2 * temperature / expected**2, rtol=1e-13)
        for own in certificate.equilibrium.center:
            assert_allclose(own, 1 / len(own), rtol=1e-14)


def test_the_margin_of_a_coordination_game_is_sharp():
    """With payoffs 1 for a match the margin is `tau - 1/2`; two more equilibria branch off there.

    For `d_1 = (s, -s)`, `d_2 = (t, -t)` the form is `-4 s t >= -(4 s^2 + 4 t^2) / 2`. In logits the
    answer to `p_1 - p_2 = e` is `tanh(e / (2 tau))`, with slope `1 / (2 tau)` at zero.
    """
    game = MatrixGame(SAME, SAME)
    certificate = certify.certify_policies(game, 1.0)
    assert certificate.margin == 0.5 and certificate.lipschitz == 0.5
    assert certify.certify_policies(game, 0.5 + 2.0**-40).status == "proved"
    refused = certify.certify_policies(game, 0.5)
    assert refused.status == "undecided" and "not above 0.5" in refused.reasons[0]
    e = 0.5
    for _ in range(200):
        e = np.tanh(e / (2 * 0.45))
    assert e > 0.4  # a second equilibrium, below the threshold


@pytest.mark.parametrize("factor", [3.0, 1e6])
def test_weights_undo_the_units_of_payoffs(factor):
    certificate = certify.certify_policies(MatrixGame(PENNIES, -factor * PENNIES), 0.01)
    assert certificate.margin == pytest.approx(0.01, rel=1e-9)
    assert certificate.weights[0] / certificate.weights[1] == pytest.approx(factor, rel=1e-9)
    assert certificate.lipschitz == pytest.approx(np.sqrt(factor), rel=1e-9)


@pytest.mark.full
def test_signs_between_pairs_count():
    """Four players: all seek company, `tau - 3/2`; all avoid it, `|sum d|^2 - sum |d|^2`: 1/2."""
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    company = certify.certify_policies(PolymatrixGame(dict.fromkeys(pairs, SAME)), 3.0)
    assert company.margin == pytest.approx(1.5, rel=1e-9)
    assert company.data["evidence"]["kind"] == "coupling"
    alone = certify.certify_policies(PolymatrixGame(dict.fromkeys(pairs, -SAME)), 3.0)
    assert alone.margin == pytest.approx(2.5, rel=1e-9)
    assert alone.data["evidence"]["kind"] == "form"


@pytest.mark.full
def test_preferences_are_monotone_for_any_number_of_players():
    certificate = certify.certify_policies(PreferenceGame(PERTURBED.preferences, 4), 0.1)
    assert certificate.margin == pytest.approx(0.1, rel=1e-9)
    assert certificate.data["game"]["terms"][0]["divisor"] == 3


@pytest.mark.full
def test_three_players_by_hand():
    """Player 0 is paid a if the others match each other and him: vertices of the others count."""
    table = np.zeros((2, 2, 2))
    table[0, 0, 0] = table[1, 1, 1] = 1.0
    certificate = certify.certify_policies(MatrixGame(table, table, table), 4.0)
    # Where 2 plays an action, the block of 0 and 1 is (1, 0; 0, 0): a quarter on tangents, twice.
    assert certificate.margin == pytest.approx(4 - 0.5, rel=1e-9)
    assert certificate.lipschitz == pytest.approx(0.5, rel=1e-9)


# --- published numbers -------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize(
    ("temperature", "equilibrium", "published"),
    [
        (0.5, (0.29813319, 0.41382045, 0.28804635), 0.6477),
        (0.2, (0.22364492, 0.47798817, 0.29836691), 0.9262),
        (0.1, (0.17347803, 0.48630324, 0.34021873), 0.9807),
        (0.05, (0.1517447, 0.46794775, 0.38030755), 0.9951),
    ],
)
def test_perturbed_rock_paper_scissors(temperature, equilibrium, published):
    """Rates as observed by Sokota et al. with h = tau, within proved ones; better ones elsewhere.

    Rows of preferences differ by 7/6 at most, so L = 7/24 where the paper has 1.
    """
    certificate = certify.certify_policies(PERTURBED, temperature)
    assert certificate.lipschitz == pytest.approx(7 / 24, rel=1e-9)
    for own in certificate.equilibrium.center:
        assert_allclose(own, equilibrium, rtol=0, atol=6e-9)
    assert certificate.equilibrium.radius < 1e-14
    assert temperature <= certificate.step.best
    proved = 1 / (1 + temperature * certificate.margin)
    assert published <= proved == pytest.approx(1 / (1 + temperature**2), rel=1e-12)
    assert certificate.step.rate < published
    game = dg.Regularised(PERTURBED, temperature)
    found = divergences(certificate, orbit(game, certificate.step.best, PERTURBED.uniform(), 300))
    seen = found[:-1] > 1e-12
    assert np.all(found[1:][seen] <= certificate.step.rate * found[:-1][seen] * (1 + 1e-6))


# --- what is promised holds --------------------------------------------------------------------


def matrix_game(rng, *sizes):
    return MatrixGame(*(rng.normal(size=sizes) for _ in sizes))


def ring(rng, *sizes):
    pairs = itertools.permutations(range(len(sizes)), 2)
    return PolymatrixGame({(i, j): rng.normal(size=(sizes[i], sizes[j])) for i, j in pairs})


KINDS = ((matrix_game, (2, 2)), (matrix_game, (2, 2, 2)), (ring, (3, 2, 2)))


@pytest.mark.full
@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.sampled_from([0.8, 2.0, 10.0]), st.sampled_from([0.3, 1.0, 1.9]))
@pytest.mark.parametrize("kind", KINDS, ids=["two players", "three players", "polymatrix"])
def test_promises_hold(kind, seed, temperature, share):
    """Steps, the modulus, the Lipschitz constant and the equilibrium, at random policies."""
    rng = np.random.default_rng(seed)
    make, sizes = kind
    inner = make(rng, *sizes)
    certificate = certify.certify_policies(inner, temperature)
    if certificate.status == "undecided":
        assert temperature < 4 and "not above" in certificate.reasons[0]
        return
    tau, w = certificate.temperature, certificate.weights
    game = dg.Regularised(inner, tau)

    h = share * certificate.step.best
    decrease = min(certificate.margin, 2 * certificate.margin - h * certificate.lipschitz**2)
    start = random_policies(rng, sizes)
    found = divergences(certificate, orbit(game, h, start, 30))
    assert np.all(found[1:] <= found[:-1] / (1 + h * decrease) + 1e-14 * w.sum())

    x, y = random_policies(rng, sizes), random_policies(rng, sizes)
    gaps = [a - b for a, b in zip(x, y, strict=True)]
    logs = [np.log(a) - np.log(b) for a, b in zip(x, y, strict=True)]
    forces = zip(force(inner, x), force(inner, y), strict=True)
    fields = [np.asarray(a - b) for a, b in forces]
    monotone = sum(
        weight * d @ (f + tau * log)
        for weight, d, f, log in zip(w, gaps, fields, logs, strict=True)
    )
    size = sum(weight * d @ log for weight, d, log in zip(w, gaps, logs, strict=True))
    assert monotone >= certificate.margin * size - 1e-12
    other = [a - b for a, b in zip(x, random_policies(rng, sizes), strict=True)]
    product = sum(weight * d @ f for weight, d, f in zip(w, other, fields, strict=True))
    assert abs(product) <= certificate.lipschitz * norm(w, gaps) * norm(w, other) + 1e-12

    answers = dg.quantal_response_residual(game, certificate.equilibrium.center)
    assert answers < 1e-10


@eqx.filter_jit
def force(game, x):
    return dg.pseudo_gradient(game)(x)


def norm(weights, d):
    return np.sqrt(sum(w * np.abs(own).sum() ** 2 for w, own in zip(weights, d, strict=True)))


@pytest.mark.full
def test_the_flow_decays_at_the_rate_of_the_margin():
    game = MatrixGame([[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]])  # battle of the sexes
    certificate = certify.certify_policies(game, 1.0)
    field = dg.NaturalGradient(dg.Regularised(game, 1.0))
    times = jnp.linspace(0.0, 5.0, 11)
    start = (jnp.array([3.0]), jnp.array([-2.0]))
    run = dg.flow(field, start, 5.0, rtol=1e-10, atol=1e-12, saveat=diffrax.SaveAt(ts=times))
    found = divergences(certificate, log_policies(run.strategies))
    assert 0 < certificate.margin < 1
    assert np.all(found <= found[0] * np.exp(-certificate.margin * times) * (1 + 1e-8))


def exact_equilibrium(digits):
    """Of `[[3, 0], [0, 1]]`, zero-sum, at temperature 2 and references 1 : 3 and 3 : 1.

    Iterates `log(p / (1 - p))` with a damped, contracting step in decimal arithmetic.
    """
    with localcontext() as context:
        context.prec = digits
        x = y = Decimal(0)
        for _ in range(12 * digits):
            p, q = (1 / (1 + (-z).exp()) for z in (x, y))
            first = (3 * q - (1 - q)) / 2 - Decimal(3).ln()
            second = -(3 * p - (1 - p)) / 2 + Decimal(3).ln()
            x, y = x + (first - x) / 2, y + (second - y) / 2
        return [(p, 1 - p) for p in (1 / (1 + (-z).exp()) for z in (x, y))]


@pytest.mark.full
def test_the_equilibrium_is_enclosed():
    """Against sixty digits, of which the first sixteen are not enough to tell."""
    reference = (jnp.array([0.25, 0.75]), jnp.array([0.75, 0.25]))
    game = dg.Regularised(MatrixGame([[3.0, 0.0], [0.0, 1.0]]), 2.0, reference)
    certificate = certify.certify_policies(game)
    assert certificate.margin == 2.0
    assert 0 < certificate.equilibrium.radius < 1e-14
    centers = certificate.data["claims"]["equilibrium"]["center"]
    with localcontext() as context:
        context.prec = 60
        total = Decimal(0)
        for own, star in zip(centers, exact_equilibrium(60), strict=True):
            numbers = [Decimal(float.fromhex(p)) for p in own]
            c = [p / sum(numbers) for p in numbers]
            total += sum((p - s) * (p.ln() - s.ln()) for p, s in zip(c, star, strict=True))
        assert total.sqrt() <= Decimal(certificate.equilibrium.radius)


def test_policies_too_small_for_floats():
    """A dominated action at a low temperature has a probability of `exp(-10^4)`."""
    certificate = certify.certify_policies(MatrixGame([[1.0, 2.0], [0.0, 0.5]]), 1e-4)
    assert certificate.margin == 1e-4
    assert certificate.equilibrium.radius < 1e-40
    assert certificate.equilibrium.distances.max() < 1e-14
    assert certificate.equilibrium.center[0][0] == 1.0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_any_scale_is_proved_or_undecided(scale, temperature):
    rng = np.random.default_rng(3)
    for interests in (-1.0, 0.3, 1.0):
        first = scale * rng.normal(size=(2, 2))
        certificate = certify.certify_policies(MatrixGame(first, interests * first), temperature)
        if certificate.status == "undecided":
            assert "not above" in certificate.reasons[0] and interests > 0
            continue
        place = certificate.equilibrium
        numbers = [certificate.margin, certificate.lipschitz, *certificate.step, place.radius]
        assert np.all(np.isfinite(numbers)) and min(numbers) > 0
        assert 0 < certificate.margin <= temperature


def test_the_edges_of_the_range():
    """Games without a choice, without couplings, and with steps that float64 does not have."""
    nobody = certify.certify_policies(MatrixGame(*np.ones((3, 1, 1, 1))), 1.0)
    assert nobody.margin == 1.0 and [own.tolist() for own in nobody.equilibrium.center] == [[1]] * 3
    alone = certify.certify_policies(MatrixGame([[0.0, 0.0], [1.0, 1.0]], np.zeros((2, 2))), 1.0)
    assert alone.margin == 1.0
    assert_allclose(alone.equilibrium.center[0], [1 / (1 + np.e), np.e / (1 + np.e)], rtol=1e-12)
    tiny = certify.certify_policies(MatrixGame(PENNIES), 1e-300)
    assert tiny.status == "undecided" and "out of scale" in tiny.reasons[0]


# --- use ---------------------------------------------------------------------------------------


@pytest.mark.full
def test_solve_takes_the_certified_step(tmp_path, command):
    game = dg.Regularised(PERTURBED, 0.5)
    certificate = certify.certify_policies(game)
    solution = dg.solve(
        game, dg.MirrorDescent, PERTURBED.uniform(), step_size=certificate, tol=1e-9
    )
    assert_allclose(solution.strategy[0], certificate.equilibrium.center[0], atol=1e-9)
    path = certificate.save(tmp_path / "policies.json")
    loaded = certify.load(path)
    assert isinstance(loaded, certify.PolicyConvergence)
    assert loaded.data == certificate.data and loaded.margin == certificate.margin
    verdict = certify.check(path)
    assert verdict.ok and "nothing is taken as given" in verdict.rederived[0]
    assert certify.check(path, level=2).ok
    status, shown, _ = command("show", path)
    assert status == 0 and "0.291667" in shown and "PreferenceGame" in shown
    assert command("report", path)[0] == 0
    assert certificate.margin.hex() in (tmp_path / "policies.html").read_text(encoding="utf-8")
    assert certificate.margin.hex() in certify.report_page(certificate)
    assert isinstance(loaded, certify.PolicyConvergence)


def test_weights_may_be_given():
    certificate = certify.certify_policies(MatrixGame(PENNIES), 1.0, weights=[1.0, 2.0])
    assert certificate.weights.tolist() == [1.0, 2.0]
    # |w_1 - w_2| / (2 sqrt(w_1 w_2)), by the norm 1 of the coupling.
    assert certificate.margin == pytest.approx(1 - 1 / (2 * np.sqrt(2)), rel=1e-12)


class Pursuit(MatrixGame):
    """Matching pennies, in which the evader is paid two more for the second action."""

    def __init__(self):
        super().__init__(PENNIES, -PENNIES + np.array([0.0, 2.0]))


def test_games_of_other_classes_can_register_their_tables():
    with pytest.raises(ValueError, match="not Pursuit"):  # it might have other costs
        certify.certify_policies(Pursuit(), 0.5)
    bonus = [0.0, 1.0]

    @game_terms.register
    def _(game: Pursuit):
        return [
            PayoffTable((0, 1), PENNIES),
            PayoffTable((1, 0), -PENNIES),
            PayoffTable((1,), np.array(bonus)),
        ]

    with pytest.raises(ValueError, match="gradient of its costs for player 1"):
        certify.certify_policies(Pursuit(), 0.5)
    bonus[1] = 2.0
    certificate = certify.certify_policies(Pursuit(), 0.5)
    assert certificate.data["game"]["terms"][2]["players"] == [1]
    assert_allclose(
        certify.certify_policies(MatrixGame(*Pursuit().payoffs), 0.5).equilibrium.center[0],
        certificate.equilibrium.center[0],
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((MatrixGame(PENNIES),), {}, "give a temperature"),
        ((dg.Regularised(MatrixGame(PENNIES), 0.5), 0.5), {}, "has its temperature"),
        ((MatrixGame(PENNIES), 0.0), {}, "must be positive"),
        ((dg.games.Oligopoly.murphy_sherali_soyster(), 0.5), {}, "not Oligopoly"),
        ((MatrixGame(PENNIES), 0.5), {"weights": [1.0, -1.0]}, "2 positive numbers"),
        ((MatrixGame(PENNIES), 0.5), {"weights": "best"}, "2 positive numbers"),
        ((MatrixGame(PENNIES * np.inf), 0.5), {}, "must be finite"),
        ((MatrixGame(PENNIES), np.inf), {}, "must be finite"),
    ],
)
def test_errors(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        certify.certify_policies(*arguments, **options)


def test_nothing_is_claimed_without_a_proof(tmp_path):
    refused = certify.certify_policies(MatrixGame(SAME, SAME), 0.3)
    for claim in ("margin", "weights", "lipschitz", "step", "equilibrium"):
        with pytest.raises(ValueError, match="undecided"):
            getattr(refused, claim)
    with pytest.raises(ValueError, match="undecided"):
        refused.save(tmp_path / "nothing.json")
    assert list(tmp_path.iterdir()) == []


# --- games from files --------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("outcomes", [False, True])
@pytest.mark.parametrize("name", ["pennies", "three", "outcomes"])
def test_game_files(name, outcomes, tmp_path):
    """Read, written in either variant, regularised, certified and solved: in the enclosure."""
    form = dg.read_nfg(NFG / f"{name}.nfg")
    dg.write_nfg(form, tmp_path / "copy.nfg", outcomes=outcomes)
    game = dg.read_nfg(tmp_path / "copy.nfg").game()
    size = max(float(jnp.abs(jnp.asarray(table)).max()) for table in game.payoffs)
    soft = dg.Regularised(game, 4.0 * size)
    certificate = certify.certify_policies(soft)
    assert certificate.status == "proved", certificate.reasons
    solution = dg.solve(soft, dg.MirrorDescent, game.uniform(), step_size=certificate, tol=1e-12)
    found = zip(
        solution.strategy,
        certificate.equilibrium.center,
        certificate.equilibrium.distances,
        strict=True,
    )
    for policy, center, distance in found:
        assert float(jnp.abs(policy - center).sum()) <= float(distance) + 1e-9


# --- identity, not resemblance -------------------------------------------------------------------


class Pushed(dg.Regularised):
    """Away from the reference: the entropy with the wrong sign."""

    def pull(self, log_p):
        return jax.tree.map(lambda leaf: -self.temperature * leaf, log_p)


class Renamed(dg.Regularised):
    """The same in all: a subclass all the same."""


class Elsewhere(dg.Regularised):
    def log_reference(self, like):
        return jax.tree.map(lambda leaf: 100.0 * leaf, like)


class Flipped(MatrixGame):
    def costs(self, x, args=None):
        return tuple(-cost for cost in super().costs(x, args))


class Cornered(dg.Game):
    """The costs of pennies, but for policies that are nearly pure."""

    def costs(self, x, args=None):
        value = x[0] @ jnp.asarray(PENNIES) @ x[1]
        guard = jnp.where(jnp.max(x[0]) > 0.95, 100.0 * jnp.sum(x[0] ** 2), 0.0)
        return guard - value, value


def changed(thing, **attributes):
    for name, value in attributes.items():
        object.__setattr__(thing, name, value)
    return thing


PLAIN = MatrixGame(PENNIES)
SAME_NAME: Any = type("MatrixGame", (Flipped,), {})
STRANGERS = {
    "another pull": lambda: (Pushed(PLAIN, 0.5), None),
    "no change at all": lambda: (Renamed(PLAIN, 0.5), None),
    "another reference": lambda: (Elsewhere(PLAIN, 0.5), None),
    "a class of the same name": lambda: (
        type("Regularised", (dg.Regularised,), {})(PLAIN, 0.5),
        None,
    ),
    "a pull of its own": lambda: (
        changed(dg.Regularised(PLAIN, 0.5), pull=lambda log_p: log_p),
        None,
    ),
    "other costs": lambda: (Flipped(PENNIES, -PENNIES), 0.5),  # pyright: ignore[reportCallIssue]
    "a MatrixGame of somebody else": lambda: (SAME_NAME(PENNIES), 0.5),
    "costs of its own": lambda: (
        changed(MatrixGame(PENNIES), costs=lambda x, args=None: (x[0][0], x[1][0])),
        0.5,
    ),
    "payoffs of another shape": lambda: (changed(MatrixGame(PENNIES), payoffs=jnp.ones(2)), 0.5),
    "a negative temperature": lambda: (
        changed(dg.Regularised(PLAIN, 0.5), temperature=jnp.array(-1.0)),
        None,
    ),
    "no temperature": lambda: (
        changed(dg.Regularised(PLAIN, 0.5), temperature=jnp.array(jnp.nan)),
        None,
    ),
    "a negative reference": lambda: (
        changed(dg.Regularised(PLAIN, 0.5), reference=(jnp.array([-0.5, 1.5]), jnp.ones(2))),
        None,
    ),
    "an infinite temperature": lambda: (PLAIN, float("inf")),
    "a complex temperature": lambda: (PLAIN, 0.5j),
    "a word": lambda: (PLAIN, "high"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_games_and_regularisers_are_known_by_their_very_class(stranger):
    with pytest.raises(ValueError, match=r"derived|knows|attributes|temperature|positive|axis"):
        certify.certify_policies(*STRANGERS[stranger]())


@pytest.mark.full
def test_registered_tables_are_compared_near_vertices_too():
    game_terms.register(Cornered, lambda game: game_terms(MatrixGame(PENNIES)))
    with pytest.raises(ValueError, match="do not have the gradient of its costs"):
        certify.certify_policies(Cornered(), 0.5)
