"""Covariance of returns, shrunk: the sample's own is too extreme where there are few observations.

Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix", J. Portfolio Management 30(4), 2004, appendix B: the
target keeps the variances and gives every pair the average correlation. Pure Python: `math.fsum` rounds once whatever
the order, so the same observations give the same bits on every machine and Python, which NumPy does not promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from operator import mul
from typing import TypeAlias

from msgspec import Struct

Matrix: TypeAlias = list[list[float]]
Columns: TypeAlias = Sequence[Sequence[float]]
"""One sequence per variable, all of one length, observations in the same order."""


class Shrunk(Struct, frozen=True, kw_only=True):
    """Covariance and correlation of `n` observations; `intensity` 0 = the sample's own, 1 = the target."""

    covariance: Matrix
    correlation: Matrix
    intensity: float
    n: int


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; 0.0 of nothing."""
    return fsum(values) / len(values) if values else 0.0


def centred(values: Sequence[float]) -> list[float]:
    """Differences from the mean."""
    middle = mean(values)
    return [value - middle for value in values]


def deviation(values: Sequence[float]) -> float:
    """Standard deviation (divided by n, as everywhere here)."""
    apart = centred(values)
    return sqrt(fsum(map(mul, apart, apart)) / len(apart)) if apart else 0.0


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's correlation; 0.0 where one of them does not vary."""
    x, y = centred(a), centred(b)
    scale = sqrt(fsum(map(mul, x, x))) * sqrt(fsum(map(mul, y, y)))
    return max(-1.0, min(1.0, fsum(map(mul, x, y)) / scale)) if scale else 0.0


def beta(returns: Sequence[float], market: Sequence[float]) -> float:
    """Slope of returns on the market's: covariance / variance of the market; 0.0 where the market does not vary."""
    x, y = centred(market), centred(returns)
    variance = fsum(map(mul, x, x))
    return fsum(map(mul, x, y)) / variance if variance else 0.0


def shrink(columns: Columns) -> Shrunk:
    """Shrunk covariance of the columns. A column that does not vary is left out of the estimate: zero everywhere.

    With fewer than three columns that vary there is nothing to shrink towards: the sample's own.
    """
    varying = [i for i, column in enumerate(columns) if len(column) > 1 and min(column) < max(column)]
    small, intensity = _shrunk([centred(columns[i]) for i in varying])
    size = len(columns)
    covariance = [[0.0] * size for _ in range(size)]
    for i, row in zip(varying, small, strict=True):
        for j, value in zip(varying, row, strict=True):
            covariance[i][j] = value
    scale = [sqrt(covariance[i][i]) for i in range(size)]
    rows = [
        [
            1.0 if i == j else covariance[i][j] / (scale[i] * scale[j]) if scale[i] and scale[j] else 0.0
            for j in range(size)
        ]
        for i in range(size)
    ]
    n = len(columns[0]) if columns else 0
    return Shrunk(covariance=covariance, correlation=rows, intensity=intensity, n=n)


def _shrunk(x: list[list[float]]) -> tuple[Matrix, float]:
    """Shrunk covariance of centred columns that all vary, and the intensity."""
    size = len(x)
    n = len(x[0]) if x else 0
    squares = [list(map(mul, column, column)) for column in x]
    sample = [[0.0] * size for _ in range(size)]
    noise = [[0.0] * size for _ in range(size)]
    """Asymptotic variance of each entry (pi of the paper)."""
    joint = [[0.0] * size for _ in range(size)]
    """Asymptotic covariance of entry i, j with the variance of i (theta)."""
    for i in range(size):
        for j in range(i, size):
            products = list(map(mul, x[i], x[j]))
            s = sample[i][j] = sample[j][i] = fsum(products) / n
            noise[i][j] = noise[j][i] = fsum(map(mul, products, products)) / n - s * s
            joint[i][j] = fsum(map(mul, squares[i], products)) / n
            joint[j][i] = fsum(map(mul, squares[j], products)) / n
    if size < 3:
        return sample, 0.0
    scale = [sqrt(sample[i][i]) for i in range(size)]
    others = [(i, j) for i in range(size) for j in range(size) if i != j]
    average = fsum(sample[i][j] / (scale[i] * scale[j]) for i, j in others) / len(others)
    target = [[sample[i][i] if i == j else average * scale[i] * scale[j] for j in range(size)] for i in range(size)]
    pi = fsum(noise[i][j] for i in range(size) for j in range(size))
    rho = fsum(noise[i][i] for i in range(size)) + average * fsum(
        scale[j] / scale[i] * (joint[i][j] - sample[i][i] * sample[i][j]) for i, j in others
    )
    gamma = fsum((target[i][j] - sample[i][j]) ** 2 for i, j in others)
    intensity = max(0.0, min(1.0, (pi - rho) / gamma / n)) if gamma else 0.0
    for i, j in others:
        sample[i][j] = intensity * target[i][j] + (1.0 - intensity) * sample[i][j]
    return sample, intensity
