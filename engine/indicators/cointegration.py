"""Do two prices belong together? The Engle-Granger test over a moving window, at flat cost for each new pair.

    1  least squares of y on x over the window: y = intercept + slope x + e
    2  Dickey-Fuller on e, augmented by `lags` differences, without a constant, because e has none:
           de(t) = g e(t-1) + c1 de(t-1) + ... + noise;   statistic t = g / its standard error
    3  cointegrated at a level when t is below MacKinnon's critical value for two series and a constant

Residuals are linear in 1, x and y, so every sum of step 2 is one of a fixed matrix of sums of products of levels and
differences, weighed with the slope of the moment. The matrix is kept by difference and taken anew each time the ring
wraps, so rounding does not pile up.

The half-life is that of an Ornstein-Uhlenbeck process with the plain Dickey-Fuller coefficient, ln(1/2) / ln(1 + g0)
(Chan, Algorithmic Trading, 2013, ch. 2, in discrete time).

Sources: Engle & Granger, Econometrica 55(2), 1987; MacKinnon, Critical Values for Cointegration Tests, Queen's
Economics Department Working Paper 1227, 2010, table 2. Tests compare it with statsmodels' `coint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import fsum, inf, isnan, log, nan, sqrt
from typing import NamedTuple

from msgspec import Struct, field

from engine.indicators.regression import RollingRegression

CRITICAL = {
    1: (-3.89644, -10.9519, -33.527),
    5: (-3.33613, -6.1101, -6.823),
    10: (-3.04445, -4.2412, -2.720),
}
"""By level in percent: b0 + b1 / n + b2 / n**2."""
LEVELS = 3
"""Of the variables of a row, the first are 1 and the levels before; then come differences, the newest first."""


def critical_value(level_pct: int, window: int) -> float:
    """What the statistic has to be below for two series and a constant; `level_pct` 1, 5 or 10."""
    b0, b1, b2 = CRITICAL[level_pct]
    count = window - 1
    return b0 + b1 / count + b2 / count**2


class EngleGranger(NamedTuple):
    """The window's line, and how its residuals come back."""

    slope: float
    intercept: float
    deviation: float
    """Standard deviation of the residuals."""
    statistic: float
    """NaN where the residuals do not move."""
    half_life: float
    """In bars; infinite where they do not come back."""
    correlation: float
    """Of the two series' differences; NaN where one does not move."""


class Cointegration(Struct):
    """Sums over the last `window` pairs. Feed logarithms of prices: then the slope is money for money."""

    window: int
    lags: int
    line: RollingRegression
    sums: list[float] = field(default_factory=list)
    """Upper triangle of the sums of products of rows, row by row."""

    @classmethod
    def of(cls, window: int, lags: int) -> Cointegration:
        """One that has seen nothing. `window` at least 3 lags + 10."""
        count = LEVELS + 2 * (lags + 1)
        return cls(window, lags, RollingRegression(window), [0.0] * (count * (count + 1) // 2))

    @property
    def ready(self) -> bool:
        """True once the window is full."""
        return self.line.ready

    @property
    def deviation(self) -> float:
        """Standard deviation of the line's residuals; NaN until ready, and where x does not move."""
        line = self.line
        squares = line.yy - line.slope * line.xy
        return sqrt(max(0.0, squares) / self.window) if not isnan(squares) else nan

    def update(self, x: float, y: float) -> None:
        """Take the next pair."""
        line, span = self.line, self.lags + 2
        if line.ready:
            self._add(self._row(line.at, span), -1.0)
        line.update(x, y)
        if len(line.xs) >= span:
            newest = line.at if line.ready else len(line.xs)
            self._add(self._row(newest - span, span), 1.0)
        if line.ready and line.at == 0:
            rows = [products(self._row(start, span)) for start in range(self.window - span + 1)]
            self.sums = [fsum(column) for column in zip(*rows, strict=True)]

    def test(self) -> EngleGranger | None:
        """The test of the window as it is; None until ready, and where x does not move."""
        line = self.line
        slope, intercept = line.slope, line.intercept
        if not line.ready or isnan(slope):
            return None
        before = ((0, -intercept), (1, -slope), (2, 1.0))
        changes = [((LEVELS + 2 * i, -slope), (LEVELS + 1 + 2 * i, 1.0)) for i in range(self.lags + 1)]
        return EngleGranger(
            slope,
            intercept,
            self.deviation,
            self._statistic([*changes[1:], before], changes[0]),
            half_life(self._product(before, changes[0]), self._product(before, before)),
            self._correlation(),
        )

    def _statistic(self, regressors: Sequence[Weights], target: Weights) -> float:
        """The last regressor's t."""
        size = len(regressors)
        gram = [[self._product(a, b) for b in regressors[: i + 1]] for i, a in enumerate(regressors)]
        with_target = [self._product(a, target) for a in regressors]
        root = cholesky(gram)
        if root is None:
            return nan
        solved: list[float] = []
        for i, row in enumerate(root):
            solved.append((with_target[i] - fsum([row[j] * solved[j] for j in range(i)])) / row[i])
        rest = self._product(target, target) - fsum([part * part for part in solved])
        freedom = self.window - 1 - self.lags - size
        if not rest > 0.0:
            return nan
        return solved[-1] / sqrt(rest / freedom)

    def _correlation(self) -> float:
        """Of the newest differences of the rows."""
        count = self.window - 1 - self.lags
        x, y = LEVELS, LEVELS + 1
        mean_x, mean_y = self._sum(0, x) / count, self._sum(0, y) / count
        xx = self._sum(x, x) - count * mean_x * mean_x
        yy = self._sum(y, y) - count * mean_y * mean_y
        if not (xx > 0.0 and yy > 0.0):
            return nan
        return max(-1.0, min(1.0, (self._sum(x, y) - count * mean_x * mean_y) / sqrt(xx * yy)))

    def _row(self, start: int, span: int) -> list[float]:
        """The variables of one time: 1, levels before, then the differences from the newest to the oldest."""
        xs, ys, size = self.line.xs, self.line.ys, len(self.line.xs)
        at = [(start + i) % size for i in range(span - 1, -1, -1)]
        row = [1.0, xs[at[1]], ys[at[1]]]
        for now, before in pairwise(at):
            row += (xs[now] - xs[before], ys[now] - ys[before])
        return row

    def _add(self, row: list[float], sign: float) -> None:
        self.sums = [total + sign * product for total, product in zip(self.sums, products(row), strict=True)]

    def _sum(self, i: int, j: int) -> float:
        """Sum of the products of two variables."""
        if i > j:
            i, j = j, i
        count = LEVELS + 2 * (self.lags + 1)
        return self.sums[i * count - i * (i - 1) // 2 + j - i]

    def _product(self, a: Weights, b: Weights) -> float:
        """Sum of the products of two weighed sums of variables."""
        return fsum([p * q * self._sum(i, j) for i, p in a for j, q in b])


Weights = Sequence[tuple[int, float]]
"""A sum of variables of a row: (which, weight)."""


def products(row: list[float]) -> list[float]:
    """All products of two variables, each once."""
    return [a * b for i, a in enumerate(row) for b in row[i:]]


def half_life(with_change: float, squares: float) -> float:
    """Bars in which half of a deviation goes, from sum e(t-1) de(t) and sum e(t-1)**2."""
    if not squares > 0.0:
        return inf
    coefficient = with_change / squares
    if coefficient >= 0.0:
        return inf
    return log(0.5) / log(1.0 + coefficient) if coefficient > -1.0 else 0.0


def cholesky(lower: list[list[float]]) -> list[list[float]] | None:
    """The lower root of a symmetric matrix given by its lower half; None unless it is positive."""
    root: list[list[float]] = []
    for i, row in enumerate(lower):
        made: list[float] = []
        for j in range(i):
            made.append((row[j] - fsum([made[n] * root[j][n] for n in range(j)])) / root[j][j])
        rest = row[i] - fsum([part * part for part in made])
        if not rest > 1e-12 * row[i]:
            return None
        root.append([*made, sqrt(rest)])
    return root
