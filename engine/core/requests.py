"""Requests: what waits for votes. It is state, not conversation, so any door can vote on it.

A request carries a digest of exactly what was asked; votes are for that. It ends approved, denied,
expired or failed (approved, but the re-check at that moment refused it). Carrying out is in
`engine.core.commands`.
"""

from __future__ import annotations

from decimal import Decimal

from domain import facts
from domain.codec import digest
from domain.commands import Command
from domain.facts import RequestStatus, Severity
from domain.verdict import Reason
from engine.core.core import Core
from engine.core.state import MANUAL, Parked, Request, Slot
from risk import approvals

REMEMBERED_REQUESTS = 200


def publish(core: Core, request: Request) -> None:
    """Tell the world where a request stands."""
    core.facts.append(
        facts.RequestChanged(
            **core.at(),
            request=request.id,
            what=request.what,
            requester=request.requester,
            status=request.status,
            votes=tuple(request.votes),
            votes_needed=request.needed,
            expires_ns=request.expires_ns,
            digest=request.digest,
            text=request.text,
        )
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
) -> Request | Reason:
    """Open a request, or the reason why it could never be approved."""
    state = core.state
    settings = state.settings.approvals
    persons = state.settings.persons
    if not approvals.reachable(persons, requester=requester, votes_needed=needed, settings=settings):
        return Reason.QUORUM_UNREACHABLE
    state.requests_made += 1
    request = Request(
        id=f"R{state.requests_made}",
        what=what,
        text=text,
        requester=requester,
        needed=needed,
        created_ns=state.ts_ns,
        expires_ns=state.ts_ns + ttl_ns,
        digest=digest([what, text, command, parked, state.settings_hash, state.ts_ns + ttl_ns])[:8],
        votes=approvals.first_votes(core.persons.get(requester), votes_needed=needed, settings=settings),
        command=command,
        parked=parked,
    )
    state.requests[request.id] = request
    done = [r.id for r in state.requests.values() if r.status is not RequestStatus.PENDING]
    for old in done[: max(0, len(state.requests) - REMEMBERED_REQUESTS)]:
        del state.requests[old]
    core.set_timer(f"request:{request.id}", request.expires_ns)
    publish(core, request)
    return request


def park(core: Core, slot: Slot, parked: Parked, notional: Decimal) -> str:
    """Open a request for a large target; returns its id, or "" when nobody could approve it."""
    instrument = core.instruments[slot.instrument]
    requester = parked_by(core, slot)
    request = open_request(
        core,
        what="order",
        text=f"{requester or slot.owner} wants {instrument.qty_text(parked.target)} "
        f"{slot.instrument} on {slot.account}, "
        f"adding {notional:.2f} at about {instrument.price_text(parked.price)}",
        requester=requester,
        needed=core.state.settings.approvals.order_votes,
        ttl_ns=core.state.settings.approvals.order_ttl_ns,
        parked=parked,
    )
    if isinstance(request, Reason):
        if slot.refused != request.value:
            core.alert(
                Severity.WARNING,
                "quorum",
                f"{slot.owner} wants a large order in {slot.instrument}, but {request.words}. It is refused.",
            )
        core.refuse(slot, request, "large order")
        return ""
    return request.id


def parked_by(core: Core, slot: Slot) -> str:
    """The person behind a target: who sent the manual order, nobody for a strategy's own idea."""
    person, _, _ = slot.manual_by.partition("|")
    return person if slot.owner.startswith(MANUAL) and person in core.persons else ""


def vote(core: Core, request_id: str, person: str) -> Request | Reason:
    """Count a vote; the request comes back with all its votes, or the reason why this one does not count."""
    request = core.state.requests.get(request_id)
    if request is None or request.status is not RequestStatus.PENDING:
        return Reason.NOT_PENDING
    settings = core.state.settings.approvals
    voter = core.persons.get(person)
    reason = approvals.may_vote(
        voter, requester=request.requester, votes=request.votes, votes_needed=request.needed, settings=settings
    )
    if reason is not None:
        return reason
    # a person who has lost the role since has lost the vote
    request.votes[:] = [v for v in request.votes if approvals.has_a_voice(core.persons.get(v), settings)]
    request.votes.append(person)
    if len(request.votes) < request.needed:
        publish(core, request)
    return request


def end(core: Core, request: Request, status: RequestStatus, why: str = "") -> None:
    """Decide a request."""
    request.status = status
    if why:
        request.text = f"{request.text} ({why})"
    core.drop_timer(f"request:{request.id}")
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
