"""Who may agree to what: pure rules of the quorum.

A vote counts once per person (never per account), never by the requester unless `requester_counts`, and only from the
approver role upwards. One deny by anyone who may vote ends a request. When the rules change while something waits, the
stricter of the old and the new ones hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain.settings import ApprovalSettings, Person, RoleName
from domain.verdict import Reason


class Terms(Struct, frozen=True, gc=False):
    """What a request needs: so many votes, of this role or higher, the requester's own among them or not."""

    votes: int
    role: RoleName
    requester_counts: bool


def terms_of(settings: ApprovalSettings, votes: int) -> Terms:
    """The terms now of a request that needs so many votes; a single vote is never the requester's own."""
    return Terms(votes, settings.approver_role, settings.requester_counts and votes > 1)


def stricter(a: Terms, b: Terms) -> Terms:
    """What satisfies both."""
    return Terms(max(a.votes, b.votes), max(a.role, b.role), a.requester_counts and b.requester_counts)


def may_vote(person: Person | None, *, requester: str, votes: Sequence[str], terms: Terms) -> Reason | None:
    """None when the person's vote counts, else why not."""
    if person is None:
        return Reason.UNKNOWN_PERSON
    if person.role < terms.role:
        return Reason.ROLE
    if person.id in votes:
        return Reason.ALREADY_VOTED
    if person.id == requester and not terms.requester_counts:
        return Reason.OWN_REQUEST
    return None


def has_a_voice(person: Person | None, terms: Terms, requester: str) -> bool:
    """True while somebody exists, has the role, and is not the requester where that one does not count."""
    return may_vote(person, requester=requester, votes=(), terms=terms) is None


def first_votes(requester: Person | None, terms: Terms) -> list[str]:
    """Votes that a request starts with: the requester's own where it counts."""
    if requester is None or not terms.requester_counts:
        return []
    return [requester.id] if requester.role >= terms.role else []


def reachable(persons: Iterable[Person], *, requester: str, terms: Terms) -> bool:
    """True when enough persons exist whose votes could count."""
    return sum(has_a_voice(p, terms, requester) for p in persons) >= terms.votes


def unreachable(persons: Sequence[Person], settings: ApprovalSettings) -> list[tuple[str, str]]:
    """Settings whose votes could never be had, each with why and what would fix it; empty when all can.

    Whoever may ask is thought of: an approver who asks is one voter less, unless `requester_counts`.
    """
    if not settings.enabled:
        return []
    role = settings.approver_role.name.lower()
    approvers = [p for p in persons if p.role >= settings.approver_role]
    found = []
    wanted = {
        "order_votes": settings.order_votes,
        "override_votes": settings.override_votes,
        "load_votes": settings.load_votes,
    }
    for key, votes in wanted.items():
        terms = terms_of(settings, votes)
        worst = min((sum(has_a_voice(p, terms, who.id) for p in persons) for who in persons), default=0)
        if worst >= votes:
            continue
        besides = "" if terms.requester_counts else " besides the requester"
        fix = [f"give {votes - worst} more person(s) the role {role}"]
        if len(approvers) >= votes > 1:
            fix.append("set approvals.requester_counts: true")
        if worst >= 1:
            fix.append(f"set approvals.{key}: {worst}")
        text = f"{votes} vote(s) of role {role} or higher{besides} can never be reached, there are {worst}"
        found.append((key, f"{text}: {', or '.join(fix)}"))
    return found
