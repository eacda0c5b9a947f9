"""Conflation by the events' own time, and lag."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from domain.market import Bar, Bbo, Book, FeedState, FeedStatus, Mark, Trade
from engine.data.conflate import Conflator, LagWatch
from engine.data.synthetic import SyntheticMarket
from tests.engine.data.samples import BTC, ETH, START_NS, HandClock

MS = 1_000_000
SECOND = 1_000 * MS


def bbo(at_ms: int, bid: int = 1, instrument: str = BTC.id) -> Bbo:
    return Bbo(venue_ts_ns=at_ms * MS, instrument=instrument, bid=bid, bid_qty=1, ask=bid + 1, ask_qty=1)


def trade(at_ms: int, qty: int = 1, side: int = 1, price: int = 5) -> Trade:
    return Trade(venue_ts_ns=at_ms * MS, instrument=BTC.id, price=price, qty=qty, side=side)


def conflated(events, **options) -> list:
    seen: list = []
    conflator = Conflator(seen.append, **options)
    for event in events:
        conflator.put(event)
    return seen


def test_the_first_of_a_window_goes_on_and_the_latest_follows_at_its_end():
    seen = conflated([bbo(0, 1), bbo(10, 2), bbo(20, 3), bbo(110, 9, ETH.id), bbo(120, 4), bbo(205, 5)])
    assert [(event.instrument, event.bid) for event in seen] == [(BTC.id, 1), (BTC.id, 3), (ETH.id, 9), (BTC.id, 5)]


def test_a_fresh_event_replaces_what_waited():
    seen = conflated([bbo(0, 1), bbo(10, 2), bbo(110, 3)])
    assert [event.bid for event in seen] == [1, 3]


def test_in_a_quiet_market_the_last_event_goes_on_by_timer():
    seen: list = []
    conflator = Conflator(seen.append)
    for event in (bbo(0, 1), bbo(10, 2)):
        conflator.put(event)
    conflator.flush(50 * MS)
    assert len(seen) == 1
    conflator.flush(100 * MS)
    assert [event.bid for event in seen] == [1, 2]


def test_the_timer_reckons_in_the_venues_time_though_our_clock_is_ten_seconds_ahead():
    seen: list = []
    conflator = Conflator(seen.append)
    for number, at in enumerate((1_000, 1_010)):
        event = bbo(at, number)
        event.ts_ns = event.venue_ts_ns + 10 * SECOND
        conflator.put(event)
    conflator.flush(11 * SECOND + 50 * MS)
    assert len(seen) == 1
    conflator.flush(11 * SECOND + 110 * MS)
    assert len(seen) == 2


def test_every_trade_goes_on_up_to_the_cap_and_the_rest_is_merged_per_side():
    trades = [trade(at) for at in range(3)] + [trade(3, 7, 1, 6), trade(4, 8, 1, 7), trade(5, 9, -1, 4)]
    seen: list = []
    conflator = Conflator(seen.append, max_trades=3)
    for event in trades:
        conflator.put(event)
    conflator.put(bbo(200))
    assert seen[:3] == trades[:3]
    assert [(t.side, t.qty, t.price) for t in seen[3:5]] == [(1, 15, 7), (-1, 9, 4)]
    assert conflator.merged == 1


def test_bars_and_feed_states_pass_at_once_and_zero_means_everything():
    bar = Bar(instrument=BTC.id, interval_ns=1, open_ts_ns=0, open=1, high=1, low=1, close=1, volume=0)
    status = FeedStatus(venue="PAPER", state=FeedState.GAP)
    assert conflated([bar, bar, status]) == [bar, bar, status]
    quotes = [bbo(0), bbo(1), bbo(2)]
    assert conflated(quotes, cadence_ns=0) == quotes


@given(times=st.lists(st.integers(0, 2_000), min_size=1, max_size=80))
def test_no_instrument_and_kind_comes_more_often_than_the_cadence_and_the_last_state_is_known(times):
    quotes = [bbo(at, number) for number, at in enumerate(sorted(times))]
    seen: list = []
    conflator = Conflator(seen.append)
    windows = []
    for event in quotes:
        before = len(seen)
        conflator.put(event)
        windows += [event.venue_ts_ns // (100 * MS)] * (len(seen) - before)
    assert len(windows) == len(set(windows))
    conflator.flush(10_000 * MS)
    assert seen[-1].bid == len(quotes) - 1
    assert conflator.dropped + len(seen) == len(quotes)


def test_volume_of_trades_is_conserved_and_a_busy_market_is_thinned_to_its_cadence():
    events = list(itertools.islice(SyntheticMarket([BTC, ETH], 1, START_NS).events(), 6_000))
    seen: list = []
    conflator = Conflator(seen.append, cadence_ns=SECOND, max_trades=2)
    for event in events:
        conflator.put(event)
    conflator.flush(2**62)

    def volume(items) -> int:
        return sum(event.qty for event in items if isinstance(event, Trade))

    assert volume(seen) == volume(events)
    seconds = (events[-1].ts_ns - events[0].ts_ns) // SECOND + 3
    for kind in (Bbo, Book, Mark):
        assert sum(isinstance(event, kind) for event in seen) <= 2 * seconds
    assert len(seen) < len(events) / 2


def test_falling_behind_is_said_and_so_is_catching_up():
    seen: list = []
    clock = HandClock(1_000 * SECOND)
    watch = LagWatch(seen.append, "PAPER", clock, bound_ns=SECOND)

    def arrive(delay_ms: int) -> None:
        clock.ns += 10 * MS
        watch.put(Bbo(venue_ts_ns=clock.ns - delay_ms * MS, instrument=BTC.id, bid=1, bid_qty=1, ask=2, ask_qty=1))

    for delay in (300, 310, 1_200, 1_500, 900, 700, 320):
        arrive(delay)
    states = [(event.state, event.detail) for event in seen if isinstance(event, FeedStatus)]
    assert states == [(FeedState.LAG, "events come 1.2 s later than usual"), (FeedState.LIVE, "caught up")]
    assert isinstance(seen[seen.index(next(e for e in seen if isinstance(e, FeedStatus))) + 1], Bbo)


def test_a_clock_that_is_wrong_by_a_constant_is_no_lag():
    seen: list = []
    clock = HandClock(1_000 * SECOND)
    watch = LagWatch(seen.append, "PAPER", clock, bound_ns=SECOND)
    for _ in range(20):
        clock.ns += 10 * SECOND
        watch.put(bbo((clock.ns + 3_600 * SECOND) // MS))
    assert not watch.is_lagging
    clock.ns -= 30 * SECOND
    for _ in range(20):
        clock.ns += 10 * SECOND
        watch.put(bbo((clock.ns - 5 * SECOND) // MS))
    assert not watch.is_lagging, "after two minutes the new delay is the usual one"
