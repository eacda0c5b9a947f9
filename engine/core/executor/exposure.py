"""Worst sides: what a slot could come to, with everything that may still fill, alone and together with its other half.

The two slots of a fail-over pair (`engine.core.pairs`) count as one wherever a limit or an envelope is judged: a
fail-over is no way around them.
"""

from __future__ import annotations

from fractions import Fraction

from msgspec.structs import replace

from domain.order import Order
from engine.core.core import Core
from engine.core.legs import asset_of
from engine.core.state import Slot
from risk.gate import Exposure


def exposure_of(core: Core, slot: Slot, *, without: Order | None = None) -> Exposure:
    """Worst sides of a slot: position, and everything that may still fill; own prices of all but `without`."""
    position = core.position(slot.account, slot.instrument)
    if not slot.orders:
        return Exposure(position)
    buys = sells = closing_buys = closing_sells = bid = ask = 0
    for order in slot.orders.values():
        if order is without:
            continue
        leaves, price, amend_price = order.leaves, order.price, order.amend_price
        if order.side > 0:
            if order.reduce_only:
                closing_buys += leaves
            else:
                buys += leaves
            if not order.trigger and (price > bid or amend_price > bid):
                bid = max(price, amend_price)
        else:
            if order.reduce_only:
                closing_sells += leaves
            else:
                sells += leaves
            if not order.trigger:
                best = amend_price if 0 < amend_price < price or not price else price
                ask = best if not ask or 0 < best < ask else ask
    now = Exposure(position, buys, sells, closing_buys, closing_sells, bid, ask)
    return now if not (closing_buys or closing_sells) else with_unheard(slot, now)


def with_unheard(slot: Slot, now: Exposure) -> Exposure:
    """Count what reduce-only orders may have done before a fill that we know already."""
    now.buys += closed_unheard(slot, 1, now.position)
    now.sells += closed_unheard(slot, -1, now.position)
    return now


def closed_unheard(slot: Slot, side: int, position: int) -> int:
    """Quantity beyond zero that reduce-only orders on a side may have brought the position to.

    One with more left than is held may have filled before a fill that we know already: the rest counts like the rest
    of any other order. They close the same position, so the largest tells how much that was.
    """
    most = 0
    for order in slot.orders.values():
        if order.reduce_only and order.side == side and order.leaves > most:
            most = order.leaves
    return max(0, most - max(0, -position * side))


def joint(core: Core, slot: Slot, now: Exposure) -> Exposure:
    """Worst sides of a slot with those of its other half, which never help."""
    pair = core.pairs.get(slot.key) if core.pairs else None
    if pair is None:
        return now
    other = exposure_of(core, pair.other(slot))
    return replace(
        now,
        buys=now.buys + pair.ceil(slot, max(0, other.worst(1))),
        sells=now.sells + pair.ceil(slot, max(0, other.worst(-1))),
    )


def hedging(core: Core, slot: Slot, side: int, *, without: Order | None = None) -> int:
    """How much on a side does nothing but close what its legs at other venues leave open, in the slot's scale.

    Everything on that side which may still fill has closed its part already.
    """
    open_ = Fraction(0)
    for leg in (slot, *core.legs.get(slot.key, ())):
        if asset_of(leg) != asset_of(slot):
            return 0
        worst = exposure_of(core, leg, without=without).worst(side)
        instrument = core.instruments[leg.instrument]
        open_ -= Fraction(instrument.multiplier) * worst / instrument.qty_scale
    own = core.instruments[slot.instrument]
    return max(0, (open_ * own.qty_scale / Fraction(own.multiplier)).__floor__())


def cap_room(core: Core, slot: Slot, side: int) -> int | None:
    """How much more a side may get under a person's cap; None = there is none.

    A cap of a leg holds here too, or what is bought here could not be sold there; but for what hedges it.
    """
    rooms = [] if slot.cap is None else [slot.cap - exposure_of(core, slot).worst(side)]
    own = core.instruments[slot.instrument]
    for leg in core.legs.get(slot.key, ()):
        if leg.cap is not None:
            there = core.instruments[leg.instrument]
            size = Fraction(there.multiplier) / Fraction(own.multiplier) * Fraction(own.qty_scale, there.qty_scale)
            left = (leg.cap - exposure_of(core, leg).worst(-side)) * size
            rooms.append(max(left.__floor__(), hedging(core, slot, side)))
    return max(0, min(rooms)) if rooms else None


def envelope_left(core: Core, slot: Slot) -> int | None:
    """What breakers leave now of the envelope: many small quotes and takes come to no more than one of theirs."""
    if slot.most is None or not core.is_reduced(slot):
        return slot.most
    return core.part(slot, slot.most) if core.size_fraction(slot) else 0


def net(core: Core, slot: Slot) -> int:
    """The filled position of a slot together with its other half's, in its own scale, towards zero."""
    position = core.position(slot.account, slot.instrument)
    pair = core.pairs.get(slot.key) if core.pairs else None
    if pair is None:
        return position
    other = pair.other(slot)
    return position + pair.trunc(slot, core.position(other.account, other.instrument))


def reference(core: Core, slot: Slot) -> tuple[int, int]:
    """The price that a slot's wishes are judged by, in its scale, and when it came: of the market it trades in now."""
    pair = core.fed.get(slot.instrument) if core.fed else None
    if pair is None or slot is not pair.primary:
        market = core.markets[slot.instrument]
        return market.reference(), market.ts_ns
    market = core.markets[pair.backup.instrument]
    return pair.price_of(slot, market.reference()), market.ts_ns
