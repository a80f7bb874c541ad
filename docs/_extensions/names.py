"""Names of the API become links: `dgames.solve`, `dg.solve(game, method)` or `Solution`."""

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

_NAME = re.compile(r"(?:(dg|dgames|certify)\.)?([A-Za-z][\w.]*)(?:\(.*\))?", flags=re.DOTALL)
_KINDS = {"class", "exception", "function"}


class Links(SphinxPostTransform):
    """Code in text that is the name of something documented links to it."""

    default_priority = 5  # before references are resolved

    def run(self, **kwargs: Any) -> None:
        """Replaces literals by references to be resolved."""
        documented = self.env.domains["py"].objects
        for literal in list(self.document.findall(nodes.literal)):
            if isinstance(literal.parent, nodes.reference | addnodes.pending_xref):
                continue
            text = literal.astext()
            if "." not in text and self.env.docname in self.config.pages_about_files:
                continue
            name = target(text, documented)
            if name is None or _inside(literal, name):
                continue
            xref = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=name, refdoc=self.env.docname
            )
            literal.replace_self(xref)
            xref += literal


def target(text: str, documented: dict[str, Any]) -> str | None:
    """The documented name that code means, if any.

    Without a package in front, lower case words are left alone: most are arguments.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    package, name = match.groups()
    if package:
        full = f"{'dgames' if package == 'dg' else package}.{name}"
        return full if full in documented else None
    return _unique(documented, name) if re.search(r"[A-Z_]", name) else None


def _unique(documented: dict[str, Any], last: str) -> str | None:
    """The one documented name that ends so; exported names come before those of the checker."""
    matches = [
        name
        for name, entry in documented.items()
        if name.endswith(f".{last}") and entry.objtype in _KINDS and not entry.aliased
    ]
    exported = [name for name in matches if not name.startswith("certify.checker.")]
    matches = exported or matches
    return matches[0] if len(matches) == 1 else None


def _inside(node: nodes.Node, name: str) -> bool:
    """Whether a node is part of the documentation of that name: no link to itself."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, addnodes.desc):
            signature = node.next_node(addnodes.desc_signature)
            if signature is not None and name in signature.get("ids", ()):
                return True
    return False


def resolve(app: Any, env: Any, node: addnodes.pending_xref, content: nodes.Node) -> Any:
    """The listener of `missing-reference`: a type without its package, such as an error raised."""
    name = _unique(env.domains["py"].objects, node["reftarget"])
    if node.get("refdomain") != "py" or name is None:
        return None
    domain = env.domains["py"]
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)


def shown(
    app: Any, what: str, name: str, obj: Any, options: Any, arguments: str, result: str
) -> tuple[str, str]:
    """The listener of `autodoc-process-signature`: no arguments of what is never called."""
    return ("" if arguments == "(*args, **kwargs)" else arguments), result


def setup(app: Any) -> dict[str, bool]:
    """Registers them."""
    app.add_config_value("pages_about_files", [], "env", frozenset({list}))
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-signature", shown)
    app.add_post_transform(Links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
