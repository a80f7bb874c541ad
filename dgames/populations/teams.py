"""Teams: which players are on which side of a population."""

from collections.abc import Sequence

from dgames.strategy import Strategy, blocks, brief_names, position


def as_teams(
    x: Strategy, teams: Sequence[Sequence[str | int]] | None
) -> tuple[tuple[int, ...], ...]:
    """Returns the positions of the players of each side, sides by their first players."""
    found = [
        tuple(position(x, player, "a member of a team") for player in team) for team in teams or ()
    ]
    named = [player for team in found for player in team]
    if len(set(named)) != len(named) or not all(found):
        raise ValueError(
            f"Population: each player is in one team at most, and no team is empty; got {teams}"
        )
    alone = [(p,) for p in range(len(blocks(x))) if p not in named]
    sides = tuple(sorted([*found, *alone]))
    if len(sides) < 2:
        raise ValueError(
            f"Population: there must be two sides at least, but {brief_names(x)} make up one"
        )
    return sides
