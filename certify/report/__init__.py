"""Writes a certificate as a page for people: one HTML file that needs nothing else.

    from certify.report import report

    Path("duopoly.html").write_text(report("duopoly.json"), encoding="utf-8")

The page is made from the file alone: no code of the game is needed, and none is run. It has no
scripts, loads nothing, and treats every name in the file as plain text.
"""

from certify.report.page import page as page
from certify.report.page import report as report

# `certify` exports the function under this name, because `certify.report` is this package.
report_page = report

__all__ = ["page", "report", "report_page"]
