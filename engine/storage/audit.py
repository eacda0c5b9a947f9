"""Searches what people commanded: in its table, and what is so new that it is not in there yet."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from domain.errors import MoonDevError
from domain.facts import FactKey
from domain.record_views import AuditPage, AuditQuery, CommandRow
from engine.desk_records import DeskRecords, page_of
from engine.reading import reading
from engine.storage import reads
from engine.storage.projector import Projector


async def search(projector: Projector, records: DeskRecords, wanted: AuditQuery) -> AuditPage:
    """Commands that match, newest first; of a database that is away what is remembered, and that is said."""

    def look() -> tuple[FactKey, list[CommandRow]]:
        cursor = projector.cursor()
        return (cursor.seq, cursor.index), reads.audit(projector.engine, wanted)

    try:
        reached, rows = await reading(look)
    except (SQLAlchemyError, MoonDevError) as error:
        problem = f"the database cannot be read ({type(error).__name__}): only what is remembered since the start"
        return page_of(records.newest(wanted), wanted, problem)
    known = {(row.seq, row.index) for row in rows}
    newer = [row for row in records.newest(wanted, reached) if (row.seq, row.index) not in known]
    return page_of([*newer, *rows][: wanted.limit], wanted)
