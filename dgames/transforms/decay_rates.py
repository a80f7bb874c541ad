"""Checks of decay rates that users give."""

from typing import Any


def check_decay(value: Any, name: str = "decay") -> None:
    """Raises a ValueError if a number is no decay rate, that is, outside of [0, 1)."""
    # Arrays may be traced (optax.inject_hyperparams passes them so): only plain numbers are
    # checked.
    if isinstance(value, int | float) and not 0 <= value < 1:
        raise ValueError(f"`{name}` must lie in [0, 1), got {value}.")
