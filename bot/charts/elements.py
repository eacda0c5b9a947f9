"""What stands in a panel, drawn with matplotlib: curves, candles, fills, levels, words.

Colours are Okabe and Ito's, which colour-blind people tell apart, and never the only sign: buys point up and sells
down, rising candles are hollow, losses carry a minus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from bot.charts.sheet import Bands, Candles, Element, Ink, Level, Line, Marks, Moment, Note, Span
from domain.settings import DAY_NS

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
SMALL, MEDIUM = 8.0, 9.0
LEAST_APART_IN: Final = 0.165
"""Between two figures on the scale."""
ROUNDS: Final = 80
BACKED: Final = {"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.7}
"""Words over a curve stand on a piece of paper."""
Tag: TypeAlias = tuple[float, str, str]
"""A value of the scale, what stands there, and its colour."""


def day(ts_ns: int) -> float:
    """A time on matplotlib's axis."""
    return ts_ns / DAY_NS


def _days(times: Sequence[int]) -> list[float]:
    return [t / DAY_NS for t in times]


def put(axes: Axes, element: Element) -> list[Tag]:
    """Draw one element; returns what it says at the scale."""
    match element:
        case Line():
            return _line(axes, element)
        case Level():
            return _level(axes, element)
        case Candles():
            _candles(axes, element)
        case Marks():
            _marks(axes, element)
        case Moment():
            _moment(axes, element)
        case Span():
            _span(axes, element)
        case Note():
            _note(axes, element)
        case Bands():
            _bands(axes, element)
    return []


def _line(axes: Axes, line: Line) -> list[Tag]:
    color, times = INKS[line.ink], _days(line.times)
    style = "steps-post" if line.stepped else "default"
    if line.fill_to is not None:
        step: Literal["post"] | None = "post" if line.stepped else None
        axes.fill_between(times, line.values, line.fill_to, step=step, color=color, alpha=0.16, linewidth=0)
    width = 0.9 if line.thin else 1.5
    dashes = "--" if line.dashed else "-"
    axes.plot(times, line.values, color=color, linewidth=width, drawstyle=style, linestyle=dashes)
    known = [(t, v) for t, v in zip(times, line.values, strict=True) if math.isfinite(v)]
    alone = [
        (t, v)
        for n, (t, v) in enumerate(zip(times, line.values, strict=True))
        if math.isfinite(v) and not any(math.isfinite(line.values[i]) for i in (n - 1, n + 1) if 0 <= i < len(times))
    ]
    if alone:
        axes.plot(*zip(*alone, strict=True), "o", color=color, markersize=4)
    return [(known[-1][1], line.label, color)] if known and line.label else []


def _candles(axes: Axes, bars: Candles) -> None:
    half = bars.interval_ns / DAY_NS * 0.34
    up: list[list[tuple[float, float]]] = []
    down: list[list[tuple[float, float]]] = []
    wicks: list[list[tuple[float, float]]] = []
    colors: list[str] = []
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


def _marks(axes: Axes, marks: Marks) -> None:
    sizes = [16 + 60 * size for size in marks.sizes]
    shape = "^" if marks.ink is Ink.BUY else "v"
    axes.scatter(
        _days(marks.times), marks.values, s=sizes, marker=shape, c=INKS[marks.ink], edgecolors=PAPER, linewidths=0.7,
        zorder=6,
    )  # fmt: skip


def _level(axes: Axes, level: Level) -> list[Tag]:
    left, right = axes.get_xlim()
    since = min(max(left, day(level.since_ns)), right - 0.12 * (right - left)) if level.since_ns else left
    color = INKS[level.ink]
    axes.plot([since, right], [level.value] * 2, color=color, linewidth=1.0, linestyle=(0, (4, 2)), zorder=4)
    return [(level.value, level.label, color)]


def _moment(axes: Axes, moment: Moment) -> None:
    """Its words stand on the level that `moment.level` says, so that those of neighbours do not cover each other."""
    at, color = day(moment.ts_ns), INKS[moment.ink]
    axes.axvline(at, color=color, linewidth=0.8, linestyle=(0, (1, 2)))
    left, right = axes.get_xlim()
    side = "left" if at < (left + right) / 2 else "right"
    text = f" {moment.label} "
    axes.text(
        at,
        0.02 + 0.07 * moment.level,
        text,
        transform=axes.get_xaxis_transform(),
        size=SMALL - 0.5,
        color=color,
        ha=side,
        va="bottom",
    )


def _span(axes: Axes, span: Span) -> None:
    start, end, color = day(span.from_ns), day(span.to_ns), INKS[span.ink]
    axes.axvspan(start, end, color=color, alpha=0.13, linewidth=0)
    left, right = axes.get_xlim()
    if span.label and (end - start) > 0.16 * (right - left):
        middle = (max(start, left) + min(end, right)) / 2
        axes.text(
            middle, 0.03, span.label, transform=axes.get_xaxis_transform(), size=SMALL - 0.5, color=FAINT, ha="center"
        )


def _note(axes: Axes, note: Note) -> None:
    left, right = axes.get_xlim()
    at, color = day(note.ts_ns), INKS[note.ink]
    share = (at - left) / (right - left)
    side = "left" if share < 0.2 else "right" if share > 0.8 else "center"
    axes.plot(
        [at], [note.value], "o", color=color, markersize=4.5, markeredgecolor=PAPER, markeredgewidth=0.8, zorder=7
    )
    axes.annotate(
        note.text, (at, note.value), xytext=(0, 6 if note.above else -6), textcoords="offset points", size=SMALL,
        color=TEXT, ha=side, va="bottom" if note.above else "top", zorder=8,
        bbox=BACKED,
    )  # fmt: skip


def _bands(axes: Axes, bands: Bands) -> None:
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
            words = axes.text(times[widest], middle, f" {name} ", size=MEDIUM, weight="bold", ha=side, va="center")
            words.set(zorder=5, bbox=BACKED)


def put_tags(axes: Axes, tags: Sequence[Tag]) -> None:
    """Names and figures at the scale, pushed apart where they would cover each other; ticks make room for them."""
    low, high = axes.get_ylim()
    least = LEAST_APART_IN / (axes.get_window_extent().height / axes.figure.dpi)
    shown = sorted(((value - low) / (high - low), label, color) for value, label, color in tags)
    shown = [tag for tag in shown if -0.02 <= tag[0] <= 1.02]
    tall = [least * (1 + 0.75 * label.count("\n")) for _, label, _ in shown]
    places = spread([at for at, _, _ in shown], tall)
    for place, (_, label, color) in zip(places, shown, strict=True):
        axes.text(
            1.012, place, label, transform=axes.transAxes, size=SMALL, weight="bold", color=PAPER, va="center",
            clip_on=False, linespacing=1.1, zorder=9,
            bbox={"boxstyle": "round,pad=0.22", "facecolor": color, "edgecolor": "none"},
        )  # fmt: skip
    kept = []
    for tick in axes.get_yticks():
        at = (tick - low) / (high - low)
        if 0 <= at <= 1 and all(abs(at - place) > (least + size) / 2 for place, size in zip(places, tall, strict=True)):
            kept.append(tick)
    axes.set_yticks(kept)
    axes.set_ylim(low, high)


def spread(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Places from 0 to 1 near those that are wanted, in their order, so far apart that nothing covers its neighbour."""
    placed = list(wanted)
    for _ in range(ROUNDS):
        for n in range(1, len(placed)):
            missing = (sizes[n] + sizes[n - 1]) / 2 - (placed[n] - placed[n - 1])
            if missing > 0:
                placed[n - 1] -= missing / 2
                placed[n] += missing / 2
        if placed:
            placed = [min(max(at, 0.0), 1.0) for at in placed]
    return placed
