"""Overrides in force, break-glass reviews and requests as people see them."""

from __future__ import annotations

from domain import views as v
from engine.core.core import Core
from engine.core.requests import terms
from engine.core.state import Request
from risk.rules import RULES


def overrides(core: Core) -> tuple[v.OverrideView, ...]:
    """Limits that are loosened now, the next to end first."""
    rows = [
        v.OverrideView(
            rule=override.rule,
            scope=override.scope,
            value=override.value,
            unit=RULES[override.rule].unit.value if override.rule in RULES else "",
            since_ns=override.since_ns,
            until_ns=override.until_ns,
            persons=override.persons,
            reason=override.reason,
            request=override.request,
        )
        for override in core.state.overrides.values()
    ]
    return tuple(sorted(rows, key=lambda row: row.until_ns))


def reviews(core: Core) -> tuple[v.ReviewView, ...]:
    """Break-glasses that nobody else has looked at yet."""
    return tuple(
        v.ReviewView(id=due.id, person=due.person, text=due.text, due_ns=due.due_ns)
        for due in core.state.reviews.values()
        if not due.reviewed_by
    )


def request(core: Core, made: Request) -> v.RequestView:
    """One request, waiting or decided."""
    return v.RequestView(
        id=made.id,
        what=made.what,
        text=made.text,
        requester=made.requester,
        votes=tuple(made.votes),
        votes_needed=terms(core, made).votes,
        status=made.status.value,
        expires_ns=made.expires_ns,
        digest=made.digest,
    )
