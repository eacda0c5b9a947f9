"""Every figure of a run, in one pass: `measure(result)`.

    m = measure(result, tries=500)
    m.sharpe.value, m.sharpe.low, m.sharpe.high, m.sharpe.n, m.sharpe.caveat

Pure: the same result, tries and seed give the same figures. Each says how many observations it stands on, and is None
with the reason where they are too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from msgspec import Struct

from research.measures import sharpe as ratios
from research.measures import trips as trip
from research.measures.attribution import Share, attribution
from research.measures.benchmark import Benchmark, benchmark, hold, row_means
from research.measures.capacity import Capacity, Market, capacity
from research.measures.costs import Costs, Exposure, costs, exposure
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
from research.measures.figure import DAYS, Figure, Floats, figure, interval, wider
from research.measures.paths import Paths, day_paths, trip_paths
from research.measures.record import Record, record_of
from research.measures.resample import block_length, resampled
from research.measures.targets import Target, targets
from research.measures.verdict import Evidence, Verdict, verdict
from research.result import Result
from risk.statistics import DAY_NS, DAYS_A_YEAR

DRAWS = 2_000
"""Resamples of an interval and of the paths; 0 = none are drawn, for studies that measure thousands of runs."""


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
    verdict: Verdict
    targets: tuple[Target, ...]
    daily: Figure
    """Mean daily return."""
    yearly: Figure
    """Compound growth a year."""
    volatility: Figure
    """Standard deviation of daily returns, annualised."""
    sharpe: Figure
    """With Mertens' interval, which takes days for independent."""
    sharpe_resampled: Figure
    """With the interval of the stationary bootstrap, which does not."""
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
    costs: Costs
    exposure: Exposure
    capacity: tuple[Capacity, ...]
    benchmark: Benchmark | None
    attribution: dict[str, tuple[Share, ...]]
    day_paths: Paths
    trip_paths: Paths


def measure(
    result: Result, tries: int = 1, seed: int = 0, draws: int = DRAWS, tries_variance: float | None = None
) -> Measures:
    """Every figure of a run.

    `tries` is how many variants were tried before this one was chosen, and `tries_variance` the variance of their
    annualised Sharpe ratios where it is known; without it, that of strategies without skill is taken.
    """
    return measure_record(record_of(result), tries, seed, draws, tries_variance)


def measure_record(
    record: Record, tries: int = 1, seed: int = 0, draws: int = DRAWS, tries_variance: float | None = None
) -> Measures:
    """As `measure`, of what may be no single run, such as the out-of-sample parts of a walk-forward."""
    curve, trips, tries = curve_of(record.samples), trip.trips_of(record.trades), max(1, tries)
    returns = daily(curve).returns
    block, rng = block_length(returns), np.random.default_rng(seed)
    means, ratio_draws, downside_draws = resampled(
        returns, (row_means, ratios.sharpe_rows, ratios.sortino_rows), draws, rng, block
    )
    (factors,) = resampled(trips.pnl, (trip.factor_rows,), draws, rng)
    tripped, found, growth = trip.tripped(trips, factors), drawdowns(curve), yearly_growth(curve, len(returns))
    plain, mean = ratios.sharpe(returns), mean_daily(returns, interval(means))
    resampled_sharpe = ratios.resampled_sharpe(plain, ratio_draws)
    chance, deflated, needed = ratios.probability_figures(returns, tries, tries_variance)
    paid, at_stake = _costs(record, curve, trips), _exposure(record, curve, trips)
    is_funded = any(record.carry.values())
    held = benchmark(curve, held_of(record), draws, rng, is_with_funding=is_funded)
    paths = day_paths(returns, draws, block, rng)
    aims = targets(mean, plain, found.deepest.fraction, tripped.win_rate)
    evidence = Evidence(
        currency=record.currency,
        days=curve.days,
        net=paid.net,
        growth=curve.growth,
        trades=len(trips),
        tries=tries,
        is_made_up=record.is_made_up,
        sharpe=wider(plain, resampled_sharpe),
        expectancy=tripped.expectancy,
        deflated=deflated,
        days_needed=needed,
        costs=paid,
        benchmark=held,
        paths=paths,
        targets=aims,
    )
    return Measures(
        tries=tries,
        seed=seed,
        draws=draws,
        days=curve.days,
        pnl=paid.net,
        growth=curve.growth,
        verdict=verdict(evidence),
        targets=aims,
        daily=mean,
        yearly=growth,
        volatility=_volatility(returns),
        sharpe=plain,
        sharpe_resampled=resampled_sharpe,
        sortino=ratios.sortino(returns, downside_draws),
        calmar=calmar(growth, found.deepest.fraction),
        probabilistic_sharpe=chance,
        deflated_sharpe=deflated,
        days_needed=needed,
        block_days=block,
        drawdowns=found,
        months=monthly(curve),
        trips=tripped,
        costs=paid,
        exposure=at_stake,
        capacity=_capacities(record, trips, curve.days),
        benchmark=held,
        attribution=attribution(trips),
        day_paths=paths,
        trip_paths=trip_paths(trips.pnl, record.deposit, draws, rng),
    )


def held_of(record: Record) -> Curve | None:
    """Equity of who held the record's instruments instead."""
    prices = {name: curve_of(samples) for name, samples in record.prices.items()}
    return hold(prices, record.deposit, record.taker_fees, record.carry, record.samples[0][0])


def _traded(record: Record, trips: trip.Trips) -> float:
    return record.traded if record.traded is not None else 2 * float(trips.notional.sum())


def _costs(record: Record, curve: Curve, trips: trip.Trips) -> Costs:
    fees = record.fees if record.fees is not None else float(trips.fees.sum())
    net = float(curve.values[-1]) - record.deposit
    return costs(net, fees, record.funding, _traded(record, trips), record.slippage)


def _exposure(record: Record, curve: Curve, trips: trip.Trips) -> Exposure:
    held = record.time_in_market
    if held is None:
        held = union_ns(trips.opened.tolist(), trips.closed.tolist()) / DAY_NS / curve.days if curve.days else 0.0
    return exposure(held, curve, curve_of(record.gross), curve_of(record.net), _traded(record, trips))


def union_ns(begins: Sequence[int], ends: Sequence[int]) -> int:
    """How long at least one of some spans lasted."""
    total, until = 0, 0
    for begin, end in sorted(zip(begins, ends, strict=True)):
        total += max(0, end - max(begin, until))
        until = max(until, end)
    return total


def _capacities(record: Record, trips: trip.Trips, days: float) -> tuple[Capacity, ...]:
    found = []
    for name, prices in record.prices.items():
        which = trips.of(name)
        notional = float(trips.notional[which].mean()) if which.any() else 0.0
        volume = record.traded_a_day.get(name)
        share = 2 * float(trips.notional[which].sum()) / (volume * days) if volume and days else None
        market = Market(instrument=name, traded_a_day=volume, prices=curve_of(prices))
        found.append(capacity(market, trip.expectancy(trips.pnl[which]), notional, share))
    return tuple(found)


def _volatility(returns: Floats) -> Figure:
    value = float(returns.std(ddof=1)) * sqrt(DAYS_A_YEAR) if len(returns) > 1 else 0.0
    return figure(value, len(returns), DAYS)
