"""What doing nothing would have earned: holding the same instruments with the same deposit, or keeping the cash."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from research.measures.curve import Curve, daily, drawdowns
from research.measures.figure import DAYS, Figure, Floats, figure, interval, none, too_few
from research.measures.resample import block_length, resampled
from research.measures.sharpe import is_constant, sharpe
from risk.statistics import LEAST_DAYS


class Benchmark(Struct, frozen=True, kw_only=True):
    """Buy and hold of the run's instruments in equal parts, beside the strategy. Cash earns nothing here: it is 0."""

    growth: float
    drawdown: float
    sharpe: Figure
    correlation: Figure
    """Of daily returns, the strategy's with holding's."""
    beta: Figure
    """How far the strategy moves when holding moves by one."""
    daily_excess: Figure
    """Mean daily return above holding's, with the interval of the stationary bootstrap."""
    note: str


def hold(
    prices: Mapping[str, Curve],
    deposit: float,
    taker_fees: Mapping[str, float],
    carry: Mapping[str, float],
    since_ns: int,
) -> Curve | None:
    """Equity of one who buys equal parts at the first known prices and sells at the last, paying the taker's fee.

    Fully invested and without leverage; `carry` is each instrument's funding over the whole time as a fraction, taken
    evenly. None where no prices are known. Before an instrument's first price its part is cash.
    """
    known = {name: curve for name, curve in prices.items() if len(curve.times) and curve.values[0] > 0}
    if not known:
        return None
    times = np.unique(np.concatenate([[since_ns], *(curve.times for curve in known.values())]))
    total = np.zeros(len(times))
    part = deposit / len(known)
    for name, curve in known.items():
        at = np.searchsorted(curve.times, times, side="right") - 1
        fee = taker_fees.get(name, 0.0)
        grown = curve.values / curve.values[0]
        passed = (curve.times - curve.times[0]) / max(1, int(curve.times[-1] - curve.times[0]))
        worth = part * ((1 - fee) * grown + carry.get(name, 0.0) * passed * _mean_so_far(grown))
        worth[-1] -= part * (1 - fee) * grown[-1] * fee
        total += np.where(at < 0, part, worth[np.maximum(at, 0)])
    return Curve(times=times, values=total)


def _mean_so_far(values: Floats) -> Floats:
    means: Floats = np.cumsum(values) / np.arange(1, len(values) + 1)
    return means


def benchmark(
    curve: Curve, held: Curve | None, draws: int, rng: np.random.Generator, *, is_with_funding: bool = False
) -> Benchmark | None:
    """A strategy's curve beside holding's; None where there is nothing to hold."""
    if held is None or len(held.values) < 2:
        return None
    own, other = daily(curve), daily(held)
    _, mine, theirs = np.intersect1d(own.days, other.days, return_indices=True)
    a, b = own.returns[mine], other.returns[theirs]
    correlation, beta = _together(a, b)
    return Benchmark(
        growth=held.growth,
        drawdown=drawdowns(held).deepest.fraction,
        sharpe=sharpe(other.returns),
        correlation=correlation,
        beta=beta,
        daily_excess=_excess(a - b, draws, rng),
        note="after fees and funding" if is_with_funding else "after fees; no funding rates are known",
    )


def _together(a: Floats, b: Floats) -> tuple[Figure, Figure]:
    n = len(a)
    if n < LEAST_DAYS:
        return too_few(n, DAYS), too_few(n, DAYS)
    if is_constant(a) or is_constant(b):
        why = none(n, DAYS, "one of the two does not move")
        return why, why
    both = np.cov(a, b)
    return (
        figure(float(both[0, 1] / np.sqrt(both[0, 0] * both[1, 1])), n, DAYS),
        figure(float(both[0, 1] / both[1, 1]), n, DAYS),
    )


def _excess(differences: Floats, draws: int, rng: np.random.Generator) -> Figure:
    n = len(differences)
    if n < LEAST_DAYS:
        return too_few(n, DAYS)
    (means,) = resampled(differences, (row_means,), draws, rng, block_length(differences))
    low, high = interval(means)
    return figure(float(differences.mean()), n, DAYS, low=low, high=high)


def row_means(rows: Floats) -> Floats:
    """The mean of each row."""
    means: Floats = rows.mean(axis=1)
    return means
