"""Rules of the steps and of what they start from: proposals, and theorems without a checker."""

from .source import Rule

RULES = [
    Rule("proposed steps", "lipschitz_step", "(Fraction(best) * b) ** 2", "0"),
    Rule("proposed steps", "small_gain_step", "factor(largest) >= 1", "False"),
    Rule("proposed steps", "small_gain_step", "gain.margin <= 0", "False"),
    Rule("proposed steps", "per_player_steps", "(curvature, smoothness)", "(curvature,)"),
    Rule("proposed steps", "per_player_steps", "float_below(x)", "float_above(x)"),
    Rule(
        "proposed steps",
        "per_player_steps",
        "float_above(h[i] * Fraction(float(coupling[i, j])))",
        "float(coupling[i, j])",
    ),
    Rule("proposed steps", "one_round", "own + h * above", "own"),
    Rule("proposed steps", "_rate", "max(rate, seen[i] / v[i])", "seen[i] / v[i]"),
    Rule(
        "proposed steps",
        "squared_factor",
        "2 * h * a * slack / (slack + 2 * h * a)",
        "2 * h * a * slack",
    ),
    Rule(
        "proposed steps",
        "from_monotonicity",
        "max(Fraction(1), 1 - 2 * h * a + (h * b) ** 2)",
        "Fraction(1)",
    ),
    Rule("proposed steps", "noise_ball", "2 * a - h * square", "2 * a"),
    Rule("proposed steps", "noise_ball", "h * square < 2 * a", "True"),
    Rule("proposed steps", "noise_ball", "(known.square + g, s)", "(known.square, s)"),
    # The direct route: a step as a map of vectors.
    Rule("step maps", "_is_affine", "sum(moves) == 1", "True"),
    Rule("step maps", "_is_affine", 'params["y"] == 1', "True"),
    Rule("step maps", "_is_affine", "not moves[0]", "True"),
    Rule("step maps", "_SOME", "(0,)", "(0, 1)", 0),
    Rule(
        "step maps",
        "Surroundings.require_unchanged",
        "self._before.get(name) != after.get(name)",
        "False",
    ),
    Rule("step maps", "comparison:require_same", "wrong.any()", "False"),
    Rule(
        "step maps",
        "StepMap._read",
        "fingerprint(self._straight(code, argument)[0]) != known",
        "False",
    ),
    Rule("step maps", "StepMap._straight", "all(map(same, fixed, known))", "True"),
    Rule(
        "families", "added", "total.remainder + other.remainder + error", "total.remainder + error"
    ),
    Rule("families", "product", "quadratic + loose + error", "loose + error"),
    Rule("families", "product", "quadratic + loose + error", "quadratic + error"),
    Rule(
        "families",
        "substituted",
        "jacobian.remainder + loose + error",
        "jacobian.remainder + error",
    ),
    Rule("families", "value", "AffineFamily.ball(jacobian.centre, jacobian.spread)", "jacobian"),
    # Worst-case rates.
    Rule("rates", "proves", "min(bound.multipliers, default=0) < 0", "False"),
    Rule(
        "rates",
        "proves",
        "rational_positive_definite([[entry(i, j) for j in axes] for i in axes])",
        "True",
    ),
    Rule("rates", "pair_inequalities", "-field.margin", "field.margin"),
    Rule("rates", "pair_inequalities", "add(lipschitz, -one, e, e)", "None"),
]

TESTS = {
    "proposed steps": [
        "steps/test_simultaneous.py",
        "steps/test_alternating.py",
        "steps/test_extragradient.py",
        "steps/test_noise.py",
    ],
    "step maps": ["direct/test_direct.py", "direct/test_linearity.py"],
    "families": ["jacobian/test_family_arithmetic.py", "direct/test_direct.py"],
    "rates": ["rates/test_bound.py", "rates/test_worst_case.py", "rates/test_methods.py"],
}
