"""What the desk reads from a projection. Blocking, quick on SQLite; for a remote database use a thread."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, Engine, Row, Select, Table, and_, func, or_, select

from domain.record_views import CAME_TO_NOTHING, ON_RECORD, WAS_DONE, AuditQuery, CommandRow, ParamsRow
from domain.views import EquityPoint, TradeRow
from engine.storage import schema

_ZERO = Decimal(0)


def trades(engine: Engine, limit: int = 20) -> list[TradeRow]:
    """The newest own fills, newest first."""
    table = schema.fills
    query = select(table).order_by(table.c.seq.desc(), table.c.idx.desc()).limit(limit)
    with engine.connect() as connection:
        return [_trade(row) for row in connection.execute(query)]


def fills(engine: Engine, since_ns: int, until_ns: int, instrument: str, limit: int) -> list[TradeRow]:
    """Own fills in one instrument in [since, until), oldest first; of too many the newest."""
    table = schema.fills
    query = (
        select(table)
        .where(table.c.ts_ns >= since_ns, table.c.ts_ns < until_ns, table.c.instrument == instrument)
        .order_by(table.c.seq.desc(), table.c.idx.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        return [_trade(row) for row in connection.execute(query)][::-1]


def _trade(row: Row[Any]) -> TradeRow:
    return TradeRow(
        ts_ns=row.ts_ns,
        account=row.account,
        instrument=row.instrument,
        owner=row.owner,
        side=row.side,
        qty=row.qty if row.qty is not None else Decimal(row.qty_int),
        price=row.price if row.price is not None else Decimal(row.price_int),
        fee=row.fee,
        realised=row.realised,
        liquidity=row.liquidity,
        role=row.role,
        fill_id=row.fill_id,
        cid=row.cid,
    )


def commands(engine: Engine, limit: int = 500) -> list[CommandRow]:
    """The newest commands with their outcomes, newest first."""
    return audit(engine, AuditQuery(limit=limit))


def audit(engine: Engine, wanted: AuditQuery) -> list[CommandRow]:
    """Commands that match, and what reached none and is on record, newest first."""
    commands, alerts = schema.commands, schema.alerts
    ours = [*_matching(commands, commands.c.verb, wanted)]
    if wanted.person:
        ours.append(func.lower(commands.c.person) == wanted.person.lower())
    if wanted.outcome:
        ours.append(commands.c.ok == (wanted.outcome == "done"))
    with engine.connect() as connection:
        rows = [_command(row) for row in connection.execute(_newest(commands, wanted.limit).where(*ours))]
        if not wanted.person:
            kinds = {"done": WAS_DONE, "refused": CAME_TO_NOTHING}.get(wanted.outcome, ON_RECORD)
            of_record = _newest(alerts, wanted.limit).where(
                alerts.c.kind.in_(sorted(kinds)), *_matching(alerts, alerts.c.kind, wanted)
            )
            rows += [_alert(row) for row in connection.execute(of_record)]
    return sorted(rows, key=lambda row: (-row.seq, -row.index))[: wanted.limit]


def _alert(row: Row[Any]) -> CommandRow:
    return CommandRow(
        ts_ns=row.ts_ns, verb=row.kind, text=row.text, ok=row.kind in WAS_DONE, seq=row.seq, index=row.idx
    )


def _newest(table: Table, limit: int) -> Select[Any]:
    return select(table).order_by(table.c.seq.desc(), table.c.idx.desc()).limit(limit)


def _matching(table: Table, verb: Column[Any], wanted: AuditQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.verb:
        found.append(verb.startswith(wanted.verb, autoescape=True))
    if wanted.text:
        found.append(func.lower(table.c.text).contains(wanted.text.lower(), autoescape=True))
    if wanted.since_ns:
        found.append(table.c.ts_ns >= wanted.since_ns)
    if wanted.until_ns:
        found.append(table.c.ts_ns < wanted.until_ns)
    if wanted.before is not None:
        seq, index = wanted.before
        found.append(or_(table.c.seq < seq, and_(table.c.seq == seq, table.c.idx < index)))
    return found


def _command(row: Row[Any]) -> CommandRow:
    return CommandRow(
        ts_ns=row.ts_ns,
        person=row.person,
        door=row.door,
        verb=row.verb,
        ok=row.ok,
        reason=row.reason,
        request=row.request,
        text=row.text,
        seq=row.seq,
        index=row.idx,
        request_id=row.request_id,
    )


def params(engine: Engine, limit: int = 500) -> list[ParamsRow]:
    """The newest changes of strategies' parameters, newest first."""
    with engine.connect() as connection:
        return [
            ParamsRow(
                strategy=row.strategy,
                seq=row.seq,
                index=row.idx,
                ts_ns=row.ts_ns,
                by=row.by,
                agreed=row.agreed,
                is_load=row.is_load,
                before=msgspec.json.decode(row.before),
                after=msgspec.json.decode(row.after),
                source_hash=row.source_hash,
            )
            for row in connection.execute(_newest(schema.params, limit))
        ]


def equity_curve(engine: Engine, limit: int = 2000) -> list[EquityPoint]:
    """The newest points of equity over all accounts, oldest first.

    Each account counts with its last sample at or before the point; points before every account of the
    window has a sample leave the missing ones out.
    """
    table = schema.equity
    newest = select(table.c.ts_ns).distinct().order_by(table.c.ts_ns.desc()).limit(limit).subquery()
    with engine.connect() as connection:
        start_ns = connection.execute(select(func.min(newest.c.ts_ns))).scalar()
        if start_ns is None:
            return []
        before = (
            select(table.c.account, func.max(table.c.seq).label("seq"))
            .where(table.c.ts_ns < start_ns)
            .group_by(table.c.account)
            .subquery()
        )
        same = and_(table.c.account == before.c.account, table.c.seq == before.c.seq)
        known = {
            row.account: row.equity
            for row in connection.execute(
                select(table.c.account, table.c.equity).join(before, same).order_by(table.c.idx)
            )
        }
        points: dict[int, Decimal] = {}
        window = (
            select(table.c.ts_ns, table.c.account, table.c.equity)
            .where(table.c.ts_ns >= start_ns)
            .order_by(table.c.seq, table.c.idx)
        )
        for row in connection.execute(window):
            known[row.account] = row.equity
            points[row.ts_ns] = sum(known.values(), _ZERO)
    return [EquityPoint(ts_ns=ts_ns, equity=equity) for ts_ns, equity in points.items()]
