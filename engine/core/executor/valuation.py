"""Worst sides, equity and margin as the gate reckons with them: counted by slot, valued at the prices of the event.

`count` brings the sums of `engine.core.tally` up to date; call it before anything else here is asked for. Amounts are
integers (`risk.limits.money`).
"""

from __future__ import annotations

from domain.instrument import InstrumentId
from domain.order import OrderKind
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.state import Slot
from engine.core.tally import PORTFOLIO, Entry, Equity, Sums
from risk.gate import PPM
from risk.limits import money

IOC = OrderKind.IOC


def count(core: Core) -> None:
    """Bring the sums of worst sides up to date, and value what is in them at the prices of this event."""
    tally, seq = core.tally, core.state.seq
    prices = tally.prices
    if tally.seq != seq:
        tally.seq = seq
        prices.clear()
    elif not tally.dirty:
        return
    tally.version += 1
    if tally.dirty:
        for key in tally.dirty:
            slot = core.state.slots[key]
            tally.put(key, entry_of(core, slot, tally.entries.get(key)))
        tally.dirty.clear()
    units, markets = core.units, core.markets
    for name in tally.sums[PORTFOLIO].gross:
        if name not in prices:
            prices[name] = markets[name].reference() * units[name]


def entry_of(core: Core, slot: Slot, before: Entry | None) -> Entry | None:
    """What a slot adds to the sums, None = nothing; `before` is what it added when it was counted last."""
    held = core.state.accounts[slot.account].positions.get(slot.instrument)
    position = held.qty if held is not None else 0
    if slot.orders:
        now = exposure_of(core, slot)
        long, short = max(0, now.worst(1)), max(0, now.worst(-1))
        bid, ask = resting(slot)
    elif position:
        long, short, bid, ask = max(0, position), max(0, -position), 0, 0
    else:
        return None
    if not (long or short or bid or ask):
        return None
    gross = max(short, long)
    entry = Entry(slot.account, slot.instrument, slot.owner, long, short, gross, bid, ask)
    if held is not None and position:
        entry.position, entry.entry_value = position, held.entry_value
        is_known = before is not None and before.entry_value is held.entry_value
        entry.paid = before.paid if before is not None and is_known else money(held.entry_value)
    return entry


def resting(slot: Slot) -> tuple[int, int]:
    """The best prices of a slot that others may trade against; 0 = none. What takes at once rests nowhere."""
    bid = ask = 0
    for order in slot.orders.values():
        if order.trigger or order.kind is IOC:
            continue
        for price in (order.price, order.amend_price):
            if order.side > 0:
                bid = max(bid, price)
            elif price and (not ask or price < ask):
                ask = price
    return bid, ask


def unit_worth(core: Core, instrument: InstrumentId) -> int:
    """Worth of one quantity unit of a contract at the reference price, as `risk.limits.money`; 0 = not known."""
    known = core.tally.prices.get(instrument)
    if known is None:
        known = core.tally.prices[instrument] = core.markets[instrument].reference() * core.units[instrument]
    return known


def worth(core: Core, sums: Sums) -> int:
    """Worst-side worth of everything in a scope at the reference prices."""
    tally = core.tally
    if sums.version != tally.version:
        prices, total = tally.prices, 0
        for name, qty in sums.gross.items():
            total += qty * prices[name]
        sums.worth, sums.version = total, tally.version
    return sums.worth


def equity(core: Core, account: str) -> int:
    """An account's equity, as `Core.equity`."""
    tally, cash = core.tally, core.state.accounts[account].cash
    known = tally.equity.get(account)
    if known is None:
        known = tally.equity[account] = Equity()
    if known.cash is not cash:
        known.cash, known.cash_money = cash, money(cash)
    elif known.version == tally.version:
        return known.equity
    total = known.cash_money
    held = tally.held.get(account)
    if held:
        for name, entry in held.items():
            unit = unit_worth(core, name)
            if unit:
                total += entry.position * unit - entry.paid
    known.version, known.equity = tally.version, total
    return total


def total_equity(core: Core) -> int:
    """Equity of all accounts together."""
    accounts, tally = core.state.accounts, core.tally
    if len(accounts) == 1:
        for account in accounts:
            return equity(core, account)
    cash = [account.cash for account in accounts.values()]
    if cash != tally.cash[0]:
        tally.cash = cash, sum([money(amount) for amount in cash])
    total = tally.cash[1]
    prices = tally.prices
    for name, contract in tally.contracts.items():
        if contract.net or contract.paid:
            unit = prices.get(name)
            if unit:
                total += contract.net * unit - contract.paid
    return total


def asset_worth(core: Core, instrument: InstrumentId, side: int) -> int:
    """Worst side of an instrument's asset over all venues and accounts, at the reference prices."""
    contracts, total = core.tally.contracts, 0
    for name in core.assets[instrument][1]:
        contract = contracts.get(name)
        if contract is not None:
            qty = contract.long if side > 0 else contract.short
            if qty:
                total += qty * unit_worth(core, name)
    return total


def maintenance(core: Core, sums: Sums) -> int:
    """Maintenance margin of everything in a scope, held or to come."""
    rates, prices, total = core.maintenance, core.tally.prices, 0
    for name, qty in sums.gross.items():
        total += qty * prices[name] * rates[name]
    return total // PPM
