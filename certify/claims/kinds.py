"""The table of all kinds of claims, with functions that load and check files of any kind."""

from pathlib import Path
from typing import Any, cast

import dgames as dg
from certify import checker
from certify.checker import Progress, Verdict
from certify.checker.reader import read
from certify.claims.certificate import Certificate
from certify.claims.checked import Checked, NotAccepted
from certify.claims.contraction import Contraction
from certify.claims.convergence import Convergence
from certify.claims.equilibrium_count import EquilibriumCount
from certify.claims.expanding_region import Expansion
from certify.claims.feedback_equilibrium import FeedbackEquilibrium
from certify.claims.instability import Instability
from certify.claims.isolated_zero import IsolatedZero
from certify.claims.mean_square import MeanSquare
from certify.claims.monotone_convergence import MonotoneConvergence
from certify.claims.neural_convergence import NeuralConvergence
from certify.claims.policy_convergence import PolicyConvergence
from certify.claims.refutation import Refutation
from certify.claims.stackelberg_optimum import StackelbergOptimum
from certify.claims.tree_convergence import TreeConvergence
from dgames.dynamic import LQGame
from dgames.strategy import Strategy

# The class of each kind of file. The function that verifies a kind is in `certify.checker.KINDS`,
# under the same name, because the checker imports nothing from here; `certify/file/schemas` has its
# schema.
KINDS: dict[str, type[Certificate]] = {
    known.kind: known
    for known in (
        *(Convergence, Contraction, PolicyConvergence),
        *(IsolatedZero, StackelbergOptimum, FeedbackEquilibrium, MeanSquare),
        *(NeuralConvergence, TreeConvergence),
        *(Refutation, Instability, Expansion, MonotoneConvergence, EquilibriumCount),
    )
}


def load(path: str | Path, progress: Progress | None = None, *, level: int = 1) -> Certificate:
    """Loads a certificate file of any kind and checks it; no code in it is ever run.

    Args:
        path: A file written by `Certificate.save`.
        progress: Called with the number of cells done and of all, before each and at the end.
        level: The level of the check, see `certify.check`.

    Returns:
        A certificate with the status "proved", of the class of its kind: a `Convergence`, a
        `Contraction`, a `PolicyConvergence`, an `IsolatedZero`, a `StackelbergOptimum`, a
        `FeedbackEquilibrium`, a `MeanSquare`, a `NeuralConvergence`, a `TreeConvergence`, a
        `Refutation`, an `Instability`, an `Expansion`, a `MonotoneConvergence` or an
        `EquilibriumCount`.

    Raises:
        ValueError: If the file cannot be read (`certify.checker.Unusable`), or the independent
            checker rejects it.

    Example:
        >>> import certify, dgames as dg, tempfile, pathlib
        >>> game = dg.game(lambda x, args: (x[0] ** 2, x[1] ** 2))
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "game.json"
        >>> path = certify.certify(game, certify.Box.around((0.0, 0.0), 1.0)).save(file)
        >>> type(certify.load(path)).__name__, certify.load(path).status
        ('Convergence', 'proved')
    """
    try:
        return of_contents(Checked(read(path), progress, level=level))
    except NotAccepted as rejection:
        raise ValueError(f"{path}: the checker rejects this certificate: {rejection}") from None


def of_contents(contents: Checked) -> Certificate:
    """Makes a certificate, of the class of its kind, from contents that the checker has accepted.

    Args:
        contents: The contents of a file of any kind.
    """
    return KINDS[contents.kind]("proved", contents=contents)


def check(
    path: str | Path,
    progress: Progress | None = None,
    *,
    level: int = 1,
    game: dg.Game | dg.AbstractField | dg.Stackelberg | LQGame | None = None,
    args: Any = None,
    like: Strategy | None = None,
) -> Verdict:
    """Has the independent checker verify a certificate file, and compares its game on request.

    The checker (`certify.checker.check`, which needs nothing but the standard library) decides
    whether the claims follow from the file. It cannot know whether the costs in the file are those
    of some code; if you give the game, its code is traced again and compared.

    Args:
        path: A file written by `Certificate.save`.
        progress: Called with the number of cells done and of all, before each and at the end.
        level: 1 takes the bounds on derivatives that the file states as given; 2 re-derives them
            from the costs that the file spells out, with python-flint.
        game: The game, the field or the linear-quadratic game that the file should be about.
        args: Passed to its costs, or to the field.
        like: A joint strategy of the game, where the file does not describe its structure (equinox
            modules, for example).

    Returns:
        The verdict; its `reasons` say which claims fail, and how the game differs.

    Raises:
        Unusable: If the file cannot be read at all, or is of a kind that level 2 cannot re-derive
            or whose game cannot be compared.
        ValueError: If there is no such level, or nothing can be proved of the game.

    Example:
        >>> import certify, dgames as dg, tempfile, pathlib
        >>> game = dg.game(lambda x, args: (x[0] ** 2, args * x[1] ** 2))
        >>> region = certify.Box.around((0.0, 0.0), 1.0)
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "game.json"
        >>> path = certify.certify(game, region, args=1.0).save(file)
        >>> certify.check(path, game=game, args=1.0).ok, certify.check(path, game=game, args=2.0).ok
        (True, False)
    """
    if game is None:
        return checker.check(path, progress, level=level)
    try:
        contents = Checked(read(path), progress, level=level)
    except NotAccepted as rejection:
        return rejection.verdict
    words = of_contents(contents).difference(cast(Any, game), like, args)
    if words is None:
        return contents.verdict
    return contents.verdict._replace(ok=False, reasons=(f"the game is the one given: {words}",))
