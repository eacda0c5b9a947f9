"""Bars leave in order, without holes, each once."""

from domain.market import Bar
from exchanges.shared.candles import BarClock

STEP = 60


def bar(at: int, close: int = 5) -> Bar:
    opened = at * STEP
    return Bar(instrument="X", interval_ns=STEP, open_ts_ns=opened, venue_ts_ns=opened + STEP, open=5, high=9, low=1,
               close=close, volume=1)  # fmt: skip


def test_a_later_candle_finishes_the_running_one_with_its_last_values():
    clock = BarClock(STEP)
    assert clock.take(bar(1, 5)) is None
    assert clock.take(bar(1, 7)) is None
    done = clock.take(bar(2))
    assert done is not None
    assert (done.open_ts_ns, done.close) == (STEP, 7)
    assert clock.next_open_ns == 2 * STEP


def test_the_venues_time_finishes_a_bar_once():
    clock = BarClock(STEP, STEP)
    clock.take(bar(1))
    assert clock.due(2 * STEP - 1) is None
    assert clock.due(2 * STEP) is not None
    assert clock.due(3 * STEP) is None
    assert clock.take(bar(1, 8)) is None
    assert clock.due(3 * STEP) is None


def test_a_bar_that_was_not_seen_is_missing_until_it_is_fetched():
    clock = BarClock(STEP, STEP)
    assert not clock.missing(2 * STEP - 1)
    assert clock.missing(2 * STEP)
    clock.take(bar(3))
    assert clock.due(9 * STEP) is None
    leaving, absent = clock.fetched([bar(0), bar(1), bar(2)])
    assert ([b.open_ts_ns for b in leaving], absent) == ([STEP, 2 * STEP], 0)
    done = clock.take(bar(4))
    assert done is not None
    assert done.open_ts_ns == 3 * STEP


def test_bars_that_the_venue_does_not_have_are_counted():
    clock = BarClock(STEP, STEP)
    leaving, absent = clock.fetched([bar(3), bar(4)])
    assert ([b.open_ts_ns for b in leaving], absent) == ([3 * STEP, 4 * STEP], 2)


def test_what_ran_when_the_connection_was_lost_is_fetched_and_not_believed():
    clock = BarClock(STEP, STEP)
    clock.take(bar(1))
    clock.forget()
    assert clock.take(bar(2)) is None
    assert clock.missing(2 * STEP)


def test_old_candles_change_nothing():
    clock = BarClock(STEP, 5 * STEP)
    assert clock.take(bar(5)) is None
    assert clock.take(bar(4)) is None
    done = clock.take(bar(6))
    assert done is not None
    assert done.open_ts_ns == 5 * STEP
    assert not BarClock(STEP).missing(10**9)
