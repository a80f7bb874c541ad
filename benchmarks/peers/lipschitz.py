"""Lipschitz constants of networks, beside auto_LiRPA and a semidefinite solver."""

import dataclasses
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

import certify
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed
from certify.prove.lipschitz import lipsdp, pivots
from certify.prove.lipschitz.lipschitz_bound import Method, Norm
from certify.prove.lipschitz.network_chain import chain_of
from certify.prove.lipschitz.propagation import slopes_on

TITLE = "Lipschitz constants of networks"

ABOUT = """\
Seconds for a bound, beside the bounds themselves and the largest norm of a sampled Jacobian, which
no bound may be below. The networks are ReLU perceptrons with equinox's random weights. auto_LiRPA
(optimised CROWN on Clarke Jacobians, one output after the other, as in its example) rounds to
nearest in float32 and is no proof by itself; ours are proved with every rounding error paid for.
*LipSDP* is the semidefinite program with diagonal multipliers, as cvxpy and Clarabel solve it, and
*scalar multipliers* are those of ECLipsE-Fast, by hand, both without a verification of the result;
ours are diagonal multipliers found without a semidefinite solver, and verified. auto_LiRPA is not
on PyPI for this PyTorch: `python -m pip install --no-deps
git+https://github.com/Verified-Intelligence/auto_LiRPA`.
"""

NETWORKS = ((2, 16, 16, 1), (8, 64, 64, 1), (784, 256, 256, 10))
# Half-widths of boxes.
RADII = (0.01, 0.1)
# The largest semidefinite program, in rows.
_LARGEST = 40


def network(sizes: tuple[int, ...]) -> eqx.nn.MLP:
    """A ReLU network with random weights."""
    key = jax.random.key(sum(sizes))
    return eqx.nn.MLP(sizes[0], sizes[-1], sizes[1], len(sizes) - 2, key=key)


def sampled(net: eqx.nn.MLP, centre: Any, radius: float, norm: Norm) -> float:
    """The largest norm of the Jacobian at random points of a box: a lower bound."""
    key = jax.random.key(1)
    shifts = radius * jax.random.uniform(key, (500, *centre.shape), minval=-1.0, maxval=1.0)
    found = np.asarray(jax.jit(jax.vmap(jax.jacobian(net)))(centre[None] + shifts))
    if norm == "l2":
        return float(np.linalg.norm(found, 2, (1, 2)).max())
    return float(np.abs(found).sum(-1).max())


def lirpa(net: eqx.nn.MLP, centre: Any, radius: float) -> Callable[[], float]:
    """The local constant for norms of the largest entry by auto_LiRPA."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        auto: Any = importlib.import_module("auto_LiRPA")
        jacobian: Any = importlib.import_module("auto_LiRPA.jacobian")
        perturbations: Any = importlib.import_module("auto_LiRPA.perturbations")
    layers: list[Any] = []
    for layer in net.layers:
        assert layer.bias is not None
        linear = torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
        linear.weight.data = torch.tensor(np.array(layer.weight), dtype=torch.float32)
        linear.bias.data = torch.tensor(np.array(layer.bias), dtype=torch.float32)
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])

    class Constant(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.grad_norm = jacobian.GradNorm(norm=1)

        def forward(self, x: Any, mask: Any) -> Any:
            selected = self.model(x).matmul(mask)
            return self.grad_norm(jacobian.JacobianOP.apply(selected, x))

    outputs = net.layers[-1].weight.shape[0]
    x0 = torch.tensor(np.array(centre)[None], dtype=torch.float32)
    mask = torch.zeros(outputs, 1)
    mask[0, 0] = 1
    bounded = auto.BoundedModule(Constant(), (auto.BoundedTensor(x0), mask), device="cpu")
    ball = perturbations.PerturbationLpNorm(norm=np.inf, eps=radius)

    def run() -> float:
        found = []
        for i in range(outputs):
            mask.zero_()
            mask[i, 0] = 1
            inputs = (auto.BoundedTensor(x0, ball), mask)
            found.append(bounded.compute_jacobian_bounds(inputs, bound_lower=False)[1].item())
        return max(found)

    return run


def multipliers(net: eqx.nn.MLP, peer: str) -> Callable[[], float]:
    """The constant of a peer's multipliers, as they are found."""
    chain = chain_of(net)
    centres, slopes = [part.matrix.centre for part in chain.maps], slopes_on(chain, None)

    def run() -> float:
        if peer == "LipSDP":
            weights = lipsdp.best_multipliers(centres, slopes)
        else:
            weights = pivots.by_layers(centres, slopes, diagonal=False)
        return pivots.squared_constant(centres, slopes, weights) ** 0.5

    return run


def row(
    what: str, peer: str, ours: Callable[[], float], theirs: Callable[[], float], turns: int
) -> tuple[Row, tuple[float, float]]:
    """Times of both, and both bounds."""
    (mine, cold), (other, their_cold) = timed(ours), timed(theirs)
    seconds = in_turns((ours, theirs), turns)
    return Row(what, peer, compared(*seconds), "bound", (cold, their_cold), ""), (mine, other)


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    for sizes in NETWORKS[:1] if quick else NETWORKS:
        turns = 1 if quick or sizes[0] > 100 else 3
        net, name = network(sizes), "-".join(map(str, sizes))
        centre = 0.5 * jax.random.normal(jax.random.key(2), (sizes[0],))

        def ours(
            domain: Any, norm: Norm, method: Method = "auto", net: eqx.nn.MLP = net
        ) -> Callable[[], float]:
            return lambda: certify.lipschitz(net, domain, norm=norm, method=method).constant

        for radius in RADII[:1] if quick else RADII:
            box = certify.Box.around((centre,), radius)
            what = f"{name}, box of half-width {radius}, largest entry"
            if missing("auto_LiRPA") or missing("torch"):
                yield not_run(what, "auto_LiRPA", "not installed")
            else:
                theirs = lirpa(net, centre, radius)
                found, (mine, other) = row(
                    what, "auto_LiRPA", ours(box, "linf", "propagation"), theirs, turns
                )
                narrow = ours(box, "linf")()
                below = sampled(net, centre, radius, "linf")
                yield dataclasses.replace(
                    found,
                    results=f"ours {mine:.4g}, with every method {narrow:.4g}, theirs {other:.4g}, "
                    f"sampled {below:.4g}",
                )
        what = f"{name}, all inputs, 2-norm"
        below = max(sampled(net, 0.0 * centre, spread, "l2") for spread in (0.1, 1.0, 10.0))
        product = ours(None, "l2", "product")()
        peer = "LipSDP" if sum(sizes[1:-1]) <= _LARGEST else "scalar multipliers"
        found, (mine, other) = row(
            what, peer, ours(None, "l2", "pivots"), multipliers(net, peer), turns
        )
        yield dataclasses.replace(
            found,
            results=f"ours {mine:.4g}, proved, theirs {other:.4g}, product of norms {product:.4g}, "
            f"sampled {below:.4g}",
        )
