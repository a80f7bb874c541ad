"""Every kind of certificate: saved, loaded, checked, shown and reported alike."""

import copy
import io
import json

import jax
import jax.numpy as jnp
import pytest
from rich.console import Console

import certify
import dgames as dg
from certify.checker.reader import digest
from certify.claims.certificate import Certificate
from certify.claims.checked import Checked, NotAccepted
from certify.claims.kinds import KINDS, of_contents
from certify.command import cli
from certify.command.tables import certificate_table

PENNIES = dg.games.MatrixGame.matching_pennies()
ENTROPIC = dg.Regularised(PENNIES, 1.0)
LED = dg.Stackelberg(
    lambda x, y: (x - 1.0) ** 2 + 0.1 * y[0], dg.game(lambda y, x: ((y[0] - x) ** 2,))
)
LED_REGION = certify.Box.around({"leader": 1.0, "followers": (1.0,)}, 0.5)
SKEW = dg.zero_sum(lambda x, args: x[0] * x[1])
ONE = jnp.eye(1)
LQ = dg.dynamic.LQGame(ONE, {"a": ONE}, {"a": ONE}, {"a": ONE})
NET = dg.nn.mlp((1, 2, 1), jax.random.key(0), start="antisymmetric")
NETWORKS = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), (NET, NET), (1.0, 1.0))
DATA = (jnp.ones((1, 1)), jnp.ones((1, 1)), jnp.zeros(1))  # the start is the equilibrium
DOUBLED = certify.Outcomes([2.0, 0.0])
# Pennies one after the other, where the second player does not see what the first one took.
PENNY = [
    dg.Decision(1, "blind", ("heads", "tails"), tuple(dg.Leaf((x, -x)) for x in row))
    for row in ((1, -1), (-1, 1))
]
HIDDEN = dg.ExtensiveForm(
    "pennies", ("first", "second"), dg.Decision(0, "start", ("heads", "tails"), tuple(PENNY))
).game()
RING = jnp.array([[1, 2], [2, 0], [0, 1]])


def natural():
    """Convergence on a region of all policies, whose rows once lacked a radius."""
    region = certify.Policies((jnp.zeros(1), jnp.zeros(1)))
    return certify.certify(
        dg.NaturalGradient(ENTROPIC), region, search=certify.Search(tightness=0.5)
    )


def on_a_line():
    """A generalised Nash equilibrium of two players with one constraint."""
    line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    game = dg.game(lambda x, args: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2), shared=line)
    return certify.certify_kkt(game, (0.75, 0.25), certify.Box((-2.0, -2.0), (2.0, 2.0)))


BENT = dg.zero_sum(
    lambda x, args: x["fast"] ** 2 + x["fast"] * x["slow"] + x["slow"] ** 2, minimiser="fast"
)
PULLED = dg.zero_sum(lambda x, args: x["fast"] * x["slow"], minimiser="fast")
PUSHED = dg.game(lambda x, args: {"fast": -(x["fast"] ** 2), "slow": -(x["slow"] ** 2)})
ORIGIN = {"fast": 0.0, "slow": 0.0}
CUBIC = dg.game(lambda x, args: (x[0] ** 3 - 3.0 * x[0],))
AROUND = certify.Box.around(ORIGIN, 1.0)


def bent():
    """A cost that is not convex, of a game of two players whose costs add up to nothing."""
    found = certify.certify(BENT, certify.Ball(ORIGIN, 1.0))
    assert found.status == "refuted"
    return found.refutation


@pytest.fixture(scope="session")
def of_each_kind(linear_certificate, linear_game):
    region = certify.Box.around({"fast": -13.4, "slow": 1.37}, 1.0)
    return {
        "convergence": linear_certificate,
        "convergence over policies": natural(),
        "contraction": certify.contraction(linear_game, dg.Optimistic(0.1), region),
        "policies": certify.certify_policies(ENTROPIC),
        "zero": certify.certify_zero(dg.pseudo_gradient(linear_game), region.center),
        "zero of an equilibrium": on_a_line(),
        "stackelberg": certify.certify_leader(LED, LED_REGION),
        "feedback": certify.certify_feedback(LQ),
        "mean square": certify.certify_mean_square(
            linear_game, dg.Simultaneous(0.01), {"fast": 0.0, "slow": 0.0}, DOUBLED
        ),
        "neural": certify.certify_networks(NETWORKS, NETWORKS.start, 0.25, args=DATA),
        "tree": certify.certify_tree(HIDDEN, 1.0),
        "refutation": bent(),
        "instability": certify.certify_instability(BENT, dg.Simultaneous(0.1), ORIGIN),
        "instability of the flow": certify.certify_instability(BENT, None, ORIGIN),
        "monotone": certify.certify_monotone(SKEW, certify.Box.around((0.0, 0.0), 1.0)),
        "count": certify.all_equilibria(CUBIC, certify.Box((-2.0,), (2.0,))),
        "expansion": certify.certify_expansion(PULLED, dg.Simultaneous(0.5), AROUND),
        "expansion of the flow": certify.certify_expansion(PUSHED, None, AROUND),
    }


# A number that each kind of claim has, if it is not a margin.
NUMBERS = {
    "contraction": "rate",
    "zero": "radius",
    "feedback": "rate",
    "mean_square": "rate",
    "refutation": "curvature",
    "instability": "growth",
    "monotone": "lipschitz",
    "expansion": "growth",
    "count": "at_least",
}
NAMES = [
    *("convergence", "convergence over policies", "contraction", "policies"),
    *("zero", "zero of an equilibrium", "stackelberg", "feedback", "mean square", "refutation"),
    *("neural", "tree"),
    *("instability", "instability of the flow", "expansion", "expansion of the flow"),
    *("monotone", "count"),
]


@pytest.fixture(params=NAMES)
def certificate(of_each_kind, request):
    return of_each_kind[request.param]


def text_of(certificate):
    output = io.StringIO()
    Console(width=120, file=output).print(certificate_table(certificate))
    return " ".join(output.getvalue().split())


def test_kinds_are_those_of_checker_and_command(of_each_kind):
    assert {found.kind for found in of_each_kind.values()} == KINDS.keys() == set(cli.KINDS)
    assert all(issubclass(known, certify.Certificate) for known in KINDS.values())


def test_load_gives_the_same_certificate(certificate, tmp_path):
    assert isinstance(certificate, certify.Certificate) and certificate.status == "proved"
    path = certificate.save(tmp_path / "c.json.gz")
    loaded = certify.load(path)
    assert type(loaded) is type(certificate) and loaded.status == "proved"
    assert loaded.data == certificate.data
    assert loaded.rows() == certificate.rows() and loaded.tables() == certificate.tables()
    assert certify.check(path).ok and loaded.check().ok


def test_commands_take_every_kind(certificate, command, tmp_path):
    path = certificate.save(tmp_path / "c.json")
    assert command("check", path)[0] == 0
    status, out, err = command("show", path)
    assert (status, err) == (0, "")
    shown = " ".join(out.split())
    for label, _ in certificate.rows():
        assert label in shown
    assert "accepted in" in shown
    status, _, err = command("report", path)
    assert (status, err) == (0, "")
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    for label, _ in certificate.rows():
        assert f"<dt>{label}</dt>" in page
    for table in certificate.tables():
        assert f"<caption>{table.title}</caption>" in page
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert certificate.data["digest"] in page


def test_run_shows_a_certificate_over_all_policies(command, tmp_path):
    (tmp_path / "pennies.py").write_text(
        "import certify, dgames as dg, jax.numpy as jnp\n"
        "game = dg.NaturalGradient(\n"
        "    dg.Regularised(dg.games.MatrixGame.matching_pennies(), 1.0)\n"
        ")\n"
        "region = certify.Policies((jnp.zeros(1), jnp.zeros(1)))\n"
    )
    status, out, err = command("run", tmp_path / "pennies.py", "--tightness", 0.5)
    assert status == 0, err
    assert "all policies with positive probabilities of 2, 2 actions" in " ".join(out.split())


def test_schemas_of_every_kind(command):
    for kind in KINDS:
        status, out, _ = command("schema", kind)
        assert status == 0 and json.loads(out) == certify.schema(kind)
    assert command("schema")[1] == command("schema", "convergence")[1]
    status, _, err = command("schema", "network")
    known = "convergence, contraction, policies, zero, stackelberg, feedback, mean_square, "
    known += "neural, tree, refutation, instability, expansion, monotone or count"
    assert status == 2 and f"must be {known}" in err


def test_a_certificate_knows_its_game(certificate, of_each_kind, linear_game, tmp_path):
    name = next(name for name, known in of_each_kind.items() if known is certificate)
    linear = {"fast": 0.0, "slow": 0.0}
    game, x = {
        "convergence": (linear_game, linear),
        "convergence over policies": (dg.NaturalGradient(ENTROPIC), (jnp.zeros(1),) * 2),
        "contraction": (linear_game, linear),
        "policies": (ENTROPIC, PENNIES.uniform()),
        "zero": (dg.pseudo_gradient(linear_game), linear),
        "zero of an equilibrium": (None, None),
        "stackelberg": (LED, LED_REGION.center),
        "feedback": (LQ, linear),
        "mean square": (linear_game, linear),
        "neural": (NETWORKS, NETWORKS.start),
        "tree": (dg.RegularisedTree(HIDDEN, 1.0), HIDDEN.uniform()),
        "refutation": (BENT, linear),
        "instability": (BENT, linear),
        "instability of the flow": (BENT, linear),
        "monotone": (SKEW, (0.0, 0.0)),
        "count": (CUBIC, (0.0,)),
        "expansion": (PULLED, linear),
        "expansion of the flow": (PUSHED, linear),
    }[name]
    if game is None:
        with pytest.raises(certify.Unusable, match="certify the game again"):
            certificate.require_game(linear_game, linear)
        return
    other = {
        "policies": dg.Regularised(PENNIES, 2.0),
        "tree": dg.RegularisedTree(HIDDEN, 2.0),
        "feedback": dg.dynamic.LQGame(2 * ONE, LQ.B, LQ.Q, LQ.R),
        "convergence over policies": ENTROPIC,
        "monotone": dg.zero_sum(lambda x, args: 2 * x[0] * x[1]),
        "count": dg.game(lambda x, args: (x[0] ** 3,)),
        "neural": dg.ZeroSumNetworks(NETWORKS.value, (None, NET), (1.0, 1.0)),
    }.get(name, dg.game(lambda x, args: {key: value**2 for key, value in x.items()}))
    args = DATA if name == "neural" else None
    certificate.require_game(game, x, args)
    with pytest.raises(ValueError, match="not of this game"):
        certificate.require_game(other, x, args)
    path = certificate.save(tmp_path / "c.json")
    assert certify.check(path, game=game, args=args, like=x).ok
    verdict = certify.check(path, game=other, args=args, like=x)
    assert not verdict.ok and verdict.reasons[0].startswith("the game is the one given: ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_is_made_of_nothing_but_checked_contents(kind, linear_certificate):
    make = KINDS[kind]
    with pytest.raises(ValueError, match="takes contents that the checker has accepted"):
        make("proved")
    with pytest.raises(ValueError, match="takes reasons"):
        make("undecided")
    with pytest.raises(ValueError, match="takes reasons"):
        make("refuted")
    with pytest.raises(ValueError, match="takes a proved certificate of the opposite"):
        make("refuted", ("not convex",))
    with pytest.raises(ValueError, match="takes contents"):
        make("undecided", ("no margin",), contents=linear_certificate.contents)
    if kind != "convergence":
        with pytest.raises(ValueError, match="of the kind 'convergence'"):
            make("proved", contents=linear_certificate.contents)
    for name in ("status", "reasons", "data"):
        with pytest.raises(AttributeError):
            setattr(make("undecided", ("no margin",)), name, "proved")


def test_false_contents_cannot_be_checked(certificate):
    data = copy.deepcopy(certificate.data)
    if "zero" in data["claims"]:
        data["claims"]["zero"] = {
            "lower": data["evidence"]["center"],
            "upper": data["evidence"]["center"],
        }
    elif "count" in data["claims"]:
        data["claims"]["count"] += 1
    else:
        names = ("rate", "curvature", "growth", "margin", "lipschitz")
        key = next(k for k in names if k in data["claims"])
        factor = 0.5 if key in ("rate", "lipschitz") else 2.0
        data["claims"][key] = (float.fromhex(data["claims"][key]) * factor).hex()
    with pytest.raises(NotAccepted) as rejected:
        Checked(data)
    assert not rejected.value.verdict.ok and str(rejected.value)


def test_what_is_changed_after_the_check_is_not_saved(of_each_kind, tmp_path):
    found = of_contents(Checked(copy.deepcopy(of_each_kind["convergence"].data)))
    assert isinstance(found, certify.Convergence)
    margin = found.margin
    found.data["claims"]["margin"] = (7.0).hex()
    assert found.margin == margin and not found.check().ok
    with pytest.raises(ValueError, match="does not match its contents"):
        found.save(tmp_path / "c.json")
    assert not list(tmp_path.iterdir())


def test_provenance_is_replaced_in_a_copy(linear_certificate):
    old = linear_certificate.contents
    new = old.with_provenance(seconds="7")
    assert new.data["provenance"] == {**old.data["provenance"], "seconds": "7"}
    assert old.data["provenance"]["seconds"] != "7"
    assert new.data["digest"] == digest(new.data) != old.data["digest"]
    assert {k: v for k, v in new.data.items() if k not in ("provenance", "digest")} == {
        k: v for k, v in old.data.items() if k not in ("provenance", "digest")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_proof_there_are_reasons_alone(kind, tmp_path):
    status = "undecided"
    found = KINDS[kind](status, ("no margin", "no time"))
    assert (found.status, found.reasons) == (status, ("no margin", "no time"))
    assert found.refutation is None
    for ask in (
        lambda: found.data,
        lambda: found.save(tmp_path / "c.json"),
        lambda: found.check(),
        lambda: getattr(found, NUMBERS.get(kind, "margin")),
    ):
        with pytest.raises(ValueError, match=rf"status is '{status}' \(no margin; no time\)"):
            ask()
    assert [label for label, _ in found.rows()] == ["claim", "status", "reason", "reason"]
    assert f"status: {status}" in text_of(found) and "no time" in text_of(found)
    with pytest.raises(ValueError, match=status):
        certify.report_page(found)


def test_what_is_refuted_saves_the_refutation(of_each_kind, tmp_path):
    refutation = of_each_kind["refutation"]
    found = certify.Convergence("refuted", ("not convex",), refutation=refutation)
    assert found.refutation is refutation
    loaded = certify.load(found.save(tmp_path / "c.json"), level=2)
    assert isinstance(loaded, certify.Refutation) and loaded.data == refutation.data
    for ask in (lambda: found.data, found.check, lambda: found.margin):
        with pytest.raises(ValueError, match=r"status is 'refuted' \(not convex\)"):
            ask()
    assert [label for label, _ in found.rows()] == ["claim", "status", "reason"]
    with pytest.raises(ValueError, match="takes a proved certificate of the opposite"):
        certify.Convergence("undecided", ("why",), refutation=refutation)
    with pytest.raises(ValueError, match="takes contents that the checker has accepted"):
        certify.Convergence("proved", refutation=refutation)
    undecided = certify.Refutation("undecided", ("why",))
    with pytest.raises(ValueError, match="takes a proved certificate of the opposite"):
        certify.Convergence("refuted", ("not convex",), refutation=undecided)


def test_a_network_makes_no_file(tmp_path):
    def cost(own, others, weights, args):
        return own**2 - own * (1.0 + jnp.tanh(weights @ others))

    game = dg.NetworkGame(cost, RING, parameters=jnp.full((3, 2), 0.5))
    region = certify.Box(dg.Stacked(jnp.zeros(3)), dg.Stacked(2 * jnp.ones(3)))
    found = certify.certify_network(game, region)
    assert isinstance(found, Certificate) and found.status == "proved"
    for ask in (lambda: found.save(tmp_path / "c.json"), lambda: found.data, found.check):
        with pytest.raises(ValueError, match="a proof about a network makes no file: "):
            ask()
    shown = text_of(found)
    assert "exactly one in the region" in shown and "Evidence" not in shown
    with pytest.raises(ValueError, match="keeps nothing"):
        found.require_game(game, region.lower)
    with pytest.raises(ValueError, match="takes a positive margin"):
        certify.NetworkConvergence("proved", (), found.constants, found.gain)
    undecided = certify.NetworkConvergence("undecided", ("why",), found.constants, found.gain)
    with pytest.raises(ValueError, match="no equilibrium: the status is 'undecided'"):
        _ = undecided.equilibrium
    assert undecided.margin == found.margin
