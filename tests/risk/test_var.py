"""Value at risk and expected shortfall against hand-computed answers and NumPy."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from risk.var import historical, least_steps, losses, parametric


def test_of_one_to_a_hundred_the_95th_and_the_mean_of_the_five_beyond() -> None:
    lost = [float(i) for i in range(100, 0, -1)]
    assert historical(lost, 0.95) == pytest.approx((95.0, 98.0))
    assert historical(lost, 0.99) == pytest.approx((99.0, 100.0))


def test_where_the_tail_ends_within_a_step_that_step_counts_in_part() -> None:
    """50 losses at 95 %: the tail is 2.5 steps, 50 and 49 whole and half of 48."""
    value, shortfall = historical([float(i) for i in range(1, 51)], 0.95)
    assert value == 48.0
    assert shortfall == pytest.approx((50 + 49 + 48 / 2) / 2.5)


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_the_quantile_is_numpys_inverted_distribution(level: float) -> None:
    lost = np.random.default_rng(3).standard_t(3, 777)
    value, shortfall = historical(lost.tolist(), level)
    assert value == np.quantile(lost, level, method="inverted_cdf")
    assert shortfall > value


def test_the_normal_figures_are_the_textbook_ones() -> None:
    """1.6449 and 2.0627 deviations at 95 %, 2.3263 and 2.6652 at 99 %."""
    matrix = [[0.0004, 0.0001], [0.0001, 0.0009]]
    sigma = sqrt(0.0004 * 100**2 + 0.0009 * 50**2 - 2 * 0.0001 * 100 * 50)
    value, shortfall = parametric([100.0, -50.0], matrix, 0.95)
    assert (value / sigma, shortfall / sigma) == pytest.approx((1.644854, 2.062713), abs=1e-6)
    value, shortfall = parametric([100.0, -50.0], matrix, 0.99)
    assert (value / sigma, shortfall / sigma) == pytest.approx((2.326348, 2.665214), abs=1e-6)


def test_todays_holdings_go_through_every_past_step() -> None:
    assert losses([1000.0, -500.0], [[0.01, -0.02], [0.02, 0.01]]) == [-0.0, 25.0]


def test_a_tail_of_five_steps_is_the_least() -> None:
    assert (least_steps(0.95), least_steps(0.99)) == (100, 500)
