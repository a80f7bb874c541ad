"""Random families of terms of rank one: no bound is beyond the truth, and how near it comes.

    python -m benchmarks.random_ridges [--families 10000]

Each family has 2 to 5 coordinates and up to 12 terms whose slopes have a range. The true margin is
the smallest eigenvalue over all ends of the ranges, and the true Lipschitz constant the largest
norm. For each family this counts whether the checker accepts the proposed bounds, and bounds a
little beyond the truth; and then evidence in which one number was changed: a range, an entry of a
vector, a multiplier, or the order. What is accepted then has to be true of the family that the
changed file states. Some of the families are compared with a semidefinite program, which proves
nothing.
"""

import argparse
import copy
import time
from collections import Counter
from typing import Any

import numpy as np

from certify.checker import Unusable
from certify.file.terms import terms_of_file
from certify.metric.metric import Metric
from certify.metric.rank_one_bounds import lipschitz_bound, margin_bound
from tools.ridge_families import accepts, claims, family, proofs, semidefinite_margin, truth

# Of so many families one is given to the solver.
_EVERY = 25


def changed(generator: np.random.Generator, n: int, evidence: dict[str, Any]) -> dict[str, Any]:
    """Evidence in which one number is another one."""
    evidence = copy.deepcopy(evidence)
    kind = generator.integers(4)
    if kind == 0:
        term = evidence["terms"][generator.integers(len(evidence["terms"]))]
        end = int(generator.integers(2, 4))
        term[end] = float(float.fromhex(term[end]) + generator.normal()).hex()
    elif kind == 1:
        vector = evidence["vectors"][generator.integers(len(evidence["vectors"]))]
        vector[1][generator.integers(len(vector[1]))] += int(generator.integers(1, 4))
    else:
        which = int(generator.integers(2))
        proof = evidence[("margin_proof", "lipschitz_proof")[which]]
        multipliers = proof["multipliers"]
        if kind == 2:
            k = generator.integers(len(multipliers))
            factor = float(np.exp(2 * generator.normal()))
            multipliers[k] = (float.fromhex(multipliers[k]) * factor).hex()
        else:
            proof["order"] = generator.permutation((1 + which) * n).tolist()
    return evidence


def is_true(said: Any, evidence: dict[str, Any], metric: Metric) -> bool:
    """Says whether claims hold of the terms that a file states."""
    least, most = truth(terms_of_file(evidence, len(metric.root)), metric)
    slack = 1e-9 * max(1.0, most)
    return float(said.margin) <= least + slack and float(said.lipschitz) >= most - slack


def main() -> None:
    """Prints what was counted."""
    parser = argparse.ArgumentParser(
        description="Compares bounds of random families with the truth."
    )
    parser.add_argument("--families", type=int, default=10_000)
    options = parser.parse_args()
    counts, began = Counter[str](), time.perf_counter()
    of_truth, of_solver = list[float](), list[float]()
    for seed in range(options.families):
        generator = np.random.default_rng(seed)
        n, count = int(generator.integers(2, 6)), int(generator.integers(1, 13))
        terms, metric = family(generator, n, count, identity=80.0), Metric(np.ones(n))
        margin, lipschitz = margin_bound(terms, metric), lipschitz_bound(terms, metric)
        least, most = truth(terms, metric)
        slack = 1e-9 * most
        counts["bounds beyond the truth"] += margin.value > least + slack
        counts["bounds beyond the truth"] += lipschitz.value < most - slack
        if margin.value <= 0:
            counts["no positive margin"] += 1
            continue
        of_truth.append(margin.value / least)
        evidence = proofs(terms, metric, margin, lipschitz)
        own = margin.value - slack, lipschitz.value + slack
        counts["accepted"] += accepts(claims(metric, *own, evidence))
        for beyond in ((least + slack, own[1]), (own[0], most - slack)):
            counts["false claims"] += 1
            counts["false claims accepted"] += accepts(claims(metric, *beyond, evidence))
        other = changed(generator, n, evidence)
        said = claims(metric, *own, other)
        counts["changed files"] += 1
        try:
            if accepts(said):
                counts["changed files accepted"] += 1
                counts["changed files accepted and false"] += not is_true(said, other, metric)
        except Unusable:
            counts["changed files that cannot be read"] += 1
        if seed % _EVERY == 0:
            of_solver.append(margin.value / semidefinite_margin(terms))
    for name, count in counts.items():
        print(f"{name:<36} {count:>7}")
    for name, ratios in (("the true margin", of_truth), ("that of the solver", of_solver)):
        low, middle, high = np.quantile(ratios, [0.0, 0.5, 1.0])
        print(f"share of {name:<18} least {low:.4f}  median {middle:.4f}  most {high:.7f}")
    print(f"{options.families} families, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
