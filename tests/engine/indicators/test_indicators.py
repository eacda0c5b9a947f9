"""Indicators equal their plain definitions, at flat cost, and a save in the middle changes nothing."""

import math
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.codec import encode
from engine.indicators import Atr, Donchian, Ema, EwmaVolatility, RollingExtreme, RollingStd, Sma, true_range

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
    draw = np.random.default_rng(1).normal(60_000, 300, 300_000).tolist()
    sma, std = Sma(50), RollingStd(50)
    for x in draw:
        sma.update(x)
        std.update(x)
    assert sma.value == pytest.approx(np.mean(draw[-50:]), rel=1e-13)
    assert std.value == pytest.approx(np.std(draw[-50:]), rel=1e-9)


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
