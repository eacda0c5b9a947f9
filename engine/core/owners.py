"""Whose an execution slot is: who trades there, who has left something behind, and what keeps a strategy loaded."""

from __future__ import annotations

from domain.account import venue_of
from domain.settings import StrategySpec
from domain.verdict import Reason, Veto
from engine.core.core import Core
from engine.core.state import MANUAL, Slot, StrategyState


def misplaced(core: Core, spec: StrategySpec) -> Veto | None:
    """Why a strategy cannot trade where it says: every instrument needs an account of its at the instrument's venue."""
    at: dict[str, str] = {}
    for account in spec.all_accounts:
        if account not in core.state.accounts:
            return Veto(Reason.NO_SUCH, f"account {account}")
        if (other := at.setdefault(venue_of(account), account)) != account or spec.all_accounts.count(account) > 1:
            text = f"{other} and {account} are at one venue: a strategy has one account at each"
            return Veto(Reason.BAD_VALUE, text)
    for instrument in spec.instruments:
        if instrument not in core.instruments:
            return Veto(Reason.NO_SUCH, f"instrument {instrument}")
        if core.instruments[instrument].venue not in at:
            named = ", ".join(spec.all_accounts)
            return Veto(Reason.BAD_VALUE, f"{instrument} cannot be traded on {named}: another venue")
    used = {core.instruments[instrument].venue: None for instrument in spec.instruments}
    for account in spec.accounts and spec.all_accounts:
        if venue_of(account) not in used:
            return Veto(Reason.BAD_VALUE, f"none of its instruments is at the venue of {account}")
    return None


def whose(core: Core, slot: Slot) -> str:
    """Why a slot is not free, and what frees it."""
    where = f"{slot.instrument} on {slot.account}"
    if slot.owner in core.state.strategies:
        return f"{where} belongs to {slot.owner}; use a sub-account, or unload it"
    return f"{where} holds what {slot.owner} left behind: /flatten {slot.instrument}, or load under the id {slot.owner}"


def is_idle_by_hand(core: Core, slot: Slot) -> bool:
    """Whether a person has traded here by hand, and nothing of it is left."""
    owner = core.state.strategies.get(slot.owner)
    idle = not slot.orders and not slot.parked and not slot.resting and not core.position(slot.account, slot.instrument)
    return owner is not None and owner.spec.kind == MANUAL and idle


def owner_is_alive(core: Core, owner: str, key: str) -> bool:
    """True when an owner is loaded, or has left orders or a position behind in the slot."""
    slot = core.state.slots[key]
    return owner in core.state.strategies or bool(slot.orders) or core.position(slot.account, slot.instrument) != 0


def still_holds(core: Core, strategy: StrategyState) -> str:
    """What keeps it from being unloaded, and what to do; "" = it holds nothing."""
    holds = [s.instrument for s in core.slots_of(strategy.spec.id) if core.position(s.account, s.instrument)]
    return (
        f"it holds {', '.join(holds)}; /flatten first, or /strategies unload {strategy.spec.id} keep" if holds else ""
    )
