"""What a certificate says of shared constraints: which equilibrium it is, and its multipliers."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.checker.reader import Reader
from certify.checker.shared_rows import NASH, NORMALISED, VARIATIONAL, Shared
from certify.file.contents import Contents
from certify.rounding import float_above, float_below

# What each notion is called in a sentence.
NOTIONS = {
    VARIATIONAL: "the variational equilibrium, whose multipliers are the same for all players",
    NORMALISED: "the normalised equilibrium of these weights",
    NASH: "a Nash equilibrium, as nothing that binds players together is active",
}


class SharedReport(NamedTuple):
    """The proved statements on the rows of shared constraints, in the order of the game's rows.

    The equilibrium x* is a *generalised* Nash equilibrium. There may be others, of which nothing is
    claimed: what is unique is the solution of the variational inequality in the metric of the
    certificate.

    Attributes:
        notion: "variational", "normalised" or "nash".
        weights: The weights w of the notion, by player: in player i's problem the rows have the
            multipliers `lower / w_i` to `upper / w_i`.
        states: "active", "inactive", "possible" or "equality", for each row at x*.
        functions: "inactive" or "possible", for each shared constraint that is a function.
        unique: Whether the multipliers are proved to be unique.
        lower: Lower bounds on them, shape (rows,); not finite where they need not be unique.
        upper: Upper bounds on them, shape (rows,).
    """

    notion: str
    weights: dict[str, float]
    states: tuple[str, ...]
    functions: tuple[str, ...]
    unique: bool
    lower: Float[np.ndarray, " rows"]
    upper: Float[np.ndarray, " rows"]

    def summary(self) -> str:
        """Counts the rows of each state, in words."""
        states = (*self.states, *self.functions)
        counts = {state: states.count(state) for state in dict.fromkeys(states)}
        words = {"possible": "possibly active", "equality": "equations"}
        return ", ".join(f"{count} {words.get(state, state)}" for state, count in counts.items())


def read_shared(data: Contents) -> SharedReport | None:
    """Reads what a file that the checker has accepted says of shared constraints; None if nothing.

    Args:
        data: The contents of the file.
    """
    if "shared" not in data["game"]:
        return None
    players = data["game"]["players"]
    shared = rows_of(data)
    if shared.radius is None:
        # Where multipliers are not known, those of inactive rows are: they vanish.
        known = np.array([state == "inactive" for state in shared.states])
        lower, upper = np.where(known, 0.0, -np.inf), np.where(known, 0.0, np.inf)
    else:
        pairs = list(zip(shared.multipliers, shared.radius, strict=True))
        lower = np.array([float_below(middle - radius) for middle, radius in pairs])
        upper = np.array([float_above(middle + radius) for middle, radius in pairs])
    equal = np.array([row.is_equality for row in shared.rows])
    weights = (float.fromhex(w) for w in data["claims"]["weights"])
    return SharedReport(
        shared.notion,
        dict(zip((player["name"] for player in players), weights, strict=True)),
        tuple(shared.states),
        () if shared.functions is None else tuple(shared.functions.states),
        shared.radius is not None,
        np.where(equal, lower, np.maximum(lower, 0.0)),
        upper,
    )


def rows_of(data: Contents) -> Shared:
    """Returns the shared rows of a file as the checker reads them."""
    sizes = [player["size"] for player in data["game"]["players"]]
    game, claims = data["game"]["shared"], data["claims"]["shared"]
    return Shared(Reader(game), Reader(claims), Reader(data["evidence"]), sizes)


def has_slack(data: Contents, lower: np.ndarray, upper: np.ndarray) -> bool:
    """Says whether every point of a box has slack in every shared row of a file, exactly.

    Args:
        data: The contents of the file; without shared rows the answer is yes.
        lower: The lower corner of the box, shape (n,).
        upper: The upper corner of the box, shape (n,).
    """
    if "shared" not in data["game"]:
        return True
    shared = rows_of(data)
    rows, finite = shared.rows, np.isfinite(lower).all() and np.isfinite(upper).all()
    if not finite or shared.functions is not None or any(row.is_equality for row in rows):
        return False
    ends = [(Fraction(a), Fraction(b)) for a, b in zip(lower.tolist(), upper.tolist(), strict=True)]
    return all(
        sum((a * ends[k][a > 0] for k, a in row.entries.items()), Fraction(0)) < row.bound
        for row in rows
    )
