"""The tables of a report: figures with what they stand on, the terms of the run, what it takes to have it again."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from research.market_data import DataKind
from research.measures import Figure, Measures
from research.report import charts, words
from research.result import Result
from research.summary import APPROVERS, FILL_MODELS

MOST_TERMS = 60
"""Alerts, notes and parameters that are listed."""


class Row(Struct, frozen=True, kw_only=True):
    """A line of a table of figures."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


def short(instrument: str) -> str:
    """BTC-USDC-PERP.PAPER without what is the same for all."""
    return instrument.replace("-PERP", "")


def row(name: str, figure: Figure, form: str) -> Row:
    """A figure as a line of a table."""
    return Row(
        name=name,
        value=words.value_of(figure, form),
        interval=words.interval_of(figure, form),
        note=words.standing_on(figure),
    )


def folded(rows: Iterable[Row]) -> list[Row]:
    """The rows that have a value, then a line for each reason why others have none, with their names."""
    kept, missing = [], dict[str, list[str]]()
    for each in rows:
        if each.value == words.DASH:
            missing.setdefault(each.note, []).append(each.name)
        else:
            kept.append(each)
    return kept + [Row(name=" · ".join(names), value=words.DASH, note=why) for why, names in missing.items()]


def ratios(m: Measures) -> Iterable[Row]:
    """Return for risk, and how much of it may be luck."""
    yield row("Mean daily return", m.daily, "percent")
    yield row("Growth a year", m.yearly, "percent")
    yield row("Volatility a year", m.volatility, "percent")
    yield row("Sharpe ratio, days independent", m.sharpe, "ratio")
    yield row("Sharpe ratio, days resampled", m.sharpe_resampled, "ratio")
    yield row("Sortino ratio", m.sortino, "ratio")
    yield row("Calmar ratio", m.calmar, "ratio")
    yield row("Probability of skill, if it was the only try", m.probabilistic_sharpe, "percent")
    if m.tries > 1:
        yield row(f"Probability of skill, best of {m.tries:,} tries", m.deflated_sharpe, "percent")
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
            yield row(f"Most is earned in {words.name(short(each.instrument))} at", each.most_earned, "multiple")
        share = (
            "" if each.share_of_volume is None else f"{words.percent(each.share_of_volume)} of what its market traded"
        )
        yield Row(name=f"Mean order in {words.name(short(each.instrument))}", value=words.money(each.order), note=share)


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
    mean, most, net = m.exposure.gross_mean, m.exposure.gross_most, m.exposure.net_mean
    if mean is not None and most is not None and net is not None:
        note = f"mean, of equity; most {words.percent(most)}; net {words.percent(net)}"
        yield Row(name="Gross exposure", value=words.percent(mean), note=note)


def terms(result: Result) -> Iterable[tuple[str, str]]:
    """On what terms it was tested."""
    for source in result.sources:
        fees = f"maker {words.percent(float(source.maker_fee))}, taker {words.percent(float(source.taker_fee))}"
        what = f"{words.name(source.name)}: {source.kind}{f', {source.rows:,} rows' if source.rows else ''}"
        yield "Data", f"{what}; {words.name(source.instrument)}, {fees}"
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
    yield "Latency", ", ".join(f"{name} {ms:g} ms" for name, ms in sorted(result.latency_ms.items()))
    yield "Large orders", APPROVERS[result.approver]
    yield (
        "Events",
        f"{result.events:,}" + (f", after {result.warmup_bars} bars of warm-up" if result.warmup_bars else ""),
    )
    yield "Equity", f"sampled every {words.span(result.sample_ns)}: what it did between is not seen"
    for each in result.strategies:
        params = ", ".join(
            f"{words.name(k, 60)}={words.name(v, 80)}" for k, v in sorted(each.params.items())[:MOST_TERMS]
        )
        yield words.name(each.id), f"{words.name(each.kind)} with {params or 'no parameters'}"


def happened(result: Result) -> Iterable[tuple[str, str]]:
    """What the engine refused, which breakers opened, and what people would have been told."""
    for reason, count in sorted(result.refusals.items()):
        yield "Refused", f"{words.name(reason)}: {count:,} times"
    opened = [f"{words.name(name)}: {count:,} times" for name, count in sorted(result.breakers.items()) if count]
    watched = f"{len(result.breakers)} of the matrix were watched" if result.breakers else "off"
    yield "Breakers", f"{watched}; opened: {', '.join(opened) or 'none'}"
    for text in result.alerts[:MOST_TERMS]:
        yield "Alert", words.name(text, 500)
    if len(result.alerts) > MOST_TERMS:
        yield "Alerts", f"and {len(result.alerts) - MOST_TERMS:,} more"
    for held in result.open_positions:
        worth = f"{words.money(float(held.unrealised), sign=True)} by the last price"
        yield "Still open", f"{held.qty:f} {words.name(held.instrument)} from {charts.price(held.entry_price)}: {worth}"


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
