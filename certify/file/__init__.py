"""How a certificate is written to a file: evidence in integers, saving, provenance, schemas."""
