"""Reconciliation: what the venue says of an account against what we believe.

At every start, after every reconnect, and all the time, through a read path of its own. Fills and funding in the
snapshot are booked first (each once). What we know of our orders is brought in line; orders that the venue does not
have end only when they cannot still arrive. A position that differs twice in a row means Hold, its venue REDUCING and
a person: the venue's figure is taken over, because risk is real. What is not ours is in `strangers`.
"""

from __future__ import annotations

from domain.account import Account, Position, venue_of
from domain.events import OpenOrder, VenuePosition, VenueSnapshot
from domain.facts import CashKind, Severity, TradingState
from domain.instrument import ZERO
from domain.order import Order, OrderStatus, Query, RequestSnapshot
from domain.verdict import Veto
from engine.core import breakers, deadman, failover, incident, orders, portfolio, samples, strangers, trading
from engine.core.core import Core, by_key
from engine.core.executor import converge
from engine.core.executor.place import watch
from engine.core.state import Slot, slot_key

RECHECK_NS = 2_000_000_000


def on_snapshot(core: Core, event: VenueSnapshot) -> None:
    """Bring the account in line with the venue; the first one after a start lets it trade again."""
    account = core.state.accounts.get(event.account)
    if account is None:
        return
    first = not account.reconciled
    breakers.answered(core, venue_of(account.id), breakers.READS)
    for fill in event.fills:
        fill.seq, fill.ts_ns = event.seq, event.ts_ns
        orders.on_filled(core, fill)
    for payment in event.funding:
        portfolio.on_funding(core, payment)
    known_ns = account.venue_ts_ns
    if event.venue_ts_ns < known_ns or (not first and event.venue_ts_ns == known_ns):
        # it was overtaken on its way by one that knew more
        return
    account.venue_ts_ns = event.venue_ts_ns
    reconcile_orders(core, account, event)
    agreed = reconcile_positions(core, account, event)
    strangers.forget_gone(core, account, event)
    tell_margins(core, account, event)
    if agreed:
        reconcile_cash(core, account, event, first=first)
    every_ns = core.state.settings.execution.reconcile_every_ns
    if not agreed:
        core.set_timer(f"snapshot:{account.id}", core.state.ts_ns + RECHECK_NS)
        return
    if every_ns:
        core.set_timer(f"snapshot:{account.id}", core.state.ts_ns + every_ns)
    if first:
        account.reconciled = True
        failover.settle(core)
        portfolio.roll_day(core)
        deadman.begin(core)
        trading.settle(core)
        for slot in by_key(core.state.slots, account.id):
            converge(core, slot)
        incident.on_reconciled(core)


def reconcile_orders(core: Core, account: Account, event: VenueSnapshot) -> None:
    """Believe what the venue has working, end what it surely has not, and see to what is not ours."""
    at_venue = {order.cid: order for order in event.orders}
    for slot in by_key(core.state.slots, event.account):
        for order in list(slot.orders.values()):
            seen = at_venue.pop(order.cid, None)
            if seen is not None:
                believe(core, slot, order, seen, event.venue_ts_ns)
            elif gone(order, event):
                status = OrderStatus.CANCELLED if order.venue_id or order.filled else OrderStatus.ABSENT
                if order.filled >= order.qty:
                    status = OrderStatus.FILLED
                elif status is OrderStatus.CANCELLED and not order.cancel_ns:
                    deadman.may_have_fired(core, account, event.venue_ts_ns)
                orders.close(core, slot, order, status, order.reason or "not at the venue")
                converge(core, slot)
    for stray in at_venue.values():
        closed = core.state.closed.get(stray.cid)
        if closed is None:
            strangers.on_order(core, account, stray)
        elif closed.venue_ts_ns < event.venue_ts_ns:
            orders.reopen(core, closed)
            converge(core, core.slot(closed.account, closed.instrument))


def believe(core: Core, slot: Slot, order: Order, seen: OpenOrder, venue_ts_ns: int) -> None:
    """The venue has it working: take over its word on price, quantity and id, unless we know a newer one."""
    if venue_ts_ns < order.venue_ts_ns:
        return
    order.venue_id = seen.venue_id
    order.venue_ts_ns = venue_ts_ns
    orders.settle_sent(order, venue_ts_ns)
    core.tally.dirty[slot.key] = None  # it may count less now
    same = (order.qty, order.price, order.trigger) == (seen.qty, seen.price, seen.trigger)
    if order.status is not OrderStatus.OPEN or not same:
        order.status = OrderStatus.OPEN
        order.qty, order.price, order.trigger = seen.qty, seen.price, seen.trigger
        orders.settle_amend(order, venue_ts_ns)
        order.cancel_ns = 0
        order.updated_ns = core.state.ts_ns
        core.order_changed(slot, order)
        if core.state.accounts[slot.account].reconciled:
            converge(core, slot)


def gone(order: Order, event: VenueSnapshot) -> bool:
    """True when an order that the snapshot does not have cannot be working any more, nor still arrive.

    Both by the venue's own clock, which also enforces validity; ours may be off.
    """
    known_ns = order.venue_ts_ns
    if order.status is not OrderStatus.OPEN:
        known_ns = max(known_ns, order.valid_until_ns)
    return known_ns + orders.VENUE_SKEW_NS < event.venue_ts_ns


def unseen_fills(slot: Slot, event: VenueSnapshot) -> int:
    """Signed quantity of our fills that are newer than the snapshot."""
    return sum(qty for venue_ts_ns, qty in slot.fills if venue_ts_ns > event.venue_ts_ns)


def reconcile_positions(core: Core, account: Account, event: VenueSnapshot) -> bool:
    """Compare positions; False when something differs and must be looked at again."""
    at_venue = {p.instrument: p for p in event.positions}
    agreed = True
    known = {slot.instrument: slot for slot in by_key(core.state.slots, account.id)}
    for instrument in [*known, *(i for i in at_venue if i not in known)]:
        if instrument not in core.instruments:
            strangers.on_contract(core, account, instrument)
            continue
        slot = known.get(instrument) or core.slot(account.id, instrument)
        theirs = at_venue.get(instrument)
        expected = core.position(account.id, instrument) - unseen_fills(slot, event)
        if expected == (theirs.qty if theirs is not None else 0):
            slot.mismatches = 0
            continue
        if any(abs(venue_ts_ns - event.venue_ts_ns) <= orders.VENUE_SKEW_NS for venue_ts_ns, _ in slot.fills):
            agreed = False
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
    portfolio.position_changed(core, slot, position)
    show = core.instruments[slot.instrument].qty_text
    venue = venue_of(account.id)
    differs = f"{account.id} holds {show(position.qty)} {slot.instrument}, our books said {show(ours)}"
    trading.latch_venue(core, venue, TradingState.REDUCING, "reconciliation", differs)
    core.alert(
        Severity.CRITICAL,
        "position_mismatch",
        f"{account.id} {slot.instrument}: the venue holds {show(position.qty)}, our books said {show(ours)}. The "
        f"venue's figure is taken over, the slot is on hold, {venue} is REDUCING. Look at the venue, then "
        f"/hold {slot.instrument} off and /resume {venue}.",
        venue=venue,
        account=account.id,
        instrument=slot.instrument,
    )
    incident.open_(core, "position_mismatch", f"{differs}.", "reconciliation", venue)


def tell_margins(core: Core, account: Account, event: VenueSnapshot) -> None:
    """Say once how a position is margined otherwise than the settings want; nothing is changed while it is open."""
    found = {p.instrument: p.margin_problem for p in event.positions if p.margin_problem}
    for instrument, problem in found.items():
        if account.margins.get(instrument) != problem:
            text = f"{account.id} {instrument}: {problem}. Correct it at the venue, or in the settings."
            core.alert(Severity.WARNING, "margin_mismatch", text, account=account.id, instrument=instrument)
    account.margins = found


def reconcile_cash(core: Core, account: Account, event: VenueSnapshot, *, first: bool) -> None:
    """Compare money once positions agree and nothing moved it lately; what differs is told and taken over.

    Fills that came in another order than they happened give another split between realised and unrealised:
    then the venue's split is taken without a word.
    """
    if first and not account.deposits:
        samples.take_over_cash(core, account, event.cash)
        core.state.day_equity[account.id] = core.equity(account.id)
        return
    if event.cash == account.cash or moved_lately(core, account, event):
        return
    entries = {p.instrument: p.entry_value for p in event.positions}
    for position in account.positions.values():
        shift = entries.get(position.instrument, ZERO) - position.entry_value
        position.entry_value += shift
        core.tally.dirty[slot_key(account.id, position.instrument)] = None
        position.realised += shift
        name = core.slot(account.id, position.instrument).owner
        owner = core.state.strategies.get(name)
        if owner is not None:
            owner.realised += shift
        account.realised += shift
        account.cash += shift
        if shift:
            kind, where = CashKind.REALISED, position.instrument
            samples.cash_moved(core, kind, account.id, shift, instrument=where, owner=name)
    difference = event.cash - account.cash
    if difference:
        core.alert(
            Severity.WARNING,
            "cash_mismatch",
            f"{account.id}: the venue's cash differs from our books by {difference}; the venue's figure is taken.",
            account=account.id,
        )
        samples.take_over_cash(core, account, event.cash)


def moved_lately(core: Core, account: Account, event: VenueSnapshot) -> bool:
    """True when money moved so near to the snapshot that it is not sure whether the snapshot has it."""
    newest_ns = account.funding_ts_ns
    for slot in by_key(core.state.slots, account.id):
        newest_ns = max([newest_ns, *(venue_ts_ns for venue_ts_ns, _ in slot.fills)])
    return newest_ns + orders.VENUE_SKEW_NS >= event.venue_ts_ns


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
                watch(core)
    for account in core.state.accounts.values():
        request_snapshot(core, account.id)
    trading.settle(core, force=True)


def request_snapshot(core: Core, account: str) -> None:
    """Ask the venue for an account, and again until it has answered."""
    core.emit(RequestSnapshot(account=account))
    core.set_timer(f"snapshot:{account}", core.state.ts_ns + core.state.settings.execution.query_every_ns)
    breakers.ask(core, account)


def recover(core: Core, who: str, name: str) -> Veto | str:
    """A person lets every account be compared with its venue, because of an incident."""
    found = incident.may_recover(core, name)
    if isinstance(found, Veto):
        return found
    text = incident.begin_recovery(core, found, who)
    for account in incident.concerned(core, found):
        request_snapshot(core, account.id)
    incident.on_reconciled(core)
    return text


def on_snapshot_due(core: Core, account: str) -> None:
    """Timer: ask again while the account is not reconciled or a difference is open, else now and then."""
    state = core.state.accounts.get(account)
    open_difference = any(slot.mismatches for slot in by_key(core.state.slots, account))
    every_ns = core.state.settings.execution.reconcile_every_ns
    if state is not None and (every_ns or not state.reconciled or open_difference):
        request_snapshot(core, account)
