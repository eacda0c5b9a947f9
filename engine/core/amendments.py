"""What the venue says about amendments. Like all answers they come late, twice and in any order; so do the requests."""

from __future__ import annotations

from domain.events import Amended, AmendRejected
from domain.order import OrderStatus
from engine.core import breakers, orders
from engine.core.core import Core
from engine.core.executor import converge

FILLED = OrderStatus.FILLED
"""A member by itself: reading one off its enum costs as much as three steps of the interpreter."""


def on_amended(core: Core, event: Amended) -> None:
    """The order has a new price and quantity."""
    found = core.order(event.cid)
    if found is None:
        return
    slot, order = found
    breakers.heard(core, slot.account)
    if event.amend_no < order.amended_no:
        if event.venue_ts_ns <= order.venue_ts_ns:
            return
        # a second copy that arrived behind a newer one: the order is what that copy says
    else:
        order.amended_no = event.amend_no
    order.price, order.qty = event.price, event.qty
    if event.trigger:
        order.trigger = event.trigger
    orders.heard(order, event.venue_ts_ns)
    if event.amend_no >= order.amend_no:
        order.amend_price = order.amend_qty = order.amend_until_ns = 0
    order.updated_ns = core.state.ts_ns
    if order.filled >= order.qty:
        orders.filled_up(core, slot, order, FILLED)
    else:
        core.order_changed(slot, order)
    converge(core, slot)


def on_amend_rejected(core: Core, event: AmendRejected) -> None:
    """An amendment did not happen; ask what the order is now, unless a newer one is on its way: that one will tell."""
    found = core.order(event.cid)
    if found is None:
        return
    slot, order = found
    breakers.heard(core, slot.account)
    if event.amend_no < order.amend_no:
        return
    if event.amend_no == order.amend_no:
        core.tally.dirty[slot.key] = None
        order.amend_price = order.amend_qty = 0
        order.amend_until_ns = core.state.ts_ns + core.state.settings.execution.retry_ns
        orders.pause(core, slot, order)
    orders.ask(core, slot, order)
