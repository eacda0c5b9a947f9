"""The minutes of watched markets, built from every trade."""

from domain.market import Bbo, Trade
from engine.data.minutes import MINUTE_NS, Minute, Minutes

BTC, ETH = "BTC-USDC-PERP.PAPER", "ETH-USDC-PERP.PAPER"
OPEN = 1_000 * MINUTE_NS


def trade(at_ns: int, price: int, qty: int = 1, instrument: str = BTC) -> Trade:
    return Trade(venue_ts_ns=OPEN + at_ns, instrument=instrument, price=price, qty=qty, side=1)


def watched(since_ns: int = OPEN) -> Minutes:
    minutes = Minutes(lambda: since_ns)
    minutes.watch(1, [BTC])
    return minutes


def test_a_minute_is_what_was_traded_in_it():
    minutes = watched()
    for at_ns, price, qty in ((0, 100, 2), (1, 130, 3), (2, 90, 1), (MINUTE_NS - 1, 110, 1)):
        minutes.put(trade(at_ns, price, qty))
    assert minutes.last(BTC) == [Minute(OPEN, 100, 130, 90, 110, 7, OPEN)]


def test_the_last_two_minutes_are_kept_and_a_late_trade_belongs_to_its_own():
    minutes = watched()
    for minute in range(4):
        minutes.put(trade(minute * MINUTE_NS, 100 + minute))
    minutes.put(trade(2 * MINUTE_NS + 5, 150))
    minutes.put(trade(0, 999))
    assert [(one.open_ts_ns - OPEN, one.high) for one in minutes.last(BTC)] == [
        (2 * MINUTE_NS, 150),
        (3 * MINUTE_NS, 103),
    ]


def test_a_minute_whose_beginning_was_not_seen_says_so():
    minutes = watched(OPEN + 20)
    minutes.put(trade(30, 100))
    minutes.put(trade(MINUTE_NS, 100))
    assert [one.from_ns - one.open_ts_ns for one in minutes.last(BTC)] == [20, 0]


def test_what_nobody_watches_is_not_kept():
    minutes = watched()
    minutes.put(trade(0, 100, instrument=ETH))
    minutes.put(Bbo(instrument=BTC, bid=1, bid_qty=1, ask=2, ask_qty=1))
    assert not minutes.last(ETH)
    assert not minutes.last(BTC)
    minutes.put(trade(0, 100))
    minutes.watch(1, [ETH])
    minutes.put(trade(1, 100))
    minutes.watch(1, [BTC])
    assert not minutes.last(BTC)


def test_a_market_is_kept_as_long_as_one_of_its_watchers_looks():
    minutes = watched()
    minutes.watch(2, [BTC, ETH])
    minutes.watch(1, [])
    minutes.put(trade(0, 100))
    assert minutes.watched == {BTC, ETH}
    assert minutes.last(BTC)
    minutes.watch(2, [])
    assert not minutes.watched
