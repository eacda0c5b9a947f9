"""One target over two venues: what each half of a fail-over pair may hold, and what the backup takes over.

    net = primary + backup, each counted with all that may still fill, so that neither half is ever doubled

Only one half may add risk at a time (`engine.core.failover` says which); the other only reduces. A half never passes
zero to make up for the other: what is held at a venue that is out is closed there, by its own reductions and
protections, and not hedged elsewhere.
"""

from __future__ import annotations

from domain.desired import Style
from domain.order import Role
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.pairs import Pair
from engine.core.state import Slot, WantedQuote

_QUOTE = Role.QUOTE


def share(core: Core, slot: Slot, goal: int) -> int:
    """The part of a net `goal` (in the slot's scale) that this half is to hold, beside what the other may come to.

    It moves only as far as is sure to be missing or too much, whatever becomes of the other half's orders.
    """
    pair = core.pairs[slot.key]
    other = exposure_of(core, pair.other(slot))
    lowest = goal - pair.ceil(slot, other.worst(1))
    highest = goal - pair.floor(slot, -other.worst(-1))
    least, most = min(0, goal), max(0, goal)
    lowest, highest = max(least, min(most, lowest)), max(least, min(most, highest))
    return max(lowest, min(highest, core.position(slot.account, slot.instrument)))


def follow(core: Core, pair: Pair, goal: int | None) -> None:
    """Let the backup want what its strategy wants at the primary: `goal` is that target, capped."""
    own, backup = pair.primary, pair.backup
    before = (backup.style, backup.target is None)
    backup.target = None if goal is None else pair.trunc(backup, goal)
    backup.style, backup.band = own.style, pair.ceil(backup, own.band)
    backup.entry, backup.consumed = own.entry, own.consumed
    backup.most = None if own.most is None else pair.trunc(backup, own.most)
    backup.quotes = tuple(_quotes(core, pair)) if own.quotes else ()
    backup.stop_entry, backup.stop_side = own.stop_entry, own.stop_side
    backup.stop, backup.take_profit = _level(core, pair, own.stop), _level(core, pair, own.take_profit)
    if (backup.style, backup.target is None) != before and Style.PASSIVE in {before[0], backup.style}:
        core.index_slots()


def needs_protection(core: Core, slot: Slot) -> bool:
    """True while the other half holds what the protections wanted here are for."""
    pair = core.pairs.get(slot.key) if core.pairs else None
    if pair is None:
        return False
    other = pair.other(slot)
    held = core.position(other.account, other.instrument)
    return held * slot.stop_side > 0 if slot.stop_side else held != 0


def left_for_quotes(core: Core, slot: Slot) -> dict[int, int] | None:
    """Per side, how much of what is wanted this half may quote beside the other; None = all of it.

    What still rests at the other half counts. A backup that is left quotes only what reduces it, and the primary
    leaves room for that.
    """
    pair = core.pairs.get(slot.key) if core.pairs else None
    if pair is None:
        return None
    other, is_left = pair.other(slot), pair.backup.key in core.barred
    taken = {1: 0, -1: 0}
    for order in other.orders.values():
        if order.role is _QUOTE:
            taken[order.side] += order.leaves
    may_rest = core.instruments[pair.backup.instrument].reduces_at_rest
    held = core.position(pair.backup.account, pair.backup.instrument) if may_rest else 0
    if not held and not any(taken.values()):
        return None
    room: dict[int, int] = {}
    for side in (1, -1):
        wanted = sum(quote.qty for quote in slot.quotes if quote.side == side)
        reduces = max(0, -held * side)
        if is_left and slot is pair.primary:
            taken[side] = max(taken[side], reduces)
        room[side] = max(0, wanted - pair.ceil(slot, taken[side]))
        if is_left and slot is pair.backup:
            room[side] = min(room[side], reduces)
    return room


def clip_quotes(core: Core, slot: Slot, left: dict[int, int]) -> tuple[WantedQuote, ...]:
    """The quotes of a slot, nearest first, as far as their side has room."""
    instrument = core.instruments[slot.instrument]
    kept: list[WantedQuote] = []
    for quote in slot.quotes:
        qty = min(quote.qty, left[quote.side])
        qty -= qty % instrument.lot
        left[quote.side] -= qty
        if qty > 0:
            kept.append(WantedQuote(quote.side, quote.price, qty, quote.level))
    return tuple(kept)


def _quotes(core: Core, pair: Pair) -> list[WantedQuote]:
    instrument = core.instruments[pair.backup.instrument]
    found: list[WantedQuote] = []
    for quote in pair.primary.quotes:
        price = pair.price_of(pair.backup, quote.price, quote.side)
        step = instrument.price_step(price)
        price = price // step * step if quote.side > 0 else -(-price // step) * step
        qty = pair.trunc(pair.backup, quote.qty)
        qty -= qty % instrument.lot
        if qty > 0 and price > 0:
            found.append(WantedQuote(quote.side, price, qty, quote.level))
    return found


def _level(core: Core, pair: Pair, price: int) -> int:
    instrument = core.instruments[pair.backup.instrument]
    if not price:
        return 0
    level = pair.price_of(pair.backup, price)
    step = instrument.price_step(level)
    return max(1, round(level / step)) * step
