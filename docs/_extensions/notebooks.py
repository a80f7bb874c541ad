"""Pages of the executed notebooks of the repository, made when the site is built.

Nothing is run: cells and outputs are those of the `.ipynb` files. Where there are none there are no
pages. They lie in `docs/notebooks` as long as the site is being built.
"""

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


def write_pages(source: Path, folder: Path) -> None:
    """Replaces a folder by the pages of all notebooks in another one, and a list of them."""
    shutil.rmtree(folder, ignore_errors=True)
    names = [path.stem for path in sorted(source.glob("*.ipynb"))]
    if not names:
        return
    folder.mkdir()
    for name in names:
        notebook = json.loads((source / f"{name}.ipynb").read_text(encoding="utf-8"))
        text, figures = page(notebook, name, names)
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
        for figure, content in figures.items():
            (folder / figure).write_bytes(content)
    (folder / "index.md").write_text(
        "# Notebooks\n\nEach with one idea, run from top to bottom, and ending with assertions. "
        "Their scripts are in the folder `notebooks` of the repository.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{chr(10).join(names)}\n```\n",
        encoding="utf-8",
    )


def page(notebook: dict[str, Any], name: str, names: list[str]) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its figures by file name.

    Args:
        notebook: As JSON, of format 4.
        name: The name of the page; figures are named after it.
        names: The names of all notebooks; links to these become links to their pages.
    """
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(_LINK.sub(lambda match: f"]({_moved(match[1], names)}", source))
        elif cell["cell_type"] == "code":
            parts.append(_fenced("python", source))
            printed = ""
            for output in cell["outputs"]:
                data = output.get("data", {})
                if "image/png" not in data:
                    printed += "".join(output.get("text", data.get("text/plain", "")))
                    continue
                figure = f"{name}-{len(figures) + 1}.png"
                figures[figure] = base64.b64decode("".join(data["image/png"]))
                parts += [_fenced("text", printed), f"![Figure {len(figures)}]({figure})"]
                printed = ""
            parts.append(_fenced("text", printed))
    return "\n\n".join(part for part in parts if part) + "\n", figures


def _fenced(language: str, text: str) -> str:
    """A block of code, with a fence that is longer than any in it."""
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}" if text.strip() else ""


def _moved(target: str, names: list[str]) -> str:
    """A relative link from the folder of notebooks, as one from that of their pages."""
    path = Path(target)
    if path.stem in names and path.parent == Path("."):
        return f"{path.stem}.md"
    if target.startswith("../docs/"):
        return f"../{target.removeprefix('../docs/')}"
    return f"../{target}" if target.startswith("../") else f"../../notebooks/{target}"


def make(app: Any) -> None:
    """The listener of `builder-inited`: before pages are looked for."""
    docs = Path(app.srcdir)
    write_pages(docs.parent / "notebooks", docs / "notebooks")


def clean(app: Any, error: Exception | None) -> None:
    """The listener of `build-finished`."""
    shutil.rmtree(Path(app.srcdir) / "notebooks", ignore_errors=True)


def setup(app: Any) -> dict[str, bool]:
    """Registers both listeners."""
    app.connect("builder-inited", make)
    app.connect("build-finished", clean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
