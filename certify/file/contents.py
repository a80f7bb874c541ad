"""The contents of a certificate file, as plain data."""

from typing import Any

# Values of JSON: objects, lists, text, integers, truth values. The fields of contents that the
# checker has accepted are those of `docs/certificate-format.md`.
Contents = dict[str, Any]
