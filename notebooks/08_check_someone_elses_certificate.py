# %% [markdown]
# # Check someone else's certificate
#
# A file arrives. Its sender says that it proves something about a game: one equilibrium,
# convergence, safe steps. You have not seen the program that made it, and you would rather not
# trust it. You do not have to: a proof is easier to check than to find. This notebook checks one,
# tries to cheat, and ends with what remains to be believed.

# %%
import copy
import json
import operator
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import certify.checker
from certify.checker import Unusable, check, check_data
from certify.checker.graph import graph_hash
from certify.checker.reader import digest

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"

# %% [markdown]
# ## The sender
#
# Somewhere else, with JAX, with a search in floating point and whatever tricks it likes, somebody
# makes a file. (Here, so that this notebook needs no file from outside. From the next cell on, no
# JAX is used.)


# %%
def sender(path):
    """Certifies a factory and a town on the square of half-width 1 around their equilibrium."""
    import jax

    import dgames as dg

    jax.config.update("jax_enable_x64", True)

    def river(x, args):
        q, c = x["factory"], x["town"]
        return {"factory": q**2 - 4 * q + 0.1 * q**4 + q * c, "town": 0.5 * (c - q) ** 2}

    game = dg.game(river)
    found = dg.solve(game, dg.Simultaneous(0.2), {"factory": 1.0, "town": 1.0}, tol=1e-12)
    certify.certify(game, certify.Box.around(found.strategy, 1.0)).save(path)


folder = Path(tempfile.mkdtemp())
file = folder / "river.json"
sender(file)

# %% [markdown]
# ## What does it claim?
#
# The file is plain text. Numbers that matter are hexadecimal floats, because those are exact: what
# is written is what is meant, to the last bit.

# %%
data = json.loads(file.read_text())
claims = data["claims"]
print("players:", [player["name"] for player in data["game"]["players"]])
print("margin as written:", claims["margin"])


def number(text):
    """What a hexadecimal float says."""
    return float.fromhex(text)


step = claims["steps"][0]
print(f"strongly monotone with margin at least {number(claims['margin']):.5f}")
print("one equilibrium near", [round(number(c), 6) for c in claims["equilibrium"]["center"]])
print(f"every start within {number(claims['basin']['radius']):.4f} of it converges")
print(f"{step['method']} steps: all below {number(step['max']):.4f} converge;", end=" ")
print(f"{number(step['best']):.4f} with the rate {number(step['rate']):.4f}")

# %% [markdown]
# And about which game? That is in the file too, as a list of operations on numbers. Ten lines turn
# it into formulas that you can compare with the game you have in mind.


# %%
def formulas(game):
    """The costs in a certificate, as text."""
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
    words = [player["name"] for player in game["players"]]  # one coordinate each, here
    for operation, *operands in game["graph"]["nodes"]:
        if operation == "constant":
            words.append(f"{number(operands[0]):g}")
        elif operation == "power":
            words.append(f"{words[operands[0]]}^{operands[1]}")
        else:
            a, b = (words[operand] for operand in operands)
            words.append(f"({a} {signs[operation]} {b})")
    return [words[output] for output in game["graph"]["outputs"]]


for player, cost in zip(data["game"]["players"], formulas(data["game"]), strict=True):
    print(f"{player['name']} pays {cost}")

# %% [markdown]
# ## Check it
#
# At **level 1** the checker verifies, in exact rational arithmetic, that every claim follows from
# the evidence in the file: bounds on the second derivatives of the costs, cell by cell. It takes
# these bounds as given. At **level 2** it derives them again, from the formulas above, with ball
# arithmetic and Taylor polynomials of its own.

# %%
first, second = check(file), check(file, level=2)
print("level 1:", "accepted" if first.ok else first.reasons)
print("level 2:", "accepted" if second.ok else second.reasons)
for sentence in second.rederived:
    print("- derived from the costs:", sentence)

# %% [markdown]
# ## Try to cheat
#
# Change a number in the text, and the checksum at the end of the file does not fit any more. The
# file is not even looked at.

# %%
careless = folder / "careless.json"
careless.write_text(file.read_text().replace(claims["margin"], (2.0).hex()))
complaint = ""
try:
    check(careless)
except Unusable as error:
    complaint = str(error).removeprefix(f"{careless}: ")
print("unusable:", complaint)

# %% [markdown]
# A checksum stops accidents, not cheats: anybody can compute a new one. So let us do that, and
# exaggerate one claim at a time.


# %%
def with_claim(path, factor):
    """The contents of the file with one claim multiplied by a factor, and a fitting checksum."""
    changed = copy.deepcopy(data)
    *way, last = path
    place = changed["claims"]
    for key in way:
        place = place[key]
    place[last] = (factor * number(place[last])).hex()
    return {**changed, "digest": digest(changed)}


CLAIMS = {
    "margin": ["margin"],
    "Lipschitz constant": ["lipschitz"],
    "radius of the basin": ["basin", "radius"],
    "largest step": ["steps", 0, "max"],
    "rate": ["steps", 0, "rate"],
}
better = {name: 0.9 if name in ("Lipschitz constant", "rate") else 1.1 for name in CLAIMS}
reasons = {name: check_data(with_claim(way, better[name])).reasons for name, way in CLAIMS.items()}
for name, why in reasons.items():
    print(f"{name} times {better[name]}: rejected, as it does not follow that")
    print("   ", "; ".join(why))

# %% [markdown]
# Where exactly does the checker draw the line? Multiply each claim by factors around 1. The margin
# of this game is 1, by hand (the town's curvature), and nothing above it gets through. Nor does
# anything below it, although a smaller margin is just as true: the file also says how precisely
# the equilibrium is known, and *that* follows from no smaller margin. What counts is not whether a
# claim is true but whether it follows.

# %%
factors = np.linspace(0.8, 1.2, 81)
accepted = np.array(
    [[check_data(with_claim(way, f)).ok for f in factors] for way in CLAIMS.values()]
)
figure, ax = plt.subplots(figsize=(6.4, 2.6), layout="compressed")
for row, verdicts in enumerate(accepted):
    for verdict, colour in ((True, GREEN), (False, ORANGE)):
        at = factors[verdicts == verdict]
        ax.plot(at, np.full(len(at), row), "|", color=colour, markersize=16, markeredgewidth=3)
ax.axvline(1, color="black", linewidth=0.8)
ax.set_yticks(range(len(CLAIMS)), list(CLAIMS))
ax.set(xlabel="claimed, as a share of what the file claims", ylim=(4.6, -0.6))
title = ax.set_title("green: accepted, orange: rejected", fontsize="medium")

humble = check_data(with_claim(["margin"], 0.9)).reasons
print("margin times 0.9: it does not follow that", *humble)

# %% [markdown]
# A cleverer cheat leaves the claims alone and changes the *game*: the formulas say one thing, the
# evidence is that of another. Below the town's cost is halved, so its curvature is one half and no
# margin of 1 can be right. Level 1 cannot see that: it takes the bounds as given. Level 2 does.

# %%
swapped = copy.deepcopy(data)
nodes = swapped["game"]["graph"]["nodes"]
half = max(k for k, node in enumerate(nodes) if node == ["constant", (0.5).hex()])
nodes[half] = ["constant", (0.25).hex()]
swapped["game"]["graph"]["hash"] = graph_hash(nodes, swapped["game"]["graph"]["outputs"])
swapped["digest"] = digest(swapped)
other = folder / "swapped.json"
other.write_text(json.dumps(swapped))
blind, seeing = check(other), check(other, level=2)
print("the file now says that the town pays", formulas(swapped["game"])[1])
print("level 1:", "accepted" if blind.ok else "rejected")
print(
    "level 2:", "accepted" if seeing.ok else f"rejected, it does not follow that {seeing.reasons}"
)

# %% [markdown]
# ## On a machine with nothing on it
#
# The checker is a folder of Python files. Level 1 needs the standard library and nothing else. Copy
# the folder to a place of its own and run it with an interpreter that ignores everything installed
# (`-I -S`): there JAX and NumPy do not exist.

# %%
alone = folder / "alone"
source = Path(certify.checker.__file__).parent
shutil.copytree(source, alone / "checker", ignore=shutil.ignore_patterns("__pycache__"))


def bare(program, *arguments):
    """Runs a program in a bare interpreter, in the folder of the files."""
    command = [sys.executable, "-I", "-S", "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


CHECK = (
    "import sys, runpy; sys.path.append('alone');"
    "runpy.run_module('checker', run_name='__main__', alter_sys=True)"
)
no_jax, no_numpy = bare("import jax"), bare("import numpy")
for result in (no_jax, no_numpy):
    print(result.stderr.splitlines()[-1])
accepts = bare(CHECK, "river.json")
print(accepts.stdout.partition(" (")[0], "- exit status", accepts.returncode)

forged = folder / "forged.json"
forged.write_text(json.dumps(with_claim(["margin"], 1.1)))
rejects = bare(CHECK, "forged.json")
print(rejects.stdout.strip(), "- exit status", rejects.returncode)

# %% [markdown]
# From a shell, where this project is installed, the same is `certify check --level 2 river.json`.
#
# ## The picture, from the file alone
#
# What you now know, drawn from the numbers in the file: the region, the equilibrium, the basin, and
# iterates of the stated step on the stated costs, of which the proof says that they come in. (The
# derivatives come from the list of operations too: in complex numbers, without any library.)

# %%
OPERATIONS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "power": operator.pow}


def costs(graph, point):
    """The costs at a point, from the list of operations."""
    values = list(point)
    for operation, *operands in graph["nodes"]:
        if operation == "constant":
            values.append(number(operands[0]))
        else:
            a, b = operands
            values.append(
                OPERATIONS[operation](values[a], b if operation == "power" else values[b])
            )
    return [values[output] for output in graph["outputs"]]


def force(point):
    """Each player's own derivative: the imaginary part after a tiny imaginary move."""
    moves = 1e-30j * np.eye(len(point))
    return np.array(
        [costs(data["game"]["graph"], point + move)[k].imag / 1e-30 for k, move in enumerate(moves)]
    )


lower, upper = (np.array([number(x) for x in data["region"][side]]) for side in ("lower", "upper"))
centre = np.array([number(x) for x in claims["equilibrium"]["center"]])
scale = 1 / np.sqrt([number(w) for w in claims["weights"]])
radius = number(claims["basin"]["radius"])
circle = np.linspace(0, 2 * np.pi, 200)
paths = []
for angle in np.linspace(0, 2 * np.pi, 9)[:-1]:
    path = [centre + 0.999 * number(step["basin"]) * scale * [np.cos(angle), np.sin(angle)]]
    while len(path) < 120:
        path.append(path[-1] - number(step["best"]) * force(path[-1]))
    paths.append(np.array(path))

figure, ax = plt.subplots(figsize=(4.6, 4.4), layout="compressed")
ax.add_patch(Rectangle(tuple(lower), *(upper - lower), fill=False, linewidth=1.6))
edge = centre[:, None] + radius * scale[:, None] * [np.cos(circle), np.sin(circle)]
ax.plot(*edge, color=ORANGE, label="basin")
for path in paths:
    ax.plot(*path.T, ".-", color=BLUE, linewidth=0.9, markersize=4)
ax.plot(*centre, "*", color="black", markersize=12, zorder=5)
ax.set(xlabel="factory", ylabel="town", aspect="equal")
legend = ax.legend(loc="lower right")

# %% [markdown]
# ## What is left to believe
#
# After level 2, this much:
#
# - that the formulas in the file are the game that you mean (you can read or evaluate them);
# - that the checker is right: a few thousand lines, written to be read, with the theorem of each
#   step beside it;
# - Python, and at level 2 the ball arithmetic of python-flint.
#
# Not on the list: JAX, NumPy, the search, floating point, the sender. And the claims are about
# exact steps: what rounding adds when *you* run the dynamics is not in them. The file says all
# that itself:

# %%
for sentence in data["trusted"]:
    print("-", sentence.partition(". ")[0] + ("" if sentence.endswith(".") else "."))

# %% [markdown]
# ## What was claimed

# %%
assert first.ok and second.ok and len(second.rederived) == 3
assert "digest" in complaint
assert all(reasons.values())  # no exaggeration was accepted
at_one = int(np.argmin(abs(factors - 1)))
assert accepted[:, at_one].all()
claimed = factors * number(claims["margin"])
assert not accepted[0][claimed > 1].any()  # the true margin is 1
for name, verdicts in zip(CLAIMS, accepted, strict=True):
    stronger = factors < 0.99 if better[name] < 1 else factors > 1.01
    assert not verdicts[stronger].any()
    assert name == "margin" or verdicts[~stronger].sum() > 5  # some weaker claims are accepted
assert len(humble) == 1 and "radius" in humble[0]
assert blind.ok and not seeing.ok
assert "ModuleNotFoundError" in no_jax.stderr and "ModuleNotFoundError" in no_numpy.stderr
assert (accepts.returncode, accepts.stderr) == (0, "") and accepts.stdout.startswith("accepted")
assert rejects.returncode == 1 and "margin" in rejects.stdout
for path in paths:  # they stay in the basin, and come in at the stated rate or faster
    away = np.linalg.norm((path - centre) / scale, axis=1)
    assert away.max() <= number(step["basin"]) and away[-1] < 1e-3
assert abs(force(centre)).max() < 1e-12
shutil.rmtree(folder)
assert not folder.exists()
