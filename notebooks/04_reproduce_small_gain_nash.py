# %% [markdown]
# # Reproduce Small-Gain Nash
#
# A game need not shrink distances in the usual sense to be harmless: it may do so in another norm.
# Sharma (*Small-Gain Nash*, 2025, [arXiv:2512.06791](https://arxiv.org/abs/2512.06791)) weighs the
# players against each other until it does. Here are two of the paper's examples, recomputed, and
# beside each of them what can be *proved*: where the paper's certificate is right, where it gives
# away a factor of six, and where it is no certificate. (They follow its abstract and public code.)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

import certify
import dgames as dg
from dgames import plot

jax.config.update("jax_enable_x64", True)  # proofs are made in float64

# %% [markdown]
# ## Out of the ball, trapped in the ellipse
#
# Two players with one number each:
#
# $$f_1 = \tfrac12 x^2 + 10\,x y, \qquad f_2 = \tfrac12 y^2 + \tfrac1{20}\,x y .$$
#
# Player 2 moves player 1 two hundred times as strongly as the other way round. Follow gradient
# steps, $x \leftarrow x - h\,\partial f_1/\partial x$ and likewise for $y$, from a point near the
# equilibrium $(0, 0)$, and watch two distances to it: the usual one, and
# $\sqrt{x^2 + 200\,y^2}$. (The picture is stretched upward: the grey curve is a circle.)


# %%
@dg.game
def game(x, args):
    coupling = x["x"] * x["y"]
    return {"x": x["x"] ** 2 / 2 + 10.0 * coupling, "y": x["y"] ** 2 / 2 + 0.05 * coupling}


start = {"x": 0.15, "y": -0.15}
run = dg.solve(game, dg.Simultaneous(5e-4), start, max_steps=3000, tol=0.0, save_every=1)
x, y = (np.asarray(run.history.strategy[name]) for name in "xy")
usual, weighed = np.hypot(x, y), np.sqrt(x**2 + 200 * y**2)

figure, (plane, norms) = plt.subplots(1, 2, figsize=(9, 3.6), layout="compressed")
style = {"fill": False, "linestyle": "--"}
plane.add_patch(Ellipse((0, 0), 2 * usual[0], 2 * usual[0], edgecolor="0.5", **style))
height = 2 * weighed[0] / np.sqrt(200)
plane.add_patch(Ellipse((0, 0), 2 * weighed[0], height, edgecolor=plot.COLOURS[1], **style))
plane.plot(x, y, color=plot.COLOURS[0])
plane.plot(x[0], y[0], "o", color=plot.COLOURS[0])
plane.set(xlabel="x", ylabel="y", xlim=(-2.3, 2.3), ylim=(-0.25, 0.25))
norms.plot(usual / usual[0], color="0.5", label="usual distance")
norms.plot(weighed / weighed[0], color=plot.COLOURS[1], label="weighed distance")
norms.set(xlabel="step", ylabel="relative to the start", yscale="log")
norms.legend()
print(f"usual distance: {usual[0]:.6f} at the start, {usual.max():.6f} at most")

# %% [markdown]
# The usual distance triples before it falls; the weighed one never rises. No luck is involved. If
# player i's cost has curvature $\mu_i$ in the player's own move, and the others' moves enter the
# gradient with strength $L_{ij}$, then weights $w$ give a **margin** (the rate at which the flow
# pulls any two points together) of
#
# $$\lambda_{\min}\begin{pmatrix} \mu_1 & -\tfrac12(L_{12}/\sqrt r + L_{21}\sqrt r) \\
#   \cdot & \mu_2 \end{pmatrix}, \qquad r = w_2 / w_1 .$$
#
# It is positive in a whole band of ratios. `timescale_band` proves the band, `small_gain` finds the
# best ratio in closed form, and `certify` proves all of it for the costs as they stand.

# %%
low, high = certify.timescale_band([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
best = certify.small_gain([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
certificate = certify.certify(game, certify.Box.around({"x": 0.0, "y": 0.0}, 3.0))
ratio = best.weights[1] / best.weights[0]
print(f"band of ratios   {low:.4f} to {high:.4f} (proved)")
print(f"best ratio       {ratio:.4f}, margin {best.margin:.7f} (proved)")
print(f"certificate      margin {certificate.margin:.7f}, lipschitz {certificate.lipschitz:.7f}")

# %% [markdown]
# ## How large a step?
#
# From the margin $\alpha$ and the Lipschitz constant $\beta$ follows the paper's step: distances
# shrink if $h < 2\alpha/\beta^2$. That is true, and the best one can say *knowing only these two
# numbers*. But more is known: own curvatures are those of symmetric matrices. Using that, the
# certificate proves steps right up to where Euler's method stops converging, $2/\beta$ here.
#
# The paper's second game has 32 coordinates per player and couplings $10 s R$ and $s R^T/20$ with
# $R$ orthogonal. All its constants are those of the same game with one coordinate each, for every
# strength $s$, so we take one.

# %%
strengths = np.linspace(0.2, 1.3, 4)
paper, proved = [], []
for strength in strengths:
    linear = dg.games.Quadratic.small_gain_nash(strength, dim=1)
    box = certify.Box.around((jnp.zeros(1), jnp.zeros(1)), 1.0)
    found = certify.certify(linear, box, metric=certify.AutoMetric(objective="margin"))
    paper.append(2 * found.margin / found.lipschitz**2)
    proved.append(found.step_sizes["simultaneous"].max)
limit = 2 / (1 + strengths / np.sqrt(2))

figure, axis = plt.subplots(figsize=(5.4, 3.4), layout="compressed")
axis.plot(strengths, limit, color="black", label="limit of Euler's method")
axis.plot(strengths, proved, "o", color=plot.COLOURS[1], label="proved")
axis.plot(strengths, paper, "s-", color=plot.COLOURS[0], label=r"paper: $2\alpha/\beta^2$")
axis.set(xlabel="strength", ylabel="step", ylim=(0, 2.1))
axis.legend()
step = certificate.step_sizes["simultaneous"].max
print(f"strength 1: paper {2 * best.margin / certificate.lipschitz**2:.4f}, proved {step:.4f}")

# %% [markdown]
# ## Where it is no certificate
#
# For the classical Runge-Kutta method the paper takes $h = 2.5/\beta$, whatever the margin. Here is
# a linear game of three players, monotone in the usual norm ($\alpha > 0$), with $\beta < 1$. One
# step of 2.5 leads *away* from the equilibrium, by 16%.

# %%
J = np.array([[0.5969, -0.1929, 0.6536], [-0.2927, 0.2308, -0.2442], [-0.7462, -0.2797, 0.6037]])
alpha = np.linalg.eigvalsh((J + J.T) / 2)[0]
beta = np.linalg.norm(J, 2)


def one_step(h):
    """The matrix of one Runge-Kutta step."""
    z = -h * J
    return np.eye(3) + z + z @ z / 2 + z @ z @ z / 6 + z @ z @ z @ z / 24


steps = np.linspace(0.0, 2.8, 141)
factors = [np.linalg.norm(one_step(h), 2) for h in steps]
factor = np.linalg.norm(one_step(2.5), 2)
radius = np.abs(np.linalg.eigvals(one_step(2.5))).max()

figure, axis = plt.subplots(figsize=(5.4, 3.2), layout="compressed")
axis.plot(steps, factors, color=plot.COLOURS[0])
axis.plot(2.5, factor, "o", color=plot.COLOURS[0])
axis.axhline(1.0, color="0.7", linewidth=0.8)
axis.set(xlabel="step", ylabel="norm of one step")
print(f"margin {alpha:.6f}, lipschitz {beta:.6f}: norm of one step of 2.5 is {factor:.4f}")
print(f"its spectral radius is {radius:.4f}: linear games converge all the same, in the end")

# %% [markdown]
# Nonlinear fields need not. The worst case over *all* fields of a margin and a Lipschitz constant
# is a semidefinite program, and `certify.rate` proves its solution: at $\beta/\alpha = 10$ one such
# step may multiply a distance by 5.24 (and there is a field for which it does). What is proved to
# contract is a step of 0.2; what is proved to come nearer to the equilibrium, one of 1.55.

# %%
worst = certify.rate(dg.RungeKutta4(2.5), 0.1, 1.0, convergence="pairwise").rate
pairwise = certify.largest_rate_step(dg.RungeKutta4(1.0), 0.1, 1.0, convergence="pairwise")
nearer = certify.largest_rate_step(dg.RungeKutta4(1.0), 0.1, 1.0)
print(f"one step of 2.5: at most {worst:.4f} (proved)")
print(f"contracting steps up to {pairwise:.4f}, approaching steps up to {nearer:.4f} (proved)")

# %% [markdown]
# ## The rest of the paper
#
# `python -m experiments` has it all, with figures: random games, noise, the Markov game. Two things
# worth knowing from there. The paper takes its constants for the Markov game from the corners of a
# cube of logits, which bound nothing: at radius 1 the coupling is 0.635 in the corners and 0.690
# inside. And its test knows norms alone: of thirty random games at strength 2.5 it certifies none,
# while all of them contract, which their Jacobians prove.

# %%
assert abs(usual[0] - 0.212132) < 1e-6 and abs(usual.max() - 0.675969) < 1e-6
assert (np.diff(weighed) < 0).all()
assert abs(low - 34.31457505076194) < 1e-9 and abs(high - 1165.6854249492378) < 1e-6
assert abs(ratio - 200) < 1e-6 and abs(best.margin - (1 - 1 / np.sqrt(2))) < 1e-9
assert certificate.status == "proved" and abs(certificate.margin - best.margin) < 1e-9
assert np.all(limit - 1e-8 < proved) and np.all(proved <= limit)
assert np.all(np.array(paper) < proved) and step > 5.8 * 2 * best.margin / certificate.lipschitz**2
assert alpha > 0 and beta < 1 and factor > 1.161 and radius < 1
assert abs(worst - 5.24) < 0.01 and abs(pairwise - 0.2007) < 1e-3 and 1.44 < nearer < 2.5
