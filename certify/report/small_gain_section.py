"""The section of a page about the small-gain test: couplings, and the possible weights."""

import math

from certify.claims.convergence import Convergence
from certify.metric.timescale_band import timescale_band
from certify.report import figures
from certify.report.markup import Markup, lower, name, near, paragraph, section, table, upper
from certify.report.sketch import sketch

# The most rows of the table.
MOST_ROWS = 60


def small_gain_section(certificate: Convergence) -> Markup:
    """Shows the small-gain test: its margin, the couplings, and which weights would do."""
    gain = certificate.small_gain
    names, curvature = list(gain.curvature), list(gain.curvature.values())
    proves = "" if gain.margin > 0 else ", which proves nothing"
    words = paragraph(
        "With each player’s curvature and couplings aggregated over the whole region, the "
        "small-gain test gives the margin ",
        lower(gain.margin),
        f"{proves}; the margin above, cell by cell in one metric, is ",
        lower(certificate.margin),
        ".",
    )
    if len(names) == 1:
        return section("Small gain", paragraph("A single player has no couplings."))
    if len(names) > 2:
        picture = sketch(lambda: figures.couplings(curvature, gain.coupling, names))
        return section("Small gain", words, picture, _totals(certificate))
    try:
        band = timescale_band(curvature, gain.coupling)
    except ValueError:
        band = None
    weights = certificate.claims.weights
    chosen = None if weights is None else weights[names[1]] / weights[names[0]]
    picture = sketch(
        lambda: figures.margin_against_ratio(curvature, gain.coupling, band, chosen, names)
    )
    return section("Small gain", words, picture, _totals(certificate))


def _totals(certificate: Convergence) -> Markup:
    gain = certificate.small_gain
    rows = []
    for i, who in enumerate(list(gain.curvature)[:MOST_ROWS]):
        row = gain.coupling[i]
        strongest = int(row.argmax())
        rows.append(
            (
                name(who),
                lower(gain.curvature[who]),
                upper(math.nextafter(math.fsum(row.tolist()), math.inf)),
                Markup(
                    f"{upper(float(row[strongest]))} by {name(list(gain.curvature)[strongest])}"
                ),
                near(gain.weights[who]),
            )
        )
    header = ("player", "curvature μᵢ ≥", "couplings Σⱼ Lᵢⱼ ≤", "strongest ≤", "small-gain weight")
    return table("Constants of the small-gain test", header, rows)
