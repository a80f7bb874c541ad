"""Operations on arrays in expression graphs: which shapes they have, and what their entries are.

An array is the list of its entries, of which the last index runs fastest; a number is an array
without axes, of one entry. The entries may be numbers of any arithmetic, which is given by its
operations, as in `graph`. So each operation on arrays is spelled out here once, for all of them.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import reduce
from itertools import product
from math import prod
from typing import Any, NoReturn

from .reader import Reader

Shape = tuple[int, ...]
Entries = list[Any]
Operations = dict[str, Callable]

# The most entries of one array.
MAX_SIZE = 2**20

# Operations whose operand, the first part of the node, is an array; what follows says how.
MOVES = ("reshape", "transpose", "broadcast", "take", "sum")
ARRAYS = ("inputs", "array", "join", "matmul", *MOVES)


def read_shape(file: Reader) -> Shape:
    """Reads a shape: at most eight sizes, of at most `MAX_SIZE` entries together."""
    if not isinstance(file.value, list) or len(file.value) > 8:
        file.fail("a list of at most 8 sizes")
    shape = tuple(file.integers(len(file.value)))
    if any(size < 0 for size in shape) or prod(shape) > MAX_SIZE:
        file.fail(f"sizes that are not negative, of at most {MAX_SIZE} entries together")
    return shape


def same_shape(shapes: list[Shape], fail: Callable[[str], NoReturn]) -> Shape:
    """Returns the shape of an operation entry by entry; a number goes with each entry."""
    found = {shape for shape in shapes if shape}
    if len(found) > 1:
        fail("operands of one shape, or numbers")
    return found.pop() if found else ()


def read_move(name: str, operand: Shape, parts: list[Reader], where: Reader) -> tuple[Shape, Any]:
    """Reads what follows the operand of an operation in `MOVES`.

    Returns:
        The shape of the result and, for each of its entries, the place in the operand that it is
        taken from; for a sum, the places of all its terms.
    """
    count = {"reshape": 1, "transpose": 1, "sum": 1, "broadcast": 2, "take": 2}[name]
    if len(parts) != count:
        where.fail(f"{count} parts after the operand of {name!r}")
    if name == "reshape":
        shape = read_shape(parts[0])
        if prod(shape) != prod(operand):
            where.fail("a shape of as many entries as the operand has")
        return shape, range(prod(shape))
    if name == "take":
        shape = read_shape(parts[1])
        places = parts[0].integers(prod(shape))
        if not all(0 <= place < prod(operand) for place in places):
            parts[0].fail("places of entries of the operand")
        return shape, places
    if name == "broadcast":
        shape = read_shape(parts[0])
        axes = _axes(parts[1], len(operand), len(shape))
        if any(size not in (1, shape[k]) for size, k in zip(operand, axes, strict=True)):
            where.fail("a shape that the operand can be repeated to")
        steps = [0] * len(shape)
        for size, step, k in zip(operand, _steps(operand), axes, strict=True):
            steps[k] = step if size > 1 else 0
        return shape, [*_places(shape, tuple(steps))]
    if name == "transpose":
        axes = _axes(parts[0], len(operand), len(operand))
        strides = _steps(operand)
        shape = tuple(operand[k] for k in axes)
        return shape, [*_places(shape, tuple(strides[k] for k in axes))]
    if not isinstance(parts[0].value, list):
        parts[0].fail("a list of axes")
    summed = _axes(parts[0], len(parts[0].value), len(operand))
    kept = [k for k in range(len(operand)) if k not in summed]
    strides = _steps(operand)
    shape = tuple(operand[k] for k in kept)
    inner = [*_places(tuple(operand[k] for k in summed), tuple(strides[k] for k in summed))]
    outer = _places(shape, tuple(strides[k] for k in kept))
    return shape, [[start + place for place in inner] for start in outer]


def matmul_shape(left: Shape, right: Shape, fail: Callable[[str], NoReturn]) -> Shape:
    """Returns the shape of `left @ right`: matrices, or stacks of matrices of equal sizes."""
    if len(left) < 2 or left[:-2] != right[:-2] or left[-1:] != right[-2:-1]:
        fail("two matrices that can be multiplied, or stacks of them")
    return (*left[:-1], right[-1])


def moved(name: str, places: Any, x: Entries, operations: Operations) -> Entries:
    """Returns the entries of an operation in `MOVES`."""
    if name != "sum":
        return [x[place] for place in places]
    return [total([x[place] for place in terms], operations) for terms in places]


def matmul(
    x: Entries,
    y: Entries,
    shape: tuple[Shape, Shape],
    known: tuple[list[Fraction] | None, list[Fraction] | None],
    operations: Operations,
) -> Entries:
    """Returns the entries of a product of matrices.

    Args:
        x: The entries of the left factor.
        y: The entries of the right factor.
        shape: The shapes of both.
        known: The entries of each factor that is a constant, as numbers. Terms with a zero of a
            constant are left out: each entry of the other factor has a node of its own, which stays
            an obligation where it may be undefined.
        operations: The arithmetic.
    """
    (*stack, rows, inner), columns = shape[0], shape[1][-1]
    multiply, (left, right), result = operations["mul"], known, []
    for k in range(prod(stack)):
        for i in range(rows):
            a = (k * rows + i) * inner
            for j in range(columns):
                b = k * inner * columns + j
                terms = [
                    multiply(x[a + m], y[b + m * columns])
                    for m in range(inner)
                    if not (left is not None and not left[a + m])
                    and not (right is not None and not right[b + m * columns])
                ]
                result.append(total(terms, operations))
    return result


def total(terms: Entries, operations: Operations) -> Any:
    """Returns a sum, from left to right; an arithmetic may have a quicker way to it."""
    if not terms:
        return operations["constant"](Fraction(0))
    if "total" in operations:
        return operations["total"](terms)
    return reduce(operations["add"], terms)


def _axes(file: Reader, count: int, dimensions: int) -> list[int]:
    axes = file.integers(count)
    if len(set(axes)) < count or not all(0 <= k < dimensions for k in axes):
        file.fail(f"{count} different axes of {dimensions}")
    return axes


def _steps(shape: Shape) -> list[int]:
    """Returns how far apart neighbours along each axis are."""
    return [prod(shape[k + 1 :]) for k in range(len(shape))]


def _places(shape: Shape, steps: tuple[int, ...]) -> Iterator[int]:
    """Yields the places of the entries of an array of some shape, given the steps of its axes."""
    ranges = (range(0, size * step, step) if step else [0] * size
              for size, step in zip(shape, steps, strict=True))  # fmt: skip
    return map(sum, product(*ranges))
