"""What a summary says: profit and its pictures, where it comes from, what it cost, risk, decisions, alerts, targets.

Written for a phone: nothing in fixed width is wider than `PHONE` characters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from bot.charts.draw import draw
from bot.message import Block, Message, Pairs, Picture, Table, Text, bar, money, number, percent, stamp, utc_text
from bot.reports.calendar import Kind, Span
from bot.reports.words import days_text
from bot.times import clock_in
from domain.facts import RequestStatus, Severity
from domain.performance import Day, Part, Performance, Ratio
from domain.reports import AlertCount, Happened, OverrideRow, Verified
from domain.settings import SECOND_NS
from domain.views import RequestView, owner_words

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk

log = structlog.get_logger("bot.reports")

PHONE = 38
DRAW_WITHIN_S = 30.0
SHOWN_PARTS = 6
MOST_NAME = 14
MOST_DAYS = 14
SHOWN_LIMITS = 6
SHOWN_REQUESTS = 5
SHOWN_ALERTS = 5
PICTURES = {
    None: ("equity",),
    Kind.DAILY: ("equity",),
    Kind.WEEKLY: ("equity", "strategies"),
    Kind.MONTHLY: ("equity", "drawdown", "strategies"),
}
"""The picture of equity shows the drawdown below it."""
LOUD = (Severity.CRITICAL, Severity.ERROR, Severity.WARNING)
"""Small news have a digest of their own."""


async def compose(room: ControlRoom, kind: Kind | None, span: Span, zone: str, now_ns: int) -> Message:
    """The summary of some days; of what is not over yet when `kind` is None. Never raises for what cannot be had."""
    desk = room.desk
    period = await desk.performance(span.since_ns, span.until_ns)
    ever = await room.ever.performance(now_ns)
    happened = await desk.records.happened(span.since_ns, span.until_ns)
    pictures = [] if period.problem else await _pictures(room, PICTURES[kind], span, zone)
    status = desk.status()
    days = days_text(span.since_ns, span.until_ns) + ("" if kind else f", until {clock_in(span.until_ns, 'UTC')}")
    money_of = {"paper": " · paper money", "testnet": " · test money"}.get(status.environment, "")
    blocks: list[Block] = [Text(f"{days}{money_of}"), *_missed(span)]
    blocks += _figures(period)
    if not period.problem:
        blocks += [*_by_day(kind, period.by_day), *_where_from(period)]
    if kind is not None and status.ts_ns >= span.until_ns:
        blocks.append(Text(f"Since then, today so far: {money(status.day_pnl, sign=True)}."))
    blocks += [
        *_risk(desk),
        *_decisions(happened),
        *_alerts(happened, zone),
        *_targets(ever, status.market, now_ns),
        *_chain(desk, now_ns),
    ]
    missing = len(PICTURES[kind]) - len(pictures)
    if missing and not period.problem:
        blocks.append(Text(f"{missing} of {len(PICTURES[kind])} charts could not be drawn; /chart tries it again."))
    name = f"{kind.value.capitalize()} summary" if kind else "Today so far"
    title = f"{name}: {_net(period)}" if not period.problem else name
    return Message(title=title, blocks=tuple(blocks), pictures=tuple(pictures), stamp=stamp(status, now_ns, zone))


async def drawn(kind: str, room: ControlRoom, span: Span, zone: str) -> Picture:
    """One chart. Raises whatever the drawing raises."""
    async with asyncio.timeout(DRAW_WITHIN_S):
        return await draw(kind, room, span.since_ns, span.until_ns, zone=zone)


async def _pictures(room: ControlRoom, kinds: Iterable[str], span: Span, zone: str) -> list[Picture]:
    """What can be drawn in time: without its pictures a summary is still one."""
    found = []
    for kind in kinds:
        try:
            found.append(await drawn(kind, room, span, zone))
        except Exception as error:  # noqa: BLE001 - whatever a drawing library raises
            log.warning("chart not drawn", chart=kind, error=f"{type(error).__name__}: {error}"[:200])
    return found


def _missed(span: Span) -> list[Text]:
    if not span.missed:
        return []
    were = "summary was" if span.missed == 1 else "summaries were"
    return [
        Text(f"{span.missed} earlier {were} not sent while the service was down; this one tells of those days too.")
    ]


def _net(period: Performance) -> str:
    growth = f" ({percent(period.growth)})" if period.growth is not None else ""
    return f"{money(period.net, sign=True)}{growth}"


def _figures(period: Performance) -> list[Block]:
    if period.problem:
        return [Text(period.problem)]
    rows = [
        ("net", money(period.net, sign=True)),
        ("  realised", money(period.realised, sign=True)),
        ("  unrealised", money(period.unrealised, sign=True)),
        ("  fees", money(-period.fees, sign=True)),
        ("  funding", money(period.funding, sign=True)),
        ("equity", f"{money(period.end_equity)}"),
        ("drawdown", f"{period.max_drawdown.fraction:.2%} at its deepest"),
        ("trades", _trades(period)),
        ("fills", str(period.fills)),
    ]
    if period.deposits:
        rows.insert(6, ("paid in", money(period.deposits, sign=True)))
    notes = [Text(note) for note in period.notes]
    quiet = [Text("Nothing was traded.")] if not period.fills else []
    return [*quiet, Pairs(tuple(rows)), *notes]


def _trades(period: Performance) -> str:
    return f"{period.trades}, {period.wins} won" if period.trades else "none ended"


def _by_day(kind: Kind | None, days: Sequence[Day]) -> list[Block]:
    """The days of a week, the best and the worst of a month."""
    if len(days) < 2 or kind is Kind.MONTHLY:
        return _best_and_worst(days) if len(days) > 1 else []
    rows = ((_day_name(day), money(day.net, sign=True), str(day.trades)) for day in days[-MOST_DAYS:])
    return [Table(("day", "net", "trades"), tuple(rows))]


def _best_and_worst(days: Sequence[Day]) -> list[Block]:
    best, worst = max(days, key=lambda day: day.net), min(days, key=lambda day: day.net)
    up = sum(day.net > 0 for day in days)
    rows = (
        ("best day", f"{_day_name(best)} {money(best.net, sign=True)}"),
        ("worst day", f"{_day_name(worst)} {money(worst.net, sign=True)}"),
        ("days", f"{up} of {len(days)} with a profit"),
    )
    return [Pairs(rows)]


def _day_name(day: Day) -> str:
    at = date.fromisoformat(day.day)
    return f"{at:%a} {at.day} {at:%b}"


def _where_from(period: Performance) -> list[Block]:
    """By strategy, venue and symbol; one venue or symbol alone has earned what all have."""
    blocks: list[Block] = []
    for title, parts in (
        ("strategy", period.by_strategy),
        ("venue", period.by_venue),
        ("symbol", period.by_symbol),
    ):
        if len(parts) > 1 or (parts and title == "strategy"):
            blocks.append(_parts(title, parts))
    return blocks


def _parts(title: str, parts: Sequence[Part]) -> Table:
    """The largest first, the rest together; names are cut so that a phone shows the row whole."""
    ranked = sorted(parts, key=lambda part: (-abs(part.net), part.name))
    shown, rest = ranked[:SHOWN_PARTS], ranked[SHOWN_PARTS:]
    rows = [(_short(owner_words(part.name)), money(part.net, sign=True), str(part.trades)) for part in shown]
    if rest:
        net, trades = sum((part.net for part in rest), Decimal(0)), sum(part.trades for part in rest)
        rows.append((f"{len(rest)} more", money(net, sign=True), str(trades)))
    return Table((title, "net", "trades"), tuple(rows))


def _short(name: str) -> str:
    symbol = name.removesuffix("-PERP") if "." not in name else name.replace("-PERP.", " ")
    return symbol if len(symbol) <= MOST_NAME else f"{symbol[: MOST_NAME - 1]}…"


def _risk(desk: Desk) -> list[Block]:
    """Risk as it is now: level, and the limits of which most is used."""
    view = desk.risk()
    rows = tuple((use.rule, f"{bar(use.share)} {use.share:.0%}") for use in view.limits[:SHOWN_LIMITS])
    state = desk.status()
    incident = [Text(f"Incident: {state.incident}")] if state.incident else []
    loosened = [Text(f"OVERRIDE in force: {one.rule} until {utc_text(one.until_ns)}.") for one in state.overrides]
    head = Text(f"Risk now: {view.level}; trading is {state.trading_state.upper()}.")
    return [head, *incident, *([Pairs(rows)] if rows else []), *loosened]


def _decisions(happened: Happened) -> list[Block]:
    """What people were asked and what they decided; what the engine or a person did to trading."""
    if happened.problem:
        return [Text(f"Approvals and alerts are not known: {happened.problem}.")]
    asked = happened.requests
    blocks: list[Block] = []
    if not asked:
        blocks.append(Text("Approvals: none."))
    else:
        counts = {status: sum(one.status == status for one in asked) for status in RequestStatus}
        said = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
        lines = [_request(one) for one in asked[-SHOWN_REQUESTS:]]
        more = [f"and {len(asked) - SHOWN_REQUESTS} more: /audit"] if len(asked) > SHOWN_REQUESTS else []
        blocks.append(Text("\n".join([f"Approvals: {said}.", *lines, *more])))
    if happened.overrides:
        shown = [_override(one) for one in happened.overrides[-SHOWN_REQUESTS:]]
        blocks.append(Text("\n".join([f"Overrides: {len(happened.overrides)}.", *shown])))
    changes = [f"{one.state.upper()} by {one.by or 'the engine'}" for one in happened.states]
    if changes:
        shown = changes[-3:]
        blocks.append(Text(f"Trading became {', then '.join(shown)}."))
    if happened.refused:
        said = ", ".join(f"{reason} {count}" for reason, count in happened.refused[:3])
        total = sum(count for _, count in happened.refused)
        blocks.append(Text(f"Risk refused {total}: {said}."))
    return blocks


def _request(one: RequestView) -> str:
    by = f" by {', '.join(one.votes)}" if one.votes and one.status == RequestStatus.APPROVED else ""
    return f"  {one.id} {one.what} of {one.requester or 'a strategy'}: {one.status}{by}"


def _override(one: OverrideRow) -> str:
    minutes = round((one.until_ns - one.since_ns) / 60 / SECOND_NS)
    over = f", {one.ended}" if one.ended else ""
    return f"  {one.rule} of {one.scope} to {number(one.value)} for {minutes} min, by {', '.join(one.persons)}{over}"


def _alerts(happened: Happened, zone: str) -> list[Block]:
    if happened.problem:
        return []
    loud = [one for one in happened.alerts if one.severity in LOUD]
    if not loud:
        return [Text("Alerts: none.")]
    counts = [(name.value, sum(one.count for one in loud if one.severity == name)) for name in LOUD]
    said = ", ".join(f"{count} {name}" for name, count in counts if count)
    ranked = sorted(loud, key=lambda one: (LOUD.index(Severity(one.severity)), -one.count, one.kind))
    lines = [_alert(one, zone) for one in ranked[:SHOWN_ALERTS]]
    more = [f"  and {len(ranked) - SHOWN_ALERTS} more kinds"] if len(ranked) > SHOWN_ALERTS else []
    return [Text("\n".join([f"Alerts: {said}.", *lines, *more]))]


def _alert(one: AlertCount, zone: str) -> str:
    times = f" x {one.count}" if one.count > 1 else ""
    return f"  {one.severity} {one.kind}{times}, last at {clock_in(one.last_ns, zone)}"


def _targets(ever: Performance, market: str, now_ns: int) -> list[Block]:
    """The mission's targets beside what is so; a figure that there is no data for says so."""
    if ever.problem:
        return [Text(f"Targets: {ever.problem}")]
    daily = _mean_of_days(ever.by_day)
    until = f" to {utc_text(ever.until_ns)}" if ever.until_ns < now_ns else ""
    lines = [
        f"Targets and what is so, since the beginning{until}, after fees, funding and slippage. No promise.",
        f"  day PNL: {daily} (target 0.5%)",
        f"  Sharpe: {_ratio(ever.sharpe, '.2f')} (target > 1.5)",
        f"  drawdown: {ever.max_drawdown.fraction:.1%} (target < 25%)",
        f"  win rate: {_ratio(ever.win_rate, '.0%')} (target > 60%)",
    ]
    if "simulated" in market.lower():
        lines.append("  The market is simulated: none of this is evidence.")
    return [Text("\n".join(lines))]


def _mean_of_days(days: Sequence[Day]) -> str:
    """Mean of each day's profit over the equity that it began with."""
    shares = [day.net / begin for day in days if (begin := day.equity - day.net - day.deposits) > 0]
    if not shares:
        return "insufficient data: n = 0"
    mean = sum(shares, Decimal(0)) / len(shares)
    return f"{percent(mean)} in the mean, n = {len(shares)} day{'s' * (len(shares) > 1)}"


def _ratio(ratio: Ratio, form: str) -> str:
    if ratio.value is None:
        return ratio.caveat or f"insufficient data: n = {ratio.n}"
    return f"{ratio.value:{form}}, n = {ratio.n}{f', {ratio.caveat}' if ratio.caveat else ''}"


def _chain(desk: Desk, now_ns: int) -> list[Block]:
    verifier = desk.records.verifier
    if verifier is None:
        return [Text("Audit: there is no journal here.")]
    return [Text(chain_words(verifier.view(), now_ns))]


def chain_words(view: Verified, now_ns: int) -> str:
    """The audit chain in a sentence or two: its head, and when it was last verified."""
    head = f"Audit: head {view.head[:16]} at record {view.seq:,}"
    if not view.verified_ns:
        return f"{head}; not verified since the start{f' ({view.detail})' if view.detail else ''}."
    age_h = max(0, now_ns - view.verified_ns) // (3600 * SECOND_NS)
    when = f"{age_h} h ago" if age_h else "within the hour"
    if view.is_sound:
        return f"{head}; verified {when} up to {view.verified_seq:,}: whole."
    return f"{head}; verified {when}: NOT WHOLE. {view.detail}"
