"""Why a change may leave a certificate true: by the field and the direction, not by the verdict."""

import enum
import re
from collections.abc import Iterator
from typing import Any

from tools.mutants.changes import Path, field_of, is_real


class Reason(enum.Enum):
    """From the least to the most that a change can do to what a file says."""

    SAME = "the same numbers, written or ordered differently"
    TEXT = "text for people, no part of the claim"
    UNREAD = "a field that the format does not know and nobody reads"
    IDENTITY = "the name of the game, its players or its code, which no file can vouch for"
    OMITTED = "something left out that level 2 or another reader needs"
    WEAKER = "a weaker claim, implied by the original"
    CHOICE = "a free choice with which the inequalities still hold"
    STRONGER = "a stronger or another claim, which the same evidence proves"
    GIVEN = "statement (B) changed"
    GAME = "another game of which the claim is true"


# What a number claims less of: more of it, or less.
_UP, _DOWN = "up", "down"

# The first pattern that matches decides. Fields of contraction files stand among the others.
_RULES: list[tuple[str, Reason | str]] = [
    (r"(trusted|provenance|promoted|method)\b", Reason.TEXT),
    (r"game\.graph", Reason.GAME),
    (r"game\.sets", Reason.GAME),
    (r"game\.zero_sum|game\.players\[\]\.size|game\.players$|coordinates", Reason.GIVEN),
    (r"game\.(name|hash|code|structure|players)", Reason.IDENTITY),
    (r"region|claims\.(lower|upper)\b", Reason.GIVEN),
    (r"claims\.metric\.(smallest|coordinate)", _DOWN),
    (r"claims\.(weights|metric)", Reason.CHOICE),
    (r"claims\.margin|claims\.small_gain\.(margin|curvature)", _DOWN),
    (r"claims\.lipschitz|claims\.small_gain\.(smoothness|coupling)", _UP),
    (r"claims\.small_gain\.(left|right)", Reason.CHOICE),
    (r"claims\.(equilibrium\.)?(center|value)", Reason.GIVEN),
    (r"claims\.(equilibrium\.|start\.)?residual", "residual"),
    (r"claims\.equilibrium\.radius|claims\.radius|claims\.rate", _UP),
    (r"claims\.basin|claims\.start\.radius", _DOWN),
    (r"claims\.start\.(metric|stretch)", Reason.CHOICE),
    (r"claims\.steps\[\]\.(pieces|momentum|inner|outer|best)", Reason.CHOICE),
    (r"claims\.steps\[\]\.(method|theorem)", Reason.STRONGER),
    (r"claims\.steps\[\]\.(max|basin)", _DOWN),
    (r"claims\.steps\[\]\.(rate|constant|stretch|equilibrium_radius)", _UP),
    (r"evidence(\.cells\[\]|\.start)?\.(along|\w*scaling|margin_modes)", Reason.CHOICE),
    (r"evidence\.inverse", Reason.CHOICE),
    (r"evidence(\.cells\[\]|\.start)?\.remainder", "residual"),
    (r"evidence(\.cells\[\]|\.start)?\.(centre|generators)|evidence\.unit", Reason.GIVEN),
    (r"evidence\.cells\[\]\.outside", Reason.UNREAD),
    (r"evidence\.cells", Reason.GIVEN),
]

# Fields that may be left out; anything else that is missing has to be noticed.
_OPTIONAL: dict[str, Reason] = {
    "trusted": Reason.TEXT,
    "promoted": Reason.TEXT,
    "provenance": Reason.TEXT,
    "method": Reason.TEXT,
    "game": Reason.IDENTITY,  # of a contraction file, which does not speak of the costs
    "game.name": Reason.IDENTITY,
    "game.hash": Reason.IDENTITY,
    "game.code": Reason.IDENTITY,
    "game.structure": Reason.IDENTITY,
    "game.zero_sum": Reason.GIVEN,
    "game.graph": Reason.OMITTED,
    "evidence.cells[].along": Reason.OMITTED,
    "evidence.cells[].margin_modes": Reason.CHOICE,
}
# Objects in which nothing but the fields of the format is read.
_OPEN = r"|game|game\.players\[\]|evidence|evidence\.cells\[\]|evidence\.start|coordinates"


def reason(original: dict[str, Any], mutant: dict[str, Any]) -> Reason | None:
    """The most that the differences can do; None if no rule says what one of them does."""
    found = [
        difference for difference in _differences(original, mutant) if difference is not Reason.SAME
    ]
    if any(difference is None for difference in found):
        return None
    order = list(Reason)
    return max((d for d in found if d), key=order.index, default=Reason.SAME)


def _differences(old: Any, new: Any, path: Path = ()) -> Iterator[Reason | None]:
    """What each difference can do."""
    where = field_of(path)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            if (*path, key) in (("digest",), ("game", "graph", "hash")):
                continue
            inner = field_of((*path, key))
            if key not in new:
                free = re.match(r"(trusted|provenance|promoted|method)\.", inner)
                whole = "region" in old  # the file of a game, not of a step
                needed = inner == "game" and whole
                yield Reason.TEXT if free else None if needed else _missing(inner)
            elif key not in old:
                yield _added(where, inner)
            else:
                yield from _differences(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(old, new, path)
    elif old != new or type(old) is not type(new):
        yield _of_values(old, new, where)


def _missing(inner: str) -> Reason | None:
    identity = inner.startswith("game.structure.")
    return Reason.IDENTITY if identity else _OPTIONAL.get(inner)


def _added(where: str, inner: str) -> Reason | None:
    rule = _rule(inner)
    if rule in (Reason.TEXT, Reason.IDENTITY) and not re.fullmatch(_OPEN, where):
        return rule  # type: ignore[return-value]
    return Reason.UNREAD if re.fullmatch(_OPEN, where) else None


def _of_lists(old: list, new: list, path: Path) -> Iterator[Reason | None]:
    where = field_of(path)
    if where == "claims.steps":
        texts = [[repr(x) for x in values] for values in (old, new)]
        if set(texts[1]) <= set(texts[0]):  # some of them, or in another order, or twice
            yield Reason.SAME if set(texts[1]) == set(texts[0]) else Reason.WEAKER
            return
    if len(old) == len(new):
        for k, (a, b) in enumerate(zip(old, new, strict=True)):
            if where == "claims.steps" and _theorem(a) != _theorem(b):  # with fields of its own
                yield Reason.STRONGER
            else:
                yield from _differences(a, b, (*path, k))
        return
    rule = _rule(where)
    yield rule if isinstance(rule, Reason) else None


def _theorem(step: Any) -> Any:
    return [step.get(name) for name in ("method", "theorem")] if isinstance(step, dict) else None


def _of_values(old: Any, new: Any, where: str) -> Reason | None:
    rule = _rule(where)
    if isinstance(rule, Reason):
        if is_real(old) and is_real(new) and float.fromhex(old) == float.fromhex(new):
            return Reason.SAME
        return rule
    pair = [float.fromhex(x) if is_real(x) else x for x in (old, new)]
    if rule is None or not all(isinstance(x, int | float) for x in pair):
        return None
    before, after = pair
    if before == after:
        return Reason.SAME
    if rule == "residual":
        return Reason.WEAKER if after > before else Reason.GIVEN
    return Reason.WEAKER if (after > before) == (rule == _UP) else Reason.STRONGER


def _rule(where: str) -> Reason | str | None:
    return next((rule for pattern, rule in _RULES if re.match(pattern, where)), None)
