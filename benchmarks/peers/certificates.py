"""From a game to a margin and a step: Small-Gain Nash's sampling beside our proof."""

from collections.abc import Callable, Iterator

import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg
from benchmarks import markov
from benchmarks.peers import small_gain_procedure
from benchmarks.peers.table import Row
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Certificates"

ABOUT = """\
Seconds from a game and a region to a margin and a step. The peer is the procedure of Small-Gain
Nash (arXiv 2512.06791), written in NumPy from its published description with derivatives by hand:
it looks at Jacobians in sampled points and returns an **estimate**, which bounds nothing.
`certify.certify` returns a certificate, which is **proved** over the whole region and accepted by
the checker within the time shown. Where the peer is quicker, it is quicker at something else; on
the linear-quadratic game it is handed the Jacobian, which ours derives from the costs. The two
margins are of different metrics: the peer's of the Fisher matrices as if they were constant, ours
of logit differences; on the linear-quadratic game both are of the same metric, with the closed
form 1 - lambda / sqrt(2).

The first call of ours includes what is compiled. 20,000 random points instead of the corners take
the peer longer, miss the worst of them, and prove as little.
"""


def proof(
    game: dg.Game | dg.AbstractField,
    region: certify.Box,
    metric: certify.AutoMetric | certify.Weights = certify.AutoMetric(),
    search: certify.Search = certify.Search(),
) -> Callable[[], certify.Convergence]:
    """Certifies, and insists on a proof that the checker accepts."""

    def run() -> certify.Convergence:
        found = certify.certify(game, region, metric=metric, search=search)
        assert found.status == "proved"
        return found

    return run


def row(
    what: str, peer: str, ours: Callable, theirs: Callable, turns: int, compiled: bool = False
) -> Row:
    """Times of both, and both margins and steps; `compiled` for an earlier row, or not."""
    (proved, first), (sampled, their_cold) = timed(ours), timed(theirs)
    cold = None if compiled else first
    seconds = in_turns((ours, theirs), turns)
    step = proved.step_sizes["simultaneous"].max
    results = (
        f"margin {proved.margin:.4f} proved, {sampled.margin:.4f} estimated; "
        f"step {step:.4f} proved, {sampled.step:.4f} estimated"
    )
    return Row(what, peer, compared(*seconds), "game", (cold, their_cold), results)


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    turns = 2 if quick else 5
    for strength in (0.5, 1.0):
        size = 4 if quick else 32
        game = dg.games.Quadratic.small_gain_nash(strength, dim=size)
        region = certify.Box.around((jnp.zeros(size), jnp.zeros(size)), 1.0)
        what = f"linear-quadratic, 2 x {size}, lambda {strength:g}"

        def sample(strength: float = strength, size: int = size) -> small_gain_procedure.Procedure:
            return small_gain_procedure.lq(strength, size)

        ours = proof(game, region)
        yield row(what, "procedure, 1 point", ours, sample, turns)
    if quick:
        return
    field, center = markov.game()
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (20_000, 8))
    for radius, share in markov.CUBES[:2]:
        region = certify.Box.around(center, 2 * radius)
        weights, search = certify.Weights({"0": 1.0, "1": 1.0}), certify.Search(tightness=share)
        ours = proof(field, region, weights, search)
        peers = [("procedure, 256 corners", small_gain_procedure.corners(np.zeros(8), radius))]
        if radius == markov.CUBES[0][0]:
            peers.append(("procedure, 20,000 points", radius * points))
        for k, (peer, where) in enumerate(peers):

            def sample_cube(where: np.ndarray = where) -> small_gain_procedure.Procedure:
                return small_gain_procedure.markov(where)

            what = f"Markov game, logit radius {radius:g}"
            few = 3 if radius > 0.1 else turns
            yield row(what, peer, ours, sample_cube, few, compiled=k > 0)
