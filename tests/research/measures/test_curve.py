"""Daily returns, growth and drawdowns by hand-made curves, and what must hold for any curve."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.measures.curve import calmar, curve_of, daily, drawdowns, monthly, yearly_growth
from risk.statistics import DAY_NS, daily_returns


def days(values, first=0):
    return curve_of([((first + n) * DAY_NS, value) for n, value in enumerate(values)])


CURVES = st.lists(st.tuples(st.integers(1, 3 * DAY_NS), st.integers(-50, 200)), min_size=2, max_size=60).map(
    lambda steps: [(sum(gap for gap, _ in steps[: n + 1]), Decimal(v)) for n, (_, v) in enumerate(steps)]
)


@settings(max_examples=60, deadline=None)
@given(CURVES)
def test_daily_returns_are_those_of_the_risk_room_to_the_last_digits(samples):
    assert daily(curve_of(samples)).returns == pytest.approx(daily_returns(samples))


@settings(max_examples=60, deadline=None)
@given(CURVES)
def test_no_curve_gives_anything_but_finite_figures(samples):
    found = drawdowns(curve_of(samples))
    numbers = [found.longest_days, found.under_water, found.ulcer, *(fall.fraction for fall in found.worst)]
    assert np.isfinite(numbers).all()
    assert 0 <= found.under_water <= 1
    assert all(fall.peak_ns < fall.trough_ns for fall in found.worst)
    assert all(np.isfinite(month.growth) for month in monthly(curve_of(samples)))


@settings(max_examples=30, deadline=None)
@given(CURVES, st.sampled_from([0.25, 1000.0]))
def test_fractions_do_not_depend_on_how_much_money_there_is(samples, scale):
    plain, scaled = curve_of(samples), curve_of([(ts, float(v) * scale) for ts, v in samples])
    assert daily(scaled).returns == pytest.approx(daily(plain).returns)
    assert [f.fraction for f in drawdowns(scaled).worst] == pytest.approx([f.fraction for f in drawdowns(plain).worst])


def test_drawdowns_have_depth_length_and_recovery():
    found = drawdowns(days([100, 120, 90, 110, 120, 125, 100, 110]))
    first, second = found.worst
    assert (first.fraction, first.amount) == (0.25, 30)
    assert (first.peak_ns, first.trough_ns, first.recovered_ns) == (DAY_NS, 2 * DAY_NS, 4 * DAY_NS)
    assert first.days == 3
    assert (second.fraction, second.recovered_ns, second.days) == (0.2, 0, 2)
    assert found.longest_days == 3
    assert found.under_water == pytest.approx(4 / 7)
    assert found.ulcer == pytest.approx(np.sqrt((0.25**2 + (10 / 120) ** 2 + 0.2**2 + 0.12**2) / 8))


def test_equity_below_zero_is_a_drawdown_of_more_than_everything():
    found = drawdowns(days([100, 50, -20, -10]))
    assert found.deepest.fraction == pytest.approx(1.2)
    assert yearly_growth(days([100, 50, -20, -10]), 30).value == -1.0


def test_a_curve_that_never_falls_has_no_drawdown_and_no_calmar_ratio():
    flat = days([100] * 40)
    assert drawdowns(flat).worst == ()
    assert drawdowns(flat).deepest.fraction == 0
    assert calmar(yearly_growth(flat, 38), 0.0).caveat == "there was no drawdown to divide by"


def test_growth_a_year_is_compound_and_says_when_it_is_an_extrapolation():
    two_years = days(np.linspace(100, 121, 731))
    assert yearly_growth(two_years, 729).value == pytest.approx(0.1)
    assert yearly_growth(two_years, 729).caveat == ""
    assert yearly_growth(days([100] * 60), 58).caveat == "extrapolated from 59 days"


def test_months_multiply_to_the_whole():
    values = 100 * np.cumprod(1 + np.random.default_rng(0).normal(0, 0.02, 200))
    curve = days(values, first=19_000)
    months = monthly(curve)
    assert len(months) == 7
    assert np.prod([1 + month.growth for month in months]) == pytest.approx(values[-1] / values[0])
