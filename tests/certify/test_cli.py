"""The command line: exit statuses, sentences, and nothing half-written."""

import json
import re
import subprocess
import sys

import pytest

from certify.checker.reader import digest

DUOPOLY = """
import jax
import jax.numpy as jnp
import certify
import dgames as dg

class Duopoly(dg.Game):
    slope: float = 1.0
    def costs(self, x, args=None):
        price = 10.0 - self.slope * (x["a"] + x["b"])
        return {"a": -x["a"] * price + x["a"] ** 2, "b": -x["b"] * price + 0.5 * x["b"] ** 2}

game = Duopoly()
steep = Duopoly(0.5)
x0 = {"a": 2.0, "b": 2.5}
number = 3
"""


@pytest.fixture
def duopoly(tmp_path):
    path = tmp_path / "duopoly.py"
    path.write_text(DUOPOLY)
    return path


def test_run_check_show(command, duopoly, tmp_path):
    target = tmp_path / "c.json"
    status, out, _ = command("run", duopoly, "--radius", 1.0, "-o", target)
    assert status == 0
    assert "proved" in out and "written to" in out
    status, out, _ = command("check", target)
    assert (status, out[:9]) == (0, "accepted:")
    status, out, _ = command("show", target)
    assert status == 0
    for word in ("Duopoly", "margin", "simultaneous", "accepted", "trusted", "basin"):
        assert word in out


def test_compressed_files(command, duopoly, tmp_path, monkeypatch):
    target, page = tmp_path / "c.json.gz", tmp_path / "c.html"
    status, out, _ = command("run", duopoly, "--radius", 1.0, "-o", target)
    assert status == 0 and "smaller" not in out
    assert target.read_bytes()[:2] == b"\x1f\x8b"
    for arguments in (("check", target), ("show", target), ("report", target)):
        assert command(*arguments)[0] == 0
    assert page.exists()
    monkeypatch.setattr("certify.cli.LARGE", 1000)
    status, out, _ = command("run", duopoly, "--radius", 1.0, "-o", tmp_path / "c.json")
    ratio = (tmp_path / "c.json").stat().st_size / target.stat().st_size
    assert status == 0 and f"{ratio:.1f} times smaller" in " ".join(out.split())


def test_schemas(command):
    for kind, arguments in {"certificate": (), "contraction": ("--contraction",)}.items():
        status, out, _ = command("schema", *arguments)
        assert status == 0 and json.loads(out)["title"] == f"dgames {kind}, version 1"


def test_names_in_files_are_not_obeyed(command, linear_certificate, tmp_path):
    """No markup, no control of the terminal; what is missing is one sentence."""
    data = json.loads(json.dumps(linear_certificate.data))
    data["game"]["name"] = "[/red]\x1b[2J"
    data["trusted"] = ["[bold"]
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    status, out, _ = command("show", path)
    assert status == 0 and "[/red]\ufffd[2J" in out and "[bold" in out and "\x1b[2J" not in out
    del data["provenance"]
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    status, _, err = command("show", path)
    assert status == 2 and "provenance" in err and err.count("\n") == 1
    data["game"]["\x1b[2J\n"] = data["region"]["\x1b[2J\n"] = "\n"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    status, _, err = command("check", path)
    assert status == 2 and err.count("\n") == 1 and "\x1b" not in err


def test_options_win_over_the_file(command, duopoly):
    duopoly.write_text(DUOPOLY + "\nregion = certify.Box.around(x0, 0.5)\n")
    boxes = {}
    for name, arguments in {
        "file": [],
        "box": ["--box", "1.5,2.0:3.0,4.0"],
        "around": ["--around", "2,2.5", "--radius", 0.7],
        "number": ["--around", "2.25", "--radius", 0.6],
    }.items():
        status, out, _ = command("run", duopoly, *arguments)
        assert status == 0, name
        (boxes[name],) = re.findall(r"box from (.*?) to (.*?\))", " ".join(out.split()))
    assert boxes == {
        "file": ("(1.5, 2)", "(2.5, 3)"),
        "box": ("(1.5, 2)", "(3, 4)"),
        "around": ("(1.3, 1.8)", "(2.7, 3.2)"),
        "number": ("(1.65, 1.65)", "(2.85, 2.85)"),
    }


def test_another_name(command, duopoly):
    status, out, _ = command("run", f"{duopoly}:steep", "--around", "2.4,4.4", "--radius", 3)
    assert status == 0, out


def test_not_proved(command, duopoly, tmp_path):
    target = tmp_path / "c.json"
    status, out, _ = command("run", duopoly, "--around", "7,7", "--radius", 1, "-o", target)
    assert status == 1
    assert "undecided" in out and "no equilibrium" in out
    assert not target.exists()


def test_long_runs(command, ripples, tmp_path, monkeypatch):
    """Ctrl-C is one sentence and a status of its own; the same command goes on."""
    file, target = tmp_path / "run.npz", tmp_path / "c.json"
    arguments = ["run", ripples.folder / "ripples.py", "-o", target, "--batch-size", 16]
    arguments += ["--checkpoint", file, "--jobs", 1]
    status, out, _ = command(*arguments, "--max-seconds", 1e-6)
    assert status == 1 and "budget of 1e-06 seconds" in " ".join(out.split())
    with monkeypatch.context() as patch:
        patch.setattr("certify.frontier.Frontier.enter", _interrupted)
        status, out, err = command(*arguments)
    assert status == 130 and "proved" not in out
    assert err.endswith(f"interrupted, nothing is proved; the same command goes on from {file}\n")
    assert not target.exists()
    status, out, _ = command(*arguments, "--max-seconds", 3600)
    assert status == 0 and target.exists()
    file.write_bytes(file.read_bytes()[:1000])
    status, _, err = command(*arguments)
    assert status == 2 and "damaged" in err and err.count("\n") == 1


def _interrupted(*_):
    raise KeyboardInterrupt


def bad(duopoly, extra):
    duopoly.write_text(DUOPOLY + extra)
    return duopoly


@pytest.mark.parametrize(
    ("extra", "arguments", "message"),
    [
        ("", [], "defines no region"),
        ("", ["--around", "1,2"], "needs both its centre"),
        ("x0 = None", ["--radius", "1"], "needs both its centre"),
        ("", ["--box", "0:1:2"], "must read 'LOWER:UPPER'"),
        ("", ["--box", "a:b"], "not a comma-separated list"),
        ("", ["--box", "1,2,3:4,5,6"], "the game has 2 coordinates"),
        ("", ["--box", "1:0"], "lower bound must be smaller"),
        ("", ["--box", "nan:1"], "not finite"),
        ("", ["--box", "0:inf"], "not finite"),
        ("", ["--radius", "0"], "positive and finite"),
        ("x0 = {'a': 1, 'b': 2}", ["--radius", "1"], "real floating point"),
        ("x0 = {'a': 1.0, 'b': jnp.zeros((), jnp.float8_e5m2)}", ["--radius", "1"], "float8_e5m2"),
        ("x0 = {'a': 1.0}", ["--radius", "1"], "the costs fail on the players .* KeyError"),
        ("def broken(:", ["--radius", "1"], "SyntaxError"),
        ("1 / 0", ["--radius", "1"], "ZeroDivisionError"),
        ("game = 3", ["--radius", "1"], "must define a dgames Game or field called 'game'"),
        ("del game", ["--radius", "1"], "defines nothing"),
        ("methods = [dg.Optax]", ["--radius", "1"], "no step-size theorem"),
        (
            "game = dg.game(lambda x, args: {'a': jax.lax.bessel_i1e(x['a']), 'b': x['b'] ** 2})",
            ["--radius", "0.1"],
            "primitive 'bessel_i[01]e'",
        ),
        (
            "game = dg.game(lambda x, args: {'a': x['a'] * jnp.ones(2), 'b': x['b'] ** 2})",
            ["--radius", "0.1"],
            "must be a scalar",
        ),
        (
            "game = dg.game(lambda x, args: {'a': x['a'] ** 2})",
            ["--radius", "0.1"],
            "no cost for player 'b'",
        ),
    ],
)
def test_bad_input_is_one_sentence(command, duopoly, tmp_path, extra, arguments, message):
    target = tmp_path / "c.json"
    status, _, err = command("run", bad(duopoly, extra), *arguments, "-o", target)
    assert status == 2
    assert re.search(message, err), err
    assert err.startswith("certify: ") and err.count("\n") == 1
    assert not target.exists()


def test_missing_files_and_folders(command, duopoly, tmp_path):
    assert command("run", tmp_path / "none.py")[0] == 2
    assert command("run", duopoly, "--radius", 1, "-o", tmp_path / "no" / "c.json")[0] == 2
    assert command("check", tmp_path / "none.json")[0] == 2
    assert command("show", tmp_path / "none.json")[0] == 2


def test_rejected_and_unusable_certificates(command, linear_certificate, tmp_path):
    good = linear_certificate.save(tmp_path / "good.json")
    data = json.loads(good.read_text())
    data["claims"]["margin"] = (1.0).hex()
    rejected = tmp_path / "rejected.json"
    rejected.write_text(json.dumps(data | {"digest": digest(data)}))
    truncated = tmp_path / "truncated.json"
    truncated.write_text(good.read_text()[:500])
    assert command("check", good)[0] == 0
    status, out, _ = command("check", rejected)
    assert status == 1 and "the margin holds" in out
    status, out, _ = command("show", rejected)
    assert status == 1 and "the margin holds" in out
    status, _, err = command("check", truncated)
    assert status == 2 and "not complete JSON" in err
    assert command("check", good, rejected)[0] == 1
    assert command("show", truncated)[0] == 2


def test_help_names_every_command(command):
    status, out, _ = command("--help")
    assert status == 0
    for name in ("run", "check", "show", "demo"):
        assert name in out


@pytest.mark.slow
def test_demo(tmp_path):
    """The README's first command, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "certify.cli", "demo"], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for words in ("36.933, 41.818", "proved", "accepted", "observed"):
        assert words in run.stdout
    assert (tmp_path / "oligopoly.certificate.json").stat().st_size < 2**20
