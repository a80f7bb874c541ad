"""Contents of files that the independent checker has accepted; every proof is made of them."""

from certify.checker import Progress, Verdict, check_data
from certify.checker.reader import digest
from certify.file.contents import Contents


class NotAccepted(ValueError):
    """An error: the checker rejects the contents of a file.

    Attributes:
        verdict: The verdict of the checker; its `reasons` are the claims that do not follow.
    """

    def __init__(self, verdict: Verdict):
        super().__init__("; ".join(verdict.reasons))
        self.verdict = verdict


class Checked:
    """The contents of a certificate file, which the checker accepted when this object was made.

    Making one runs the checker, so every instance holds accepted contents. A `Certificate` with the
    status "proved" can be made of nothing else.

    Args:
        data: The contents of a file, as plain data.
        progress: Called with the number of cells done and of all, before each and at the end.
        level: The level of the check, see `certify.checker.check`.

    Raises:
        NotAccepted: If the checker rejects them.
        Unusable: If the checker cannot read them.
    """

    __slots__ = ("_data", "_level", "_verdict")

    def __init__(self, data: Contents, progress: Progress | None = None, *, level: int = 1):
        verdict = check_data(data, progress, level=level)
        if not verdict.ok:
            raise NotAccepted(verdict)
        self._data, self._verdict, self._level = _sealed(data), verdict, level

    @property
    def data(self) -> Contents:
        """The contents with their digest."""
        return self._data

    @property
    def kind(self) -> str:
        """The kind of claim, which is a key of `certify.claims.kinds.KINDS`."""
        return self._data["kind"]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the checker."""
        return self._verdict

    @property
    def level(self) -> int:
        """The level of the check."""
        return self._level

    def with_provenance(self, **entries: str) -> "Checked":
        """Returns the same contents with more entries in their provenance, which is no claim.

        The checker does not look at provenance, so its verdict holds for the new contents, too.
        """
        new = object.__new__(Checked)
        new._verdict, new._level = self._verdict, self._level
        provenance = {**self._data["provenance"], **entries}
        new._data = _sealed({**self._data, "provenance": provenance})
        return new


def _sealed(data: Contents) -> Contents:
    """Returns a copy of the contents with their digest at the end."""
    body = {key: value for key, value in data.items() if key != "digest"}
    return {**body, "digest": digest(body)}
