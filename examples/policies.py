"""Compares methods on a game of circular preferences, and follows its quantal responses.

Run `python examples/policies.py`.
"""

import jax

import dgames as dg
from dgames import games, methods

jax.config.update("jax_enable_x64", True)

# How often each answer is preferred to each other one: rock, paper and scissors, one of them weak.
circle = games.PreferenceGame([[0.5, 1.0, 0.0], [0.0, 0.5, 2 / 3], [1.0, 1 / 3, 0.5]])
soft = dg.Regularised(circle, temperature=0.01)
METHODS = {
    "multiplicative weights": methods.multiplicative_weights(0.5),
    "the same, averaged": dg.Averaged(methods.multiplicative_weights(0.5)),
    "with a moving magnet": methods.magnetic_mirror_descent(0.1, 1.0, rate=0.05),
    "Nash mirror prox": methods.nash_mirror_prox(),
}


def main() -> None:
    """Prints what each method reaches in 2000 steps, and the branch of equilibria."""
    for name, method in METHODS.items():
        game = soft if name == "Nash mirror prox" else circle
        solution = dg.solve(game, method, circle.uniform(), max_steps=2000, tol=1e-9)
        gap = float(dg.exploitability(circle, solution.strategy))
        print(f"{name:24} {int(solution.steps):5} steps, exploitability {gap:.1e}")
    branch = dg.quantal_responses(circle, [1.0, 10.0, 100.0, 1000.0], circle.uniform())
    for precision, policy in zip(branch.precisions, branch.strategies[0], strict=True):
        print(f"precision {float(precision):6.0f}:", " ".join(f"{p:.4f}" for p in policy))


if __name__ == "__main__":
    main()
