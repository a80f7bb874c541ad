# %% [markdown]
# # Proofs with data
#
# A model is trained on data, and somebody tampers with the data while it is. Does training
# converge? From where, how fast, and what if each step sees a few rows only? Here the answers are
# theorems about a real data set: the tumours of 569 patients, which scikit-learn ships.

# %%
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)  # proofs are made in float64

# %% [markdown]
# ## Data, outside of the costs
#
# Features are standardised before the game is defined: the proof then reads a matrix of constants.
# Rounding them to multiples of $2^{-16}$, far below what was measured, makes the file shorter.

# %%
rows, labels = load_breast_cancer(return_X_y=True)
rows = (rows - rows.mean(0)) / rows.std(0) / np.sqrt(rows.shape[1])
rows, labels = jnp.asarray(np.round(rows * 2**16) / 2**16), jnp.asarray(labels * 1.0)
patients, features = rows.shape
print(patients, "patients,", features, "features")

# %% [markdown]
# ## A model against noise in its labels
#
# The model minimises the logistic loss; the adversary shifts the label of patient $i$ by $s_i$, at
# the price $s_i^2 / 2$:
#
# $$\min_w \max_s\; \frac1m \sum_i \Bigl( \log(1 + e^{z_i}) - (y_i + s_i)\, z_i
# - \tfrac12 s_i^2 \Bigr) + \tfrac{1}{20} |w|^2, \qquad z_i = x_i \cdot w .$$
#
# The adversary counts shifts in units of 32, a power of two near $\sqrt m$. Each player's own
# curvature is about one then, and one step size suits both. A mini-batch is an argument of the
# game: the numbers of its rows.

# %%
unit = 32.0


def payoff(x, batch):
    chosen = jnp.arange(patients) if batch is None else batch
    z = rows[chosen] @ x["model"]
    shifted = labels[chosen] + unit * x["shift"][chosen]
    fit = jnp.mean(jax.nn.softplus(z) - shifted * z)
    price = 0.5 * unit**2 / patients * jnp.sum(x["shift"] ** 2)
    return fit + 0.05 * jnp.sum(x["model"] ** 2) - price


game = dg.zero_sum(payoff, minimiser="model")
nothing = {"model": jnp.zeros(features), "shift": jnp.zeros(patients)}

# %% [markdown]
# The costs are sums of functions of linear forms, so the whole of $\mathbb R^{599}$ is certified by
# one matrix; the independent checker finds it in the costs again (level 2).

# %%
certificate = certify.certify(
    game, certify.Everywhere(nothing), [dg.Simultaneous, dg.Extragradient]
)
folder = tempfile.TemporaryDirectory()
path = certificate.save(Path(folder.name) / "labels.json")
accepted = [certify.check(path, level=level).ok for level in (1, 2)]
folder.cleanup()
print(certificate.status, accepted, f"margin {certificate.margin:.4f}")

# %% [markdown]
# What could be proved at most? At any point the margin is no more than the least eigenvalue of the
# symmetric part of the Jacobian. The weight decay alone gives 0.1, and far away, where the logistic
# loss is flat, nothing adds to it.

# %%
field = dg.pseudo_gradient(game)
center, unravel = dg.ravel(jax.tree.map(jnp.asarray, certificate.equilibrium.center))
jacobian = jax.jit(jax.jacfwd(lambda v: dg.ravel(field(unravel(v)))[0]))


def margin_at(point):
    value = jacobian(point)
    return float(jnp.linalg.eigvalsh(0.5 * (value + value.T))[0])


sizes = np.array([0.0, 1.0, 10.0, 100.0, 1000.0])
way = jax.random.normal(jax.random.key(0), center.shape) / np.sqrt(len(center))
margins = [margin_at(center + size * way) for size in sizes]
figure, ax = plt.subplots(figsize=(5.2, 3.0), layout="constrained")
ax.plot(sizes, margins, "o-", label="at a point")
ax.axhline(certificate.margin, color="k", linestyle="--", label="proved, everywhere")
ax.set_xscale("symlog", linthresh=1.0)
ax.set(xlabel="distance from the equilibrium", ylabel="margin", ylim=(0.0, 0.12))
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Training with the certified step
#
# From a start far away. The dashed line is what is proved of every start: the distance falls by the
# certified rate at each step.

# %%
start = unravel(center + 100 * jax.random.normal(jax.random.key(1), center.shape))
run = dg.solve(game, dg.Extragradient, start, step_size=certificate, save_every=10)


def squared_distance(x):
    return jnp.sum((dg.ravel(x)[0] - center) ** 2)


steps = np.asarray(run.history.steps)
distances = np.sqrt(jax.vmap(squared_distance)(run.history.strategy))
rate = certificate.step_sizes["extragradient"].rate
proved = distances[0] * rate**steps
figure, ax = plt.subplots(figsize=(5.2, 3.0), layout="constrained")
ax.semilogy(steps, proved, "k--", label=f"proved: {rate:.3f} per step")
ax.semilogy(steps, distances, label="extragradient")
ax.set(xlabel="step", ylabel="distance from the equilibrium")
ax.legend(frameon=False)
plt.show()
print(int(run.steps), "steps")

# %% [markdown]
# ## Mini-batches
#
# With 32 patients at a time the field has an error $e$ of mean zero. It is not bounded: it grows
# with the distance. But it does so at a rate that is known, since the field of one patient,
# $(\sigma(z_i) - y_i - 32 s_i)\, x_i$ for the model and $32 z_i$ for the shift of its label, has a
# Lipschitz constant of at most $|x_i|^2 / 4 + 32 |x_i|$. So
#
# $$E |e|^2 \le \frac{2}{32} \bigl( v + L^2 |x - x^*|^2 \bigr)$$
#
# with the variance $v$ of one patient's field at the equilibrium, a finite sum, and the mean $L^2$
# of the squared constants. Then the mean squared distance ends below the *ball of noise*.
# (The variance and the mean of the squared constants are computed in floating point, and raised by
# a millionth; the rest of the bound is proved.)

# %%
size = 32
one = jax.vmap(lambda i: dg.ravel(field(unravel(center), i[None]))[0])(jnp.arange(patients))
variance = float(2 / size * jnp.mean(jnp.sum((one - one.mean(0)) ** 2, 1)) * (1 + 1e-6))
lengths = np.linalg.norm(rows, axis=1)
growth = float(2 / size * np.mean((lengths**2 / 4 + unit * lengths) ** 2) * (1 + 1e-6))
margin, lipschitz = certificate.margin, certificate.lipschitz
step = 0.5 * margin / (lipschitz**2 + growth)
ball = certify.noise_ball(margin, lipschitz, step, variance, growth)
print(f"mean squared distance in the long run: at most {ball:.3f}")


# %%
def move(x, key):
    batch = jax.random.randint(key, (size,), 0, patients)
    return jax.tree.map(lambda a, slope: a - step * slope, x, field(x, batch))


def look(xs, key):
    def body(k, xs):
        return jax.vmap(move)(xs, jax.random.split(jax.random.fold_in(key, k), 8))

    xs = jax.lax.fori_loop(0, 500, body, xs)
    return xs, jnp.mean(jax.vmap(squared_distance)(xs))


first = unravel(center + way * 3)
starts = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (8, *leaf.shape)), first)
keys = jax.random.split(jax.random.key(2), 100)
squares = np.asarray(jax.jit(lambda xs: jax.lax.scan(look, xs, keys)[1])(starts))
count = 500 * np.arange(1, 101)
factor = 1 - 2 * step * margin + step**2 * (lipschitz**2 + growth)
bound = ball + factor**count * (float(squared_distance(first)) - ball)
figure, ax = plt.subplots(figsize=(5.2, 3.0), layout="constrained")
ax.semilogy(count, bound, "k--", label="bound on the mean")
ax.axhline(ball, color="0.7", label="ball of noise")
ax.semilogy(count, squares, label="mean of 8 runs")
ax.set(xlabel="step", ylabel="squared distance")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# The study [`real_data`](../docs/experiments.md) does the same for five more games: noise in
# predictions and in a measurement, two regressors who are not zero-sum, a generator and a
# discriminator, and a distributionally robust model, whose adversary has a simplex.

# %%
assert certificate.status == "proved" and all(accepted)
assert 0.0999 < certificate.margin <= min(margins)
assert (distances <= proved * (1 + 1e-6) + 1e-7).all()
assert run.residual < 1e-8
assert (squares <= bound).all() and squares[-1] < ball
