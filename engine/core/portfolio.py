"""Fills, funding and equity: the money side of the state, exact to the last digit.

When a position shrinks, its share of `entry_value` is rounded once to `MONEY_STEP` and the rest keeps
the remainder, so cash + unrealised is conserved whatever the order of fills.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from itertools import islice

from domain import facts
from domain.account import Account, Position
from domain.events import Filled, FundingPaid
from domain.facts import FillBooked
from domain.instrument import MONEY_STEP, ZERO, Instrument
from domain.order import Order, Role
from domain.settings import DAY_NS
from engine.core import allocation, samples
from engine.core.core import Core
from engine.core.state import Slot, StrategyState, slot_key

REMEMBERED_FILLS = 10_000
"""Per account; more than any venue tells again."""
FORGOTTEN_AT_ONCE = 1_000
"""A dictionary that loses its oldest key again and again has to step over all the holes each time."""
FLATTEN = Role.FLATTEN
"""A member by itself: reading one off its enum costs as much as three steps of the interpreter."""
REMEMBERED_SLOT_FILLS = 64
REMEMBERED_TRADES = 250


def book_fill(core: Core, slot: Slot, order: Order | None, event: Filled) -> None:
    """Book one new fill into the account, the position and the slot, which is the event's own."""
    state, name, fee, signed_qty = core.state, slot.instrument, event.fee, event.side * event.qty
    ts_ns = state.ts_ns
    account = state.accounts[slot.account]
    position = account.positions.get(name)
    if position is None:
        position = account.positions[name] = Position(instrument=name, owner=slot.owner)
    before = position.qty
    realised = change_position(position, core.instruments[name], signed_qty, event.price, ts_ns)
    profit = realised - fee
    position.fees += fee
    account.cash += profit
    account.realised += realised
    account.fees += fee
    fills = slot.fills
    fills.append((event.venue_ts_ns, signed_qty))
    if len(fills) > REMEMBERED_SLOT_FILLS:
        del fills[0]
    owner = state.strategies.get(slot.owner)
    if owner is not None:
        owner.fills += 1
        owner.realised += realised
        owner.fees += fee
        if owner.spec.position_age_ns and position.opened_ns == ts_ns:
            core.set_timer_once(f"age:{slot.owner}", ts_ns + owner.spec.position_age_ns)
    note_trade(slot, owner, position, before, profit, ts_ns)
    told = core.facts
    told.append(
        FillBooked(
            seq=state.seq,
            index=len(told),
            ts_ns=ts_ns,
            account=slot.account,
            instrument=name,
            owner=slot.owner if order is None else order.owner,
            cid=event.cid,
            fill_id=event.fill_id,
            role=FLATTEN if order is None else order.role,
            side=event.side,
            price=event.price,
            qty=event.qty,
            fee=fee,
            liquidity=event.liquidity,
            realised=realised,
        )
    )
    position_changed(core, slot, position)


def note_trade(
    slot: Slot, owner: StrategyState | None, position: Position, before: int, profit: Decimal, ts_ns: int
) -> None:
    """A trade is over when its position is closed or turned round: what it earned goes into its strategy's record."""
    earned, paid = slot.trade_profit + profit, slot.trade_worth
    if before and position.qty * before <= 0:
        if owner is not None and paid:
            owner.trades.append(float(earned / paid))
            if len(owner.trades) > REMEMBERED_TRADES:
                del owner.trades[0]
            day = ts_ns // DAY_NS
            if day != owner.losses_day:
                owner.losses_in_a_row, owner.losses_day = 0, day
            owner.losses_in_a_row = owner.losses_in_a_row + 1 if earned < 0 else 0
        earned = paid = ZERO
    slot.trade_profit, slot.trade_worth = earned, max(paid, abs(position.entry_value))


def change_position(position: Position, instrument: Instrument, signed_qty: int, price: int, ts_ns: int) -> Decimal:
    """Apply a signed quantity at a price; returns the realised profit. Crossing zero closes, then opens."""
    held = position.qty
    if held == 0 or (held > 0) == (signed_qty > 0):
        if held == 0:
            position.opened_ns = ts_ns
        position.qty = held + signed_qty
        position.entry_value += instrument.notional(price, signed_qty)
        return ZERO
    left, released = held + signed_qty, position.entry_value
    if left == 0 or (left > 0) != (held > 0):
        realised = instrument.notional(price, held) - released
        if left:
            position.entry_value = instrument.notional(price, left)
            position.opened_ns = ts_ns
        else:
            position.entry_value -= released
    else:
        released = (released * abs(signed_qty) / abs(held)).quantize(MONEY_STEP, ROUND_HALF_EVEN)
        realised = instrument.notional(price, -signed_qty) - released
        position.entry_value -= released
    position.qty = left
    position.realised += realised
    return realised


def remember_fill(core: Core, event: Filled) -> bool:
    """True when this fill is new; a repeated one is not booked again."""
    seen = core.state.fills_seen.get(event.account)
    if seen is None:
        seen = core.state.fills_seen[event.account] = {}
    key = f"{event.account}/{event.fill_id}"
    if key in seen:
        return False
    seen[key] = None
    if len(seen) > REMEMBERED_FILLS + FORGOTTEN_AT_ONCE:
        for oldest in list(islice(seen, FORGOTTEN_AT_ONCE)):
            del seen[oldest]
    return True


def position_changed(core: Core, slot: Slot, position: Position) -> None:
    """The position of a slot is another: it is counted anew, and published."""
    core.tally.dirty[slot.key] = None
    if core.facts_on:
        core.facts.append(
            facts.PositionChanged(
                **core.at(),
                account=slot.account,
                instrument=slot.instrument,
                owner=position.owner,
                qty=position.qty,
                entry_value=position.entry_value,
                realised=position.realised,
                fees=position.fees,
                funding=position.funding,
            )
        )


def on_funding(core: Core, event: FundingPaid) -> None:
    """Book a funding payment once."""
    seen = core.state.fills_seen.setdefault(event.account, {})
    key = f"{event.account}/funding/{event.funding_id}"
    account = core.state.accounts.get(event.account)
    if key in seen or account is None:
        return
    seen[key] = None
    account.cash += event.amount
    account.funding += event.amount
    account.funding_ts_ns = max(account.funding_ts_ns, event.venue_ts_ns)
    position = account.positions.get(event.instrument)
    slot = core.state.slots.get(slot_key(event.account, event.instrument))
    samples.cash_moved(
        core,
        facts.CashKind.FUNDING,
        event.account,
        event.amount,
        instrument=event.instrument,
        owner=slot.owner if slot is not None else "",
        ref=event.funding_id,
    )
    if position is not None:
        slot = core.slot(event.account, event.instrument)
        position.funding += event.amount
        owner = core.state.strategies.get(slot.owner)
        if owner is not None:
            owner.funding += event.amount
        position_changed(core, slot, position)


def roll_day(core: Core) -> None:
    """At the first equity sample of a UTC day, remember the equity it starts with."""
    day = core.state.ts_ns // DAY_NS
    if day != core.state.day:
        core.state.day = day
        core.state.day_equity = {account: core.equity(account) for account in core.state.accounts}
        core.state.samples.day_open = sum(core.state.day_equity.values(), start=ZERO)


def sample_equity(core: Core) -> None:
    """Publish the equity of every account, keep a sample, and arm the next one."""
    roll_day(core)
    total = ZERO
    for account in core.state.accounts.values():
        fact = equity_fact(core, account)
        core.facts.append(fact)
        total += fact.equity
    if core.facts_on:
        for account in core.state.accounts.values():
            core.facts.extend(position_facts(core, account, len(core.facts)))
    if samples.take(core, total):
        allocation.on_hour(core)
    core.set_timer("equity", core.state.ts_ns + core.state.settings.execution.equity_sample_ns)


def equity_fact(core: Core, account: Account) -> facts.EquitySampled:
    """One point of an account's equity curve."""
    equity = core.equity(account.id)
    return facts.EquitySampled(
        **core.at(),
        account=account.id,
        cash=account.cash,
        unrealised=equity - account.cash,
        equity=equity,
        realised=account.realised,
        fees=account.fees,
        funding=account.funding,
    )


def position_facts(core: Core, account: Account, index: int) -> list[facts.PositionSampled]:
    """The open positions of an account at the reference prices; their profits are the account's unrealised one.

    `index` is the first one's among the facts of this event.
    """
    found: list[facts.PositionSampled] = []
    for name, position in account.positions.items():
        if not position.qty:
            continue
        slot = core.state.slots.get(slot_key(account.id, name))
        price = core.markets[name].reference()
        found.append(
            facts.PositionSampled(
                seq=core.state.seq,
                index=index + len(found),
                ts_ns=core.state.ts_ns,
                account=account.id,
                instrument=name,
                owner=slot.owner if slot is not None and slot.owner else position.owner,
                qty=position.qty,
                price=price,
                unrealised=position.unrealised(core.instruments[name], price),
            )
        )
    return found
