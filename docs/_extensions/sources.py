"""Links to files of the repository: relative paths, which work in a repository browser.

On the site a module whose source is shown there is linked to that page; other files are downloads,
as MyST makes them.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).parents[2]


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


def setup(app: Any) -> dict[str, bool]:
    """Registers the transformation."""
    app.add_post_transform(Sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
