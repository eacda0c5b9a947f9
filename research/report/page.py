"""A run as one HTML page: no script, no network, nothing but what the page itself holds; the same run, the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from exchanges.paper.config import FillModel
from research.market_data import DataKind
from research.measures import Figure, Measures, Record, record_of
from research.measures.attribution import Share
from research.measures.curve import curve_of, daily
from research.measures.targets import Target
from research.report import charts, words
from research.result import Result
from research.summary import APPROVERS, FILL_MODELS

TEMPLATES = Path(__file__).parent / "templates"
MOST_TERMS = 60
"""Alerts, notes and parameters that are listed."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Tile(Struct, frozen=True, kw_only=True):
    """One figure of the first screen: its value, its interval, and what it stands on."""

    name: str
    value: str
    interval: str = ""
    note: str = ""
    tone: str = ""


class Row(Struct, frozen=True, kw_only=True):
    """A line of a table of figures."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


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


def page(result: Result, measures: Measures) -> str:
    """The whole page."""
    record = record_of(result)
    return (
        templates()
        .get_template("run.html")
        .render(
            title=title(result),
            warnings=warnings(result),
            result=result,
            m=measures,
            tiles=list(tiles(result, measures)),
            targets=[target(each) for each in measures.targets],
            sections=sections(record, measures),
            months=months(measures),
            ratios=list(ratios(measures)),
            trips=list(trips(measures)),
            costs=list(costs(measures)),
            risks=list(risks(measures)),
            parts=[
                (name, parts)
                for name, parts in measures.attribution.items()
                if name not in TIMES and is_worth(name, parts)
            ],
            terms=list(terms(result)),
            happened=list(happened(result)),
            provenance=list(provenance(result)),
            span=f"{words.moment(result.first_ns)} to {words.moment(result.last_ns)} UTC",
            length=words.span(result.last_ns - result.first_ns),
        )
    )


TIMES = ("month", "weekday", "hour")


def is_worth(name: str, parts: Sequence[Share]) -> bool:
    """Whether a table says more than the total does."""
    return len(parts) > 1 or (name == "side" and len(parts) == 1)


def title(result: Result) -> str:
    """What was tested."""
    return f"{words.name(result.strategy)} on {words.name(', '.join(short(i) for i in result.prices) or result.instrument)}"


def short(instrument: str) -> str:
    """BTC-USDC-PERP.PAPER without what is the same for all."""
    return instrument.replace("-PERP", "")


def warnings(result: Result) -> list[str]:
    """What a reader must know before any figure."""
    found = []
    if result.data_kind is DataKind.SIMULATED:
        found.append("SIMULATED MARKET: these figures are no evidence of anything.")
    if result.fill_model is FillModel.SAME_CLOSE and result.data_kind is DataKind.BARS:
        found.append("BENCHMARKS ONLY: filled at the very close that was decided on, without latency. No market does.")
    if not result.maker_fee and not result.taker_fee:
        found.append("NO FEES: the result says nothing about costs.")
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


def sections(record: Record, m: Measures) -> dict[str, Any]:
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
        "times": [(name, charts.shares(f"Profit by {name}", m.attribution[name])) for name in TIMES],
    }


def months(m: Measures) -> list[dict[str, Any]]:
    """Years of months with how deep each is coloured, from -5 to 5."""
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
                else {"text": words.percent(grown[month], sign=True), "css": shade(grown[month] / most)}
                for month in range(1, 13)
            ],
            "whole": words.percent(float(np.prod([1 + growth for growth in grown.values()])) - 1, sign=True),
        }
        for year, grown in sorted(years.items())
    ]


def shade(share: float) -> str:
    """A class of colour for a share from -1 to 1."""
    depth = min(5, 1 + int(abs(share) * 4.999))
    return "" if not share else f"g{depth}" if share > 0 else f"l{depth}"


def row(name: str, figure: Figure, form: str) -> Row:
    """A figure as a line of a table."""
    return Row(
        name=name,
        value=words.value_of(figure, form),
        interval=words.interval_of(figure, form),
        note=words.standing_on(figure),
    )


def ratios(m: Measures) -> Iterable[Row]:
    """Return for risk, and how much of it may be luck."""
    yield row("Mean daily return", m.daily, "percent")
    yield row("Growth a year", m.yearly, "percent")
    yield row("Volatility a year", m.volatility, "percent")
    yield row("Sharpe ratio, days independent", m.sharpe, "ratio")
    yield row("Sharpe ratio, days resampled", m.sharpe_resampled, "ratio")
    yield row("Sortino ratio", m.sortino, "ratio")
    yield row("Calmar ratio", m.calmar, "ratio")
    yield row("Probability of skill, one try", m.probabilistic_sharpe, "percent")
    yield row(f"Probability of skill, {m.tries:,} {'try' if m.tries == 1 else 'tries'}", m.deflated_sharpe, "percent")
    yield row("Days needed to tell", m.days_needed, "count")
    if m.benchmark is not None:
        yield row("Daily return above holding", m.benchmark.daily_excess, "percent")
        yield row("Correlation with holding", m.benchmark.correlation, "ratio")
        yield row("Beta to holding", m.benchmark.beta, "ratio")


def trips(m: Measures) -> Iterable[Row]:
    """What round trips are like."""
    seen = m.trips
    yield Row(
        name="Round trips",
        value=words.count(seen.count),
        note=f"{seen.longs:,} long, {seen.count - seen.longs:,} short",
    )
    yield row("Win rate", seen.win_rate, "percent")
    yield row("Mean round trip", seen.expectancy, "money")
    yield row("Profit factor", seen.profit_factor, "ratio")
    yield row("Mean win over mean loss", seen.payoff, "ratio")
    if seen.count:
        yield Row(name="Median round trip", value=words.money(seen.median, sign=True))
        yield Row(name="Best", value=words.money(seen.best, sign=True))
        yield Row(name="Worst", value=words.money(seen.worst, sign=True))
        yield Row(name="Most losses in a row", value=words.count(seen.losing_streak))
        yield Row(name="Held, median", value=words.span(seen.median_held_h * 3.6e12))


def costs(m: Measures) -> Iterable[Row]:
    """From what prices alone earned to what is left."""
    paid = m.costs
    yield Row(name="Prices alone", value=words.money(paid.gross, sign=True), note=in_bps(paid.gross_bps))
    yield Row(name="Fees", value=words.money(-paid.fees, sign=True), note=in_bps(paid.fees_bps))
    yield Row(name="Funding", value=words.money(paid.funding, sign=True), note="received" if paid.funding > 0 else "")
    yield Row(name="Left", value=words.money(paid.net, sign=True), note=share_words(paid.share_of_gross))
    if paid.slippage is not None:
        slipped = f"worse than the last price when it was decided; {in_bps(paid.slippage_bps)}; part of prices alone"
        yield Row(name="Slippage", value=words.money(-paid.slippage, sign=True), note=slipped)
    yield Row(name="Turned over", value=words.money(paid.traded), note=turnover_words(m))
    for each in m.capacity:
        yield row(f"Impact eats the edge of {words.name(short(each.instrument))} at", each.nothing_left, "multiple")
        if each.nothing_left.value is not None:
            yield row("Most is earned at", each.most_earned, "multiple")
        share = (
            "" if each.share_of_volume is None else f"{words.percent(each.share_of_volume)} of what its market traded"
        )
        yield Row(name="Mean order", value=words.money(each.order), note=share)


def in_bps(value: float | None) -> str:
    """Basis points of turnover."""
    return "" if value is None else f"{words.bps(value)} of what was turned over"


def share_words(share: float | None) -> str:
    """How much of the gross profit went into costs."""
    return "" if share is None else f"costs took {words.percent(share)} of what prices alone earned"


def turnover_words(m: Measures) -> str:
    """Turnover as multiples of equity."""
    a_day, a_year = m.exposure.turnover_a_day, m.exposure.turnover_a_year
    return (
        ""
        if a_day is None or a_year is None
        else f"{words.multiple(a_day)} equity a day, {words.multiple(a_year)} a year"
    )


def risks(m: Measures) -> Iterable[Row]:
    """What may come of it."""
    days, trades = m.day_paths, m.trip_paths
    yield row("One path in twenty falls by more than", days.drawdown_bad, "percent")
    yield row("Half of the paths fall by more than", days.drawdown_median, "percent")
    yield row("Probability of the mission's 25 % drawdown", days.deep_drawdown, "percent")
    yield row("Probability of losing half of the deposit", days.ruin, "percent")
    yield row("Probability of ending with a loss", days.loss, "percent")
    yield row("One path in twenty ends below", days.end_bad, "percent")
    yield row("By round trips: 25 % drawdown", trades.deep_drawdown, "percent")
    yield row("By round trips: losing half", trades.ruin, "percent")
    yield Row(
        name="Time below a high",
        value=words.percent(m.drawdowns.under_water),
        note=f"longest {m.drawdowns.longest_days:,.1f} days",
    )
    yield Row(name="Ulcer index", value=words.percent(m.drawdowns.ulcer), note="root mean square of the drawdown")
    yield Row(name="Time in the market", value=words.percent(m.exposure.time_in_market))
    if m.exposure.gross_mean is not None and m.exposure.gross_most is not None and m.exposure.net_mean is not None:
        yield Row(
            name="Gross exposure",
            value=words.percent(m.exposure.gross_mean),
            note=f"mean, of equity; most {words.percent(m.exposure.gross_most)}; net {words.percent(m.exposure.net_mean)}",
        )


def terms(result: Result) -> Iterable[tuple[str, str]]:
    """On what terms it was tested."""
    for source in result.sources:
        costs_of = f"maker {words.percent(float(source.maker_fee))}, taker {words.percent(float(source.taker_fee))}"
        yield (
            "Data",
            f"{words.name(source.name)}: {source.kind}, {source.rows:,} rows, {words.name(source.instrument)}; {costs_of}",
        )
    if not result.sources:
        yield "Data", f"{words.name(result.data)}: {result.data_kind}"
    for note in result.notes[:MOST_TERMS]:
        yield "Note", words.name(note, 500)
    is_bars = result.data_kind is DataKind.BARS
    yield (
        "Fills",
        FILL_MODELS[result.fill_model]
        if is_bars
        else "order book and trades, with queue position; bars are signals only",
    )
    yield "Latency", ", ".join(f"{name} {ms:g} ms" for name, ms in result.latency_ms.items())
    yield "Large orders", APPROVERS[result.approver]
    yield "Events", f"{result.events:,}, after {result.warmup_bars} bars of warm-up"
    yield "Equity", f"sampled every {words.span(result.sample_ns)}: what it did between is not seen"
    for each in result.strategies:
        params = ", ".join(
            f"{words.name(k, 60)}={words.name(v, 80)}" for k, v in list(each.params.items())[:MOST_TERMS]
        )
        yield words.name(each.id), f"{words.name(each.kind)} with {params or 'no parameters'}"


def happened(result: Result) -> Iterable[tuple[str, str]]:
    """What the engine refused, which breakers opened, and what people would have been told."""
    for reason, count in result.refusals.items():
        yield "Refused", f"{words.name(reason)}: {count:,} times"
    opened = [f"{words.name(name)}: {count:,} times" for name, count in result.breakers.items() if count]
    watched = f"{len(result.breakers)} of the matrix were watched" if result.breakers else "off"
    yield "Breakers", f"{watched}; opened: {', '.join(opened) or 'none'}"
    for text in result.alerts[:MOST_TERMS]:
        yield "Alert", words.name(text, 500)
    if len(result.alerts) > MOST_TERMS:
        yield "Alerts", f"and {len(result.alerts) - MOST_TERMS:,} more"
    for held in result.open_positions:
        yield (
            "Still open",
            f"{held.qty:f} {words.name(held.instrument)} from {charts.price(held.entry_price)}: {words.money(float(held.unrealised), sign=True)}",
        )


def provenance(result: Result) -> Iterable[tuple[str, str]]:
    """What it takes to have the same result again."""
    origin = result.provenance
    yield "Run", origin.run_id
    if origin.command:
        yield "Command", words.name(origin.command, 2_000)
    yield "Code", origin.code_hash
    for each in result.strategies:
        yield f"Source of {words.name(each.id)}", words.name(each.source_hash)
    yield "Dependencies", origin.lock_hash
    yield "Settings", origin.settings_hash
    yield "Data", origin.data_hash
    yield "Seed", str(origin.seed)
    yield "State at the end", result.state_hash
