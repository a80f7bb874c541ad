"""The section of a page about the terms of a proof by terms of rank one."""

import numpy as np

from certify.claims.convergence import Convergence
from certify.file.terms import terms_of_file
from certify.metric.limiting_terms import limiting_terms
from certify.metric.metric import Metric
from certify.problem.messages import coordinate_names, listed
from certify.report.markup import Markup, near, paragraph, section, table

# The number of terms in the table.
COSTLIEST = 8


def terms_section(certificate: Convergence) -> Markup:
    """Shows the terms of a certificate: how many, how many of them move, and which limit it."""
    evidence = certificate.data["evidence"]
    moving = sum(term[2] != term[3] for term in evidence["terms"])
    vectors = len(evidence["vectors"])
    words = paragraph(
        "The Jacobian of F is a sum of ",
        Markup(f"<strong>{certificate.terms} terms</strong>"),
        f" of rank one, made of {vectors} vectors: J(x) = Σ s(x) p q′. Some may be mirrored, "
        "s(x) (p q′ ± q p′), as couplings of zero-sum games are. Of these terms, "
        f"{moving} have a slope s that changes with x, within bounds that hold on all of the "
        "region; the others are the same everywhere. So one matrix proves the margin and another "
        "one the Lipschitz constant, and the region is not cut.",
    )
    return section("The proof", words, _costliest(certificate))


def _costliest(certificate: Convergence) -> Markup:
    """Returns a table of the terms that take most of the margin, if any do."""
    evidence, players = certificate.data["evidence"], certificate.data["game"]["players"]
    names = coordinate_names([p["name"] for p in players], [p["size"] for p in players])
    terms = terms_of_file(evidence, len(names))
    multipliers = np.array([float.fromhex(x) for x in evidence["margin_proof"]["multipliers"]])
    matrix = certificate.claims.matrix
    metric = Metric(certificate.claims.spread if matrix is None else matrix)
    found = limiting_terms(terms, metric, multipliers, COSTLIEST)
    if not found:
        return Markup("")
    rows = []
    for number, cost in found:
        ends = [terms.vectors[side[number]] for side in (terms.left, terms.right)]
        row, column = (listed(names[k] for k, _ in vector) for vector in ends)
        extent = f"[{near(float(terms.low[number]), 4)}, {near(float(terms.high[number]), 4)}]"
        where = row if row == column else f"{row} with {column}"
        rows.append((str(number), where, extent, near(cost, 4)))
    note = (
        "With its slope in the middle of its range everywhere, a term would cost nothing. Computed "
        "in floating point for this page: the numbers bound nothing."
    )
    header = ("term", "between", "slope", "cost")
    return Markup(
        table("The terms that take most of the margin", header, rows)
        + f'<p class="note">{note}</p>'
    )
