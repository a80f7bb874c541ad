"""Natural gradients over all policies: cells of probabilities, claims about all logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.graph.trace import graph_of
from certify.jacobian.by_taylor import taylor_family
from certify.problem.field import flat_field
from certify.problem.natural_gradient import Natural
from tests.certify.checker.mutations import mutated, nudged

ZERO = (jnp.zeros(1), jnp.zeros(1))
PENNIES = dg.games.MatrixGame.matching_pennies()
REFERENCE = (jnp.array([0.3, 0.7]), jnp.array([0.6, 0.4]))


@pytest.fixture(scope="module", params=["uniform", "reference"])
def certificate(request):
    game = dg.Regularised(PENNIES, 1.0, REFERENCE if request.param == "reference" else None)
    found = certify.certify(
        dg.NaturalGradient(game),
        certify.Policies(ZERO),
        (dg.Simultaneous,),
        search=certify.Search(tightness=0.8),
    )
    assert found.status == "proved", found.reasons
    return game, found


@pytest.mark.full
@pytest.mark.parametrize("level", [1, 2])
def test_the_checker_accepts_it(certificate, level):
    verdict = check_data(certificate[1].data, level=level)
    assert verdict.ok, verdict.reasons


@pytest.mark.full
def test_every_start_converges_at_the_rate(certificate):
    """Also from policies that give an action e^-40: distances to the centre, in the metric."""
    game, found = certificate
    field, step = dg.NaturalGradient(game), found.step_sizes["simultaneous"]
    weights = np.sqrt(list(found.weights.values()))
    center = np.concatenate(found.equilibrium.center)
    for start in ([40.0, -40.0], [-3.0, 8.0], [0.1, 0.0]):
        x = tuple(jnp.array([value]) for value in start)
        before = np.linalg.norm(weights * (start - center))
        for _ in range(5):
            x = jax.tree.map(lambda leaf, slope: leaf - step.best * slope, x, field(x))
            after = np.linalg.norm(weights * (np.concatenate(x) - center))
            assert after <= step.rate * before + 1e-12
            before = after


def test_the_zero_is_the_quantal_response(certificate):
    """Each policy is the reference, weighted by the exponentials of payoffs over temperature."""
    game, found = certificate
    p = dg.policies(found.equilibrium.center)
    log_reference = game.log_reference(p)
    for player in range(2):
        payoffs = PENNIES.payoffs[player]
        worth = payoffs @ p[1] if player == 0 else p[0] @ payoffs
        response = jax.nn.softmax(log_reference[player] + worth)
        assert np.allclose(response, p[player], atol=1e-12)


def test_other_files_are_rejected(certificate):
    """Of another temperature, reference or payoff: only the mathematics can tell."""
    _, found = certificate
    data = found.data
    for factor in (1.05, 0.95):
        changed = mutated(data, ("game", "natural", "temperature"), nudged(factor))
        assert not check_data(changed, level=2).ok
    moved = mutated(data, ("game", "natural", "reference", 0), lambda _: (0.01).hex())
    assert not check_data(moved, level=2).ok
    raised = mutated(data, ("claims", "margin"), nudged(1.5))
    assert not check_data(raised).ok


def test_what_belongs_together(certificate):
    _, found = certificate
    game = found.data["game"]
    without = {key: value for key, value in game.items() if key != "natural"}
    for changed in (without, {k: v for k, v in game.items() if k != "field"}):
        with pytest.raises(Unusable):
            check_data({**found.data, "game": changed})
    with pytest.raises(Unusable, match="groups"):
        check_data(mutated(found.data, ("region", "groups"), lambda _: [3]))
    box = {"kind": "box", "lower": [(0.0).hex()] * 2, "upper": [(1.0).hex()] * 2}
    with pytest.raises(Unusable, match="policies"):
        check_data({**found.data, "region": box})


def test_it_is_read_back(certificate, tmp_path):
    _, found = certificate
    again = certify.load(found.save(tmp_path / "pennies.json"))
    assert isinstance(again, certify.Convergence)
    assert isinstance(again.region, certify.Policies)
    assert again.region.groups == (1, 1)


def test_families_contain_exact_jacobians():
    """Three actions against two, up to the boundary: Jacobians in logits, by their policies."""
    rng = np.random.default_rng(0)
    payoffs = rng.normal(size=(2, 3, 2))
    field = dg.NaturalGradient(dg.Regularised(dg.games.MatrixGame(*payoffs), 0.7))
    region = certify.Policies((jnp.zeros(2), jnp.zeros(1)))
    flat = flat_field(field, region)
    assert flat.natural == Natural(0.7, (0.0,) * 3, (2, 1))
    family = taylor_family(graph_of(flat), [(0, 1, (0,)), (0, 1, (1,)), (1, 1, (2,))], flat.natural)
    lower = rng.uniform(0, 0.3, (12, 3)) * rng.integers(0, 2, (12, 3))
    upper = lower + rng.uniform(0.01, 0.15, (12, 3))
    found = family(lower, upper)
    assert found.finite.all()
    jacobian = jax.jit(jax.vmap(jax.jacfwd(flat.function)))
    for _ in range(20):
        e = rng.uniform(-1, 1, (12, 3))
        q = np.clip((lower + upper) / 2 + e * (upper - lower) / 2, 1e-9, 1)
        e = (q - (lower + upper) / 2) / ((upper - lower) / 2)
        rest = 1 - q[:, 0] - q[:, 1]
        x = np.stack(
            [np.log(q[:, 0] / rest), np.log(q[:, 1] / rest), np.log(q[:, 2] / (1 - q[:, 2]))], 1
        )
        stated = found.centre + np.einsum("bk,bkij->bij", e, found.generators)
        assert (np.abs(jacobian(x) - stated) <= found.remainder + 1e-12).all()


def test_what_is_no_natural_gradient():
    region = certify.Policies(ZERO)
    weighted = dg.NaturalGradient(dg.Regularised(PENNIES, 1.0), weights=lambda p: jnp.ones(()))
    for field in (PENNIES, dg.FunctionField(lambda x, args: x), weighted):
        with pytest.raises(ValueError, match="all policies"):
            certify.certify(field, region)
    with pytest.raises(ValueError, match="an axis for the actions"):
        certify.Policies((0.0, 0.0))
