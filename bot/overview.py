"""The service and its venues at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from bot.call import Call
from bot.message import Message, Pairs, Text, age_text, clock_text, money, number
from bot.parse import UsageError, suggest
from domain.facts import Severity, TradingState
from domain.market import FeedState
from domain.views import BreakerView, FailoverView, FeedView, OverrideView, StatusView, TradingAtView, VenueView

SHOWN_WAITING = 10


async def status(call: Call) -> Message:
    """The service at a glance, and what is not well; or one exchange."""
    view = call.desk.status()
    if "exchange" in call.arguments:
        return _at_venue(call, view, call.arguments["exchange"].upper())
    ready, reasons = call.desk.ready()
    state = view.trading_state.upper()
    rows = [
        ("trading", f"{state} ({view.trading_reason})" if view.trading_reason else state),
        ("service", "up, accounts reconciled" if ready else "not ready, see below"),
        ("equity", money(view.equity)),
        ("day PNL", money(view.day_pnl, sign=True)),
        ("exposure", money(view.exposure)),
        ("strategies", f"{view.strategies_running} of {view.strategies_total} running"),
        ("open orders", str(view.open_orders)),
        ("waiting", f"{view.pending_requests} for approval"),
    ]
    if view.unknown_orders:
        rows.append(("unknown", f"{view.unknown_orders} orders whose answer never came; they are being queried"))
    rows += [(at.venue, _trading_at(at)) for at in view.trading_at if len(view.trading_at) > 1 or at.is_held]
    rows += _feed_rows(view.feeds)
    venues = call.desk.venues()
    rows += [(venue.venue, _connection(venue)) for venue in venues]
    rows += [("alerts", alerts)] if (alerts := call.room.alerts.in_a_line()) else []
    rows += [("incident", view.incident)] if view.incident else []
    rows += [(f"OVERRIDE {row.rule}", _override_text(row)) for row in view.overrides]
    rows += [(f"review {due.id}", f"break-glass by {due.person}: {due.text}") for due in view.reviews]
    rows += [(f"breaker {row.name}", _breaker_text(row)) for row in view.breakers]
    rows += [(f"fail-over {row.strategy}", _failover_text(row)) for row in view.failovers]
    rows += [("actions", text) for text in view.budgets]
    rows += [(door.name, door.text) for door in view.doors]
    notes = tuple(Text(f"Not ready: {reason}") for reason in reasons)
    trades = all(at.trading_state == TradingState.ACTIVE for at in view.trading_at)
    is_whole = trades and not (view.breakers or view.failovers or view.overrides or view.reviews)
    is_reached = all([door.ok for door in view.doors] + [venue.connected for venue in venues])
    well = ready and state == "ACTIVE" and is_whole and is_reached
    severity = Severity.INFO if well else Severity.WARNING
    return Message(title=f"Status: {state}", blocks=(Pairs(tuple(rows)), *notes), severity=severity)


def _at_venue(call: Call, view: StatusView, venue: str) -> Message:
    """One exchange: what it may do, its feeds, orders, positions, breakers."""
    known = [at.venue for at in view.trading_at]
    at = next((at for at in view.trading_at if at.venue == venue), None)
    if at is None:
        raise UsageError(f"{venue} is not an exchange here; {suggest(venue, known)}")
    positions = [one for one in call.desk.positions() if one.qty and one.instrument.endswith(f".{venue}")]
    orders = [one for one in call.desk.orders() if one.instrument.endswith(f".{venue}")]
    connection = next((one for one in call.desk.venues() if one.venue == venue), None)
    breakers = [row for row in view.breakers if venue in {row.venue, row.name}]
    rows = [
        ("trading", _trading_at(at)),
        ("connection", _connection(connection) if connection else "none is needed: it is simulated here"),
        ("positions", f"{len(positions)}, worth {money(sum((abs(one.notional) for one in positions), Decimal(0)))}"),
        ("unrealised", money(sum((one.unrealised for one in positions), Decimal(0)), sign=True)),
        ("open orders", str(len(orders))),
        *_feed_rows(tuple(feed for feed in view.feeds if feed.venue.endswith(f".{venue}"))),
        *((f"breaker {row.name}", _breaker_text(row)) for row in breakers),
    ]
    is_well = at.trading_state == TradingState.ACTIVE and not breakers and (connection is None or connection.connected)
    severity = Severity.INFO if is_well else Severity.WARNING
    return Message(title=f"{venue}: {at.trading_state.upper()}", blocks=(Pairs(tuple(rows)),), severity=severity)


def _trading_at(view: TradingAtView) -> str:
    """What a venue may do, why, and how it is let go."""
    why = f" ({view.reason})" if view.reason else ""
    return f"{view.trading_state.upper()}{why}{f'; /resume {view.venue}' if view.is_held else ''}"


def _breaker_text(row: BreakerView) -> str:
    again = f", tried again at {clock_text(row.until_ns)}" if row.until_ns else ""
    what = f"{row.operation.replace('_', ' ')} " if row.name == row.venue else ""
    return f"{what}{row.state.replace('_', ' ')}{f': {row.why}' if row.why else ''}{again}"


def _override_text(row: OverrideView) -> str:
    return f"{row.scope}: {number(row.value)} {row.unit} until {clock_text(row.until_ns)} UTC ({row.reason})"


def _failover_text(row: FailoverView) -> str:
    return f"{row.instrument} is read and traded as {row.backup} since {clock_text(row.since_ns)}: {row.why}"


def _feed_rows(feeds: tuple[FeedView, ...]) -> list[tuple[str, str]]:
    """One row for the feeds that are live, one for each that is not."""
    live = [feed for feed in feeds if feed.state == FeedState.LIVE]
    rows = [("feeds", f"{len(live)} of {len(feeds)} live")]
    for feed in feeds:
        if feed not in live:
            age = "never" if feed.age_ms is None else f"{age_text(feed.age_ms / 1000)} ago"
            rows.append((feed.venue, f"{feed.state}, {age}{f', {feed.detail}' if feed.detail else ''}"))
    return rows


async def venues(call: Call) -> Message:
    """Each venue's connection, its limits with what is used of them, and what waits."""
    wanted = call.arguments.get("venue", "")
    views = call.desk.venues()
    found = [view for view in views if wanted.upper() in {"", view.venue}]
    if wanted and not found:
        raise UsageError(f"{wanted} is not a venue here; {suggest(wanted, [view.venue for view in views])}")
    if not found:
        return Message(title="No venues", blocks=(Text("Trading is on the paper exchange, which has no limits."),))
    connected = sum(view.connected for view in found)
    is_well = connected == len(found) and not any(view.waiting or view.breakers for view in found)
    return Message(
        title=f"Venues: {connected} of {len(found)} connected",
        blocks=tuple(Pairs(tuple(_venue_rows(view))) for view in found),
        severity=Severity.INFO if is_well else Severity.WARNING,
    )


def _connection(view: VenueView) -> str:
    state = "connected" if view.connected else "NOT connected"
    return ", ".join(filter(None, (view.network, state, view.detail)))


def _venue_rows(view: VenueView) -> Iterator[tuple[str, str]]:
    yield view.venue, _connection(view)
    if view.clock_off_ms is not None:
        yield "  clock", f"{view.clock_off_ms:+,} ms off the exchange's, when they were last compared"
    for key in view.keys:
        yield f"  key {key.account.partition(':')[2]}", f"cannot withdraw: {key.cannot_withdraw}"
    for budget in view.budgets:
        stop = f", told to stop for {age_text(budget.held_ns / 1e9)}" if budget.held_ns else ""
        kept = f", {budget.reserved} kept for cancels and reductions" if budget.reserved else ""
        yield f"  {budget.name}", f"{budget.used} of {budget.limit}{kept}{stop}"
    for breaker in view.breakers:
        yield "  breaker", breaker
    if view.waiting:
        yield "  waiting", str(len(view.waiting))
    for waiting in view.waiting[:SHOWN_WAITING]:
        left = f", dropped in {age_text(waiting.left_ns / 1e9)}" if waiting.left_ns else ""
        yield f"    {waiting.priority}", f"{waiting.what}, for {age_text(waiting.waited_ns / 1e9)}{left}"
