"""The report of an incident, made from the journal: who, what, when, which orders and fills, what it cost.

The journal is replayed without code from the newest snapshot before the incident, so the same report can be made at any
time from the same journal. It names the head of the audit chain that it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from domain import facts as f
from domain.codec import to_json
from domain.errors import MoonDevError
from domain.incident import Incident, Step
from domain.instrument import ZERO
from domain.settings import SECOND_NS
from engine.core import incident as core_incident
from engine.core.core import Core
from engine.core.journal import JournalReader, verify
from engine.core.samples import portfolio_equity
from engine.knowledge import utc
from engine.replay import FactSource, state_at_end

LEAD_NS = 60 * SECOND_NS
"""What happened so long before belongs to it too."""
MOST_LINES = 500
"""In Markdown; the JSON has everything."""


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the time line. `what` is the kind of fact, `who` the person or part of the engine."""

    ts_ns: int
    seq: int
    what: str
    who: str
    text: str


class IncidentReport(Struct, frozen=True, kw_only=True):
    """Everything about one incident. `equity_after` is at its end, or now while it is open; money in base currency."""

    id: str
    kind: str
    text: str
    stage: str
    opened_ns: int
    closed_ns: int
    installation: str
    environment: str
    persons: tuple[str, ...]
    steps: tuple[Step, ...]
    damage: tuple[str, ...]
    equity_before: Decimal
    equity_after: Decimal
    fills: int
    fees: Decimal
    realised: Decimal
    orders: tuple[str, ...]
    left: tuple[str, ...]
    timeline: tuple[Entry, ...]
    audit_seq: int
    audit_head: str
    audit_ok: bool

    def as_json(self) -> str:
        """The report for programs."""
        return to_json(self).decode()


def build(folder: Path, name: str) -> IncidentReport:
    """The report of an incident by its id. Raises `MoonDevError` when the journal does not know it, or has a hole."""
    incident = find(folder, name)
    first = JournalReader(folder).seq_at(incident.ts_ns - LEAD_NS) or incident.seq
    source = FactSource(folder, max(first - 1, 0))
    seen = list(_until(source, first, incident.closed_seq))
    core = source.core
    fills = [fact for fact in seen if isinstance(fact, f.FillBooked) and fact.seq >= incident.seq]
    audit = verify(folder)
    entries = tuple(entry for fact in seen if (entry := _entry(core, fact)) is not None)
    people = [step.by for step in incident.steps] + [entry.who for entry in entries]
    known = [person for person in dict.fromkeys(people) if person in core.persons]
    return IncidentReport(
        id=incident.id,
        kind=incident.kind,
        text=incident.text,
        stage=incident.stage.value,
        opened_ns=incident.ts_ns,
        closed_ns=incident.closed_ns,
        installation=core.state.installation,
        environment=core.state.settings.environment.value,
        persons=tuple(known),
        steps=tuple(incident.steps),
        damage=incident.damage,
        equity_before=incident.equity,
        equity_after=portfolio_equity(core),
        fills=len(fills),
        fees=sum((fill.fee for fill in fills), start=ZERO),
        realised=sum((fill.realised for fill in fills), start=ZERO),
        orders=tuple(dict.fromkeys(fact.cid for fact in seen if isinstance(fact, f.OrderChanged))),
        left=core_incident.damage(core, incident),
        timeline=entries,
        audit_seq=audit.last_seq,
        audit_head=audit.head,
        audit_ok=audit.ok,
    )


def find(folder: Path, name: str) -> Incident:
    """An incident that the journal's engine remembers; "" = the newest. Raises `MoonDevError` when there is none."""
    known = state_at_end(folder).incidents
    if not known:
        raise MoonDevError(f"there has been no incident in {folder.parent}")
    found = known.get(name.upper()) if name else next(reversed(known.values()))
    if found is None:
        raise MoonDevError(f"no incident {name!r} is remembered; there are {', '.join(known)}")
    return found


def _until(source: FactSource, first: int, last: int) -> Iterator[f.Fact]:
    """Facts from one event up to another (0 = to the end); the source's core stands behind the last of them."""
    for fact in source:
        if last and fact.seq > last:
            return
        if fact.seq >= first:
            yield fact


def _entry(core: Core, fact: f.Fact) -> Entry | None:  # noqa: PLR0911 - one per fact
    """A line of the time line; market samples and positions are none."""
    match fact:
        case f.Alerted():
            return _line(fact, "alert", "engine", f"{fact.severity} {fact.kind}: {fact.text}")
        case f.TradingStateChanged():
            return _line(fact, "trading", fact.by or "engine", f"{fact.state.upper()}: {fact.reason}")
        case f.CommandDone():
            who = fact.actor.person or fact.actor.door.value
            return _line(fact, "command", who, f"{fact.verb} by {fact.actor.door}: {fact.text}")
        case f.RequestChanged():
            votes = f"{len(fact.votes)} of {fact.votes_needed} votes"
            return _line(fact, "vote", fact.requester, f"{fact.request} {fact.status}, {votes}: {fact.text}")
        case f.Refused():
            return _line(fact, "refused", fact.strategy, f"{fact.instrument} {fact.reason.value}: {fact.detail}")
        case f.StrategyChanged():
            return _line(fact, "strategy", fact.strategy, f"{fact.status}{f': {fact.detail}' if fact.detail else ''}")
        case f.FillBooked():
            contract = core.instruments[fact.instrument]
            qty, price = contract.qty_text(fact.side * fact.qty), contract.price_text(fact.price)
            text = (
                f"{qty} {fact.instrument} at {price} ({fact.role.name.lower()}), earned {fact.realised}, fee {fact.fee}"
            )
            return _line(fact, "fill", fact.owner, text)
        case f.OrderChanged():
            contract = core.instruments[fact.instrument]
            guards, why = " reduce-only" if fact.reduce_only else "", f", {fact.reason}" if fact.reason else ""
            qty, role = contract.qty_text(fact.side * fact.qty), fact.role.name.lower()
            text = f"{fact.cid} {qty} {fact.instrument} {role}{guards}"
            return _line(fact, "order", fact.owner, f"{text}: {fact.status.name.lower()}{why}")
        case _:
            return None


def _line(fact: f.Fact, what: str, who: str, text: str) -> Entry:
    return Entry(ts_ns=fact.ts_ns, seq=fact.seq, what=what, who=who, text=text)


def as_markdown(report: IncidentReport) -> str:
    """The report for people."""
    change = report.equity_after - report.equity_before
    end = utc(report.closed_ns) if report.closed_ns else "it is open"
    lines = [
        f"# Incident {report.id}: {report.kind}",
        "",
        report.text,
        "",
        f"- environment: {report.environment}, installation {report.installation}",
        f"- opened: {utc(report.opened_ns)}",
        f"- closed: {end}",
        f"- stage: {report.stage}",
        f"- people: {', '.join(report.persons) or 'nobody yet'}",
        f"- equity: {report.equity_before:.2f} -> {report.equity_after:.2f} ({change:+.2f})",
        f"- fills: {report.fills}, realised {report.realised:.2f}, fees {report.fees:.2f}",
        f"- orders touched: {len(report.orders)}",
        f"- audit chain: seq {report.audit_seq} {report.audit_head} ({'sound' if report.audit_ok else 'NOT SOUND'})",
        "",
        "## Steps",
        "",
        "| time | step | by | |",
        "|---|---|---|---|",
        *(f"| {utc(s.ts_ns)} | {s.what} | {s.by} | {_cell(s.text)} |" for s in report.steps),
        "",
        "## Damage",
        "",
        *(f"- {line}" for line in report.damage or ("nobody has acknowledged it yet",)),
        "",
        "## What is left",
        "",
        *(f"- {line}" for line in report.left),
        "",
        f"## Time line, from {LEAD_NS // SECOND_NS} s before",
        "",
        "| time | seq | what | who | |",
        "|---|---|---|---|---|",
    ]
    shown = report.timeline[:MOST_LINES]
    lines += [f"| {utc(e.ts_ns)} | {e.seq} | {e.what} | {_cell(e.who)} | {_cell(e.text)} |" for e in shown]
    if len(report.timeline) > MOST_LINES:
        lines.append(f"\n{len(report.timeline) - MOST_LINES} more lines are in the JSON report.")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write(data: Path, report: IncidentReport) -> tuple[Path, Path]:
    """Put both forms into the data folder's `incidents`. Raises OSError."""
    folder = data / "incidents"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = folder / f"{report.id}.md", folder / f"{report.id}.json"
    paths[0].write_text(as_markdown(report), encoding="utf-8")
    paths[1].write_text(report.as_json(), encoding="utf-8")
    return paths
