"""Rows for the matching rules."""

from domain.market import Bar, Bbo, Book, Mark, Trade
from engine.data import arrays
from exchanges.paper import matching

ID = "BTC-USDT-PERP.PAPER"


def test_the_kinds_are_those_of_the_matching_rules():
    for name in ("LEVEL", "TRADE", "TOP", "CLEAR", "LOOK", "MARK", "ROW"):
        assert getattr(arrays, name) == getattr(matching, name)


def test_events_become_rows_and_bars_none():
    rows = arrays.rows_of(
        [
            Bbo(ts_ns=1, instrument=ID, bid=9, bid_qty=1, ask=11, ask_qty=2),
            Trade(ts_ns=2, instrument=ID, price=9, qty=3, side=-1),
            Book(ts_ns=3, instrument=ID, bids=((9, 1),), asks=((11, 2),)),
            Mark(ts_ns=4, instrument=ID, price=10),
            Bar(ts_ns=5, instrument=ID, interval_ns=1, open_ts_ns=4, open=1, high=1, low=1, close=1, volume=1),
        ]
    )
    assert rows.tolist() == [
        [1, arrays.TOP, 1, 9, 1],
        [1, arrays.TOP, -1, 11, 2],
        [2, arrays.TRADE, -1, 9, 3],
        [3, arrays.CLEAR, 1, 0, 0],
        [3, arrays.LEVEL, 1, 9, 1],
        [3, arrays.CLEAR, -1, 0, 0],
        [3, arrays.LEVEL, -1, 11, 2],
        [3, arrays.LOOK, 0, 0, 0],
        [4, arrays.MARK, 0, 10, 0],
    ]
