"""Regions whose basin contains the start, hardly larger than they have to be."""

from certify.prove.neural.networks_proof import NetworksProof
from certify.prove.neural.training_steps import setting_of
from certify.steps.extragradient import from_monotonicity


def containing(proof: NetworksProof, *, stretched: bool) -> tuple[float, ...]:
    """Returns the radius of a region whose basin contains the start, for each network.

    Args:
        proof: The game, which has a start.
        stretched: Whether to leave room for the best step of extragradient, whose middle points are
            farther away than where it starts, if a margin is left by that.
    """
    away = proof.away
    least = max(away * (1 + 2.0**-10), 2.0**-10)
    size = least * 1.25
    for _ in range(6 if stretched else 0):
        needed = _stretched(proof, size)
        if needed is None:
            break
        if needed <= size <= needed * (1 + 2.0**-7):
            return proof.radii(size)
        size = needed * (1 + 2.0**-8)
    return proof.radii(least)


def _stretched(proof: NetworksProof, size: float) -> float | None:
    """Returns the radius of a ball around the point that the best step needs, or None.

    Args:
        proof: The game.
        size: The radius of a ball around the point in the region whose constants are used.
    """
    found = proof.bounds(proof.radii(size))
    if found.margin <= 0:
        return None
    a, b = float(found.margin), float(found.lipschitz)
    step = from_monotonicity(setting_of(a, b, 0.0, 1.0))
    if step is None:
        return None
    h, near = step["best"], proof.near(a)
    stretch = max(1.0, 1 - 2 * h * a + (h * b) ** 2) ** 0.5
    return (stretch * (proof.away + near) + near) * (1 + 2.0**-20)
