"""Every figure of a run, in one pass: `measure(result)`.

    m = measure(result, tries=500)
    m.sharpe.value, m.sharpe.low, m.sharpe.high, m.sharpe.n, m.sharpe.caveat

Pure: the same result, tries and seed give the same figures. Each says how many observations it stands on, and is None
with the reason where they are too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import sqrt

import numpy as np
from msgspec import Struct

from research.measures import attribution
from research.measures import sharpe as ratios
from research.measures import trips as trip
from research.measures.curve import (
    Curve,
    Drawdowns,
    Month,
    calmar,
    curve_of,
    daily,
    drawdowns,
    mean_daily,
    monthly,
    yearly_growth,
)
from research.measures.figure import DAYS, Figure, Floats, figure, interval
from research.measures.paths import Paths, day_paths, trip_paths
from research.measures.resample import block_length, resampled
from research.measures.targets import Target, targets
from research.result import Result
from risk.statistics import DAYS_A_YEAR, Trade

DRAWS = 2_000
"""Resamples of an interval and of the paths; 0 = none are drawn, for studies that measure thousands of runs."""


class Record(Struct, frozen=True, kw_only=True):
    """What figures are made of: the curve, and the round trips. `samples` may be stitched from several runs."""

    deposit: float
    samples: Sequence[tuple[int, Decimal | float]]
    trades: Sequence[Trade]


class Measures(Struct, frozen=True, kw_only=True):
    """All figures. Fractions are fractions (0.05 is 5 %); money is in the account's currency, after costs."""

    tries: int
    seed: int
    draws: int
    days: float
    """Length of the record."""
    pnl: float
    growth: float
    """Profit as a fraction of the deposit."""
    daily: Figure
    """Mean daily return."""
    yearly: Figure
    """Compound growth a year."""
    volatility: Figure
    """Standard deviation of daily returns, annualised."""
    sharpe: Figure
    sharpe_resampled: Figure
    sortino: Figure
    calmar: Figure
    probabilistic_sharpe: Figure
    deflated_sharpe: Figure
    """Probability that the true Sharpe ratio is above what the best of `tries` would show by luck."""
    days_needed: Figure
    block_days: float
    """Mean block of the bootstrap of days."""
    drawdowns: Drawdowns
    months: tuple[Month, ...]
    trips: trip.Tripped
    by_side: tuple[attribution.Share, ...]
    by_month: tuple[attribution.Share, ...]
    by_hour: tuple[attribution.Share, ...]
    day_paths: Paths
    trip_paths: Paths
    targets: tuple[Target, ...]


def measure(
    result: Result, tries: int = 1, seed: int = 0, draws: int = DRAWS, tries_variance: float | None = None
) -> Measures:
    """Every figure of a run.

    `tries` is how many variants were tried before this one was chosen, and `tries_variance` the variance of their
    annualised Sharpe ratios where it is known; without it, that of strategies without skill is taken.
    """
    record = Record(deposit=float(result.deposit), samples=result.samples, trades=result.trades)
    return measure_record(record, tries, seed, draws, tries_variance)


def measure_record(
    record: Record, tries: int = 1, seed: int = 0, draws: int = DRAWS, tries_variance: float | None = None
) -> Measures:
    """As `measure`, of what may be no single run, such as the out-of-sample parts of a walk-forward."""
    curve = curve_of(record.samples)
    returns = daily(curve).returns
    trips = trip.trips_of(record.trades)
    block = block_length(returns)
    rng = np.random.default_rng(seed)
    found = drawdowns(curve)
    growth = yearly_growth(curve, len(returns))
    plain = ratios.sharpe(returns)
    drawn = resampled(returns, (_means, ratios.sharpe_rows, ratios.sortino_rows), draws, rng, block)
    mean = mean_daily(returns, interval(drawn[0]))
    chance, deflated, needed = ratios.probability_figures(returns, max(1, tries), tries_variance)
    round_trips = trip.tripped(trips, resampled(trips.pnl, (trip.factor_rows,), draws, rng)[0])
    return Measures(
        tries=max(1, tries),
        seed=seed,
        draws=draws,
        days=curve.days,
        pnl=float(curve.values[-1]) - record.deposit,
        growth=float(curve.values[-1]) / record.deposit - 1 if record.deposit > 0 else 0.0,
        daily=mean,
        yearly=growth,
        volatility=_volatility(returns),
        sharpe=plain,
        sharpe_resampled=ratios.resampled_sharpe(plain, drawn[1]),
        sortino=ratios.sortino(returns, drawn[2]),
        calmar=calmar(growth, found.deepest.fraction),
        probabilistic_sharpe=chance,
        deflated_sharpe=deflated,
        days_needed=needed,
        block_days=block,
        drawdowns=found,
        months=monthly(curve),
        trips=round_trips,
        by_side=attribution.by_side(trips),
        by_month=attribution.by_month(trips),
        by_hour=attribution.by_hour(trips),
        day_paths=day_paths(returns, draws, block, rng),
        trip_paths=trip_paths(trips.pnl, record.deposit, draws, rng),
        targets=targets(mean, plain, found.deepest.fraction, round_trips.win_rate),
    )


def _means(rows: Floats) -> Floats:
    means: Floats = rows.mean(axis=1)
    return means


def _volatility(returns: Floats) -> Figure:
    value = float(returns.std(ddof=1)) * sqrt(DAYS_A_YEAR) if len(returns) > 1 else 0.0
    return figure(value, len(returns), DAYS)


__all__ = ["DRAWS", "Curve", "Measures", "Record", "measure", "measure_record"]
