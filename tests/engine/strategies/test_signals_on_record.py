"""Entries on recorded bars stand exactly where the rule says, counted anew over the whole series with numpy and TA-Lib.

Each entry is filled and stopped out at once, so that every signal finds the strategy idle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
import talib

from domain.desired import NOTHING, Strength
from engine.strategies import registry
from tests.engine.strategies.harness import BTC, Bench
from tests.needs import recorded_data

pytestmark = pytest.mark.real_data
INTERVAL_NS = 300 * 1_000_000_000
BARS = 2_500


class Record(NamedTuple):
    """A recorded series; `at` is the row of each bar's open time."""

    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    at: dict[int, int]


def record(name: str) -> Record:
    table = pq.read_table(recorded_data("candles", name)).slice(0, BARS)
    high, low, close = (np.array(table[column], dtype=float) for column in ("high", "low", "close"))
    return Record(high, low, close, {ts_ns: row for row, ts_ns in enumerate(table["ts_ns"].to_pylist())})


@pytest.fixture(scope="module")
def btc() -> Record:
    return record("BTC_USDT_PERP-5m.parquet")


def taken(bench: Bench) -> tuple[str, int]:
    """Instrument and side of the entry, filled and stopped out."""
    (target,) = bench.desired.targets
    assert isinstance(target.want, Strength)
    side = int(target.want.value)
    bench.fill(side, 1.0, 1.0, target.entry, of=target.instrument)
    assert bench.fill(-side, 1.0, 1.0, target.entry, protective=True, of=target.instrument) is NOTHING
    return target.instrument, side


def entries(kind: str, series: Record, warm: int, **params: Any) -> dict[int, int]:
    """The side of each entry by its bar."""
    bench, found = Bench(registry.load(kind).strategy.build([BTC], params)), {}
    bench.view.warming = True
    for i, bar in enumerate(zip(series.high.tolist(), series.low.tolist(), series.close.tolist(), strict=True)):
        bench.view.warming = i < warm
        if bench.bar(*bar, INTERVAL_NS).targets:
            found[i] = taken(bench)[1]
    return found


def outside(series: Record, i: int, bars: int) -> int:
    """The side on which a bar closes outside of the `bars` before it."""
    high, low = series.high[i - bars : i].max(), series.low[i - bars : i].min()
    return int(series.close[i] > high) - int(series.close[i] < low)


def test_turtle(btc):
    expected = {i: side for i in range(100, BARS) if (side := outside(btc, i, 55))}
    assert entries("turtle", btc, 100) == expected
    assert len(expected) > 60


def test_turtle_skips_after_winners(btc):
    """Every break, taken or not, is followed to its end by the rule; what is skipped waits for the failsafe."""
    atr = np.full(BARS, np.nan)
    reach = talib.TRANGE(btc.high, btc.low, btc.close)
    reach[0] = btc.high[0] - btc.low[0]
    atr[19] = reach[:20].mean()
    for i in range(20, BARS):
        atr[i] = atr[i - 1] + (reach[i] - atr[i - 1]) / 20
    side, price, stop, skipped, won, expected = 0, 0.0, 0.0, False, False, {}
    for i in range(55, BARS):
        if side and (btc.low[i] <= stop if side > 0 else btc.high[i] >= stop):
            side, won = 0, False
        elif side and outside(btc, i, 10) == -side:
            side, won = 0, (btc.close[i] - price) * side > 0
        broke = outside(btc, i, 20)
        if broke and not side:
            side, price, stop, skipped = broke, btc.close[i], btc.close[i] - broke * 2 * atr[i], won
        entry = outside(btc, i, 55) if side and skipped else broke
        if entry and i >= 275:
            expected[i] = entry
    system_1 = {"entry_bars": 20, "exit_bars": 10, "skip_after_winner": True, "take_profit_pct": 0}
    plain = {i: broke for i in range(275, BARS) if (broke := outside(btc, i, 20))}
    assert entries("turtle", btc, 275, **system_1) == expected
    assert 50 < len(expected) < len(plain)


@pytest.mark.parametrize("variant", ["inside", "break"])
def test_consolidation(btc, variant):
    before = np.r_[btc.close[0], btc.close[:-1]]
    high, low, expected = np.maximum(btc.high, before), np.minimum(btc.low, before), {}
    for i in range(21, BARS):
        window = slice(i - 19, i + 1) if variant == "inside" else slice(i - 20, i)
        top, bottom, close = high[window].max(), low[window].min(), btc.close[i]
        reach = (top - bottom) / 3 if variant == "inside" else 0.0
        buys = close - bottom <= reach if variant == "inside" else close > top
        sells = top - close <= reach if variant == "inside" else close < bottom
        if 0 < top - bottom < 0.007 * close and (buys or sells):
            expected[i] = 1 if buys else -1
    assert entries("consolidation", btc, 21, variant=variant, pause_bars=0) == expected
    assert len(expected) > 100


def test_nadaraya_watson(btc):
    weights = np.exp(-0.5 * (np.arange(41) / 8) ** 2)
    path = np.convolve(btc.close, weights / weights.sum())[:BARS]
    slope, momentum = np.sign(np.diff(path, prepend=np.nan)), talib.STOCHRSI(btc.close, 14, 14, 3)[1]
    expected = {}
    for i in range(200, BARS):
        turn = slope[i] if slope[i] * slope[i - 1] < 0 else 0
        extreme = (momentum[i] < 10 <= momentum[i - 1]) - int(momentum[i] > 90 >= momentum[i - 1])
        if turn + extreme:
            expected[i] = int(np.sign(turn + extreme))
    assert entries("nadaraya_watson", btc, 200) == expected
    assert len(expected) > 300


def test_mean_reversion(btc):
    upper, _, lower = talib.BBANDS(btc.close, 20, 2, 2)
    level, expected, armed = np.log(btc.close), {}, True
    for i in range(20, BARS):
        if lower[i] < btc.close[i] < upper[i]:
            armed = True
        elif armed and i >= 97:
            seen, drift = level[i - 96 : i + 1], (level[i] - level[i - 96]) / 96
            of_one = ((np.diff(seen) - drift) ** 2).sum() / 95
            of_four = ((seen[4:] - seen[:-4] - 4 * drift) ** 2).sum() / (4 * 93 * (1 - 4 / 96))
            if of_four <= of_one:
                expected[i], armed = -1 if btc.close[i] >= upper[i] else 1, False
    assert entries("mean_reversion", btc, 97, interval_s=300) == expected
    assert len(expected) > 50


def test_lead_lag():
    names = [f"{coin}-BTC-PERP.PAPER" for coin in ("ETH", "ADA", "DASH", "NXT", "TRX")]
    series = {name: record(f"{name.split('-')[0]}_BTC-5m.parquet") for name in names}
    times = sorted({ts_ns for one in series.values() for ts_ns in one.at})[:BARS]
    bench, found, expected = Bench(registry.load("lead_lag").strategy.build(names, {})), {}, {}
    for step, ts_ns in enumerate(times):
        bench.view.warming = step < 21
        for name, one in series.items():
            if (i := one.at.get(ts_ns)) is not None:
                bar = (float(one.high[i]), float(one.low[i]), float(one.close[i]))
                bench.bar(*bar, INTERVAL_NS, of=name, at_ns=ts_ns + INTERVAL_NS)
        if bench.desired.targets:
            found[ts_ns] = taken(bench)
        if step >= 21 and (entry := lagging(series, times[step - 1], ts_ns)):
            expected[ts_ns] = entry
    assert found == expected
    assert len(expected) > 100


def lagging(series: dict[str, Record], before_ns: int, ts_ns: int) -> tuple[str, int] | None:
    """The alt that the rule enters at this instant, and its side."""
    if any(before_ns in one.at and ts_ns not in one.at for one in series.values()):
        return None
    (_, leader), *alts = series.items()
    if (i := leader.at.get(ts_ns)) is None:
        return None
    reach, move = (
        talib.SMA(talib.TRANGE(leader.high, leader.low, leader.close), 20)[i - 1],
        leader.close[i] - leader.close[i - 1],
    )
    up = move > reach or leader.close[i] > leader.high[i - 20 : i].max()
    side = int(up) - int(-move > reach or leader.close[i] < leader.low[i - 20 : i].min())
    best, most = None, 0.1
    for name, alt in alts:
        if side and (row := alt.at.get(ts_ns)) is not None and before_ns in alt.at:
            lag = 100 * side * (move / leader.close[i - 1] - alt.close[row] / alt.close[row - 1] + 1)
            if lag >= most and (best is None or lag > most):
                best, most = name, lag
    return (best, side) if best is not None else None
