# %% [markdown]
# # Share a constraint
#
# So far every player had a set of their own: prices are not negative, probabilities add up to one.
# But mills share a river, fleets share roads, firms share a cap on emissions. Then what one player
# may do depends on what the others do, and a new question comes up that has nothing to do with
# costs: *who gives way?*

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
# ## Two players on a line
#
# The first player would like to be at 1, the second one at 1/2, and together they may have 1 at
# most:
#
# $$\min_{x_1} (x_1 - 1)^2, \qquad \min_{x_2} (x_2 - \tfrac12)^2, \qquad x_1 + x_2 \le 1 .$$
#
# The constraint is a `Polyhedron`, with a column for each coordinate.

# %%
line = dg.Polyhedron([[1.0, 1.0]], [1.0])
game = dg.game(lambda x, _: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2), shared=line)

shares = np.linspace(0.0, 1.0, 21)
gains = [sum(map(float, dg.deviations(game, (t, 1.0 - t)).gaps)) for t in shares]
nobody = [float(t) for t, gain in zip(shares, gains, strict=True) if gain < 1e-9]
print(f"nobody gains alone where x1 is from {nobody[0]:.2f} to {nobody[-1]:.2f}")

# %% [markdown]
# `deviations` solves the problem of each player, with the other one fixed. On half of the line
# nobody can gain: the first player would like more, but the second one has taken it, and the other
# way round. So all these points are equilibria.
#
# They differ in the price that the players pay at the constraint, their *multipliers*. At
# $(t, 1 - t)$ these are $2 (1 - t)$ for the first and $2t - 1$ for the second player. There is one
# point at which both pay the same: the *variational* equilibrium, at $t = 3/4$. It is the natural
# choice where there is a market for the right to use the constraint.

# %%
variational = dg.solve_kkt(game, (0.0, 0.0))
print([round(float(x), 9) for x in variational.strategy], variational.multipliers.round(9))

# %% [markdown]
# ## Weights select the equilibrium
#
# Rosen (1965) let the prices differ by known ratios, $\lambda_i = \lambda / r_i$. Without shared
# constraints such weights are a matter of bookkeeping; here they decide who gives way. And they
# are hidden in innocent places: whoever projects in a metric in which the second player counts
# twice gets the equilibrium of the weights (1, 2), and so does whoever lets the second player take
# steps twice as long.

# %%
figure, ax = plt.subplots(figsize=(5.2, 4.4), layout="compressed")
ax.fill_between([-0.1, 1.1], [1.1, -0.1], -0.1, color="0.93", label="allowed")
ax.plot([nobody[0], nobody[-1]], [1 - nobody[0], 1 - nobody[-1]], color="0.5", linewidth=5)
ends = {}
for colour, weights in zip(plot.COLOURS, ((1.0, 1.0), (1.0, 2.0), (3.0, 1.0)), strict=False):
    field = dg.Normalised(game, weights)
    run = dg.solve(field, dg.Simultaneous(0.1), (0.1, 0.0), tol=1e-10, save_every=1)
    x, y = (np.asarray(block) for block in run.history.strategy)
    ends[weights] = (float(x[-1]), float(y[-1]))
    label = f"weights {weights[0]:g}, {weights[1]:g}: ({x[-1]:.3f}, {y[-1]:.3f})"
    ax.plot(x, y, ".-", color=colour, markersize=4, linewidth=1, label=label)
ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(0, 1.05), ylim=(-0.05, 0.8))
legend = ax.legend(frameon=False, fontsize="small")

# %% [markdown]
# The thick line has all equilibria. Up to the constraint the runs are the same; then each of them
# slides along it to its own end. `dg.solve` refuses steps per player here, since they would lead
# somewhere else in silence:

# %%
refusal = ""
try:
    dg.solve(game, dg.Simultaneous((0.2, 0.1)), (0.0, 0.0))
except ValueError as error:
    refusal = str(error)
print(refusal)

# %% [markdown]
# ## A river
#
# Three mills sell in one market, and what they discharge is measured at two stations (Krawczyk and
# Uryasev, 2000). A projection onto all constraints together needs somebody who knows them all.
# Instead, one can let the stations set prices: they are raised while too much is measured, and each
# mill needs to know nothing but its own costs and these prices. That is what `ExtendedField` is:
# players and multipliers. `PrimalDual` steps along it, with any step for each player, as prices,
# not projections, say who gives way.

# %%
river = dg.games.RiverBasin()
origin = (0.0, 0.0, 0.0)
point = dg.solve_kkt(river, origin)
solution = np.array(point.strategy)
with_prices = dg.with_multipliers(river, origin)
ways = {
    "projected steps": (river, dg.Simultaneous(8.147), origin),
    "prices, PrimalDual": (dg.ExtendedField(river), dg.PrimalDual(8.0, 0.0016), with_prices),
    "prices, AugmentedField": (
        dg.AugmentedField(river, 1e-3, 1e-4),
        dg.Extragradient(4.82),
        with_prices,
    ),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="compressed")
errors = {}
for colour, (name, (field, method, start)) in zip(plot.COLOURS, ways.items(), strict=False):
    run = dg.solve(field, method, start, tol=1e-11, save_every=1)
    path = np.stack([np.asarray(own) for own in run.history.strategy[:3]], 1)
    errors[name] = np.linalg.norm(path - solution, axis=1) / np.linalg.norm(solution)
    left.semilogy(errors[name], color=colour, label=name)
    if len(run.strategy) > 3:
        right.plot(run.history.strategy[3][:, 0], color=colour, label=name)
right.axhline(float(point.multipliers[0]), color="black", linewidth=0.8)
left.set(xlabel="iterations", ylabel="relative error", ylim=(1e-11, 2))
right.set(xlabel="iterations", ylabel="price at the first station", xlim=(0, 100))
left.legend(frameon=False, fontsize="small")
legend = right.legend(frameon=False, fontsize="small")

# %% [markdown]
# ## What is the limit worth?
#
# Equilibria have derivatives, with the active constraints held. So one can ask how the mills'
# profits change with the limit, or choose the limit by gradients. Here: which limit of the first
# station makes the third mill produce 5?


# %%
@jax.jit
@jax.value_and_grad
def third(limit):
    """What the third mill produces under a limit of the first station."""
    limits = jnp.stack([limit, jnp.asarray(100.0)])
    return dg.solve_kkt(dg.games.RiverBasin(limit=limits), origin).strategy[2]


limit, value = jnp.asarray(100.0), jnp.nan
for _ in range(5):
    value, slope = third(limit)
    print(f"limit {float(limit):.6f}: the third mill produces {float(value):.9f}")
    limit = limit - (value - 5.0) / slope

# %% [markdown]
# While the same constraints are active the equilibrium is an affine function of the limit, as
# all costs are quadratic, so the second try is right already.
#
# ## What is proved
#
# So far every number was a measurement. `certify.certify` proves that the river has exactly one
# variational equilibrium in a region, where it is, at which price, which station is at its limit,
# and how far steps may go that are projected onto everything that is allowed.

# %%
river = dg.games.RiverBasin()
region = certify.Box((0.0,) * 3, (40.0,) * 3)
certificate = certify.certify(river, region, [dg.Simultaneous, dg.Extragradient])
shared = certificate.shared
assert shared is not None
print(certificate.status, shared.notion, shared.states)
print(f"within {certificate.equilibrium.radius:.0e} of", certificate.equilibrium.center)
print(f"price from {shared.lower[0]:.13f} to {shared.upper[0]:.13f}")
for name, step in certificate.step_sizes.items():
    print(f"{name}: every step up to {step.max:.3f}, factor {step.rate:.4f} at {step.best:.3f}")

# %% [markdown]
# The same with Rosen's weights is a proof about another equilibrium, and a run with the first
# certificate would not go there. The checker, a small program of its own, reads the file again.

# %%
weights = (1.0, 1.05, 1.1)
rosen = certify.certify(dg.Normalised(river, weights), region, [dg.Extragradient])
assert rosen.shared is not None
print(rosen.shared.notion, np.asarray(rosen.equilibrium.center).round(6))
print(certificate.check(level=2).ok, rosen.check(level=2).ok)

# %%
assert shared.states == ("active", "inactive") and certificate.check().ok
assert shared.lower[0] - 1e-10 <= 0.5743599994 <= shared.upper[0] + 1e-10
assert rosen.shared.notion == "normalised"
assert nobody[0] == 0.5 and nobody[-1] == 1.0
assert np.allclose(variational.strategy, (0.75, 0.25)) and np.isclose(variational.multipliers, 0.5)
assert np.allclose(ends[1.0, 2.0], (2 / 3, 1 / 3)) and "same step" in refusal
assert np.allclose(solution, (21.1447960154, 16.0278534470, 2.7259627009), atol=1e-8)
assert all(error[-1] < 1e-8 for error in errors.values()) and abs(float(value) - 5.0) < 1e-9
