"""Charts as inline SVG that stretches with the page, with its words as text beside it that does not.

The drawing has a box of 1000 by 100 units; lines keep their width and dots stay round however it is stretched
(`vector-effect: non-scaling-stroke`). Nothing but numbers and escaped words goes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import numpy as np
from markupsafe import Markup
from msgspec import Struct

from research.measures.curve import Curve
from research.measures.figure import Floats, Ints
from research.measures.numbers import MINUS
from research.report import ticks

WIDTH, HEIGHT = 1000, 100
MOST_POINTS = 1_200
"""Of a curve: of each stretch the lowest and the highest are kept."""


class Line(Struct, frozen=True, kw_only=True):
    """A curve. `css` names its colour; with `base`, what lies between it and that value is filled."""

    curve: Curve
    css: str
    base: float | None = None
    stepped: bool = False


class Band(Struct, frozen=True, kw_only=True):
    """The space between two curves of the same times."""

    times: Ints
    low: Floats
    high: Floats
    css: str


class Dots(Struct, frozen=True, kw_only=True):
    """Points, or short strokes from one point to another where `to` is given."""

    times: Ints
    values: Floats
    css: str
    to: tuple[Ints, Floats] | None = None
    is_hollow: bool = False


class Plot(Struct, frozen=True, kw_only=True):
    """One chart over time; `label` says it to who cannot see it.

    The scale is written in percent with `is_percent`; with `is_log` its values are positive and it is logarithmic, and
    `is_growth` writes them less one.
    """

    label: str
    layers: Sequence[Line | Band | Dots]
    height_px: int = 220
    levels: Sequence[tuple[float, str]] = ()
    """Values that are drawn across, with their css class."""
    zero: bool = False
    """Whether the scale begins or ends at zero."""
    is_percent: bool = False
    is_log: bool = False
    is_growth: bool = False
    time_ticks: bool = True


def thin(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """Fewer points: of each stretch the lowest and the highest, and both ends."""
    n = len(curve.times)
    if n <= most:
        return curve
    edges = np.linspace(0, n, most // 2 + 1).astype(np.int64)
    kept = {0, n - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = curve.values[start:end]
        kept |= {start + int(part.argmin()), start + int(part.argmax())}
    which = np.array(sorted(kept))
    return Curve(times=curve.times[which], values=curve.values[which])


def draw(plot: Plot) -> Markup:
    """The chart; nothing where there is nothing to draw."""
    spans = [_extent(layer) for layer in plot.layers]
    known = [span for span in spans if span is not None]
    if not known:
        return Markup("")
    first, last = min(span[0] for span in known), max(span[1] for span in known)
    levels = [value for value, _ in plot.levels]
    low = min([span[2] for span in known] + levels + [0.0] * plot.zero)
    high = max([span[3] for span in known] + levels + [0.0] * plot.zero)
    frame = Frame.around(first, last, low, high, is_zero=plot.zero, is_log=plot.is_log)
    marks = frame.marks()
    across = [(v, "grid") for v in marks] + list(plot.levels)
    parts = [Markup('<path class="{}" d="M0 {}H1000"/>').format(css, f"{frame.y(v):.1f}") for v, css in across]
    parts += [_layer(layer, frame) for layer in plot.layers]
    words = [
        Markup('<span class="y" style="top:{}%">{}</span>').format(f"{frame.y(v):.1f}", text)
        for v, text in zip(marks, _written(marks, plot), strict=True)
    ]
    if plot.time_ticks:
        words += _time_words(frame)
    return Markup(
        '<div class="plot{}" style="height:{}px"><svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>{}</div>'
    ).format(
        " timed" if plot.time_ticks else "",
        plot.height_px,
        WIDTH,
        HEIGHT,
        plot.label,
        Markup("").join(parts),
        Markup("").join(words),
    )


def _written(marks: Sequence[float], plot: Plot) -> list[str]:
    """The marks of a scale, with the decimals that tell them apart."""
    shown = [(mark - 1 if plot.is_growth else mark) * (100 if plot.is_percent else 1) for mark in marks]
    unit = " %" if plot.is_percent else ""
    if plot.is_log:
        return [f"{value:,.{ticks.digits([value])}f}{unit}".replace("-", MINUS) for value in shown]
    places = ticks.digits(shown)
    return [f"{value:,.{places}f}{unit}".replace("-", MINUS) for value in (round(each, places) + 0.0 for each in shown)]


class Frame(Struct, frozen=True):
    """Where times and values lie in the box."""

    first: int
    last: int
    low: float
    high: float
    is_log: bool

    @classmethod
    def around(cls, first: int, last: int, low: float, high: float, *, is_zero: bool, is_log: bool) -> Frame:
        """A frame with a little room above and below; a flat curve lies in its middle."""
        if is_log:
            room = log(high / low) * 0.05 or 0.01
            return cls(first, last, low * exp(-room), high * exp(room), is_log)
        room = (high - low) * 0.05 or max(abs(high) * 0.01, 1e-9)
        is_flat = low == high
        floor = low if is_zero and low == 0 and not is_flat else low - room
        return cls(first, last, floor, high if is_zero and high == 0 and not is_flat else high + room, is_log)

    def marks(self) -> list[float]:
        """Round values of the scale."""
        if self.is_log and self.high / self.low > 4:
            return ticks.powers(self.low, self.high)
        return [mark for mark in ticks.values(self.low, self.high, 5) if self.low <= mark <= self.high]

    def x(self, times: Ints) -> Floats:
        """Across, from 0 to 1000."""
        return (times - self.first) / max(1, self.last - self.first) * WIDTH

    def y(self, value: float) -> float:
        """Down, from 0 to 100."""
        return float(self.ys(np.array([value]))[0])

    def ys(self, values: Floats) -> Floats:
        """As `y`, of many."""
        if self.is_log:
            part: Floats = np.log(self.high / values) / log(self.high / self.low)
        else:
            part = (self.high - values) / (self.high - self.low)
        return part * HEIGHT


def _extent(layer: Line | Band | Dots) -> tuple[int, int, float, float] | None:
    if isinstance(layer, Line):
        times, values = layer.curve.times, layer.curve.values
    elif isinstance(layer, Band):
        times, values = layer.times, np.concatenate((layer.low, layer.high))
    else:
        times, values = layer.times, layer.values
    if not len(times):
        return None
    return int(times.min()), int(times.max()), float(values.min()), float(values.max())


def _layer(layer: Line | Band | Dots, frame: Frame) -> Markup:
    if isinstance(layer, Line):
        return _line(layer, frame)
    if isinstance(layer, Band):
        there = _points(frame.x(layer.times), frame.ys(layer.high))
        back = _points(frame.x(layer.times)[::-1], frame.ys(layer.low)[::-1])
        return Markup('<path class="area {}" d="M{}L{}Z"/>').format(layer.css, "L".join(there), "L".join(back))
    if layer.to is None:
        dots = "".join(f"M{at}h.01" for at in _points(frame.x(layer.times), frame.ys(layer.values)))
        return Markup('<path class="dots {}" d="{}"/>').format(layer.css, dots) + (
            Markup('<path class="dots hole" d="{}"/>').format(dots) if layer.is_hollow else Markup("")
        )
    ends = _points(frame.x(layer.to[0]), frame.ys(layer.to[1]))
    starts = _points(frame.x(layer.times), frame.ys(layer.values))
    strokes = "".join(f"M{start}L{end}" for start, end in zip(starts, ends, strict=True))
    return Markup('<path class="strokes {}" d="{}"/>').format(layer.css, strokes)


def _line(line: Line, frame: Frame) -> Markup:
    curve = thin(line.curve)
    across, down = frame.x(curve.times), frame.ys(curve.values)
    if line.stepped and len(across) > 1:
        across, down = np.repeat(across, 2)[1:], np.repeat(down, 2)[:-1]
    path = "L".join(_points(across, down))
    drawn = Markup('<path class="line {}" d="M{}"/>').format(line.css, path)
    if line.base is None:
        return drawn
    floor = f"{frame.y(min(max(line.base, frame.low), frame.high)):.1f}"
    area = Markup('<path class="area {}" d="M{:.1f} {}L{}L{:.1f} {}Z"/>')
    return area.format(line.css, float(across[0]), floor, path, float(across[-1]), floor) + drawn


def _points(across: Floats, down: Floats) -> list[str]:
    return [f"{x:.1f} {y:.1f}" for x, y in zip(across.tolist(), down.tolist(), strict=True)]


def _time_words(frame: Frame) -> list[Markup]:
    """Words of the time axis, but for those that would stick out; every other one is left out on a phone."""
    span = max(1, frame.last - frame.first)
    shown = [(at, text) for at, text in ticks.times(frame.first, frame.last) if 0.03 < (at - frame.first) / span < 0.97]
    return [
        Markup('<span class="x{}" style="left:{}%">{}</span>').format(
            " wide" if n % 2 else "", f"{(at - frame.first) / span * 100:.1f}", text
        )
        for n, (at, text) in enumerate(shown)
    ]


def bars(
    label: str,
    heights: Sequence[float],
    names: Sequence[str],
    titles: Sequence[str],
    *,
    losses: Sequence[bool] | None = None,
    height_px: int = 120,
    names_shown: int = 12,
) -> Markup:
    """Columns up and down from zero, each with a title that appears under the pointer, some with their names below.

    `losses` says which of them are coloured as losses; without it those below zero.
    """
    if not heights:
        return Markup("")
    losses = losses if losses is not None else [value < 0 for value in heights]
    high, low = max(0.0, *heights), min(0.0, *heights)
    scale = HEIGHT / (high - low or 1.0)
    width, zero = WIDTH / len(heights), high * scale
    columns = [
        Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.2f}"><title>{}</title></rect>').format(
            "loss" if is_loss else "gain",
            n * width + width * 0.1,
            zero - max(value, 0.0) * scale,
            width * 0.8,
            max(abs(value) * scale, 0.3),
            title,
        )
        for n, (value, title, is_loss) in enumerate(zip(heights, titles, losses, strict=True))
    ]
    every = -(-len(names) // names_shown)
    words = [
        Markup('<span class="x{}" style="left:{:.1f}%">{}</span>').format(
            " wide" if n // every % 2 else "", (n + 0.5) / len(names) * 100, text
        )
        for n, text in enumerate(names)
        if not n % every
    ]
    return Markup(
        '<div class="plot bars timed" style="height:{}px"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" '
        'role="img" aria-label="{}"><path class="axis" d="M0 {:.1f}H1000"/>{}</svg>{}</div>'
    ).format(height_px, label, zero, Markup("").join(columns), Markup("").join(words))
