"""What the desk reads from a projection. Blocking, quick on SQLite; for a remote database use a thread."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, Row, and_, func, select

from domain.record_views import CommandRow
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
    table = schema.commands
    query = select(table).order_by(table.c.seq.desc(), table.c.idx.desc()).limit(limit)
    with engine.connect() as connection:
        return [
            CommandRow(
                ts_ns=row.ts_ns,
                person=row.person,
                door=row.door,
                verb=row.verb,
                ok=row.ok,
                reason=row.reason,
                request=row.request,
                text=row.text,
            )
            for row in connection.execute(query)
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
