"""The sections that a page about a certificate of contraction has beside its rows."""

from certify.claims.contraction import Contraction
from certify.report import figures
from certify.report.markup import Markup, section
from certify.report.pieces import tree
from certify.report.sketch import sketch


def contraction_sections(certificate: Contraction) -> list[Markup]:
    """Returns a section with the sizes of the cells, if there are several.

    Args:
        certificate: A proved certificate.
    """
    if certificate.cells < 2:
        return []
    nodes = tree(certificate.data["evidence"]["cells"], certificate.lower, certificate.upper)
    return [section("The proof", sketch(lambda: figures.histogram(nodes)))]
