# %% [markdown]
# # Train with a guarantee
#
# Two networks train against each other. Does training converge, from the very weights that it
# starts with, and after how many steps? For networks of thousands of weights that is a theorem
# about numbers that a computer can find: this notebook trains such a pair, proves that it had to
# converge, has the proof checked, tries to cheat, and ends with what cannot be proved.

# %%
import copy
import json
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.reader import digest

jax.config.update("jax_enable_x64", True)  # proofs are made in float64

# %% [markdown]
# ## A model and a critic
#
# How does demand answer to the price? In the data both also answer to something that we do not
# see, say the weather. So a curve through prices and demands mixes the two up. What helps is an
# *instrument*: a number $z$ that moves the price $x$ and has nothing to do with the weather, such
# as a tax. The true curve $h$ leaves errors $y - h(x)$ that no function of $z$ can predict.
#
# That is a game. A *model* $f$ proposes a curve, and a *critic* $g$ looks for anything in the
# instrument that predicts the model's errors:
#
# $$\min_f \max_g\; \frac1N \sum_n (y_n - f(x_n))\, g(z_n) - \tfrac12\, g(z_n)^2 .$$

# %%
keys = jax.random.split(jax.random.key(7), 5)
z = jnp.linspace(-1.0, 1.0, 48)
weather, own = (0.35 * jax.random.normal(key, z.shape) for key in keys[:2])
x = z + weather
unit = 0.2


def truth(x):
    return unit * jnp.sin(2 * x)


y = truth(x) + unit * (3 * weather + own / 2)
data = (x[:, None], z[:, None], y)

# %% [markdown]
# A network is the strategy of its player: its weights and biases are the arrays that move.
# `start="antisymmetric"` draws units in pairs that cancel, so that both networks are zero at first.
# *Weight decay* pulls all weights back to where they started; without it nothing below is true.
# And outputs come in a small unit, 0.2: what has to be proved gets harder with the size of the
# errors that are left.


# %%
def posed(units, decay):
    """The game of two networks, and their start; the critic decays twice as much."""
    start = tuple(
        dg.nn.mlp((1, units, 1), key, activation="tanh", start="antisymmetric") for key in keys[2:4]
    )
    value = dg.OutputValue(dg.neural.moment)
    return dg.ZeroSumNetworks(value, start, (decay, 2 * decay)), start


def trained(game, start):
    return dg.solve(game, dg.Extragradient(0.3), start, data, max_steps=5000, tol=1e-10).strategy


game, start = posed(1024, 0.1)
point = trained(game, start)

# %%
curve = jnp.linspace(-1.2, 1.2, 200)
figure, ax = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
ax.plot(x, y, ".", color="0.7", label="data")
ax.plot(curve, truth(curve), "k--", label="the true curve")
ax.plot(curve, np.polyval(np.polyfit(x, y, 3), curve), "C1", label="a cubic through the data")
ax.plot(curve, jax.vmap(point[0])(curve[:, None])[:, 0], "C0", label="the model")
ax.set(xlabel="x", ylabel="y", ylim=(-0.55, 0.55))
ax.legend(frameon=False, fontsize="small")
plt.show()

# %% [markdown]
# The cubic takes the weather for an effect of the price; the model does not. (Decay flattens it a
# little: that is the price of what comes now.)
#
# ## The certificate

# %%
certificate = certify.certify_networks(game, point, "contains_start", args=data)
print(certificate.sentence)
print()
print(
    f"{certificate.weights} weights; margin {certificate.margin:.4f} on a ball of radius "
    f"{certificate.radius[0]:.3f};\nthe start is {certificate.training.distance:.3f} away"
)

# %% [markdown]
# What does the *margin* mean? Let $F$ be the field of both players' gradients, each player's with
# the sign in which it moves. A margin $a$ on a ball says that for any two points there
#
# $$\langle F(u) - F(v),\, u - v \rangle \ge a\, |u - v|^2 ,$$
#
# so that two runs which follow $-F$ come closer to each other, at least at rate $a$. Then there is
# exactly one equilibrium in the ball, and all runs that start near enough end there.
#
# How can that be known of a ball in 6144 dimensions, of which no computer sees more than a few
# points? Two facts are enough.
#
# 1. What one player wins the other one loses. So the forces *between* them cancel in this product,
#    however strong they are, and only each player's **own** curvature counts: the decay, less the
#    most negative curvature of that player's cost.
# 2. The own curvature of a network is bounded, on a whole ball, by a few norms that one forward and
#    one backward pass compute, and **it falls like one over the root of the width**.
#
# Samples prove nothing, but could refute: here are pairs of points of the ball.

# %%
field = dg.pseudo_gradient(game)


def random_point(key, radius):
    """A point at that distance from the trained one, for each network."""

    def moved(net, key):
        leaves, tree = jax.tree.flatten(net)
        ways = [
            jax.random.normal(k, leaf.shape)
            for k, leaf in zip(jax.random.split(key, len(leaves)), leaves, strict=True)
        ]
        length = jnp.sqrt(sum(jnp.sum(way**2) for way in ways))
        new = [leaf + radius * way / length for leaf, way in zip(leaves, ways, strict=True)]
        return jax.tree.unflatten(tree, new)

    return tuple(moved(net, k) for net, k in zip(point, jax.random.split(key), strict=True))


def inner(a, b):
    products = jax.tree.map(lambda u, v: jnp.sum(u * v), a, b)
    return float(sum(jax.tree.leaves(products)))


ratios = []
for key in jax.random.split(keys[4], 20):
    one, two = (random_point(k, certificate.radius[0]) for k in jax.random.split(key))
    apart = jax.tree.map(jnp.subtract, one, two)
    change = jax.tree.map(jnp.subtract, field(one, data), field(two, data))
    ratios.append(inner(change, apart) / inner(apart, apart))
print(f"sampled {min(ratios):.3f} to {max(ratios):.3f}; proved, for all: {certificate.margin:.4f}")

# %% [markdown]
# ## Check it, and try to cheat
#
# The file holds the weights and the data. The checker is a program of its own that never runs JAX:
# at level 1 it repeats the argument, at level 2 it also derives every norm, pass and gradient from
# weights and data again, in ball arithmetic.

# %%
folder = tempfile.TemporaryDirectory()
path = certificate.save(Path(folder.name) / "training.json")
verdicts = [certify.check(path, level=level).ok for level in (1, 2)]
print("accepted at levels 1 and 2:", verdicts)

# %% [markdown]
# Now a cheat claims a margin that is a fifth larger, and one moves a single weight a little. Each
# computes a new checksum for the changed file.

# %%
contents = json.loads(path.read_text())
folder.cleanup()


def with_checksum(changed):
    return {**changed, "digest": digest(changed)}


boasting = copy.deepcopy(contents)
boasting["claims"]["margin"] = (1.2 * certificate.margin).hex()
nudged = copy.deepcopy(contents)
weights = next(iter(nudged["evidence"]["weights"].values()))
weights[7] = (float.fromhex(weights[7]) + 1e-6).hex()
rejected = [
    check_data(with_checksum(boasting)),
    check_data(with_checksum(nudged), level=2),
]
for verdict in rejected:
    print("accepted" if verdict.ok else f"rejected: {verdict.reasons[0]}")

# %% [markdown]
# ## A run beside its promise
#
# The certificate has a step size, and a factor by which each step brings the weights closer to the
# equilibrium at least. Training from the start, with that step:

# %%
safe = certificate.step_sizes["extragradient"]
run = dg.solve(
    game,
    dg.Extragradient(safe.best),
    start,
    data,
    max_steps=certificate.training.steps,
    tol=1e-11,
    save_every=10,
    save=lambda now, state, args: jnp.sqrt(
        sum(jnp.sum((a - b) ** 2) for a, b in zip(*map(jax.tree.leaves, (now, point)), strict=True))
    ),
)
steps, distances = np.array(run.history.steps), np.array(run.history.saved)
promised = distances[0] * safe.rate**steps

figure, ax = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
ax.semilogy(steps, promised, "k--", label="promised")
ax.semilogy(steps, distances, "C0", label="training")
ax.set(xlabel="step", ylabel="distance from the equilibrium", ylim=(1e-9, 1))
ax.legend(frameon=False)
plt.show()
arrived = int(steps[distances <= 1e-8][0])
print(f"within 1e-8 after {arrived} steps; promised after {certificate.training.steps} at most")

# %% [markdown]
# ## What moves the margin
#
# More decay proves more, but the model learns less: that is a frontier. Wider networks move it.
# Below, each mark is a pair of networks, trained and bounded anew; those that are full are proved
# to converge from their start.


# %%
def explained(model):
    """The share of the variance of the true curve that a model explains."""
    inputs = jnp.linspace(-1.0, 1.0, 200)
    errors = truth(inputs) - jax.vmap(model)(inputs[:, None])[:, 0]
    return float(1 - jnp.mean(errors**2) / jnp.var(truth(inputs)))


frontier = {}
for units in (128, 1024):
    for decay in (0.4, 0.1, 0.05, 0.025):
        asked, first = posed(units, decay)
        end = trained(asked, first)
        proof = certify.certify_networks(asked, end, "contains_start", args=data)
        frontier[units, decay] = explained(end[0]), proof.status == "proved"

figure, ax = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
for units, colour, marker, size in ((128, "C1", "s", 11), (1024, "C0", "o", 6)):
    decays = [decay for m, decay in frontier if m == units]
    shares = [frontier[units, decay][0] for decay in decays]
    ax.plot(range(4), shares, colour, marker=marker, markersize=size, label=f"{units} units")
    for k, decay in enumerate(decays):
        if not frontier[units, decay][1]:
            ax.plot(k, shares[k], colour, marker=marker, markersize=size, markerfacecolor="white")
ax.set(xlabel="decay of the model", ylabel="share of the true curve explained", ylim=(0, 1.05))
ax.set_xticks(range(4), map(str, decays))
ax.legend(frameon=False)
plt.show()
proved = [pair for pair, found in frontier.items() if found[1]]
least = {m: min(decay for n, decay in proved if n == m) for m in (128, 1024)}
print("the least decay that is proved:", least)

# %% [markdown]
# ## What cannot be certified
#
# A certificate that is not found says why.

# %%
large = certify.certify_networks(game, point, 5.0, args=data)
print(large.status, "on a ball of radius 5:", large.reasons[0], "\n")
free = dg.ZeroSumNetworks(game.value, start, (0.0, 0.4))
none = certify.certify_networks(free, point, 0.5, start=start, args=data)
print(none.status, "without decay of the model:", none.reasons[0])

# %% [markdown]
# - **No decay, no margin**: a network's own cost has directions that are flat or bend down.
# - **Balls have to be small**, of radius one or two at most: what counts is how far training moves.
# - **Kinks** such as that of relu: their curvature is unbounded.
# - **Games that are not zero-sum**: there the forces between players do not cancel.
# - **Other data**: the theorem is about training on *these* data. How well the model does on new
#   ones is for held-out data to say; the study `neural_frontier` does so for patients and digits.

# %%
assert certificate.status == "proved" and certificate.contains_start
assert certificate.weights == 6144
assert verdicts == [True, True]
assert not any(verdict.ok for verdict in rejected)
assert min(ratios) >= certificate.margin
assert explained(point[0]) > 0.85
assert (distances <= promised * (1 + 1e-6) + 1e-9).all()
assert arrived <= certificate.training.steps
assert least[1024] < least[128]
assert large.status == none.status == "undecided"
