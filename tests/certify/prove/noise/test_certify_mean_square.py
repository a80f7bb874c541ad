"""Proofs in mean square: published numbers, closed forms, simulations, and random linear games."""

import copy
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import certify
import dgames as dg
from certify.prove.noise.mean_square_file import method_contents
from tools.edits import sealed_bytes

BILINEAR = dg.zero_sum(lambda x, args: x[0] * x[1])
ORIGIN = (0.0, 0.0)
# The field times 3 or -1, which has the mean 1 and the mean square 5.
SHAKEN = certify.Outcomes([3.0, -1.0])


@pytest.mark.parametrize(
    ("step_size", "radius"),
    [
        (0.001, 1.00000300),
        (0.01, 1.00030063),
        (0.05, 1.00790646),
        (0.1, 1.03715591),
        (0.2, 1.27617353),
    ],
)
def test_the_optimistic_method_diverges_at_every_step_size(step_size, radius):
    """Of Hsieh et al., 2022; radii of `E[A x A]` to the digits that were computed for the issue."""
    found = certify.certify_mean_square(BILINEAR, dg.Optimistic(step_size), ORIGIN, SHAKEN)
    assert found.status == "proved" and not found.stable and found.noise == 0
    assert found.everywhere
    assert 1 < found.rate < radius + 1e-8
    # This close to one, roundings of the machine decide how much of the rate has to be given away.
    share = 2e-3 if step_size > 0.005 else 0.1
    assert found.rate - 1 == pytest.approx(radius - 1, rel=share)
    assert np.linalg.eigvalsh(found.metric).min() > 0  # so every start diverges
    with pytest.raises(ValueError, match="proved to diverge"):
        _ = found.limit


@pytest.mark.parametrize("make", [dg.OptimisticSeparated, dg.OptimisticDualAveraging])
def test_a_shorter_update_withstands_the_noise(make):
    """Up to `eta = 2 gamma (1 - M gamma^2) / (M (1 + gamma^2))`, with the mean square `M = 5`."""
    threshold = 2 * 0.1 * (1 - 0.05) / (5 * 1.01)
    for share, stable in ((0.9, True), (1.1, False)):
        method = make(0.1, share * threshold)
        found = certify.certify_mean_square(BILINEAR, method, ORIGIN, SHAKEN)
        noisy = dg.zero_sum(lambda x, noise: noise * x[0] * x[1])
        constant = dg.OptimisticSeparated(method.extrapolation, method.update)
        radius = dg.second_moment_radius(noisy, constant, ORIGIN, jnp.array([3.0, -1.0]))
        assert found.status == "proved" and found.stable == stable
        assert (found.rate > radius) == stable
        assert found.rate == pytest.approx(float(radius), abs=1e-5)
    theorem = dg.OptimisticSeparated.constant_steps(2, 1.0, 4.0)
    found = certify.certify_mean_square(BILINEAR, theorem, ORIGIN, SHAKEN)
    assert found.stable and 0.99997107 < found.rate < 0.999972
    with pytest.raises(ValueError, match="steps have to be constant"):
        scheduled = make(0.1, dg.PowerDecay(0.1, 0.5))
        certify.certify_mean_square(BILINEAR, scheduled, ORIGIN, SHAKEN)


def separated_limit(gamma, second_moment=5.0):
    """The limit of `eta` in closed form, derived in `dgames.OptimisticSeparated`."""
    return 2 * gamma * (1 - second_moment * gamma**2) / (second_moment * (1 + gamma**2))


@pytest.mark.parametrize("gamma", [0.05, 0.1, 0.2])
def test_separate_steps_are_stable_up_to_the_limit(gamma):
    """And unstable beyond it: proofs enclose it to one part in ten thousand."""

    def at(eta: float, method: Any = dg.OptimisticSeparated):
        found = certify.certify_mean_square(BILINEAR, method(gamma, eta), ORIGIN, SHAKEN)
        assert found.status == "proved"
        return found

    limit = separated_limit(gamma)
    assert all(at(share * limit).stable for share in (0.1, 0.5, 0.99, 0.9999))
    assert not any(at(share * limit).stable for share in (1.0001, 1.01))
    averaging = at(0.5 * limit, dg.OptimisticDualAveraging)
    assert averaging.stable and averaging.rate == at(0.5 * limit).rate


def test_the_best_update_of_separate_steps():
    method = dg.OptimisticSeparated(0.1, 0.0192)
    found = certify.certify_mean_square(BILINEAR, method, ORIGIN, SHAKEN)
    assert 0.998093 < found.rate < 0.998096


def test_without_noise_the_rate_is_that_of_the_deterministic_method():
    still = certify.Outcomes([1.0])
    for step_size, square in ((0.1, 0.98989795), (0.3, 0.9)):
        found = certify.certify_mean_square(BILINEAR, dg.Optimistic(step_size), ORIGIN, still)
        assert found.stable and square < found.rate < square + 2e-3 * (1 - square)
        assert (found.noise, found.limit) == (0, 0)


def pull(x, datum):
    return (0.5 * (x[0] - datum) ** 2,)


DATA = np.array([0.0, 1.0, 5.0, 10.0])


@pytest.mark.parametrize(("batch", "replace"), [(1, True), (3, True), (3, False), (4, False)])
def test_the_limit_of_a_quadratic_is_known(batch, replace):
    """`x+ = x - h (x - datum)` has the variance `h s^2 / (2 - h)` in the end."""
    h, (mean, variance) = 0.25, (DATA.mean(), DATA.var())
    share = 1 / batch if replace else (4 - batch) / (3 * batch)
    found = certify.certify_mean_square(
        dg.game(pull), dg.Simultaneous(h), (0.0,), certify.Sampling(DATA, batch, replace)
    )
    limit = h * variance * share / (2 - h)
    assert found.stable and float(found.equilibrium[0]) == mean and found.batch == batch
    assert limit <= found.limit <= limit * (1 + 1e-5)
    if batch < 4:
        assert (1 - h) ** 2 < found.rate < 1
        assert found.noise >= share * variance * h**2
    else:
        assert found.noise == 0 and found.rate < (1 - h) ** 2 + 1e-3


@pytest.mark.parametrize(
    "slope",
    [
        lambda datum: jnp.where(datum >= 0, -5.0, 1.0),
        lambda datum: jnp.where(datum <= 0, -5.0, 1.0),
        lambda datum: 2 * jnp.sign(datum) - 1,
    ],
)
def test_choices_at_equal_data_are_not_read_from_the_graph(slope):
    """In the graph `>=` is `>`, and the sign of zero is one: nothing is proved of such data."""
    data = np.array([*np.linspace(-1, 1, 2 * 64), *np.zeros(200)])
    game = dg.game(lambda x, datum: (0.5 * slope(datum) * x[0] ** 2,))
    found = certify.certify_mean_square(
        game, dg.Simultaneous(0.1), (0.0,), certify.Sampling(np.sort(data)[::-1])
    )
    assert found.status == "undecided" and "numbers that are equal" in found.reasons[0]


def test_kinks_at_equal_data_do_no_harm():
    """Both cases of a maximum are the same where they meet."""
    game = dg.game(lambda x, datum: (0.5 * (1 + jax.nn.relu(datum)) * x[0] ** 2,))
    noise = certify.Sampling(np.array([0.0, 0.0, -1.0, 1.0]))
    found = certify.certify_mean_square(game, dg.Simultaneous(0.5), (0.0,), noise)
    assert found.stable and found.rate == pytest.approx((3 * 0.25 + 0) / 4, rel=1e-2)


def test_a_first_state_that_has_seen_the_first_draw_is_no_start():
    """In the mean over the draw, V falls at the rate in one step only if that draws anew."""
    h, scales = 0.1, (3.0, -1.0)
    game = dg.game(lambda x, args: (0.5 * x[0] ** 2,))
    found = certify.certify_mean_square(game, dg.Optimistic(h), (0.0,), certify.Outcomes(scales))

    def value(x, g):
        return np.array([x, g]) @ found.metric @ np.array([x, g])

    def moved(first, second):
        new = second * (1.0 - h * first)
        return value(1.0 - h * new, new)

    at_first = np.mean([value(1.0, s) for s in scales])
    anew = np.mean([moved(s, t) for s in scales for t in scales])
    same = np.mean([moved(s, s) for s in scales])
    assert anew <= found.rate * at_first < same
    assert any("of the first state" in words for words in found.data["trusted"])


def test_rows_and_comparisons_leave_out_nothing_of_the_noise(tmp_path):
    """Factors and probabilities are part of the claim; of data, the factors are one."""
    game = dg.game(lambda x, datum: (0.5 * datum * x[0] ** 2,))
    noise = certify.Sampling(np.array([1.0, 2.0]), probabilities=[1.0, 3.0])
    found = certify.certify_mean_square(game, dg.Simultaneous(0.25), (0.0,), noise)
    assert "with probabilities (0.25, 0.75)" in terminal(found)
    data = copy.deepcopy(found.data)
    for component in data["noise"]["components"]:
        component["scales"] = [(1.25).hex()]
    file = tmp_path / "scaled.json"
    file.write_bytes(sealed_bytes(data))
    args = np.array([1.0, 2.0])
    assert certify.check(found.save(tmp_path / "true.json"), game=game, args=args).ok
    assert certify.check(file).ok and not certify.check(file, game=game, args=args).ok
    shaken = certify.certify_mean_square(BILINEAR, dg.Optimistic(0.1), ORIGIN, SHAKEN)
    assert "the field times 3, -1" in terminal(shaken)
    apart = certify.Outcomes([[1.0, 2.0], [0.5, 1.0]])
    found = certify.certify_mean_square(BILINEAR, dg.Extragradient(0.1), ORIGIN, apart)
    assert "the field times (1, 2), (0.5, 1)" in terminal(found)


def terminal(certificate):
    noise = next(row for row in certificate.rows() if row.label == "noise")
    return "".join(f"{part.value:g}" if hasattr(part, "value") else part for part in noise.parts)


def test_a_rate_may_be_asked_for():
    def ask(rate):
        return certify.certify_mean_square(
            dg.game(pull), dg.Simultaneous(0.5), (0.0,), certify.Sampling(DATA), rate=rate
        )

    assert ask(0.375).rate == 0.375 and ask(0.75).rate == 0.75
    assert ask(0.2).status == "undecided" and "about 0.25" in ask(0.2).reasons[0]
    with pytest.raises(ValueError, match="must be positive"):
        ask(-1.0)


def test_noise_that_grows_diverges_from_far_away_at_least():
    """`E (x+)^2 = 5 (h - 1)^2 ...`: the field times random numbers, and a shift of its own."""

    def costs(x, datum):
        return (0.5 * datum[0] * x[0] ** 2 - datum[1] * x[0],)

    data = np.array([[3.0, 1.0], [-1.0, 1.0]])
    found = certify.certify_mean_square(
        dg.game(costs), dg.Simultaneous(0.5), (0.0,), certify.Sampling(data)
    )
    assert not found.stable and found.rate == pytest.approx(1 - 2 * 0.5 + 5 * 0.25, rel=1e-3)
    x = np.full(400_000, 10.0)
    generator = np.random.default_rng(0)
    squares = []
    for _ in range(3):
        s = generator.integers(2, size=x.size)
        squares.append(float(found.metric[0, 0]) * np.mean((x - 1) ** 2))
        x = x - 0.5 * (data[s, 0] * x - data[s, 1])
    for before, after in pairwise(squares):
        assert after > (found.rate * before - found.noise) * (1 - 0.02)


def test_only_some_starts_diverge_where_players_do_not_meet():
    """The second player diverges, the first one does not: no definite matrix grows."""
    game = dg.game(lambda x, args: (0.5 * x[0] ** 2, 0.5 * x[1] ** 2))
    noise = certify.Outcomes([[1.0, 9.0], [1.0, -7.0]])
    found = certify.certify_mean_square(game, dg.Simultaneous(0.5), ORIGIN, noise)
    assert not found.stable and not found.everywhere and found.metric[1, 1] > 0
    assert found.rate == pytest.approx(1 - 2 * 0.5 + 65 * 0.25, rel=1e-3)
    assert "some starts" in str(found.rows())


def operator(game, method, outcomes):
    """`E[A x A]` from derivatives of the method's own step, with Kronecker products."""
    field = dg.pseudo_gradient(game)
    x = (jnp.zeros(()), jnp.zeros(()))
    state, unravel = ravel_pytree((x, method.init(field, x, outcomes[0])))

    def move(z, scale):
        x, state = unravel(z)
        return ravel_pytree(method.step(field, x, state, scale))[0]

    matrices = [np.asarray(jax.jacfwd(move)(state * 0, scale)) for scale in outcomes]
    return np.mean([np.kron(a, a) for a in matrices], axis=0)


@pytest.mark.thin(12)
@pytest.mark.parametrize("seed", range(24))
def test_random_games_are_proved_to_be_what_they_are(seed):
    """Stable if and only if the spectral radius is below one; the rate is close to it."""
    generator = np.random.default_rng(seed)
    a, b, c, d = generator.normal(size=4)
    game = dg.game(
        lambda x, s: (
            s * (0.5 * (1 + a**2) * x[0] ** 2 + b * x[0] * x[1]),
            s * (0.5 * (0.5 + c**2) * x[1] ** 2 + d * x[0] * x[1]),
        )
    )
    scales = np.array([1.0 + generator.uniform(0, 3), 0.25, -0.5])
    h = float(generator.uniform(0.05, 0.6))
    methods = (dg.Simultaneous(h), dg.Extragradient(h), dg.Optimistic(h), dg.Momentum(h, -0.25))
    for method in methods:
        found = certify.certify_mean_square(game, method, ORIGIN, certify.Sampling(scales))
        radius = np.abs(np.linalg.eigvals(operator(game, method, scales))).max()
        assert found.status == "proved" and found.stable == (radius < 1)
        assert (radius < found.rate < 1) if found.stable else (1 < found.rate < radius)
        assert found.rate - 1 == pytest.approx(radius - 1, rel=2e-3)
        assert found.check().ok and found.check(level=2).ok


def regression(x, datum):
    """Two players fit a line together, each with a term of its own."""
    a, y = datum
    residual = a @ x["slope"] + x["offset"] - y
    return {
        "slope": 0.5 * residual**2 + 0.05 * jnp.sum(x["slope"] ** 2),
        "offset": 0.5 * residual**2 + 0.1 * x["offset"] * x["slope"][0],
    }


def points():
    generator = np.random.default_rng(3)
    a = generator.normal(size=(12, 2))
    return a, a @ np.array([1.0, -2.0]) + 0.5 + 0.3 * generator.normal(size=12)


LINE = {"slope": jnp.zeros(2), "offset": jnp.zeros(())}


def runs(count, steps, h, batch, seed):
    """Mean squares of many runs of the stochastic method in NumPy, step by step."""
    (a, y), generator = points(), np.random.default_rng(seed)
    x = np.zeros((count, 3))  # the players are sorted: the offset, and then the slope
    for _ in range(steps):
        yield x
        drawn = generator.integers(12, size=(count, batch))
        rows, sides = a[drawn], y[drawn]
        residual = np.einsum("rbk,rk->rb", rows, x[:, 1:]) + x[:, :1] - sides
        force = np.empty_like(x)
        force[:, 0] = residual.mean(1) + 0.1 * x[:, 1]
        force[:, 1:] = (residual[:, :, None] * rows).mean(1) + 0.1 * x[:, 1:]
        x = x - h * force


@pytest.mark.full
@pytest.mark.parametrize("batch", [1, 4])
def test_ten_thousand_runs_do_not_beat_the_bound(batch):
    h, count = 0.1, 10_000
    found = certify.certify_mean_square(
        dg.game(regression), dg.Simultaneous(h), LINE, certify.Sampling(points(), batch)
    )
    center = np.concatenate([np.ravel(found.equilibrium[key]) for key in ("offset", "slope")])
    bound, size = None, []
    for x in runs(count, 400, h, batch, seed=batch):
        d = x - center
        if bound is None:
            bound = d[0] @ found.metric @ d[0]
        squares = np.einsum("ri,ij,rj->r", d, found.metric, d)
        error = squares.std() / count**0.5
        assert squares.mean() <= bound * (1 + 1e-12) + 5 * error  # at first they are the same
        bound = found.rate * bound + found.noise
        size.append(np.sum(d**2, axis=1))
    last = np.mean(size[-100:])  # of 100 steps, which depend on each other
    assert last == pytest.approx(found.limit, rel=0.03)


def test_a_file_of_stochastic_gradient_descent_is_accepted(tmp_path):
    noise = certify.Sampling(points(), 4)
    game = dg.game(regression)
    found = certify.certify_mean_square(game, dg.Simultaneous(0.1), LINE, noise)
    assert found.stable and found.components == 12 and 0 < found.limit < 0.02
    data = jax.tree.map(jnp.asarray, points())
    of_sum = certify.certify_mean_square(
        dg.FiniteSum(game, data), dg.Simultaneous(0.1), LINE, certify.Sampling(batch=4)
    )
    assert of_sum.data["noise"] == found.data["noise"] and of_sum.limit == found.limit
    assert of_sum.difference(dg.FiniteSum(game, data), LINE) is None
    path = found.save(tmp_path / "sgd.json")
    loaded = certify.load(path)
    assert isinstance(loaded, certify.MeanSquare) and loaded.rate == found.rate
    assert certify.check(path, level=2).rederived
    a, y = points()
    assert certify.check(path, game=game, args=(a, y)).ok
    verdict = certify.check(path, game=game, args=(a, y + 1))
    assert verdict.reasons == ("the game is the one given: its data are others",)
    with pytest.raises(certify.Unusable, match="give the data"):
        certify.check(path, game=game)


def test_what_is_undecided_says_why():
    def of(game: dg.Game, method: Any = None, like: Any = ORIGIN, noise: Any = SHAKEN):
        method = dg.Simultaneous(0.1) if method is None else method
        found = certify.certify_mean_square(game, method, like, noise)
        assert found.status == "undecided"
        return found.reasons[0]

    quartic = dg.game(lambda x, args: (x[0] ** 4, x[1] ** 2))
    assert "not quadratic" in of(quartic)
    assert "exp" in of(dg.game(lambda x, args: (jnp.exp(x[0]), x[1] ** 2)))
    flat = dg.game(lambda x, args: (x[1] * 1.0, x[1] ** 2))
    assert "exactly one zero" in of(flat)
    # E (1 - s h)^2 = 1 - 2 h + 5 h^2 is one for h = 0.4.
    square = dg.game(lambda x, args: (0.5 * x[0] ** 2, 0.5 * x[1] ** 2))
    assert "neither grows" in of(square, dg.Simultaneous(0.4))
    assert "too large" in of(BILINEAR, dg.Simultaneous(1e200))
    scales, noisy = np.array([3.0, -1.0]), dg.zero_sum(lambda x, s: s * x[0] * x[1])
    pairs = certify.Sampling(scales, 2)
    assert "batches of one" in of(noisy, dg.Extragradient(0.1), noise=pairs)
    assert "does not move the zero" in of(
        dg.game(regression), dg.Extragradient(0.1), LINE, certify.Sampling(points())
    )


def test_bad_input_is_refused():
    good = dg.Simultaneous(0.1)
    pairs: Any = (
        ("noise is certify.Outcomes", good, [3.0, -1.0], None),
        ("scales have the shape", good, certify.Outcomes([[1.0, 2.0, 3.0]]), None),
        ("probabilities are 2 positive", good, certify.Outcomes([1.0, 2.0], [1.0, 0.0]), None),
        ("finite", good, certify.Outcomes([np.inf]), None),
        ("must be a positive integer", good, certify.Sampling(DATA, 0), None),
        ("at most 4", good, certify.Sampling(DATA, 5, replace=False), None),
        ("same probability", good, certify.Sampling(DATA, 2, False, [1.0, 1, 1, 2]), None),
        ("same positive number", good, certify.Sampling((DATA, DATA[:2])), None),
        ("are floats", good, certify.Sampling(np.arange(3)), None),
        ("takes the place of args", good, certify.Sampling(DATA), 1.0),
        ("the method is one of", dg.Alternating(0.1), SHAKEN, None),
        ("give the data", good, certify.Sampling(), None),
        ("the method is one of", dg.Simultaneous, SHAKEN, None),
    )
    for words, method, noise, args in pairs:
        with pytest.raises(
            (ValueError, jaxtyping.TypeCheckError), match=rf"{words}|Type-check error"
        ):
            certify.certify_mean_square(BILINEAR, method, ORIGIN, noise, args=args)
    with pytest.raises(ValueError, match="strategy sets"):
        certify.certify_mean_square(
            dg.game(lambda x, args: (x[0] ** 2, x[1] ** 2), dg.Box(0.0, 1.0)),
            good,
            ORIGIN,
            SHAKEN,
        )


def test_a_field_with_its_own_values_and_types():
    """A rotation that is no pseudo-gradient, in lower precision, with a factor for each player."""

    def turn(x, args):
        return (args * x[0] + x[1], args * x[1] - x[0])

    noise = certify.Outcomes([[2.0, 1.0], [0.0, 1.0]], [1.0, 3.0])
    field, like = dg.FunctionField(turn), (jnp.float32(0.0), jnp.float32(0.0))
    found = certify.certify_mean_square(
        field, dg.Momentum(0.125, 0.5), like, noise, args=jnp.float32(0.5)
    )
    assert found.stable and found.promoted and found.limit == 0
    weights = [component["weight"] for component in found.data["noise"]["components"]]
    assert weights == [1, 3] and found.method == "momentum"
    assert found.difference(field, like, jnp.float32(0.5)) is None
    assert found.difference(field, like, jnp.float32(0.25)) == "its costs are another function"
    assert "kind" in str(found.difference(BILINEAR, like))


def test_steps_of_each_player_are_in_the_file():
    like = {"u": jnp.zeros(2), "v": jnp.zeros(())}
    contents = method_contents(dg.Optimistic({"u": 0.5, "v": 0.25}), like)
    assert contents == {"name": "optimistic", "step_size": [(0.5).hex(), (0.25).hex()]}
