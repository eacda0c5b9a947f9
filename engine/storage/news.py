"""What people should hear of, back from its tables: for a chat that was not there when it happened.

And what became of a command whose answer a crash has swallowed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Table, and_, or_, select
from sqlalchemy.exc import SQLAlchemyError

from domain import facts as f
from domain.commands import Actor, Door
from domain.errors import MoonDevError
from domain.order import Liquidity, Role
from domain.verdict import REASONS, Reason
from engine.reading import reading
from engine.storage import schema
from engine.storage.projector import Projector

LOOKS, LOOK_EVERY_S = 10, 0.2
"""How often an outcome is looked for: after a crash the projection is behind for a moment."""


def news(
    engine: Engine, after: f.FactKey, until: f.FactKey, limit: int = 500, *, has_gap: bool = False
) -> list[f.Fact] | None:
    """Alerts, refusals, trading states, requests, strategies and fills after one fact up to another, in order.

    Of each kind the newest `limit`; of a request and a strategy only where it stands. None while the
    projection is not whole up to `until`; with `has_gap` it never will be, and what is there is returned.
    """
    with engine.connect() as connection:
        cursor = connection.execute(select(schema.cursor)).first()
        if cursor is None or not (cursor.complete or has_gap) or (cursor.seq, cursor.idx) < until:
            return None
        found = [fact for table in _TABLES for fact in _read(connection, table, after, until, limit)]
    return sorted(found, key=lambda fact: (fact.seq, fact.index))


async def news_beside(
    engine: Engine, after: f.FactKey, until: f.FactKey, *, has_gap: bool = False
) -> list[f.Fact] | None:
    """`news`, read beside the event loop."""
    return await reading(news, engine, after, until, has_gap=has_gap)


async def outcome(projector: Projector, request_id: str) -> f.CommandDone | None:
    """What the first command with this request id was answered, and when; None when the projection has no such."""
    for _ in range(LOOKS):
        with contextlib.suppress(SQLAlchemyError, MoonDevError):
            found = await reading(_outcome, projector.engine, request_id)
            if found is not None:
                return found
        await asyncio.sleep(LOOK_EVERY_S)
    return None


def _outcome(engine: Engine, request_id: str) -> f.CommandDone | None:
    table = schema.commands
    is_first = and_(table.c.request_id == request_id, table.c.reason != Reason.REPEATED.value)
    with engine.connect() as connection:
        row = connection.execute(select(table).where(is_first).order_by(table.c.seq, table.c.idx)).mappings().first()
    if row is None:
        return None
    at = datetime.fromtimestamp(row["ts_ns"] // 10**9, tz=UTC)
    return f.CommandDone(
        seq=row["seq"],
        index=row["idx"],
        ts_ns=row["ts_ns"],
        request_id=request_id,
        actor=Actor(person=row["person"], door=Door(row["door"])),
        verb=row["verb"],
        ok=row["ok"],
        text=f"{row['text']} That was at {at:%H:%M:%S} UTC; it is not done again.".strip(),
        reason=REASONS.get(row["reason"]),
        request=row["request"],
    )


def _read(connection: Connection, table: Table, after: f.FactKey, until: f.FactKey, limit: int) -> list[f.Fact]:
    query = (
        select(table)
        .where(_later(table, after), ~_later(table, until))
        .order_by(table.c.seq.desc(), table.c.idx.desc())
        .limit(limit)
    )
    kind, special = _TABLES[table]
    return [msgspec.convert(_fields(row, special), kind) for row in connection.execute(query).mappings()]


def _later(table: Table, key: f.FactKey) -> ColumnElement[bool]:
    seq, index = key
    return or_(table.c.seq > seq, and_(table.c.seq == seq, table.c.idx > index))


_Fields: TypeAlias = dict[str, Any]


def _fields(row: RowMapping, special: Callable[[_Fields], None] | None) -> _Fields:
    fields = {str(name): value for name, value in row.items()}  # they are a kind of text of SQLAlchemy's own
    fields["index"] = fields.pop("idx")
    if special is not None:
        special(fields)
    return fields


def _fill(fields: _Fields) -> None:
    fields["side"] = 1 if fields["side"] == "buy" else -1
    fields["role"], fields["liquidity"] = Role[fields["role"].upper()], Liquidity[fields["liquidity"].upper()]
    fields["price"], fields["qty"] = fields["price_int"], fields["qty_int"]


def _alert(fields: _Fields) -> None:
    fields["labels"] = msgspec.json.decode(fields["labels"] or "{}")


def _request(fields: _Fields) -> None:
    fields["votes"] = fields["votes"].split()


_TABLES: Mapping[Table, tuple[type[f.Fact], Callable[[_Fields], None] | None]] = {
    schema.alerts: (f.Alerted, _alert),
    schema.refusals: (f.Refused, None),
    schema.trading_states: (f.TradingStateChanged, None),
    schema.requests: (f.RequestChanged, _request),
    schema.strategies: (f.StrategyChanged, None),
    schema.fills: (f.FillBooked, _fill),
}
