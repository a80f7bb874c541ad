"""Tests that the command proves games without a margin, when it is asked to."""

from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "without_margin.py"


def test_the_example_is_proved_and_checked(command, tmp_path):
    target = tmp_path / "without_margin.json"
    status, out, _ = command("run", "--monotone", EXAMPLE, "-o", target)
    assert status == 0
    for word in ("proved", "fast_extragradient", "22.84 / k", "written to"):
        assert word in out
    assert command("check", "--level", "2", target)[0] == 0


def test_a_file_without_methods_has_those_with_a_bound(command, tmp_path):
    file = tmp_path / "product.py"
    file.write_text("import dgames as dg\ngame = dg.games.Bilinear(1.0)\n")
    box = ("--around", "0,0", "--radius", 3.0)
    status, out, _ = command("run", "--monotone", file, *box)
    assert status == 0 and "fast_extragradient" in out
    assert command("run", file, *box)[0] == 1  # there is no margin


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric", "weights"), "leave out --metric and --objective"),
        (("--jobs", 2), "n_jobs"),
    ],
)
def test_options_of_margins_are_refused(command, options, message):
    status, out, err = command("run", "--monotone", EXAMPLE, *options)
    assert (status, out) == (2, "") and message in err
