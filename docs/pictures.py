"""Draws the picture of the first page with the code beside it: `python docs/pictures.py`.

The README and the first page of the site begin with the same program. This script runs it, and
draws what its certificate says about runs from everywhere in the proved basin, beside such runs.
"""

import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from PIL import Image

import dgames as dg
from dgames import plot

HERE = Path(__file__).parent
RUNS, STEPS = 24, 60


def main() -> None:
    """Runs the first block of the page, and saves the figure."""
    matplotlib.use("Agg")
    page = (HERE / "index.md").read_text(encoding="utf-8")
    (code, *_) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "index"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # it saves a file
        exec(compile(code, "index.md", "exec"), names)
    figure = draw(names["game"], names["certificate"])
    target = HERE / "_static" / "first-page.png"
    drawn = io.BytesIO()
    # The background is opaque, so that the picture can be read on dark pages too.
    figure.savefig(drawn, dpi=110, facecolor="white")
    Image.open(drawn).convert("RGB").quantize(64).save(target, optimize=True)  # a third of the size
    print(f"written to {target}")


def draw(game: dg.Game, certificate: Any) -> Any:
    """The figure: runs in the plane, and their distances from the equilibrium beside the proof."""
    import matplotlib.pyplot as plt

    step = certificate.step_sizes["simultaneous"]
    like = certificate.basin.center
    center = np.asarray(dg.ravel(like)[0])
    factor = np.linalg.cholesky(certificate.metric).T  # |x| in the metric is |factor x|
    angles = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    edge = center + step.basin * circle @ np.linalg.inv(factor).T
    starts = edge[:: len(edge) // RUNS][:RUNS]

    @jax.vmap
    def run(start: jax.Array) -> Any:
        method = dg.Simultaneous(step.best)
        begin = dg.ravel(like)[1](start)
        return dg.solve(game, method, begin, max_steps=STEPS, tol=1e-15, save_every=1)

    runs = run(jnp.asarray(starts))
    figure, (plane, distance) = plt.subplots(1, 2, figsize=(8.4, 3.7), layout="constrained")
    plot.phase_portrait(game, (-0.6, 0.6), (-0.6, 0.6), like=like, density=0.7, ax=plane)
    points = np.stack([np.asarray(block) for block in runs.history.strategy.values()], -1)
    for path in points:
        plane.plot(*path.T, color=plot.COLOURS[0], linewidth=0.9, alpha=0.8)
    plane.plot(*edge.T, color=plot.COLOURS[1], linewidth=2, label="proved basin")
    plane.plot(*center, "o", color="black", markersize=4)
    plane.set_title("24 runs from the edge of the basin", fontsize=10)
    plane.legend(loc="lower left", fontsize=9, framealpha=1.0)

    away = np.linalg.norm((points - center) @ factor.T, axis=-1) / step.basin
    for line in away:
        distance.plot(line, color=plot.COLOURS[0], linewidth=0.9, alpha=0.8)
    bound = step.rate ** np.arange(STEPS + 1)
    distance.plot(bound, color=plot.COLOURS[1], linewidth=2, label="proved for all of them")
    distance.set(yscale="log", ylim=(1e-4, 1.5), xlim=(0, STEPS), xlabel="step")
    distance.set_title("distance from the equilibrium", fontsize=10)
    distance.spines[["top", "right"]].set_visible(False)
    distance.legend(loc="lower left", fontsize=9, framealpha=1.0)
    return figure


if __name__ == "__main__":
    main()
