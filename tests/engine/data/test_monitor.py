"""Silence and holes."""

from domain.market import Bar, Bbo, Feed, FeedKind, FeedState, FeedStatus
from engine.data.monitor import FeedMonitor
from tests.engine.data.samples import BTC, ETH, MINUTE_NS, HandClock, until

SECOND = 10**9
QUOTES = Feed(kind=FeedKind.BBO, instrument=BTC.id)
BARS = Feed(kind=FeedKind.BAR, instrument=ETH.id, interval_ns=MINUTE_NS)


def watched(*feeds: Feed) -> tuple[FeedMonitor, HandClock, list]:
    seen: list = []
    clock = HandClock()
    monitor = FeedMonitor(seen.append, clock, stale_ns=10 * SECOND)
    monitor.watch(feeds)
    return monitor, clock, seen


def quote() -> Bbo:
    return Bbo(instrument=BTC.id, bid=1, bid_qty=1, ask=2, ask_qty=1)


def bar(at: int) -> Bar:
    return Bar(
        instrument=ETH.id, interval_ns=MINUTE_NS, open_ts_ns=at * MINUTE_NS, open=1, high=1, low=1, close=1, volume=0
    )


def told(seen) -> list:
    return [(event.instrument, event.state, event.detail) for event in seen if isinstance(event, FeedStatus)]


def test_silence_is_said_once_and_so_is_its_end():
    monitor, clock, seen = watched(QUOTES)
    monitor.put(quote())
    clock.ns += 10 * SECOND
    monitor.check()
    assert told(seen) == []
    clock.ns += SECOND
    monitor.check()
    monitor.check()
    monitor.put(quote())
    assert told(seen) == [
        (BTC.id, FeedState.STALE, "nothing came for 11 s"),
        (BTC.id, FeedState.LIVE, "data has come again"),
    ]
    assert isinstance(seen[-1], Bbo)


def test_a_feed_that_never_starts_is_stale_too():
    monitor, clock, seen = watched(QUOTES)
    clock.ns += 11 * SECOND
    monitor.check()
    assert [state for _, state, _ in told(seen)] == [FeedState.STALE]


def test_bars_may_be_silent_for_two_intervals():
    monitor, clock, seen = watched(BARS)
    clock.ns += 129 * SECOND
    monitor.check()
    assert told(seen) == []
    clock.ns += 2 * SECOND
    monitor.check()
    assert told(seen) == [(ETH.id, FeedState.STALE, "nothing came for 131 s")]


def test_a_missing_bar_is_a_gap_and_a_repeated_one_is_none():
    monitor, _, seen = watched(BARS)
    for at in (1, 2, 2, 5, 6):
        monitor.put(bar(at))
    assert told(seen) == [(ETH.id, FeedState.GAP, "2 bars of 60 s are missing")]
    assert sum(isinstance(event, Bar) for event in seen) == 5


async def test_it_checks_by_itself_every_second():
    import asyncio

    monitor, clock, seen = watched(QUOTES)
    clock.ns += 20 * SECOND
    task = asyncio.create_task(monitor.run())
    await until(lambda: bool(told(seen)))
    task.cancel()
