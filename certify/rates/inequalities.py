"""Quadratic inequalities that the values of a field at any two points satisfy.

For a field F that is strongly monotone with modulus mu, L-Lipschitz and possibly ell-cocoercive in
one inner product, any two points with difference d and values with difference e satisfy

    <d, e> - mu |d|^2 >= 0,      L^2 |d|^2 - |e|^2 >= 0,      ell <d, e> - |e|^2 >= 0,

by definition. Each is `trace(M G) >= 0`, where G is the Gram matrix of the basis in which d and e
are written; so a sum of such M with weights that are not negative can be subtracted from a form
without making it larger on any trajectory. With x* the origin and its value 0, pairs with x* say
how fast x* is approached; only these also hold for the differences of two trajectories.

Velocities are divided by L, and steps are multiplied by it, so that L is 1.
"""

from fractions import Fraction
from itertools import combinations

from certify.checker.performance import FieldClass, Form, add, form_of, position, unit
from certify.checker.schemes import Scheme


def pair_inequalities(
    scheme: Scheme, step: Fraction, field: FieldClass, known: int, *, pairwise: bool = False
) -> list[Form]:
    """Returns the matrices M of all inequalities between the points and x*.

    Args:
        scheme: The scheme whose velocities are the basis.
        step: The step size.
        field: The class of fields.
        known: How many points of the scheme to use, counted from the first.
        pairwise: Whether to use only pairs with x*, which then stands for the same point of another
            trajectory.
    """
    one, nothing = Fraction(1), [0] * (scheme.size + 1)
    points = [
        (position(scheme, step, offset), unit(value, scheme))
        for offset, value in scheme.points[:known]
    ]
    origin = (nothing, nothing)
    pairs = [(origin, point) for point in points]
    forms = []
    for (x, f), (y, g) in pairs if pairwise else combinations([origin, *points], 2):
        d = [a - b for a, b in zip(x, y, strict=True)]
        e = [a - b for a, b in zip(f, g, strict=True)]
        monotone, lipschitz = form_of(scheme), form_of(scheme)
        add(monotone, one, d, e)
        add(monotone, -field.margin, d, d)
        add(lipschitz, one, d, d)
        add(lipschitz, -one, e, e)
        forms += [monotone, lipschitz]
        if field.cocoercivity is not None:
            cocoercive = form_of(scheme)
            add(cocoercive, field.cocoercivity, d, e)
            add(cocoercive, -one, e, e)
            forms.append(cocoercive)
    return forms
