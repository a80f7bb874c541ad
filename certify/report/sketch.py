"""Leaves a figure out where its numbers are too extreme to draw."""

from collections.abc import Callable

import numpy as np

from certify.report.markup import Markup, paragraph


def sketch(draw: Callable[[], Markup]) -> Markup:
    """Returns a figure, or a sentence where its numbers are too extreme for floating point.

    The checker reads floats of any size, and a page must not fail on them.
    """
    try:
        with np.errstate(all="ignore"):
            return draw()
    except (ArithmeticError, np.linalg.LinAlgError, ValueError):
        return paragraph("(A figure is left out: its numbers are too large or too small to draw.)")
