"""The calibrated maker: its formulas by hand, quotes from a fit of a known market, and silence where it must be."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.market import FeedKind
from domain.strategy import TradeView, Wake
from engine.indicators import Fit
from engine.strategies.calibrated_maker import CalibratedMaker, avellaneda_stoikov, glft
from tests.engine.strategies.harness import BTC, SECOND_NS, Bench

BASE = {
    "qty": 0.1,
    "max_position": 0.5,
    "settle_s": 2.0,
    "maker_fee_bps": 0.1,
    "min_edge_bps": 0.1,
    "tolerance_bps": 0.0,
    "tolerance_ticks": 0.0,
    "reach_bps": 20.0,
    "vpin_buckets": 10,
    "vpin_bucket_s": 2.0,
}
A_PER_S, K, HALF = 4.0, 2.0, 0.5


def maker(**params) -> Bench:
    return Bench(CalibratedMaker.build([BTC], BASE | params))


def trade(bench: Bench, price: float, side: int, qty: float = 1.0):
    return bench.wake(Wake.TRADE, TradeView(BTC, price, qty, side))


def play(bench: Bench, seconds: int, seed: int = 1, mid: float = 10_000.0) -> Bench:
    """A market of intensity A exp(-k delta) at rest; a touch every 100 ms, orders right after it."""
    rng = random.Random(seed)
    for _ in range(seconds * 10):
        bench.touch(mid - HALF, mid + HALF)
        for side in (1, -1):
            if rng.random() < -math.expm1(-A_PER_S * math.exp(-K * HALF) * 0.1):
                trade(bench, mid + side * (HALF + rng.expovariate(K)), side)
    return bench


def quoted(bench: Bench) -> tuple[float, float]:
    bid, ask = bench.desired.quotes
    return bid.price, ask.price


def test_glft_is_the_papers():
    """The paper's own parameters: sigma 0.3, A 0.9, k 0.3, gamma 0.01; by hand from its closed form."""
    spread = glft(0.01, 0.3, 0.9, 0.3, 1.0)
    assert spread.half == pytest.approx(3.312912, abs=1e-5)
    assert spread.lean == pytest.approx(0.067866, abs=1e-6)


def test_avellaneda_stoikov_is_the_papers():
    """The paper's own parameters: sigma 2, k 1.5, gamma 0.1, T 1: reservation price 0.4 per unit, spread 1.69."""
    early = avellaneda_stoikov(0.1, 2.0, 1.5, 1.0, 1.0)
    assert early.lean == pytest.approx(0.4)
    assert 2 * early.half == pytest.approx(0.4 + 20 * math.log(16 / 15))
    late = avellaneda_stoikov(0.1, 2.0, 1.5, 1.0, 0.0)
    assert late.lean == 0.0
    assert 2 * late.half == pytest.approx(20 * math.log(16 / 15))


def test_without_risk_aversion_both_quote_one_over_k_and_lean_on_nothing():
    for gamma in (0.0, 1e-12):
        for spread in (glft(gamma, 3.0, 2.0, 1.5, 0.1), avellaneda_stoikov(gamma, 3.0, 1.5, 0.1, 60.0)):
            assert spread.half == pytest.approx(1 / 1.5, rel=1e-5)
            assert spread.lean == pytest.approx(0.0, abs=1e-4)


@given(st.floats(1e-6, 1e3), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-4, 1e3))
def test_formulas_do_not_depend_on_the_units_of_price_and_quantity(gamma, sigma, a_per_s, k, size):
    """A contract of a tenth at ten times the price is the same trade in other units."""
    here = glft(gamma, sigma, a_per_s, k, size)
    there = glft(gamma, sigma * 10, a_per_s, k / 10, size / 10)
    assert there.half == pytest.approx(here.half * 10, rel=1e-9)
    assert there.lean == pytest.approx(here.lean * 100, rel=1e-9)
    near = avellaneda_stoikov(gamma, sigma, k, size, 60.0)
    far = avellaneda_stoikov(gamma, sigma * 10, k / 10, size / 10, 60.0)
    assert (far.half, far.lean) == pytest.approx((near.half * 10, near.lean * 100))


@pytest.fixture(scope="module")
def calibrated() -> Bench:
    return play(maker(), 300)


def fresh(calibrated: Bench, **params) -> Bench:
    """Another maker that has seen the same market."""
    bench = maker(**params)
    bench.view = calibrated.view.__class__()
    bench.view.ts_ns, bench.view.touches = calibrated.view.ts_ns, dict(calibrated.view.touches)
    bench.memory, calibrated_memory = calibrated.memory, calibrated.memory
    bench.save_and_restore()
    assert bench.memory == calibrated_memory
    return bench


def test_it_quotes_what_the_formula_says_of_the_market_that_it_saw(calibrated):
    fit = calibrated.memory.fit
    assert abs(fit.k - K) < 3 * fit.k_error
    assert fit.a_per_s == pytest.approx(A_PER_S, rel=0.25)
    expected = 0.1 + glft(0.1, 0.0, fit.a_per_s * math.exp(-fit.k * 0.1), fit.k, 0.1).half
    bid, ask = quoted(calibrated)
    assert (bid, ask) == pytest.approx((10_000 - expected, 10_000 + expected))


def test_inventory_leans_both_quotes_by_the_same_and_either_way(calibrated):
    volatile = {"gamma": 2.0}
    shifts = []
    for held in (0.2, -0.2):
        bench = fresh(calibrated, **volatile)
        bench.memory.volatility.variance = (0.5 / 10_000) ** 2
        before = quoted_after(bench)
        bench.view.positions[BTC] = held
        shifts.append([now - was for now, was in zip(quoted_after(bench), before, strict=True)])
    fit = calibrated.memory.fit
    lean = glft(2.0, 0.5, fit.a_per_s * math.exp(-fit.k * 0.1), fit.k, 0.1).lean * 0.2
    assert shifts[0] == pytest.approx([-lean, -lean], rel=1e-3)
    assert shifts[1] == pytest.approx([lean, lean], rel=1e-3)


def quoted_after(bench: Bench) -> tuple[float, float]:
    bench.memory.next_sample_ns = 2**62
    bench.touch(10_000 - HALF, 10_000 + HALF, after_s=0.0)
    return quoted(bench)


def test_the_session_of_avellaneda_stoikov_ends_at_multiples_of_its_length(calibrated):
    halves = []
    for into_s in (0, 3599):
        bench = fresh(calibrated, model="avellaneda_stoikov", session_s=3600, gamma=2.0)
        bench.memory.volatility.variance = (0.05 / 10_000) ** 2
        bench.view.ts_ns = (bench.view.ts_ns // (3600 * SECOND_NS) + 1) * 3600 * SECOND_NS + into_s * SECOND_NS
        bid, ask = quoted_after(bench)
        halves.append((ask - bid) / 2)
    per_s = 2.0 * 0.1 * 0.05**2 / 2
    assert halves[0] - halves[1] == pytest.approx(3599 * per_s, rel=1e-3)


def test_the_distance_with_a_fee_is_the_best_there_is():
    """By brute force: flat, without volatility, money a second is A exp(-k delta) (delta - fee) as gamma goes to 0."""
    fee, k = 0.9, 1.7
    best = max((i / 10_000 for i in range(9_000, 40_000)), key=lambda delta: math.exp(-k * delta) * (delta - fee))
    assert fee + glft(1e-9, 0.0, 3.0 * math.exp(-k * fee), k, 1.0).half == pytest.approx(best, abs=2e-4)


@pytest.mark.parametrize("fee_bps", [100.0, -10.0])
def test_a_fee_beyond_all_reason_is_no_error(calibrated, fee_bps):
    bench = fresh(calibrated, maker_fee_bps=fee_bps, max_half_bps=20.0)
    bench.memory.fit = Fit(1e6, 1e4, 1000.0, 1.0)
    bench.memory.next_sample_ns = 2**62
    for held in (0.0, 0.2):
        bench.view.positions[BTC] = held
        assert all(math.isfinite(quote.price) for quote in bench.touch(9_999.5, 10_000.5).quotes)


def test_it_never_quotes_nearer_than_fee_and_edge_nor_further_than_the_most(calibrated):
    bid, ask = quoted_after(fresh(calibrated, min_edge_bps=9.9))
    assert (bid, ask) == pytest.approx((9_990, 10_010))
    bench = fresh(calibrated, gamma=1e4, max_half_bps=20.0)
    bench.memory.volatility.variance = 1e-6
    bid, ask = quoted_after(bench)
    assert (bid, ask) == pytest.approx((9_980, 10_020))


def test_funding_that_is_paid_moves_the_centre_but_no_quote_past_fair(calibrated):
    bench = fresh(calibrated, carry_intervals=1.0)
    bid, ask = quoted_after(bench)
    bench.view.funding[BTC] = 0.3e-4
    assert quoted_after(bench) == pytest.approx((bid - 0.3, ask - 0.3))
    bench.view.funding[BTC] = 0.01
    assert quoted_after(bench)[1] == pytest.approx(10_000.0)


def test_the_growing_side_shrinks_with_the_position(calibrated):
    bench = fresh(calibrated, size_skew=1.0)
    bench.view.positions[BTC] = 0.25
    quoted_after(bench)
    bid, ask = bench.desired.quotes
    assert bid.qty == pytest.approx(0.1 * math.exp(-0.5))
    assert ask.qty == 0.1


def test_it_is_silent_until_the_fit_rests_on_enough_orders():
    bench = maker(min_arrivals=50)
    assert not bench.touch(9_999.5, 10_000.5).quotes
    assert bench.memory.because == "volatility is not known yet"
    play(bench, 10)
    assert not bench.desired.quotes
    assert bench.memory.because.startswith("uncalibrated: ")
    play(bench, 60)
    assert bench.desired.quotes
    assert not bench.memory.because


def test_orders_that_do_not_fade_are_no_fit(calibrated):
    bench = fresh(calibrated)
    bench.memory.fit = Fit(1.0, 1e-3, 1000.0, 1e-5)
    bench.memory.next_sample_ns = 2**62
    assert not bench.touch(9_999.5, 10_000.5).quotes
    assert "reach_bps" in bench.memory.because
    bench.memory.fit = Fit(1.0, 1.0, 1000.0, 0.6)
    assert not bench.touch(9_999.5, 10_000.5).quotes
    assert bench.memory.because == "uncalibrated: k is 1 give or take 0.6"


def test_one_sided_flow_pulls_the_quotes_at_the_trade_that_makes_it_so(calibrated):
    bench = fresh(calibrated, max_vpin=0.7)
    bench.touch(9_999.5, 10_000.5)
    assert bench.desired.quotes
    while bench.desired.quotes:
        before = bench.memory.vpin.value
        trade(bench, 10_000.5, 1)
    assert before <= 0.7 < bench.memory.vpin.value
    assert bench.memory.because.startswith("toxic: ")
    play(bench, 60, seed=3)
    assert bench.desired.quotes, "flow from both sides brings it back"


def test_fills_that_lose_on_average_pause_it(calibrated):
    bench = fresh(calibrated, markout_fills=3, markout_s=1.0, max_loss_bps=2.0, pause_s=30.0)
    bench.memory.markout = bench.strategy.start().markout
    for _ in range(3):
        bench.touch(9_999.5, 10_000.5, after_s=1.0)
        bench.fill(1, 10_003.0, 0.01)
    bench.touch(9_999.5, 10_000.5, after_s=1.1)
    assert not bench.desired.quotes
    assert bench.memory.because == "it pauses for 30 s more: its fills lost 3.1 bp on average", "0.1 of it the fee"
    assert bench.memory.markout.count == 0, "judged anew after the pause"
    bench.touch(9_999.5, 10_000.5, after_s=31.0)
    assert bench.desired.quotes


def test_what_takes_to_close_is_not_held_against_the_flow(calibrated):
    bench = fresh(calibrated)
    bench.fill(1, 10_000.0, 0.1)
    bench.fill(-1, 9_000.0, 0.1, protective=True)
    assert len(bench.memory.markout.pending) == 1


def test_a_price_that_has_moved_far_begins_a_new_count(calibrated):
    bench = fresh(calibrated)
    bench.touch(29_999.5, 30_000.5, after_s=1.0)
    assert not bench.desired.quotes
    assert bench.memory.fit is None
    assert bench.memory.intensity.width == pytest.approx(30_000 * 20e-4 / 25, rel=0.1)


@pytest.mark.parametrize(("price", "qty"), [(math.nan, 1.0), (math.inf, 1.0), (0.0, 1.0), (10_000.0, math.nan)])
def test_a_trade_that_is_none_changes_nothing(calibrated, price, qty):
    bench = fresh(calibrated)
    assert trade(bench, price, 1, qty) is bench.desired
    assert bench.memory == calibrated.memory


moves = st.lists(
    st.tuples(st.integers(-40, 40), st.integers(1, 30), st.integers(-300, 300), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(moves, st.sampled_from(["glft", "avellaneda_stoikov"]), st.floats(1e-4, 1e4), st.integers(1, 4))
def test_whatever_comes_quotes_are_apart_post_only_within_the_cap_and_silent_when_they_must_be(
    calibrated, steps, model, gamma, levels
):
    bench = fresh(calibrated, model=model, gamma=gamma, levels=levels, max_vpin=0.6)
    bid = 10_000.0
    for move, spread, traded, fills in steps:
        bid += move / 10
        desired = bench.touch(bid, bid + spread / 10, after_s=0.3)
        fair = bid + spread / 20
        bids, asks = ([q for q in desired.quotes if q.side == side] for side in (1, -1))
        assert all(math.isfinite(q.price) and q.qty > 0 for q in desired.quotes)
        assert all(q.price <= fair + 1e-9 and q.price < bid + spread / 10 for q in bids)
        assert all(q.price >= fair - 1e-9 and q.price > bid for q in asks)
        held = bench.view.position(BTC)
        assert held + sum(q.qty for q in bids) <= 0.5 + 1e-9 or not bids
        assert held - sum(q.qty for q in asks) >= -0.5 - 1e-9 or not asks
        assert not (desired.quotes and bench.memory.because)
        if traded:
            trade(bench, fair + traded / 10, 1 if traded > 0 else -1, abs(traded))
            assert not (bench.desired.quotes and bench.memory.vpin.value > 0.6)
        for quote in bench.desired.quotes[:fills]:
            bench.fill(quote.side, quote.price, quote.qty)


def test_a_restart_in_the_middle_gives_the_same_decisions():
    plain, restarted = maker(min_arrivals=20), maker(min_arrivals=20)
    for i in range(40):
        for bench in (plain, restarted):
            play(bench, 2, seed=i, mid=10_000 + math.sin(i))
            if bench.desired.quotes:
                bench.fill(*[(q.side, q.price, 0.1) for q in bench.desired.quotes][i % len(bench.desired.quotes)])
        assert plain.desired == restarted.desired
        restarted.save_and_restore()
    assert plain.memory == restarted.memory
    assert plain.desired.quotes


def test_it_reads_trades_too_and_refuses_what_cannot_be():
    assert [feed.kind for feed in maker().strategy.feeds()] == [FeedKind.BBO, FeedKind.TRADE]
    with pytest.raises(ValidationError):
        maker(gamma=0.0)
    with pytest.raises(ValidationError, match="it could never quote"):
        maker(qty=1.0)
