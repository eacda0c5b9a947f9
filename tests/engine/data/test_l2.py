"""Recorded tapes become events and rows; broken ones are refused with the line."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DataError
from domain.instrument import Instrument
from domain.market import Bbo, Book, Trade
from engine.data.arrays import CLEAR, LEVEL, LOOK, TOP, TRADE
from engine.data.l2 import L2Tape, tape_instrument
from tests.needs import recorded_data

T = 1_723_161_255_000_000_000
VENUE, MS = T, 1_000_000
BTC = Instrument(id="BTC-USDT-PERP.BINANCE", venue_symbol="BTCUSDT", price_decimals=1, qty_decimals=3)
HYPER = Instrument(id="BTC-USDC-PERP.HYPERLIQUID", venue_symbol="BTC", price_decimals=1, qty_decimals=5)


def depth(first: int, last: int, previous: int, bids, asks) -> dict:
    data = {"e": "depthUpdate", "E": 1723161255001, "T": 1723161255000, "s": "BTCUSDT", "U": first, "u": last,
            "pu": previous, "b": bids, "a": asks}  # fmt: skip
    return {"stream": "btcusdt@depth@0ms", "data": data}


SNAPSHOT = {
    "lastUpdateId": 100, "E": 1, "T": 1723161255000,
    "bids": [["100.0", "1.000"], ["99.5", "2.000"]], "asks": [["100.5", "1.500"], ["101.0", "3.000"]],
}  # fmt: skip
TICKER = {"stream": "btcusdt@bookTicker", "data": {"u": 1, "s": "BTCUSDT", "b": "100.0", "B": "1.000", "a": "100.5",
          "A": "1.500", "T": 1723161255002}}  # fmt: skip


def trade(price: str, kind: str = "MARKET", *, maker: bool = True) -> dict:
    data = {"e": "trade", "T": 1723161255003, "t": 7, "p": price, "q": "0.010", "X": kind, "m": maker}
    return {"stream": "btcusdt@trade", "data": data}


def tape(tmp_path, *messages, instrument: Instrument = BTC) -> L2Tape:
    path = tmp_path / "tape.gz"
    lines = (f"{T + at} {json.dumps(message)}\n" for at, message in enumerate(messages))
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return L2Tape(path, instrument)


def test_differences_are_joined_to_the_snapshot_as_the_venue_prescribes(tmp_path):
    made = tape(
        tmp_path,
        depth(80, 90, 79, [["99.0", "9"]], []),
        depth(91, 105, 90, [["100.0", "0"], ["99.9", "4"]], []),
        SNAPSHOT,
        depth(106, 110, 105, [], [["100.5", "0"]]),
    )
    books = list(made.events())
    assert [type(event) for event in books] == [Book, Book, Book]
    assert isinstance(books[0], Book)
    assert books[0].bids == ((1000, 1000), (995, 2000))
    assert isinstance(books[1], Book)
    assert books[1].bids == ((999, 4000), (995, 2000))
    assert isinstance(books[2], Book)
    assert books[2].asks == ((1010, 3000),)
    assert (books[2].ts_ns, books[2].venue_ts_ns) == (T + 3, 1723161255000 * 10**6)


def test_a_hole_in_the_chain_is_refused_with_the_line(tmp_path):
    with pytest.raises(DataError, match=r"tape.gz, line 3: depth update 120 to 130 does not follow 105"):
        list(tape(tmp_path, SNAPSHOT, depth(95, 105, 94, [], []), depth(120, 130, 119, [], [])).events())


def test_touch_and_trades_are_read_with_the_aggressor(tmp_path):
    made = tape(tmp_path, TICKER, trade("100.0"), trade("100.5", maker=False), trade("0", "NA"))
    touch, sold, bought = made.events()
    sizes = {"bid": 1000, "bid_qty": 1000, "ask": 1005, "ask_qty": 1500}
    assert touch == Bbo(ts_ns=T, venue_ts_ns=VENUE + 2 * MS, instrument=BTC.id, **sizes)
    one: dict[str, Any] = {"venue_ts_ns": VENUE + 3 * MS, "instrument": BTC.id, "qty": 10, "trade_id": "7"}
    assert sold == Trade(ts_ns=T + 1, price=1000, side=-1, **one)
    assert bought == Trade(ts_ns=T + 2, price=1005, side=1, **one)
    assert made.notes[0] == "1 trades left out (sent as history, or not from the book)"


def test_a_crossed_book_is_left_out_and_counted(tmp_path):
    made = tape(tmp_path, SNAPSHOT, depth(95, 105, 94, [["102.0", "1"]], []))
    assert len(list(made.events())) == 1
    assert "1 crossed books left out" in made.notes


def test_rows_keep_every_level_and_put_what_is_gone_first(tmp_path):
    rows = tape(
        tmp_path, SNAPSHOT, TICKER, trade("100.0"), depth(95, 105, 94, [["99.9", "4"]], [["100.5", "0"]])
    ).rows()
    assert rows[:, 1].tolist() == [CLEAR, LEVEL, LEVEL, CLEAR, LEVEL, LEVEL, LOOK, TOP, TOP, TRADE, LEVEL, LEVEL]
    assert rows[-2:].tolist() == [[T + 3, LEVEL, -1, 1005, 0], [T + 3, LEVEL, 1, 999, 4000]]


def hyper_book(time: int, bid: str = "105055.0") -> dict:
    levels = [[{"px": bid, "sz": "3.03622", "n": 5}], [{"px": "105056.0", "sz": "6.34472", "n": 13}]]
    return {"channel": "l2Book", "data": {"coin": "BTC", "time": time, "levels": levels}}


def hyper_trades(*times: int) -> dict:
    one = {"coin": "BTC", "side": "A", "px": "105055.0", "sz": "0.001", "hash": "0x", "tid": 5, "users": []}
    return {"channel": "trades", "data": [{**one, "time": time} for time in times]}


def test_hyperliquid_snapshots_and_trades_are_read_and_old_trades_left_out(tmp_path):
    made = tape(
        tmp_path, hyper_book(1_723_161_255_000), hyper_trades(1_723_161_200_000, 1_723_161_255_100), instrument=HYPER
    )
    book, sold = made.events()
    assert isinstance(book, Book)
    assert book.bids == ((1_050_550, 303_622),)
    assert isinstance(sold, Trade)
    assert (sold.side, sold.price, sold.qty) == (-1, 1_050_550, 100)
    assert "1 trades left out" in made.notes[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the tape is empty"),
        (b"hello\n", "line 1: expected a time in ns and a JSON message"),
        (b"1723161255000 {}\n", "line 1: expected a time in ns"),
        (b"1723161255000000000 {}\n", "neither a Binance stream nor a Hyperliquid channel"),
        (b'1723161255000000000 {"stream": 5}\n', "line 1: Expected `str`, got `int`"),
        (b'1723161255000000000 {"stream": "btcusd_perp@trade", "data": {}}\n', "is inverse"),
        (b'1723161255000000001 {"stream": ""}\n1723161255000000000 {"stream": ""}\n', "line 2: its time is before"),
        (b"\x1f\x8bbroken", "cannot be read"),
    ],
)
def test_a_tape_that_is_none_is_refused(tmp_path, content, reason):
    path = tmp_path / "tape"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(L2Tape(path, BTC).events())
    assert reason in str(error.value)


def test_a_price_that_the_instrument_cannot_carry_is_refused_with_the_line(tmp_path):
    with pytest.raises(DataError, match=r"line 2: .*price 100.05 is not a multiple of 0.1"):
        list(tape(tmp_path, TICKER, trade("100.05")).events())


@given(
    content=st.binary(max_size=200), start=st.sampled_from([b"", b'1723161255000000000 {"channel":"l2Book","data":'])
)
def test_random_bytes_are_refused_politely(tmp_path_factory, content, start):
    path = tmp_path_factory.getbasetemp() / "random-tape"
    path.write_bytes(start + content)
    with pytest.raises(DataError):
        list(L2Tape(path, BTC).events())


def test_an_instrument_is_derived_from_the_tape(tmp_path):
    made = tape(tmp_path, SNAPSHOT)
    instrument, note = tape_instrument(made.path, "BTC-USDT-PERP.BINANCE", "BTCUSDT")
    assert (instrument.price_decimals, instrument.tick, instrument.qty_decimals, instrument.lot) == (1, 5, 1, 5)
    assert "assumed BTC-USDT-PERP.BINANCE with a tick of 0.5 and a lot of 0.5" in note


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("usdm_btcusdt_20240808.gz", {"Bbo": 66_089, "Trade": 21_313, "Book": 6_548}),
        ("spot_btcusdt_20240808.gz", {"Bbo": 28_040, "Trade": 9_757, "Book": 3_450}),
        ("hyperliquid_btcusd_20250126.gz", {"Book": 46, "Trade": 35}),
    ],
)
def test_every_recorded_tape_is_read_to_its_end_without_a_crossed_book(file, counts):
    path = recorded_data("l2", file)
    instrument, _ = tape_instrument(path, "BTC-USDT-PERP.TAPE", "BTC")
    made = L2Tape(path, instrument)
    seen: dict[str, int] = {}
    last = 0
    for event in made.events():
        seen[type(event).__name__] = seen.get(type(event).__name__, 0) + 1
        assert event.ts_ns >= last
        last = event.ts_ns
    assert seen == counts
    assert not any("crossed" in note for note in made.notes)


@pytest.mark.real_data
def test_the_inverse_tape_is_refused():
    with pytest.raises(DataError, match="COIN-M contract, which is inverse"):
        list(L2Tape(recorded_data("l2", "cm_btcusd_perp_20240808.gz"), BTC).events())
