"""The sections that a page about a certificate of convergence has beside rows and tables."""

from certify.claims.convergence import Convergence
from certify.claims.interior import equilibrium_is_interior, region_is_interior
from certify.claims.shared_report import NOTIONS
from certify.report import figures
from certify.report.cells_section import cells_section
from certify.report.markup import Markup, lower, paragraph, section, upper
from certify.report.run import simulate
from certify.report.sketch import sketch
from certify.report.small_gain_section import small_gain_section
from certify.report.terms_section import terms_section


def convergence_sections(certificate: Convergence) -> list[Markup]:
    """Returns the sections, in the order of the argument.

    Args:
        certificate: A proved certificate.
    """
    steps = certificate.step_sizes
    bars = [sketch(lambda: figures.step_bars(steps))] if steps else []
    return [
        formulas_section(certificate),
        *([] if certificate.claims.small_gain is None else [small_gain_section(certificate)]),
        section("Learning", *bars, learning(certificate)),
        terms_section(certificate) if certificate.terms else cells_section(certificate),
    ]


def formulas_section(certificate: Convergence) -> Markup:
    """States what is proved as a sentence and as formulas."""
    sets = "sets" in certificate.data["game"]
    shared = "shared" in certificate.data["game"]
    inside = "the region and the strategy sets" if sets else "the region"
    flow = "the flow x′ = −F(x)"
    if not region_is_interior(certificate.data):
        flow = "the projected flow"
    together = ", and shared constraints" if shared else ""
    projected = f"; steps and starts are projected onto the strategy sets{together}" if sets else ""
    whose = "" if certificate.field else ", F being the gradients of the players’ own costs"
    return section(
        "In formulas",
        paragraph(
            f"{_what(certificate)}, and {flow} converges to it from every start in the "
            "basin; so does every method in the table of step sizes from every start in its "
            f"own basin, with every step size up to its largest{projected}. The flow stays in the "
            "region and converges at the rate of the margin. In detail, for all points x and y of "
            f"{inside}{whose}:"
        ),
        Markup(
            '<div class="formula"><div>⟨F(x) − F(y), x − y⟩<sub>P</sub> ≥ '
            f"{lower(certificate.margin)} ‖x − y‖<sub>P</sub>²</div>"
            "<div>‖F(x) − F(y)‖<sub>P</sub> ≤ "
            f"{upper(certificate.lipschitz)} ‖x − y‖<sub>P</sub></div>"
            f"{_cocoercivity(certificate)}"
            f"<div>‖x* − c‖<sub>P</sub> ≤ {upper(certificate.equilibrium.radius, 3)}</div></div>"
        ),
        paragraph(Markup("Here ‖x‖<sub>P</sub>² = x′Px, or Σ wᵢ ‖xᵢ‖² with weights.")),
    )


def _cocoercivity(certificate: Convergence) -> str:
    if certificate.cocoercivity is None:
        return ""
    return (
        "<div>‖F(x) − F(y)‖<sub>P</sub>² ≤ "
        f"{upper(certificate.cocoercivity)} ⟨F(x) − F(y), x − y⟩<sub>P</sub></div>"
    )


def _what(certificate: Convergence) -> str:
    """States that there is exactly one equilibrium, zero or solution, and of what kind it is."""
    sets = not equilibrium_is_interior(certificate.data, certificate.equilibrium)
    if certificate.field is not None:
        kind = "solution x* of the variational inequality" if sets else "zero x*"
        return (
            f"In the region below the field F = {certificate.field} has exactly one {kind} (of "
            "equilibria nothing is said: F is no pseudo-gradient)"
        )
    if sets and certificate.shared is not None:
        return (
            "In the region below the game has exactly one solution x* of the variational "
            "inequality of its strategy sets and shared constraints in the metric: a generalised "
            f"Nash equilibrium, {NOTIONS[certificate.shared.notion]} (there may be others)"
        )
    if sets:
        return (
            "In the region below the game has exactly one solution x* of the variational "
            "inequality of the strategy sets: a Nash equilibrium within them, which may be on "
            "their boundary"
        )
    return (
        "In the region below the game has exactly one stationary point x*. It is a Nash "
        "equilibrium of the game restricted to that region"
    )


def learning(certificate: Convergence) -> Markup:
    """Shows a learning run, or says why there is none."""

    def draw() -> Markup:
        run = simulate(certificate)
        return paragraph(run) if isinstance(run, str) else figures.envelope(run)

    return sketch(draw)
