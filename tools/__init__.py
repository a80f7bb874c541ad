"""What the tests and the benchmarks both use, and what neither of them tests.

oracle.py           values and derivatives of JAX code in ball arithmetic, by other means than ours
numpy_jaxpr.py      JAX code run by NumPy, which compiles nothing
random_programs.py  random functions, boxes and points
program_checks.py   whether an enclosure of one of them misses a point
probes.py           functions that use one feature of JAX each
coverage.py         whether a probe can be enclosed
random_games.py     random games, and whether what is proved of them is so
tiny_steps.py       the branch of quantal responses in tiny steps
edits.py            random edits of certificate files
mutants/            certificate files with one thing changed, and an oracle that judges them
"""
