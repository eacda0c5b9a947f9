"""Legs: the slots of a strategy that trades at several venues, seen from each of them.

What is bought at one venue is sold at the other, so while one of them cannot be traded the others add nothing:

    out     its account is not ACTIVE or its venue not connected, a breaker of it is open, a person holds it, or it has
            no price to go by
    then    a slot at another venue may only reduce (`Core.bar_of` says LEG_OUT), and what hedges a leg that has filled
            already still passes (`executor.exposure.hedging`)

A breaker that leaves one leg a part of its size leaves the others no more, or the rest would be naked. What closes an
open rest is cut by its own venue's breaker alone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from domain.account import venue_of
from domain.facts import TradingState
from domain.market import UNTRUSTED
from engine.core.state import Slot, slot_key

if TYPE_CHECKING:
    from engine.core.core import Core

ACTIVE = TradingState.ACTIVE


def index(core: Core) -> None:
    """Recompute the legs of every slot: those of the same asset at its owner's other venues, else everything there."""
    core.legs.clear()
    for strategy in core.state.strategies.values():
        spec = strategy.spec
        if not spec.accounts:
            continue
        found = [core.state.slots.get(slot_key(spec.account_of(name), name)) for name in spec.instruments]
        slots = [slot for slot in found if slot is not None and slot.owner == spec.id]
        for slot in slots:
            others = [other for other in slots if other.account != slot.account]
            alike = [other for other in others if asset_of(other) == asset_of(slot)]
            core.legs[slot.key] = tuple(alike or others)


def asset_of(slot: Slot) -> str:
    """What a position in a slot is a position in."""
    return slot.instrument.partition("-")[0]


def one_out(core: Core, slot: Slot) -> Slot | None:
    """A leg of a slot that cannot be traded now. What follows another's fills is the hedge, and always may."""
    legs = core.legs.get(slot.key, ()) if not slot.hedge_lead else ()
    return next((leg for leg in legs if is_out(core, leg)), None)


def is_out(core: Core, slot: Slot) -> bool:
    """Whether nothing that adds risk could go to a slot now, whatever becomes of the others."""
    state = core.state
    venue = state.venues.get(venue_of(slot.account))
    return (
        state.accounts[slot.account].trading is not ACTIVE
        or (venue is not None and venue.down)
        or slot.hold
        or slot.flat
        or core.markets[slot.instrument].feed in UNTRUSTED
        or not core.parts.of(slot)
    )


def least(core: Core, slot: Slot, part: Decimal) -> Decimal:
    """The least part of its size that breakers leave a slot or a leg of it; one that is out is barred otherwise."""
    return min([part, *[left for leg in core.legs.get(slot.key, ()) if (left := core.parts.of(leg))]])
