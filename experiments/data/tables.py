"""Data sets that scikit-learn ships, standardised: nothing is downloaded.

They are scaled here, in NumPy, and rounded to few bits, not in the costs: a quotient in the costs
makes the numbers of a proof long, and data of few bits make its file small.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

_BITS = 16


class Table(NamedTuple):
    """Features and targets of a data set.

    Attributes:
        rows: Features, of mean zero; the mean square of the length of a row is 1.
        targets: Labels 0 and 1, or numbers of mean zero and variance 1.
    """

    rows: Float[np.ndarray, "rows features"]
    targets: Float[np.ndarray, " rows"]


def breast_cancer() -> Table:
    """Tumours of 569 patients, 30 features each; 1 is benign."""
    from sklearn.datasets import load_breast_cancer

    loaded: Any = load_breast_cancer(return_X_y=True)
    rows, labels = loaded
    return Table(_standardised(rows), labels.astype(float))


def diabetes() -> Table:
    """Measurements of 442 patients, 10 each, and how far the disease came in a year."""
    from sklearn.datasets import load_diabetes

    loaded: Any = load_diabetes(return_X_y=True)
    rows, targets = loaded
    return Table(_standardised(rows), _rounded((targets - targets.mean()) / targets.std()))


def digits(zero: int, one: int) -> Table:
    """Images of two handwritten digits, 64 pixels each; the second digit is labelled 1."""
    from sklearn.datasets import load_digits

    loaded: Any = load_digits(return_X_y=True)
    images, digit = loaded
    chosen = (digit == zero) | (digit == one)
    centred = images[chosen] - images[chosen].mean(0)
    return Table(_rounded(centred / _length(centred)), (digit[chosen] == one).astype(float))


def random_features(
    rows: Float[np.ndarray, "rows inputs"], count: int, seed: int, length: float, share: float = 0.1
) -> Float[np.ndarray, "rows count"]:
    """Returns the outputs of a layer of rectified units with random weights.

    Args:
        rows: The inputs.
        count: The number of units.
        seed: Of the weights.
        length: The root mean square of the length of a row of outputs.
        share: The share of the rows for which a unit is active, which sets its bias.
    """
    inputs = rows @ np.random.default_rng(seed).normal(size=(rows.shape[1], count))
    outputs = np.maximum(inputs - np.quantile(inputs, 1 - share, axis=0), 0.0)
    return _rounded(length * outputs / _length(outputs))


def _standardised(rows: np.ndarray) -> np.ndarray:
    centred = (rows - rows.mean(0)) / rows.std(0)
    return _rounded(centred / _length(centred))


def _length(rows: np.ndarray) -> np.ndarray:
    return np.sqrt((rows**2).sum(1).mean())


def _rounded(numbers: np.ndarray) -> np.ndarray:
    return np.round(numbers * 2**_BITS) / 2**_BITS
