"""Download what is missing from a `HistorySource`: page by page, each stored at once, so that a kill loses one page.

Which time is there is in the manifest; the same command again goes on where it stopped, and asks for nothing twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pyarrow as pa
from msgspec import Struct

from domain.errors import ConfigError, DataError, VenueError
from domain.instrument import Instrument
from domain.ports import HistorySource
from engine.data.store import frames
from engine.data.store.series import Kind, Series
from engine.data.store.spans import Span, joined, without
from engine.data.store.store import MarketStore, when

log = logging.getLogger(__name__)

WAITS_S = (2.0, 5.0, 15.0, 60.0)
"""Before asking again when the venue did not answer."""


class Job(Struct, frozen=True, kw_only=True):
    """What to download: times in [start_ns, end_ns). `again` asks also for what is there."""

    series: Series
    instrument: Instrument
    start_ns: int
    end_ns: int
    again: bool = False

    def missing(self, store: MarketStore) -> list[Span]:
        """What has to be asked for."""
        wanted = (self.start_ns, self.end_ns)
        known = [] if self.again else joined(store.manifest(self.series).covered)
        return without(wanted, known)


class Fetched(Struct, kw_only=True):
    """What a download brought; `differing` counts rows that the source now tells otherwise than is stored."""

    pages: int = 0
    rows: int = 0
    new: int = 0
    differing: int = 0


async def fetch(
    store: MarketStore,
    source: HistorySource,
    job: Job,
    report: Callable[[int], None] = lambda _: None,
    waits_s: tuple[float, ...] = WAITS_S,
) -> Fetched:
    """Download and store. `report(ts_ns)` is called with how far it has come, after every page.

    Raises `VenueError` when the source gave up, `DataError` for rows that lie or a full disk, `ConfigError` for what
    the source does not have. What was stored until then stays.
    """
    done = Fetched()
    for start_ns, end_ns in job.missing(store):
        at_ns = start_ns
        while at_ns < end_ns:
            frame, until_ns = await _page(source, job, (at_ns, end_ns), waits_s)
            if not at_ns < until_ns <= end_ns:
                raise DataError(f"{source.name} answered for times until {when(until_ns)}, asked from {when(at_ns)}")
            stored = await asyncio.to_thread(
                store.append, job.series, frame, source.name, [(at_ns, until_ns)], instrument=job.instrument
            )
            done.pages += 1
            done.rows += frame.num_rows
            done.new += stored.new
            done.differing += len(stored.differing)
            at_ns = until_ns
            report(at_ns)
    return done


async def _page(source: HistorySource, job: Job, span: Span, waits_s: tuple[float, ...]) -> tuple[pa.Table, int]:
    """One page; a venue that does not answer is asked again after a while."""
    for wait_s in (*waits_s, None):
        try:
            return await _ask(source, job, span)
        except VenueError as error:
            if wait_s is None:
                raise VenueError(
                    f"{error}. Asked {len(waits_s) + 1} times for {job.series.name} from {when(span[0])}; everything "
                    "before is stored: run the same command again to go on"
                ) from error
            log.warning("%s; asking again in %g s", error, wait_s)
            await asyncio.sleep(wait_s)
    raise AssertionError


async def _ask(source: HistorySource, job: Job, span: Span) -> tuple[pa.Table, int]:
    instrument = job.instrument
    if job.series.kind is Kind.CANDLES:
        bars = await source.candles(instrument, job.series.interval_ns, *span)
        return frames.of_bars(bars.rows, instrument), bars.until_ns
    if job.series.kind is Kind.FUNDING:
        rates = await source.funding(instrument, *span)
        return frames.of_funding(rates.rows), rates.until_ns
    if job.series.kind is Kind.TRADES:
        trades = await source.trades(instrument, *span)
        return frames.of_trades(trades.rows, instrument), trades.until_ns
    raise ConfigError(f"{job.series.kind} cannot be fetched, only recorded: ./moondev data record {instrument.id}")
