# %% [markdown]
# # Certify a neural game
#
# Two networks train against each other, and you have a training recipe that worked. Would it have
# worked from slightly different weights? From *all* slightly different weights? And how large may
# the learning rate be? For networks the usual answer is to try. This notebook proves it, for
# networks small enough that every step of the argument can be seen, and shows what the price is.

# %%
import functools
import tempfile
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)  # proofs are made in float64

# %% [markdown]
# ## Two networks as players
#
# A *generator* G turns noise into data; a *critic* D looks for differences between what it makes
# and the real data. We take the case that is usual in practice: the generator has learnt some old
# data already, and is tuned to new data that are a little larger. Each network is drawn to its
# first weights by weight decay of strength $w$:
#
# $$\min_G \max_D\; \frac1n\sum_i D(y_i) - \frac1n\sum_j D(G(z_j)) - \frac1{2n}\sum_i D(y_i)^2
# + \frac w2\,|G - G_0|^2 - \frac w2\,|D - D_0|^2 .$$
#
# A player's strategy may be any pytree of arrays, so it is the arrays of an equinox module:
# `eqx.partition` takes them out, `eqx.combine` puts them back.

# %%
noise = jnp.array([-1.0, 0.0, 1.0])
old, new = noise, noise + 0.3


def network(units, key, bias):
    return eqx.nn.MLP(
        "scalar", "scalar", units, 1, activation=jnp.tanh, use_final_bias=bias, key=key
    )


def fitted(net):
    """The generator before: it has learnt the old data, by least squares."""
    arrays, rest = eqx.partition(net, eqx.is_array)

    def loss(arrays):
        errors = jax.vmap(eqx.combine(arrays, rest))(noise) - old
        return jnp.mean(errors**2) / 2 + 0.005 * sum(
            jnp.sum(leaf**2) for leaf in jax.tree.leaves(arrays)
        )

    def step(_, arrays):
        return jax.tree.map(lambda a, slope: a - 0.3 * slope, arrays, jax.grad(loss)(arrays))

    return eqx.combine(jax.lax.fori_loop(0, 5000, step, arrays), rest)


one, two = jax.random.split(jax.random.key(0))
critic = network(2, one, bias=False)  # a bias there would cancel
critic = eqx.tree_at(lambda net: net.layers[-1].weight, critic, replace_fn=jnp.zeros_like)
networks = {"critic": critic, "generator": fitted(network(1, two, bias=True))}
start, rest = eqx.partition(networks, eqx.is_array)


class Tuning(dg.ZeroSum):
    """The critic minimises the payoff; the generator maximises it."""

    minimiser = "critic"
    pull: float

    def payoff(self, x, args=None):
        nets = eqx.combine(x, rest)
        real = jax.vmap(nets["critic"])(new)
        fake = jax.vmap(nets["critic"])(jax.vmap(nets["generator"])(noise))
        gain = jnp.mean(real) - jnp.mean(fake) - jnp.mean(real**2) / 2
        moved = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2) / 2, x, start)
        own, other = (sum(jax.tree.leaves(moved[name])) for name in ("critic", "generator"))
        return self.pull * own - gain - self.pull * other


game = Tuning(0.6)
print(dict(zip(dg.player_names(start), dg.dimensions(start), strict=True)))

# %% [markdown]
# ## Training finds something
#
# A run from the first weights stops at a point where neither network wants to move. The generator
# has gone part of the way to the new data; how far, the pull decides.

# %%
solution = dg.solve(game, dg.Extragradient(0.2), start, tol=1e-12, max_steps=20_000)
after = eqx.combine(solution.strategy, rest)

inputs = jnp.linspace(-1.5, 1.5, 121)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.plot(inputs, jax.vmap(networks["generator"])(inputs), "--", color="0.5", label="before")
left.plot(inputs, jax.vmap(after["generator"])(inputs), color="#0072B2", label="after")
left.plot(noise, new, "k*", ms=10, label="new data")
left.set(xlabel="noise", ylabel="generator")
left.legend(frameon=False)
right.axhline(0, ls="--", color="0.5")
right.plot(inputs, jax.vmap(after["critic"])(inputs), color="#0072B2")
right.set(xlabel="data", ylabel="critic")
plt.show()

# %% [markdown]
# ## What can be proved around it
#
# Take all weights within 0.03 of that point, in each of the ten coordinates. `certify` encloses the
# second derivatives of the payoff over the whole box, with all rounding errors, and finds a
# **margin** above zero: over the box the dynamics pull any two points towards each other.
#
# On a box seventeen times as wide there can be no such proof, and certify says why: it has found
# weights at which a network's own cost is not even convex.

# %%
region = certify.Box.around(solution.strategy, 0.03)
certificate = certify.certify(
    game,
    region,
    metric=certify.AutoMetric("weights"),
    search=certify.Search(tightness=0.5, max_cells=16),
)
print(certificate.status, f"margin {certificate.margin:.3f}, cells {certificate.cells}")

wide = certify.certify(game, certify.Box.around(solution.strategy, 0.5))
print(wide.status, wide.reasons[0].split(":")[0])

# %% [markdown]
# What *proved* means here, and no more than this:
#
# - In the box there is exactly one equilibrium. Each network is the strictly best one **of the
#   box** against the other: a Nash equilibrium of the game that is restricted to the box. Somewhere
#   far away a network may have a better reply.
# - From every start in a ball around it (the *basin*) gradient steps converge to it, for every step
#   size up to the stated one, and at the stated rate for the best of these.
#
# ## Training in the certified basin
#
# So we start a hundred runs on the edge of that basin, with the best proved step. No run, in no
# step, may shrink its distance by less than the proved factor. The largest step with a proof is
# well below the true limit, beyond which the equilibrium itself is unstable: the proof holds for
# all weights in the box, and knows little more than two constants of the game there.

# %%
step = certificate.step_sizes["simultaneous"]
# A file knows players and numbers, not modules: one vector for each network.
center, (_, unravel) = dg.ravel(certificate.basin.center)[0], dg.ravel(start)
root = jnp.linalg.cholesky(jnp.asarray(certificate.metric))  # |x| in the metric is |root' x|

directions = jax.random.normal(jax.random.key(1), (100, center.size))
directions = directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
starts = center[None] + certificate.basin.radius * (1 - 1e-9) * directions @ jnp.linalg.inv(root)
field = dg.pseudo_gradient(game)


@functools.partial(jax.jit, static_argnums=1)
def train(starts, steps, step_size):
    """Distances from the equilibrium in the metric of the proof, of shape (steps, runs)."""

    def run(vector, _):
        x, _ = dg.Simultaneous(step_size).step(field, unravel(vector), None)
        vector = dg.ravel(x)[0]
        return vector, jnp.linalg.norm((vector - center) @ root)

    return jax.vmap(lambda v: jax.lax.scan(run, v, length=steps)[1], out_axes=1)(starts)


distances = np.vstack([np.full(100, certificate.basin.radius), train(starts, 300, step.best)])
far = distances[:-1] > 1e-8  # nearer, rounding shows
factors = distances[1:][far] / distances[:-1][far]

jacobian = jax.jacfwd(lambda v: dg.ravel(field(unravel(v)))[0])(center)
eigenvalues = np.linalg.eigvals(np.asarray(jacobian))
limit = np.min(2 * eigenvalues.real / np.abs(eigenvalues) ** 2)
too_large = train(starts, 3000, 1.02 * limit)[-1]

print(f"steps up to {step.max:.3f} are proved, the true limit is {limit:.3f}")
print(f"best step {step.best:.3f}: proved factor {step.rate:.4f}, slowest seen {factors.max():.4f}")

figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.plot(distances, color="#0072B2", lw=0.4, alpha=0.5)
ax.plot(certificate.basin.radius * step.rate ** np.arange(301), "k--", label="proved")
ax.plot([], color="#0072B2", label="a hundred runs")
ax.set(xlabel="step", ylabel="distance from the equilibrium", yscale="log")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## A file for others
#
# The certificate is a file. A small program without JAX or NumPy checks it: at level 1 the algebra,
# at level 2 also the enclosures, from the costs of both networks, which the file spells out.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = certificate.save(Path(folder) / "networks.json")
    verdicts = {level: certify.check(path, level=level) for level in (1, 2)}
    print({f"level {level}": verdict.ok for level, verdict in verdicts.items()})

# %% [markdown]
# ## The price
#
# The certified box is small: 0.03 in each weight, less than the tuning itself moved some of them. A
# stronger pull allows larger boxes and moves less. In a study with one more hidden unit, from a
# pull of 2 on the basin contains the first weights too: then the whole run that tunes the networks
# is proved to converge, but the generator has learnt little. With a weak pull nearly all runs, from
# everywhere, end at one equilibrium all the same; that is an *estimate*, from samples, and for a
# pull of 0.03 a few of them end at another one. `python -m experiments neural_game` draws these
# curves, proves larger steps by enclosing the step itself, trains with mini-batches, and certifies
# larger networks.

# %%
assert solution.result == dg.RESULTS.successful
assert certificate.status == "proved" and 0.3 < certificate.margin < min(eigenvalues.real)
assert certificate.equilibrium.radius < 1e-10
assert wide.status == "refuted"
assert factors.max() <= step.rate < 1
assert distances[-1].max() < 1e-4 * certificate.basin.radius
assert step.max < limit and not (too_large < 1e-3).any()  # diverged or circling
assert all(verdict.ok for verdict in verdicts.values())
