"""A sheet as PNG: dark, for a phone held upright, twice its resolution. Runs only where drawing may take its time.

Text is never smaller than a phone shows well; scales have few figures, and curves carry their names themselves.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bot.charts.elements import FAINT, INKS, LINES, MEDIUM, PAPER, SMALL, TEXT, day, put, put_tags
from bot.charts.sheet import MINUS, Bands, Candles, Element, Ink, Level, Line, Marks, Note, Panel, Rows, Sheet, Unit
from bot.charts.ticks import ticks
from domain.settings import DAY_NS

WIDTH_IN: Final = 4.2
"""As wide as a phone: what is 9 points here is read as 9 points there."""
HEIGHT_IN: Final = 4.5
DPI: Final = 240
LEAST_SPAN_NS: Final = 120_000_000_000
"""A single moment is shown in the middle of so much time."""
LARGE, HUGE = 11.0, 21.0
LEFT, RIGHT = 0.035, 0.775
"""The axes, as fractions of the width: what is right of them are the scale's figures."""
LEAST_SPREAD: Final = {Unit.MONEY: 1.0, Unit.PRICE: 1.0, Unit.PERCENT: 0.01}
"""How much of a scale is shown around nothing but zero."""
STYLE: Final[dict[Any, Any]] = {
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
            _rows(figure, sheet.rows, top, height_in)
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
    axes.set_xlim(day(sheet.from_ns - room_ns), day(sheet.to_ns + room_ns))
    low, high = _range(panel)
    axes.set_ylim(low, high)
    for spine in ("top", "left", "right"):
        axes.spines[spine].set_visible(False)
    axes.grid(axis="y", color=LINES, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.tick_right()
    axes.tick_params(length=0, labelsize=SMALL, pad=4)
    axes.yaxis.set_major_locator(MaxNLocator(4 if panel.height > 1 else 3, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _number(value, panel.unit, high - low)))
    if is_last:
        _time_axis(axes, sheet)
    else:
        axes.set_xticks([])
    if panel.title:
        axes.text(0, 1.015, panel.title, transform=axes.transAxes, size=SMALL, color=FAINT, va="bottom")
    tags = [tag for element in panel.elements for tag in put(axes, element)]
    put_tags(axes, tags)


def _range(panel: Panel) -> tuple[float, float]:
    """The values of a panel with room around them; a single value stands in the middle."""
    values = [value for element in panel.elements for value in _values(element) if math.isfinite(value)]
    if panel.zero:
        values.append(0.0)
    low, high = min(values, default=0.0), max(values, default=1.0)
    alone = abs(high) * 0.01 or LEAST_SPREAD[panel.unit]
    spread = (high - low) * 0.09 or alone
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
    axes.set_xticks([day(at) for at, _ in marked], [words for _, words in marked])


def _number(value: float, unit: Unit, spread: float) -> str:
    """A figure of the scale, as short as the scale allows."""
    if unit is Unit.PERCENT:
        digits = 0 if spread > 0.04 else 1 if spread > 0.004 else 2
        return f"{value:.{digits}%}".replace("-", MINUS)
    digits = max(0, min(8, 1 - math.floor(math.log10(spread)))) if 0 < spread < 50 else 0
    if unit is Unit.MONEY and spread >= 50_000:
        big = abs(value) >= 1_000_000 or spread >= 5_000_000
        size, name = (1_000_000, "M") if big else (1_000, "k")
        return f"{value / size:,.{2 if big else 0}f}{name}".replace("-", MINUS)
    return f"{value:,.{digits}f}".replace("-", MINUS)


def _rows(figure: Figure, rows: Rows, top: float, height_in: float) -> None:
    """Bars under their names, from a common zero line."""
    count = len(rows.names)
    bottom = 0.38 / height_in
    axes = figure.add_axes((LEFT, bottom, 1 - 2 * LEFT, top - bottom))
    low, high = min(0.0, *rows.values), max(0.0, *rows.values)
    spread = (high - low) or 1.0
    axes.set_xlim(low - spread * 0.005, high + spread * 0.005)
    axes.set_ylim(count, 0)
    axes.axis("off")
    for n, (name, value, words) in enumerate(zip(rows.names, rows.values, rows.words, strict=True)):
        color = INKS[Ink.GOOD if value >= 0 else Ink.BAD]
        axes.barh([n + 0.72], [value], height=0.3, color=color, zorder=3, hatch="" if value >= 0 else "////",
                  edgecolor=PAPER, linewidth=0)  # fmt: skip
        axes.plot([0, 0], [n + 0.53, n + 0.91], color=FAINT, linewidth=0.9, zorder=4)
        axes.text(0, n + 0.5, name, transform=axes.get_yaxis_transform(), size=MEDIUM, weight="bold", va="bottom")
        axes.text(1, n + 0.5, words, transform=axes.get_yaxis_transform(), size=MEDIUM, ha="right", va="bottom")
