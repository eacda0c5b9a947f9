"""The synthetic market in real time."""

import asyncio
import itertools
import threading

from domain.market import Bar, Bbo, Feed, FeedKind, FeedState, FeedStatus, Mark, Trade
from engine.data.synthetic import SyntheticMarket
from engine.data.synthetic_feed import SyntheticFeed
from tests.engine.data.samples import BTC, ETH, MINUTE_NS, START_NS, HandClock, until

BBO = Feed(kind=FeedKind.BBO, instrument=BTC.id)
TRADES = Feed(kind=FeedKind.TRADE, instrument=ETH.id)
BARS = Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=MINUTE_NS)


def made(speed: float = 1.0) -> tuple[SyntheticFeed, HandClock, list]:
    clock = HandClock(5_000_000_000)
    return SyntheticFeed(SyntheticMarket([BTC, ETH], 3, START_NS), clock, speed), clock, []


async def test_events_are_let_go_when_the_clock_reaches_them_and_are_those_of_the_market():
    feed, clock, seen = made()
    await feed.start(seen.append, [BBO])
    clock.ns += 2_000_000_000
    await until(lambda: sum(isinstance(e, Bbo) for e in seen) >= 19)
    assert isinstance(seen[0], FeedStatus)
    assert seen[0].state is FeedState.LIVE
    assert all(event.venue_ts_ns <= START_NS + 2_000_000_000 for event in seen)
    assert all(event.ts_ns == clock.ns for event in seen[1:])
    await feed.aclose()


async def test_speed_makes_market_time_run_faster():
    feed, clock, seen = made(speed=10)
    await feed.start(seen.append, [BBO])
    clock.ns += 900_000_000
    assert feed.now_ns() == START_NS + 9_000_000_000
    await until(lambda: sum(isinstance(e, Bbo) for e in seen) >= 85)
    await feed.aclose()


async def test_a_subscription_can_be_added_without_losing_or_doubling_what_runs():
    feed, clock, seen = made()
    await feed.start(seen.append, [BBO])
    clock.ns += 1_000_000_000
    await until(lambda: any(isinstance(e, Bbo) for e in seen))
    await feed.subscribe([TRADES, BBO])
    clock.ns += 3_000_000_000
    await until(lambda: any(isinstance(e, Trade) for e in seen) and feed.next_ts_ns > START_NS + 4_000_000_000)
    times = [e.venue_ts_ns for e in seen if isinstance(e, Bbo)]
    assert times == sorted(set(times))
    assert len(times) == 40
    await feed.aclose()


async def test_history_ends_before_the_first_live_bar():
    feed, clock, seen = made()
    await feed.start(seen.append, [BARS])
    past = await feed.history(BARS, 30)
    clock.ns += 9_000_000_000
    await until(lambda: feed.next_ts_ns > START_NS + 9_000_000_000)
    clock.ns += 9_000_000_000
    await until(lambda: any(isinstance(e, Bar) for e in seen) or feed.next_ts_ns > START_NS + 18_000_000_000)
    for _ in range(6):
        clock.ns += 9_000_000_000
        now = feed.now_ns()
        await until(lambda now=now: feed.next_ts_ns > now)
    live = [e for e in seen if isinstance(e, Bar)]
    assert len(past) == 30
    assert live[0].open_ts_ns == past[-1].open_ts_ns + MINUTE_NS
    await feed.aclose()


async def test_a_long_pause_is_a_gap_but_no_bar_is_lost():
    feed, clock, seen = made()
    await feed.start(seen.append, [BBO, BARS])
    clock.ns += 5 * MINUTE_NS
    await until(lambda: any(isinstance(e, FeedStatus) and e.state is FeedState.GAP for e in seen))
    clock.ns += MINUTE_NS // 10
    await until(lambda: isinstance(seen[-1], Bbo | Mark))
    bars = [e for e in seen if isinstance(e, Bar)]
    assert len(bars) == 5
    assert [b.open_ts_ns - a.open_ts_ns for a, b in itertools.pairwise(bars)] == [MINUTE_NS] * 4
    states = [e.state for e in seen if isinstance(e, FeedStatus)]
    assert states == [FeedState.LIVE, FeedState.GAP, FeedState.LIVE]
    assert "s skipped" in next(e.detail for e in seen if isinstance(e, FeedStatus) and e.state is FeedState.GAP)
    await feed.aclose()


async def test_the_feed_knows_its_instruments_and_the_market_time_before_start():
    feed, _, _ = made()
    assert [i.id for i in await feed.instruments()] == [BTC.id, ETH.id]
    assert feed.now_ns() == START_NS
    assert len(await feed.history(BARS, 3)) == 3


async def test_a_long_history_is_made_beside_the_loop_and_ends_when_nobody_waits_for_it(monkeypatch):
    feed, _, _ = made()
    market, threads, real = feed._market, [], feed._market.bars

    def bars(instrument, interval_ns, end_ts_ns, count):
        threads.append(threading.get_ident())
        return real(instrument, interval_ns, end_ts_ns, count)

    monkeypatch.setattr(market, "bars", bars)
    hourly = Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=60 * MINUTE_NS)
    assert list(await feed.history(hourly, 50)) == real(BTC.id, 60 * MINUTE_NS, feed.now_ns(), 50)
    assert len(threads) == 3
    assert threading.get_ident() not in threads
    daily = Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=24 * 60 * MINUTE_NS)
    asked = asyncio.create_task(feed.history(daily, 1000))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert len(threads) <= 4
