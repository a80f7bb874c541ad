"""A certificate belongs to its game: other code, names, arguments or sets are noticed."""

import copy

import jax
import jax.numpy as jnp
import pytest

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.reader import digest
from certify.problem.fingerprint import fingerprint
from certify.problem.traced_code import code_of, traced_code
from dgames.strategy import ravel
from tools.edits import sealed_bytes

pytestmark = pytest.mark.thin(3)

START = {"a": 0.1, "b": 0.1}
REGION = certify.Box.around({"a": 0.0, "b": 0.0}, 1.0)


def costs(x, args):
    return {
        "a": args * x["a"] ** 2 + 0.3 * jnp.sin(x["a"]) * x["b"],
        "b": x["b"] ** 2 - 0.3 * x["a"] * x["b"],
    }


GAME = dg.game(costs)


@pytest.fixture(scope="module")
def certificate():
    return certify.certify(GAME, REGION, [dg.Simultaneous, dg.Extragradient], args=1.0)


@pytest.fixture(scope="module")
def file(certificate, tmp_path_factory):
    return certificate.save(tmp_path_factory.mktemp("identity") / "game.json")


def other(x, args):
    return {**costs(x, args), "b": x["b"] ** 2 - 0.3 * x["a"] * x["b"] + 1e-9 * x["b"]}


def constant(x, args):
    return {**costs(x, args), "a": costs(x, args)["a"] + 1.0}


class Field(dg.AbstractField):
    def __call__(self, x, args=None):
        return dg.pseudo_gradient(GAME)(x, args)


OTHERS = {
    "another constant": (dg.game(other), START, 1.0, "another function"),
    "a constant cost": (dg.game(constant), START, 1.0, "another function"),
    "other arguments": (GAME, START, 1.0 + 2.0**-50, "another function"),
    "another name": (
        dg.game(lambda x, args: {"a": x["a"] ** 2, "c": x["c"] ** 2}),
        {"a": 0.1, "c": 0.1},
        1.0,
        "players",
    ),
    "another size": (
        dg.game(lambda x, args: {"a": jnp.sum(x["a"] ** 2), "b": x["b"] ** 2}),
        {"a": jnp.zeros(2), "b": 0.1},
        1.0,
        "coordinates",
    ),
    "a field": (Field(), START, 1.0, "costs of a game"),
    "strategy sets": (dg.game(costs, dg.Box(0.0, 5.0)), START, 1.0, "strategy set"),
    "zero-sum": (dg.zero_sum(lambda x, args: x["a"] ** 2 - x["b"] ** 2), START, 1.0, "zero-sum"),
}


@pytest.mark.full
@pytest.mark.parametrize("name", OTHERS)
def test_other_games_are_refused(certificate, name):
    game, start, args, message = OTHERS[name]
    with pytest.raises(ValueError, match=message):
        certificate.require_game(game, start, args)
    with pytest.raises(ValueError, match="not of this game"):
        dg.solve(game, dg.Simultaneous, start, args, step_size=certificate)


@pytest.mark.parametrize("name", [name for name in OTHERS if name not in ("another size",)])
def test_files_of_other_games_are_not_accepted(file, name):
    game, start, args, message = OTHERS[name]
    verdict = certify.check(file, game=game, args=args, like=start)
    assert not verdict.ok and message in verdict.reasons[0]


def test_the_game_itself(certificate, file):
    certificate.require_game(GAME, START, 1.0)
    certificate.require_game(dg.pseudo_gradient(GAME), START, jnp.float64(1.0))
    assert certify.check(file, game=GAME, args=1.0, level=2).ok
    assert dg.solve(GAME, dg.Extragradient, START, 1.0, step_size=certificate).left == -1


def test_wider_sets_and_the_same_function_written_otherwise(certificate):
    """What is compared are the functions that code spells out, and the sets where they matter."""
    certificate.require_game(dg.game(costs, dg.Box(-5.0, 5.0)), START, 1.0)

    def again(x, args):
        mine = costs(x, args)
        return {"b": mine["b"], "a": mine["a"]}

    certificate.require_game(dg.game(jax.jit(again)), START, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda game: game.update(hash="0" * 64),
        lambda game: game["players"][0].update(name="z"),
        lambda game: game.update(name="Another"),
        lambda game: game.update(code="0" * 64),
    ],
)
def test_the_hash_is_bound_to_names_and_graph(certificate, change):
    data = copy.deepcopy(certificate.data)
    change(data["game"])
    verdict = check_data({**data, "digest": digest(data)}, level=2)
    assert not verdict.ok and "hash" in verdict.reasons[0]


def rotation(sign):
    """A game of which steps spiral outwards, or inwards, around the origin."""
    return dg.game(
        lambda x, args: (
            sign * x[0] ** 2 + 3.0 * x[0] * x[1],
            sign * x[1] ** 2 - 3.0 * x[0] * x[1],
        )
    )


ORIGIN, NEAR = (0.0, 0.0), certify.Box.around((0.0, 0.0), 0.5)
STEP = dg.Simultaneous(0.05)
KINDS = {
    "convergence": lambda: certify.certify(rotation(1.0), NEAR),
    "zero": lambda: certify.certify_zero(rotation(1.0), ORIGIN),
    "instability": lambda: certify.certify_instability(rotation(-1.0), STEP, ORIGIN),
    "expansion": lambda: certify.certify_expansion(rotation(-1.0), STEP, NEAR),
    "mean_square": lambda: certify.certify_mean_square(
        rotation(1.0), STEP, ORIGIN, certify.Outcomes([1.0])
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_hash_of_another_code_does_not_make_a_file_about_it(kind, tmp_path):
    """Anyone can compute the hash of any code and write it into a file; the graph tells."""
    sign = -1.0 if kind in ("instability", "expansion") else 1.0
    found, true, false = KINDS[kind](), rotation(sign), rotation(-sign)
    assert certify.check(found.save(tmp_path / "true.json"), game=true, level=2).ok
    x, field = (jnp.zeros(()), jnp.zeros(())), dg.pseudo_gradient(false)
    code = traced_code(field, x)
    if kind in ("zero", "instability", "expansion"):
        code = code_of(lambda x, args: [ravel(field(x, args))[0]], x, None, "").code
    data = copy.deepcopy(found.data)
    data["game"]["code"] = fingerprint(code)
    file = tmp_path / "false.json"
    file.write_bytes(sealed_bytes(data))
    assert certify.check(file, level=2).ok
    verdict = certify.check(file, game=false, level=2)
    assert not verdict.ok and "another function" in verdict.reasons[0]


@pytest.mark.full
def test_policies():
    pennies = dg.Regularised(dg.games.MatrixGame.matching_pennies(), temperature=0.5)
    start = (jnp.array([0.9, 0.1]), jnp.array([0.5, 0.5]))
    found = certify.certify_policies(pennies)
    assert bool(
        dg.nash_gap(pennies, dg.solve(pennies, dg.MirrorDescent, start, step_size=found).strategy)
        < 1e-6
    )
    hotter = dg.Regularised(dg.games.MatrixGame.matching_pennies(), temperature=0.6)
    with pytest.raises(ValueError, match="not of this game"):
        dg.solve(hotter, dg.MirrorDescent, start, step_size=found)


class TestClasses:
    """Objects are what they do, not what they are called or derived from."""

    def test_a_derived_field_is_certified_as_it_is(self):
        class Flip(dg.PseudoGradient):
            def __call__(self, x, args=None):
                force = super().__call__(x, args)
                return {"a": -force["a"], "b": force["b"]}

        assert certify.certify(Flip(GAME), REGION, args=1.0).status != "proved"

    @pytest.mark.full
    def test_a_derived_zero_sum_game_with_costs_of_its_own(self):
        class Own(dg.ZeroSum):
            def payoff(self, x, args=None):
                return 0.5 * x["a"] ** 2 - 0.5 * x["b"] ** 2 + 0.3 * x["a"] * x["b"]

            def costs(self, x, args=None):
                payoff = self.payoff(x, args)
                return {"a": payoff - 5 * x["a"] ** 2, "b": -payoff - 5 * x["b"] ** 2}

        assert certify.certify(Own(), REGION).status == "refuted"
        slopes = dg.pseudo_gradient(Own())({"a": 1.0, "b": 0.0})
        assert float(slopes["a"]) == -9.0

    def test_methods_with_known_names(self):
        class Simultaneous(dg.AbstractMethod):
            step_size: float

            def init(self, field, x, args=None):
                return None

            def step(self, field, x, state, args=None):
                return jax.tree.map(lambda a, b: a + b, x, field(x, args)), None

        class Heun(dg.Heun):
            """Whatever it does."""

        for method in (Simultaneous, Heun):
            with pytest.raises(ValueError, match=r"contraction|no step"):
                certify.certify(GAME, REGION, [method], args=1.0)

    def test_a_certificate_has_no_steps_for_derived_methods(self, certificate):
        class Derived(dg.Simultaneous):
            """Whatever it does."""

        with pytest.raises(ValueError, match="no step"):
            certificate.safe_method(Derived)
        with pytest.raises(ValueError, match="no basin"):
            certificate.in_basin(Derived, START)

    def test_regions(self):
        class Larger(certify.Box):
            def contains(self, x):
                return jnp.asarray(True)

        region = Larger(REGION.lower, REGION.upper)  # pyright: ignore[reportCallIssue]
        with pytest.raises(ValueError, match="Box"):
            certify.certify(GAME, region, args=1.0)

    def test_sets_that_move(self):
        class Moving(dg.Game):
            def costs(self, x, args=None):
                return costs(x, 1.0)

            def strategy_set(self, x):
                return dg.Box(-2.0 - jnp.abs(x["a"]), 2.0)

        with pytest.raises(ValueError, match="depends on the strategy"):
            certify.certify(Moving(), REGION)

    def test_fields_that_compute_blocks_in_a_way_of_their_own(self):
        """The whole is certified; methods that ask for single blocks are not."""

        class Split(dg.AbstractField):
            def __call__(self, x, args=None):
                return dg.pseudo_gradient(GAME)(x, 1.0)

            def block(self, x, player, args=None):
                return -self(x, args)["ab"[player]]

        methods = [dg.Simultaneous, dg.Alternating]
        found = certify.certify(Split(), REGION, methods)
        assert found.status == "proved" and set(found.step_sizes) == {"simultaneous"}
        assert "blocks" in found.methods_without_step["alternating"]

    def test_fields_that_project_in_a_way_of_their_own(self):
        class Bent(dg.AbstractField):
            def __call__(self, x, args=None):
                return x

            def project(self, x):
                return jax.tree.map(lambda leaf: leaf + 1.0, x)

        with pytest.raises(ValueError, match="projects in a way of its own"):
            certify.certify(Bent(), REGION)


def test_the_basin(certificate):
    """In the norm of each theorem: its edge is where the distance is the radius."""
    for method in (dg.Simultaneous, dg.Extragradient):
        step = certificate.step_sizes[dg.method_name(method)]
        weights = (
            certificate.small_gain.weights if step.theorem == "small_gain" else certificate.weights
        )
        reach = step.basin / weights["a"] ** 0.5
        middle = certificate.basin.center
        for share, inside in ((0.999, True), (1.001, False)):
            x = {"a": middle["a"] + share * reach, "b": middle["b"]}
            assert bool(certificate.in_basin(method, x)) is inside
