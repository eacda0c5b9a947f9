"""`measure`: round trips, paths, targets and everything together, on records made by hand."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from domain.codec import to_json
from research.measures import Record, measure_record
from research.measures.figure import DAYS, figure, interval, wilson
from research.measures.paths import day_paths, trip_paths
from research.measures.targets import Standing, target
from research.measures.trips import factor_rows, longest_run
from research.report.words import interval_of
from risk.statistics import Trade, profit_factor
from tests.research.measures.known import bounds, value

HOUR_NS = 3_600_000_000_000


def trade(pnl: float, n: int = 0, side: int = 1) -> Trade:
    opened = n * 5 * HOUR_NS
    return Trade(
        side=side, opened_ns=opened, closed_ns=opened + HOUR_NS, qty=Decimal(1), fills=2, fees=Decimal(1),
        pnl=Decimal(repr(pnl)),
    )  # fmt: skip


def record(pnls, deposit=1000.0) -> Record:
    trades = [trade(pnl, n, -1 if n % 3 else 1) for n, pnl in enumerate(pnls)]
    equity, samples = deposit, [(0, deposit)]
    for one in trades:
        equity += float(one.pnl)
        samples.append((one.closed_ns, equity))
    return Record(deposit=deposit, samples=samples, trades=trades)


def numbers(data) -> list[float]:
    if isinstance(data, dict):
        return [n for one in data.values() for n in numbers(one)]
    if isinstance(data, list | tuple):
        return [n for one in data for n in numbers(one)]
    return [data] if isinstance(data, int | float) else []


RANDOM = np.random.default_rng(7).normal(1, 20, 400).round(2).tolist()


@pytest.mark.parametrize(
    "pnls",
    [[], [5.0], [-5.0], [0.0] * 200, [1.0] * 200, [-1.0] * 200, [-100.0] * 40, [1e9, -1e9] * 100, RANDOM],
    ids=["none", "one win", "one loss", "zeros", "only wins", "only losses", "ruin", "huge", "random"],
)
def test_every_figure_is_finite_or_says_why_it_is_not_there(pnls):
    found = measure_record(record(pnls), tries=10, draws=300)
    data = msgspec.json.decode(to_json(found))
    assert np.isfinite(numbers(data)).all()
    assert found.pnl == pytest.approx(sum(pnls))
    assert "insufficient data" in found.trips.win_rate.caveat or len(pnls) >= 30
    for share in found.attribution.values():
        assert sum(part.pnl for part in share) == pytest.approx(sum(pnls))
        assert sum(part.trades for part in share) == len(pnls)


def test_the_same_seed_gives_the_same_figures_and_another_only_other_intervals():
    first, again, other = (measure_record(record(RANDOM), seed=seed, draws=300) for seed in (1, 1, 2))
    assert first == again
    assert other.sortino.low != first.sortino.low
    assert other.sortino.value == first.sortino.value


def test_a_study_that_draws_nothing_still_has_every_value():
    quick, whole = measure_record(record(RANDOM), draws=0), measure_record(record(RANDOM), draws=300)
    for name in ("daily", "sharpe", "sortino", "calmar", "deflated_sharpe"):
        assert getattr(quick, name).value == getattr(whole, name).value
    assert quick.sortino.low is None
    assert quick.day_paths.ruin.caveat == "not drawn"


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_that_of_newcombe_1998_table_1(hits, n, low, high):
    assert list(wilson(hits, n)) == pytest.approx([low, high], abs=5e-5)


def test_the_profit_factor_is_that_of_the_desk():
    won, lost = (sum(x for x in RANDOM if x > 0), -sum(x for x in RANDOM if x < 0))
    exact = profit_factor(Decimal(repr(won)), Decimal(repr(lost)), len(RANDOM))
    found = measure_record(record(RANDOM), draws=300).trips
    assert found.profit_factor.value == pytest.approx(exact.value)
    low, high = bounds(found.profit_factor)
    assert low < value(found.profit_factor) < high
    assert factor_rows(np.array([[1.0, 2.0], [0.0, 0.0]])).tolist() == pytest.approx([np.inf, np.nan], nan_ok=True)


def test_the_interval_of_a_profit_factor_knows_that_a_record_with_few_losses_may_hide_how_rare_they_are():
    """Of 60 trips one lost: a third of the resamples have no loss at all, so that nothing bounds the ratio above."""
    found = measure_record(record([-10.0] + [1.0] * 59), draws=500).trips.profit_factor
    assert found.value == pytest.approx(5.9)
    assert found.low is not None
    assert found.low < 2.5
    assert found.high is None
    assert interval_of(found, "ratio") == f"{found.low:.2f} or more"


def test_an_interval_counts_what_is_beyond_every_number_and_leaves_out_what_is_none():
    draws = np.concatenate((np.arange(1000.0), [np.inf] * 10, [np.nan] * 500))
    low, high = interval(draws)
    assert low == pytest.approx(0.025 * 1009)
    assert high == pytest.approx(0.975 * 1009)
    assert interval(np.concatenate((np.arange(900.0), [np.inf] * 100)))[1] is None
    assert interval(np.full(1000, np.nan)) == (None, None)


def test_the_longest_losing_streak_is_counted():
    assert longest_run(np.array([True, True, False, True, True, True, False])) == 3
    assert longest_run(np.array([], dtype=bool)) == 0


def test_ruin_is_as_likely_as_the_gamblers_formula_says():
    """Bets of one unit with 55 % to win: from 20, ten are lost at some time with (q / p) ** 10 (Feller 1968)."""
    bets = np.array([1.0] * 55 + [-1.0] * 45)
    bets = np.tile(bets, 20)
    found = trip_paths(bets, 20.0, 1500, np.random.default_rng(3))
    assert found.ruin.value == pytest.approx((45 / 55) ** 10, abs=0.025)


def test_paths_of_days_are_as_good_as_the_days():
    rng = np.random.default_rng(1)
    calm, wild = rng.normal(0.002, 0.005, 300), rng.normal(-0.002, 0.04, 300)
    good, bad = day_paths(calm, 500, 1.0, rng), day_paths(wild, 500, 1.0, rng)
    assert good.deep_drawdown.value == 0
    assert value(bad.deep_drawdown) > 0.9
    assert value(bad.drawdown_bad) > value(bad.drawdown_median)
    assert good.fan is not None
    assert [row[0] for row in good.fan.values] == [1.0] * 5
    assert [row[-1] for row in good.fan.values] == sorted(row[-1] for row in good.fan.values)


def test_a_target_is_met_or_missed_only_where_the_whole_interval_says_so():
    def standing(low, high, least=True):
        found = figure((low + high) / 2, 100, DAYS, low=low, high=high)
        return target("it", 1.5, found, least=least).standing

    assert standing(1.6, 3) == Standing.MET
    assert standing(0.1, 1.4) == Standing.MISSED
    assert standing(1, 2) == Standing.UNSURE
    assert standing(0.1, 1.4, least=False) == Standing.MET
    assert standing(1.6, 3, least=False) == Standing.MISSED
    assert target("it", 1.5, figure(9, 3, DAYS)).standing == Standing.UNKNOWN
