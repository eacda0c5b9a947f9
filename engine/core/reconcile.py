"""Reconciliation: what the venue says of an account against what we believe, at every start and now and then.

Fills and funding in the snapshot are booked first (each once). Orders that the venue has are adopted;
orders that it does not have end only when they cannot still arrive. A position that differs twice in a
row means Hold, REDUCING and a person: the venue's figure is taken over, because risk is real.
"""

from __future__ import annotations

from domain.account import Account, Position
from domain.events import OpenOrder, VenuePosition, VenueSnapshot
from domain.facts import Severity, TradingState
from domain.order import Cancel, Order, OrderStatus, Query, RequestSnapshot
from engine.core import orders, portfolio, trading
from engine.core.core import Core, by_key
from engine.core.executor import converge
from engine.core.state import Slot

RECHECK_NS = 2_000_000_000


def on_snapshot(core: Core, event: VenueSnapshot) -> None:
    """Bring the account in line with the venue; the first one after a start lets it trade again."""
    account = core.state.accounts.get(event.account)
    if account is None:
        return
    first = not account.reconciled
    for fill in event.fills:
        fill.seq, fill.ts_ns = event.seq, event.ts_ns
        orders.on_filled(core, fill)
    for payment in event.funding:
        portfolio.on_funding(core, payment)
    reconcile_orders(core, event)
    agreed = reconcile_positions(core, account, event)
    reconcile_cash(core, account, event, first=first)
    every_ns = core.state.settings.execution.reconcile_every_ns
    if not agreed:
        core.set_timer(f"snapshot:{account.id}", core.state.ts_ns + RECHECK_NS)
        return
    if every_ns:
        core.set_timer(f"snapshot:{account.id}", core.state.ts_ns + every_ns)
    if first:
        account.reconciled = True
        trading.settle(core)
        for slot in by_key(core.state.slots, account.id):
            converge(core, slot)


def reconcile_orders(core: Core, event: VenueSnapshot) -> None:
    """Adopt what the venue has working, end what it surely has not, and cancel strays of our own."""
    at_venue = {order.cid: order for order in event.orders}
    for slot in by_key(core.state.slots, event.account):
        for order in list(slot.orders.values()):
            seen = at_venue.pop(order.cid, None)
            if seen is not None:
                adopt(core, slot, order, seen)
            elif gone(core, order, event):
                status = OrderStatus.CANCELLED if order.venue_id or order.filled else OrderStatus.ABSENT
                if order.filled >= order.qty:
                    status = OrderStatus.FILLED
                orders.close(core, slot, order, status, order.reason or "not at the venue")
                converge(core, slot)
    for stray in at_venue.values():
        if stray.cid not in core.state.closed and stray.cid not in core.state.where:
            on_stray(core, event, stray)


def adopt(core: Core, slot: Slot, order: Order, seen: OpenOrder) -> None:
    """The venue has it working: take over its word on price, quantity and id."""
    order.venue_id = seen.venue_id
    if order.status is not OrderStatus.OPEN or order.qty != seen.qty or order.price != seen.price:
        order.status = OrderStatus.OPEN
        order.qty, order.price = seen.qty, seen.price
        order.trigger = seen.trigger or order.trigger
        order.amend_price = order.amend_qty = 0
        order.cancel_ns = 0
        order.updated_ns = core.state.ts_ns
        core.order_changed(order)
        if core.state.accounts[slot.account].reconciled:
            converge(core, slot)


def gone(core: Core, order: Order, event: VenueSnapshot) -> bool:
    """True when an order that the snapshot does not have cannot be working any more, nor still arrive."""
    if order.status is OrderStatus.OPEN:
        return order.venue_ts_ns <= event.venue_ts_ns and order.updated_ns < event.venue_ts_ns
    return core.state.ts_ns >= order.valid_until_ns and order.created_ns < event.venue_ts_ns


def on_stray(core: Core, event: VenueSnapshot, stray: OpenOrder) -> None:
    """An order we do not know: cancel it when the id is ours, otherwise ask a person."""
    if stray.cid.startswith(core.state.installation + "-"):
        core.emit(Cancel(cid=stray.cid, account=event.account, instrument=stray.instrument))
        core.alert(Severity.WARNING, "stray_order", f"Cancelled our own forgotten order {stray.cid} at the venue.")
        return
    if core.state.latched is TradingState.ACTIVE:
        trading.latch(core, TradingState.REDUCING, "reconciliation", f"foreign order {stray.cid} on {event.account}")
    core.alert(
        Severity.ERROR,
        "foreign_order",
        f"{event.account} has an order {stray.cid} in {stray.instrument} that this engine did not send. Trading is "
        "REDUCING. Cancel it at the venue (or leave it), then /resume.",
    )


def unseen_fills(slot: Slot, event: VenueSnapshot) -> int:
    """Signed quantity of our fills that are newer than the snapshot."""
    return sum(qty for venue_ts_ns, qty in slot.fills if venue_ts_ns > event.venue_ts_ns)


def reconcile_positions(core: Core, account: Account, event: VenueSnapshot) -> bool:
    """Compare positions; False when something differs and must be looked at again."""
    at_venue = {p.instrument: p for p in event.positions}
    agreed = True
    known = {slot.instrument: slot for slot in by_key(core.state.slots, account.id)}
    for instrument in [*known, *(i for i in at_venue if i not in known)]:
        slot = known.get(instrument) or core.slot(account.id, instrument)
        theirs = at_venue.get(instrument)
        expected = core.position(account.id, instrument) - unseen_fills(slot, event)
        if expected == (theirs.qty if theirs is not None else 0):
            slot.mismatches = 0
            continue
        slot.mismatches += 1
        if slot.mismatches < 2:
            agreed = False
            continue
        take_over(core, account, slot, theirs)
    return agreed


def take_over(core: Core, account: Account, slot: Slot, theirs: VenuePosition | None) -> None:
    """The venue's position stands: believe it, hold the slot, reduce, and ask."""
    ours = core.position(account.id, slot.instrument)
    position = account.positions.get(slot.instrument)
    if position is None:
        position = account.positions[slot.instrument] = Position(instrument=slot.instrument, owner=slot.owner)
    position.qty = theirs.qty if theirs is not None else 0
    position.entry_value = theirs.entry_value if theirs is not None else position.entry_value * 0
    slot.mismatches = 0
    slot.hold = True
    portfolio.position_changed(core, account.id, position)
    show = core.instruments[slot.instrument].qty_text
    if core.state.latched is TradingState.ACTIVE:
        trading.latch(core, TradingState.REDUCING, "reconciliation", f"position of {slot.instrument} differs")
    core.alert(
        Severity.CRITICAL,
        "position_mismatch",
        f"{account.id} {slot.instrument}: the venue holds {show(position.qty)}, our books said {show(ours)}. The "
        f"venue's figure is taken over, the slot is on hold, trading is REDUCING. Look at the venue, then "
        f"/hold {slot.instrument} off and /resume.",
    )


def reconcile_cash(core: Core, account: Account, event: VenueSnapshot, *, first: bool) -> None:
    """Take over the cash of an account that has never been funded here; later differences are told."""
    if first and not account.deposits:
        account.deposits = event.cash - account.cash
        account.cash = event.cash
        portfolio.roll_day(core)
        return
    if event.cash != account.cash and not any(unseen_fills(s, event) for s in by_key(core.state.slots, account.id)):
        difference = event.cash - account.cash
        if first:
            core.alert(
                Severity.WARNING,
                "cash_mismatch",
                f"{account.id}: the venue's cash differs from our books by {difference}; the venue's figure is taken.",
            )
            account.deposits += difference
            account.cash = event.cash


def on_started(core: Core) -> None:
    """A new run: nothing is certain until the venue has answered, so every account is asked."""
    for account in core.state.accounts.values():
        account.reconciled = False
    for slot in core.state.slots.values():
        for order in slot.orders.values():
            order.cancel_ns = 0
            if order.status is OrderStatus.PENDING:
                order.status = OrderStatus.UNKNOWN
            if order.status is OrderStatus.UNKNOWN or order.amend_price or order.amend_qty:
                order.query_ns = core.state.ts_ns
                core.emit(Query(cid=order.cid, account=slot.account, instrument=slot.instrument))
                orders.watch(core)
    for account in core.state.accounts.values():
        request_snapshot(core, account.id)
    trading.settle(core, force=True)


def request_snapshot(core: Core, account: str) -> None:
    """Ask the venue for an account, and again until it has answered."""
    core.emit(RequestSnapshot(account=account))
    core.set_timer(f"snapshot:{account}", core.state.ts_ns + core.state.settings.execution.query_every_ns)


def on_snapshot_due(core: Core, account: str) -> None:
    """Timer: ask again while the account is not reconciled or a difference is open, else now and then."""
    state = core.state.accounts.get(account)
    open_difference = any(slot.mismatches for slot in by_key(core.state.slots, account))
    every_ns = core.state.settings.execution.reconcile_every_ns
    if state is not None and (every_ns or not state.reconciled or open_difference):
        request_snapshot(core, account)
