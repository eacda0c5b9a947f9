"""What the venue says about orders: every transition of an order's status that it causes is in this file.

Answers may come late, twice, and in any order. `close` is the only way to a terminal status. An
order whose answer never came becomes UNKNOWN (`inflight`), is queried, and counts at its worst side
until proved absent, which is possible only after its validity window.
"""

from __future__ import annotations

from domain.account import venue_of
from domain.events import (
    Accepted,
    Cancelled,
    CancelRejected,
    Filled,
    OrderReport,
    Rejected,
    SendDropped,
    SendFailed,
)
from domain.facts import Severity
from domain.order import (
    PROTECTIVE,
    ClientId,
    Order,
    OrderKind,
    OrderStatus,
    Query,
    RequestSnapshot,
    Role,
    is_watchdogs,
    run_of_client_id,
)
from domain.strategy import FillView, Wake
from domain.verdict import Reason
from engine.core import breakers, deadman, portfolio
from engine.core.core import Core
from engine.core.executor import converge, resting
from engine.core.executor.place import watch
from engine.core.state import MANUAL, Slot
from engine.core.wake import wake

ORDERS, READS = breakers.ORDERS, breakers.READS
OPEN, PENDING, FILLED = OrderStatus.OPEN, OrderStatus.PENDING, OrderStatus.FILLED
"""Members by themselves: reading one off its enum costs as much as three steps of the interpreter."""
CANCELLED, IOC, FILL = OrderStatus.CANCELLED, OrderKind.IOC, Wake.FILL
REMEMBERED_ORDERS = 1_000
BESIDE_TARGET = frozenset({Role.ADOPTED, Role.LIMIT})
DEAD_MAN = "dead man"
"""How an adapter says that it was the venue's dead-man's switch, where the venue tells."""
VENUE_SKEW_NS = 1_000_000_000
"""By how much the times of a venue's machines may differ."""
REDUCTIONS_SOONER = 4
"""A refused reduction is tried again after this part of the retry time."""


def close(core: Core, slot: Slot, order: Order, status: OrderStatus, reason: str = "") -> None:
    """Move a working order to a terminal status and out of the slot."""
    state, cid = core.state, order.cid
    order.status = status
    if reason:
        order.reason = reason
    order.updated_ns = state.ts_ns
    del slot.orders[cid], state.where[cid]
    closed = state.closed
    closed[cid] = order
    core.ended.append(cid)
    if len(closed) > REMEMBERED_ORDERS:
        closed.pop(core.ended.popleft(), None)
    core.order_changed(slot, order)


NEVER_WORKED = frozenset({OrderStatus.REJECTED, OrderStatus.DROPPED, OrderStatus.ABSENT})
"""Ends that the venue may still disprove: a refused copy of a request says nothing about the other copy."""


def reopen(core: Core, order: Order) -> None:
    """The venue has an order that we thought ended: it counts again."""
    slot = core.slot(order.account, order.instrument)
    del core.state.closed[order.cid]
    core.ended.remove(order.cid)
    slot.orders[order.cid] = order
    core.state.where[order.cid] = slot.key
    order.status = OrderStatus.OPEN
    order.reason = ""
    order.cancel_ns = order.amend_price = order.amend_qty = 0
    core.order_changed(slot, order)


def heard(order: Order, venue_ts_ns: int) -> None:
    """The venue has said something about an order that it had working at this time of its own."""
    if venue_ts_ns > order.venue_ts_ns:  # noqa: PLR1730 - on the hot path, and max() costs thrice as much
        order.venue_ts_ns = venue_ts_ns


def settle_amend(order: Order, now_ns: int) -> None:
    """The order is known as it stood then: an amendment in flight is through, or may arrive until its time is over.

    The pause after a refused one is no amendment in flight: it ends by our clock, not by the venue's.
    """
    settle_sent(order, now_ns)
    if not (order.amend_price or order.amend_qty):
        return
    if (order.amend_price, order.amend_qty) == (order.price, order.qty) or now_ns >= order.amend_until_ns:
        order.amend_price = order.amend_qty = order.amend_until_ns = 0


def settle_sent(order: Order, venue_ts_ns: int) -> None:
    """The venue has said how large the order is after the time of its last amendment: no copy can follow."""
    if order.sent_qty and venue_ts_ns - VENUE_SKEW_NS > order.sent_until_ns:
        order.sent_qty = order.sent_until_ns = 0


def brought_back(core: Core, cid: ClientId) -> tuple[Slot, Order] | None:
    """An order that had ended as one that never worked: it works again."""
    order = core.state.closed.get(cid)
    if order is None or order.status not in NEVER_WORKED:
        return None
    reopen(core, order)
    return core.order(cid)


def on_accepted(core: Core, event: Accepted) -> None:
    """The order works at the venue."""
    found = core.order(event.cid) or brought_back(core, event.cid)
    if found is None:
        return
    slot, order = found
    if core.narrowed:
        breakers.heard(core, slot.account)
    order.venue_id = event.venue_id
    heard(order, event.venue_ts_ns)
    if order.status is not OPEN:
        order.status = OPEN
        order.updated_ns = core.state.ts_ns
        if core.facts_on:
            core.tell_order(order)
    is_paused = slot.retry_ns > core.state.ts_ns
    if is_paused or len(slot.orders) > 1 or slot.quotes or order.role in PROTECTIVE:
        converge(core, slot)


def on_rejected(core: Core, event: Rejected) -> None:
    """The venue refused it: pause the slot, then try again if it is still wanted.

    A refused duplicate is another copy of a request that has arrived: that one is asked about.
    """
    found = core.order(event.cid)
    if found is None:
        return
    slot, order = found
    breakers.heard(core, slot.account)
    if event.reason is Reason.DUPLICATE or order.status is OrderStatus.OPEN:
        ask(core, slot, order)
        return
    close(core, slot, order, OrderStatus.REJECTED, event.text or event.reason.value)
    pause(core, slot, order)
    core.refuse(slot, event.reason, event.text)
    converge(core, slot)


def on_not_sent(core: Core, event: SendFailed | SendDropped) -> None:
    """It surely never left this machine."""
    found = core.order(event.cid)
    if found is None:
        return
    slot, order = found
    reason = event.text
    if isinstance(event, SendDropped):
        reason = f"{event.reason.value}: {event.text}" if event.text else event.reason.value
    close(core, slot, order, OrderStatus.DROPPED, reason)
    pause(core, slot, order)
    if isinstance(event, SendFailed):
        breakers.failed(core, venue_of(slot.account), ORDERS, f"an order did not leave: {event.text or 'no detail'}")
    converge(core, slot)


def pause(core: Core, slot: Slot, order: Order) -> None:
    """No new placements like this one in its slot for a while: what reduces comes back sooner."""
    retry_ns = core.state.settings.execution.retry_ns
    if order.reduce_only:
        slot.reduce_retry_ns = core.state.ts_ns + retry_ns // REDUCTIONS_SOONER
        core.set_timer_once(f"retry:{slot.key}", slot.reduce_retry_ns)
    else:
        slot.retry_ns = core.state.ts_ns + retry_ns
        core.set_timer_once(f"retry:{slot.key}", slot.retry_ns)


def on_filled(core: Core, event: Filled) -> None:
    """Book a fill once, whatever the order's status; fills of orders that are not ours mean Hold and ask.

    So does one that names an order of ours in another contract or account: it moved what it says that it moved.
    """
    if event.account not in core.state.accounts or event.instrument not in core.instruments:
        text = f"Fill for {event.account} {event.instrument}, which is not configured."
        core.alert(Severity.ERROR, "foreign_fill", text, account=event.account, instrument=event.instrument)
        return
    if not portfolio.remember_fill(core, event):
        return
    found = core.order(event.cid) or brought_back(core, event.cid)
    order = core.state.closed.get(event.cid) if found is None else found[1]
    if order is not None and (order.instrument != event.instrument or order.account != event.account):
        found = order = None
    slot = core.slot(event.account, event.instrument) if found is None else found[0]
    portfolio.book_fill(core, slot, order, event)
    if order is None:
        hold_and_ask(core, slot, event)
    else:
        count_fill(core, slot, order, event)
    view = core.views.get(slot.owner)
    if view is not None:
        fill = fill_view(core, slot, order, event)
        wake(core, view, FILL, fill, fill.instrument)
    converge(core, slot)


def consumed_by(slot: Slot, order: Order) -> str:
    """The entry that a fired protection ends: the one in force, unless that one is already for the other side.

    The rest of the same protection must not bring back what its first fill has ended.
    """
    if slot.consumed and slot.consumed == slot.entry:
        return slot.consumed
    is_reversing = slot.target is not None and slot.target * order.side > 0
    return (order.entry or slot.entry) if is_reversing else (slot.entry or order.entry)


def count_fill(core: Core, slot: Slot, order: Order, event: Filled) -> None:
    """A fill of an order of ours: one that works is terminal when nothing is left, otherwise working as before."""
    filled = order.filled = order.filled + event.qty
    order.fee += event.fee
    order.venue_ts_ns = max(order.venue_ts_ns, event.venue_ts_ns)
    order.updated_ns = core.state.ts_ns
    if order.role in PROTECTIVE:
        slot.consumed = consumed_by(slot, order)
        if core.pairs and (pair := core.pairs.get(slot.key)) is not None:
            pair.primary.consumed = slot.consumed
    elif order.role in BESIDE_TARGET:
        # what they bought is not too much, and what they sold is not missing
        resting.on_fill(slot, order, event.qty)
    if order.cid in slot.orders:
        if filled >= order.qty and filled >= order.amend_qty:
            filled_up(core, slot, order, CANCELLED if order.reason else FILLED)
            return
        if order.status is PENDING:
            order.status = OPEN
    core.order_changed(slot, order)


def filled_up(core: Core, slot: Slot, order: Order, status: OrderStatus) -> None:
    """Nothing is left of an order as we know it: it is over, unless a copy of an amendment may have made it larger."""
    if order.filled >= order.sent_qty or order.role in PROTECTIVE:
        close(core, slot, order, status)
        return
    order.status = OrderStatus.UNKNOWN
    core.order_changed(slot, order)
    ask(core, slot, order)


def fill_view(core: Core, slot: Slot, order: Order | None, event: Filled) -> FillView:
    """The fill as the owner of its slot sees it: of the contract that it trades, whichever stands in for that."""
    instrument = core.instruments[slot.instrument]
    name, qty = slot.instrument, event.qty / instrument.qty_scale
    pair = core.pairs.get(slot.key) if core.pairs else None
    if pair is not None and slot is pair.backup:
        name = pair.primary.instrument
        qty *= core.views[pair.primary.owner].backups[name].size
    entry, is_protective = ("", False) if order is None else (order.entry, order.role in PROTECTIVE)
    return FillView(name, event.ts_ns, event.side, event.price / instrument.price_scale, qty, entry, is_protective)


def hold_and_ask(core: Core, slot: Slot, event: Filled) -> None:
    """An unexplained change of position: nothing new in this slot until a person has looked."""
    if run_of_client_id(core.state.installation, event.cid)[0] and is_watchdogs(event.cid):
        # told by `WatchdogActed`; what it closed must not be opened again
        slot.consumed = slot.entry
        if slot.owner.startswith(MANUAL):
            slot.target = None
        return
    slot.hold = True
    what = "The venue liquidated" if event.liquidation else "Somebody outside this engine traded"
    instrument = core.instruments[event.instrument]
    core.alert(
        Severity.CRITICAL,
        "unexplained_fill",
        f"{what} {instrument.qty_text(event.qty)} {event.instrument} on {event.account}. "
        f"The slot is on hold; look at /positions, then release it with /hold {event.instrument} off.",
        account=event.account,
        instrument=event.instrument,
    )


def on_cancelled(core: Core, event: Cancelled) -> None:
    """Out of the market. If the venue counts more filled than we have seen, wait for those fills."""
    found = core.order(event.cid)
    if found is None:
        return
    slot, order = found
    breakers.heard(core, slot.account)
    heard(order, event.venue_ts_ns)
    if not order.cancel_ns and order.kind is not IOC:
        account = core.state.accounts[slot.account]
        deadman.may_have_fired(core, account, event.venue_ts_ns, said=event.text == DEAD_MAN)
    if event.filled > order.filled:
        await_fills(core, slot, order, event.filled)
        return
    close(core, slot, order, CANCELLED, event.text)
    if order.kind is IOC:
        pause(core, slot, order)
    converge(core, slot)


def await_fills(core: Core, slot: Slot, order: Order, filled: int) -> None:
    """The venue counts fills that have not reached us: they count as in flight, and a snapshot is asked for."""
    core.tally.dirty[slot.key] = None
    order.qty = filled
    order.amend_qty = order.sent_qty = 0
    order.status = OrderStatus.UNKNOWN
    order.reason = "cancelled; waiting for its fills"
    order.query_ns = core.state.ts_ns
    core.emit(RequestSnapshot(account=slot.account))
    watch(core)


def on_cancel_rejected(core: Core, event: CancelRejected) -> None:
    """Nothing to cancel: the order is gone already, and we must learn how."""
    found = core.order(event.cid)
    if found is None:
        return
    slot, order = found
    breakers.heard(core, slot.account)
    # still marked as being cancelled until the answer: or what waits for its fills is cancelled again and again
    order.status = OrderStatus.UNKNOWN
    ask(core, slot, order)


def ask(core: Core, slot: Slot, order: Order) -> None:
    """Query the venue about an order."""
    order.query_ns = core.state.ts_ns
    core.emit(Query(cid=order.cid, account=slot.account, instrument=slot.instrument))
    watch(core)


def on_report(core: Core, event: OrderReport) -> None:
    """What the venue knows of an order we asked about."""
    found = core.order(event.cid)
    if found is None:
        return
    slot, order = found
    breakers.answered(core, venue_of(slot.account), READS)
    if event.venue_ts_ns and event.venue_ts_ns < order.venue_ts_ns:
        return
    if not event.found:
        seen_ns = event.venue_ts_ns - VENUE_SKEW_NS if event.venue_ts_ns else core.state.ts_ns
        if seen_ns > order.valid_until_ns:
            close(core, slot, order, OrderStatus.ABSENT, "the venue does not know it")
            converge(core, slot)
        return
    order.venue_id = event.venue_id or order.venue_id
    if event.status is OrderStatus.OPEN:
        order.price, order.qty = event.price or order.price, event.qty or order.qty
        heard(order, event.venue_ts_ns)
        settle_amend(order, event.venue_ts_ns or core.state.ts_ns)
        order.cancel_ns = 0
        order.status = OrderStatus.OPEN
        if event.filled > order.filled:
            core.emit(RequestSnapshot(account=slot.account))
        core.order_changed(slot, order)
    elif event.filled > order.filled:
        await_fills(core, slot, order, event.filled)
    else:
        close(core, slot, order, event.status if event.status.is_terminal else OrderStatus.CANCELLED)
    converge(core, slot)
