"""Rules of files about zeros: the test of Krawczyk, and what systems are made of."""

from .source import Rule

RULES = [
    Rule("zeros", "check_contained", "a < c - width and c + width < b", "a < c - width"),
    Rule("zeros", "check_contained", "e + s / 2**shift", "s / 2**shift"),
    Rule("zeros", "check_contained", "e + s / 2**shift", "e"),
    Rule("zeros", "check_contained", "max(c - a, b - c)", "min(c - a, b - c)"),
    Rule("zeros", "check_contained", "min(residual) >= 0", "True"),
    Rule(
        "zeros",
        "check_contained",
        "paid_product(size, jacobian.remainder, work)",
        "square(n)",
    ),
    Rule("zeros", "check_contained", "[[abs(x) for x in row] for row in off]", "off"),
    Rule("zeros", "IntervalMatrix.__init__", "min(map(min, self.remainder)) >= 0", "True"),
    Rule("zeros", "IntervalMatrix.__init__", "all(m == transposed(m) for m in both)", "True"),
    Rule("zeros", "ZeroClaims.__init__", "_within(self.zero, self.box)", "True"),
    Rule("zeros", "krawczyk:read_game", 'game["hash"].text() == game_hash(game.value)', "True"),
    Rule("zeros", "check_conditions", "bound > 0", "True"),
    Rule("zeros", "check_conditions", "lower[k] > 0", "True"),
    Rule("zeros", "check_conditions", "least is None or least <= a", "True"),
    Rule("zeros", "check_conditions", "most is None or b <= most", "True"),
    Rule("zeros", "check_conditions", "_within(inputs, claims.region)", "True"),
    Rule("zeros", "check_forms", "semidefinite(family.centre, family.remainder, work)", "True"),
    Rule("zeros", "check_forms", "definite(family.centre, family.remainder, work)", "True"),
    Rule("zeros", "semidefinite", "any(map(any, remainder))", "False"),
    Rule("zeros", "semidefinite", "any(row) or any(remainder[i])", "any(row)"),
    Rule("zeros", "_add_squares", "weight >= 0", "True"),
    Rule("zeros", "EquilibriumSystem._slope", "own in c.players", "True"),
    Rule("zeros", "EquilibriumSystem.entry", "form in c.players", "True"),
    Rule(
        "zeros",
        "EquilibriumSystem.condition",
        "DerivativeTerm(-1, self.inactive[k].output)",
        "DerivativeTerm(1, self.inactive[k].output)",
    ),
    Rule("zeros", "EquilibriumSystem.condition", '1 if at == "lower" else -1', "1"),
    Rule("zeros", "EquilibriumSystem.__init__", 'c.role == "active"', "False"),
    Rule(
        "zeros",
        "EquilibriumSystem._fixed",
        'self.extents[k][at.text() == "upper"] is None',
        "False",
    ),
    Rule("zeros", "StackelbergSystem.equation", "k - self.follower", "k - self.leader"),
    Rule(
        "zeros",
        "StackelbergSystem.entry",
        "[DerivativeTerm(1, 0, (i, j)), *self._weighted(i, j)]",
        "[DerivativeTerm(1, 0, (i, j))]",
    ),
    Rule("zeros", "SystemBounds.slope", "t._replace(factor=None)", "t"),
    Rule(
        "zeros",
        "rederive_zero:_derivative",
        "prod(factorial(monomial.count(k)) for k in set(monomial))",
        "1",
    ),
    Rule(
        "zeros",
        "_rederived",
        "at.value(system.equation(k)).magnitude() <= exact(residual[k])",
        "True",
    ),
    Rule("zeros", "_rederived", "here.value(system.condition(k)).low >= exact(bound)", "True"),
    Rule("zeros", "_rederived", "found.is_smooth", "True", 0),
    Rule("zeros", "_rederived", "found.is_smooth", "True", 1),
    Rule("zeros", "require_within", "gap.magnitude() <= exact(remainder * scale)", "True"),
]

TESTS = {
    "zeros": [
        "checker/test_krawczyk.py",
        "zero/test_certify_kkt.py",
        "zero/test_certify_zero.py",
        "zero/test_certify_stackelberg.py",
    ],
}
