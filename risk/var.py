"""Value at risk and expected shortfall of what is held, from what prices did: losses are positive.

Historical: today's holdings through every past step (Hull, "Options, Futures, and Other Derivatives", historical
simulation). The quantile is the smallest loss that `level` of the steps do not exceed; the shortfall is the mean beyond
it, with the quantile's own step in part (Acerbi and Tasche, "On the Coherence of Expected Shortfall", 2002).
Parametric: normal with mean zero, deviation from the shrunk covariance. Neither knows a step worse than it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, fsum, sqrt
from statistics import NormalDist

from risk.covariance import Columns, Matrix

LEVELS = (0.95, 0.99)
LEAST_IN_TAIL = 5
"""Observations beyond the quantile below which it says nothing."""
_NORMAL = NormalDist()
_NOISE = 1e-9


def least_steps(level: float) -> int:
    """How many steps a historical figure needs: 100 at 95 %, 500 at 99 %."""
    return round(LEAST_IN_TAIL / (1.0 - level))


def losses(values: Sequence[float], returns: Columns) -> list[float]:
    """Loss of the holdings in every past step: minus the sum of value times return."""
    return [-fsum(v * r for v, r in zip(values, step, strict=True)) for step in zip(*returns, strict=True)]


def historical(lost: Sequence[float], level: float) -> tuple[float, float]:
    """Value at risk and expected shortfall of past losses (at least one) at a level in 0..1."""
    ordered = sorted(lost)
    n = len(ordered)
    exact = n * level
    at = ceil(exact - _NOISE)
    quantile = ordered[max(at, 1) - 1]
    tail = n - exact
    return quantile, (fsum(ordered[at:]) + (at - exact) * quantile) / tail


def parametric(values: Sequence[float], covariance: Matrix, level: float) -> tuple[float, float]:
    """Value at risk and expected shortfall of a normal distribution: z s and s pdf(z) / (1 - level)."""
    rows = [fsum(c * v for c, v in zip(row, values, strict=True)) for row in covariance]
    sigma = sqrt(max(0.0, fsum(v * row for v, row in zip(values, rows, strict=True))))
    z = _NORMAL.inv_cdf(level)
    return z * sigma, sigma * _NORMAL.pdf(z) / (1.0 - level)
