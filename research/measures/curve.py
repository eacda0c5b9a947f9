"""Equity over time: daily returns, growth, drawdowns with their length and recovery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from math import expm1, fsum, log, log1p

import numpy as np
from msgspec import Struct

from research.measures.figure import DAYS, Figure, Floats, Ints, figure, none
from risk.statistics import DAY_NS, DAYS_A_YEAR, LEAST_DAYS

WORST = 5
"""Drawdowns that are listed."""


class Curve(Struct, frozen=True, kw_only=True):
    """Samples of equity (or of anything that is worth money), oldest first; times are nanoseconds UTC."""

    times: Ints
    values: Floats

    @property
    def days(self) -> float:
        """Its length in days."""
        return float(self.times[-1] - self.times[0]) / DAY_NS if len(self.times) else 0.0

    @property
    def growth(self) -> float:
        """What was earned, as a fraction of the first value; 0 where that is not positive."""
        return float(self.values[-1] / self.values[0] - 1) if len(self.values) and self.values[0] > 0 else 0.0


def curve_of(samples: Iterable[tuple[int, Decimal | float]]) -> Curve:
    """The curve of (ts_ns, value) pairs."""
    pairs = [(ts_ns, float(value)) for ts_ns, value in samples]
    return Curve(
        times=np.array([ts_ns for ts_ns, _ in pairs], dtype=np.int64),
        values=np.array([value for _, value in pairs], dtype=np.float64),
    )


class Daily(Struct, frozen=True, kw_only=True):
    """Returns of whole UTC days, and which days they are (days since 1970)."""

    days: Ints
    returns: Floats


def daily(curve: Curve) -> Daily:
    """Returns from one UTC day's last sample to the next's, over whole days only.

    The first day (there is no close before it) and the last (it may not be whole) give none, nor do days after one
    without samples, or after one that closed without equity. A test holds it to `risk.statistics.daily_returns`.
    """
    days = curve.times // DAY_NS
    last_of_day = np.flatnonzero(np.diff(days))  # the samples before midnight; the last day's is not among them
    closes, at = curve.values[last_of_day], days[last_of_day]
    before, after = closes[:-1], closes[1:]
    whole = (before > 0) & (np.diff(at) == 1)
    return Daily(days=at[1:][whole], returns=after[whole] / before[whole] - 1)


def mean_daily(returns: Floats, bounds: tuple[float | None, float | None]) -> Figure:
    """The mean daily return (arithmetic), as a fraction."""
    value = float(returns.mean()) if len(returns) else 0.0
    return figure(value, len(returns), DAYS, low=bounds[0], high=bounds[1])


def yearly_growth(curve: Curve, n: int) -> Figure:
    """Compound growth a year: (last / first) ** (365 / days) - 1. Of less than a year it is an extrapolation."""
    first, last, days = curve.values[0], curve.values[-1], curve.days
    if n < LEAST_DAYS or first <= 0:
        return figure(0.0, n, DAYS) if n < LEAST_DAYS else none(n, DAYS, "there was no capital")
    caveat = "" if days >= DAYS_A_YEAR else f"extrapolated from {days:.0f} days"
    if last <= 0:
        return figure(-1.0, n, DAYS, caveat="everything was lost")
    exponent = log(last / first) * DAYS_A_YEAR / days
    return figure(expm1(exponent) if exponent < 50 else float("inf"), n, DAYS, caveat=caveat)


class Drawdown(Struct, frozen=True, kw_only=True):
    """A fall from a high until it is made good; `recovered_ns` 0 = it was not, and `days` runs to the last sample.

    `fraction` is of the high: more than 1 when equity went below zero.
    """

    fraction: float = 0.0
    amount: float = 0.0
    peak_ns: int = 0
    trough_ns: int = 0
    recovered_ns: int = 0
    days: float = 0.0
    """From the high to the recovery."""


class Drawdowns(Struct, frozen=True, kw_only=True):
    """The deepest first, by fraction; what lies between two samples is not seen."""

    worst: tuple[Drawdown, ...] = ()
    longest_days: float = 0.0
    under_water: float = 0.0
    """Share of the time that was spent below a high."""
    ulcer: float = 0.0
    """Root mean square of the drawdown over the samples (Martin and McCann 1989): depth and length in one figure."""

    @property
    def deepest(self) -> Drawdown:
        """The deepest one; all zeros where there is none."""
        return self.worst[0] if self.worst else Drawdown()


def under_high(values: Floats) -> Floats:
    """How far each value is below the highest so far, as a fraction of that; where no high was positive, 0 or 1."""
    highs = np.maximum.accumulate(values) if len(values) else values
    worth = highs > 0
    below = np.divide(highs - values, highs, out=np.zeros_like(values), where=worth)
    return np.where(worth, below, (highs > values).astype(np.float64))


def drawdowns(curve: Curve) -> Drawdowns:
    """All falls of a curve, from each high to the sample that makes it good."""
    times, values = curve.times, curve.values
    if len(values) < 2:
        return Drawdowns()
    depth = under_high(values)
    is_under = depth > 0
    edges = np.diff(np.concatenate(([False], is_under, [False])).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(np.argmax(depth[start:end]))
        recovered = end < len(values)
        until = int(times[end] if recovered else times[-1])
        peak_ns = int(times[start - 1])
        found.append(
            Drawdown(
                fraction=float(depth[trough]),
                amount=float(values[start - 1] - values[trough]),
                peak_ns=peak_ns,
                trough_ns=int(times[trough]),
                recovered_ns=until if recovered else 0,
                days=(until - peak_ns) / DAY_NS,
            )
        )
    found.sort(key=lambda fall: (-fall.fraction, fall.peak_ns))
    span_ns = int(times[-1] - times[0])
    under_ns = int(np.diff(times)[is_under[1:]].sum())
    return Drawdowns(
        worst=tuple(found[:WORST]),
        longest_days=max((fall.days for fall in found), default=0.0),
        under_water=under_ns / span_ns if span_ns else 0.0,
        ulcer=float(np.sqrt(np.mean(depth**2))),
    )


def calmar(growth: Figure, deepest: float) -> Figure:
    """Growth a year over the deepest drawdown (Young 1991, who used 36 months)."""
    if growth.value is None:
        return growth
    if deepest <= 0:
        return none(growth.n, growth.of, "there was no drawdown to divide by")
    return figure(growth.value / deepest, growth.n, growth.of, caveat=growth.caveat)


class Month(Struct, frozen=True, kw_only=True):
    """What a calendar month (UTC) earned, as a fraction of the equity before it. The first and last may be parts."""

    year: int
    month: int
    growth: float


def monthly(curve: Curve) -> tuple[Month, ...]:
    """Growth by calendar month: from the last sample of one to the last of the next; it stops when nothing is left."""
    if len(curve.values) < 2:
        return ()
    dates = curve.times.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    ends = [*np.flatnonzero(np.diff(dates)).tolist(), len(dates) - 1]
    found, before = [], float(curve.values[0])
    for end in ends:
        if before <= 0:
            break
        when = dt.datetime.fromtimestamp(int(curve.times[end]) / 1e9, tz=dt.UTC)
        value = float(curve.values[end])
        found.append(Month(year=when.year, month=when.month, growth=value / before - 1))
        before = value
    return tuple(found)


def compounded(returns: Floats) -> float:
    """What a series of returns makes of one unit, less one; -1 once a return took everything."""
    if len(returns) and returns.min() <= -1:
        return -1.0
    return expm1(fsum(log1p(r) for r in returns.tolist()))
