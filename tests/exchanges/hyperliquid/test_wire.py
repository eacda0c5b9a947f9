"""Frames become events exactly, and nonsense becomes an error."""

import gzip
import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import DataError, Unrepresentable
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Mark, Trade
from exchanges.hyperliquid import wire
from exchanges.hyperliquid.wire import CoinCodec, decode
from exchanges.shared import integers as shared_integers
from exchanges.shared.integers import Integers
from tests.exchanges.hyperliquid import server
from tests.needs import recorded_data

BTC = Instrument(id="BTC-USDC-PERP.PAPER", venue_symbol="BTC", price_decimals=1, qty_decimals=5, max_significant=5)
T = server.NOW_MS
MS = 1_000_000


def decoded(message):
    return decode(json.dumps(message).encode())


def test_a_book_becomes_integers():
    message = decoded(server.book(T))
    assert isinstance(message, wire.BookMessage)
    assert CoinCodec(BTC).book(message.data, 7) == Book(
        ts_ns=7,
        venue_ts_ns=T * MS,
        instrument=BTC.id,
        bids=((1_050_550, 303_622), (1_050_500, 394_526)),
        asks=((1_050_560, 634_472),),
    )


def test_a_quote_becomes_integers_and_half_a_quote_nothing():
    message = decoded(server.bbo(T))
    assert isinstance(message, wire.BboMessage)
    codec = CoinCodec(BTC)
    assert codec.bbo(message.data, 7) == Bbo(
        ts_ns=7, venue_ts_ns=T * MS, instrument=BTC.id, bid=1_050_550, bid_qty=200_000, ask=1_050_560, ask_qty=150_000
    )
    message.data.bbo = (message.data.bbo[0], None)
    assert codec.bbo(message.data, 7) is None


def test_a_trade_carries_the_side_of_the_aggressor():
    message = decoded(server.trades(server.trade(T, 5, "A"), server.trade(T, 6, "B")))
    assert isinstance(message, wire.TradesMessage)
    sold, bought = (CoinCodec(BTC).trade(each, 7) for each in message.data)
    assert sold == Trade(
        ts_ns=7, venue_ts_ns=T * MS, instrument=BTC.id, price=1_050_560, qty=219, side=-1, trade_id="5"
    )
    assert bought.side == 1


def test_a_candle_becomes_a_bar_and_its_noisy_volume_is_rounded():
    opened = T // 60_000 * 60_000
    message = decoded({"channel": "candle", "data": server.candle(opened) | {"v": "12.4999999999"}})
    assert isinstance(message, wire.CandleMessage)
    bar = CoinCodec(BTC).bar(message.data, 7)
    assert bar == Bar(
        ts_ns=7, venue_ts_ns=(opened + 60_000) * MS, instrument=BTC.id, interval_ns=60_000 * MS,
        open_ts_ns=opened * MS, open=1_050_400, high=1_050_600, low=1_050_300, close=1_050_500, volume=1_250_000,
    )  # fmt: skip


def test_mark_price_and_funding_rate():
    message = decoded(server.context("105055.57"))
    assert isinstance(message, wire.AssetMessage)
    assert CoinCodec(BTC).mark(message.data, 7) == Mark(
        ts_ns=7, instrument=BTC.id, price=1_050_556, funding_rate=Decimal("0.0000125")
    )


def test_control_messages_are_understood():
    assert isinstance(decode(b'{"channel":"pong"}'), wire.PongMessage)
    error = decode(b'{"channel":"error","data":"Invalid subscription"}')
    assert isinstance(error, wire.ErrorMessage)
    echo = decode(b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":'
                  b'{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null}}}')  # fmt: skip
    assert isinstance(echo, wire.ConfirmationMessage)
    assert echo.data.subscription == wire.Subscription("l2Book", "BTC")


@pytest.mark.parametrize(
    "frame",
    [b"", b"{", b"[]", b"null", b'{"channel":"news","data":1}', b'{"channel":"l2Book"}', b"\xff\xfe",
     b'{"channel":"l2Book","data":{"coin":"BTC","time":"soon","levels":[[],[]]}}',
     b'{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[]]}}',
     b'{"channel":"trades","data":{"coin":"BTC"}}'],
)  # fmt: skip
def test_other_frames_are_refused(frame):
    with pytest.raises(DataError, match="not understood"):
        decode(frame)


@pytest.mark.parametrize(
    "text", ["0", "-1", "abc", "", ".", "1e400", "NaN", "١٢", "1_0", "9" * 30, "1.05.0", "+5", " 5"]
)
def test_texts_that_are_no_positive_number_are_refused(text):
    message = decoded(server.book(T, bid=text))
    assert isinstance(message, wire.BookMessage)
    with pytest.raises((DataError, Unrepresentable)):
        CoinCodec(BTC).book(message.data, 7)


def test_a_price_between_the_ticks_is_refused_but_trailing_zeros_are_fine():
    codec = CoinCodec(BTC)
    message = decoded(server.book(T, bid="105055.000"))
    assert isinstance(message, wire.BookMessage)
    assert codec.book(message.data, 7).bids[0][0] == 1_050_550
    message.data.levels[0][0].px = "105055.05"
    with pytest.raises(Unrepresentable, match=r"not a multiple of 0\.1"):
        codec.book(message.data, 7)
    coarse = CoinCodec(Instrument(id=BTC.id, venue_symbol="BTC", price_decimals=1, qty_decimals=5, tick=10))
    message.data.levels[0][0].px = "105055.5"
    with pytest.raises(Unrepresentable, match="not a multiple of 1"):
        coarse.book(message.data, 7)


def test_crossed_prices_strange_sides_and_impossible_candles_are_refused():
    codec = CoinCodec(BTC)
    crossed = decoded(server.book(T, bid="105056.0", ask="105056.0"))
    assert isinstance(crossed, wire.BookMessage)
    with pytest.raises(DataError, match="crossed"):
        codec.book(crossed.data, 7)
    quote = decoded(server.bbo(T, bid="105057.0"))
    assert isinstance(quote, wire.BboMessage)
    with pytest.raises(DataError, match="crossed"):
        codec.bbo(quote.data, 7)
    odd = decoded(server.trades(server.trade(T, 1, "X")))
    assert isinstance(odd, wire.TradesMessage)
    with pytest.raises(DataError, match="expected A or B"):
        codec.trade(odd.data[0], 7)
    for change, reason in (
        ({"c": "200000.0"}, "outside high and low"),
        ({"i": "7m"}, "makes no sense"),
        ({"t": 5}, "no sense"),
    ):
        message = decoded({"channel": "candle", "data": server.candle(T // 60_000 * 60_000) | change})
        assert isinstance(message, wire.CandleMessage)
        with pytest.raises(DataError, match=reason):
            codec.bar(message.data, 7)
    for mark, funding in (("0", "0"), ("x", "0"), ("1", "x"), ("1", "NaN"), ("1", "5"), ("1e99", "0")):
        asset = decoded(server.context(mark, funding))
        assert isinstance(asset, wire.AssetMessage)
        with pytest.raises(DataError):
            codec.mark(asset.data, 7)


@given(price=st.integers(1, 10**9), decimals=st.integers(0, 8), cut=st.integers(0, 8))
@example(price=90_071_993, decimals=8, cut=0)
def test_texts_become_the_same_integers_as_the_instrument_makes(price, decimals, cut):
    instrument = Instrument(id=BTC.id, venue_symbol="BTC", price_decimals=decimals, qty_decimals=5)
    text = f"{Decimal(price).scaleb(-min(cut, decimals)):f}"
    integers = Integers(instrument, "Hyperliquid", is_price=True)
    try:
        expected = instrument.price(text)
    except Unrepresentable:
        with pytest.raises(Unrepresentable):
            integers[text]
    else:
        assert integers[text] == expected


def test_memory_of_texts_is_bounded(monkeypatch):
    monkeypatch.setattr(shared_integers, "MAX_REMEMBERED", 10)
    integers = Integers(BTC, "Hyperliquid", is_price=True)
    assert [integers[str(n)] for n in range(1, 100)] == [n * 10 for n in range(1, 100)]
    assert len(integers) <= 10


@given(frame=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)))
def test_random_frames_are_refused_politely(frame):
    with pytest.raises(DataError):
        decode(frame)


@pytest.mark.real_data
def test_every_recorded_frame_is_understood():
    codec = CoinCodec(BTC)
    books = trades = 0
    with gzip.open(recorded_data("l2", "hyperliquid_btcusd_20250126.gz")) as lines:
        messages = [decode(line.partition(b" ")[2]) for line in lines]
    for message in messages:
        if isinstance(message, wire.BookMessage):
            event = codec.book(message.data, 1)
            assert len(event.bids) == len(event.asks) == 20
            books += 1
        elif isinstance(message, wire.TradesMessage):
            trades += len([codec.trade(each, 1) for each in message.data])
    assert (books, trades) == (46, 64)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["BookTicker", "Klines", "OrderBook", "Trades"])
def test_recorded_subscriptions_of_another_client_are_understood(name):
    text = recorded_data("venues", "jkorf", "hyperliquid", "Subscriptions", f"{name}.txt").read_text("utf-8-sig")
    asked, _, rest = text.partition("\n< ")
    confirmed, _, pushed = rest.partition("\n= ")
    request = json.loads(asked.removeprefix("> "))
    echo = decode(confirmed.strip())
    assert isinstance(echo, wire.ConfirmationMessage)
    wanted = wire.Subscription(**request["subscription"])
    assert echo.data.subscription == wanted
    hype = CoinCodec(Instrument(id="HYPE-USDC-PERP.HYPERLIQUID", venue_symbol="HYPE", price_decimals=4, qty_decimals=2))
    message = decode(pushed)
    if isinstance(message, wire.BboMessage):
        assert hype.bbo(message.data, 1)
    elif isinstance(message, wire.BookMessage):
        assert hype.book(message.data, 1).bids[0][0] == 349_670
    elif isinstance(message, wire.CandleMessage):
        assert hype.bar(message.data, 1).volume == 349_567_084
    else:
        assert isinstance(message, wire.TradesMessage)
        assert hype.trade(message.data[0], 1).price == 352_760


@pytest.mark.real_data
def test_payloads_collected_by_a_third_client_are_understood():
    known = {"l2Book", "trades", "bbo", "candle", "activeAssetCtx"}
    seen = set()
    for line in recorded_data("venues", "nautilus", "inline_payloads", "hyperliquid.jsonl").read_text().splitlines():
        payload = json.loads(line)["payload"]
        if isinstance(payload, dict) and payload.get("channel") in known:
            decode(json.dumps(payload).encode())
            seen.add(payload["channel"])
    assert seen == known
