"""The synthetic market as backtest and simulation see it."""

import hashlib
import itertools
import os
import subprocess
import sys
from decimal import Decimal

import msgspec
import pytest

from domain.errors import ConfigError
from domain.market import Bar, Bbo, Book, Feed, FeedKind, Mark, Trade
from engine.data.synthetic import MINUTE_NS, SyntheticMarket
from tests.engine.data.samples import BTC, ETH, SOL, START_NS, perpetual

HOUR_NS = 60 * MINUTE_NS


def market(seed: int = 1, start: int = START_NS) -> SyntheticMarket:
    return SyntheticMarket([BTC, ETH, SOL], seed, start)


def minutes(events, count: int, start: int = START_NS) -> list:
    return list(itertools.takewhile(lambda event: event.ts_ns < start + count * MINUTE_NS, events))


def test_events_come_in_time_order_with_every_kind_for_every_instrument():
    events = minutes(market().events(), 3)
    times = [event.ts_ns for event in events]
    assert times == sorted(times)
    assert times[0] >= START_NS
    seen = {(type(event), event.instrument) for event in events}
    assert seen == {(kind, i.id) for kind in (Bar, Bbo, Book, Trade, Mark) for i in (BTC, ETH, SOL)}


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    def digest(seed: int) -> str:
        taken = list(itertools.islice(market(seed).events(), 5_000))
        return hashlib.sha256(msgspec.msgpack.encode(taken)).hexdigest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_the_market_does_not_depend_on_the_hash_seed_of_the_process():
    code = (
        "import itertools, hashlib, msgspec; from tests.engine.data.test_synthetic import market;"
        "print(hashlib.sha256(msgspec.msgpack.encode(list(itertools.islice(market().events(), 2000)))).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(digests) == 1


def test_a_market_started_later_goes_on_without_a_seam():
    later = START_NS + 7 * MINUTE_NS + 123_456_789
    whole = [event for event in minutes(market().events(), 9) if event.ts_ns >= later]
    assert minutes(market(start=later).events(), 9) == whole


def test_the_chunk_size_changes_nothing():
    small = list(itertools.islice(market().events(chunk_steps=7), 4_000))
    assert small == list(itertools.islice(market().events(chunk_steps=500), 4_000))


def test_bars_are_made_of_the_trades_and_come_at_their_close():
    events = minutes(market().events(), 4)
    bars = [event for event in events if isinstance(event, Bar) and event.instrument == BTC.id]
    assert len(bars) == 4
    for bar in bars[1:]:
        assert bar.ts_ns == bar.open_ts_ns + bar.interval_ns
        inside = [
            event
            for event in events
            if isinstance(event, Trade)
            and event.instrument == BTC.id
            and bar.open_ts_ns <= event.ts_ns < bar.open_ts_ns + MINUTE_NS
        ]
        prices = [trade.price for trade in inside]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert bar.volume == sum(trade.qty for trade in inside)


def test_history_is_what_would_have_been_delivered():
    delivered = [e for e in minutes(market().events(), 5) if isinstance(e, Bar) and e.instrument == ETH.id]
    assert market().bars(ETH.id, MINUTE_NS, START_NS + 5 * MINUTE_NS, 5) == delivered


def test_history_is_gap_free_and_long_intervals_agree_with_short_ones():
    short = market().bars(BTC.id, MINUTE_NS, START_NS // HOUR_NS * HOUR_NS, 120)
    long = market().bars(BTC.id, HOUR_NS, START_NS, 2)
    assert [bar.open_ts_ns - short[0].open_ts_ns for bar in short] == [i * MINUTE_NS for i in range(120)]
    for hour, part in zip(long, (short[:60], short[60:]), strict=True):
        assert (hour.open, hour.close) == (part[0].open, part[-1].close)
        assert (hour.high, hour.low) == (max(b.high for b in part), min(b.low for b in part))
        assert hour.volume == sum(b.volume for b in part)


def test_books_are_sound_and_prices_can_be_sent_to_the_venue():
    for event in minutes(market().events(), 3):
        if isinstance(event, Book):
            bids, asks = [p for p, _ in event.bids], [p for p, _ in event.asks]
            assert len(bids) == len(asks) == 10
            assert bids == sorted(set(bids), reverse=True)
            assert asks == sorted(set(asks))
            assert bids[0] < asks[0]
            assert all(qty > 0 for _, qty in event.bids + event.asks)
            assert all(price % BTC.price_step(price) == 0 for price in bids + asks)
        if isinstance(event, Bbo):
            assert 0 < event.bid < event.ask


def test_trades_lean_to_where_the_price_goes_and_hit_the_touch_shown_before():
    touch: Bbo | None = None
    for event in minutes(market().events([Feed(kind=k, instrument=BTC.id) for k in (FeedKind.BBO, FeedKind.TRADE)]), 5):
        if isinstance(event, Bbo):
            touch = event
        elif isinstance(event, Trade) and touch:
            assert event.price == (touch.ask if event.side > 0 else touch.bid)


def test_it_moves_like_a_market_with_trends_and_reversals():
    bars = market().bars(BTC.id, MINUTE_NS, START_NS, 1_440)
    closes = [bar.close for bar in bars]
    move = max(closes) / min(closes) - 1
    assert 0.01 < move < 0.3
    up = sum(closes[i] > max(closes[i - 20 : i]) for i in range(20, 1_440))
    down = sum(closes[i] < min(closes[i - 20 : i]) for i in range(20, 1_440))
    assert up > 50
    assert down > 50


def test_the_same_asset_on_two_venues_stays_close_without_being_equal():
    other = perpetual("BTC", 5, "BINANCE")
    both = SyntheticMarket([BTC, other], 1, START_NS)
    here = both.bars(BTC.id, MINUTE_NS, START_NS, 200)
    there = both.bars(other.id, MINUTE_NS, START_NS, 200)
    gaps = [abs(a.close - b.close) / a.close for a, b in zip(here, there, strict=True)]
    assert 0 < max(gaps) < 0.002


def test_a_typical_price_can_be_given_and_the_market_stays_around_it():
    cheap = SyntheticMarket([SOL], 1, START_NS, {"SOL": Decimal(20)})
    assert all(5 < SOL.price_float(bar.close) < 40 for bar in cheap.bars(SOL.id, HOUR_NS, START_NS, 24))


def test_a_tick_too_coarse_an_unknown_instrument_and_an_odd_interval_are_refused():
    with pytest.raises(ConfigError, match=r"a tick of 0\.1 is too coarse .* around 0\.6"):
        SyntheticMarket([perpetual("XRP", 5)], 1, START_NS)
    with pytest.raises(ConfigError, match="has no DOGE-USDC-PERP"):
        market().events([Feed(kind=FeedKind.BBO, instrument="DOGE-USDC-PERP.PAPER")])
    with pytest.raises(ConfigError, match="whole seconds"):
        market().bars(BTC.id, 1_500_000_000, START_NS, 3)


def test_only_what_is_asked_for_is_made():
    events = minutes(market().events([Feed(kind=FeedKind.BAR, instrument=SOL.id, interval_ns=5_000_000_000)]), 1)
    assert {type(event) for event in events} == {Bar, Mark}
    assert len([event for event in events if isinstance(event, Bar)]) == 12
