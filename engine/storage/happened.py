"""What happened in a period, from its tables: what people decided, what was warned of and what was refused."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, func, select
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import MoonDevError
from domain.reports import AlertCount, Happened, OverrideRow, StateChange
from domain.views import RequestView
from engine.reading import reading
from engine.storage import schema
from engine.storage.projector import Projector

MOST = 500
"""Of requests and changes of the trading state: the newest."""


class Chronicle:
    """Answers `desk.records.happened` from a projection."""

    def __init__(self, projector: Projector) -> None:
        """Read what `projector` writes."""
        self._projector = projector

    async def happened(self, since_ns: int, until_ns: int) -> Happened:
        """What happened in [since, until); without blocking, and never raising for a database that is away."""
        try:
            return await reading(lambda: happened(self._projector.engine, since_ns, until_ns))
        except (SQLAlchemyError, MoonDevError) as error:
            problem = f"the database cannot be read ({type(error).__name__})"
            return Happened(since_ns=since_ns, until_ns=until_ns, problem=problem)


def happened(engine: Engine, since_ns: int, until_ns: int) -> Happened:
    """Everything in [since, until). Blocking; raises `SQLAlchemyError`."""
    with engine.connect() as connection:
        return Happened(
            since_ns=since_ns,
            until_ns=until_ns,
            requests=_requests(connection, since_ns, until_ns),
            overrides=_overrides(connection, since_ns, until_ns),
            alerts=_alerts(connection, since_ns, until_ns),
            states=_states(connection, since_ns, until_ns),
            refused=_refused(connection, since_ns, until_ns),
        )


def _within(table: Table, since_ns: int, until_ns: int) -> ColumnElement[bool]:
    return and_(table.c.ts_ns >= since_ns, table.c.ts_ns < until_ns)


def _requests(connection: Connection, since_ns: int, until_ns: int) -> tuple[RequestView, ...]:
    table = schema.requests
    query = select(table).where(_within(table, since_ns, until_ns)).order_by(table.c.seq.desc()).limit(MOST)
    return tuple(
        RequestView(
            id=row.request,
            what=row.what,
            text=row.text,
            requester=row.requester,
            votes=tuple(row.votes.split()),
            votes_needed=row.votes_needed,
            status=row.status,
            expires_ns=row.expires_ns,
            digest=row.digest,
        )
        for row in reversed(connection.execute(query).all())
    )


def _overrides(connection: Connection, since_ns: int, until_ns: int) -> tuple[OverrideRow, ...]:
    table = schema.overrides
    query = select(table).where(_within(table, since_ns, until_ns)).order_by(table.c.seq, table.c.idx)
    last = {(row.rule, row.scope, row.since_ns): row for row in connection.execute(query)}
    return tuple(
        OverrideRow(
            rule=row.rule,
            scope=row.scope,
            value=row.value,
            since_ns=row.since_ns,
            until_ns=row.until_ns,
            persons=tuple(row.persons.split()),
            ended=row.ended,
        )
        for row in last.values()
    )


def _alerts(connection: Connection, since_ns: int, until_ns: int) -> tuple[AlertCount, ...]:
    table = schema.alerts
    grouped = (
        select(table.c.kind, table.c.severity, func.count().label("n"), func.max(table.c.seq).label("last"))
        .where(_within(table, since_ns, until_ns))
        .group_by(table.c.kind, table.c.severity)
        .subquery()
    )
    same = and_(table.c.seq == grouped.c.last, table.c.kind == grouped.c.kind, table.c.severity == grouped.c.severity)
    query = select(table, grouped.c.n).join(grouped, same).order_by(table.c.seq, table.c.idx)
    found = {
        (row.kind, row.severity): AlertCount(
            kind=row.kind, severity=row.severity, count=row.n, last_ns=row.ts_ns, last_text=row.text
        )
        for row in connection.execute(query)
    }
    return tuple(found.values())


def _states(connection: Connection, since_ns: int, until_ns: int) -> tuple[StateChange, ...]:
    table = schema.trading_states
    query = select(table).where(_within(table, since_ns, until_ns)).order_by(table.c.seq.desc()).limit(MOST)
    return tuple(
        StateChange(ts_ns=row.ts_ns, state=row.state, by=row.by, reason=row.reason)
        for row in reversed(connection.execute(query).all())
    )


def _refused(connection: Connection, since_ns: int, until_ns: int) -> tuple[tuple[str, int], ...]:
    table = schema.refusals
    query = (
        select(table.c.reason, func.count().label("n"))
        .where(_within(table, since_ns, until_ns))
        .group_by(table.c.reason)
        .order_by(func.count().desc(), table.c.reason)
    )
    return tuple((row.reason, row.n) for row in connection.execute(query))
