"""Draws the picture of the first page with the code above it: `python docs/pictures.py`."""

import io
import re
from pathlib import Path

import matplotlib
from PIL import Image

HERE = Path(__file__).parent


def main() -> None:
    """Runs the first block of the page and saves the figure that it leaves."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    page = (HERE / "index.md").read_text(encoding="utf-8")
    (code, *_) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    exec(compile(code, "index.md", "exec"), {"__name__": "index"})
    target = HERE / "_static" / "first-page.png"
    drawn = io.BytesIO()
    plt.savefig(drawn, dpi=110, bbox_inches="tight")
    Image.open(drawn).convert("RGB").quantize(64).save(target, optimize=True)  # a third of the size
    print(f"written to {target}")


if __name__ == "__main__":
    main()
