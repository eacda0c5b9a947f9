"""Requests in full, for people who are to vote: what will be carried out, who may vote, and why somebody may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.commands import Command, Door
from domain.detail_views import RequestDetail, VoterView
from domain.facts import RequestStatus
from domain.settings import Person, RoleName
from domain.verdict import Reason
from engine.core import people
from engine.core import requests as core_requests
from engine.core.core import Core
from engine.core.state import Request
from risk import approvals

MOST_TEXT = 400
"""Characters of one field; the digest is over all of it."""
LEFT_OUT = frozenset({"type", "source", "step", "rules", "problems", "settings"})
"""Fields of a command that the desk fills in for the core, and nobody reads."""

NOTHING: tuple[object, ...] = ("", None, [], (), {})


def requests(core: Core) -> list[RequestDetail]:
    """Those that wait, the next to expire first, then the decided ones that are remembered, newest first."""
    every = list(core.state.requests.values())
    waiting = [made for made in every if made.status is RequestStatus.PENDING]
    decided = [made for made in every if made.status is not RequestStatus.PENDING]
    return [
        *(detail(core, made) for made in sorted(waiting, key=lambda made: made.expires_ns)),
        *(detail(core, made) for made in sorted(decided, key=lambda made: -made.created_ns)),
    ]


def detail(core: Core, made: Request) -> RequestDetail:
    """One request."""
    needs = core_requests.terms(core, made)
    is_open = made.status is RequestStatus.PENDING
    return RequestDetail(
        id=made.id,
        what=made.what,
        text=made.text,
        requester=made.requester,
        asker=made.asker or made.requester,
        status=made.status.value,
        votes=tuple(made.votes),
        votes_needed=needs.votes,
        role=needs.role.name.lower(),
        requester_counts=needs.requester_counts,
        created_ns=made.created_ns,
        expires_ns=made.expires_ns,
        digest=made.digest,
        settings_hash=made.revision,
        content=tuple(_content(core, made)),
        voters=tuple(_voter(core, made, person) for person in core.persons.values()) if is_open else (),
        needs_code=core.state.settings.approvals.codes,
        denied_by=made.denied_by,
    )


def _voter(core: Core, made: Request, person: Person) -> VoterView:
    """Whether a vote would count now: as `engine.core.requests.vote` judges it, but for the code and the door."""
    reason = approvals.may_vote(
        person, requester=made.requester, votes=made.votes, terms=core_requests.terms(core, made)
    )
    why = _why(reason, core_requests.terms(core, made).role) if reason is not None else ""
    later = people.too_new(core, person.id, Door.DASHBOARD)
    if core.state.settings.approvals.codes and later is None:
        later = people.locked(core, person.id)
    if not why and later is not None:
        why = f"{later.reason.words} ({later.detail})" if later.detail else later.reason.words
    return VoterView(
        person=person.id,
        name=person.name,
        role=person.role.name.lower(),
        may=not why,
        why_not=why,
        has_voted=person.id in made.votes,
    )


def _why(reason: Reason, role: RoleName) -> str:
    """Why somebody's vote does not count, for everybody to read."""
    told = {
        Reason.ROLE: f"it takes role {role.name.lower()} or higher",
        Reason.OWN_REQUEST: "who asks does not vote",
        Reason.ALREADY_VOTED: "has voted",
    }
    return told.get(reason, reason.words)


def _content(core: Core, made: Request) -> Iterator[tuple[str, str]]:
    if made.parked is not None:
        yield from _parked(core, made)
    elif made.command is not None:
        yield from _fields(made.command)


def _parked(core: Core, made: Request) -> Iterator[tuple[str, str]]:
    parked = made.parked
    slot = core.state.slots.get(parked.slot) if parked is not None else None
    if parked is None or slot is None:
        return
    instrument = core.instruments[slot.instrument]
    added = instrument.notional(parked.price, parked.added)
    yield "instrument", slot.instrument
    yield "account", slot.account
    yield "position wanted", instrument.qty_text(parked.target)
    yield "held now", instrument.qty_text(core.position(slot.account, slot.instrument))
    yield "adds", f"{instrument.qty_text(parked.added)}, worth {added:.2f}"
    yield "price then", instrument.price_text(parked.price)
    mark = core.markets[slot.instrument].reference()
    if mark:
        yield "price now", instrument.price_text(mark)
    yield "entry", parked.entry or "-"


def _fields(command: Command) -> Iterator[tuple[str, str]]:
    for name, value in msgspec.to_builtins(command).items():
        if name not in LEFT_OUT and value not in NOTHING and (name, value) != ("rollback", -1):
            yield from _pairs(name.replace("_", " "), value)


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - builtins of any shape
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _pairs(f"{name} {key}", item)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield name, _edit(item) if isinstance(item, dict) and "path" in item else str(item)[:MOST_TEXT]
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        yield name, text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}... ({len(text)} characters)"


def _edit(item: dict[str, Any]) -> str:
    path = ".".join(str(part).strip("[]") for part in item["path"])
    before = "not there" if item.get("is_new") else item.get("before")
    after = "taken out" if item.get("is_removed") else item.get("after")
    return f"{path}: {before} -> {after}"[:MOST_TEXT]
