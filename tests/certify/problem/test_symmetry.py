"""Mirrored entries of Jacobians: exactly antisymmetric, never worse, and still enclosures."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.file.evidence import quantized
from certify.jacobian.by_jaxpr import jacobian_family
from certify.jacobian.family import AffineFamily, mirrored
from certify.metric.cell_margin import margin_bounds, reduced
from certify.metric.weights import choose_weights
from certify.problem.field import compiled_jacobians, flat_field
from certify.problem.symmetry import mirror_signs
from certify.search.tree import Leaf, Tree

pytestmark = pytest.mark.thin(3)

A = np.array([[1.0, -0.5], [0.5, 1.0]])


def coupled(strength):
    """`|x|^2 / 2 - |y|^2 / 2 + strength x' A (y + y^3 / 3)`."""

    def payoff(x, args):
        bent = x["b"] + x["b"] ** 3 / 3
        coupling = strength * jnp.dot(x["a"], A @ bent)
        return 0.5 * jnp.sum(x["a"] ** 2) - 0.5 * jnp.sum(x["b"] ** 2) + coupling

    return dg.zero_sum(payoff)


def flat_box(strength):
    reach = {"a": np.full(2, 0.1 / strength), "b": np.ones(2)}
    return certify.Box({k: -v for k, v in reach.items()}, reach)


@pytest.fixture(scope="module")
def certificate():
    return certify.certify(coupled(30.0), flat_box(30.0), search=certify.Search(max_cells=200))


def without_structure(game):
    """The same costs, of which nobody says that they sum to zero."""
    return dg.game(lambda x, args: dict(zip("ab", game.costs(x, args).values(), strict=True)))


@pytest.mark.full
def test_strong_coupling_needs_few_cells(certificate):
    """58 cells; as two independent blocks it is still undecided after 2000, without terms."""
    assert certificate.status == "proved"
    assert certificate.cells <= 100
    # The smallest own curvature is attained where y is 1 and x in a corner: 1 - 2 (0.1) 1.5.
    assert 0.95 * 0.7 <= certificate.margin <= 0.7 + 1e-9
    assert certificate.weights == {"a": 1.0, "b": 1.0}
    blind = certify.certify(
        without_structure(coupled(30.0)),
        flat_box(30.0),
        enclosure=certify.Taylor(),
        search=certify.Search(max_cells=300),
    )
    assert blind.status == "undecided"


@pytest.mark.full
def test_constant_coupling_costs_nothing():
    """A bilinear coupling of any strength leaves the margin of the own blocks."""
    game = dg.zero_sum(lambda x, _: 0.5 * x[0] ** 2 - x[1] ** 2 + 1e4 * x[0] * x[1])
    found = certify.certify(game, certify.Box((-1.0, -1.0), (1.0, 1.0)))
    assert found.margin == pytest.approx(1.0, abs=1e-6)
    assert found.cells == 1


def test_equal_weights_are_chosen_for_zero_sum_games():
    """They are the best: own blocks bound every margin, and at equal weights nothing else does."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        own = [np.eye(2) * rng.uniform(0.1, 10) for _ in range(2)]
        coupling = 10 * rng.normal(size=(8, 2, 2))
        samples = np.stack([np.block([[own[0], b], [-b.T, own[1]]]) for b in coupling])
        assert (choose_weights(samples, (2, 2)) == 1).all()


class TestMirrored:
    def test_signs(self):
        signs = mirror_signs((1, 2), True)
        assert signs.tolist() == [[1, -1, -1], [-1, 1, 1], [-1, 1, 1]]
        assert mirror_signs((1, 2), False).tolist() == [[1, 0, 0], [0, 1, 1], [0, 1, 1]]

    @pytest.mark.parametrize("batch", [(), (3,)])
    def test_the_better_entry_is_kept(self, batch):
        rng = np.random.default_rng(1)
        family = AffineFamily(
            rng.normal(size=(*batch, 4, 4)),
            rng.normal(size=(*batch, 5, 4, 4)),
            np.round(rng.uniform(size=(*batch, 4, 4)), 1),  # some ties
            rng.uniform(size=(*batch, 4, 4, 4)),
            np.ones(batch, bool),
        )
        signs = mirror_signs((1, 2, 1), False)
        signs[0, 3] = signs[3, 0] = -1
        found = mirrored(family, signs)
        for a in range(4):
            for b in range(4):
                here, there = (family.remainder[..., i, j] for i, j in ((a, b), (b, a)))
                pick = here <= there if a <= b else here < there
                for name in ("centre", "generators", "remainder"):
                    old, new = getattr(family, name), getattr(found, name)
                    sign = signs[a, b] if name != "remainder" else abs(signs[a, b])
                    choice = pick[..., None] if name == "generators" else pick
                    other = sign * old[..., b, a]
                    expected = np.where(choice | (sign == 0), old[..., a, b], other)
                    assert (new[..., a, b] == expected).all()
                    if sign:
                        assert (new[..., a, b] == sign * new[..., b, a]).all()

    @pytest.mark.full
    def test_jacobians_stay_inside(self):
        game, region = (
            coupled(3.0),
            certify.Box.around({"a": np.full(2, 0.1), "b": np.ones(2)}, 0.2),
        )
        field = flat_field(game, region)
        assert field.zero_sum
        assert not flat_field(without_structure(game), region).zero_sum
        lower, upper = region.bounds()
        raw = jax.jit(jacobian_family(field.function, "affine"))(lower, upper)
        family = mirrored(raw, field.signs)
        assert (family.remainder <= np.asarray(raw.remainder)).all()
        points = np.random.default_rng(2).uniform(lower, upper, (200, 4))
        at = (points - 0.5 * (lower + upper)) / (0.5 * (upper - lower))
        moved = family.centre + np.einsum("pk,kij->pij", at, family.generators[:4])
        # What moves with a remainder may move in any way.
        loose = family.remainder + np.abs(family.generators[4:]).sum(0)
        off = np.abs(np.asarray(compiled_jacobians(field)(points)) - moved)
        assert (off <= loose + 1e-12).all()

    def test_rounding_keeps_the_mirror(self):
        rng = np.random.default_rng(3)
        signs = mirror_signs((2, 3), True)
        family = AffineFamily(
            rng.normal(size=(5, 5)),
            rng.normal(size=(4, 5, 5)),
            rng.uniform(size=(5, 5)),
            np.zeros((5, 5, 5)),
            np.array(True),
        )
        _, (rounded,), _ = quantized(Tree([Leaf(mirrored(family, signs))], 1.0, ""))
        for part in (rounded.centre, *rounded.generators):
            assert (part == signs * part.T).all()
        assert (rounded.remainder == rounded.remainder.T).all()

    @pytest.mark.parametrize("ratio", [1.0, 3.0])
    def test_the_margin_bounds_all_members(self, ratio):
        """Against random members of the family whose remainders mirror each other as stated."""
        rng = np.random.default_rng(4)
        signs, weights = mirror_signs((2, 2), True), np.array([1.0, 1.0, ratio, ratio])
        family = mirrored(
            AffineFamily(
                rng.normal(size=(1, 4, 4)) + 3 * np.eye(4),
                0.2 * rng.normal(size=(1, 3, 4, 4)),
                0.3 * rng.uniform(size=(1, 4, 4)),
                np.zeros((1, 4, 4, 4)),
                np.array([True]),
            ),
            signs,
        )
        bound = margin_bounds(reduced(family), weights, signs).margin[0]
        root, lowest = np.sqrt(weights), np.inf
        for _ in range(2000):
            e = rng.choice([-1.0, 1.0], 3)
            noise = np.triu(rng.choice([-1.0, 1.0], (4, 4)))
            noise = noise + signs * np.triu(noise, 1).T
            jacobian = family.centre[0] + np.tensordot(e, family.generators[0], 1)
            jacobian = (jacobian + noise * family.remainder[0]) * (root[:, None] / root)
            lowest = min(lowest, np.linalg.eigvalsh(0.5 * (jacobian + jacobian.T))[0])
        assert bound <= lowest + 1e-12
        assert bound >= lowest - 0.6


class TestHostileFiles:
    """The checker believes that the costs sum to zero, and nothing that contradicts it."""

    def changed(self, certificate):
        """Without the graph of the costs, which has as many outputs as the flag asks for."""
        data = copy.deepcopy(certificate.data)
        del data["game"]["graph"]
        return data

    def cell(self, data):
        return next(node for node in data["evidence"]["cells"] if "centre" in node)

    def test_accepted_as_it_is(self, certificate):
        assert certificate.data["game"]["zero_sum"] is True
        assert check_data(certificate.data).ok

    def test_the_flag_is_needed(self, certificate):
        for value in (False, None):
            data = self.changed(certificate)
            del data["game"]["zero_sum"]
            if value is not None:
                data["game"]["zero_sum"] = value
            verdict = check_data(data)
            assert not verdict.ok
            assert "the margin holds" in verdict.reasons[0]

    @pytest.mark.parametrize("value", [None, 1, 0, "true", [], {}, -1])
    def test_the_flag_is_a_boolean(self, certificate, value):
        data = self.changed(certificate)
        data["game"]["zero_sum"] = value
        with pytest.raises(Unusable, match="zero_sum"):
            check_data(data)

    @pytest.mark.full
    def test_the_flag_needs_antisymmetric_blocks(self, linear_certificate, oligopoly_certificate):
        data = self.changed(linear_certificate)
        data["game"]["zero_sum"] = True
        verdict = check_data(data)
        assert not verdict.ok
        assert "zero-sum" in verdict.reasons[0]
        data = self.changed(oligopoly_certificate)
        data["game"]["zero_sum"] = True
        with pytest.raises(Unusable, match="two players"):
            check_data(data)

    @pytest.mark.parametrize("name", ["centre", "generators", "remainder"])
    @pytest.mark.parametrize("place", [2, 7, 8, 13])
    def test_every_pair_is_compared(self, certificate, name, place):
        data = self.changed(certificate)
        cell = self.cell(data)
        matrix = cell[name][-1] if name == "generators" else cell[name]
        matrix[place] += 1
        verdict = check_data(data)
        assert not verdict.ok
        assert "zero-sum" in verdict.reasons[0]

    def test_own_blocks_are_not_cancelled(self, certificate):
        data = self.changed(certificate)
        cell = self.cell(data)
        cell["remainder"][1] += round(2.0 ** -data["evidence"]["unit"])
        cell["remainder"][4] += round(2.0 ** -data["evidence"]["unit"])
        assert not check_data(data).ok

    def test_unequal_weights_pay_for_their_difference(self, certificate):
        data = self.changed(certificate)
        data["claims"]["weights"] = [(1.0).hex(), (1.5).hex()]
        assert not check_data(data).ok
