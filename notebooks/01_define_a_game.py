# %% [markdown]
# # Define a game
#
# Minimising *one* function is calculus: follow the gradient downhill. In a **game** there are
# several functions, one per player, and each player may change only some of the variables. This
# notebook defines such a game, and everything else (who pulls where, where nobody wants to move,
# how strongly players push each other) follows by differentiation.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import dgames as dg
from dgames import plot

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## Costs
#
# A factory chooses its output $q$. A town downstream chooses how strict its rules are, $c$. Output
# brings profit, and strict rules make output expensive:
#
# $$f_{\text{factory}} = q^2 - 4q + \ell\,q\,c, \qquad
#   f_{\text{town}} = \tfrac12 (c - q)^2 .$$
#
# The town wants its rules to be as strict as the output deserves. The number $\ell$ is the levy. A
# game is a class with a method `costs`; its attributes are the parameters. A *joint strategy* is a
# container whose first level is the players, here a dictionary. Players minimise.


# %%
class River(dg.Game):
    """A factory, a town, and a levy on what flows between them."""

    levy: float | jax.Array = 1.0

    def costs(self, x, args=None):
        q, c = x["factory"], x["town"]
        return {"factory": q**2 - 4 * q + self.levy * q * c, "town": 0.5 * (c - q) ** 2}


game = River()
x = {"factory": 2.0, "town": 0.5}
print(game.costs(x))

# %% [markdown]
# ## Which way does each player want to go?
#
# Each player looks at the derivative of their *own* cost in their *own* variable. All of these
# together are the **pseudo-gradient**
#
# $$F(q, c) = \Bigl(\frac{\partial f_{\text{factory}}}{\partial q},\;
#   \frac{\partial f_{\text{town}}}{\partial c}\Bigr) = (2q - 4 + \ell c,\; c - q).$$

# %%
field = dg.pseudo_gradient(game)
print({name: float(force) for name, force in field(x).items()})

# %% [markdown]
# The picture shows $-F$, the way the players move, and two runs in continuous time, $\dot x =
# -F(x)$. They do not walk straight to where they end up: they curve around each other.

# %%
starts = {"factory": 0.2, "town": 2.6}, {"factory": 2.7, "town": 0.3}
paths = [dg.flow(game, start, t1=10.0) for start in starts]
ax = plot.phase_portrait(
    game,
    (0, 3),
    (0, 3),
    trajectories=paths,
    equilibrium={"factory": 4 / 3, "town": 4 / 3},
    like=x,
)

# %% [markdown]
# ## Where does nobody want to move?
#
# Where $F = 0$. Each cost is convex in its own player's variable, so there nobody can do better by
# moving alone: it is a **Nash equilibrium**. Here $c = q$ and $2q - 4 + \ell q = 0$, so
# $q = c = 4/(2 + \ell)$. `dg.solve` finds it by taking steps of some method along the field.

# %%
solution = dg.solve(game, dg.Simultaneous(0.3), x, tol=1e-12)
for name, value in solution.strategy.items():
    print(f"{name:8} {value:.10f}")
print(f"after {solution.steps} steps, |F| = {solution.residual:.0e}")


# %% [markdown]
# An equilibrium is not the minimum of anything. The *sum* of the two costs, say, is smallest
# without any rules at all; but then the town, on its own, would rather have some.


# %%
def total(x):
    """What both of them pay together."""
    return sum(game.costs(x).values())


together = {"factory": 4 / 3, "town": 0.0}
print(f"the sum, at its minimum:     {total(together):.4f}")
print(f"the sum, at the equilibrium: {total(solution.strategy):.4f}")
print(f"the town's own slope at that minimum: {field(together)['town']:.4f}")

# %% [markdown]
# ## How strongly do players push each other?
#
# The second derivatives say. Row by row: how a player's force changes when that player moves (the
# *curvature*, on the diagonal), and when the others do (the *coupling*, off the diagonal).

# %%
J = dg.jacobian_blocks(game, solution.strategy)
for row in J:
    print(f"{row:8}", {column: J[row][column].item() for column in J[row]})

# %% [markdown]
# The two couplings differ: $+1$ and $-1$. A matrix of second derivatives of a single function would
# be symmetric, so $F$ is the gradient of no function at all. That is why the paths turn, and why
# plain optimisation theory does not apply.
#
# ## Parameters are ordinary arrays
#
# A game is a pytree. It can be passed through `jax.jit`, `jax.vmap` and `jax.jvp` like any other.
# Below the equilibrium is found for forty levies at once, and differentiated with respect to the
# levy.


# %%
def output(levy):
    """What the factory makes in equilibrium."""
    return dg.solve(River(levy), dg.Simultaneous(0.3), x, tol=1e-12).strategy["factory"]


levies = jnp.linspace(0.0, 4.0, 40)
outputs = jax.vmap(output)(levies)
_, slope = jax.jvp(output, (1.0,), (1.0,))

figure, ax = plt.subplots(figsize=(5, 3), layout="compressed")
ax.plot(levies, outputs, "o", color=plot.COLOURS[0], markersize=4, label="solved")
ax.plot(levies, 4 / (2 + levies), color="black", linewidth=1, label=r"$4 / (2 + \ell)$")
ax.axline((1.0, 4 / 3), slope=float(slope), color=plot.COLOURS[1], linestyle="--", label="tangent")
ax.set(xlabel=r"levy $\ell$", ylabel="output in equilibrium", ylim=(0.5, 2.1))
ax.spines[["top", "right"]].set_visible(False)
legend = ax.legend(frameon=False)

# %% [markdown]
# ## More players, of any shape
#
# A player's block may be anything: a number, an array, a dictionary of arrays, a neural network.
# Only the first level, the players, has a meaning. Here a designer has a matrix and a bias, two
# users have vectors. `dg.game` makes a game of a function.


# %%
def workshop(x, args):
    """A designer fits a linear map to what two users want from it; users follow it half-way."""
    design, ann, bob = x["designer"], x["ann"], x["bob"]
    target = {"ann": jnp.array([1.0, 0.0]), "bob": jnp.array([0.0, 1.0])}

    def answer(user):
        return design["matrix"] @ user + design["bias"]

    errors = [jnp.sum((answer(user) - user) ** 2) for user in (ann, bob)]
    size = jnp.sum(design["matrix"] ** 2) + jnp.sum(design["bias"] ** 2)
    return {
        "designer": sum(errors) + size,
        "ann": jnp.sum((ann - target["ann"]) ** 2) + jnp.sum((ann - answer(ann)) ** 2),
        "bob": jnp.sum((bob - target["bob"]) ** 2) + jnp.sum((bob - answer(bob)) ** 2),
    }


big = dg.game(workshop)
start = {
    "designer": {"matrix": jnp.zeros((2, 2)), "bias": jnp.zeros(2)},
    "ann": jnp.ones(2),
    "bob": jnp.ones(2),
}
dg.check_game(big, start)
names, sizes = dg.player_names(start), dg.dimensions(start)
print(dict(zip(names, sizes, strict=True)))
found = dg.solve(big, dg.Simultaneous(0.1), start, tol=1e-10)
print("converged:", bool(found.result == dg.RESULTS.successful), "in", int(found.steps), "steps")

# %% [markdown]
# The Jacobian of this game, block by block (JAX sorts the keys of dictionaries). On the diagonal
# are each player's own curvatures. The users do not care about each other, so those blocks are
# empty.

# %%
blocks = dg.jacobian_blocks(big, found.strategy)
dense = jnp.block([[blocks[row][column] for column in names] for row in names])
ends = jnp.cumsum(jnp.array(sizes))

figure, ax = plt.subplots(figsize=(4.6, 3.6), layout="compressed")
image = ax.imshow(dense, cmap="RdBu", vmin=-6, vmax=6)
for end in ends[:-1]:
    ax.axhline(end - 0.5, color="black", linewidth=1)
    ax.axvline(end - 0.5, color="black", linewidth=1)
middles = ends - jnp.array(sizes) / 2 - 0.5
ax.set_xticks(middles, names)
ax.set_yticks(middles, names, rotation=90, va="center")
bar = figure.colorbar(image, label="entry of the Jacobian")

# %% [markdown]
# Mistakes are errors that say what is wrong, before anything runs.

# %%
message = ""
try:
    dg.solve(dg.game(lambda x, args: {"factory": x["factory"] ** 2}), dg.Simultaneous(0.1), x)
except ValueError as error:
    message = str(error)
print(message)

# %% [markdown]
# ## What was claimed
#
# Everything above, as assertions: they are executed whenever this notebook is tested.

# %%
q, c = solution.strategy["factory"], solution.strategy["town"]
assert abs(q - 4 / 3) < 1e-11 and abs(c - 4 / 3) < 1e-11
for player in x:  # the pseudo-gradient is each player's own derivative
    own = jax.grad(lambda value, who=player: game.costs({**x, who: value})[who])(x[player])
    assert abs(own - field(x)[player]) < 1e-12
assert [J[a][b].item() for a in x for b in x] == [2.0, 1.0, -1.0, 1.0]
assert jnp.allclose(outputs, 4 / (2 + levies), rtol=0, atol=1e-10)
assert abs(slope + 4 / 9) < 1e-9  # the derivative of 4 / (2 + levy)
assert total(together) < total(solution.strategy) and field(together)["town"] < 0
assert all(abs(v) < 1e-12 for v in jax.grad(total)(together).values())
ends_of_paths = [path.strategies[name][-1] for path in paths for name in x]
assert all(abs(value - 4 / 3) < 1e-5 for value in ends_of_paths)
assert bool(found.result == dg.RESULTS.successful) and dg.residual(big, found.strategy) < 1e-10
assert sizes == (2, 2, 6) and dense.shape == (10, 10)
assert not jnp.any(blocks["ann"]["bob"]) and not jnp.any(blocks["bob"]["ann"])
assert "no cost for player 'town'" in message
