"""How a certificate is written down: evidence in integers, saving, provenance, schemas."""
