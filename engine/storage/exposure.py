"""What was open at every sample of a period, from the projection. Blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby

from sqlalchemy import Connection, Engine, select

from domain.instrument import ZERO, Instrument, InstrumentId
from domain.performance import ExposurePoint, Exposures, Gap
from engine.curve import GAP_NS
from engine.performance import Now
from engine.storage import schema

BUCKETS = 300
"""Spans of a thinned curve; of each the moment with most at stake is kept."""
ROWS = 2_000


def read_exposure(
    engine: Engine,
    instruments: Mapping[InstrumentId, Instrument],
    since_ns: int,
    until_ns: int,
    now: Now | None,
) -> Exposures:
    """Worth of the open positions by symbol through [since, until). Raises SQLAlchemy's errors."""
    with engine.connect() as connection, connection.begin():
        points = list(_thinned(_points(connection, instruments, since_ns, until_ns, now), since_ns, until_ns))
        gaps = tuple(_gaps(connection, since_ns, until_ns, now.sample_ns if now is not None else 0))
    if not points:
        return Exposures(problem="No figures: equity was not sampled in this period.")
    return Exposures(points=tuple(points), gaps=gaps)


def _points(
    connection: Connection,
    instruments: Mapping[InstrumentId, Instrument],
    since_ns: int,
    until_ns: int,
    now: Now | None,
) -> Iterator[ExposurePoint]:
    equity, held = schema.equity, schema.position_samples
    joined = equity.outerjoin(held, held.c.seq == equity.c.seq)
    query = (
        select(equity.c.seq, equity.c.ts_ns, held.c.idx, held.c.instrument, held.c.price_int, held.c.qty_int)
        .select_from(joined)
        .where(equity.c.ts_ns >= since_ns, equity.c.ts_ns < until_ns)
        .order_by(equity.c.seq, held.c.idx)
    )
    rows = connection.execution_options(yield_per=ROWS).execute(query)
    for (_, ts_ns), of_sample in groupby(rows, key=lambda row: (row[0], row[1])):
        positions = {row[2]: (row[3], row[4], row[5]) for row in of_sample if row[2] is not None}
        yield _point(ts_ns, list(positions.values()), instruments)
    if now is not None and since_ns <= now.ts_ns <= until_ns:
        yield _point(now.ts_ns, [(fact.instrument, fact.price, fact.qty) for fact in now.held], instruments)


def _point(
    ts_ns: int, positions: list[tuple[str, int, int]], instruments: Mapping[InstrumentId, Instrument]
) -> ExposurePoint:
    worth: dict[str, Decimal] = {}
    for name, price, qty in positions:
        contract = instruments.get(name)
        if contract is not None:
            symbol = name.partition("-")[0]
            worth[symbol] = worth.get(symbol, ZERO) + contract.notional(price, qty)
    return ExposurePoint(ts_ns, worth)


def _thinned(points: Iterator[ExposurePoint], since_ns: int, until_ns: int) -> Iterator[ExposurePoint]:
    """Of every span of time the point with the largest exposure, and the first and the last of all."""
    first = next(points, None)
    if first is None:
        return
    yield first
    span_ns = max(1, (until_ns - max(since_ns, first.ts_ns)) // BUCKETS)
    last = first
    for _, bucket in groupby(points, key=lambda point: (point.ts_ns - first.ts_ns) // span_ns):
        largest, gross = None, Decimal(-1)
        for point in bucket:
            last = point
            now_gross = sum(map(abs, point.worth.values()), start=ZERO)
            if now_gross > gross:
                largest, gross = point, now_gross
        if largest is not None:
            yield largest
            if last is not largest:
                yield last


def _gaps(connection: Connection, since_ns: int, until_ns: int, sample_ns: int) -> Iterator[Gap]:
    table, before_ns = schema.equity, 0
    query = select(table.c.ts_ns).where(table.c.ts_ns >= since_ns, table.c.ts_ns < until_ns).order_by(table.c.ts_ns)
    for (ts_ns,) in connection.execution_options(yield_per=ROWS).execute(query):
        if before_ns and ts_ns - before_ns > max(GAP_NS, 3 * sample_ns):
            yield Gap(before_ns, ts_ns)
        before_ns = ts_ns
