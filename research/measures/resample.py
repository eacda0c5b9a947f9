"""Resampling: the stationary bootstrap of days, with a block length that the series itself chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil, log10, sqrt
from typing import TypeAlias

import numpy as np

from research.measures.figure import Floats, Ints

Statistic: TypeAlias = Callable[[Floats], Floats]

MOST_CELLS = 4_000_000
"""Numbers that are held at once while resampling."""
MOST_DRAWN = 2_500_000
"""Numbers that are drawn for one figure, unless `LEAST_DRAWS` are more."""
LEAST_DRAWS = 500
"""Resamples that an interval is made of at least, however long the series."""


def block_length(series: Floats) -> float:
    """The mean block length of the stationary bootstrap that suits a series' own memory, at least 1.

    Politis and White 2004, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23, with
    the correction of Patton, Politis and White 2009: b = (2 G^2 / D)^(1/3) n^(1/3), D = 2 g(0)^2, flat-top lag window
    up to twice the lag from which autocorrelations are negligible, as Patton's program takes it; at most
    min(3 sqrt(n), n / 3).
    """
    n = len(series)
    if n < 8 or not series.var() > 0:
        return 1.0
    centred = series - series.mean()
    run = max(5, int(log10(n)))
    furthest = min(n - 2, ceil(sqrt(n)) + run)
    autocovariance = np.array([centred[lag:] @ centred[: n - lag] for lag in range(furthest + 1)]) / n
    negligible = np.abs(autocovariance / autocovariance[0]) < 2 * sqrt(log10(n) / n)
    first = next((lag for lag in range(1, furthest - run + 1) if negligible[lag : lag + run].all()), None)
    window = min(2 * first if first is not None else furthest, furthest)
    lags = np.arange(1, window + 1)
    weights = np.minimum(1.0, 2 * (1 - lags / window))
    spread = 2 * float((weights * lags * autocovariance[1 : window + 1]).sum())
    density = autocovariance[0] + 2 * float((weights * autocovariance[1 : window + 1]).sum())
    most = ceil(min(3 * sqrt(n), n / 3))
    if not density:
        return float(most)
    return float(min(max((spread**2 / density**2) ** (1 / 3) * n ** (1 / 3), 1.0), most))


def stationary_rows(n: int, length: int, draws: int, block: float, rng: np.random.Generator) -> Ints:
    """`draws` rows of `length` positions in a series of `n`: blocks of geometric length that wrap around.

    Politis and Romano 1994, "The stationary bootstrap", JASA 89. A mean block of 1 draws each position by itself.
    """
    starts = rng.integers(0, n, size=(draws, length))
    if block <= 1:
        return starts
    begins = rng.random((draws, length)) < 1 / block
    begins[:, 0] = True
    at = np.arange(length)
    begun = np.maximum.accumulate(np.where(begins, at, 0), axis=1)
    return (np.take_along_axis(starts, begun, axis=1) + at - begun) % n


def chunks(n: int, draws: int) -> Iterator[int]:
    """`draws` in parts that keep memory bounded for a series of `n`."""
    size = max(1, MOST_CELLS // max(1, n))
    while draws > 0:
        part = min(size, draws)
        yield part
        draws -= part


def affordable(n: int, draws: int, least: int = LEAST_DRAWS) -> int:
    """`draws`, or fewer for a series so long that all would take seconds."""
    return min(draws, max(least, MOST_DRAWN // max(1, n)))


def resampled(
    series: Floats, statistics: Sequence[Statistic], draws: int, rng: np.random.Generator, block: float = 1.0
) -> list[Floats]:
    """Each statistic of the same resampled series; one is given rows and answers a value for each.

    Empty for no draws, or for a series of less than two.
    """
    n = len(series)
    if n < 2 or not draws:
        return [np.empty(0) for _ in statistics]
    found: list[list[Floats]] = [[] for _ in statistics]
    for part in chunks(n, affordable(n, draws)):
        rows = series[stationary_rows(n, n, part, block, rng)]
        for values, statistic in zip(found, statistics, strict=True):
            values.append(statistic(rows))
    return [np.concatenate(values) for values in found]
