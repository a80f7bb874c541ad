# %% [markdown]
# # Which dynamics converge?
#
# In a minimisation problem, small gradient steps go down, and that is nearly the end of the story.
# In a game each player goes down on their own cost while the others move the ground. Whether that
# settles depends on the method, and there is a number that says so beforehand: the largest
# eigenvalue of *one step*.

# %%
import functools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import dgames as dg
from dgames import plot

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## The simplest game on which gradient descent fails
#
# One number changes hands: $x y$. The first player pays it and chooses $x$, the second receives it
# and chooses $y$. The pseudo-gradient is $F = (y, -x)$: each player is pushed at a right angle to
# where they are. The only equilibrium is the origin.
#
# - **Simultaneous**: everybody takes a gradient step at once.
# - **Alternating**: one after the other, each seeing the moves before.
# - **Extragradient**: take a trial step, look at the gradient *there*, and use that one. It costs
#   two gradients per step; all others cost one.
# - **Optimistic**: guess the next gradient from the last two, $2 F_k - F_{k-1}$.
# - **Complex momentum**: gradients are remembered with weights $|\beta|^k \cos(k \arg\beta)$ that
#   first go along and then against them.

# %%
game = dg.games.Bilinear(1.0)
origin, start = (0.0, 0.0), (1.0, 1.0)
tuned = 0.66721 * np.exp(0.37798j * np.pi)
METHODS = {
    "simultaneous": dg.Simultaneous,
    "alternating": dg.Alternating,
    "extragradient": dg.Extragradient,
    "optimistic": dg.Optimistic,
    "complex momentum": functools.partial(dg.ComplexMomentum, momentum=tuned),
}
GRADIENTS = {name: 2 if name == "extragradient" else 1 for name in METHODS}  # in each step

runs = {
    name: dg.solve(game, method(0.25), start, max_steps=40, save_every=1)
    for name, method in METHODS.items()
}
ax = plot.phase_portrait(
    game,
    (-2.6, 2.6),
    (-2.6, 2.6),
    trajectories=list(runs.values()),
    labels=list(runs),
    equilibrium=origin,
    density=0.7,
)

# %% [markdown]
# Forty steps of size 0.25 each. Simultaneous steps spiral out, alternating ones go round and round,
# the other three come in.
#
# ## One step says it all, here
#
# The game is linear, so one step of a method is a matrix acting on what it remembers: the
# strategies and, where there are any, its buffers. `dg.step_jacobian` is that matrix. After $k$
# steps the distance behaves like $\rho^k$, where the **spectral radius** $\rho$ is the modulus of
# the largest eigenvalue. Converging means: all eigenvalues inside the unit circle.

# %%
STEPS = {
    "simultaneous": 0.5,
    "alternating": 0.5,
    "extragradient": 1 / np.sqrt(2),
    "optimistic": 0.5,
    "complex momentum": 0.56532,
}
matrices = {
    name: np.asarray(dg.step_jacobian(game, method(STEPS[name]), origin))
    for name, method in METHODS.items()
}
ax = plot.spectrum(list(matrices.values()), list(matrices))


def radius(matrix):
    """Modulus of the largest eigenvalue, of one matrix or of many at once."""
    return np.abs(np.linalg.eigvals(np.asarray(matrix))).max(-1)


# %% [markdown]
# The last three have the step at which they are fastest. For some of these methods the radius can
# be worked out by hand: with step size $h$,
#
# | method | $\rho$ | at its best |
# |---|---|---|
# | simultaneous | $\sqrt{1 + h^2}$ | above 1 for every step |
# | alternating | $1$ for $0 < h < 2$ | neither in nor out |
# | extragradient | $\sqrt{1 - h^2 + h^4}$ | $\sqrt3/2 = 0.866$ at $h = 1/\sqrt2$ |
# | optimistic | the larger root of $z^2 - (1 - 2ih) z - ih$ | $1/\sqrt2 = 0.707$ at $h = 1/2$ |
#
# Does the prediction hold? Run the methods and compare the distances with $\rho^k$: not where the
# lines are but how steep. (At the best steps of the last two methods eigenvalues meet, or nearly
# so; then $\rho^k$ is multiplied by a power of $k$, and the slope is reached late.)

# %%
figure, ax = plt.subplots(figsize=(5.6, 3.6), layout="compressed")
measured = {}
for colour, (name, method) in zip(plot.COLOURS, METHODS.items(), strict=False):
    run = dg.solve(game, method(STEPS[name]), start, max_steps=50, tol=1e-14, save_every=1)
    steps = np.asarray(run.history.steps)
    distance = np.hypot(*(np.asarray(block) for block in run.history.strategy))
    k = min(len(steps) - 1, 40)
    measured[name] = (distance[k] / distance[k - 20]) ** (1 / 20)
    ax.plot(steps, distance, color=colour, label=name, linewidth=1.8)
    ax.plot(steps, distance[0] * radius(matrices[name]) ** steps, ":", color=colour, linewidth=1.2)
    print(f"{name:17} predicted {radius(matrices[name]):.4f}  measured {measured[name]:.4f}")
ax.set(yscale="log", xlabel="step", ylabel="distance from the equilibrium", ylim=(1e-8, 1e4))
ax.spines[["top", "right"]].set_visible(False)
legend = ax.legend(frameon=False, fontsize="small", title="dotted: predicted")

# %% [markdown]
# ## Equal work, and other games
#
# A step of extragradient costs two gradients, so per gradient its best factor is
# $\sqrt{0.866} = 0.931$. And nothing says that what is best on $xy$ is best elsewhere. Put the two
# extremes on one axis:
#
# $$f = \gamma\,x y + (1 - \gamma)\,\tfrac12 (x^2 - y^2).$$
#
# At $\gamma = 0$ each player has a problem of their own, at $\gamma = 1$ there is nothing but
# conflict. For every $\gamma$ and every method, take the best step (and for momentum the best
# $\beta$ too) on a grid, and plot $\rho$ per gradient.

# %%
mixes = np.linspace(0.05, 1.0, 20)
steps = jnp.asarray(np.geomspace(0.02, 2.0, 400))
polar = np.meshgrid(np.linspace(0.0, 0.8, 9), np.linspace(0.0, np.pi, 17))
momenta = jnp.asarray((polar[0] * np.exp(1j * polar[1])).ravel())


def mixed(mix):
    """The game of a mixing weight."""
    return dg.zero_sum(
        lambda x, args: mix * x[0] * x[1] + (1 - mix) * 0.5 * (x[0] ** 2 - x[1] ** 2)
    )


@functools.partial(jax.jit, static_argnums=0)
def all_steps(method, mixes):
    """One-step matrices for every mixing weight and every step size."""
    return jax.vmap(
        lambda mix: jax.vmap(lambda h: dg.step_jacobian(mixed(mix), method(h), origin))(steps)
    )(mixes)


best = {}
for name in ("simultaneous", "alternating", "extragradient", "optimistic"):
    best[name] = radius(all_steps(METHODS[name], mixes)).min(1) ** (1 / GRADIENTS[name])


@jax.jit
def all_momenta(mix):
    """The same for one mixing weight, every momentum and every tenth step size."""
    return jax.vmap(
        lambda b: jax.vmap(
            lambda h: dg.step_jacobian(mixed(mix), dg.ComplexMomentum(h, b), origin)
        )(steps[::10])
    )(momenta)


some = mixes[1::2]
best["complex momentum"] = np.array([radius(all_momenta(mix)).min() for mix in some])

figure, ax = plt.subplots(figsize=(5.6, 3.6), layout="compressed")
for colour, (name, rates) in zip(plot.COLOURS, best.items(), strict=False):
    ax.plot(mixes if len(rates) == 20 else some, rates, color=colour, label=name, linewidth=1.8)
ax.axhline(1, color="black", linewidth=0.8)
ax.set(xlabel=r"share of conflict $\gamma$", ylabel=r"best $\rho$ per gradient", ylim=(0, 1.03))
ax.spines[["top", "right"]].set_visible(False)
legend = ax.legend(frameon=False, fontsize="small")

# %% [markdown]
# Simultaneous steps are fine where there is little conflict (their best factor is
# $\gamma / \sqrt{\gamma^2 + (1 - \gamma)^2}$), and useless where there is nothing else. No curve
# is lowest everywhere: which method is best is a property of the game.
#
# Another honest look: conflict that is strong in one direction and three times weaker in another.
# One step size has to serve both. These are the gradients needed to come a million times closer,
# each method at its best step.


# %%
def gradients_needed(name, matrix):
    """To shrink the distance by 1e-6, at the best step of a fine grid, by the spectral radius."""
    two = dg.games.Bilinear(matrix)
    zeros = (jnp.zeros(len(matrix)), jnp.zeros(len(matrix)))
    fine = jnp.linspace(0.2, 1.2, 1001)
    rate = radius(jax.vmap(lambda h: dg.step_jacobian(two, METHODS[name](h), zeros))(fine)).min()
    return GRADIENTS[name] * np.log(1e-6) / np.log(rate)


even, uneven = np.eye(2), np.diag([1.0, 1 / 3])
table = {
    name: (gradients_needed(name, even), gradients_needed(name, uneven))
    for name in ("extragradient", "optimistic")
}
print("strengths            1 and 1   1 and 1/3")
for name, needed in table.items():
    print(f"{name:17} {needed[0]:10.0f} {needed[1]:11.0f}")

# %% [markdown]
# On the even game optimistic steps need a fifth of what extragradient needs; on the uneven one they
# need more. A method is not better than another: it is better on a kind of game.
#
# ## What a spectrum does not say
#
# **How bad it gets before it gets better.** Eigenvalues describe the long run. With couplings of 10
# and 0.05 every eigenvalue of the step is inside the circle, and yet the distance first grows
# five-fold.
#
# **Where.** In a nonlinear game $\rho$ is a statement about an unspecified, perhaps tiny,
# neighbourhood of the equilibrium. Add $x^4/4$ to the first player's cost in the game with
# $\gamma = 1/2$ (scaled by two). At the equilibrium nothing has changed, but from too far away
# simultaneous steps of 0.5 overshoot, and each overshoot is worse than the last.

# %%
lopsided = dg.games.Quadratic([[[1.0]], [[1.0]]], {(0, 1): [[10.0]], (1, 0): [[0.05]]})
nowhere = (jnp.zeros(1), jnp.zeros(1))
method = dg.Simultaneous(0.5)
slow = dg.solve(lopsided, method, (jnp.zeros(1), jnp.ones(1)), max_steps=60, save_every=1)
away = np.hypot(*(np.asarray(block)[:, 0] for block in slow.history.strategy))
rate = radius(dg.step_jacobian(lopsided, method, nowhere))

quartic = dg.zero_sum(
    lambda x, args: x[0] ** 4 / 4 + x[0] * x[1] + 0.5 * x[0] ** 2 - 0.5 * x[1] ** 2
)
side = jnp.linspace(-4, 4, 81)
starts = tuple(jnp.meshgrid(side, side))
fate = jax.vmap(jax.vmap(lambda *x: dg.solve(quartic, method, x, max_steps=200).result))(*starts)
comes_in = np.asarray(fate == dg.RESULTS.successful)
flies_off = np.asarray(fate == dg.RESULTS.diverged)

figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5), layout="compressed")
left.plot(away, color=plot.COLOURS[0], linewidth=1.8, label="distance")
left.plot(rate ** np.arange(len(away)), ":", color="black", label=rf"$\rho^k$, $\rho = {rate:.3f}$")
left.set(yscale="log", xlabel="step", title="first worse, then better")
left.legend(frameon=False)
left.spines[["top", "right"]].set_visible(False)
right.pcolormesh(side, side, comes_in, cmap="Blues", vmin=-0.3, vmax=1.6, rasterized=True)
right.plot(0, 0, "*", color="black", markersize=11)
right.set(
    xlabel="start of $x$",
    ylabel="start of $y$",
    title=rf"dark: comes in ($\rho = {radius(dg.step_jacobian(quartic, method, origin)):.3f}$)",
)
right.set_aspect("equal")
print(f"{comes_in.mean():.0%} of these starts come in, {flies_off.mean():.0%} diverge")

# %% [markdown]
# So a spectral radius below one is where the work begins: *from which starts*, *with which steps*,
# and *in which norm does the distance never grow*? That is what a certificate answers, in the
# [next notebook](03_certify_offline.ipynb).
#
# ## What was claimed

# %%
rho = {name: radius(matrix) for name, matrix in matrices.items()}
assert abs(rho["simultaneous"] - np.sqrt(1.25)) < 1e-12
assert abs(rho["alternating"] - 1) < 1e-12
assert abs(rho["extragradient"] - np.sqrt(3) / 2) < 1e-12
assert abs(rho["optimistic"] - 1 / np.sqrt(2)) < 1e-7  # a double root: half the digits
assert 0.8881 < rho["complex momentum"] < 0.8925  # 0.8882 with more digits of step and momentum
for h in (0.1, 0.3, 0.9):
    pair = abs(np.roots([1, -(1 - 2j * h), -1j * h])).max()
    assert abs(radius(dg.step_jacobian(game, dg.Optimistic(h), origin)) - pair) < 1e-12
for name in rho:
    assert abs(measured[name] - rho[name]) < 0.04

last = {name: float(np.hypot(*run.strategy)) for name, run in runs.items()}
assert last["simultaneous"] > 2 and 0.8 < last["alternating"] / np.sqrt(2) < 1.25
came_in = ("extragradient", "optimistic", "complex momentum")
assert max(last[name] for name in came_in) < 0.75 * np.sqrt(2)

closed = mixes / np.hypot(mixes, 1 - mixes)
assert np.all(best["simultaneous"] >= closed - 1e-12) and closed[-1] == 1
assert np.all(best["simultaneous"] <= closed + 0.03)
curves = {name: rates[-19::2] if len(rates) == 20 else rates for name, rates in best.items()}
winners = {min(curves, key=lambda name: curves[name][i]) for i in range(len(some))}
assert len(winners) >= 2
assert abs(table["extragradient"][0] - 192) < 1 and abs(table["extragradient"][1] - 586) < 1
assert abs(table["optimistic"][0] - 40) < 1 and abs(table["optimistic"][1] - 724) < 3

assert rate < 1 and abs(rate - (1 - 0.5 * (1 - np.sqrt(0.5)))) < 1e-12 and 4 < away.max() < 6
assert abs(radius(dg.step_jacobian(quartic, method, origin)) - np.sqrt(0.5)) < 1e-12
assert np.all(comes_in | flies_off) and 0.1 < comes_in.mean() < 0.9
