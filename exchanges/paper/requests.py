"""What the venue does with each request that reaches its floor, and what it answers."""

from __future__ import annotations

from copy import copy

from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    CancelRejected,
    Filled,
    FundingPaid,
    OpenOrder,
    OrderReport,
    Rejected,
    VenuePosition,
    VenueSnapshot,
)
from domain.instrument import AccountId
from domain.order import Amend, ArmDeadMan, Cancel, Intent, Place, Query
from domain.verdict import Reason
from exchanges.paper import clearing
from exchanges.paper.floor import Floor
from exchanges.paper.ledger import PaperAccount
from exchanges.paper.market import Market
from exchanges.paper.orders import OPEN, POST_ONLY, RESTING, TRIGGERED, PaperOrder, Refusal, bad_numbers


def place(floor: Floor, intent: Place, ts_ns: int) -> None:
    """Accept or refuse a new order; what can take does so at once."""
    cid, name = intent.cid, intent.instrument
    market, account = floor.markets.get(name), floor.accounts.get(intent.account)
    if market is None or account is None:
        missing = name if market is None else intent.account
        floor.emit(Rejected(cid=cid, venue_ts_ns=ts_ns, text=f"{missing} is not known here"), ts_ns)
        return
    problem = _place_problem(floor, market, account, intent, ts_ns)
    if problem is not None:
        floor.emit(Rejected(cid=cid, venue_ts_ns=ts_ns, reason=problem[0], text=problem[1]), ts_ns)
        return
    floor.seq = seq = floor.seq + 1
    venue_id = f"V{seq}"
    order = PaperOrder(
        cid=cid,
        account=intent.account,
        instrument=name,
        side=intent.side,
        kind=intent.kind,
        qty=intent.qty,
        price=intent.price,
        trigger=intent.trigger,
        reduce_only=intent.reduce_only,
        venue_id=venue_id,
        seq=seq,
    )
    floor.orders[cid] = account.open[cid] = order
    floor.emit(Accepted(cid=cid, venue_id=venue_id, venue_ts_ns=ts_ns), ts_ns)
    floor.start(market, order, ts_ns)


def _place_problem(floor: Floor, market: Market, account: PaperAccount, intent: Place, ts_ns: int) -> Refusal | None:
    if intent.cid in floor.orders:
        return Reason.DUPLICATE, f"an order {intent.cid} exists already"
    if intent.valid_until_ns and ts_ns > intent.valid_until_ns:
        return Reason.EXPIRED, "the request arrived after its validity"
    side, kind, qty, price, trigger = intent.side, intent.kind, intent.qty, intent.price, intent.trigger
    if side not in {1, -1}:
        return Reason.BAD_NUMBER, f"side {side} is neither +1 nor -1"
    problem = bad_numbers(market.instrument, kind, qty, price, trigger)
    if problem is not None:
        return problem
    reduces, dearest = intent.reduce_only, price or trigger
    if not reduces and dearest * qty < market.least_worth:
        instrument = market.instrument
        worth = instrument.notional(dearest, qty)
        return Reason.MIN_NOTIONAL, f"worth {worth:f}, the minimum is {instrument.min_notional:f}"
    if kind is POST_ONLY and market.would_take(POST_ONLY, side, price):
        return Reason.VENUE, "post-only, but it would take"
    if reduces:
        is_idle = kind not in TRIGGERED and account.qty(intent.instrument) * side >= 0
        return (Reason.VENUE, "reduce-only, but there is nothing to reduce") if is_idle else None
    is_affordable = clearing.affords(floor, account, market, side, qty, dearest)
    return None if is_affordable else (Reason.VENUE, "insufficient margin")


def limit_rate(floor: Floor, intent: Intent, ts_ns: int) -> None:
    """The venue's rate limiter says no; queries and the like get no answer."""
    text = "429: too many requests"
    if isinstance(intent, Place):
        floor.emit(Rejected(cid=intent.cid, text=text, venue_ts_ns=ts_ns), ts_ns)
    elif isinstance(intent, Amend):
        refused = AmendRejected(cid=intent.cid, amend_no=intent.amend_no, text=text, venue_ts_ns=ts_ns)
        floor.emit(refused, ts_ns)
    elif isinstance(intent, Cancel):
        floor.emit(CancelRejected(cid=intent.cid, text=text, venue_ts_ns=ts_ns), ts_ns)


def amend(floor: Floor, intent: Amend, ts_ns: int) -> None:
    """Change a working order in place. Less quantity keeps the queue; anything else goes to its back."""
    cid, price, qty = intent.cid, intent.price, intent.qty
    order = floor.orders.get(cid)
    problem = _amend_problem(floor, order, intent, ts_ns)
    if order is None or problem:
        refused = AmendRejected(cid=cid, amend_no=intent.amend_no, text=problem, venue_ts_ns=ts_ns)
        floor.emit(refused, ts_ns)
        return
    if qty <= order.filled:
        floor.cancel_order(order, "amended to no more than has filled", ts_ns)
        return
    market = floor.markets[order.instrument]
    trigger = intent.trigger or order.trigger
    keeps_queue = price == order.price and qty <= order.qty and trigger == order.trigger
    if not keeps_queue:
        if order.where is not RESTING:
            market.remove(order)
        floor.seq = order.seq = floor.seq + 1
    order.price, order.qty, order.trigger = price, qty, trigger
    amended = Amended(cid=cid, price=price, qty=qty, trigger=trigger, amend_no=intent.amend_no, venue_ts_ns=ts_ns)
    floor.emit(amended, ts_ns)
    if keeps_queue:
        market.write_leaves(order)
        floor.note(order)
    else:
        floor.start(market, order, ts_ns)


def _amend_problem(floor: Floor, order: PaperOrder | None, intent: Amend, ts_ns: int) -> str:
    if intent.valid_until_ns and ts_ns > intent.valid_until_ns:
        return "the request arrived after its validity"
    if order is None or order.status is not OPEN:
        return "no such order is working"
    if order.fired or order.liquidation:
        return "it has been triggered"
    qty, price, kind = intent.qty, intent.price, order.kind
    if qty <= order.filled:
        return ""
    market = floor.markets[order.instrument]
    numbers = bad_numbers(market.instrument, kind, qty, price, intent.trigger or order.trigger)
    if numbers is not None:
        return numbers[1]
    if kind is POST_ONLY and market.would_take(POST_ONLY, order.side, price):
        return "post-only, but it would take"
    more = qty - order.qty
    if more > 0 and not order.reduce_only:
        account = floor.accounts[order.account]
        if not clearing.affords(floor, account, market, order.side, more, 0):
            return "insufficient margin"
    return ""


def cancel(floor: Floor, intent: Cancel, ts_ns: int) -> None:
    """Take an order out of the market, or say that there is none."""
    order = floor.orders.get(intent.cid)
    if order is None or order.status is not OPEN or order.liquidation:
        text = "no such order" if order is None else f"the order is {order.status.name.lower()}"
        floor.emit(CancelRejected(cid=intent.cid, text=text, venue_ts_ns=ts_ns), ts_ns)
    else:
        floor.cancel_order(order, "asked", ts_ns)


def query(floor: Floor, intent: Query, ts_ns: int) -> None:
    """Tell what is known of an order."""
    order = floor.orders.get(intent.cid)
    if order is None:
        floor.emit(OrderReport(cid=intent.cid, found=False, venue_ts_ns=ts_ns), ts_ns)
        return
    report = OrderReport(
        cid=order.cid,
        found=True,
        status=order.status,
        filled=order.filled,
        price=order.price,
        qty=order.qty,
        venue_id=order.venue_id,
        venue_ts_ns=ts_ns,
    )
    floor.emit(report, ts_ns)


def arm_dead_man(floor: Floor, intent: ArmDeadMan) -> None:
    """Set the time at which everything of the account is cancelled; 0 disarms."""
    account = floor.accounts.get(intent.account)
    if account is not None:
        account.dead_man_ns = intent.deadline_ns
        floor.set_dead_man(account)


def fire_dead_men(floor: Floor, ts_ns: int) -> None:
    """Cancel every order, stops included, of the accounts whose deadline has come."""
    for account in floor.accounts.values():
        if account.dead_man_ns and account.dead_man_ns <= ts_ns:
            floor.cancel_all(account, "dead man", ts_ns)
            account.dead_man_ns = 0
            floor.set_dead_man(account)


def snapshot(floor: Floor, account_id: AccountId, ts_ns: int, since: int = 0) -> VenueSnapshot:
    """Everything known of an account, with the fills and funding from number `since` on (as far as kept)."""
    account, history = floor.accounts[account_id], floor.history[account_id]
    skip = max(0, len(history) - (floor.told[account_id] - since))
    news = [_unread(event) for event in list(history)[skip:]]
    return VenueSnapshot(
        venue_ts_ns=ts_ns,
        account=account_id,
        cash=account.cash,
        orders=tuple(_open_order(order) for order in account.open.values() if not order.liquidation),
        positions=tuple(
            VenuePosition(instrument=name, qty=holding.qty, entry_value=holding.entry_value)
            for name, holding in account.holdings.items()
            if holding.qty
        ),
        fills=tuple(event for event in news if isinstance(event, Filled)),
        funding=tuple(event for event in news if isinstance(event, FundingPaid)),
    )


def _unread(event: Filled | FundingPaid) -> Filled | FundingPaid:
    """A copy as the venue made it: the engine has written its own numbers on what it was sent."""
    fresh = copy(event)
    fresh.seq = fresh.ts_ns = 0
    return fresh


def _open_order(order: PaperOrder) -> OpenOrder:
    return OpenOrder(
        cid=order.cid,
        instrument=order.instrument,
        side=order.side,
        kind=order.kind,
        price=order.price,
        trigger=order.trigger,
        qty=order.qty,
        filled=order.filled,
        reduce_only=order.reduce_only,
        venue_id=order.venue_id,
    )
