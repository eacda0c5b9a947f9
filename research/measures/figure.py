"""A figure that says how far it can be trusted: its value, a 95 % interval, how many observations, and a caveat.

A figure is never NaN or infinite. Where the data cannot carry it, the value is None and the caveat says why.
"""

from __future__ import annotations

from math import isfinite, sqrt
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct, structs

from risk.statistics import LEAST_DAYS, LEAST_TRADES

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

CONFIDENCE = 0.95
"""Of every interval."""
NORMAL = NormalDist()
Z = NORMAL.inv_cdf(0.5 + CONFIDENCE / 2)
DAYS, TRADES = "daily returns", "round trips"
LEAST = {DAYS: LEAST_DAYS, TRADES: LEAST_TRADES}


class Figure(Struct, frozen=True, kw_only=True):
    """One figure of `n` observations (`of` names them); `low` and `high` bound it with 95 % confidence, where known."""

    value: float | None
    n: int
    of: str
    low: float | None = None
    high: float | None = None
    caveat: str = ""


def figure(
    value: float, n: int, of: str, *, low: float | None = None, high: float | None = None, caveat: str = ""
) -> Figure:
    """A figure, unless there are too few observations of it or it is no finite number."""
    if n < LEAST[of]:
        return too_few(n, of)
    if not isfinite(value):
        return none(n, of, caveat or "cannot be computed from these data")
    known = [None if bound is None or not isfinite(bound) else float(bound) for bound in (low, high)]
    return Figure(value=float(value), n=n, of=of, low=known[0], high=known[1], caveat=caveat)


def too_few(n: int, of: str) -> Figure:
    """That `n` observations say nothing."""
    return none(n, of, f"insufficient data: n = {n} {of}, at least {LEAST[of]} needed")


def none(n: int, of: str, why: str) -> Figure:
    """A figure that does not exist, and why."""
    return Figure(value=None, n=n, of=of, caveat=why)


def interval(draws: Floats) -> tuple[float | None, float | None]:
    """The percentile interval of resampled values (Efron 1979); a bound beyond every number is None.

    Infinite values count: without them a ratio of which one resample in four has no loss would seem to be bounded.
    What is no number at all (nothing over nothing) is left out.
    """
    known = draws[~np.isnan(draws)]
    if len(known) < 100:
        return None, None
    with np.errstate(invalid="ignore"):  # between two infinite values
        ends = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return low, high


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The interval of a share (Wilson 1927, "Probable inference", JASA 22), which stays within 0 and 1."""
    share, z2 = hits / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def ratio_rows(over: Floats, under: Floats, least: Floats | float = 1e-14) -> Floats:
    """One by the other; where the divisor is no more than `least`, which is rounding, infinite, or NaN of nothing."""
    found: Floats = np.where(over == 0, np.nan, np.copysign(np.inf, over))
    np.divide(over, under, out=found, where=under > least)
    return found


def wider(one: Figure, other: Figure) -> Figure:
    """The first figure with the wider of both intervals at either end."""
    low = min((bound for bound in (one.low, other.low) if bound is not None), default=None)
    high = max((bound for bound in (one.high, other.high) if bound is not None), default=None)
    return structs.replace(one, low=low, high=high)
