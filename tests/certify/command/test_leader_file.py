"""A leader and followers on the command line."""

import json
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "leader.py"


def test_run_certifies_a_leader(command, tmp_path):
    file = tmp_path / "leader.json"
    status, out, err = command("run", EXAMPLE, "-o", file)
    assert status == 0, err
    assert "a leader and a follower" in out and "exactly one, within" in out
    assert json.loads(file.read_text())["kind"] == "stackelberg"
    assert command("check", "--level", 2, file)[0] == 0
