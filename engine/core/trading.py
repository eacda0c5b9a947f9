"""ACTIVE, REDUCING, HALTED, for the engine and for each venue: here it changes, and it is durable because it is state.

`State.latched` is what a person or a breach decided for everything, `VenueState.latched` what a mismatch decided for
one venue. In force for an account (`Account.trading`) is the worse of both; until a start has compared every account
with its venue (or the venue is down), and for a venue while one of its accounts is not, ACTIVE is held at REDUCING.
`State.trading` is the most that any account may do.
"""

from __future__ import annotations

from domain import facts
from domain.account import venue_of
from domain.commands import Resume
from domain.facts import Severity, TradingState
from domain.instrument import AccountId
from engine.core import requests
from engine.core.core import Core
from engine.core.executor import converge_all
from engine.core.review import review, withdraw_parked
from engine.core.state import VenueState

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
_RANK = {ACTIVE: 0, REDUCING: 1, HALTED: 2}
UNSURE = "not reconciled with the venue yet"
MOST_REASONS = 300
"""Characters of what differs at a venue; every alert has its own in full."""


def worse(a: TradingState, b: TradingState) -> TradingState:
    """The one that lets less happen."""
    return a if _RANK[a] >= _RANK[b] else b


def latch(core: Core, state: TradingState, by: str, reason: str) -> None:
    """Decide the trading state of everything, then make it take effect at once."""
    core.state.latched = state
    core.state.latched_by = by
    core.state.latched_reason = reason
    if state is ACTIVE:
        core.state.halted_by = ""
    else:
        end_what_was_asked_before(core, state)
    settle(core, force=True)


def latch_venue(core: Core, venue: str, state: TradingState, by: str, reason: str) -> None:
    """Hold one venue back until people resume it; what else differs there is added to why."""
    record = core.venue(venue)
    was_held = record.latched is not ACTIVE
    record.latched, record.by = worse(record.latched, state), by
    if not was_held:
        record.reason = reason
    elif reason not in record.reason and len(record.reason) < MOST_REASONS:
        record.reason = f"{record.reason}; {reason}"
    end_what_was_asked_before(core, state, venue)
    settle(core)


def resume(core: Core, command: Resume, by: str) -> str:
    """The quorum lets the engine, or one venue, trade again; what is not compared yet stays REDUCING."""
    for name, record in core.state.venues.items():
        if command.venue in {"", name} and record.latched is not ACTIVE:
            record.latched, record.by, record.reason = ACTIVE, by, command.reason or "resumed"
    if command.venue:
        settle(core)
        return f"{command.venue} is resumed."
    core.state.starting = False
    latch(core, ACTIVE, by, command.reason or "resumed")
    return "Trading is resumed."


def end_what_was_asked_before(core: Core, state: TradingState, venue: str = "") -> None:
    """A resume asked for before a halt is not one asked for after it; nor is an order that waited for votes."""
    for request in list(core.state.requests.values()):
        if isinstance(request.command, Resume) and (not venue or request.command.venue in {"", venue}):
            what = f"{venue or 'trading'} became {state} since it was asked"
            requests.withdraw(core, request.id, what)
    if state is HALTED:
        for slot in core.state.slots.values():
            if not venue or venue_of(slot.account) == venue:
                withdraw_parked(core, slot)


def in_force(core: Core) -> TradingState:
    """What holds for everything now, whatever the venue."""
    if core.state.latched is ACTIVE and core.state.starting:
        return REDUCING
    return core.state.latched


def venues_of(core: Core) -> dict[str, TradingState]:
    """What each venue that we have an account at may do by itself, in order of the accounts."""
    found: dict[str, TradingState] = {}
    for account in core.state.accounts.values():
        name = venue_of(account.id)
        record = core.state.venues.get(name)
        now = record.latched if record is not None else ACTIVE
        if not account.reconciled:
            now = worse(now, REDUCING)
        found[name] = worse(found.get(name, ACTIVE), now)
    return found


def why(core: Core) -> tuple[str, str]:
    """Who or what decided the state that is in force for everything, and the reason."""
    state = core.state
    if state.latched is not ACTIVE or state.trading is ACTIVE:
        return state.latched_by, state.latched_reason
    held = {name: r for name, r in state.venues.items() if r.latched is not ACTIVE}
    if state.starting or not held:
        return state.latched_by, UNSURE
    return ", ".join(dict.fromkeys(r.by for r in held.values())), "; ".join(why_venue(core, name) for name in held)


def why_venue(core: Core, venue: str) -> str:
    """Why a venue is held back by itself, "" when it is not."""
    record = core.state.venues.get(venue, VenueState())
    if record.latched is not ACTIVE:
        return f"{venue}: {record.reason}"
    unsure = any(not a.reconciled for a in core.state.accounts.values() if venue_of(a.id) == venue)
    return f"{venue}: {UNSURE}" if unsure else ""


def is_down(core: Core, account: AccountId) -> bool:
    """Whether an account's venue has said that it is not connected."""
    record = core.state.venues.get(venue_of(account))
    return record is not None and record.down


def settle(core: Core, *, force: bool = False) -> None:
    """Recompute what is in force; when it changed, publish it and bring every slot in line.

    What strategies want is reviewed first: envelopes and limits may have changed while nothing could be sent.
    """
    state = core.state
    if state.starting and all(a.reconciled or is_down(core, a.id) for a in state.accounts.values()):
        state.starting = False
    base = in_force(core)
    venues = {name: worse(base, now) for name, now in venues_of(core).items()}
    moved: set[str] = set()
    for account in state.accounts.values():
        now = venues[venue_of(account.id)]
        if now is not account.trading:
            account.trading = now
            moved.add(venue_of(account.id))
    mildest = min(venues.values(), key=_RANK.__getitem__, default=base)
    changed = mildest is not state.trading
    state.trading = mildest
    if not (changed or moved or force):
        return
    tell(core, venues, moved, is_news=changed or force)
    for strategy in list(state.strategies.values()):
        if strategy.status is facts.StrategyStatus.RUNNING:
            review(core, strategy)
    converge_all(core)


def tell(core: Core, venues: dict[str, TradingState], moved: set[str], *, is_news: bool) -> None:
    """Publish the state of everything when that is news, and every venue that this does not speak of."""
    state = core.state
    if is_news:
        by, reason = why(core)
        core.facts.append(facts.TradingStateChanged(**core.at(), state=state.trading, by=by, reason=reason))
    for name, now in venues.items():
        if now is state.trading if is_news else name not in moved:
            continue
        severity = Severity.INFO if now is ACTIVE else Severity.WARNING
        reason = why_venue(core, name)
        text = f"{name} is {now.upper()}{': ' if reason else ''}{reason.removeprefix(f'{name}: ')}."
        core.alert(severity, "venue_trading", text, venue=name)
