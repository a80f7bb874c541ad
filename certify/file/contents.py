"""The contents of a certificate file, as plain data."""

from typing import Any

# What JSON holds: objects, lists, text, integers, truth values. Of contents that the checker has
# accepted it is known what stands where, see `docs/certificate-format.md`.
Contents = dict[str, Any]
