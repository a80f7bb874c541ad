# %% [markdown]
# # Complex momentum
#
# Momentum is a memory of old gradients. In a minimisation problem it speeds things up: old
# gradients point roughly where new ones do. In a game the gradient *turns* as the players circle
# around each other, and an old gradient may point exactly the wrong way. This notebook is about a
# memory that turns along: the same rule, with a complex number in it (Lorraine, Acuna, Vicol and
# Duvenaud, AISTATS 2022).

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import certify
import dgames as dg
from dgames import plot

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## One rule, two kinds of memory
#
# $$\mu \leftarrow \beta\,\mu - F(x), \qquad x \leftarrow x + h\,\mathrm{Re}\,\mu .$$
#
# With a real $\beta$ this is ordinary momentum: the gradient of $k$ steps ago still counts with the
# weight $\beta^k$. With $\beta = |\beta| e^{i\varphi}$ the buffer $\mu$ is complex, the strategy
# stays real, and the weight is $|\beta|^k \cos(k\varphi)$: for a while old gradients are followed,
# then they are *opposed*.
#
# The test is the game $xy$: the first player pays it and chooses $x$, the second receives it and
# chooses $y$. Then $F = (y, -x)$ is always at a right angle to the way to the equilibrium at
# $(0, 0)$.

# %%
game, origin = dg.games.Bilinear(1.0), (0.0, 0.0)
memories = {
    "positive, 0.8": (0.8 + 0j, 0.05),
    "negative, -0.8": (-0.8 + 0j, 0.3),
    r"complex, $0.8\,e^{i\pi/4}$": (0.8 * np.exp(0.25j * np.pi), 0.2),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="compressed")
ages = np.arange(16)
ends = {}
for colour, (name, (beta, h)) in zip(plot.COLOURS, memories.items(), strict=False):
    left.plot(ages, (beta**ages).real, "o-", color=colour, markersize=3, label=name)
    method = dg.ComplexMomentum(h, beta)
    run = dg.solve(game, method, (1.0, 0.0), max_steps=250, save_every=1)
    x, y = (np.asarray(block) for block in run.history.strategy)
    ends[name] = float(np.hypot(x[-1], y[-1]))
    right.plot(x, y, color=colour, linewidth=1.2, label=f"ends at distance {ends[name]:.1e}")
left.axhline(0, color="black", linewidth=0.8)
left.set(xlabel="age of a gradient", ylabel="its weight")
left.legend(frameon=False, fontsize="small")
right.plot(0, 0, "*", color="black", markersize=10)
right.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="x", ylabel="y", aspect="equal")
legend = right.legend(frameon=False, fontsize="small", loc="upper left")

# %% [markdown]
# ## No real momentum will do
#
# One step is linear in $(x, \mu)$, so a spectral radius tells everything in the long run. For the
# game $xy$ and a real $\beta$, the eigenvalues are the roots of $z^2 + az + \beta$ with
# $a = -(1 + \beta) + ih$, and of the polynomial with $\bar a$. Both roots of such a polynomial are
# inside the unit circle exactly if $|\beta| < 1$ and $|a - \beta\bar a| < 1 - \beta^2$ (Schur and
# Cohn). But
#
# $$a - \beta \bar a = -(1 - \beta^2) + i h (1 + \beta),$$
#
# and its modulus is *larger* than $1 - \beta^2$ whenever $h \neq 0$. So players that move at the
# same time never converge with real momentum, whatever its size and sign (Gidel et al., 2019). The
# whole disc of complex $\beta$ is another matter:


# %%
@jax.jit
@jax.vmap
def steps(beta, h):
    """One step as a matrix, for many momenta and step sizes at once."""
    return dg.step_jacobian(game, dg.ComplexMomentum(h, beta), origin)


def radius(matrices):
    """Modulus of the largest eigenvalue."""
    return np.abs(np.linalg.eigvals(np.asarray(matrices))).max(-1)


angles, moduli = np.linspace(0, np.pi, 49), np.linspace(0.02, 0.98, 33)
sizes = np.geomspace(0.01, 2.5, 60)
betas = moduli[:, None] * np.exp(1j * angles)
cells = np.broadcast_arrays(betas[:, :, None], sizes)
radii = radius(steps(*(jnp.asarray(part.ravel()) for part in cells))).reshape(cells[0].shape)
best = radii.min(-1)

shown = np.ma.masked_where(best >= 1, best)
figure, ax = plt.subplots(figsize=(6.2, 3.7), layout="compressed")
ax.set_facecolor("0.85")
mesh = ax.pcolormesh(angles / np.pi, moduli, shown, cmap="viridis_r", rasterized=True)
figure.colorbar(mesh, ax=ax, label=r"$\rho$ at the best step size")
ax.set(xlabel=r"$\varphi / \pi$", ylabel=r"$|\beta|$", title="grey: no step size tried converges")
lowest = np.unravel_index(best.argmin(), best.shape)
print(f"best on this grid: rho = {best[lowest]:.3f} at |beta| = {moduli[lowest[0]]:.2f},", end=" ")
print(f"angle {angles[lowest[1]] / np.pi:.2f} pi")

# %% [markdown]
# Both real edges are grey. In between there is an island, with the best place near
# $0.67\,e^{0.38 i\pi}$ and $\rho = 0.888$ there.
#
# ## From a spectrum to a proof
#
# A spectral radius from floating-point numbers is evidence, not a proof. And this game has no
# curvature at all, so certificates that rest on curvature have nothing to say. What can be
# certified is the step itself: `certify.contraction` looks for a norm of strategies *and buffers*
# in which every step shrinks all distances, and an independent checker confirms it in exact
# arithmetic.

# %%
beta = 0.9 * np.exp(1j * np.pi / 8)
region = certify.Box.around(origin, 1.0)
attempts = {
    h: certify.contraction(game, dg.ComplexMomentum(h, beta), region)
    for h in (0.02, 0.05, 0.0601, 0.072, 0.0725)
}
for h, proof in attempts.items():
    rho = radius(steps(jnp.asarray([beta]), jnp.asarray([h])))[0]
    said = f"factor {proof.rate:.6f} proved" if proof.status == "proved" else proof.status
    print(f"step {h:6.4f}   rho = {rho:.6f}   {said}")

# %% [markdown]
# The proved factors are the spectral radii up to the sixth digit. The limit is sharp: a step 20%
# above the best one (0.0601) diverges, and of that one nothing can be proved, of course.
#
# ## Where it does not win
#
# Does that make complex momentum the method of choice? Compare gradients needed to come a million
# times closer, each method with its best parameters, on two games: conflict of one strength, and
# conflict whose strength varies between 1/3 and 1. Extragradient takes a trial step and uses the
# gradient there, so each step costs two; optimistic steps guess the next gradient from the last
# two.


# %%
def needed(make, strengths, cost, *parameters):
    """Gradients for a factor of a million, at the best of many parameters, from the spectrum."""
    two = dg.games.Bilinear(np.diag(strengths))
    zeros = (jnp.zeros(len(strengths)), jnp.zeros(len(strengths)))
    one = jax.jit(jax.vmap(lambda *p: dg.step_jacobian(two, make(*p), zeros)))
    rate = radius(one(*(jnp.asarray(p) for p in parameters))).min()
    return cost * np.log(1e-6) / np.log(rate)


h = np.linspace(0.3, 1.1, 161)
grid = np.meshgrid(np.linspace(0.4, 0.6, 21), np.linspace(0.6, 0.8, 21), np.linspace(0.9, 1.3, 17))
turning = grid[0].ravel(), (grid[1] * np.exp(1j * grid[2])).ravel()
table = {}
for name, strengths in {"even": [1.0, 1.0], "uneven": [1 / 3, 2 / 3, 1.0]}.items():
    table[name] = {
        "extragradient": needed(dg.Extragradient, strengths, 2, h),
        "optimistic": needed(dg.Optimistic, strengths, 1, h),
        "complex momentum": needed(dg.ComplexMomentum, strengths, 1, *turning),
    }
figure, ax = plt.subplots(figsize=(5.6, 2.9), layout="compressed")
for k, (colour, name) in enumerate(zip(plot.COLOURS, table["even"], strict=False)):
    values = [table[kind][name] for kind in table]
    bars = ax.bar(np.arange(2) + 0.27 * (k - 1), values, 0.25, color=colour, label=name)
    ax.bar_label(bars, fmt="%.0f", fontsize="small")
ax.set(yscale="log", ylim=(20, 6000), xticks=[0, 1], xticklabels=["strength 1", "1/3 to 1"])
ax.set_ylabel("gradients needed")
ax.spines[["top", "right"]].set_visible(False)
legend = ax.legend(frameon=False, fontsize="small", loc="upper left")

# %% [markdown]
# On the even game it is between the two; on the uneven one it needs two to three times as many
# gradients as they do. What speaks for it is not speed on bilinear games. One setting serves games
# from common interest to pure conflict tolerably, where extragradient and optimistic steps, with
# one step size for all of them, are slow at both ends; and it drops into any training loop as
# `dg.transforms.complex_momentum` or `complex_adam`. `python -m experiments complex_momentum_mixed`
# measures the first; `mixture_gan` shows that in training a small GAN it leads by nothing that
# another seed could not undo.

# %%
assert ends[r"complex, $0.8\,e^{i\pi/4}$"] < 1e-3 < 1 < min(list(ends.values())[:2])
assert (best[:, [0, -1]] >= 1).all() and 0.888 < best.min() < 0.91
assert [proof.status for proof in attempts.values()] == ["proved"] * 4 + ["undecided"]
assert abs(attempts[0.0601].rate - 0.97900) < 1e-4 and attempts[0.0601].check().ok
assert table["even"]["optimistic"] < table["even"]["complex momentum"] < 192
assert table["uneven"]["complex momentum"] > 2 * table["uneven"]["optimistic"]
