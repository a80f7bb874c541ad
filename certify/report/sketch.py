"""Figures that may be left out, because their numbers are too extreme."""

from collections.abc import Callable

import numpy as np

from certify.report.markup import Markup, paragraph


def sketch(draw: Callable[[], Markup]) -> Markup:
    """A figure, or a sentence where its numbers are too extreme for floating point.

    The checker reads numbers of any size that a float has; a page is not to fail on them.
    """
    try:
        with np.errstate(all="ignore"):
            return draw()
    except (ArithmeticError, np.linalg.LinAlgError, ValueError):
        return paragraph("(A figure is left out: its numbers are too large or too small to draw.)")
