"""A backtest's result for people, and as JSON for programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from domain.codec import to_json
from domain.text import plain
from exchanges.paper.config import FillModel
from research.market_data import DataKind
from research.measures import Figure, Measures, measure
from research.measures.numbers import money, multiple, percent, ratio
from research.result import Approver, Outcome, Result, wins
from research.saved import content_hash

APPROVERS = {
    Approver.AUTO: "auto: approvals are off, nobody is asked; limits and gate are on",
    Approver.NEVER: "never: large orders wait for a vote that does not come, and expire",
}
FILL_MODELS = {
    FillModel.NEXT_OPEN: "next_open: takes at the next bar's open; limits fill when a bar trades through them",
    FillModel.OHLC_PATH: "ohlc_path: takes at the next bar's open; limits fill when a bar touches them",
    FillModel.SAME_CLOSE: "same_close: !!! BENCHMARKS ONLY: fills at the very close that was decided on, no latency !!",
}
TARGETS = "targets, never promised: daily PNL 0.5 %, Sharpe > 1.5, drawdown < 25 %, win rate > 60 %"
NAME_WIDTH = 15
"""Of the first column of the summary."""
_money = Decimal("0.01")


def as_json(outcome: Outcome) -> bytes:
    """The result with its trades and equity samples, and a hash of it; only `timing` differs from run to run."""
    fields: dict[str, Any] = msgspec.structs.asdict(outcome.result)
    fields["pnl"] = outcome.result.pnl
    fields["content_sha256"] = content_hash(outcome.result)
    fields["timing"] = {"wall_s": outcome.wall_s, "events_per_s": outcome.events_per_s}
    return to_json(fields)


def as_text(outcome: Outcome, measures: Measures | None = None) -> str:
    """The summary that `moondev backtest` prints; it is measured unless that was done before."""
    return "\n".join(f"{name:<{NAME_WIDTH}}{text}" for name, text in rows(outcome, measures))


def report_text(result: Result, measures: Measures) -> str:
    """The same of a result of before."""
    again = rows(Outcome(result=result, wall_s=0.0), measures)
    return "\n".join(f"{name:<{NAME_WIDTH}}{text}" for name, text in again if name != "Took")


def rows(outcome: Outcome, measures: Measures | None = None) -> Iterator[tuple[str, str]]:
    """Name and text of every line of the summary."""
    result = outcome.result
    if name := result.asked.get("plan", {}).get("name"):
        yield "Plan", name
    yield "Tested", f"{result.strategy} on {result.instrument}" + _params(result)
    for source in result.sources:
        yield "Data", f"{source.name} ({source.kind}, sha256 {source.sha256[:12]})"
    for note in result.notes:
        yield "", note
    yield "Span", f"{_when(result.first_ns)} to {_when(result.last_ns)} UTC, {_span(result.last_ns - result.first_ns)}"
    yield "Events", f"{result.events:,}" + _warmup(result)
    yield "Fill model", _fill_model(result)
    yield "Latency", ", ".join(f"{name} {ms:g} ms" for name, ms in result.latency_ms.items())
    yield "Costs", f"maker {_percent(result.maker_fee)}, taker {_percent(result.taker_fee)}" + _free(result)
    yield "Approver", APPROVERS[result.approver]
    yield "Breakers", _breakers(result)
    yield "Strategy is", result.strategy_status
    if len(result.strategies) > 1:
        yield from parts(result)
    if result.refusals:
        yield "Refused", ", ".join(f"{reason} x {count}" for reason, count in result.refusals.items())
    for alert in result.alerts:
        yield "Alert", alert
    yield "", ""
    yield from figures(result, measures or measure(result))
    yield "", ""
    yield "State hash", result.state_hash
    yield "Took", f"{outcome.wall_s:.2f} s, {outcome.events_per_s:,.0f} events/s"


def parts(result: Result) -> Iterator[tuple[str, str]]:
    """Each strategy's part of the whole, where there are several."""
    for each in result.strategies:
        earned = f"{_cash(each.pnl)} {result.currency} after fees {_cash(-each.fees)} and funding {_cash(each.funding)}"
        sized = f", sized by {each.share:.1%} of it at the end" if each.share != 1 else ""
        what = f"{each.kind} on {', '.join(each.instruments)}, account {', '.join(each.accounts)}{sized}"
        yield each.id[:13], f"{earned}; {each.trades} round trips, {each.fills} fills; {what}"


def figures(result: Result, m: Measures) -> Iterator[tuple[str, str]]:
    """What was earned and risked, and how sure that is."""
    pnl, currency = result.pnl, result.currency
    share = float(pnl / result.deposit) if result.deposit else 0.0
    yield "Verdict", m.verdict.headline
    yield "PNL", f"{_cash(pnl)} {currency} ({share:+.2%} of {_cash(result.deposit)}) after fees and funding"
    yield (
        "",
        (
            f"realised {_cash(result.realised)}, unrealised {_cash(result.unrealised)}, fees {_cash(-result.fees)}, "
            f"funding {_cash(result.funding)}"
        ),
    )
    if m.benchmark is not None:
        yield "Holding", f"{percent(m.benchmark.growth, sign=True)} fully invested, {m.benchmark.note}"
    still = f"; {result.open_qty:f} still open" if result.open_qty else ""
    yield "Trades", f"{len(result.trades)} round trips, {result.fills} fills, {result.orders} orders{still}"
    yield "Win rate", _win_rate(result, m)
    yield "Profit factor", _figure(m.trips.profit_factor, ratio)
    fall, longest = m.drawdowns.deepest, m.drawdowns.longest_days
    depth = f"{percent(fall.fraction)} ({money(fall.amount)}), longest {longest:,.1f} days"
    yield "Max drawdown", f"{depth}, equity sampled every {_span(result.sample_ns)}"
    yield "Sharpe", _figure(m.sharpe, ratio)
    a_day = m.exposure.turnover_a_day
    turned = f", {multiple(a_day)} equity turned over a day" if a_day else ""
    yield "Exposure", f"{percent(m.exposure.time_in_market)} of the time in a position{turned}"
    yield "Targets", "; ".join(f"{each.name} {each.standing}" for each in m.targets)
    yield "", TARGETS
    if result.data_kind is DataKind.SIMULATED:
        yield "", "SIMULATED MARKET: these figures are no evidence of anything"


def _params(result: Result) -> str:
    if len(result.strategies) > 1:
        return ""
    shown = ", ".join(f"{plain(name, 80)}={plain(value, 200)}" for name, value in result.params.items())
    return f" with {shown}" if shown else ""


def _warmup(result: Result) -> str:
    return f" after {result.warmup_bars} bars of warm-up" if result.warmup_bars else ""


def _fill_model(result: Result) -> str:
    if result.data_kind is DataKind.BARS:
        return FILL_MODELS[result.fill_model]
    return "order book and trades with queue position; bars are signals only"


def _free(result: Result) -> str:
    return "" if result.maker_fee or result.taker_fee else " !!! NO FEES: the result says nothing about costs !!!"


def _win_rate(result: Result, m: Measures) -> str:
    """Of a few round trips the share is told too, as what it is."""
    count = len(result.trades)
    if m.trips.win_rate.value is not None or not count:
        return _figure(m.trips.win_rate, percent)
    return f"{percent(wins(result) / count)} of {count} round trips; {m.trips.win_rate.caveat}"


def _figure(found: Figure, form: Callable[[float], str]) -> str:
    """A figure with its interval and what it stands on, or why there is none."""
    if found.value is None:
        return found.caveat
    bound = f"to {form(found.high)}" if found.high is not None else "or more"
    about = f" (95 %: {form(found.low)} {bound})" if found.low is not None else ""
    return f"{form(found.value)}{about}, n = {found.n:,} {found.of}; one path"


def _when(ts_ns: int) -> str:
    return dt.datetime.fromtimestamp(ts_ns / 1e9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _span(ns: int) -> str:
    seconds = ns / 1e9
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:g} s"


def _percent(fraction: Decimal) -> str:
    return f"{fraction * 100:f}".rstrip("0").rstrip(".") + " %"


def _cash(amount: Decimal) -> str:
    return f"{amount.quantize(_money):,f}"


def _breakers(result: Result) -> str:
    """Whether the matrix was on, and what of it opened: what drivers measure live is not measured in a backtest."""
    if not result.breakers:
        return "off"
    opened = [f"{name} x {count}" for name, count in result.breakers.items() if count]
    return f"on, {len(result.breakers)} of the matrix; opened: {', '.join(opened) or 'none'}"
