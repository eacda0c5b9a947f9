"""A sheet as PNG: dark, for a phone held upright, twice its resolution. The only place that knows matplotlib.

Colours are Okabe and Ito's, which colour-blind people tell apart, and never the only sign: buys point up and sells down,
rising candles are hollow, losses carry a minus. Text is never smaller than a phone shows well.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bot.charts.sheet import (
    Bands,
    Candles,
    Element,
    Ink,
    Level,
    Line,
    Marks,
    Moment,
    Note,
    Panel,
    Rows,
    Sheet,
    Span,
    Unit,
)
from bot.charts.ticks import ticks

DAY_NS: Final = 86_400_000_000_000
WIDTH_IN: Final = 4.2
"""As wide as a phone: what is 9 points here is read as 9 points there."""
HEIGHT_IN: Final = 4.5
DPI: Final = 240
LEAST_SPAN_NS: Final = 120_000_000_000
"""A single moment is shown in the middle of so much time."""
PAPER, LINES, TEXT, FAINT = "#0f141b", "#2a323d", "#e8edf2", "#9aa7b4"
INKS: Final = {
    Ink.MAIN: "#56b4e9",
    Ink.GOOD: "#56b4e9",
    Ink.BAD: "#e69f00",
    Ink.BUY: "#56b4e9",
    Ink.SELL: "#e69f00",
    Ink.LIMIT: "#f0e442",
    Ink.QUIET: FAINT,
    Ink.SECOND: "#cc79a7",
    Ink.THIRD: "#009e73",
    Ink.FOURTH: "#f0e442",
    Ink.FIFTH: "#d55e00",
}
SMALL, MEDIUM, LARGE, HUGE = 8.0, 9.0, 11.0, 21.0
LEFT, RIGHT = 0.035, 0.80
"""The axes, as fractions of the width: what is right of them are the scale's figures."""
LEAST_APART_IN: Final = 0.165
"""Between two figures on the scale."""
LEAST_SPREAD: Final = {Unit.MONEY: 1.0, Unit.PRICE: 1.0, Unit.PERCENT: 0.01}
"""How much of a scale is shown around nothing but zero."""
STYLE: Final = {
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "text.color": TEXT,
    "text.parse_math": False,
    "axes.edgecolor": LINES,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "path.simplify": True,
}


def paint(sheet: Sheet) -> bytes:
    """The picture. Raises what matplotlib raises for data that make no sense."""
    with mpl.rc_context(STYLE):
        height_in = _height_in(sheet)
        figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI)
        FigureCanvasAgg(figure)
        top = _heading(figure, sheet, height_in)
        if sheet.empty:
            _emptiness(figure, sheet, top)
        elif sheet.rows is not None:
            _rows(figure, sheet.rows, top)
        else:
            _panels(figure, sheet, top, height_in)
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=DPI, metadata={"Software": None})
        return image.getvalue()


def _height_in(sheet: Sheet) -> float:
    if sheet.empty:
        return HEIGHT_IN * 0.62
    if sheet.rows is not None:
        return 1.45 + 0.42 * len(sheet.rows.names)
    return HEIGHT_IN + 0.5 * (len(sheet.panels) - 1)


def _heading(figure: Figure, sheet: Sheet, height_in: float) -> float:
    """Title, figure and footer; returns where the axes may begin, as a fraction of the height."""

    def down(inches: float) -> float:
        return 1 - inches / height_in

    ink = TEXT if sheet.is_good is None else INKS[Ink.GOOD if sheet.is_good else Ink.BAD]
    figure.text(LEFT, down(0.13), sheet.title, size=LARGE, weight="bold", va="top")
    figure.text(LEFT, down(0.36), sheet.figure, size=_fitting(sheet.figure), weight="bold", color=ink, va="top")
    figure.text(LEFT, down(0.76), sheet.subtitle, size=SMALL, color=FAINT, va="top", linespacing=1.35)
    figure.text(LEFT, 0.09 / height_in, sheet.footer, size=SMALL - 1, color=FAINT, va="bottom", linespacing=1.35)
    lines = sheet.subtitle.count("\n") + 1
    return down(0.93 + 0.155 * lines)


def _fitting(text: str) -> float:
    """The size at which a line fits the width."""
    return min(HUGE, HUGE * 21 / max(1, len(text)))


def _emptiness(figure: Figure, sheet: Sheet, top: float) -> None:
    """Nothing to draw is said where the drawing would be."""
    figure.text(0.5, top / 2 + 0.08, _wrapped(sheet.empty, 46), size=MEDIUM, ha="center", va="center", linespacing=1.5)


def _wrapped(text: str, width: int) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def _panels(figure: Figure, sheet: Sheet, top: float, height_in: float) -> None:
    bottom = (0.52 + 0.13 * sheet.footer.count("\n")) / height_in
    gap = 0.28 / height_in
    whole = top - bottom - gap * (len(sheet.panels) - 1)
    per_height = whole / sum(panel.height for panel in sheet.panels)
    edge = top
    for panel in sheet.panels:
        tall = per_height * panel.height
        axes = figure.add_axes((LEFT, edge - tall, RIGHT - LEFT, tall))
        edge -= tall + gap
        _panel(axes, panel, sheet, is_last=panel is sheet.panels[-1])


def _panel(axes: Axes, panel: Panel, sheet: Sheet, *, is_last: bool) -> None:
    room_ns = max(0, LEAST_SPAN_NS - (sheet.to_ns - sheet.from_ns)) // 2
    axes.set_xlim(_day(sheet.from_ns - room_ns), _day(sheet.to_ns + room_ns))
    low, high = _range(panel)
    axes.set_ylim(low, high)
    for spine in ("top", "left", "right"):
        axes.spines[spine].set_visible(False)
    axes.grid(axis="y", color=LINES, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.tick_right()
    axes.tick_params(length=0, labelsize=SMALL, pad=4)
    axes.yaxis.set_major_locator(MaxNLocator(4 if panel.height >= 1 else 2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _number(value, panel.unit, high - low)))
    if is_last:
        _time_axis(axes, sheet)
    else:
        axes.set_xticks([])
    if panel.title:
        axes.text(0, 1.015, panel.title, transform=axes.transAxes, size=SMALL, color=FAINT, va="bottom")
    tags: list[tuple[float, str, str]] = []
    for element in panel.elements:
        _ELEMENTS[type(element)](axes, element, tags)
    _tags(axes, tags)


def _range(panel: Panel) -> tuple[float, float]:
    """The values of a panel with room around them; a single value stands in the middle."""
    values = [value for element in panel.elements for value in _values(element) if math.isfinite(value)]
    if panel.zero:
        values.append(0.0)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high == low:
        spread = abs(high) * 0.01 or LEAST_SPREAD[panel.unit]
    else:
        spread = (high - low) * 0.09
    if panel.zero and high == 0:
        return low - spread, 0.0
    return 0.0 if panel.zero and low == 0 else low - spread, high + spread


def _values(element: Element) -> Sequence[float]:
    match element:
        case Line():
            return element.values if element.fill_to is None else [*element.values, element.fill_to]
        case Candles():
            return [*element.highs, *element.lows]
        case Marks():
            return element.values
        case Level() | Note():
            return [element.value]
        case Bands():
            columns = list(zip(*element.values, strict=True))
            tops = [sum(v for v in column if v > 0) for column in columns]
            return [*tops, *(sum(v for v in column if v < 0) for column in columns)]
        case _:
            return []


def _time_axis(axes: Axes, sheet: Sheet) -> None:
    left, right = (round(edge * DAY_NS) for edge in axes.get_xlim())
    marked = ticks(left, right, sheet.zone)
    axes.set_xticks([_day(at) for at, _ in marked], [words for _, words in marked])


def _day(ts_ns: int) -> float:
    return ts_ns / DAY_NS


def _days(times: Sequence[int]) -> list[float]:
    return [t / DAY_NS for t in times]


def _number(value: float, unit: Unit, spread: float) -> str:
    """A figure of the scale, as short as the scale allows."""
    if unit is Unit.PERCENT:
        digits = 0 if spread > 0.04 else 1 if spread > 0.004 else 2
        return f"{value:.{digits}%}".replace("-", "−")
    digits = max(0, min(8, 1 - math.floor(math.log10(spread)))) if 0 < spread < 50 else 0
    if unit is Unit.MONEY and spread >= 50_000:
        big = abs(value) >= 1_000_000 or spread >= 5_000_000
        size, name = (1_000_000, "M") if big else (1_000, "k")
        return f"{value / size:,.{2 if big else 0}f}{name}".replace("-", "−")
    return f"{value:,.{digits}f}".replace("-", "−")


def _line(axes: Axes, line: Line, tags: list[tuple[float, str, str]]) -> None:
    color, times = INKS[line.ink], _days(line.times)
    style = "steps-post" if line.stepped else "default"
    if line.fill_to is not None:
        step = "post" if line.stepped else None
        axes.fill_between(times, line.values, line.fill_to, step=step, color=color, alpha=0.16, linewidth=0)  # type: ignore[arg-type]
    axes.plot(
        times, line.values, color=color, linewidth=1.5, drawstyle=style, linestyle="--" if line.dashed else "-"
    )
    known = [(t, v) for t, v in zip(times, line.values, strict=True) if math.isfinite(v)]
    alone = [
        (t, v)
        for n, (t, v) in enumerate(zip(times, line.values, strict=True))
        if math.isfinite(v) and not any(math.isfinite(line.values[i]) for i in (n - 1, n + 1) if 0 <= i < len(times))
    ]
    if alone:
        axes.plot(*zip(*alone, strict=True), "o", color=color, markersize=4)
    if known and line.label:
        tags.append((known[-1][1], line.label, color))


def _candles(axes: Axes, bars: Candles, _tags: list[tuple[float, str, str]]) -> None:
    half = bars.interval_ns / DAY_NS * 0.34
    up, down, wicks, colors = [], [], [], []
    for n, at in enumerate(_days(bars.times)):
        middle = at + bars.interval_ns / DAY_NS / 2
        first, last = bars.opens[n], bars.closes[n]
        low, high = min(first, last), max(first, last)
        body = [(middle - half, low), (middle + half, low), (middle + half, high), (middle - half, high)]
        (up if last >= first else down).append(body)
        color = TEXT if last >= first else FAINT
        wicks += [[(middle, bars.lows[n]), (middle, low)], [(middle, high), (middle, bars.highs[n])]]
        colors += [color, color]
    width = 0.9 if len(bars.times) < 80 else 0.6
    axes.add_collection(LineCollection(wicks, colors=colors, linewidths=width, zorder=2))
    axes.add_collection(PolyCollection(up, facecolors=PAPER, edgecolors=TEXT, linewidths=width, zorder=3))
    axes.add_collection(PolyCollection(down, facecolors=FAINT, edgecolors=FAINT, linewidths=width, zorder=3))


def _marks(axes: Axes, marks: Marks, _tags: list[tuple[float, str, str]]) -> None:
    sizes = [26 + 90 * size for size in marks.sizes]
    shape = "^" if marks.ink is Ink.BUY else "v"
    axes.scatter(
        _days(marks.times), marks.values, s=sizes, marker=shape, c=INKS[marks.ink], edgecolors=PAPER, linewidths=0.7,
        zorder=6,
    )  # fmt: skip


def _level(axes: Axes, level: Level, tags: list[tuple[float, str, str]]) -> None:
    left, right = axes.get_xlim()
    since = min(max(left, _day(level.since_ns)), right - 0.12 * (right - left)) if level.since_ns else left
    color = INKS[level.ink]
    axes.plot([since, right], [level.value] * 2, color=color, linewidth=1.0, linestyle=(0, (4, 2)), zorder=4)
    tags.append((level.value, level.label, color))


def _moment(axes: Axes, moment: Moment, _tags: list[tuple[float, str, str]]) -> None:
    """Its words stand on the level that `moment.level` says, so that those of neighbours do not cover each other."""
    at, color = _day(moment.ts_ns), INKS[moment.ink]
    axes.axvline(at, color=color, linewidth=0.8, linestyle=(0, (1, 2)))
    left, right = axes.get_xlim()
    side = "left" if at < (left + right) / 2 else "right"
    text = f" {moment.label} "
    axes.text(at, 0.02 + 0.07 * moment.level, text, transform=axes.get_xaxis_transform(), size=SMALL - 0.5, color=color, ha=side, va="bottom")


def _span(axes: Axes, span: Span, _tags: list[tuple[float, str, str]]) -> None:
    start, end, color = _day(span.from_ns), _day(span.to_ns), INKS[span.ink]
    axes.axvspan(start, end, color=color, alpha=0.13, linewidth=0)
    left, right = axes.get_xlim()
    if span.label and (end - start) > 0.16 * (right - left):
        middle = (max(start, left) + min(end, right)) / 2
        axes.text(
            middle, 0.03, span.label, transform=axes.get_xaxis_transform(), size=SMALL - 0.5, color=FAINT, ha="center"
        )


def _note(axes: Axes, note: Note, _tags: list[tuple[float, str, str]]) -> None:
    left, right = axes.get_xlim()
    at, color = _day(note.ts_ns), INKS[note.ink]
    share = (at - left) / (right - left)
    side = "left" if share < 0.2 else "right" if share > 0.8 else "center"
    axes.plot([at], [note.value], "o", color=color, markersize=4.5, markeredgecolor=PAPER, markeredgewidth=0.8, zorder=7)
    axes.annotate(
        note.text, (at, note.value), xytext=(0, 6 if note.above else -6), textcoords="offset points", size=SMALL,
        color=TEXT, ha=side, va="bottom" if note.above else "top", zorder=8,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.75},
    )  # fmt: skip


def _bands(axes: Axes, bands: Bands, _tags: list[tuple[float, str, str]]) -> None:
    times = _days(bands.times)
    over = [0.0] * len(times)
    under = [0.0] * len(times)
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=3)
    for name, values, ink in zip(bands.names, bands.values, bands.inks, strict=True):
        base = [over[n] if value >= 0 else under[n] for n, value in enumerate(values)]
        edge = [start + value for start, value in zip(base, values, strict=True)]
        axes.fill_between(times, base, edge, step="post", color=INKS[ink], alpha=0.75, linewidth=0)
        over = [max(o, e) for o, e in zip(over, edge, strict=True)]
        under = [min(u, e) for u, e in zip(under, edge, strict=True)]
        widest = max(range(len(values)), key=lambda n: abs(values[n]), default=0)
        low, high = axes.get_ylim()
        if values and abs(values[widest]) > 0.09 * (high - low):
            left, right = axes.get_xlim()
            share = (times[widest] - left) / (right - left)
            side = "left" if share < 0.1 else "right" if share > 0.9 else "center"
            middle = base[widest] + values[widest] / 2
            axes.text(times[widest], middle, f" {name} ", size=MEDIUM, weight="bold", ha=side, va="center", zorder=5,
                      bbox={"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.6})  # fmt: skip


_ELEMENTS: Final[dict[type[Element], Callable[[Axes, Element, list[tuple[float, str, str]]], None]]] = {
    Line: _line,
    Candles: _candles,
    Marks: _marks,
    Level: _level,
    Moment: _moment,
    Span: _span,
    Note: _note,
    Bands: _bands,
}  # type: ignore[dict-item]


def _tags(axes: Axes, tags: Sequence[tuple[float, str, str]]) -> None:
    """Names and figures at the scale, pushed apart where they would cover each other; ticks make room for them."""
    low, high = axes.get_ylim()
    placed: list[float] = []
    least = LEAST_APART_IN / (axes.get_position().height * axes.figure.get_figheight())
    for value, label, color in sorted(tags, key=lambda tag: tag[0]):
        at = (value - low) / (high - low)
        if not -0.02 <= at <= 1.02:
            continue
        lines = label.count("\n") + 1
        at = max(at, placed[-1] + least * lines) if placed else at
        placed.append(at)
        axes.text(
            1.012, at, label, transform=axes.transAxes, size=SMALL, weight="bold", color=PAPER, va="center",
            clip_on=False, linespacing=1.1,
            bbox={"boxstyle": "round,pad=0.22", "facecolor": color, "edgecolor": "none"}, zorder=9,
        )  # fmt: skip
    kept = []
    for tick in axes.get_yticks():
        at = (tick - low) / (high - low)
        if 0 <= at <= 1 and all(abs(at - other) > least for other in placed):
            kept.append(tick)
    axes.set_yticks(kept)
    axes.set_ylim(low, high)


def _rows(figure: Figure, rows: Rows, top: float) -> None:
    """Bars under their names, from a common zero line."""
    count = len(rows.names)
    bottom = 0.38 / figure.get_figheight()
    axes = figure.add_axes((LEFT, bottom, 1 - 2 * LEFT, top - bottom))
    low, high = min(0.0, *rows.values), max(0.0, *rows.values)
    spread = (high - low) or 1.0
    axes.set_xlim(low - spread * 0.005, high + spread * 0.005)
    axes.set_ylim(count, 0)
    axes.axis("off")
    axes.plot([0, 0], [0.1, count - 0.05], color=FAINT, linewidth=0.8)
    for n, (name, value, words) in enumerate(zip(rows.names, rows.values, rows.words, strict=True)):
        color = INKS[Ink.GOOD if value >= 0 else Ink.BAD]
        axes.barh([n + 0.72], [value], height=0.3, color=color, zorder=3, hatch="" if value >= 0 else "////",
                  edgecolor=PAPER, linewidth=0)  # fmt: skip
        axes.text(0, n + 0.5, name, transform=axes.get_yaxis_transform(), size=MEDIUM, weight="bold", va="bottom")
        axes.text(1, n + 0.5, words, transform=axes.get_yaxis_transform(), size=MEDIUM, ha="right", va="bottom")
