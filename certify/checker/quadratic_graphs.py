"""Graphs whose outputs are polynomials of degree two at most, in exact arithmetic.

A polynomial is a dictionary from monomials to its coefficients, which are not zero; a monomial is
the sorted tuple of the inputs that it multiplies, `()` for the constant one. A graph is evaluated
in this arithmetic node by node, so that what comes out is what it computes as a real function, with
no rounding. Operations that leave the polynomials of degree two, such as an exponential of an
unknown, make the file unusable; of known numbers all rational operations are allowed. So are
choices by known numbers that differ; of equal ones, both cases have to be the same polynomial, as
the code behind a graph may have meant `<=` where the graph says `<`.
"""

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

from .exact import Work
from .graph import MAX_POWER, Graph
from .reader import Unusable

Monomial = tuple[int, ...]
Polynomial = dict[Monomial, Fraction]

# The most bits of a numerator or a denominator, and the products that one operation counts for.
_MAX_BITS, _PRICE = 4096, 256
_TOO_LONG = f"the costs lead to numbers of more than {_MAX_BITS} bits"


def outputs_of(graph: Graph, known: dict[int, Fraction], work: Work) -> list[Polynomial]:
    """Returns the outputs of a graph as polynomials of the inputs that are not known.

    Args:
        graph: The graph.
        known: The values of some of its inputs.
        work: Pays for the arithmetic.

    Raises:
        Unusable: If an output or anything on the way is no polynomial of degree two at most.

    Example:
        >>> from .graph import Node
        >>> nodes = [Node("mul", (0, 1), None), Node("power", (0,), 2)]
        >>> graph = Graph(2, nodes, [2, 3])
        >>> outputs_of(graph, {1: Fraction(3)}, Work())
        [{(0,): Fraction(3, 1)}, {(0, 0): Fraction(1, 1)}]
    """
    work.pay(_size(graph))
    inputs = [
        _constant(known[k]) if k in known else {(k,): Fraction(1)} for k in range(graph.inputs)
    ]
    return graph.evaluate(inputs, _operations(work))


def _size(graph: Graph) -> int:
    """Returns how many entries the arrays of a graph have, and products and terms on the way."""
    total = graph.inputs
    for node in graph.nodes:
        total += prod(node.shape)
        if node.operation == "matmul":
            total += prod(node.shape) * graph.shape(node.operands[0])[-1]
        elif node.operation == "sum":
            total += prod(graph.shape(node.operands[0]))
    return 8 * total


def gradient(polynomial: Polynomial, inputs: int) -> list[Polynomial]:
    """Returns the derivatives by the first inputs.

    Example:
        >>> gradient({(0, 0): Fraction(3), (0, 1): Fraction(5)}, 1)
        [{(0,): Fraction(6, 1), (1,): Fraction(5, 1)}]
    """
    found: list[Polynomial] = [{} for _ in range(inputs)]
    for monomial, coefficient in polynomial.items():
        for along in {k for k in monomial if k < inputs}:
            left = list(monomial)
            left.remove(along)
            found[along][tuple(left)] = monomial.count(along) * coefficient
    return found


def _operations(work: Work) -> dict[str, Callable]:
    """Returns the arithmetic; what is not here is defined for known numbers or not at all."""

    def checked(found: Polynomial) -> Polynomial:
        found = {monomial: x for monomial, x in found.items() if x}
        if any(map(_is_long, found.values())):
            raise Unusable(_TOO_LONG)
        return found

    def total(terms: list[Polynomial]) -> Polynomial:
        work.pay(_PRICE * sum(len(term) + 1 for term in terms))
        found: Polynomial = {}
        for term in terms:
            for monomial, coefficient in term.items():
                found[monomial] = found.get(monomial, Fraction(0)) + coefficient
                if _is_long(found[monomial]):
                    raise Unusable(_TOO_LONG)
        return checked(found)

    def add(x: Polynomial, y: Polynomial) -> Polynomial:
        return total([x, y])

    def times(factor: Fraction, x: Polynomial) -> Polynomial:
        work.pay(_PRICE * len(x))
        return checked({monomial: factor * coefficient for monomial, coefficient in x.items()})

    def mul(x: Polynomial, y: Polynomial) -> Polynomial:
        work.pay(_PRICE * (1 + len(x) * len(y)))
        found: Polynomial = {}
        for left, a in x.items():
            for right, b in y.items():
                monomial = tuple(sorted(left + right))
                if len(monomial) > 2:
                    raise Unusable("the costs are not quadratic: they have a product of degree 3")
                found[monomial] = found.get(monomial, Fraction(0)) + a * b
        return checked(found)

    def number(x: Polynomial, what: str) -> Fraction:
        if set(x) - {()}:
            raise Unusable(f"the costs are not quadratic: they have {what} of unknowns")
        return x.get((), Fraction(0))

    def power(x: Polynomial, exponent: int) -> Polynomial:
        if set(x) - {()} and exponent in (1, 2):
            return x if exponent == 1 else mul(x, x)
        base = number(x, f"a power {exponent}")
        if exponent < 0 and not base:
            raise Unusable("the costs divide by zero")
        if max(abs(base.numerator), base.denominator).bit_length() * abs(exponent) > 2 * _MAX_BITS:
            raise Unusable(_TOO_LONG)
        work.pay(_PRICE * (1 + abs(exponent)))
        return checked({(): base**exponent})

    def real_power(x: Polynomial, y: Polynomial) -> Polynomial:
        exponent, base = number(y, "an exponent"), number(x, "a real power")
        if base <= 0 or exponent.denominator != 1 or abs(exponent) > MAX_POWER:
            raise Unusable("the costs are not known exactly: they have a real power of numbers")
        return power(x, int(exponent))

    def div(x: Polynomial, y: Polynomial) -> Polynomial:
        divisor = number(y, "a quotient")
        if not divisor:
            raise Unusable("the costs divide by zero")
        return times(1 / divisor, x)

    def choose(x: Polynomial, y: Polynomial, less: Polynomial, other: Polynomial) -> Polynomial:
        a, b = number(x, "a choice"), number(y, "a choice")
        if a == b and less != other:
            raise Unusable(
                "the costs compare numbers that are equal, where graphs do not tell < from <="
            )
        return less if a < b else other

    def of_number(name: str) -> Callable:
        """Makes an operation that is exact at zero alone, or nowhere."""

        def rule(x: Polynomial) -> Polynomial:
            if number(x, name) or name not in _AT_ZERO:
                raise Unusable(f"the costs are not known exactly: they have {name} of a number")
            return _constant(_AT_ZERO[name])

        return rule

    return {
        "constant": _constant,
        "add": add,
        "total": total,
        "sub": lambda x, y: add(x, times(Fraction(-1), y)),
        "neg": lambda x: times(Fraction(-1), x),
        "mul": mul,
        "div": div,
        "power": power,
        "pow": real_power,
        "abs": lambda x: _constant(abs(number(x, "an absolute value"))),
        "max": lambda x, y: choose(x, y, y, x),
        "min": lambda x, y: choose(x, y, x, y),
        "choose": choose,
        **{name: of_number(name) for name in _FUNCTIONS},
    }


_FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan")
_FUNCTIONS += ("tanh", "sinh", "cosh", "atan", "asin", "acos", "erf")
_AT_ZERO = {"exp": Fraction(1), "cos": Fraction(1), "cosh": Fraction(1)} | dict.fromkeys(
    ("sqrt", "sin", "tan", "tanh", "sinh", "atan", "asin", "erf"), Fraction(0)
)


def _is_long(x: Fraction) -> bool:
    return max(x.numerator.bit_length(), x.denominator.bit_length()) > _MAX_BITS


def _constant(value: Any) -> Polynomial:
    return {(): Fraction(value)} if value else {}
