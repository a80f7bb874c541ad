# %% [markdown]
# # Which dynamics converge?
#
# In a minimisation problem, small gradient steps go down, and that is nearly the end of the story.
# In a game each player goes down on their own cost while the others move the ground. Whether that
# settles depends on the method *and* on the game, and there are many of either. This notebook draws
# one map of both: sixteen methods against games from common interest to conflict, and beyond, to
# points at which nobody should want to stay.

# %%
from typing import Any

import jax
import jax.numpy as jnp
import lineax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.patches import Patch

import certify
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
# One step of a method is a matrix here, acting on what the method remembers: the strategies and,
# where there are any, its buffers. `dg.step_jacobian` is that matrix. After $k$ steps the distance
# behaves like $\rho^k$, where the **spectral radius** $\rho$ is the modulus of the largest
# eigenvalue. Converging means: all eigenvalues inside the unit circle.

# %%
xy = dg.games.Bilinear(1.0)
origin, start = (0.0, 0.0), (1.0, 1.0)
FIRST = {  # with step sizes at which the last three are fastest
    "simultaneous": (dg.Simultaneous, 0.5),
    "alternating": (dg.Alternating, 0.5),
    "extragradient": (dg.Extragradient, np.sqrt(0.5)),
    "optimistic": (dg.Optimistic, 0.5),
    "complex momentum": (
        lambda h: dg.ComplexMomentum(h, 0.66721 * np.exp(0.37798j * np.pi)),
        0.56532,
    ),
}
runs = {
    name: dg.solve(xy, method(0.25), start, max_steps=40, save_every=1)
    for name, (method, _) in FIRST.items()
}
first = {
    name: np.asarray(dg.step_jacobian(xy, method(h), origin)) for name, (method, h) in FIRST.items()
}

figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.2), layout="compressed")
plot.phase_portrait(
    xy,
    (-2.6, 2.6),
    (-2.6, 2.6),
    trajectories=list(runs.values()),
    equilibrium=origin,
    density=0.7,
    ax=left,
)
ax = plot.spectrum(list(first.values()), list(first), ax=right)
ax.legend(frameon=False, fontsize="small", loc=(0.1, 0.36))


def radius(matrices) -> Any:
    """Modulus of the largest eigenvalue, of one matrix or of many; NaN where it is undefined."""
    matrices = np.asarray(matrices)
    defined = np.isfinite(matrices).all((-2, -1))
    values = np.linalg.eigvals(np.where(np.expand_dims(defined, (-2, -1)), matrices, 0))
    return np.where(defined, np.abs(values).max(-1), np.nan)


# %% [markdown]
# Left: forty steps of size 0.25 each. Right: single steps of the sizes that are best for the last
# three. Simultaneous steps spiral out, alternating ones go round and round, the other three come
# in, with three very different ideas: a trial step, a guess of the next gradient, and a memory that
# first goes along with old gradients and then against them.
#
# ## The games
#
# Now the horizontal axis of the map. With numbers $q$, $r$ and $s$, the first player pays
#
# $$U = \tfrac12\, q\, x^2 + s\, x y \pm \tfrac12\, r\, y^2,$$
#
# and the second one pays $\pm U$. With plus they have a **common interest** (and each gets a wage
# for what they do themselves, $-x$ and $-y$, which moves the equilibrium away from zero). With
# minus it is **conflict**: what one pays, the other receives. Own curvature is $q$ and $r$,
# coupling is $s$. From $(q, r, s) = (1, 1, 0)$, where everybody has a problem of their own, we walk
# along four quarters of a circle:
#
# - **common interest**, to $(0, 0, 1)$: the equilibrium is a minimum of $U$ for half the way, up to
#   a game called tandem, and then a saddle of $U$, a point at which neither can gain alone;
# - **conflict**, to $(0, 0, 1)$, which is the game $xy$;
# - **first player at a maximum**, from $xy$ on to $(-1, 1, 0)$: the origin is no equilibrium any
#   more, but for half the way it is *minimax*: the first player does well to stay there, if the
#   second one answers;
# - **both at a maximum**, from $xy$ on to $(-1, -1, 0)$: a point to leave.
#
# $x$ and $y$ are pairs of numbers: the second pair plays the same game at half the strength, so
# that one step size has to serve both.


# %%
def costs(x, args):
    q, r, s, sign, wage = args
    x, y = x

    def u(a, b):
        return jnp.sum(jnp.array([1.0, 0.5]) * a * b)

    common = 0.5 * q * u(x, x) + s * u(x, y) + 0.5 * sign * r * u(y, y)
    return common - wage * u(x, jnp.ones(2)), sign * common - wage * u(y, jnp.ones(2))


game = dg.game(costs)
N = 16  # columns in each quarter
cosine, sine = (fn(np.deg2rad(np.linspace(0, 90, N + 1))).round(12) for fn in (np.cos, np.sin))
one, zero = np.ones(N + 1), np.zeros(N + 1)
QUARTERS = {
    "common interest": np.stack([cosine, cosine, sine, one, one], 1)[::-1],
    "conflict": np.stack([cosine, cosine, sine, -one, zero], 1)[1:],
    "first player at a maximum": np.stack([-sine, sine, cosine, -one, zero], 1)[1:],
    "both at a maximum": np.stack([-sine, -sine, cosine, -one, zero], 1)[1:],
}
GAMES = np.concatenate(list(QUARTERS.values()))
nash = np.asarray((GAMES[:, :2] >= 0).all(1))  # neither player can gain alone
q, r, s = GAMES[:, :3].T
minimax = ~nash & (r > 0) & (q * r + s**2 > 0)  # the first player cannot, if the second answers
SADDLE, TANDEM, ALONE, XY, LAST = 0, N // 2, N, 2 * N, 4 * N


def equilibrium(args):
    """The zero of the pseudo-gradient; where there is no wage it is the origin."""
    q, _, s, _, wage = args
    return (jnp.full(2, wage / (abs(q) + s)),) * 2


# %% [markdown]
# ## The methods
#
# Two things can be changed about a gradient step: how to step, and along which field. In `dgames`
# these are *methods* and *fields*, and they compose. Here are six methods on the pseudo-gradient
# $F$, and simultaneous steps on ten fields that are made of $F$ and its Jacobian $J$. What they
# cost per step is counted in gradients, a product with $J$ as two of them.
#
# - Simultaneous, alternating, (negative) momentum, complex momentum, optimistic, extragradient.
# - **Two timescales**: the second player is two to eight times as fast. **Follow the ridge**: the
#   second player makes up for what the first one's step will do to them.
# - **Look ahead**: the gradient where the other will be. **LOLA**: shape where that will be; with
#   **stable opponent shaping** only as far as it does no harm. **Competitive**: both expect the
#   other to answer in this very step.
# - **Symplectic adjustment** and **surgery** treat the part of $J$ along which players circle.
# - **Consensus** adds the gradient of $\frac12|F|^2$, **Hamiltonian** steps follow nothing else.

# %%
step, direct = dg.Simultaneous, lineax.LU()
METHODS = {  # gradients per step, and the field and the method of a step size and a weight
    "simultaneous": (1, lambda h, w: (game, step(h))),
    "alternating": (1, lambda h, w: (game, dg.Alternating(h))),
    "negative momentum": (1, lambda h, w: (game, dg.Momentum(h, w))),
    "complex momentum": (1, lambda h, w: (game, dg.ComplexMomentum(h, w))),
    "optimistic": (1, lambda h, w: (game, dg.Optimistic(h))),
    "extragradient": (2, lambda h, w: (game, dg.Extragradient(h))),
    "two timescales": (1, lambda h, w: (dg.Rescaled(game, w, leader=0), step(h))),
    "follow the ridge": (3, lambda h, w: (dg.FollowTheRidge(game, solver=direct), step(h))),
    "look ahead": (3, lambda h, w: (dg.LookAhead(game, w), step(h))),
    "LOLA": (6, lambda h, w: (dg.LOLA(game, w), step(h))),
    "stable opponent shaping": (6, lambda h, w: (dg.StableOpponentShaping(game, w), step(h))),
    "competitive": (5, lambda h, w: (dg.Competitive(game, w, direct), step(h))),
    "symplectic adjustment": (
        5,
        lambda h, w: (dg.SymplecticAdjusted(game, w, aligned=True), step(h)),
    ),
    "symplectic surgery": (7, lambda h, w: (dg.SymplecticSurgery(game, solver=direct), step(h))),
    "consensus": (3, lambda h, w: (dg.Consensus(game, w), step(h))),
    "Hamiltonian": (3, lambda h, w: (dg.Hamiltonian(game), step(h))),
}
STEPS = jnp.geomspace(0.02, 2.4, 60)
WEIGHTS = dict.fromkeys(METHODS, jnp.array([0.25, 0.5, 1.0, 2.0]))
for name in ("simultaneous", "alternating", "optimistic", "extragradient", "Hamiltonian"):
    WEIGHTS[name] = jnp.zeros(1)  # they have none
WEIGHTS["follow the ridge"] = WEIGHTS["symplectic surgery"] = jnp.zeros(1)
WEIGHTS["two timescales"] = jnp.array([1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
WEIGHTS["negative momentum"] = jnp.array([-0.8, -0.6, -0.4, -0.2, -0.1])
turns = np.exp(1j * np.pi * np.linspace(0, 1, 9))
WEIGHTS["complex momentum"] = jnp.asarray(np.outer([0.3, 0.5, 0.7], turns).ravel())

# %% [markdown]
# ## The map
#
# For each game and method: the best spectral radius over 60 step sizes and a few weights, per
# gradient, $\rho^{1/\text{gradients}}$. And one more question: does a step from the equilibrium
# stay there at all?


# %%
def along(fn, *axes):
    """Values of a function at all combinations of the entries of arrays, compiled."""
    for i in reversed(range(len(axes))):
        fn = jax.vmap(fn, [0 if k == i else None for k in range(len(axes))])
    return jax.jit(fn)(*axes)


def one_step(make):
    """Where a step leads from the equilibrium, and its matrix, for a game and parameters."""

    def values(args, weight, h):
        field, method = make(h, weight)
        field, args, here = dg.as_field(field), tuple(args), equilibrium(args)
        there, _ = method.step(field, here, method.init(field, here, args), args)
        moved = jnp.abs(jnp.concatenate(there) - jnp.concatenate(here)).max()
        return moved, dg.step_jacobian(field, method, here, args)

    return values


rho, shifted, chosen = {}, {}, {}
for name, (_, make) in METHODS.items():
    moved, matrices = along(one_step(make), jnp.asarray(GAMES), WEIGHTS[name], STEPS)
    radii = radius(matrices).reshape(len(GAMES), -1)
    best = np.where(np.isnan(radii), np.inf, radii).argmin(1)
    rho[name] = radii[range(len(GAMES)), best]
    shifted[name] = np.asarray(moved).reshape(radii.shape)[range(len(GAMES)), best] > 1e-9
    chosen[name] = [np.asarray(WEIGHTS[name])[best // len(STEPS)], STEPS[best % len(STEPS)]]
rho["follow the ridge"][: ALONE + 1] = np.nan  # it is made for zero-sum games
converges = {name: rates < 1 - 1e-9 for name, rates in rho.items()}
astray = {name: converges[name] & (shifted[name] | ~(nash | minimax)) for name in rho}

# %%
per_gradient = np.array([rho[name] ** (1 / cost) for name, (cost, _) in METHODS.items()])
comes_in, wrong = (np.array(list(part.values())) for part in (converges, astray))
QUIET, LOUD = "#EFF1F3", "#D55E00"
gaps = 1.4 * np.searchsorted([XY, 3 * N], np.arange(len(GAMES)))  # where a new walk begins
columns, lines = np.arange(len(GAMES)) + gaps, np.arange(len(METHODS) + 1) - 0.5
needed = -1 / np.log10(np.where(comes_in, per_gradient, 0.5))  # gradients for each digit

figure, ax = plt.subplots(figsize=(10.4, 6.0), layout="compressed")
ax.set_facecolor("white")
for i, j in ((0, XY), (XY + 1, 3 * N), (3 * N + 1, LAST)):
    part, edges = slice(i, j + 1), np.append(columns[i : j + 1], columns[j] + 1) - 0.5
    undefined = np.isnan(per_gradient[:, part])
    none = np.ma.masked_where(undefined, np.zeros(undefined.shape))
    ax.pcolormesh(edges, lines, none, cmap=ListedColormap([QUIET]))
    shown = np.ma.masked_where(~comes_in[:, part], needed[:, part])
    mesh = ax.pcolormesh(edges, lines, shown, cmap="viridis", norm=LogNorm(2, 500))
row, column = np.nonzero(wrong)
look = {"color": LOUD, "markeredgecolor": "white", "markersize": 5.6, "mew": 0.7}
(dots,) = ax.plot(columns[column], row, "o", **look, label="not to an equilibrium")
for k in range(1, len(METHODS)):
    ax.axhline(k - 0.5, color="white", linewidth=5 if k in (6, 8, 12, 14) else 1.2)
for i, j, what in (
    (SADDLE, TANDEM - 1, "Nash, saddle of $U$"),
    (TANDEM, XY, "Nash equilibrium"),
    (XY + 1, XY + N // 2 - 1, "minimax"),
    (XY + N // 2, 3 * N, "no equilibrium"),
    (3 * N + 1, LAST, "no equilibrium"),
):
    ax.plot([columns[i] - 0.5, columns[j] + 0.1], [-1, -1], color="#30363D", linewidth=1.5)
    ax.text((columns[i] + columns[j]) / 2, -1.2, what, ha="center", va="bottom", fontsize=8)
for k, name in enumerate(QUARTERS):
    words = name.replace(" at", "\nat")
    ax.text(columns[k * N + N // 2], -2.35, words, ha="center", va="center", weight="bold")
marks = {SADDLE: "$xy$ for\nboth", TANDEM: "tandem", ALONE: "no\ncoupling", XY: "$xy$"}
marks |= {XY + N // 2: "half way", 3 * N + N // 2: "half way"} | dict.fromkeys(
    (3 * N, LAST), "no\ncoupling"
)
ax.set_xticks(columns[list(marks)], marks.values())
ax.set_yticks(range(len(METHODS)), METHODS)
ax.set_xlim(-0.5, columns[-1] + 0.5)
ax.set_ylim(len(METHODS) - 0.5, -3.1)
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
grey = Patch(color=QUIET, label="does not converge")
ax.legend(handles=[grey, dots], frameon=False, fontsize=8, loc="upper right", bbox_to_anchor=(0, 1))
bar = figure.colorbar(mesh, ax=ax, label=r"best $\rho$ per gradient", shrink=0.8, pad=0.01)
ticks = np.array([0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995])
bar.set_ticks(list(-1 / np.log10(ticks)), labels=[f"{tick:g}" for tick in ticks])
bar.ax.minorticks_off()

# %% [markdown]
# Dark is fast, yellow is slow, grey means that no setting tried converges; in white places the
# field is not defined, or not meant for such games. An orange dot says: it converges, but **not to
# an equilibrium**, nor to a minimax point.
#
# - *No row is best, and none is right everywhere.* The plain methods at the top are the fastest
#   where there is little conflict, and are lost at $xy$.
# - *What beats rotation does not see what lies behind it.* Eigenvalues are continuous, so whatever
#   converges at $xy$ converges beyond it, too. Where the second player can answer that is welcome.
#   But the same methods come to a point that is a maximum for both, if the maximum is flat enough:
#   they take it for more of the rotation that they were made to cancel.
# - *Hamiltonian* steps find every zero of $F$: saddles of a common cost, which everybody else
#   leaves, and maxima.
# - *Symplectic surgery* converges at Nash equilibria and nowhere else, but it needs curvature, as
#   simultaneous steps do. *Two timescales* and *follow the ridge*, made for minimax points, come to
#   those and to equilibria only; so do alternating steps, in which the first player moves first.
# - *LOLA* leaves the equilibria of common interest with wages: each player does more, so that the
#   other will do less. In conflict there is nothing to gain by that: its fixed points are those of
#   $F$.
#
# Is that what happens? Run each method in a few of these games, at the setting of the map, and
# compare how fast it moves with $\rho$. And the game that LOLA is known for:

# %%
SOME = np.array([TANDEM + 3, ALONE + 5, ALONE + 10, XY, XY + 4, 3 * N + 4, LAST])
offset = jnp.array([0.013, -0.007]), jnp.array([-0.004, 0.011])


def moves(make):
    """How far each of 150 steps leads, for a game and parameters."""

    def lengths(args, weight, h):
        field, method = make(h, weight)
        field, args = dg.as_field(field), tuple(args)

        def move(carry, _):
            x, state = method.step(field, *carry, args)
            return (x, state), jnp.linalg.norm(jnp.concatenate(x) - jnp.concatenate(carry[0]))

        start = jax.tree.map(jnp.add, equilibrium(args), offset)
        return jax.lax.scan(move, (start, method.init(field, start, args)), length=150)[1]

    return jax.jit(jax.vmap(lengths))


pairs = []
for name, (_, make) in METHODS.items():
    weights, sizes = (np.asarray(part)[SOME] for part in chosen[name])
    for i, length in zip(SOME, np.asarray(moves(make)(GAMES[SOME], weights, sizes)), strict=True):
        end = np.argmax(np.append(~(length > 1e-11), True))  # rounding errors rule from there on
        if converges[name][i] and end > 20:
            pairs.append((rho[name][i], (length[end - 1] / length[end // 2]) ** (2 / (end - 1))))
predicted, measured = np.array(pairs).T

figure, ax = plt.subplots(figsize=(3.9, 3.4), layout="compressed")
ax.plot([0, 1], [0, 1], color="#B8BEC6", linewidth=1)
ax.plot(predicted, measured, "o", color=plot.COLOURS[0], markersize=4, alpha=0.6, mew=0)
ax.set(xlabel=r"$\rho$ of one step", ylabel="measured, per step", aspect="equal")
ax.set(xlim=(0.35, 1), ylim=(0.35, 1))
ax.spines[["top", "right"]].set_visible(False)

tandem = dg.games.Tandem()
for field in (dg.LookAhead(tandem, 0.1), dg.LOLA(tandem, 0.1)):
    end = dg.solve(field, dg.Simultaneous(0.05), (0.1, -0.05), max_steps=1000).strategy
    pay = [float(cost) for cost in tandem.costs(end)]
    name, total = type(field).__name__, float(sum(end))
    print(f"{name:9} comes to x + y = {total:.4f}, at costs of {pay[0]:.3f} and {pay[1]:.3f}")

# %% [markdown]
# ## Equal work
#
# Counting gradients, not steps, is half of a fair comparison. The other half is that one step size
# has to serve all directions at once. The same conflict $xy$ twice, with strengths 1 and 1, and
# with 1 and 1/3: gradients needed to come a million times closer, at the best step of a fine grid.


# %%
def gradients_needed(method, cost, strengths):
    """To shrink the distance by 1e-6, by the spectral radius."""
    two, zeros = dg.games.Bilinear(np.diag(strengths)), (jnp.zeros(2), jnp.zeros(2))
    rates = along(lambda h: dg.step_jacobian(two, method(h), zeros), jnp.linspace(0.2, 1.2, 1001))
    return cost * np.log(1e-6) / np.log(radius(rates).min())


table = {
    method.__name__: [gradients_needed(method, cost, [1.0, weak]) for weak in (1.0, 1 / 3)]
    for method, cost in ((dg.Extragradient, 2), (dg.Optimistic, 1))
}
print("strengths      1 and 1   1 and 1/3")
for name, needed in table.items():
    print(f"{name:14} {needed[0]:7.0f} {needed[1]:11.0f}")

# %% [markdown]
# On the even game optimistic steps need a fifth of what extragradient needs; on the uneven one they
# need more. Two maps with other strengths would have other colours in the same places.
#
# ## Methods that are on no map
#
# *Anchored* methods pull back to where they started, with a weight that fades like $1/k$. No two of
# their steps are the same, so there is no one matrix, and they do not converge at a rate $\rho^k$
# even where others do. What they have is a bound for *every* monotone game: residuals $|F(z_k)|$ of
# at most $C / k$, where extragradient has $C / \sqrt k$. `certify.certify_monotone` proves that a
# game is monotone and Lipschitz on a region and that runs stay in it, and states the bound.
#
# Left: $xy$ again. Right: the same with 10 strengths from 1 to 1/100, in which a small residual
# takes long. Solid: the largest residual from step $k$ on, as measured. Dotted: what is proved of
# it. (Of Halpern's iteration nothing is proved here; each of its steps solves an equation.)

# %%
ANCHORED = {
    "fast extragradient": dg.FastExtragradient,
    "anchored extragradient": dg.AnchoredExtragradient,
    "accelerated optimistic": dg.AcceleratedOptimistic,
    "extragradient": dg.Extragradient,
    "Halpern, resolvent": dg.Halpern,
}
spread = dg.games.Bilinear(np.diag(np.geomspace(1, 0.01, 10)))
PANELS = {"$xy$": (xy, start), "10 strengths": (spread, (jnp.ones(10), jnp.ones(10)))}
COUNT = 1000
ages = np.arange(1, COUNT + 1)
SPARSE = np.unique(np.geomspace(1, COUNT, 40).round().astype(int))
fall, limit = {}, {}

figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.7), layout="compressed", sharey=True)
for ax, (title, (linear, z)) in zip(axes, PANELS.items(), strict=True):
    region = certify.Box.around(jax.tree.map(jnp.zeros_like, z), 30.0)
    bounds = certify.certify_monotone(linear, region, list(ANCHORED.values())[:4], start=z)
    field = dg.pseudo_gradient(linear)
    for colour, (name, kind) in zip(plot.COLOURS, ANCHORED.items(), strict=False):
        proved = kind is not dg.Halpern
        method = bounds.safe_method(kind) if proved else dg.Halpern(1.0, resolvent=True)
        run = dg.solve(linear, method, z, max_steps=COUNT + 100, tol=0.0, save_every=1)
        residual = np.asarray(
            jax.vmap(lambda z, field=field: jnp.sqrt(sum(jnp.sum(f**2) for f in field(z))))(
                run.history.strategy
            )
        )[1:]
        fall[title, name] = np.maximum.accumulate(residual[::-1])[::-1][:COUNT]
        ax.plot(ages, fall[title, name], color=colour, linewidth=1.8, label=name)
        if proved:
            limit[title, name] = np.array([bounds.residual_bound(kind, int(k)) for k in SPARSE])
            ax.plot(SPARSE, limit[title, name], ":", color=colour, linewidth=1.4)
    ax.set(xscale="log", yscale="log", xlabel="step $k$", title=title, ylim=(1e-3, 30))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("residual $|F(z_k)|$")
legend = axes[1].legend(frameon=False, fontsize="small", loc="lower left")

# %% [markdown]
# On the left extragradient falls off the figure: at $xy$ it contracts, and the anchor only holds
# the others back. On the right the order is reversed.
#
# ## What the map does not say
#
# **How bad it gets before it gets better.** Eigenvalues describe the long run. With curvatures one
# and couplings of 10 and 0.05 every eigenvalue of a simultaneous step is inside the circle, and yet
# the distance first grows five-fold.
#
# **Where.** In a nonlinear game $\rho$ is a statement about an unspecified, perhaps tiny,
# neighbourhood of the equilibrium. Add $x^4/4$ to the first player's cost halfway between no
# coupling and conflict. At the equilibrium nothing has changed, but from too far away simultaneous
# steps of 0.5 overshoot, and each overshoot is worse than the last. Symplectic adjustment has a
# rule by which it turns away from a maximum; but the rule has a threshold, and near the maximum it
# is silent, so that the method leaves from afar and comes in from nearby.
#
# **Under noise.** Let the gradients of $xy$ be multiplied by 3 or by -1, with equal odds: by one on
# average. Optimistic steps are then unstable in mean square, however small they are; with an update
# shorter than the trial step they converge. (These are eigenvalues, too: of second moments.
# `certify.certify_mean_square` has proofs.)

# %%
lopsided = dg.games.Quadratic([[[1.0]], [[1.0]]], {(0, 1): [[10.0]], (1, 0): [[0.05]]})
nowhere = (jnp.zeros(1), jnp.zeros(1))
half = dg.Simultaneous(0.5)
slow = dg.solve(lopsided, half, (jnp.zeros(1), jnp.ones(1)), max_steps=60, save_every=1)
away = np.hypot(*(np.asarray(block)[:, 0] for block in slow.history.strategy))
rate = radius(dg.step_jacobian(lopsided, half, nowhere))

quartic = dg.zero_sum(
    lambda x, args: x[0] ** 4 / 4 + x[0] * x[1] + 0.5 * x[0] ** 2 - 0.5 * x[1] ** 2
)
inner = radius(dg.step_jacobian(quartic, half, origin))
side = jnp.linspace(-4, 4, 81)
starts = tuple(jnp.meshgrid(side, side))
fate = jax.vmap(jax.vmap(lambda *x: dg.solve(quartic, half, x, max_steps=200).result))(*starts)
inward, outward = (
    np.asarray(fate == result) for result in (dg.RESULTS.successful, dg.RESULTS.diverged)
)

figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5), layout="compressed")
left.plot(away, color=plot.COLOURS[0], linewidth=1.8, label="distance")
left.plot(rate ** np.arange(len(away)), ":", color="black", label=rf"$\rho^k$, $\rho = {rate:.3f}$")
left.set(yscale="log", xlabel="step", title="first worse, then better")
left.legend(frameon=False)
left.spines[["top", "right"]].set_visible(False)
right.pcolormesh(side, side, inward, cmap="Blues", vmin=-0.3, vmax=1.6, rasterized=True)
right.plot(0, 0, "*", color="black", markersize=11)
right.set(xlabel="start of $x$", ylabel="start of $y$", aspect="equal")
right.set_title(rf"dark: comes in ($\rho = {inner:.3f}$)")

maximum = tuple(GAMES[3 * N + 2])
field, method = METHODS["symplectic adjustment"][1](0.1, 1.0)
ends = {}
for distance in (0.1, 10.0):
    run = dg.solve(field, method, (jnp.full(2, distance), jnp.zeros(2)), args=maximum)
    ends[distance] = run.result
    says = "comes in" if run.result == dg.RESULTS.successful else "leaves"
    print(f"symplectic adjustment at a maximum, from a distance of {distance:4.1f}: {says}")

noisy = dg.zero_sum(lambda x, noise: noise * x[0] * x[1])
factors = jnp.array([3.0, -1.0])
squares = [
    float(dg.second_moment_radius(noisy, method, origin, factors))
    for method in (dg.Optimistic(0.01), dg.OptimisticSeparated(0.1, 0.02))
]
print(f"{inward.mean():.0%} of the starts come in, {outward.mean():.0%} diverge")
print("squares, per step:", ", ".join(f"{square:.5f}" for square in squares))

# %% [markdown]
# ## A few places of the map, proved
#
# The colours are eigenvalues in floating point: estimates, at a point. A proof holds for all points
# of a region and all rounding errors, and an independent checker accepts its file. That can be had
# for all kinds of places: converging along an adjusted field; one step of a method, buffers and
# all; leaving, which is no failed search but a theorem as well; and a Hamiltonian method that is
# certain to come to a maximum, where the certificate says "a zero of the field", and nothing of an
# equilibrium.

# %%
box = certify.Box.around(origin, 1.0)
peak = dg.zero_sum(lambda x, args: x[0] * x[1] - 0.5 * x[0] ** 2 + 0.5 * x[1] ** 2)
adjusted = certify.certify(dg.SymplecticAdjusted(xy), box, [dg.Simultaneous])
trial = certify.contraction(xy, dg.Extragradient(np.sqrt(0.5)), box)
leaves = certify.certify_instability(xy, dg.Simultaneous(0.5), (0.1, 0.1))
summit = certify.certify(dg.Hamiltonian(peak), box, [dg.Simultaneous])
print(f"symplectic adjustment: {adjusted.status}, a factor", end=" ")
print(f"of at most {adjusted.step_sizes['simultaneous'].rate:.6f} per step")
print(f"extragradient: {trial.status}, a factor of at most {trial.rate:.6f} per step")
print(f"simultaneous leaves: {leaves.status}, radius at least {leaves.spectral_radius:.6f}")
print(f"Hamiltonian at a maximum: {summit.status}, one zero of the field, margin {summit.margin:g}")

# %% [markdown]
# So a spectral radius below one is where the work begins: *from which starts*, *with which steps*,
# and *in which norm does the distance never grow*? That is what a certificate answers, in the
# [next notebook](03_certify_offline.ipynb).
#
# ## What was claimed

# %%
last = {name: float(np.hypot(*run.strategy)) for name, run in runs.items()}
assert last["simultaneous"] > 2 and 0.8 < last["alternating"] / np.sqrt(2) < 1.25
came_in = ("extragradient", "optimistic", "complex momentum")
assert max(last[name] for name in came_in) < 0.75 * np.sqrt(2)
single = {name: float(radius(matrix)) for name, matrix in first.items()}
assert abs(single["simultaneous"] - np.sqrt(1.25)) < 1e-12
assert abs(single["alternating"] - 1) < 1e-12
assert abs(single["extragradient"] - np.sqrt(3) / 2) < 1e-12
assert abs(single["optimistic"] - 1 / np.sqrt(2)) < 1e-7  # a double root: half the digits
assert 0.8881 < single["complex momentum"] < 0.8925  # 0.8882 with more digits of step and momentum

# The map against closed forms: the eigenvalues of J are those of a rotation in conflict.
h, strength = np.asarray(STEPS)[:, None, None], np.array([1.0, 0.5])
for name, factor in {
    "simultaneous": lambda z: abs(1 - z),
    "extragradient": lambda z: abs(1 - z + z**2),
    "Hamiltonian": lambda z: abs(1 - h * strength**2),
}.items():
    turned = (cosine + 1j * sine)[:, None]
    rates = np.broadcast_to(factor(h * strength * turned), (len(STEPS), N + 1, 2))
    assert np.allclose(rates.max(-1).min(0), rho[name][ALONE : XY + 1], atol=1e-6)

# What was read from it.
plain = ("simultaneous", "alternating", "negative momentum")
fastest = np.nanargmin(per_gradient[:, ALONE])
assert list(METHODS)[fastest] in plain and not any(converges[name][XY] for name in plain)
at_xy = [name for name in METHODS if converges[name][XY]]
assert len(at_xy) == 10 and all(converges[name][XY : XY + N // 2].all() for name in at_xy)
dotted = {name for name in METHODS if astray[name].any()}
assert dotted == set(at_xy) - {"complex momentum"}
assert [name for name in METHODS if converges[name][:TANDEM].any()] == ["Hamiltonian"]
assert converges["Hamiltonian"][LAST] and not any(
    converges[name][LAST] for name in METHODS if name != "Hamiltonian"
)
assert nash[converges["symplectic surgery"]].all() and nash[converges["simultaneous"]].all()
for name in ("two timescales", "follow the ridge", "alternating"):
    assert converges[name][XY + 1 : XY + N // 2].all() and not astray[name].any()
assert shifted["LOLA"][TANDEM + 1 : ALONE].all() and not shifted["LOLA"][ALONE:].any()
assert not any(shifted[name][converges[name]].any() for name in METHODS if name != "LOLA")
assert len(pairs) > 50 and abs(predicted - measured).max() < 0.05
assert abs(float(sum(end)) - 4 / 3) < 1e-6 and np.allclose(pay, [0.294444, 0.594444], atol=1e-5)

assert abs(table["Extragradient"][0] - 192) < 1 and abs(table["Extragradient"][1] - 586) < 1
assert abs(table["Optimistic"][0] - 40) < 1 and abs(table["Optimistic"][1] - 724) < 3
assert all((fall[key][SPARSE - 1] <= values).all() for key, values in limit.items())
for name in set(ANCHORED) - {"extragradient"}:
    tail = fall["$xy$", name]
    assert 0.9 < np.log10(tail[99] / tail[999]) < 1.1  # one over k
    assert fall["10 strengths", name][-1] < fall["10 strengths", "extragradient"][-1]
assert fall["$xy$", "extragradient"][-1] < 1e-12

assert rate < 1 and abs(rate - (1 - 0.5 * (1 - np.sqrt(0.5)))) < 1e-12 and 4 < away.max() < 6
assert abs(inner - np.sqrt(0.5)) < 1e-12
assert np.all(inward | outward) and 0.1 < inward.mean() < 0.9
assert ends[0.1] == dg.RESULTS.successful and ends[10.0] == dg.RESULTS.diverged
assert squares[0] > 1 > squares[1]

for proof in (adjusted, trial, leaves, summit):
    assert proof.status == "proved" and proof.check().ok
assert abs(adjusted.step_sizes["simultaneous"].rate - np.sqrt(0.5)) < 1e-6
assert abs(trial.rate - np.sqrt(3) / 2) < 1e-6
assert 1.118 < leaves.spectral_radius <= np.sqrt(1.25)
assert all(abs(float(part)) < 1e-9 for part in summit.equilibrium.center)
