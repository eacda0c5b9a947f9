"""Read in full: limits, requests, settings, parameters, the audit trail, what the service runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from domain.answer import NotKnown
from domain.detail_views import StrategyDetail
from domain.record_views import AuditPage, AuditQuery, EntryView, ParamsRow
from gateway.asked import Limit, Moment, Page, Paged, Word, page

if TYPE_CHECKING:
    from gateway.views import Rooms


class StrategyAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which strategy."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]


class HistoryAsked(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose parameters."""

    id: Annotated[Word, Meta(description="Of this strategy; empty = of every one, unloaded ones too.")] = ""


class AuditAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which commands."""

    limit: Limit = 100
    cursor: Annotated[
        str,
        Meta(pattern=r"^([0-9]{1,18}\.[0-9]{1,9})?$", description="`next` of the page before; empty = the newest."),
    ] = ""
    person: Annotated[Word, Meta(description="Only what this person did.")] = ""
    verb: Annotated[Word, Meta(description="The beginning of the verb's name, as `set_`.")] = ""
    text: Annotated[str, Meta(max_length=200, description="Words of the outcome, in any case.")] = ""
    outcome: Literal["", "done", "refused"] = ""
    since_ns: Moment = 0
    until_ns: Moment = 0


class EntryAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which record of the journal."""

    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]


def strategy(rooms: Rooms, asked: StrategyAsked) -> StrategyDetail:
    """Parameters of a loaded strategy. Raises `NotKnown`."""
    found = rooms.desk.detail.strategy(asked.id)
    if found is None:
        raise NotKnown(f"no strategy is called {asked.id!r}")
    return found


def history(rooms: Rooms, asked: HistoryAsked) -> Page[ParamsRow]:
    """Who gave which parameters, when."""
    return page(rooms.desk.records.params(asked.id), asked, lambda row: (row.seq, f"{row.index}"))


async def audit(rooms: Rooms, asked: AuditAsked) -> AuditPage:
    """Commands that match, newest first."""
    seq, _, index = asked.cursor.partition(".")
    if asked.until_ns and asked.since_ns >= asked.until_ns:
        return AuditPage(problem="since_ns has to be before until_ns")
    return await rooms.desk.records.search(
        AuditQuery(
            person=asked.person,
            verb=asked.verb,
            text=asked.text,
            outcome=asked.outcome,
            since_ns=asked.since_ns,
            until_ns=asked.until_ns,
            before=(int(seq), int(index)) if asked.cursor else None,
            limit=asked.limit,
        )
    )


async def entry(rooms: Rooms, asked: EntryAsked) -> EntryView:
    """One record of the journal."""
    return await rooms.desk.records.entry(asked.seq)
