"""Games of networks on the command line."""

import json
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "networks.py"


def test_run_trains_networks_and_certifies_their_training(command, tmp_path):
    file = tmp_path / "networks.json"
    status, out, err = command("run", EXAMPLE, "-o", file)
    assert status == 0, err
    assert "Training from the start converges" in " ".join(out.split())
    assert json.loads(file.read_text())["kind"] == "neural"
    assert command("check", "--level", 2, file)[0] == 0


def test_regions_of_networks_are_balls_of_weights(command):
    status, _, err = command("run", EXAMPLE, "--box", "0:1")
    assert status == 2 and "balls of weights around the end of training" in err
