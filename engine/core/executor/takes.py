"""Takes: one immediate order per id, never after its expiry, never twice."""

from __future__ import annotations

from itertools import takewhile

from domain.desired import Take
from domain.errors import Unrepresentable
from domain.facts import TradingState
from domain.order import OrderKind, Role, check_side
from domain.verdict import Reason
from engine.core.core import Core
from engine.core.executor.exposure import cap_room, exposure_of, hedging
from engine.core.executor.place import place
from engine.core.state import Slot, StrategyState
from risk.gate import adds_risk

TAKE, IOC, HALTED = Role.TAKE, OrderKind.IOC, TradingState.HALTED
REMEMBERED_TAKES = 64
"""Used ids of one strategy from which on the expired ones are forgotten."""
MOST_TAKES = 4_096
"""Used ids that have not expired; more are refused, because each has to be remembered."""


def forget_expired(core: Core, strategy: StrategyState) -> None:
    """Drop the used ids whose time is over: they are refused as expired anyway.

    From the oldest on, so that thousands that live cost nothing; all are looked at only when there is no room left.
    """
    used, now = strategy.takes, core.state.ts_ns
    if len(used) <= REMEMBERED_TAKES:
        return
    if len(used) < MOST_TAKES:
        done = list(takewhile(lambda id_: used[id_] < now, used))
    else:
        done = [id_ for id_, until in used.items() if until < now]
    for id_ in done:
        del used[id_]


def act(core: Core, strategy: StrategyState, slot: Slot, take: Take, envelope_qty: int | None) -> None:
    """Carry out a take unless its id was used, its time has passed, or the slot is held.

    `envelope_qty` is how much the strategy's approved envelope still lets it add on this side (None = any).
    """
    now = core.state.ts_ns
    used = strategy.takes
    if take.id in used:
        return
    if take.expires_ns <= now:
        core.refuse(slot, Reason.EXPIRED, take.id)
        return
    if len(used) >= MOST_TAKES:
        core.refuse(slot, Reason.MESSAGE_RATE, f"{MOST_TAKES} takes have not expired yet")
        return
    used[take.id] = take.expires_ns
    if slot.hold or slot.flat or core.state.accounts[slot.account].trading is HALTED:
        core.refuse(slot, Reason.HELD if slot.hold else Reason.HALTED, take.id)
        return
    instrument, side, reduce_only = core.instruments[slot.instrument], take.side, take.reduce_only
    try:
        qty = instrument.round_qty(take.qty)
        price = instrument.round_price(take.limit, -check_side(side))
    except Unrepresentable as error:
        core.refuse(slot, Reason.BAD_NUMBER, str(error))
        return
    if envelope_qty is not None and not reduce_only and qty > envelope_qty:
        qty = envelope_qty - envelope_qty % instrument.lot
        core.refuse(slot, Reason.ENVELOPE, take.id)
    if not reduce_only and (slot.cap is not None or core.legs):
        room = cap_room(core, slot, side)
        if room is not None and qty > room:
            qty = room - room % instrument.lot
            core.refuse(slot, Reason.CAPPED, take.id)
    if qty <= 0:
        return
    is_watched = slot.ceilings or (core.has_bars and core.is_reduced(slot))
    if is_watched and not reduce_only and adds_risk(side, qty, exposure_of(core, slot)):
        if slot.ceilings:
            core.refuse(slot, Reason.BREAKER_OPEN, take.id)
            return
        qty = max(core.part(slot, qty), min(core.part(slot, qty, alone=True), hedging(core, slot, side)))
    place(core, slot, TAKE, side, IOC, qty, price, reduce_only=reduce_only, entry=take.id)
