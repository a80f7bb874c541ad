"""Studies that reproduce the experiments of papers, beside what can be proved about them.

    python -m experiments                      # lists them
    python -m experiments small_gain_toy       # runs one: numbers, figures, comparison
    python -m experiments small_gain_toy --quick

The frame, from the ground up: `storage.py` keeps results, `stages.py` is a run as a stage sees it,
`study.py` says what a study is, `catalogue.py` lists the studies, `run.py` runs one and resumes it,
`expected.py` compares its numbers with those committed in `expected/`. Every other module is a
study.
"""

import os

# Matrices are small here and there are many processes, so threads would wait for each other. The
# setting has an effect only where NumPy is not loaded yet.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax

# Certificates are made in float64, and so is everything that stands beside them.
jax.config.update("jax_enable_x64", True)
