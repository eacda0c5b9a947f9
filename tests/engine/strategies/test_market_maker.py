"""Market maker: where its quotes stand, when it is silent, and how few messages it needs."""

import math

import pytest
from pydantic import ValidationError

from domain.desired import NOTHING, Qty, Quote, Style
from engine.strategies.market_maker import MarketMaker
from engine.strategies.quoting import stays
from tests.engine.strategies.harness import BTC, SECOND_NS, Bench

CALM = {
    "qty": 0.1,
    "max_position": 0.5,
    "settle_s": 2.0,
    "maker_fee_bps": 1.5,
    "min_edge_bps": 0.5,
    "tolerance_bps": 0.0,
}


def maker(**params) -> Bench:
    return Bench(MarketMaker.build([BTC], CALM | params))


def settled(**params) -> Bench:
    """A maker that has seen a market at rest: fair 50,000, volatility 0."""
    bench = maker(**params)
    for _ in range(5):
        bench.touch(49_999.0, 50_001.0, after_s=1.0)
    return bench


def prices(bench: Bench) -> tuple[list[float], list[float]]:
    quotes = bench.desired.quotes
    return [q.price for q in quotes if q.side > 0], [q.price for q in quotes if q.side < 0]


def test_no_quote_before_the_volatility_is_known():
    bench = maker()
    assert bench.touch(49_999.0, 50_001.0).quotes == ()
    assert bench.touch(49_999.0, 50_001.0, after_s=1.0).quotes == ()
    bench.touch(49_999.0, 50_001.0, after_s=1.0)
    assert len(bench.touch(49_999.0, 50_001.0, after_s=1.0).quotes) == 2


def test_quotes_stand_fee_and_edge_from_fair_in_a_market_at_rest():
    (bid,), (ask,) = prices(settled())
    assert bid == pytest.approx(50_000 * (1 - 2e-4))
    assert ask == pytest.approx(50_000 * (1 + 2e-4))


def test_volatility_widens_the_quotes():
    bench = settled(vol_factor=1.0, horizon_s=4.0)
    for i in range(200):
        bench.touch(49_999.0 + i % 2 * 10, 50_001.0 + i % 2 * 10, after_s=1.0)
    (bid,), (ask,) = prices(bench)
    sigma = math.log(50_010 / 50_000)
    assert (ask - bid) / 2 == pytest.approx(50_005 * (2e-4 + sigma * 2), rel=0.05)


def test_the_micro_price_leans_to_the_thin_side():
    bench = settled(tolerance_ticks=0)
    (bid,), (ask,) = prices(bench)
    bench.touch(49_999.0, 50_001.0, bid_qty=9.0, ask_qty=1.0)
    (bid_up,), (ask_up,) = prices(bench)
    assert bid_up - bid == pytest.approx(0.8, abs=1e-3)
    assert ask_up - ask == pytest.approx(0.8, abs=1e-3)
    level = settled(fair="mid", tolerance_ticks=0)
    before = level.desired
    assert level.touch(49_999.0, 50_001.0, bid_qty=9.0, ask_qty=1.0) is before


def test_inventory_moves_both_quotes_towards_getting_rid_of_it():
    bench = settled(skew=0.5)
    (bid,), (ask,) = prices(bench)
    bench.fill(1, bid, 0.25)
    (bid_long,), (ask_long,) = prices(bench)
    shift = 0.5 * (50_000 * 2e-4) * 0.25 / 0.5
    assert bid - bid_long == pytest.approx(shift)
    assert ask - ask_long == pytest.approx(shift)
    bench.fill(-1, ask, 0.5)
    (bid_short,), (ask_short,) = prices(bench)
    assert bid_short - bid == pytest.approx(shift)
    assert ask_short - ask == pytest.approx(shift)


def test_expected_funding_moves_the_centre():
    bench = settled(carry_intervals=8.0)
    (bid,), (ask,) = prices(bench)
    bench.view.funding[BTC] = 0.0001
    bench.touch(49_999.0, 50_001.0)
    (bid_paying,), (ask_paying,) = prices(bench)
    assert bid - bid_paying == pytest.approx(50_000 * 0.0008)
    assert ask_paying == 49_999.1, "an ask is never moved through the best bid"
    assert ask_paying < ask


@pytest.mark.parametrize(("held", "bids", "asks"), [(0.5, 0, 3), (0.35, 2, 3), (-0.5, 3, 0), (0.0, 3, 3)])
def test_what_rests_never_adds_up_to_more_than_the_cap(held, bids, asks):
    bench = settled(levels=3)
    bench.view.positions[BTC] = held
    quotes = bench.touch(49_999.0, 50_001.0).quotes
    assert sum(q.side > 0 for q in quotes) == bids
    assert sum(q.side < 0 for q in quotes) == asks
    assert held + sum(q.qty for q in quotes if q.side > 0) <= 0.5 + 1e-9
    assert held - sum(q.qty for q in quotes if q.side < 0) >= -0.5 - 1e-9


def test_levels_stand_one_behind_the_other():
    bids, asks = prices(settled(levels=3, level_spacing_bps=2.0, max_position=1.0))
    assert bids == pytest.approx([49_990, 49_980, 49_970])
    assert asks == pytest.approx([50_010, 50_020, 50_030])


def test_quotes_never_cross_the_touch():
    bench = settled(maker_fee_bps=-5, min_edge_bps=0)
    (bid,), (ask,) = prices(bench)
    assert bid == pytest.approx(50_000.9)
    assert ask == pytest.approx(49_999.1)


def test_a_move_within_the_tolerance_sends_nothing():
    bench = settled(tolerance_ticks=5)
    before = bench.desired
    assert bench.touch(49_999.3, 50_001.3) is before
    (bid,), _ = prices(bench)
    assert bench.touch(49_999.9, 50_001.9) is not before
    assert prices(bench)[0] != [bid]


def test_the_tolerance_in_basis_points_counts_where_ticks_are_fine():
    bench = settled(tolerance_ticks=1, tolerance_bps=0.5)
    before = bench.desired
    assert bench.touch(50_001.0, 50_003.0) is before
    assert bench.touch(50_002.0, 50_004.0) is not before


def test_only_the_quote_that_is_off_is_moved():
    bench = settled(tolerance_ticks=3, skew=0.0)
    bid, ask = bench.desired.quotes
    bench.view.positions[BTC] = 0.45
    smaller, same = bench.touch(49_999.0, 50_001.0).quotes
    assert same is ask
    assert (smaller.price, round(smaller.qty, 9)) == (bid.price, 0.05)


@pytest.mark.parametrize(
    ("side", "price", "qty", "limit", "may_stay"),
    [
        (1, 100.2, 1.0, 101.0, True),
        (1, 100.3, 1.0, 101.0, False),  # too far
        (1, 100.0, 0.5, 101.0, False),  # of another size
        (1, 99.9, 1.0, 99.9, False),  # it would take
        (-1, 99.8, 1.0, 99.0, True),
        (-1, 100.1, 1.0, 100.1, False),  # it would take
    ],
)
def test_an_old_quote_stays_only_where_it_is_right(side, price, qty, limit, may_stay):
    before = Quote(instrument=BTC, side=side, price=100.0, qty=1.0)
    assert stays(before, price, qty, limit, tolerance=0.25) is may_stay


def test_a_wild_market_is_not_quoted():
    bench = settled(max_range_bps=20, range_s=5)
    assert bench.touch(50_149.0, 50_151.0, after_s=1.0).quotes == ()
    for _ in range(3):
        assert bench.touch(50_149.0, 50_151.0, after_s=1.0).quotes == ()
    assert bench.touch(50_149.0, 50_151.0, after_s=1.0).quotes, "the spike has left the window"


@pytest.mark.parametrize(
    ("bid", "ask", "bid_qty"),
    [(50_001.0, 50_001.0, 1.0), (math.nan, 50_001.0, 1.0), (49_999.0, math.nan, 1.0), (49_999.0, 50_001.0, math.nan)],
)
def test_a_touch_that_is_not_sound_pulls_the_quotes(bid, ask, bid_qty):
    bench = settled()
    assert bench.touch(bid, ask, bid_qty=bid_qty).quotes == ()
    assert len(bench.touch(49_999.0, 50_001.0).quotes) == 2
    assert math.isfinite(bench.memory.volatility.value)


def test_a_position_above_the_kill_size_is_closed_and_then_there_is_a_pause():
    bench = settled(kill_position=0.8, pause_s=30)
    desired = bench.fill(1, 49_990.0, 0.9)
    assert desired.quotes == ()
    assert desired.targets[0].want == Qty(0.0)
    assert desired.targets[0].style is Style.TAKE
    assert bench.fill(-1, 49_980.0, 0.4).targets, "closing goes on below the size that began it"
    assert bench.fill(-1, 49_980.0, 0.5).targets == ()
    assert bench.touch(49_999.0, 50_001.0, after_s=29.0).quotes == ()
    assert bench.touch(49_999.0, 50_001.0, after_s=1.0).quotes


def test_a_position_that_grows_old_is_closed():
    bench = settled(max_age_s=60)
    bench.fill(1, 49_990.0, 0.1)
    bench.fill(1, 49_980.0, 0.1)
    assert bench.touch(49_999.0, 50_001.0, after_s=59.0).quotes
    desired = bench.touch(49_999.0, 50_001.0, after_s=1.0)
    assert desired.targets[0].want == Qty(0.0)
    assert desired.quotes == ()


def test_the_age_begins_anew_with_the_other_side():
    bench = settled(max_age_s=60)
    bench.fill(1, 49_990.0, 0.1)
    bench.touch(49_999.0, 50_001.0, after_s=50.0)
    bench.fill(-1, 50_010.0, 0.2)
    assert bench.touch(49_999.0, 50_001.0, after_s=50.0).quotes


def test_a_stop_rests_for_the_position_and_when_it_fires_there_is_a_pause():
    bench = settled(stop_pct=1.0, pause_s=30)
    desired = bench.fill(1, 50_000.0, 0.2)
    (protection,) = desired.protections
    assert protection.stop == pytest.approx(49_500.0)
    assert protection.entry == f"{bench.view.ts_ns}:1"
    part = bench.fill(-1, 49_490.0, 0.1, protection.entry, protective=True)
    assert part.quotes == ()
    assert part.protections[0].stop == pytest.approx(49_500.0), "the rest keeps its stop"
    done = bench.fill(-1, 49_480.0, 0.1, protection.entry, protective=True)
    assert done == NOTHING
    bench.touch(49_999.0, 50_001.0, after_s=30.0)
    assert bench.desired.quotes
    bench.fill(-1, 50_010.0, 0.1)
    (again,) = bench.desired.protections
    assert again.entry != protection.entry
    assert again.stop == pytest.approx(50_010 * 1.01)


def test_the_stop_of_a_position_only_tightens():
    bench = settled(stop_pct=1.0)
    bench.fill(1, 50_000.0, 0.1)
    stop = bench.desired.protections[0].stop
    assert bench.fill(1, 49_000.0, 0.1).protections[0].stop == stop
    assert bench.fill(1, 51_000.0, 0.2).protections[0].stop > stop


def test_nothing_is_wanted_while_warming():
    bench = maker()
    bench.view.warming = True
    for _ in range(5):
        assert bench.touch(49_999.0, 50_001.0, after_s=1.0).quotes == ()


def test_a_restart_in_the_middle_gives_the_same_decisions():
    params = {"levels": 2, "stop_pct": 1.0, "max_age_s": 40.0, "kill_position": 0.7, "pause_s": 5.0, "range_s": 10.0}
    plain, restarted = maker(**params), maker(**params)
    seen = 0
    for i in range(1500):
        mid = 50_000 + 40 * math.sin(i / 30) + 15 * math.sin(i * 1.7)
        for bench in (plain, restarted):
            bench.touch(mid - 0.5, mid + 0.5, 1 + i % 3, 1 + i % 5, after_s=0.5)
            if i % 37 == 0 and bench.desired.quotes:
                quote = bench.desired.quotes[i % len(bench.desired.quotes)]
                bench.fill(quote.side, quote.price, quote.qty)
            elif i % 11 == 0 and bench.desired.targets:
                held = bench.view.position(BTC)
                bench.fill(-1 if held > 0 else 1, mid, abs(held), bench.desired.targets[0].entry)
        assert plain.desired == restarted.desired
        restarted.save_and_restore()
        seen += bool(plain.desired.quotes)
    assert 500 < seen < 1500


def test_parameters_that_contradict_each_other_are_refused():
    with pytest.raises(ValidationError, match="it could never quote"):
        maker(qty=1.0)
    with pytest.raises(ValidationError, match="kill_position must be above max_position"):
        maker(kill_position=0.5)


def test_the_sampling_interval_is_event_time():
    bench = maker(sample_s=1.0)
    for _ in range(25):
        bench.touch(49_999.0, 50_001.0, after_s=0.1)
    assert bench.memory.reach.highs.count == 3
    assert bench.memory.next_sample_ns - bench.view.ts_ns <= SECOND_NS
