"""The message budget: how many requests an account, its strategy and its venue may send in a window of time."""

from __future__ import annotations

from engine.core.core import Core
from engine.core.limits import Limits
from engine.core.state import Budget, Slot
from risk.gate import GateConfig


def take_message(core: Core, slot: Slot, found: Limits | None, *, reserved: bool) -> bool:
    """Count one message of the account, its strategy and its venue; False when a window of one of them has no room.

    Cancels and reductions also have the reserve of each. `found` are the slot's limits; None has room for nothing.
    """
    if found is None:
        return False
    state, gate = core.state, found.gate
    budgets, since_ns = state.budgets, state.ts_ns - gate.window_ns
    own, of_strategy, of_venue = budgets.get(slot.account), budgets.get(found.of_strategy), budgets.get(found.of_venue)
    if (
        own is not None
        and of_strategy is not None
        and of_venue is not None
        and own.window_ns > since_ns
        and of_strategy.window_ns > since_ns
        and of_venue.window_ns > since_ns
        and own.used < gate.messages_per_window
        and of_strategy.used < found.messages
        and of_venue.used < found.venue_messages
    ):
        own.used += 1
        of_strategy.used += 1
        of_venue.used += 1
        return True
    return _take_message(core, slot, found, since_ns, reserved=reserved)


def _take_message(core: Core, slot: Slot, found: Limits, since_ns: int, *, reserved: bool) -> bool:
    """As `take_message`, where a window begins anew or one of them is full."""
    gate, budgets, now_ns = found.gate, core.state.budgets, core.state.ts_ns
    free: list[Budget] = []
    full: list[Budget] = []
    for key, most in (
        (slot.account, gate.messages_per_window),
        (found.of_strategy, found.messages),
        (found.of_venue, found.venue_messages),
    ):
        budget = budgets.get(key)
        if budget is None:
            budget = budgets[key] = Budget()
        if budget.window_ns <= since_ns:
            budget.window_ns = now_ns
            budget.used = budget.reserved_used = 0
        if budget.used < most:
            free.append(budget)
        elif reserved and budget.reserved_used < gate.reserve_messages:
            full.append(budget)
        else:
            return False
    for budget in free:
        budget.used += 1
    for budget in full:
        budget.reserved_used += 1
    return True


def budget_share(core: Core, slot: Slot, config: GateConfig) -> float:
    """Used share of the account's message window, 0.0 to 1.0; quotes widen their tolerance as it grows."""
    budget = core.state.budgets.get(slot.account)
    if budget is None or core.state.ts_ns - budget.window_ns >= config.window_ns:
        return 0.0
    return budget.used / config.messages_per_window
