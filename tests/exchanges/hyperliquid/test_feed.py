"""The feed against a local venue that misbehaves."""

import asyncio
import time

import pytest

from domain.errors import ConfigError, VenueError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, Trade
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.feed import HyperliquidFeed
from exchanges.hyperliquid.info import reachable
from tests.exchanges.hyperliquid import server
from tests.exchanges.hyperliquid.server import LocalVenue, book, candle, context, trade, trades

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=5, max_significant=5)
BOOKS = Feed(kind=FeedKind.BOOK, instrument=BTC.id)
QUOTES = Feed(kind=FeedKind.BBO, instrument=BTC.id)
TRADES = Feed(kind=FeedKind.TRADE, instrument=BTC.id)
MINUTE_NS = 60_000_000_000
BARS = Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=MINUTE_NS)
OPEN = server.NOW_MS // 60_000 * 60_000


class HandClock:
    def __init__(self) -> None:
        self.ns = server.NOW_MS * 1_000_000

    def now_ns(self) -> int:
        return self.ns


class TickingClock(HandClock):
    """Goes on from where the hand has put it, for what waits until the venue may be asked again."""

    def __init__(self) -> None:
        super().__init__()
        self._began_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return self.ns + time.monotonic_ns() - self._began_ns


class WallClock:
    def now_ns(self) -> int:
        return time.time_ns()


def made(venue: LocalVenue, clock=None, **changes) -> HyperliquidFeed:
    options: dict = {"ping_after_s": 0.3, "backoff_s": 0.02, "backoff_max_s": 0.1, "connect_timeout_s": 3.0, **changes}
    config = HyperliquidConfig(ws_url=venue.ws_url, api_url=venue.url, request_timeout_s=2.0, **options)
    return HyperliquidFeed(config, clock or HandClock(), [BTC], jitter=lambda: 0.5)


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - watches things that signal nobody
            await asyncio.sleep(0.002)


def of(seen, kind) -> list:
    return [event for event in seen if isinstance(event, kind)]


def states(seen) -> list[FeedState]:
    return [event.state for event in of(seen, FeedStatus)]


async def test_it_subscribes_and_pushes_events_of_the_paper_instrument():
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue)
        await feed.start(seen.append, [BOOKS, QUOTES, TRADES])
        assert states(seen) == [FeedState.LIVE]
        await venue.push(book(server.NOW_MS), server.bbo(server.NOW_MS), trades(trade(server.NOW_MS, 1)), context())
        await until(lambda: len(seen) == 5)
        assert [type(event) for event in seen[1:]] == [Book, Bbo, Trade, Mark]
        assert {event.instrument for event in seen[1:]} == {BTC.id}
        assert seen[0].venue == "PAPER"
        assert seen[1].ts_ns == server.NOW_MS * 1_000_000
        kinds = {subscription["type"] for subscription in venue.subscribed()}
        assert kinds == {"l2Book", "bbo", "trades", "activeAssetCtx"}
        await feed.aclose()


async def test_a_subscription_added_while_running_is_sent_once():
    async with LocalVenue() as venue:
        feed = made(venue)
        await feed.start(lambda _: None, [BOOKS])
        await feed.subscribe([BOOKS, TRADES])
        await feed.subscribe([TRADES])
        await until(lambda: len(venue.subscribed()) == 3)
        await asyncio.sleep(0.02)
        assert [s["type"] for s in venue.subscribed()] == ["l2Book", "activeAssetCtx", "trades"]
        await feed.aclose()


@pytest.mark.parametrize("how", ["close", "cut"])
async def test_after_a_lost_connection_it_comes_back_subscribed_and_says_so(how):
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue)
        await feed.start(seen.append, [BOOKS])
        if how == "close":
            await venue.drop()
        else:
            venue.cut()
        await until(lambda: feed.reconnects == 1)
        assert states(seen) == [FeedState.LIVE, FeedState.DOWN, FeedState.GAP, FeedState.LIVE]
        await venue.push(book(server.NOW_MS))
        await until(lambda: bool(of(seen, Book)))
        assert venue.connections == 2
        await feed.aclose()


async def test_a_venue_that_refuses_for_a_while_is_tried_again_and_down_is_said_once():
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue)
        await feed.start(seen.append, [BOOKS])
        venue.refuse = True
        await venue.drop()
        await until(lambda: venue.connections >= 4)
        assert states(seen) == [FeedState.LIVE, FeedState.DOWN]
        venue.refuse = False
        await until(lambda: feed.reconnects == 1)
        assert states(seen)[2:] == [FeedState.GAP, FeedState.LIVE]
        await feed.aclose()


async def test_silence_is_pinged_and_then_the_connection_counts_as_dead():
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue, ping_after_s=0.1)
        await feed.start(seen.append, [BOOKS])
        await until(lambda: any(m["method"] == "ping" for m in venue.received))
        assert states(seen) == [FeedState.LIVE], "a pong keeps it alive"
        venue.mute = True
        await until(lambda: FeedState.DOWN in states(seen))
        down = next(event for event in of(seen, FeedStatus) if event.state is FeedState.DOWN)
        assert down.detail == "nothing came for 0.2 s"
        venue.mute = False
        await until(lambda: feed.reconnects == 1)
        await feed.aclose()


async def test_garbage_is_counted_and_skipped():
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue)
        await feed.start(seen.append, [BOOKS, TRADES])
        await venue.push("{", "nonsense", book(server.NOW_MS, coin="DOGE"), book(server.NOW_MS, bid="999999.0"),
                         trades(trade(server.NOW_MS, 1, px="-1")), {"channel": "l2Book", "data": 5})  # fmt: skip
        await venue.push(book(server.NOW_MS))
        await until(lambda: bool(of(seen, Book)))
        assert feed.poison == 6
        assert len(of(seen, Book | Trade)) == 1
        assert states(seen) == [FeedState.LIVE]
        await feed.aclose()


async def test_a_binary_or_oversized_frame_costs_the_connection_and_no_more():
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue, max_frame_bytes=2_000)
        await feed.start(seen.append, [BOOKS])
        await venue.push("x" * 5_000)
        await until(lambda: feed.reconnects == 1)
        await venue.push(b"\x00\x01")
        await until(lambda: feed.reconnects == 2)
        assert FeedState.DOWN in states(seen)
        await feed.aclose()


async def test_duplicates_and_old_books_are_left_out_and_missed_trades_are_not():
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue)
        old, first, second, third = (server.NOW_MS + ms for ms in (-60_000, 100, 200, 300))
        venue.on_subscribe = {"trades": [trades(trade(old, 1))]}
        await feed.start(seen.append, [BOOKS, TRADES])
        await venue.push(trades(trade(first, 2), trade(first, 2)), book(second), book(first), trades(trade(second, 3)))
        await until(lambda: len(of(seen, Trade)) == 2)
        venue.on_subscribe = {"trades": [trades(trade(first, 2), trade(second, 3), trade(third, 4))]}
        await venue.drop()
        await until(lambda: len(of(seen, Trade)) == 3)
        assert [event.trade_id for event in of(seen, Trade)] == ["2", "3", "4"]
        assert len(of(seen, Book)) == 1
        await feed.aclose()


async def test_a_slow_venue_is_waited_for_and_a_mute_one_is_an_error_that_says_why():
    async with LocalVenue() as venue:
        venue.confirm_after_s = 0.1
        feed = made(venue)
        await feed.start(lambda _: None, [BOOKS])
        await feed.aclose()
        venue.mute = True
        mute = made(venue, connect_timeout_s=0.3)
        with pytest.raises(VenueError, match=r"no market data from Hyperliquid \(ws://127.0.0.1:\d+/ws\) within 0.3 s"):
            await mute.start(lambda _: None, [BOOKS])


async def test_a_refused_subscription_is_an_error_in_the_venues_words():
    async with LocalVenue() as venue:
        config = HyperliquidConfig(ws_url=venue.ws_url, api_url=venue.url, connect_timeout_s=0.4)
        feed = HyperliquidFeed(config, WallClock(), [BTC], {BTC.id: "NOPE"})
        with pytest.raises(VenueError, match="Invalid subscription"):
            await feed.start(lambda _: None, [BOOKS])


async def test_nobody_there_is_an_error_that_says_so():
    config = HyperliquidConfig(ws_url="ws://127.0.0.1:1/ws", api_url="http://127.0.0.1:1", connect_timeout_s=0.3)
    feed = HyperliquidFeed(config, WallClock(), [BTC])
    with pytest.raises(VenueError, match=r"within 0\.3 s: Cannot connect to host 127\.0\.0\.1:1"):
        await feed.start(lambda _: None, [BOOKS])


async def test_a_bar_leaves_when_the_venues_time_passes_its_close():
    async with LocalVenue() as venue:
        seen: list = []
        feed = made(venue)
        await feed.start(seen.append, [BARS, BOOKS])
        close = OPEN + 60_000
        await venue.push({"channel": "candle", "data": candle(OPEN, "105041.0")}, book(close - 1),
                         {"channel": "candle", "data": candle(OPEN, "105042.0")})  # fmt: skip
        await until(lambda: bool(of(seen, Book)))
        await asyncio.sleep(0.25)
        assert of(seen, Bar) == []
        await venue.push(book(close + 600))
        await until(lambda: bool(of(seen, Bar)))
        (bar,) = of(seen, Bar)
        assert (bar.open_ts_ns, bar.close) == (OPEN * 1_000_000, 1_050_420)
        await feed.aclose()


async def test_bars_missed_while_away_are_fetched_in_order_and_none_comes_twice():
    async with LocalVenue() as venue:
        seen: list = []
        clock = TickingClock()
        feed = made(venue, clock)
        await feed.start(seen.append, [BARS, BOOKS])
        await venue.push({"channel": "candle", "data": candle(OPEN)})
        venue.candles = [candle(OPEN + at * 60_000) for at in range(-2, 4)]
        await venue.drop()
        await until(lambda: feed.reconnects == 1)
        clock.ns += 3 * MINUTE_NS
        venue.info_status = [429]
        await venue.push({"channel": "candle", "data": candle(OPEN + 180_000)}, book(OPEN + 181_000))
        await until(lambda: len(of(seen, Bar)) == 3)
        await venue.push({"channel": "candle", "data": candle(OPEN + 240_000)})
        await until(lambda: len(of(seen, Bar)) == 4)
        opens = [bar.open_ts_ns // 1_000_000 for bar in of(seen, Bar)]
        assert opens == [OPEN + at * 60_000 for at in range(4)]
        await feed.aclose()


async def test_bars_that_the_venue_does_not_have_are_a_gap():
    async with LocalVenue() as venue:
        seen: list = []
        clock = HandClock()
        feed = made(venue, clock)
        await feed.start(seen.append, [BARS])
        clock.ns += 4 * MINUTE_NS
        venue.candles = [candle(OPEN + 120_000)]
        await until(lambda: bool(of(seen, Bar)))
        gap = next(event for event in of(seen, FeedStatus) if event.state is FeedState.GAP)
        assert (gap.instrument, gap.detail) == (BTC.id, "the venue has no 2 bars of 60 s")
        await feed.aclose()


async def test_history_is_finished_bars_only_and_gap_free():
    async with LocalVenue() as venue:
        feed = made(venue)
        venue.candles = [candle(OPEN + at * 60_000) for at in (-5, -4, -2, -1, 0)]
        bars = await feed.history(BARS, 10)
        assert [bar.open_ts_ns // 1_000_000 for bar in bars] == [OPEN - 120_000, OPEN - 60_000]
        assert all(bar.ts_ns == bar.open_ts_ns + MINUTE_NS for bar in bars)
        assert venue.asked[-1]["req"] == {
            "coin": "BTC", "interval": "1m", "startTime": OPEN - 600_000, "endTime": server.NOW_MS
        }  # fmt: skip
        venue.candles = []
        assert list(await feed.history(BARS, 10)) == []
        await feed.aclose()


async def test_rest_is_tried_again_when_busy_and_gives_up_with_the_reason():
    async with LocalVenue() as venue:
        feed = made(venue, TickingClock())
        venue.info_status = [429, 502, 200]
        assert list(await feed.history(BARS, 1)) == []
        venue.info_status = [503, 503, 503]
        with pytest.raises(VenueError, match="it is in maintenance or overloaded"):
            await feed.history(BARS, 1)
        venue.info_status = [404]
        with pytest.raises(VenueError, match="HTTP 404"):
            await feed.history(BARS, 1)
        venue.info_bodies = {"candleSnapshot": b'[{"t":1}]'}
        with pytest.raises(VenueError, match="candles of BTC are not understood"):
            await feed.history(BARS, 1)
        await feed.aclose()


async def test_the_contracts_of_the_venue_become_instruments():
    async with LocalVenue() as venue:
        config = HyperliquidConfig(ws_url=venue.ws_url, api_url=venue.url)
        feed = HyperliquidFeed(config, WallClock())
        btc, eth = await feed.instruments()
        assert (btc.id, btc.price_decimals, btc.qty_decimals) == ("BTC-USDC-PERP.HYPERLIQUID", 1, 5)
        assert btc.max_significant == 5
        assert str(btc.min_notional) == "10"
        assert (str(btc.initial_margin), str(btc.maintenance_margin)) == ("0.0250", "0.0125")
        assert btc.round_price(105055.57, 1) == 1_050_550
        assert eth.price_decimals == 2
        venue.info_bodies = {"meta": b"{}"}
        with pytest.raises(VenueError, match="meta is not understood"):
            await feed.instruments()
        await feed.aclose()


async def test_whether_it_can_be_reached_is_said_plainly():
    async with LocalVenue() as venue:
        config = HyperliquidConfig(ws_url=venue.ws_url, api_url=venue.url)
        assert await reachable(config) == ""
        venue.info_status = [403]
        assert "answers HTTP 403" in await reachable(config)
    assert "cannot be reached" in await reachable(config)


async def test_what_the_venue_does_not_have_is_refused_before_anything_is_sent():
    config = HyperliquidConfig(ws_url="ws://127.0.0.1:1/ws", api_url="http://127.0.0.1:1")
    feed = HyperliquidFeed(config, WallClock(), [BTC])
    with pytest.raises(ConfigError, match="has no candles of 7 s; it has 1m, 3m"):
        await feed.start(lambda _: None, [Feed(kind=FeedKind.BAR, instrument=BTC.id, interval_ns=7_000_000_000)])
    with pytest.raises(ConfigError, match="was not given ETH-USDC-PERP"):
        await feed.subscribe([Feed(kind=FeedKind.BBO, instrument="ETH-USDC-PERP.PAPER")])
    twin = Instrument(id="BTC-USDC-PERP.OTHER", venue_symbol="BTC", price_decimals=1, qty_decimals=5)
    with pytest.raises(ConfigError, match="two instruments live on the same Hyperliquid coin"):
        HyperliquidFeed(config, WallClock(), [BTC, twin])
    await feed.aclose()


async def test_a_long_answer_that_comes_in_pieces_is_read_to_its_end():
    async with LocalVenue() as venue:
        venue.candles = [candle(OPEN - n * 60_000) for n in range(4_999, 0, -1)]
        feed = made(venue)
        assert len(await feed.history(BARS, 5_000)) == 4_999
        await feed.aclose()
