# %% [markdown]
# # Policy games
#
# In rock, paper, scissors nobody plays a number: everybody plays *probabilities*. Strategies that
# are probability vectors have a geometry of their own, and learning in it goes in circles, until
# something pulls it to a point. This notebook is about that pull: what it does, which equilibria
# it leads to, and what can be proved about it for **all** policies at once.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import certify
import dgames as dg
from dgames import games, methods, plot

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## Learning goes in circles
#
# The natural way to learn in a game of chance: play an action more the better it has done,
# $p_a \leftarrow p_a\, e^{h\,u_a}$ up to normalisation, $u_a$ being its payoff against the others.
# That is **multiplicative weights**, which is gradient descent in logits along the *natural
# gradient* (plain mirror descent with the entropy). For small $h$ it becomes a flow, the
# **replicator equation** of biology.
#
# In a zero-sum game the flow keeps $\sum_i \mathrm{KL}(x_i^* \,\|\, x_i)$, the divergence of the
# equilibrium $x^*$ from the strategies, exactly constant: it goes round for ever. Steps of any size
# overshoot a little each time, and spiral out to the boundary.

# %%
rps = games.MatrixGame.rock_paper_scissors()
uniform = rps.uniform()
start = (jnp.array([0.6, 0.3, 0.1]),) * 2  # both the same, so that one triangle shows both


def divergence(equilibrium, x):
    """From an equilibrium to strategies: the sum of KL(equilibrium || x) over players."""
    pairs = [(np.asarray(e), np.asarray(p)) for e, p in zip(equilibrium, x, strict=True)]
    return np.sum([(e * (np.log(e) - np.log(p))).sum(-1) for e, p in pairs], axis=0)


flow = dg.flow(dg.NaturalGradient(rps), dg.logits(start), t1=30.0, tol=1e-12)
replicator = dg.policies(flow.strategies)
weights = dg.solve(rps, methods.multiplicative_weights(0.15), start, max_steps=150, save_every=1)
for name, path in (("flow", replicator), ("weights", weights.history.strategy)):
    values = divergence(uniform, path)
    print(f"divergence of the {name:7}: {values[0]:.6f} at first, {values[-1]:.6f} at the end")

# %% [markdown]
# ## Two cures
#
# **Look before you step.** Mirror prox is extragradient in this geometry: take a trial step and use
# the payoffs found there. It comes in.
#
# **Add a magnet.** `dg.Regularised(game, c)` charges each player $c$ times the divergence of their
# policy from a reference (the uniform one if none is given). That makes each player's problem
# strictly convex. A mirror step with that pull is *magnetic mirror descent*, and it comes straight
# in, to an equilibrium of the *regularised* game.

# %%
soft = dg.Regularised(rps, temperature=0.3)
prox = dg.solve(rps, dg.MirrorProx(0.3), start, max_steps=150, save_every=1)
magnet = dg.solve(soft, dg.MirrorDescent(0.15), start, max_steps=150, save_every=1)
paths = {
    "replicator flow": replicator[0],
    "multiplicative weights": weights.history.strategy[0],
    "mirror prox": prox.history.strategy[0],
    "with a magnet": magnet.history.strategy[0],
}


def triangle(ax, names=("rock", "paper", "scissors")):
    """Draws a simplex of three actions; returns where the corners are."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    ax.plot(*corners[[0, 1, 2, 0]].T, color="black", linewidth=1)
    for corner, name, place in zip(corners, names, ("top", "top", "bottom"), strict=True):
        ax.text(*corner, name, ha="center", va=place, fontsize="small")
    ax.set_aspect("equal")
    ax.axis("off")
    return corners


figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="compressed")
for ax, colour, (name, path) in zip(axes, plot.COLOURS, paths.items(), strict=False):
    corners = triangle(ax)
    points = np.asarray(path) @ corners
    ax.plot(*points.T, color=colour, linewidth=1.2)
    ax.plot(*points[0], "o", color=colour, markerfacecolor="white", markersize=6)
    ax.plot(*points[-1], "o", color=colour, markersize=5)
    ax.plot(*corners.mean(0), "*", color="black", markersize=9)
    ax.set_title(name, pad=14)

# %% [markdown]
# ## Which equilibrium is that?
#
# With the pull of strength $c$, the best response to payoffs $u$ is no longer a single action but
# $p_a \propto e^{u_a / c}$: better actions more often, worse ones still sometimes. A profile in
# which everybody answers so is a **quantal response equilibrium**. Economists use it to describe
# people, who err, and $1/c$ is called precision.
#
# A famous case: matching pennies where one of the row player's matches pays 9 instead of 1. In the
# Nash equilibrium the row player ignores that completely and plays half-half (only that keeps the
# column player indifferent). At low precision the row player goes for the 9. `dg.quantal_responses`
# follows the equilibria from precision 0, where all is uniform, towards a Nash equilibrium. The
# circles are found in another way, by mirror prox on the regularised game.

# %%
pennies = games.MatrixGame([[9.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])
precisions = jnp.geomspace(0.1, 100.0, 61)
branch = dg.quantal_responses(pennies, precisions, pennies.uniform())
chosen = jnp.array([0, 10, 20, 30])


@jax.vmap
def learned(precision):
    """The same by learning, at one precision."""
    return dg.solve(
        dg.Regularised(pennies, 1 / precision),
        dg.MirrorProx(0.1 / (1 + 0.3 * precision)),
        pennies.uniform(),
        max_steps=4000,
        tol=1e-10,
    )


runs = learned(precisions[chosen])

figure, ax = plt.subplots(figsize=(5.8, 3.4), layout="compressed")
for colour, name, block, points, nash in zip(
    plot.COLOURS, ("row", "column"), branch.strategies, runs.strategy, (0.5, 0.1), strict=False
):
    ax.plot(precisions, block[:, 0], color=colour, label=f"{name}: first action")
    ax.plot(precisions[chosen], points[:, 0], "o", color=colour, markerfacecolor="white")
    ax.axhline(nash, color=colour, linestyle=":", linewidth=1)
ax.set(xscale="log", xlabel="precision $1/c$", ylabel="probability", ylim=(0, 1))
ax.spines[["top", "right"]].set_visible(False)
legend = ax.legend(frameon=False, title="dotted: Nash")

# %% [markdown]
# ## What can be proved for all policies
#
# `certify.certify_policies` takes the payoffs and the temperature and proves, in exact arithmetic,
# that there is exactly one quantal response equilibrium $x^*$ and that the divergence
# $\sum_i w_i\,\mathrm{KL}(x_i^* \,\|\, x_i)$ shrinks at least by a stated factor in every step of
# magnetic mirror descent, from **every** start with positive probabilities. No region is needed and
# nothing is sampled.

# %%
certificate = certify.certify_policies(soft)
path = certificate.save("rps.certificate.json")
print(certificate.status, "and", "accepted" if certify.check(path).ok else "rejected")
print(f"margin {certificate.margin:.4f} (the temperature: all zero-sum games have that)")
print(f"step {certificate.step.best:.4f}: factor {certificate.step.rate:.4f} in every step")

# %% [markdown]
# Forty random starts, some of them very near to the boundary, run with the proved step. The line is
# the proved factor.

# %%
logit_starts = 6.0 * jax.random.normal(jax.random.key(0), (2, 40, 2))
many = dg.policies(tuple(logit_starts))


@jax.vmap
def run_with_proof(*x):
    """The strategies along a run with the best proved step."""
    method = dg.MirrorDescent(certificate.step.best)
    return dg.solve(soft, method, x, max_steps=30, tol=1e-15, save_every=1).history.strategy


falls = divergence(uniform, run_with_proof(*many))
figure, ax = plt.subplots(figsize=(5.6, 3.4), layout="compressed")
ax.plot(falls.T / falls[:, 0], color=plot.COLOURS[0], linewidth=0.6, alpha=0.6)
ax.plot(certificate.step.rate ** np.arange(31), color=plot.COLOURS[1], label="proved")
ax.set(yscale="log", ylim=(1e-4, 2), xlabel="step", ylabel="divergence, as a share of the first")
ax.spines[["top", "right"]].set_visible(False)
legend = ax.legend(frameon=False)

# %% [markdown]
# In games that are not zero-sum the temperature has to exceed what the players' interests add up
# to. With 1 for a match and 0 otherwise, for both players, that is 1/2; and indeed just below
# there are several equilibria, so there is nothing to prove.

# %%
together = games.MatrixGame(np.eye(2), np.eye(2))
verdicts = {c: certify.certify_policies(together, c) for c in (0.51, 0.49)}
for temperature, found in verdicts.items():
    print(temperature, found.status, *found.reasons)

lucky = dg.solve(
    dg.Regularised(together, 0.4), dg.MirrorProx(0.3), (jnp.array([0.9, 0.1]),) * 2, tol=1e-10
)
print("another equilibrium at 0.4:", lucky.strategy[0].round(4))

# %% [markdown]
# ## A Markov game
#
# Now there are states, and a policy is a probability vector *in each state*. In the game below two
# players are paid 1 for a match and -1 otherwise, and a match also decides where they go next; the
# discount is 0.9. Costs are no longer linear in one's own policy. The natural gradient does not
# mind: descent along it in logits is *natural policy gradient*. With an entropy of weight 1 it
# comes to the uniform policies, here from thirty starts.

# %%
rooms = games.MarkovGame.small_gain_nash()
field = dg.NaturalGradient(dg.Regularised(rooms, 1.0))
home = dg.logits(rooms.uniform())
first, second = jax.random.normal(jax.random.key(1), (2, 30, 2, 1)) * 1.5


@jax.vmap
def play(*x):
    """Policies along a run of natural policy gradient."""
    found = dg.solve(field, dg.Simultaneous(0.2), x, max_steps=100, tol=1e-15, save_every=1)
    return dg.policies(found.history.strategy), found.residual


(row, column), residuals = play(first, second)
figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.6), layout="compressed", sharey=True)
for state, ax in enumerate(axes):
    for one, two in zip(row[:, :, state, 0], column[:, :, state, 0], strict=True):
        ax.plot(one, two, color=plot.COLOURS[0], linewidth=0.9)
        ax.plot(one[0], two[0], "o", color=plot.COLOURS[0], markerfacecolor="white", markersize=4)
    ax.plot(0.5, 0.5, "*", color="black", markersize=11, zorder=5)
    ax.set(title=f"state {state}", xlabel="player 1: first action", xlim=(0, 1), ylim=(0, 1))
    ax.set_aspect("equal")
label = axes[0].set_ylabel("player 2: first action")

# %% [markdown]
# Thirty starts are an observation. On a region of logits `certify.certify` turns it into a proof:
# the natural gradient is strongly monotone there, so it has exactly one zero, and natural policy
# gradient comes to it with any step up to the stated one. (The region can even be all policies:
# `certify.Policies`. That takes minutes.)

# %%
local = certify.certify(field, certify.Box.around(home, 0.1), search=certify.Search(tightness=0.9))
step = local.step_sizes["simultaneous"]
print(f"{local.status}: margin {local.margin:.4f} with {local.cells} cells")
print(f"steps up to {step.max:.4f}; {step.best:.4f} has the rate {step.rate:.4f}")

# %% [markdown]
# ## What was claimed

# %%
orbit = divergence(uniform, replicator)
assert np.max(np.abs(orbit - orbit[0])) < 1e-5  # round and round
grows = divergence(uniform, weights.history.strategy)
assert np.all(grows[1:] > grows[:-1])  # out, in every step
assert divergence(uniform, prox.strategy) < 0.05 * orbit[0]
assert divergence(uniform, magnet.strategy) < 1e-3 * orbit[0]

p, q = (np.asarray(block) for block in branch.strategies)
gain = np.stack([9 * q[:, 0] - q[:, 1], p[:, 1] - p[:, 0]])  # of the first action over the second
answers = 1 / (1 + np.exp(-gain * np.asarray(precisions)))
assert np.abs(answers - np.stack([p[:, 0], q[:, 0]])).max() < 1e-9
assert abs(p[-1, 0] - 0.5) < 0.02 and abs(q[-1, 0] - 0.1) < 0.02
for followed, learnt in zip((p, q), runs.strategy, strict=True):
    assert np.abs(followed[chosen] - learnt).max() < 1e-8

assert certificate.status == "proved" and abs(certificate.margin - 0.3) < 1e-12
shares = falls[:, 1:] / falls[:, :-1]
assert np.all(shares[falls[:, 1:] > 1e-12] <= certificate.step.rate)
assert [found.status for found in verdicts.values()] == ["proved", "undecided"]
assert lucky.strategy[0][0] > 0.7  # so is its mirror image, and the uniform one: three of them

assert np.max(residuals) < 1e-2
J = jax.jit(lambda x: dg.jacobian_blocks(field, x))(home)
assert jnp.allclose(J[0][0], jnp.eye(2)) and abs(jnp.linalg.norm(J[0][1], 2) - 0.55) < 1e-6
assert local.status == "proved" and 0.3 < local.margin <= 0.45
