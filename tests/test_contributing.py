"""CONTRIBUTING.md names files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_twenty_questions_have_files():
    files = re.findall(r"^\| [^|]*\? \| `([^`]+)` \|$", TEXT, re.MULTILINE)
    assert len(files) == 20
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_floors_of_certify_are_its_folders():
    """The drawing of the floors names each folder of `certify`, and no other."""
    (drawing,) = re.findall(
        r"the first line of each file says\nwhat it holds\.\n\n((?:    .*\n)+)", TEXT
    )
    drawn = set(re.findall(r"^    (\w+)/ ", drawing, re.MULTILINE))
    folders = {path.parent.name for path in (ROOT / "certify").glob("*/__init__.py")}
    assert drawn == folders
