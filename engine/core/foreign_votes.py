"""Votes, halts and overrides in events that this build must not step (see `engine.core.foreign`)."""

from __future__ import annotations

from domain import commands as c
from domain.account import venue_of
from domain.facts import RequestStatus, TradingState
from domain.settings import Settings
from domain.verdict import Veto
from engine.core import commands, config, glass, operate, overrides, people, requests
from engine.core.core import Core
from engine.core.manual import find_slot
from engine.core.state import Slot


def halt(core: Core, who: str, reason: str) -> None:
    """HALTED, and what was asked for before it is over."""
    state = core.state
    state.latched, state.latched_by, state.latched_reason = TradingState.HALTED, who, reason
    for request in list(state.requests.values()):
        if request.parked is not None or isinstance(request.command, c.Resume):
            requests.withdraw(core, request.id, "trading became HALTED since it was asked")


def halt_venue(core: Core, who: str, command: c.Halt) -> None:
    """HALTED at one venue, and what was asked for there is over."""
    if command.venue not in {venue_of(account) for account in core.state.accounts}:
        return
    record = core.venue(command.venue)
    record.latched, record.by, record.reason = TradingState.HALTED, who, command.reason or f"halted by {who}"
    for request in list(core.state.requests.values()):
        parked = request.parked is not None and venue_of(core.state.slots[request.parked.slot].account) == command.venue
        if parked or (isinstance(request.command, c.Resume) and request.command.venue in {"", command.venue}):
            requests.withdraw(core, request.id, f"{command.venue} became HALTED since it was asked")


def resume(core: Core, _who: str, _command: c.Resume) -> None:
    """It is asked for again; but nothing goes on being closed that people may have let live."""
    for slot in core.state.slots.values():
        slot.flat = False


def deny(core: Core, who: str, command: c.Deny) -> None:
    """End a request that is known."""
    commands.deny(core, who, command)


def approve(core: Core, who: str, vote: c.Approve, door: c.Door) -> None:
    """Count a vote for a request that is known, and carry it out with the last one; resumes are asked for again."""
    request = requests.vote(core, vote, who, door)
    if isinstance(request, Veto) or requests.missing(core, request):
        return
    requests.end(core, request, RequestStatus.APPROVED)
    match request.command:
        case c.SetHold() as command:
            core.slot(command.account, command.instrument).hold = False
        case c.SetCap() as command:
            set_cap(core, command)
        case c.RaiseEnvelope() as command if command.strategy in core.state.strategies:
            core.state.strategies[command.strategy].envelope = command.notional
        case c.ApplySettings() as command if operate.settings_objection(core, command.settings) is None:
            persons = core.state.settings.persons
            core.state.settings, core.state.settings_hash = command.settings, command.content_hash
            operate.open_accounts(core)
            core.refresh()
            people.take_over(core, persons)
            requests.drop_votes(core)
        case c.ChangeSettings() as command:
            take_settings(core, command)
        case c.Resume() as command:
            resume(core, who, command)
        case _:
            return


def take_settings(core: Core, command: c.ChangeSettings) -> None:
    """A change that was in force then."""
    after = config.settings_after(core, command)
    if isinstance(after, Settings) and operate.settings_objection(core, after) is None:
        persons = core.state.settings.persons
        version = config.record(core, after, "people, before the build changed", command.reason)
        core.state.settings, core.state.settings_hash = after, version.content_hash
        core.refresh()
        people.take_over(core, persons)
        requests.drop_votes(core)


def set_cap(core: Core, command: c.SetCap) -> None:
    """Cap a slot, or lift its cap."""
    slot = find_slot(core, command.account, command.instrument)
    if isinstance(slot, Slot):
        slot.cap = None if command.qty is None else abs(core.instruments[command.instrument].qty(command.qty))


def ask_again(_core: Core, _who: str, _command: c.Command) -> None:
    """It takes votes, for a request that was opened in these events and is not known; or a person does it again."""


def end_override(core: Core, _who: str, command: c.EndOverride) -> None:
    """A limit holds again."""
    core.state.overrides.pop(overrides.key_of(command.rule, command.scope), None)


def break_glass(core: Core, who: str, command: c.BreakGlass) -> None:
    """What was stopped in an emergency stays stopped; positions are closed by who is there now."""
    if people.use_code(core, who, command.step, needed=True) is None:
        halt(core, who, f"break-glass by {who}: {command.reason}")


def reviewed(core: Core, who: str, command: c.Review) -> None:
    """Somebody else has looked at a break-glass."""
    glass.review(core, who, command)
