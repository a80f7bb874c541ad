"""The base class of all certificates, which say what is proved of a game and save the proof."""

import abc
from pathlib import Path
from typing import Any, ClassVar, Literal

import dgames as dg
from certify.checker import Progress, Verdict, check_data
from certify.checker.reader import Reader
from certify.claims.checked import Checked
from certify.claims.rows import Name, Row, Table, row
from certify.file.contents import Contents
from certify.file.save import save_data
from certify.problem.naming import shown_name
from dgames.strategy import Strategy

Status = Literal["proved", "refuted", "undecided"]


class Certificate(abc.ABC):
    """The result of an attempt to prove a claim about a game, with its status.

    Each kind of claim is a final subclass with the numbers of that claim, which exist only where
    they are proved: with another status, asking for one of them raises a `ValueError` that says why
    there is no proof. To add a kind, write a subclass with `kind`, `title`, `difference`,
    `claim_rows` and properties that read `data`; list it in `certify.claims.kinds`; and give the
    checker a function that verifies its files.

    Attributes:
        kind: The name of this kind of claim: the field `kind` of its files, and of its schema.
        title: What a certificate of this kind is about, for the head of a table or a page.
        no_file: One sentence that says why this kind of claim makes no file; empty if it does.
        status: "proved", "refuted" or "undecided".
        reasons: Why the status is not "proved", one sentence each; empty for a proof.
        promoted: What was not float64 in the game and the region, and what it was taken for, one
            sentence each; empty for a game in float64.
        refutation: The certificate that the claim is false; None unless the status is "refuted".

    Args:
        status: The status; "proved" needs `contents`.
        reasons: At least one reason unless the status is "proved"; none if it is.
        promoted: See the attribute; for a proof it is read from `contents` instead.
        contents: The contents of the file, which the checker has accepted.
        refutation: The certificate that the claim is false; "refuted" needs it.

    Raises:
        ValueError: If a proof or a refutation is claimed without contents that the checker has
            accepted.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    no_file: ClassVar[str] = ""

    def __init__(
        self,
        status: Status,
        reasons: tuple[str, ...] = (),
        *,
        promoted: tuple[str, ...] = (),
        contents: Checked | None = None,
        refutation: "Certificate | None" = None,
    ):
        name = type(self).__name__
        if not self.no_file and (status == "proved") != isinstance(contents, Checked):
            raise ValueError(
                f"{name}: the status 'proved', and no other one, takes contents that the checker "
                "has accepted (certify.claims.checked.Checked)"
            )
        if contents is not None and contents.kind != self.kind:
            raise ValueError(f"{name}: the contents are of the kind {contents.kind!r}")
        if (status == "proved") == bool(reasons):
            raise ValueError(f"{name}: a status other than 'proved', and only that, takes reasons")
        if (status == "refuted") != (refutation is not None and refutation.status == "proved"):
            raise ValueError(
                f"{name}: the status 'refuted', and no other one, takes a proved certificate of "
                "the opposite"
            )
        self._status: Status = status
        self._refutation = refutation
        self._reasons = tuple(reasons)
        self._contents = contents
        self._promoted = tuple(promoted) if contents is None else _promoted(contents.data)

    @property
    def status(self) -> Status:
        """The status of the claim, which is "proved", "refuted" or "undecided"."""
        return self._status

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons why there is no proof, one sentence each; empty for a proof."""
        return self._reasons

    @property
    def promoted(self) -> tuple[str, ...]:
        """Sentences that say what was not float64, and what it was taken for."""
        return self._promoted

    @property
    def refutation(self) -> "Certificate | None":
        """The certificate that the claim is false; None unless the status is "refuted"."""
        return self._refutation

    @property
    def contents(self) -> Checked:
        """The contents of the file, with the verdict of the checker on them.

        Raises:
            ValueError: If nothing was proved, or this kind of claim makes no file.
        """
        if self.no_file:
            raise ValueError(self.no_file)
        if self._contents is None:
            raise ValueError(self._unproved("no claims"))
        return self._contents

    @property
    def data(self) -> Contents:
        """The contents of the file, as plain data, to be read only."""
        return self.contents.data

    def save(self, path: str | Path) -> Path:
        """Writes the certificate file, all of it or nothing; if refuted, that of the refutation.

        Args:
            path: Where to write; an existing file is replaced. A name that ends in `.gz`, such
                as `game.json.gz`, makes it compressed; `certify.load`, `certify.check` and the
                command read both.

        Raises:
            ValueError: If nothing was proved, neither the claim nor the opposite, since only proofs
                are saved; if this kind of claim makes no file; if the file would be larger than the
                checker reads (`certify.checker.reader.MAX_BYTES`); or if `data` was changed since
                it was checked.
        """
        if self.refutation is not None:
            return self.refutation.save(path)
        if self.status != "proved":
            raise ValueError(self._unproved("nothing to save"))
        return save_data(self.data, path)

    def check(self, progress: Progress | None = None, *, level: int = 1) -> Verdict:
        """Has the independent checker verify the contents of the file again.

        Args:
            progress: Called with the number of cells done and of all, before each and at the end.
            level: The level of the check, see `certify.checker.check`.

        Raises:
            ValueError: If nothing was proved, or this kind of claim makes no file.
        """
        return check_data(self.data, progress, level=level)

    @abc.abstractmethod
    def difference(
        self, game: dg.Game | dg.AbstractField, x: Strategy | None = None, args: Any = None
    ) -> str | None:
        """Says how a game differs from that of the certificate.

        Args:
            game: A game or a field, whose code is traced.
            x: A joint strategy, of which only players and shapes matter; if it is not given, they
                are those that the file describes.
            args: Passed to the costs, or to the field.

        Returns:
            The first statement of the certificate that does not hold for the given game, in
            words; None if there is none.

        Raises:
            ValueError: If the game cannot be compared, or is of a kind of which nothing can be
                proved.
        """

    def require_game(self, game: Any, x: Strategy, args: Any = None) -> None:
        """Raises an error unless the certificate is about a given game, whose code is traced.

        Args:
            game: What the certificate should be about: a game, a field, or a linear-quadratic game.
            x: A joint strategy, of which only players and shapes matter.
            args: Passed to the costs, or to the field.

        Raises:
            ValueError: If the certificate is about another game or other arguments.
        """
        words = self.difference(game, x, args)
        if words is not None:
            raise ValueError(
                f"the certificate is not of this game with these args: {words}; certify this one."
            )

    def rows(self) -> list[Row]:
        """Returns what the certificate says, as labelled rows for a terminal or a page.

        For a proof these are its claims, otherwise the reasons why there is none.
        """
        rows = [row("claim", self.title), row("status", self.status)]
        if self.status != "proved":
            rows += [row("reason", reason) for reason in self.reasons]
        else:
            rows += [] if self.no_file else [row("game", Name(self.game_name))]
            rows += self.claim_rows()
        return [*rows, *(row("promoted", sentence) for sentence in self.promoted)]

    @abc.abstractmethod
    def claim_rows(self) -> list[Row]:
        """Returns the claims of a proof, as rows."""

    def tables(self) -> list[Table]:
        """Returns further tables, such as one of the numbers of each player; none by default."""
        return []

    @property
    def game_name(self) -> str:
        """The name of the game in the file, made safe to display."""
        return shown_name(Reader(self.data)["game"]["name"].text())

    def _unproved(self, what: str) -> str:
        return f"{what}: the status is {self.status!r} ({'; '.join(self.reasons)})"


def _promoted(data: Contents) -> tuple[str, ...]:
    """Reads the sentences on promoted types, which are no claim and are not checked."""
    file = Reader(data)
    return tuple(item.text() for item in file["promoted"].items()) if "promoted" in file else ()
