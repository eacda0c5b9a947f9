"""The stationary bootstrap and its block length, held to the reference implementation's number and to theory."""

import numpy as np
import pytest

from research.measures.resample import block_length, resampled, stationary_rows


def autoregressive(n: int, memory: float, rng) -> np.ndarray:
    series = rng.standard_normal(n)
    for i in range(1, n):
        series[i] += memory * series[i - 1]
    return series


def test_the_block_length_is_that_of_the_reference_implementation():
    """The published check of arch.bootstrap.optimal_block_length, itself checked against Patton's Matlab program."""
    series = autoregressive(10_100, 0.3, np.random.RandomState(0))[100:]
    assert block_length(series) == pytest.approx(13.635665, rel=1e-4)


def test_blocks_grow_with_memory_and_are_bounded_whatever_comes():
    rng = np.random.default_rng(2)
    blocks = [block_length(autoregressive(2000, memory, rng)) for memory in (0.0, 0.4, 0.9)]
    assert blocks == sorted(blocks)
    assert block_length(np.arange(100.0)) <= 30
    assert block_length(np.ones(50)) == 1.0
    assert block_length(np.empty(0)) == 1.0
    for n in range(2, 40):
        assert 1 <= block_length(rng.standard_normal(n)) <= max(1, n)


def test_rows_go_on_in_blocks_of_the_mean_length_and_use_every_position_alike():
    rows = stationary_rows(50, 400, 500, 8.0, np.random.default_rng(4))
    goes_on = (rows[:, 1:] - rows[:, :-1]) % 50 == 1
    assert goes_on.mean() == pytest.approx(1 - 1 / 8 + 1 / 8 / 50, abs=0.004)
    counts = np.bincount(rows.ravel(), minlength=50)
    assert counts.min() > 0.9 * counts.mean()


def test_the_bootstrap_of_a_mean_has_the_spread_that_theory_says():
    """The long-run variance of an AR(1) is (1 / (1 - a))^2; drawing days one by one would find 1 / (1 - a^2)."""
    rng = np.random.default_rng(8)
    series = autoregressive(4000, 0.5, rng)
    (means,) = resampled(series, (lambda rows: rows.mean(axis=1),), 1000, rng, block_length(series))
    assert means.std() * np.sqrt(4000) == pytest.approx(2.0, rel=0.15)


def test_the_same_seed_draws_the_same_and_a_long_series_is_drawn_in_bounded_memory():
    series = np.random.default_rng(0).standard_normal(20_000)
    first, second = (
        resampled(series, (lambda rows: rows.max(axis=1),), 2000, np.random.default_rng(9))[0] for _ in range(2)
    )
    assert (first == second).all()
    assert len(first) == 500
