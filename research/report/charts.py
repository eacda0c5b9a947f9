"""The charts of a report, each from a result and its measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from research.measures import Record
from research.measures.attribution import Share
from research.measures.costs import multiples
from research.measures.curve import Curve, curve_of, daily, under_high
from research.measures.figure import Floats
from research.measures.measure import held_of
from research.measures.paths import Fan
from research.report import words
from research.report.plot import Band, Dots, Line, Plot, bars, draw
from research.result import Result
from risk.statistics import DAY_NS, Trade

MOST_TRADES = 250
"""Round trips that are drawn on a price: of more, those with the largest profits and losses."""
MOST_PRICES = 4
"""Instruments whose prices are drawn."""
BINS = 41
LEAST_VALUES = 10
"""Of a distribution that is drawn."""
MOST_COLOURS = 6
"""Curves that can be told apart."""
LOG_FROM = 8
"""Where the highest is so many times the lowest, a scale is logarithmic."""


class Drawn(Struct, frozen=True, kw_only=True):
    """A chart and what is to be said below it."""

    title: str
    svg: Markup
    note: str = ""


def equity(record: Record) -> Markup:
    """Equity, the deposit across it, and the drawdown below."""
    curve = curve_of(record.samples)
    end = "gain" if float(curve.values[-1]) >= record.deposit else "loss"
    label = f"Equity from {words.money(float(curve.values[0]))} to {words.money(float(curve.values[-1]))}"
    above = Plot(
        label=label,
        layers=[Line(curve=curve, css=end, base=record.deposit)],
        levels=[(record.deposit, "level")],
        height_px=240,
        time_ticks=False,
    )
    depth = Curve(times=curve.times, values=-under_high(curve.values))
    if not depth.values.any():
        return draw(replace(above, time_ticks=True))
    deepest = words.percent(float(depth.values.min()))
    below = Plot(
        label=f"Drawdown, deepest {deepest}",
        layers=[Line(curve=depth, css="loss", base=0.0)],
        is_percent=True,
        height_px=90,
        zero=True,
    )
    return draw(above) + Markup('<p class="axis-name">Drawdown</p>') + draw(below)


def against(record: Record) -> Markup:
    """Growth beside that of holding and of cash, on one scale."""
    held = held_of(record)
    if held is None:
        return Markup("")
    own, theirs = _grown(curve_of(record.samples)), _grown(held)
    lowest = min(float(own.values.min()), float(theirs.values.min()))
    is_log = lowest > 0 and max(float(own.values.max()), float(theirs.values.max())) > LOG_FROM * lowest
    return draw(
        Plot(
            label="Growth beside holding",
            layers=[Line(curve=theirs, css="other"), Line(curve=own, css="main")],
            levels=[(1.0, "level")],
            is_percent=True,
            is_growth=True,
            is_log=is_log,
        )
    )


def _grown(curve: Curve) -> Curve:
    """As multiples of the first value."""
    first = curve.values[0]
    return Curve(times=curve.times, values=curve.values / first if first > 0 else np.ones_like(curve.values))


def prices(record: Record) -> list[Drawn]:
    """Each instrument's price with its round trips as strokes from entry to exit."""
    found = []
    for instrument, samples in list(record.prices.items())[:MOST_PRICES]:
        curve = curve_of(samples)
        trades = [trade for trade in record.trades if trade.instrument == instrument and trade.entry_price > 0]
        shown = sorted(trades, key=lambda trade: -abs(trade.pnl))[:MOST_TRADES]
        layers: list[Line | Band | Dots] = [Line(curve=curve, css="quiet")]
        for css, is_win in (("gain", True), ("loss", False)):
            some = [trade for trade in shown if (trade.pnl > 0) is is_win]
            layers.append(_strokes(some, css))
            layers += [_entries([trade for trade in some if trade.side == side], css, side) for side in (1, -1)]
        note = "" if len(shown) == len(trades) else (
            f"The {len(shown)} largest profits and losses of {len(trades):,} round trips."
        )  # fmt: skip
        title = words.name(instrument)
        low, high = float(curve.values.min()), float(curve.values.max())
        plot = Plot(
            label=f"Price of {title} with round trips",
            layers=layers,
            height_px=280,
            is_log=0 < low < high / LOG_FROM,
        )
        svg = draw(plot)
        found.append(Drawn(title=title, svg=svg, note=note))
    return found


def price(value: float) -> str:
    """A price with as many digits as its size needs."""
    digits = 0 if abs(value) >= 1000 else 2 if abs(value) >= 1 else 6
    return f"{value:,.{digits}f}"


def _strokes(trades: Sequence[Trade], css: str) -> Dots:
    opened, closed = (
        np.array([getattr(t, name) for t in trades], dtype=np.int64) for name in ("opened_ns", "closed_ns")
    )
    entries, exits = (
        np.array([getattr(t, name) for t in trades], dtype=np.float64) for name in ("entry_price", "exit_price")
    )
    return Dots(times=opened, values=entries, css=css, to=(closed, exits))


def _entries(trades: Sequence[Trade], css: str, side: int) -> Dots:
    return Dots(
        times=np.array([trade.opened_ns for trade in trades], dtype=np.int64),
        values=np.array([trade.entry_price for trade in trades], dtype=np.float64),
        css=css,
        is_hollow=side < 0,
    )


def distribution(values: Floats, form: str, unit: str) -> Markup:
    """A histogram; the outermost bins hold what lies beyond the 1st and 99th percentile."""
    if len(values) < LEAST_VALUES:
        return Markup("")
    low, high = np.quantile(values, [0.01, 0.99])
    reach = max(abs(low), abs(high)) or 1.0
    edges = np.linspace(-reach, reach, BINS + 1)
    counts, _ = np.histogram(np.clip(values, -reach, reach), edges)
    write = words.FORMATS[form]
    middles = (edges[:-1] + edges[1:]) / 2
    titles = [
        f"{write(a)} to {write(b)}: {count} {unit}"
        for a, b, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    ]
    scale = 100 if form == "percent" else 1
    places = 0 if reach * scale >= 20 else 1 if reach * scale >= 2 else 2 if reach * scale >= 0.2 else 3
    names = [f"{middle * scale:.{places}f}".replace("-", words.MINUS) for middle in (edges[:-1] + edges[1:]) / 2]
    return bars(
        f"Distribution of {unit}", counts.tolist(), names, titles, losses=(middles < -reach / BINS / 2).tolist()
    )


def shares(title: str, parts: Sequence[Share]) -> Markup:
    """Profit by part as columns; nothing where there is only one."""
    if len(parts) < 2:
        return Markup("")
    titles = [
        f"{part.name}: {words.money(part.pnl, sign=True)} of {part.trades} round trips, {part.wins} of them won"
        for part in parts
    ]
    return bars(title, [part.pnl for part in parts], [part.name for part in parts], titles)


def strategies(result: Result) -> Markup:
    """Profit of each strategy over time, where there are several."""
    if len(result.strategies) < 2:
        return Markup("")
    parts = result.strategies[:MOST_COLOURS]
    layers = [Line(curve=curve_of(each.samples), css=f"c{n}") for n, each in enumerate(parts) if each.samples]
    return draw(Plot(label="Profit by strategy", layers=layers, levels=[(0.0, "level")]))


def fan(drawn: Fan | None, record: Record) -> Markup:
    """Quantiles of the paths that the same days could have taken, and the one that they took."""
    if drawn is None:
        return Markup("")
    times = (np.array(drawn.days) * DAY_NS).astype(np.int64)
    values = [np.array(row) - 1 for row in drawn.values]
    took = _taken(record)
    layers: list[Line | Band | Dots] = [
        Band(times=times, low=values[0], high=values[-1], css="fan"),
        Band(times=times, low=values[1], high=values[-2], css="fan"),
        Line(curve=Curve(times=times, values=values[2]), css="quiet"),
        Line(curve=took, css="main"),
    ]
    return draw(
        Plot(label="Paths of the same days", layers=layers, levels=[(0.0, "level")], is_percent=True, time_ticks=False)
    )


def _taken(record: Record) -> Curve:
    """The growth over the whole days that the paths are drawn from."""
    returns = daily(curve_of(record.samples)).returns
    grown = np.cumprod(np.concatenate((np.ones(1), np.maximum(1.0 + returns, 0.0)))) - 1.0
    return Curve(times=np.arange(len(grown), dtype=np.int64) * DAY_NS, values=grown)


def exposure(record: Record) -> Markup:
    """Worth of the positions over equity: gross as an area, net as a line."""
    own = curve_of(record.samples)
    gross, net = multiples(curve_of(record.gross), own), multiples(curve_of(record.net), own)
    layers = [Line(curve=gross, css="main", base=0.0, stepped=True), Line(curve=net, css="other", stepped=True)]
    if not len(gross.times) or not np.any(gross.values):
        return Markup("")
    return draw(Plot(label="Exposure over equity", layers=layers, is_percent=True, height_px=140, zero=True))
