"""Certificates with one thing changed: who notices, and whether what nobody notices is still true.

    python -m benchmarks.mutations --mutations 12000 --seed 0 --state mutations

- `corpus`: the certificates;
- `changes`: every kind of single change, with hashes and digest renewed;
- `reasons`: why a change may leave a certificate true, by the field and the direction of it;
- `games`: the costs of a file's game, in floating point and to sixty digits;
- `setting`, `facts`, `oracle`, `methods`, `steps`: whether a certificate is true, without the
  checker;
- `trial`: one certificate, changed many times;
- `table`: what came of it;
- `run`: the command.

Docs: `docs/mutations.md`.
"""
