"""Describes where a certificate comes from: versions and time, which are no claim."""

import importlib.metadata
from datetime import UTC, datetime


def provenance() -> dict[str, str]:
    """Returns the versions of the packages that make a proof, and the present time."""
    packages = ("dgames", "jax", "jaxlib", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {**versions, "created": datetime.now(UTC).isoformat(timespec="seconds")}
