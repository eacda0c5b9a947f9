"""What a live feed brings is stored, each row once; what was not heard is a gap."""

import pytest

from domain.errors import DataError
from domain.market import FeedKind, FeedState, FeedStatus
from engine.data.store.record import Recorder
from engine.data.store.series import Kind, Series
from engine.data.store.store import MarketStore
from tests.engine.data.store import samples
from tests.engine.data.store.samples import BOOKS, BTC, START_NS, TRADES

MARKS = Series(instrument=BTC.id, kind=Kind.MARKS)
SECOND_NS = 10**9


class HandClock:
    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        return self.ns


def status(state: FeedState, instrument: str = "") -> FeedStatus:
    return FeedStatus(venue="HYPERLIQUID", state=state, instrument=instrument)


def recorder(store: MarketStore, clock: HandClock, *kinds: Kind) -> Recorder:
    return Recorder(store, [BTC], kinds or (Kind.BOOKS, Kind.TRADES, Kind.MARKS), "feed", clock)


async def test_books_trades_and_marks_are_stored_as_they_came(tmp_path):
    store, clock = MarketStore(tmp_path), HandClock()
    record = recorder(store, clock)
    record.put(status(FeedState.LIVE))
    for event in (samples.book(1), samples.trade(2, "7"), samples.mark(3, "0.01"), samples.mark(4, "0.01")):
        record.put(event)
    clock.ns += 30 * SECOND_NS
    await record.flush()
    record.put(samples.trade(2, "7"))
    record.put(samples.mark(31, "0.02"))
    clock.ns += 30 * SECOND_NS
    await record.flush()
    assert record.rows == {BOOKS: 1, TRADES: 1, MARKS: 2}
    assert store.read(MARKS).column("funding_rate").to_pylist() == [0.01, 0.02], "an unchanged mark is no row"
    assert store.read(TRADES).column("received_ns").to_pylist() == [samples.trade(2).ts_ns]
    for series in (BOOKS, TRADES, MARKS):
        assert store.manifest(series).covered == [(START_NS, START_NS + 60 * SECOND_NS)]
        assert store.manifest(series).instrument == BTC


async def test_the_time_that_the_feed_was_away_is_a_gap(tmp_path):
    store, clock = MarketStore(tmp_path), HandClock()
    record = recorder(store, clock, Kind.TRADES)
    record.put(status(FeedState.LIVE))
    record.put(samples.trade(1, "1"))
    clock.ns = START_NS + 10 * SECOND_NS
    record.put(status(FeedState.DOWN))
    clock.ns = START_NS + 25 * SECOND_NS
    record.put(status(FeedState.GAP))
    record.put(status(FeedState.LIVE))
    record.put(status(FeedState.GAP, BTC.id))
    clock.ns = START_NS + 30 * SECOND_NS
    await record.flush()
    (gap,) = store.manifest(TRADES).gaps(TRADES)
    assert (gap.start_ns - START_NS, gap.end_ns - START_NS) == (10 * SECOND_NS, 25 * SECOND_NS)
    assert record.outages == 1


async def test_the_time_between_two_recordings_is_a_gap(tmp_path):
    store, clock = MarketStore(tmp_path), HandClock()
    for first in (0, 100):
        clock.ns = START_NS + first * SECOND_NS
        record = recorder(store, clock, Kind.TRADES)
        record.put(status(FeedState.LIVE))
        record.put(samples.trade(first + 1, str(first)))
        clock.ns += 20 * SECOND_NS
        await record.flush()
    (gap,) = store.manifest(TRADES).gaps(TRADES)
    assert (gap.start_ns - START_NS, gap.end_ns - START_NS) == (20 * SECOND_NS, 100 * SECOND_NS)


async def test_a_disk_that_refuses_ends_the_recording_with_its_reason(tmp_path):
    store, clock = MarketStore(tmp_path / "file"), HandClock()
    (tmp_path / "file").write_text("not a folder")
    record = recorder(store, clock, Kind.TRADES)
    record.put(status(FeedState.LIVE))
    with pytest.raises(DataError, match="cannot be written"):
        await record.run(flush_s=0)


def test_it_subscribes_what_it_records_and_leaves_the_rest(tmp_path):
    record = recorder(MarketStore(tmp_path), HandClock(), Kind.TRADES, Kind.MARKS)
    assert [feed.kind for feed in record.feeds()] == [FeedKind.TRADE], "marks come with every subscription"
    record.put(samples.book(1))
    assert record.rows == {TRADES: 0, MARKS: 0}
