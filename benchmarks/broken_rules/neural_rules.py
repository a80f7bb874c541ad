"""Rules of the checker about games of networks, of which a part can be broken."""

from .source import Rule

RULES = [
    Rule("neural", "bend", "w[k] + c[k] * r[k]", "w[k]"),
    Rule("neural", "bend", "t * r[k] + w[k] * distance", "w[k] * distance"),
    Rule("neural", "bend", "at.slopes[k] + second * change[k]", "at.slopes[k]"),
    Rule("neural", "bend", "1 if layers.biases[k] else 0", "0"),
    Rule("neural", "bend", "slope * moves + second * lam * change[k]", "slope * moves"),
    Rule("neural", "bend", "second * (lam + moves)", "second * lam"),
    Rule(
        "neural",
        "bend",
        "at.curvatures[k] + third * lam * change[k] + second * moves",
        "at.curvatures[k]",
    ),
    Rule(
        "neural",
        "neural_recursion:norm_above",
        "max(total / x for total, x in zip(sums, v, strict=True))",
        "min(total / x for total, x in zip(sums, v, strict=True))",
    ),
    Rule("neural", "constants", "decay - own", "decay"),
    Rule("neural", "neural:check_constants", "claims.margin <= margin", "True"),
    Rule("neural", "neural:check_constants", "claims.lipschitz >= lipschitz", "True"),
    Rule("neural", "check_place", "square <= (claims.margin * claims.radius) ** 2", "True"),
    Rule("neural", "check_place", "claims.reaches(claims.basin + 2 * claims.radius)", "True"),
    Rule("neural", "check_training", "away <= basin", "True"),
    Rule("neural", "check_training", "left <= goal", "True"),
    Rule("neural", "check_stored", "digest_of(vector.value) == digest", "True"),
    Rule("neural", "check_stored", "digest_of(data.value) == claims.data", "True"),
    Rule("neural", "outputs_curvature", "each.reach <= x", "True"),
    Rule("neural", "require_bound", "bool(found <= exact(stated))", "True"),
    Rule("neural", "_sorted", "4 * sharpness * p * (1 - p)", "sharpness * p * (1 - p)"),
    Rule("neural", "residual", "slope + strength * moved", "slope"),
]

TESTS = {
    "neural": [
        "checker/test_neural.py",
        "checker/test_neural_recursion.py",
        "checker/test_network_balls.py",
        "prove/neural/test_certify_networks.py",
    ],
}
