"""ACTIVE, REDUCING, HALTED: one function changes the trading state, and it is durable because it is state.

`latched` is what a person or a breach decided; `trading` is what is in force: while an account is not
reconciled with its venue, ACTIVE is held at REDUCING.
"""

from __future__ import annotations

from domain import facts
from domain.commands import Resume
from domain.facts import TradingState
from engine.core import requests
from engine.core.core import Core
from engine.core.executor import converge_all
from engine.core.review import review, withdraw_parked


def latch(core: Core, state: TradingState, by: str, reason: str) -> None:
    """Decide the trading state, then make it take effect at once."""
    core.state.latched = state
    core.state.latched_by = by
    core.state.latched_reason = reason
    if state is not TradingState.ACTIVE:
        end_what_was_asked_before(core, state)
    settle(core, force=True)


def end_what_was_asked_before(core: Core, state: TradingState) -> None:
    """A resume asked for before a halt is not one asked for after it; nor is an order that waited for votes."""
    for request in list(core.state.requests.values()):
        if isinstance(request.command, Resume):
            requests.withdraw(core, request.id, f"trading became {state} since it was asked")
    if state is TradingState.HALTED:
        for slot in core.state.slots.values():
            withdraw_parked(core, slot)


def in_force(core: Core) -> TradingState:
    """What the latched state amounts to now."""
    latched = core.state.latched
    if latched is TradingState.ACTIVE and not all(a.reconciled for a in core.state.accounts.values()):
        return TradingState.REDUCING
    return latched


def settle(core: Core, *, force: bool = False) -> None:
    """Recompute the state in force; when it changed, publish it and bring every slot in line.

    What strategies want is reviewed first: envelopes and limits may have changed while nothing could be sent.
    """
    now = in_force(core)
    changed = now is not core.state.trading
    core.state.trading = now
    if not changed and not force:
        return
    reason = core.state.latched_reason
    if now is TradingState.REDUCING and core.state.latched is TradingState.ACTIVE:
        reason = "not reconciled with the venue yet"
    core.facts.append(facts.TradingStateChanged(**core.at(), state=now, by=core.state.latched_by, reason=reason))
    if now is not TradingState.HALTED:
        for strategy in list(core.state.strategies.values()):
            if strategy.status is facts.StrategyStatus.RUNNING:
                review(core, strategy)
    converge_all(core)
