"""Targets: bring the effective position (filled + working + in flight) to what is approved.

Orders that pull the wrong way are cancelled first. An UNKNOWN order counts as filled on its own
side, never as help on the other: the gap is measured from the worst case, so it is never overshot.
"""

from __future__ import annotations

from decimal import Decimal

from domain.desired import Style
from domain.facts import TradingState
from domain.instrument import ZERO
from domain.order import Order, OrderKind, Role
from domain.verdict import Reason, Veto
from engine.core.core import Core
from engine.core.executor.exposure import closed_unheard, net
from engine.core.executor.place import amend, cancel, place, refused, settled
from engine.core.executor.sharing import share
from engine.core.state import Slot
from risk.gate import PPM
from risk.policy import bounded, clip_to_limit

TARGET, FLATTEN = Role.TARGET, Role.FLATTEN
"""Members by themselves: reading one off its enum costs as much as three steps of the interpreter."""
ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
PASSIVE = Style.PASSIVE
POST_ONLY, IOC = OrderKind.POST_ONLY, OrderKind.IOC


def goal_of(core: Core, slot: Slot, trading: TradingState) -> int | None:
    """The net position wanted now, None for "leave it"; what passes a breaker's ceiling is closed whatever else is."""
    if slot.flat:
        return 0
    goal = goal_at_ease(core, slot, trading)
    if not slot.ceilings:
        return goal
    most, position = min(slot.ceilings.values()), core.position(slot.account, slot.instrument)
    if goal is None:
        return bounded(position, most) if abs(position) > most else None
    return bounded(goal, most)


def is_forced(core: Core, slot: Slot) -> bool:
    """True while a person or a breaker has ordered to close, so that it takes at once and however little it is."""
    if slot.flat or not slot.ceilings:
        return slot.flat
    return abs(core.position(slot.account, slot.instrument)) > min(slot.ceilings.values())


def goal_at_ease(core: Core, slot: Slot, trading: TradingState) -> int | None:
    """The same without the ceilings of breakers."""
    pair = core.pairs.get(slot.key) if core.pairs else None
    if slot.hold or trading is HALTED or (pair is not None and pair.primary.hold):
        return None
    goal = wanted(core, slot)
    if goal is None:
        return None
    if pair is not None:
        goal = share(core, slot, goal)
    if trading is REDUCING or (slot.consumed and slot.consumed == slot.entry):
        return towards_zero(goal, core.position(slot.account, slot.instrument))
    return goal


def wanted(core: Core, slot: Slot) -> int | None:
    """The approved target, or what follows the lead's fills, within a person's cap; None for "leave it"."""
    goal = hedge_goal(core, slot) if slot.hedge_lead else slot.target
    if goal is None:
        return None
    if core.parts.scopes:
        goal = part_of_goal(core, slot, goal)
    return goal if slot.cap is None else bounded(goal, slot.cap)


def part_of_goal(core: Core, slot: Slot, goal: int) -> int:
    """The part of a goal that breakers of the matrix leave while half open; what is held already may stay.

    A breaker that leaves nothing does not cut the goal: what is held is not sold because nothing may be bought.
    """
    if not 0 < core.parts.of_matrix(slot) < 1:
        return goal
    held = net(core, slot)
    kept = abs(held) if held * goal > 0 else 0
    return bounded(goal, max(kept, core.part(slot, abs(goal))))


def towards_zero(goal: int, position: int) -> int:
    """The part of a goal that only reduces the position."""
    if position >= 0:
        return max(0, min(goal, position))
    return min(0, max(goal, position))


MOST_HEDGED = Decimal("1.25")
"""A hedge is not voted on, because its lead was: it is worth at most this many times what the lead is."""


def hedge_goal(core: Core, slot: Slot) -> int:
    """-ratio times the lead's filled position, in this instrument's scale, clipped to `MOST_HEDGED` times its value."""
    lead, instrument = core.instruments[slot.hedge_lead], core.instruments[slot.instrument]
    leading = core.lead_of(slot)
    held = net(core, leading)
    if not held:
        return 0
    goal = instrument.round_qty(-slot.hedge_ratio * (held / lead.qty_scale))
    position = core.state.accounts[leading.account].positions.get(slot.hedge_lead)
    paid = abs(position.entry_value) if position is not None else ZERO
    worth = max(paid, lead.notional(core.markets[slot.hedge_lead].reference(), abs(held)))
    price = core.markets[slot.instrument].reference()
    goal, clipped = clip_to_limit(goal, price=price, instrument=instrument, max_notional=worth * MOST_HEDGED)
    if clipped is not None:
        core.refuse(slot, Reason.ENVELOPE, f"a hedge is worth at most {MOST_HEDGED} times its lead {slot.hedge_lead}")
    return goal


def in_flight(order: Order) -> int:
    """Quantity of an order that counts as if it had filled: all that may still fill, answered or not."""
    return order.leaves


def converge(core: Core, slot: Slot) -> None:
    """Cancel what is too much, place what is missing, follow the touch with passive orders."""
    orders = slot.orders
    working = [order for order in orders.values() if order.role is TARGET or order.role is FLATTEN] if orders else []
    if not (working or slot.target is not None or slot.flat or slot.hedge_lead or slot.ceilings):
        return
    trading = core.trading_of(slot)
    goal = goal_of(core, slot, trading)
    if goal is None:
        for order in working:
            cancel(core, slot, order)
        return
    position = core.position(slot.account, slot.instrument)
    distance = goal - position
    if not distance and not working:
        return
    side = 1 if distance > 0 else -1 if distance else 0
    working = keep_side(core, slot, working, side) if working else working
    coming = sum([in_flight(order) for order in working]) if working else 0
    opening = sum([in_flight(order) for order in working if not order.reduce_only]) if working else 0
    gap = distance * side - coming
    if gap < 0:
        drop_excess(core, slot, working, side, -gap)
        return
    against = -position * side if position * side < 0 else 0
    unheard = closed_unheard(slot, side, position) if orders else 0
    beyond_zero = max(0, distance * side - against - unheard)
    if opening > beyond_zero:
        # what rested to open would now close, and pass zero together with a stop: a reduce-only order replaces it
        resting = [order for order in working if order.kind is POST_ONLY and not order.reduce_only]
        drop_excess(core, slot, resting, side, opening - beyond_zero)
    forced = is_forced(core, slot)
    if slot.style is PASSIVE and not forced:
        follow_touch(core, slot, working, side)
    lead_room = naked_room(core, slot, side, coming) if core.followers else None
    if lead_room is not None:
        gap = min(gap, lead_room)
    if gap > 0 and (gap > slot.band or forced):
        may_open = beyond_zero - opening
        opens = gap if may_open >= gap else max(0, may_open)
        closes = max(0, min(gap - opens, against - coming + opening)) if opens < gap else 0
        if core.narrowed and core.is_probing(slot):
            opens = 0 if opening else core.part(slot, opens)
        open_gap(core, slot, side, closes, opens, forced=forced, trading=trading)


def keep_side(core: Core, slot: Slot, working: list[Order], side: int) -> list[Order]:
    """Cancel the orders that pull the other way, and give back the rest."""
    for order in working:
        if order.side != side:
            cancel(core, slot, order)
    return [order for order in working if order.side == side]


def drop_excess(core: Core, slot: Slot, working: list[Order], side: int, excess: int) -> None:
    """Cancel the newest orders until no more than the goal is coming."""
    for order in reversed(working):
        if excess <= 0:
            return
        if order.side == side:
            cancel(core, slot, order)
            excess -= order.leaves


def naked_room(core: Core, slot: Slot, side: int, coming: int) -> int | None:
    """How much the lead leg may still grow before its unhedged part passes the legging cap; None = not a lead."""
    pair = core.pairs.get(slot.key) if core.pairs else None
    lead = slot if pair is None else pair.primary
    followers = core.followers.get(lead.key)
    if not followers:
        return None
    if pair is not None and lead is not slot:
        coming = pair.ceil(lead, coming)
    room: int | None = None
    position = net(core, lead)
    if (position + side * coming) * side < 0:
        return None
    for follower in followers:
        if not follower.hedge_ratio:
            continue
        hedge = core.instruments[follower.instrument]
        hedged = -net(core, follower) / hedge.qty_scale / follower.hedge_ratio
        lead_hedged = round(hedged * core.instruments[lead.instrument].qty_scale)
        naked = (position - lead_hedged) * side + coming
        left = max(0, follower.naked_cap - naked)
        room = left if room is None else min(room, left)
    return room if room is None or pair is None or lead is slot else pair.floor(slot, room)


def protected(slot: Slot, side: int) -> bool:
    """True while reduce-only orders on this side may close the position before we do."""
    return any(order.reduce_only and order.side == side for order in slot.orders.values())


def open_gap(
    core: Core, slot: Slot, side: int, closing: int, opening: int, *, forced: bool, trading: TradingState
) -> None:
    """Place what is missing: reduce-only for what closes, another order for the `opening` part beyond zero.

    One order crosses zero only where it takes at once and no protection rests: were that to fire first, the whole
    order would be a new position.
    """
    reducing = forced or trading is not ACTIVE or (slot.consumed != "" and slot.consumed == slot.entry)
    passive = slot.style is PASSIVE and not forced
    price = touch(core, slot, side) if passive else taking_price(core, slot, side)
    if price <= 0:
        refused(core, slot, Veto(Reason.PRICE_UNKNOWN, slot.instrument))
        return
    if opening and not (reducing or passive or protected(slot, side)):
        closing, opening = 0, closing + opening
    if closing:
        send(core, slot, side, closing, price, reduce_only=True, forced=forced)
    if opening and not reducing:
        send(core, slot, side, opening, price, reduce_only=False, forced=forced)


def send(core: Core, slot: Slot, side: int, qty: int, price: int, *, reduce_only: bool, forced: bool) -> None:
    """Place one order of whole lots, if there is anything to place."""
    instrument = core.instruments[slot.instrument]
    qty -= qty % instrument.lot
    if qty > instrument.max_qty > 0:
        qty = instrument.max_qty
    if qty <= 0:
        return
    kind = POST_ONLY if slot.style is PASSIVE and not forced else IOC
    if kind is POST_ONLY and reduce_only and not instrument.reduces_at_rest:
        kind, price = IOC, taking_price(core, slot, side)
    role = FLATTEN if forced else TARGET
    place(core, slot, role, side, kind, qty, price, reduce_only=reduce_only, entry=slot.entry)


def taking_price(core: Core, slot: Slot, side: int) -> int:
    """Worst price an IOC may pay: the far touch (or the last price) plus the slippage bound, 0 = unknown."""
    market = core.markets[slot.instrument]
    base = (market.ask if side > 0 else market.bid) or market.reference()
    if base <= 0:
        return 0
    step = core.instruments[slot.instrument].price_step(base)
    worst = base + side * (base * core.slippage_ppm // PPM)
    if side > 0:
        return worst + -worst % step
    worst -= worst % step
    return worst if worst > 0 else step


def worst_price(core: Core, slot: Slot) -> int:
    """The dearest that buying may get, by which targets are clipped so that the gate lets them pass; 0 = unknown."""
    pair = core.fed.get(slot.instrument) if core.fed else None
    if pair is None or slot is not pair.primary:
        return taking_price(core, slot, 1)
    return pair.price_of(slot, taking_price(core, pair.backup, 1), -1)


def touch(core: Core, slot: Slot, side: int) -> int:
    """Price of a passive order: the near touch, or the last price where no book is known."""
    market = core.markets[slot.instrument]
    return (market.bid if side > 0 else market.ask) or market.reference()


def follow_touch(core: Core, slot: Slot, working: list[Order], side: int) -> None:
    """Move settled passive orders to the touch, at most once per retry time."""
    price = touch(core, slot, side)
    pause = core.state.settings.execution.retry_ns
    for order in working:
        if order.side != side or not settled(order) or price <= 0 or order.price == price:
            continue
        if core.state.ts_ns - order.updated_ns >= pause:
            amend(core, slot, order, price, order.qty)
