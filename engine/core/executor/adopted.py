"""Adopted orders: somebody placed them at the venue, and by the account's policy they live on under `manual`.

They are never amended nor replaced. What may add risk is taken out where nothing may; what closes a position stays.
"""

from __future__ import annotations

from domain.facts import TradingState
from domain.order import Role
from engine.core.core import Core
from engine.core.executor.place import cancel
from engine.core.state import Slot


def converge(core: Core, slot: Slot) -> None:
    """Take out what is not reduce-only while the account is held back or the slot is."""
    if core.trading_of(slot) is TradingState.ACTIVE and not (slot.hold or slot.flat):
        return
    for order in list(slot.orders.values()):
        if order.role is Role.ADOPTED and not order.reduce_only:
            cancel(core, slot, order)
