"""Trees on the command line."""

import json
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "kuhn.py"


def test_run_certifies_a_tree_over_all_play(command, tmp_path):
    file = tmp_path / "kuhn.json"
    status, out, err = command("run", EXAMPLE, "-o", file)
    assert status == 0, err
    shown = " ".join(out.split())
    assert "13 sequences (6 sets)" in shown and "-0.0555556" in shown
    assert json.loads(file.read_text())["kind"] == "tree"
    assert command("check", "--level", 2, file)[0] == 0


def test_what_trees_have_not(command, tmp_path):
    status, _, err = command("run", EXAMPLE, "--box", "0:1")
    assert status == 2 and "about all play" in err
    file = tmp_path / "plain.py"
    file.write_text("import dgames as dg\ngame = dg.games.kuhn_poker().game()\n")
    status, _, err = command("run", file)
    assert status == 2 and "without a temperature" in err
