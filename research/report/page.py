"""A run as one HTML page: no script, no network, nothing but what it holds; the same run gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from research.honesty.page import section_html
from research.market_data import DataKind
from research.measures import Figure, Measures, Record, record_of
from research.measures.attribution import Share
from research.measures.curve import curve_of, daily
from research.measures.record import fills_at_the_same_close, instruments_of
from research.measures.targets import Target
from research.report import charts, tables, words
from research.result import Result

TEMPLATES = Path(__file__).parent / "templates"


class Tile(Struct, frozen=True, kw_only=True):
    """One figure of the first screen: its value, its interval, and what it stands on."""

    name: str
    value: str
    interval: str = ""
    note: str = ""
    tone: str = ""


@cache
def templates() -> Environment:
    """The templates; every name that goes into them is escaped."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["style"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    found.filters |= {"money": words.money, "percent": words.percent, "date": words.date, "name": words.name}
    return found


def page(result: Result, measures: Measures, honesty: Mapping[str, Any] | None = None) -> str:
    """The whole page; `honesty` is a verdict of `moondev check-strategy`."""
    record = record_of(result)
    return (
        templates()
        .get_template("run.html")
        .render(
            title=title(result),
            honesty=section_html(honesty) if honesty is not None else "",
            warnings=warnings(result),
            result=result,
            m=measures,
            tiles=list(tiles(result, measures)),
            targets=[target(each) for each in measures.targets],
            sections=sections(result, record, measures),
            months=months(measures),
            ratios=tables.folded(tables.ratios(measures)),
            trips=tables.folded(tables.trips(measures)),
            costs=tables.folded(tables.costs(measures)),
            risks=tables.folded(tables.risks(measures)),
            parts=[
                (name, parts)
                for name, parts in measures.attribution.items()
                if name not in TIMES and is_worth(name, parts)
            ],
            terms=list(tables.terms(result)),
            happened=list(tables.happened(result)),
            provenance=list(tables.provenance(result)),
            span=f"{words.moment(result.first_ns)} to {words.moment(result.last_ns)} UTC",
            length=words.span(result.last_ns - result.first_ns),
        )
    )


LEAST_MONTH_DAYS = 20
"""Of a single month that is worth a table."""
TIMES = ("month", "weekday", "hour")


def is_worth(name: str, parts: Sequence[Share]) -> bool:
    """Whether a table says more than the total does."""
    return len(parts) > 1 or (name == "side" and len(parts) == 1)


def title(result: Result) -> str:
    """What was tested."""
    instruments = ", ".join(tables.short(each) for each in instruments_of(result)) or result.instrument
    strategies = ", ".join(each.id for each in result.strategies) if len(result.strategies) > 1 else result.strategy
    return f"{words.name(strategies)} on {words.name(instruments)}"


def warnings(result: Result) -> list[str]:
    """What a reader must know before any figure."""
    found = []
    if result.data_kind is DataKind.SIMULATED:
        found.append("SIMULATED MARKET: these figures are no evidence of anything.")
    if fills_at_the_same_close(result):
        found.append("BENCHMARKS ONLY: filled at the very close that was decided on, without latency. No market does.")
    free = [words.name(tables.short(s.instrument)) for s in result.sources if not s.maker_fee and not s.taker_fee]
    if free:
        found.append(f"NO FEES on {', '.join(dict.fromkeys(free))}: the result says nothing about costs.")
    found += [
        f"{words.name(each.id)} did not run to the end: {words.name(each.status, 300)}"
        for each in result.strategies
        if not each.status.startswith("running")
    ]
    return found


def tiles(result: Result, m: Measures) -> Iterable[Tile]:
    """The figures of the first screen."""
    yield Tile(
        name="Profit after costs",
        value=words.percent(m.growth, sign=True),
        interval=f"{words.money(m.pnl, sign=True)} {words.name(result.currency, 12)}",
        note=f"of {words.money(float(result.deposit))}",
        tone=tone(m.pnl),
    )
    yield of_figure("Sharpe ratio", m.sharpe, "ratio")
    fall = m.drawdowns.deepest
    yield Tile(
        name="Deepest drawdown",
        value=words.percent(fall.fraction),
        interval=f"{words.money(fall.amount)} {words.name(result.currency, 12)}",
        note=f"{fall.days:,.1f} days {'to recover' if fall.recovered_ns else 'and not recovered'}"
        if fall.days
        else "none",
    )
    yield of_figure("Win rate", m.trips.win_rate, "percent")
    yield of_figure("Profit factor", m.trips.profit_factor, "ratio")
    if m.benchmark is not None:
        yield Tile(
            name="Holding instead",
            value=words.percent(m.benchmark.growth, sign=True),
            interval=f"Sharpe {words.value_of(m.benchmark.sharpe, 'ratio')}",
            note=f"drawdown {words.percent(m.benchmark.drawdown)}; cash 0 %",
        )


def of_figure(name: str, figure: Figure, form: str) -> Tile:
    """A tile of a figure with its interval; one that the data cannot carry says so in the tile."""
    if figure.value is None:
        return Tile(name=name, value=words.DASH, note=figure.caveat)
    return Tile(
        name=name,
        value=words.value_of(figure, form),
        interval=words.interval_of(figure, form),
        note=f"n = {figure.n:,} {figure.of}",
    )


def tone(value: float) -> str:
    """The colour of money."""
    return "gain" if value > 0 else "loss" if value < 0 else ""


def target(each: Target) -> dict[str, Any]:
    """A target beside the figure, both on one scale from 0 to 100."""
    form = "ratio" if each.name == "Sharpe ratio" else "percent"
    found = each.figure
    ends = [each.target, *(x for x in (found.value, found.low, found.high) if x is not None), 0.0]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.06 or 1.0

    def at(value: float) -> str:
        return f"{(value - low + room) / (high - low + 2 * room) * 100:.1f}"

    left = found.low if found.low is not None else found.value
    right = found.high if found.high is not None else found.value
    return {
        "name": each.name,
        "wanted": f"{'above' if each.least else 'below'} {words.FORMATS[form](each.target)}",
        "value": words.value_of(found, form),
        "interval": words.interval_of(found, form),
        "standing": each.standing.value,
        "css": each.standing.name.lower(),
        "note": words.standing_on(found),
        "at_target": at(each.target),
        "at_value": at(found.value) if found.value is not None else "",
        "from": at(left) if left is not None else "",
        "width": f"{float(at(right)) - float(at(left)):.1f}" if left is not None and right is not None else "",
    }


def sections(result: Result, record: Record, m: Measures) -> dict[str, Any]:
    """Every chart by its name; empty ones are left out of the page."""
    returns = daily(curve_of(record.samples)).returns
    pnls = np.array([float(trade.pnl) for trade in record.trades])
    return {
        "equity": charts.equity(record),
        "against": charts.against(record),
        "prices": charts.prices(record),
        "trips": charts.distribution(pnls, "money", "round trips"),
        "returns": charts.distribution(returns, "percent", "daily returns"),
        "fan": charts.fan(m.day_paths.fan, record),
        "exposure": charts.exposure(record),
        "strategies": charts.strategies(result),
        "times": [(name, charts.shares(f"Profit by {name}", m.attribution[name])) for name in TIMES],
    }


def months(m: Measures) -> list[dict[str, Any]]:
    """Years of months with how deep each is coloured, from -5 to 5; none of a run of days."""
    if len(m.months) < 2 and m.days < LEAST_MONTH_DAYS:
        return []
    years: dict[int, dict[int, float]] = {}
    for each in m.months:
        years.setdefault(each.year, {})[each.month] = each.growth
    most = max((abs(each.growth) for each in m.months), default=0.0) or 1.0
    return [
        {
            "year": year,
            "months": [
                None
                if month not in grown
                else {"text": words.ratio(grown[month] * 100, sign=True), "css": shade(grown[month] / most)}
                for month in range(1, 13)
            ],
            "whole": words.ratio(100 * float(np.prod([1 + growth for growth in grown.values()])) - 100, sign=True),
        }
        for year, grown in sorted(years.items())
    ]


def shade(share: float) -> str:
    """A class of colour for a share from -1 to 1."""
    depth = min(5, 1 + int(abs(share) * 4.999))
    return "" if not share else f"g{depth}" if share > 0 else f"l{depth}"
