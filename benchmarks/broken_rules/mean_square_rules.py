"""Rules of the checker about mean squares, of which a part can be broken."""

from .source import Rule

RULES = [
    Rule(
        "mean square",
        "RandomStep.__init__",
        "not any(map(sum, zip(*weighted, strict=True)))",
        "True",
    ),
    Rule(
        "mean square",
        "RandomStep.moment",
        "weight * sum(map(int.__mul__, shift, pulled))",
        "sum(map(int.__mul__, shift, pulled))",
    ),
    Rule(
        "mean square",
        "RandomStep.moment",
        "scaled(alone, self._congruence(mean, form))",
        "scaled(0, each)",
    ),
    Rule("mean square", "RandomStep._shift", "self.tail * b", "b"),
    Rule("mean square", "check_mean_square", "0 < factor < 1", "True"),
    Rule("mean square", "check_mean_square", "factor > 1", "True"),
    Rule("mean square", "check_mean_square", "added >= 0", "True"),
    Rule("mean square", "check_mean_square", "abs(x - c) <= reach", "True"),
    Rule(
        "mean square",
        "check_mean_square",
        "_exceeds_distance(form.matrix, 1, form.unit, step)",
        "positive_definite(form.matrix)",
    ),
    Rule("mean square", "_require_decrease", "positive_definite(decrease)", "True"),
    Rule(
        "mean square",
        "_require_increase",
        "semidefinite(increase, square(len(increase)), step.work)",
        "True",
    ),
    Rule("mean square", "_require_starts", "positive_definite(form.matrix)", "True"),
    Rule("mean square", "_require_starts", "found[0][0] > 0", "True"),
    Rule("mean square", "mean_square:_difference", "noise * step.tail**2", "noise * step.tail"),
    Rule("mean square", "_check_limit", "positive_definite(form.matrix)", "True"),
    Rule(
        "mean square",
        "_check_limit",
        "_exceeds_distance(decrease, step.scale, form.unit, step)",
        "True",
    ),
    Rule("mean square", "_check_limit", "moment <= limit", "True"),
    Rule("mean square", "sampled_fields:SampledFields._rows", "1 if player == 0 else -1", "1"),
    Rule("mean square", "sampled_fields:SampledFields._rows", "scales[player] * x", "x"),
    Rule("mean square", "SampledFields._read_batch", "count - self.batch", "count"),
    Rule(
        "mean square",
        "SampledFields._read_batch",
        "Fraction(1, self.batch)",
        "Fraction(1, self.batch**2)",
    ),
    Rule("mean square", "SampledFields._read_batch", "len(set(self.weights)) > 1", "False"),
    Rule("mean square", "read_steps", "fields.batch > 1 and not method.is_linear", "False"),
    Rule("mean square", "reflected", "present.plus(present).minus(past)", "present"),
    Rule("mean square", "gradient", "monomial.count(along) * coefficient", "coefficient"),
    Rule("mean square", "quadratic_graphs:_operations", "len(monomial) > 2", "len(monomial) > 3"),
]

TESTS = {
    "mean square": [
        "checker/test_mean_square.py",
        "checker/test_quadratic_graphs.py",
        "prove/noise/test_certify_mean_square.py",
    ],
}
