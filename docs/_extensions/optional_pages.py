"""Pages that exist only where something has made them, such as notebooks that were run.

The first page may list those that `optional_pages` names; what is not there is left out.
"""

from typing import Any


def leave_out(app: Any, docname: str, source: list[str]) -> None:
    """The listener of `source-read`: drops lines that are the name of a missing page."""
    missing = set(app.config.optional_pages) - app.env.found_docs
    source[0] = "\n".join(line for line in source[0].split("\n") if line.strip() not in missing)


def read_again(app: Any, env: Any, added: set, changed: set, removed: set) -> list[str]:
    """The listener of `env-get-outdated`: the first page, when such pages come or go."""
    moved = (added | removed) & set(app.config.optional_pages)
    return [app.config.root_doc] if moved else []


def setup(app: Any) -> dict[str, bool]:
    """Registers both listeners."""
    app.add_config_value("optional_pages", [], "env", frozenset({list}))
    app.connect("source-read", leave_out)
    app.connect("env-get-outdated", read_again)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
