"""Requests without an answer: they become UNKNOWN and are asked about, again and again, never sent again."""

from __future__ import annotations

from domain.account import venue_of
from domain.instrument import AccountId
from domain.order import Order, OrderStatus, Query
from engine.core import breakers
from engine.core.core import Core
from engine.core.executor.place import cancel_of
from engine.core.state import Slot

ORDERS = breakers.ORDERS
PENDING, UNKNOWN = OrderStatus.PENDING, OrderStatus.UNKNOWN
"""Members by themselves: reading one off its enum costs as much as three steps of the interpreter."""


def check(core: Core) -> None:
    """Timer: requests without an answer become UNKNOWN and are queried, again and again until known."""
    timing = core.state.settings.execution
    now = core.state.ts_ns
    waiting = False
    late: dict[AccountId, bool] = {}
    for slot in core.state.slots.values():
        for order in slot.orders.values():
            since = unanswered_since(order)
            is_answered = not since
            if is_answered:
                since = may_have_grown_since(order)
                if not since:
                    continue
            waiting = True
            if now - since >= timing.ack_timeout_ns:
                is_late = not is_answered and order.status is not UNKNOWN
                late[slot.account] = late.get(slot.account, False) or is_late
                ask_after(core, slot, order)
    if waiting:
        core.set_timer("inflight", now + timing.query_every_ns)
    for account, is_order in late.items():
        if is_order:
            breakers.failed(core, venue_of(account), ORDERS, "an order was not answered in time")
        breakers.ask(core, account)


def unanswered_since(order: Order) -> int:
    """Since when an answer is awaited; 0 = none is."""
    if order.status is PENDING:
        return order.created_ns
    if order.status is UNKNOWN:
        return order.query_ns
    if order.cancel_ns or order.amend_price or order.amend_qty:
        return max(order.cancel_ns, order.updated_ns, order.query_ns)
    return 0


def may_have_grown_since(order: Order) -> int:
    """Until when a copy of an amendment could make the order larger than we know it; 0 = none could.

    It counts as if one had, so it is asked what the order is as soon as none can arrive any more.
    """
    return max(order.sent_until_ns, order.query_ns) if order.sent_qty > order.qty else 0


def ask_after(core: Core, slot: Slot, order: Order) -> None:
    """An answer did not come in time: query the order, and repeat its cancel."""
    if order.status is PENDING:
        order.status = UNKNOWN
        core.order_changed(slot, order)
    order.query_ns = core.state.ts_ns
    core.emit(Query(cid=order.cid, account=slot.account, instrument=slot.instrument))
    if order.cancel_ns:
        order.cancel_ns = core.state.ts_ns
        core.emit(cancel_of(core, order))
