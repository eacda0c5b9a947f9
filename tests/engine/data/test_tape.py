"""Merging sources, and playing them as a feed."""

import itertools

import pytest

from domain.errors import DataError
from domain.market import Bar, Bbo, Feed, FeedKind, FeedState, FeedStatus, Mark, Trade
from engine.data.synthetic import SyntheticMarket
from engine.data.tape import Source, Tape, TapeFeed
from tests.engine.data.samples import BTC, MINUTE_NS, START_NS, HandClock, until

MS = 1_000_000
OPEN = START_NS // MINUTE_NS * MINUTE_NS
BARS = Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=MINUTE_NS)
TRADES = Feed(kind=FeedKind.TRADE, instrument=BTC.id)


def bar(at: int) -> Bar:
    opened = OPEN + at * MINUTE_NS
    prices = {"open": 1, "high": 2, "low": 1, "close": 2}
    return Bar(ts_ns=opened, instrument=BTC.id, interval_ns=MINUTE_NS, open_ts_ns=opened, volume=3, **prices)


def trade(ts_ns: int, name: str = "") -> Trade:
    return Trade(ts_ns=ts_ns, instrument=BTC.id, price=10, qty=1, side=1, trade_id=name)


def names(tape: Tape) -> list[str]:
    return [event.trade_id for event in tape if isinstance(event, Trade)]


def test_a_bar_is_delivered_at_its_close_plus_latency_whatever_the_source_says():
    given = bar(0)
    (seen,) = Tape(Source([given], latency_ns=20 * MS))
    assert seen.ts_ns == OPEN + MINUTE_NS + 20 * MS
    assert given.ts_ns == OPEN


def test_sources_are_merged_by_time_then_rank_then_position():
    first = [trade(5, "a1"), trade(5, "a2"), trade(9, "a3")]
    second = [trade(4, "b1"), trade(5, "b2"), trade(5, "b3")]
    assert names(Tape(Source(first), Source(second))) == ["b1", "a1", "a2", "b2", "b3", "a3"]
    assert names(Tape(Source(second), Source(first))) == ["b1", "b2", "b3", "a1", "a2", "a3"]


def test_latency_is_part_of_the_order():
    slow = Source([trade(1, "slow")], latency_ns=10)
    assert names(Tape(slow, Source([trade(5, "quick")]))) == ["quick", "slow"]


def test_sources_are_read_lazily():
    market = SyntheticMarket([BTC], 1, START_NS)
    taken = list(itertools.islice(Tape(Source(market.events()), Source(market.events([BARS]))), 100))
    assert len(taken) == 100


def test_a_source_out_of_order_is_named():
    with pytest.raises(DataError, match="candles: its events are not in time order"):
        list(Tape(Source([bar(1), bar(0)], name="candles")))


async def test_on_demand_the_next_event_waits_until_the_last_one_is_dealt_with():
    seen: list = []
    waiting: list[int] = []

    async def drained() -> None:
        waiting.append(len(seen))

    tape = Tape(Source([trade(1), bar(0), trade(OPEN + 2 * MINUTE_NS), bar(2)]))
    feed = TapeFeed(tape, [BTC], drained=drained)
    await feed.start(seen.append, [TRADES])
    await feed.finished.wait()
    await feed.aclose()
    assert [type(event) for event in seen] == [FeedStatus, Trade, Trade, FeedStatus]
    assert waiting == [2, 3]
    assert seen[1].ts_ns == 1
    assert (seen[0].state, seen[-1].state, seen[-1].detail) == (FeedState.LIVE, FeedState.DOWN, "the tape has ended")


async def test_by_the_clock_events_are_let_go_when_their_time_has_come():
    seen: list = []
    clock = HandClock(1_000)
    feed = TapeFeed(Tape(Source([trade(OPEN), trade(OPEN + 4_000 * MS)])), [BTC], clock=clock, speed=2)
    await feed.start(seen.append, [TRADES])
    await until(lambda: len(seen) == 2)
    clock.ns += 1_999 * MS
    await feed.subscribe([BARS])
    assert len(seen) == 2
    clock.ns += MS
    await feed.finished.wait()
    assert [event.ts_ns for event in seen[1:3]] == [1_000, clock.ns]
    await feed.aclose()


async def test_a_broken_tape_ends_the_feed_and_says_why():
    seen: list = []
    feed = TapeFeed(Tape(Source([trade(5), trade(4)])), [BTC])
    await feed.start(seen.append, [TRADES])
    await feed.finished.wait()
    assert "not in time order" in seen[-1].detail
    assert await feed.instruments() == (BTC,)


async def test_history_is_what_was_given_for_the_subscription_and_marks_come_with_any():
    seen: list = []
    mark = Mark(ts_ns=3, instrument=BTC.id, price=9)
    touch = Bbo(ts_ns=4, instrument=BTC.id, bid=1, bid_qty=1, ask=2, ask_qty=1)
    feed = TapeFeed([mark, touch], [BTC], history={BARS: [bar(0), bar(1), bar(2)]})
    assert [b.open_ts_ns for b in await feed.history(BARS, 2)] == [OPEN + MINUTE_NS, OPEN + 2 * MINUTE_NS]
    assert list(await feed.history(TRADES, 2)) == []
    await feed.start(seen.append, [BARS])
    await feed.finished.wait()
    assert mark in seen
    assert touch not in seen
