"""Does a market trend or come back: the variance ratio of its returns, and Wilder's directional index."""

from __future__ import annotations

import math

from msgspec import Struct, field

from engine.indicators.volatility import RollingStd


class VarianceRatio(Struct):
    """Variance of `lag`-bar log returns over `lag` times that of one-bar returns, in the last `window` returns.

    Lo & MacKinlay, Review of Financial Studies 1(1), 1988, overlapping and unbiased. 1 is a random walk, less is a
    market whose moves are taken back, more is one that trends. A random walk's own scatter around 1 has the standard
    deviation sqrt(2 (2 lag - 1) (lag - 1) / (3 lag window)). NaN until ready, and where nothing moved.
    """

    window: int
    lag: int
    one: RollingStd
    many: RollingStd
    recent: list[float] = field(default_factory=list)
    """The newest `lag` log prices, oldest first."""

    @classmethod
    def of(cls, window: int, lag: int) -> VarianceRatio:
        """An empty one. Raises ValueError unless 2 <= `lag` < `window`."""
        if not 2 <= lag < window:
            raise ValueError(f"lag ({lag}) must be at least 2 and less than window ({window})")
        return cls(window, lag, RollingStd(window), RollingStd(window - lag + 1))

    @property
    def ready(self) -> bool:
        """True once `window` returns were seen."""
        return self.one.ready

    @property
    def value(self) -> float:
        """The ratio, NaN until ready."""
        if not self.one.ready or not self.many.ready:
            return math.nan
        window, lag, drift = self.window, self.lag, self.one.mean
        of_one = self.one.squares / (window - 1)
        if of_one <= 1e-24:
            return math.nan
        count = window - lag + 1
        squares = self.many.squares + count * (self.many.mean - lag * drift) ** 2
        return squares / (lag * count * (1 - lag / window)) / of_one

    def update(self, price: float) -> float:
        """Take the next price (> 0) and return the ratio, NaN until ready."""
        recent, level = self.recent, math.log(price)
        if recent:
            self.one.update(level - recent[-1])
        if len(recent) == self.lag:
            self.many.update(level - recent[0])
            del recent[0]
        recent.append(level)
        return self.value


class Adx(Struct):
    """Wilder's average directional index, 0 to 100: how strongly a market trends, whichever way.

    New Concepts in Technical Trading Systems, 1978. Seeds as TA-Lib has them: movements are summed from the second bar
    on for `period` - 1 bars and decay by 1 / period from then, the index is the mean of the first `period` ratios.
    The average true range by which Wilder divides both movements cancels in their ratio. Ready after 2 `period` bars.
    """

    period: int
    count: int = 0
    high: float = 0.0
    low: float = 0.0
    up: float = 0.0
    down: float = 0.0
    index: float = 0.0

    @property
    def ready(self) -> bool:
        """True once the seed is complete."""
        return self.count >= 2 * self.period

    @property
    def value(self) -> float:
        """The index, NaN until ready."""
        return self.index if self.ready else math.nan

    def update(self, high: float, low: float) -> float:
        """Take the next bar and return the index, NaN until ready."""
        rise, fall = high - self.high, self.low - low
        self.high, self.low = high, low
        self.count = count = self.count + 1
        if count == 1:
            return math.nan
        keep = 1.0 if count <= self.period else 1.0 - 1.0 / self.period
        self.up = self.up * keep + (rise if rise > 0.0 and rise > fall else 0.0)
        self.down = self.down * keep + (fall if fall > 0.0 and fall > rise else 0.0)
        if count <= self.period:
            return math.nan
        moved = self.up + self.down
        direction = 100.0 * abs(self.up - self.down) / moved if moved > 0.0 else self.index
        self.index += (direction - self.index) / min(count - self.period, self.period)
        return self.value
