"""Data sets that scikit-learn ships, split into what is learnt from and what is held out."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

_BITS = 16


class Split(NamedTuple):
    """Rows and labels of -1 and 1 to learn from, and others that are held out.

    Attributes:
        rows: Features. Means and lengths are those of these rows: their features have mean zero,
            and the mean square of the length of a row is 1.
        labels: Of these rows.
        held_rows: Features of what is held out, moved and scaled alike.
        held_labels: Of those rows.
    """

    rows: Float[np.ndarray, "rows features"]
    labels: Float[np.ndarray, " rows"]
    held_rows: Float[np.ndarray, "held features"]
    held_labels: Float[np.ndarray, " held"]


def split(name: str, seed: int, share: float = 0.25, most: int | None = None) -> Split:
    """Returns a data set, of which a share is held out.

    Args:
        name: "breast cancer", whose features are standardised, or "digits", threes and eights.
        seed: Of the order of the rows.
        share: The share of the rows that is held out.
        most: The most rows to learn from; all others by default.
    """
    rows, labels = _SETS[name]()
    order = np.random.default_rng(seed).permutation(len(rows))
    count = round((1 - share) * len(rows))
    learnt, held = order[:count][:most], order[count:]
    moved = rows - rows[learnt].mean(0)
    if name == "breast cancer":
        moved /= rows[learnt].std(0)
    moved /= np.sqrt((moved[learnt] ** 2).sum(1).mean())
    moved = np.round(moved * 2**_BITS) / 2**_BITS
    return Split(moved[learnt], labels[learnt], moved[held], labels[held])


def _breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_breast_cancer

    loaded: Any = load_breast_cancer(return_X_y=True)
    rows, labels = loaded
    return rows, 2.0 * labels - 1.0


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    loaded: Any = load_digits(return_X_y=True)
    images, digit = loaded
    chosen = (digit == 3) | (digit == 8)
    return images[chosen], np.where(digit[chosen] == 8, 1.0, -1.0)


_SETS = {"breast cancer": _breast_cancer, "digits": _digits}
