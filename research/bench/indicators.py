"""An update of a streaming indicator beside TA-Lib's stream handles and talipp, where those are installed.

The closes are a random walk, the bars 0.1 % wide to both sides. An update is timed after three windows of history, in
processor time, as the best of three stretches, with the Python call that makes it. The state is what a snapshot would
hold: ours in msgpack; a handle of TA-Lib points into C and cannot be saved; of talipp its pickle.
"""

from __future__ import annotations

import importlib
import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from domain.codec import encode
from engine.indicators import Adx, Atr, Donchian, Ema, KernelRegression, RollingStd, Rsi, Sma, StochasticRsi
from research.bench.journal import Rival, Row

WINDOWS = (20, 200, 2000)
SHOWN = 200
"""The window of the figure; those of the others stand in the rules."""


class Bars(NamedTuple):
    """The series as lists, for those that take one number, and as arrays, for what is opened on history."""

    high: list[float]
    low: list[float]
    close: list[float]
    arrays: tuple[Any, Any, Any]


Feed = Callable[[Any, Bars, int], object]


def close(it: Any, bars: Bars, i: int) -> object:  # noqa: ANN401 - of any library
    """Feed a close."""
    return it.update(bars.close[i])


def high_low(it: Any, bars: Bars, i: int) -> object:  # noqa: ANN401 - of any library
    """Feed high and low."""
    return it.update(bars.high[i], bars.low[i])


def bar(it: Any, bars: Bars, i: int) -> object:  # noqa: ANN401 - of any library
    """Feed high, low and close."""
    return it.update(bars.high[i], bars.low[i], bars.close[i])


CASES: dict[str, tuple[Callable[[int], Any], Feed, str, Feed, str]] = {
    "Sma": (Sma, close, "SMA", close, "SMA"),
    "Ema": (Ema, close, "EMA", close, "EMA"),
    "RollingStd": (RollingStd, close, "STDDEV", close, "StdDev"),
    "Rsi": (Rsi, close, "RSI", close, "RSI"),
    "StochasticRsi": (lambda window: StochasticRsi.of(window, window), close, "STOCHRSI", close, "StochRSI"),
    "Atr": (Atr, bar, "ATR", bar, "ATR"),
    "Adx": (Adx, high_low, "ADX", bar, "ADX"),
    "Donchian": (Donchian.of, high_low, "", high_low, "DonchianChannels"),
    "KernelRegression": (lambda window: KernelRegression(window / 5, window), close, "", close, ""),
}
"""Ours, how it is fed, TA-Lib's name and how that is fed, talipp's name ("" = it has none)."""


def run(count: int, windows: Sequence[int] = WINDOWS) -> list[Row]:
    """Every indicator at every window, `count` updates a stretch."""
    return [row(name, count, windows) for name in CASES]


def row(name: str, count: int, windows: Sequence[int]) -> Row:
    """One indicator, and what the libraries take for it."""
    make, feed, talib_name, talib_feed, talipp_name = CASES[name]
    mine, theirs, others = {}, {}, {}
    for window in windows:
        bars = series(4 * window + 3 * count + 20)
        it = make(window)
        mine[window] = (timed(it, feed, bars, 0, window, count), len(encode(it)))
        if talib_name and (stream := library("talib.stream")) is not None:
            handle = opened(stream, talib_name, bars, window)
            theirs[window] = (timed(handle, talib_feed, bars, 4 * window + 10, window, count), 0)
        if talipp_name and (talipp := library("talipp.indicators")) is not None:
            of = talipp_made(talipp, talipp_name, window)
            few = max(10, count * 20 // window) if window > 20 else count
            others[window] = (timed(of, talipp_feed, bars, 0, window, min(few, count)), len(pickle.dumps(of)))
    rivals = [
        Rival(engine=engine, value=took[SHOWN][0], detail=f"{at_windows(took)}; {state}")
        for engine, took, state in (("TA-Lib stream", theirs, "state cannot be saved"), ("talipp", others, "pickled"))
        if took
    ]
    rules = f"window {SHOWN}; {at_windows(mine)}; state in msgpack"
    return Row(case=f"indicator {name}, an update", value=mine[SHOWN][0], unit="us", rules=rules, rivals=rivals)


def at_windows(took: dict[int, tuple[float, int]]) -> str:
    """Time and size of the state at every window."""
    return ", ".join(f"{window}: {us:.2f} us" + (f" {size:,} B" if size else "") for window, (us, size) in took.items())


def series(count: int) -> Bars:
    """A random walk."""
    closes = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.002, count)))
    highs, lows = closes * 1.001, closes * 0.999
    return Bars(highs.tolist(), lows.tolist(), closes.tolist(), (highs, lows, closes))


def timed(it: Any, feed: Feed, bars: Bars, seen: int, window: int, count: int) -> float:  # noqa: ANN401 - of any library
    """Microseconds for an update: the best of three stretches of `count` after history."""
    at = max(seen, 3 * window)
    for i in range(seen, at):
        feed(it, bars, i)
    best = float("inf")
    for _ in range(3):
        began = time.thread_time_ns()
        for i in range(at, at + count):
            feed(it, bars, i)
        best = min(best, (time.thread_time_ns() - began) / count / 1_000)
        at += count
    return best


def library(name: str) -> Any | None:  # noqa: ANN401 - a module
    """A module that may not be installed: they are there for contributors only."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def opened(stream: Any, name: str, bars: Bars, window: int) -> Any:  # noqa: ANN401 - TA-Lib is untyped
    """A handle of TA-Lib, opened on four windows of history."""
    high, low, closes = [array[: 4 * window + 10] for array in bars.arrays]
    if name in {"ATR", "ADX"}:
        return getattr(stream, name)(high, low, closes, window)
    if name == "STOCHRSI":
        return stream.STOCHRSI(closes, window, window, 3)
    return getattr(stream, name)(closes, window)


def talipp_made(talipp: Any, name: str, window: int) -> Any:  # noqa: ANN401 - talipp is untyped
    """An empty indicator of talipp."""
    if name == "StochRSI":
        return talipp.StochRSI(window, window, 3, 3)
    return talipp.ADX(window, window) if name == "ADX" else getattr(talipp, name)(window)


def talipp_feed(it: Any, bars: Bars, i: int) -> object:  # noqa: ANN401 - talipp is untyped
    """Feed talipp what the indicator takes."""
    if type(it).__name__ in {"ATR", "ADX", "DonchianChannels"}:
        from talipp.ohlcv import OHLCV

        return it.add(OHLCV(bars.close[i], bars.high[i], bars.low[i], bars.close[i]))
    return it.add(bars.close[i])
