"""Return for risk: Sharpe and Sortino ratios, how sure they are, and what is left of them after many tries."""

from __future__ import annotations

from math import e, sqrt

import numpy as np
from msgspec import Struct

from research.measures.figure import DAYS, NORMAL, Figure, Floats, Z, figure, interval, none, ratio_rows, too_few
from risk.statistics import DAYS_A_YEAR, LEAST_DAYS

EULER = 0.5772156649015329
"""The Euler-Mascheroni constant."""


class Moments(Struct, frozen=True, kw_only=True):
    """Of daily returns: `ratio` is mean over standard deviation (n - 1), not annualised; `kurtosis` 3 is normal."""

    n: int
    ratio: float
    skew: float
    kurtosis: float


def moments(returns: Floats) -> Moments | None:
    """The moments that a Sharpe ratio's error depends on; None where there is no deviation to divide by."""
    n = len(returns)
    if n < 2 or is_constant(returns):
        return None
    mean = float(returns.mean())
    centred = returns - mean
    variance = float(np.mean(centred**2))
    spread = sqrt(variance)
    return Moments(
        n=n,
        ratio=mean / (spread * sqrt(n / (n - 1))),
        skew=float(np.mean((centred / spread) ** 3)),
        kurtosis=float(np.mean((centred / spread) ** 4)),
    )


def is_constant(returns: Floats) -> bool:
    """Whether nothing but rounding distinguishes the returns."""
    return bool(np.ptp(returns) <= 1e-14 * max(1.0, float(np.abs(returns).max())))


def sharpe_variance(ratio: float, skew: float = 0.0, kurtosis: float = 3.0) -> float:
    """N times the variance of an estimated Sharpe ratio of n independent returns (both not annualised).

    1 + SR^2 / 2 for normal returns (Lo 2002, "The statistics of Sharpe ratios", FAJ 58), in general
    1 - skew SR + (kurtosis - 1) / 4 SR^2 (Mertens 2002; Christie 2005; Opdyke 2007).
    """
    return max(0.0, 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2)


def sharpe(returns: Floats) -> Figure:
    """Annualised Sharpe ratio of daily returns (365 days, no risk-free rate) with Mertens' interval."""
    seen, n = moments(returns), len(returns)
    if n < LEAST_DAYS:
        return too_few(n, DAYS)
    if seen is None:
        return none(n, DAYS, "all daily returns are equal")
    value = seen.ratio * sqrt(DAYS_A_YEAR)
    error = sqrt(sharpe_variance(seen.ratio, seen.skew, seen.kurtosis) / n * DAYS_A_YEAR)
    return figure(
        value, n, DAYS, low=value - Z * error, high=value + Z * error, caveat=f"standard error {error:.2f} (Mertens)"
    )


def resampled_sharpe(value: Figure, draws: Floats) -> Figure:
    """The same ratio with the interval of the stationary bootstrap, which does not take days for independent."""
    if value.value is None:
        return value
    low, high = interval(draws)
    return figure(value.value, value.n, value.of, low=low, high=high, caveat="stationary bootstrap")


def sharpe_rows(rows: Floats) -> Floats:
    """Annualised Sharpe ratio of each row; infinite for one without deviation, NaN where nothing was earned either."""
    return ratio_rows(rows.mean(axis=1), rows.std(axis=1, ddof=1)) * sqrt(DAYS_A_YEAR)


def sortino_rows(rows: Floats) -> Floats:
    """Annualised Sortino ratio of each row (target 0), infinite for one without a loss, NaN where none is earned."""
    downside = np.sqrt(np.mean(np.minimum(rows, 0.0) ** 2, axis=1))
    return ratio_rows(rows.mean(axis=1), downside) * sqrt(DAYS_A_YEAR)


def sortino(returns: Floats, draws: Floats) -> Figure:
    """As `sharpe`, over the deviation of losing days alone (target 0; Sortino and Price 1994); bootstrap interval."""
    n = len(returns)
    if n < LEAST_DAYS:
        return too_few(n, DAYS)
    (value,) = sortino_rows(returns[np.newaxis])
    low, high = interval(draws)
    return figure(value, n, DAYS, low=low, high=high, caveat="" if np.isfinite(value) else "no day was a loss")


def probabilistic_sharpe(seen: Moments, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark` (not annualised).

    Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier", Journal of Risk 15.
    """
    variance = sharpe_variance(seen.ratio, seen.skew, seen.kurtosis)
    if not variance:
        return float(seen.ratio > benchmark)
    return NORMAL.cdf((seen.ratio - benchmark) * sqrt((seen.n - 1) / variance))


def least_track_record(seen: Moments, benchmark: float = 0.0, confidence: float = 0.95) -> float | None:
    """Returns needed before a Sharpe ratio is above `benchmark` with this confidence; None where it is not above.

    The minimum track record length of Bailey and Lopez de Prado 2012.
    """
    if seen.ratio <= benchmark:
        return None
    variance = sharpe_variance(seen.ratio, seen.skew, seen.kurtosis)
    return 1 + variance * (NORMAL.inv_cdf(confidence) / (seen.ratio - benchmark)) ** 2


def expected_best(tries: int, variance: float) -> float:
    """The Sharpe ratio that the best of `tries` independent strategies without any skill is expected to show.

    `variance` is that of the tries' ratios. Bailey and Lopez de Prado 2014, "The deflated Sharpe ratio", JPM 40.
    """
    if tries < 2:
        return 0.0
    first, second = -NORMAL.inv_cdf(1 / tries), -NORMAL.inv_cdf(1 / (tries * e))  # by symmetry: exact for any number
    return sqrt(variance) * ((1 - EULER) * first + EULER * second)


def probability_figures(returns: Floats, tries: int, variance: float | None) -> tuple[Figure, Figure, Figure]:
    """Probabilistic Sharpe ratio, deflated Sharpe ratio for `tries`, and days needed to tell it from luck.

    `variance` is that of the tries' annualised Sharpe ratios; None = that of ratios without skill, 1 / (n - 1) a day.
    """
    n = len(returns)
    if n < LEAST_DAYS:
        return (too_few(n, DAYS),) * 3
    seen = moments(returns)
    if seen is None:
        return (none(n, DAYS, "all daily returns are equal"),) * 3
    per_day = 1 / (n - 1) if variance is None else variance / DAYS_A_YEAR
    best = expected_best(tries, per_day)
    needed = least_track_record(seen)
    luck = (
        f"the best of {tries} without skill would show {best * sqrt(DAYS_A_YEAR):.2f}"
        if tries > 1
        else "one try: nothing to deflate; say how many there were"
    )
    return (
        figure(probabilistic_sharpe(seen), n, DAYS, caveat="that the true Sharpe ratio is above 0, for one try"),
        figure(probabilistic_sharpe(seen, best), n, DAYS, caveat=luck),
        none(n, DAYS, "no record is long enough: the ratio is not above 0")
        if needed is None
        else figure(needed, n, DAYS, caveat="days until it would differ from luck with 95 % confidence"),
    )
