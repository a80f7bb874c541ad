"""Certificates with one thing changed: who notices, and whether what nobody notices is still true.

    python -m benchmarks.mutations --mutations 12000 --seed 0 --state mutations

- `run`: the command;
- `table`: what came of it.

The certificates, the changes and the oracle that judges them stand in `tools.mutants`.

Docs: `docs/mutations.md`.
"""
