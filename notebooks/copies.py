"""Makes executed copies of scripts: notebooks that can be read without running them.

The scripts are the source, in the percent format of jupytext. A copy is a product, and holds
nothing of the machine it was made on.
"""

import base64
import io
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

FOLDER = Path(__file__).parent
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# A cell that takes longer is faulty, since a whole notebook should take about a minute.
_SECONDS = 600
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class CopyError(Exception):
    """A notebook that does not run to its end."""


def scripts(names: Sequence[str] = (), folder: Path = FOLDER) -> list[Path]:
    """The scripts of notebooks, in their order.

    Args:
        names: Parts of file names, any of which has to occur; nothing stands for all.
        folder: Where they are.
    """
    paths = sorted(folder.glob("[0-9][0-9]_*.py"))
    return [path for path in paths if not names or any(name in path.stem for name in names)]


def copy_of(script: Path) -> Path:
    """Returns the path of the copy of a script."""
    return script.with_suffix(".ipynb")


def make_copy(script: Path) -> Path:
    """Runs a script as a notebook, in an empty folder, and writes its copy.

    Args:
        script: A script in percent format.

    Returns:
        The path of the copy.

    Raises:
        CopyError: If a cell raises an error; the copy is left as it was.
    """
    import nbclient
    import nbformat
    from nbclient.exceptions import CellExecutionError

    notebook = _cells(script)
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ, _environment()):
        client = nbclient.NotebookClient(
            notebook,
            timeout=_SECONDS,
            kernel_name=_KERNEL["name"],
            resources={"metadata": {"path": place}},
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--log-level=ERROR"],
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise CopyError(_COLOURS.sub("", str(error))) from None
    nbformat.validate(notebook := _bare(notebook))
    copy = copy_of(script)
    nbformat.write(notebook, copy)
    return copy


def same_cells(script: Path) -> bool:
    """Returns whether a script has a copy with the same cells."""
    import nbformat

    if not copy_of(script).exists():
        return False
    copy = nbformat.read(copy_of(script), as_version=4)
    return [_contents(cell) for cell in _cells(script).cells] == [
        _contents(cell) for cell in copy.cells
    ]


def _cells(script: Path) -> Any:
    """A script as a notebook without outputs."""
    import jupytext

    return jupytext.read(script, fmt="py:percent")


def _contents(cell: Any) -> tuple[str, str]:
    return cell.cell_type, cell.source


def _environment() -> dict[str, str]:
    """Returns the environment of the kernel, with small figures."""
    return {"MATPLOTLIBRC": str(FOLDER / "matplotlibrc"), "MPLBACKEND": ""}


def _bare(notebook: Any) -> Any:
    """Removes what changes from run to run and from machine to machine."""
    notebook.metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata, cell.id = {}, f"cell-{number:02}"
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = {}
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _small(output.data["image/png"])
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _small(png: str) -> str:
    """Reduces a figure to a palette of its own, a third of the size, without metadata."""
    from PIL import Image

    image, made = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    if getattr(image, "is_animated", False):
        return png  # a palette would be of the first picture alone
    image.convert("RGB").quantize(128).save(made, "png", optimize=True)
    return base64.b64encode(made.getvalue()).decode("ascii")
