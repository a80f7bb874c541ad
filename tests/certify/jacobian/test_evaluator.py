"""Compiled enclosures outlive their process, in JAX's compilation cache."""

import json
import os
import subprocess
import sys

PROGRAM = """
import json
from collections import Counter
import jax
import jax.numpy as jnp
import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)
counts = Counter()
jax.monitoring.register_event_listener(lambda event, **_: counts.update([event]))


def costs(x, args):
    meeting = jnp.sin(x["cat"]) * x["mouse"]
    return {"cat": 0.5 * x["cat"] ** 2 - meeting, "mouse": 0.5 * x["mouse"] ** 2 + meeting}


region = certify.Box.around({"cat": 0.0, "mouse": 0.0}, 0.6)
found = certify.certify(dg.game(costs), region, enclosure=certify.IntervalMatrices())
found.save("proof.json")
kept = [counts[f"/jax/compilation_cache/cache_{kind}"] for kind in ("hits", "misses")]
print(json.dumps([found.status, found.margin, *kept]))
"""


def test_a_second_process_compiles_nothing(tmp_path):
    environment = {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        "CERTIFY_CACHE_DIR": str(tmp_path / "tested"),
    }

    def run():
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), (tmp_path / "proof.json").read_text()

    (status, margin, hits, misses), text = run()
    assert status == "proved" and misses > 0
    (again, same, kept, compiled), proof = run()
    assert (again, same, compiled) == ("proved", margin, 0)
    # Programs of the self-test are not even looked for: it is remembered.
    assert 0 < kept < hits + misses
    assert any(path.name.startswith("jit_program") for path in (tmp_path / "compiled").iterdir())
    made = [json.loads(file) for file in (text, proof)]
    assert all(file.pop("provenance") and file.pop("digest") for file in made)
    assert made[0] == made[1]
