"""Certificates as tables for a terminal."""

from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from certify.checker import Verdict
from certify.checker.reader import Reader, printable
from certify.claims.certificate import Certificate
from certify.claims.interior import equilibrium_is_interior, region_is_interior
from certify.claims.policies import PolicyCertificate
from certify.claims.policy_words import in_words
from certify.problem.messages import clipped
from certify.problem.naming import shown_name
from dgames.strategy import blocks, dimensions, player_names, ravel

# Rows of a table, and entries of a vector.
MOST_ROWS, MOST_ENTRIES = 60, 6


def certificate_table(certificate: Certificate, verdict: Verdict | None = None) -> RenderableType:
    """What a certificate claims, on what region, with which constants and steps, trusting what."""
    if certificate.status != "proved":
        lines = "\n".join(f"- {reason}" for reason in certificate.reasons)
        lines += "".join(f"\n- {sentence}" for sentence in certificate.promoted)
        return Panel(Text(lines), title=f"status: {certificate.status}", title_align="left")
    parts: list[RenderableType] = [_claim(certificate), _players(certificate), _steps(certificate)]
    parts.append(_evidence(certificate, verdict))
    return Group(*parts)


def contraction_table(data: dict[str, Any], verdict: Verdict) -> RenderableType:
    """What the file of `certify.contraction` claims: a step of a method, on which box, how fast."""
    file, claims, sizes = Reader(data), data["claims"], data["coordinates"]

    def number(value: str) -> str:
        return _brief(float.fromhex(value))

    box = " x ".join(
        f"[{number(low)}, {number(high)}]"
        for low, high in list(zip(claims["lower"], claims["upper"], strict=True))[:4]
    )
    cells = sum("centre" in node for node in data["evidence"]["cells"])
    table = Table(title="Claim", title_justify="left", show_header=False, box=None, padding=(0, 1))
    table.add_row("game", _game(file))
    table.add_row("method", _stated(file["method"]["settings"]))
    table.add_row("coordinates", f"{sizes['strategy']} of strategies, {sizes['state']} of buffers")
    table.add_row("box", box + (" x ..." if len(claims["lower"]) > 4 else ""))
    table.add_row(
        "step", f"shrinks distances in the metric of the file by {number(claims['rate'])}"
    )
    table.add_row(
        "fixed point", f"exactly one in the box, within {number(claims['radius'])} of the centre"
    )
    table.add_row("basin", f"every augmented state within {number(claims['basin'])} of the centre")
    if "start" in claims:
        reach = number(claims["start"]["radius"])
        table.add_row("starts", f"every strategy within {reach} of it, in a metric of its own")
    table.add_row("proof", f"{cells} cells; accepted by the checker in {verdict.seconds:.2f} s")
    return Group(table, _trusted(data))


def policy_table(data: dict[str, Any], verdict: Verdict) -> RenderableType:
    """What the file of `certify.certify_policies` claims."""
    table = Table(title="Claim", title_justify="left", show_header=False, box=None, padding=(0, 1))
    table.add_row("game", _game(Reader(data)))
    for key, value in in_words(PolicyCertificate("proved", data=data), _brief, _brief):
        table.add_row(key, Text(value))
    table.add_row(
        "proof",
        f"from the payoffs in the file; accepted by the checker in {verdict.seconds:.2f} s",
    )
    return Group(table, _trusted(data))


def _brief(value: float) -> str:
    return f"{value + 0.0:.6g}"  # no zero has a sign


def _trusted(data: dict[str, Any]) -> Table:
    table = Table(title="Trusted", title_justify="left", show_header=False, box=None)
    for sentence in Reader(data)["trusted"].items():
        table.add_row(Text("- ") + _stated(sentence))
    return table


def _claim(certificate: Certificate) -> RenderableType:
    table = Table(title="Claim", title_justify="left", show_header=False, box=None, padding=(0, 1))
    table.add_row("game", _game(Reader(certificate.data)))
    table.add_row("region", _region(certificate.data["region"]))
    if sets := certificate.data["game"].get("sets"):
        table.add_row("strategy sets", _sets(certificate, sets))
    table.add_row("status", f"[bold]{certificate.status}[/bold]")
    for sentence in certificate.promoted:
        table.add_row("promoted", Text(printable(sentence)))
    table.add_row("metric", _metric(certificate))
    table.add_row("margin", f"strongly monotone with modulus at least {_brief(certificate.margin)}")
    table.add_row("Lipschitz constant", f"at most {_brief(certificate.lipschitz)}")
    place = f"{_what(certificate)}, enclosed to +-{_width(certificate):.2g}"
    table.add_row("equilibrium", Text(place))
    start = "every start"
    if not region_is_interior(certificate):
        start = "every start in the strategy sets"
    basin = _brief(certificate.basin.radius)
    table.add_row("basin", f"{start} within {basin} of its centre, in the metric")
    return table


def _metric(certificate: Certificate) -> str:
    claims, metric = certificate.claims, certificate.metric
    values = np.linalg.eigvalsh(metric)
    with np.errstate(all="ignore"):
        condition = float(values[-1] / values[0])
    kind = "one weight per player"
    if claims.weights is None:
        players = np.repeat(
            range(len(blocks(claims.basin.center))), dimensions(claims.basin.center)
        )
        off = metric[players[:, None] != players]
        kind = "a matrix for each player" if not off.any() else "a full matrix"
    return f"{kind}, condition number {condition:.4g}"


def _width(certificate: Certificate) -> float:
    lower, upper = (ravel(x)[0] for x in certificate.equilibrium[:2])
    return float((upper - lower).max()) / 2


def _what(certificate: Certificate) -> str:
    sets = not equilibrium_is_interior(certificate)
    if certificate.field is not None:
        kind = "solution of the variational inequality" if sets else "zero"
        return f"exactly one {kind} of {printable(clipped(certificate.field))} in the region"
    # Not "exactly one Nash equilibrium": where a region confines players together, as a ball does,
    # points of its boundary may be equilibria of the game restricted to it, too.
    if sets:
        return (
            "exactly one solution of the variational inequality, a Nash equilibrium within the "
            "strategy sets"
        )
    return "exactly one stationary point, a Nash equilibrium"


def _game(file: Reader) -> Text:
    return Text(printable(shown_name(file["game"]["name"].text())))


def _vector(values: list[str]) -> str:
    if len(values) == 1:
        return _brief(float.fromhex(values[0]))
    shown = [_brief(float.fromhex(value)) for value in values[:MOST_ENTRIES]]
    more = [f"... {len(values)} in all"] if len(values) > MOST_ENTRIES else []
    return "(" + ", ".join(shown + more) + ")"


def _region(region: dict) -> str:
    if region["kind"] == "box":
        return f"box from {_vector(region['lower'])} to {_vector(region['upper'])}"
    if region["kind"] == "policies":
        groups = region["groups"]
        sizes = ", ".join(str(size + 1) for size in groups[:MOST_ENTRIES])
        more = ", ..." if len(groups) > MOST_ENTRIES else ""
        return f"all policies: all logits of {sizes}{more} actions"
    return f"ball of radius {_brief(float.fromhex(region['radius']))} around " + (
        _vector(region["center"])
    )


def _sets(certificate: Certificate, sets: list[dict[str, Any]]) -> Text:
    """The strategy sets with their bounds, one line for all players who have the same."""
    names = player_names(certificate.equilibrium.center)
    kinds: dict[str, list[str]] = {}
    for name, own in zip(names, sets, strict=True):
        kinds.setdefault(_set(own), []).append(printable(clipped(name)))
    lines = [f"{_whose(names)}: {words}" for words, names in list(kinds.items())[:MOST_ENTRIES]]
    more = [f"... ({len(sets)} players in all)"] if len(kinds) > MOST_ENTRIES else []
    return Text("\n".join([*lines, *more]))


def _whose(names: list[str]) -> str:
    more = f", ... ({len(names)} players)" if len(names) > MOST_ENTRIES else ""
    return ", ".join(names[:MOST_ENTRIES]) + more


def _set(own: dict[str, Any]) -> str:
    if own["kind"] == "box":
        return f"box from {_vector(own['lower'])} to {_vector(own['upper'])}"
    if own["kind"] == "ball":
        return f"ball of radius {_brief(float.fromhex(own['radius']))} around " + (
            _vector(own["center"])
        )
    if own["kind"] == "simplex":
        return f"probability vectors of {', '.join(map(str, own['groups'][:MOST_ENTRIES]))} entries"
    return "anywhere" if own["kind"] == "euclidean" else str(own["kind"])


def _players(certificate: Certificate) -> RenderableType:
    table = Table(title="Players", title_justify="left")
    for column in ("player", "weight", "curvature >=", "smoothness <=", "equilibrium"):
        table.add_column(column, justify="right")
    gain, center = certificate.small_gain, certificate.equilibrium.center
    weights = certificate.claims.weights
    names = player_names(center)
    for name, block in list(zip(names, blocks(center), strict=True))[:MOST_ROWS]:
        values = [_digits(value) for value in ravel(block)[0][:3].tolist()]
        size = ravel(block)[0].size
        table.add_row(
            Text(printable(clipped(name))),
            "-" if weights is None else _brief(weights[name]),
            _brief(gain.curvature[name]),
            _brief(gain.smoothness[name]),
            ", ".join(values) + (f", ... ({size})" if size > 3 else ""),
        )
    rest = f"the first {MOST_ROWS} of {len(names)} players; " if len(names) > MOST_ROWS else ""
    note = (
        f"{rest}small gain with constants aggregated over the region: margin {_brief(gain.margin)}"
        f"{'' if gain.margin > 0 else ' (proves nothing)'}; "
        f"cell by cell in one metric: {_brief(certificate.margin)}"
    )
    return Group(table, Text(note, style="dim"))


def _digits(value: float) -> str:
    """Six digits behind the point, where that is short."""
    return f"{value + 0.0:.6f}" if abs(value) < 1e6 else f"{value:.6g}"


def _steps(certificate: Certificate) -> RenderableType:
    table = Table(title="Step sizes", title_justify="left")
    for column in ("method", "largest", "best", "rate at best", "theorem", "basin"):
        left = column in ("method", "theorem")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for name, step in certificate.step_sizes.items():
        momentum = "" if step.momentum is None else f", momentum {step.momentum:g}"
        table.add_row(
            name + momentum,
            f"{step.max:.6g}",
            f"{step.best:.6g}",
            f"{step.rate:.6f}",
            step.theorem,
            f"{step.basin:.6g}",
        )
    return table


def _evidence(certificate: Certificate, verdict: Verdict | None) -> RenderableType:
    table = Table(
        title="Evidence", title_justify="left", show_header=False, box=None, padding=(0, 1)
    )
    table.add_row("cells", str(certificate.cells))
    table.add_row("numbers", "rounded to the nearest; the file has the exact ones")
    if verdict is not None:
        accepted = "accepted" if verdict.ok else "rejected: " + "; ".join(verdict.reasons)
        table.add_row("checker", f"{accepted} in {verdict.seconds:.2f} s, exact arithmetic")
    file = Reader(certificate.data)
    made = file["provenance"]
    provenance = dict(made.value if isinstance(made.value, dict) else made.fail("an object"))
    if "metric" in provenance:
        table.add_row("metric", Text(printable(str(provenance.pop("metric")))))
    parts = ", ".join(f"{key} {value}" for key, value in provenance.items())
    table.add_row("made", Text(printable(parts)))
    for sentence in file["trusted"].items():
        table.add_row("trusted", _stated(sentence))
    return table


def _stated(field: Reader) -> Text:
    """Text of the file as it is: no markup, and nothing that a terminal would obey."""
    return Text(printable(field.text()))
