"""The command line: exit statuses, sentences, and nothing half-written."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import get_args

import jax.numpy as jnp
import pytest
from rich.console import Console

import certify
import dgames as dg
from certify.checker.reader import digest
from certify.command import cli
from certify.command.live_line import live_line
from certify.command.live_rounds import rounds
from certify.jacobian.enclosure_choice import NAMED
from certify.metric.ladder import Generality
from certify.metric.objective import Objective
from certify.search.progress import Progress

pytestmark = pytest.mark.thin(3)

CORPUS = Path(__file__).parents[1] / "checker" / "corpus"

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
    monkeypatch.setattr("certify.command.cli.LARGE", 1000)
    status, out, _ = command("run", duopoly, "--radius", 1.0, "-o", tmp_path / "c.json")
    ratio = (tmp_path / "c.json").stat().st_size / target.stat().st_size
    assert status == 0 and f"{ratio:.1f} times smaller" in " ".join(out.split())


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


@pytest.mark.full
def test_long_runs(command, ripples, tmp_path, monkeypatch):
    """Ctrl-C is one sentence and a status of its own; the same command goes on."""
    file, target = tmp_path / "run.npz", tmp_path / "c.json"
    arguments = ["run", ripples.folder / "ripples.py", "-o", target, "--batch-size", 16]
    arguments += ["--checkpoint", file, "--jobs", 1]
    status, out, _ = command(*arguments, "--max-seconds", 1e-6)
    assert status == 1 and "budget of 1e-06 seconds" in " ".join(out.split())
    with monkeypatch.context() as patch:
        patch.setattr("certify.search.frontier.Frontier.enter", _interrupted)
        status, out, err = command(*arguments)
    assert status == 130 and "proved" not in out
    assert err.endswith(f"interrupted, nothing is proved; the same command goes on from {file}\n")
    assert not target.exists()
    status, out, _ = command(*arguments, "--max-seconds", 3600)
    assert status == 0 and target.exists()
    file.write_bytes(file.read_bytes()[:1000])
    status, _, err = command(*arguments)
    assert status == 2 and "damaged" in err and err.count("\n") == 1


def _interrupted(*_, **__):
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
        ("x0 = {'a': 1.0, 'b': jnp.zeros((), jnp.float8_e5m2)}", ["--radius", "1"], "float8_e5m2"),
        ("x0 = {'a': 1.0}", ["--radius", "1"], "they ask for 'b', which is not among the players"),
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


def test_version_and_help(command):
    version = metadata.version("dgames")
    assert command("--version") == (0, f"certify {version}\n", "")
    commands = ("run", "check", "show", "report", "schema", "demo")
    for arguments in ((), ("-h",), ("--help",)):
        status, out, _ = command(*arguments)
        assert status == (0 if arguments else 2)
        assert all(name in out for name in (*commands, "--version"))
    for name in commands:
        (status, short, _), (_, long, _) = command(name, "-h"), command(name, "--help")
        assert status == 0 and short == long and "Usage: certify" in short


def test_help_lists_all_enclosures_metrics_and_objectives(command):
    """Those that `certify.certify` takes, and which enclosure short costs get."""
    assert set(cli.ENCLOSURES) == set(NAMED)
    assert set(cli.METRICS) == set(get_args(Generality))
    assert set(cli.OBJECTIVES) == set(get_args(Objective))
    _, out, _ = command("run", "-h")
    plain = " ".join(re.sub("[│|]", " ", out).split())
    for name in (*cli.ENCLOSURES, *cli.METRICS, *cli.OBJECTIVES):
        assert name in plain
    assert "taylor for short costs" in plain.split("--enclosure")[1].split("--checkpoint")[0]


QUADRATIC = """
import dgames as dg

def costs(x, args):
    return (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1])

game = dg.game(costs)
"""
ON_A_BOX = ("--around", "0,0", "--radius", "1")


@pytest.fixture
def quadratic(tmp_path):
    path = tmp_path / "bargain.py"
    path.write_text(QUADRATIC)
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "GAME", *ON_A_BOX, "--enclosure", "foo"), "enclosure is 'foo'; it must be auto"),
        (("run", "GAME", *ON_A_BOX, "--enclosure", ""), "enclosure is ''"),
        (("run", "GAME", *ON_A_BOX, "--objective", "speed"), "objective is 'speed'"),
        (("run", "GAME", *ON_A_BOX, "--metric", "foo"), "metric is 'foo'; it must be auto"),
        (("run", "GAME", *ON_A_BOX, "--tightness", "nan"), "tightness is nan"),
        (("run", "GAME", *ON_A_BOX, "--tightness", "1"), "between 0 and 1"),
        (("run", "GAME", *ON_A_BOX, "--max-seconds", "nan"), "positive and finite"),
        (("run", "GAME", *ON_A_BOX, "--max-seconds", "0"), "positive and finite"),
        (("run", "GAME", *ON_A_BOX, "--max-cells", "0"), "--max-cells"),
        (("run", "GAME", *ON_A_BOX, "--batch-size", "-1"), "--batch-size"),
        (("run", "GAME", *ON_A_BOX, "--jobs", "0"), "number of processes"),
        (("run", "GAME", *ON_A_BOX, "--jobs", "many"), "--jobs"),
        (("run", "GAME", "--around", "0,0", "--radius", "nan"), "radius is nan"),
        (("run", "GAME", "--around", "0,0", "--radius", "-1"), "radius is -1"),
        (("run", "GAME", "--around", "0,0", "--radius", "inf"), "positive and finite"),
        (("run", "GAME", "--around", "nan,0", "--radius", "1"), "number 1 of 'nan,0' is not fin"),
        (("run", "GAME", "--around", "0,1e999", "--radius", "1"), "number 2 .* not finite"),
        (("run", "GAME", "--around", "0,,1", "--radius", "1"), "comma-separated"),
        (("run", "GAME", "--around", "", "--radius", "1"), "comma-separated"),
        (("run", "GAME", "--around", "x" * 9999, "--radius", "1"), "comma-separated"),
        (("run", "GAME", "--box", "0,0,0:1,1"), "3 numbers below and 2 above"),
        (("run", "GAME", *ON_A_BOX, "--box", "0:1"), "either --box, or --around"),
        (("run", "GAME", "--nothing"), "No such option"),
        (("run",), "Missing argument"),
        (("nothing",), "No such command"),
        (("report", "GAME", "--level", "3"), "--level"),
        (("run", "FOLDER"), "is a folder"),
        (("run", "FOLDER/none.py"), "no file"),
        (("run", "FOLDER/certificate.json"), "'certify show' reads certificates"),
        (("show", "FOLDER"), "regular file"),
        (("report", "FOLDER"), "regular file"),
    ],
)
def test_bad_arguments_are_one_sentence(command, quadratic, tmp_path, arguments, message):
    """Of a quadratic game too, whose enclosure nobody looks at."""
    (tmp_path / "certificate.json").write_text("{}")
    given = [a.replace("GAME", str(quadratic)).replace("FOLDER", str(tmp_path)) for a in arguments]
    status, out, err = command(*given)
    assert (status, out) == (2, "")
    assert re.search(message, err), err
    assert err.startswith("certify: ") and not err.startswith("certify: certify")
    assert err.count("\n") == 1 and len(err) < 420


BROKEN = {
    "raise": ("def f():\n    raise RuntimeError('boom\\nbang')\n\nf()", 2, "RuntimeError: boom$"),
    "syntax": ("import dgames\n\nx = (\n", 3, "SyntaxError"),
    "encoding": ("x = '\udcff'\n", None, "decode|utf-8"),
    "null": ("x = 1\0", None, "null"),
    "divide": ("x = 1\n" * 10 + "1 / 0\n", 11, r"\(1 / 0\): ZeroDivisionError"),
    "import": ("import dgames\nimport no_such_module", 2, "ModuleNotFoundError"),
    "assert": ("assert False", 1, "AssertionError$"),
    "long": ("raise ValueError('x' * 10000)", 1, "xxx"),
    "exit": ("import sys\nsys.exit(0)", None, r"exit\(0\)"),
    "quit": ("raise SystemExit('bye')", None, "bye"),
    "nothing": ("x = 1", None, "it defines nothing$"),
    "other name": ("import dgames\nplay = dgames.game(lambda x, a: x)", None, "FILE.py:play"),
    "function": ("def game(x, args):\n    return x", None, r"write game = dg.game\(game\)"),
    "class": ("from dgames.games import Quadratic as game", None, r"write game = Quadratic\(\)"),
    "region": (QUADRATIC + "region = (0, 1)", None, "'region' must be"),
    "methods": (QUADRATIC + "methods = dg.Simultaneous(0.1)", None, "'methods' must be classes"),
    "method": (QUADRATIC + "methods = ['simultaneous']", None, "'methods' must be classes"),
    "x0": (QUADRATIC + "x0 = 'origin'", None, "'x0': "),
    "branch": (
        "import dgames as dg\ndef costs(x, args):\n    return x if x[0] > 0 else x\n"
        "game = dg.game(costs)",
        3,
        r"Python branches there on a value that depends on the strategy",
    ),
    "exit in costs": (
        "import sys, dgames as dg\ngame = dg.game(lambda x, args: sys.exit(0))",
        2,
        "SystemExit: 0",
    ),
    "index": (
        "import dgames as dg\ngame = dg.game(lambda x, args: (x[0], x[7]))",
        2,
        "IndexError: tuple index out of range; the players of the strategy are 0, 1",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_faults_of_a_game_file_are_one_sentence(command, tmp_path, name):
    """With the line, and its source, wherever the fault has one."""
    text, line, message = BROKEN[name]
    file = tmp_path / "broken.py"
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    status, out, err = command("run", file, *ON_A_BOX, "-o", tmp_path / "c.json")
    assert (status, out) == (2, "")
    assert re.search(message, err.rstrip()), err
    assert line is None or f"broken.py, line {line}" in err
    assert err.startswith("certify: ") and err.count("\n") == 1 and len(err) < 420
    assert not (tmp_path / "c.json").exists()


def test_a_game_file_may_import_its_neighbours(command, quadratic, tmp_path):
    (tmp_path / "main.py").write_text("from bargain import game")
    before = list(sys.path)
    assert command("run", tmp_path / "main.py", *ON_A_BOX)[0] == 0
    assert sys.path == before
    sys.modules.pop("bargain")


def test_games_have_a_name(command, quadratic, tmp_path):
    """That of the function, or of the file, in place of a class that nobody has written."""
    names = {
        "bargain.py": "costs",
        "haggle.py": "haggle",
        "module.py": "Bargain",
        "part.py": "costs",
    }
    body = QUADRATIC.split("game =")[0]
    for file, text in {
        "haggle.py": "import dgames as dg\ngame = dg.game(lambda x, args: (x[0] ** 2, x[1] ** 2))",
        "module.py": "import equinox as eqx"
        + body.replace("def costs", "class Bargain(eqx.Module):\n  def __call__").replace(
            "(x, args)", "(self, x, args)"
        )
        + "game = dg.game(Bargain())",
        "part.py": body + "import functools\ngame = dg.game(functools.partial(costs))",
    }.items():
        (tmp_path / file).write_text(text)
    for file, name in names.items():
        target = tmp_path / "c.json"
        status, out, err = command("run", tmp_path / file, *ON_A_BOX, "-o", target)
        assert status == 0, err
        assert json.loads(target.read_text())["game"]["name"] == name
        assert f"game {name} region" in " ".join(out.split())
        assert command("report", target)[0] == 0
        assert f"<title>Certificate of {name}</title>" in (tmp_path / "c.html").read_text()


def test_outputs_are_refused_before_the_work(command, quadratic, tmp_path, monkeypatch):
    """Of every command that writes; nothing is run, and nothing is left behind."""
    certificate = CORPUS / "valid_weights.json"
    no = {
        "no folder": tmp_path / "none" / "c.json",
        "a folder": tmp_path,
        "under a file": quadratic / "c.json",
        "too long": tmp_path / ("c" * 300),
        "not here": Path("/proc/certificate.json"),
    }
    for module in (
        "certify.prove.certify.certify",
        "certify.command.demo.demonstrate",
        "certify.report.page",
    ):
        monkeypatch.setattr(module, _no_work)
    for name, path in no.items():
        for arguments in (
            ("run", quadratic, *ON_A_BOX, "-o", path),
            ("run", quadratic, *ON_A_BOX, "--checkpoint", path),
            ("report", certificate, "-o", path),
            ("demo", "-o", path),
        ):
            status, out, err = command(*arguments)
            assert (status, out) == (2, ""), (name, arguments)
            assert err.count("\n") == 1 and ".part" not in err and len(err) < 420
    same = tmp_path / "c.json"
    assert command("run", quadratic, *ON_A_BOX, "-o", same, "--checkpoint", same)[0] == 2
    assert command("run", quadratic, *ON_A_BOX, "-o", quadratic)[0] == 2
    assert list(tmp_path.iterdir()) == [quadratic]


def _no_work(*_, **__):
    raise AssertionError("this comes too early")


def test_what_is_no_file_is_not_replaced(command, tmp_path):
    """A pipe, as root could replace /dev/null by a certificate."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert command("report", CORPUS / "valid_ball.json", "-o", pipe)[0] == 0
    reader.join(timeout=10)
    assert read[0].startswith(b"<!DOCTYPE html>") and pipe.is_fifo()


@pytest.mark.parametrize("name", ["show", "report", "run", "check", "schema", "demo"])
def test_interrupted(command, quadratic, tmp_path, monkeypatch, name):
    """Ctrl-C anywhere is one sentence and status 130."""
    certificate = CORPUS / "valid_ball.json"
    arguments = {
        "show": (certificate,),
        "report": (certificate, "-o", tmp_path / "page.html"),
        "run": (quadratic, *ON_A_BOX),
        "check": (certificate,),
        "demo": ("-o", tmp_path / "demo.json"),
    }
    inside = {
        "show": "certify.command.tables.certificate_table",
        "report": "certify.report.page",
        "run": "certify.command.user_file.load_user_file",
        "check": "certify.checker.__main__.check",
        "schema": "certify.file.save.schema",
        "demo": "certify.command.demo.demonstrate",
    }
    monkeypatch.setattr(inside[name], _interrupted)
    status, _, err = command(name, *arguments.get(name, ()))
    assert status == 130
    assert err.startswith("certify: interrupted") and err.count("\n") == 1


@pytest.mark.full
@pytest.mark.parametrize("arguments", [("schema",), ("check", CORPUS / "valid_ball.json"), ("-h",)])
def test_output_that_nobody_reads_is_not_a_rejection(arguments):
    """Such as `certify check c.json | true`: status 1 would say that the file was rejected."""
    process = subprocess.Popen(
        [sys.executable, "-m", "certify.command.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(certify.__file__).parents[1])},
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 141)
    process.stderr.close()


DEAF = """
import hashlib, sys, time, threading, os, signal
from certify.command.interruption import heeded
with heeded(grace=0.3):
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    if sys.argv[1] == "deaf":
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**8)  # one instruction, which hears nothing
    elif sys.argv[1] == "import":
        import {}
    time.sleep(20)
"""


@pytest.mark.full
@pytest.mark.parametrize("way", ["deaf", "import", "hears"])
def test_ctrl_c_is_heard_in_compiled_code(way, tmp_path):
    """And while a module is imported that swallows it."""
    (tmp_path / "swallows.py").write_text(
        "import time\ntry:\n    time.sleep(5)\nexcept BaseException:\n    pass\n"
    )
    program = tmp_path / "program.py"
    program.write_text(DEAF.replace("{}", "swallows"))
    environment = {**os.environ, "PYTHONPATH": str(Path(certify.__file__).parents[1])}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(program), way],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert time.perf_counter() - start < 10
    if way == "hears":
        assert "KeyboardInterrupt" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (130, "certify: interrupted\n")


@pytest.mark.full
def test_progress_begins_within_two_seconds(quadratic):
    """On a terminal, before JAX is there; and Ctrl-C while it is imported gives 130."""
    pty = pytest.importorskip("pty")
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "certify.command.cli", "run", str(quadratic), *ON_A_BOX]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(certify.__file__).parents[1]),
        "TERM": "xterm",
    }
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    shown = b""
    while b"loading" not in shown and time.perf_counter() - start < 20:
        shown += os.read(main, 4096)
    elapsed = time.perf_counter() - start
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the terminal is gone with the process
        while part := os.read(main, 4096):
            shown += part
    assert process.wait(timeout=20) == 130
    os.close(main)
    assert elapsed < 5  # two on an idle machine
    assert b"interrupted" in shown


def test_progress_in_a_file_is_a_line_now_and_then(monkeypatch):
    output = io.StringIO()
    errors = Console(file=output, width=100)
    with live_line("reading", errors) as say:
        report = rounds(say, errors)
        report(Progress(3, 0.5, 1.0, 1.0))
        assert output.getvalue() == ""
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 31)
        for _ in range(5):
            report(Progress(7, 0.5, 1.0, 31.0))
    assert output.getvalue() == "certify: 7 cells, margin to prove 0.5 of 1, 31 s\n"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("certify: metric is 3.", "metric is 3."),
        ("certify: certify: twice", "twice"),
        ("certify_policies: no tables", "no tables"),
        ("  two\n lines ", "two lines"),
        ("certifying is fine", "certifying is fine"),
    ],
)
def test_messages_are_short_and_without_the_name_of_the_command(message, shown):
    assert cli.sentence(message) == shown
    assert len(cli.sentence(message * 500)) <= cli.LONGEST


def test_what_nobody_has_thought_of_is_one_sentence(command, monkeypatch):
    def broken(*_):
        raise KeyError("radius")

    monkeypatch.setattr("certify.command.tables.certificate_table", broken)
    status, _, err = command("show", CORPUS / "valid_ball.json")
    assert status == 2 and "unexpected KeyError" in err and err.count("\n") == 1


def test_run_writes_what_is_refuted(command, tmp_path):
    (tmp_path / "bent.py").write_text(
        "import certify, dgames as dg\n"
        "game = dg.game(lambda x, args: (x[0] * x[1] - x[0] ** 2, x[1] ** 2))\n"
        "region = certify.Box.around((0.0, 0.0), 1.0)\n"
    )
    file = tmp_path / "bent.json"
    status, out, _ = command("run", tmp_path / "bent.py", "-o", file)
    assert status == 1 and "refuted" in out
    assert f"the refutation is written to {file}" in " ".join(out.split())
    assert command("check", "--level", "2", file)[0] == 0
    assert "a cost that is not convex" in command("show", file)[1]


@pytest.mark.full
def test_refutations_name_few_coordinates():
    """The largest of a long vector, with their players, and how many there are."""
    game = dg.game(lambda x, args: (jnp.sum(x[0] ** 2) - x[0][7] ** 4, jnp.sum(x[1] ** 2)))
    region = certify.Box.around((jnp.zeros(40), jnp.zeros(3)), 1.0)
    found = certify.certify(game, region)
    assert found.status == "refuted"
    (reason,) = found.reasons
    assert len(reason) < 400 and "0[7] = 1" in reason and "of 43 coordinates" in reason


@pytest.mark.full
def test_demo(tmp_path):
    """The README's first command, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "certify.command.cli", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for words in ("36.933, 41.818", "proved", "accepted", "observed"):
        assert words in run.stdout
    assert (tmp_path / "oligopoly.certificate.json").stat().st_size < 2**20
