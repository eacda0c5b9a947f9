"""How often recorded losses passed the value at risk that was said before them, and whether shrinking helps."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pyarrow.parquet as pq
import pytest

from risk.covariance import deviation, shrink
from risk.var import historical, parametric
from tests.needs import recorded_data

pytestmark = pytest.mark.real_data
BASKET = ("ADA", "DASH", "ETC", "ETH", "NXT", "TRX", "XLM")
WINDOW = 720


def closes(name: str) -> dict[int, float]:
    table = pq.read_table(recorded_data("candles", name))
    return dict(sorted(zip(table["ts_ns"].to_pylist(), map(float, table["close"].to_pylist()), strict=True)))


def interval(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a rate, at 95 %."""
    rate, z2 = hits / n, 1.96**2
    middle = (rate + z2 / 2 / n) / (1 + z2 / n)
    half = 1.96 * sqrt(rate * (1 - rate) / n + z2 / 4 / n**2) / (1 + z2 / n)
    return middle - half, middle + half


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_ten_years_of_days_passed_the_historical_figure_as_often_as_it_says(level: float) -> None:
    prices = np.array(list(closes("BTCUSD-1d.parquet").values()))
    lost = (1 - prices[1:] / prices[:-1]).tolist()
    hits = sum(lost[i] > historical(lost[i - WINDOW : i], level)[0] for i in range(WINDOW, len(lost)))
    n = len(lost) - WINDOW
    low, high = interval(hits, n)
    print(f"{level:.0%}: passed on {hits} of {n} days, {low:.2%} to {high:.2%}")
    assert low <= 1 - level <= high


def test_the_normal_figure_is_passed_too_often_at_99_per_cent() -> None:
    """A known weakness, which docs/risk.md says: were it gone, the page would be wrong."""
    prices = np.array(list(closes("BTCUSD-1d.parquet").values()))
    lost = (1 - prices[1:] / prices[:-1]).tolist()
    hits = 0
    for i in range(WINDOW, len(lost)):
        hits += lost[i] > parametric([1.0], [[deviation(lost[i - WINDOW : i]) ** 2]], 0.99)[0]
    assert interval(hits, len(lost) - WINDOW)[0] > 0.01


@pytest.mark.parametrize("window", [20, 50, 100])
def test_shrunk_correlations_are_nearer_to_those_of_the_whole_record(window: int) -> None:
    found = [closes(f"{name}_BTC-5m.parquet") for name in BASKET]
    times = sorted(set.intersection(*(set(prices) for prices in found)))
    prices = np.array([[of[at] for at in times] for of in found])
    moves = prices[:, 1:] / prices[:, :-1] - 1
    whole = np.corrcoef(moves)
    off: list[tuple[float, float]] = []
    for i in range(0, moves.shape[1] - window, max(window, moves.shape[1] // 40)):
        past = moves[:, i : i + window]
        shrunk = np.array(shrink(past.tolist()).correlation)
        off.append((float(np.linalg.norm(shrunk - whole)), float(np.linalg.norm(np.corrcoef(past) - whole))))
    shrunk_off, sample_off = np.mean(off, axis=0)
    print(f"{window} steps: {shrunk_off:.2f} off, unshrunk {sample_off:.2f}, {len(off)} windows")
    assert shrunk_off < 0.85 * sample_off
