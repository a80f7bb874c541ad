# %% [markdown]
# # Play over time
#
# Three cars want to cross the same place. Each of them plans, and each plan is a good one or not
# depending on the others'. That is a game, with one new question: **what do players know?** If they
# commit to plans, a strategy is a sequence of controls (*open loop*). If they look again and again,
# it is a rule that answers to the state (*feedback*). The two have different equilibria, and what
# can be proved of them is different too.

# %%
import io

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from IPython.display import Image

import certify
import dgames as dg
from dgames.dynamic import LQGame, iterative_lq, solve_lq, unicycle_crossing

jax.config.update("jax_enable_x64", True)  # proofs are made in float64

# %% [markdown]
# ## Three cars
#
# A car has a position, an angle and a speed, and controls how the last two change. It pays for
# being far from its goal, on the other side, for its controls, and for being near another car.
# `iterative_lq` linearises the dynamics and expands the costs around a trajectory, solves that
# linear-quadratic game in feedback, moves, and repeats.

# %%
game, straight_on = unicycle_crossing(60)
found = iterative_lq(game, straight_on)
print(
    f"{int(found.steps)} steps; the largest change of a control is then {found.feedforward:.0e}; "
    f"each player's problem is convex there: {bool(found.convex)}"
)


# %%
def places(states):
    return np.asarray(states).reshape(-1, 3, 4)[..., :2]


cars, blind = places(found.states), places(game.rollout(straight_on))


def scene(ax):
    ax.set(xlim=(-2.4, 2.4), ylim=(-2.2, 2.2), aspect="equal", xticks=[], yticks=[])
    for k in range(3):
        ax.plot(*cars[-1, k], f"C{k}*", markersize=12, alpha=0.4)


def show(ax, frame):
    for k in range(3):
        ax.plot(*cars[: frame + 1, k].T, f"C{k}", linewidth=1)
        ax.plot(*cars[frame, k], f"C{k}o", markersize=9)


figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained")
for ax, frame in zip(axes, (0, 10, 18, 60), strict=True):
    scene(ax)
    show(ax, frame)
    ax.set_title(f"after {frame / 10:g} seconds", fontsize=10)

# %% [markdown]
# The same as a film.

# %%
figure, ax = plt.subplots(figsize=(3.2, 3.0), dpi=70, layout="constrained")
pictures = []
for frame in range(0, 45, 3):
    ax.clear()
    scene(ax)
    show(ax, frame)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())  # pyright: ignore[reportAttributeAccessIssue]
    pictures.append(PIL.Image.fromarray(pixels).convert("RGB"))
plt.close(figure)
film = io.BytesIO()
pictures[0].save(film, "png", save_all=True, append_images=pictures[1:], duration=200, loop=0)
Image(film.getvalue())

# %% [markdown]
# ## A bump on the way
#
# In feedback, players answer to what happens. Push the first car aside after one second: with the
# gains it comes back to its way; with the controls alone, as in open loop, it never does.


# %%
def pushed(gains):
    x, path = found.states[0], []
    for t in range(60):
        path.append(x)
        off = x - found.states[t]
        u = {
            i: own[t] - (found.gains[i][t] @ off if gains else 0)
            for i, own in found.controls.items()
        }
        x = game.dynamics(x, u)
        if t == 10:
            x = x.at[1].add(0.3)
    return places(jnp.stack([*path, x]))


with_gains, without = pushed(True), pushed(False)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for ax, path, title in zip(axes, (with_gains, without), ("feedback", "open loop"), strict=True):
    scene(ax)
    for k in range(3):
        ax.plot(*cars[:, k].T, color="0.8")
        ax.plot(*path[:, k].T, f"C{k}")
    ax.set_title(title, fontsize=10)
misses = [float(np.linalg.norm(path[-1, 0] - cars[-1, 0])) for path in (with_gains, without)]
print(f"the first car ends {misses[0]:.3f} from its place with the gains, {misses[1]:.3f} without")

# %% [markdown]
# ## What can be proved
#
# Of a linear-quadratic game, everything: the numbers of the game are in the file, and the checker
# encloses the recursion in integers. The smallest example: $x^+ = x + u_a + u_b$, each player pays
# $\frac12 \sum x^2 + u^2$, two steps. In feedback the first gain is $11/31$; in open loop the first
# control from $x = 1$ is $-4/11$.

# %%
one = np.eye(1)
both = {"a": one, "b": one}
small = LQGame(one, both, both, both)
proof = certify.certify_feedback(small, 2)
print(proof.status, "- first gain times 31:", proof.gains["a"][0, 0, 0] * 31)
plans = solve_lq(small, 2, "open_loop").play(jnp.ones(1))[1]
print("open loop: first control times 11:", float(plans["a"][0, 0]) * 11)

# %% [markdown]
# The theorem behind it says *exactly one* feedback equilibrium, among all strategies. Without an
# end this is no longer true. If the state runs away by itself, $\dot x = 2 x + u_a + u_b$, one
# player can leave the work to the other one. The list of all equilibria is proved to be complete:

# %%
runaway = LQGame(2 * one, both, both, both)
every = certify.certify_feedback(runaway, time="continuous", every=True)
for each in every.equilibria:
    print({name: round(gain, 4) for name, gain in each.gains.items()}, "->", each.closed_loop)

# %%
slopes = np.linspace(0.2, 2.4, 45)
figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
for a in slopes:
    listed = certify.certify_feedback(
        LQGame(a * one, both, both, both), time="continuous", every=True
    )
    if listed.status == "proved":  # where equilibria merge, nothing is said
        ax.plot([a] * len(listed.equilibria), [e.gains["a"] for e in listed.equilibria], "C0.")
ax.axvline(1, color="0.8", linewidth=1)
ax.set(xlabel="$a$ in $x' = a x + u_a + u_b$", ylabel="gain of the first player")

# %% [markdown]
# ## A secret
#
# Hexner's game: two points race to a target, and only one of them knows which of two it is. It pays
# to run for the middle first: whoever runs for the true target gives it away. When to do so is
# known in closed form.

# %%
secret = dg.dynamic.Hexner.double_integrator(0.025, 0.1)
print("value", secret.value(np.zeros(2), np.zeros(2), 0.5), "reveal at", secret.reveal_time())

# %%
assert bool(found.converged) and bool(found.convex)
gaps = [np.linalg.norm(cars[:, i] - cars[:, j], axis=1).min() for i, j in ((0, 1), (0, 2), (1, 2))]
assert min(gaps) > 0.4 and np.linalg.norm(blind[:, 0] - blind[:, 1], axis=1).min() < min(gaps)
assert misses[0] < misses[1] / 3
assert proof.status == "proved" and abs(proof.gains["a"][0, 0, 0] * 31 - 11) < 1e-12
assert abs(float(plans["a"][0, 0]) * 11 + 4) < 1e-12
assert len(every.equilibria) == 3
assert abs(secret.value(np.zeros(2), np.zeros(2), 0.5) + 1 / 3) < 1e-9
