"""Costs, capacity, holding and the verdict, computed by hand."""

import numpy as np
import pytest

from research.measures.benchmark import benchmark, hold
from research.measures.capacity import Market, capacity, daily_volatility
from research.measures.costs import costs, exposure
from research.measures.curve import Curve, curve_of
from research.measures.figure import TRADES, figure
from research.measures.measure import measure_record, union_ns
from research.measures.record import Record, record_of
from research.measures.verdict import Tone
from risk.statistics import DAY_NS
from tests.research.measures.known import bounds, value
from tests.research.report.made import made


def curve(values) -> Curve:
    return curve_of([(n * DAY_NS, float(v)) for n, v in enumerate(values)])


def test_what_prices_earned_what_it_cost_and_what_is_left_add_up():
    paid = costs(net=60, fees=30, funding=-10, traded=100_000, slippage=5)
    assert paid.gross == 100
    assert paid.share_of_gross == pytest.approx(0.4)
    assert (paid.gross_bps, paid.fees_bps, paid.slippage_bps) == pytest.approx((10, 3, 0.5))
    nothing = costs(net=-30, fees=30, funding=0, traded=0)
    assert (nothing.share_of_gross, nothing.gross_bps) == (None, None)


def test_exposure_and_turnover_are_multiples_of_equity():
    equity = curve([100, 100, 200, 200, 200])
    seen = exposure(0.5, equity, curve([0, 50, 100, 400, 0]), curve([0, -50, 100, 0, 0]), traded=1600)
    assert (seen.gross_mean, seen.gross_most, seen.net_mean) == pytest.approx((0.6, 2.0, 0.0))
    assert seen.turnover_a_day == pytest.approx(1600 / 160 / 4)
    broke = exposure(0.5, curve([100, -5]), curve([10, 10]), curve([10, 10]), traded=10)
    assert broke.gross_most == pytest.approx(0.1)


def test_spans_that_overlap_count_once():
    assert union_ns([0, 5, 20], [10, 12, 21]) == 13


def market(volatility=0.04, volume: float | None = 1e9) -> Market:
    """Days of plus and minus the volatility, so that the deviation is known."""
    steps = np.array([1 + volatility, 1 / (1 + volatility)] * 50)
    return Market(instrument="X", traded_a_day=volume, prices=curve(100 * np.cumprod(steps)))


def test_capacity_is_where_the_square_root_law_has_eaten_the_edge():
    """Edge 10 bp a side, 4 % a day, 10,000 in a market of a billion: (0.001 / (0.04 sqrt(1e-5)))^2 = 62.5."""
    edge = figure(20, 100, TRADES, low=10, high=30)
    found = capacity(market(), edge, 10_000, None)
    spread = daily_volatility(market().prices)
    assert spread == pytest.approx(np.log(1.04))
    exact = (0.001 / (spread * np.sqrt(1e-5))) ** 2
    assert value(found.nothing_left) == pytest.approx(exact)
    assert value(found.nothing_left) == pytest.approx(62.5, rel=0.05)
    assert bounds(found.nothing_left) == pytest.approx((exact / 4, exact * 9 / 4))
    assert value(found.most_earned) == pytest.approx(exact * 4 / 9)
    k = np.linspace(0.01, 1.2, 400) * exact
    earned = k * (0.001 - spread * np.sqrt(k * 1e-5))
    assert k[earned.argmax()] == pytest.approx(exact * 4 / 9, rel=0.01)


@pytest.mark.parametrize(
    ("edge", "volume", "said"),
    [
        (figure(20, 5, TRADES), 1e9, "insufficient data: n = 5 round trips"),
        (figure(20, 100, TRADES), None, "no traded volume"),
        (figure(-1, 100, TRADES), 1e9, "it earns nothing"),
        (figure(20, 100, TRADES), -1, "a day of prices and 30 samples"),
    ],
)
def test_capacity_says_why_it_is_not_known(edge, volume, said):
    place = market(volume=volume) if volume != -1 else Market(instrument="X", traded_a_day=1e9, prices=curve([1, 2, 3]))
    assert said in capacity(place, edge, 10_000, None).nothing_left.caveat


def test_holding_pays_to_come_in_pays_to_go_and_pays_its_funding():
    held = hold({"A": curve([10, 20])}, 100.0, {"A": 0.01}, {}, 0)
    assert held is not None
    assert held.values.tolist() == pytest.approx([99, 2 * 99 * 0.99])
    paid = hold({"A": curve([10, 10, 10])}, 100.0, {}, {"A": -0.1}, 0)
    assert paid is not None
    assert paid.values.tolist() == pytest.approx([100, 95, 90])


def test_holding_two_keeps_cash_for_the_one_that_comes_later():
    late = curve_of([(2 * DAY_NS, 5.0), (3 * DAY_NS, 10.0)])
    held = hold({"A": curve([10, 10, 20, 20]), "B": late}, 100.0, {}, {}, 0)
    assert held is not None
    assert held.values.tolist() == pytest.approx([100, 100, 150, 200])
    assert hold({}, 100.0, {}, {}, 0) is None


def test_one_that_holds_has_a_beta_of_one_to_holding():
    prices = curve(100 * np.cumprod(1 + np.random.default_rng(0).normal(0.001, 0.03, 200)))
    held = hold({"A": prices}, 100.0, {}, {}, 0)
    found = benchmark(held if held is not None else prices, held, 300, np.random.default_rng(0))
    assert found is not None
    assert value(found.beta) == pytest.approx(1)
    assert value(found.correlation) == pytest.approx(1)
    assert value(found.daily_excess) == pytest.approx(0)


@pytest.mark.parametrize(
    ("drift", "tries", "tone", "headline"),
    [
        (0.02, 1, Tone.GOOD, "more than luck explains"),
        (-0.02, 1, Tone.BAD, "no bad luck"),
        (0.0, 1, None, "luck"),
        (0.0039, 100_000, Tone.UNSURE, "the best of 100000 tries may earn as much by luck"),
    ],
)
def test_the_verdict_says_what_the_interval_says(drift, tries, tone, headline):
    found = measure_record(record_of(made(days=300, drift=drift, seed=3)), tries=tries, draws=0).verdict
    assert headline in found.headline
    assert tone in {None, found.tone}


def test_round_trips_of_a_few_days_are_no_evidence_however_many_they_are():
    found = measure_record(record_of(made(days=10, trades=500, drift=0.02)), draws=0)
    assert found.trips.count == 500
    assert found.verdict.tone is Tone.UNSURE
    assert "too few days" in found.verdict.headline


def test_the_verdict_goes_by_the_wider_of_the_intervals():
    """Days in runs: the bootstrap knows that there are fewer of them than there seem to be, Mertens does not."""
    drawn = np.random.default_rng(5).normal(size=40)
    steps = np.repeat(0.0018 + 0.01 * (drawn - drawn.mean()) / drawn.std(), 10)
    values = 100 * np.cumprod(1 + np.concatenate(([0, 0], steps, [0])))
    samples = [(n * DAY_NS, float(value)) for n, value in enumerate(values)]
    found = measure_record(Record(deposit=100.0, samples=samples, trades=()))
    assert bounds(found.sharpe)[0] > 0 > bounds(found.sharpe_resampled)[0]
    assert found.verdict.tone is Tone.UNSURE


def test_a_record_of_samples_and_trades_alone_is_enough():
    """What a walk-forward stitches has no result: only deposit, samples and trades."""
    whole = record_of(made(days=100))
    found = measure_record(Record(deposit=whole.deposit, samples=whole.samples, trades=whole.trades), draws=0)
    assert found.benchmark is None
    assert found.capacity == ()
    assert found.costs.fees == pytest.approx(300)
    assert found.costs.traded == pytest.approx(200 * 2 * 0.1 * 20_000)
    assert found.exposure.time_in_market == pytest.approx(0.5, abs=0.01)
    assert found.sharpe == measure_record(whole, draws=0).sharpe
