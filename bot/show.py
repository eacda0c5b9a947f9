"""The verbs that read: each asks the desk and lays the answer out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from bot.buttons import cancel_buttons
from bot.call import Call
from bot.message import (
    Button,
    Message,
    Pairs,
    Table,
    Text,
    age_text,
    base_name,
    clock_text,
    money,
    number,
    signed,
)
from bot.parse import UsageError, account_of, instrument_of, suggest
from domain.account import venue_of
from domain.facts import Severity, TradingState
from domain.market import FeedState
from domain.settings import RoleName
from domain.views import (
    BreakerView,
    FailoverView,
    FeedView,
    OrderView,
    OverrideView,
    PnlView,
    StrategyView,
    TradingAtView,
    VenueView,
    owner_words,
)

MAX_TRADES = 500
SHOWN_WAITING = 10
MOST_BUTTONS = 8


async def status(call: Call) -> Message:
    """The service at a glance, and what is not well."""
    view = call.desk.status()
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


async def positions(call: Call) -> Message:
    """Open positions, one row each, with the sum."""
    wanted = _symbol(call)
    found = [view for view in call.desk.positions() if view.qty and wanted in {"", view.instrument}]
    if not found:
        return Message(title="No open positions" + (f" in {wanted}" if wanted else ""))
    names = call.desk.instruments()
    rows = tuple(
        (
            base_name(view.instrument, names),
            signed(view.qty),
            number(view.entry_price),
            number(view.mark_price),
            money(view.unrealised, sign=True),
            owner_words(view.owner),
        )
        for view in found
    )
    total = sum((view.unrealised for view in found), Decimal(0))
    table = Table(("symbol", "qty", "entry", "mark", "uPNL", "owner"), rows)
    return Message(title=f"Positions: {len(found)}, {money(total, sign=True)} unrealised", blocks=(table,))


async def orders(call: Call) -> Message:
    """Open orders, or the recent ones."""
    recent = call.arguments.get("which", "").lower() == "recent"
    wanted = _symbol(call)
    found = [view for view in call.desk.orders(recent=recent) if not wanted or view.instrument == wanted]
    kind = "recent" if recent else "open"
    if not found:
        return Message(title=f"No {kind} orders" + (f" in {wanted}" if wanted else ""))
    names = call.desk.instruments()
    if recent:
        columns: tuple[str, ...] = ("symbol", "order", "filled", "average", "fee", "status", "age", "whose")
    else:
        columns = ("symbol", "order", "filled", "price", "status", "age", "id")
    row = _recent_row if recent else _order_row
    table = Table(columns, tuple(row(view, names) for view in found), left=2)
    may_cancel = not recent and call.person.role >= RoleName.TRADER
    buttons = _cancel_buttons(call, found, names) if may_cancel else ()
    return Message(title=f"Orders: {len(found)} {kind}", blocks=(table,), buttons=buttons)


def _cancel_buttons(call: Call, found: list[OrderView], names: list[str]) -> tuple[Button, ...]:
    """One for each of the oldest orders, where the door has buttons."""
    rows = [
        (view.cid, f"Cancel {view.side} {number(view.qty)} {base_name(view.instrument, names)}")
        for view in found[:MOST_BUTTONS]
    ]
    return cancel_buttons(call.room.confirms.bots.get(call.actor.door.value), rows)


def _recent_row(view: OrderView, names: list[str]) -> tuple[str, ...]:
    """What became of an order: how much of it filled, at which price on average, for which fee, and for whom."""
    return (
        base_name(view.instrument, names),
        f"{view.side} {number(view.qty)} {view.role}",
        number(view.filled),
        number(view.average.quantize(view.price)) if view.average is not None else "-",
        number(view.fee) if view.filled else "-",
        view.status,
        age_text(view.age_s),
        owner_words(view.owner),
    )


def _order_row(view: OrderView, names: list[str]) -> tuple[str, ...]:
    price = f"at {number(view.trigger)}" if view.trigger else number(view.price)
    return (
        base_name(view.instrument, names),
        f"{view.side} {number(view.qty)} {view.role}",
        number(view.filled),
        price,
        view.status,
        age_text(view.age_s),
        view.cid,
    )


async def trades(call: Call) -> Message:
    """The last fills, newest first."""
    count = _count(call.arguments.get("n", "20"))
    wanted = _symbol(call)
    found = [row for row in call.desk.trades(limit=count) if not wanted or row.instrument == wanted]
    if not found:
        return Message(title="No trades yet" + (f" in {wanted}" if wanted else ""))
    names = call.desk.instruments()
    rows = tuple(
        (
            clock_text(row.ts_ns),
            base_name(row.instrument, names),
            row.side,
            number(row.qty),
            number(row.price),
            number(row.fee),
            money(row.realised, sign=True),
        )
        for row in found
    )
    columns = ("UTC", "symbol", "side", "qty", "price", "fee", "realised")
    return Message(title=f"Trades: last {len(found)}", blocks=(Table(columns, rows, left=3),))


async def pnl(call: Call) -> Message:
    """Profit and loss of each account; the day is the UTC day, and named."""
    wanted = account_of(call.desk, call.arguments["account"]) if "account" in call.arguments else ""
    found = [view for view in call.desk.pnl() if not wanted or view.account == wanted]
    if not found:
        return Message(title="No accounts")
    blocks = tuple(Pairs(_pnl_rows(view)) for view in found)
    total = sum((view.day_pnl for view in found), Decimal(0))
    return Message(title=f"PNL: {money(total, sign=True)} on {found[0].day} (UTC day)", blocks=blocks)


def _pnl_rows(view: PnlView) -> tuple[tuple[str, str], ...]:
    share = f" ({view.day_pnl / view.day_start_equity:+.2%})" if view.day_start_equity else ""
    return (
        ("account", f"{view.account} ({view.currency})"),
        ("day", f"{money(view.day_pnl, sign=True)}{share}"),
        ("total", money(view.total_pnl, sign=True)),
        ("realised", money(view.realised, sign=True)),
        ("unrealised", money(view.unrealised, sign=True)),
        ("fees", money(view.fees)),
        ("funding", money(view.funding, sign=True)),
        ("equity", money(view.equity)),
    )


async def balance(call: Call) -> Message:
    """Money of each account, of an exchange or everywhere, with the sums."""
    where, views = call.arguments.get("exchange", ""), call.desk.balances()
    if where.upper() in {venue_of(view.account) for view in views}:
        views = [view for view in views if venue_of(view.account) == where.upper()]
    elif where:
        wanted = account_of(call.desk, where)
        views = [view for view in views if view.account == wanted]
    if not views:
        return Message(title="No accounts")
    rows = [
        (view.account, *map(money, (view.cash, view.equity, view.margin_used, view.free)), view.currency)
        for view in views
    ]
    total = sum((view.equity for view in views), Decimal(0))
    if len(views) > 1:
        sums = (
            sum((getattr(v, name) for v in views), Decimal(0)) for name in ("cash", "equity", "margin_used", "free")
        )
        rows.append(("total", *map(money, sums), "USD"))
    columns = ("account", "cash", "equity", "locked", "free", "currency")
    return Message(title=f"Balance: {money(total)} equity", blocks=(Table(columns, tuple(rows)),))


async def strategies(call: Call) -> Message:
    """Every loaded strategy, one row each."""
    found = call.desk.strategies()
    if not found:
        kinds = ", ".join(call.desk.strategy_kinds())
        return Message(
            title="No strategies loaded", blocks=(Text(f"Load one: /strategies load KIND ID. Kinds: {kinds}"),)
        )
    rows = tuple(
        (view.id, view.status, money(view.realised + view.unrealised - view.fees, sign=True), str(view.fills))
        for view in found
    )
    return Message(title=f"Strategies: {len(found)}", blocks=(Table(("id", "status", "net", "fills"), rows, left=2),))


async def strategy(call: Call) -> Message:
    """One strategy in full."""
    view = strategy_of(call)
    rows = [
        ("kind", view.kind),
        ("status", f"{view.status} ({view.detail})" if view.detail else view.status),
        ("account", view.account),
        ("instruments", ", ".join(view.instruments)),
        ("wants", view.desired or "nothing"),
        ("realised", money(view.realised, sign=True)),
        ("unrealised", money(view.unrealised, sign=True)),
        ("fees", money(view.fees)),
        ("fills", str(view.fills)),
        ("source", view.source_hash[:12] or "built in"),
    ]
    rows += [(name, str(value)) for name, value in sorted(view.params.items())]
    return Message(title=f"Strategy {view.id}", blocks=(Pairs(tuple(rows)),))


def strategy_of(call: Call) -> StrategyView:
    """The strategy that the argument `id` names. Raises `UsageError` with the nearest ones."""
    wanted = call.arguments["id"]
    views = {view.id.lower(): view for view in call.desk.strategies()}
    found = views.get(wanted.lower())
    if found is None:
        raise UsageError(f"no strategy is called {wanted!r}: {suggest(wanted, [view.id for view in views.values()])}")
    return found


async def whoami(call: Call) -> Message:
    """Who the service takes this person for."""
    person = call.person
    rows = (
        ("person", f"{person.id} ({person.name})"),
        ("role", person.role.name.lower()),
        ("door", call.actor.door.value),
        ("chat", call.actor.chat or "-"),
    )
    return Message(title=f"You are {person.name}", blocks=(Pairs(rows),))


def _symbol(call: Call) -> str:
    text = call.arguments.get("symbol", "")
    return instrument_of(call.desk, text) if text else ""


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MAX_TRADES:
        raise UsageError(f"{text!r} is not a count: say a whole number from 1 to {MAX_TRADES}")
    return int(text)
