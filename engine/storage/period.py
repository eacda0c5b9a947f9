"""What was earned in a period, read from the projection's samples, fills and cash movements. Blocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Select, String, func, select, type_coerce

from domain.facts import CashKind
from domain.instrument import ZERO
from domain.performance import Performance
from domain.settings import MINUTE_NS
from engine.curve import Curve, Money, Sample
from engine.performance import Book, CashRow, FillRow, HeldRow, Now, summed_up
from engine.storage import schema
from risk.statistics import RoundTrips

ROWS = 2_000
Books: TypeAlias = tuple[Money, Money, Money, Money]
MOST_FILLS_BEFORE = 5_000
"""Fills before the period that are read to find out where a round trip began."""
LATE_NS = 300_000_000_000
"""A first sample this long after the period's beginning is told."""


def read_performance(
    engine: Engine, since_ns: int, until_ns: int, now: Now | None, notes: list[str] | None = None
) -> Performance:
    """The figures of [since, until), which is cut at samples: see `Performance`. Blocks.

    Without `now` the last sample that is there stands for it. Raises SQLAlchemy's errors.
    """
    said = notes if notes is not None else []
    with (
        engine.connect() as connection,
        connection.begin(),
        closing(_samples(connection, since_ns, until_ns, now)) as samples,
    ):
        first = next(samples, None)
        if first is None or first.ts_ns >= until_ns:
            problem = _why_nothing(connection, since_ns, until_ns, now)
            return Performance(since_ns=since_ns, until_ns=until_ns, problem=problem)
        end_ns = min(until_ns, now.ts_ns if now is not None else until_ns)
        flows = _flows(connection, first.seq or _first_seq(connection))
        curve = _curve(first, samples, max(end_ns, first.ts_ns), now, flows)
        if curve.paid_in != curve.last.deposits - curve.first.deposits:  # an older build did not tell every movement
            again = _samples(connection, since_ns, until_ns, now)
            curve = _curve(next(again, first), again, max(end_ns, first.ts_ns), now, None)
        if since_ns and first.ts_ns - since_ns > LATE_NS:
            what = "The records begin" if not first.seq else "There was no sample before; the figures begin"
            said.append(f"{what} at {_when(first.ts_ns)}, later than asked for.")
        last = curve.last
        live = now is not None and last.seq == now.seq and last.ts_ns == now.ts_ns
        held = _held(connection, first.seq, now if now is not None and first.seq == now.seq else None)
        book = Book(held)
        for row in held:
            book.open_at_start(row.account, row.instrument, _under_way(connection, row, first.seq))
        _book(connection, book, first.seq, last.seq)
        book.still_open(_held(connection, last.seq, now if live else None))
    return summed_up(since_ns, until_ns, curve, book, said)


def _curve(
    first: Sample, rest: Iterator[Sample], end_ns: int, now: Now | None, flows: list[tuple[int, Decimal]] | None
) -> Curve:
    curve = Curve(first, end_ns, now.sample_ns if now is not None else MINUTE_NS, flows)
    add = curve.add
    for sample in rest:
        add(sample)
    return curve


def _first_seq(connection: Connection) -> int:
    """The event of the first sample ever: what was paid in by then is in the opening."""
    return connection.execute(select(func.min(schema.equity.c.seq))).scalar() or 0


def _flows(connection: Connection, after_seq: int) -> list[tuple[int, Decimal]]:
    """Money that was paid in and out after an event."""
    table = schema.cash_moves
    query = select(table.c.seq, table.c.amount).where(table.c.kind == CashKind.DEPOSIT, table.c.seq > after_seq)
    return [(seq, amount) for seq, amount in connection.execute(query.order_by(table.c.seq, table.c.idx))]


def _samples(connection: Connection, since_ns: int, until_ns: int, now: Now | None) -> Generator[Sample]:
    """Samples of all accounts together from the first one at or after `since_ns` to the first one at or after the end.

    At last the books as they stand. An account that is missing in one counts as it was last.
    """
    opening = _opening(connection, since_ns, now)
    if opening is not None:
        yield opening
        if opening.ts_ns >= until_ns:
            return
    known: dict[str, tuple[Decimal, Books]] = {}
    seq = ts_ns = 0
    for row_seq, row_ts_ns, account, equity, *books in _stream(connection, _all_samples(since_ns)):
        if row_seq != seq:
            if seq:
                yield _together(seq, ts_ns, known)
                if ts_ns >= until_ns:
                    return
            seq, ts_ns = row_seq, row_ts_ns
        known[account] = (Decimal(equity), tuple(books))
    if seq:
        yield _together(seq, ts_ns, known)
        if ts_ns >= until_ns:
            return
    if now is not None and now.seq > seq and now.ts_ns >= since_ns and now.equity:
        for fact in now.equity:
            known[fact.account] = (fact.equity, (fact.unrealised, fact.realised, fact.fees, fact.funding))
        yield _together(now.seq, now.ts_ns, known)


def _all_samples(since_ns: int) -> Select[Any]:
    """Money comes as the database has it: text or number."""
    table = schema.equity
    money = [type_coerce(table.c[name], String()) for name in ("equity", "unrealised", "realised", "fees", "funding")]
    query = select(table.c.seq, table.c.ts_ns, table.c.account, *money)
    return query.where(table.c.ts_ns >= since_ns).order_by(table.c.seq, table.c.idx)


def _opening(connection: Connection, since_ns: int, now: Now | None) -> Sample | None:
    """The books before anything was earned, where the period reaches back to there: only what was paid in."""
    table = schema.equity
    first = connection.execute(select(table).order_by(table.c.seq, table.c.idx).limit(1)).first()
    if first is not None:
        began_ns = first.ts_ns
        rows = connection.execute(select(table).where(table.c.seq == first.seq)).all()
        paid_in = sum((row.cash - row.realised + row.fees - row.funding for row in rows), start=ZERO)
    elif now is not None and now.equity:
        began_ns = now.ts_ns
        paid_in = sum((fact.cash - fact.realised + fact.fees - fact.funding for fact in now.equity), start=ZERO)
    else:
        return None
    for of_money in (schema.fills, schema.cash_moves):
        query = select(of_money.c.ts_ns).order_by(of_money.c.seq, of_money.c.idx).limit(1)
        began_ns = min(began_ns, connection.execute(query).scalar() or began_ns)
    return Sample(0, began_ns, paid_in) if since_ns <= began_ns else None


def _together(seq: int, ts_ns: int, known: dict[str, tuple[Decimal, Books]]) -> Sample:
    if len(known) == 1:
        ((equity, books),) = known.values()
        return Sample(seq, ts_ns, equity, (books,))
    equities, all_books = zip(*known.values(), strict=True)
    return Sample(seq, ts_ns, sum(equities, start=ZERO), all_books)


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    """Rows as they come; whoever stops early lets the database's cursor go, which PostgreSQL keeps open otherwise."""
    with connection.execute(query, execution_options={"yield_per": ROWS}) as rows:
        yield from rows


def _held(connection: Connection, seq: int, now: Now | None) -> list[HeldRow]:
    """Positions that were open at a sample."""
    if now is not None:
        return [HeldRow(f.account, f.instrument, f.owner, f.qty, f.unrealised) for f in now.held]
    table = schema.position_samples
    columns = (table.c.account, table.c.instrument, table.c.owner, table.c.qty_int, table.c.unrealised)
    return [HeldRow(*row) for row in connection.execute(select(*columns).where(table.c.seq == seq))]


def _fill_rows(connection: Connection, query: Select[Any]) -> Iterator[FillRow]:
    for row in _stream(connection, query):
        side = 1 if row.side == "buy" else -1
        slot = row.account, row.instrument, row.owner
        yield FillRow(row.ts_ns, *slot, side, row.qty_int, row.fee, row.realised, row.price_int)


def _fills() -> Select[Any]:
    table = schema.fills
    columns = (
        table.c.ts_ns,
        table.c.account,
        table.c.instrument,
        table.c.owner,
        table.c.side,
        table.c.qty_int,
        table.c.fee,
        table.c.realised,
        table.c.price_int,
    )
    return select(*columns)


def _book(connection: Connection, book: Book, after_seq: int, until_seq: int) -> None:
    fills, cash = schema.fills, schema.cash_moves
    query = _fills().where(fills.c.seq > after_seq, fills.c.seq <= until_seq).order_by(fills.c.seq, fills.c.idx)
    for row in _fill_rows(connection, query):
        book.fill(row)
    columns = (cash.c.kind, cash.c.account, cash.c.instrument, cash.c.owner, cash.c.amount)
    for found in connection.execute(select(*columns).where(cash.c.seq > after_seq, cash.c.seq <= until_seq)):
        book.cash(CashRow(*found))


def _under_way(connection: Connection, held: HeldRow, until_seq: int) -> RoundTrips:
    """The round trip that was under way at a sample, from its first fill; from the sample when that is too far."""
    fills = schema.fills
    query = (
        _fills()
        .where(fills.c.account == held.account, fills.c.instrument == held.instrument, fills.c.seq <= until_seq)
        .order_by(fills.c.seq.desc(), fills.c.idx.desc())
        .limit(MOST_FILLS_BEFORE)
    )
    qty, back = held.qty, []
    for row in _fill_rows(connection, query):
        qty -= row.side * row.qty
        back.append(row)
        if qty == 0 or (qty > 0) != (held.qty > 0):
            trips = RoundTrips(held=qty)
            for earlier in reversed(back):
                trips.add(earlier)
            return trips
    return RoundTrips(held=held.qty)


def _why_nothing(connection: Connection, since_ns: int, until_ns: int, now: Now | None) -> str:
    """Why a period has no figures, for people."""
    opening = _opening(connection, 0, now)
    first_ns = opening.ts_ns if opening is not None else 0
    if not first_ns:
        return "No figures yet: equity has not been sampled once."
    if until_ns <= first_ns:
        return f"No figures: the records begin at {_when(first_ns)}, after this period."
    if now is not None and since_ns > now.ts_ns:
        return f"No figures: the period begins at {_when(since_ns)}, which is to come."
    return f"No figures: the service took no sample between {_when(since_ns)} and {_when(until_ns)}."


def _when(ts_ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ts_ns / 1e9, tz=dt.UTC):%Y-%m-%d %H:%M} UTC"
