"""Our indicators give what TA-Lib and talipp give, from the first value on, also where those begin otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import talib
import talipp.indicators as talipp
from talipp.ohlcv import OHLCV

from engine.indicators import (
    Adx,
    Atr,
    Donchian,
    Ema,
    RollingExtreme,
    RollingRegression,
    RollingStd,
    Rsi,
    Sma,
    StochasticRsi,
)
from tests.needs import recorded_data


class Series(NamedTuple):
    """Bars as arrays."""

    high: np.ndarray
    low: np.ndarray
    close: np.ndarray

    def bars(self) -> Iterator[tuple[float, float, float]]:
        return zip(self.high.tolist(), self.low.tolist(), self.close.tolist(), strict=True)


def drawn(seed: int, bars: int = 600) -> Series:
    """A walk with jumps, stretches that do not move, and bars without width."""
    draw = np.random.default_rng(seed)
    moves = draw.normal(0, 0.01, bars) + draw.choice([0, 0.08, -0.08], bars, p=[0.98, 0.01, 0.01])
    moves[bars // 3 : bars // 3 + 4] = 0.0
    close = 100 * np.exp(np.cumsum(moves))
    wide = draw.random(bars) > 0.05
    return Series(close * (1 + wide * draw.random(bars) / 99), close * (1 - wide * draw.random(bars) / 99), close)


def recorded() -> Series:
    import pyarrow.parquet as pq

    table = pq.read_table(recorded_data("candles", "BTC_USDT_PERP-5m.parquet")).slice(0, 3000)
    return Series(*[np.array(table[name], dtype=float) for name in ("high", "low", "close")])


SOURCES: dict[str, Callable[[], Series]] = {
    "calm": lambda: drawn(1),
    "other": lambda: drawn(2),
    "recorded": recorded,
}


@pytest.fixture(scope="module", params=[*SOURCES])
def series(request) -> Series:
    return SOURCES[request.param]()


Case = tuple[Callable[[], Any], Callable[[Any, float, float, float], float], Callable[[Series], np.ndarray]]
TALIB: dict[str, Case] = {
    "sma": (lambda: Sma(20), lambda it, h, lo, c: it.update(c), lambda s: talib.SMA(s.close, 20)),
    "std": (lambda: RollingStd(20), lambda it, h, lo, c: it.update(c), lambda s: talib.STDDEV(s.close, 20)),
    "highest": (lambda: RollingExtreme(55), lambda it, h, lo, c: it.update(h), lambda s: talib.MAX(s.high, 55)),
    "donchian": (lambda: Donchian.of(9), lambda it, h, lo, c: it.update(h, lo)[1], lambda s: talib.MIN(s.low, 9)),
    "rsi": (lambda: Rsi(14), lambda it, h, lo, c: it.update(c), lambda s: talib.RSI(s.close, 14)),
    "stochastic rsi": (
        lambda: StochasticRsi.of(14, 14, 3),
        lambda it, h, lo, c: it.update(c),
        lambda s: talib.STOCHRSI(s.close, 14, 14, 3)[1],
    ),
    "adx": (lambda: Adx(14), lambda it, h, lo, c: it.update(h, lo), lambda s: talib.ADX(s.high, s.low, s.close, 14)),
    "correlation": (
        lambda: RollingRegression(30),
        lambda it, h, lo, c: it.update(h, c),
        lambda s: talib.CORREL(s.high, s.close, 30),
    ),
}


def ours(name: str, series: Series) -> np.ndarray:
    make, feed, _ = TALIB[name]
    it = make()
    return np.array([feed(it, *bar) for bar in series.bars()])


@pytest.mark.parametrize("name", TALIB)
def test_it_is_what_talib_says_of_the_whole_series_the_first_value_included(name, series):
    np.testing.assert_allclose(ours(name, series), TALIB[name][2](series), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("name", ["ema", "atr"])
def test_a_recursive_one_differs_from_talibs_by_its_seed_alone_which_fades(name, series):
    """TA-Lib's EMA is seeded with a mean, ours with the first value; its ATR leaves the first bar out of its seed."""
    if name == "ema":
        ema, first, keep = Ema(20), 19, 1 - 2 / 21
        values = np.array([ema.update(close) for _, _, close in series.bars()])
        theirs = talib.EMA(series.close, 20)
    else:
        atr, first, keep = Atr(14), 14, 1 - 1 / 14
        values = np.array([atr.update(*bar) for bar in series.bars()])
        theirs = talib.ATR(series.high, series.low, series.close, 14)
    apart = (values - theirs)[first : first + 200]
    np.testing.assert_allclose(apart, apart[0] * keep ** np.arange(200), atol=1e-11 * series.close[0])


def test_it_is_what_talipp_says_bar_by_bar():
    series = drawn(3, 300)
    pairs = (
        (Atr(14), talipp.ATR(14), lambda it, h, lo, c: it.update(h, lo, c), 0),
        (Rsi(14), talipp.RSI(14), lambda it, h, lo, c: it.update(c), 0),
        (RollingStd(20), talipp.StdDev(20), lambda it, h, lo, c: it.update(c), 0),
        (Ema(20), talipp.EMA(20), lambda it, h, lo, c: it.update(c), 299),  # seeded with a mean there
    )
    for it, their, feed, known_from in pairs:
        for step, (high, low, close) in enumerate(series.bars()):
            value = feed(it, high, low, close)
            their.add(OHLCV(close, high, low, close) if isinstance(their, talipp.ATR) else close)
            if their[-1] is None:
                assert np.isnan(value) or known_from
            elif step >= known_from:
                assert value == pytest.approx(their[-1], rel=1e-9)
