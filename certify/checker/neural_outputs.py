"""Values that are means over data of a function of both networks' outputs.

With `V = 1/N sum_n v(f(x_n), g(z_n), y_n)`, the first network f and the second one g, the chain
rule says for directions U, U' of the weights of f, and T of those of g,

    D_x^2 V[U, U'] = 1/N sum_n ( v_ff[D f U, D f U'] + <v_f, D^2 f[U, U']> ),
    D_x D_y V[U, T] = 1/N sum_n v_fg[D f U, D g T].

On the region the outputs are within `reach` of those at the centre, by `bend`. Given are, for each
sample, bounds over these boxes of outputs

    slope_f >= |v_f|,   concave_f >= lambda_max(-v_ff),   size_f >= ||v_ff||,    (not negative)
    slope_g >= |v_g|,   concave_g >= lambda_max(v_gg),    size_g >= ||v_gg||,    mixed >= ||v_fg||.

By theorem B, `|<v_f, D^2 f[U, U]>| <= slope_f sum_ij H_ij u_i u_j` and `|D f U| <= sum_j g_j u_j`.
So with `H` and `g` of each sample, without the index 0,

    own_1 = || mean (slope_f H + concave_f g g') ||,
    whole_1 = || mean (slope_f H + size_f g g') ||,
    coupling = mean mixed |g^f| |g^g|,

and likewise for the second player, whose cost is -V. A function that is convex in f has
`concave_f = 0`: such Gauss-Newton terms only help.
"""

from fractions import Fraction

from .graph import Graph, read_graph
from .neural_recursion import Bend, Curvature, Layers, Scalars, above, bend, norm_above
from .reader import Reader
from .verdict import require

_SCALARS = ("inputs", "slopes", "adjoints", "entries", "curvatures")


def read_pass(file: Reader, layers: int, samples: int) -> list[Scalars]:
    """Reads the scalars of a network at the centre, for all samples.

    The file has a list for each layer (of inputs, L; of the others, L - 1), with a number for each
    sample.
    """
    columns = []
    for name, field in zip(_SCALARS, file.fields(*_SCALARS), strict=True):
        rows = field.items(layers if name == "inputs" else layers - 1)
        numbers = [row.numbers(samples) for row in rows]
        require(all(x >= 0 for row in numbers for x in row), f"{field.where} are not negative")
        columns.append(numbers)
    return [Scalars(*([row[n] for row in rows] for rows in columns)) for n in range(samples)]


class OutputBounds:
    """What a file says of the function of outputs: one list with a number for each sample each."""

    def __init__(self, file: Reader, samples: int) -> None:
        slope, concave, size, mixed = file.fields("slope", "concave", "size", "mixed")
        self.slope, self.concave, self.size = (
            [row.numbers(samples) for row in field.items(2)] for field in (slope, concave, size)
        )
        self.mixed = mixed.numbers(samples)
        rows = [*self.slope, *self.concave, *self.size, self.mixed]
        require(min(map(min, rows)) >= 0, "bounds on the function of outputs are not negative")


def output_graph(value: Reader, outputs: list[int]) -> tuple[Graph, int]:
    """Reads the function of outputs, and how many numbers a datum has."""
    _, graph, datum = value.fields("kind", "graph", "datum")
    count = datum.integer_within(0, 2**16)
    return read_graph(graph, sum(outputs) + count, 1), count


def outputs_curvature(game: Reader, evidence: Reader, networks: list[Layers]) -> Curvature:
    """Bounds the second derivatives of V on the region; see the top of this module."""
    samples = game["data"]["samples"].integer()
    output_graph(
        game["value"], [net["sizes"].items()[-1].integer() for net in game["networks"].items()]
    )
    passes, reach, bounds = evidence.fields("passes", "reach", "function")
    reaches = [row.numbers(samples) for row in reach.items(2)]
    bends = []
    for network, file, stated in zip(networks, passes.items(2), reaches, strict=True):
        found = [bend(network, at) for at in read_pass(file, network.depth, samples)]
        holds = all(each.reach <= x for each, x in zip(found, stated, strict=True))
        require(holds, "outputs on the region are within reach of those at the centre")
        bends.append(found)
    return assembled(bends, OutputBounds(bounds, samples))


def assembled(bends: list[list[Bend]], bounds: OutputBounds) -> Curvature:
    """Returns the bounds on V from those of the networks and of the function of outputs."""
    own, whole = [], []
    for found, slope, concave, size in zip(
        bends, bounds.slope, bounds.concave, bounds.size, strict=True
    ):
        own.append(_mean_norm(found, slope, concave))
        whole.append(_mean_norm(found, slope, size))
    slopes = [[each.slope for each in found] for found in bends]
    parts = (above(m * a * b) for m, a, b in zip(bounds.mixed, *slopes, strict=True))
    coupling = above(sum(parts, Fraction(0)) / len(bounds.mixed))
    return Curvature((own[0], own[1]), (whole[0], whole[1]), coupling)


def _mean_norm(found: list[Bend], slope: list[Fraction], size: list[Fraction]) -> Fraction:
    """Returns `|| mean (slope H + size g g') ||`."""
    count = len(found[0].outputs) - 1
    total = [[Fraction(0)] * count for _ in range(count)]
    for each, p, q in zip(found, slope, size, strict=True):
        for i, row in enumerate(total):
            for j in range(count):
                outer = q * each.outputs[i + 1] * each.outputs[j + 1]
                row[j] = above(row[j] + p * each.second[i + 1][j + 1] + outer)
    return above(norm_above(total) / len(found))
