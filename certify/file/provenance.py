"""Where a certificate comes from: versions and time. No claim, and nothing to verify."""

import importlib.metadata
from datetime import UTC, datetime


def provenance() -> dict[str, str]:
    """Versions of the packages that a proof was made with, and when."""
    packages = ("dgames", "jax", "jaxlib", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {**versions, "created": datetime.now(UTC).isoformat(timespec="seconds")}
