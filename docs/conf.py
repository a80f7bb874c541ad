"""The site: `python -m sphinx -W --keep-going -b html docs build/site`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]

import jax  # noqa: E402

jax.Array.__name__ = jax.Array.__qualname__ = "Array"  # not what it is inside jaxlib

project = "dgames and certify"
author = "The dgames authors"
copyright = "The dgames authors"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "formulas",
    "names",
    "notebooks",
    "optional_pages",
    "plain_docstrings",
    "sources",
]
exclude_patterns = ["_extensions"]

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False  # contracts stand once, on the abstract class
napoleon_attr_annotations = False  # types of attributes stand in the signature
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False
nitpicky = True
# Types of other libraries, whose documentation is not at hand when this is built; and shapes.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(jax|jaxlib|jaxtyping|numpy|equinox|optax|diffrax|optimistix|lineax|collections|pathlib"
        r"|typing|scipy|matplotlib|fractions)\b.*|Array|ArrayTree|ndarray|'.*'",
    ),
]
highlight_language = "text"  # of formulas; examples in docstrings are known as Python
pages_about_files = ["certificate-format"]  # on which `small_gain` is a field and no function
optional_pages = ["benchmarks", "experiments", "notebooks/index", "reproduction"]

html_theme = "furo"
html_math_renderer = "mathml"
html_title = "dgames and certify"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
