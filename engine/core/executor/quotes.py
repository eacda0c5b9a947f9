"""Quotes: keep what already rests at the wanted prices, amend the rest, place or cancel only what is left.

Matching is by side and price within a tolerance, nearest first: cancel-all-and-replace costs several
times the messages and the place in the queue. The tolerance grows as the message budget falls, and the actions that
the venue leaves the account (`engine.core.budgets`).
"""

from __future__ import annotations

from domain.facts import TradingState
from domain.market import SILENT
from domain.order import Order, OrderKind, OrderStatus, Role
from engine.core import limits
from engine.core.budgets import widening
from engine.core.core import Core
from engine.core.executor.exposure import envelope_left
from engine.core.executor.messages import budget_share
from engine.core.executor.place import amend, cancel, place, settled
from engine.core.executor.sharing import clip_quotes, left_for_quotes
from engine.core.state import Slot, WantedQuote

QUOTE, POST_ONLY, OPEN = Role.QUOTE, OrderKind.POST_ONLY, OrderStatus.OPEN
"""Members by themselves: reading one off its enum costs as much as three steps of the interpreter."""
ACTIVE, HALTED = TradingState.ACTIVE, TradingState.HALTED
BUSY_SHARE = 0.5
"""Above this share of the message window the tolerance grows, by one tick per further tenth."""


def wanted_now(core: Core, slot: Slot) -> tuple[WantedQuote, ...]:
    """The approved quotes that the trading state, holds and caps let stand."""
    if slot.hold or slot.flat or core.markets[slot.instrument].feed in SILENT:
        return ()
    trading, parts = core.trading_of(slot), core.parts
    if trading is HALTED or (parts.paused and parts.is_paused(slot)):
        return ()
    quotes = slot.quotes
    pair = core.pairs.get(slot.key) if core.pairs else None
    if pair is not None:
        if pair.primary.hold or (slot is pair.primary and slot.key in core.barred):
            return ()
        left = left_for_quotes(core, slot)
        if left is not None:
            quotes = clip_quotes(core, slot, left)
    if trading is not ACTIVE:
        return within(core, slot, quotes, 0) if core.instruments[slot.instrument].reduces_at_rest else ()
    if not (core.narrowed or parts.scopes or slot.ceilings) and slot.cap is None:
        return quotes
    if core.is_reduced(slot):
        quotes = tuple([part(core, slot, quote) for quote in quotes])
    most = most_now(core, slot)
    return quotes if most is None else within(core, slot, quotes, most)


def within(core: Core, slot: Slot, quotes: tuple[WantedQuote, ...], most: int) -> tuple[WantedQuote, ...]:
    """Those of the quotes, in order, that lead to no larger |position| than `most`."""
    position = core.position(slot.account, slot.instrument)
    kept: list[WantedQuote] = []
    room = {1: max(0, most - position), -1: max(0, most + position)}
    for quote in quotes:
        if quote.qty <= room[quote.side]:
            room[quote.side] -= quote.qty
            kept.append(quote)
    return tuple(kept)


def most_now(core: Core, slot: Slot) -> int | None:
    """Largest |position| that quotes may lead to now: a person's cap, a breaker's ceiling, its part of the envelope."""
    bounds = [*slot.ceilings.values()]
    if slot.cap is not None:
        bounds.append(slot.cap)
    left = envelope_left(core, slot) if core.is_reduced(slot) else None
    if left is not None:
        bounds.append(left)
    return min(bounds, default=None)


def part(core: Core, slot: Slot, quote: WantedQuote) -> WantedQuote:
    """The part of a quote that a half-open breaker lets through."""
    return WantedQuote(quote.side, quote.price, core.part(slot, quote.qty), quote.level)


def tolerance(core: Core, slot: Slot) -> int:
    """Price distance at which a resting order still counts as the wanted one."""
    ticks = core.state.settings.execution.quote_tolerance_ticks
    config = limits.gate_of(core, slot)
    if config is not None:
        share = budget_share(core, slot, config)
        if share > BUSY_SHARE:
            ticks += int((share - BUSY_SHARE) * 10) + 1
    reach = widening(core, slot)
    if ticks:
        reach += ticks * core.instruments[slot.instrument].price_step(core.markets[slot.instrument].reference())
    return reach


def converge(core: Core, slot: Slot) -> None:
    """Bring the resting quotes to the wanted ones with as few messages as possible."""
    working = [order for order in slot.orders.values() if order.role is QUOTE]
    wanted = wanted_now(core, slot) if slot.quotes else ()
    count = standing(working, wanted)
    if count:
        del working[:count]
        wanted = wanted[count:]
    if not working and not wanted:
        return
    missing = keep_near(core, slot, working, wanted) if working and wanted else list(wanted)
    for order in working:
        quote_for = first_of(missing, order.side)
        if quote_for is None:
            cancel(core, slot, order)
        elif order.cancel_ns:
            continue
        else:
            missing.remove(quote_for)
            if settled(order):
                amend(core, slot, order, quote_for.price, order.filled + quote_for.qty)
    for quote in missing:
        place(
            core,
            slot,
            QUOTE,
            quote.side,
            POST_ONLY,
            quote.qty,
            quote.price,
            level=quote.level,
            reduce_only=core.trading_of(slot) is not ACTIVE,
        )


def first_of(quotes: list[WantedQuote], side: int) -> WantedQuote | None:
    """The first quote of a side."""
    for quote in quotes:
        if quote.side == side:
            return quote
    return None


def standing(working: list[Order], wanted: tuple[WantedQuote, ...]) -> int:
    """How many of the first quotes, in order, rest exactly as wanted or will once their amendment is through.

    Nothing is nearer to them, so only the others need to be matched.
    """
    count = 0
    for order, quote in zip(working, wanted, strict=False):
        if (
            (order.amend_price or order.price) != quote.price
            or order.qty - order.filled != quote.qty
            or order.side != quote.side
            or order.cancel_ns
        ):
            break
        count += 1
    return count


def keep_near(core: Core, slot: Slot, working: list[Order], wanted: tuple[WantedQuote, ...]) -> list[WantedQuote]:
    """Keep for each quote the order nearest to it, by where that will rest once amended, if it is within reach.

    What is kept is no longer in `working`. Gives back the quotes that have none.
    """
    reach = -1  # found when it is asked for
    missing: list[WantedQuote] = []
    for quote in wanted:
        side, price = quote.side, quote.price
        best: Order | None = None
        best_distance = 0
        for order in working:
            if order.side == side and not order.cancel_ns:
                distance = abs((order.amend_price or order.price) - price)
                if best is None or distance < best_distance:
                    best, best_distance = order, distance
        if best_distance and reach < 0:
            reach = tolerance(core, slot)
        if best is None or (best_distance and best_distance > reach):
            missing.append(quote)
        else:
            working.remove(best)
            keep_size(core, slot, best, quote)
    return missing


def keep_size(core: Core, slot: Slot, order: Order, quote: WantedQuote) -> None:
    """Leave a matched order alone unless less than half, or more than all, of the wanted size is left."""
    left = order.qty - order.filled
    if (left > quote.qty or left * 2 < quote.qty) and settled(order):
        amend(core, slot, order, order.price, order.filled + quote.qty)
