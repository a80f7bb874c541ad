"""The section of a page about the terms of a proof by terms of rank one."""

from certify.claims.convergence import Convergence
from certify.report.markup import Markup, paragraph, section


def terms_section(certificate: Convergence) -> Markup:
    """Shows the terms of a certificate: how many, and how many of them move."""
    evidence = certificate.data["evidence"]
    moving = sum(low != high for _, _, low, high in evidence["terms"])
    vectors = len(evidence["vectors"])
    words = paragraph(
        "The Jacobian of F is a sum of ",
        Markup(f"<strong>{certificate.terms} terms</strong>"),
        f" of rank one, made of {vectors} vectors: J(x) = Σ s(x) p q′. Of these terms, "
        f"{moving} have a slope s that changes with x, within bounds that hold on all of the "
        "region; the others are the same everywhere. So one matrix proves the margin and another "
        "one the Lipschitz constant, and the region is not cut.",
    )
    return section("The proof", words)
