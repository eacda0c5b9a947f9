"""What persons' votes depend on besides their role: how new role and chat link are, and one-time codes.

Codes are checked at the desk, which knows the secrets; here is what must outlive a restart and be the same in a replay:
that a code counts once, and that wrong ones lock.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.commands import Door, StepUp
from domain.edits import Edit
from domain.facts import Severity
from domain.security import AccessKind, AccessNoted, CodeMissed
from domain.settings import MINUTE_NS, SECOND_NS, Person
from domain.verdict import Reason, Veto
from engine.core.core import Core
from engine.core.state import Standing

LINKS = {Door.TELEGRAM: "telegram_user_id", Door.DISCORD: "discord_user_id"}
"""Where a person's settings name their account, by channel."""
QUIET = frozenset({AccessKind.LOGIN, AccessKind.LINK_MADE, AccessKind.LOGGED_OUT, AccessKind.STEPPED_UP})
"""Ways in that people take every day."""
WRONG = -1
"""Instead of a time step: a code was given, and it was wrong."""


def standing(core: Core, person: str) -> Standing:
    """A person's standing, made on first use."""
    found = core.state.standings.get(person)
    if found is None:
        found = core.state.standings[person] = Standing()
    return found


def take_over(core: Core, before: Sequence[Person]) -> None:
    """The settings in force name other people than `before`: from now on what is new about them waits.

    Of whoever is gone nothing is known any more: one who returns is new.
    """
    for gone in [name for name in core.state.standings if name not in core.persons]:
        del core.state.standings[gone]
    known = {person.id: person for person in before}
    now = core.state.ts_ns
    for person in core.state.settings.persons:
        old = known.get(person.id)
        if old == person:
            continue
        if old is None or old.role != person.role:
            standing(core, person.id).role_ns = now
        links = (
            (Door.TELEGRAM, person.telegram_user_id, old.telegram_user_id if old else 0),
            (Door.DISCORD, person.discord_user_id, old.discord_user_id if old else 0),
        )
        for door, account, account_before in links:
            if account and account != account_before:
                standing(core, person.id).links_ns[door.value] = now


def is_own_link(person: str, edits: Sequence[Edit]) -> bool:
    """Whether a change is about nothing but the person's own chat accounts."""
    own = [("persons", f"[{person}]", name) for name in LINKS.values()]
    return bool(edits) and all(edit.path in own and not edit.is_new and not edit.is_removed for edit in edits)


def unlinks(person: str, edits: Sequence[Edit]) -> bool:
    """Whether a change only takes the person's own chat accounts away: nobody is heard who was not before."""
    return is_own_link(person, edits) and all(edit.after == 0 for edit in edits)


def shared_account(persons: Sequence[Person]) -> Veto | None:
    """An account speaks for one person, whoever agreed to what in the meantime."""
    for door, name in LINKS.items():
        accounts = [account for person in persons if (account := getattr(person, name))]
        if len(set(accounts)) < len(accounts):
            return Veto(Reason.BAD_VALUE, f"a {door.value} account would speak for two persons")
    return None


def voice_from_ns(core: Core, person: str, door: Door | None = None) -> int:
    """From when a person's vote counts, through a door where one is named; in the past for all who are not new."""
    found = core.state.standings.get(person)
    if found is None:
        return 0
    approvals = core.state.settings.approvals
    role_ns = found.role_ns + approvals.role_wait_ns if found.role_ns else 0
    linked_ns = found.links_ns.get(door.value, 0) if door is not None else 0
    return max(role_ns, linked_ns + approvals.link_wait_ns if linked_ns else 0)


def too_new(core: Core, person: str, door: Door) -> Veto | None:
    """Why a person's vote does not count yet."""
    left_ns = voice_from_ns(core, person, door) - core.state.ts_ns
    return Veto(Reason.TOO_NEW, f"{-(-left_ns // SECOND_NS)} s to go") if left_ns > 0 else None


def locked(core: Core, person: str) -> Veto | None:
    """Why no code of a person is looked at now."""
    found = core.state.standings.get(person)
    left_ns = found.locked_until_ns - core.state.ts_ns if found is not None else 0
    return Veto(Reason.LOCKED, f"{-(-left_ns // SECOND_NS)} s to go") if left_ns > 0 else None


def use_code(core: Core, person: str, step: int, *, needed: bool) -> Veto | None:
    """Let a code count, once: `step` is its time step, 0 = none was given, below = a wrong one."""
    if not step:
        return Veto(Reason.CODE_NEEDED) if needed else None
    refusal = locked(core, person)
    if refusal is not None:
        return refusal
    if step < 0:
        return Veto(Reason.CODE_WRONG)
    found = standing(core, person)
    if step <= found.step:
        return Veto(Reason.CODE_USED)
    found.step, found.misses = step, 0
    return None


def step_up(core: Core, who: str, command: StepUp) -> Veto | str:
    """A person has proved who they are; what that opens is not the core's affair."""
    return use_code(core, who, command.step, needed=True) or f"{who} has given a one-time code: {command.purpose}."


def on_access_noted(core: Core, event: AccessNoted) -> None:
    """Who came in, or tried to, on record; people look where something was refused, or a token is new."""
    loud = event.kind not in QUIET
    about = f", {event.person}" if event.person else ""
    said = f"{event.text}{about}, by {event.by or 'nobody known'} from {event.ip or 'this machine'}."
    labels = {"what": event.kind.value, "person": event.person}
    core.alert(Severity.WARNING if loud else Severity.INFO, "access", said[:1].upper() + said[1:], **labels)


def on_code_missed(core: Core, event: CodeMissed) -> None:
    """A wrong code: enough of them in a row lock the person's votes, and everybody hears of it."""
    if event.person not in core.persons:
        return
    approvals, found = core.state.settings.approvals, standing(core, event.person)
    found.misses += 1
    core.alert(Severity.INFO, "code", f"{event.person} gave a wrong code at {event.source}.", person=event.person)
    if found.misses < approvals.code_misses:
        return
    found.misses, found.locked_until_ns = 0, core.state.ts_ns + approvals.code_lock_ns
    core.alert(
        Severity.CRITICAL,
        "code_lock",
        f"{approvals.code_misses} wrong codes of {event.person}, the last at {event.source}: their votes are locked "
        f"for {approvals.code_lock_ns // MINUTE_NS} min. If that was not {event.person}, somebody has their account: "
        "take the link out of the settings.",
        person=event.person,
    )
