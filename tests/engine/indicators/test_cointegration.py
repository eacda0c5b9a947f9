"""Engle-Granger over a moving window equals statsmodels' at every bar, and says no where there is nothing."""

import math

import msgspec
import numpy as np
import pytest

from domain.codec import encode
from engine.indicators import Cointegration, EngleGranger, critical_value

WINDOW = 60


def pair(seed: int, count: int, back: float = 0.2):
    """Log prices: a random walk, and another that comes back to 0.3 + 0.8 of it."""
    rng = np.random.default_rng(seed)
    x = 4.0 + np.cumsum(rng.normal(0, 0.01, count))
    e = np.zeros(count)
    for i in range(1, count):
        e[i] = (1 - back) * e[i - 1] + rng.normal(0, 0.005)
    return x, 0.3 + 0.8 * x + e


def fed(test: Cointegration, x, y) -> Cointegration:
    for a, b in zip(x, y, strict=True):
        test.update(float(a), float(b))
    return test


def judged(test: Cointegration) -> EngleGranger:
    found = test.test()
    assert found is not None
    return found


@pytest.mark.parametrize("lags", [0, 1, 3])
def test_every_window_gives_the_statistic_of_statsmodels(lags):
    from statsmodels.tsa.stattools import coint

    x, y = pair(3, 4 * WINDOW + 7)
    test = Cointegration.of(WINDOW, lags)
    compared = 0
    for i in range(len(x)):
        test.update(float(x[i]), float(y[i]))
        if i + 1 < WINDOW:
            assert test.test() is None
        elif i % 10 == 0 or i in {WINDOW, 2 * WINDOW - 1, 2 * WINDOW}:
            ours = judged(test)
            px, py = x[i + 1 - WINDOW : i + 1], y[i + 1 - WINDOW : i + 1]
            theirs = coint(py, px, trend="c", maxlag=lags, autolag=None)[0]
            assert ours.statistic == pytest.approx(theirs, rel=1e-7)
            slope, intercept = np.polyfit(px, py, 1)
            assert (ours.slope, ours.intercept) == pytest.approx((slope, intercept), rel=1e-7)
            assert ours.deviation == pytest.approx(np.std(py - intercept - slope * px), rel=1e-7)
            changes = np.corrcoef(np.diff(px)[lags:], np.diff(py)[lags:])
            assert ours.correlation == pytest.approx(changes[0, 1], rel=1e-7)
            compared += 1
    assert compared > 18


@pytest.mark.parametrize("window", [30, 100, 1000])
def test_critical_values_are_mackinnons(window):
    from statsmodels.tsa.adfvalues import mackinnoncrit

    ours = [critical_value(level, window) for level in (1, 5, 10)]
    assert ours == pytest.approx(mackinnoncrit(N=2, regression="c", nobs=window - 1), rel=1e-9)


def test_the_half_life_is_that_of_the_process_the_residuals_were_made_by():
    x, y = pair(5, 3_000, back=0.1)
    found = judged(fed(Cointegration.of(3_000, 1), x, y))
    assert found.half_life == pytest.approx(math.log(0.5) / math.log(0.9), rel=0.1)


def test_two_walks_that_have_nothing_to_do_with_each_other_pass_as_often_as_the_level_says():
    rng = np.random.default_rng(1)
    passed = 0
    for _ in range(200):
        walks = np.cumsum(rng.normal(0, 0.01, (2, 80)), axis=1)
        passed += judged(fed(Cointegration.of(80, 0), *walks)).statistic < critical_value(10, 80)
    assert 0.05 < passed / 200 < 0.16


def test_prices_that_do_not_move_are_no_pair():
    still, (x, y) = np.full(WINDOW, 4.0), pair(1, WINDOW)
    assert fed(Cointegration.of(WINDOW, 1), still, y).test() is None
    dead = judged(fed(Cointegration.of(WINDOW, 1), x, still))
    assert math.isnan(dead.statistic)
    assert math.isnan(dead.correlation)
    same = judged(fed(Cointegration.of(WINDOW, 1), x, x))
    assert math.isnan(same.statistic) or same.deviation < 1e-9


def test_rounding_does_not_pile_up():
    x, y = pair(9, 20 * WINDOW)
    rolled = judged(fed(Cointegration.of(WINDOW, 1), x, y))
    fresh = judged(fed(Cointegration.of(WINDOW, 1), x[-WINDOW:], y[-WINDOW:]))
    assert tuple(rolled) == pytest.approx(tuple(fresh), rel=1e-8)


def test_a_save_in_the_middle_changes_nothing():
    x, y = pair(4, 150)
    plain = fed(Cointegration.of(WINDOW, 1), x, y)
    saved = msgspec.msgpack.decode(encode(fed(Cointegration.of(WINDOW, 1), x[:70], y[:70])), type=Cointegration)
    assert fed(saved, x[70:], y[70:]) == plain
