"""Read models from the state: integers become decimals and words here, and nowhere else on the way out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from domain import facts as f
from domain import views as v
from domain.account import Account
from domain.facts import RequestStatus, StrategyStatus
from domain.instrument import ZERO, Instrument, InstrumentId
from domain.market import FeedState
from domain.order import Order, OrderStatus
from domain.settings import DAY_NS
from domain.text import plain
from engine import approval_views
from engine.core import budgets, trading
from engine.core.core import Core
from engine.core.state import MANUAL, Failover, StrategyState
from engine.desk_breakers import breakers
from engine.liquidation import liquidation_price
from engine.signal_words import signal
from risk.breaker import BreakerState

MILLI_NS = 1_000_000
RECENT_ORDERS = 50
ENTRY_DIGITS = 2
"""Digits of an average entry price beyond the instrument's own."""
MOST_BECAUSE = 200
"""Characters of why a strategy wants nothing."""


def price(instrument: Instrument, value: int) -> Decimal:
    """Integer price as a decimal."""
    return Decimal(value).scaleb(-instrument.price_decimals)


def qty(instrument: Instrument, value: int) -> Decimal:
    """Integer quantity as a decimal."""
    return Decimal(value).scaleb(-instrument.qty_decimals)


def side_word(side: int) -> str:
    """+1 and -1 in words."""
    return "buy" if side > 0 else "sell"


def unrealised(core: Core, account: Account) -> Decimal:
    """Open profit of an account at the reference prices."""
    return core.equity(account.id) - account.cash


def data_age_ms(core: Core, now_ns: int) -> int | None:
    """Age of the newest price, None when there has been none."""
    newest = max((m.ts_ns for m in core.markets.values()), default=0)
    return max(0, now_ns - newest) // MILLI_NS if newest else None


def day_pnl(core: Core, account: Account) -> Decimal:
    """Equity now less equity at the first event of the UTC day."""
    return core.equity(account.id) - core.state.day_equity.get(account.id, core.equity(account.id))


def status(core: Core, now_ns: int, market: str) -> v.StatusView:
    """The service at a glance."""
    state = core.state
    by, reason = trading.why(core)
    if reason and by and by not in reason and reason != trading.UNSURE:
        reason = f"{reason}, by {by}"
    unknown = sum(1 for slot in state.slots.values() for o in slot.orders.values() if o.status is OrderStatus.UNKNOWN)
    accounts = list(state.accounts.values())
    return v.StatusView(
        environment=state.settings.environment.value,
        trading_state=state.trading.value,
        trading_reason=reason,
        market=market,
        epoch=state.epoch,
        seq=state.seq,
        ts_ns=state.ts_ns,
        data_age_ms=data_age_ms(core, now_ns),
        equity=sum((core.equity(a.id) for a in accounts), start=ZERO),
        exposure=sum((core.exposure(a.id) for a in accounts), start=ZERO),
        day_pnl=sum((day_pnl(core, a) for a in accounts), start=ZERO),
        strategies_running=sum(1 for s in loaded(core) if s.status is StrategyStatus.RUNNING),
        strategies_total=len(loaded(core)),
        open_orders=len(state.where),
        pending_requests=len(pending(core)),
        unknown_orders=unknown,
        feeds=feeds(core, now_ns),
        trading_at=trading_at(core),
        breakers=tuple(row for row in breakers(core) if row.state != BreakerState.CLOSED),
        failovers=tuple(row for row in failovers(core) if row.on_backup),
        overrides=approval_views.overrides(core),
        reviews=approval_views.reviews(core),
        budgets=tuple(f"{a.id} has {budgets.words(core, a)}" for a in accounts if a.actions_step),
    )


def trading_at(core: Core) -> tuple[v.TradingAtView, ...]:
    """What each venue may do, and why it is held back by itself."""
    by_itself = trading.venues_of(core)
    return tuple(
        v.TradingAtView(
            venue=name,
            trading_state=trading.worse(trading.in_force(core), now).value,
            reason=trading.why_venue(core, name).removeprefix(f"{name}: "),
            is_held=name in core.state.venues and core.state.venues[name].latched is not trading.ACTIVE,
        )
        for name, now in by_itself.items()
    )


def failovers(core: Core) -> list[v.FailoverView]:
    """Every fail-over pair of the loaded strategies."""
    rows = []
    for key, pair in core.pairs.items():
        if key == pair.primary.key:
            stands = core.state.failovers.get(pair.spec.instrument, Failover())
            rows.append(
                v.FailoverView(
                    strategy=pair.primary.owner,
                    instrument=pair.spec.instrument,
                    backup=pair.spec.backup,
                    account=pair.spec.account,
                    on_backup=stands.on_backup,
                    since_ns=stands.since_ns,
                    why=stands.why,
                )
            )
    return rows


def feeds(core: Core, now_ns: int) -> tuple[v.FeedView, ...]:
    """Market data per instrument."""
    return tuple(
        v.FeedView(
            venue=instrument,
            state=market.feed.value if market.ts_ns else FeedState.DOWN.value,
            age_ms=max(0, now_ns - market.ts_ns) // MILLI_NS if market.ts_ns else None,
        )
        for instrument, market in core.markets.items()
    )


def positions(core: Core) -> list[v.PositionView]:
    """Open positions first, then closed ones that have a history."""
    rows = []
    for account in core.state.accounts.values():
        for held in account.positions.values():
            instrument = core.instruments[held.instrument]
            mark = core.markets[held.instrument].reference()
            entry = held.entry_value / (held.qty * instrument.unit) if held.qty else ZERO
            rows.append(
                v.PositionView(
                    account=account.id,
                    instrument=held.instrument,
                    owner=held.owner,
                    qty=qty(instrument, held.qty),
                    entry_price=entry.scaleb(-instrument.price_decimals).quantize(
                        Decimal(1).scaleb(-instrument.price_decimals - ENTRY_DIGITS)
                    ),
                    mark_price=price(instrument, mark),
                    notional=instrument.notional(mark, held.qty),
                    liquidation_price=liquidation_price(core, account, held),
                    unrealised=held.unrealised(instrument, mark) if held.qty else ZERO,
                    realised=held.realised,
                    fees=held.fees,
                    funding=held.funding,
                )
            )
    return sorted(rows, key=lambda row: row.qty == 0)


def orders(core: Core, now_ns: int, *, recent: bool) -> list[v.OrderView]:
    """Working orders by age; with `recent` also the last closed ones, newest first."""
    rows = [order for slot in core.state.slots.values() for order in slot.orders.values()]
    rows.sort(key=lambda order: order.created_ns)
    if recent:
        rows += list(reversed(core.state.closed.values()))[:RECENT_ORDERS]
    return [order_view(core, order, now_ns) for order in rows]


def order_view(core: Core, order: Order, now_ns: int) -> v.OrderView:
    """One order in decimals and words."""
    instrument = core.instruments[order.instrument]
    return v.OrderView(
        cid=order.cid,
        owner=order.owner,
        account=order.account,
        instrument=order.instrument,
        side=side_word(order.side),
        kind=order.kind.name.lower(),
        role=order.role.name.lower(),
        status="cancelling" if order.cancel_ns and not order.status.is_terminal else order.status.name.lower(),
        qty=qty(instrument, order.qty),
        filled=qty(instrument, order.filled),
        price=price(instrument, order.price),
        trigger=price(instrument, order.trigger),
        reduce_only=order.reduce_only,
        age_s=max(0, now_ns - order.created_ns) / 1e9,
        reason=order.reason,
        fee=order.fee,
    )


def strategies(core: Core) -> list[v.StrategyView]:
    """Loaded strategies in order of loading; what people do by hand is none of them."""
    return [strategy_view(core, strategy) for strategy in loaded(core)]


def loaded(core: Core) -> list[StrategyState]:
    """Strategies that somebody has loaded: without the built-in one that carries a person's orders."""
    return [strategy for strategy in core.state.strategies.values() if strategy.spec.kind != MANUAL]


def strategy_view(core: Core, strategy: StrategyState) -> v.StrategyView:
    """One strategy with what it has earned and what it wants."""
    spec = strategy.spec
    open_profit = ZERO
    for slot in core.slots_of(spec.id):
        held = core.state.accounts[slot.account].positions.get(slot.instrument)
        if held is not None and held.qty:
            mark = core.markets[slot.instrument].reference()
            open_profit += held.unrealised(core.instruments[slot.instrument], mark)
    return v.StrategyView(
        id=spec.id,
        kind=spec.kind,
        account=", ".join(spec.all_accounts),
        instruments=spec.instruments,
        status=strategy.status.value,
        detail=strategy.detail,
        params=spec.params,
        realised=strategy.realised,
        unrealised=open_profit,
        fees=strategy.fees,
        fills=strategy.fills,
        desired=wants(core, strategy),
        source_hash=strategy.source_hash,
        signal=signal(strategy.desired),
        signal_ns=strategy.signal_ns,
    )


def wants(core: Core, strategy: StrategyState) -> str:
    """What a strategy wants now, in words, with what stands in its way."""
    parts = []
    for slot in core.slots_of(strategy.spec.id):
        name = slot.instrument.partition(".")[0]
        instrument = core.instruments[slot.instrument]
        if slot.target is not None:
            parts.append(f"{name} target {instrument.qty_text(slot.target)}")
        if slot.quotes:
            parts.append(f"{name} {len(slot.quotes)} quotes")
        if slot.stop:
            parts.append(f"{name} stop {instrument.price_text(slot.stop)}")
        if slot.parked:
            parts.append(f"{name} waits for {slot.parked}")
        parts.extend(f"{name} {word}" for word in ("hold", "flat") if getattr(slot, word))
        if slot.sized_why and slot.target and slot.sized_entry == slot.entry:
            parts.append(f"{name} sized {slot.sized_why}")
        if slot.refused:
            parts.append(f"{name} refused {slot.refused}{f' ({slot.refused_detail})' if slot.refused_detail else ''}")
    because = getattr(strategy.memory, "because", "")
    return "; ".join(parts) or (f"nothing: {plain(because, MOST_BECAUSE)}" if because else "nothing")


def pnl(core: Core) -> list[v.PnlView]:
    """Profit per account."""
    day = dt.datetime.fromtimestamp(core.state.day * DAY_NS / 1e9, tz=dt.UTC).date().isoformat()
    rows = []
    for account in core.state.accounts.values():
        equity = core.equity(account.id)
        rows.append(
            v.PnlView(
                account=account.id,
                currency=account.currency,
                equity=equity,
                day_start_equity=core.state.day_equity.get(account.id, equity),
                day_pnl=day_pnl(core, account),
                total_pnl=equity - account.deposits,
                realised=account.realised,
                unrealised=equity - account.cash,
                fees=account.fees,
                funding=account.funding,
                day=day,
            )
        )
    return rows


def balances(core: Core) -> list[v.BalanceView]:
    """Money per account; margin is initial margin of open positions."""
    rows = []
    for account in core.state.accounts.values():
        equity = core.equity(account.id)
        margin = ZERO
        for held in account.positions.values():
            instrument = core.instruments[held.instrument]
            value = abs(instrument.notional(core.markets[held.instrument].reference(), held.qty))
            margin += value * instrument.initial_margin
        rows.append(
            v.BalanceView(
                account=account.id,
                currency=account.currency,
                cash=account.cash,
                unrealised=equity - account.cash,
                equity=equity,
                margin_used=margin,
                free=equity - margin,
            )
        )
    return rows


def pending(core: Core) -> list[v.RequestView]:
    """Requests that wait for votes."""
    waiting = [r for r in core.state.requests.values() if r.status is RequestStatus.PENDING]
    return [approval_views.request(core, made) for made in waiting]


def trade_row(core: Core, fact: f.FillBooked) -> v.TradeRow:
    """One own fill."""
    instrument = core.instruments[fact.instrument]
    return v.TradeRow(
        ts_ns=fact.ts_ns,
        account=fact.account,
        instrument=fact.instrument,
        owner=fact.owner,
        side=side_word(fact.side),
        qty=qty(instrument, fact.qty),
        price=price(instrument, fact.price),
        fee=fact.fee,
        realised=fact.realised,
        liquidity=fact.liquidity.name.lower(),
        role=fact.role.name.lower(),
        fill_id=fact.fill_id,
        cid=fact.cid,
    )


def prices(core: Core) -> dict[InstrumentId, Decimal]:
    """The price that each instrument is valued at now; without those that have none yet."""
    seen = {name: market.reference() for name, market in core.markets.items()}
    return {name: price(core.instruments[name], value) for name, value in seen.items() if value}


def find_instrument(core: Core, text: str) -> InstrumentId | None:
    """An instrument by id, alias or base asset, in any case."""
    wanted = text.strip().upper()
    for instrument in core.instruments.values():
        if instrument.id.upper() == wanted:
            return instrument.id
    named = [i.id for i in core.instruments.values() if wanted in {a.upper() for a in i.aliases} or wanted == i.base]
    return named[0] if len(named) == 1 else None


def problems(core: Core) -> list[str]:
    """Why the service is not ready to trade."""
    found = [f"{a.id} is not reconciled" for a in core.state.accounts.values() if not a.reconciled]
    if not core.state.epoch:
        found.append("the engine has not started")
    found += [f"no price of {i} yet" for i, m in core.markets.items() if not m.reference()]
    return found
