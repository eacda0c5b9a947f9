"""Indicators equal their plain definitions, at flat cost, and a save in the middle changes nothing."""

import math
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.codec import encode
from engine.indicators import (
    Adx,
    Atr,
    Donchian,
    Ema,
    EwmaVolatility,
    KernelRegression,
    RollingExtreme,
    RollingRegression,
    RollingStd,
    Rsi,
    Sma,
    StochasticRsi,
    VarianceRatio,
    true_range,
)

SECOND_NS = 1_000_000_000
values = st.lists(st.floats(min_value=1e-3, max_value=1e6), min_size=1, max_size=120)
windows = st.integers(min_value=1, max_value=30)


def close_to(a, b):
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6)


@given(values, windows)
def test_sma_is_the_mean_of_the_window(xs, window):
    sma = Sma(window)
    for i, x in enumerate(xs):
        expected = np.mean(xs[i - window + 1 : i + 1]) if i + 1 >= window else math.nan
        assert close_to(sma.update(x), expected)
        assert sma.ready is (i + 1 >= window)


@given(values, windows)
def test_rolling_std_is_the_deviation_of_the_window(xs, window):
    std = RollingStd(window)
    for i, x in enumerate(xs):
        part = xs[max(0, i - window + 1) : i + 1]
        got = std.update(x)
        if len(part) < window:
            assert math.isnan(got)
        else:
            assert math.isclose(std.mean, np.mean(part), rel_tol=1e-9)
            assert math.isclose(got, np.std(part), rel_tol=1e-6, abs_tol=1e-5 * max(xs))


@given(values, windows)
def test_extremes_are_those_of_the_window(xs, window):
    top, bottom = RollingExtreme(window, 1), RollingExtreme(window, -1)
    for i, x in enumerate(xs):
        part = xs[max(0, i - window + 1) : i + 1]
        high, low = top.update(x), bottom.update(x)
        assert (top.so_far, bottom.so_far) == (max(part), min(part))
        if i + 1 >= window:
            assert (high, low) == (max(part), min(part))
        else:
            assert math.isnan(high)
            assert math.isnan(low)


@given(values, windows)
def test_ema_is_seeded_with_the_first_value(xs, period):
    ema, alpha, expected = Ema(period), 2 / (period + 1), xs[0]
    assert math.isnan(ema.value)
    for x in xs:
        expected = alpha * x + (1 - alpha) * expected
        assert ema.update(x) == ema.value == expected


bars = st.lists(
    st.tuples(st.floats(10, 1000), st.floats(0, 50), st.floats(0, 1)).map(
        lambda t: (t[0] + t[1], t[0], t[0] + t[1] * t[2])
    ),
    min_size=1,
    max_size=80,
)


@given(bars, windows)
def test_atr_is_wilders_with_the_mean_as_its_seed(rows, period):
    ranges = [
        high - low if i == 0 else max(high - low, abs(high - rows[i - 1][2]), abs(low - rows[i - 1][2]))
        for i, (high, low, _) in enumerate(rows)
    ]
    atr, expected = Atr(period), math.nan
    for i, (high, low, close) in enumerate(rows):
        if i + 1 == period:
            expected = float(np.mean(ranges[:period]))
        elif i + 1 > period:
            expected = (expected * (period - 1) + ranges[i]) / period
        assert close_to(atr.update(high, low, close), expected)


def test_true_range_takes_in_the_gap():
    assert true_range(105.0, 103.0, 100.0) == 5.0
    assert true_range(98.0, 96.0, 100.0) == 4.0
    assert true_range(105.0, 95.0, 100.0) == 10.0


@given(bars, windows)
def test_donchian_is_highest_high_and_lowest_low(rows, window):
    channel = Donchian.of(window)
    for i, (high, low, _) in enumerate(rows):
        upper, lower = channel.update(high, low)
        part = rows[max(0, i - window + 1) : i + 1]
        assert channel.ready is (i + 1 >= window)
        if channel.ready:
            assert (upper, lower) == (max(r[0] for r in part), min(r[1] for r in part))
            assert (channel.upper, channel.lower) == (upper, lower)


def test_ewma_volatility_of_a_random_walk_is_its_sigma_whatever_the_sampling():
    draw, sigma = np.random.default_rng(5), 1e-4
    for step_s in (0.25, 1.0, 4.0):
        volatility, price, ts_ns = EwmaVolatility(tau_s=2000 * step_s), 50_000.0, SECOND_NS
        for shock in draw.normal(0, sigma * math.sqrt(step_s), 20_000):
            price *= math.exp(shock)
            ts_ns += round(step_s * SECOND_NS)
            volatility.update(ts_ns, price)
        assert volatility.value == pytest.approx(sigma, rel=0.1)


def test_ewma_volatility_starts_as_the_plain_mean_and_settles_by_time():
    volatility, prices = EwmaVolatility(tau_s=1000.0, settle_s=3.0), [100.0, 101.0, 100.0, 102.0]
    for second, price in enumerate(prices, start=1):
        assert not volatility.ready
        volatility.update(second * SECOND_NS, price)
    assert volatility.value == pytest.approx(math.sqrt(np.mean(np.diff(np.log(prices)) ** 2)))
    before = volatility.value
    assert volatility.update(4 * SECOND_NS, 500.0) == before, "time did not advance"


INDICATORS = {
    "sma": (lambda: Sma(7), lambda it, step, x: it.update(x)),
    "ema": (lambda: Ema(7), lambda it, step, x: it.update(x)),
    "std": (lambda: RollingStd(7), lambda it, step, x: it.update(x)),
    "lowest": (lambda: RollingExtreme(7, -1), lambda it, step, x: it.update(x)),
    "donchian": (lambda: Donchian.of(7), lambda it, step, x: it.update(x + 1, x - 1)),
    "atr": (lambda: Atr(7), lambda it, step, x: it.update(x + 1, x - 1, x)),
    "rsi": (lambda: Rsi(7), lambda it, step, x: it.update(x)),
    "stochastic rsi": (lambda: StochasticRsi.of(5, 6, 3), lambda it, step, x: it.update(x)),
    "adx": (lambda: Adx(7), lambda it, step, x: it.update(x + 1, x - 1)),
    "kernel": (lambda: KernelRegression.of(2.0), lambda it, step, x: it.update(x)),
    "regression": (lambda: RollingRegression(7), lambda it, step, x: it.update(x, math.sqrt(x) + step)),
    "variance ratio": (lambda: VarianceRatio.of(9, 3), lambda it, step, x: it.update(x)),
    "ewma": (lambda: EwmaVolatility(30.0, 5.0), lambda it, step, x: it.update((1 + step) * 700_000_000, x)),
}


@pytest.mark.parametrize("name", INDICATORS)
@settings(max_examples=60)
@given(values, st.data())
def test_a_save_in_the_middle_changes_no_bit(name, xs, data):
    make, feed = INDICATORS[name]
    plain, saved = make(), make()
    cut = data.draw(st.integers(min_value=0, max_value=len(xs)))
    for step, x in enumerate(xs):
        if step == cut:
            saved = msgspec.msgpack.decode(encode(saved), type=type(saved))
            assert saved == plain
        feed(plain, step, x)
        feed(saved, step, x)
        assert encode(plain) == encode(saved)


def test_running_sums_do_not_drift():
    draw = np.random.default_rng(1).normal(60_000, 300, 100_000).tolist()
    sma, std, line = Sma(50), RollingStd(50), RollingRegression(50)
    for x, y in zip(draw, reversed(draw), strict=True):
        sma.update(x)
        std.update(x)
        line.update(x, y)
    assert line.correlation == pytest.approx(np.corrcoef(draw[-50:], draw[49::-1])[0, 1], rel=1e-9)
    assert sma.value == pytest.approx(np.mean(draw[-50:]), rel=1e-13)
    assert std.value == pytest.approx(np.std(draw[-50:]), rel=1e-9)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=3, max_size=60), st.integers(3, 12))
def test_a_regression_is_the_least_squares_of_its_window(pairs, window):
    line = RollingRegression(window)
    for i, (x, y) in enumerate(pairs):
        line.update(x, y)
        part = np.array(pairs[max(0, i - window + 1) : i + 1])
        if len(part) < window:
            assert math.isnan(line.slope)
            assert math.isnan(line.correlation)
        elif part.std(axis=0).min() > 1e-3:
            slope = np.cov(part.T, bias=True)[0, 1] / part[:, 0].var()
            assert line.slope == pytest.approx(slope, rel=1e-6, abs=1e-6)
            assert line.intercept == pytest.approx(part[:, 1].mean() - slope * part[:, 0].mean(), rel=1e-6, abs=1e-3)
            assert line.correlation == pytest.approx(np.corrcoef(part.T)[0, 1], abs=1e-6)


def test_a_regression_of_what_does_not_move_is_not_known():
    line = RollingRegression(5)
    for step in range(40):
        line.update(0.1, float(step))
        assert math.isnan(line.slope)
        assert math.isnan(line.correlation)


def lo_mackinlay(prices, lag: int) -> float:
    """The variance ratio of a whole series, as the paper has it."""
    level = np.log(prices)
    n, drift = len(level) - 1, (level[-1] - level[0]) / (len(level) - 1)
    of_one = ((np.diff(level) - drift) ** 2).sum() / (n - 1)
    of_many = ((level[lag:] - level[:-lag] - lag * drift) ** 2).sum() / (lag * (n - lag + 1) * (1 - lag / n))
    return of_many / of_one


@pytest.mark.parametrize("lag", [2, 4, 11])
def test_the_variance_ratio_is_that_of_the_paper_over_its_window(lag):
    draw = np.random.default_rng(4)
    prices, ratio = np.exp(np.cumsum(draw.normal(0.001, 0.02, 300))), VarianceRatio.of(24, lag)
    for i, price in enumerate(prices.tolist()):
        value = ratio.update(price)
        assert ratio.ready is (i >= 24)
        if ratio.ready:
            assert value == pytest.approx(lo_mackinlay(prices[i - 24 : i + 1], lag), rel=1e-9)
        else:
            assert math.isnan(value)


def test_the_variance_ratio_tells_a_market_that_comes_back_from_one_that_trends():
    draw, told = np.random.default_rng(6), {}
    for name, memory in (("comes back", -0.3), ("random", 0.0), ("trends", 0.3)):
        price, move, ratio, seen = 100.0, 0.0, VarianceRatio.of(96, 4), []
        for shock in draw.normal(0, 0.01, 3000):
            move = memory * move + shock
            price *= math.exp(move)
            seen.append(ratio.update(price))
        told[name] = np.nanmean(seen)
        if name == "random":
            assert np.nanstd(seen) == pytest.approx(math.sqrt(2 * 7 * 3 / (3 * 4 * 96)), rel=0.3)
    assert told["comes back"] < 0.75
    assert told["random"] == pytest.approx(1, abs=0.1)
    assert told["trends"] > 1.3
    with pytest.raises(ValueError, match="at least 2 and less than window"):
        VarianceRatio.of(4, 4)


def test_a_market_that_does_not_move_has_no_direction():
    rsi, stochastic, ratio, adx = Rsi(5), StochasticRsi.of(5, 5, 3), VarianceRatio.of(9, 3), Adx(5)
    for _ in range(40):
        values = (rsi.update(0.1), stochastic.update(0.1), ratio.update(0.1), adx.update(0.1, 0.1))
    assert values[:2] == (50.0, 50.0)
    assert math.isnan(values[2])
    assert values[3] == 0.0


def cost_s(window: int) -> float:
    channel, draw = Donchian.of(window), np.random.default_rng(2).normal(0, 1, 30_000).cumsum().tolist()
    for x in draw[:window]:
        channel.update(x, x)
    best = math.inf
    for _ in range(3):
        began = time.perf_counter()
        for x in draw:
            channel.update(x, x)
        best = min(best, time.perf_counter() - began)
    return best


def test_a_hundred_times_the_window_does_not_cost_a_hundred_times_per_bar():
    assert cost_s(2000) < 20 * cost_s(20), "far from a hundred times, also on a machine that is busy with other things"


def test_a_queue_does_not_grow_past_twice_its_window():
    falling, worst = RollingExtreme(50, 1), 0
    for i in range(5000):
        falling.update(-float(i))
        worst = max(worst, len(falling.values))
    assert worst <= 101
