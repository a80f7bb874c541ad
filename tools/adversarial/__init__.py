"""What is made to deceive a proof, and what knows the truth of it by other means.

- `traps`, `trapped`: functions that jump, bend or have no value somewhere, and games with one;
- `programs`, `definedness`: random programs without a value at an end of the region, and games;
- `games`, `runs`, `oracle`: random smooth games, methods in NumPy, and all that is proved of a game
  compared with what is so.
"""
