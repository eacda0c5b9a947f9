"""Small pictures of a study as SVG text: they stand in the page itself, nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from msgspec import Struct

WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 34


class Axis(Struct, frozen=True, kw_only=True):
    """From a value to a place: `low` to `high`, by ratio with `log`; `labels` instead of numbers for choices."""

    name: str
    low: float
    high: float
    log: bool = False
    labels: tuple[str, ...] = ()

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        at = math.log(value) if self.log else value
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """Places and texts of a few marks."""
        if self.labels:
            return [(self.share(index), label) for index, label in enumerate(self.labels)]
        values = [self.low + (self.high - self.low) * step / 4 for step in range(5)]
        if self.log:
            ratio = self.high / self.low
            values = [self.low * ratio ** (step / 4) for step in range(5)]
        return [(self.share(value), f"{value:.3g}") for value in values]


class Dot(Struct, frozen=True, kw_only=True):
    """A trial in a picture."""

    x: float
    y: float
    kind: str
    title: str


def place(x: float, y: float, width: int, height: int) -> tuple[float, float]:
    """Pixels of a point given in shares."""
    return LEFT + x * (width - LEFT - RIGHT), height - BOTTOM - y * (height - TOP - BOTTOM)


def frame(x: Axis, y: Axis, inside: str, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """A picture with axes around what is inside."""
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(y.name)} by {escape(x.name)}">']
    for share, text in y.ticks():
        _, at = place(0, share, width, height)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{at + 3:.1f}" text-anchor="end">{escape(text)}</text>')
    for share, text in x.ticks():
        at, _ = place(share, 0, width, height)
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{height - BOTTOM + 13}" text-anchor="middle">{escape(text)}</text>'
        )
    parts.append(inside)
    middle = (LEFT + width - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{height - 4}" text-anchor="middle">{escape(x.name)}</text>')
    parts.append("</svg>")
    return "".join(parts)


def dots(x: Axis, y: Axis, points: Sequence[Dot], *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """A cloud of trials; what is outside the axis stands at its edge."""
    parts = []
    for dot in points:
        across, up = (min(1.0, max(0.0, share)) for share in (x.share(dot.x), y.share(dot.y)))
        cx, cy = place(across, up, width, height)
        radius = 5 if dot.kind in {"chosen", "best"} else 2.6
        parts.append(
            f'<circle class="{dot.kind}" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius}"><title>{escape(dot.title)}</title>'
            "</circle>"
        )
    return frame(x, y, "".join(parts), width=width, height=height)


def cells(x: Axis, y: Axis, values: Sequence[Sequence[float]], points: Sequence[Dot]) -> str:
    """A map: `values[row][column]` from the low corner on, coloured between their least and most."""
    flat = [value for row in values for value in row]
    low, high = min(flat), max(flat)
    rows, columns = len(values), len(values[0])
    parts = []
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            x0, y0 = place(column / columns, (row + 1) / rows, WIDTH, HEIGHT)
            x1, y1 = place((column + 1) / columns, row / rows, WIDTH, HEIGHT)
            share = (value - low) / (high - low) if high > low else 0.5
            parts.append(
                f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0 + 0.4:.1f}" height="{y1 - y0 + 0.4:.1f}" '
                f'fill="{colour(share)}"><title>{value:.3g}</title></rect>'
            )
    for dot in points:
        cx, cy = place(x.share(dot.x), y.share(dot.y), WIDTH, HEIGHT)
        radius = 5 if dot.kind in {"chosen", "best"} else 1.4
        parts.append(f'<circle class="{dot.kind}" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius}"/>')
    return frame(x, y, "".join(parts))


def colour(share: float) -> str:
    """From dark blue over grey to orange: told apart by those who do not see red and green."""
    stops = ((38, 70, 120), (190, 190, 190), (222, 122, 20))
    at = min(max(share, 0.0), 1.0) * 2
    low, rest = stops[min(int(at), 1)], at - min(int(at), 1)
    high = stops[min(int(at), 1) + 1]
    red, green, blue = (round(a + (b - a) * rest) for a, b in zip(low, high, strict=True))
    return f"rgb({red},{green},{blue})"


def pairs(y: Axis, columns: Sequence[tuple[str, float, float]], *, width: int = WIDTH) -> str:
    """For each fold a line from what was promised (hollow) to what was kept (full)."""
    count = max(1, len(columns))
    x = Axis(name="folds, in order", low=-0.5, high=count - 0.5, labels=("",) * count)
    parts = []
    for index, (title, promised, kept) in enumerate(columns):
        at = (index + 0.5) / count
        cx, first = place(at, min(1.0, max(0.0, y.share(promised))), width, HEIGHT)
        _, second = place(at, min(1.0, max(0.0, y.share(kept))), width, HEIGHT)
        parts.append(
            f'<g><title>{escape(title)}</title><line class="fall" x1="{cx:.1f}" x2="{cx:.1f}" y1="{first:.1f}" '
            f'y2="{second:.1f}"/><circle class="promised" cx="{cx:.1f}" cy="{first:.1f}" r="4"/>'
            f'<circle class="kept" cx="{cx:.1f}" cy="{second:.1f}" r="4"/></g>'
        )
    return frame(x, y, "".join(parts), width=width)
