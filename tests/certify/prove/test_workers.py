"""Several devices, processes and machines: the same certificate as one."""

import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest

import certify
import dgames as dg

ROOT = Path(__file__).parents[3]


def proof(certificate):
    """What a certificate says, without where and when it was made."""
    ignored = ("provenance", "digest")
    return {key: value for key, value in certificate.data.items() if key not in ignored}


def in_another_process(source, ripples, **variables):
    """Runs a program that can import `ripples`; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=ripples.folder,
        env={**os.environ, **variables, "PYTHONPATH": f"{ROOT}{os.pathsep}{ripples.folder}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PREPARED = """
import jax
jax.config.update("jax_enable_x64", True)
import certify, ripples
"""


@pytest.mark.full
def test_several_devices(ripples, whole):
    program = f"""{PREPARED}
assert jax.device_count() == 4
from certify.problem.field import flat_field
from certify.jacobian.evaluator import evaluator
compiled = evaluator(flat_field(ripples.game, ripples.region), certify.AffineArithmetic())
assert (compiled.devices, compiled.width) == (4, 16)
import numpy as np
blocks = compiled.blocks(np.zeros((64, 2)), np.ones((64, 2)))
assert len(blocks.centre.sharding.device_set) == 4
assert blocks.centre.addressable_shards[0].data.shape == (16, 2, 2)
for batch_size in (1, None):
    search = certify.Search(batch_size=batch_size)
    found = certify.certify(ripples.game, ripples.region, search=search)
    found.save(f"devices-{{batch_size}}.json")
"""
    in_another_process(program, ripples, XLA_FLAGS="--xla_force_host_platform_device_count=4")
    for batch_size in (1, None):
        found = certify.load(ripples.folder / f"devices-{batch_size}.json")
        assert proof(found) == proof(whole)


@pytest.mark.full
def test_processes(ripples, whole):
    import joblib

    for batch_size in (None, 5):
        found = certify.certify(
            ripples.game, ripples.region, search=certify.Search(n_jobs=2, batch_size=batch_size)
        )
        assert proof(found) == proof(whole)
    with joblib.parallel_config("loky", n_jobs=2):
        assert proof(certify.certify(ripples.game, ripples.region)) == proof(whole)


@pytest.mark.full
def test_a_dask_cluster(ripples, whole):
    program = f"""{PREPARED}
def passed():
    from certify.enclosure import self_test
    from certify.prove import workers
    assert jax.config.read("jax_enable_x64")
    return self_test._tested.cache_info().currsize, workers._compiled.cache_info().misses

if __name__ == "__main__":
    import joblib
    from dask.distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            with joblib.parallel_config("dask"):
                search = certify.Search(checkpoint="dask.npz")
                found = certify.certify(ripples.game, ripples.region, search=search)
            print(sorted(client.run(passed).values()))
    found.save("dask.json")
"""
    # From a file, because Dask starts its workers from the main module.
    (ripples.folder / "with_dask.py").write_text(program)
    out = in_another_process(
        "import runpy; runpy.run_path('with_dask.py', {}, '__main__')", ripples
    )
    assert out.splitlines()[-1] == "[(1, 1), (1, 1)]"
    assert proof(certify.load(ripples.folder / "dask.json")) == proof(whole)


@pytest.mark.full
def test_costs_that_differ_between_processes(ripples):
    def costs(x, args):
        import os

        return (os.getpid() * x[0] ** 2, x[1] ** 2)

    with pytest.raises(ValueError, match="in another process the costs are another function"):
        certify.certify(dg.game(costs), ripples.region, search=certify.Search(n_jobs=2))


def test_games_that_cannot_be_sent(ripples):
    import threading

    lock = threading.Lock()

    def costs(x, args):
        with lock:
            return (x[0] ** 2, x[1] ** 2)

    with pytest.raises(ValueError, match=r"cannot be sent to other processes .*lock"):
        certify.certify(dg.game(costs), ripples.region, search=certify.Search(n_jobs=2))


def test_without_joblib(ripples, whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    monkeypatch.delitem(sys.modules, "joblib")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="install the extra 'parallel'"):
        certify.certify(ripples.game, ripples.region, search=certify.Search(n_jobs=2))
    assert proof(
        certify.certify(ripples.game, ripples.region, search=certify.Search(n_jobs=1))
    ) == proof(whole)


@pytest.mark.full
def test_threads(ripples, whole):
    import joblib

    with joblib.parallel_config("threading", n_jobs=2):
        found = certify.certify(ripples.game, ripples.region, search=certify.Search(batch_size=4))
    assert proof(found) == proof(whole)


@pytest.mark.full
def test_arguments_are_sent(ripples):
    game = dg.game(lambda x, args: (args * x[0] ** 2 + 0.1 * jnp.sin(x[0] * x[1]), x[1] ** 2))
    searches = (certify.Search(n_jobs=n, tightness=0.99) for n in (1, 2))
    alone, sent = (
        certify.certify(game, ripples.region, args=jnp.asarray(2.0), search=search)
        for search in searches
    )
    assert proof(alone) == proof(sent)
