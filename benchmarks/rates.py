"""Proved worst-case rates beside those that PEPit's solver reports, and the time both take.

    python -m pip install "pepit==0.5.1"
    python benchmarks/rates.py

PEPit (Goujaud et al., arXiv 2201.04040) is no dependency of this project: without it, its columns
stay empty. Its numbers are those of one step with the distance to x* as the measure, so they are
compared with the same question here (`RungeKutta`, whose Lyapunov function is `|x|^2`); what a
richer Lyapunov function gains is shown after it. PEPit's number is no proof: it is the value of
a primal problem, up to the solver's tolerance.
"""

import importlib
import importlib.util
import time
import warnings
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import certify  # noqa: E402
import dgames as dg  # noqa: E402

CASES = [
    ("euler", 10, 0.1),
    ("extragradient", 2, 0.6),
    ("extragradient", 10, 0.7),
    ("extragradient", 100, 0.9),
    ("heun", 10, 0.7),
    ("ssprk3", 10, 0.7),
    ("rk4", 2, 1.52),
    ("rk4", 10, 1.08),
    ("rk4", 10, 1.5),
    ("rk4", 100, 0.64),
]


def pepit_factor(method: certify.RungeKutta, margin: float) -> float:
    """The worst factor of one step that PEPit reports."""
    problem = importlib.import_module("PEPit").PEP()
    kind = importlib.import_module("PEPit.operators").LipschitzStronglyMonotoneOperatorCheap
    operator = problem.declare_function(kind, mu=margin, L=1.0)
    origin = operator.stationary_point()
    start, values = problem.set_initial_point(), []
    problem.set_initial_condition((start - origin) ** 2 <= 1)
    for row in method.stages:
        stage = start
        for a, value in zip(row, values, strict=False):
            stage = stage - float(a) * method.step_size * value
        values.append(operator.gradient(stage))
    end = start
    for b, value in zip(method.weights, values, strict=True):
        end = end - float(b) * method.step_size * value
    problem.set_performance_metric((end - origin) ** 2)
    return float(problem.solve(wrapper="cvxpy", solver="CLARABEL", verbose=0)) ** 0.5


def seconds(function, *arguments, repeats: int = 5) -> Any:
    """The result, and the shortest time of several calls."""
    times, result = [], None
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function(*arguments)
        times.append(time.perf_counter() - begin)
    return result, min(times)


def main() -> None:
    """Prints both tables."""
    warnings.simplefilter("ignore")
    installed = importlib.util.find_spec("PEPit") is not None
    print("one step, V = |x - x*|^2, Lipschitz constant 1")
    print(
        "method         kappa  step   proved     ms  verified   PEPit       ms  difference  ratio"
    )
    for name, kappa, h in CASES:
        method = certify.RungeKutta.named(name, h)
        proved, ours = seconds(certify.rate, method, 1 / kappa, 1.0)
        line = f"{name:14} {kappa:5} {h:5} {proved.rate:9.6f} {1e3 * ours:5.1f}  {proved.verify()}"
        if installed:
            found, theirs = seconds(pepit_factor, method, 1 / kappa)
            line += f"     {found:9.6f} {1e3 * theirs:7.1f}  {proved.rate - found:+.1e}"
            line += f"    {theirs / ours:5.1f}"
        print(line, flush=True)
    print("\nthe best step of each method, with its own Lyapunov function (seconds for the search)")
    print("kappa  " + "  ".join(f"{name:>30}" for name in ("gradient", *BEST)))
    for kappa in (2, 5, 10, 20, 50, 100):
        cells = []
        for make in (lambda k: dg.Simultaneous(1.0), *BEST.values()):
            found, took = seconds(certify.best_rate_step, make(kappa), 1 / kappa, 1.0, repeats=1)
            step = float(getattr(found.method, "step_size", 0.0))
            cells.append(f"{found.rate:.6f} at {step:.3f} ({took:4.2f} s)")
        print(f"{kappa:5}  " + "  ".join(f"{cell:>30}" for cell in cells), flush=True)


BEST = {
    "optimistic": lambda kappa: dg.Optimistic(1.0),
    "extragradient": lambda kappa: dg.Extragradient(1.0),
    "negative momentum": lambda kappa: dg.Momentum(1.0, kappa**-0.5 - 1),
    "complex momentum, b = 0.6 i": lambda kappa: dg.ComplexMomentum(1.0, 0.6j),
    "heun": lambda kappa: dg.Heun(1.0),
    "ssprk3": lambda kappa: dg.SSPRK3(1.0),
    "rk4": lambda kappa: dg.RungeKutta4(1.0),
}


if __name__ == "__main__":
    main()
