"""Who may agree to what: pure rules of the quorum.

A vote counts once per person, never by the requester unless `requester_counts`, and only from the
approver role upwards. One deny by anyone who may vote ends a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.settings import ApprovalSettings, Person
from domain.verdict import Reason


def may_vote(
    person: Person | None, *, requester: str, votes: Sequence[str], votes_needed: int, settings: ApprovalSettings
) -> Reason | None:
    """None when the person's vote counts, else why not."""
    if person is None:
        return Reason.UNKNOWN_PERSON
    if person.role < settings.approver_role:
        return Reason.ROLE
    if person.id in votes:
        return Reason.ALREADY_VOTED
    if person.id == requester and not (settings.requester_counts and votes_needed > 1):
        return Reason.OWN_REQUEST
    return None


def has_a_voice(person: Person | None, settings: ApprovalSettings) -> bool:
    """True while somebody exists and has the approver role."""
    return person is not None and person.role >= settings.approver_role


def first_votes(requester: Person | None, *, votes_needed: int, settings: ApprovalSettings) -> list[str]:
    """Votes that a request starts with: the requester's own where it counts and more than one is needed."""
    if requester is None or not settings.requester_counts or votes_needed < 2:
        return []
    return [requester.id] if requester.role >= settings.approver_role else []


def reachable(persons: Iterable[Person], *, requester: str, votes_needed: int, settings: ApprovalSettings) -> bool:
    """True when enough persons exist whose votes could count."""
    can = [p for p in persons if p.role >= settings.approver_role]
    if not (settings.requester_counts and votes_needed > 1):
        can = [p for p in can if p.id != requester]
    return len(can) >= votes_needed
