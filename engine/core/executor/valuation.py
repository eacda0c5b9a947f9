"""Worst sides, equity and margin as the gate reckons with them: counted by slot, valued at the prices of the event.

`count` brings the sums of `engine.core.tally` up to date; call it before anything else here is asked for. Amounts are
integers (`risk.limits.money`).
"""

from __future__ import annotations

from domain.instrument import ZERO, AccountId, InstrumentId
from domain.order import OrderKind
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.state import Slot
from engine.core.tally import AccountSums, Sums
from risk.gate import PPM
from risk.limits import money

IOC = OrderKind.IOC


NOTHING_RESTS = (0, 0)


def count(core: Core) -> None:
    """Bring the sums of worst sides up to date, and value what is in them at the prices of this event."""
    tally, seq = core.tally, core.state.seq
    dirty, prices = tally.dirty, tally.prices
    if tally.seq != seq:
        tally.seq = seq
        prices.clear()
    elif not dirty:
        return
    tally.version += 1
    if dirty:
        for key in dirty:
            count_slot(core, core.state.slots[key])
        dirty.clear()
    units, markets = core.units, core.markets
    for name in tally.portfolio.gross:
        if name not in prices:
            prices[name] = markets[name].reference() * units[name]


def count_slot(core: Core, slot: Slot) -> None:
    """Count what a slot adds to the sums now."""
    held = core.state.accounts[slot.account].positions.get(slot.instrument)
    position, entry_value = (held.qty, held.entry_value) if held is not None else (0, ZERO)
    if slot.orders:
        now = exposure_of(core, slot)
        long, short = now.worst(1), now.worst(-1)
        if long < 0:  # noqa: PLR1730 - on the hot path, and max() costs thrice as much
            long = 0
        if short < 0:  # noqa: PLR1730 - as above
            short = 0
        core.tally.put(slot, long, short, resting(slot), position, entry_value)
    elif position > 0:
        core.tally.put(slot, position, 0, NOTHING_RESTS, position, entry_value)
    elif position < 0 or slot.key in core.tally.entries:
        core.tally.put(slot, 0, -position, NOTHING_RESTS, position, entry_value)


def resting(slot: Slot) -> tuple[int, int]:
    """The best prices of a slot that others may trade against; 0 = none. What takes at once rests nowhere."""
    bid = ask = 0
    for order in slot.orders.values():
        if order.trigger or order.kind is IOC:
            continue
        price, amended = order.price, order.amend_price
        if order.side > 0:
            best = amended if amended > price else price  # noqa: FURB136 - on the hot path
            if best > bid:  # noqa: PLR1730 - on the hot path
                bid = best
        else:
            best = amended if 0 < amended < price or not price else price
            if best and (not ask or best < ask):
                ask = best
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


def value(core: Core, account: AccountId) -> AccountSums:
    """An account's sums with what they are worth at the reference prices, its maintenance margin and its equity.

    The margin is of everything held or to come; the equity is that of `Core.equity`.
    """
    tally, cash = core.tally, core.state.accounts[account].cash
    sums = tally.accounts.get(account) or tally.account(account)
    if sums.cash is not cash:
        sums.cash, sums.cash_money = cash, money(cash)
    elif sums.version == tally.version:
        return sums
    prices, rates = tally.prices, core.maintenance
    worth = margin = 0
    for name, qty in sums.gross.items():
        part = qty * prices[name]
        worth += part
        margin += part * rates[name]
    equity = sums.cash_money
    for name, entry in sums.held.items():
        unit = prices[name]
        if unit:
            equity += entry.position * unit - entry.paid
    sums.worth, sums.maintenance, sums.equity, sums.version = worth, margin // PPM, equity, tally.version
    return sums


def total_equity(core: Core) -> int:
    """Equity of all accounts together."""
    tally, prices = core.tally, core.tally.prices
    cash = [account.cash for account in core.state.accounts.values()]
    if cash != tally.cash[0]:
        tally.cash = cash, sum([money(amount) for amount in cash])
    total = tally.cash[1]
    for name, contract in tally.contracts.items():
        if contract.net or contract.paid:
            unit = prices[name]
            if unit:
                total += contract.net * unit - contract.paid
    return total


def asset_worth(core: Core, alike: list[InstrumentId], side: int) -> int:
    """Worst side of an asset's contracts over all venues and accounts, at the reference prices."""
    contracts, prices, total = core.tally.contracts, core.tally.prices, 0
    for name in alike:
        contract = contracts.get(name)
        if contract is not None:
            qty = contract.long if side > 0 else contract.short
            if qty:
                total += qty * prices[name]
    return total
