"""Requests: what waits for votes. It is state, not conversation, so any door can vote on it.

A request carries a digest of exactly what was asked, under which settings and until when; votes are for that. It ends
approved, denied, expired or failed (approved, but the re-check at that moment refused it). Carrying out is in
`engine.core.commands`, in the same step as the last vote: no crash comes between.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from domain import commands as c
from domain import facts
from domain.codec import digest
from domain.commands import Command, Door
from domain.facts import RequestStatus, Severity
from domain.settings import SECOND_NS
from domain.verdict import Reason, Veto
from engine.core import people
from engine.core.core import Core
from engine.core.state import MANUAL, Parked, Request, Slot
from risk import approvals
from risk.approvals import Terms

REMEMBERED_REQUESTS = 200
SHOWN = 8
"""Characters of a digest that people see."""
TWO = 2
"""Persons that it takes to mute critical alerts, who asks among them."""


def publish(core: Core, request: Request, *, reminder: bool = False) -> None:
    """Tell the world where a request stands."""
    core.facts.append(
        facts.RequestChanged(
            **core.at(),
            request=request.id,
            what=request.what,
            requester=request.requester,
            status=request.status,
            votes=tuple(request.votes),
            votes_needed=terms(core, request).votes,
            expires_ns=request.expires_ns,
            digest=request.digest,
            text=request.text,
            reminder=reminder,
        )
    )


def terms(core: Core, request: Request) -> Terms:
    """What a request needs: the stricter of what was asked for when it was opened and what the settings say now."""
    settings = core.state.settings.approvals
    now = settings.order_votes if request.command is None else votes_for(core, request.command)
    return approvals.stricter(
        Terms(request.needed, request.role, request.requester_counts), approvals.terms_of(settings, now)
    )


def votes_for(core: Core, command: Command) -> int:
    """How many votes a command needs."""
    settings = core.state.settings.approvals
    if isinstance(command, c.MuteAlerts):
        return TWO - (not settings.requester_counts)
    if isinstance(command, c.ManualLimit):
        return settings.order_votes
    return settings.load_votes if isinstance(command, c.PutsToWork) else settings.override_votes


def missing(core: Core, request: Request) -> int:
    """How many more votes a request needs."""
    return max(0, terms(core, request).votes - len(request.votes))


def content_digest(request: Request) -> str:
    """SHA-256 over everything that a vote is for: the act, who asks, the terms, the settings' hash, the expiry."""
    return digest(
        [
            request.id,
            request.what,
            request.text,
            request.requester,
            request.command,
            request.parked,
            [request.needed, request.role, request.requester_counts],
            request.revision,
            request.expires_ns,
        ]
    )


def open_request(
    core: Core,
    *,
    what: str,
    text: str,
    requester: str,
    needed: int,
    ttl_ns: int,
    command: Command | None = None,
    parked: Parked | None = None,
) -> Request | Veto:
    """Open a request, or why it could never be approved, or is not asked now.

    `requester` is the person behind it, whose own vote is none; for a strategy's own idea the strategy is who asks.
    """
    state, settings = core.state, core.state.settings.approvals
    asker = requester if parked is None else asker_of(state.slots[parked.slot], requester)
    needs, expires_ns = approvals.terms_of(settings, needed), state.ts_ns + ttl_ns
    voters = [p for p in state.settings.persons if people.voice_from_ns(core, p.id) < expires_ns]
    if not approvals.reachable(voters, requester=requester, terms=needs):
        return Veto(Reason.QUORUM_UNREACHABLE)
    refusal = fatigue(core, asker)
    if refusal is not None:
        return refusal
    state.requests_made += 1
    request = Request(
        id=f"R{state.requests_made}",
        what=what,
        text=text,
        requester=requester,
        needed=needed,
        created_ns=state.ts_ns,
        expires_ns=expires_ns,
        digest="",
        votes=[] if settings.codes or asker != requester else approvals.first_votes(core.persons.get(requester), needs),
        command=command,
        parked=parked,
        role=needs.role,
        requester_counts=needs.requester_counts,
        revision=state.settings_hash,
        asker=asker,
    )
    request.digest = content_digest(request)
    request.votes[:] = [v for v in request.votes if people.voice_from_ns(core, v) <= state.ts_ns]
    state.requests[request.id] = request
    done = [r.id for r in state.requests.values() if r.status is not RequestStatus.PENDING]
    for old in done[: max(0, len(state.requests) - REMEMBERED_REQUESTS)]:
        del state.requests[old]
    set_timers(core, request)
    publish(core, request)
    return request


def fatigue(core: Core, asker: str) -> Veto | None:
    """Why approvers are not asked by this person or strategy now: too much is open, or a denial is fresh."""
    state, settings = core.state, core.state.settings.approvals
    waiting = [r.id for r in state.requests.values() if r.asker == asker and r.status is RequestStatus.PENDING]
    if len(waiting) >= settings.max_open:
        return Veto(Reason.TOO_MANY_OPEN, f"{', '.join(waiting)}; {settings.max_open} at a time")
    left_ns = state.denied.get(asker, -settings.deny_pause_ns) + settings.deny_pause_ns - state.ts_ns
    if left_ns > 0:
        return Veto(Reason.COOLING_DOWN, f"{-(-left_ns // SECOND_NS)} s to go")
    return None


def remember_denial(core: Core, asker: str) -> None:
    """What this person or strategy asked for was denied just now; what no pause follows any more is forgotten."""
    denied, now_ns = core.state.denied, core.state.ts_ns
    for name in [n for n, at in denied.items() if now_ns - at >= core.state.settings.approvals.deny_pause_ns]:
        del denied[name]
    denied[asker] = now_ns


def set_timers(core: Core, request: Request) -> None:
    """Expire it in time, and remind people when half of its time is over."""
    core.set_timer(f"request:{request.id}", request.expires_ns)
    half_ns = (request.created_ns + request.expires_ns) // 2
    if half_ns > core.state.ts_ns:
        core.set_timer(f"remind:{request.id}", half_ns)


def on_started(core: Core) -> None:
    """A new run: what waited waits on with the time that is left, and what ran out meanwhile is over at once."""
    drop_votes(core)
    for request in list(core.state.requests.values()):
        if request.status is RequestStatus.PENDING and request.expires_ns <= core.state.ts_ns:
            expire(core, request.id)
        elif request.status is RequestStatus.PENDING:
            set_timers(core, request)


def subject_of(command: Command) -> tuple[Any, ...]:  # noqa: PLR0911 - one per command
    """What a command is about: a second one of the same person about the same takes the place of the first."""
    match command:
        case c.SetHold() | c.SetCap():
            return command.account, command.instrument
        case c.Override():
            return command.rule, command.scope
        case c.SetParams() | c.RaiseEnvelope() | c.StartStrategy() | c.ReloadStrategy():
            return (command.strategy,)
        case c.LoadStrategy():
            return (command.spec.id,)
        case c.Resume():
            return (command.venue,)
        case c.SetBreaker():
            return (command.name,)
        case c.RotateKey():
            return (command.key,)
        case c.ChangeSettings():
            return tuple(edit.path for edit in command.edits)
        case c.MuteAlerts():
            return command.kind, *sorted(command.labels.items())
        case _:
            return ()


def waiting_alike(core: Core, asker: str, command: Command) -> Request | None:
    """What the same person has asked for about the same thing, and still waits."""
    for request in core.state.requests.values():
        if request.status is not RequestStatus.PENDING or request.asker != asker or request.command is None:
            continue
        if type(request.command) is type(command) and subject_of(request.command) == subject_of(command):
            return request
    return None


def park(core: Core, slot: Slot, parked: Parked, notional: Decimal) -> str:
    """Open a request for a large target; returns its id, or "" when nobody could approve it or may be asked now."""
    instrument = core.instruments[slot.instrument]
    person = parked_by(core, slot)
    asker = asker_of(slot, person)
    behind = f" (put to work by {person})" if person not in {"", asker} else ""
    request = open_request(
        core,
        what="order",
        text=f"{asker}{behind} wants {instrument.qty_text(parked.target)} "
        f"{slot.instrument} on {slot.account}, "
        f"adding {notional:.2f} at about {instrument.price_text(parked.price)}",
        requester=person,
        needed=core.state.settings.approvals.order_votes,
        ttl_ns=core.state.settings.approvals.order_ttl_ns,
        parked=parked,
    )
    if isinstance(request, Veto):
        if slot.refused != request.reason.value:
            text = f"{slot.owner} wants a large order in {slot.instrument}, but {request.reason.words}. It is refused."
            core.alert(Severity.WARNING, "quorum", text, strategy=slot.owner, instrument=slot.instrument)
        core.refuse(slot, request.reason, request.detail or "large order")
        return ""
    return request.id


def parked_by(core: Core, slot: Slot) -> str:
    """The person behind a target: who sent the manual order, or put the strategy to work; "" = the configuration."""
    owner = core.state.strategies.get(slot.owner)
    person = owner.by if owner is not None else ""
    if slot.owner.startswith(MANUAL):
        person, _, _ = slot.manual_by.partition("|")
    return person if person in core.persons else ""


def asker_of(slot: Slot, person: str) -> str:
    """Who asks for a target: the person of a manual order, else the strategy, whoever is behind it."""
    return person if person and slot.owner.startswith(MANUAL) else slot.owner


def vote(core: Core, ballot: c.Approve, person: str, door: Door) -> Request | Veto:
    """Count a vote; the request comes back with all its votes, or why this one does not count."""
    refusal = people.use_code(core, person, ballot.step, needed=core.state.settings.approvals.codes)
    request = core.state.requests.get(ballot.request)
    if request is not None and request.status is RequestStatus.PENDING and core.state.ts_ns >= request.expires_ns:
        expire(core, request.id)
        return Veto(Reason.EXPIRED, request.id)
    if request is None or request.status is not RequestStatus.PENDING:
        return Veto(Reason.NOT_PENDING, ballot.request + (f" is {request.status}" if request is not None else ""))
    needs = terms(core, request)
    voter = core.persons.get(person)
    reason = approvals.may_vote(voter, requester=request.requester, votes=request.votes, terms=needs)
    if reason is not None:
        return Veto(reason, request.id)
    refusal = refusal or people.too_new(core, person, door)
    if refusal is not None:
        return refusal
    if not request.digest.startswith(ballot.digest):
        return Veto(Reason.DIGEST, f"{request.id} is {request.digest[:SHOWN]}, the vote was for {ballot.digest}")
    request.votes[:] = [*voices(core, request), person]
    if len(request.votes) < needs.votes:
        publish(core, request)
    return request


def voices(core: Core, request: Request) -> list[str]:
    """The votes of a request that count still."""
    needs = terms(core, request)
    return [v for v in request.votes if approvals.has_a_voice(core.persons.get(v), needs, request.requester)]


def drop_votes(core: Core) -> None:
    """Other settings are in force: who has lost the role has lost their votes, also if they get it back later."""
    for request in core.state.requests.values():
        if request.status is not RequestStatus.PENDING:
            continue
        kept = voices(core, request)
        if kept != request.votes:
            request.votes[:] = kept
            publish(core, request)


def end(core: Core, request: Request, status: RequestStatus, why: str = "") -> None:
    """Decide a request."""
    request.status = status
    if why:
        request.text = f"{request.text} ({why})"
    core.drop_timer(f"request:{request.id}")
    core.drop_timer(f"remind:{request.id}")
    if request.parked is not None:
        slot = core.state.slots.get(request.parked.slot)
        if slot is not None and slot.parked == request.id:
            slot.parked = ""
            if status in {RequestStatus.DENIED, RequestStatus.EXPIRED}:
                slot.declined = request.parked.entry
    publish(core, request)


def withdraw(core: Core, request_id: str, why: str) -> None:
    """End a pending request that nobody wants any more."""
    request = core.state.requests.get(request_id)
    if request is not None and request.status is RequestStatus.PENDING:
        end(core, request, RequestStatus.EXPIRED, why)


def expire(core: Core, request_id: str) -> None:
    """Timer: a request ran out of time."""
    withdraw(core, request_id, "expired without enough votes")


def remind(core: Core, request_id: str) -> None:
    """Timer: half of its time is over and it still waits."""
    request = core.state.requests.get(request_id)
    if request is not None and request.status is RequestStatus.PENDING:
        publish(core, request, reminder=True)
