"""People's own orders at a price: placed at it, left alone, and placed again only where we took them out ourselves.

A halt, a hold or a flatten ends them for good. Where nothing may add risk for a while (a start, a breaker, a cap) they
are taken out and wait. What the venue refuses or cancels by itself is over: people hear of it.
"""

from __future__ import annotations

from domain.facts import Severity, TradingState
from domain.instrument import Instrument
from domain.order import Order, OrderKind, OrderStatus, Role
from domain.verdict import Reason, Veto
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.executor.place import cancel, place
from engine.core.resting import Resting
from engine.core.state import Slot
from risk.gate import adds_risk

ACTIVE, HALTED = TradingState.ACTIVE, TradingState.HALTED
OURS_TO_REPEAT = frozenset({OrderStatus.DROPPED, OrderStatus.ABSENT})
"""Ends of an order that never worked at the venue."""
TOO_SMALL = frozenset({Reason.MIN_QTY, Reason.MIN_NOTIONAL})


def converge(core: Core, slot: Slot) -> None:
    """Bring what works at the venue to what people want to rest in a slot."""
    account = core.state.accounts[slot.account]
    why = "it is on hold" if slot.hold else "it is being closed" if slot.flat else ""
    why = why or ("trading is HALTED" if account.trading is HALTED else "")
    for wish in list(slot.resting.values()):
        if why or core.state.ts_ns >= wish.until_ns:
            end(core, slot, wish, why or "its time is up")
        elif account.reconciled:
            follow(core, slot, wish)
    for order in list(slot.orders.values()):
        if order.role is Role.LIMIT and order.entry not in slot.resting:
            cancel(core, slot, order)
    arm(core, slot)


def arm(core: Core, slot: Slot) -> None:
    """Look again when the first of them is over."""
    if slot.resting:
        core.set_timer(f"resting:{slot.key}", min(wish.until_ns for wish in slot.resting.values()))


def follow(core: Core, slot: Slot, wish: Resting) -> None:
    """One of them: leave it, take it out for a while, place it again, or end it."""
    if wish.left <= 0:
        del slot.resting[wish.id]
        return
    order = slot.orders.get(wish.cid)
    if order is not None:
        if not order.cancel_ns and not may_rest(core, slot, wish, order):
            cancel(core, slot, order)
        return
    over = ended_elsewhere(core, wish)
    if over:
        end(core, slot, wish, over)
    elif may_rest(core, slot, wish, None):
        veto = send(core, slot, wish)
        if veto is not None and veto.reason in TOO_SMALL:
            end(core, slot, wish, "what is left is too small for an order")


def ended_elsewhere(core: Core, wish: Resting) -> str:
    """Why its last order is gone for good; "" when we took it out, or it never worked."""
    if not wish.cid:
        return ""
    order = core.state.closed.get(wish.cid)
    if order is None:
        return "what became of its order is not known"
    if order.status in OURS_TO_REPEAT or (order.status is OrderStatus.CANCELLED and order.cancel_ns):
        return ""
    return f"the venue says {order.status.name.lower()}{f': {order.reason}' if order.reason else ''}"


def reduces(core: Core, slot: Slot, wish: Resting) -> bool:
    """Whether what is left of it can only close what is held, at a venue where that may rest."""
    against = -core.position(slot.account, slot.instrument) * wish.side
    return core.instruments[slot.instrument].reduces_at_rest and wish.left <= against


def may_rest(core: Core, slot: Slot, wish: Resting, order: Order | None) -> bool:
    """Whether it may work now: what adds risk only where all is well, and within a person's cap."""
    if order.reduce_only if order is not None else reduces(core, slot, wish):
        return True
    if core.trading_of(slot) is not ACTIVE or slot.ceilings or core.is_reduced(slot):
        return False
    return slot.cap is None or exposure_of(core, slot, without=order).worst(wish.side) + wish.left <= slot.cap


def send(core: Core, slot: Slot, wish: Resting) -> Veto | None:
    """Place what is left of it, through the gate like any order."""
    before = len(slot.orders)
    veto = place(
        core,
        slot,
        Role.LIMIT,
        wish.side,
        OrderKind.LIMIT,
        wish.left,
        wish.price,
        reduce_only=reduces(core, slot, wish),
        entry=wish.id,
    )
    if len(slot.orders) > before:
        wish.cid = next(reversed(slot.orders))
    return veto


def end(core: Core, slot: Slot, wish: Resting, why: str = "") -> None:
    """It is not wanted any more; `why` is told ("" = who ended it knows)."""
    slot.resting.pop(wish.id, None)
    order = slot.orders.get(wish.cid)
    if order is not None:
        cancel(core, slot, order)
    if why:
        instrument: Instrument = core.instruments[slot.instrument]
        filled = f"; {instrument.qty_text(wish.filled)} had filled" if wish.filled else ""
        text = f"{wish.by}'s order to {wish.words(instrument)} is over: {why}{filled}."
        core.alert(Severity.INFO, "order_over", text)


def end_all(core: Core, slot: Slot, why: str) -> None:
    """None of a slot's are wanted any more."""
    for wish in list(slot.resting.values()):
        end(core, slot, wish, why)


def on_fill(slot: Slot, order: Order, qty: int) -> None:
    """Count a fill of an order that works beside the target: what is wanted moves with it."""
    if slot.target is not None:
        slot.target += order.side * qty
    wish = slot.resting.get(order.entry)
    if wish is not None:
        wish.filled += qty


def coming(slot: Slot, side: int) -> int:
    """Quantity that people want to rest on a side, and that has not filled yet."""
    return sum(wish.left for wish in slot.resting.values() if wish.side == side)


def adds(core: Core, slot: Slot, side: int, qty: int) -> bool:
    """Whether so much more on a side could add risk beside everything that works."""
    return adds_risk(side, qty, exposure_of(core, slot))
