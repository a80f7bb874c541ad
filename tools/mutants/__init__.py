"""Certificate files with one thing changed, and an oracle that knows what is true of them.

- `corpus`: the certificates;
- `changes`: every kind of single change, with hashes and digest renewed;
- `reasons`: why a change may leave a certificate true, by the field and the direction of it;
- `games`: the costs of a file's game, in floating point and to sixty digits;
- `setting`, `facts`, `oracle`, `methods`, `steps`: whether a certificate is true, without the
  checker;
- `trial`: one certificate, changed many times.
"""
