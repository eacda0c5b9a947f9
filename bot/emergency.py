"""The verbs of an emergency: what happened, who looks after it, and how trading is got back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot.call import Call
from bot.message import Block, Message, Pairs, Table, Text, clock_text, refusal, utc_text
from bot.outcome import submit
from bot.parse import Argument, UsageError, suggest
from bot.rows import REASON, acts, lowers, reads
from domain import commands
from domain.errors import MoonDevError
from domain.facts import Severity
from domain.incident import Stage
from domain.settings import RoleName
from domain.views import IncidentView

if TYPE_CHECKING:
    from engine.desk import Desk

SHOWN = 10


async def incident(call: Call) -> Message:
    """The open incident in full, else the last ones."""
    found = call.desk.incidents()
    wanted = call.arguments.get("id", "")
    if wanted:
        return in_full(incident_of(found, wanted))
    if found and found[0].stage != Stage.CLOSED:
        return in_full(found[0])
    if not found:
        return Message(title="No incident", blocks=(Text("Nothing has broken, and nobody has flattened."),))
    rows = tuple((view.id, view.kind, utc_text(view.ts_ns), view.stage) for view in found[:SHOWN])
    note = Text("/incident list ID shows one in full, /incident report ID sends its report.")
    return Message(title="No incident is open", blocks=(Table(("id", "what", "since", "stage"), rows, left=4), note))


def incident_of(found: list[IncidentView], wanted: str) -> IncidentView:
    """The incident with that id, in any case. Raises `UsageError` with the ones there are."""
    for view in found:
        if view.id.lower() == wanted.lower():
            return view
    raise UsageError(f"no incident is called {wanted!r}: {suggest(wanted, [view.id for view in found])}")


def in_full(view: IncidentView) -> Message:
    """One incident: what happened, the damage, who did what, and what comes next."""
    steps = tuple((f"{clock_text(step.ts_ns)} {step.what}", _by(step.by, step.text)) for step in view.steps)
    damage: tuple[Block, ...] = (Text("Damage:"), *(Text(f"- {line}") for line in view.damage)) if view.damage else ()
    is_open = view.stage != Stage.CLOSED
    return Message(
        title=f"Incident {view.id}: {view.kind}, {view.stage}",
        blocks=(Text(view.text), *damage, Pairs(steps), Text(view.next_step)),
        severity=Severity.CRITICAL if is_open else Severity.INFO,
    )


def _by(person: str, text: str) -> str:
    return f"{person}: {text}" if text else person


async def acknowledge(call: Call) -> Message:
    """Look after the open incident."""
    return await submit(call, commands.AcknowledgeIncident(text=call.arguments.get("reason", "")))


async def recover(call: Call) -> Message:
    """Compare every account with its venue, as the step before a resume."""
    return await submit(call, commands.RecoverIncident())


async def report(call: Call) -> Message:
    """The report of an incident, as a file."""
    try:
        name, text = await call.desk.incident_report(call.arguments.get("id", ""))
    except MoonDevError as error:
        return refusal("No report", f"{str(error)[:1].upper()}{str(error)[1:]}.")
    note = Text("From the journal: what happened, who did what when, orders, fills, money, and the audit chain's head.")
    return Message(title=f"Report: {name}", blocks=(note,), file_name=name, file_text=text)


def _ids(desk: Desk) -> list[str]:
    return [view.id for view in desk.incidents()]


VERBS: Final = (
    reads(
        "incident list",
        "The open incident in full, else the last ones",
        incident,
        Argument(name="id", help="one of them, for example I3", required=False, complete=_ids),
        aliases=("incident show",),
        examples=("/incident", "/incident list I3"),
    ),
    lowers(
        "incident ack",
        "Look after the open incident; the damage is told",
        acknowledge,
        REASON,
        examples=("/incident ack on it",),
    ),
    acts(
        "incident recover",
        "Compare every account with its venue; then a resume can be asked for",
        recover,
        role=RoleName.RISK,
        examples=("/incident recover",),
    ),
    reads(
        "incident report",
        "The report of an incident as a file, from the journal",
        report,
        Argument(name="id", help="one of them; the newest if not said", required=False, complete=_ids),
        examples=("/incident report",),
    ),
)
