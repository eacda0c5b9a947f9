"""Protections: a stop and a take-profit resting at the venue, reduce-only, sized to the filled position.

They stay in every trading state, through pause and quarantine, until the position is flat. One that has begun
to fill has fired: it takes what is left, and is left alone. Within an entry a stop only ever tightens
(`engine.core.review` sees to that). Where the venue amends nothing, the new one rests before the old one goes: the
position is never without.
"""

from __future__ import annotations

from domain.order import PROTECTIVE, Order, OrderKind, Role
from engine.core.core import Core
from engine.core.executor.place import amend, cancel, place, settled
from engine.core.executor.sharing import needs_protection
from engine.core.state import Slot

_KIND = {Role.STOP: OrderKind.STOP, Role.TAKE_PROFIT: OrderKind.TAKE_PROFIT}


def converge(core: Core, slot: Slot) -> None:
    """Bring the protective orders to the position held."""
    position = core.position(slot.account, slot.instrument)
    if position == 0:
        for order in list(slot.orders.values()):
            if order.role in PROTECTIVE:
                cancel(core, slot, order)
        fired = slot.consumed != "" and slot.consumed in {slot.entry, slot.stop_entry}
        if (fired or not (slot.target or slot.parked)) and not needs_protection(core, slot):
            slot.stop = slot.take_profit = 0
        return
    if slot.stop_side * position < 0:
        if slot.stop_side * (slot.target or 0) > 0:
            # the new entry's protection is for the other side: what guards the position stays until it has flipped
            return
        if needs_protection(core, slot):
            return
        # it guarded what is not held any more, and would fire at once
        slot.stop = slot.take_profit = slot.stop_side = 0
    against = [o for o in slot.orders.values() if o.side * position < 0 and o.role is Role.TARGET and not o.reduce_only]
    if against and sum([o.leaves for o in against]) > max(0, (slot.target or 0) * (-1 if position > 0 else 1)):
        # one order closes and opens: were a new stop to fire first, all of it would be a new position
        return
    _one(core, slot, Role.STOP, slot.stop, position)
    _one(core, slot, Role.TAKE_PROFIT, slot.take_profit, position)


def _one(core: Core, slot: Slot, role: Role, trigger: int, position: int) -> None:
    side = -1 if position > 0 else 1
    qty = abs(position)
    if trigger and not core.instruments[slot.instrument].amends:
        _replace(core, slot, role, trigger, side * qty)
        return
    kept: Order | None = None
    for order in list(slot.orders.values()):
        if order.role is not role:
            continue
        if order.side != side or not trigger or kept is not None:
            cancel(core, slot, order)
        elif not order.cancel_ns:
            kept = order
    if not trigger:
        return
    if kept is None:
        entry = slot.stop_entry
        place(core, slot, role, side, _KIND[role], qty, 0, trigger=trigger, reduce_only=True, entry=entry)
    elif settled(kept) and not kept.filled and (kept.qty != qty or kept.trigger != trigger):
        kept.entry = slot.stop_entry
        amend(core, slot, kept, 0, qty, trigger)


def _replace(core: Core, slot: Slot, role: Role, trigger: int, wanted: int) -> None:
    """Place what is `wanted` (signed) when it is not there, and cancel the rest once it rests."""
    side, qty = (1 if wanted > 0 else -1), abs(wanted)
    mine = [order for order in slot.orders.values() if order.role is role and not order.cancel_ns]
    for order in [order for order in mine if order.side != side]:
        cancel(core, slot, order)
        mine.remove(order)
    if any(order.filled for order in mine):
        return
    fitting = next((order for order in mine if order.qty == qty and order.trigger == trigger), None)
    if fitting is None:
        if all(settled(order) for order in mine):
            entry = slot.stop_entry
            place(core, slot, role, side, _KIND[role], qty, 0, trigger=trigger, reduce_only=True, entry=entry)
    elif settled(fitting):
        fitting.entry = slot.stop_entry
        for order in mine:
            if order is not fitting:
                cancel(core, slot, order)
