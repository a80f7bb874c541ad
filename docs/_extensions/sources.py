"""Links to files of the repository: relative paths, which work in a repository browser.

On the site a module whose source is shown there is linked to that page; other files are downloads,
as MyST makes them. Files outside of `docs`, of which pages include parts, have links of their own.
"""

import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


class Sources(SphinxPostTransform):
    """Downloads of modules become references to their highlighted source."""

    default_priority = 5  # before references are resolved
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Replaces the downloads."""
        for download in list(self.document.findall(addnodes.download_reference)):
            module = module_name(Path(self.env.relfn2path(download["reftarget"])[1]))
            # The table of `sphinx.ext.viewcode`: its pages.
            if not getattr(self.env, "_viewcode_modules", {}).get(module):
                continue
            page = f"_modules/{module.replace('.', '/')}"
            uri = self.app.builder.get_relative_uri(self.env.docname, page)
            link = nodes.reference("", "", *download.children, refuri=uri, internal=True)
            download.replace_self(link)


def module_name(path: Path) -> str:
    """The module that a file of the repository is."""
    path = path.resolve()
    if not path.is_relative_to(ROOT):
        return ""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def included(app: Any, path: Path, docname: str, source: list[str]) -> None:
    """The listener of `include-read`: links from a file's own folder become those from the page."""
    docs = Path(app.srcdir)
    file, page = (docs / path).resolve(), docs / docname

    def moved(match: re.Match[str]) -> str:
        target = file.parent / match[1]
        own = docs / "notebooks" / f"{target.stem}.md"  # of an executed notebook
        target = own if target.suffix == ".ipynb" and own.exists() else target
        return f"]({Path(os.path.relpath(target, page.parent)).as_posix()}"

    if not file.is_relative_to(docs):
        source[0] = _LINK.sub(moved, source[0])


def setup(app: Any) -> dict[str, bool]:
    """Registers both."""
    app.connect("include-read", included)
    app.add_post_transform(Sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
