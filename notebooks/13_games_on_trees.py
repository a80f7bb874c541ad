# %% [markdown]
# # Games on trees
#
# Poker, auctions, bargaining: players move one after the other, and do not see everything. This
# notebook goes one way through: from the *rules* of a game, written down in a few lines, to a
# *strategy* of which we know how much an opponent could gain against it, and from there to a
# *proof* of where learning ends.

# %%
import tempfile
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)  # proofs are made in float64

# %% [markdown]
# ## Rules
#
# Kuhn's poker has three cards, of which two players get one each; both pay one chip, and may bet
# one more. It is small enough to be written out here. A tree has three kinds of nodes: a `Leaf`
# with what each player receives, a `Chance` with probabilities, and a `Decision`. What a player
# does not see is said by *names*: nodes with the same name look the same to the player who moves
# there. Below, the name is the own card and what was said so far.


# %%
def after(cards, said=""):
    """The tree that follows once the cards are dealt and some words are said."""
    if said in ("pp", "bb", "pbb"):  # the higher card wins what both have paid
        stake = 1 if said == "pp" else 2
        gain = stake if cards[0] > cards[1] else -stake
        return dg.Leaf((gain, -gain))
    if said in ("bp", "pbp"):  # one of them has folded
        gain = 1 if said == "bp" else -1
        return dg.Leaf((gain, -gain))
    mover = len(said) % 2
    name = "JQK"[cards[mover]] + said
    return dg.Decision(mover, name, ("pass", "bet"), tuple(after(cards, said + x) for x in "pb"))


deals = [(a, b) for a in range(3) for b in range(3) if a != b]
poker = dg.ExtensiveForm(
    "poker with three cards",
    ("first", "second"),
    dg.Chance(
        tuple("JQK"[a] + "JQK"[b] for a, b in deals),
        (Fraction(1, 6),) * 6,
        tuple(after(cards) for cards in deals),
    ),
)
print("the first player moves at", *(name for name, _ in poker.infosets("first")))

# %% [markdown]
# `.game()` derives what algorithms need: the *sequence form*. For each sequence of a player's own
# actions a strategy has the product of their probabilities; entry 0, the empty sequence, is 1. All
# strategies together are a polytope, the *treeplex*, and costs are linear in each player's own
# strategy. So a tree of thousands of plays becomes two short vectors.

# %%
game = poker.game()
for player, tree in zip(poker.players, game.treeplexes, strict=True):
    print(player, "has", tree.sequences, "sequences,", tree.pure_strategies, "pure strategies")

# %% [markdown]
# ## A strategy, and what it can lose
#
# How good is a strategy? Ask an opponent who knows it. The *exploitability* is what best responses
# gain against a pair of strategies, averaged over both players; it is zero just at equilibria, and
# one pass through the tree computes it.
#
# The classical method is counterfactual regret minimisation: at every decision a player keeps the
# regrets for the actions not taken, and takes those more often that are regretted more. `CFR+` cuts
# regrets at zero. The averages of both come to equilibrium.

# %%
marks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
gap = jax.jit(lambda x: dg.exploitability(game, x))
curves, plays = {}, {}
for name, method in (("CFR", dg.methods.cfr()), ("CFR+", dg.methods.cfr_plus())):
    x, state, done, curves[name] = game.uniform(), None, 0, []
    for mark in marks:
        run = dg.iterate(game, method, x, steps=mark - done, state=state)
        x, state, done = run.strategy, run.state, mark
        curves[name].append(float(gap(x)))
    plays[name] = x

figure, ax = plt.subplots(figsize=(5.4, 3.2), layout="constrained")
for (name, values), marker in zip(curves.items(), "so", strict=True):
    ax.loglog(marks, values, marker + "-", markersize=4, label=name)
ax.set(xlabel="steps", ylabel="exploitability, in chips per hand")
ax.legend(frameon=False)
plt.show()
print(f"after 1000 steps: {curves['CFR'][-1]:.4e} and {curves['CFR+'][-1]:.4e}")

# %% [markdown]
# What is it that was learnt? With the jack, the worst card, the first player *bluffs* now and then,
# and with the king bets three times as often: this ratio is what makes the other one indifferent,
# and the game is worth -1/18 for who begins.

# %%
learnt = poker.policy("first", plays["CFR+"][0])
bluff, raised = learnt["J"]["bet"], learnt["K"]["bet"]
value = -float(game.costs(plays["CFR+"])[0])
print(f"bets with a jack: {bluff:.3f}, with a king: {raised:.3f}, value {value:.6f}")

# %% [markdown]
# ## Players who err
#
# The exploitability of that run is a number in floating point, and nothing was proved. A proof
# needs something that contracts. So charge both players for being predictable: a *temperature*
# times the entropy of what they do at each decision, weighted with how often they get there. Then
# the best response takes better actions more often and others still sometimes, and a pair of such
# strategies that answer each other is a **quantal response equilibrium**. In zero-sum games there
# is exactly one at every temperature. `certify.certify_tree` encloses it, and bounds what could be
# gained there in the game itself.

# %%
temperatures = (0.5, 0.2, 0.1, 0.05, 0.02)
found = {each: certify.certify_tree(game, each) for each in temperatures}
soft_plays = {
    each: poker.policy("first", certificate.equilibrium.center[0])
    for each, certificate in found.items()
}
gaps = [found[each].exploitability.equilibrium / 2 for each in temperatures]

figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.1), layout="constrained")
for card in "JQK":
    left.semilogx(
        temperatures, [soft_plays[t][card]["bet"] for t in temperatures], "o-", label=card
    )
left.set(xlabel="temperature", ylabel="the first player bets with", ylim=(0, 1))
left.legend(frameon=False)
right.loglog(temperatures, gaps, "o-", color="C3")
right.set(xlabel="temperature", ylabel="exploitability, proved bound")
for ax in (left, right):
    ax.set_xticks(temperatures, map(str, temperatures))
    ax.set_xticks([], minor=True)
plt.show()
for each, bound in zip(temperatures, gaps, strict=True):
    print(f"temperature {each:<4}: exploitability at most {np.ceil(1e6 * bound) / 1e6:.6f}")

# %% [markdown]
# ## A promise, and a run beside it
#
# The same certificate says how fast *magnetic mirror descent* comes there: from every start with
# positive probabilities, each step shrinks the divergence
# $\sum_j q^*_{p(j)}\, \mathrm{KL}(x^*_j \,\|\, x_j)$ from the equilibrium by a stated factor at
# least. (The weights $q^*$ say how often the player at the equilibrium gets to each decision.)

# %%
certificate = found[0.1]
safe = certificate.step
factor = np.ceil(1e5 * safe.rate) / 1e5
print(f"{certificate.status}: with the step {safe.best:.3f} the factor is at most {factor:.5f}")

soft = dg.RegularisedTree(game, 0.1)
mirrors = game.dilated_entropies()
goals = [
    m.dual(jnp.asarray(c)) for m, c in zip(mirrors, certificate.equilibrium.center, strict=True)
]


def divergence(x, state):
    return sum(m.divergence(g, m.dual(q)) for m, g, q in zip(mirrors, goals, x, strict=True))


descent = certificate.safe_method(dg.MirrorDescent)
starts = [game.uniform()]
for slope in (-3.0, 3.0):  # both players nearly always pass, or bet
    starts.append(
        tuple(
            m.primal(jnp.concatenate([jnp.zeros(1), jnp.tile(jnp.array([0, slope]), 6)]))
            for m in mirrors
        )
    )
every, records = 10, 60
falls = []
for start in starts:
    ran = dg.iterate(soft, descent, start, steps=every * records, save=divergence, every=every)
    falls.append(np.concatenate([[float(divergence(start, None))], ran.saved]))

figure, ax = plt.subplots(figsize=(5.4, 3.2), layout="constrained")
steps = every * np.arange(records + 1)
for fall, name in zip(falls, ("uniform", "passes", "bets"), strict=True):
    ax.semilogy(steps, fall / fall[0], label=f"start: {name}")
ax.semilogy(steps, safe.rate**steps, "k--", label="proved")
ax.set(xlabel="step", ylabel="share of the first divergence")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# The proof is a file. It holds the tree and its payoffs in exact numbers, and the checker, a
# program of its own that never runs JAX, derives everything else from them again.

# %%
with tempfile.TemporaryDirectory() as folder:
    accepted = certify.check(certificate.save(Path(folder) / "poker.json")).ok
    dg.write_efg(poker, Path(folder) / "poker.efg")
    text = (Path(folder) / "poker.efg").read_text()
    again = dg.read_efg(Path(folder) / "poker.efg")
bounds = certificate.value
print("accepted:", accepted)
print("the value of the game is between:", bounds)

# %% [markdown]
# ## Games from files
#
# The tree can be kept in the format of Gambit, `.efg`, which many other programs read. Fractions
# stay fractions. (`dg.from_openspiel` reads games of OpenSpiel.)

# %%
print(*text.splitlines()[:4], "...", sep="\n")
same = again.game()
print("the same payoffs:", np.array_equal(same.payoffs, game.payoffs))

# %% [markdown]
# ## What is not proved
#
# - **The averages of CFR** have no certificate. Their exploitability is computed, in floats.
# - **The equilibrium at a temperature is not one of the game itself**: the bound above says how far
#   off it is. At low temperatures proved steps are small.
# - **Three players or more**, and players who forget, are outside the theorem; `.game()` refuses
#   the latter.
#
# Larger games are there to try: `dg.games.leduc_poker()`, `dg.games.liars_dice(sides)`. The study
# `games_on_trees` runs five methods on them.

# %%
assert curves["CFR+"][-1] < 1e-4 < curves["CFR"][-1] < 1e-3
assert abs(curves["CFR"][-1] - 9.376e-4) < 5e-8  # as OpenSpiel's own solver
assert abs(raised - 3 * bluff) < 0.02 and bluff <= 1 / 3 + 0.01
assert abs(value + 1 / 18) < 1e-4
assert all(each.status == "proved" for each in found.values())
assert [each.margin for each in found.values()] == list(temperatures)
assert np.all(np.diff(gaps) < 0) and abs(gaps[2] - 0.103694) < 1e-6
for fall in falls:
    assert np.all(fall / fall[0] <= safe.rate**steps + 1e-12)
assert accepted and bounds is not None
assert bounds[0] <= -1 / 18 <= bounds[1] < bounds[0] + 1e-14
assert isinstance(again.root, dg.Chance) and again.root.probabilities == (Fraction(1, 6),) * 6
assert np.array_equal(same.payoffs, game.payoffs)
