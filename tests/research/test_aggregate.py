"""Coarser bars out of bars and trades."""

import numpy as np
import pytest

from domain.errors import DataError
from domain.market import Bar, Trade
from engine.data.tables import BarTable
from research.aggregate import coarser, with_bars

SECOND_NS = 1_000_000_000
BTC = "BTC-USDC-PERP.PAPER"


def table(opens: list[int]) -> BarTable:
    n = len(opens)
    closes = np.arange(n, dtype=float) + 10
    return BarTable(
        name="t",
        interval_ns=60 * SECOND_NS,
        open_ts_ns=np.array(opens) * 60 * SECOND_NS,
        open=closes - 1,
        high=closes + 2,
        low=closes - 3,
        close=closes,
        volume=np.ones(n),
    )


def test_whole_buckets_are_made_and_cut_off_ones_left_out():
    five = coarser(table([3, 4, *range(5, 16)]), 300 * SECOND_NS)
    assert (five.open_ts_ns // (60 * SECOND_NS)).tolist() == [5, 10]
    assert five.open.tolist() == [11.0, 16.0]
    assert five.close.tolist() == [16.0, 21.0]
    assert five.high.tolist() == [18.0, 23.0]
    assert five.low.tolist() == [9.0, 14.0]
    assert five.volume.tolist() == [5.0, 5.0]
    assert "2 with a hole left out" in five.notes[-1]


def test_the_same_interval_is_the_same_table():
    bars = table(list(range(5)))
    assert coarser(bars, bars.interval_ns) is bars


@pytest.mark.parametrize("seconds", [30, 90])
def test_bars_that_do_not_add_up_are_refused(seconds):
    with pytest.raises(DataError, match="do not add up"):
        coarser(table(list(range(10))), seconds * SECOND_NS)


def test_a_file_shorter_than_one_bar_is_refused():
    with pytest.raises(DataError, match="not one whole bar"):
        coarser(table([1, 2, 3]), 300 * SECOND_NS)


def trade(at: float, price: int, qty: int = 1) -> Trade:
    return Trade(ts_ns=int(at * SECOND_NS), instrument=BTC, price=price, qty=qty, side=1)


def test_bars_of_trades_come_before_what_follows_their_close_and_silence_is_flat():
    trades = [trade(5, 100), trade(11, 103, 2), trade(14, 101), trade(19.5, 99), trade(41, 120)]
    seen = list(with_bars(trades, 10 * SECOND_NS))
    bars = [event for event in seen if isinstance(event, Bar)]
    shown = [(b.open_ts_ns // SECOND_NS, b.open, b.high, b.low, b.close, b.volume) for b in bars]
    assert shown == [(10, 103, 103, 99, 99, 4), (20, 99, 99, 99, 99, 0), (30, 99, 99, 99, 99, 0)]
    assert [bar.ts_ns // SECOND_NS for bar in bars] == [20, 30, 40]
    assert [type(event) for event in seen[-4:]] == [Bar, Bar, Bar, Trade]
    assert [event.ts_ns for event in seen] == sorted(event.ts_ns for event in seen)
