"""Break-glass: in an emergency anybody linked, whatever their role, may stop things. It can only lower risk.

It needs a one-time code and a reason, everybody is told, and somebody else looks at it within a day; what nobody has
looked at is told again every day.
"""

from __future__ import annotations

from domain import commands as c
from domain.facts import Severity
from domain.settings import HOUR_NS
from domain.verdict import Reason, Veto
from engine.core import operate, people
from engine.core.core import Core
from engine.core.state import ReviewDue

ACTIONS = ("halt", "flatten")
"""What it can do: nothing else, and nothing that adds risk."""
REMEMBERED_REVIEWS = 100


def break_glass(core: Core, who: str, command: c.BreakGlass, age_ns: int) -> Veto | str:
    """Halt or flatten for a person who may not otherwise; then the review is due."""
    if command.action not in ACTIONS:
        return Veto(Reason.BAD_VALUE, f"{command.action!r:.40}; break-glass can only {' or '.join(ACTIONS)}")
    if not command.reason.strip():
        return Veto(Reason.REASON_MISSING)
    refusal = people.use_code(core, who, command.step, needed=True)
    if refusal is not None:
        return refusal
    reason = f"break-glass by {who}: {command.reason}"
    if command.action == "halt":
        done: Veto | str = operate.halt(core, who, reason)
    else:
        done = operate.flatten(core, who, c.Flatten(scope=command.scope, reason=reason), age_ns)
    if isinstance(done, Veto) and done.reason is not Reason.TOO_OLD:
        return done  # one that is too old has halted
    state = core.state
    due = ReviewDue(
        id=f"G{state.seq}",
        person=who,
        text=f"{command.action} {command.scope or 'all'}: {command.reason}",
        ts_ns=state.ts_ns,
        due_ns=state.ts_ns + state.settings.approvals.review_ns,
    )
    state.reviews[due.id] = due
    for old in [r.id for r in state.reviews.values() if r.reviewed_by][:-REMEMBERED_REVIEWS]:
        del state.reviews[old]
    drop_oldest(core, who)
    core.set_timer(f"review:{due.id}", due.due_ns)
    core.alert(
        Severity.CRITICAL,
        "break_glass",
        f"BREAK-GLASS {due.id} by {who}: {due.text}. Somebody else reviews it within "
        f"{state.settings.approvals.review_ns // HOUR_NS} h: /review {due.id} what you found.",
        review=due.id,
    )
    if isinstance(done, Veto):
        return done
    return f"{done} Everybody is told; {due.id} waits for a review by somebody else."


def drop_oldest(core: Core, who: str) -> None:
    """So many wait and no more: one too many lets the oldest of the same person go, so that it hides nobody else's."""
    waiting = [due for due in core.state.reviews.values() if not due.reviewed_by]
    if len(waiting) <= REMEMBERED_REVIEWS:
        return
    own = [due for due in waiting if due.person == who]
    oldest = (own if len(own) > 1 else waiting)[0]
    del core.state.reviews[oldest.id]
    core.drop_timer(f"review:{oldest.id}")
    text = f"{oldest.id} (break-glass by {oldest.person}: {oldest.text}) waits for no review any more: "
    core.alert(Severity.CRITICAL, "review_dropped", f"{text}{REMEMBERED_REVIEWS} newer ones do.", review=oldest.id)


def review(core: Core, who: str, command: c.Review) -> Veto | str:
    """Somebody else has looked at it."""
    due = core.state.reviews.get(command.id)
    if due is None or due.reviewed_by:
        waiting = ", ".join(r.id for r in core.state.reviews.values() if not r.reviewed_by) or "none"
        return Veto(Reason.NO_SUCH, f"{command.id} waits for no review; there are {waiting}")
    if due.person == who:
        return Veto(Reason.OWN_REQUEST, "somebody else reviews it")
    if not command.note.strip():
        return Veto(Reason.REASON_MISSING, "what did you find?")
    due.reviewed_by, due.note = who, command.note
    core.drop_timer(f"review:{due.id}")
    text = f"{due.id} (break-glass by {due.person}) was reviewed by {who}: {due.note}."
    core.alert(Severity.INFO, "reviewed", text, review=due.id)
    return f"{due.id} is reviewed."


def on_due(core: Core, review_id: str) -> None:
    """Timer: nobody has looked at it in time; it is told again every day."""
    due = core.state.reviews.get(review_id)
    if due is None or due.reviewed_by:
        return
    core.set_timer(f"review:{due.id}", core.state.ts_ns + 24 * HOUR_NS)
    text = f"Nobody has reviewed {due.id}, break-glass by {due.person} ({due.text})."
    core.alert(Severity.CRITICAL, "review_due", text, review=due.id)


def on_started(core: Core) -> None:
    """A new run: reviews are due when they were."""
    for due in core.state.reviews.values():
        if not due.reviewed_by:
            core.set_timer(f"review:{due.id}", max(due.due_ns, core.state.ts_ns))
