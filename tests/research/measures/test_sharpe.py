"""Sharpe ratios and their doubts, held to the numbers that the papers print."""

from math import sqrt

import numpy as np
import pytest

from research.measures.sharpe import (
    Moments,
    expected_best,
    least_track_record,
    moments,
    probabilistic_sharpe,
    probability_figures,
    sharpe,
    sharpe_variance,
    sortino,
)
from risk.statistics import DAY_NS
from risk.statistics import sharpe as exact_sharpe
from risk.statistics import sortino as exact_sortino
from tests.research.measures.known import bounds, value


@pytest.mark.parametrize(
    ("ratio", "n", "error"),
    [(0.5, 12, 0.306), (1.0, 60, 0.158), (1.5, 60, 0.188), (3.0, 500, 0.105), (2.0, 24, 0.354)],
)
def test_the_error_of_independent_normal_returns_is_that_of_lo_2002_table_1(ratio, n, error):
    assert sqrt(sharpe_variance(ratio) / n) == pytest.approx(error, abs=5e-4)


def test_the_probabilistic_sharpe_ratio_is_that_of_the_paper_for_normal_and_for_hedge_fund_returns():
    """Bailey and Lopez de Prado 2012, section 5: 24 months, ratio 0.458 a month."""
    normal = Moments(n=24, ratio=0.458, skew=0, kurtosis=3)
    fund = Moments(n=24, ratio=0.458, skew=-2.448, kurtosis=10.164)
    assert probabilistic_sharpe(normal) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(fund) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("a_year", "skew", "kurtosis", "years"),
    [(252, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_the_least_track_record_is_that_of_the_paper(a_year, skew, kurtosis, years):
    """The same paper: ratio 2 a year, is it above 1 with 95 % confidence?"""
    seen = Moments(n=100, ratio=2 / sqrt(a_year), skew=skew, kurtosis=kurtosis)
    assert least_track_record(seen, 1 / sqrt(a_year)) / a_year == pytest.approx(years, abs=5e-3)
    assert least_track_record(seen, seen.ratio) is None


def test_the_deflated_sharpe_ratio_is_that_of_the_paper():
    """Bailey and Lopez de Prado 2014: ratio 2.5 a year over 1250 days, 100 tries of variance 1/2, fat left tail."""
    best = expected_best(100, 0.5 / 250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    fat = Moments(n=1250, ratio=2.5 / sqrt(250), skew=-3, kurtosis=10)
    normal = Moments(n=1250, ratio=2.5 / sqrt(250), skew=0, kurtosis=3)
    assert probabilistic_sharpe(fat, best) == pytest.approx(0.9004, abs=5e-5)
    assert probabilistic_sharpe(fat, expected_best(46, 0.5 / 250)) == pytest.approx(0.9505, abs=5e-5)
    assert probabilistic_sharpe(normal, expected_best(88, 0.5 / 250)) == pytest.approx(0.9505, abs=5e-5)


def test_moments_are_those_of_a_bernoulli_series():
    """One in five: skew (1 - 2p) / sqrt(pq) = 1.5, kurtosis (1 - 3pq) / pq = 3.25."""
    returns = np.array([1.0] * 20 + [0.0] * 80)
    seen = moments(returns)
    assert seen is not None
    assert [seen.skew, seen.kurtosis] == pytest.approx([1.5, 3.25])
    assert seen.ratio == pytest.approx(0.2 / (0.4 * sqrt(100 / 99)))


def test_the_ratios_are_those_that_the_desk_shows():
    values = np.cumprod(1 + np.random.default_rng(5).normal(0.001, 0.02, 200)) * 1000
    samples = [(day * DAY_NS + 1, worth) for day, worth in enumerate(values.tolist())]
    returns = values[1:-1] / values[:-2] - 1
    assert sharpe(returns).value == pytest.approx(exact_sharpe(samples).value)
    assert sortino(returns, np.empty(0)).value == pytest.approx(exact_sortino(samples).value)


def test_mertens_interval_covers_the_truth_as_often_as_it_claims():
    """2000 years of normal days with a ratio of 1: the 95 % interval holds it 95 % of the time, within 2 points."""
    rng, truth = np.random.default_rng(11), 1.0
    days = rng.normal(truth / sqrt(365), 1.0, (2000, 365))
    found = [bounds(sharpe(year)) for year in days]
    assert np.mean([low <= truth <= high for low, high in found]) == pytest.approx(0.95, abs=0.02)


def test_the_more_tries_the_less_is_left_of_a_ratio():
    returns = np.random.default_rng(1).normal(0.002, 0.02, 300)
    left = [value(probability_figures(returns, tries, None)[1]) for tries in (1, 10, 100, 10_000, 10**20)]
    assert left == sorted(left, reverse=True)
    assert left[0] == probability_figures(returns, 1, None)[0].value


@pytest.mark.parametrize("returns", [np.zeros(0), np.full(29, 0.01)])
def test_too_few_days_are_said_to_be(returns):
    assert sharpe(returns).value is None
    assert f"insufficient data: n = {len(returns)} daily returns, at least 30 needed" in sharpe(returns).caveat
    assert all(one.value is None for one in probability_figures(returns, 5, None))


@pytest.mark.parametrize("step", [0.0, 0.01, -1e-9])
def test_days_that_are_all_the_same_have_no_ratio(step):
    returns = np.full(100, step)
    assert sharpe(returns).caveat == "all daily returns are equal"
    assert [one.value for one in probability_figures(returns, 5, None)] == [None] * 3
