"""Margin, funding and liquidation.

After every change of an account's money, `set_bands` works out how far each held price may move before the
account could possibly be short of maintenance margin (its room is shared equally among its instruments).
Inside that band nothing is reckoned; outside it `guard` looks exactly.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from domain.events import FundingPaid
from domain.instrument import MONEY_STEP, ZERO
from domain.order import OrderKind
from exchanges.paper.ledger import Holding, PaperAccount
from exchanges.paper.market import FAR, Market
from exchanges.paper.orders import PaperOrder

if TYPE_CHECKING:
    from exchanges.paper.floor import Floor

_SAFE, _LATE = 0.999, 1.001
"""The bands are floats and only say when to look: they are this much narrower than the room."""

_NO_BAND = FAR, -1


def affords(floor: Floor, account: PaperAccount, market: Market, side: int, qty: int, price: int) -> bool:
    """Whether the account can carry an order of `qty` more; what does not add to its worse side always passes.

    `longest` and `shortest` are the position if only buys, or only sells, of those that work were filled.
    """
    instrument = market.instrument
    name, open_orders = instrument.id, account.open
    holding = account.holdings.get(name)
    longest = shortest = held = holding.qty if holding is not None else 0
    if open_orders:
        buys, sells = account.working(name)
        longest, shortest = held + buys, held - sells
    if side > 0:
        after, other = longest + qty, -shortest
    else:
        after, other = qty - shortest, longest
    if after <= other:
        return True
    mark = market.reference() or price
    need = mark * after * market.margin_unit
    equity = account.cash
    if held and holding is not None:
        equity += mark * held * instrument.unit - holding.entry_value
    if open_orders or len(account.holdings) > 1:
        need += account.margin_elsewhere(name, floor.instruments, floor.mark)
        equity += account.gain_elsewhere(name, floor.instruments, floor.mark)
    return need <= equity


def set_bands(floor: Floor, account: PaperAccount) -> None:
    """Work out how far the price of each held instrument may move before `guard` must look."""
    if len(account.holdings) == 1:
        (holding,) = account.holdings.values()
        market = floor.markets[holding.instrument]
        set_only_band(market, account, holding, market.reference())
        return
    held = []
    room = float(account.cash)
    for holding in account.holdings.values():
        market = floor.markets[holding.instrument]
        if not holding.qty:
            market.set_liquidation(account.id, -1, FAR)
            continue
        mark = market.reference()
        worth = holding.qty * market.unit
        room += worth * mark - float(holding.entry_value) - abs(worth) * mark * market.maintenance
        held.append((market, mark, worth))
    for market, mark, worth in held:
        reach = max(room, 0.0) * _SAFE / len(held) / (abs(worth) * (1 + market.maintenance))
        if worth > 0:
            market.set_liquidation(account.id, int(mark - reach) if reach < mark else -1, FAR)
        else:
            market.set_liquidation(account.id, -1, int(mark + reach) + 1 if reach < FAR / 2 else FAR)


def set_only_band(market: Market, account: PaperAccount, holding: Holding, price: int) -> None:
    """With a position in one instrument the price of liquidation follows from the books alone.

    The band in force stays while its ends are not within a factor of two of `price` and the account is safe
    inside it: then looking some day too early costs less than drawing it anew after every fill.
    """
    held, cash, entry_value = holding.qty, account.cash, holding.entry_value
    low, high = market.liquidations.get(account.id, _NO_BAND)
    if 2 * low < price and 2 * price < high:
        at_high = held * high * market.short_unit if held < 0 else ZERO
        if not held or cash + at_high >= entry_value:
            return
    low, high = -1, FAR
    if held > 0 and cash < entry_value:
        room, need = float(cash - entry_value), held * market.unit * (1 - market.maintenance)
        low = int(-room / need * _LATE) if need > 0 else FAR  # margin of all that it is worth: at any price
    elif held < 0:
        reach = float(cash - entry_value) / (-held * market.unit * (1 + market.maintenance))
        high = int(max(reach, 0.0) * _SAFE) if reach < FAR / 2 else FAR
    market.set_liquidation(account.id, low, high)


def guard(floor: Floor, market: Market, ts_ns: int) -> None:
    """The price left the safe band: liquidate whoever is short of maintenance margin, and draw new bands."""
    for account in floor.accounts.values():
        if account.qty(market.instrument.id):
            equity = account.cash + account.gain_elsewhere("", floor.instruments, floor.mark)
            if equity < account.maintenance(floor.instruments, floor.mark):
                liquidate(floor, account, ts_ns)
        set_bands(floor, account)


def liquidate(floor: Floor, account: PaperAccount, ts_ns: int) -> None:
    """Cancel every order of the account and close its positions at any price, under ids of the venue's own."""
    if any(order.liquidation for order in account.open.values()):
        return
    floor.cancel_all(account, "liquidation", ts_ns)
    for holding in [h for h in account.holdings.values() if h.qty]:
        floor.seq += 1
        order = PaperOrder(
            cid=f"LIQ-{floor.seq}",
            account=account.id,
            instrument=holding.instrument,
            side=-1 if holding.qty > 0 else 1,
            kind=OrderKind.IOC,
            qty=abs(holding.qty),
            price=0,
            reduce_only=True,
            venue_id=f"V{floor.seq}",
            seq=floor.seq,
            liquidation=True,
        )
        floor.orders[order.cid] = account.open[order.cid] = order
        market = floor.markets[holding.instrument]
        if market.has_book or not market.last:
            floor.take(market, order, ts_ns)
        else:
            floor.take_at(market, order, market.last, ts_ns)


def pay_funding(floor: Floor, market: Market, ts_ns: int) -> None:
    """Pay funding for every interval that ended by `ts_ns`, at the mark and rate last known before."""
    instrument = market.instrument
    interval = instrument.funding_interval_ns
    if not interval:
        return
    if not market.next_funding_ns:
        market.next_funding_ns = (ts_ns // interval + 1) * interval
        return
    while market.next_funding_ns <= ts_ns:
        due_ns = market.next_funding_ns
        market.next_funding_ns += interval
        if market.funding_rate:
            for account in floor.accounts.values():
                _pay(floor, account, market, due_ns, ts_ns)


def _pay(floor: Floor, account: PaperAccount, market: Market, due_ns: int, ts_ns: int) -> None:
    instrument = market.instrument
    holding = account.holdings.get(instrument.id)
    if holding is None or not holding.qty:
        return
    amount: Decimal = -(instrument.notional(market.mark, holding.qty) * market.funding_rate).quantize(
        MONEY_STEP, ROUND_HALF_EVEN
    )
    amount = amount or ZERO
    holding.funding += amount
    account.cash += amount
    event = FundingPaid(
        venue_ts_ns=ts_ns,
        account=account.id,
        instrument=instrument.id,
        funding_id=f"{instrument.id}@{due_ns}",
        amount=amount,
    )
    floor.tell(account.id, event, ts_ns)
    set_bands(floor, account)
