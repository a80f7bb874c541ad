# %% [markdown]
# # Certify offline
#
# You have a game, and a region of strategies in which it will be played. Before anything runs you
# would like to know: is there exactly one equilibrium in there, do the dynamics reach it from
# wherever they start, and how large may the steps be? Trying many starts cannot answer that. This
# notebook makes a **certificate**: a file with a proof, for every point of the region.
#
# Three words are kept apart throughout. An **estimate** comes from samples and bounds nothing.
# **Proved** holds at every point and for every rounding error. **Checked** means that a second,
# small program has verified the file.

# %%
import warnings

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, Rectangle

import certify
import dgames as dg
from dgames import plot

jax.config.update("jax_enable_x64", True)  # proofs are made in float64

# %% [markdown]
# ## A game and a region
#
# Two players, one payoff, which $a$ pays and $b$ receives:
#
# $$f(a, b) = \tfrac12 a^2 - \tfrac12 a + s \tanh(a)\, b - \tfrac12 b^2 .$$
#
# Everything hinges on one quantity. If
# $\langle F(x) - F(y),\, x - y\rangle \ge m\,|x - y|^2$ for all $x, y$ in the region with some
# $m > 0$, then $F$ pulls any two points towards each other, there cannot be two equilibria, and the
# flow $\dot x = -F(x)$ contracts at rate $m$. The best such $m$ is the **margin**: the smallest
# eigenvalue of the symmetric part of the Jacobian, over the whole region.
#
# Here the couplings are opposite and cancel in the symmetric part. What is left is $b$'s curvature,
# 1, and $a$'s, which is $1 - 2 s\, b \tanh(a) / \cosh^2(a)$. Since $\tanh / \cosh^2$ is at most
# $2/(3\sqrt3)$, the true margin over the square $|a|, |b| \le R$ is $1 - 4sR/(3\sqrt3)$ (for
# $R \ge 0.66$). Weighing the players differently in the norm would not help. We will not tell the
# prover.


# %%
class Pull(dg.ZeroSum):
    strength: float = 0.4

    def payoff(self, x, args=None):
        a, b = x["a"], x["b"]
        return 0.5 * a**2 - 0.5 * a + self.strength * jnp.tanh(a) * b - 0.5 * b**2


game = Pull(0.4)
middle = {"a": 0.0, "b": 0.0}
region = certify.Box.around(middle, 2.0)


def true_margin(strength, size):
    """By hand, as above."""
    return 1 - 4 * strength * size / (3 * np.sqrt(3))


# %% [markdown]
# ## Corners, samples, proof
#
# A tempting shortcut is to look at the four corners of the region: surely the extremes are there?
# A better one is to look at a thousand random points. The third way encloses the Jacobian over
# small cells, with every rounding error paid for, and cuts the cells until they prove enough.


# %%
def smallest_eigenvalue(game, x):
    """Of the symmetric part of the Jacobian at one point."""
    J = dg.jacobian_blocks(game, x)
    J = jnp.block([[J[row][column] for column in "ab"] for row in "ab"])
    return jnp.linalg.eigvalsh(0.5 * (J + J.T))[0]


def at_corners(game, size):
    """The smallest value at the corners of the square: an estimate, and a poor one."""
    signs = [(i, j) for i in (-1, 1) for j in (-1, 1)]
    return min(float(smallest_eigenvalue(game, {"a": size * i, "b": size * j})) for i, j in signs)


sampled = certify.estimate(game, region, samples=1000, key=jax.random.key(0))
certificate = certify.certify(game, region, methods=[dg.Simultaneous, dg.Extragradient])
print(f"at the corners   {at_corners(game, 2.0):.4f}  (an estimate)")
print(f"1000 samples     {sampled.margin:.4f}  (an estimate)")
print(f"true             {true_margin(0.4, 2.0):.4f}")
print(f"{certificate.status}           {certificate.margin:.4f}  with {certificate.cells} cells")

# %% [markdown]
# Both estimates are too large, as estimates of a minimum must be. The corners are off by more than
# a factor of two, because the minimum is in the middle of an edge. The proved margin is a little
# too small, and that is the safe side. (It stops at 97% of what more cells could prove, unless
# asked for more.)
#
# The picture has the smallest eigenvalue, point by point, and the cells of the proof, which are in
# the file: a tree of cuts, each node before its two children.


# %%
def cells(nodes, lower, upper):
    """The cells of a certificate as pairs of corners."""
    node = next(nodes)
    if "split" not in node:
        return [(lower, upper)]
    k, at = node["split"], float.fromhex(node["at"])
    left, right = list(upper), list(lower)
    left[k], right[k] = at, at
    return cells(nodes, lower, left) + cells(nodes, right, upper)


found = cells(iter(certificate.data["evidence"]["cells"]), [-2.0, -2.0], [2.0, 2.0])
side = jnp.linspace(-2, 2, 121)
grid = dict(zip("ab", jnp.meshgrid(side, side), strict=True))
values = jax.vmap(jax.vmap(lambda a, b: smallest_eigenvalue(game, {"a": a, "b": b})))(
    grid["a"], grid["b"]
)

figure, ax = plt.subplots(figsize=(5.4, 4.2), layout="compressed")
image = ax.pcolormesh(side, side, values, cmap="cividis", rasterized=True)
for lower, upper in found:
    size = (upper[0] - lower[0], upper[1] - lower[1])
    corner = (lower[0], lower[1])
    ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=0.6))
corners = [(i, j) for i in (-2, 2) for j in (-2, 2)]
ax.plot(*zip(*corners, strict=True), "o", color=plot.COLOURS[1], clip_on=False, label="corners")
ax.set(xlabel="a", ylabel="b", aspect="equal")
bar = figure.colorbar(image, label="smallest eigenvalue")

# %% [markdown]
# ## Where corners are simply wrong
#
# With a stronger pull on a larger square, the corners still promise a margin of 0.74. In truth
# $a$'s cost is not even convex everywhere: the prover **refutes** the region, and names a point.

# %%
strong, large = Pull(2.0), certify.Box.around(middle, 2.5)
refuted = certify.certify(strong, large)
print(f"at the corners: {at_corners(strong, 2.5):.2f}, true: {true_margin(2.0, 2.5):.2f}")
print(refuted.status, "because", *refuted.reasons)

# %% [markdown]
# There is a third answer, **undecided**: no proof was found, and nothing is claimed either way.
# More cells may help, as below. Or nothing of this kind can: on $ab$ alone no two points come
# closer under the flow, in any constant metric, though some methods converge there.

# %%
# Other roads to a proof need no cells (see the page on whole spaces), so cells are asked for.
hasty = certify.certify(
    game, region, enclosure=certify.Taylor(), search=certify.Search(max_cells=1)
)
bilinear = certify.certify(dg.games.Bilinear(1.0), certify.Box.around((0.0, 0.0), 1.0))
for attempt in (hasty, bilinear):
    print(f"{attempt.status}: {attempt.reasons[-1]}")

# %% [markdown]
# ## What the certificate says
#
# - `equilibrium`: there is exactly one in the region, in this box.
# - `margin` and `lipschitz`: how fast the flow contracts at least, and how strongly $F$ changes at
#   most.
# - `basin`: a ball around the equilibrium, inside the region. From every start in it the flow
#   converges, and comes closer all the time.
# - `step_sizes`: for each method a `max`, below which *every* step size converges from the method's
#   basin, and a `best`, of which a `rate` is proved: the distance shrinks by that factor in each
#   step, in the norm that the certificate states.

# %%
x = certificate.equilibrium.center
width = max(float(certificate.equilibrium.upper[p] - certificate.equilibrium.lower[p]) for p in x)
print(f"equilibrium at a = {x['a']:.6f}, b = {x['b']:.6f}, known to {width:.0e}")
print(f"margin {certificate.margin:.4f}, Lipschitz constant {certificate.lipschitz:.4f}")
print(f"basin of the flow: radius {certificate.basin.radius:.4f}")
for name, step in certificate.step_sizes.items():
    print(
        f"{name:13} max {step.max:.4f}, best {step.best:.4f} with rate {step.rate:.4f}, "
        f"basin {step.basin:.4f}"
    )

# %% [markdown]
# Give the certificate to `dg.solve` in place of a step size, and the best proved step of that
# method is taken. Below are runs of extragradient from twelve starts on the edge of its basin, and
# their distances from the equilibrium beside the proved rate. Real runs are faster: the rate has
# to hold for every game with such a margin and such a Lipschitz constant.

# %%
radius, rate = (getattr(certificate.step_sizes["extragradient"], k) for k in ("basin", "rate"))
spread = np.sqrt([certificate.weights[p] for p in "ab"])  # of the norm in which it is a ball
centre = np.array([float(x["a"]), float(x["b"])])
runs = []
for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
    point = centre + 0.9999 * radius * np.array([np.cos(angle), np.sin(angle)]) / spread
    runs.append(
        dg.solve(
            game,
            dg.Extragradient,
            {"a": point[0], "b": point[1]},
            step_size=certificate,
            max_steps=25,
            tol=1e-14,
            save_every=1,
        )
    )

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.7), layout="constrained")
plot.phase_portrait(
    game, (-2.2, 2.2), (-2.2, 2.2), trajectories=runs, like=middle, density=0.8, ax=left
)
for line in left.lines:
    line.set(color=plot.COLOURS[0], markersize=4)
left.add_patch(Rectangle((-2, -2), 4, 4, fill=False, linewidth=1.6, label="region"))
for size, style, name in (
    (certificate.basin.radius, "--", "basin of the flow"),
    (radius, "-", "basin of extragradient"),
):
    left.add_patch(
        Circle(tuple(centre), size, fill=False, linestyle=style, color=plot.COLOURS[1], label=name)
    )
left.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
shrinks = []
for run in runs:
    path = np.stack([run.history.strategy[p] for p in "ab"], -1)
    distance = np.linalg.norm((path - centre) * spread, axis=-1)
    shrinks.append(distance[1:] / distance[:-1])
    right.plot(distance, color=plot.COLOURS[0], linewidth=1)
right.plot(radius * rate ** np.arange(26), color=plot.COLOURS[1], label="proved, from the edge")
right.set(yscale="log", xlabel="step", ylabel="distance from the equilibrium")
right.spines[["top", "right"]].set_visible(False)
legend = right.legend(frameon=False)

# %% [markdown]
# Outside its region a certificate promises nothing, and `dg.solve` says so.

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    dg.solve(game, dg.Extragradient, {"a": 3.0, "b": 3.0}, step_size=certificate)
print(caught[0].message)

# %% [markdown]
# ## How far does a proof reach?
#
# `certify.grow` looks for about the largest ball with a proof, up to 5%. By hand: the curvature of
# $a$ is lost where $b$ reaches $3\sqrt3/(4s) = 3.248$, which is 3.09 away from the equilibrium.

# %%
grown = certify.grow(game, x, least=1.0, most=10.0)
ball = grown.region
assert isinstance(ball, certify.Ball)
lost = np.hypot(np.arctanh(1 / np.sqrt(3)) - centre[0], 3 * np.sqrt(3) / 1.6 - centre[1])
print(f"{grown.status} on the ball of radius {ball.radius:.3f}, of {lost:.3f} by hand")

# %% [markdown]
# ## The file
#
# A certificate is saved as text that others can check without trusting this program, or JAX, or
# NumPy: that is the subject of [another notebook](08_check_someone_elses_certificate.ipynb). At
# level 2 the checker derives even the bounds on derivatives itself, from the costs.

# %%
path = certificate.save("pull.certificate.json")
verdict = certify.check(path, level=2)
print(f"{path.stat().st_size} bytes;", "accepted" if verdict.ok else verdict.reasons)
for sentence in verdict.rederived:
    print("- re-derived:", sentence)

# %% [markdown]
# ## What was claimed

# %%
truth = true_margin(0.4, 2.0)
assert certificate.status == "proved"
assert 0.97 * truth < certificate.margin <= truth <= sampled.margin < at_corners(game, 2.0)
assert float(values.min()) >= certificate.margin  # on a grid: no proof, but it must not disagree
assert len(found) == certificate.cells
assert refuted.status == "refuted" and at_corners(strong, 2.5) > 0.7 > 0 > true_margin(2.0, 2.5)
assert hasty.status == bilinear.status == "undecided"

force = dg.pseudo_gradient(game)(x)
assert max(abs(value) for value in force.values()) < 1e-12 and width < 1e-10
assert max(np.max(shrink[:20]) for shrink in shrinks) <= rate
assert all(int(run.left) == -1 for run in runs)  # none of them left the region
assert "region" in str(caught[0].message)
assert grown.status == "proved" and 0.9 * lost < ball.radius < lost
assert verdict.ok and len(verdict.rederived) == 3
