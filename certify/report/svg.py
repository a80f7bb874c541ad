"""Makes small drawings as inline SVG, without fonts or scripts, coloured by the style sheet."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from certify.report.markup import Markup, text

# The width and the margins of a drawing, in its own units. The width is about that of a telephone,
# which shows the drawing without shrinking it.
WIDTH = 360.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 12.0, 14.0, 40.0


class Axis(NamedTuple):
    """A range of numbers, on a linear or a logarithmic scale.

    Attributes:
        low: The lower end.
        high: The upper end, larger than the lower one.
        label: What the axis measures.
        log: Whether the scale is logarithmic; then both ends are positive.
        whole: Whether the axis counts something; then ticks are integers.
    """

    low: float
    high: float
    label: str
    log: bool = False
    whole: bool = False

    def share(self, value: float) -> float:
        """Returns where a value lies on the axis: 0 at the lower end, 1 at the upper one."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        return math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Returns at most eight round numbers in the range.

        Example:
            >>> Axis(0.0, 1.0, "").ticks()
            [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
            >>> Axis(0.5, 200.0, "", log=True).ticks()
            [1.0, 10.0, 100.0]
            >>> Axis(0.5, 2.5, "", whole=True).ticks()
            [1.0, 2.0]
        """
        if self.log:
            low, high = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            if high > low:
                every = (high - low) // 6 + 1
                return [10.0**k for k in range(low, high + 1, every)]
        span = self.high - self.low
        if not 0 < span < math.inf:
            raise ValueError(f"an axis from {self.low} to {self.high} cannot be drawn")
        unit = 10.0 ** math.floor(math.log10(span / 4))
        step = next(unit * k for k in (1, 2, 5, 10) if span / (unit * k) <= 6)
        if self.whole:
            step = max(step, 1.0)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        # Ticks are rounded to the digits of the step, or the error of 0.1 + 0.2 would show.
        digits = max(0, 1 - math.floor(math.log10(step)))
        return [round(k * step, digits) + 0.0 for k in range(first, last + 1)]


class Plot(NamedTuple):
    """A drawing area with two axes."""

    x: Axis
    y: Axis
    height: float = 240.0

    def at(self, x: float, y: float) -> str:
        """Returns the position of a point in the drawing, clipped to the frame."""
        across = LEFT + (WIDTH - LEFT - RIGHT) * min(max(self.x.share(x), 0.0), 1.0)
        up = (self.height - TOP - BOTTOM) * min(max(self.y.share(y), 0.0), 1.0)
        return f"{across:.1f},{self.height - BOTTOM - up:.1f}"

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> str:
        """Returns a curve through points."""
        return f'<polyline class="{kind}" points="{" ".join(self.at(*p) for p in points)}"/>'

    def area(self, points: Iterable[tuple[float, float]], kind: str, note: str = "") -> str:
        """Returns a filled polygon; the note shows when the mouse rests on it."""
        where = " ".join(self.at(*p) for p in points)
        inside = f"<title>{text(note)}</title>" if note else ""
        return f'<polygon class="{kind}" points="{where}">{inside}</polygon>'

    def box(self, low: Sequence[float], high: Sequence[float], kind: str, note: str = "") -> str:
        """Returns a filled rectangle."""
        corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
        return self.area(corners, kind, note)

    def dot(self, x: float, y: float, kind: str) -> str:
        """Returns a dot at a point."""
        across, up = self.at(x, y).split(",")
        return f'<circle class="{kind}" cx="{across}" cy="{up}" r="3.5"/>'

    def write(self, x: float, y: float, words: str, anchor: str = "start", dy: float = 0.0) -> str:
        """Returns words at a point, given by its values on the axes."""
        across, up = self.at(x, y).split(",")
        return label(float(across), float(up) + dy, words, anchor)

    def frame(self) -> str:
        """Returns the axes with ticks and labels."""
        parts = [self.box((self.x.low, self.y.low), (self.x.high, self.y.high), "frame")]
        for tick, words in labelled(self.x.ticks()):
            parts.append(self.line([(tick, self.y.low), (tick, self.y.high)], "grid"))
            parts.append(self.write(tick, self.y.low, words, "middle", 13.0))
        for tick, words in labelled(self.y.ticks()):
            parts.append(self.line([(self.x.low, tick), (self.x.high, tick)], "grid"))
            across, up = self.at(self.x.low, tick).split(",")
            parts.append(label(float(across) - 4, float(up) + 3.5, words, "end"))
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        parts.append(label(middle, self.height - 8, self.x.label, "middle"))
        parts.append(label(4.0, TOP - 4, self.y.label))
        return "".join(parts)


def label(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Returns words at a position of the drawing, given in its units."""
    shown = text(words, 60)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'


def brief(value: float, digits: int = 6) -> str:
    """Returns a number as short text, for a tick."""
    return f"{value + 0.0:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def labelled(ticks: Sequence[float]) -> list[tuple[float, str]]:
    """Returns each tick with its text, which has enough digits that no two read the same.

    Example:
        >>> [words for _, words in labelled([1.0000001, 1.0000002])]
        ['1.0000001', '1.0000002']
    """
    digits = 6
    while digits < 17 and len({brief(tick, digits) for tick in ticks}) < len(set(ticks)):
        digits += 1
    return [(tick, brief(tick, digits)) for tick in ticks]


def colour_bar(y: float, low: str, high: str, faint: float, strong: float, title: str) -> str:
    """Returns a legend of the strength of a colour, from faint to strong, with two numbers.

    Args:
        y: The vertical position of the legend, which is 34 units high.
        low: The number at the faint end, as text.
        high: The number at the strong end, as text.
        faint: The opacity at the faint end.
        strong: The opacity at the strong end.
        title: What is measured.
    """
    left, width, count = 120.0, 120.0, 24
    side = width / count
    parts = [
        f'<rect class="shade" x="{left + k * side:.1f}" y="{y + 14:.1f}" width="{side:.1f}" '
        f'height="10" '
        f'fill-opacity="{faint + (strong - faint) * k / (count - 1):.3f}"/>'
        for k in range(count)
    ]
    parts.append(label(left - 5, y + 23, low, "end"))
    parts.append(label(left + width + 5, y + 23, high))
    parts.append(label(left + width / 2, y + 9, title, "middle"))
    return "".join(parts)


def figure(title: str, caption: str, height: float, *parts: str) -> Markup:
    """Returns a drawing with a title, and a caption that says what it shows."""
    paper = f"0 0 {WIDTH:.0f} {height:.0f}"
    return Markup(
        f'<figure><svg viewBox="{paper}" role="img" aria-label="{text(title)}">'
        f"<title>{text(title)}</title><desc>{text(caption, 2000)}</desc>{''.join(parts)}</svg>"
        f"<figcaption>{text(caption, 2000)}</figcaption></figure>"
    )
